package app

import (
	"net/http"
	"strings"
	"testing"

	"nubo/internal/testx"
)

// TestHostNames: why a server is where it is, and why another has failed, is
// told to its project without the name of any host, and to the administrator
// with them.
func TestHostNames(t *testing.T) {
	s := newSeed(testCloud(t, ""))
	const host = "sim0" // the testbed's
	failed := s.id(s.aMember, "compute", "/v2.1/servers", obj{
		"server":             obj{"name": "nowhere", "flavorRef": s.roomy, "imageRef": s.value("image", "image_id"), "networks": "none"},
		"os:scheduler_hints": obj{"different_host": arr{s.value("compute", "server_id")}},
	}, "server/id")
	s.await(s.aMember, "compute", "/v2.1/servers/"+failed, func(d doc) bool { return d.text("server/status") == "ERROR" })
	paths := []string{"/v2.1/servers/detail"}
	for _, id := range []string{failed, s.value("compute", "server_id")} {
		server := "/v2.1/servers/" + id
		paths = append(paths, server, server+"/nubo-decisions", server+"/os-instance-actions")
		for _, a := range s.must(s.aMember, "compute", "GET", server+"/os-instance-actions", nil).list("instanceActions") {
			paths = append(paths, server+"/os-instance-actions/"+a.text("request_id"))
		}
	}
	told := 0
	for _, path := range paths {
		read := func(who persona) reply {
			return s.do(call{who: who, service: "compute", method: "GET", path: path, header: map[string]string{"OpenStack-API-Version": "compute 2.96"}})
		}
		for _, who := range []persona{s.aMember, s.aReader} {
			if r := read(who); r.status != http.StatusOK || strings.Contains(string(r.body), host) {
				t.Errorf("%s: %s %s; want 200 without %s", who.name, path, r, host)
			}
		}
		if strings.Contains(string(read(s.rootA).body), host) {
			told++
		}
	}
	// The lists of actions name nobody; all else has a host in it.
	testx.Equal(t, told, len(paths)-2)
	testx.Equal(t, s.must(s.aMember, "compute", "GET", "/v2.1/servers/"+failed, nil).text("server/fault/message"),
		"No valid host was found. There are not enough hosts available. (DifferentHostFilter refused 1: with a server of hint different_host)")
	testx.Equal(t, s.must(s.rootA, "compute", "GET", "/v2.1/servers/"+failed, nil).text("server/fault/details"),
		"No valid host was found. There are not enough hosts available. (DifferentHostFilter refused 1: sim0 has a server of hint different_host)")
}
