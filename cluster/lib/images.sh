# shellcheck shell=bash
# Container images without an engine: a base made from Debian packages, the others built on it by buildah from
# images/*.Containerfile, pushed to the registry and known by digest. An image is rebuilt when its Containerfile, what it
# copies or the base changes.

BASE_IMAGE=docker.io/library/debian:bookworm-slim

# What an image copies: lines "path-in-context source". A source may be a folder.
image_inputs() {
  case $1 in
    pause | pooler | postgres | redis) ;;
    cloudnative-pg | local-path-provisioner | metrics-server | traefik) echo "bin/$1 $BIN/$1" ;;
    argocd)
      echo "bin/argocd $BIN/argocd"
      echo "bin/kustomize $BIN/kustomize"
      echo "bin/git-verify-wrapper.sh $(tool_module_folder argo-cd github.com/argoproj/argo-cd/v3)/hack/git-verify-wrapper.sh"
      ;;
    chat-server | chatapp-operator) echo "bin/$1 $REPO/target/release/$1" ;;
    frontend)
      echo "frontend/dist $REPO/frontend/dist"
      echo "images/frontend $REPO/images/frontend"
      ;;
    *) die "no image is called '$1'" ;;
  esac
}

# Images of others, which a real cluster takes from their makers; and our own.
PLATFORM_IMAGES=(pause local-path-provisioner metrics-server postgres pooler cloudnative-pg redis argocd traefik)
APP_IMAGES=(chatapp-operator chat-server frontend)

# In a mount namespace of its own: buildah leaves its storage mounted.
buildah_() {
  BUILDAH_ISOLATION=chroot STORAGE_DRIVER=overlay unshare --mount --propagation private \
    buildah --root "$BUILDAH/root" --runroot "$BUILDAH/run" "$@"
}

# The mirror that this machine's apt uses.
# shellcheck disable=SC2016  # apt's own placeholder
debian_mirror() { apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' 'Created-By: Packages' | sed -n 1p; }

# What `apt-get install` in a build needs to know of this machine: where Debian's packages are, and by which proxy. Sources of others
# stay out, the image lacks their keys.
# shellcheck disable=SC2016  # apt's own placeholders
apt_settings() { # FOLDER
  mkdir -p "$1"/{apt.conf.d,preferences.d,sources.list.d,trusted.gpg.d}
  [ ! -d /etc/apt/auth.conf.d ] || cp -r /etc/apt/auth.conf.d "$1/"
  apt-config dump | grep --extended-regexp '^Acquire::(http|https)::' >"$1/apt.conf.d/proxy" || true
  apt-get indextargets --format 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Origin: Debian' 'Created-By: Packages' | sort -u >"$1/sources.list"
}

make_base() {
  local work=$BUILDAH/base mirror
  mirror=$(debian_mirror)
  [ -n "$mirror" ] || { apt-get update && mirror=$(debian_mirror); }
  [ -n "$mirror" ] || { echo "apt has no source for Debian bookworm: look into /etc/apt/sources.list.d"; return 1; }
  rm -rf --one-file-system "$work"
  mkdir -p "$work/context"
  # In a mount namespace of its own: killed, it leaves /proc and /sys mounted.
  unshare --mount --propagation private debootstrap --variant=minbase --include=ca-certificates bookworm "$work/rootfs" "$mirror"
  # Nothing of this machine stays in the image: builds borrow its package sources (image_build).
  rm -rf "$work"/rootfs/var/cache/apt/archives/*.deb "$work"/rootfs/var/lib/apt/lists/* "$work"/rootfs/var/log/* \
    "$work"/rootfs/usr/share/{doc,man,locale}/* "$work"/rootfs/etc/apt/sources.list
  tar --create --file "$work/context/rootfs.tar" --directory "$work/rootfs" --exclude=./dev/* .
  buildah_ bud --pull-never --tag "$BASE_IMAGE" --file "$REPO/images/debian.Containerfile" "$work/context"
  rm -rf "$work"
  base_key >"$IMAGES/debian"
}

base_key() { sha256sum <"$REPO/images/debian.Containerfile" | cut -c1-16; }

base_image() {
  mkdir -p "$IMAGES" "$BUILDAH"
  if [ "$(cat "$IMAGES/debian" 2>/dev/null)" = "$(base_key)" ]; then
    return
  fi
  step image-debian "base image from Debian packages (about 40 s)" "Is the package mirror reachable? Try: apt-get update" make_base
}

image_key() {
  local path source
  {
    echo "$VERSION"
    cat "$IMAGES/debian" "$REPO/images/$1.Containerfile"
    while read -r path source; do
      echo "$path"
      (cd "$(dirname "$(readlink -f "$source")")" && find "$(basename "$(readlink -f "$source")")" -type f | LC_ALL=C sort | xargs -d '\n' sha256sum)
    done < <(image_inputs "$1")
  } | sha256sum | cut -c1-16
}

image_digest() { # NAME -> sha256:...
  local key digest
  read -r key digest <"$IMAGES/$1"
  [ -n "$key" ] && echo "$digest"
}

# The registry still has what we pushed (it loses everything with `down --purge`).
image_is_pushed() {
  [ "$(registry_status "$1" "$2")" = 200 ]
}

registry_status() { # NAME DIGEST
  local scheme=https
  [ -z "$OWN_CLUSTER" ] || scheme=http
  curl --silent --noproxy 127.0.0.1 --output /dev/null --write-out '%{http_code}' --head --max-time 10 \
    --header 'Accept: application/vnd.oci.image.manifest.v1+json' "$scheme://${REGISTRY_PUSH%%/*}/v2/$(registry_path "$1")/manifests/$2"
}

registry_path() { # the name below the registry's host
  local prefix=${REGISTRY_PUSH#"${REGISTRY_PUSH%%/*}"}
  echo "${prefix#/}${prefix:+/}$1"
}

build_image() { # NAME KEY
  local name=$1 key=$2 context=$BUILDAH/context path source tls=true
  rm -rf "$context"
  mkdir -p "$context"
  while read -r path source; do
    mkdir -p "$context/$(dirname "$path")"
    cp -rL "$source" "$context/$path"
  done < <(image_inputs "$name")
  # --volume: RUN apt-get uses this machine's package sources, which don't end up in the image.
  rm -rf "$BUILDAH/apt"
  apt_settings "$BUILDAH/apt"
  buildah_ bud --pull-never --volume "$BUILDAH/apt:/etc/apt" --tag "localhost/$name" --file "$REPO/images/$name.Containerfile" "$context"
  [ -z "$OWN_CLUSTER" ] || tls=false
  buildah_ push --tls-verify="$tls" --digestfile "$BUILDAH/digest" "localhost/$name" "docker://$REGISTRY_PUSH/$name:$VERSION"
  echo "$key $(cat "$BUILDAH/digest")" >"$IMAGES/$name"
  buildah_ rmi --prune >/dev/null
  rm -rf "$context"
}

images() { # NAME...
  local name key cached=0
  base_image
  for name in "$@"; do
    key=$(image_key "$name")
    if grep -qs "^$key " "$IMAGES/$name" && image_is_pushed "$name" "$(image_digest "$name")"; then
      cached=$((cached + 1))
    else
      step "image-$name" "image $name" "buildah's message is above" build_image "$name" "$key"
    fi
  done
  [ "$cached" = 0 ] || skip "$cached of $# images" "unchanged"
}
