# Sourced by the end-to-end scripts: where things are, how a cloud, a database
# and a broker are started for a test, and how everything ends with it.
# Each script prints "ok N what" or "NOT OK N what: why", and at last
# "N passed, N failed".
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin:/usr/local/bin
nubo=$root/bin/nubo
work=$(mktemp -d "${TMPDIR:-/tmp}/nubo-e2e.XXXXXX")
passed=0 failed=0 n=0
atexit=()
at_exit() { atexit+=("$1"); }
finish() {
  local code=$? i
  for ((i = ${#atexit[@]} - 1; i >= 0; i--)); do eval "${atexit[i]}" >/dev/null 2>&1; done
  if [ $failed != 0 ] || [ $code != 0 ]; then # keep what tells why
    mkdir -p "$root/test/out"; cp -r "$work"/*/log/nubo.log "$root/test/out/" 2>/dev/null
  fi
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

step() { # step NAME CMD...: ok when CMD exits 0. It runs in this shell, so that what it sets stays
  n=$((n+1)); local name=$1; shift
  if "$@" >"$work/out" 2>"$work/err"; then passed=$((passed+1)); echo "ok $n $name"
  else failed=$((failed+1)); echo "NOT OK $n $name: $(tail -n 3 "$work/err" | tr '\n' ' ' | cut -c1-400) $(head -c 200 "$work/out")"; fi
}
summary() { echo "$passed passed, $failed failed"; [ $failed = 0 ]; }
same() { [ "$1" = "$2" ] || { echo "got '$1', expected '$2'" >&2; return 1; }; }
wait_for() { # wait_for SECONDS WANT CMD...: until CMD prints WANT
  local limit=$1 want=$2 got; shift 2; local end=$((SECONDS+limit))
  while [ $SECONDS -lt $end ]; do got=$("$@" 2>/dev/null); [ "$got" = "$want" ] && return 0; sleep 0.5; done
  echo "still '$got' after ${limit}s, expected '$want'" >&2; return 1; }

# cloud_up DIR ARGS...: a cloud in the background, its openrc in the environment
cloud_up() {
  local dir=$1; shift
  at_exit "$nubo down --data-dir $dir"
  "$nubo" up --detach --data-dir "$dir" "$@" || return 1
  . "$dir/openrc"
}
# free_offset: a port offset at which nothing listens
free_offset() {
  local o
  for o in $(shuf -i 1000-9000 -n 20); do
    local busy=0 p
    for p in 5000 6080 9292 8774 8778 9696 8776 5672 9999 15672 15692; do (exec 3<>/dev/tcp/127.0.0.1/$((p+o))) 2>/dev/null && busy=1; done
    [ $busy = 0 ] && { echo "$o"; return; }
  done
  return 1
}
# postgres_up: a private PostgreSQL; prints its URL
postgres_up() {
  local bin dir=$work/pg port=$((20000 + RANDOM % 20000))
  bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
  mkdir -p "$dir"; chown postgres "$dir"; chmod 755 "$work"
  setpriv --reuid postgres --regid postgres --init-groups "$bin/initdb" -D "$dir/data" -A trust -U nubo >/dev/null || return 1
  setpriv --reuid postgres --regid postgres --init-groups "$bin/pg_ctl" -D "$dir/data" -s -w -o "-c listen_addresses=127.0.0.1 -p $port -k $dir -c max_connections=200" -l "$dir/log" start || return 1
  at_exit "setpriv --reuid postgres --regid postgres --init-groups $bin/pg_ctl -D $dir/data -m immediate stop"
  postgres_url=postgres://nubo@127.0.0.1:$port/nubo
}
# rabbit_up: a private rabbitmq-server; sets rabbit_url
rabbit_up() {
  local dir=$work/rabbit port=$((20000 + RANDOM % 20000)); mkdir -p "$dir"
  cat > "$dir/env" <<R
export HOME=$dir RABBITMQ_NODENAME=nubo$port@localhost RABBITMQ_NODE_PORT=$port RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_DIST_PORT=$((port+1))
export RABBITMQ_MNESIA_BASE=$dir/mnesia RABBITMQ_LOG_BASE=$dir/log RABBITMQ_ENABLED_PLUGINS_FILE=$dir/plugins RABBITMQ_CONFIG_FILE=$dir/rabbitmq.conf RABBITMQ_CONF_ENV_FILE=$dir/none
export ERL_EPMD_PORT=$((port+2)) ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
R
  echo '[].' > "$dir/plugins"; : > "$dir/rabbitmq.conf"
  (cd "$dir"; . "$dir/env"; exec setsid /usr/lib/rabbitmq/bin/rabbitmq-server) >"$dir/out" 2>&1 </dev/null &
  local pid=$!
  at_exit "(. $dir/env; timeout 20 /usr/lib/rabbitmq/bin/rabbitmqctl -q stop); kill -- -$pid; (. $dir/env; epmd -kill)"
  local i; for i in $(seq 300); do (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null && { rabbit_url=rabbit://guest:guest@127.0.0.1:$port/; return 0; }; sleep 0.1; done
  cat "$dir/out" >&2; return 1
}
