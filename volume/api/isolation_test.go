package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"nubo/internal/httpx"
)

// bodies are well-formed bodies by schema-checked operation.
var bodies = map[string]string{
	"POST /volumes":                           `{"volume":{"size":1}}`,
	"PUT /volumes/{volume_id}":                `{"volume":{"name":"x"}}`,
	"POST /volumes/{volume_id}/metadata":      `{"metadata":{"k":"x"}}`,
	"PUT /volumes/{volume_id}/metadata":       `{"metadata":{"k":"x"}}`,
	"PUT /volumes/{volume_id}/metadata/{key}": `{"meta":{"k":"x"}}`,
	"os-extend":                                   `{"os-extend":{"new_size":9}}`,
	"os-set_bootable":                             `{"os-set_bootable":{"bootable":true}}`,
	"os-update_readonly_flag":                     `{"os-update_readonly_flag":{"readonly":true}}`,
	"os-show_image_metadata":                      `{"os-show_image_metadata":{}}`,
	"os-set_image_metadata":                       `{"os-set_image_metadata":{"metadata":{"k":"x"}}}`,
	"os-unset_image_metadata":                     `{"os-unset_image_metadata":{"key":"k"}}`,
	"os-reset_status":                             `{"os-reset_status":{"status":"error"}}`,
	"os-force_delete":                             `{"os-force_delete":{}}`,
	"os-force_detach":                             `{"os-force_detach":{}}`,
	"os-detach":                                   `{"os-detach":{}}`,
	"os-complete":                                 `{"os-complete":{}}`,
	"POST /attachments":                           `{"attachment":{"volume_uuid":"VOLUME","instance_uuid":"` + serverID + `"}}`,
	"PUT /attachments/{attachment_id}":            `{"attachment":{"connector":{"host":"host1"}}}`,
	"POST /types":                                 `{"volume_type":{"name":"x"}}`,
	"PUT /types/{type_id}":                        `{"volume_type":{"name":"x"}}`,
	"POST /types/{type_id}/extra_specs":           `{"extra_specs":{"k":"x"}}`,
	"PUT /types/{type_id}/extra_specs/{key}":      `{"k":"x"}`,
	"PUT /os-quota-sets/{target_id}":              `{"quota_set":{"volumes":1}}`,
	"PUT /os-quota-class-sets/{quota_class_name}": `{"quota_class_set":{"volumes":1}}`,
	"PUT /os-services/enable":                     `{"host":"host1@simulated","binary":"cinder-volume"}`,
	"PUT /os-services/disable":                    `{"host":"host1@simulated","binary":"cinder-volume"}`,
	"PUT /os-services/disable-log-reason":         `{"host":"host1@simulated","binary":"cinder-volume","disabled_reason":"x"}`,
}

// open are the routes whose answer is the same for every project.
var open = []string{
	"GET /extensions", "GET /types", "GET /types/default", "GET /types/{type_id}", "GET /types/{type_id}/extra_specs", "GET /os-availability-zone", "GET /limits",
	"POST /volumes", // the caller's own
}

func operation(r *httpx.Route) string {
	if r.Action != "" {
		return r.Action
	}
	return r.Method + " " + r.Path
}

// TestIsolation asks every route as another project's member, as a reader and
// without a token.
func TestIsolation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		volume := f.create("member", `,"name":"secret","metadata":{"k":"secret"}`)
		attachment := f.attach(volume)
		typ := f.want(200, "admin", "", "GET", "/v3/types/default", "").At("volume_type", "id").(string)
		fill := strings.NewReplacer("{volume_id}", volume, "{attachment_id}", attachment, "{type_id}", typ, "{key}", "k", "{target_id}", p1,
			"{message_id}", volume, "{snapshot_id}", absentID, "{backup_id}", absentID)
		before := f.want(200, "admin", latest, "GET", "/v3/volumes/"+volume, "")
		for i := range f.routes {
			r := &f.routes[i]
			if r.Rule == httpx.Public {
				continue
			}
			op := operation(r)
			path, body := "/v3"+fill.Replace(r.Path), strings.ReplaceAll(bodies[op], "VOLUME", volume)
			if body == "" && (r.HasBody() || r.Method == http.MethodPost) {
				t.Errorf("%s has no body in this test", op)
				continue
			}
			f.want(401, "", latest, r.Method, path, body)

			a := f.do("foreign", latest, r.Method, path, body)
			switch {
			case strings.Contains(a.Text, "secret"), strings.Contains(a.Text, volume) && a.Status < 300:
				t.Errorf("%s shows another project: %s", op, a.Text)
			case slices.Contains(open, op), a.Status == 403, a.Status == 404:
			case r.Method == http.MethodGet && a.Status == 200 && !strings.Contains(r.Path, "{"): // an empty list
			default:
				t.Errorf("%s: another project's member gets %d: %s", op, a.Status, a.Text)
			}
			writes := r.Method != http.MethodGet && op != "os-show_image_metadata"
			if a := f.do("reader", latest, r.Method, path, body); writes && a.Status != 403 {
				t.Errorf("%s: a reader gets %d: %s", op, a.Status, a.Text)
			} else if a.Status == 500 {
				t.Errorf("%s: %s", op, a.Text)
			}
		}
		after := f.want(200, "admin", latest, "GET", "/v3/volumes/"+volume, "")
		if fmt.Sprint(before.JSON) != fmt.Sprint(after.JSON) {
			t.Errorf("the volume changed:\n%v\n%v", before.JSON, after.JSON)
		}
	})
}

// TestBadBodies sends each route that takes a body what is no JSON, no object,
// and the right names with wrong types.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		volume := f.create("member", "")
		fill := strings.NewReplacer("{volume_id}", volume, "{attachment_id}", absentID, "{type_id}", "__DEFAULT__", "{key}", "k", "{target_id}", p1)
		for i := range f.routes {
			r := &f.routes[i]
			if !r.HasBody() {
				continue
			}
			op := operation(r)
			wrong := []string{"", "{", "[]", "null", "7", `{"x":1}`, `{"volume":7}`}
			if r.Action != "" {
				wrong = append(wrong, `{"`+r.Action+`":7}`, `{"`+r.Action+`":{"x":[]}}`, `{"`+r.Action+`":{},"os-other":{}}`)
			} else if name, _, ok := strings.Cut(strings.TrimPrefix(bodies[op], `{"`), `"`); ok {
				wrong = append(wrong, `{"`+name+`":7}`, `{"`+name+`":[]}`, `{"`+name+`":null}`, `{"`+name+`":{"size":[],"name":{},"k":{},"volumes":"many","volume_uuid":1,"connector":{}}}`)
			}
			for _, body := range wrong {
				a := f.do("admin", latest, r.Method, "/v3"+fill.Replace(r.Path), body)
				if a.Status != 400 || a.At("badRequest", "message") == nil {
					t.Errorf("%s %s: got %d %s", op, body, a.Status, a.Text)
				}
			}
		}
		for body, message := range map[string]string{
			`{"volume":{}}`:                            "'size' is a required property",
			`{"volume":{"size":0}}`:                    "Invalid input for field/attribute size. Value: 0. 0 is less than the minimum of 1",
			`{"volume":{"size":1,"metadata":{"k":7}}}`: "Invalid input for field/attribute k. Value: 7. 7 is not of type 'null', 'string'",
			`{"volume":{"size":1,"nonsense":7}}`:       "Invalid input for field/attribute volume. Value: {'nonsense': 7, 'size': 1}. Additional properties are not allowed ('nonsense' was unexpected)",
		} {
			a := f.want(400, "member", latest, "POST", "/v3/volumes", body)
			if got := a.At("badRequest", "message").(string); !strings.HasSuffix(got, message) {
				t.Errorf("%s: %q", body, got)
			}
		}
		f.want(202, "member", "3.52", "POST", "/v3/volumes", `{"volume":{"size":1,"nonsense":7}}`) // strict since 3.53 only
	})
}
