package api

// CheckBodies has every resource's table look at a body.
func CheckBodies(raw string) {
	doc, err := decode([]byte(raw))
	if err != nil {
		return
	}
	for _, res := range []*resource{networkResource, subnetResource, portResource, routerResource, floatingIPResource, groupResource, ruleResource, agentResource} {
		for _, op := range []operation{creating, updating} {
			_, _, _ = res.parse(doc, op)
		}
	}
	_, _ = interfaceInfo(doc)
	_, _ = readTags(doc)
	_, _ = readLimits(doc)
}
