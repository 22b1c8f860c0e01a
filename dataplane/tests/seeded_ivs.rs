//! IVs that can be foretold exist in tests only: what is built for release
//! does not enable the feature that has them.

use std::process::Command;

fn features(edges: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package", "hummingbird-dataplane", "--edges", edges])
        .args(["--invert", "hummingbird-esp"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

#[test]
fn the_release_binary_has_no_seeded_ivs() {
    assert!(features("features,normal,build,dev").contains("test-iv"), "tests have them");
    let release = features("features,normal,build");
    assert!(release.contains("hummingbird-dataplane") && !release.contains("test-iv"), "{release}");
}
