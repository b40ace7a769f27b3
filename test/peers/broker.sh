#!/bin/bash
# Holds "nubo mq serve" against Debian's rabbitmq-server: starts both as plain
# processes on ports and directories of their own, lets "nubo mq bench" load
# them by turns, and prints medians and ratios as a Markdown table.
#
#   test/peers/broker.sh [ROUNDS [SECONDS]]     (3 rounds of 3 seconds each)
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
nubo=${NUBO:-$root/bin/nubo}
rounds=${1:-3} seconds=${2:-3}
work=$(mktemp -d "${TMPDIR:-/tmp}/nubo-peers.XXXXXX")
pids=()
finish() {
  exec 7>&- 2>/dev/null || true # rabbitmq-server's group ends with its input
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

say() { echo "$*" >&2; }
now() { date +%s%N; }
free_port() { # one that nothing listens on, nor on the management's beside it
  local p
  for p in $(shuf -i 21000-29000 -n 50); do
    (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null || (exec 3<>"/dev/tcp/127.0.0.1/$((p + 10000))") 2>/dev/null || { echo "$p"; return; }
  done
  say "no free port"; exit 1
}
greets() { # greets PORT: the first frame of a broker has come
  [ "$( (exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'AMQP\0\0\011\001' >&3 && timeout 5 head -c 1 <&3 | od -An -tu1) 2>/dev/null | tr -d ' ')" = 1 ]
}
await() { # await PORT PID: sets took, in ms since start
  until greets "$1"; do
    kill -0 "$2" 2>/dev/null || { say "the broker on port $1 ended:"; tail "$work"/*.out >&2; exit 1; }
    sleep 0.005
  done
  took=$((($(now) - start) / 1000000))
}

rabbit_up() {
  [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || { say "rabbitmq-server is not installed; run: apt-get install rabbitmq-server"; exit 1; }
  local dir=$work/rabbit dist epmd
  rabbit_port=$(free_port) dist=$(free_port) epmd=$(free_port)
  mkdir -p "$dir"
  printf 'listeners.tcp.1 = 127.0.0.1:%s\nlog.file.level = warning\n' "$rabbit_port" >"$dir/rabbitmq.conf"
  : >"$dir/env.conf"
  echo '[].' >"$dir/plugins"
  mkfifo "$dir/life"
  exec 7<>"$dir/life"
  start=$(now)
  HOME=$dir ERL_EPMD_PORT=$epmd ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_DIST_PORT=$dist RABBITMQ_NODENAME=peer$rabbit_port@localhost \
    RABBITMQ_MNESIA_BASE=$dir/mnesia RABBITMQ_LOG_BASE=$dir/log RABBITMQ_HOME=$dir RABBITMQ_CONFIG_FILE=$dir/rabbitmq.conf \
    RABBITMQ_CONF_ENV_FILE=$dir/env.conf RABBITMQ_ENABLED_PLUGINS_FILE=$dir/plugins RABBITMQ_PID_FILE=$dir/pid \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
    setsid sh -c 'epmd -address 127.0.0.1 & echo $! >"$HOME/epmd"; exec /usr/lib/rabbitmq/bin/rabbitmq-server' >"$work/rabbit.out" 2>&1 7>&- &
  rabbit_pid=$!
  pids+=("$rabbit_pid")
  await "$rabbit_port" "$rabbit_pid"
  rabbit_took=$took
  pids+=("$(cat "$dir/epmd")")
}

nubo_up() {
  nubo_port=$(free_port)
  start=$(now)
  "$nubo" mq serve --data-dir "$work/nubo" --listen 127.0.0.1 --port-offset $((nubo_port - 5672)) >"$work/nubo.out" 2>&1 &
  nubo_pid=$!
  pids+=("$nubo_pid")
  await "$nubo_port" "$nubo_pid"
  nubo_took=$took
}

bench() { # bench BROKER ARGS...: a result as JSON
  local port=${1}_port pid=${1}_pid
  shift
  "$nubo" mq bench --json --url "amqp://guest:guest@127.0.0.1:${!port}/" --pid "${!pid}" "$@"
}
field() { sed -nE "s/.*\"$1\":([-0-9.e+]+).*/\1/p"; }
compare() { # compare WHAT FIELD BETTER ARGS...: by turns, so many rounds; BETTER is more or less
  local what=$1 field=$2 better=$3 r b out
  shift 3
  for ((r = 0; r < rounds; r++)); do
    for b in rabbit nubo; do
      out=$(bench $b "$@")
      printf '%s\t%s\t%s\t%s\n' "$what" "$better" "$b" "$(field "$field" <<<"$out")" >>"$work/results"
    done
  done
  say "$what: done"
}
note() { # note WHAT BETTER RABBIT NUBO: one result each
  printf '%s\t%s\trabbit\t%s\n%s\t%s\tnubo\t%s\n' "$1" "$2" "$3" "$1" "$2" "$4" >>"$work/results"
}
table() {
  sort -t$'\t' -s -k4,4g "$work/results" | awk -F'\t' -v order="$(cut -f1 "$work/results" | awk '!seen[$0]++')" '
    { k = $1 SUBSEP $3; better[$1] = $2; v[k, ++n[k]] = $4 }
    function show(x, s) {
      if (x < 1000) return sprintf(x < 10 ? "%.1f" : "%.0f", x)
      for (s = ""; x >= 1000; x = int(x / 1000)) s = sprintf(",%03d", x % 1000) s
      return x s
    }
    function median(w, b, k) { k = w SUBSEP b; return v[k, int((n[k] + 1) / 2)] }
    END {
      print "| what | RabbitMQ | nubo | ratio |\n| --- | --- | --- | --- |"
      for (i = split(order, rows, "\n"); j++ < i;) {
        w = rows[j]; r = median(w, "rabbit"); u = median(w, "nubo")
        printf "| %s | %s | %s | %s |\n", w, show(r), show(u), better[w] == "more" ? sprintf("%.1f×", u / r) : sprintf("1/%.1f", r / u)
      }
    }'
}

load=$(cut -d' ' -f1 /proc/loadavg)
rabbit_up
nubo_up
sleep 3
note 'start until a client is greeted, ms' less "$rabbit_took" "$nubo_took"
idle() { bench "$1" connections --count 1 | field rss_before_mb; }
note 'idle, resident MB' less "$(idle rabbit)" "$(idle nubo)"
kept() { # KiB that each of 1,000 connections takes
  local out
  out=$(bench "$1" connections --count 1000)
  awk -v a="$(field rss_before_mb <<<"$out")" -v b="$(field rss_after_mb <<<"$out")" 'BEGIN { print (b - a) * 1024 / 1000 }'
}
note 'a connection with a channel, resident KiB' less "$(kept rabbit)" "$(kept nubo)"
t=(--time "${seconds}s")
for size in 16 1024 16384; do
  for n in 1 4; do
    compare "transient, frames, $size B, $n→$n, messages/s" rate more transient "${t[@]}" --size $size --producers $n --consumers $n
  done
done
compare 'transient, amqp091-go, 16 B, 1→1, messages/s' rate more transient "${t[@]}" --client amqp091
for kind in persistent quorum; do
  for window in 1 100 1000; do
    compare "$kind, frames, 1024 B, confirm window $window, messages/s" rate more $kind "${t[@]}" --size 1024 --window $window
  done
  compare "$kind, frames, 16 B, confirm window 1000, messages/s" rate more $kind "${t[@]}" --size 16
  compare "$kind, amqp091-go, 1024 B, confirm window 1000, messages/s" rate more $kind "${t[@]}" --size 1024 --client amqp091
done
for client in raw amqp091; do
  name=$([ $client = raw ] && echo frames || echo amqp091-go)
  compare "request and reply, $name, 64 B, p50 µs" p50_us less rpc "${t[@]}" --size 64 --client $client
done
rounds=1
compare '10,000 queues declared and deleted, pairs/s' rate more queues --queues 10000
compare '1,000 connections opened, /s' rate more connections --count 1000
table
echo
echo "$(nproc) cores; load average $load before, $(cut -d' ' -f1 /proc/loadavg) after. Messages and calls: medians of ${1:-3} runs of $seconds s by turns; the rest was run once."
