package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"nubo/compute"
	"nubo/internal/testx"
	"nubo/sdk/network"
)

func TestVolumes(t *testing.T) { t.Parallel(); each(t, testVolumes) }

func testVolumes(t *testing.T, f *fixture) {
	id := f.create("")
	path := "/v2.1/servers/" + id + "/os-volume_attachments"
	attach := `{"volumeAttachment":{"volumeId":"` + volID + `"}}`
	f.want(409, "member", "", "POST", path, attach) // it does not run yet
	f.launch(id)
	f.casts()
	a := f.want(200, "member", "", "POST", path, attach)
	testx.Equal(t, a.At("volumeAttachment"), any(map[string]any{"id": volID, "volumeId": volID, "serverId": id, "device": "/dev/vdb"}))
	f.want(400, "member", "", "POST", path, attach) // twice
	f.want(404, "member", "", "POST", path, `{"volumeAttachment":{"volumeId":"`+netID+`"}}`)
	a = f.want(200, "member", "2.89", "GET", path+"/"+volID, "")
	testx.Equal(t, []any{a.At("volumeAttachment", "id"), a.At("volumeAttachment", "attachment_id"), a.At("volumeAttachment", "delete_on_termination")},
		[]any{nil, "attachment", false})
	f.want(202, "member", "2.85", "PUT", path+"/"+volID, `{"volumeAttachment":{"volumeId":"`+volID+`","delete_on_termination":true}}`)
	a = f.want(200, "member", "2.3", "GET", "/v2.1/servers/"+id, "")
	testx.Equal(t, a.At("server", "os-extended-volumes:volumes_attached", 0), any(map[string]any{"id": volID, "delete_on_termination": true}))
	f.want(202, "member", "", "DELETE", path+"/"+volID, "")
	f.want(404, "member", "", "DELETE", path+"/"+netID, "")
	testx.Equal(t, f.casts(), []string{"compute.host1 attach_volume", "compute.host1 detach_volume"})
}

func TestInterfaces(t *testing.T) { t.Parallel(); each(t, testInterfaces) }

func testInterfaces(t *testing.T, f *fixture) {
	id := f.create("")
	f.launch(id)
	f.casts()
	path := "/v2.1/servers/" + id + "/os-interface"
	a := f.want(200, "member", "", "POST", path, `{"interfaceAttachment":{"net_id":"`+netID+`"}}`)
	port := a.At("interfaceAttachment", "port_id").(string)
	testx.Equal(t, a.At("interfaceAttachment", "fixed_ips", 0, "ip_address"), any("10.0.0.5"))
	testx.Equal(t, len(f.want(200, "member", "", "GET", path, "").At("interfaceAttachments").([]any)), 1)

	f.peers.ports[imageID] = &network.Port{ID: imageID, NetworkID: netID, FixedIPs: []network.FixedIP{{IPAddress: "10.0.0.9"}}}
	f.want(200, "member", "", "POST", path, `{"interfaceAttachment":{"port_id":"`+imageID+`"}}`)
	testx.Equal(t, f.peers.ports[imageID].DeviceID, id)
	f.want(409, "member", "", "POST", path, `{"interfaceAttachment":{"port_id":"`+imageID+`"}}`) // it has an owner now
	f.want(400, "member", "", "POST", path, `{"interfaceAttachment":{"port_id":"`+imageID+`","net_id":"`+netID+`"}}`)

	f.want(202, "member", "", "DELETE", path+"/"+port, "")
	f.want(404, "member", "", "DELETE", path+"/"+volID, "")
	testx.Equal(t, f.casts(), []string{"compute.host1 attach_interface", "compute.host1 attach_interface", "compute.host1 detach_interface"})
}

func TestServerSecurityGroups(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.create("")
	f.launch(id)
	path := "/v2.1/servers/" + id
	f.want(200, "member", "", "POST", path+"/os-interface", `{"interfaceAttachment":{"net_id":"`+netID+`"}}`)
	f.want(202, "member", "", "POST", path+"/action", `{"addSecurityGroup":{"name":"web"}}`)
	a := f.want(200, "member", "", "GET", path, "")
	testx.Equal(t, a.At("server", "security_groups"), any([]any{map[string]any{"name": "default"}, map[string]any{"name": "web"}}))
	f.want(202, "member", "", "POST", path+"/action", `{"removeSecurityGroup":{"name":"web"}}`)
	f.want(404, "member", "", "POST", path+"/action", `{"removeSecurityGroup":{"name":"web"}}`)
	f.want(404, "member", "", "POST", path+"/action", `{"addSecurityGroup":{"name":"none"}}`)
}

func TestExternalEvents(t *testing.T) { t.Parallel(); each(t, testExternalEvents) }

func testExternalEvents(t *testing.T, f *fixture) {
	id, young := f.create(""), f.create("")
	f.launch(id)
	f.casts()
	event := func(server string) string {
		return `{"name":"network-vif-plugged","server_uuid":"` + server + `","tag":"port-1"}`
	}
	const path = "/v2.1/os-server-external-events"
	f.want(403, "member", "", "POST", path, `{"events":[`+event(id)+`]}`)
	a := f.want(207, "service", "", "POST", path, `{"events":[`+event(id)+`,`+event(young)+`,`+event(netID)+`]}`)
	testx.Equal(t, []any{a.At("events", 0, "code"), a.At("events", 1, "code"), a.At("events", 2, "code"), a.At("events", 0, "status")},
		[]any{200.0, 422.0, 404.0, "completed"})
	testx.Equal(t, f.casts(), []string{"compute.host1 external_instance_event"})
	f.want(404, "service", "", "POST", path, `{"events":[`+event(netID)+`]}`)
	f.want(400, "service", "", "POST", path, `{"events":[{"name":"boo","server_uuid":"`+id+`"}]}`)
}

func TestGuestMetadata(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.want(200, "member", "", "POST", "/v2.1/os-keypairs", `{"keypair":{"name":"k"}}`)
	id := f.create(`,"key_name":"k","user_data":"aGVsbG8=","metadata":{"role":"web"}`)
	f.launch(id)
	sign := func(secret, id string) string {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(id))
		return hex.EncodeToString(mac.Sum(nil))
	}
	get := func(path, id, project, signature string) (int, string) {
		a := testx.Ask(t, f.h, "GET", "http://cloud"+path, nil, "X-Instance-ID", id, "X-Tenant-ID", project, "X-Instance-ID-Signature", signature)
		return a.Status, a.Text
	}
	good := sign(secret, id)
	for path, want := range map[string]string{
		"/openstack/latest/user_data": "hello", "/latest/user-data": "hello", "/openstack/2018-08-27/vendor_data.json": "{}",
		"/latest/meta-data/instance-id": "i-00000001", "/2009-04-04/meta-data/local-ipv4": "10.0.0.3",
		"/latest/meta-data/public-ipv4": "192.0.2.3", "/latest/meta-data/public-keys/": "0=k", "/latest/meta-data/public-keys/0/": "openssh-key",
		"/latest/meta-data/placement/": "availability-zone", "/latest/": "meta-data/\nuser-data", "/2009-04-04/meta-data/hostname": "web.novalocal",
	} {
		code, body := get(path, id, p1, good)
		if code != 200 || body != want {
			t.Errorf("%s: %d %q, want %q", path, code, body, want)
		}
	}
	code, body := get("/openstack/latest/meta_data.json", id, p1, good)
	testx.Equal(t, code, 200)
	var meta struct {
		UUID       string            `json:"uuid"`
		Hostname   string            `json:"hostname"`
		Project    string            `json:"project_id"`
		Meta       map[string]string `json:"meta"`
		PublicKeys map[string]string `json:"public_keys"`
	}
	testx.NoErr(t, json.Unmarshal([]byte(body), &meta))
	testx.Equal(t, []any{meta.UUID, meta.Hostname, meta.Project, meta.Meta["role"], strings.HasPrefix(meta.PublicKeys["k"], "ssh-rsa ")},
		[]any{id, "web.novalocal", p1, "web", true})
	for name, c := range map[string]struct {
		path, id, project, signature string
		want                         int
	}{
		"unsigned": {"/latest/user-data", id, p1, "", 403}, "other secret": {"/latest/user-data", id, p1, sign("x", id), 403},
		"nobody": {"/latest/user-data", "", p1, sign(secret, ""), 404}, "other project": {"/latest/user-data", id, p2, good, 404},
		"other server": {"/latest/user-data", netID, p1, good, 403}, "no such version": {"/openstack/2001-01-01/user_data", id, p1, good, 404},
		"no such file": {"/openstack/latest/passwd", id, p1, good, 404}, "no such value": {"/latest/meta-data/secrets", id, p1, good, 404},
	} {
		if code, _ := get(c.path, c.id, c.project, c.signature); code != c.want {
			t.Errorf("%s: %d, want %d", name, code, c.want)
		}
	}
	server, err := f.store.Server(t.Context(), id)
	testx.NoErr(t, err)
	files, err := server.ConfigDriveFiles()
	testx.NoErr(t, err)
	testx.Equal(t, string(files["openstack/latest/user_data"]), "hello")
	testx.Equal(t, string(files["ec2/latest/user-data"]), "hello")
	testx.Equal(t, json.Valid(files["openstack/latest/network_data.json"]), true)
}

func TestConsoleOfAServerOnNoHost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.create("")
	f.want(409, "member", "", "POST", "/v2.1/servers/"+id+"/action", `{"os-getConsoleOutput":{"length":10}}`)
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.create("")
	testx.NoErr(t, f.store.SaveDecision(t.Context(), &compute.Decision{ServerID: id, Reason: "ComputeFilter refused 1: host1 service is down", Detail: compute.DecisionDetail{
		Candidates: 1, Filters: []compute.FilterVerdict{{Filter: "ComputeFilter", Refused: map[string]string{"host1": "service is down"}}},
	}}))
	a := f.want(200, "admin", "", "GET", "/v2.1/servers/"+id+"/nubo-decisions", "")
	testx.Equal(t, a.At("decisions", 0, "filters", 0, "refused", "host1"), any("service is down"))
	testx.Equal(t, a.At("decisions", 0, "reason"), any("ComputeFilter refused 1: host1 service is down"))
	// Its project learns how many hosts there were, not which.
	a = f.want(200, "member", "", "GET", "/v2.1/servers/"+id+"/nubo-decisions", "")
	testx.Equal(t, a.At("decisions", 0, "filters"), any([]any{map[string]any{"filter": "ComputeFilter", "passed": 0.0, "refused_count": 1.0}}))
	for _, key := range []string{"host", "reason", "weighed"} {
		if _, shown := a.At("decisions", 0).(map[string]any)[key]; shown {
			t.Errorf("a member is shown the %s", key)
		}
	}
}
