#!/usr/bin/env bash
# ./just release: builds the programs, the page and their images, pushes those to the registry and writes their digests into the
# version.yaml of dev, in a commit in the repository that Argo CD reads.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for library in env step preflight packages tools images app gitops deploy; do
  # shellcheck source=/dev/null
  . "$HERE/../cluster/lib/$library.sh"
done

need_toolchains
[ -n "$OWN_CLUSTER" ] || need_for_other_cluster
one_at_a_time

revision=$(git -C "$REPO" describe --always --dirty 2>/dev/null || echo 'no commit')
case $revision in
  *-dirty) [ -n "$OWN_CLUSTER" ] || die "the working tree has changes that are in no commit: a release must be found again; commit them first" ;;
esac

section "Application"
build_app
images "${APP_IMAGES[@]}"

section "Release"
clone_deployed
set_version "$CLONE/$(version_file dev)"
if commit_deployed "$(version_file dev)" "dev: $VERSION, built from $revision" \
  "server: $(image_reference chat-server)
frontend: $(image_reference frontend)"; then
  push_deployed
  echo "  dev gets $VERSION, built from $revision: commit $(deployed rev-parse --short HEAD)"
else
  echo "  dev has these images already"
fi
