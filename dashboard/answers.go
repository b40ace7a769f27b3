package dashboard

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"nubo/sdk/rest"
)

// problem is an answer that says what is wrong, in the envelope all of the
// dashboard's own routes use: {"error": {"code", "message", "request_id"}}.
type problem struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	// RequestID is that of the component that refused.
	RequestID string `json:"request_id,omitempty"`
}

func (p *problem) Error() string { return p.Message }

func refuse(code int, message string) *problem { return &problem{Code: code, Message: message} }

// handler is a handler whose error is answered.
type handler func(w http.ResponseWriter, r *http.Request) error

func (s *Service) handle(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

// fail answers an error; what a component said is passed on in its words.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	var p *problem
	var e *rest.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
	case errors.Is(err, errNoSession):
		p = refuse(http.StatusUnauthorized, "Nobody is signed in.")
	case errors.As(err, &tooLarge):
		p = refuse(http.StatusRequestEntityTooLarge, "The request is too large.")
	case errors.As(err, &e):
		p = &problem{e.Status, e.Message, e.RequestID}
	case r.Context().Err() != nil:
		return // nobody reads the answer
	default:
		s.log.ErrorContext(r.Context(), "a request has failed", "method", r.Method, "path", r.URL.Path, "error", err)
		p = refuse(http.StatusBadGateway, "A component does not answer.")
	}
	writeJSON(w, p.Code, map[string]*problem{"error": p})
}

// writeJSON answers; an error of writing is the client's who has gone.
func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}

// maxBody bounds what the dashboard's own routes read.
const maxBody = 64 << 10

// readJSON reads a request's body strictly.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return err
	case err != nil:
		return refuse(http.StatusBadRequest, "The request is not what it should be: "+err.Error())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return refuse(http.StatusBadRequest, "The request has something after its JSON.")
	}
	return nil
}
