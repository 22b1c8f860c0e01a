//! `hummingbird-dataplane`.
fn main() {}
