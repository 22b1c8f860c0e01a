//! Properties of the whole crate, over random rules and payloads.

mod completeness;
mod reference;
mod rules;
