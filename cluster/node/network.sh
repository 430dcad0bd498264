# shellcheck shell=bash
# The node's network: an address of its own that nothing outside can reach, DNS, and a few doors on the host's loopback.
# A door is two processes joined by a Unix socket, which doesn't care about network namespaces.

make_network() {
  ip link set lo up
  ip addr add "$DNS_IP/32" dev lo
  ip link add node0 type bridge # a bridge serves as the interface: this kernel may have no dummy device
  ip addr add "$NODE_IP/24" dev node0
  ip link set node0 up
  ip route replace default via "$NODE_GATEWAY" dev node0 # kube-proxy and the kubelet want a default route
  sysctl -qw net.ipv4.ip_forward=1
  sysctl -qw net.bridge.bridge-nf-call-iptables=1 2>/dev/null || true # where the kernel has the module
  echo "nameserver $DNS_IP" >"$NODE/resolv.conf"
  # The node's own processes may use Service names too.
  mount --bind "$NODE/resolv.conf" "$(readlink -f /etc/resolv.conf)"
  open_door chat "TCP:$CHAT_SERVICE:80"
  open_door https "TCP:$EDGE_SERVICE:443"
  open_door api "TCP:$NODE_IP:6443"
  open_door registry "TCP:$NODE_IP:5000"
}

open_host_doors() {
  mkdir -p "$NODE/doors"
  rm -f "$NODE"/doors/*
  open_host_door chat "$CHAT_PORT"
  open_host_door https "$HTTPS_PORT"
  open_host_door api "$API_PORT"
  open_host_door registry "$REGISTRY_PORT"
}

open_host_door() { # NAME PORT
  socat "TCP-LISTEN:$2,bind=127.0.0.1,reuseaddr,fork" "UNIX-CONNECT:$NODE/doors/$1" >>"$NODE/log/door-$1.log" 2>&1 &
}

open_door() { # NAME ADDRESS
  socat "UNIX-LISTEN:$NODE/doors/$1,fork,mode=600" "$2" >>"$NODE/log/door-$1.log" 2>&1 &
}
