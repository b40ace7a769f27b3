package policy

// Rule is one policy rule as a component registers it beside its routes.
type Rule struct {
	// Name is the original service's name of the rule, so that policy files
	// written for OpenStack apply.
	Name string
	// Check is the rule in the policy language; "" allows everyone.
	Check string
	// Scopes are the token scopes the rule serves: "project", "domain",
	// "system". Empty means all.
	Scopes      []string
	Description string
	// Operations are the API calls the rule guards, for documentation.
	Operations []Operation
	// Deprecated is the rule this one took over from, if any.
	Deprecated *DeprecatedRule
}

// Operation is an API call.
type Operation struct {
	Method, Path string
}

// DeprecatedRule is the older name of a rule. A policy file that overrides
// the old name and not the new one still takes effect.
type DeprecatedRule struct {
	Name, Reason, Since string
}

// Target is what an operation is about: attributes by name. A dotted name is
// looked up whole first, then as a path through nested maps.
type Target map[string]any
