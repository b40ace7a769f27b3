package app

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nubo/internal/testx"
)

// listed is what is compared of a row of a list.
type listed struct {
	ID, Name, Status string
	Address          string `json:"floating_ip_address"`
	NetworkID        string `json:"network_id"`
	DeviceID         string `json:"device_id"`
}

// list reads a page's list in pieces of a size, and gives the parts that are lists, each put together.
func (w *browser) list(page string, size int, query url.Values) map[string][]listed {
	w.t.Helper()
	page, own, _ := strings.Cut(page, "?")
	out := map[string][]listed{}
	main := strings.ReplaceAll(strings.TrimPrefix(page, "admin-"), "floating-ips", "floatingips")
	main = strings.ReplaceAll(main, "-", "_")
	query = maps.Clone(query)
	query.Set("limit", strconv.Itoa(size))
	for rows := size; rows == size; {
		status, body := w.do("GET", "/dashboard/pages/"+page+"?"+own+"&"+query.Encode(), nil)
		if status != http.StatusOK {
			w.t.Fatalf("%s?%s: %d %s", page, query.Encode(), status, body)
		}
		var parts map[string]json.RawMessage
		testx.NoErr(w.t, json.Unmarshal([]byte(body), &parts))
		for name, part := range parts {
			if part[0] != '[' {
				continue
			}
			var list []listed
			testx.NoErr(w.t, json.Unmarshal(part, &list))
			out[name] = append(out[name], list...)
			if name == main {
				rows = len(list)
			}
		}
		if all := out[main]; len(all) > 0 {
			query.Set("marker", all[len(all)-1].ID)
		}
	}
	out["rows"] = out[main]
	return out
}

// post makes something, and gives its answer.
func (w *browser) post(service, path string, body any) map[string]any {
	w.t.Helper()
	status, answer := w.do("POST", "/dashboard/api/"+service+path, body)
	if status >= 300 {
		w.t.Fatalf("POST %s: %d %s", path, status, answer)
	}
	var out map[string]any
	testx.NoErr(w.t, json.Unmarshal([]byte(answer), &out))
	return out
}

// TestDashboardLists holds that long lists can be read in pieces, sorted and
// filtered as their pages ask for it, and that each piece comes with what is
// joined to its rows.
func TestDashboardLists(t *testing.T) {
	b := testCloud(t, "")
	w := newBrowser(t, b)
	w.signIn("admin", b.c.sec.AdminPassword)
	_, body := w.do("GET", "/dashboard/session", nil)
	var session struct{ Project struct{ ID string } }
	testx.NoErr(t, json.Unmarshal([]byte(body), &session))
	status, _ := w.do("PUT", "/dashboard/api/network/quotas/"+session.Project.ID, map[string]any{"quota": map[string]int{"network": -1, "subnet": -1}})
	testx.Equal(t, status, http.StatusOK)

	const many = 1200
	var networks, subnets []map[string]any
	for i := range many {
		networks = append(networks, map[string]any{"name": fmt.Sprintf("many-%04d", i)})
	}
	for _, made := range w.post("network", "/networks", map[string]any{"networks": networks})["networks"].([]any) {
		subnets = append(subnets, map[string]any{"network_id": made.(map[string]any)["id"], "ip_version": 4, "cidr": "10.0.0.0/24", "enable_dhcp": false})
	}
	w.post("network", "/subnets", map[string]any{"subnets": subnets})
	external := w.post("network", "/networks", map[string]any{"network": map[string]any{"name": "outside", "router:external": true, "project_id": "somebody"}})["network"].(map[string]any)["id"]
	w.post("network", "/subnets", map[string]any{"subnet": map[string]any{"network_id": external, "ip_version": 4, "cidr": "203.0.113.0/24"}})
	for i := range 5 {
		router := w.post("network", "/routers", map[string]any{"router": map[string]any{"name": fmt.Sprint("router-", i)}})["router"].(map[string]any)["id"]
		network := subnets[i]["network_id"]
		port := w.post("network", "/ports", map[string]any{"port": map[string]any{"network_id": network}})["port"].(map[string]any)["id"]
		status, body := w.do("PUT", fmt.Sprintf("/dashboard/api/network/routers/%s/add_router_interface", router), map[string]any{"port_id": port})
		testx.Equal(t, []any{status, body}, []any{http.StatusOK, body})
		w.post("network", "/floatingips", map[string]any{"floatingip": map[string]any{"floating_network_id": external}})
		w.post("network", "/security-groups", map[string]any{"security_group": map[string]any{"name": fmt.Sprint("group-", i)}})
		w.post("image", "/v2/images", map[string]any{"name": fmt.Sprint("image-", i), "disk_format": "raw", "container_format": "bare"})
	}

	names := func(rows []listed) []string {
		out := []string{}
		for _, r := range rows {
			out = append(out, cmp.Or(r.Name, r.Address))
		}
		return out
	}
	t.Run("1200 networks are read in pieces, with the subnets of each", func(t *testing.T) {
		for _, page := range []string{"networks", "admin-networks"} {
			got := w.list(page, 200, url.Values{"sort_key": {"name"}, "sort_dir": {"desc"}})
			rows := slices.DeleteFunc(got["rows"], func(n listed) bool { return n.ID == external })
			testx.Equal(t, []any{len(rows), rows[0].Name, rows[many-1].Name}, []any{many, "many-1199", "many-0000"})
			testx.Equal(t, slices.IsSortedFunc(rows, func(a, b listed) int { return cmp.Compare(b.Name, a.Name) }), true)
			for _, n := range rows {
				if !slices.ContainsFunc(got["subnets"], func(s listed) bool { return s.NetworkID == n.ID }) {
					t.Fatalf("%s: %s comes without its subnet", page, n.Name)
				}
			}
		}
	})
	t.Run("others' networks come with the first of the own ones", func(t *testing.T) {
		got := w.list("networks", 200, url.Values{"name": {"outside"}})
		testx.Equal(t, [][]string{names(got["rows"]), names(got["external"]), names(got["shared"])}, [][]string{{}, {"outside"}, {}})
		testx.Equal(t, len(got["subnets"]), 1)
		testx.Equal(t, names(w.list("admin-networks", 200, url.Values{"router:external": {"true"}})["rows"]), []string{"outside"})
	})
	for _, tc := range []struct {
		page, key string
		filter    string
		want      []string
	}{
		{"routers", "name", "name=router-3", []string{"router-3"}},
		{"routers?all=1", "status", "project_id=" + session.Project.ID, nil},
		{"floating-ips", "floating_ip_address", "status=DOWN", nil},
		{"admin-floating-ips", "fixed_ip_address", "floating_ip_address=192.0.2.1", []string{}},
		{"security-groups", "name", "name=group-2", []string{"group-2"}},
		{"images", "name", "name=image-4", []string{"image-4"}},
		{"images", "created_at", "visibility=shared", nil},
		{"images", "size", "disk_format=raw&status=queued", nil},
	} {
		t.Run(tc.page+" by "+tc.key, func(t *testing.T) {
			order := url.Values{"sort_key": {tc.key}, "sort_dir": {"desc"}}
			whole := w.list(tc.page, 1000, order)
			pieces := w.list(tc.page, 2, order)
			testx.Equal(t, pieces["rows"], whole["rows"])
			if len(whole["rows"]) < 5 {
				t.Errorf("there are %d", len(whole["rows"]))
			}
			if strings.HasPrefix(tc.page, "routers") {
				for _, r := range whole["rows"] {
					for _, got := range []map[string][]listed{whole, pieces} {
						testx.Equal(t, slices.ContainsFunc(got["ports"], func(p listed) bool { return p.DeviceID == r.ID }), true)
					}
				}
			}
			filter, err := url.ParseQuery(tc.filter)
			testx.NoErr(t, err)
			got := names(w.list(tc.page, 2, filter)["rows"])
			want := tc.want
			if want == nil { // all of them
				want = names(whole["rows"])
			}
			slices.Sort(got)
			slices.Sort(want)
			testx.Equal(t, got, want)
		})
	}
}
