#!/usr/bin/env bash
# Builds every kustomization and looks at what comes out: nothing secret, every image as it is written in Git, and on the local node
# every image by digest. The last line counts.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for library in env step tools images gitops; do
  # shellcheck source=/dev/null
  . "$HERE/../cluster/lib/$library.sh"
done
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
passed=0
failed=0

check() { # NAME COMMAND...: passes if COMMAND succeeds
  local name=$1
  shift
  if "$@" >"$SCRATCH/output" 2>&1; then
    passed=$((passed + 1))
  else
    printf 'FAIL %s\n' "$name"
    tail -n 5 "$SCRATCH/output"
    failed=$((failed + 1))
  fi
}

# As `up` does it for the local node, with digests made up.
TREE=$SCRATCH/tree
IMAGES=$SCRATCH/images
GIT_REPOSITORY=$SCRATCH/git
GIT_PUSH_URL=$GIT_REPOSITORY
OWN_CLUSTER=yes
REGISTRY=registry.local:5000/sillychat
GIT_URL=git://git.chatapp.internal/chatapp.git
mkdir "$IMAGES"
for image in "${PLATFORM_IMAGES[@]}" "${APP_IMAGES[@]}"; do
  echo "key sha256:$(sha256sum <<<"$image" | cut -d' ' -f1)" >"$IMAGES/$image"
done
push_tree
cd "$TREE"

# A Secret with something in it; a private key; a URL with a password, if it isn't the one that the CRD explains it with; a token as
# GitHub, AWS and Slack write theirs.
has_no_secret() {
  ! grep --null-data --perl-regexp "(?m)^kind: Secret\$(.|\n(?!---))*^(data|stringData):" "$1" &&
    ! grep --extended-regexp -- '-----BEGIN [A-Z ]*PRIVATE KEY|[a-z]+://[^/@:[:space:]]+:[^/@[:space:]]+@|gh[pousr]_[A-Za-z0-9]{36}|AKIA[0-9A-Z]{16}|xox[abp]-[0-9]' "$1" |
    grep --invert-match --fixed-strings 'postgresql://user:password@host:port/database'
}
images_by_digest() {
  ! grep --extended-regexp '^ *(image|imageName|value): .*[a-z0-9.]+(:[0-9]+)?/' "$1" | grep --extended-regexp 'image|registry|ghcr|quay' |
    grep --invert-match '@sha256:'
}
finds_secret() { ! has_no_secret "$1" >/dev/null; }
has() { grep --quiet --extended-regexp -- "$1" "$2"; }
verbs() { awk '/^  verbs:/ {inside = 1; next} inside && /^  - / {print $2; next} {inside = 0}' "$1" | sort -u | tr '\n' ' '; }
permitted_by() { # PROJECT RENDERED...: every kind is on one of its lists
  local project=$1 kind
  shift
  while read -r kind; do
    grep --quiet "kind: ${kind}[,}]" "$project" || { echo "$kind is not permitted" && return 1; }
  done < <(sed --quiet 's/^kind: //p' "$@" | sort -u)
}
has_not() { ! grep --extended-regexp -- "$1" "$2"; }

for tree in manifests/platform/{crds,gateway-api,cnpg,operator,policies,traefik} manifests/chatapp/envs/{dev,staging,prod} argocd/config; do
  rendered=$SCRATCH/$(tr / - <<<"$tree").yaml
  check "$tree builds" "$BIN/kustomize" build "$tree" --output "$rendered"
  check "$tree holds no Secret" has_no_secret "$rendered"
  check "$tree has images by digest only" images_by_digest "$rendered"
done
for secret in 'kind: Secret\nmetadata: {name: a}\nstringData: {a: b}' '  url: postgres://chat:hunter2@db/chat' '  -----BEGIN EC PRIVATE KEY-----'; do
  printf 'kind: ConfigMap\n---\n%b\n' "$secret" >"$SCRATCH/secret.yaml"
  check "a secret would be found: ${secret%%\\n*}" finds_secret "$SCRATCH/secret.yaml"
done
for crds in crds gateway-api; do
  rendered=$SCRATCH/manifests-platform-$crds.yaml
  check "a CRD of $crds is never pruned" test "$(grep --count 'sync-options: Prune=false,Delete=false' "$rendered")" = "$(grep --count '^kind: CustomResourceDefinition' "$rendered")"
done
check "database pods take the operator's own image" \
  test "$(grep --count "cloudnative-pg@$(image_digest cloudnative-pg)" "$SCRATCH/manifests-platform-cnpg.yaml")" = 2
check "the default PostgreSQL image is local" has "POSTGRES_IMAGE_NAME: registry.local:5000/sillychat/postgres:15@sha256" "$SCRATCH/manifests-platform-cnpg.yaml"
check "without load balancers nobody waits for one" has_not 'type: LoadBalancer|publishedService' "$SCRATCH/manifests-platform-traefik.yaml"
check "Traefik writes nothing but status" test "$(verbs "$SCRATCH/manifests-platform-traefik.yaml")" = "list update watch "
check "the local dev has a host name" has "host: $CHAT_HOST\$" "$SCRATCH/manifests-chatapp-envs-dev.yaml"
check "project platform permits what is in its trees" permitted_by argocd/projects/platform.yaml "$SCRATCH"/manifests-platform-{crds,gateway-api,cnpg,operator,traefik}.yaml
check "project policies permits what is in its tree" permitted_by argocd/projects/policies.yaml "$SCRATCH/manifests-platform-policies.yaml"
kinds() { sed --quiet 's/^kind: //p' "$1" | sort | tr '\n' ' '; }
is_restricted() { # FILE ENVIRONMENT
  has 'pod-security.kubernetes.io/enforce: restricted$' "$1" && has 'sync-options: Prune=false,Delete=false$' "$1" &&
    has "sillychat.io/environment: $2$" "$1" && has "^  name: chatapp-$2$" "$1"
}
for env in dev staging prod; do
  "$BIN/kustomize" build "manifests/platform/policies/environments/$env" --output "$SCRATCH/policies-$env.yaml"
  rendered=$SCRATCH/manifests-chatapp-envs-$env.yaml
  check "$env: project chatapp permits what is in its tree" permitted_by argocd/projects/chatapp.yaml "$rendered"
  check "$env: the ChatApp has its content" has 'name: demo-content$' "$rendered"
  check "$env: the ChatApp is not removed without asking" has 'Prune=confirm,Delete=confirm' "$rendered"
  check "$env: a promotion changes images and nothing else" \
    test "$(grep --invert-match --extended-regexp '^ *image: |^ *#' "manifests/chatapp/envs/$env/version.yaml" | sha256sum)" \
    = "$(grep --invert-match --extended-regexp '^ *image: |^ *#' manifests/chatapp/envs/dev/version.yaml | sha256sum)"
  check "$env: Argo CD may deploy into its namespace" test "$(grep --count "chatapp-$env\b" argocd/projects/chatapp.yaml)" = 1
  check "$env: Argo CD may make its namespace and policies" test "$(grep --count "chatapp-$env\b" argocd/projects/policies.yaml)" = 2
  check "$env: holds nothing but a ChatApp and its content" test "$(kinds "$rendered")" = "ChatApp ConfigMap "
  check "$env: has the policies of every environment" test "$(kinds "$SCRATCH/policies-$env.yaml")" = "Namespace NetworkPolicy ResourceQuota "
  check "$env: its namespace is restricted, and stays" is_restricted "$SCRATCH/policies-$env.yaml" "$env"
done
check "every environment is known to these tests" test "$(printf '%s ' manifests/chatapp/envs/*)" = "manifests/chatapp/envs/dev manifests/chatapp/envs/prod manifests/chatapp/envs/staging "
for example in "$REPO"/examples/*.yaml; do
  check "$(basename "$example") names images of this version" \
    test "$(grep --count --extended-regexp "image: ghcr.io/sillychat/(chat-server|frontend):$VERSION$" "$example")" = 2
done
check "all of the tree is committed" test "$(tree_hash)" = "$(git_ rev-parse 'main^{tree}')"
check "every environment has its policies" \
  test "$(printf '%s ' manifests/platform/policies/environments/*)" = "$(printf '%s ' manifests/chatapp/envs/* | sed 's#chatapp/envs#platform/policies/environments#g')"
check "every project says what it permits outside of namespaces" \
  test -z "$(grep --files-without-match clusterResourceWhitelist argocd/projects/*.yaml)"
check "project chatapp permits nothing outside of its namespaces" has '^  clusterResourceWhitelist: \[\]$' argocd/projects/chatapp.yaml
check "no application reads another repository" has_not 'https://github.com/sillychat' <(cat argocd/root.yaml argocd/*/*.yaml)

# Every combination of components, as the CRD's schema and rules see it, without a cluster.
(cd "$REPO" && cargo build --quiet --locked --workspace --bin chatapp-operator)
combination() { # COMPONENT...: an environment of these
  local folder=$TREE/manifests/chatapp/envs/combination component
  mkdir -p "$folder"
  cp manifests/chatapp/envs/staging/{version,content}.yaml "$folder/"
  {
    printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: chatapp-combination\nresources: [../../base]\ncomponents:\n'
    for component in "$@"; do echo "  - ../../components/$component"; done
    printf 'patches:\n  - path: version.yaml\n'
    case "$*" in *route-*) printf '  - target: {kind: ChatApp}\n    patch: |-\n      - {op: add, path: /spec/route/host, value: chat.example.org}\n' ;; esac
    printf 'configMapGenerator:\n  - name: demo-content\n    files: [content.yaml]\ngeneratorOptions: {disableNameSuffixHash: true}\n'
  } >"$folder/kustomization.yaml"
  "$BIN/kustomize" build "$folder" | "$REPO/target/debug/chatapp-operator" plan --filename -
}
is_refused() { # MESSAGE COMPONENT...
  local message=$1 output
  shift
  ! output=$(combination "$@" 2>&1) || return 1
  grep --quiet --fixed-strings "$message" <<<"$output"
}
for env in dev staging prod; do
  check "$env: the operator can plan it" "$REPO/target/debug/chatapp-operator" plan --filename "$SCRATCH/manifests-chatapp-envs-$env.yaml"
done
for size in small ha; do
  for scaling in "" autoscaling; do
    for route in "" route-ingress route-gateway; do
      # shellcheck disable=SC2086  # an empty one is none
      check "components $size $scaling $route" combination $size $scaling $route
    done
    # shellcheck disable=SC2086
    check "components $size $scaling with both routes are refused" is_refused "needs exactly one of 'ingress'" $size $scaling route-ingress route-gateway
  done
done
# As docs/gitops.md has it: an issuer in place of the component's Secret.
cert_manager_is_told() {
  local plan
  combination small route-ingress >/dev/null
  printf 'apiVersion: sillychat.io/v1alpha1\nkind: ChatApp\nmetadata: {name: demo}\nspec:\n  route:\n    tls: {secretName: null, issuerRef: {kind: ClusterIssuer, name: letsencrypt}}\n    ingress: {annotations: {cert-manager.io/duration: 2160h}}\n' \
    >manifests/chatapp/envs/combination/settings.yaml
  sed --in-place 's#^  - path: version.yaml#&\n  - path: settings.yaml#' manifests/chatapp/envs/combination/kustomization.yaml
  plan=$("$BIN/kustomize" build manifests/chatapp/envs/combination | "$REPO/target/debug/chatapp-operator" plan --filename -)
  grep --quiet 'cert-manager.io/cluster-issuer: letsencrypt' <<<"$plan" && grep --quiet 'cert-manager.io/duration: 2160h' <<<"$plan" &&
    grep --quiet 'router.entrypoints: https' <<<"$plan"
}
check "cert-manager is told the issuer" cert_manager_is_told
check "without a size there is no database" is_refused "spec.database" autoscaling

echo "manifests: $passed passed, $failed failed"
[ "$failed" = 0 ]
