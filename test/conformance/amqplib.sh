#!/usr/bin/env bash
# Runs the tests of amqplib, the client of Node.js, against nubo's broker.
#
#   usage: amqplib.sh
. "$(dirname "$0")/broker.sh"
prepare() {
  command -v npm >/dev/null || { echo "npm is missing" >&2; return 1; }
  build && cd "$work" && npm pack --silent amqplib@2.0.1 && tar xzf amqplib-2.0.1.tgz && npm install --silent --no-save --prefix "$work" claire@0.4.1
}
# A machine that does other things as well needs more time than the suite's second.
run() { cd "$work/package" && URL=amqp://localhost on_broker node --test --test-timeout=60000; }
count() { sed -n "s/^# $1 //p" "$log"; }
step "amqplib and nubo are there" prepare || exit 1
step "the suite runs" run || exit 1
grep -E '^ *not ok' "$log"
verdict amqplib "$(count pass)" "$(count fail)" "$(count skipped)" 319 && [ "$(count fail)" = 0 ]
