package api_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"nubo/internal/testx"
)

// rawRequest is an upload as it is on the wire.
func rawRequest(path string, data []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "PUT %s/file HTTP/1.1\r\nHost: images\r\nX-Auth-Token: member\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", path, len(data))
	b.Write(data)
	return b.Bytes()
}

// serve serves a handler on a socket; stop returns when all requests have
// ended.
func serve(t *testing.T, h http.Handler) (address string, stop func()) {
	t.Helper()
	server := httptest.NewServer(h)
	return server.Listener.Addr().String(), server.Close
}

// sendCut sends a part of a request and hangs up.
func sendCut(t *testing.T, address string, part []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	testx.NoErr(t, err)
	conn.Write(part) // the server may have hung up first
	testx.NoErr(t, conn.Close())
}
