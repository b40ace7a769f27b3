package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"nubo/compute"
	"nubo/internal/testx"
)

func TestServerLife(t *testing.T) { t.Parallel(); each(t, testServerLife) }

func testServerLife(t *testing.T, f *fixture) {
	id := f.create(`,"metadata":{"a":"b"},"security_groups":[{"name":"web"}],"min_count":1`)
	testx.Equal(t, f.casts(), []string{"conductor schedule_and_build_instances"})

	a := f.want(200, "member", latest, "GET", "/v2.1/servers/"+id, "")
	testx.Equal(t, []any{a.At("server", "status"), a.At("server", "OS-EXT-STS:task_state"), a.At("server", "hostId")}, []any{"BUILD", "scheduling", ""})
	testx.Equal(t, a.At("server", "security_groups", 0, "name"), any("web"))

	f.launch(id)
	a = f.want(200, "member", latest, "GET", "/v2.1/servers/"+id, "")
	testx.Equal(t, a.At("server", "status"), any("ACTIVE"))
	testx.Equal(t, a.At("server", "addresses", "private", 0), any(map[string]any{
		"version": 4.0, "addr": "10.0.0.3", "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:02"}))
	testx.Equal(t, a.At("server", "addresses", "private", 1, "OS-EXT-IPS:type"), any("floating"))
	if v, ok := a.JSON["server"].(map[string]any)["OS-EXT-SRV-ATTR:host"]; ok {
		t.Fatalf("a member sees the host: %v", v)
	}
	a = f.want(200, "admin", latest, "GET", "/v2.1/servers/"+id, "")
	testx.Equal(t, a.At("server", "OS-EXT-SRV-ATTR:host"), any("host1"))
	testx.Equal(t, a.At("server", "OS-EXT-SRV-ATTR:instance_name"), any("instance-00000001"))

	path := "/v2.1/servers/" + id + "/action"
	f.want(409, "member", "", "POST", path, `{"os-start":null}`)
	f.want(202, "member", "", "POST", path, `{"os-stop":null}`)
	a = f.want(409, "member", "", "POST", path, `{"os-stop":null}`)
	testx.Equal(t, a.Message(), "Cannot 'stop' instance "+id+" while it is in task_state powering-off")
	testx.Equal(t, f.casts(), []string{"compute.host1 stop_instance"})
	f.want(202, "admin", "", "POST", path, `{"os-resetState":{"state":"active"}}`)
	f.want(202, "member", "", "POST", path, `{"reboot":{"type":"SOFT"}}`)
	testx.Equal(t, f.want(200, "member", "", "GET", "/v2.1/servers/"+id, "").At("server", "status"), any("REBOOT"))
	f.want(202, "member", "", "POST", path, `{"reboot":{"type":"HARD"}}`)
	testx.Equal(t, f.casts(), []string{"compute.host1 reboot_instance", "compute.host1 reboot_instance"})

	f.want(204, "member", "", "DELETE", "/v2.1/servers/"+id, "")
	f.want(204, "member", "", "DELETE", "/v2.1/servers/"+id, "") // again: at work already
	testx.Equal(t, f.casts(), []string{"compute.host1 terminate_instance"})
	a = f.want(200, "member", latest, "GET", "/v2.1/servers/"+id+"/os-instance-actions", "")
	testx.Equal(t, a.At("instanceActions", 0, "action"), any("delete"))
	testx.Equal(t, len(a.At("instanceActions").([]any)), 5)
}

func TestDeleteBeforeItIsScheduled(t *testing.T) {
	t.Parallel()
	each(t, testDeleteBeforeItIsScheduled)
}

func testDeleteBeforeItIsScheduled(t *testing.T, f *fixture) {
	id := f.create("")
	f.want(204, "member", "", "DELETE", "/v2.1/servers/"+id, "")
	f.want(404, "member", "", "GET", "/v2.1/servers/"+id, "")
	testx.Equal(t, f.casts(), []string{"conductor schedule_and_build_instances"}) // and nothing to a host
	// Its place in the quota is free again.
	testx.Equal(t, f.want(200, "member", "", "GET", "/v2.1/limits", "").At("limits", "absolute", "totalInstancesUsed"), any(0.0))
}

func TestOthersServersDoNotExist(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.create("")
	f.launch(id)
	server := "/v2.1/servers/" + id
	for _, c := range []struct{ method, path, body string }{
		{"GET", server, ""}, {"PUT", server, `{"server":{"name":"mine"}}`}, {"DELETE", server, ""},
		{"POST", server + "/action", `{"os-stop":null}`}, {"POST", server + "/action", `{"os-getConsoleOutput":{}}`},
		{"GET", server + "/metadata", ""}, {"POST", server + "/metadata", `{"metadata":{"a":"b"}}`}, {"GET", server + "/ips", ""},
		{"GET", server + "/os-volume_attachments", ""}, {"GET", server + "/os-interface", ""}, {"GET", server + "/os-instance-actions", ""},
		{"POST", server + "/os-interface", `{"interfaceAttachment":{}}`}, {"GET", server + "/os-security-groups", ""},
		{"POST", server + "/os-volume_attachments", `{"volumeAttachment":{"volumeId":"` + volID + `"}}`}, {"GET", server + "/tags", ""},
	} {
		a := f.want(404, "foreign", "2.60", c.method, c.path, c.body)
		testx.Equal(t, a.Message(), "Instance "+id+" could not be found.")
		f.want(401, "", "2.60", c.method, c.path, c.body)
	}
	testx.Equal(t, len(f.want(200, "foreign", "", "GET", "/v2.1/servers", "").At("servers").([]any)), 0)
	f.want(403, "foreign", "", "GET", "/v2.1/servers?all_tenants=1", "")
	f.want(400, "foreign", "", "GET", "/v2.1/"+p1+"/servers", "")
}

func TestReadersOnlyRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.create("")
	server := "/v2.1/servers/" + id
	f.want(200, "reader", "", "GET", server, "")
	f.want(200, "reader", "", "GET", "/v2.1/servers/detail", "")
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/v2.1/servers", `{"server":{"name":"x","imageRef":"` + imageID + `","flavorRef":"1"}}`},
		{"PUT", server, `{"server":{"name":"mine"}}`}, {"DELETE", server, ""}, {"POST", server + "/action", `{"os-stop":null}`},
		{"PUT", server + "/metadata", `{"metadata":{}}`}, {"POST", "/v2.1/flavors", `{"flavor":{"name":"f","ram":1,"vcpus":1,"disk":1}}`},
	} {
		a := f.want(403, "reader", "", c.method, c.path, c.body)
		if !strings.HasPrefix(a.Message(), "Policy doesn't allow os_compute_api:") {
			t.Errorf("%s %s: message %q", c.method, c.path, a.Message())
		}
	}
}

func TestCreateRefusals(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	flavor := f.flavor()
	big := f.want(200, "admin", "", "POST", "/v2.1/flavors", `{"flavor":{"name":"big","ram":"60000","vcpus":"1","disk":1}}`).At("flavor", "id").(string)
	small := f.want(200, "admin", "", "POST", "/v2.1/flavors", `{"flavor":{"name":"small","ram":32,"vcpus":1,"disk":1}}`).At("flavor", "id").(string)
	zero := f.want(200, "admin", "", "POST", "/v2.1/flavors", `{"flavor":{"name":"zero","ram":64,"vcpus":1,"disk":0}}`).At("flavor", "id").(string)
	base := func(more string) string {
		return fmt.Sprintf(`{"server":{"name":"web","imageRef":"%s","flavorRef":"%s"%s}}`, imageID, flavor, more)
	}
	other := "dddddddd-0000-4000-8000-000000000001"
	for name, c := range map[string]struct {
		code          int
		version, body string
		message       string
	}{
		"not JSON":         {400, "", `{`, "Malformed request body"},
		"wrong type":       {400, "", `{"server":{"name":7,"flavorRef":"1"}}`, "Invalid input for field/attribute name. Value: 7. 7 is not of type 'string'"},
		"no name":          {400, "", `{"server":{"flavorRef":"1"}}`, "Invalid input for field/attribute server. Value: {'flavorRef': '1'}. 'name' is a required property"},
		"too new a field":  {400, "2.18", base(`,"description":"x"`), ""},
		"networks wanted":  {400, "2.37", base(""), ""},
		"no flavor":        {400, "", fmt.Sprintf(`{"server":{"name":"w","imageRef":"%s","flavorRef":"none"}}`, imageID), "Flavor none could not be found."},
		"no image":         {400, "", fmt.Sprintf(`{"server":{"name":"w","imageRef":"%s","flavorRef":"%s"}}`, other, flavor), "Image " + other + " could not be found."},
		"nothing to boot":  {400, "", fmt.Sprintf(`{"server":{"name":"w","imageRef":"","flavorRef":"%s"}}`, flavor), "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping combination is not valid."},
		"little memory":    {400, "", fmt.Sprintf(`{"server":{"name":"w","imageRef":"%s","flavorRef":"%s"}}`, imageID, small), "Flavor's memory is too small for requested image."},
		"no disk":          {403, "", fmt.Sprintf(`{"server":{"name":"w","imageRef":"%s","flavorRef":"%s"}}`, imageID, zero), "Only volume-backed servers are allowed for flavors with zero disk."},
		"no key":           {400, "", base(`,"key_name":"none"`), "Invalid key_name provided."},
		"no network":       {400, "", base(`,"networks":[{"uuid":"` + other + `"}]`), "Network " + other + " could not be found."},
		"no port":          {400, "", base(`,"networks":[{"port":"` + other + `"}]`), "Port id " + other + " could not be found."},
		"no group":         {400, "", base(`,"security_groups":[{"name":"none"}]`), "Unable to find security_group with name or id 'none'"},
		"no zone":          {400, "", base(`,"availability_zone":"mars"`), "The requested availability zone is not available"},
		"a host":           {403, "", base(`,"availability_zone":"nova:host1"`), ""},
		"user data":        {400, "", base(`,"user_data":"***"`), "Invalid input for field/attribute user_data. Value: ***. '***' is not a 'base64'"},
		"max below min":    {400, "", base(`,"min_count":3,"max_count":2`), "min_count must be <= max_count"},
		"too many":         {403, "", base(`,"min_count":11`), "Quota exceeded for instances: Requested 11, but already used 0 of 10 instances"},
		"too much memory":  {403, "", fmt.Sprintf(`{"server":{"name":"w","imageRef":"%s","flavorRef":"%s"}}`, imageID, big), "Quota exceeded for ram: Requested 60000, but already used 0 of 51200 ram"},
		"no volume":        {400, "", base(`,"block_device_mapping_v2":[{"source_type":"volume","destination_type":"volume","uuid":"` + other + `","boot_index":1}]`), "Block Device Mapping is Invalid: failed to get volume " + other + "."},
		"volume too small": {400, "", fmt.Sprintf(`{"server":{"name":"w","imageRef":"","flavorRef":"%s","block_device_mapping_v2":[{"source_type":"image","destination_type":"volume","uuid":"%s","boot_index":0}]}}`, flavor, imageID), ""},
	} {
		a := f.do("member", c.version, "POST", "/v2.1/servers", c.body)
		if a.Status != c.code || c.message != "" && a.Message() != c.message {
			t.Errorf("%s: got %d %q, want %d %q", name, a.Status, a.Message(), c.code, c.message)
		}
	}
	// Nothing of it left a trace.
	testx.Equal(t, len(f.want(200, "member", "", "GET", "/v2.1/servers", "").At("servers").([]any)), 0)
	testx.Equal(t, f.want(200, "member", "", "GET", "/v2.1/limits", "").At("limits", "absolute", "totalRAMUsed"), any(0.0))
}

func TestCreateSeveral(t *testing.T) { t.Parallel(); each(t, testCreateSeveral) }

func testCreateSeveral(t *testing.T, f *fixture) {
	f.create(`,"min_count":2,"max_count":20`) // the quota has room for ten
	a := f.want(200, "member", "", "GET", "/v2.1/servers?sort_key=display_name&sort_dir=asc", "")
	servers := a.At("servers").([]any)
	testx.Equal(t, len(servers), 10)
	testx.Equal(t, a.At("servers", 0, "name"), any("web-1"))
	f.want(403, "member", "", "POST", "/v2.1/servers", fmt.Sprintf(`{"server":{"name":"one","imageRef":"%s","flavorRef":"%s"}}`, imageID, f.flavor()))
}

func TestBootFromVolume(t *testing.T) { t.Parallel(); each(t, testBootFromVolume) }

func testBootFromVolume(t *testing.T, f *fixture) {
	a := f.want(202, "member", latest, "POST", "/v2.1/servers", fmt.Sprintf(
		`{"server":{"name":"vol","imageRef":"","flavorRef":"%s","networks":"auto","block_device_mapping_v2":[
		{"source_type":"image","destination_type":"volume","uuid":"%s","boot_index":"0","volume_size":1,"delete_on_termination":true},
		{"source_type":"volume","destination_type":"volume","uuid":"%s","boot_index":1}]}}`, f.flavor(), imageID, volID))
	id := a.At("server", "id").(string)
	server, err := f.store.Server(t.Context(), id)
	testx.NoErr(t, err)
	testx.Equal(t, server.ImageRef, "")
	testx.Equal(t, len(server.Networks), 1)
	root, data := server.BlockDevices[0], server.BlockDevices[1]
	testx.Equal(t, []any{root.SourceType, root.ImageID, root.DeviceName, root.DeleteOnTermination, root.VolumeSize},
		[]any{"image", imageID, "/dev/vda", true, 1})
	testx.Equal(t, []any{data.VolumeID, data.DeviceName, data.AttachmentID}, []any{volID, "/dev/vdb", "attachment"})
	testx.Equal(t, f.want(200, "member", "", "GET", "/v2.1/servers/"+id, "").At("server", "image"), any(""))
}

// TestRepresentations checks what each microversion shows of a server.
func TestRepresentations(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.create(`,"description":"d","tags":["x"]`)
	f.launch(id)
	for _, c := range []struct {
		version, token, key string
		want                any // nil: absent
	}{
		{"2.1", "member", "locked", nil}, {"2.9", "member", "locked", false},
		{"2.18", "member", "description", nil}, {"2.19", "member", "description", "d"},
		{"2.25", "member", "tags", nil}, {"2.26", "member", "tags", []any{"x"}},
		{"2.16", "member", "host_status", nil}, {"2.16", "admin", "host_status", "UNKNOWN"},
		{"2.2", "admin", "OS-EXT-SRV-ATTR:root_device_name", nil}, {"2.3", "admin", "OS-EXT-SRV-ATTR:root_device_name", "/dev/vda"},
		{"2.70", "member", "server_groups", nil}, {"2.71", "member", "server_groups", []any{}},
		{"2.89", "member", "OS-EXT-SRV-ATTR:hostname", nil}, {"2.90", "member", "OS-EXT-SRV-ATTR:hostname", "web"},
		{"2.1", "member", "progress", 0.0}, {"2.1", "member", "config_drive", ""},
		{"2.1", "member", "OS-EXT-AZ:availability_zone", "nova"}, {"2.1", "member", "OS-EXT-STS:power_state", 1.0},
	} {
		a := f.want(200, c.token, c.version, "GET", "/v2.1/servers/"+id, "")
		got, has := a.JSON["server"].(map[string]any)[c.key]
		if has != (c.want != nil) {
			t.Errorf("%s as %s: %s is there: %v", c.version, c.token, c.key, has)
			continue
		}
		testx.Equal(t, got, c.want)
	}
	old := f.want(200, "member", "2.46", "GET", "/v2.1/servers/"+id, "")
	if old.At("server", "flavor", "id") == nil || old.At("server", "flavor", "vcpus") != nil {
		t.Error("before 2.47 a flavor is a link")
	}
	testx.Equal(t, f.want(200, "member", "2.47", "GET", "/v2.1/servers/"+id, "").At("server", "flavor", "ram"), any(256.0))
}

func TestListPagesAndFilters(t *testing.T) { t.Parallel(); each(t, testListPagesAndFilters) }

func testListPagesAndFilters(t *testing.T, f *fixture) {
	f.create(`,"min_count":3`)
	a := f.want(200, "member", "", "GET", "/v2.1/servers?limit=2", "")
	testx.Equal(t, len(a.At("servers").([]any)), 2)
	next := a.At("servers_links", 0, "href").(string)
	a = f.want(200, "member", "", "GET", strings.TrimPrefix(next, "http://cloud"), "")
	testx.Equal(t, len(a.At("servers").([]any)), 1)
	testx.Equal(t, a.At("servers_links"), nil)
	for query, n := range map[string]int{
		"name=web-1": 1, "name=^web": 3, "status=BUILD": 3, "status=ACTIVE": 0, "status=NONSENSE": 0, "ip=10.9": 0,
		"image=" + imageID: 3, "nonsense=1": 3, "changes-since=2001-01-01T00:00:00Z": 3, "host=nowhere": 3, // not a member's to filter
	} {
		a := f.want(200, "member", "", "GET", "/v2.1/servers/detail?"+query, "")
		if got := len(a.At("servers").([]any)); got != n {
			t.Errorf("%s: %d servers, want %d", query, got, n)
		}
	}
	testx.Equal(t, len(f.want(200, "admin", "", "GET", "/v2.1/servers/detail?all_tenants=1&host=nowhere", "").At("servers").([]any)), 0)
	for _, query := range []string{"limit=x", "limit=-1", "marker=" + netID, "sort_key=evil", "name=(", "changes-since=yesterday", "all_tenants=maybe"} {
		f.want(400, "member", "", "GET", "/v2.1/servers?"+query, "")
	}
}

// TestHandWrittenJSON checks the writer of servers against texts that need
// escaping.
func TestHandWrittenJSON(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.create("")
	odd := "a\"b\\c\n\x01ü\u2028€"
	_, err := f.store.UpdateServer(t.Context(), compute.Update{ServerID: id, Set: compute.ServerFields{Name: &odd}})
	testx.NoErr(t, err)
	testx.NoErr(t, f.store.SetServerMetadata(t.Context(), id, map[string]string{odd: odd, "b": "c"}))
	a := f.want(200, "member", latest, "GET", "/v2.1/servers/"+id, "")
	testx.Equal(t, a.At("server", "name"), any(odd))
	testx.Equal(t, a.At("server", "metadata"), any(map[string]any{odd: odd, "b": "c"}))
	if !json.Valid([]byte(a.Text)) {
		t.Error("not valid JSON")
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.create("")
	f.launch(id)
	path := "/v2.1/servers/" + id
	f.want(202, "member", "2.73", "POST", path+"/action", `{"lock":{"locked_reason":"hands off"}}`)
	a := f.want(409, "member", "", "DELETE", path, "")
	testx.Equal(t, a.Message(), "Instance "+id+" is locked")
	testx.Equal(t, f.want(200, "member", "2.73", "GET", path, "").At("server", "locked_reason"), any("hands off"))
	f.want(202, "member", "", "POST", path+"/action", `{"unlock":null}`)
	_, err := f.store.UpdateServer(t.Context(), compute.Update{ServerID: id, Set: compute.ServerFields{Locked: compute.Ptr(true), LockedBy: compute.Ptr(compute.LockedByAdmin)}})
	testx.NoErr(t, err)
	f.want(403, "member", "", "POST", path+"/action", `{"unlock":null}`) // an admin's lock is the admin's
	f.want(202, "admin", "", "POST", path+"/action", `{"unlock":null}`)
	f.want(204, "member", "", "DELETE", path, "")
}

func TestMetadataAndTags(t *testing.T) { t.Parallel(); each(t, testMetadataAndTags) }

func testMetadataAndTags(t *testing.T, f *fixture) {
	path := "/v2.1/servers/" + f.create("")
	f.want(200, "member", "", "POST", path+"/metadata", `{"metadata":{"a":"1","b":"2"}}`)
	f.want(200, "member", "", "PUT", path+"/metadata/a", `{"meta":{"a":"3"}}`)
	f.want(400, "member", "", "PUT", path+"/metadata/a", `{"meta":{"b":"3"}}`)
	f.want(204, "member", "", "DELETE", path+"/metadata/b", "")
	f.want(404, "member", "", "GET", path+"/metadata/b", "")
	testx.Equal(t, f.want(200, "member", "", "GET", path+"/metadata", "").At("metadata"), any(map[string]any{"a": "3"}))
	f.want(404, "member", "2.25", "GET", path+"/tags", "")
	f.want(201, "member", "2.26", "PUT", path+"/tags/red", "")
	f.want(204, "member", "2.26", "PUT", path+"/tags/red", "")
	f.want(200, "member", "2.26", "PUT", path+"/tags", `{"tags":["x","y"]}`)
	f.want(404, "member", "2.26", "GET", path+"/tags/red", "")
	testx.Equal(t, len(f.want(200, "member", "2.26", "GET", "/v2.1/servers?tags=x,y", "").At("servers").([]any)), 1)
}
