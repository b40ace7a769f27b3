package api_test

import (
	"net/http/httptest"
	"net/url"
	"testing"

	"nubo/internal/testx"
	"nubo/sdk/rest"
	sdk "nubo/sdk/volume"
)

func TestAttachments(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		id := f.create("member", "")
		a := f.want(200, "member", "3.44", "POST", "/v3/attachments", `{"attachment":{"volume_uuid":"`+id+`","instance_uuid":"`+serverID+`"}}`)
		testx.Equal(t, a.At("attachment", "status"), any("reserved"))
		testx.Equal(t, a.At("attachment", "connection_info"), any(map[string]any{}))
		testx.Equal(t, a.At("attachment", "attached_at"), nil)
		at := a.At("attachment", "id").(string)
		testx.Equal(t, f.await(id, "reserved").At("volume", "attachments"), any([]any{}))
		f.refused(400, "Invalid volume: Volume "+id+" status must be available or downloading to reserve, but the current status is reserved.",
			"member", "3.44", "POST", "/v3/attachments", `{"attachment":{"volume_uuid":"`+id+`"}}`)

		a = f.want(200, "service", "3.44", "PUT", "/v3/attachments/"+at, `{"attachment":{"connector":{"host":"host1","mountpoint":"/dev/vdb","platform":"x86_64"}}}`)
		testx.Equal(t, a.At("attachment", "connection_info"), any(map[string]any{"driver_volume_type": "simulated", "attachment_id": at, "export": id}))
		testx.Equal(t, a.At("attachment", "status"), any("attaching"))
		f.want(404, "service", "3.43", "POST", "/v3/attachments/"+at+"/action", `{"os-complete":{}}`)
		f.want(204, "service", "3.44", "POST", "/v3/attachments/"+at+"/action", `{"os-complete":{}}`)
		f.await(id, "in-use")

		v := f.want(200, "member", "", "GET", "/v3/volumes/detail", "").At("volumes", 0, "attachments", 0).(map[string]any)
		for key, want := range map[string]any{
			"id": id, "volume_id": id, "attachment_id": at, "server_id": serverID, "device": "/dev/vdb", "host_name": nil,
		} {
			testx.Equal(t, v[key], want)
		}
		testx.Equal(t, v["attached_at"] != nil, true)
		a = f.want(200, "admin", "", "GET", "/v3/volumes/"+id, "")
		testx.Equal(t, a.At("volume", "attachments", 0, "host_name"), any("host1"))

		// A user cannot take the disk from under the server (CVE-2023-2088).
		f.refused(409, "Detach volume from instance "+serverID+" using the Compute API", "member", "3.44", "DELETE", "/v3/attachments/"+at, "")
		list := f.want(200, "reader", "3.27", "GET", "/v3/attachments?instance_id="+serverID, "")
		testx.Equal(t, list.At("attachments"), any([]any{map[string]any{"id": at, "status": "attached", "instance": serverID, "volume_id": id}}))
		testx.Equal(t, f.want(200, "reader", "3.27", "GET", "/v3/attachments/detail?volume_id="+id, "").At("attachments", 0, "attach_mode"), any("rw"))
		testx.Equal(t, f.want(200, "foreign", "3.27", "GET", "/v3/attachments", "").IDs("attachments"), []string{})
		testx.Equal(t, f.want(200, "admin", "3.27", "GET", "/v3/attachments?all_tenants=1", "").IDs("attachments"), []string{at})
		f.want(404, "reader", "3.26", "GET", "/v3/attachments", "")

		a = f.want(200, "service", "3.44", "DELETE", "/v3/attachments/"+at, "")
		testx.Equal(t, a.At("attachments"), any([]any{}))
		f.await(id, "available")
		f.refused(404, "Volume attachment could not be found with filter: attachment_id = "+at+".", "member", "3.44", "GET", "/v3/attachments/"+at, "")

		// In one request, and given back by the user.
		a = f.want(200, "member", "3.54", "POST", "/v3/attachments", `{"attachment":{"volume_uuid":"`+id+`","connector":{"host":"host1"},"mode":"ro"}}`)
		testx.Equal(t, a.At("attachment", "attach_mode"), any("ro"))
		testx.Equal(t, a.At("attachment", "instance"), nil)
		f.want(200, "member", "3.54", "DELETE", "/v3/attachments/"+a.At("attachment", "id").(string), "")
		f.await(id, "available")
	})
}

// The client that the other components use understands what the API says.
func TestClient(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		server := httptest.NewServer(f.h)
		t.Cleanup(server.Close)
		ctx := t.Context()
		as := func(token string) sdk.Client {
			return sdk.Client{Client: &rest.Client{HTTP: server.Client(), Endpoint: server.URL + "/v3", Tokens: rest.StaticToken(token), Version: sdk.APIVersion}}
		}
		user, agent := as("member"), as("service")
		v, err := agent.CreateVolume(ctx, sdk.Create{Name: "boot", Size: 1, ImageID: imageID, ProjectID: p1, UserID: "u"})
		testx.NoErr(t, err)
		f.await(v.ID, "available")
		v, err = user.ShowVolume(ctx, v.ID)
		testx.NoErr(t, err)
		testx.Equal(t, v.Bootable, "true")
		testx.Equal(t, v.ProjectID, p1)
		a, err := user.CreateAttachment(ctx, v.ID, serverID, nil)
		testx.NoErr(t, err)
		a, err = agent.UpdateAttachment(ctx, a.ID, sdk.Connector{Host: "host1", MountPoint: "/dev/vda"})
		testx.NoErr(t, err)
		testx.Equal(t, a.ConnectionInfo, sdk.ConnectionInfo{Type: "simulated", Data: map[string]any{"export": v.ID}})
		testx.NoErr(t, agent.CompleteAttachment(ctx, a.ID))
		shown, err := agent.ShowAttachment(ctx, a.ID)
		testx.NoErr(t, err)
		testx.Equal(t, shown.Status, "attached")
		list, err := agent.ListAttachments(ctx, url.Values{"all_tenants": {"1"}, "instance_id": {serverID}})
		testx.NoErr(t, err)
		testx.Equal(t, len(list), 1)
		volumes, err := user.ListVolumes(ctx, url.Values{"name": {"boot"}})
		testx.NoErr(t, err)
		testx.Equal(t, volumes[0].Attachments, []sdk.AttachedTo{{ServerID: serverID, AttachmentID: a.ID, Device: "/dev/vda"}})
		testx.NoErr(t, agent.DeleteAttachment(ctx, a.ID))
		testx.NoErr(t, agent.DeleteAttachment(ctx, a.ID))
		testx.NoErr(t, user.DeleteVolume(ctx, v.ID))
		f.await(v.ID, "")
		testx.NoErr(t, user.DeleteVolume(ctx, v.ID))
	})
}
