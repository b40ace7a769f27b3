#!/usr/bin/env bash
# Runs py-amqp's integration tests against nubo's broker. They are not in its
# package: give a copy of its repository (celery/py-amqp on GitHub).
#
#   usage: py-amqp.sh DIRECTORY
. "$(dirname "$0")/broker.sh"
source=${1:?"usage: $0 DIRECTORY, a copy of the repository celery/py-amqp"}
prepare() { "$root/tools/install-packages" conformance && build && cp -r "$source" "$work/client"; }
run() { cd "$work/client" && PYTHONPATH=$work/client RABBITMQ_HOST=127.0.0.1 RABBITMQ_5672_TCP=5672 on_broker python3 -m pytest -q t/integration -k 'not ssl'; }
count() { grep -oE "[0-9]+ $1" "$log" | tail -n 1 | cut -d' ' -f1; }
step "py-amqp and nubo are there" prepare || exit 1
step "the suite runs" run || exit 1
verdict py-amqp "$(count passed)" "$(count failed)" "$(count skipped)" 34 "the others want TLS"
