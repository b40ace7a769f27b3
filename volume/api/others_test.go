package api_test

import (
	"testing"

	"nubo/internal/testx"
)

func TestVersions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		for path, code := range map[string]int{"/": 300, "/v3": 200, "/v3/": 200} {
			a := f.want(code, "", "", "GET", path, "")
			testx.Equal(t, a.At("versions", 0, "id"), any("v3.0"))
			testx.Equal(t, a.At("versions", 0, "version"), any("3.71"))
			testx.Equal(t, a.At("versions", 0, "min_version"), any("3.0"))
			testx.Equal(t, a.At("versions", 0, "links", 1, "href"), any("http://cloud/v3/"))
		}
		a := f.want(406, "member", "3.72", "GET", "/v3/volumes", "")
		testx.Equal(t, a.At("volumeFault", "message"), any("Version 3.72 is not supported by the API. Minimum is 3.0 and maximum is 3.71."))
		f.want(400, "member", "three", "GET", "/v3/volumes", "")
	})
}

func TestTypes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		a := f.want(200, "admin", "", "POST", "/v3/types", `{"volume_type":{"name":" gold ","description":"fast","os-volume-type-access:is_public":false,"extra_specs":{"pool":"a","multiattach":"x"}}}`)
		id := a.At("volume_type", "id").(string)
		testx.Equal(t, a.At("volume_type", "name"), any("gold"))
		f.refused(404, "Volume type "+id+" could not be found.", "member", "", "GET", "/v3/types/"+id, "")
		testx.Equal(t, len(f.want(200, "member", "", "GET", "/v3/types?is_public=None", "").IDs("volume_types")), 1)
		testx.Equal(t, len(f.want(200, "admin", "", "GET", "/v3/types?is_public=None", "").IDs("volume_types")), 2)
		testx.Equal(t, f.want(200, "admin", "", "GET", "/v3/types?is_public=False", "").IDs("volume_types"), []string{id})
		f.want(400, "admin", "", "GET", "/v3/types?is_public=often", "")

		f.want(200, "admin", "", "PUT", "/v3/types/"+id, `{"volume_type":{"is_public":true}}`)
		a = f.want(200, "member", "", "GET", "/v3/types/"+id, "")
		// How the back end is chosen is none of the user's business.
		testx.Equal(t, a.At("volume_type", "extra_specs"), any(map[string]any{"multiattach": "x"}))
		specs := "/v3/types/" + id + "/extra_specs"
		f.want(200, "admin", "", "POST", specs, `{"extra_specs":{"b":"1"}}`)
		testx.Equal(t, f.want(200, "admin", "", "PUT", specs+"/b", `{"b":"2"}`).At("b"), any("2"))
		f.refused(400, "Request body and URI mismatch", "admin", "", "PUT", specs+"/b", `{"c":"2"}`)
		testx.Equal(t, f.want(200, "admin", "", "GET", specs+"/b", "").At("b"), any("2"))
		f.refused(404, "Volume Type "+id+" has no extra specs with key b.", "member", "", "GET", specs+"/b", "")
		f.want(202, "admin", "", "DELETE", specs+"/b", "")
		f.want(404, "admin", "", "DELETE", specs+"/b", "")

		// A type that has volumes may be renamed, and lists know it; not deleted.
		volume := f.create("member", `,"volume_type":"gold"`)
		f.want(200, "admin", "", "PUT", "/v3/types/"+id, `{"volume_type":{"name":"silver"}}`)
		testx.Equal(t, f.want(200, "member", "", "GET", "/v3/volumes?volume_type=silver", "").IDs("volumes"), []string{volume})
		f.refused(400, "Volume Type "+id+" deletion is not allowed with volumes present with the type.", "admin", "", "DELETE", "/v3/types/"+id, "")
		f.want(202, "member", "", "DELETE", "/v3/volumes/"+volume, "")
		f.await(volume, "")
		f.want(202, "admin", "", "DELETE", "/v3/types/"+id, "")
		f.want(404, "admin", "", "GET", "/v3/types/"+id, "")

		def := f.want(200, "reader", "", "GET", "/v3/types/default", "").At("volume_type", "id").(string)
		f.want(400, "admin", "", "DELETE", "/v3/types/"+def, "")
		f.want(400, "admin", "", "PUT", "/v3/types/"+def, `{"volume_type":{"name":"x"}}`)
		f.want(400, "admin", "", "PUT", "/v3/types/"+def, `{"volume_type":{}}`)
		f.want(400, "admin", "", "POST", "/v3/types", `{"volume_type":{"name":"  "}}`)
		f.refused(409, "Volume Type __DEFAULT__ already exists.", "admin", "", "POST", "/v3/types", `{"volume_type":{"name":"__DEFAULT__"}}`)
	})
}

func TestServicesAndPools(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		a := f.want(200, "admin", "", "GET", "/v3/os-services", "")
		testx.Equal(t, a.At("services", 0, "binary"), any("cinder-scheduler"))
		testx.Equal(t, a.At("services", 1, "host"), any("host1@simulated"))
		testx.Equal(t, a.At("services", 1, "state"), any("up"))
		zones := func() any {
			return f.want(200, "member", "", "GET", "/v3/os-availability-zone", "").At("availabilityZoneInfo", 0)
		}
		testx.Equal(t, zones(), any(map[string]any{"zoneName": "nova", "zoneState": map[string]any{"available": true}}))
		f.want(200, "admin", "", "PUT", "/v3/os-services/disable-log-reason", `{"host":"host1@simulated","binary":"cinder-volume","disabled_reason":"disk"}`)
		a = f.want(200, "admin", "", "GET", "/v3/os-services?binary=cinder-volume&host=host1", "")
		testx.Equal(t, a.At("services", 0, "status"), any("disabled"))
		testx.Equal(t, a.At("services", 0, "disabled_reason"), any("disk"))
		testx.Equal(t, zones(), any(map[string]any{"zoneName": "nova", "zoneState": map[string]any{"available": false}}))
		f.want(200, "admin", "", "PUT", "/v3/os-services/enable", `{"host":"host1@simulated","binary":"cinder-volume"}`)
		f.want(404, "admin", "", "PUT", "/v3/os-services/enable", `{"host":"mars","binary":"cinder-volume"}`)
		f.want(400, "admin", "", "PUT", "/v3/os-services/enable", `{"host":"mars"}`)

		a = f.want(200, "admin", "", "GET", "/v3/scheduler-stats/get_pools?detail=True", "")
		testx.Equal(t, a.At("pools", 0, "name"), any("host1@simulated#simulated"))
		testx.Equal(t, a.At("pools", 0, "capabilities", "total_capacity_gb"), any(1000.0))
		testx.Equal(t, f.want(200, "admin", "", "GET", "/v3/scheduler-stats/get_pools", "").At("pools", 0, "capabilities"), nil)
	})
}

func TestWhatIsNotKept(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		for path, key := range map[string]string{
			"/snapshots": "snapshots", "/snapshots/detail": "snapshots", "/backups": "backups", "/backups/detail": "backups",
			"/extensions": "extensions", "/" + p1 + "/snapshots": "snapshots",
		} {
			testx.Equal(t, f.want(200, "reader", "", "GET", "/v3"+path, "").At(key), any([]any{}))
		}
		testx.Equal(t, f.want(200, "admin", "", "GET", "/v3/qos-specs", "").At("qos_specs"), any([]any{}))
		f.refused(404, "Snapshot x could not be found.", "member", "", "GET", "/v3/snapshots/x", "")
		f.refused(404, "Backup x could not be found.", "member", "", "GET", "/v3/backups/x", "")
		f.refused(400, "Malformed request URL: URL's project_id '"+p2+"' doesn't match Context's project_id '"+p1+"'", "member", "", "GET", "/v3/"+p2+"/volumes", "")
	})
}
