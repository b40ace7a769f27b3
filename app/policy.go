package app

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	computeapi "nubo/compute/api"
	"nubo/dashboard"
	identityapi "nubo/identity/api"
	imageapi "nubo/image/api"
	"nubo/internal/nearest"
	"nubo/internal/policy"
	networkapi "nubo/network/api"
	placementapi "nubo/placement/api"
	volumeapi "nubo/volume/api"
)

// policies are the services with their rules.
var policies = map[string]func() []policy.Rule{
	"identity": identityapi.Rules, "image": imageapi.Rules, "network": networkapi.Rules, "volume": volumeapi.Rules, "compute": computeapi.Rules,
	"placement": placementapi.Rules, "dashboard": dashboard.Rules,
}

type policyCommand struct {
	List  policyList  `cmd:"" help:"List a service's rules with their defaults."`
	Check policyCheck `cmd:"" help:"Say whether a caller may do something, and why not."`
	Diff  policyDiff  `cmd:"" help:"List the rules of a service that the policy file changes."`
}

func rulesOf(name string) ([]policy.Rule, error) {
	known := make([]string, 0, len(policies))
	for n := range policies {
		known = append(known, n)
	}
	slices.Sort(known)
	if policies[name] == nil {
		return nil, usageError{fmt.Errorf("there is no service %q; the nearest is %q, and all are: %s", name, nearest.Of(name, known), strings.Join(known, ", "))}
	}
	return policies[name](), nil
}

// inForce is a service's policy as the configuration makes it, and its rules
// by default.
func inForce(o options, service string) (*policy.Enforcer, []policy.Rule, error) {
	rules, err := rulesOf(service)
	if err != nil {
		return nil, nil, err
	}
	set, err := load(o)
	if err != nil {
		return nil, nil, err
	}
	e, err := newEnforcer(set, service, rules)
	return e, rules, err
}

type policyList struct {
	Service string `arg:"" help:"Service: identity, image, compute …"`
}

// Run lists the rules.
func (p policyList) Run(o output) error {
	rules, err := rulesOf(p.Service)
	if err != nil {
		return err
	}
	slices.SortFunc(rules, func(a, b policy.Rule) int { return strings.Compare(a.Name, b.Name) })
	w := tabwriter.NewWriter(o.out, 0, 8, 2, ' ', 0)
	for _, r := range rules {
		fmt.Fprintf(w, "%s\t%s\n", r.Name, r.Check) //nolint:errcheck // Flush tells
	}
	return w.Flush()
}

type policyDiff struct {
	options `embed:""`
	Service string `arg:"" help:"Service: identity, image, compute …"`
}

// Run prints each rule that is not as by default: how it would be, and how it
// is.
func (p policyDiff) Run(o output) error {
	e, rules, err := inForce(p.options, p.Service)
	if err != nil {
		return err
	}
	for i, r := range e.Rules() {
		if r.Check != rules[i].Check {
			if _, err := fmt.Fprintf(o.out, "%s\n- %s\n+ %s\n", r.Name, rules[i].Check, r.Check); err != nil {
				return err
			}
		}
	}
	return nil
}

type policyCheck struct {
	options `embed:""`
	Service string   `arg:"" help:"Service: identity, image, compute …"`
	Rule    string   `arg:"" help:"Rule, such as os_compute_api:servers:create."`
	Role    []string `help:"Role of the caller, with those it implies; may be given several times."`
	User    string   `help:"Id of the caller's user."`
	Project string   `help:"Id of the project his token is for."`
	Domain  string   `help:"Id of the domain his token is for."`
	System  bool     `help:"His token is for the system."`
	Target  []string `help:"Attribute of what the rule is about: project_id=…; may be given several times."`
}

// Run prints the verdict; a refusal is exit code 1.
func (p policyCheck) Run(o output) error {
	e, _, err := inForce(p.options, p.Service)
	if err != nil {
		return err
	}
	allowed, err := policy.Question{
		Rule: p.Rule, UserID: p.User, ProjectID: p.Project, DomainID: p.Domain, System: p.System, Roles: p.Role, Target: p.Target,
	}.Answer(o.out, e)
	if err != nil {
		return usageError{err}
	}
	if !allowed {
		return failure{fmt.Errorf("%s is refused", p.Rule)}
	}
	return nil
}
