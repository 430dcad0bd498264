#!/usr/bin/env bash
# ./just kubectl ...: the cluster's own kubectl, pointed at the cluster. It finds the plugin that `up` has built.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for library in env step node; do
  # shellcheck source=/dev/null
  . "$HERE/lib/$library.sh"
done
[ -z "$OWN_CLUSTER" ] || node_pid >/dev/null || die "the local node does not run: ./just up"
PATH="$REPO/target/release:$PATH" exec "$BIN/kubectl" "$@"
