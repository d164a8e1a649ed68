#!/usr/bin/env bash
# Builds the gateway and the load driver, runs one scenario on loopback, prints its report and
# writes it as JSON and HTML to target/loadtest. Fails if a promise was broken.
#
#   loadtest/run.sh apns
#   loadtest/run.sh fcm --seconds 20 --connections 256 --workers 2 --latency-ms 20
#   loadtest/run.sh soak 30
#   loadtest/run.sh limits --rounds 5
#
# Scenarios and what they answer: loadtest/README.md. All options: loadtest/run.sh --help
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --quiet --package peregrine --package loadtest
target=${CARGO_TARGET_DIR:-target}
commit=$(git describe --always --dirty 2>/dev/null || echo unknown)
# Every connection is an open file, here and in the gateway.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
exec "$target/release/loadtest" --gateway "$target/release/peregrine" --commit "$commit" "$@"
