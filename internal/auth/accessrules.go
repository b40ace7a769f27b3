package auth

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// AccessRule is a request that an application credential may make. Its path
// may hold * for one part, ** for several and {name} for one that is named.
type AccessRule struct{ Service, Method, Path string }

// serviceTypes are the names under which rules know a service whose type is
// not its name.
var serviceTypes = map[string][]string{"volume": {"volumev3", "block-storage"}}

// MayRequest reports whether the caller's access rules let a request to a
// service pass. Services acting for a user are not held to them.
func (c *Context) MayRequest(service string, r *http.Request) bool {
	if len(c.AccessRules) == 0 || slices.Contains(c.ServiceRoles, "service") {
		return true
	}
	for _, rule := range c.AccessRules {
		if rule.Service != service && !slices.Contains(serviceTypes[service], rule.Service) {
			continue
		}
		if strings.EqualFold(rule.Method, r.Method) && patternOf(rule.Path).MatchString(r.URL.Path) {
			return true
		}
	}
	return false
}

var wild = regexp.MustCompile(`\\\*\\\*|\\\*|\\\{[^/]*?\\\}`)

func patternOf(path string) *regexp.Regexp {
	text := wild.ReplaceAllStringFunc(regexp.QuoteMeta(path), func(m string) string {
		if m == `\*\*` {
			return ".*"
		}
		return "[^/]+"
	})
	return regexp.MustCompile("^" + text + "$") // every quoted text is an expression
}
