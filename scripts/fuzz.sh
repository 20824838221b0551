#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time each (default 30s).
set -euo pipefail
cd "$(dirname "$0")/.."
each=${1:-30s}
found=0
for pkg in $(go list ./...); do
  for target in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
    found=$((found + 1))
    echo "fuzz: $pkg $target $each"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$each" "$pkg"
  done
done
[ "$found" -gt 0 ] || { echo "fuzz: no target found" >&2; exit 1; }
