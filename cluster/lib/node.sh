# shellcheck shell=bash
# Starting and stopping the node (cluster/node/init.sh is its first process), and what it needs before pods can run.

# The node's first process as the host numbers it; fails if the node doesn't run.
node_pid() {
  local pid
  pid=$(cat "$NODE/unshare.pid" 2>/dev/null) && grep --quiet --no-messages --null-data '/cluster/node/init\.sh$' "/proc/$pid/cmdline" && pgrep --parent "$pid"
}

# What the running node was started with: a change needs a restart.
node_key() {
  {
    echo "$CHAT_PORT $HTTPS_PORT $API_PORT $REGISTRY_PORT $VERSION"
    readlink "$BIN"/{kube*,etcd,containerd*,coredns,registry}
    find "$REPO/cluster/node" -type f | LC_ALL=C sort | xargs -d '\n' sha256sum | cut -d' ' -f1
  } | sha256sum | cut -c1-16
}

node_is_current() { node_pid && [ "$(cat "$NODE/key")" = "$(node_key)" ] && node_is_ready; }

api_is_ready() { "$BIN/kubectl" get --raw /readyz; }
# The kubelet itself is asked: the condition may be etcd's memory of the last run.
node_is_ready() {
  "$BIN/kubectl" get --raw /api/v1/nodes/node0/proxy/healthz --request-timeout=2s &&
    "$BIN/kubectl" wait --for=condition=Ready node/node0 --timeout=1s
}

start_node() {
  # shellcheck source-path=SCRIPTDIR source=../node/pki.sh
  . "$REPO/cluster/node/pki.sh"
  mkdir -p "$NODE"/{log,pid}
  rm -f "$NODE"/pid/*
  [ -d "$NODE/pki" ] || make_pki
  make_kubeconfigs
  make_git_repository
  node_key >"$NODE/key"
  echo "$CHAT_PORT" >"$NODE/chat-port"
  echo "$HTTPS_PORT" >"$NODE/https-port"
  # It writes its pid itself: whoever starts it may be killed right after. fd 8 is the lock of `up`: the node must not keep it.
  # shellcheck disable=SC2016  # expanded by the inner shell
  setsid bash -c 'echo $$ >"$1"; shift; exec "$@"' - "$NODE/unshare.pid" \
    unshare --pid --mount --fork --kill-child=SIGKILL --mount-proc --propagation private \
    "$REPO/cluster/node/init.sh" >"$NODE/log/init.log" 2>&1 </dev/null 8>&- &
  until_true 10 node_pid
  until_true 90 api_is_ready || node_start_failed
  until_true 90 node_is_ready || node_start_failed
}

node_start_failed() {
  echo "the node is not ready; the last lines of its daemons' logs ($NODE/log):"
  tail --quiet --lines=3 "$NODE"/log/*.log
  return 1
}

stop_node() {
  local pid
  if pid=$(node_pid); then
    kill -TERM "$pid"
    until_true 40 process_is_gone "$pid" || kill -KILL "$pid"
    until_true 10 process_is_gone "$pid"
    until_true 10 process_is_gone "$(cat "$NODE/unshare.pid")" # its parent
  fi
  rm -f "$NODE/unshare.pid"
  remove_cgroups
  # The node mounted something of its own over them.
  rmdir --ignore-fail-on-non-empty /var/lib/cni /var/lib/kubelet 2>/dev/null || true
}

process_is_gone() { [ ! -e "/proc/$1" ]; }

# The kubelet's cgroups stay behind, empty, once their processes are gone.
remove_cgroups() {
  local root
  for root in /sys/fs/cgroup/*/kubepods /sys/fs/cgroup/kubepods; do
    [ ! -d "$root" ] || until_true 10 remove_cgroup_tree "$root" || echo "left behind: $root" >&2
  done
}

remove_cgroup_tree() {
  find "$1" -depth -type d -exec rmdir {} +
}

# Storage, as a managed cluster comes with it.
install_storage() {
  local source
  source=$(tool_module_folder local-path-provisioner github.com/rancher/local-path-provisioner)
  sed --expression "s#image: rancher/local-path-provisioner:.*#image: $REGISTRY/local-path-provisioner@$(image_digest local-path-provisioner)#" \
    --expression "s#image: busybox.*#image: $REGISTRY/local-path-provisioner@$(image_digest local-path-provisioner)#" \
    --expression "s#/opt/local-path-provisioner#$NODE/volumes#" "$source/deploy/local-path-storage.yaml" |
    "$BIN/kubectl" apply --server-side --filename -
  "$BIN/kubectl" annotate --overwrite storageclass local-path storageclass.kubernetes.io/is-default-class=true
}

# What autoscaling asks, as a managed cluster comes with it. The kubelet's certificate is signed by the cluster's own authority.
install_metrics() {
  local source
  source=$(tool_module_folder metrics-server sigs.k8s.io/metrics-server)
  "$BIN/kustomize" build "$source/manifests/base" |
    sed --expression "s#image: .*/metrics-server:.*#image: $REGISTRY/metrics-server@$(image_digest metrics-server)#" \
      --expression 's#^\( *\)- --metric-resolution=.*#&\n\1- --kubelet-certificate-authority=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt#' \
      --expression 's#cpu: 100m#cpu: 10m#; s#memory: 200Mi#memory: 32Mi#' |
    "$BIN/kubectl" apply --server-side --filename -
}
