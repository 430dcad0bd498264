#!/usr/bin/env bash
# ./just run: the chat alone, with its page, on embedded SQLite. Conversations stay in the cache folder between runs.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
for library in env step preflight app; do
  # shellcheck source=/dev/null
  . "$HERE/cluster/lib/$library.sh"
done
need_toolchains
mkdir -p "$CACHE/run"
export DATABASE_URL=${DATABASE_URL:-sqlite://$CACHE/run/chat.db} LOG_FORMAT=${LOG_FORMAT:-pretty}

step run-server "build chat-server (first time about 2 min)" "cargo's message is above" \
  cargo build --locked --target-dir "$REPO/target" --manifest-path "$REPO/Cargo.toml" --package chat-server
step page "build the page (first time about 30 s)" "npm's message is above" build_page
"$REPO/target/debug/chat-server" migrate
echo "the chat is at http://127.0.0.1:8080 (Ctrl-C stops it)"
exec "$REPO/target/debug/chat-server" serve --listen 127.0.0.1:8080 --static-dir "$REPO/frontend/dist"
