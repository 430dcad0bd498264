# shellcheck shell=bash
# TLS on the local node: an authority of its own, made at run time and kept with the node's state, and the certificate of dev's host,
# which goes into the cluster as a Secret and never into Git.

TLS=$NODE/tls
AUTHORITY=$TLS/ca.crt
CERTIFICATE_DAYS=90
RENEW_BEFORE=$((30 * 24 * 3600))

make_authority() {
  rm -rf "$TLS.part"
  mkdir -m 700 "$TLS.part"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=ChatApp on $(uname -n)" \
    -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$TLS.part/ca.key" -out "$TLS.part/ca.crt"
  mv "$TLS.part" "$TLS"
}

make_certificate() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$CHAT_HOST" -keyout "$TLS/tls.key.part" -out "$TLS/tls.csr"
  openssl x509 -req -in "$TLS/tls.csr" -CA "$AUTHORITY" -CAkey "$TLS/ca.key" -CAcreateserial -days "$CERTIFICATE_DAYS" -out "$TLS/tls.crt.part" \
    -extfile <(printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE\n' "$CHAT_HOST")
  mv "$TLS/tls.key.part" "$TLS/tls.key"
  mv "$TLS/tls.crt.part" "$TLS/tls.crt"
}

certificate_is_good() {
  openssl verify -CAfile "$AUTHORITY" -verify_hostname "$CHAT_HOST" "$TLS/tls.crt" &&
    openssl x509 -in "$TLS/tls.crt" -noout -checkend "$RENEW_BEFORE" &&
    [ "$(openssl x509 -in "$TLS/tls.crt" -noout -pubkey)" = "$(openssl pkey -in "$TLS/tls.key" -pubout)" ]
}

# Argo CD makes the namespace, if it is not there yet; what it says of it comes with the first sync.
give_certificate() {
  [ -d "$TLS" ] || make_authority
  certificate_is_good || make_certificate
  "$BIN/kubectl" create namespace chatapp-dev --dry-run=client --output yaml | "$BIN/kubectl" apply --server-side --filename -
  "$BIN/kubectl" --namespace chatapp-dev create secret tls demo-tls --cert="$TLS/tls.crt" --key="$TLS/tls.key" --dry-run=client --output yaml |
    "$BIN/kubectl" apply --server-side --force-conflicts --filename -
}
