package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// Components are the services; each stands alone.
var Components = []string{"identity", "image", "compute", "placement", "network", "volume", "object", "telemetry", "dashboard"}

// standalone packages are the broker product: they know nothing of clouds.
var standalone = []string{"amqp", "broker", "raftgroup"}

// brokerKits are the kits that know nothing of clouds either.
var brokerKits = []string{"clock", "testx", "config", "service", "obs"}

// doors are the sub-packages of a component by the libraries only they may know.
var onlyIn = []struct {
	library string
	where   func(pkg string) bool
	why     string
}{
	{"github.com/uptrace/bun", in("/store", "internal/db", "internal/quota"), "only store knows SQL"},
	{"github.com/pressly/goose", in("internal/db"), "only internal/db migrates"},
	{"modernc.org/sqlite", in("internal/db"), "only internal/db opens databases"},
	{"github.com/jackc/pgx", in("internal/db"), "only internal/db opens databases"},
	{"database/sql", in("/store", "internal/db", "internal/quota"), "only store knows SQL"},
	{"github.com/go-chi/chi", in("internal/httpx", "dashboard"), "only httpx and the dashboard route"},
	{"github.com/digitalocean/go-libvirt", in("/driver"), "only a driver knows libvirt"},
	{"libvirt.org/go/libvirtxml", in("/driver"), "only a driver knows libvirt"},
	{"github.com/vishvananda/netlink", in("/driver"), "only a driver knows netlink"},
	{"github.com/coder/websocket", in("internal/wsx"), "only wsx speaks WebSocket"},
	{"github.com/rabbitmq/amqp091-go", in("internal/rpc", "broker"), "only rpc speaks AMQP"},
	{"os/exec", in("/driver", "app", "cmd", "internal/detached", "internal/qemuimg", "internal/rpc/rabbittest", "internal/db/dbtest"), "only a driver runs commands"},
}

func in(places ...string) func(string) bool {
	return func(pkg string) bool {
		return slices.ContainsFunc(places, func(p string) bool {
			if strings.HasPrefix(p, "/") {
				return strings.HasSuffix(pkg, p) || strings.Contains(pkg, p+"/")
			}
			return pkg == p || strings.HasPrefix(pkg, p+"/")
		})
	}
}

// Size limits of rule 10.
const (
	maxFileLines    = 800
	maxPackageLines = 8000
)

// Check holds the files against the rules and gives one line a violation.
func Check(module string, files []File) []string {
	var bad []string
	lines := map[string]int{}
	for _, f := range files {
		if strings.HasPrefix(f.Package, "test") || strings.HasPrefix(f.Package, "bench") || strings.HasPrefix(f.Package, "tools") {
			continue // they use everything as a user would
		}
		if !f.Test && !f.Generated {
			lines[f.Package] += f.Lines
			if f.Lines > maxFileLines {
				bad = append(bad, fmt.Sprintf("rule 10: %s has %d lines, more than %d", f.Path, f.Lines, maxFileLines))
			}
		}
		for _, imp := range f.Imports {
			own, ok := strings.CutPrefix(imp, module+"/")
			if ok {
				bad = append(bad, checkOwn(f, own)...)
			} else if !f.Test {
				bad = append(bad, checkLibrary(f, imp)...)
			}
		}
		if f.WritesErrors && !f.Test && component(f.Package) != "" {
			bad = append(bad, fmt.Sprintf("rule 6: %s answers with http.Error; return a fault", f.Path))
		}
	}
	for pkg, n := range lines {
		if n > maxPackageLines {
			bad = append(bad, fmt.Sprintf("rule 10: package %s has %d lines, more than %d", pkg, n, maxPackageLines))
		}
	}
	slices.Sort(bad)
	return bad
}

// checkOwn checks an import of the module's own package.
func checkOwn(f File, imp string) []string {
	from, to := component(f.Package), component(imp)
	say := func(rule, why string) []string {
		return []string{fmt.Sprintf("%s: %s imports %s: %s", rule, f.Path, imp, why)}
	}
	switch {
	case imp == "app" || strings.HasPrefix(imp, "app/"):
		if !strings.HasPrefix(f.Package, "cmd/") && !strings.HasPrefix(f.Package, "app") {
			return say("rule 1", "nothing but cmd imports app")
		}
	case strings.HasPrefix(f.Package, "sdk/") && !strings.HasPrefix(imp, "sdk/") && !f.Test:
		return say("rule 1", "sdk stands on the standard library alone")
	case strings.HasPrefix(f.Package, "internal/") && to != "" && !f.Test:
		return say("rule 1", "a kit knows no component")
	case from != "" && to != "" && from != to:
		return say("rule 2", "a component speaks HTTP to another, through sdk/"+to)
	case from != "" && isStandalone(imp) && !f.Test:
		return say("rule 3", "a component reaches the broker through internal/rpc")
	case isStandalone(f.Package) && !f.Test && !isStandalone(imp) && !brokerMayImport(imp):
		return say("rule 4", "the broker stands alone")
	case from != "" && from == to && !f.Test:
		return checkInside(f, from, imp)
	}
	return nil
}

// checkInside checks rule 5: inside a component all arrows point at its root.
func checkInside(f File, comp, imp string) []string {
	sub := strings.TrimPrefix(strings.TrimPrefix(f.Package, comp), "/")
	target := strings.TrimPrefix(strings.TrimPrefix(imp, comp), "/")
	door := func(p string) string { first, _, _ := strings.Cut(p, "/"); return first }
	ok := target == "" || door(sub) == door(target) && sub != ""
	switch {
	case sub == "":
		// The root may use small pure packages of its component, not doors.
		ok = !slices.Contains([]string{"api", "store", "driver", "agent", "manager", "conductor", "scheduler"}, door(target))
	case door(sub) == "agent" || door(sub) == "manager":
		ok = ok || door(target) == "driver"
	case door(sub) == "conductor" || door(sub) == "scheduler":
		ok = ok || door(target) == "scheduler"
	}
	if !ok && slices.Contains([]string{"api", "store", "driver", "agent", "manager", "conductor", "scheduler"}, door(target)) {
		return []string{fmt.Sprintf("rule 5: %s imports %s: inside a component arrows point at its root", f.Path, imp)}
	}
	return nil
}

func checkLibrary(f File, imp string) []string {
	for _, l := range onlyIn {
		if (imp == l.library || strings.HasPrefix(imp, l.library+"/")) && !l.where(f.Package) {
			return []string{fmt.Sprintf("rule 5: %s imports %s: %s", f.Path, imp, l.why)}
		}
	}
	return nil
}

func component(pkg string) string {
	first, _, _ := strings.Cut(pkg, "/")
	if slices.Contains(Components, first) {
		return first
	}
	return ""
}

func isStandalone(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return slices.Contains(standalone, first)
}

func brokerMayImport(imp string) bool {
	kit, ok := strings.CutPrefix(imp, "internal/")
	return ok && slices.Contains(brokerKits, kit)
}
