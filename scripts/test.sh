#!/usr/bin/env bash
# Runs every suite, one log each under target/logs, and counts them at the end.
#   scripts/test.sh [NAME…]     only the suites whose name contains a NAME
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
find_cargo
wanted=("$@")
logs=target/logs
passed=0
failed=()

# suite NAME LIMIT COMMAND…: one suite, within LIMIT seconds.
suite() {
  local name=$1 limit=$2 start=$SECONDS word log=$logs/${1//[^a-zA-Z0-9_.-]/-}.log
  shift 2
  if ((${#wanted[@]})); then
    for word in "${wanted[@]}"; do [[ $name == *"$word"* ]] && break; done
    [[ $name == *"$word"* ]] || return 0
  fi
  say "$name"
  if with_progress "$name" "$log" timeout -k 10 "$limit" "$@"; then
    passed=$((passed + 1))
    printf '    ok, %d s: %s\n' $((SECONDS - start)) "$(last_line "$log")"
  else
    failed+=("$name")
  fi
}

suite "build" 3000 cargo build --release --locked -p hummingbird-dataplane
suite "rust" 3000 cargo test --release --locked --workspace
suite "kernels" 900 kernels/check.sh
for judge in tests/judges/*.py tests/judges/*.sh; do
  # What installs a judge is none.
  [[ -x $judge && $judge != *-install.sh ]] && suite "judge $(basename "$judge")" 900 "$judge"
done
for file in tests/e2e/test_*.py; do
  suite "e2e $(basename "$file" .py)" 900 /usr/bin/python3 -m pytest -q -p no:cacheprovider "$file"
done
suite "soak" 600 /usr/bin/python3 tests/soak/soak.py --minutes 1 --seed 1

for name in "${failed[@]}"; do printf 'failed: %s\n' "$name"; done
printf '%d passed, %d failed\n' "$passed" "${#failed[@]}"
((${#failed[@]} == 0 && passed > 0))
