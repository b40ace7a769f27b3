#!/usr/bin/env bash
# The walkthrough by mouse in a real browser, in English and in Chinese, on a
# simulated cloud.
. "$(dirname "$0")/../lib/common.sh"

dir=$work/data
step "the front end is built into the binary" test -s "$root/web/dist/index.html"
offset=$(free_offset)
NUBO_ADMIN_PASSWORD=secret step "the cloud gets ready" cloud_up "$dir" --virt simulated --hosts 3 --port-offset "$offset"
qemu-img create -q -f qcow2 "$work/blank.qcow2" 64M
for language in en zh-CN; do
  SHOTS=$work node "$root/web/e2e/walkthrough.mjs" "http://127.0.0.1:$((9999 + offset))" "$language" secret "$work/blank.qcow2" > "$work/walk" 2>&1
  sed "s/^/    /" "$work/walk"
  step "$language: the walkthrough by mouse" grep -qE '^[0-9]+ passed, 0 failed' "$work/walk"
  SHOTS=$work node "$root/web/e2e/topology.mjs" "http://127.0.0.1:$((9999 + offset))" "$language" secret > "$work/walk" 2>&1
  sed "s/^/    /" "$work/walk"
  step "$language: the topology" grep -qE '^[0-9]+ passed, 0 failed' "$work/walk"
done
step "nubo down" "$nubo" down --data-dir "$dir"
summary
