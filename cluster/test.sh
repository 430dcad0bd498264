#!/usr/bin/env bash
# Bad weather for ./just up: each case must end with one clear line and a non-zero exit before anything is changed.
# Needs root (it makes a small disk in a mount namespace of its own). The last line counts.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SCRATCH=$(mktemp -d)
chmod 755 "$SCRATCH"
LISTENER=
trap 'kill $LISTENER 2>/dev/null || true; rm -rf "$SCRATCH"' EXIT
passed=0
failed=0
unset KUBECONFIG

# refuses NAME EXPECTED-TEXT COMMAND...
refuses() {
  local name=$1 expected=$2 output status=0
  shift 2
  output=$("$@" 2>&1 </dev/null) || status=$?
  if [ "$status" = 0 ]; then
    echo "FAIL $name: succeeded"
  elif ! grep --quiet --extended-regexp "^error: .*$expected" <<<"$output"; then
    printf 'FAIL %s: expected a line with /%s/, got:\n%s\n' "$name" "$expected" "$output"
  elif [ "$(grep --count . <<<"$output")" != 1 ]; then
    printf 'FAIL %s: more than one line:\n%s\n' "$name" "$output"
  elif [ -e "$SCRATCH/cache/node" ] || [ -e "$SCRATCH/cache/tools" ]; then
    echo "FAIL $name: something was changed"
  else
    passed=$((passed + 1))
    return
  fi
  failed=$((failed + 1))
}

export CHATAPP_CACHE=$SCRATCH/cache

# A PATH with the usual commands, less one.
path_without() {
  local folder=$SCRATCH/path-$1 directory
  mkdir -p "$folder"
  while read -r -d : directory; do
    [ ! -d "$directory" ] || find "$directory" -maxdepth 1 ! -type d ! -name "$1" -exec ln -sf -t "$folder" {} +
  done <<<"$PATH:"
  echo "$folder"
}

for program in go cargo node npm; do
  refuses "no $program" "'$program' is not on PATH" env PATH="$(path_without "$program")" "$HERE/up.sh"
done

# An old Go.
mkdir "$SCRATCH/old-go"
printf '#!/bin/sh\necho go1.21.0\n' >"$SCRATCH/old-go/go"
chmod +x "$SCRATCH/old-go/go"
refuses "old Go" "Go is 1.21.0, needed is" env PATH="$SCRATCH/old-go:$PATH" "$HERE/up.sh"

# Not root: in a user namespace, which needs no permission to look into /root.
refuses "not root" "needs root" unshare --user "$HERE/up.sh"

# shellcheck disable=SC2016  # expanded by the inner shell
refuses "small disk" "needed are 15 GB" unshare --mount --propagation private \
  sh -c 'mkdir -p "$CHATAPP_CACHE" && mount -t tmpfs -o size=1g tmpfs "$CHATAPP_CACHE" && exec "$0"' "$HERE/up.sh"

socat -d -d TCP-LISTEN:0,bind=127.0.0.1,fork SYSTEM:cat 2>"$SCRATCH/socat" &
LISTENER=$!
for _ in $(seq 50); do
  port=$(sed -n 's/.*listening on AF=2 127.0.0.1:\([0-9]*\)$/\1/p' "$SCRATCH/socat")
  [ -z "$port" ] || break
  sleep 0.1
done
refuses "port taken" "port $port of 127.0.0.1 is taken.*CHATAPP_PORT=PORT" env CHATAPP_PORT="$port" "$HERE/up.sh"

mkdir -p "$CHATAPP_CACHE"
# shellcheck disable=SC2016  # expanded by the inner shell
refuses "second up" "another './just up' or './just down' is at work" \
  bash -c 'echo $$ >"$CHATAPP_CACHE/lock.pid"; exec flock "$CHATAPP_CACHE/lock" "$0"' "$HERE/up.sh"
refuses "odd CHATAPP_CACHE" "CHATAPP_CACHE=.*: needed is a path" env CHATAPP_CACHE="$SCRATCH/a b" "$HERE/up.sh"

refuses "unreadable KUBECONFIG" "can't be read" env KUBECONFIG="$SCRATCH/none" "$HERE/up.sh"
touch "$SCRATCH/kubeconfig"
refuses "own cluster without a registry" "CHATAPP_REGISTRY must name" env KUBECONFIG="$SCRATCH/kubeconfig" "$HERE/up.sh"
refuses "down with own cluster" "only stops the local node" env KUBECONFIG="$SCRATCH/kubeconfig" "$HERE/down.sh"
refuses "down with a wrong flag" "usage: ./just down" "$HERE/down.sh" --all
refuses "kubectl without a node" "./just up" "$HERE/kubectl.sh" get nodes
refuses "url without a node" "./just up" "$HERE/url.sh"

echo "cluster: $passed passed, $failed failed"
[ "$failed" = 0 ]
