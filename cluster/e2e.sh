#!/usr/bin/env bash
# ./just test-e2e [NAME]: the end-to-end tests against the cluster that `up` started.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for library in env step node gitops; do
  # shellcheck source=/dev/null
  . "$HERE/lib/$library.sh"
done
[ -z "$OWN_CLUSTER" ] || node_pid >/dev/null || die "the local node does not run: ./just up"
export CHATAPP_URL=${CHATAPP_URL:-$(chat_url)}
# One story has a branch of its own there, others commit to main.
export CHATAPP_GIT_URL=$GIT_URL CHATAPP_GIT_PUSH_URL=$GIT_PUSH_URL
[ -z "$OWN_CLUSTER" ] || export CHATAPP_E2E_REGISTRY=http://${REGISTRY_PUSH%%/*}
exec cargo test --manifest-path "$REPO/Cargo.toml" --workspace --test platform --locked -- --nocapture "$@"
