package api_test

import (
	"strings"
	"testing"

	"nubo/internal/db/dbtest"
	"nubo/internal/testx"
	"nubo/placement/store"
)

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		method, contentType, accept, body string
		status                            int
		text                              string
	}{
		{"POST", "application/json", "", `{"name":"a"}`, 200, ""},
		{"POST", "application/json; charset=utf-8", "text/html", `{"name":"a"}`, 200, ""},
		{"POST", "text/plain", "", `{"name":`, 415, "The media type text/plain is not supported, use application/json"},
		{"POST", "/", "", `{"name":"a"}`, 415, "is not supported"},
		{"POST", "", "", `{"name":"a"}`, 400, "content-type header required when content-length > 0"},
		{"GET", "text/plain", "", "", 200, ""},
		{"GET", "", "application/json", "", 200, ""},
		{"GET", "", "text/html, application/*;q=0.1", "", 200, ""},
		{"GET", "", "*/*", "", 200, ""},
		{"GET", "", "text/html", "", 406, "Only application/json is provided"},
		{"GET", "", "*/*, application/json;q=0", "", 406, "Only application/json is provided"},
	} {
		c := newClient(t, dbtest.Open(t, store.Migrations))
		a := testx.Ask(t, c.h, tc.method, "/resource_providers", strings.NewReader(tc.body), "X-Auth-Token", "admin",
			"OpenStack-API-Version", "placement 1.39", "Content-Type", tc.contentType, "Accept", tc.accept)
		testx.Equal(t, a.Status, tc.status)
		if !strings.Contains(a.Text, tc.text) {
			t.Errorf("%+v: got %s", tc, a.Text)
		}
	}
}
