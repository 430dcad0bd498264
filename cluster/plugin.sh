#!/usr/bin/env bash
# ./just plugin [FOLDER]: `kubectl chatapp` and chatapp-operator into a folder on PATH, built as `up` builds them.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for library in env app; do
  # shellcheck source=/dev/null
  . "$HERE/lib/$library.sh"
done
build_binaries --bin kubectl-chatapp --bin chatapp-operator
install -D --target-directory "$1" "$REPO"/target/release/{kubectl-chatapp,chatapp-operator}
