package volume_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/internal/testx"
	"nubo/sdk/image"
	"nubo/sdk/rest"
	"nubo/volume"
)

// The image service is asked in the caller's name whether there is an image,
// and in the service's own for its bytes.
func TestImagePeer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path + " " + r.Header.Get("X-Auth-Token") {
		case "GET /v2/images/i user":
			io.WriteString(w, `{"id":"i","name":"mini","status":"active","disk_format":"qcow2","size":5,"virtual_size":1073741825,"min_disk":1,"min_ram":64,"checksum":"c","os_distro":"debian"}`) //nolint:errcheck // a test's
		case "GET /v2/images/i/file service":
			io.WriteString(w, "bytes") //nolint:errcheck // a test's
		case "GET /v2/images/broken user":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	p := volume.ImagePeer{Client: image.Client{Client: &rest.Client{HTTP: server.Client(), Endpoint: server.URL, Tokens: rest.StaticToken("service")}}}
	ctx := auth.With(t.Context(), &auth.Context{Token: "user"})

	got, err := p.Show(ctx, "i")
	testx.NoErr(t, err)
	testx.Equal(t, got, volume.Image{ID: "i", Name: "mini", Status: "active", DiskFormat: "qcow2", Size: 5, Checksum: "c", MinDiskGB: 1, MinRAMMB: 64,
		VirtualGB: 2, Properties: map[string]string{"os_distro": "debian"}})
	_, err = p.Show(ctx, "absent")
	testx.Equal(t, fault.KindOf(err), fault.Invalid)
	_, err = p.Show(ctx, "broken")
	testx.Equal(t, fault.KindOf(err), fault.Unavailable)

	body, err := p.Download(ctx, "i")
	testx.NoErr(t, err)
	defer body.Close()
	b, err := io.ReadAll(body)
	testx.NoErr(t, err)
	testx.Equal(t, string(b), "bytes")
	_, err = p.Download(ctx, "absent")
	testx.Equal(t, fault.KindOf(err), fault.Invalid)
}
