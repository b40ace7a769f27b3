package management

import "nubo/broker/queue"

// nodeBody names a node.
type nodeBody struct{ Node *string }

// quorumQueue checks that the path names a quorum queue.
func (c *call) quorumQueue() error {
	v, err := c.vhost()
	if err != nil {
		return err
	}
	s, _, ok := v.QueueStats(c.args["queue"])
	if !ok {
		return errNotFound
	}
	if s.Type != queue.Quorum {
		return badRequest("not_supported: queue '" + s.Name + "' is not a quorum queue")
	}
	return nil
}

// replica checks a request about a replica of a quorum queue on a node.
func (c *call) replica() (node string, err error) {
	var in nodeBody
	if err := c.body(&in); err != nil {
		return "", err
	}
	if in.Node == nil {
		return "", missing("node")
	}
	return *in.Node, c.quorumQueue()
}

// addReplica refuses: the one node has the one replica, and there is no other.
func addReplica(c *call) error {
	node, err := c.replica()
	switch {
	case err != nil:
		return err
	case node == c.b.NodeName():
		return badRequest("already_a_member")
	}
	return badRequest("node_not_running")
}

// deleteReplica refuses to delete the last one.
func deleteReplica(c *call) error {
	node, err := c.replica()
	switch {
	case err != nil:
		return err
	case node == c.b.NodeName():
		return badRequest("last_node")
	}
	return badRequest("not_a_member")
}

// replicaStatus is the state of the one replica.
func replicaStatus(c *call) error {
	if err := c.quorumQueue(); err != nil {
		return err
	}
	return c.ok([]object{{"Node Name": c.b.NodeName(), "Raft State": "leader", "Membership": "voter", "Term": 1, "Machine Version": 1}})
}

// growReplicas has nothing to do: every queue is on the one node.
func growReplicas(c *call) error {
	if err := c.node(); err != nil {
		return err
	}
	return c.done(false)
}

// shrinkReplicas refuses to take the last replicas away.
func shrinkReplicas(c *call) error {
	if err := c.node(); err != nil {
		return err
	}
	return badRequest("last_node")
}

// checkLeaders checks that a virtual host is there: the one replica leads.
func checkLeaders(c *call) error {
	if _, err := c.vhost(); err != nil {
		return err
	}
	return c.ok(healthy)
}

// connectionSessions lists sessions of AMQP 1.0, which is not spoken.
func connectionSessions(c *call) error {
	if _, err := c.connection(); err != nil {
		return err
	}
	return c.list(nil)
}

func etsMemory(c *call) error {
	if err := c.node(); err != nil {
		return err
	}
	return c.one(object{"ets_tables_memory": "no_tables"})
}
