#!/usr/bin/env bash
# Runs the functional tests of Debian's oslo.messaging against nubo's broker.
#
#   usage: oslo-messaging.sh
. "$(dirname "$0")/broker.sh"
tests="oslo_messaging.tests.functional.test_functional oslo_messaging.tests.functional.notify.test_logger"
prepare() { "$root/tools/install-packages" conformance && build; }
# shellcheck disable=SC2086 # they are words
run() {
  export RPC_TRANSPORT_URL=rabbit://guest:guest@127.0.0.1:5672/ NOTIFY_TRANSPORT_URL=rabbit://guest:guest@127.0.0.1:5672/
  cd "$work" && on_broker python3 -m testtools.run $tests
}
step "oslo.messaging and nubo are there" prepare || exit 1
step "the suite runs" run || exit 1
grep -E '^(FAIL|ERROR):' "$log"
ran=$(sed -n 's/^Ran \([0-9]*\) test.*/\1/p' "$log")
bad=$(grep -cE '^(FAIL|ERROR):' "$log")
verdict oslo.messaging $((${ran:-0} - bad)) "$bad" 0 30 "one wants a socket of oslo.metrics, which RabbitMQ does not have either"
