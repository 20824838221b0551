#!/usr/bin/env bash
# Runs every test of the module. Says in one line what is missing, installs it where that
# is possible, and fails when a tier was skipped that .ci/allowed-skips does not name.
set -euo pipefail
cd "$(dirname "$0")/.."

# have says whether one of the programs is there.
have() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null && return
  done
  return 1
}
have_cc() { have gcc clang; }
have_node() { have node && have npm; }
have_browser() { have chromium chromium-browser google-chrome; }

# install installs Debian packages, and says so, where that is possible.
install() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "test: installing $*" >&2
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
  fi
}

# The race detector needs a C compiler; the tests of the examples need Node and a browser.
have_cc || install gcc libc6-dev || true
have_node || install nodejs npm || true
have_browser || install chromium || true

if ! have_node || ! have_browser; then
  echo "test: the examples need node, npm and chromium, so this run will fail at its end: install them (Debian: apt-get install --no-install-recommends nodejs npm chromium)" >&2
fi

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
