# shellcheck shell=bash
# Commits to the repository that Argo CD reads, made in a clone: neither the working tree nor anybody's commits are touched.

CLONE=$CACHE/deploy

clone_deployed() {
  [ -n "$GIT_PUSH_URL" ] || die "which Git repository does Argo CD read? Set CHATAPP_GIT_URL"
  rm -rf "$CLONE"
  git clone --quiet --branch main "$GIT_PUSH_URL" "$CLONE" ||
    die "cannot clone main of $GIT_PUSH_URL (git's message is above); the local node's is made by './just up'"
}

deployed() { git -C "$CLONE" -c user.name="${GIT_AUTHOR_NAME:-chatapp}" -c user.email="${GIT_AUTHOR_EMAIL:-chatapp@localhost}" "$@"; }

# Commits a changed FILE. False if it has not changed.
commit_deployed() { # FILE MESSAGE...: a message is a paragraph
  local file=$1 paragraphs=()
  shift
  ! deployed diff --quiet -- "$file" || return 1
  for paragraph in "$@"; do paragraphs+=(--message "$paragraph"); done
  deployed commit --quiet "${paragraphs[@]}" -- "$file"
}

push_deployed() {
  deployed push --quiet origin HEAD:main ||
    die "cannot push to $GIT_PUSH_URL (git's message is above); if somebody else has pushed meanwhile, run this again"
}

# The image of a part (server or frontend) that an environment's version.yaml in the clone names.
committed_image() { # ENVIRONMENT PART
  local name=$2
  [ "$name" != server ] || name=chat-server
  sed --quiet --regexp-extended "s#^ *image: *([^ ]*/${name}[:@][^ ]*) *\$#\\1#p" "$CLONE/$(version_file "$1")"
}
