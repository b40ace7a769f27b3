package dashboard

import "nubo/internal/policy"

// BrokerRule says who may see and change the message broker.
const BrokerRule = "dashboard:broker"

// Rules are the dashboard's own: for what no component has a rule.
func Rules() []policy.Rule {
	return []policy.Rule{{
		Name: BrokerRule, Check: "role:admin", Scopes: []string{"system", "project"},
		Description: "See and change the message broker by the pages of the dashboard.",
		Operations: []policy.Operation{
			{Method: "GET", Path: "/dashboard/pages/broker-{page}"}, {Method: "*", Path: "/dashboard/api/messaging/{path}"},
		},
	}}
}
