#!/usr/bin/env bash
# ./just status: the node, Argo CD's applications, the ChatApps, and pods that don't run.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for library in env step node; do
  # shellcheck source=/dev/null
  . "$HERE/lib/$library.sh"
done

if [ -n "$OWN_CLUSTER" ]; then
  pid=$(node_pid) || die "the local node does not run: ./just up"
  echo "node: first process $pid, $(ps -o rss= --ppid "$pid" --pid "$pid" | awk '{s += $1} END {printf "%d", s / 1024}') MiB in its daemons, state in $NODE"
fi
kubectl --namespace argocd get applications.argoproj.io
echo
kubectl get chatapps --all-namespaces
echo
kubectl get pods --all-namespaces --field-selector=status.phase!=Running,status.phase!=Succeeded
