#!/usr/bin/env bash
# Fuzzes every target of the module in turn, each for as long as the first argument says, and goes on after one that
# fails. Further arguments are go test's, in their -test. form.
#   test/fuzz.sh 30s
#   test/fuzz.sh 5m -test.parallel=1
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

time=$1
shift
corpora=$(go env GOCACHE)/fuzz/$(go list -m) # where go test -fuzz keeps them too
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

status=0
for package in $(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do
  # One instrumented binary for all targets of a package: go test -fuzz takes one target and links it every time.
  go test -c -fuzz=. -o "$work/fuzz.test" "$package"
  targets=$(cd "$package" && "$work/fuzz.test" -test.list='^Fuzz')
  for target in $targets; do
    printf '%s, %s\n' "$target" "$package"
    (cd "$package" && "$work/fuzz.test" -test.run='^$' -test.fuzz="^$target\$" -test.fuzztime="$time" \
      -test.fuzzminimizetime=100x -test.fuzzcachedir="$corpora/${package#./}" "$@") || status=1
  done
done
exit "$status"
