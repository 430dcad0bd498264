# shellcheck shell=bash
# The cluster's programs, built from pinned Go modules: one module for each upstream in cluster/upstream/ (their `replace`
# lines conflict), its go.sum checked by go. A tool is rebuilt when its module, Go or the flags change; else it is taken from the cache.

# tool_packages MODULE: lines "program package", in the order of need.
tool_packages() {
  case $1 in
    kustomize) echo kustomize sigs.k8s.io/kustomize/kustomize/v5 ;;
    etcd) echo etcd go.etcd.io/etcd/server/v3 ;;
    kubernetes)
      local program
      for program in kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl; do
        echo "$program k8s.io/kubernetes/cmd/$program"
      done
      ;;
    containerd)
      local program
      for program in containerd containerd-shim-runc-v2 ctr; do
        echo "$program github.com/containerd/containerd/v2/cmd/$program"
      done
      ;;
    registry) echo registry github.com/distribution/distribution/v3/cmd/registry ;;
    coredns) echo coredns . ;;
    local-path-provisioner) echo local-path-provisioner github.com/rancher/local-path-provisioner ;;
    metrics-server) echo metrics-server sigs.k8s.io/metrics-server/cmd/metrics-server ;;
    cloudnative-pg) echo cloudnative-pg github.com/cloudnative-pg/cloudnative-pg/cmd/manager ;;
    actionlint) echo actionlint github.com/rhysd/actionlint/cmd/actionlint ;;
    argo-cd) echo argocd github.com/argoproj/argo-cd/v3/cmd ;;
    traefik) echo traefik github.com/traefik/traefik/v3/cmd/traefik ;;
    *) die "no tool is called '$1'" ;;
  esac
}

# Go modules that are built from a copy: files below cluster/upstream/MODULE/instead/ take the place of their own.
changed_go_modules() { # MODULE
  case $1 in
    traefik) echo github.com/traefik/traefik/v3 github.com/go-acme/lego/v4 ;;
  esac
}

# The time of a clean build on 2 cores.
tool_time() {
  case $1 in
    kubernetes) echo "5 min" ;;
    argo-cd | traefik) echo "3 min" ;;
    cloudnative-pg) echo "90 s" ;;
    *) echo "1 min" ;;
  esac
}

# What only the node needs, and what the API server tests and a cluster of the user's need.
NODE_TOOLS=(containerd registry coredns local-path-provisioner metrics-server cloudnative-pg argo-cd traefik)
CORE_TOOLS=(kustomize etcd kubernetes)
LINT_TOOLS=(actionlint)

tool_module_version() { # MODULE GO-MODULE-PATH
  (cd "$REPO/cluster/upstream/$1" && GOFLAGS='' GOTOOLCHAIN=local go list -m -f '{{.Version}}' "$2")
}

# The folder of an upstream module's sources, for the release manifests in it.
tool_module_folder() { # MODULE GO-MODULE-PATH
  (cd "$REPO/cluster/upstream/$1" && GOFLAGS='' GOTOOLCHAIN=local go mod download "$2" && GOFLAGS='' GOTOOLCHAIN=local go list -m -f '{{.Dir}}' "$2")
}

tool_ldflags() {
  local flags="-s -w"
  [ "$1" != kubernetes ] || flags+=" -X k8s.io/component-base/version.gitVersion=$(tool_module_version kubernetes k8s.io/kubernetes)"
  [ "$1" != traefik ] || flags+=" -X github.com/traefik/traefik/v3/pkg/version.Version=$(tool_module_version traefik github.com/traefik/traefik/v3)"
  [ "$1" != argo-cd ] || flags+=" -X github.com/argoproj/argo-cd/v3/common.version=$(tool_module_version argo-cd github.com/argoproj/argo-cd/v3)"
  echo "$flags"
}

tool_key() {
  (
    cd "$REPO/cluster/upstream/$1"
    GOTOOLCHAIN=local go env GOVERSION GOARCH
    tool_packages "$1"
    find . -type f | LC_ALL=C sort | xargs sha256sum
  ) | sha256sum | cut -c1-16
}

# A go.mod beside the module's own, by which the copies are what is built.
copy_changed_go_modules() { # MODULE FOLDER
  local upstream=$REPO/cluster/upstream/$1 path
  mkdir -p "$2"
  cp "$upstream"/go.{mod,sum} "$2/"
  for path in $(changed_go_modules "$1"); do
    mkdir -p "$2/$path"
    cp --recursive --no-preserve=mode "$(tool_module_folder "$1" "$path")/." "$2/$path/"
    cp --recursive "$upstream/instead/$path/." "$2/$path/"
    GOTOOLCHAIN=local go mod edit -replace="$path=$2/$path" "$2/go.mod"
  done
}

build_tool() { # MODULE FOLDER
  local module=$1 folder=$2 ldflags program package
  ldflags=$(tool_ldflags "$module")
  rm -rf "$folder.part" "$folder.source"
  mkdir -p "$folder.part"
  copy_changed_go_modules "$module" "$folder.source"
  while read -r program package; do
    (
      cd "$REPO/cluster/upstream/$module"
      GOCACHE=$GO_BUILD GOFLAGS='' GOTOOLCHAIN=local CGO_ENABLED=0 go build -modfile="$folder.source/go.mod" -trimpath -ldflags "$ldflags" -o "$folder.part/$program" "$package"
    )
  done < <(tool_packages "$module")
  rm -rf "$folder.source"
  mv "$folder.part" "$folder"
}

tools() { # MODULE...
  local module folder cached=0
  mkdir -p "$BIN" "$TOOLS"
  for module in "$@"; do
    folder=$TOOLS/$module-$(tool_key "$module")
    if [ -d "$folder" ]; then
      cached=$((cached + 1))
    else
      step "tool-$module" "build $module (about $(tool_time "$module"))" \
        "Go's message is above; a module that can't be had needs another version in cluster/upstream/$module/go.mod" \
        build_tool "$module" "$folder"
      find "$TOOLS" -maxdepth 1 -name "$module-????????????????" ! -path "$folder" -exec rm -rf {} +
    fi
    ln -sf "$folder"/* "$BIN/"
  done
  # 8 GB that nobody needs any more.
  rm -rf "$GO_BUILD"
  [ "$cached" = 0 ] || skip "$cached of $# Go tools" "in the cache"
}
