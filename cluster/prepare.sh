#!/usr/bin/env bash
# Puts things on the machine that several commands need; each only if it is missing.
#   prepare.sh tools          the pinned Kubernetes programs, built into the cache
#   prepare.sh packages       the Debian packages of the node, the lints and the tests
#   prepare.sh page           the page's npm packages, as its lock file says
#   prepare.sh schemathesis   the program that makes up requests to the chat server, in the cache
#   prepare.sh pipelines      the programs that check the pipelines' files, in the cache
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for library in env step preflight packages tools app python; do
  # shellcheck source=/dev/null
  . "$HERE/lib/$library.sh"
done

need_toolchains
one_at_a_time
for what in "$@"; do
  case $what in
    tools) tools "${CORE_TOOLS[@]}" "${NODE_TOOLS[@]}" ;;
    packages)
      need_root_on_debian
      packages "${CLUSTER_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
      ;;
    page) step page-packages "npm packages of the page (first time about 20 s)" "npm's message is above" install_page_packages ;;
    schemathesis) python_program schemathesis "$REPO/chat-server/tests/schemathesis/requirements.txt" ;;
    pipelines)
      tools "${LINT_TOOLS[@]}"
      python_program check-jsonschema "$REPO/.ci/requirements.txt"
      ;;
    *) die "usage: prepare.sh [tools] [packages] [page] [schemathesis] [pipelines]" ;;
  esac
done
