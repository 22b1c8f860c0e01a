#![doc = include_str!("../README.md")]

pub use bindings::*;

/// What `bindgen` makes of the headers. Names, layouts and comments are DPDK's.
#[allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unsafe_op_in_unsafe_fn,
    unnecessary_transmutes,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    rustdoc::all
)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/dpdk.rs"));
}
