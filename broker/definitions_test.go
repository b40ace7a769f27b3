package broker_test

import (
	"encoding/json"
	"testing"

	"nubo/broker"
	"nubo/internal/testx"
)

// exported is an export of RabbitMQ 3.10.8, cut to one of each kind.
const exported = `{"bindings":[{"arguments":{"n":5,"x-match":"any"},"destination":"q","destination_type":"queue","routing_key":"k","source":"x","vhost":"v"},
{"arguments":{},"destination":"x","destination_type":"exchange","routing_key":"","source":"amq.fanout","vhost":"v"}],
"exchanges":[{"arguments":{"alternate-exchange":"amq.fanout"},"auto_delete":false,"durable":true,"internal":false,"name":"x","type":"headers","vhost":"v"}],
"global_parameters":[{"name":"internal_cluster_id","value":"rabbitmq-cluster-id-abc"}],
"parameters":[{"component":"operator_policy","name":"op","value":{"apply-to":"queues","definition":{"message-ttl":60000},"pattern":".*","priority":2},"vhost":"v"},
{"component":"vhost-limits","name":"limits","value":{"max-queues":7},"vhost":"v"}],
"permissions":[{"configure":".*","read":"","user":"u","vhost":"v","write":"w"}],
"policies":[{"apply-to":"all","definition":{"max-length":3,"overflow":"drop-head"},"name":"p","pattern":"^q","priority":1,"vhost":"v"}],
"queues":[{"arguments":{"x-max-length":10,"x-queue-type":"classic"},"auto_delete":false,"durable":true,"name":"q","type":"classic","vhost":"v"}],
"rabbit_version":"3.10.8",
"topic_permissions":[{"exchange":"amq.topic","read":"r","user":"u","vhost":"v","write":"w"}],
"users":[{"hashing_algorithm":"rabbit_password_hashing_sha256","limits":{"max-channels":9},"name":"u","password_hash":"8C4TN5JQDQWVxzTHhyrxkBvtlGhBfiCFMjQ1vs0eGzXLYAxj","tags":["management"]}],
"vhosts":[{"limits":[],"metadata":{"description":"","tags":[]},"name":"v"}]}`

// TestDefinitions takes RabbitMQ's export and gives the same back.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	var d broker.Definitions
	testx.NoErr(t, json.Unmarshal([]byte(exported), &d))
	b := newBroker(t, broker.Config{})
	testx.NoErr(t, b.ImportDefinitions(d))
	testx.NoErr(t, b.ImportDefinitions(d)) // changes nothing
	got := b.ExportDefinitions()
	text, err := json.Marshal(got)
	testx.NoErr(t, err)
	testx.NoErr(t, json.Unmarshal(text, &got)) // what a reader of the text sees
	testx.Equal(t, got.Queues, d.Queues)
	testx.Equal(t, got.Exchanges, d.Exchanges)
	testx.Equal(t, got.Policies, d.Policies)
	testx.Equal(t, got.TopicPermissions, d.TopicPermissions)
	testx.Equal(t, len(got.Bindings), 2)
	testx.Equal(t, got.Bindings[0].Source, "amq.fanout")
	testx.Equal(t, got.Bindings[1], d.Bindings[0])
	testx.Equal(t, got.Users[1], d.Users[0])
	testx.Equal(t, got.Permissions[1], d.Permissions[0])
	testx.Equal(t, len(got.Parameters), 2)

	again := newBroker(t, broker.Config{})
	testx.NoErr(t, again.ImportDefinitions(got))
	second, err := json.Marshal(again.ExportDefinitions())
	testx.NoErr(t, err)
	testx.Equal(t, string(second), string(text))

	d.Queues[0].Arguments["x-max-length"] = int64(11)
	if err := b.ImportDefinitions(d); err == nil {
		t.Error("a queue that differs was taken")
	}
	d.Users[0].HashingAlgorithm = "rabbit_password_hashing_md5"
	testx.ErrIs(t, b.ImportDefinitions(d), broker.ErrDefinitions)
	testx.NoErr(t, json.Unmarshal([]byte(`{"users":[{"name":"old","tags":"administrator, management"}]}`), &d))
	testx.Equal(t, d.Users[0].Tags, broker.Tags{"administrator", "management"})
}
