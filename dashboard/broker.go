package dashboard

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// messaging is the broker's management API among the services.
const messaging = "messaging"

// brokerTopic is the topic of the events that say that the broker's figures
// have changed.
const brokerTopic = "broker"

// brokerPages are the pages of the broker. {vhost} and {name} are the
// request's, {in} its virtual host as the end of a list's path and {at} as the
// beginning, {range} how far back its samples go, {paging} what part of a list
// it wants.
var brokerPages = map[string][]part{
	"broker-overview": {
		{"overview", messaging, "/overview?{range}", true, whole},
		{"nodes", messaging, "/nodes", false, whole},
		{"vhosts", messaging, "/vhosts?{range}", false, whole},
	},
	"broker-connections": {{"connections", messaging, "{at}/connections?{paging}", true, whole}, vhostNames},
	"broker-connection": {
		{"connection", messaging, "/connections/{name}?{range}", true, whole},
		{"channels", messaging, "/connections/{name}/channels", false, whole},
	},
	"broker-channels":  {{"channels", messaging, "{at}/channels?{paging}", true, whole}, vhostNames},
	"broker-channel":   {{"channel", messaging, "/channels/{name}?{range}", true, whole}},
	"broker-exchanges": {{"exchanges", messaging, "/exchanges{in}?{paging}", true, whole}, vhostNames},
	"broker-exchange": {
		{"exchange", messaging, "/exchanges/{vhost}/{name}?{range}", true, whole},
		{"from", messaging, "/exchanges/{vhost}/{name}/bindings/source", false, whole},
		{"to", messaging, "/exchanges/{vhost}/{name}/bindings/destination", false, whole},
	},
	"broker-queues": {{"queues", messaging, "/queues{in}?{paging}", true, whole}, vhostNames},
	"broker-queue": {
		{"queue", messaging, "/queues/{vhost}/{name}?{range}", true, whole},
		{"bindings", messaging, "/queues/{vhost}/{name}/bindings", false, whole},
		{"exchanges", messaging, "/exchanges/{vhost}?columns=name", false, whole},
		{"shovels", messaging, "/shovels/{vhost}", false, whole},
	},
	"broker-node": {{"node", messaging, "/nodes/{name}?memory=true", true, whole}},
	"broker-users": {
		{"users", messaging, "/users?columns=name,tags,limits", true, whole},
		{"permissions", messaging, "/permissions", false, whole},
		vhostNames,
	},
	"broker-user": {
		{"user", messaging, "/users/{name}", true, whole},
		{"permissions", messaging, "/users/{name}/permissions", false, whole},
		{"topic_permissions", messaging, "/users/{name}/topic-permissions", false, whole},
		{"limits", messaging, "/user-limits/{name}", false, whole},
		vhostNames,
	},
	"broker-vhosts": {
		{"vhosts", messaging, "/vhosts", true, whole},
		userNames,
	},
	"broker-vhost": {
		{"vhost", messaging, "/vhosts/{name}?{range}", true, whole},
		{"permissions", messaging, "/vhosts/{name}/permissions", false, whole},
		{"limits", messaging, "/vhost-limits/{name}", false, whole},
	},
	"broker-policies":          {{"policies", messaging, "/policies{in}", true, whole}, vhostNames},
	"broker-operator-policies": {{"policies", messaging, "/operator-policies{in}", true, whole}, vhostNames},
	"broker-limits": {
		{"vhost_limits", messaging, "/vhost-limits", true, whole},
		{"user_limits", messaging, "/user-limits", false, whole},
		userNames, vhostNames,
	},
	"broker-features": {
		{"flags", messaging, "/feature-flags", true, whole},
		{"deprecated", messaging, "/deprecated-features", false, whole},
	},
}

var (
	vhostNames = part{"vhosts", messaging, "/vhosts?columns=name", false, whole}
	userNames  = part{"users", messaging, "/users?columns=name", false, whole}
)

// mostOfBroker is how many rows a page of the broker's lists has at most.
const mostOfBroker = 500

// brokerNames refuses a request that does not name what the page is about.
func brokerNames(parts []part, q url.Values) error {
	for _, key := range []string{"vhost", "name"} {
		for _, p := range parts {
			if strings.Contains(p.path, "{"+key+"}") && q.Get(key) == "" {
				return refuse(http.StatusBadRequest, "The page needs a "+key+".")
			}
		}
	}
	return nil
}

// fillBroker puts the request's values into a path of the broker's API.
func fillBroker(path string, q url.Values) string {
	at, in := "", ""
	if v := q.Get("vhost"); v != "" {
		in = "/" + url.PathEscape(v)
		at = "/vhosts" + in
	}
	return strings.NewReplacer(
		"{vhost}", url.PathEscape(q.Get("vhost")), "{name}", url.PathEscape(q.Get("name")), "{in}", in, "{at}", at,
		"{paging}", brokerPaging(q), "{range}", samples(q),
	).Replace(path)
}

// brokerPaging says in the broker's words which part of a list is wanted. Its
// pages have numbers, which markers are here.
func brokerPaging(q url.Values) string {
	out := url.Values{}
	if limit, err := strconv.Atoi(q.Get("limit")); err == nil {
		out.Set("page", cmp.Or(q.Get("marker"), "1"))
		out.Set("page_size", strconv.Itoa(min(limit, mostOfBroker)))
	}
	for _, key := range []string{"name", "use_regex"} {
		if q.Has(key) {
			out.Set(key, q.Get(key))
		}
	}
	if key := q.Get("sort_key"); key != "" {
		out.Set("sort", key)
		out.Set("sort_reverse", strconv.FormatBool(q.Get("sort_dir") == "desc"))
	}
	return out.Encode()
}

// samples asks for the samples of the last ?age= seconds, ?incr= apart.
func samples(q url.Values) string {
	age, err1 := strconv.ParseUint(q.Get("age"), 10, 31)
	incr, err2 := strconv.ParseUint(q.Get("incr"), 10, 31)
	if err1 != nil || err2 != nil {
		return ""
	}
	out := url.Values{}
	for _, group := range []string{"lengths", "msg_rates", "data_rates"} {
		out.Set(group+"_age", strconv.FormatUint(age, 10))
		out.Set(group+"_incr", strconv.FormatUint(incr, 10))
	}
	return out.Encode()
}

// mayUse refuses a session the use of an API whose rule does not let it.
func (s *Service) mayUse(ctx context.Context, v session, svc Endpoint) error {
	if svc.Rule == "" {
		return nil
	}
	c, err := s.caller(ctx, v)
	if err != nil {
		return err
	}
	if verdict := s.verdict(c, svc.Rule); !verdict.Allowed {
		return refuse(http.StatusForbidden, "The policy does not allow it: "+verdict.Reason)
	}
	return nil
}

// ownName sends requests to an API in the cloud's own name.
type ownName struct{ svc Endpoint }

// RoundTrip implements http.RoundTripper.
func (t ownName) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.svc.HTTP.Transport.RoundTrip(r)
	if err != nil && r.Context().Err() == nil {
		return nil, errors.Join(refuse(http.StatusBadGateway, t.svc.Silent), err)
	}
	if err == nil && resp.StatusCode == http.StatusUnauthorized { // it is the cloud that is refused, not who is signed in
		_ = resp.Body.Close()
		return nil, refuse(http.StatusBadGateway, t.svc.Silent)
	}
	return resp, err
}

const (
	// brokerLook is how often the broker is looked at while somebody watches.
	brokerLook = time.Second
	// brokerStep is how often the broker takes samples, as RabbitMQ: after so
	// long charts have something new.
	brokerStep = 5 * time.Second
)

// WatchBroker tells those who watch the broker when its figures change, until
// ctx ends. While nobody watches it is left alone.
func (s *Service) WatchBroker(ctx context.Context) {
	if _, ok := s.services[messaging]; !ok {
		return
	}
	t := time.NewTicker(brokerLook)
	defer t.Stop()
	var last [sha256.Size]byte
	told := s.clock.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if !s.hub.watched(brokerTopic) {
			continue
		}
		sum, err := s.brokerFigures(ctx)
		if now := s.clock.Now(); err == nil && sum != last || now.Sub(told) >= brokerStep {
			last, told = sum, now
			s.hub.tick(brokerTopic)
		}
	}
}

// brokerFigures are a digest of the broker's totals: every message, and every
// thing that comes or goes, changes one of them.
func (s *Service) brokerFigures(ctx context.Context) (sum [sha256.Size]byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, brokerStep)
	defer cancel()
	resp, err := s.client(messaging, "").Send(ctx, http.MethodGet, "/overview", nil)
	if err != nil {
		return sum, err
	}
	defer resp.Body.Close() //nolint:errcheck // it is read
	h := sha256.New()
	if _, err := io.Copy(h, resp.Body); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}
