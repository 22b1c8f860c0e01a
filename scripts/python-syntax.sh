#!/usr/bin/env bash
# Compiles every Python file of the checkout, writing nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files -z --cached --others --exclude-standard -- '*.py' scripts/bundle-examples |
  xargs -0 --no-run-if-empty /usr/bin/python3 -W error -c '
import sys
for path in sys.argv[1:]:
    with open(path, "rb") as source:
        compile(source.read(), path, "exec")
print(f"{len(sys.argv) - 1} Python files compile")
'
