package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"nubo/internal/testx"
	sdk "nubo/sdk/network"
	"nubo/sdk/rest"
)

// TestClient has the other components' client speak to the API.
func TestClient(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	srv := httptest.NewServer(d.h)
	defer srv.Close()
	c := sdk.Client{Client: &rest.Client{Endpoint: srv.URL, Tokens: rest.StaticToken(root), HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}}
	ctx := t.Context()
	id := d.do(mine, "POST", "/v2.0/networks", `{"network": {"name": "n"}}`, 201).text("network", "id")
	d.do(mine, "POST", "/v2.0/subnets", `{"subnet": {"network_id": "`+id+`", "ip_version": 4, "cidr": "10.0.0.0/24"}}`, 201)
	n, err := c.ShowNetwork(ctx, id)
	testx.NoErr(t, err)
	testx.Equal(t, n.NetworkType, "vxlan")
	ports, err := c.CreatePorts(ctx, []sdk.PortCreate{{NetworkID: id, ProjectID: "p1", DeviceID: "s1", DeviceOwner: "compute:nova", HostID: "host1"}, {NetworkID: id}})
	testx.NoErr(t, err)
	testx.Equal(t, ports[0].VIFType, "tap")
	empty := ""
	p, err := c.UpdatePort(ctx, ports[0].ID, sdk.PortUpdate{HostID: &empty, DeviceID: &empty})
	testx.NoErr(t, err)
	testx.Equal(t, p.VIFType, sdk.VIFUnbound)
	found, err := c.ListPorts(ctx, url.Values{"fixed_ips": {"ip_address=" + p.FixedIPs[0].IPAddress}})
	testx.NoErr(t, err)
	testx.Equal(t, len(found), 1)
	subnets, err := c.ListSubnets(ctx, url.Values{"network_id": {id}})
	testx.NoErr(t, err)
	testx.Equal(t, subnets[0].GatewayIP, "10.0.0.1")
	groups, err := c.ListSecurityGroups(ctx, url.Values{"name": {"default"}, "project_id": {"p1"}})
	testx.NoErr(t, err)
	testx.Equal(t, len(groups[0].Rules), 4)
	testx.NoErr(t, c.DeletePort(ctx, p.ID))
	_, err = c.ShowPort(ctx, p.ID)
	testx.Equal(t, rest.IsNotFound(err), true)
}
