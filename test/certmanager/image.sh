#!/usr/bin/env bash
# Builds an image with cert-manager's controllers, of the version in go.mod, and prints its name. Does nothing where
# docker has it from the same sources. Progress goes to stderr.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
module=github.com/cert-manager/cert-manager
version=$(go -C "$here" list -m -f '{{.Version}}' "$module")
image=taffrail.dev/test/certmanager:$version
label=taffrail.dev/sources

say() { printf 'cert-manager: %4ds  %s\n' "$SECONDS" "$*" >&2; }

if [[ $(grep -c "image: $image\$" "$here/manifest.yaml") != 2 ]]; then
  say "manifest.yaml wants another image than $image, the version in go.mod"
  exit 1
fi

# The CRDs come from the folder of the module, so that must be there even where the image is.
go -C "$here" mod download "$module"

key=$(cd "$here" && { go env GOVERSION GOARCH; cat Dockerfile image.sh ./*.go go.mod go.sum; } | sha256sum | cut -c1-12)
if [[ $(docker image inspect -f "{{index .Config.Labels \"$label\"}}" "$image" 2>/dev/null) == "$key" ]]; then
  echo "$image"
  exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say "building $version from its module; the first time takes minutes on 2 cores"
CGO_ENABLED=0 GOOS=linux go -C "$here" build -mod=readonly -trimpath -buildvcs=false -ldflags '-s -w' \
  -o "$work/certmanager" . >&2
docker build --quiet --label "$label=$key" -t "$image" -f "$here/Dockerfile" "$work" >&2
say "ready"
echo "$image"
