#!/usr/bin/env bash
# Runs the openstack client's own functional tests, which are in Debian's
# package, against a simulated cloud of its own.
#
#   usage: openstackclient.sh [identity|image]...
#
# A test that cannot pass has its reason in docs/api-skips.csv, as component
# "openstackclient"; it counts as skipped.
. "$(dirname "$0")/../lib/common.sh"
export CGO_ENABLED=0
declare -A packages=([identity]=identity/v3 [image]=image/v2) least=([identity]=101 [image]=7)
[ $# -gt 0 ] || set -- identity image
for component in "$@"; do
  [ -n "${packages[$component]:-}" ] || { echo "usage: $0 [identity|image]..." >&2; exit 2; }
done
"$root/tools/install-packages" openstackclient || exit 1

build() { nubo=$work/nubo; (cd "$root" && go build -o "$nubo" ./cmd/nubo); }
# clouds: the two administrators the tests know, by the names that DevStack gives them
clouds() {
  local auth="auth_url: $OS_AUTH_URL, username: admin, password: $OS_PASSWORD, user_domain_id: default"
  cat > "$work/clouds.yaml" <<Y
clouds:
  devstack-admin: {region_name: $OS_REGION_NAME, identity_api_version: 3, auth: {$auth, project_name: admin, project_domain_id: default}}
  devstack-system-admin: {region_name: $OS_REGION_NAME, identity_api_version: 3, auth: {$auth, system_scope: all}}
Y
}
suite() { # suite COMPONENT: a process a module, as many at a time as there are processors
  local package=openstackclient/tests/functional/${packages[$1]} dir
  dir=$(python3 -c 'import openstackclient, os; print(os.path.dirname(openstackclient.__path__[0]))')
  (cd "$dir" && ls "$package"/test_*.py) | sed 's/\.py$//; s|/|.|g' |
    (unset "${!OS_@}"; cd "$work" && OS_CLIENT_CONFIG_FILE=$work/clouds.yaml xargs -P "$(nproc)" -n 1 python3 "$here/openstackclient-tests.py")
}

here=$root/test/conformance
step "nubo is built" build
step "a simulated cloud" cloud_up "$work/cloud" --virt simulated --hosts 1 --port-offset "$(free_offset)"
step "its clouds.yaml" clouds
[ $failed = 0 ] || exit 1
# known: tests that fail for a reason that is written down become skipped ones
known() {
  awk -F, 'NR == FNR {if ($1 == "openstackclient") {t = $2; sub(/^[^,]*,[^,]*,/, ""); why[t] = $0}; next}
    /^NOT OK / {id = substr($0, 8); t = id; sub(/.*\./, "", t); if (t in why) {print "skip " id " " why[t]; quiet = 1; next}}
    /^(ok|skip|NOT OK) / {quiet = 0} !quiet; {fflush()}' "$root/docs/api-skips.csv" -
}
lines=()
for component in "$@"; do
  suite "$component" 2>&1 | known | tee "$work/$component"
  p=$(grep -c '^ok ' "$work/$component") f=$(grep -c '^NOT OK' "$work/$component") s=$(grep -c '^skip ' "$work/$component")
  lines+=("openstackclient $component: $p passed, $f failed, $s skipped; expected at least ${least[$component]}")
  [ "$f" = 0 ] && [ "$p" -ge "${least[$component]}" ] || failed=1
done
printf '%s\n' "${lines[@]}"
[ $failed = 0 ]
