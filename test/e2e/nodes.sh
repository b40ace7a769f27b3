#!/usr/bin/env bash
# A controller and two compute hosts: three processes in three network
# namespaces of one machine, which meet only over their network. The scheduler
# spreads, an aggregate with a zone pins, the log shows the weights.
if [ "$(id -u)" != 0 ]; then
  echo "NOT RUN: a cloud of several hosts needs root, for network namespaces"
  [ -n "${CI:-}" ] && { echo "0 passed, 1 failed"; exit 1; }
  exit 0
fi
if [ -z "${NUBO_E2E_INSIDE:-}" ]; then
  exec env NUBO_E2E_INSIDE=1 unshare --net --mount --propagation private bash "$0" "$@"
fi
. "$(dirname "$0")/../lib/common.sh"
mkdir -p /run/netns; mount -t tmpfs none /run/netns; at_exit "umount /run/netns"
ip link set lo up
ip link add br0 type bridge; ip addr add 10.77.0.1/24 dev br0; ip link set br0 up
node_net() { # node_net N: a namespace with an address on the hosts' network
  ip netns add "node$1"; at_exit "ip netns del node$1"
  ip link add "v$1" type veth peer name eth0 netns "node$1"; ip link set "v$1" master br0 up
  ip -n "node$1" link set lo up; ip -n "node$1" addr add "10.77.0.1$1/24" dev eth0; ip -n "node$1" link set eth0 up
}
node_up() { # node_up N: a compute host
  at_exit "$nubo down --data-dir $work/node$1"
  NUBO_DEFAULT_HOST=node$1 ip netns exec "node$1" "$nubo" node --detach --controller 10.77.0.1 --secrets "$work/ctl/secrets.json" \
    --listen "10.77.0.1$1" --virt simulated --data-dir "$work/node$1"
}
host_of() { openstack server show "$1" -f value -c OS-EXT-SRV-ATTR:host; }
hosts_of() { local s; for s in "$@"; do host_of "$s"; done | sort | uniq -c | awk '{print $2 "=" $1}' | tr '\n' ' '; }

step "the controller gets ready" cloud_up "$work/ctl" --role controller --listen 10.77.0.1 --virt simulated --debug
. "$work/ctl/openrc"
for i in 1 2; do node_net $i; step "node $i gets ready" node_up $i; done
step "both hypervisors are listed" same "$(openstack hypervisor list -f value -c 'Hypervisor Hostname' | sort | tr '\n' ' ')" "node1 node2 "
step "both have live network agents" same "$(openstack network agent list --agent-type linux-bridge -f value -c Host -c Alive | sort | tr '\n' ' ')" "node1 True node2 True "

head -c 1048576 /dev/zero > "$work/img"
step "image, flavor, network" eval '
  openstack image create --disk-format raw --container-format bare --file "$work/img" img >/dev/null &&
  openstack flavor create --ram 128 --disk 1 --vcpus 1 small >/dev/null &&
  openstack network create net >/dev/null && openstack subnet create --network net --subnet-range 10.9.0.0/24 sub >/dev/null'
boot() { local name=$1; shift; openstack server create --image img --flavor small --network net --wait "$@" "$name" >/dev/null; }
for i in 1 2 3 4; do step "server $i" boot "s$i"; done
# The agents serve consoles at their own addresses; the proxy is the controller's.
prompt() {
  local url; url=$(openstack console url show --serial "$1" -f value -c url) || return 1
  timeout 20 curl -sN -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: bnVibyBudWJvIG51Ym8gbg==' "http${url#ws}" | grep -qam1 "$1 login:"
}
for i in 1 2; do step "the console of server $i, on $(host_of "s$i")" prompt "s$i"; done
# A request's trace has what was done on the controller and on the host.
dashboard=http://10.77.0.1:9999/dashboard
ask() { curl -sSf -b "$work/jar" -c "$work/jar" -H 'X-Nubo-Dashboard: 1' -H "Origin: ${dashboard%/dashboard}" -H 'Content-Type: application/json' "$@"; }
hops() { # hops SERVER: of what matters of its creation, where it was done
  local id request
  id=$(openstack server show "$1" -f value -c id)
  request=$(ask "$dashboard/traces?server=$id" | python3 -c 'import json, sys; print([r["request_id"] for r in json.load(sys.stdin)["requests"] if r["name"].startswith("POST")][-1])') || return
  ask "$dashboard/traces/$request" | python3 -c '
import json, sys
where = {}
for s in json.load(sys.stdin)["spans"]:
    where[s["service"], s["name"]] = s["host"] if s["host"].startswith("node") else "controller"
for hop in [("compute-api", "POST /v2.1/servers"), ("compute-scheduler", "select_destinations"), ("compute-agent", "build_and_run_instance"),
            ("compute-agent", "simulated: spawn"), ("network-api", "POST /v2.0/ports"), ("network-agent", "simulated: apply port")]:
    print(where.get(hop), end=" ")'
}
step "an administrator signs in to the dashboard" ask -o /dev/null -d "{\"user\":\"$OS_USERNAME\",\"password\":\"$OS_PASSWORD\"}" "$dashboard/session"
for i in 1 2; do h=$(host_of "s$i"); step "the trace of server $i, on $h" wait_for 30 "controller controller $h $h controller $h " hops "s$i"; done
step "the scheduler spread them" same "$(hosts_of s1 s2 s3 s4)" "node1=2 node2=2 "
step "an aggregate with a zone" eval 'openstack aggregate create --zone east agg >/dev/null && openstack aggregate add host agg node2 >/dev/null'
for i in 5 6; do step "server $i in that zone" boot "s$i" --availability-zone east; done
step "the zone pinned them" same "$(hosts_of s5 s6)" "node2=2 "
step "a zone without hosts is refused, or its server tells why" eval '
  ! boot s7 --availability-zone west 2>"$work/err7"; openstack server show s7 -f value -c fault 2>/dev/null >>"$work/err7"; grep -qiE "zone|No valid host" "$work/err7"'
step "the log shows the weights" grep -qE 'Weighed \[WeighedHost \[host: \(node[12], node[12]\) ram: [0-9]+MB disk: [0-9]+MB io_ops: [0-9]+ instances: [0-9]+, weight: ' "$work/ctl/log/nubo.log"
step "the servers go" eval 'openstack server delete --wait s1 s2 s3 s4 s5 s6'
step "nubo down everywhere" eval '"$nubo" down --data-dir "$work/node1" && "$nubo" down --data-dir "$work/node2" && "$nubo" down --data-dir "$work/ctl"'
summary
