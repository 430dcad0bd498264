# shellcheck shell=bash
# Schemathesis, which makes up requests from the chat server's OpenAPI description, in a Python environment of its own.

SCHEMATHESIS_REQUIREMENTS=$REPO/chat-server/tests/schemathesis/requirements.txt

# Into a folder that is named after the version. The last thing written says that it is complete, and of what.
install_schemathesis() { # FOLDER KEY
  rm -rf "$1"
  python3 -m venv "$1"
  "$1/bin/pip" install --disable-pip-version-check --no-deps --requirement "$SCHEMATHESIS_REQUIREMENTS"
  "$1/bin/pip" check
  echo "$2" >"$1/complete"
}

schemathesis() {
  local version key folder
  version=$(sed -n 's/^schemathesis==//p' "$SCHEMATHESIS_REQUIREMENTS")
  key=$(sha256sum <"$SCHEMATHESIS_REQUIREMENTS")
  folder=$CACHE/schemathesis-$version
  if [ "$(cat "$folder/complete" 2>/dev/null)" = "$key" ]; then
    skip "schemathesis $version" "installed"
  else
    step schemathesis "schemathesis $version (first time about 20 s)" "pip's message is above" install_schemathesis "$folder" "$key"
  fi
}
