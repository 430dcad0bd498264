# shellcheck shell=bash
# From the working tree to what Argo CD syncs: two commits in a repository that only the cluster sees (the tree as it is, and
# on top what differs here: the repository's URL and the images just built), Argo CD itself, and argocd/root.yaml.

TREE=$CACHE/tree
CNPG_RELEASE_URL=https://raw.githubusercontent.com/cloudnative-pg/cloudnative-pg
GATEWAY_API_RELEASE_URL=https://raw.githubusercontent.com/kubernetes-sigs/gateway-api
ARGOCD_RELEASE_URL=https://raw.githubusercontent.com/argoproj/argo-cd

image_reference() { echo "$REGISTRY/$1@$(image_digest "$1")"; } # NAME

# Everything that git would commit now, untracked files included.
export_tree() {
  rm -rf "$TREE"
  mkdir -p "$TREE"
  cd "$REPO"
  git ls-files --cached --others --exclude-standard -z -- argocd manifests |
    while IFS= read -r -d '' path; do [ ! -e "$path" ] || printf '%s\0' "$path"; done |
    tar --create --null --files-from - | tar --extract --directory "$TREE"
}

set_repository_url() {
  grep --recursive --files-with-matches 'https://github.com/sillychat/chatapp.git' "$TREE" |
    xargs --no-run-if-empty sed --in-place "s#https://github.com/sillychat/chatapp.git#$GIT_URL#"
}

# dev has what was just built. The others have what has been promoted to them, and what was just built only as their first.
set_app_images() {
  (cd "$TREE/manifests/platform/operator" && "$BIN/kustomize" edit set image "chatapp-operator=$(image_reference chatapp-operator)")
  local version
  while read -r version; do
    if [ "$version" = "$(version_file dev)" ] || ! git_ show "refs/heads/main:$version" >"$TREE/$version" 2>/dev/null; then
      cp "$REPO/$version" "$TREE/$version"
      set_version "$TREE/$version"
    fi
  done < <(cd "$TREE" && ls manifests/chatapp/envs/*/version.yaml)
}

version_file() { echo "manifests/chatapp/envs/$1/version.yaml"; } # ENVIRONMENT

# The images that were built last, by digest.
set_version() { # FILE
  sed --in-place --regexp-extended \
    --expression "s#^( *image: ).*chat-server.*#\1$(image_reference chat-server)#" \
    --expression "s#^( *image: ).*frontend.*#\1$(image_reference frontend)#" "$1"
}

# All environments share one small machine.
set_small_sizes() {
  sed --in-place 's#^  - \.\./\.\./components/ha$#  - ../../components/small#' "$TREE"/manifests/chatapp/envs/*/kustomization.yaml
  (cd "$TREE/manifests/platform/traefik" && "$BIN/kustomize" edit set replicas traefik=1)
}

# To dev from outside, by its host name; step `certificate` gives the certificate.
set_local_route() {
  (
    cd "$TREE/manifests/chatapp/envs/dev"
    "$BIN/kustomize" edit add component ../../components/route-ingress
    "$BIN/kustomize" edit add patch --kind ChatApp --patch "- {op: add, path: /spec/route/host, value: $CHAT_HOST}"
  )
}

# The node has no internet: upstream manifests come from the Go modules that its programs were built from, images from its registry.
set_platform_sources() {
  local cnpg argocd gateway_api
  cnpg=$(tool_module_folder cloudnative-pg github.com/cloudnative-pg/cloudnative-pg)
  argocd=$(tool_module_folder argo-cd github.com/argoproj/argo-cd/v3)
  gateway_api=$(tool_module_folder traefik sigs.k8s.io/gateway-api)
  local_release "$TREE/manifests/platform/gateway-api" "$GATEWAY_API_RELEASE_URL" "$gateway_api/config/crd/standard"
  local_release "$TREE/manifests/platform/cnpg" "$CNPG_RELEASE_URL" "$cnpg/releases"
  local_release "$TREE/argocd/config" "$ARGOCD_RELEASE_URL" "$argocd/manifests"
  (
    cd "$TREE/manifests/platform/cnpg"
    "$BIN/kustomize" edit set image "ghcr.io/cloudnative-pg/cloudnative-pg=$(image_reference cloudnative-pg)"
    # CloudNativePG reads PostgreSQL's version from the tag.
    sed --in-place "s#^\( *POSTGRES_IMAGE_NAME: \).*#\1$REGISTRY/postgres:15@$(image_digest postgres)#" config.yaml
    grep -q "POSTGRES_IMAGE_NAME: $REGISTRY" config.yaml
    sed --in-place "s#^\( *PGBOUNCER_IMAGE_NAME: \).*#\1$(image_reference pooler)#" config.yaml
    grep -q "PGBOUNCER_IMAGE_NAME: $REGISTRY" config.yaml
  )
  (
    cd "$TREE/manifests/platform/traefik"
    "$BIN/kustomize" edit set image "docker.io/library/traefik=$(image_reference traefik)"
    "$BIN/kustomize" edit add component ../components/without-load-balancer
  )
  (
    cd "$TREE/argocd/config"
    "$BIN/kustomize" edit set image "quay.io/argoproj/argocd=$(image_reference argocd)" \
      "public.ecr.aws/docker/library/redis=$(image_reference redis)"
  )
}

local_release() { # KUSTOMIZATION-FOLDER URL-PREFIX MODULE-FOLDER: the remote files named in it become local ones
  local files file
  files=$(grep --only-matching "$2[^ ]*" "$1/kustomization.yaml")
  for file in $files; do
    cp --no-preserve=mode "$3/$(basename "$file")" "$1/"
  done
  sed --in-place "s#$2[^ ]*/##" "$1/kustomization.yaml"
}

# What differs on this cluster from what is in Git.
localise_tree() {
  set_repository_url
  set_app_images
  if [ -n "$OWN_CLUSTER" ]; then
    set_platform_sources
    set_small_sizes
    set_local_route
  fi
}

git_() { git --git-dir="$GIT_REPOSITORY" --work-tree="$TREE" -c user.name=chatapp -c user.email=chatapp@localhost "$@"; }

tree_hash() { git_ add --all --force . && git_ write-tree; }

# Harmless where there is one. A run that was killed may have left locks; the lock of `up` makes sure that nobody else writes.
make_git_repository() {
  rm -f "$GIT_REPOSITORY"/{config,index,HEAD}.lock "$GIT_REPOSITORY/refs/heads/main.lock"
  git init --quiet --bare --initial-branch=main "$GIT_REPOSITORY"
}

# A repository of the user's: what is on its main stays in the history, and nothing but ours may be there.
take_over_main() {
  local head
  git_ fetch --quiet "$GIT_PUSH_URL" main 2>/dev/null || return 0
  head=$(git_ rev-parse FETCH_HEAD)
  if git_ ls-tree --name-only "$head" | grep --quiet --invert-match --line-regexp --extended-regexp 'argocd|manifests'; then
    echo "main of $GIT_PUSH_URL has other files than argocd/ and manifests/: name an empty repository in CHATAPP_GIT_URL"
    return 1
  fi
  git_ update-ref refs/heads/main "$head"
}

push_tree() {
  local plain changed head='' commit
  make_git_repository
  [ "$GIT_PUSH_URL" = "$GIT_REPOSITORY" ] || take_over_main
  export_tree
  plain=$(tree_hash)
  localise_tree
  changed=$(tree_hash)
  if head=$(git_ rev-parse --verify --quiet refs/heads/main) && [ "$(git_ rev-parse "$head^{tree}")" = "$changed" ]; then
    echo "nothing has changed since $head"
  else
    commit=$(git_ commit-tree "$plain" ${head:+-p "$head"} -m "Working tree on $(git -C "$REPO" rev-parse --short HEAD 2>/dev/null || echo 'no commit')")
    commit=$(git_ commit-tree "$changed" -p "$commit" -m "envs: the images built on this machine")
    git_ update-ref refs/heads/main "$commit"
  fi
  [ "$GIT_PUSH_URL" = "$GIT_REPOSITORY" ] || git_ push "$GIT_PUSH_URL" main:main
}

# Its controller is what is applied last.
argocd_is_installed() { "$BIN/kubectl" --namespace argocd get statefulset argocd-application-controller >/dev/null 2>&1; }

install_argocd() {
  "$BIN/kubectl" create namespace argocd --dry-run=client --output yaml | "$BIN/kubectl" apply --server-side --filename -
  # Argo CD refuses to work without a server key, even when its API server is not installed.
  "$BIN/kubectl" --namespace argocd get secret argocd-secret >/dev/null 2>&1 ||
    "$BIN/kubectl" --namespace argocd create secret generic argocd-secret --from-literal=server.secretkey="$(openssl rand -base64 32)"
  "$BIN/kustomize" build "$TREE/argocd/config" | "$BIN/kubectl" apply --server-side --force-conflicts --namespace argocd --filename -
  local workload
  for workload in $("$BIN/kubectl" --namespace argocd get deployment,statefulset --output name); do
    "$BIN/kubectl" --namespace argocd rollout status "$workload" --timeout=180s
  done
}

apply_root() {
  "$BIN/kubectl" apply --server-side --force-conflicts --filename "$TREE/argocd/root.yaml"
}

# Our applications, as a JSON list: a cluster of the user's may have others, and so have the end-to-end tests.
applications() {
  "$BIN/kubectl" --namespace argocd get applications.argoproj.io --output json |
    jq --arg url "$GIT_URL" '[.items[] | select(.spec.source.repoURL == $url and .spec.source.targetRevision == "main")]'
}

refresh_applications() {
  local name
  for name in $(applications | jq --raw-output '.[].metadata.name'); do
    "$BIN/kubectl" --namespace argocd annotate --overwrite applications.argoproj.io "$name" argocd.argoproj.io/refresh=normal >/dev/null || true
  done
}

# Lines "NAME SYNC HEALTH REVISION MESSAGE" of the applications that are not as committed, or that were last compared before SINCE: what
# is said of them then may be the memory of a former run. The root makes the others: as long as there is only one there is more to come.
unfinished_applications() { # SINCE
  applications |
    jq --raw-output --arg revision "$(git_ rev-parse refs/heads/main)" --arg since "$1" 'if length < 2 then "root has made no applications yet" else .[]
      | {name: .metadata.name, sync: (.status.sync.status // "-"), health: (.status.health.status // "-"), revision: (.status.sync.revision // "-"),
         compared: (.status.reconciledAt // ""), message: (.status.health.message // .status.operationState.message // "" | .[:300])}
      | select(.sync != "Synced" or .health != "Healthy" or .revision != $revision or .compared < $since)
      | "\(.name) \(.sync) \(.health) \(.revision[:8]) \(.message)" end'
}

applications_are_done() { # SINCE
  local unfinished
  unfinished=$(unfinished_applications "$1") || return 1
  [ "$unfinished" = "${LAST_UNFINISHED:-}" ] || printf '%s\n%s\n' "--- after $SECONDS s" "$unfinished"
  LAST_UNFINISHED=$unfinished
  [ -z "$unfinished" ]
}

wait_for_applications() {
  local deadline=$((SECONDS + 600)) refreshed=-60 since
  since=$(date --utc +%Y-%m-%dT%H:%M:%SZ)
  until applications_are_done "$since"; do
    # Now and again: Argo CD may miss that something has become healthy right after it was applied, and look again a minute later.
    if [ "$((SECONDS - refreshed))" -ge 10 ]; then
      refresh_applications
      refreshed=$SECONDS
    fi
    if [ "$SECONDS" -ge "$deadline" ]; then
      echo "after 10 minutes these applications are not Synced and Healthy:"
      unfinished_applications "$since"
      "$BIN/kubectl" get chatapps --all-namespaces || true
      return 1
    fi
    sleep 1
  done
}

chat_url() {
  if [ -n "$OWN_CLUSTER" ]; then
    echo "http://127.0.0.1:$CHAT_PORT"
  else
    "$BIN/kubectl" --namespace chatapp-dev get chatapp demo --output jsonpath='{.status.url}'
    echo
  fi
}

# The page by its host name, through the edge.
page_url() {
  local port=:$HTTPS_PORT
  echo "https://$CHAT_HOST${port%:443}"
}

# The server's own answer to a chat that doesn't exist: it has asked the database.
chat_answers() { # URL [CURL-OPTION...]
  local url=$1/transcript/00000000-0000-0000-0000-000000000000
  shift
  [ "$(curl --silent --noproxy '*' --max-time 3 --output "$LOGS/answer" --write-out '%{http_code}' "$@" "$url")" = 404 ] &&
    grep --quiet '"detail"' "$LOGS/answer"
}

chat_answers_everywhere() {
  until_true 180 chat_answers "$(chat_url)" &&
    until_true 30 chat_answers "$(page_url)" --cacert "$AUTHORITY"
}
