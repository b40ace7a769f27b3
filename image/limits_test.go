package image

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"nubo/internal/testx"
	"nubo/sdk/rest"
)

func TestKeystoneLimits(t *testing.T) {
	t.Parallel()
	broken := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case broken:
			w.WriteHeader(http.StatusInternalServerError)
		case r.URL.Path == "/v3/registered_limits":
			w.Write([]byte(`{"registered_limits":[{"resource_name":"image_size_total","default_limit":1000},{"resource_name":"image_count_total","default_limit":10},{"resource_name":"servers","default_limit":5}]}`))
		case r.URL.Path == "/v3/limits" && r.URL.Query().Get("project_id") == "p1":
			w.Write([]byte(`{"limits":[{"resource_name":"image_count_total","resource_limit":3},{"resource_name":"servers","resource_limit":7}]}`))
		default:
			w.Write([]byte(`{"limits":[]}`))
		}
	}))
	defer server.Close()
	limits := KeystoneLimits(&rest.Client{Endpoint: server.URL + "/v3", HTTP: server.Client()})
	for project, count := range map[string]int64{"p1": 3, "p2": 10} {
		got, err := limits(t.Context(), project)
		testx.NoErr(t, err)
		testx.Equal(t, got, map[string]int64{SizeTotal: 1000, StageTotal: 0, CountTotal: count, CountUploading: 0})
	}
	broken = true
	if _, err := limits(t.Context(), "p1"); err == nil {
		t.Fatal("limits of an identity that fails")
	}
}
