#!/usr/bin/env bash
# Runs rabbit-hole's own suite against the management API of `nubo mq serve`,
# on RabbitMQ's ports in a network namespace of its own (so it needs root).
#
#   usage: rabbit-hole.sh [GINKGO-ARGUMENTS]...   such as --ginkgo.focus=vhosts
#
# The module is that of the Go module proxy, unchanged. What may fail is listed
# below with its reason; anything else that fails is NOT OK.
. "$(dirname "$0")/../lib/common.sh"
RABBIT_HOLE=github.com/michaelklishin/rabbit-hole/v3@v3.5.0
export CGO_ENABLED=0

# may_fail lists the specs that ask for what this broker does not do.
may_fail=(
  'GET /api/federation-links/{vhost} when there are links'       # links are kept and listed, not run: their status is shutdown
  'PUT /api/parameters/{component}/{vhost}/{name} when the parameter does not exist' # finds what the spec above left behind
)

module=$work/rabbit-hole
prepare() {
  nubo=$work/nubo
  (cd "$root" && go build -o "$nubo" ./cmd/nubo) || return 1
  local dir; dir=$(cd "$work" && go mod download -json $RABBIT_HOLE | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  [ -n "$dir" ] && cp -r "$dir" "$module" && chmod -R u+w "$module" && (cd "$module" && go test -c -o suite .)
}
# api METHOD PATH BODY: a request as guest
api() { curl -sSf --noproxy '*' -u guest:guest -H 'Content-Type: application/json' -X "$1" "http://127.0.0.1:15672/api/$2" -d "$3"; }
# set_up does what the suite's bin/ci/before_build.sh does
set_up() {
  local i
  for i in $(seq 100); do api GET overview '' >/dev/null 2>&1 && break; sleep 0.1; done
  api PUT users/policymaker '{"password":"policymaker","tags":"policymaker"}' &&
    api PUT permissions/%2F/policymaker '{"configure":".*","write":".*","read":".*"}' &&
    api PUT vhosts/rabbit%2Fhole '{}' && api PUT cluster-name '{"name":"rabbitmq@localhost"}'
}
inside() { # runs in the namespace
  ip link set lo up || return 1
  "$nubo" mq serve --data-dir "$work/mq" >"$work/mq.out" 2>&1 &
  local pid=$!
  set_up && (cd "$module" && GOMEGA_DEFAULT_EVENTUALLY_TIMEOUT=5s ./suite --ginkgo.no-color "$@") >"$work/suite.out" 2>&1
  kill $pid; wait $pid
}
suite() {
  export -f api set_up inside; export nubo module work
  unshare --net bash -c 'inside "$@"' inside "$@"
  counts=$(grep -aoE '[0-9]+ Passed \| [0-9]+ Failed' "$work/suite.out") || { tail -n 5 "$work/suite.out" "$work/mq.out" >&2; return 1; }
}
verdict() {
  local line pattern known
  while IFS= read -r line; do
    known=
    for pattern in "${may_fail[@]}"; do [[ $line == *"$pattern"* ]] && known=1; done
    if [ -n "$known" ]; then echo "fails as expected: $line"
    else failed=$((failed+1)); echo "NOT OK $line"; fi
  done < <(grep -a '^ *\[FAIL\]' "$work/suite.out" | sed 's/^ *\[FAIL\] RabbitMQ HTTP API client //' | sort -u)
  passed=${counts%% *}
  echo "rabbit-hole: $counts"
}

step "rabbit-hole and nubo are built" prepare || exit 1
step "the suite runs" suite "$@" && [ -n "${counts:-}" ] && verdict
summary
