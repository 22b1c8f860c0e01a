//! Binds the few names of `<intel-ipsec-mb.h>` that the wrapper uses.

use std::{env, error::Error, path::Path, path::PathBuf};

/// Where Debian 12 keeps libclang; bindgen looks there only when told.
const LIBCLANG: &str = "/usr/lib/llvm-14/lib";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LIBCLANG_PATH");
    if env::var_os("LIBCLANG_PATH").is_none() && Path::new(LIBCLANG).is_dir() {
        // SAFETY: a build script has one thread at this point, so nobody
        // reads the environment meanwhile.
        unsafe { env::set_var("LIBCLANG_PATH", LIBCLANG) };
    }
    let out = PathBuf::from(env::var("OUT_DIR")?).join("sys.rs");
    bindgen::Builder::default()
        .header_contents("wrapper.h", "#include <intel-ipsec-mb.h>\n")
        .allowlist_function("alloc_mb_mgr|free_mb_mgr|init_mb_mgr_auto|imb_get_errno|imb_get_strerror")
        .allowlist_function("imb_get_version|imb_get_version_str")
        .allowlist_type("IMB_MGR|IMB_JOB|IMB_ARCH")
        .allowlist_var("IMB_VERSION_NUM|IMB_FEATURE_AESNI|IMB_FEATURE_SELF_TEST|IMB_FEATURE_SELF_TEST_PASS")
        .derive_debug(false)
        .layout_tests(false)
        .generate_comments(false)
        .generate()
        .map_err(|why| {
            format!("cannot bind <intel-ipsec-mb.h>: {why}; install libipsec-mb-dev and libclang-14-dev")
        })?
        .write_to_file(out)?;
    println!("cargo::rustc-link-lib=dylib=IPSec_MB");
    Ok(())
}
