#!/usr/bin/env bash
# cargo-deny over the workspace: licences, bans and sources always, advisories
# where their database can be fetched.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
find_cargo
cargo deny --version >/dev/null 2>&1 ||
  with_progress "cargo-deny" target/logs/cargo-deny.log cargo install cargo-deny --locked
cargo deny --locked check licenses bans sources
mkdir -p target/logs
if timeout 120 cargo deny fetch db >target/logs/advisories.log 2>&1 </dev/null; then
  cargo deny --locked check --disable-fetch advisories
else
  say "advisories: not checked, their database cannot be fetched from here (target/logs/advisories.log)"
fi
