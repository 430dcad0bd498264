# shellcheck shell=bash
# Debian packages: installs only the missing ones.

# For the node and the images.
CLUSTER_PACKAGES=(buildah containernetworking-plugins curl debootstrap iproute2 iptables jq openssl procps runc socat)
# For the tests.
TEST_PACKAGES=(chromium chromium-driver fonts-dejavu-core fonts-noto-color-emoji nginx-light pgbouncer postgresql-15 python3-venv shellcheck)

missing_packages() { # PACKAGE...
  local package
  for package in "$@"; do
    dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
  done
}

install_packages() { # PACKAGE...
  apt-get update
  # No package may start its service: without systemd some of them try.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
}

packages() { # PACKAGE...
  local missing
  mapfile -t missing < <(missing_packages "$@")
  if [ "${#missing[@]}" = 0 ]; then
    skip "Debian packages" "installed"
  else
    step packages "Debian packages: ${#missing[@]} to install (up to 2 min)" "Is the package mirror reachable? Try: apt-get update" \
      install_packages "${missing[@]}"
  fi
}
