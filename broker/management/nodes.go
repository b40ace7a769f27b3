package management

import (
	"os"
	"runtime"
	"strconv"
	"time"

	"nubo/broker"
	"nubo/broker/conn"
	"nubo/broker/history"
)

// erlangVersion is that of the RabbitMQ whose answers these are: clients
// compare it with what they need.
const erlangVersion = "25.2.3"

func goVersion() string { return runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH }

// goroutineLimit stands for Erlang's limit of processes; there is none.
const goroutineLimit = 1 << 20

// counted are figures of Erlang's, which are always zero here.
var counted = []string{
	"io_read_count", "io_read_bytes", "io_write_count", "io_write_bytes", "io_sync_count", "io_seek_count", "io_reopen_count",
	"mnesia_ram_tx_count", "mnesia_disk_tx_count", "msg_store_read_count", "msg_store_write_count",
	"queue_index_write_count", "queue_index_read_count",
}

// averaged are figures of Erlang's too.
var averaged = []string{"io_read_avg_time", "io_write_avg_time", "io_sync_avg_time", "io_seek_avg_time"}

// enabled describes things that are always on.
func enabled(names ...string) []object {
	list := []object{}
	for _, n := range names {
		list = append(list, object{"name": n, "description": n, "enabled": true})
	}
	return list
}

func (c *call) nodeObject() object {
	p := c.b.Process()
	limit := c.b.MemoryWatermark()
	if limit == 0 {
		limit = p.Machine
	}
	o := object{
		"name": c.b.NodeName(), "type": "disc", "running": true, "being_drained": false, "partitions": []string{},
		"os_pid": strconv.Itoa(os.Getpid()), "uptime": time.Since(c.b.Started()).Milliseconds(), "run_queue": 0, "processors": runtime.NumCPU(),
		"fd_total": p.MaxFiles, "sockets_total": p.MaxFiles, "proc_total": goroutineLimit,
		"mem_limit": limit, "mem_alarm": c.alarm(conn.MemoryAlarm), "mem_calculation_strategy": "rss",
		"disk_free_limit": c.b.DiskFreeLimit(), "disk_free_alarm": c.alarm(conn.DiskAlarm),
		"rates_mode": "basic", "net_ticktime": 60, "exchange_types": exchangeTypes, "auth_mechanisms": enabled("PLAIN", "AMQPLAIN"),
		"applications":    []object{{"name": "nubo", "description": "nubo message broker", "version": broker.Version}},
		"enabled_plugins": c.plugins(), "contexts": c.contexts(), "listeners": c.listeners(),
		"log_files": []string{"<stdout>"}, "db_dir": c.b.DataDir(), "config_files": []string{}, "cluster_links": []object{},
		"ra_open_file_metrics": object{"ra_log_wal": 1, "ra_log_segment_writer": 0},
		"metrics_gc_queue_length": object{
			"connection_closed": 0, "channel_closed": 0, "consumer_deleted": 0, "exchange_deleted": 0, "queue_deleted": 0,
			"vhost_deleted": 0, "node_node_deleted": 0, "channel_consumer_deleted": 0,
		},
	}
	c.past(history.Key{Kind: history.Cluster, Name: c.b.NodeName()}, func(v history.View) {
		rated(o, v, span{}, p.NodeMetrics(len(c.b.Connections()), c.b.DiskFree()))
		for _, name := range counted {
			rated(o, v, span{}, []broker.Metric{{Name: name}})
		}
		for _, name := range averaged {
			o[name], o[name+"_details"] = 0.0, object{"rate": 0.0}
		}
	})
	c.past(history.Key{Kind: history.Cluster}, func(v history.View) { rated(o, v, span{}, broker.ChurnMetrics(c.b.Churn())) })
	return o
}

// plugins are the plugins whose work is done.
func (c *call) plugins() []string {
	list := []string{}
	for _, l := range c.b.Listeners() {
		switch l.Protocol {
		case "http", "https":
			list = append(list, "rabbitmq_management")
		case "http/prometheus":
			list = append(list, "rabbitmq_prometheus")
		}
	}
	return list
}

func listNodes(c *call) error { return c.list([]object{c.nodeObject()}) }

// node refuses a path about another node.
func (c *call) node() error {
	if n, ok := c.args["node"]; ok && n != c.b.NodeName() {
		return errNotFound
	}
	return nil
}

func getNode(c *call) error {
	if err := c.node(); err != nil {
		return err
	}
	o := c.nodeObject()
	if c.URL.Query().Get("memory") == "true" {
		o["memory"] = c.memory()
	}
	if c.URL.Query().Get("binary") == "true" {
		binary := object{"other": 0}
		for _, name := range memoryParts {
			binary[name] = 0
		}
		o["binary"] = binary
	}
	return c.one(o)
}

// memoryParts are what RabbitMQ divides a node's memory by.
var memoryParts = []string{
	"connection_readers", "connection_writers", "connection_channels", "connection_other", "queue_procs", "queue_slave_procs",
	"quorum_queue_procs", "quorum_queue_dlx_procs", "stream_queue_procs", "stream_queue_replica_reader_procs",
	"stream_queue_coordinator_procs", "plugins", "other_proc", "metrics", "mgmt_db", "mnesia", "quorum_ets", "other_ets",
	"binary", "msg_index", "code", "atom", "other_system", "allocated_unused", "reserved_unallocated",
}

// memory divides the node's memory by the parts that can be told apart:
// messages, the rest of what is in use, what is free, and what else there is.
func (c *call) memory() object {
	p := c.b.Process()
	o := object{"strategy": "rss", "total": object{"erlang": p.Heap, "rss": p.RSS, "allocated": p.Heap + p.Idle}}
	for _, name := range memoryParts {
		o[name] = 0
	}
	messages := min(c.b.MemoryUsed(), p.Heap)
	o["binary"], o["other_proc"], o["allocated_unused"] = messages, p.Heap-messages, p.Idle
	o["other_system"] = max(p.RSS-p.Heap-p.Idle, 0)
	return o
}

func nodeMemory(c *call) error {
	if err := c.node(); err != nil {
		return err
	}
	return c.one(object{"memory": c.memory()})
}

// relativeMemory is nodeMemory in per cent.
func relativeMemory(c *call) error {
	if err := c.node(); err != nil {
		return err
	}
	parts := c.memory()
	var sum int64
	for _, name := range memoryParts {
		sum += int64(number(parts[name]))
	}
	o := object{"total": 100}
	for _, name := range memoryParts {
		o[name] = (int64(number(parts[name]))*100 + max(sum, 1) - 1) / max(sum, 1)
	}
	return c.one(object{"memory": o})
}
