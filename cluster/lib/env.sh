# shellcheck shell=bash
# Where everything is and what it is called: the only place with paths, addresses and ports. Nothing here does anything.

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=$(realpath --canonicalize-missing --no-symlinks "${CHATAPP_CACHE:-$HOME/.cache/chatapp}")

BIN=$CACHE/bin               # links to the tools in use
TOOLS=$CACHE/tools           # one folder for each built tool and key
GO_BUILD=$CACHE/go-build     # Go's build cache until all tools are built
LOGS=$CACHE/log              # one file for each step of the last run
NODE=$CACHE/node             # the node's state: etcd, containerd, kubelet, volumes, registry, keys
IMAGES=$CACHE/images         # one file for each image: its key and digest
BUILDAH=$CACHE/buildah       # buildah's storage
GIT_REPOSITORY=$CACHE/git/chatapp.git

# Of the images that are built here.
VERSION=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$REPO/Cargo.toml" | head -n 1)

# On the host, loopback only.
CHAT_PORT=${CHATAPP_PORT:-$(cat "$NODE/chat-port" 2>/dev/null || echo 8090)}
HTTPS_PORT=${CHATAPP_HTTPS_PORT:-$(cat "$NODE/https-port" 2>/dev/null || echo 443)}
API_PORT=${CHATAPP_API_PORT:-16443}
REGISTRY_PORT=${CHATAPP_REGISTRY_PORT:-15000}

# Inside the node's own network namespace (192.0.2.0/24 is for documentation, RFC 5737: it can't be anybody's).
NODE_IP=192.0.2.10
NODE_GATEWAY=192.0.2.1
DNS_IP=169.254.20.10
POD_CIDR=10.244.0.0/16
NODE_POD_CIDR=10.244.0.0/24
SERVICE_CIDR=10.96.0.0/16
API_SERVICE_IP=10.96.0.1
CHAT_SERVICE=demo-frontend.chatapp-dev.svc.cluster.local
EDGE_SERVICE=traefik.traefik.svc.cluster.local

# Of dev on the local node. Whatever ends in .localhost is this machine (RFC 6761): browsers and curl ask nobody for it.
CHAT_HOST=dev.chat.localhost

# A KUBECONFIG that is not ours means: use that cluster, leave the host alone.
NODE_KUBECONFIG=$CACHE/kubeconfig
if [ -n "${KUBECONFIG:-}" ] && [ "$KUBECONFIG" != "$NODE_KUBECONFIG" ]; then
  OWN_CLUSTER=
  REGISTRY=${CHATAPP_REGISTRY:-}
  REGISTRY_PUSH=${CHATAPP_REGISTRY_PUSH:-$REGISTRY}
  GIT_URL=${CHATAPP_GIT_URL:-}
  GIT_PUSH_URL=${CHATAPP_GIT_PUSH_URL:-$GIT_URL}
else
  OWN_CLUSTER=yes
  KUBECONFIG=$NODE_KUBECONFIG
  # The node also finds ghcr.io/sillychat/... here, so that examples and Git name images as the world does.
  REGISTRY=registry.local:5000/sillychat
  REGISTRY_PUSH=127.0.0.1:$REGISTRY_PORT/sillychat
  GIT_URL=git://git.chatapp.internal/chatapp.git
  GIT_PUSH_URL=$GIT_REPOSITORY
fi
export KUBECONFIG PATH="$BIN:$PATH"
