package management

// routes are all paths.
var routes = []route{
	{"", anybody, methods{"GET": index}},
	{"api", anybody, methods{"GET": redirect("/api/index.html")}},
	{"api/index.html", anybody, methods{"GET": apiIndex}},
	{"api/auth", anybody, methods{"GET": authSettings}},
	{"api/login", anybody, methods{"POST": login}},
	{"api/whoami", management, methods{"GET": whoami}},
	{"api/auth/attempts/{node}", monitor, methods{"GET": authAttempts, "DELETE": adminOnly(resetAuthAttempts)}},
	{"api/auth/attempts/{node}/source", monitor, methods{"GET": authAttempts, "DELETE": adminOnly(resetAuthAttempts)}},
	{"api/auth/hash_password/{password}", management, methods{"GET": hashPassword}},
	{"api/extensions", management, methods{"GET": extensions}},
	{"api/version", management, methods{"GET": version}},
	{"api/overview", management, methods{"GET": overview}},
	{"api/cluster-name", management, methods{"GET": clusterName, "PUT": adminOnly(setClusterName)}},
	{"api/config/effective", administrator, methods{"GET": effectiveConfig}},

	{"api/nodes", monitor, methods{"GET": listNodes}},
	{"api/nodes/{node}", monitor, methods{"GET": getNode}},
	{"api/nodes/{node}/memory", monitor, methods{"GET": nodeMemory}},
	{"api/nodes/{node}/memory/relative", monitor, methods{"GET": relativeMemory}},
	{"api/nodes/{node}/memory/ets", monitor, methods{"GET": etsMemory}},
	{"api/nodes/{node}/memory/ets/relative", monitor, methods{"GET": etsMemory}},

	{"api/all-configuration", administrator, methods{"GET": exportDefinitions, "POST": importDefinitions}},
	{"api/definitions", administrator, methods{"GET": exportDefinitions, "POST": importDefinitions}},
	{"api/definitions/{vhost}", administrator, methods{"GET": exportVHostDefinitions, "POST": importVHostDefinitions}},

	{"api/connections", management, methods{"GET": listConnections}},
	{"api/connections/username/{user}", management, methods{"GET": listConnections, "DELETE": closeUserConnections}},
	{"api/connections/{connection}", management, methods{"GET": getConnection, "DELETE": closeConnection}},
	{"api/connections/{connection}/channels", management, methods{"GET": connectionChannels}},
	{"api/connections/{connection}/sessions", management, methods{"GET": connectionSessions}},
	{"api/channels", management, methods{"GET": listChannels}},
	{"api/channels/{channel}", management, methods{"GET": getChannel}},
	{"api/consumers", management, methods{"GET": listConsumers}},
	{"api/consumers/{vhost}", entrant, methods{"GET": listConsumers}},

	{"api/exchanges", management, methods{"GET": listExchanges}},
	{"api/exchanges/{vhost}", entrant, methods{"GET": listExchanges}},
	{"api/exchanges/{vhost}/{exchange}", entrant, methods{"GET": getExchange, "PUT": putExchange, "DELETE": deleteExchange}},
	{"api/exchanges/{vhost}/{exchange}/publish", entrant, methods{"POST": publish}},
	{"api/exchanges/{vhost}/{exchange}/bindings/source", entrant, methods{"GET": bindingsFrom}},
	{"api/exchanges/{vhost}/{exchange}/bindings/destination", entrant, methods{"GET": bindingsTo}},

	{"api/queues", management, methods{"GET": listQueues}},
	{"api/queues/detailed", management, methods{"GET": listQueues}},
	{"api/queues/{vhost}", entrant, methods{"GET": listQueues}},
	{"api/queues/{vhost}/{queue}", entrant, methods{"GET": getQueue, "PUT": putQueue, "DELETE": deleteQueue}},
	{"api/queues/{vhost}/{queue}/bindings", entrant, methods{"GET": queueBindings}},
	{"api/queues/{vhost}/{queue}/contents", entrant, methods{"DELETE": purgeQueue}},
	{"api/queues/{vhost}/{queue}/get", entrant, methods{"POST": getMessages}},
	{"api/queues/{vhost}/{queue}/actions", administrator, methods{"POST": queueAction}},
	{"api/queues/quorum/{vhost}/{queue}/replicas/add", administrator, methods{"POST": addReplica}},
	{"api/queues/quorum/{vhost}/{queue}/replicas/delete", administrator, methods{"DELETE": deleteReplica}},
	{"api/queues/quorum/{vhost}/{queue}/status", entrant, methods{"GET": replicaStatus}},
	{"api/queues/quorum/replicas/on/{node}/grow", administrator, methods{"POST": growReplicas}},
	{"api/queues/quorum/replicas/on/{node}/shrink", administrator, methods{"DELETE": shrinkReplicas}},
	{"api/rebalance/queues", administrator, methods{"POST": rebalance}},

	{"api/bindings", management, methods{"GET": listBindings}},
	{"api/bindings/{vhost}", entrant, methods{"GET": listBindings}},
	{"api/bindings/{vhost}/e/{exchange}/{kind}/{destination}", entrant, methods{"GET": listBetween, "POST": createBinding}},
	{"api/bindings/{vhost}/e/{exchange}/{kind}/{destination}/{key}", entrant, methods{"GET": getBinding, "DELETE": deleteBinding}},

	{"api/vhosts", management, methods{"GET": listVHosts}},
	{"api/vhosts/{vhost}", entrant, methods{"GET": getVHost, "PUT": adminOnly(putVHost), "DELETE": adminOnly(deleteVHost)}},
	{"api/vhosts/{vhost}/permissions", administrator, methods{"GET": vhostPermissions}},
	{"api/vhosts/{vhost}/topic-permissions", administrator, methods{"GET": vhostTopicPermissions}},
	{"api/vhosts/{vhost}/connections", entrant, methods{"GET": listConnections}},
	{"api/vhosts/{vhost}/channels", entrant, methods{"GET": listChannels}},
	{"api/vhosts/{vhost}/start/{node}", administrator, methods{"POST": startVHost}},
	{"api/vhosts/{vhost}/deletion/protection", administrator, methods{"POST": protectVHost, "DELETE": exposeVHost}},

	{"api/users", administrator, methods{"GET": listUsers}},
	{"api/users/without-permissions", administrator, methods{"GET": usersWithoutPermissions}},
	{"api/users/bulk-delete", administrator, methods{"POST": bulkDeleteUsers}},
	{"api/users/{user}", administrator, methods{"GET": getUser, "PUT": putUser, "DELETE": deleteUser}},
	{"api/users/{user}/permissions", administrator, methods{"GET": userPermissions}},
	{"api/users/{user}/topic-permissions", administrator, methods{"GET": userTopicPermissions}},

	{"api/permissions", administrator, methods{"GET": listPermissions}},
	{"api/permissions/{vhost}/{user}", administrator, methods{"GET": getPermission, "PUT": putPermission, "DELETE": deletePermission}},
	{"api/topic-permissions", administrator, methods{"GET": listTopicPermissions}},
	{"api/topic-permissions/{vhost}/{user}", administrator, methods{"GET": getTopicPermission, "PUT": putTopicPermission, "DELETE": deleteTopicPermission}},
	{"api/topic-permissions/{vhost}/{user}/{exchange}", administrator, methods{"DELETE": deleteTopicPermission}},

	{"api/policies", management, methods{"GET": policies.list}},
	{"api/policies/{vhost}", entrant, methods{"GET": policies.list}},
	{"api/policies/{vhost}/{name}", policymaker, methods{"GET": policies.get, "PUT": policies.put, "DELETE": policies.delete}},
	{"api/operator-policies", management, methods{"GET": operatorPolicies.list}},
	{"api/operator-policies/{vhost}", entrant, methods{"GET": operatorPolicies.list}},
	{"api/operator-policies/{vhost}/{name}", policymaker, methods{
		"GET": operatorPolicies.get, "PUT": adminOnly(operatorPolicies.put), "DELETE": adminOnly(operatorPolicies.delete),
	}},
	{"api/parameters", policymaker, methods{"GET": listParameters}},
	{"api/parameters/{component}", policymaker, methods{"GET": listParameters}},
	{"api/parameters/{component}/{vhost}", policymaker, methods{"GET": listParameters}},
	{"api/parameters/{component}/{vhost}/{name}", policymaker, methods{"GET": getParameter, "PUT": putParameter, "DELETE": deleteParameter}},
	{"api/global-parameters", globalSetter, methods{"GET": listGlobalParameters}},
	{"api/global-parameters/{name}", globalSetter, methods{"GET": getGlobalParameter, "PUT": putGlobalParameter, "DELETE": deleteGlobalParameter}},

	{"api/vhost-limits", management, methods{"GET": listVHostLimits}},
	{"api/vhost-limits/{vhost}", entrant, methods{"GET": listVHostLimits}},
	{"api/vhost-limits/{vhost}/{name}", administrator, methods{"PUT": putVHostLimit, "DELETE": deleteVHostLimit}},
	{"api/user-limits", administrator, methods{"GET": listUserLimits}},
	{"api/user-limits/{user}", administrator, methods{"GET": listUserLimits}},
	{"api/user-limits/{user}/{name}", administrator, methods{"PUT": putUserLimit, "DELETE": deleteUserLimit}},

	{"api/feature-flags", administrator, methods{"GET": listFeatureFlags}},
	{"api/feature-flags/{name}/enable", administrator, methods{"PUT": enableFeatureFlag}},
	{"api/deprecated-features", administrator, methods{"GET": listDeprecatedFeatures}},
	{"api/deprecated-features/used", administrator, methods{"GET": usedDeprecatedFeatures}},

	{"api/aliveness-test/{vhost}", entrant, methods{"GET": aliveness}},
	{"api/healthchecks/node", monitor, methods{"GET": nodeHealth}},
	{"api/healthchecks/node/{node}", monitor, methods{"GET": nodeHealth}},
	{"api/health/checks/alarms", monitor, methods{"GET": checkAlarms}},
	{"api/health/checks/local-alarms", monitor, methods{"GET": checkAlarms}},
	{"api/health/checks/certificate-expiration/{within}/{unit}", monitor, methods{"GET": checkCertificates}},
	{"api/health/checks/port-listener/{port}", monitor, methods{"GET": checkPort}},
	{"api/health/checks/protocol-listener/{protocol}", monitor, methods{"GET": checkProtocol}},
	{"api/health/checks/virtual-hosts", monitor, methods{"GET": always}},
	{"api/health/checks/node-is-quorum-critical", monitor, methods{"GET": singleNode}},
	{"api/health/checks/node-is-mirror-sync-critical", monitor, methods{"GET": singleNode}},
	{"api/health/checks/quorum-queues-without-elected-leaders/all-vhosts", monitor, methods{"GET": always}},
	{"api/health/checks/quorum-queues-without-elected-leaders/all-vhosts/pattern/{pattern}", monitor, methods{"GET": always}},
	{"api/health/checks/quorum-queues-without-elected-leaders/vhost/{vhost}", monitor, methods{"GET": checkLeaders}},
	{"api/health/checks/quorum-queues-without-elected-leaders/vhost/{vhost}/pattern/{pattern}", monitor, methods{"GET": checkLeaders}},
	{"api/health/checks/is-in-service", monitor, methods{"GET": always}},
	{"api/health/checks/below-node-connection-limit", monitor, methods{"GET": belowConnectionLimit}},
	{"api/health/checks/ready-to-serve-clients", monitor, methods{"GET": always}},
	{"api/health/checks/reached-target-cluster-size", monitor, methods{"GET": always}},
	{"api/health/checks/metadata-store/initialized", monitor, methods{"GET": always}},
	{"api/health/checks/metadata-store/initialized/with-data", monitor, methods{"GET": always}},

	{"api/reset", administrator, methods{"DELETE": resetStatistics}},
	{"api/reset/{node}", administrator, methods{"DELETE": resetStatistics}},
}

// adminOnly keeps a method of a path that others may use for administrators.
func adminOnly(h handler) handler {
	return func(c *call) error {
		if !isAdministrator(c.user) {
			return notAuthorised("Not administrator user")
		}
		return h(c)
	}
}
