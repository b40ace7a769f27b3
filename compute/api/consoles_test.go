package api_test

import (
	"context"
	"testing"
	"time"

	"nubo/compute"
	"nubo/internal/testx"
)

func TestConsolesAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.create("")
	ask := func(protocol, kind string) string {
		return `{"remote_console":{"protocol":"` + protocol + `","type":"` + kind + `"}}`
	}
	path, action := "/v2.1/servers/"+id+"/remote-consoles", "/v2.1/servers/"+id+"/action"
	for _, tc := range []struct {
		code                       int
		token, version, path, body string
		message                    string
	}{
		{409, "member", latest, path, ask("vnc", "novnc"), "Instance " + id + " is not ready"}, // it has no host yet
		{409, "member", latest, path, ask("serial", "serial"), "Instance " + id + " is not ready"},
		{400, "member", latest, path, ask("spice", "spice-html5"), "Unavailable console type spice-html5."},
		{400, "member", latest, path, ask("rdp", "rdp-html5"), "Unavailable console type rdp-html5."},
		{400, "member", latest, path, ask("mks", "webmks"), "Unavailable console type webmks."},
		{400, "member", latest, path, ask("vnc", "xvpvnc"), "Unavailable console type xvpvnc."},
		{400, "member", latest, path, ask("vnc", "serial"), "Invalid console type serial"},
		{400, "member", "2.7", path, ask("mks", "webmks"), ""}, // before 2.8
		{400, "member", latest, path, ask("telnet", "novnc"), ""},
		{400, "member", latest, path, `{"remote_console":{"protocol":"vnc"}}`, ""},
		{404, "member", "2.5", path, ask("vnc", "novnc"), ""},
		{403, "reader", latest, path, ask("vnc", "novnc"), ""},
		{404, "foreign", latest, path, ask("vnc", "novnc"), ""},
		{409, "member", "2.5", action, `{"os-getVNCConsole":{"type":"novnc"}}`, "Instance " + id + " is not ready"},
		{409, "member", "2.1", action, `{"os-getSerialConsole":{"type":"serial"}}`, "Instance " + id + " is not ready"},
		{400, "member", "2.1", action, `{"os-getSPICEConsole":{"type":"spice-html5"}}`, "Unavailable console type spice-html5."},
		{400, "member", "2.1", action, `{"os-getRDPConsole":{"type":"rdp-html5"}}`, "Unavailable console type rdp-html5."},
		{400, "member", "2.1", action, `{"os-getVNCConsole":{"type":"serial"}}`, ""},
		{404, "member", "2.6", action, `{"os-getVNCConsole":{"type":"novnc"}}`, ""}, // no action any more
	} {
		if got := f.do(tc.token, tc.version, "POST", tc.path, tc.body); got.Status != tc.code || tc.message != "" && got.Message() != tc.message {
			t.Errorf("%s as %s at %s: got %d %s, want %d %s", tc.body, tc.token, tc.version, got.Status, got.Text, tc.code, tc.message)
		}
	}
}

func TestShowConsoleToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.create("")
	at := compute.ConsoleAddress{Host: "192.0.2.1", Port: 5900, InternalAccessPath: "/secret"}
	save := func(token string, expires time.Duration) {
		now := time.Now()
		testx.NoErr(t, f.store.SaveConsoleToken(context.Background(), now.Add(-time.Hour), &compute.ConsoleToken{
			Hash: compute.HashConsoleToken(token), ServerID: id, Type: compute.ConsoleNoVNC, ConsoleAddress: at, Expires: now.Add(expires),
		}))
	}
	save("good", time.Minute)
	save("old", -time.Second)
	const path = "/v2.1/os-console-auth-tokens/"
	a := f.want(200, "admin", latest, "GET", path+"good", "")
	testx.Equal(t, a.JSON, map[string]any{"console": map[string]any{
		"instance_uuid": id, "host": "192.0.2.1", "port": 5900.0, "internal_access_path": "/secret",
	}})
	f.want(401, "admin", "2.30", "GET", path+"good", "")
	f.want(403, "member", latest, "GET", path+"good", "")
	for _, token := range []string{"old", "none", compute.HashConsoleToken("good")} {
		testx.Equal(t, f.want(404, "admin", latest, "GET", path+token, "").Message(), "Token not found")
	}
	f.want(204, "member", latest, "DELETE", "/v2.1/servers/"+id, "")
	f.want(404, "admin", latest, "GET", path+"good", "") // gone with its server
}
