package management

import (
	"maps"
	"slices"

	"nubo/broker"
	"nubo/broker/conn"
	"nubo/broker/queue"
)

// peers are the connections by name.
func (c *call) peers() map[string]*conn.Stats {
	list := c.b.Connections()
	peers := make(map[string]*conn.Stats, len(list))
	for i := range list {
		peers[list[i].Name] = &list[i]
	}
	return peers
}

// consumerObjects describes the consumers of a queue.
func (c *call) consumerObjects(vhost, queueName string, consumers []queue.ConsumerStats, peers map[string]*conn.Stats) []object {
	list := []object{}
	for _, x := range consumers {
		status := "up"
		if !x.Active {
			status = "waiting"
		}
		channel := object{
			"connection_name": x.Connection, "name": broker.ChannelName(x.Connection, x.Channel), "node": c.b.NodeName(),
			"number": x.Channel, "user": x.User, "peer_host": "", "peer_port": 0,
		}
		if p := peers[x.Connection]; p != nil {
			channel["peer_host"], channel["peer_port"] = p.PeerHost, p.PeerPort
		}
		list = append(list, object{
			"arguments": table(x.Args), "ack_required": !x.NoAck, "active": x.Active, "activity_status": status,
			"consumer_tag": x.Tag, "exclusive": x.Exclusive, "prefetch_count": x.Prefetch,
			"queue": object{"name": queueName, "vhost": vhost}, "channel_details": channel,
		})
	}
	return list
}

func listConsumers(c *call) error {
	hosts, err := c.hosts()
	if err != nil {
		return err
	}
	peers := c.peers()
	var list []object
	for _, v := range hosts {
		if !c.sees(v.Name) {
			continue
		}
		all := v.Consumers()
		for _, name := range slices.Sorted(maps.Keys(all)) {
			list = append(list, c.consumerObjects(v.Name, name, all[name], peers)...)
		}
	}
	return c.list(list)
}
