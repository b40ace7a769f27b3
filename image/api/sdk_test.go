package api_test

import (
	"bytes"
	"io"
	"net/http/httptest"
	"net/url"
	"testing"

	"nubo/internal/testx"
	sdk "nubo/sdk/image"
	"nubo/sdk/rest"
)

// TestClient has the client that the other components use speak to the API.
func TestClient(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		server := httptest.NewServer(c.h)
		defer server.Close()
		p := sdk.Client{Client: &rest.Client{Endpoint: server.URL, Tokens: rest.StaticToken("member"), HTTP: server.Client()}}
		ctx := t.Context()
		made, err := p.Create(ctx, sdk.Create{
			Name: "disk", DiskFormat: "raw", ContainerFormat: "bare", Visibility: "private", MinDisk: 1, MinRAM: 64, Protected: true,
			Tags: []string{"a"}, Properties: map[string]string{"os_distro": "debian"},
		})
		testx.NoErr(t, err)
		if _, _, err := p.Download(ctx, made.ID); err == nil {
			t.Fatal("an image without data was downloaded")
		}
		data := bytes.Repeat([]byte("data"), 100_000)
		testx.NoErr(t, p.Upload(ctx, made.ID, bytes.NewReader(data)))
		got, err := p.Show(ctx, made.ID)
		testx.NoErr(t, err)
		testx.Equal(t, got.Status, sdk.StatusActive)
		testx.Equal(t, got.Size, int64(len(data)))
		testx.Equal(t, got.MinDisk, 1)
		testx.Equal(t, got.Properties, map[string]string{"os_distro": "debian"})
		body, size, err := p.Download(ctx, made.ID)
		testx.NoErr(t, err)
		back, err := io.ReadAll(body)
		testx.NoErr(t, err)
		testx.NoErr(t, body.Close())
		if size != int64(len(data)) || !bytes.Equal(back, data) {
			t.Fatalf("%d of %d bytes came back", len(back), size)
		}
		for range 3 {
			c.create(`{"name":"more"}`)
		}
		all, err := p.List(ctx, url.Values{"limit": {"2"}})
		testx.NoErr(t, err)
		testx.Equal(t, len(all), 4)
		if err := p.Remove(ctx, made.ID); !rest.IsStatus(err, 403) {
			t.Fatalf("a protected image was deleted: %v", err)
		}
		for range 2 {
			testx.NoErr(t, p.Remove(ctx, all[0].ID))
		}
	})
}
