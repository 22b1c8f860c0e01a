#!/usr/bin/env bash
# Proof that a bare machine is enough: makes a minimal Debian 12 under
# target/bare, clones HEAD into it and runs commands there as its root user,
# with this machine's network and Rust but nothing else of it.
#
#   scripts/bare-check.sh [COMMAND]     (default: make build && make demo)
#
# Needs root and mmdebstrap. target/bare is made anew each time.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
find_cargo
command=${1:-make build && cargo build --release -p hummingbird-dataplane && make demo}
bare=$PWD/target/bare
root=$bare/root

[ "$(id -u)" = 0 ] || die "run as root: the Debian tree is made with its real owners"
command -v mmdebstrap >/dev/null || die "mmdebstrap is not installed: apt-get install mmdebstrap"
[ -z "$(git status --porcelain)" ] || say "note: only what is committed is tested"

# Everything mounted for the check lives in a mount namespace of its own and
# goes with it.
if [ "${HUMMINGBIRD_BARE_NAMESPACE:-}" != inside ]; then
  rm -rf --one-file-system "$bare"
  mkdir -p "$bare"
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' 'Component: main' 'Created-By: Packages' | head -n 1)
  [ -n "$mirror" ] || die "apt knows no Debian 12 mirror: add a bookworm source and run apt-get update"
  with_progress "minimal Debian 12" "$bare/mmdebstrap.log" \
    mmdebstrap --variant=minbase --include=ca-certificates,git,make bookworm "$root" "$mirror"
  git clone -q --no-local . "$root/root/hummingbird"
  mkdir -p "$root/root/.cargo" "$root/root/.rustup"
  for part in bin registry config.toml; do
    if [ -e "${CARGO_HOME:-$HOME/.cargo}/$part" ]; then cp -a "${CARGO_HOME:-$HOME/.cargo}/$part" "$root/root/.cargo/"; fi
  done
  cp /etc/resolv.conf /etc/hosts "$root/etc/"
  cp -a /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
  HUMMINGBIRD_BARE_NAMESPACE=inside exec unshare --mount --propagation private "$0" "$command"
fi

mount --bind "${RUSTUP_HOME:-$HOME/.rustup}" "$root/root/.rustup"
mount -o remount,bind,ro "$root/root/.rustup"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"

say "in $root: $command"
env=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb CI=true)
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  if [ -n "${!name:-}" ]; then env+=("$name=${!name}"); fi
done
start=$SECONDS
chroot "$root" env -i "${env[@]}" bash -c "set -e; cd /root/hummingbird; export PATH=\$PATH:/root/.cargo/bin; $command" </dev/null
say "bare check passed in $((SECONDS - start)) s"
