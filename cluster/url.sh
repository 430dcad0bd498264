#!/usr/bin/env bash
# ./just url: where the chat is.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for library in env step node gitops; do
  # shellcheck source=/dev/null
  . "$HERE/lib/$library.sh"
done

if [ -n "$OWN_CLUSTER" ]; then
  node_pid >/dev/null || die "the local node does not run: ./just up"
else
  echo "inside the cluster; from here: kubectl -n chatapp-dev port-forward service/demo-frontend 8090:80" >&2
fi
chat_url
