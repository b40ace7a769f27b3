package dashboard

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"nubo/internal/testx"
)

func TestFillBroker(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ path, query, want string }{
		{"/queues{in}?{paging}", "", "/queues?"},
		{"/queues{in}?{paging}", "vhost=%2F&limit=200&sort_key=messages&sort_dir=desc&evil=x", "/queues/%2F?page=1&page_size=200&sort=messages&sort_reverse=true"},
		{"/queues{in}?{paging}", "limit=1000&marker=3&name=a%26b&use_regex=true&sort_key=name&sort_dir=asc",
			"/queues?name=a%26b&page=3&page_size=500&sort=name&sort_reverse=false&use_regex=true"},
		{"/queues{in}?{paging}", "limit=x&sort=name&page=7", "/queues?"},
		{"{at}/connections?{paging}", "vhost=a/b", "/vhosts/a%2Fb/connections?"},
		{"/queues/{vhost}/{name}?{range}", "vhost=%2F&name=a?b%25&age=60&incr=5",
			"/queues/%2F/a%3Fb%25?data_rates_age=60&data_rates_incr=5&lengths_age=60&lengths_incr=5&msg_rates_age=60&msg_rates_incr=5"},
		{"/queues/{vhost}/{name}?{range}", "vhost=v&name={range}&age=x&incr=-5", "/queues/v/%7Brange%7D?"},
	} {
		q, err := url.ParseQuery(tc.query)
		testx.NoErr(t, err)
		testx.Equal(t, fillBroker(tc.path, q), tc.want)
	}
}

// TestSilent holds what is said of a RabbitMQ without its management plugin,
// and of one that refuses the cloud's credentials: nobody is signed out by it.
func TestSilent(t *testing.T) {
	t.Parallel()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer refusing.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, base := range []string{refusing.URL, gone.URL} {
		s := newService(t, nil)
		tr := &http.Transport{}
		defer tr.CloseIdleConnections()
		s.services[messaging] = Endpoint{Endpoint: base + "/api", Rule: BrokerRule, Silent: "Enable the plugin.", HTTP: &http.Client{Transport: tr}}
		err := s.client(messaging, "").Get(t.Context(), "/overview", nil)
		var p *problem
		testx.Equal(t, errors.As(err, &p), true)
		testx.Equal(t, *p, problem{Code: http.StatusBadGateway, Message: "Enable the plugin."})
	}
}
