#!/usr/bin/env bash
# Runs pika's acceptance tests of blocking connections against nubo's broker.
# They are not in its package: give a copy of its repository (pika/pika on GitHub).
#
#   usage: pika.sh DIRECTORY
. "$(dirname "$0")/broker.sh"
source=${1:?"usage: $0 DIRECTORY, a copy of the repository pika/pika"}
prepare() { build && cp -r "$source" "$work/client"; }
run() { cd "$work/client" && on_broker python3 -m unittest tests.acceptance.blocking_adapter_test; }
step "pika and nubo are there" prepare || exit 1
step "the suite runs" run || exit 1
grep -E '^(FAIL|ERROR):' "$log"
ran=$(sed -n 's/^Ran \([0-9]*\) test.*/\1/p' "$log")
bad=$(grep -cE '^(FAIL|ERROR):' "$log")
verdict pika $((${ran:-0} - bad)) "$bad" 0 81 "one wants the words RabbitMQ 3.11 and later have for an unknown exchange type"
