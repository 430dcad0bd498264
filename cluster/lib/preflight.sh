# shellcheck shell=bash
# What must be true before anything is changed: each check is one clear line that says what to do.

need_command() { # COMMAND WHAT-TO-DO
  command -v "$1" >/dev/null || die "'$1' is not on PATH: $2"
}

# at_least WANTED ACTUAL: dotted versions.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort --version-sort | head -n 1)" = "$1" ]; }

need_toolchains() {
  need_command git "apt-get install git"
  need_command go "install Go 1.26.3 or newer"
  need_command cargo "install Rust 1.95 or newer (rustup)"
  need_command node "install Node.js 20.19 or newer"
  need_command npm "install npm 11"
  local go_version node_version
  go_version=$(GOTOOLCHAIN=local go env GOVERSION)
  at_least 1.26.3 "${go_version#go}" || die "Go is ${go_version#go}, needed is 1.26.3 or newer"
  node_version=$(node --version)
  at_least 20.19 "${node_version#v}" || die "Node.js is ${node_version#v}, needed is 20.19 or newer"
}

# Sockets (108 bytes at most) and lines of configuration files have it in them.
need_plain_cache() {
  [[ $CACHE =~ ^[A-Za-z0-9/._-]{1,65}$ ]] || die "CHATAPP_CACHE=$CACHE: needed is a path of at most 65 letters, digits, '/', '.', '_' and '-'"
  case $CACHE/ in
    /run/* | /var/log/* | /var/lib/cni/* | /var/lib/kubelet/*) die "CHATAPP_CACHE=$CACHE: the node has a folder of its own there; choose another" ;;
  esac
}

need_root_on_debian() {
  [ "$(id -u)" = 0 ] || die "the local cluster needs root (namespaces, cgroups, mounts): run as root, or set KUBECONFIG to a cluster of yours"
  if ! command -v apt-get >/dev/null || [ ! -e /etc/debian_version ]; then
    die "the local cluster is made for Debian (apt-get is missing): use Debian 12, or set KUBECONFIG to a cluster of yours"
  fi
}

# A first run needs 15 GB (tools, build caches, images, volumes); later ones only what changes.
need_disk() {
  local wanted=15 free
  [ ! -x "$BIN/kubelet" ] || wanted=8
  [ ! -e "$NODE/pki/ca.crt" ] || wanted=3
  local existing=$CACHE
  until [ -d "$existing" ]; do existing=$(dirname "$existing"); done
  free=$(($(df --output=avail -k "$existing" | tail -n 1) / 1024 / 1024))
  [ "$free" -ge "$wanted" ] || die "$CACHE has $free GB free, needed are $wanted GB: make room, or set CHATAPP_CACHE to a folder on a larger disk"
}

need_free_ports() {
  local name port
  for name in CHATAPP_PORT:$CHAT_PORT CHATAPP_HTTPS_PORT:$HTTPS_PORT CHATAPP_API_PORT:$API_PORT CHATAPP_REGISTRY_PORT:$REGISTRY_PORT; do
    port=${name#*:}
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      die "port $port of 127.0.0.1 is taken: stop what listens there, or choose another with ${name%%:*}=PORT"
    fi
  done
}

need_for_other_cluster() {
  [ "$(id -u)" = 0 ] || die "building images needs root (debootstrap, mount namespaces), also for a cluster of yours"
  [ -r "$KUBECONFIG" ] || die "KUBECONFIG=$KUBECONFIG can't be read"
  [ -n "$REGISTRY" ] || die "with KUBECONFIG set, CHATAPP_REGISTRY must name a registry that your cluster pulls from and buildah can push to (for example registry.example.org/chatapp)"
  [ -n "$GIT_URL" ] || die "with KUBECONFIG set, CHATAPP_GIT_URL must name a Git repository that Argo CD can read (and CHATAPP_GIT_PUSH_URL one for git push, if it differs)"
  local command
  for command in buildah debootstrap jq curl; do
    need_command "$command" "nothing is installed on the host when KUBECONFIG is set: install $command yourself"
  done
}
