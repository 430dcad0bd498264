#!/usr/bin/env bash
# The page's image without its image: the real nginx with its configuration, as a user without rights, on a read-only
# file system, before a chat server that is only a name. Needs root (a mount namespace of its own) and the built page.
# The last line counts.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PAGE=$HERE/../../frontend/dist
export SCRATCH PORT UPSTREAM_PORT
SCRATCH=$(mktemp -d)
# Where nginx, which opens it anew, may write.
LOG=$(mktemp /dev/shm/chatapp-page-XXXXXX)
chmod 755 "$SCRATCH"
chmod 666 "$LOG"
NGINX=
UPSTREAM=
trap 'kill $NGINX $UPSTREAM 2>/dev/null || true; rm -rf "$SCRATCH" "$LOG" "$LOG.large"' EXIT
passed=0
failed=0

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# has NAME EXPECTED-PATTERN: the answer in $answer has a line like this.
has() {
  if grep --quiet --extended-regexp --ignore-case "$2" <<<"$answer"; then
    passed=$((passed + 1))
  else
    printf 'FAIL %s: no /%s/ in\n%s\n' "$1" "$2" "$answer"
    failed=$((failed + 1))
  fi
}

hasnt() {
  if grep --quiet --extended-regexp --ignore-case "$2" <<<"$answer"; then
    printf 'FAIL %s: /%s/ in\n%s\n' "$1" "$2" "$answer"
    failed=$((failed + 1))
  else
    passed=$((passed + 1))
  fi
}

get() { # PATH [CURL-OPTION...]: headers and body of the answer
  local path=$1
  shift
  answer=$(curl --silent --include --max-time 10 --noproxy '*' "$@" "http://127.0.0.1:$PORT$path" | tr -d '\r' | tr '\0' ' ')
}

# What the image has: the page with a compressed copy of each file beside it.
cp -r "$PAGE" "$SCRATCH/page"
find "$SCRATCH/page" -type f \( -name '*.js' -o -name '*.css' -o -name '*.html' -o -name '*.svg' \) -exec gzip --keep --best --no-name {} +
cp "$HERE/nginx.conf.template" "$HERE/entrypoint.sh" "$SCRATCH/"

# A chat server that says what it was asked.
cat >"$SCRATCH/echo.py" <<'PYTHON'
import http.server, json, sys
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        size = int(self.headers.get("Content-Length") or 0)
        told = {"method": self.command, "path": self.path, "headers": dict(self.headers), "bytes": len(self.rfile.read(size))}
        self.send_response(200)
        self.send_header("Cache-Control", "private")
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())
    do_POST = do_DELETE = do_GET
    def log_message(self, *arguments): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
PYTHON
UPSTREAM_PORT=$(free_port)
python3 "$SCRATCH/echo.py" "$UPSTREAM_PORT" &
UPSTREAM=$!

PORT=$(free_port)
# shellcheck disable=SC2016  # expanded by the inner shell
unshare --mount --propagation private sh -c '
  mount --bind "$SCRATCH" "$SCRATCH" && mount -o remount,bind,ro "$SCRATCH" && mount -o remount,bind,ro / && mount -t tmpfs tmpfs /run
  mkdir -m 1777 /run/tmp
  exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs \
    env CHAT_SERVER_HOST=127.0.0.1 CHAT_SERVER_PORT="$UPSTREAM_PORT" PORT="$PORT" PAGE="$SCRATCH/page" RUN_DIR=/run/tmp/nginx \
      TEMPLATE="$SCRATCH/nginx.conf.template" "$SCRATCH/entrypoint.sh"
' >"$LOG" 2>&1 &
NGINX=$!
for _ in $(seq 100); do
  ! curl --silent --fail --noproxy '*' "http://127.0.0.1:$PORT/healthz" >/dev/null || break
  sleep 0.1
done

get /healthz
has "healthz" '^\{"status":"ok"\}$'
get /
has "index is there" '<div id="root">'
has "index is asked for each time" '^Cache-Control: no-cache$'
has "policy" "^Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self';"
hasnt "policy without exceptions" 'unsafe-inline|unsafe-eval'
has "no sniffing" '^X-Content-Type-Options: nosniff$'
hasnt "no version" '^Server: nginx/'

script=$(cd "$SCRATCH/page" && ls assets/index-*.js)
get "/$script" --output /dev/null --dump-header -
has "hashed files are kept for ever" '^Cache-Control: public, max-age=31536000, immutable$'
get "/$script" --header 'Accept-Encoding: gzip' --output /dev/null --dump-header -
has "precompressed" '^Content-Encoding: gzip$'
has "as it was compressed" "^Content-Length: $(stat --format %s "$SCRATCH/page/$script.gz")$"
has "caches tell them apart" '^Vary: Accept-Encoding$'
get /assets/none.js
has "what isn't there" '^HTTP/1.1 404'
has "isn't kept" '^Cache-Control: no-cache$'

get /message --request POST --data 'abc' --header 'X-Request-Id: mine' --header 'X-Forwarded-For: 203.0.113.9' --header 'X-Forwarded-Proto: https'
has "message is forwarded" '"method": "POST", "path": "/message"'
has "with its body" '"bytes": 3'
has "for whom" '"X-Forwarded-For": "203.0.113.9, 127.0.0.1"'
has "from which scheme" '"X-Forwarded-Proto": "https"'
has "as which request" '"X-Request-Id": "mine"'
has "to which host" "\"Host\": \"127.0.0.1:$PORT\""
has "kept by nobody" '^Cache-Control: no-store$'
get /start_chat --request POST
has "start_chat is forwarded" '"path": "/start_chat"'
get /transcript/secret-id --request DELETE
has "transcript is forwarded" '"method": "DELETE", "path": "/transcript/secret-id"'
get /metrics
has "metrics aren't" '^HTTP/1.1 404'
head --bytes=200000 /dev/zero | tr '\0' x >"$LOG.large"
get /message --request POST --data-binary "@$LOG.large"
has "too large" '^HTTP/1.1 413'
has "is explained" '"detail":"the request is larger than 64 KiB"'

kill $UPSTREAM
wait $UPSTREAM 2>/dev/null || true
get /message --request POST --data 'abc'
has "no server" '^HTTP/1.1 502'
has "is explained, too" '"detail":"the chat server can.t be reached'
has "with when to come back" '^Retry-After: 2$'
get /
has "and the page is there" '<div id="root">'

answer=$(cat "$LOG")
has "the log is JSON" '^\{"timestamp":.*"path":"/message","status":502'
hasnt "without chats" 'secret-id'
hasnt "or words" '"abc"'

echo "page image: $passed passed, $failed failed"
[ "$failed" = 0 ]
