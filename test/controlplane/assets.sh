#!/usr/bin/env bash
# Prints a folder with etcd, kube-apiserver, kube-controller-manager and kubectl for envtest, and makes it first if
# need be:
#   KUBEBUILDER_ASSETS="$(test/controlplane/assets.sh)"
#
# In order: a KUBEBUILDER_ASSETS that already holds all four; a cache keyed by the content of this folder; etcd,
# kube-apiserver and kubectl downloaded by setup-envtest; a build from the modules pinned in go.mod (6 minutes on 2 cores,
# once).
# setup-envtest ships no kube-controller-manager, so that one is always built. Progress goes to stderr.
#   TAFFRAIL_NO_DOWNLOAD=1   never ask setup-envtest
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
programs=(etcd kube-apiserver kube-controller-manager kubectl)

say() { printf 'control plane: %4ds  %s\n' "$SECONDS" "$*" >&2; }

complete() {
  local program
  for program in "${programs[@]}"; do [[ -x $1/$program ]] || return 1; done
}

if [[ -n ${KUBEBUILDER_ASSETS:-} ]] && complete "$KUBEBUILDER_ASSETS"; then
  echo "$KUBEBUILDER_ASSETS"
  exit
fi

key=$(cd "$here" && { go env GOVERSION GOOS GOARCH; cat assets.sh go.mod go.sum; } | sha256sum | cut -c1-12)
root=${TAFFRAIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/taffrail}/controlplane
bin=$root/$key
mkdir -p "$root"

exec 9>"$root/lock"
flock 9
if complete "$bin"; then
  echo "$bin"
  exit
fi

work=$(mktemp -d "$root/new-XXXXXX")
trap 'rm -rf "$work"' EXIT
version=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' "$here/go.mod")

# Without these the programs call themselves v0.0.0, and clients see the wrong server version.
ldflags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  ldflags+=" -X $package.gitVersion=$version -X $package.gitTreeState=clean -X $package.gitCommit=unknown"
  ldflags+=" -X $package.gitMajor=1 -X $package.gitMinor=$(cut -d. -f2 <<<"$version")"
  ldflags+=" -X $package.buildDate=2026-01-01T00:00:00Z"
done

# build PROGRAM PACKAGE: -trimpath and CGO_ENABLED=0 everywhere, or nothing is shared in Go's build cache.
build() {
  say "building $1 $version from its module"
  CGO_ENABLED=0 go -C "$here" build -mod=readonly -trimpath -ldflags "$ldflags" -o "$work/$1" "$2" >&2
}

download() {
  [[ -z ${TAFFRAIL_NO_DOWNLOAD:-} ]] || return 1
  local from
  say "asking setup-envtest for etcd, kube-apiserver and kubectl ${version#v}"
  from=$(cd "$here/../tools/setup-envtest" && timeout 120 go tool setup-envtest use "${version#v}" \
    --bin-dir "$root/envtest" -p path 2>/dev/null) || return 1
  cp "$from/etcd" "$from/kube-apiserver" "$from/kubectl" "$work/"
}

if ! download; then
  say "no download: building everything; this happens once, and takes 6 minutes on 2 cores"
  build etcd go.etcd.io/etcd/server/v3
  build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
  build kubectl k8s.io/kubernetes/cmd/kubectl
fi
build kube-controller-manager k8s.io/kubernetes/cmd/kube-controller-manager

rm -rf "$bin"
mv "$work" "$bin"
say "ready"
echo "$bin"
