#!/usr/bin/env bash
# Looks at the kernels without a live host: compilers in several dialects,
# SPIR-V, and oclgrind, which sees data races, divergent barriers and bad
# accesses in a finite run of the unchanged persistent kernel. Faults are seeded
# and must be found, so the check can fail. It does not judge memory orders: that
# is for the model of the row protocol and for the live tests.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in clang-15:clang-15 llvm-spirv-15:llvm-spirv-15 spirv-val:spirv-tools oclgrind:oclgrind; do
  command -v "${tool%%:*}" >/dev/null || { echo "kernels/check.sh: ${tool%%:*} is missing: apt-get install ${tool#*:}" >&2; exit 2; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
step() { echo "kernels: $*"; }
fail() { echo "kernels: FAILED: $*" >&2; exit 1; }

step "building the program text and the runner"
cargo build --quiet --release -p hummingbird-kernels --examples
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
program=$work/program.cl
"$target/release/examples/program" >"$program"

# --- Compilers ---------------------------------------------------------------
# PoCL 3.1 by its feature list: no all_svm_devices scope, no generic pointers, no
# program-scope variables. With a SPIR target clang would not miss the scope.
pocl=-all
for feature in __opencl_c_int64 __opencl_c_images __opencl_c_3d_image_writes cl_khr_3d_image_writes \
  __opencl_c_atomic_order_acq_rel __opencl_c_atomic_order_seq_cst __opencl_c_atomic_scope_device \
  __opencl_c_fp64 cl_khr_fp64 cl_khr_int64_base_atomics cl_khr_int64_extended_atomics __opencl_c_read_write_images; do
  pocl+=,+$feature
done
clang=(clang-15 -x cl -Xclang -finclude-default-header -Wall -Wextra -Werror)
dialect() { # NAME FILE
  case $1 in
  "OpenCL C 2.0") "${clang[@]}" -fsyntax-only -cl-std=CL2.0 -target spir64 "$2" ;;
  "OpenCL C 3.0") "${clang[@]}" -fsyntax-only -cl-std=CL3.0 -target spir64 "$2" ;;
  "PoCL 3.1") "${clang[@]}" -fsyntax-only -cl-std=CL3.0 -target x86_64-unknown-linux-gnu -Xclang "-cl-ext=$pocl" "$2" ;;
  "OpenCL C 1.2 for oclgrind") "${clang[@]}" -fsyntax-only -cl-std=CL1.2 -DHB_CL12 -target spir64 "$2" ;;
  esac
}
for name in "OpenCL C 2.0" "OpenCL C 3.0" "PoCL 3.1" "OpenCL C 1.2 for oclgrind"; do
  step "clang, $name"
  dialect "$name" "$program" || fail "$name"
done

# Writes the program with one edit to $work/seeded.cl; the edit must apply.
seed() { # SED-SCRIPT
  sed -E "$1" "$program" >"$work/seeded.cl"
  ! cmp -s "$program" "$work/seeded.cl" || fail "the seeded fault no longer applies: $1"
}
refused() { # DIALECT WHAT SED-SCRIPT
  step "seeded for $1: $2"
  seed "$3"
  ! dialect "$1" "$work/seeded.cl" 2>/dev/null || fail "$1 accepted $2"
}
refused "PoCL 3.1" "a scope that PoCL does not have" 's/^#define HOST_SCOPE memory_scope_device/#define HOST_SCOPE memory_scope_all_svm_devices/'
refused "OpenCL C 3.0" "a struct that is not the layout's" 's/^  uint esn;/  uint shifted, esn;/'

for level in 0 2; do
  step "SPIR-V at -O$level"
  # The translator has no words of 4 bits, which the vectoriser makes of masks.
  optimise=("-O$level" -fno-slp-vectorize)
  [ "$level" = 0 ] && optimise+=(-Xclang -disable-O0-optnone)
  "${clang[@]}" -cl-std=CL2.0 -target spir64 "${optimise[@]}" -emit-llvm -c "$program" -o "$work/program.bc"
  llvm-spirv-15 --spirv-max-version=1.2 "$work/program.bc" -o "$work/program.spv"
  spirv-val --target-env opencl2.0 "$work/program.spv" || fail "SPIR-V at -O$level is not valid"
done

# --- oclgrind ----------------------------------------------------------------
# Unoptimised, so that every access of the source is seen (and 21.10 gets some
# loops of optimised code wrong). It reports on stderr and exits with 0 whatever
# it found, so the output decides.
library=$(find /usr/lib /usr/local/lib -name liboclgrind-rt-icd.so -print -quit)
[ -n "$library" ] || fail "liboclgrind-rt-icd.so is not installed"
echo "$library" >"$work/oclgrind.icd"
interpret() { # FILE; output in $work/log
  OCL_ICD_VENDORS=$work/oclgrind.icd OCLGRIND_DATA_RACES=1 OCLGRIND_MAX_ERRORS=4 timeout 20 \
    "$target/release/examples/finite_run" "$1" "-cl-std=CL1.2 -DHB_CL12 -cl-opt-disable" 8 >"$work/log" 2>&1
}
reports='data race|Invalid (read|write)|divergence detected|Oclgrind: [0-9]+ errors'

step "oclgrind, all functions, no fault"
interpret "$program" || { cat "$work/log"; fail "the finite run differs from the oracle"; }
grep -q "Oclgrind Simulator" "$work/log" || fail "the run was not interpreted"
! grep -E "$reports" "$work/log" || { cat "$work/log"; fail "oclgrind found a fault"; }

found() { # WHAT REPORT SED-SCRIPT
  step "seeded for oclgrind: $1"
  seed "$3"
  interpret "$work/seeded.cl" || true
  grep -qE "$2" "$work/log" || { cat "$work/log"; fail "not found: $1"; }
}
barrier='^    barrier\(CLK_LOCAL_MEM_FENCE \| CLK_GLOBAL_MEM_FENCE\);$'
found "no barrier after the poll" "data race" "/Shares .go., the row/,/$barrier/s/$barrier//"
found "no barrier before the row is handed back" "data race" "/All items' writes come/,/$barrier/s/$barrier//"
found "items that share packets" "data race" 's/p \+= GROUP_SIZE\)/p += GROUP_SIZE - 1u)/'
found "items that leave the loop apart" "divergence detected" 's/if \(!go\)/if (!go || (ITEM_ID == 3u \&\& done != 0u))/'
found "a row beyond the ring" "Invalid read" 's/\(depth_mask \+ 1u\)/(depth_mask + 2u)/'
found "an outcome beyond the row" "Invalid write" 's/row\.outcomes \+ 8u \* p\)/row.outcomes + 800000u * (p + 1u))/'
found "a wrong result" "differ from the oracle" 's/^#define HB_DONE 1/#define HB_DONE 3/'

step "all checks passed"
