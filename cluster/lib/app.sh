# shellcheck shell=bash
# The application's own programs and page, built once outside the images and copied into them.

# Always both packages: which are built together decides about the features of what they share, and so what is built again.
build_binaries() { # [--bin NAME ...]
  cargo build --release --locked --target-dir "$REPO/target" --manifest-path "$REPO/Cargo.toml" --package chat-server --package chatapp-operator "$@"
}

# npm ci deletes and writes node_modules anew: only when the lock file has changed.
install_page_packages() {
  cd "$REPO/frontend"
  local lock
  lock=$(sha256sum package-lock.json)
  [ "$(cat node_modules/.chatapp-lock 2>/dev/null)" != "$lock" ] || return 0
  npm ci --no-audit --no-fund
  echo "$lock" >node_modules/.chatapp-lock
}

build_page() {
  install_page_packages
  cd "$REPO/frontend"
  npm run build
}

build_app() {
  step binaries "chat-server and chatapp-operator (first time about 8 min)" "cargo's message is above" build_binaries
  step page "the page (first time about 30 s)" "npm's message is above" build_page
}
