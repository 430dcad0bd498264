#!/usr/bin/env bash
# ./just promote staging|prod: what runs in the environment before, and is Ready there, becomes the version of this one: its
# version.yaml is copied, in a commit of its own, in the repository that Argo CD reads. `git revert` of that commit is the way back.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for library in env step gitops deploy; do
  # shellcheck source=/dev/null
  . "$HERE/../cluster/lib/$library.sh"
done

case ${1:-} in
  staging) from=dev ;;
  prod) from=staging ;;
  *) die "usage: ./just promote staging|prod" ;;
esac
to=$1

# Why the ChatApp of FROM, as JSON on standard input, is no proof of SERVER and FRONTEND; nothing if it is one.
# shellcheck disable=SC2016  # jq's variables
doubts() { # SERVER FRONTEND
  jq --raw-output --arg server "$1" --arg frontend "$2" '
    (.status.conditions // [] | map(select(.type == "Ready"))[0]) as $ready
    | if .spec.server.image != $server or .spec.frontend.image != $frontend then
        "its ChatApp has other images than its version.yaml: Argo CD has not synced yet, or cannot"
      elif .status.observedGeneration != .metadata.generation then "the operator has not looked at its newest spec yet"
      elif $ready.status != "True" then "it is not Ready: \($ready.reason // "no status"): \($ready.message // "")"
      elif .status.image != $server then "what serves is \(.status.image)"
      else empty end'
}

clone_deployed
server=$(committed_image "$from" server)
frontend=$(committed_image "$from" frontend)
[[ $server = *@sha256:* && $frontend = *@sha256:* ]] ||
  die "$(version_file "$from") names images by tag, and a tag can be moved: './just release' writes digests"

chatapp=$("$BIN/kubectl" --namespace "chatapp-$from" get chatapp demo --output json) ||
  die "cannot ask the cluster for the ChatApp of $from (kubectl's message is above)"
doubt=$(doubts "$server" "$frontend" <<<"$chatapp")
[ -z "$doubt" ] || die "$from is no proof of this version: $doubt
  ./just kubectl --namespace chatapp-$from describe chatapp demo"
since=$(jq --raw-output '.status.conditions[] | select(.type == "Ready") | .lastTransitionTime' <<<"$chatapp")

cp "$CLONE/$(version_file "$from")" "$CLONE/$(version_file "$to")"
if commit_deployed "$(version_file "$to")" "$to: the version of $from" "Ready in $from since $since.

server: $server
frontend: $frontend"; then
  push_deployed
  echo "$to gets what $from has had Ready since $since: commit $(deployed rev-parse --short HEAD)
  back: git revert $(deployed rev-parse --short HEAD)"
else
  echo "$to has this version already"
fi
