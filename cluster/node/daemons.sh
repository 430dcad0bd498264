# shellcheck shell=bash
# The daemons of the node, in the order in which they need each other.

daemon() { # NAME COMMAND...
  local name=$1
  shift
  setsid "$@" >"$NODE/log/$name.log" 2>&1 &
  echo $! >"$NODE/pid/$name"
}

stop_daemon() { # NAME
  local pid
  pid=$(cat "$NODE/pid/$1") || return 0
  kill -TERM "$pid" 2>/dev/null || return 0
  until_gone 5 "$pid" || kill -KILL "$pid" 2>/dev/null || true
}

until_gone() { # SECONDS PID
  local deadline=$((SECONDS + $1))
  while kill -0 "$2" 2>/dev/null; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.1
  done
}

# They are the first ones of PID namespaces below ours.
first_processes_of_containers() {
  grep --no-messages --files-with-matches --perl-regexp '^NSpid:(\t\d+)+\t1$' /proc/[0-9]*/status | cut -d/ -f3 || true
}

# A node with a daemon missing is none: it ends, and the next `up` starts it again.
all_daemons_run() {
  local file
  for file in "$NODE"/pid/*; do
    kill -0 "$(cat "$file")" 2>/dev/null || {
      echo "${file##*/} has ended: its log is $NODE/log/${file##*/}.log"
      return 1
    }
  done
}

render() { # TEMPLATE TARGET: replaces @NAME@ by the variable's value
  local text name
  text=$(cat "$HERE/config/$1")
  for name in NODE NODE_IP NODE_POD_CIDR DNS_IP VERSION; do
    text=${text//@$name@/${!name}}
  done
  printf '%s\n' "$text" >"$2"
}

start_daemons() {
  local pki=$NODE/pki
  mkdir -p "$NODE"/{cni,certs.d/registry.local:5000,certs.d/ghcr.io,etcd,kubelet,containerd,registry}
  render registry.yaml "$NODE/registry.yaml"
  render containerd.toml "$NODE/containerd.toml"
  render registry-hosts.toml "$NODE/certs.d/registry.local:5000/hosts.toml"
  render registry-hosts.toml "$NODE/certs.d/ghcr.io/hosts.toml"
  render cni.conflist "$NODE/cni/10-pods.conflist"
  render kubelet.yaml "$NODE/kubelet.yaml"
  render Corefile "$NODE/Corefile"

  daemon registry "$BIN/registry" serve "$NODE/registry.yaml"
  daemon git git daemon --reuseaddr --listen="$NODE_IP" --base-path="$(dirname "$GIT_REPOSITORY")" --export-all --user-path=false
  # Without fsync: the state outlives a killed process, not a machine that loses power; it can be made again.
  daemon etcd "$BIN/etcd" --data-dir "$NODE/etcd" --unsafe-no-fsync \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380
  daemon containerd "$BIN/containerd" --config "$NODE/containerd.toml"
  daemon kube-apiserver "$BIN/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 \
    --secure-port=6443 --advertise-address="$NODE_IP" --service-cluster-ip-range="$SERVICE_CIDR" \
    --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" --client-ca-file="$pki/ca.crt" \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$pki/sa.pub" --service-account-signing-key-file="$pki/sa.key" \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged \
    --kubelet-client-certificate="$pki/kubelet-client.crt" --kubelet-client-key="$pki/kubelet-client.key" --kubelet-preferred-address-types=InternalIP \
    --requestheader-client-ca-file="$pki/ca.crt" --requestheader-allowed-names=front-proxy-client \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --proxy-client-cert-file="$pki/front-proxy.crt" --proxy-client-key-file="$pki/front-proxy.key"
  # The controller-manager and the scheduler exit on the 403 that a half-started API server answers.
  until "$BIN/kubectl" get --raw /readyz >/dev/null 2>&1; do
    kill -0 "$(cat "$NODE/pid/kube-apiserver")" 2>/dev/null || exit 1
    sleep 0.2
  done
  daemon kube-controller-manager "$BIN/kube-controller-manager" --leader-elect=false --use-service-account-credentials \
    --kubeconfig="$NODE/controller-manager.conf" --authentication-kubeconfig="$NODE/controller-manager.conf" --authorization-kubeconfig="$NODE/controller-manager.conf" \
    --service-account-private-key-file="$pki/sa.key" --root-ca-file="$pki/ca.crt" --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
    --allocate-node-cidrs --cluster-cidr="$POD_CIDR"
  daemon kube-scheduler "$BIN/kube-scheduler" --leader-elect=false --kubeconfig="$NODE/scheduler.conf" \
    --authentication-kubeconfig="$NODE/scheduler.conf" --authorization-kubeconfig="$NODE/scheduler.conf"
  daemon kubelet "$BIN/kubelet" --config="$NODE/kubelet.yaml" --kubeconfig="$NODE/kubelet.conf" --hostname-override=node0 --node-ip="$NODE_IP" --root-dir="$NODE/kubelet"
  daemon kube-proxy "$BIN/kube-proxy" --kubeconfig="$NODE/proxy.conf" --hostname-override=node0 --cluster-cidr="$POD_CIDR" --proxy-mode=iptables --conntrack-max-per-core=0
  # Without its rights it would start with nothing to tell.
  "$BIN/kubectl" apply --server-side --filename "$HERE/config/coredns-rbac.yaml"
  daemon coredns "$BIN/coredns" -conf "$NODE/Corefile"
}
