package dashboard

import "nubo/internal/policy"

// The names of the dashboard's own rules.
const (
	// BrokerRule says who may see and change the message broker.
	BrokerRule = "dashboard:broker"

	ruleTraces    = "dashboard:traces"
	ruleAllTraces = "dashboard:traces:all"
	ruleRPCMap    = "dashboard:rpc_map"
)

// Rules are the dashboard's own: for what no component has a rule.
func Rules() []policy.Rule {
	everywhere := []string{"system", "project"}
	return []policy.Rule{
		{
			Name: BrokerRule, Check: "role:admin", Scopes: everywhere,
			Description: "See and change the message broker by the pages of the dashboard.",
			Operations: []policy.Operation{
				{Method: "GET", Path: "/dashboard/pages/broker-{page}"}, {Method: "*", Path: "/dashboard/api/messaging/{path}"},
			},
		},
		{
			Name: ruleTraces, Check: "role:admin or (role:reader and project_id:%(project_id)s)", Scopes: everywhere,
			Description: "See what the requests of one's project did.",
			Operations:  []policy.Operation{{Method: "GET", Path: "/dashboard/traces"}, {Method: "GET", Path: "/dashboard/traces/{request_id}"}},
		},
		{
			Name: ruleAllTraces, Check: "role:admin", Scopes: everywhere,
			Description: "See what everybody's requests did, with hosts, queues and SQL.",
			Operations:  []policy.Operation{{Method: "GET", Path: "/dashboard/traces"}, {Method: "GET", Path: "/dashboard/traces/{request_id}"}},
		},
		{
			Name: ruleRPCMap, Check: "role:admin", Scopes: everywhere,
			Description: "See who calls whom over the message bus.",
			Operations:  []policy.Operation{{Method: "GET", Path: "/dashboard/rpc-map"}},
		},
	}
}
