//! Any bytes as a bundle: read, compiled and, where that works, explained.

#![no_main]

use hummingbird_crds::{
    Bundle, Capacity, Explainer, compile,
    tables::{Generation, PortId},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(bundle) = Bundle::read(bytes) else { return };
    if let Ok(compiled) = compile(&bundle, Generation(1), Capacity { workgroups: Some(16) }) {
        let _ = Explainer::new(&compiled.tables).explain(PortId(0), bytes);
    }
});
