//! What several tests share.
use hummingbird_crds::{Bundle, Capacity, Compiled, Violation, compile, tables::Generation};

/// The whole example.
pub const EDGE: &str = include_str!("../data/edge.yaml");
/// The paper's chains.
pub const STATIC: &str = include_str!("../data/paper-static.yaml");
pub const DYNAMIC: &str = include_str!("../data/paper-dynamic.yaml");

/// `text` with one piece replaced, which must be there.
pub fn edit(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in the fixture");
    text.replacen(from, to, 1)
}

pub fn compiled(text: &str) -> Compiled {
    attempt(text, Capacity::default()).unwrap_or_else(|violations| panic!("{violations:#?}"))
}

pub fn violations(text: &str) -> Vec<Violation> {
    attempt(text, Capacity::default()).expect_err("the bundle compiles")
}

pub fn attempt(text: &str, capacity: Capacity) -> Result<Compiled, Vec<Violation>> {
    compile(&Bundle::read(text.as_bytes())?, Generation(7), capacity)
}
