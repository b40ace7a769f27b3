package dashboard

import (
	"context"
	"net/http"
	"net/url"
)

// marker is the header a request that changes something must carry: a form on
// a foreign page cannot send it.
const marker = "X-Nubo-Dashboard"

// contentPolicy lets a page load what this origin serves and nothing else.
// Styles may be inline: the component library computes them.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
	"font-src 'self'; connect-src 'self'; worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

// headers sets what every answer carries.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses what a foreign page asks for.
func (s *Service) sameOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" {
			if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
				s.fail(w, r, refuse(http.StatusForbidden, "The request comes from another site: "+origin))
				return
			}
		}
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
			s.fail(w, r, refuse(http.StatusForbidden, "The request comes from another site."))
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Header.Get(marker) == "" {
			s.fail(w, r, refuse(http.StatusForbidden, "The header "+marker+" is missing."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

type sessionKey struct{}

// signedIn lets only those through who are signed in.
func (s *Service) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := s.sessionOf(r)
		if err != nil {
			forget(w, r)
			s.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sessionKey{}, v)))
	})
}

// current is the session of a request behind signedIn.
func current(r *http.Request) session {
	v, _ := r.Context().Value(sessionKey{}).(session)
	return v
}
