#!/usr/bin/env bash
# Installs what a group of steps needs from the distribution, and only what is
# missing. Safe to run again; says what it installs and why.
#
#   scripts/bootstrap.sh [build] [run] [test] [bench]     (no group: build and run)
#
# Debian 12 as root, or with sudo. Elsewhere: install the packages that it
# names by your own means and set HUMMINGBIRD_BOOTSTRAP=skip.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

RUST_NEEDED=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

# GROUP PACKAGE REASON
packages() {
  cat <<'LIST'
build build-essential      C compiler, linker and make
build pkg-config           finds DPDK and its flags
build libdpdk-dev          DPDK 22.11: headers, libraries, drivers
build libipsec-mb-dev      multi-buffer AES and SHA-1 for ESP on the CPU
build libvectorscan-dev    finds many patterns at once for the NIDS on the CPU
build libclang-14-dev      reads DPDK's headers for the bindings
build clang-14             that library's own headers, and where they are
build ca-certificates      lets cargo fetch crates over TLS
build git                  lets cargo and the scripts read the checkout
run   pocl-opencl-icd      PoCL: an OpenCL device on any CPU
run   ocl-icd-libopencl1   finds the OpenCL devices
test  python3              runs the end-to-end tests and the judges
test  python3-pytest       collects and reports them
test  python3-scapy        judge: builds and reads packets, ESP included
test  python3-cryptography lets Scapy encrypt and decrypt
test  python3-yaml         reads manifests in tests
test  tshark               judge: dissects, decrypts and verifies captures
test  iproute2             makes the veth pair of the live-port tests
test  clang-15             static checks of the kernels
test  llvm-spirv-15        the kernels as SPIR-V
test  spirv-tools          validates that SPIR-V
test  oclgrind             finds races and stray accesses in the kernels
bench dpdk-dev             peer: testpmd
bench openssl              peer: openssl speed
LIST
}

is_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  else
    sudo -n "$@"
  fi
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@"
}

install_packages() {
  local groups=" $* " group package reason missing=() log=target/bootstrap.log
  while read -r group package reason; do
    [[ $groups == *" $group "* ]] || continue
    is_installed "$package" && continue
    missing+=("$package")
    printf '    %-20s %s\n' "$package" "$reason"
  done < <(packages)
  if ((${#missing[@]} == 0)); then
    say "system packages ($*): all there"
    return
  fi
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
    die "these packages are missing, and this is neither root nor is sudo here: ${missing[*]}"
  # Asks for a password here, once, where there is somebody to ask.
  [ "$(id -u)" = 0 ] || [ ! -t 0 ] || sudo -v
  say "installing ${#missing[@]} packages and what they depend on (log: $log)"
  with_progress "package lists" "$log.update" apt_get update
  with_progress "packages" "$log" apt_get install -y --no-install-recommends "${missing[@]}"
  for package in "${missing[@]}"; do
    is_installed "$package" || die "apt-get said yes, but $package is not installed; see $log"
  done
}

# old_rust: whether cargo is absent or below the workspace's rust-version.
old_rust() {
  local have
  have=$(cargo --version 2>/dev/null | sed -n 's/^cargo \([0-9.]*\).*/\1/p')
  [ -z "$have" ] || [ "$(printf '%s\n%s\n' "$RUST_NEEDED" "$have" | sort -V | head -n 1)" != "$RUST_NEEDED" ]
}

check_rust() {
  find_cargo
  if old_rust && command -v rustup >/dev/null; then
    say "updating Rust (needed: $RUST_NEEDED)"
    rustup toolchain install stable --profile minimal --component rustfmt --component clippy </dev/null
  fi
  if old_rust; then
    cat >&2 <<TEXT
error: Rust $RUST_NEEDED or newer is needed; here: $(cargo --version 2>/dev/null || echo none).
  Debian 12's own cargo is too old. Install rustup as https://rustup.rs says
  (its installer with '-y' asks nothing), then either open a new shell or run
      . "\$HOME/.cargo/env"
  Where rustup is here and its default is an old toolchain:
      rustup default stable
TEXT
    exit 1
  fi
}

main() {
  local groups=("$@") group
  ((${#groups[@]})) || groups=(build run)
  for group in "${groups[@]}"; do
    [[ $group =~ ^(build|run|test|bench)$ ]] || die "unknown group '$group'; there are build, run, test and bench"
  done
  if [ "${HUMMINGBIRD_BOOTSTRAP:-}" = skip ]; then
    say "system packages: skipped, as HUMMINGBIRD_BOOTSTRAP says"
  elif [ "$(. /etc/os-release 2>/dev/null && echo "${ID:-} ${VERSION_ID:-}")" = "debian 12" ]; then
    install_packages "${groups[@]}"
  else
    printf 'error: only Debian 12 is set up by itself. Install what these Debian packages hold, then set HUMMINGBIRD_BOOTSTRAP=skip:\n' >&2
    packages | while read -r group package reason; do
      [[ " ${groups[*]} " == *" $group "* ]] && printf '    %-20s %s\n' "$package" "$reason" >&2
    done
    exit 1
  fi
  if [[ " ${groups[*]} " == *" build "* ]]; then
    check_rust
  fi
}

main "$@"
