//! Whatever is read, nothing panics.

use crate::common::{EDGE, attempt};
use hummingbird_crds::{Bundle, Capacity};
use proptest::prelude::*;

/// Fragments that are likely to lead somewhere.
const PIECES: &[&str] = &[
    "apiVersion: hummingbird.dev/v1alpha1\n",
    "kind: NfChain\n",
    "spec:\n",
    "  ports:\n",
    "  - name: lan\n",
    "  functions: [{}]\n",
    "  classes:\n",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "\t",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "&a ",
    "*a",
    "!!int ",
    "|\n",
    "null",
    "~",
    "-1",
    "1e999",
    ".nan",
    "0x10",
    "ports: 7\n",
    "\u{feff}",
    "\r\n",
    "# c\n",
    "<<: *a\n",
    "é",
    "? ",
    "metadata: {name: x}\n",
];

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Bundle::read(&bytes);
    }

    #[test]
    fn pieces_of_yaml(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40)) {
        let _ = attempt(&pieces.concat(), Capacity::default());
    }

    /// The example with one piece cut out, doubled or replaced.
    #[test]
    fn an_example_that_was_damaged(at in 0..EDGE.len(), len in 0usize..60, piece in proptest::sample::select(PIECES)) {
        let end = (at + len).min(EDGE.len());
        let text = format!("{}{piece}{}", &EDGE[..at], &EDGE[end..]);
        let _ = attempt(&text, Capacity { workgroups: Some(2) });
    }
}
