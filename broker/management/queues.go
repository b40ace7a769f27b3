package management

import (
	"time"

	"nubo/amqp"
	"nubo/broker"
	"nubo/broker/conn"
	"nubo/broker/history"
	"nubo/broker/queue"
	"nubo/broker/user"
	"nubo/broker/vhost"
)

// queueItem is a queue and where it is.
type queueItem struct {
	vhost string
	vhost.QueueStats
}

// garbageCollection is what RabbitMQ tells of the process of a thing; there is
// none here, and these are its words for that.
var garbageCollection = object{
	"max_heap_size": -1, "min_bin_vheap_size": -1, "min_heap_size": -1, "fullsweep_after": -1, "minor_gcs": -1,
}

// table is a table of arguments: {} if it is empty.
func table(t amqp.Table) broker.Args {
	if t == nil {
		return broker.Args{}
	}
	return broker.Args(t)
}

// orNull is null for what is empty.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// queueBasics are what a queue is, without any figures.
func (c *call) queueBasics(q *queueItem) object {
	o := object{
		"name": q.Name, "vhost": q.vhost, "durable": q.Durable, "auto_delete": q.AutoDelete, "exclusive": q.Exclusive,
		"arguments": table(q.Args), "type": string(q.Type), "node": c.b.NodeName(), "state": queueState(q),
		"policy": orNull(q.Settings.Policy),
	}
	if q.Type != queue.Classic { // this node is all there is
		nodes := []string{c.b.NodeName()}
		o["leader"], o["members"], o["online"] = c.b.NodeName(), nodes, nodes
	}
	return o
}

func queueState(q *queueItem) string {
	if q.Failed {
		return "crashed"
	}
	return "running"
}

// queueObject is all there is to know of a queue but its consumers.
func (c *call) queueObject(q *queueItem, r ranges) object {
	o := c.queueBasics(q)
	s := &q.QueueStats
	messages := s.Ready + s.Unacked
	for k, v := range (object{
		"operator_policy":             orNull(s.Settings.OperatorPolicy),
		"effective_policy_definition": table(s.Settings.Definition), "consumers": s.Consumers,
		"memory": q.memory(), "garbage_collection": garbageCollection,
	}) {
		o[k] = v
	}
	if !s.IdleSince.IsZero() {
		o["idle_since"] = s.IdleSince.UTC().Format(idleFormat)
	}
	if q.Type != queue.Stream {
		for k, v := range (object{
			"consumer_capacity": s.Capacity, "consumer_utilisation": s.Capacity,
			"message_bytes": s.ReadyBytes + s.UnackedBytes, "message_bytes_ready": s.ReadyBytes, "message_bytes_unacknowledged": s.UnackedBytes,
			"message_bytes_ram": s.ReadyRAMBytes + s.UnackedBytes, "message_bytes_persistent": s.PersistentBytes,
			"messages_ram": s.ReadyRAM + s.Unacked, "messages_persistent": s.Persistent,
		}) {
			o[k] = v
		}
	}
	switch q.Type {
	case queue.Stream:
		o["readers"] = object{c.b.NodeName(): s.Consumers}
	case queue.Quorum:
		o["open_files"] = object{c.b.NodeName(): 0}
		o["messages_dlx"], o["message_bytes_dlx"] = 0, 0
		o["single_active_consumer_ctag"] = orNull(s.SingleActive)
	default:
		o["messages_paged_out"], o["message_bytes_paged_out"] = messages-s.ReadyRAM-s.Unacked, s.ReadyBytes-s.ReadyRAMBytes
		o["messages_ready_ram"], o["messages_unacknowledged_ram"] = s.ReadyRAM, s.Unacked
		o["single_active_consumer_tag"], o["recoverable_slaves"] = orNull(s.SingleActive), nil
		o["exclusive_consumer_tag"] = nil
		o["head_message_timestamp"] = nil
		if !s.HeadTimestamp.IsZero() {
			o["head_message_timestamp"] = s.HeadTimestamp.Unix()
		}
		o["backing_queue_status"] = object{"mode": "default", "version": 1, "len": s.Ready, "target_ram_count": "infinity"}
	}
	c.past(history.Key{Kind: history.Queue, VHost: q.vhost, Name: q.Name}, func(v history.View) {
		rated(o, v, r.lengths, broker.LengthMetrics(s.Ready, s.Unacked))
		rated(o, v, r.messages, reductions)
		messageStats(o, v, r.messages, broker.QueueMetrics(s))
	})
	return o
}

// memory estimates what the queue takes.
func (q *queueItem) memory() int64 {
	const empty, entry = 1024, 192
	return empty + entry*int64(q.ReadyRAM+q.Unacked) + q.ReadyRAMBytes + q.UnackedBytes
}

// reductions are Erlang's measure of work; there are none.
var reductions = []broker.Metric{{Name: "reductions"}}

// queues are those of the path's virtual host, or all that the caller may see.
func (c *call) queues() ([]queueItem, error) {
	hosts, err := c.hosts()
	if err != nil {
		return nil, err
	}
	list := []queueItem{}
	for _, v := range hosts {
		for _, q := range v.Queues() {
			list = append(list, queueItem{v.Name, q})
		}
	}
	return list, nil
}

// hosts are the path's virtual host, or all that the caller may see.
func (c *call) hosts() ([]*vhost.VHost, error) {
	if _, ok := c.args["vhost"]; ok {
		v, err := c.vhost()
		return []*vhost.VHost{v}, err
	}
	var list []*vhost.VHost
	for _, i := range c.b.VHosts() {
		if !c.sees(i.Name) {
			continue
		}
		if v, err := c.b.VHost(i.Name); err == nil {
			list = append(list, v)
		}
	}
	return list, nil
}

func listQueues(c *call) error {
	list, err := c.queues()
	if err != nil {
		return err
	}
	r, err := parseRanges(c.URL.Query())
	if err != nil {
		return err
	}
	build := func(i int) object { return c.queueObject(&list[i], r) }
	if c.URL.Query().Get("disable_stats") == "true" {
		totals := c.URL.Query().Get("enable_queue_totals") == "true"
		build = func(i int) object {
			o := c.queueBasics(&list[i])
			if totals {
				for _, m := range broker.LengthMetrics(list[i].Ready, list[i].Unacked) {
					o[m.Name] = m.Value
				}
			}
			return o
		}
	}
	return c.pageOf(len(list), func(i int) string { return list[i].Name }, build)
}

func getQueue(c *call) error {
	v, err := c.vhost()
	if err != nil {
		return err
	}
	s, consumers, ok := v.QueueStats(c.args["queue"])
	if !ok {
		return errNotFound
	}
	r, err := parseRanges(c.URL.Query())
	if err != nil {
		return err
	}
	o := c.queueObject(&queueItem{v.Name, s}, r)
	o["incoming"], o["deliveries"] = []object{}, []object{}
	o["consumer_details"] = c.consumerObjects(v.Name, s.Name, consumers, c.peers())
	for _, x := range consumers {
		if x.Exclusive {
			o["exclusive_consumer_tag"] = x.Tag
		}
	}
	if owner, ok := s.Owner.(*conn.Conn); ok {
		i := owner.Info()
		o["owner_pid_details"] = object{"name": i.Name, "peer_host": i.PeerHost, "peer_port": i.PeerPort}
	}
	return c.one(o)
}

func putQueue(c *call) error {
	var in struct {
		Durable    boolean
		AutoDelete boolean `json:"auto_delete"`
		Arguments  broker.Args
	}
	if err := c.body(&in); err != nil {
		return err
	}
	v, err := c.vhost()
	if err != nil {
		return &failure{404, "not_found", "vhost_not_found"}
	}
	name := c.args["queue"]
	if len(name) > maxShort {
		return badRequest("the name of the queue is too long")
	}
	if err := c.allow(user.Configure, v.Name, "queue", name); err != nil {
		return err
	}
	if dlx, ok := in.Arguments["x-dead-letter-exchange"].(string); ok {
		if err := c.allow(user.Read, v.Name, "queue", name); err != nil {
			return err
		}
		if err := c.allow(user.Write, v.Name, "exchange", dlx); err != nil {
			return err
		}
	}
	_, _, found := v.QueueStats(name)
	_, bad := v.DeclareQueue(vhost.QueueSpec{
		Name: name, Flags: queue.Flags{Durable: bool(in.Durable), AutoDelete: bool(in.AutoDelete)}, Args: amqp.Table(in.Arguments),
	}, nil)
	if bad != nil {
		return bad
	}
	return c.done(!found)
}

func deleteQueue(c *call) error {
	v, q, err := c.queue(user.Configure)
	if err != nil {
		return err
	}
	query := c.URL.Query()
	cond := queue.Condition{IfUnused: query.Get("if-unused") == "true", IfEmpty: query.Get("if-empty") == "true"}
	if _, err := v.DeleteQueue(q.Name, cond, nil); err != nil {
		return err
	}
	return c.done(false)
}

// queue is the queue of the path, for what the caller must be allowed.
func (c *call) queue(a user.Access) (*vhost.VHost, *queue.Queue, error) {
	v, err := c.vhost()
	if err != nil {
		return nil, nil, err
	}
	s, _, ok := v.QueueStats(c.args["queue"])
	if !ok {
		return nil, nil, errNotFound
	}
	if err := c.allow(a, v.Name, "queue", s.Name); err != nil {
		return nil, nil, err
	}
	q, bad := v.Queue(s.Name, nil) // one that belongs to a connection is refused
	if bad != nil {
		return nil, nil, bad
	}
	return v, q, nil
}

func purgeQueue(c *call) error {
	_, q, err := c.queue(user.Read)
	if err != nil {
		return err
	}
	if q.Initial.Type == queue.Stream {
		return badRequest("queue.purge" + noStreams(q))
	}
	q.Purge()
	return c.done(false)
}

// noStreams says that streams cannot do something.
func noStreams(q *queue.Queue) string {
	return " not supported by stream queues queue '" + q.Name + "' in vhost '" + q.VHost + "'"
}

func queueAction(c *call) error {
	var in struct{ Action *string }
	if err := c.body(&in); err != nil {
		return err
	}
	v, err := c.vhost()
	if err != nil {
		return err
	}
	if _, _, ok := v.QueueStats(c.args["queue"]); !ok {
		return errNotFound
	}
	switch {
	case in.Action == nil:
		return missing("action")
	case *in.Action != "sync" && *in.Action != "cancel_sync":
		return badRequest([]string{"unknown", *in.Action})
	}
	return c.done(false) // there is no mirror to catch up
}

// rebalance has nothing to do on one node.
func rebalance(c *call) error { return c.done(false) }

// timestamp is a time in the form of RabbitMQ's API.
func timestamp(t time.Time) int64 { return t.UnixMilli() }

const idleFormat = "2006-01-02T15:04:05.000-07:00"
