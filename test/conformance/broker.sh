# Sourced by the suites of AMQP clients: nubo is built, and their tests run
# against `nubo mq serve` on RabbitMQ's ports, in a network namespace of their
# own (so it needs root).
. "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
export CGO_ENABLED=0
# NUBO_DEFAULT_DATA_DIR tells rabbitmqctl, which is nubo through a link, where the broker is.
export work NUBO_DEFAULT_DATA_DIR=$work/mq rabbitmqctl=$work/bin/rabbitmqctl log=$work/suite.out
expected=0

build() { # nubo, and the link
  mkdir -p "$work/bin" && (cd "$root" && go build -o "$work/bin/nubo" ./cmd/nubo) && ln -s nubo "$rabbitmqctl"
}
inside() { # inside CMD...: in the namespace, with the broker
  ip link set lo up
  "$work/bin/nubo" mq serve --listen :: >"$work/mq.out" 2>&1 &
  local pid=$! i code
  for i in $(seq 100); do grep -q ready "$work/mq.out" && break; sleep 0.1; done
  "$@"; code=$?
  kill $pid; wait $pid
  return $code
}
# on_broker CMD...: what CMD prints is in $log; that tests fail is no error
on_broker() {
  export -f inside
  unshare --net bash -c 'inside "$@"' inside "$@" >"$log" 2>&1
  grep -q 'is ready' "$work/mq.out" || { cat "$work/mq.out" >&2; return 1; }
}
# module PATH@VERSION DIR: a copy of a module of the Go module proxy, unchanged
module() {
  local dir; dir=$(cd "$work" && go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  [ -n "$dir" ] && cp -r "$dir" "$2" && chmod -R u+w "$2"
}
# verdict NAME PASSED FAILED SKIPPED LEAST [WHY]: LEAST must pass; WHY is why fewer than all
verdict() {
  set -- "$1" "${2:-0}" "${3:-0}" "${4:-0}" "${@:5}"
  passed=$2 failed=$3 expected=$5
  [ "$2" -ge "$5" ] 2>/dev/null || { echo "NOT OK $1: $2 of at least $5 passed"; tail -n 40 "$log"; }
  echo "$1: $2 passed, $3 failed, $4 skipped; expected at least $5${6:+ ($6)}"
  [ "$2" -ge "$5" ]
}
