package dashboard

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"nubo/internal/auth"
	"nubo/sdk/rest"
)

// searched is a kind of things that is looked through for a text. What of it
// the caller may see its component says: it is asked in the caller's name.
type searched struct {
	// kind is the front end's word for it.
	kind, service string
	// path is the list, with its rows at rows in the answer; one is the path
	// of a single thing by its id, with the thing at of; "" if it has no such.
	path, rows, one, of string
	// name and address are the list's query for a part of a name or an
	// address; "" for what has none. Where they only bound the list, exact is
	// the query for a whole name, for when the list goes on.
	name, address, exact string
	// rule is who may see the list at all, and all who may see everybody's;
	// what {all} stands for in the queries.
	rule, all string
}

const (
	// bounded reads the beginning of a list that the component cannot search;
	// one with fewer rows than wholeList has ended there.
	bounded   = all
	wholeList = 1000
)

// fieldsOf are what is read of the things of network.
func fieldsOf(names ...string) string {
	out := bounded + "&fields=id&fields=project_id"
	for _, name := range names {
		out += "&fields=" + name
	}
	return out
}

// searches are what is looked through, in the order of the answer. {text} is
// what is looked for, {regexp} an expression that finds it in either case.
var searches = []searched{
	{
		kind: "server", service: "compute", path: "/servers/detail", rows: "servers", one: "/servers/", of: "server",
		name: "name={regexp}&limit=20{all}", address: "ip={regexp}&limit=20{all}", all: "os_compute_api:servers:detail:get_all_tenants",
	},
	{
		kind: "floatingip", service: "network", path: "/floatingips", rows: "floatingips", one: "/floatingips/", of: "floatingip",
		address: fieldsOf("floating_ip_address", "fixed_ip_address", "status"), exact: "floating_ip_address={text}",
	},
	{
		kind: "volume", service: "volume", path: "/volumes/detail", rows: "volumes", one: "/volumes/", of: "volume",
		name: "name~={text}&limit=20&all_tenants=1", // which is for administrators alone
	},
	{kind: "image", service: "image", path: "/v2/images", rows: "images", one: "/v2/images/", name: bounded, exact: "name={text}"},
	{
		kind: "network", service: "network", path: "/networks", rows: "networks", one: "/networks/", of: "network",
		name: fieldsOf("name", "status"), exact: "name={text}",
	},
	{
		kind: "subnet", service: "network", path: "/subnets", rows: "subnets", one: "/subnets/", of: "subnet",
		name: fieldsOf("name", "cidr", "network_id"), address: fieldsOf("name", "cidr", "network_id"), exact: "name={text}",
	},
	{
		kind: "router", service: "network", path: "/routers", rows: "routers", one: "/routers/", of: "router",
		name: fieldsOf("name", "status"), exact: "name={text}",
	},
	{
		kind: "port", service: "network", path: "/ports", rows: "ports", one: "/ports/", of: "port",
		name: fieldsOf("name", "status", "fixed_ips", "network_id"), address: "fixed_ips=ip_address_substr%3D{text}&limit=20", exact: "name={text}",
	},
	{
		kind: "securitygroup", service: "network", path: "/security-groups", rows: "security_groups", one: "/security-groups/", of: "security_group",
		name: fieldsOf("name"), exact: "name={text}",
	},
	{kind: "keypair", service: "compute", path: "/os-keypairs", rows: "keypairs", name: bounded},
	{kind: "flavor", service: "compute", path: "/flavors", rows: "flavors", one: "/flavors/", of: "flavor", name: bounded},
	{
		kind: "project", service: "identity", path: "/projects", rows: "projects", one: "/projects/", of: "project",
		name: "name__contains={text}", rule: "identity:list_projects",
	},
	{
		kind: "user", service: "identity", path: "/users", rows: "users", one: "/users/", of: "user",
		name: "name__contains={text}", rule: "identity:list_users",
	},
	{
		kind: "host", service: "compute", path: "/os-hypervisors", rows: "hypervisors",
		name: "hypervisor_hostname_pattern={text}", rule: "os_compute_api:os-hypervisors:list",
	},
}

const (
	// shortestSearch and longestSearch are how long a text is looked for.
	shortestSearch = 2
	longestSearch  = 100
	// mostFound is how many things of a kind are told of.
	mostFound = 8
)

var (
	// idLike is a thing's id: with dashes, or without as identity has them.
	idLike = regexp.MustCompile(`^(?i)[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$`)
	// addressLike is a part of an address.
	addressLike = regexp.MustCompile(`^(?i)[0-9a-f]*[.:][0-9a-f.:/]*$`)
)

// found is a thing that has what was looked for.
type found struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// Detail is what else it is known by: an address.
	Detail    string `json:"detail,omitempty"`
	Status    string `json:"status,omitempty"`
	ProjectID string `json:"project_id,omitempty"`
	// Of is the thing whose page shows it.
	Of string `json:"of,omitempty"`

	rank int
}

// search answers ?q=TEXT with the things whose name or address has the text
// in it, or whose id it is.
func (s *Service) search(w http.ResponseWriter, r *http.Request) error {
	text := strings.TrimSpace(r.URL.Query().Get("q"))
	if n := utf8.RuneCountInString(text); n < shortestSearch || n > longestSearch || !utf8.ValidString(text) {
		return refuse(http.StatusBadRequest, fmt.Sprintf("What is looked for has %d to %d letters.", shortestSearch, longestSearch))
	}
	v := current(r)
	c, err := s.caller(r.Context(), v)
	if err != nil {
		return err
	}
	things, failures := make([][]found, len(searches)), make([]*problem, len(searches))
	g, ctx := errgroup.WithContext(r.Context())
	g.SetLimit(eachAtOnce)
	for i, k := range searches {
		if _, ok := s.services[k.service]; !ok || k.rule != "" && !s.verdict(c, k.rule).Allowed {
			continue
		}
		g.Go(func() error {
			var err error
			things[i], err = s.look(ctx, v, c, k, text)
			var e *rest.Error
			switch {
			case err == nil || errors.As(err, &e) && (e.Status == http.StatusForbidden || e.Status == http.StatusNotFound):
			case e != nil:
				failures[i] = &problem{e.Status, e.Message, e.RequestID}
			case ctx.Err() != nil:
				return err
			default:
				s.log.WarnContext(ctx, "a search has failed", "kind", k.kind, "error", err)
				failures[i] = refuse(http.StatusBadGateway, "A component does not answer.")
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	answer := struct {
		Found  []found             `json:"found"`
		More   []string            `json:"more"`
		Errors map[string]*problem `json:"errors"`
	}{[]found{}, []string{}, map[string]*problem{}}
	for i, k := range searches {
		answer.Found = append(answer.Found, things[i][:min(len(things[i]), mostFound)]...)
		if len(things[i]) > mostFound {
			answer.More = append(answer.More, k.kind)
		}
		if failures[i] != nil {
			answer.Errors[k.kind] = failures[i]
		}
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// look gives the things of a kind that have the text, the likeliest first.
func (s *Service) look(ctx context.Context, v session, c *auth.Context, k searched, text string) ([]found, error) {
	rows, err := s.candidates(ctx, v, c, k, text)
	if err != nil {
		return nil, err
	}
	var out []found
	seen := map[string]bool{}
	for _, row := range rows {
		if f := row.found(k.kind, text); f.rank >= 0 && !seen[f.ID] {
			seen[f.ID] = true
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), strings.Compare(a.Name, b.Name), strings.Compare(a.Detail, b.Detail))
	})
	return out, nil
}

// candidates asks the component for what may have the text.
func (s *Service) candidates(ctx context.Context, v session, c *auth.Context, k searched, text string) ([]thing, error) {
	client := s.client(k.service, v.Token)
	var answer json.RawMessage
	if idLike.MatchString(text) {
		if k.one == "" {
			return nil, nil
		}
		if err := client.Get(ctx, k.one+url.PathEscape(text), &answer); err != nil {
			return nil, err
		}
		one, err := inside[thing](answer, k.of)
		return []thing{one}, err
	}
	query := k.name
	if addressLike.MatchString(text) {
		query = cmp.Or(k.address, k.name)
	}
	if query == "" {
		return nil, nil
	}
	if err := client.Get(ctx, k.path+"?"+s.searchQuery(c, k, query, text), &answer); err != nil {
		return nil, err
	}
	rows, err := inside[[]thing](answer, k.rows)
	if err != nil || k.exact == "" || len(rows) < wholeList {
		return rows, err
	}
	if err := client.Get(ctx, k.path+"?"+s.searchQuery(c, k, k.exact, text), &answer); err != nil {
		return nil, err
	}
	more, err := inside[[]thing](answer, k.rows)
	return append(rows, more...), err
}

// searchQuery puts the text into a list's query.
func (s *Service) searchQuery(c *auth.Context, k searched, query, text string) string {
	everybodys := ""
	if k.all != "" && s.verdict(c, k.all).Allowed {
		everybodys = "&all_tenants=1"
	}
	return strings.NewReplacer(
		"{text}", url.QueryEscape(text), "{regexp}", url.QueryEscape("(?i)"+regexp.QuoteMeta(text)), "{all}", everybodys,
	).Replace(query)
}

// inside reads what an answer has at key; the whole of it if key is empty.
func inside[T any](answer json.RawMessage, key string) (T, error) {
	var out T
	if key != "" {
		var envelope map[string]json.RawMessage
		if err := json.Unmarshal(answer, &envelope); err != nil {
			return out, fmt.Errorf("read %s: %w", key, err)
		}
		answer = envelope[key]
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return out, fmt.Errorf("read %s: %w", key, err)
	}
	return out, nil
}

// thing is what is read of all components' things.
type thing struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Status    string `json:"status"`
	State     string `json:"state"`
	ProjectID string `json:"project_id"`
	TenantID  string `json:"tenant_id"`
	Owner     string `json:"owner"`
	NetworkID string `json:"network_id"`
	CIDR      string `json:"cidr"`
	Floating  string `json:"floating_ip_address"`
	Fixed     string `json:"fixed_ip_address"`
	Hostname  string `json:"hypervisor_hostname"`
	FixedIPs  []struct {
		Address string `json:"ip_address"`
	} `json:"fixed_ips"`
	Addresses map[string][]struct {
		Address string `json:"addr"`
	} `json:"addresses"`
	VolumeProject string `json:"os-vol-tenant-attr:tenant_id"`
	// A key pair comes in an envelope of its own.
	Keypair *thing `json:"keypair"`
}

// found says what the thing is and how well the text fits it; its rank is
// below zero if it does not.
func (t thing) found(kind, text string) found {
	if t.Keypair != nil {
		t = *t.Keypair
	}
	f := found{
		Kind: kind, ID: cmp.Or(t.ID, t.Name), Name: cmp.Or(t.Name, t.Hostname), Status: cmp.Or(t.Status, t.State),
		ProjectID: cmp.Or(t.ProjectID, t.TenantID, t.VolumeProject, t.Owner), rank: -1,
	}
	addresses := []string{t.Floating, t.Fixed, t.CIDR}
	for _, a := range t.FixedIPs {
		addresses = append(addresses, a.Address)
	}
	for _, of := range t.Addresses {
		for _, a := range of {
			addresses = append(addresses, a.Address)
		}
	}
	addresses = slices.DeleteFunc(addresses, func(a string) bool { return a == "" })
	if kind == "server" { // a map has no order
		slices.Sort(addresses)
	}
	f.Detail = strings.Join(addresses, " ")
	if kind == "subnet" || kind == "port" {
		f.Of = t.NetworkID
	}
	for _, said := range append(addresses, f.Name) {
		if rank := fits(said, text); rank >= 0 && (f.rank < 0 || rank < f.rank) {
			f.rank = rank
		}
	}
	if strings.EqualFold(strings.ReplaceAll(t.ID, "-", ""), strings.ReplaceAll(text, "-", "")) {
		f.rank = 0
	}
	return f
}

// fits says how well a text fits what it is looked for in: 0 for the whole, 1
// for its beginning, 2 for a part, below zero for none of it.
func fits(said, text string) int {
	said, text = strings.ToLower(said), strings.ToLower(text)
	switch at := strings.Index(said, text); {
	case at < 0:
		return -1
	case len(said) == len(text):
		return 0
	case at == 0:
		return 1
	default:
		return 2
	}
}
