#!/usr/bin/env bash
# Runs gophercloud's own acceptance tests against a simulated cloud of its own.
#
#   usage: gophercloud.sh [identity|image|placement]... [-run REGEXP]
#
# The module is that of the Go module proxy, unchanged. Tests that want an
# ordinary user run a second time, as one. A test that is skipped counts as
# failed unless docs/api-skips.csv has its reason (component,test,reason).
. "$(dirname "$0")/../lib/common.sh"
GOPHERCLOUD=github.com/gophercloud/gophercloud/v2@v2.15.0
export CGO_ENABLED=0

declare -A packages=([identity]=identity/v3 [image]=image/v2 [placement]=placement/v1)
components=() only='.'
while [ $# -gt 0 ]; do
  case $1 in
    -run) only=$2; shift 2;;
    identity|image|placement) components+=("$1"); shift;;
    *) echo "usage: $0 [identity|image|placement]... [-run REGEXP]" >&2; exit 2;;
  esac
done
[ ${#components[@]} -gt 0 ] || components=(identity image placement)

module=$work/gophercloud
prepare() {
  nubo=$work/nubo
  (cd "$root" && go build -o "$nubo" ./cmd/nubo) || return 1
  local dir; dir=$(cd "$work" && go mod download -json $GOPHERCLOUD | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  [ -n "$dir" ] && cp -r "$dir" "$module" && chmod -R u+w "$module"
}
# member_up: a user with the role member alone, for tests that want no administrator
member_up() {
  local id project role
  ask() { curl -sS --noproxy '*' -H "X-Auth-Token: $token" -H 'Content-Type: application/json' "$@"; }
  field() { python3 -c "import json,sys; d=json.load(sys.stdin); print(d$1)"; }
  token=$(curl -sS --noproxy '*' -D - -o /dev/null -H 'Content-Type: application/json' "$OS_AUTH_URL/auth/tokens" -d '{"auth":{"identity":{"methods":["password"],
    "password":{"user":{"name":"admin","domain":{"id":"default"},"password":"'"$OS_PASSWORD"'"}}},"scope":{"project":{"name":"admin","domain":{"id":"default"}}}}}' |
    tr -d '\r' | sed -n 's/^X-Subject-Token: //Ip')
  project=$(ask "$OS_AUTH_URL/projects" -d '{"project":{"name":"demo"}}' | field '["project"]["id"]') || return 1
  id=$(ask "$OS_AUTH_URL/users" -d '{"user":{"name":"demo","password":"demo","default_project_id":"'"$project"'"}}' | field '["user"]["id"]') || return 1
  role=$(ask "$OS_AUTH_URL/roles?name=member" | field '["roles"][0]["id"]') || return 1
  ask -f -X PUT "$OS_AUTH_URL/projects/$project/users/$id/roles/$role"
}
# image_up: what the image tests take for granted: an image that is there, and
# a file they fetch from the internet, which here is a proxy that has any file
image_up() {
  python3 -c '
import http.server
class Any(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "65536"); self.end_headers(); self.wfile.write(bytes(65536))
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Any)
print(server.server_port, flush=True)
server.serve_forever()' > "$work/proxy" & at_exit "kill $!"
  wait_for 10 1 sh -c "wc -l < '$work/proxy'" || return 1
  local id
  id=$(ask "$OS_IMAGE_URL/v2/images" -d '{"name":"there","disk_format":"raw","container_format":"bare","visibility":"public"}' | field '["id"]') || return 1
  head -c 65536 /dev/zero | curl -sS -f --noproxy '*' -X PUT -H "X-Auth-Token: $token" -H 'Content-Type: application/octet-stream' --data-binary @- "$OS_IMAGE_URL/v2/images/$id/file"
}
# suite COMPONENT REGEXP OUT: its tests as the user of the environment
suite() { (cd "$module" && { [ ! -s "$work/proxy" ] || export http_proxy="http://127.0.0.1:$(cat "$work/proxy")"; } && OS_BRANCH=master go test -count=1 -p 1 -v -tags acceptance -run "$2" "./internal/acceptance/openstack/${packages[$1]}/...") >"$3" 2>&1; }
results() { awk -v want="^($1):\$" '/^--- / && $2 ~ want {print $3}' "${@:2}"; } # results PASS FILE...: the top-level tests

verdict() { # verdict COMPONENT: judges what the two passes wrote
  local component=$1 test reason
  for test in $(results PASS "$work/$1.admin" "$work/$1.member"); do passed=$((passed+1)); echo "ok $component $test"; done
  for test in $(results FAIL "$work/$1.admin" "$work/$1.member"); do
    failed=$((failed+1)); echo "NOT OK $component $test"
    cat "$work/$1.admin" "$work/$1.member" | awk -v t="$test" '$0 ~ "^=== (RUN|CONT) +" t "$" {on=1; next} /^=== (RUN|CONT)/ {on=0} on && /_test.go|[a-z]+.go:[0-9]+:/ {print "    " $0}' | cut -c1-600 | tail -n 8
  done
  for test in $(comm -23 <(results SKIP "$work/$1.admin" | sort) <(results 'PASS|FAIL' "$work/$1.member" | sort)); do
    reason=$(grep "^$component,$test," "$root/docs/api-skips.csv" 2>/dev/null | cut -d, -f3-)
    if [ -n "$reason" ]; then skipped=$((skipped+1)); echo "skip $component $test: $reason"
    else failed=$((failed+1)); echo "NOT OK $component $test: skipped without a reason in docs/api-skips.csv: $(grep -A3 "^=== RUN *$test$" "$work/$1.admin" | grep -oE '[a-z_]+\.go:[0-9]+: .*' | head -n 1)"; fi
  done
  grep -qE '^(ok|FAIL|---)' "$work/$1.admin" || { failed=$((failed+1)); echo "NOT OK $component: the tests do not run"; tail -n 20 "$work/$1.admin"; }
}

skipped=0
step "nubo and the tests are built" prepare
offset=$(free_offset) OS_IMAGE_URL=http://127.0.0.1:$((9292 + offset))
NUBO_IMAGE_ALLOWED_HOSTS=download.cirros-cloud.net step "a simulated cloud" cloud_up "$work/cloud" --virt simulated --hosts 3 --port-offset "$offset"
. "$work/cloud/openrc"
export OS_DOMAIN_NAME=Default # gophercloud knows one domain, the user's and the project's
step "an ordinary user" member_up
[ $failed = 0 ] || exit 1
for component in "${components[@]}"; do
  [ "$component" != image ] || step "an image, and a file to download" image_up
  suite "$component" "$only" "$work/$component.admin"
  again=$(awk '/^=== RUN/ {t=$3} /must be a non-admin/ {print t}' "$work/$component.admin" | paste -sd '|')
  : > "$work/$component.member"
  [ -z "$again" ] || (export OS_USERNAME=demo OS_PASSWORD=demo OS_PROJECT_NAME=demo; suite "$component" "^($again)\$" "$work/$component.member")
  verdict "$component"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
