//! Compiles the peers: C programs' inner loops that drive the field's libraries directly.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let peers = ["peers/fib.c", "peers/ipsec.c", "peers/scan.c"];
    for path in peers.into_iter().chain(["build.rs"]) {
        println!("cargo:rerun-if-changed={path}");
    }
    let dpdk = pkg_config::Config::new().cargo_metadata(false).probe("libdpdk")?;
    let hyperscan = pkg_config::Config::new().cargo_metadata(false).probe("libhs")?;
    cc::Build::new()
        .files(peers)
        .includes(dpdk.include_paths.iter().chain(&hyperscan.include_paths))
        .flag("-include")
        .flag("rte_config.h")
        // What Debian builds DPDK for.
        .flag("-march=corei7")
        .opt_level(3)
        .try_compile("hb_bench_peers")?;
    for library in ["rte_eal", "rte_fib", "IPSec_MB", "hs"] {
        println!("cargo:rustc-link-lib=dylib={library}");
    }
    Ok(())
}
