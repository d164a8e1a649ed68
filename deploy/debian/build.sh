#!/usr/bin/env bash
# Builds the Debian package: target/debian/peregrine_VERSION_ARCHITECTURE.deb
#
# Needs cargo-deb (cargo install cargo-deb).
set -euo pipefail
cd "$(dirname "$0")/../.."

# Cargo features beyond the usual ones, as in deploy/docker/Dockerfile.
features=otlp,sentry

cargo build --locked --release --package peregrine --bin peregrine --features "$features"

# The manual and the completions are made by the program itself.
made=${CARGO_TARGET_DIR:-target}/release/package
peregrine=${CARGO_TARGET_DIR:-target}/release/peregrine
rm -rf "$made"
mkdir -p "$made/man" "$made/completions"
"$peregrine" man "$made/man"
gzip -9n "$made"/man/*.1
for shell in bash zsh fish; do
    "$peregrine" completions "$shell" > "$made/completions/$shell"
done

cargo deb --no-build "$@"
