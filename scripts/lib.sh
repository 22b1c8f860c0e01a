# Helpers that the scripts share. Sourced, never run.

# say TEXT…: one line about what happens now.
say() { printf '==> %s\n' "$*"; }

# die TEXT…: the reason, then out.
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# last_line FILE: the last line that says something, cut to a screen's width.
last_line() { tail -c 2000 "$1" | tr '\r' '\n' | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c1-110 || true; }

# with_progress LABEL LOG COMMAND…: runs COMMAND with its output in LOG and
# says every few seconds that it is alive, what it last said and for how long
# it has run. The last lines of LOG follow when it fails.
with_progress() {
  local label=$1 log=$2 pid rc=0 start=$SECONDS every=15 next=15
  shift 2
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  # A job in the background of a script does not hear Ctrl-C by itself.
  trap 'kill "$pid" 2>/dev/null; exit 130' INT TERM
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    if ((SECONDS - start >= next)); then
      next=$((SECONDS - start + every))
      printf '    %s: %d s … %s\n' "$label" $((SECONDS - start)) "$(last_line "$log")"
    fi
  done
  wait "$pid" || rc=$?
  trap - INT TERM
  if ((rc != 0)); then
    printf '    %s: failed after %d s (exit %d); the end of %s:\n' "$label" $((SECONDS - start)) "$rc" "$log" >&2
    tail -n 60 "$log" | sed 's/^/    | /' >&2
  fi
  return "$rc"
}

# find_cargo: puts the user's own Rust on the path where it is not there yet.
find_cargo() {
  command -v cargo >/dev/null || PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
  export PATH
}
