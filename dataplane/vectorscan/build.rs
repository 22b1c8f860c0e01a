//! Finds vectorscan (Debian: `libvectorscan-dev`), which goes by Hyperscan's name.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Err(why) = pkg_config::Config::new().atleast_version("5.4").probe("libhs") {
        println!("cargo::error=vectorscan is not installed (package libvectorscan-dev): {why}");
    }
}
