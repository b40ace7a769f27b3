package ctl_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/internal/rpc/rabbittest"
	"nubo/internal/testx"
)

// short is a part of script that does not take long; NUBO_TEST_RABBITMQCTL has
// the test play all of it.
const short = `
add_user nova secret
add_user nova secret
set_user_tags nova administrator monitoring
list_users --formatter json
set_permissions nova '^n' '' '.*'
list_permissions
set_policy bad '^q' '{"nope": 1}'
list_queues name messages_ready durable auto_delete arguments policy state type
list_bindings
list_consumers queue_name consumer_tag ack_required prefetch_count active arguments
delete_queue nope
list_users --nosuch
`

// script is played on this broker and on RabbitMQ, line by line; each must
// print the same and end with the same exit code.
const script = `
add_user nova secret
add_user nova secret
add_user nova2
add_user -q nova3 secret
set_user_tags nova administrator monitoring
set_user_tags nobody administrator
list_users
list_users -s
list_users --formatter json
list_users --formatter csv
authenticate_user nova secret
authenticate_user nova wrong
clear_password nobody
delete_user nova3
delete_user nobody
add_user j x --formatter json

add_vhost v1 --description 'The first' --tags a,b
add_vhost v1
set_vhost_tags v1 x y
list_vhosts name description tags tracing
trace_on
list_vhosts name tracing
trace_off
list_vhosts nope
set_vhost_limits -p v1 '{"max-connections": 10, "max-queues": 5}'
set_vhost_limits -p v1 '{"max-fun": 10}'
set_vhost_limits -p v1 '{'
list_vhost_limits -p v1
list_vhost_limits --global
list_vhost_limits -p v1 --formatter json
list_vhost_limits -p none
list_parameters -p v1
clear_vhost_limits -p v1
set_user_limits nova '{"max-channels": 5}'
set_user_limits nobody '{"max-channels": 5}'
list_user_limits --user nova
list_user_limits
clear_user_limits nova all

set_permissions nova '^n' '' '.*'
set_permissions nobody '.*' '.*' '.*'
set_permissions -p none nova '.*' '.*' '.*'
set_permissions nova '.*'
list_permissions
list_permissions -p v1 --formatter json
list_permissions -p none
list_user_permissions nova
list_user_permissions nobody
set_topic_permissions nova amq.topic '^a' '^b'
list_topic_permissions
list_user_topic_permissions nova
clear_topic_permissions nova
list_topic_permissions
clear_permissions nova

set_policy ttl '^q' '{"message-ttl": 1000, "max-length": 5}'
set_policy -p v1 --priority 3 --apply-to queues p2 '^x' '{"max-length": 5, "overflow":"reject-publish"}'
set_policy bad '^q' '{"nope": 1}'
set_policy bad '^q' '{'
set_policy --priority x bad '^q' '{"message-ttl": 1}'
list_policies
list_policies -p v1 --formatter json
list_policies -p none
clear_policy ttl
clear_policy ttl
set_operator_policy op '^q' '{"message-ttl": 1000}' --priority 1
list_operator_policies
clear_operator_policy op
set_parameter federation-upstream s '{"a":1}'
set_global_parameter mine '{"a": 1}'
clear_global_parameter mine
clear_global_parameter mine

list_queues
list_queues name messages_ready durable auto_delete arguments policy state type
list_queues name arguments --formatter json
list_queues name messages --formatter csv
list_queues name messages --formatter pretty_table
list_queues name arguments --formatter erlang
list_queues -p none
list_queues nope
list_exchanges name type durable auto_delete internal arguments
list_bindings
list_bindings --formatter json
list_connections user state vhost protocol auth_mechanism
list_channels user transactional confirm consumer_count prefetch_count
list_consumers queue_name consumer_tag ack_required prefetch_count active arguments
purge_queue q1
purge_queue nope
delete_queue q1 --if-unused
delete_queue nope
delete_queue q2
close_all_connections -p none bye
close_all_user_connections nobody bye

ping --formatter json
node_health_check
enable_feature_flag all
set_vm_memory_high_watermark 0.4
set_vm_memory_high_watermark x
set_vm_memory_high_watermark absolute 1x
set_disk_free_limit 50MB
rotate_logs
set_log_level nope
forget_cluster_node rabbit@nowhere
await_online_nodes 1
suspend_listeners
resume_listeners
diagnostics check_local_alarms
diagnostics check_alarms
diagnostics check_running
diagnostics check_virtual_hosts
diagnostics is_booting
queues check_if_node_is_quorum_critical
import_definitions /there/is/none
export_definitions /there/is/none
lsit_queues
list_users extra
list_users --nosuch
delete_vhost v1
delete_vhost v1
stop_app
list_queues
change_cluster_node_type ram
reset
start_app
list_users
`

// sorted are commands whose lines RabbitMQ prints in no order.
var sorted = []string{"list_users", "list_exchanges", "list_permissions", "list_vhosts", "list_queues", "list_bindings"}

// prepare makes what the script lists.
func prepare(t *testing.T, url string) {
	t.Helper()
	c, err := rabbit.Dial(url)
	testx.NoErr(t, err)
	t.Cleanup(func() { c.Close() })
	ch, err := c.Channel()
	testx.NoErr(t, err)
	_, err = ch.QueueDeclare("q1", true, false, false, false, rabbit.Table{"x-max-length": int32(10)})
	testx.NoErr(t, err)
	_, err = ch.QueueDeclare("q2", false, true, false, false, nil)
	testx.NoErr(t, err)
	_, err = ch.QueueDeclare("qq", true, false, false, false, rabbit.Table{"x-queue-type": "quorum"})
	testx.NoErr(t, err)
	testx.NoErr(t, ch.ExchangeDeclare("x1", "topic", true, false, false, false, rabbit.Table{"alternate-exchange": "amq.fanout"}))
	testx.NoErr(t, ch.QueueBind("q1", "a.#", "x1", false, nil))
	testx.NoErr(t, ch.QueueBind("q2", "b", "x1", false, rabbit.Table{"m": int32(1)}))
	testx.NoErr(t, ch.ExchangeBind("x1", "k", "amq.fanout", false, nil))
	testx.NoErr(t, ch.Confirm(false))
	d, err := ch.PublishWithDeferredConfirm("", "q1", false, false, rabbit.Publishing{Body: []byte("m")})
	testx.NoErr(t, err)
	d.Wait()
	testx.NoErr(t, ch.Qos(2, 0, false))
	_, err = ch.Consume("q2", "tag", false, false, false, false, rabbit.Table{"x-priority": int32(3)})
	testx.NoErr(t, err)
}

var (
	nodeName = regexp.MustCompile(`rabbit[a-z0-9]*@[a-zA-Z0-9-]+`)
	warning  = regexp.MustCompile(`(?m)^\n?\d\d:\d\d:\d\d\.\d+ \[warning\].*\n`)
	// usageLine is the last of an error: our usage is in our own words.
	usageLine = regexp.MustCompile(`(?s)\x1b\[1mUsage.*`)
	spaces    = regexp.MustCompile(`,\s+`)
)

// normal takes out what must differ.
func normal(line, text string) string {
	text = nodeName.ReplaceAllString(text, "NODE")
	text = warning.ReplaceAllString(text, "")
	text = usageLine.ReplaceAllString(text, "USAGE\n")

	if strings.Contains(line, "erlang") {
		text = spaces.ReplaceAllString(text, ",")
	}
	for _, s := range sorted {
		if strings.HasPrefix(line, s) {
			lines := strings.Split(text, "\n")
			for i := range lines {
				lines[i] = strings.TrimPrefix(lines[i], ",")
			}
			slices.Sort(lines)
			text = strings.Join(lines, "\n")
		}
	}
	return text
}

// TestRabbitMQ plays the script, or its short form, on both.
func TestRabbitMQ(t *testing.T) {
	url := strings.Replace(rabbittest.Start(t), "rabbit://", "amqp://", 1)
	ours := start(t, t.TempDir())
	prepare(t, url)
	prepare(t, "amqp://guest:guest@"+ours.amqp+"/")
	play := short
	if os.Getenv("NUBO_TEST_RABBITMQCTL") != "" {
		play = script
	}
	for line := range strings.Lines(play) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		program, args := "rabbitmqctl", words(line)
		if tool, rest, ok := strings.Cut(line, " "); ok && (tool == "diagnostics" || tool == "queues") {
			program, args = "rabbitmq-"+tool, words(rest)
		}
		out, errs, code := rabbittest.Run(t, program, args...)
		want := normal(line, fmt.Sprintf("%s--\n%s=> %d", out, errs, code))
		if got := normal(line, ours.play(line)); got != want {
			t.Errorf("%s\n--- RabbitMQ:\n%s\n--- nubo:\n%s", line, want, got)
		}
	}
}
