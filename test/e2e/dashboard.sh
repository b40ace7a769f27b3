#!/usr/bin/env bash
# The dashboard in a real browser, on a simulated cloud: the walkthrough by
# mouse in English and in Chinese and by keyboard alone, the topology, the
# broker's pages with send.py and rev.py, consoles, traces, two people who see
# each other's doings, what a member and a reader may not, a phone, axe-core on
# every page, and a list of NUBO_TEST_SERVERS servers (1000; 10000 take some minutes).
. "$(dirname "$0")/../lib/common.sh"

dir=$work/data
step "the front end is built into the binary" test -s "$root/web/dist/index.html"
offset=$(free_offset)
base=http://127.0.0.1:$((9999 + offset))
NUBO_ADMIN_PASSWORD=secret step "the cloud gets ready" cloud_up "$dir" --virt simulated --hosts 3 --port-offset "$offset"
qemu-img create -q -f qcow2 "$work/blank.qcow2" 64M

# browse NAME SCRIPT ARGS...: a script of web/e2e, whose own steps are shown
browse() {
  local name=$1 script=$2; shift 2
  SHOTS=$work node "$root/web/e2e/$script" "$base" "$@" > "$work/walk" 2>&1
  sed "s/^/    /" "$work/walk"
  step "$name" grep -qE '^[0-9]+ passed, 0 failed' "$work/walk"
}
browse "en: the walkthrough by mouse" walkthrough.mjs en secret "$work/blank.qcow2"
browse "zh-CN: the walkthrough by mouse" walkthrough.mjs zh-CN secret "$work/blank.qcow2"
browse "en: the walkthrough by keyboard alone" walkthrough.mjs en secret "$work/blank.qcow2" keyboard
# Those that want an empty cloud come first.
browse "en: the topology" topology.mjs en secret
browse "zh-CN: the broker's pages" broker.mjs zh-CN secret $((5672 + offset))
browse "en: what is set beyond the walkthrough" manage.mjs en secret
browse "zh-CN: consoles" console.mjs zh-CN secret
browse "en: traces, the RPC map, the scheduler's decisions" trace.mjs en secret
browse "two people see each other's doings" live.mjs en secret
browse "zh-CN: searches, filters, drafts, several things at once" lists.mjs zh-CN secret
browse "en: everything else by keyboard alone" reach.mjs en secret
browse "who may what" roles.mjs en secret
browse "a phone and a small desktop" phone.mjs secret
browse "every page: axe-core" pages.mjs secret
step "nubo down" "$nubo" down --data-dir "$dir"

NUBO_ADMIN_PASSWORD=secret step "a cloud of many hosts" cloud_up "$work/many" --virt simulated --hosts 100 --port-offset "$offset"
browse "a list of very many servers" many.mjs en secret "${NUBO_TEST_SERVERS:-1000}"
step "nubo down" "$nubo" down --data-dir "$work/many"
summary
