#!/usr/bin/env bash
# ./just down [--purge]: stops the local node; its state stays for the next `up`. With --purge the state goes too
# (databases, volumes, registry, Git repository); the tools' cache stays.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for library in env step node; do
  # shellcheck source=/dev/null
  . "$HERE/lib/$library.sh"
done

case ${1:-} in
  "" | --purge) ;;
  *) die "usage: ./just down [--purge]" ;;
esac
[ -n "$OWN_CLUSTER" ] || die "KUBECONFIG is set: './just down' only stops the local node; delete what is in your cluster with: kubectl -n argocd delete application root"
[ "$(id -u)" = 0 ] || die "the local node belongs to root"
one_at_a_time

step down "stop the node: pods, then the control plane" "The processes of the node are children of process $(node_pid || echo -)" stop_node
if [ "${1:-}" = --purge ]; then
  step purge "remove its state (databases, volumes, registry, Git)" "Is a file of it still in use? Look at: lsof +D $NODE" \
    rm -rf "$NODE" "$IMAGES" "$BUILDAH" "$(dirname "$GIT_REPOSITORY")" "$NODE_KUBECONFIG" "$CACHE/tree"
fi
