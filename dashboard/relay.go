package dashboard

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"
)

// passed are the headers of a request that go on to the component.
var passed = []string{
	"Accept", "Content-Type", "Content-Length", "Range", "If-Match", "If-None-Match", "Openstack-Api-Version", "X-Openstack-Nova-Api-Version",
	"X-Openstack-Request-Id", "X-Image-Meta-Store", "X-Reason",
}

// relay passes a request on to a component, in the session's name:
// /dashboard/api/compute/servers is the compute API's /servers.
func (s *Service) relay(w http.ResponseWriter, r *http.Request) error {
	svc, ok := s.services[chi.URLParam(r, "service")]
	if !ok {
		return refuse(http.StatusNotFound, "There is no such service.")
	}
	v := current(r)
	if v.Token == "" {
		return refuse(http.StatusForbidden, "You have no role on any project yet; ask an administrator for one.")
	}
	transport := s.http.Transport
	if svc.Rule != "" {
		if err := s.mayUse(r.Context(), v, svc); err != nil {
			return err
		}
		transport = ownName{svc}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			defer s.hub.tick(brokerTopic) // whoever looks at it sees at once what was done
		}
	}
	base, err := url.Parse(svc.Endpoint)
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(r.URL.EscapedPath(), "/dashboard/api/"+chi.URLParam(r, "service"))
	path, err := url.PathUnescape(rest)
	if err != nil {
		return refuse(http.StatusBadRequest, "The address is not encoded rightly.")
	}
	proxy := httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(p *httputil.ProxyRequest) {
			out := p.Out
			out.URL = &url.URL{Scheme: base.Scheme, Host: base.Host, Path: base.Path + path, RawPath: base.EscapedPath() + rest, RawQuery: r.URL.RawQuery}
			out.Host = base.Host
			out.Header = http.Header{}
			for _, name := range passed {
				if values := r.Header.Values(name); values != nil {
					out.Header[name] = values
				}
			}
			if svc.Version != "" && out.Header.Get("Openstack-Api-Version") == "" {
				out.Header.Set("Openstack-Api-Version", svc.Version)
			}
			if svc.Rule == "" {
				out.Header.Set("X-Auth-Token", v.Token)
			}
		},
		ModifyResponse: func(resp *http.Response) error {
			// What a component says is data, whatever it is called: it must
			// not be run as a page of this origin.
			resp.Header.Del("Set-Cookie")
			resp.Header.Set("Content-Disposition", attachment(resp.Header.Get("Content-Disposition")))
			resp.Header.Set("Cache-Control", "no-store")
			return nil
		},
		ErrorHandler:  func(w http.ResponseWriter, r *http.Request, err error) { s.fail(w, r, err) },
		FlushInterval: -1,
	}
	proxy.ServeHTTP(w, r)
	return nil
}

func attachment(given string) string {
	if strings.HasPrefix(given, "attachment") {
		return given
	}
	return "attachment"
}
