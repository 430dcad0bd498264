#!/bin/sh
# Fills in nginx's configuration (where the chat server is, who resolves its name) and becomes nginx.
# Environment: CHAT_SERVER_HOST (a Service's name, a name with dots, or an address), CHAT_SERVER_PORT (default 80). Outside of the
# image also PORT to listen on, PAGE (the folder with the page) and RUN_DIR, where it may write.
set -eu

TEMPLATE=${TEMPLATE:-/etc/chatapp/nginx.conf.template}
RESOLV_CONF=${RESOLV_CONF:-/etc/resolv.conf}
PORT=${PORT:-8080}
PAGE=${PAGE:-/usr/share/chatapp}
RUN_DIR=${RUN_DIR:-/tmp/nginx}

fail() {
  echo "error: $1" >&2
  exit 1
}

in_brackets() { # an IPv6 address as nginx and URLs write it; others as they are
  case $1 in
    *:*) echo "[$1]" ;;
    *) echo "$1" ;;
  esac
}

# nginx asks the name servers, but doesn't know the search list: a Service's bare name would not be found.
full_name() { # HOST
  case $1 in
    *.* | *:*) echo "$1" ;;
    # The last line counts, and of it the first domain.
    *) awk -v host="$1" '$1 == "search" || $1 == "domain" { domain = $2 } END { print host (domain ? "." domain : "") }' "$RESOLV_CONF" ;;
  esac
}

nameservers() {
  awk '$1 == "nameserver" { print $2 }' "$RESOLV_CONF" | while read -r address; do
    # A zone (fe80::1%eth0) is nothing that nginx understands.
    in_brackets "${address%%%*}"
  done | tr '\n' ' '
}

[ -n "${CHAT_SERVER_HOST:-}" ] || fail "CHAT_SERVER_HOST is not set: the name of the chat server's Service"
host=${CHAT_SERVER_HOST#[}
host=${host%]}
port=${CHAT_SERVER_PORT:-80}
case $host in
  *[!A-Za-z0-9.:_-]*) fail "CHAT_SERVER_HOST is neither a name nor an address: $CHAT_SERVER_HOST" ;;
esac
case $port in
  *[!0-9]*) fail "CHAT_SERVER_PORT is not a number: $port" ;;
esac

[ -r "$RESOLV_CONF" ] || fail "$RESOLV_CONF can't be read: it names who resolves $host"
servers=$(nameservers)
resolver=
if [ -n "$servers" ]; then
  # Names of Services change rarely, but then nobody restarts this.
  resolver="resolver ${servers}valid=10s; resolver_timeout 2s;"
fi
# Some nodes have no IPv6 at all, and nginx wouldn't start.
listen_ipv6=
if [ -e /proc/net/if_inet6 ]; then
  listen_ipv6="listen [::]:$PORT;"
fi

mkdir -p "$RUN_DIR" || fail "$RUN_DIR must be writable"
sed -e "s|@RESOLVER@|$resolver|" -e "s|@LISTEN_IPV6@|$listen_ipv6|" \
  -e "s|@CHAT_SERVER@|$(in_brackets "$(full_name "$host")"):$port|" -e "s|@PORT@|$PORT|" -e "s|@PAGE@|$PAGE|" \
  -e "s|@RUN_DIR@|$RUN_DIR|" "$TEMPLATE" >"$RUN_DIR/nginx.conf"
exec nginx -e stderr -c "$RUN_DIR/nginx.conf" "$@"
