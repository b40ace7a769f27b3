#!/usr/bin/env bash
# The user's walkthrough with a real guest: libvirt under TCG or KVM, real
# networks, real disks. All of it runs in a network and mount namespace of its
# own, with no way out.
if [ "$(id -u)" != 0 ] || ! command -v libvirtd >/dev/null || ! command -v qemu-system-x86_64 >/dev/null; then
  echo "NOT RUN: the walkthrough with a real guest needs root, libvirt-daemon-system and qemu-system-x86 (tools/packages/compute.txt)"
  [ -n "${CI:-}" ] && { echo "0 passed, 1 failed"; exit 1; }
  exit 0
fi
if [ -z "${NUBO_E2E_INSIDE:-}" ]; then
  exec env NUBO_E2E_INSIDE=1 unshare --net --mount --propagation private bash "$0" "$@"
fi
. "$(dirname "$0")/../lib/common.sh"
ip link set lo up
# Names of network namespaces, and what libvirt keeps, are this namespace's own.
mkdir -p "$work"/lv/{etc,run,lib,log,cache} /run/netns
mount -t tmpfs none /run/netns
for d in etc:/etc/libvirt run:/run/libvirt lib:/var/lib/libvirt log:/var/log/libvirt cache:/var/cache/libvirt; do
  mkdir -p "${d#*:}"; mount --bind "$work/lv/${d%%:*}" "${d#*:}"
done
at_exit "umount /run/netns /etc/libvirt /run/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt"
sysctl -qw net.ipv4.ip_forward=1

# With --browser the walkthrough is by mouse in a browser, in Chinese: at its
# end ssh works, and the guest's login text is on the screen in the browser.
# With --browser keyboard it is by keyboard alone.
browser=0 by=()
[ "${1:-}" = --browser ] && { browser=1; shift; [ "${1:-}" = keyboard ] && { by=(keyboard); shift; }; step "the front end is built into the binary" test -s "$root/web/dist/index.html"; }

# With --peers the state is in PostgreSQL and the bus is RabbitMQ.
if [ "${1:-}" = --peers ]; then
  shift
  step "PostgreSQL starts" postgres_up
  step "RabbitMQ starts" rabbit_up
  export NUBO_DATABASE_URL=$postgres_url NUBO_MESSAGING_URL=$rabbit_url
fi
dir=$work/cloud
step "the guest image builds" "$root/tools/guest/build.sh" "$work/guest"
step "the cloud gets ready" cloud_up "$dir" --virt libvirt "$@"
. "$dir/openrc"
step "nubo status says that all is up" "$nubo" status --data-dir "$dir"
if [ $browser = 1 ]; then
  PATIENCE=150 SHOTS=${SHOTS:-$work} node "$root/web/e2e/walkthrough.mjs" http://127.0.0.1:9999 zh-CN "$OS_PASSWORD" "$work/guest/nubo-mini.qcow2" guest "${by[@]}" > "$work/walk" 2>&1
else
  "$root/test/acceptance/walkthrough.sh" --image "$work/guest/nubo-mini.qcow2" > "$work/walk" 2>&1
fi
sed "s/^/    /" "$work/walk"
step "the walkthrough" grep -qE '^[0-9]+ passed, 0 failed' "$work/walk"
[ $browser = 1 ] && { step "nubo down" "$nubo" down --data-dir "$dir"; summary; exit; }
# A cloud that is killed with a server, a network and a volume in use leaves
# nothing either, once nubo down was run.
busy() {
  openstack image create --disk-format qcow2 --container-format bare --file "$work/guest/nubo-mini.qcow2" img >/dev/null &&
    openstack flavor create --ram 128 --disk 1 --vcpus 1 small >/dev/null && openstack network create net >/dev/null &&
    openstack subnet create --network net --subnet-range 192.168.77.0/24 sub >/dev/null && openstack volume create --size 1 vol >/dev/null &&
    openstack server create --image img --flavor small --network net --wait vm >/dev/null && openstack server add volume vm vol >/dev/null
}
step "a server runs with a volume" busy
step "nubo is killed" kill -9 "$(sed 's/.*"pid":\([0-9]*\).*/\1/' "$dir/nubo.run")"
step "nubo down" "$nubo" down --data-dir "$dir"
step "no domain is left" eval '[ -z "$(virsh list --all --name 2>/dev/null | grep .)" ]'
step "no bridge or tap is left" eval '! ip -o link | grep -E "brq|tap|qr-|qg-|vxlan"'
step "no network namespace is left" eval '[ -z "$(ip netns list)" ]'
step "no process is left" eval "! pgrep -f -- '$dir'"
summary
