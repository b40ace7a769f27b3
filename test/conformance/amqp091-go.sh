#!/usr/bin/env bash
# Runs amqp091-go's own tests, the integration tests too, against nubo's broker.
#
#   usage: amqp091-go.sh [GO-TEST-ARGUMENTS]...   such as -test.run=TestIntegration
. "$(dirname "$0")/broker.sh"
prepare() { build && module github.com/rabbitmq/amqp091-go@v1.16.0 "$work/client" && (cd "$work/client" && go test -tags integration -c -o suite .); }
run() {
  cd "$work/client" || return 1
  AMQP_URL=amqp://guest:guest@127.0.0.1:5672/ RABBITMQ_RABBITMQCTL_PATH=$rabbitmqctl on_broker ./suite -test.v -test.timeout 20m "$@"
}
count() { grep -cE "^--- $1:" "$log"; }
step "amqp091-go and nubo are built" prepare || exit 1
step "the suite runs" run "$@"; [ $failed = 0 ] || exit 1
grep -E '^--- FAIL' "$log"
[ $# = 0 ] || { echo "amqp091-go: $(count PASS) passed, $(count FAIL) failed, $(count SKIP) skipped"; [ "$(count FAIL)" = 0 ]; exit; }
verdict amqp091-go "$(count PASS)" "$(count FAIL)" "$(count SKIP)" 247 && [ "$(count FAIL)" = 0 ]
