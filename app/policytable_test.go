package app

import (
	"encoding/csv"
	"os"
	"slices"
	"strings"
	"testing"

	"nubo/internal/auth"
	"nubo/internal/policy"
	"nubo/internal/testx"
)

// policyTable is what OpenStack's newest release says of its rules: a row a
// rule, a column a persona by scope and role. Each cell says what the persona
// may do it to: "self" what is the persona's own, "own" whatever is of its
// project or domain, "all" everything, "-" nothing.
type policyTable struct {
	personas []string // "project:member"
	rules    map[string]map[string]string
}

func readPolicyTable(t testing.TB) *policyTable {
	t.Helper()
	f, err := os.Open("testdata/policy.csv")
	testx.NoErr(t, err)
	defer f.Close() //nolint:errcheck // it was only read
	rows, err := csv.NewReader(f).ReadAll()
	testx.NoErr(t, err)
	out := &policyTable{personas: rows[0][3:], rules: map[string]map[string]string{}}
	for _, row := range rows[1:] {
		cells := map[string]string{}
		for i, p := range out.personas {
			cells[p] = row[3+i]
		}
		out.rules[row[0]+" "+row[1]] = cells
	}
	return out
}

// rolesOf are a role with those it implies.
func rolesOf(role string) []string {
	ladder := []string{"admin", "manager", "member", "reader"}
	if i := slices.Index(ladder, role); i >= 0 {
		return ladder[i:]
	}
	if role == "none" {
		return nil
	}
	return []string{role}
}

// callerOf is a persona of the table.
func callerOf(name string) *auth.Context {
	scope, role, _ := strings.Cut(name, ":")
	c := &auth.Context{UserID: "u", UserDomainID: "d", Roles: rolesOf(role)}
	switch scope {
	case "system":
		c.System = true
	case "domain":
		c.DomainID = "d"
	default:
		c.ProjectID, c.ProjectDomainID = "p", "d"
	}
	if role == "service" {
		c.ProjectID, c.UserID = "services", "us"
	}
	return c
}

// targetsOf are what a rule may be asked about, for the caller u of domain d
// and project p.
func targetsOf() map[string]policy.Target {
	out := map[string]policy.Target{}
	for name, ids := range map[string][3]string{"self": {"p", "d", "u"}, "own": {"p", "d", "u2"}, "foreign": {"p2", "d2", "u2"}} {
		t := policy.Target{"visibility": "private", "member_id": "p3", "shared": false, "target.role.name": "member", "target.limit.project_id": ids[0]}
		for _, k := range []string{
			"project_id", "tenant_id", "owner", "network:project_id", "network:tenant_id", "ext_parent:project_id", "security_group:tenant_id",
			"security_group:project_id", "sg:project_id", "trunk:project_id", "qos:project_id", "target.project.id",
		} {
			t[k] = ids[0]
		}
		for _, k := range []string{
			"domain_id", "project_domain_id", "target.domain.id", "target.domain_id", "target.user.domain_id", "target.project.domain_id",
			"target.group.domain_id", "target.target_domain_id", "target.limit.domain.id",
		} {
			t[k] = ids[1]
		}
		for _, k := range []string{"user_id", "target.user.id", "target.token.user_id", "target.credential.user_id", "target.trust.trustor_user_id", "obj.user.id"} {
			t[k] = ids[2]
		}
		out[name] = t
	}
	return out
}

// verdict is a cell: what the persona may do.
func verdict(e *policy.Enforcer, rule, persona string, targets map[string]policy.Target) string {
	c := callerOf(persona)
	c.IsAdmin = e.Check(c, "context_is_admin", nil)
	out := "-"
	for i, on := range []string{"self", "own", "foreign"} {
		if !e.Check(c, rule, targets[on]) {
			break
		}
		out = []string{"self", "own", "all"}[i]
	}
	return out
}

// ownRules are those of nubo's own, and those the original does not name in
// its code, by service.
var ownRules = map[string]string{
	"compute os_compute_api:nubo-decisions:list:hosts": "as nubo-decisions:list",
	"compute os_compute_api:nubo-decisions:list":       "why the scheduler chose is nubo's own",
	"compute os_compute_api:flavors:index":             "Nova serves flavors to everyone without a rule",
	"compute os_compute_api:flavors:detail":            "as flavors:index",
	"compute os_compute_api:flavors:show":              "as flavors:index",
	"dashboard dashboard:broker":                       "the broker's pages are nubo's own",
	"dashboard dashboard:traces":                       "OpenStack's dashboards have no traces",
	"dashboard dashboard:traces:all":                   "as dashboard:traces",
	"dashboard dashboard:rpc_map":                      "as dashboard:traces",
	"identity context_is_admin":                        "every service of nubo's has it",
	"identity domain_matches_target":                   "Keystone writes it out in each rule",
	"image get_schema":                                 "Glance serves schemas without a rule",
	"image get_info":                                   "as get_schema",
	"network get_api":                                  "Neutron lists its resources without a rule",
	"network get_extension":                            "as get_api",
	"network list_quotas":                              "Neutron asks for an administrator without a rule",
	"placement context_is_admin":                       "every service of nubo's has it",
	"volume service_api":                               "what only nubo's own services ask",
	"volume volume:create_for_project":                 "compute makes volumes for its callers",
	"volume volume:availability_zone_list":             "Cinder serves zones without a rule",
	"volume volume_extension:extensions":               "as availability_zone_list",
}

// ownVerdicts are the cells that differ from the newest release, by service
// and rule, with the reason.
var ownVerdicts = map[string]string{
	"compute os_compute_api:os-volumes-attachments:swap": "an administrator's swap of a running server's volume is not there yet",
	"identity identity:get_domain_config":                "it is asked of the security compliance too, which is everyone's to read",
	"identity identity:list_credentials":                 "everyone lists what is his own",
	"identity identity:list_trusts":                      "it is asked of one's own trusts too, for which Keystone has two more rules",
}

// TestPolicyTable compares the defaults of every rule with the newest
// release's, persona by persona.
func TestPolicyTable(t *testing.T) {
	t.Parallel()
	table, targets := readPolicyTable(t), targetsOf()
	cells, rules := 0, 0
	for service, list := range policies {
		defaults := list()
		e, err := policy.NewEnforcer(service, defaults)
		testx.NoErr(t, err)
		for _, r := range defaults {
			key := service + " " + r.Name
			want := table.rules[key]
			if _, own := ownRules[key]; (want == nil) != own {
				t.Errorf("%s: in the newest release: %v, in ownRules: %v", key, want != nil, own)
			}
			_, differs := ownVerdicts[key]
			for _, p := range table.personas {
				if want == nil {
					break
				}
				cells++
				if got := verdict(e, r.Name, p, targets); got != want[p] && !differs {
					t.Errorf("%s: %s may %s; in the newest release %s", key, p, got, want[p])
				}
			}
			rules++
		}
	}
	t.Logf("%d rules, %d cells", rules, cells*3)
}
