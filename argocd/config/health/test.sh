#!/usr/bin/env bash
# Runs the health checks by Argo CD's own Lua engine over testdata/*.yaml; the first line of each file says what to expect:
#   # expect: HEALTH [part of the message]
# The last line counts.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
BIN=${CHATAPP_CACHE:-$HOME/.cache/chatapp}/bin
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
passed=0
failed=0

# The ConfigMap as kustomize would make it, without the rest of Argo CD.
mkdir "$SCRATCH/config"
cp -r "$HERE" "$SCRATCH/config/health"
sed --expression '/^resources:/,/^[a-z]*:/{/^resources:/d;/^  - /d}' --expression 's/behavior: merge/behavior: create/' \
  "$HERE/../kustomization.yaml" >"$SCRATCH/config/kustomization.yaml"
"$BIN/kustomize" build "$SCRATCH/config" >"$SCRATCH/argocd-cm.yaml"

for file in "$HERE"/testdata/*.yaml; do
  read -r _ _ health message < <(head -n 1 "$file")
  output=$("$BIN/argocd" admin settings resource-overrides health "$file" --argocd-cm-path "$SCRATCH/argocd-cm.yaml" 2>&1) || true
  if grep --quiet "^STATUS: $health$" <<<"$output" && grep --quiet --fixed-strings -- "$message" <<<"$output"; then
    passed=$((passed + 1))
  else
    printf 'FAIL %s: expected %s %s, got:\n%s\n' "$(basename "$file")" "$health" "$message" "$output"
    failed=$((failed + 1))
  fi
done

echo "health checks: $passed passed, $failed failed"
[ "$failed" = 0 ]
