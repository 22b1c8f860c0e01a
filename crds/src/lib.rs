#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod api;
pub mod bundle;
mod compile;
mod drop_reason;
pub mod explain;
pub mod tables;
pub mod view;
pub mod violation;

pub use bundle::Bundle;
pub use compile::{Capacity, Compiled, compile, validate};
pub use drop_reason::DropReason;
pub use explain::Explainer;
pub use violation::{Report, Violation};

/// The generated files: a name, and the CustomResourceDefinition in it as YAML.
///
/// # Errors
/// A schema cannot be written as YAML.
pub fn crd_files() -> Result<[(&'static str, String); 2], serde_yaml::Error> {
    use kube::CustomResourceExt;
    Ok([
        ("apunode.yaml", serde_yaml::to_string(&api::ApuNode::crd())?),
        ("nfchain.yaml", serde_yaml::to_string(&api::NfChain::crd())?),
    ])
}
