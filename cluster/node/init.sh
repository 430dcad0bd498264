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
# Nothing of the node is outside of it.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
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
  # As the kubelet would do it: one SIGTERM to the first process of each container, and time to finish. A second one makes some hurry
  # who should not: CloudNativePG's would end PostgreSQL in the middle of its checkpoint.
  local deadline=$((SECONDS + 20)) pids
  pids=$(first_processes_of_containers)
  # shellcheck disable=SC2086  # one word for each pid
  [ -z "$pids" ] || kill -TERM $pids 2>/dev/null || true
  until [ -z "$(first_processes_of_containers)" ] || [ "$SECONDS" -ge "$deadline" ]; do
    sleep 0.2
  done
  pids=$(first_processes_of_containers)
  # shellcheck disable=SC2086  # one word for each pid
  [ -z "$pids" ] || ps -o args= -p $pids | sed 's/^/did not stop in time: /'
  stop_daemon kube-apiserver
  stop_daemon etcd
  exit 0
}

# What daemons write outside the state goes with the node.
mount_own_folders() {
  mount -t tmpfs tmpfs /run # the pods' network namespaces are pinned here
  mkdir -p "$NODE/var-log" /var/lib/cni /var/lib/kubelet
  mount --bind "$NODE/var-log" /var/log
  mount -t tmpfs tmpfs /var/lib/cni
  mount -t tmpfs tmpfs /var/lib/kubelet
}

# The kubelet sets these for the whole kernel, unless they are so already: it sees files of ours, the host keeps its settings.
# https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/kubelet/cm/container_manager_linux.go (setupKernelTunables)
keep_kernel_settings() {
  local setting
  for setting in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1; do
    mkdir -p "/run/kernel-settings/${setting%/*}"
    echo "${setting#*=}" >"/run/kernel-settings/${setting%=*}"
    mount --bind "/run/kernel-settings/${setting%=*}" "/proc/sys/${setting%=*}"
  done
}

case ${1:-host} in
  host)
    mount_own_folders
    keep_kernel_settings
    open_host_doors
    exec unshare --net "$HERE/init.sh" node
    ;;
  node)
    trap stop_in_order TERM INT
    make_network
    start_daemons
    # Bash reaps the orphans that containers leave to PID 1; `wait` returns at once when a trapped signal arrives.
    while all_daemons_run; do
      sleep 2 &
      wait $! || true
    done
    stop_in_order
    ;;
esac
