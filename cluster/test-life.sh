#!/usr/bin/env bash
# The life of the node that `up` has started: a second `up` changes nothing, `down` leaves nothing behind, and an `up` that was killed
# is continued by the next, which finds every message of before. The last line counts.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for library in env step node gitops; do
  # shellcheck source=/dev/null
  . "$HERE/lib/$library.sh"
done
if [ -z "$OWN_CLUSTER" ]; then
  echo "the node's life: not tested, KUBECONFIG is set and its cluster is not ours to stop"
  exit 0
fi
node_pid >/dev/null || die "the local node does not run: ./just up"
passed=0
failed=0

check() { # NAME COMMAND...: passes if COMMAND succeeds
  local name=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
  else
    echo "FAIL $name"
    failed=$((failed + 1))
  fi
}

# Lines "net:[4026531840]": the namespaces of all processes in another PID namespace than ours.
foreign_namespaces() {
  local own process
  own=$(readlink /proc/self/ns/pid)
  for process in /proc/[0-9]*; do
    [ "$(readlink "$process/ns/pid" 2>/dev/null || echo "$own")" = "$own" ] || readlink "$process"/ns/{net,pid,mnt} 2>/dev/null || true
  done | sort -u
}
is_empty() { [ -z "$1" ] || { printf '%s\n' "$1" | head -n 5 && false; }; }
say() { # CHAT TEXT
  curl --fail --silent --show-error --max-time 10 --output /dev/null --header 'Content-Type: application/json' \
    --data "{\"chat_id\":\"$1\",\"text\":\"$2\"}" "$(chat_url)/message"
}
transcript() { curl --fail --silent --show-error --max-time 10 "$(chat_url)/transcript/$1"; }

echo "a second up"
first=$(node_pid)
commit=$(git_ rev-parse main)
"$HERE/up.sh" | tee "$LOGS/second-up"
check "the second up leaves the node alone" test "$(node_pid)" = "$first"
check "the second up commits nothing" test "$(git_ rev-parse main)" = "$commit"
check "the second up builds no image" is_empty "$(grep '  image ' "$LOGS/second-up" || true)"

echo "a down with a chat under way"
chat=$(curl --fail --silent --show-error --max-time 10 --request POST "$(chat_url)/start_chat" | jq --raw-output .chat_id)
check "the chat takes a message" say "$chat" "before the stop"
check "the node has namespaces of its own" test "$(foreign_namespaces | wc -l)" -gt 3
"$HERE/down.sh"
check "no namespace is left" is_empty "$(foreign_namespaces)"
check "no process of the node is left" is_empty "$(pgrep --full --list-full "$NODE/|$TOOLS/" || true)"
check "no mount is left" is_empty "$(grep --fixed-strings "$CACHE/" /proc/self/mounts || true)"
check "no network interface is left" is_empty "$(find /sys/class/net -name node0 -o -name cni0 -o -name 'veth*')"
check "no network namespace is pinned" is_empty "$(find /run/netns /var/run/netns -name 'cni-*' 2>/dev/null || true)"
check "no cgroup is left" is_empty "$(find /sys/fs/cgroup -name kubepods 2>/dev/null || true)"

echo "an up that is killed while the node starts"
setsid "$HERE/up.sh" >"$LOGS/killed-up" 2>&1 &
killed=$!
check "it has started the node" until_true 120 node_pid
kill -KILL -- "-$killed"
wait "$killed" 2>/dev/null || true
"$HERE/up.sh"
check "the next up finds the chat" grep --quiet "before the stop" <(transcript "$chat")
check "the chat goes on" say "$chat" "after the stop"
check "it has both messages" test "$(transcript "$chat" | jq '[.messages[] | select(.sender == "USER").text] == ["before the stop", "after the stop"]')" = true

echo "the node's life: $passed passed, $failed failed"
[ "$failed" = 0 ]
