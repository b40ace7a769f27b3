package api_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"nubo/internal/testx"
)

func TestVolumeLife(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		a := f.want(202, "member", "", "POST", "/v3/"+p1+"/volumes", `{"volume":{"size":"2","name":"data","description":null,"metadata":{"k":"v"},"availability_zone":null,"imageRef":null}}`)
		id := a.At("volume", "id").(string)
		testx.Equal(t, a.At("volume", "status"), any("creating"))
		testx.Equal(t, a.At("volume", "attachments"), any([]any{}))
		testx.Equal(t, a.At("volume", "updated_at"), nil)
		f.await(id, "available")

		a = f.want(200, "reader", "", "GET", "/v3/volumes/"+id, "")
		v := a.JSON["volume"].(map[string]any)
		for key, want := range map[string]any{
			"size": 2.0, "name": "data", "description": nil, "bootable": "false", "encrypted": false, "multiattach": false, "volume_type": "__DEFAULT__",
			"availability_zone": "nova", "snapshot_id": nil, "source_volid": nil, "replication_status": nil, "migration_status": nil,
			"consistencygroup_id": nil, "user_id": "user-member", "os-vol-tenant-attr:tenant_id": p1, "metadata": map[string]any{"k": "v"},
			"links": []any{
				map[string]any{"rel": "self", "href": "http://cloud/v3/" + p1 + "/volumes/" + id},
				map[string]any{"rel": "bookmark", "href": "http://cloud/" + p1 + "/volumes/" + id},
			},
		} {
			got, ok := v[key]
			if !ok {
				t.Errorf("the volume has no %s", key)
			}
			testx.Equal(t, got, want)
		}
		for _, key := range []string{"os-vol-host-attr:host", "group_id", "volume_type_id", "volume_image_metadata"} {
			if _, ok := v[key]; ok {
				t.Errorf("a reader at 3.0 sees %s", key)
			}
		}
		a = f.want(200, "admin", "3.71", "GET", "/v3/volumes/"+id, "")
		testx.Equal(t, a.At("volume", "os-vol-host-attr:host"), any("host1@simulated#simulated"))
		testx.Equal(t, a.At("volume", "consumes_quota"), any(true))
		testx.Equal(t, a.Header.Get("OpenStack-API-Version"), "volume 3.71")

		a = f.want(200, "member", "", "PUT", "/v3/volumes/"+id, `{"volume":{"display_name":"new"}}`)
		testx.Equal(t, a.At("volume", "name"), any("new"))
		testx.Equal(t, a.At("volume", "metadata"), any(map[string]any{"k": "v"}))

		f.want(202, "member", "", "POST", "/v3/volumes/"+id+"/action", `{"os-extend":{"new_size":3}}`)
		testx.Equal(t, f.await(id, "available").At("volume", "size"), any(3.0))
		f.refused(400, "Invalid input received: New size for extend must be greater than current size. (current: 3, extended: 2).",
			"member", "", "POST", "/v3/volumes/"+id+"/action", `{"os-extend":{"new_size":2}}`)

		f.want(202, "member", "", "DELETE", "/v3/volumes/"+id, "")
		f.await(id, "")
		f.refused(404, "Volume "+id+" could not be found.", "member", "", "GET", "/v3/volumes/"+id, "")
	})
}

func TestCreateFromImage(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		id := f.create("member", `,"imageRef":"http://cloud/v2/images/`+imageID+`"`)
		a := f.want(200, "member", "", "GET", "/v3/volumes/"+id, "")
		testx.Equal(t, a.At("volume", "bootable"), any("true"))
		testx.Equal(t, a.At("volume", "volume_image_metadata", "image_id"), any(imageID))
		testx.Equal(t, a.At("volume", "volume_image_metadata", "min_ram"), any("64"))

		clone := f.create("member", `,"source_volid":"`+id+`"`)
		testx.Equal(t, f.want(200, "member", "", "GET", "/v3/volumes/"+clone, "").At("volume", "source_volid"), any(id))

		for _, c := range []struct{ fields, message string }{
			{`"imageRef":"` + absentID + `"`, "Invalid image identifier or unable to access requested image."},
			{`"imageRef":"nonsense"`, "Invalid image identifier or unable to access requested image."},
			{`"imageRef":"` + queuedID + `"`, "Invalid input received: Image " + queuedID + " is not active."},
			{`"imageRef":"` + bigID + `"`, "Invalid input received: Volume size 1GB cannot be smaller than the image minDisk size 5GB."},
			{`"imageRef":"` + imageID + `","source_volid":"` + id + `"`, "Invalid input received: A volume is made from an image or from a volume, not from both."},
			{`"availability_zone":"mars"`, "Invalid input received: Availability zone 'mars' is invalid."},
			{`"multiattach":true`, "Invalid input received: Volumes that attach to several servers are not supported."},
		} {
			f.refused(400, c.message, "member", "", "POST", "/v3/volumes", `{"volume":{"size":1,`+c.fields+`}}`)
		}
		f.refused(404, "Volume type gold could not be found.", "member", "", "POST", "/v3/volumes", `{"volume":{"size":1,"volume_type":"gold"}}`)
		f.refused(404, "Snapshot "+absentID+" could not be found.", "member", "", "POST", "/v3/volumes", `{"volume":{"size":1,"snapshot_id":"`+absentID+`"}}`)
		f.refused(404, "Volume "+id+" could not be found.", "foreign", "", "POST", "/v3/volumes", `{"volume":{"size":1,"source_volid":"`+id+`"}}`)
	})
}

// Compute's agent makes boot volumes in their users' names; nobody else may.
func TestOnlyServicesCreateForOthers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		body := `{"volume":{"size":1,"project_id":"` + p1 + `","user_id":"u"}}`
		id := f.want(202, "service", "3.44", "POST", "/v3/volumes", body).At("volume", "id").(string)
		a := f.want(200, "member", "", "GET", "/v3/volumes/"+id, "")
		testx.Equal(t, a.At("volume", "user_id"), any("u"))

		id = f.want(202, "foreign", "3.44", "POST", "/v3/volumes", body).At("volume", "id").(string)
		f.want(404, "member", "", "GET", "/v3/volumes/"+id, "")
		f.want(200, "foreign", "", "GET", "/v3/volumes/"+id, "")
	})
}

func TestQuota(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		f.want(200, "admin", "", "PUT", "/v3/os-quota-sets/"+p1, `{"quota_set":{"tenant_id":"`+p1+`","volumes":1,"gigabytes":"4"}}`)
		f.refused(413, "VolumeSizeExceedsLimit: Requested volume size 51 is larger than maximum allowed limit 50.", "member", "", "POST", "/v3/volumes", `{"volume":{"size":51}}`)
		f.refused(413, "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested 5G, quota is 4G and 0G has been consumed.",
			"member", "", "POST", "/v3/volumes", `{"volume":{"size":5}}`)
		id := f.create("member", "")
		f.refused(413, "VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded for quota 'volumes'.", "member", "", "POST", "/v3/volumes", `{"volume":{"size":1}}`)
		f.want(413, "member", "", "POST", "/v3/volumes/"+id+"/action", `{"os-extend":{"new_size":5}}`)

		a := f.want(200, "member", "", "GET", "/v3/os-quota-sets/"+p1+"?usage=True", "")
		testx.Equal(t, a.At("quota_set", "volumes"), any(map[string]any{"limit": 1.0, "in_use": 1.0, "reserved": 0.0}))
		testx.Equal(t, a.At("quota_set", "gigabytes", "limit"), any(4.0))
		a = f.want(200, "member", "", "GET", "/v3/limits", "")
		testx.Equal(t, a.At("limits", "absolute", "totalGigabytesUsed"), any(1.0))
		testx.Equal(t, a.At("limits", "absolute", "maxTotalVolumes"), any(1.0))

		f.want(403, "member", "", "GET", "/v3/os-quota-sets/"+p2, "")
		f.refused(400, "Bad key(s) in quota set: cows", "admin", "", "PUT", "/v3/os-quota-sets/"+p1, `{"quota_set":{"cows":1}}`)
		long := strings.Repeat("x", 65)
		f.refused(400, "Project ID "+long+" is not a valid project.", "admin", "", "PUT", "/v3/os-quota-sets/"+long, `{"quota_set":{"volumes":1}}`)
		f.want(200, "admin", "", "DELETE", "/v3/os-quota-sets/"+p1, "")
		a = f.want(200, "member", "", "GET", "/v3/os-quota-sets/"+p1, "")
		testx.Equal(t, a.At("quota_set", "volumes"), any(10.0))
		testx.Equal(t, a.At("quota_set", "id"), any(p1))
		testx.Equal(t, f.want(200, "member", "", "GET", "/v3/os-quota-sets/"+p1+"/defaults", "").At("quota_set", "volumes"), any(10.0))
	})
}

func TestQuotaClasses(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		const path = "/v3/os-quota-class-sets/"
		a := f.want(200, "admin", "", "GET", path+"default", "")
		testx.Equal(t, []any{a.At("quota_class_set", "id"), a.At("quota_class_set", "volumes"), a.At("quota_class_set", "per_volume_gigabytes")}, []any{"default", 10.0, 50.0})
		f.want(403, "member", "", "GET", path+"default", "")
		f.want(403, "member", "", "PUT", path+"default", `{"quota_class_set":{"volumes":1}}`)

		// What is set is the default of those without a limit of their own, at once.
		f.want(200, "admin", "", "PUT", "/v3/os-quota-sets/"+p2, `{"quota_set":{"volumes":5}}`)
		a = f.want(200, "admin", "", "PUT", path+"default", `{"quota_class_set":{"class_name":"default","volumes":"1","gigabytes":-1}}`)
		testx.Equal(t, []any{a.At("quota_class_set", "volumes"), a.At("quota_class_set", "gigabytes"), a.At("quota_class_set", "id")}, []any{1.0, -1.0, nil})
		f.create("member", "")
		f.refused(413, "VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded for quota 'volumes'.", "member", "", "POST", "/v3/volumes", `{"volume":{"size":1}}`)
		testx.Equal(t, f.want(200, "member", "", "GET", "/v3/os-quota-sets/"+p1+"/defaults", "").At("quota_set", "volumes"), any(1.0))
		testx.Equal(t, f.want(200, "admin", "", "GET", "/v3/os-quota-sets/"+p2, "").At("quota_set", "volumes"), any(5.0))

		// Another class is kept and is nobody's default.
		f.want(200, "admin", "", "PUT", path+"gold", `{"quota_class_set":{"volumes":99}}`)
		testx.Equal(t, f.want(200, "admin", "", "GET", path+"gold", "").At("quota_class_set", "volumes"), any(99.0))
		testx.Equal(t, f.want(200, "admin", "", "GET", path+"default", "").At("quota_class_set", "volumes"), any(1.0))

		f.refused(400, "Bad key(s) in quota set: cows", "admin", "", "PUT", path+"default", `{"quota_class_set":{"cows":1}}`)
		f.want(400, "admin", "", "PUT", path+"default", `{"quota_class_set":{"volumes":-2}}`)
		f.want(400, "admin", "", "PUT", path+strings.Repeat("x", 256), `{"quota_class_set":{"volumes":1}}`)
		testx.Equal(t, f.want(200, "admin", "", "GET", path+"default", "").At("quota_class_set", "volumes"), any(1.0))
	})
}

func TestList(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		var mine []string
		for i := range 3 {
			mine = append(mine, f.create("member", fmt.Sprintf(`,"name":"v%d"`, i)))
		}
		other := f.create("foreign", `,"name":"v0"`)
		newest := slices.Clone(mine)
		slices.Reverse(newest)
		list := func(token, version, query string) answer {
			return f.want(200, token, version, "GET", "/v3/volumes/detail?"+query, "")
		}
		testx.Equal(t, list("member", "", "").IDs("volumes"), newest)
		testx.Equal(t, list("member", "", "all_tenants=1").IDs("volumes"), newest)
		testx.Equal(t, list("foreign", "", "").IDs("volumes"), []string{other})
		testx.Equal(t, list("foreign", "", "project_id="+p1).IDs("volumes"), []string{other})
		testx.Equal(t, list("admin", "", "").IDs("volumes"), newest) // an administrator asks for more
		testx.Equal(t, len(list("admin", "", "all_tenants=1").IDs("volumes")), 4)
		testx.Equal(t, list("admin", "", "all_tenants=True&project_id="+p2).IDs("volumes"), []string{other})
		testx.Equal(t, list("member", "", "name=v1").IDs("volumes"), mine[1:2])
		testx.Equal(t, list("member", "", "status=error").IDs("volumes"), []string{})
		testx.Equal(t, list("member", "", "bootable=false&sort=name:asc").IDs("volumes"), mine)
		testx.Equal(t, list("member", "3.34", url.Values{"name~": {"V2"}}.Encode()).IDs("volumes"), mine[2:])
		testx.Equal(t, list("member", "3.45", "with_count=True&limit=1").At("count"), any(3.0))
		testx.Equal(t, list("member", "", "unknown=1").IDs("volumes"), newest)

		a := list("member", "", "limit=2&sort_key=name&sort_dir=asc")
		testx.Equal(t, a.IDs("volumes"), mine[:2])
		next, err := url.Parse(a.At("volumes_links", 0, "href").(string))
		testx.NoErr(t, err)
		a = f.want(200, "member", "", "GET", next.RequestURI(), "")
		testx.Equal(t, a.IDs("volumes"), mine[2:])
		testx.Equal(t, a.At("volumes_links"), nil)
		f.refused(404, "Volume "+other+" could not be found.", "member", "", "GET", "/v3/volumes?marker="+other, "")
		f.want(400, "member", "", "GET", "/v3/volumes?limit=x", "")
		f.want(400, "member", "", "GET", "/v3/volumes?sort_key=problem", "")
		f.want(400, "admin", "", "GET", "/v3/volumes?all_tenants=perhaps", "")

		short := f.want(200, "member", "", "GET", "/v3/volumes", "")
		testx.Equal(t, len(short.At("volumes", 0).(map[string]any)), 3)
		a = f.want(200, "member", "3.12", "GET", "/v3/volumes/summary", "")
		testx.Equal(t, a.At("volume-summary"), any(map[string]any{"total_count": 3.0, "total_size": 3.0}))
		f.want(404, "member", "3.11", "GET", "/v3/volumes/summary", "")
	})
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		id := f.create("member", "")
		path := "/v3/volumes/" + id + "/metadata"
		f.want(200, "member", "", "POST", path, `{"metadata":{"a":"1","b":"2"}}`)
		a := f.want(200, "member", "", "POST", path, `{"metadata":{"b":"3"}}`)
		testx.Equal(t, a.At("metadata"), any(map[string]any{"a": "1", "b": "3"}))
		testx.Equal(t, f.want(200, "reader", "", "GET", path+"/b", "").At("meta"), any(map[string]any{"b": "3"}))
		f.want(200, "member", "", "PUT", path+"/c", `{"meta":{"c":"4"}}`)
		f.refused(400, "Request body and URI mismatch.", "member", "", "PUT", path+"/c", `{"meta":{"d":"4"}}`)
		f.want(200, "member", "", "DELETE", path+"/a", "")
		f.refused(404, "Volume "+id+" has no metadata with key a.", "member", "", "DELETE", path+"/a", "")
		testx.Equal(t, f.want(200, "reader", "", "GET", path, "").At("metadata"), any(map[string]any{"b": "3", "c": "4"}))
		a = f.want(200, "member", "", "PUT", path, `{"metadata":{}}`)
		testx.Equal(t, a.At("metadata"), any(map[string]any{}))
	})
}

func TestActions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		id := f.create("member", "")
		act := func(code int, token, body string) answer {
			return f.want(code, token, "", "POST", "/v3/volumes/"+id+"/action", body)
		}
		act(200, "member", `{"os-set_bootable":{"bootable":"True"}}`)
		act(200, "member", `{"os-set_image_metadata":{"metadata":{"os_distro":"debian"}}}`)
		testx.Equal(t, act(200, "reader", `{"os-show_image_metadata":{}}`).At("metadata"), any(map[string]any{"os_distro": "debian"}))
		a := f.want(200, "member", "", "GET", "/v3/volumes/"+id, "")
		testx.Equal(t, a.At("volume", "bootable"), any("true"))
		testx.Equal(t, a.At("volume", "volume_image_metadata"), any(map[string]any{"os_distro": "debian"}))
		act(200, "member", `{"os-unset_image_metadata":{"key":"os_distro"}}`)
		act(404, "member", `{"os-unset_image_metadata":{"key":"os_distro"}}`)

		act(202, "member", `{"os-update_readonly_flag":{"readonly":true}}`)
		attachment := f.want(200, "member", "3.44", "POST", "/v3/attachments", `{"attachment":{"volume_uuid":"`+id+`","instance_uuid":"`+serverID+`"}}`)
		testx.Equal(t, attachment.At("attachment", "attach_mode"), any("ro"))
		act(400, "member", `{"os-update_readonly_flag":{"readonly":false}}`)
		act(202, "member", `{"os-detach":{}}`)
		f.await(id, "available")

		act(202, "admin", `{"os-reset_status":{"status":"error"}}`)
		f.await(id, "error")
		act(400, "admin", `{"os-reset_status":{"status":"happy"}}`)
		act(403, "member", `{"os-reset_status":{"status":"available"}}`)
		act(202, "admin", `{"os-reset_status":{"status":"creating"}}`)
		act(400, "member", `{"os-set_image_metadata":{"metadata":{"disk_format":"qcow2"}}}`)
		act(403, "member", `{"os-force_delete":{}}`)
		f.want(403, "member", "3.23", "DELETE", "/v3/volumes/"+id+"?force=True", "")
		act(202, "admin", `{"os-force_delete":null}`)
		f.await(id, "")
	})
}

func TestDeleteNeedsTheRightStatus(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		id := f.create("member", "")
		f.attach(id)
		const text = "Invalid volume: Volume status must be available or error or error_restoring or error_extending or error_managing and must not be " +
			"migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer."
		f.refused(400, text, "member", "", "DELETE", "/v3/volumes/"+id, "")
		// Resetting the status does not take it from the server.
		f.want(202, "admin", "", "POST", "/v3/volumes/"+id+"/action", `{"os-reset_status":{"status":"available"}}`)
		f.refused(400, text, "member", "", "DELETE", "/v3/volumes/"+id, "")
		f.refused(409, "Detach volume from instance "+serverID+" using the Compute API", "member", "", "POST", "/v3/volumes/"+id+"/action", `{"os-detach":{}}`)
		f.want(403, "member", "", "POST", "/v3/volumes/"+id+"/action", `{"os-force_detach":{}}`)
		f.refused(404, "Volume attachment could not be found with filter: attachment_id = "+absentID+".",
			"admin", "", "POST", "/v3/volumes/"+id+"/action", `{"os-force_detach":{"attachment_id":"`+absentID+`"}}`)
		f.want(202, "admin", "", "POST", "/v3/volumes/"+id+"/action", `{"os-force_detach":{}}`)
		f.want(202, "member", "", "DELETE", "/v3/volumes/"+id, "")
		f.await(id, "")
	})
}

func TestMessagesSayWhy(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		f.want(200, "admin", "", "PUT", "/v3/os-services/disable", `{"host":"host1@simulated","binary":"cinder-volume"}`)
		id := f.want(202, "member", "", "POST", "/v3/volumes", `{"volume":{"size":1}}`).At("volume", "id").(string)
		f.await(id, "error")
		a := f.want(200, "reader", "3.5", "GET", "/v3/messages?resource_uuid="+id, "")
		testx.Equal(t, a.At("messages", 0, "resource_uuid"), any(id))
		if s := a.At("messages", 0, "user_message").(string); !strings.Contains(s, "No valid backend was found") {
			t.Errorf("message is %q", s)
		}
		testx.Equal(t, f.want(200, "foreign", "3.3", "GET", "/v3/messages", "").IDs("messages"), []string{})
		f.refused(404, "message "+id+" could not be found.", "foreign", "3.3", "GET", "/v3/messages/"+id, "")
		f.want(200, "member", "3.3", "GET", "/v3/messages/"+id, "")
		f.want(204, "member", "3.3", "DELETE", "/v3/messages/"+id, "")
		f.refused(404, "message "+id+" could not be found.", "member", "3.3", "GET", "/v3/messages/"+id, "")
		f.want(202, "member", "", "DELETE", "/v3/volumes/"+id, "")
	})
}
