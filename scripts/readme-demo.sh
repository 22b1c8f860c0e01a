#!/usr/bin/env bash
# Puts what the demo prints between the README's two marks: readme-demo.sh BINARY
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
printed=$(mktemp)
trap 'rm -f "$printed"' EXIT
scripts/demo.sh "$1" 2>/dev/null >"$printed"
awk -v printed="$printed" '
  /^<!-- demo: end -->/ { inside = 0 }
  !inside { print }
  /^<!-- demo: begin -->/ {
    inside = 1
    print "```"
    while ((getline line < printed) > 0) print line
    print "```"
  }
' README.md >README.md.new
mv README.md.new README.md
say "README.md shows $(wc -l <"$printed") lines of the demo"
