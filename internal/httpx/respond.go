package httpx

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
)

// JSON writes v with the status.
func JSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	write(w, status, "application/json", b)
	return nil
}

// NoContent answers with a status and no body, 204 or 202 mostly.
func NoContent(w http.ResponseWriter, status int) error {
	if status != http.StatusNoContent {
		w.Header().Set("Content-Length", "0")
	}
	w.WriteHeader(status)
	return nil
}

// Healthy answers load balancers, which ask without a token whether the
// service is there.
func Healthy(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodHead {
		return NoContent(w, http.StatusNoContent)
	}
	write(w, http.StatusOK, "text/plain; charset=UTF-8", []byte("OK"))
	return nil
}

func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) //nolint:errcheck // the client is gone; nobody is left to tell
}

// recorder remembers what was answered, for the log and for errors that come
// after the answer has begun.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// ReadFrom lets the kernel copy a file to the connection.
func (r *recorder) ReadFrom(src io.Reader) (int64, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := io.Copy(r.ResponseWriter, src)
	r.bytes += n
	return n, err
}

// Unwrap lets http.ResponseController reach flushing and deadlines.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
