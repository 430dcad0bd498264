#!/usr/bin/env bash
# ./just test-e2e: the end-to-end tests against the cluster that `up` started.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for library in env step node gitops; do
  # shellcheck source=/dev/null
  . "$HERE/lib/$library.sh"
done
[ -z "$OWN_CLUSTER" ] || node_pid >/dev/null || die "the local node does not run: ./just up"
export CHATAPP_URL=${CHATAPP_URL:-$(chat_url)}
export CHATAPP_GIT_PUSH_URL=$GIT_PUSH_URL
[ -z "$OWN_CLUSTER" ] || export CHATAPP_E2E_REGISTRY=http://${REGISTRY_PUSH%%/*}
# One after the other: they share the cluster, and some of them kill parts of it.
exec cargo test --manifest-path "$REPO/Cargo.toml" --workspace --test platform --locked -- --test-threads=1 --nocapture
