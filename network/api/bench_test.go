package api_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"nubo/internal/testx"
)

// BenchmarkCreatePort is what compute does for a server: POST a bound port.
func BenchmarkCreatePort(b *testing.B) {
	d := newDoor(b)
	n := d.do(root, "POST", "/v2.0/networks", `{"network": {"project_id": "p1"}}`, 201).text("network", "id")
	d.do(root, "POST", "/v2.0/subnets", `{"subnet": {"network_id": "`+n+`", "ip_version": 4, "cidr": "10.0.0.0/12"}}`, 201)
	d.do(root, "PUT", "/v2.0/quotas/p1", `{"quota": {"port": -1}}`, 200)
	body := `{"port": {"network_id": "` + n + `", "project_id": "p1", "device_id": "srv", "device_owner": "compute:nova", "binding:host_id": "host1"}}`
	for b.Loop() {
		d.do(root, "POST", "/v2.0/ports", body, 201)
	}
}

// BenchmarkListPorts lists 1,000 ports whole.
func BenchmarkListPorts(b *testing.B) {
	d := newDoor(b)
	n := d.do(root, "POST", "/v2.0/networks", `{"network": {}}`, 201).text("network", "id")
	d.do(root, "POST", "/v2.0/subnets", `{"subnet": {"network_id": "`+n+`", "ip_version": 4, "cidr": "10.0.0.0/12", "enable_dhcp": false}}`, 201)
	d.do(root, "PUT", "/v2.0/quotas/adm", `{"quota": {"port": -1}}`, 200)
	for range 10 {
		d.do(root, "POST", "/v2.0/ports", `{"ports": [`+strings.TrimSuffix(strings.Repeat(`{"network_id": "`+n+`"},`, 100), ",")+`]}`, 201)
	}
	for b.Loop() {
		r := httptest.NewRequest("GET", "/v2.0/ports", nil)
		r.Header.Set("X-Auth-Token", root)
		w := httptest.NewRecorder()
		d.h.ServeHTTP(w, r)
		testx.Equal(b, w.Code, 200)
	}
}
