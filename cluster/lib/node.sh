# shellcheck shell=bash
# Starting and stopping the node (cluster/node/init.sh is its first process), and what it needs before pods can run.

# The node's first process as the host numbers it; fails if the node doesn't run.
node_pid() {
  local pid
  pid=$(cat "$NODE/init.pid" 2>/dev/null) && [ -n "$pid" ] && grep -qs "$REPO\|init.sh" "/proc/$pid/cmdline" && echo "$pid"
}

api_is_ready() { "$BIN/kubectl" get --raw /readyz; }
node_is_ready() { "$BIN/kubectl" wait --for=condition=Ready node/node0 --timeout=1s; }

start_node() {
  # shellcheck source-path=SCRIPTDIR source=../node/pki.sh
  . "$REPO/cluster/node/pki.sh"
  mkdir -p "$NODE"/{log,pid}
  rm -f "$NODE"/pid/*
  [ -d "$NODE/pki" ] || make_pki
  make_kubeconfigs
  [ -d "$GIT_REPOSITORY" ] || git init --quiet --bare --initial-branch=main "$GIT_REPOSITORY"
  # fd 8 is the lock of `up`: the node must not keep it.
  setsid unshare --pid --mount --fork --kill-child=SIGKILL --mount-proc --propagation private \
    "$REPO/cluster/node/init.sh" >"$NODE/log/init.log" 2>&1 </dev/null 8>&- &
  local unshare_pid=$!
  until_true 10 pgrep --parent "$unshare_pid"
  pgrep --parent "$unshare_pid" >"$NODE/init.pid"
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
  fi
  rm -f "$NODE/init.pid"
  remove_cgroups
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

# DNS permissions and storage, the two things that a managed cluster comes with.
install_addons() {
  local source
  source=$(tool_module_folder local-path-provisioner github.com/rancher/local-path-provisioner)
  "$BIN/kubectl" apply --server-side --filename "$REPO/cluster/addons"
  sed --expression "s#image: rancher/local-path-provisioner:.*#image: $REGISTRY/local-path-provisioner@$(image_digest local-path-provisioner)#" \
    --expression "s#image: busybox.*#image: $REGISTRY/local-path-provisioner@$(image_digest local-path-provisioner)#" \
    --expression "s#/opt/local-path-provisioner#$NODE/volumes#" "$source/deploy/local-path-storage.yaml" |
    "$BIN/kubectl" apply --server-side --filename -
  "$BIN/kubectl" annotate --overwrite storageclass local-path storageclass.kubernetes.io/is-default-class=true
}
