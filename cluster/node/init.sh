#!/usr/bin/env bash
# The first process of the node: PID 1 of a PID namespace, with mount and network namespaces of its own. Whoever kills it
# takes every daemon, container and mount with it. On SIGTERM it stops the node in order: kubelet, containers, etcd.
#   unshare --pid --mount --fork --kill-child --mount-proc --propagation private cluster/node/init.sh
# Stage "host" still has the host's network and opens the doors on the host's loopback; stage "node" has its own.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../lib/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/env.sh"
HERE=$REPO/cluster/node
KUBECONFIG=$NODE/admin.conf
# shellcheck source=network.sh
. "$HERE/network.sh"
# shellcheck source=daemons.sh
. "$HERE/daemons.sh"

stop_in_order() {
  trap '' TERM INT
  local daemon
  for daemon in kubelet kube-scheduler kube-controller-manager kube-proxy; do
    stop_daemon "$daemon"
  done
  # What is left but the control plane: the containers' own processes get their SIGTERM and time to close files.
  local deadline=$((SECONDS + 10)) pids
  while pids=$(container_processes) && [ -n "$pids" ] && [ "$SECONDS" -lt "$deadline" ]; do
    # shellcheck disable=SC2086  # one word for each pid
    kill -TERM $pids 2>/dev/null || true
    sleep 0.5
  done
  stop_daemon kube-apiserver
  stop_daemon etcd
  exit 0
}

case ${1:-host} in
  host)
    mount -t tmpfs tmpfs /run # the pods' network namespaces are pinned under /run: gone with us
    open_host_doors
    exec unshare --net "$HERE/init.sh" node
    ;;
  node)
    trap stop_in_order TERM INT
    make_network
    start_daemons
    # Bash reaps the orphans that containers leave to PID 1; `wait` returns at once when a trapped signal arrives.
    while :; do
      sleep infinity &
      wait $! || true
    done
    ;;
esac
