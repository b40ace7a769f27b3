#!/usr/bin/env bash
# The dashboard in a real browser, on a simulated cloud: the walkthrough by
# mouse in English and in Chinese, the topology, the broker's pages with send.py
# and rev.py, two people who see each other's doings, and a list of NUBO_TEST_SERVERS servers, 1000 if that is not set; 10000
# take some minutes.
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
for language in en zh-CN; do
  browse "$language: the walkthrough by mouse" walkthrough.mjs "$language" secret "$work/blank.qcow2"
  browse "$language: the topology" topology.mjs "$language" secret
  browse "$language: the broker's pages" broker.mjs "$language" secret $((5672 + offset))
  browse "$language: what is set beyond the walkthrough" manage.mjs "$language" secret
  browse "$language: consoles" console.mjs "$language" secret
  browse "$language: traces, the RPC map, the scheduler's decisions" trace.mjs "$language" secret
done
browse "two people see each other's doings" live.mjs en secret
browse "who may what" roles.mjs en secret
browse "every page: axe-core" pages.mjs secret
step "nubo down" "$nubo" down --data-dir "$dir"

NUBO_ADMIN_PASSWORD=secret step "a cloud of many hosts" cloud_up "$work/many" --virt simulated --hosts 100 --port-offset "$offset"
browse "a list of very many servers" many.mjs en secret "${NUBO_TEST_SERVERS:-1000}"
step "nubo down" "$nubo" down --data-dir "$work/many"
summary
