#!/usr/bin/env bash
# ./just up: from a clean clone to a chat in the browser. Every step is skipped when its result is there already, so that a
# second run takes seconds and an interrupted one is continued.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for library in env step preflight packages tools images app node gitops certificate; do
  # shellcheck source=/dev/null
  . "$HERE/lib/$library.sh"
done

need_toolchains
if [ -n "$OWN_CLUSTER" ]; then
  need_root_on_debian
  need_plain_cache
  need_disk
  one_at_a_time
  node_pid >/dev/null || need_free_ports
else
  need_for_other_cluster
  one_at_a_time
fi

if [ -n "$OWN_CLUSTER" ]; then
  section "Tools (first time about 21 min, then cached in $CACHE)"
  packages "${CLUSTER_PACKAGES[@]}"
  tools "${CORE_TOOLS[@]}" "${NODE_TOOLS[@]}"
  section "Application"
  build_app
  section "Node"
  if until_true 5 node_is_current; then
    skip "start the node" "it runs"
  else
    stop_node
    step node "start the node (about 10 s)" "Each daemon's log is in $NODE/log; './just down' and then './just up' starts it afresh" start_node
  fi
  images "${PLATFORM_IMAGES[@]}" "${APP_IMAGES[@]}"
  step storage "storage class" "kubectl's message is above" install_storage
  step metrics "metrics-server" "kubectl's message is above" install_metrics
else
  section "Tools"
  tools "${CORE_TOOLS[@]}"
  section "Application"
  build_app
  images "${APP_IMAGES[@]}"
fi

section "GitOps"
step commit "commit the working tree with the images' digests for the cluster" "git's message is above" push_tree
if argocd_is_installed && [ -z "$OWN_CLUSTER" ]; then
  skip "Argo CD" "the cluster has one"
else
  step argocd "Argo CD (first time about 25 s)" "./just kubectl -n argocd get pods,events" install_argocd
fi
[ -z "$OWN_CLUSTER" ] || step certificate "certificate of $CHAT_HOST" "openssl's or kubectl's message is above" give_certificate
step root "apply argocd/root.yaml" "kubectl's message is above" apply_root
step sync "sync: operators, database, chat (first time about 2 min)" "./just status" wait_for_applications
if [ -n "$OWN_CLUSTER" ]; then
  step answer "the chat answers" "./just kubectl -n chatapp-dev describe chatapp demo" chat_answers_everywhere
fi

section "
Ready: $(chat_url)"
[ -z "$OWN_CLUSTER" ] || section "       $(page_url) (browsers ask about its certificate, unless you let them trust $AUTHORITY)"
section "\
  ./just status                       what runs
  ./just kubectl get chatapps -A      the cluster's kubectl
  ./just down                         stop it"
