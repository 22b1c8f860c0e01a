//! Binds the installed DPDK: finds it, translates its headers, builds the shim, links dynamically.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What the crate `dpdk` calls. Types come along as far as these need them.
const FUNCTIONS: &[&str] = &[
    "hb_.*",
    "rte_dev_dma_(map|unmap)",
    "rte_eal_(cleanup|get_runtime_dir|has_hugepages|hotplug_add|hotplug_remove|init)",
    "rte_eth_dev_(adjust_nb_rx_tx_desc|close|configure|get_port_by_name|info_get|socket_id|start|stop)",
    "rte_eth_(link_get_nowait|macaddr_get|promiscuous_enable|stats_get)",
    "rte_eth_(rx|tx)_queue_setup",
    "rte_extmem_(register|unregister)",
    "rte_fib_(add|create|free|lookup_bulk)",
    "rte_malloc_get_socket_stats",
    "rte_mbuf_best_mempool_ops",
    "rte_mempool_(avail_count|create_empty|free|obj_iter|populate_iova|set_ops_byname)",
    "rte_pktmbuf_(free_bulk|init|pool_init)",
    "rte_strerror",
    "rte_thread_(register|unregister)",
];

const TYPES: &[&str] = &["rte_eth_conf", "rte_mbuf", "rte_pktmbuf_pool_private"];

const CONSTANTS: &[&str] = &[
    "RTE_ETHER_(CRC|HDR)_LEN",
    "RTE_ETH_NAME_MAX_LEN",
    "RTE_FIB_MAXDEPTH",
    "RTE_MBUF_PRIV_ALIGN",
    "RTE_MEMPOOL_F_.*",
    "RTE_PKTMBUF_HEADROOM",
];

/// The shared libraries behind [`FUNCTIONS`].
const LIBRARIES: &[&str] = &["rte_eal", "rte_ethdev", "rte_fib", "rte_mbuf", "rte_mempool"];

fn main() -> ExitCode {
    for path in ["build.rs", "wrapper.h", "src/shim.h", "src/shim.c"] {
        println!("cargo:rerun-if-changed={path}");
    }
    println!("cargo:rerun-if-env-changed=LIBCLANG_PATH");
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("dpdk-sys: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: run by cargo")?);
    // DPDK 22.11 is what the code is written against; 23 changes names that we use.
    let dpdk = pkg_config::Config::new()
        .range_version("22.11".."23")
        .cargo_metadata(false)
        .probe("libdpdk")
        .map_err(|e| format!("DPDK 22.11 is not installed (package libdpdk-dev): {e}"))?;
    let flags = compiler_flags(&dpdk);

    let mut shim = cc::Build::new();
    shim.file("src/shim.c").include("src").define("ALLOW_EXPERIMENTAL_API", None).opt_level(3);
    shim.flags(&flags);
    shim.try_compile("hb_dpdk_shim").map_err(|e| format!("cannot compile src/shim.c: {e}"))?;

    choose_libclang();
    let mut bindings = bindgen::Builder::default()
        .header("wrapper.h")
        .clang_args(&flags)
        .clang_args(["-Isrc", "-DALLOW_EXPERIMENTAL_API"])
        .default_enum_style(bindgen::EnumVariation::ModuleConsts)
        .derive_default(true)
        .parse_callbacks(Box::new(bindgen::CargoCallbacks::new()));
    for name in FUNCTIONS {
        bindings = bindings.allowlist_function(name);
    }
    for name in TYPES {
        bindings = bindings.allowlist_type(name);
    }
    for name in CONSTANTS {
        bindings = bindings.allowlist_var(name);
    }
    bindings
        .generate()
        .map_err(|e| format!("cannot translate DPDK's headers (package libclang-14-dev?): {e}"))?
        .write_to_file(out.join("dpdk.rs"))
        .map_err(|e| format!("cannot write the bindings to {}: {e}", out.display()))?;

    for path in &dpdk.link_paths {
        println!("cargo:rustc-link-search=native={}", path.display());
    }
    for library in LIBRARIES {
        println!("cargo:rustc-link-lib=dylib={library}");
    }
    Ok(())
}

/// The flags that DPDK's inline functions need. `pkg-config` (the crate) keeps
/// only include paths and definitions of what `pkg-config` (the tool) prints.
fn compiler_flags(dpdk: &pkg_config::Library) -> Vec<String> {
    let mut flags: Vec<String> = vec!["-include".into(), "rte_config.h".into()];
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64") {
        // The baseline that Debian's DPDK is built for.
        flags.push("-march=corei7".into());
    }
    flags.extend(dpdk.include_paths.iter().map(|path| format!("-I{}", path.display())));
    flags
}

/// Picks one LLVM when several are installed: a library of one version with
/// the built-in headers of another cannot read `immintrin.h`.
fn choose_libclang() {
    let preferred = Path::new("/usr/lib/llvm-14");
    if env::var_os("LIBCLANG_PATH").is_none() && preferred.join("lib").is_dir() {
        // SAFETY: the build script has one thread.
        unsafe {
            env::set_var("LIBCLANG_PATH", preferred.join("lib"));
            if preferred.join("bin/clang").is_file() {
                env::set_var("CLANG_PATH", preferred.join("bin/clang"));
            }
        }
    }
}
