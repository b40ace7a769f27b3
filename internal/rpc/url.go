package rpc

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// endpoint is one broker node and the credentials for it.
type endpoint struct {
	addr, user, password, vhost string
	tls                         bool
}

// Node is a broker node as a transport URL names it.
type Node struct{ Host, User, Password string }

// FirstNode is the first node of a transport URL.
func FirstNode(raw string) (Node, error) {
	list, err := parseURL(raw)
	if err != nil {
		return Node{}, err
	}
	host, _, err := net.SplitHostPort(list[0].addr)
	return Node{host, list[0].user, list[0].password}, err
}

// parseURL reads a transport URL, rabbit://user:password@host:port,host2/vhost.
// A host without credentials has those of the host before it. The schemes are
// rabbit and amqp, and amqps for TLS.
func parseURL(raw string) ([]endpoint, error) {
	// The password must not reach a log, so no error shows the URL.
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return nil, fmt.Errorf("transport URL: no scheme; want rabbit://user:password@host:5672/vhost")
	}
	proto := endpoint{user: "guest", password: "guest", vhost: "/"}
	switch scheme {
	case "rabbit", "amqp":
	case "amqps":
		proto.tls = true
	default:
		return nil, fmt.Errorf("transport URL: unknown scheme %q; want rabbit, amqp or amqps", scheme)
	}
	rest, _, _ = strings.Cut(rest, "?")
	hosts, path, _ := strings.Cut(rest, "/")
	if path != "" {
		vhost, err := url.PathUnescape(path)
		if err != nil {
			return nil, fmt.Errorf("transport URL: virtual host %q is badly escaped", path)
		}
		proto.vhost = vhost
	}
	var out []endpoint
	for host := range strings.SplitSeq(hosts, ",") {
		if at := strings.LastIndexByte(host, '@'); at >= 0 {
			user, password, _ := strings.Cut(host[:at], ":")
			var err1, err2 error
			proto.user, err1 = url.PathUnescape(user)
			proto.password, err2 = url.PathUnescape(password)
			if err1 != nil || err2 != nil {
				return nil, fmt.Errorf("transport URL: the credentials of host %q are badly escaped", host[at+1:])
			}
			host = host[at+1:]
		}
		e := proto
		var err error
		if e.addr, err = address(host, e.tls); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// address completes a host with the protocol's port.
func address(host string, tls bool) (string, error) {
	port := "5672"
	if tls {
		port = "5671"
	}
	if h, p, err := net.SplitHostPort(host); err == nil {
		host, port = h, p
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	if host == "" || port == "" || strings.ContainsAny(host, " []") {
		return "", fmt.Errorf("transport URL: %q is no host or host:port", host)
	}
	return net.JoinHostPort(host, port), nil
}
