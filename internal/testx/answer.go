package testx

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Answer is what a handler answered.
type Answer struct {
	Status int
	Header http.Header
	// Text is the body; JSON what it says if it is an object.
	Text string
	JSON map[string]any
}

// Ask sends a request to a handler. The headers are names and values by turns;
// those without a value are left out. An answer that says it is JSON must be.
func Ask(t testing.TB, h http.Handler, method, target string, body io.Reader, headers ...string) Answer {
	t.Helper()
	r := httptest.NewRequest(method, target, body)
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] != "" {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := Answer{Status: w.Code, Header: w.Header(), Text: w.Body.String()}
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && a.Text != "" && !json.Valid(w.Body.Bytes()) {
		t.Errorf("%s %s: answer is no JSON: %s", method, target, a.Text)
	}
	_ = json.Unmarshal(w.Body.Bytes(), &a.JSON) // what is no object stays empty
	return a
}

// At walks into the answer: objects by key, arrays by index. It is nil where
// there is nothing.
func (a Answer) At(path ...any) any {
	var v any = a.JSON
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

// IDs are the ids of a list in the answer.
func (a Answer) IDs(key string) []string {
	out := []string{}
	list, _ := a.At(key).([]any)
	for i := range list {
		id, _ := a.At(key, i, "id").(string)
		out = append(out, id)
	}
	return out
}

// Message is the text of an error in the envelope of Nova and those like it:
// {"badRequest": {"message": …}}.
func (a Answer) Message() string {
	for _, v := range a.JSON {
		if m, ok := v.(map[string]any); ok {
			if s, ok := m["message"].(string); ok {
				return s
			}
		}
	}
	return ""
}
