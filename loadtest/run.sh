#!/usr/bin/env bash
# Builds the gateway and the load driver, runs one scenario on loopback, prints its report.
#
#   loadtest/run.sh apns
#   loadtest/run.sh fcm --seconds 20 --connections 256 --workers 2 --latency-ms 20
#
# Scenarios: apns, fcm. All options: loadtest/run.sh --help
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --quiet --package peregrine --package loadtest
target=${CARGO_TARGET_DIR:-target}
exec "$target/release/loadtest" --gateway "$target/release/peregrine" "$@"
