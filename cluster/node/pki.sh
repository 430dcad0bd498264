# shellcheck shell=bash
# Keys, certificates and kubeconfigs of the node. Made once; they live as long as the node's state.

make_pki() {
  local pki=$NODE/pki
  rm -rf "$pki.part"
  mkdir -p "$pki.part" && cd "$pki.part"
  openssl genrsa -out sa.key 2048
  openssl rsa -in sa.key -pubout -out sa.pub
  openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 3650 -subj /CN=kubernetes
  certificate apiserver /CN=kube-apiserver \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:$API_SERVICE_IP,IP:$NODE_IP"
  certificate admin /O=system:masters/CN=admin DNS:admin
  certificate kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client DNS:kubelet-client
  certificate controller-manager /CN=system:kube-controller-manager DNS:controller-manager
  certificate scheduler /CN=system:kube-scheduler DNS:scheduler
  certificate proxy /CN=system:kube-proxy DNS:proxy
  certificate dns /CN=coredns DNS:coredns
  certificate kubelet /O=system:nodes/CN=system:node:node0 "DNS:node0,IP:$NODE_IP"
  certificate front-proxy /CN=front-proxy-client DNS:front-proxy
  rm -f ./*.csr
  chmod 600 ./*.key
  cd / && mv "$pki.part" "$pki"
}

certificate() { # NAME SUBJECT ALTERNATIVE-NAMES
  openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -out "$1.crt" \
    -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$3")
}

make_kubeconfigs() {
  local name
  for name in admin controller-manager scheduler proxy kubelet dns; do
    kubeconfig "$NODE/$name.conf" "$name" "https://$NODE_IP:6443"
  done
  kubeconfig "$NODE_KUBECONFIG" admin "https://127.0.0.1:$API_PORT" # for the host
}

kubeconfig() { # FILE IDENTITY SERVER
  local pki=$NODE/pki
  local kubectl=("$BIN/kubectl" config --kubeconfig="$1.part")
  rm -f "$1.part"
  "${kubectl[@]}" set-cluster chatapp --server="$3" --certificate-authority="$pki/ca.crt" --embed-certs
  "${kubectl[@]}" set-credentials "$2" --client-certificate="$pki/$2.crt" --client-key="$pki/$2.key" --embed-certs
  "${kubectl[@]}" set-context chatapp --cluster=chatapp --user="$2"
  "${kubectl[@]}" use-context chatapp
  mv "$1.part" "$1"
}
