package app

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"nubo/internal/testx"
)

// TestDashboardConsole opens the consoles of A's server in the browsers of
// all who may come by.
func TestDashboardConsole(t *testing.T) {
	s := newSeed(testCloud(t, ""))
	as := func(user, password string) *browser {
		w := newBrowser(t, s.testbed)
		w.signIn(user, password)
		return w
	}
	admin, foreign := as("admin", s.c.sec.AdminPassword), as("memberB", s.bPassword)
	serial := "/dashboard/console/" + s.value("compute", "server_id") + "/serial"

	// dial opens a console as a page does, and gives what it is answered.
	dial := func(w *browser, path string, header http.Header) (*websocket.Conn, int) {
		t.Helper()
		c, resp, err := websocket.Dial(t.Context(), w.base+path, &websocket.DialOptions{HTTPClient: w.http, HTTPHeader: header, Subprotocols: []string{"binary"}})
		if resp == nil {
			t.Fatal(err)
		}
		return c, resp.StatusCode
	}
	own := http.Header{"Origin": {admin.base}}
	t.Run("refused", func(t *testing.T) {
		for _, tc := range []struct {
			name, path string
			who        *browser
			header     http.Header
			want       int
		}{
			{"nobody is signed in", serial, newBrowser(t, s.testbed), own, 401},
			{"another project's server", serial, foreign, own, 404},
			{"no such server", "/dashboard/console/" + absent + "/vnc", admin, own, 404},
			{"no such kind", strings.TrimSuffix(serial, "serial") + "spice", admin, own, 404},
			{"no server's name", "/dashboard/console/..%2f..%2f/vnc", admin, own, 404},
			{"a foreign page", serial, admin, http.Header{"Origin": {"http://evil.example"}}, 403},
			{"another port's page", serial, admin, http.Header{"Origin": {admin.base + "1"}}, 403},
			{"no page", serial, admin, nil, 403},
			{"a foreign site", serial, admin, http.Header{"Origin": {admin.base}, "Sec-Fetch-Site": {"cross-site"}}, 403},
		} {
			if _, got := dial(tc.who, tc.path, tc.header); got != tc.want {
				t.Errorf("%s: got %d, want %d", tc.name, got, tc.want)
			}
		}
	})
	t.Run("why, without a WebSocket", func(t *testing.T) {
		status, body := foreign.do("GET", serial, nil)
		testx.Equal(t, status, http.StatusNotFound)
		testx.Equal(t, strings.Contains(body, "could not be found"), true)
		status, _ = admin.do("GET", serial, nil)
		testx.Equal(t, status, http.StatusUpgradeRequired)
	})
	t.Run("the console", func(t *testing.T) {
		c, _ := dial(admin, serial, own)
		var text string
		for !strings.Contains(text, "login: ") {
			_, b, err := c.Read(t.Context())
			testx.NoErr(t, err)
			text += string(b)
		}
		testx.Equal(t, strings.Contains(text, "simulated guest"), true)
		testx.NoErr(t, c.Write(t.Context(), websocket.MessageBinary, []byte("x")))
		_, b, err := c.Read(t.Context())
		testx.NoErr(t, err)
		testx.Equal(t, string(b), "x")
		testx.NoErr(t, c.Close(websocket.StatusNormalClosure, ""))
	})
	t.Run("ends with its server", func(t *testing.T) {
		c, _ := dial(admin, strings.Replace(serial, "serial", "vnc", 1), own)
		_, b, err := c.Read(t.Context())
		testx.NoErr(t, err)
		testx.Equal(t, string(b), "RFB 003.008\n")
		s.must(s.aMember, "compute", "DELETE", "/v2.1/servers/"+s.value("compute", "server_id"), nil)
		_, _, err = c.Read(t.Context())
		var left websocket.CloseError
		testx.Equal(t, errors.As(err, &left) && left.Code == websocket.StatusNormalClosure, true)
	})
}
