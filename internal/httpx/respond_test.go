package httpx

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"nubo/internal/testx"
)

// kernel is a connection that can be given a file itself, as net's is.
type kernel struct {
	*httptest.ResponseRecorder
	given int64
}

func (k *kernel) ReadFrom(src io.Reader) (n int64, err error) {
	n, err = io.Copy(k.ResponseRecorder.Body, src)
	k.given += n
	return n, err
}

// TestFilesBypass holds that a handler's file reaches the connection as a file,
// through all that lies between them: the kernel sends it then.
func TestFilesBypass(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "file")
	want := bytes.Repeat([]byte("x"), 100_000)
	testx.NoErr(t, os.WriteFile(name, want, 0o600))
	api := &API{Service: "test", Dialect: Glance, Log: slog.New(slog.DiscardHandler), Routes: []Route{
		GET("/file", Public, func(w http.ResponseWriter, _ *http.Request) error {
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = io.Copy(w, f)
			return err
		}),
	}}
	h, err := api.Handler()
	testx.NoErr(t, err)
	k := &kernel{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(k, httptest.NewRequest(http.MethodGet, "/file", nil))
	testx.Equal(t, []any{k.given, bytes.Equal(k.Body.Bytes(), want)}, []any{int64(len(want)), true})
}
