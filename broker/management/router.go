package management

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// handler answers a call.
type handler func(*call) error

// route is one path. A segment in braces stands for any, and is an argument.
type route struct {
	path    string
	need    level
	methods methods
}

type methods map[string]handler

// allow lists the methods for the Allow header.
func (r *route) allow() string {
	list := []string{"HEAD", http.MethodOptions}
	for m := range r.methods {
		list = append(list, m)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// node is a place in the tree of paths.
type node struct {
	fixed map[string]*node
	any   *node
	name  string // of the argument that leads here
	route *route
}

func (n *node) add(r route) {
	for seg := range strings.SplitSeq(r.path, "/") {
		n = n.child(seg)
	}
	if n.route != nil {
		panic("two routes of path " + r.path)
	}
	n.route = &r
}

func (n *node) child(seg string) *node {
	if name, ok := strings.CutPrefix(seg, "{"); ok {
		if n.any == nil {
			n.any = &node{name: strings.TrimSuffix(name, "}")}
		}
		if n.any.name != strings.TrimSuffix(name, "}") {
			panic("two names for an argument: " + seg)
		}
		return n.any
	}
	if n.fixed == nil {
		n.fixed = make(map[string]*node)
	}
	if n.fixed[seg] == nil {
		n.fixed[seg] = new(node)
	}
	return n.fixed[seg]
}

// find looks up the route of an escaped path. Segments are unescaped one by
// one: %2F is no separator. Fixed segments go before arguments.
func (n *node) find(path string) (*route, map[string]string, error) {
	var segs []string
	for seg := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		s, err := url.PathUnescape(seg)
		if err != nil || strings.ContainsRune(s, 0) {
			return nil, nil, badRequest("the path is malformed")
		}
		segs = append(segs, s)
	}
	args := make(map[string]string)
	return n.match(segs, args), args, nil
}

func (n *node) match(segs []string, args map[string]string) *route {
	if len(segs) == 0 {
		return n.route
	}
	if next := n.fixed[segs[0]]; next != nil {
		if r := next.match(segs[1:], args); r != nil {
			return r
		}
	}
	if n.any == nil {
		return nil
	}
	r := n.any.match(segs[1:], args)
	if r != nil {
		args[n.any.name] = segs[0]
	}
	return r
}
