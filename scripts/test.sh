#!/usr/bin/env bash
# Runs every test of the module. Says in one line what is missing, installs it where that
# is possible, and fails when a tier was skipped that .ci/allowed-skips does not name.
set -euo pipefail
cd "$(dirname "$0")/.."

have_cc() { command -v gcc >/dev/null || command -v clang >/dev/null; }

# The race detector needs a C compiler.
install_cc() {
  have_cc && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "test: installing gcc for the race detector" >&2
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null
  fi
}

install_cc || true
race=()
if have_cc; then
  export CGO_ENABLED=1
  race=(-race)
elif [ "${MUSTER_RACE:-}" = required ] || [ -n "${CI:-}" ]; then
  echo "test: the race detector needs a C compiler: install gcc (Debian: apt-get install gcc libc6-dev)" >&2
  exit 1
else
  echo "test: no C compiler, so the race detector is off" >&2
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
go test "${race[@]}" -count=1 -timeout 20m -v ./... >"$log" 2>&1 || status=$?
grep -E '^(ok|FAIL|\?)[[:space:]]' "$log" | grep -v 'no test files' || true
if [ "$status" != 0 ]; then
  # Everything between the start of a failed test and its verdict is in the log.
  grep -vE '^(=== (RUN|PAUSE|CONT|NAME)|[[:space:]]*--- (PASS|SKIP)|PASS$|ok[[:space:]])' "$log" | tail -n 400
  exit "$status"
fi

skipped=$(grep -oE -- '--- SKIP: [^ ]+' "$log" | sed 's/--- SKIP: //' | grep -vxFf <(grep -v '^#' .ci/allowed-skips) || true)
if [ -n "$skipped" ]; then
  printf 'test: skipped, and not named in .ci/allowed-skips:\n%s\n' "$skipped" >&2
  exit 1
fi
printf 'tests: %d passed, %d failed\n' "$(grep -cE -- '^ *--- PASS' "$log")" 0
