package management

// routes are all paths.
var routes = []route{
	{"", anybody, methods{"GET": index}},
	{"api", anybody, methods{"GET": redirect("/")}},
	{"api/auth", anybody, methods{"GET": authSettings}},
	{"api/whoami", management, methods{"GET": whoami}},
	{"api/extensions", management, methods{"GET": extensions}},
	{"api/cluster-name", management, methods{"GET": clusterName, "PUT": setClusterName}},

	{"api/vhosts", management, methods{"GET": listVHosts}},
	{"api/vhosts/{vhost}", entrant, methods{"GET": getVHost, "PUT": adminOnly(putVHost), "DELETE": adminOnly(deleteVHost)}},
	{"api/vhosts/{vhost}/permissions", administrator, methods{"GET": vhostPermissions}},
	{"api/vhosts/{vhost}/topic-permissions", administrator, methods{"GET": vhostTopicPermissions}},

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
