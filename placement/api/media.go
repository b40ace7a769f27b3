package api

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"nubo/internal/fault"
)

const jsonType = "application/json"

// mediaTypes refuses a body that does not say that it is JSON, and a reader
// who wants something else.
func mediaTypes(r *http.Request) error {
	if r.ContentLength != 0 && r.Method != http.MethodGet && r.Method != http.MethodDelete {
		header := r.Header.Get("Content-Type")
		if header == "" {
			return fault.Invalidf("content-type header required when content-length > 0")
		}
		if is, _, err := mime.ParseMediaType(header); err != nil || is != jsonType {
			return fault.New(fault.UnsupportedType, "The media type %s is not supported, use %s", header, jsonType)
		}
	}
	if accept := r.Header.Values("Accept"); r.Method == http.MethodGet && len(accept) > 0 && !accepts(strings.Join(accept, ",")) {
		return fault.New(fault.NotAcceptable, "Only %s is provided", jsonType)
	}
	return nil
}

// accepts reports whether a header lets JSON be an answer: the range that
// names it best decides.
func accepts(header string) bool {
	best, quality := -1, 0.0
	for _, one := range strings.Split(header, ",") {
		name, params, err := mime.ParseMediaType(one)
		if err != nil {
			continue
		}
		rank := map[string]int{"*/*": 0, "application/*": 1, jsonType: 2}
		n, ok := rank[name]
		if !ok || n < best {
			continue
		}
		q := 1.0
		if text, given := params["q"]; given {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		best, quality = n, q
	}
	return quality > 0
}
