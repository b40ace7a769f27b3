package api_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"nubo/compute"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/testx"
)

// many inserts running servers.
func (f *fixture) many(n int) {
	f.t.Helper()
	now := time.Now()
	var servers []*compute.Server
	for i := range n {
		at := db.Micro(now.Add(time.Duration(i) * time.Millisecond))
		id := clock.NewID()
		servers = append(servers, &compute.Server{
			ID: id, Num: int64(i + 1), Name: fmt.Sprintf("server-%d", i), Hostname: fmt.Sprintf("server-%d", i), ProjectID: p1, UserID: "user-member",
			State: compute.Active, PowerState: compute.Running, Revision: 1, Host: "host1", Node: "host1", AZ: "nova",
			Flavor: compute.FlavorSnapshot{ID: "1", Name: "m1.tiny", VCPUs: 1, MemoryMB: 512, RootGB: 1}, ImageRef: imageID, KeyName: "key",
			KeyPublic: strings.Repeat("k", 390), Metadata: map[string]string{"role": "web"}, LaunchedAt: &at, CreatedAt: at, UpdatedAt: at,
			SecurityGroups: []compute.SecurityGroup{{ID: netID, Name: "default"}}, RootDeviceName: "/dev/vda",
			VIFs: []compute.VIF{{PortID: netID, NetworkID: netID, NetworkName: "private", MAC: "fa:16:3e:00:00:02", Device: "tap1", Active: true,
				FixedIPs: []compute.FixedIP{{IP: "10.0.0.3", SubnetID: netID, Floating: []string{"192.0.2.3"}}}}},
			BlockDevices: []compute.BlockDevice{{ID: clock.NewID(), ServerID: id, VolumeID: volID, DeviceName: "/dev/vdb", CreatedAt: at}},
		})
	}
	for len(servers) > 0 {
		batch := servers[:min(100, len(servers))]
		testx.NoErr(f.t, f.store.CreateServers(f.t.Context(), batch))
		servers = servers[len(batch):]
	}
}

// BenchmarkListDetail is GET /servers/detail of a thousand servers.
func BenchmarkListDetail(b *testing.B) {
	f := newFixture(b)
	f.many(1000)
	for b.Loop() {
		a := f.raw("GET", "/v2.1/servers/detail?limit=1000", "")
		if a.Code != 200 {
			b.Fatal(a.Body)
		}
	}
}

// BenchmarkCreate is POST /servers, whose answers do not wait for a host.
func BenchmarkCreate(b *testing.B) {
	f := newFixture(b)
	flavor := f.flavor()
	f.want(200, "admin", "", "PUT", "/v2.1/os-quota-sets/"+p1, `{"quota_set":{"instances":-1,"cores":-1,"ram":-1}}`)
	body := fmt.Sprintf(`{"server":{"name":"web","imageRef":"%s","flavorRef":"%s","networks":[{"uuid":"%s"}]}}`, imageID, flavor, netID)
	for b.Loop() {
		if a := f.raw("POST", "/v2.1/servers", body); a.Code != 202 {
			b.Fatal(a.Body)
		}
	}
}

// raw sends a member's request at the newest microversion, unread.
func (f *fixture) raw(method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://cloud"+path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", "member")
	r.Header.Set("OpenStack-API-Version", "compute latest")
	w := httptest.NewRecorder()
	f.h.ServeHTTP(w, r)
	return w
}
