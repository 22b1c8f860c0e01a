//! One binary for all integration tests: they share what takes long to link.

mod apunode;
mod bundles;
mod common;
mod compiling;
mod examples;
mod explaining;
mod no_panic;
mod packets;
mod real_data;
mod schema;
mod validation;
