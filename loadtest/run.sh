#!/usr/bin/env bash
# Builds the gateway and the load driver, runs one scenario on loopback, prints its report.
#
#   loadtest/run.sh apns
#   loadtest/run.sh fcm --seconds 20 --connections 256 --workers 2 --latency-ms 20
#
#   loadtest/run.sh limits --rounds 5
#
# Scenarios: apns, fcm, limits. All options: loadtest/run.sh --help
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --quiet --package peregrine --package loadtest
target=${CARGO_TARGET_DIR:-target}
scenario=${1:---help}
exec "$target/release/loadtest" "$scenario" --gateway "$target/release/peregrine" "${@:2}"
