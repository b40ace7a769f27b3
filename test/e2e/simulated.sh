#!/usr/bin/env bash
# The user's walkthrough on a simulated cloud: on SQLite with the embedded
# broker, and on PostgreSQL with a RabbitMQ of Debian's.
. "$(dirname "$0")/../lib/common.sh"

default_quotas() { # of compute and of volume, by the openstack command, and back
  openstack quota set --class --cores 33 --volumes 11 default || return
  same "$(openstack quota show -f value -c cores -c volumes | xargs)" "33 11" || return
  same "$(openstack quota show --default -f value -c cores -c volumes | xargs)" "33 11" || return
  openstack quota set --class --cores 20 --volumes 10 default
}
walk() { # walk NAME ARGS...: a fresh cloud, the whole walkthrough, nothing left
  local name=$1 dir=$work/$1; shift
  step "$name: the cloud gets ready" cloud_up "$dir" --virt simulated --port-offset "$(free_offset)" "$@"
  . "$dir/openrc" 2>/dev/null || return
  case $name in # it really is what it is called
    postgres) step "$name: the state is there" eval '! ls "$dir"/db/*.db 2>/dev/null';;
    rabbitmq) step "$name: the queues are there" eval '(. "$work/rabbit/env"; /usr/lib/rabbitmq/bin/rabbitmqctl -q list_queues name) | grep -q "^conductor"';;
  esac
  step "$name: nubo status says that all is up" "$nubo" status --data-dir "$dir"
  WALK_SUFFIX=$RANDOM "$root/test/acceptance/walkthrough.sh" --no-guest > "$work/walk" 2>&1
  sed "s/^/    /" "$work/walk"
  step "$name: the walkthrough" grep -qE '^[0-9]+ passed, 0 failed' "$work/walk"
  step "$name: quota set --class changes what all projects may have" default_quotas
  step "$name: nubo down" "$nubo" down --data-dir "$dir"
  step "$name: no process is left" eval "! pgrep -f -- '--data-dir $dir'"
}

[ $# -gt 0 ] || set -- sqlite postgres rabbitmq
for one; do
  case $one in
    sqlite) walk sqlite;;
    postgres) step "PostgreSQL starts" postgres_up; NUBO_DATABASE_URL=$postgres_url walk postgres;;
    rabbitmq) step "RabbitMQ starts" rabbit_up; NUBO_MESSAGING_URL=$rabbit_url walk rabbitmq;;
  esac
done
summary
