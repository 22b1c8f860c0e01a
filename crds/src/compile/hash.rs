//! The content hash of a bundle.

use sha2::{Digest, Sha256};

use crate::bundle::{Bundle, Data};

/// SHA-256 in hex over the chain's name, its spec and all data that it names.
/// Each piece is framed by its length, so that no two bundles run together.
pub(super) fn content(bundle: &Bundle) -> String {
    let mut hash = Sha256::new();
    let mut piece = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    let spec = &bundle.chain.spec;
    piece(bundle.chain_name().as_bytes());
    piece(serde_json::to_value(spec).unwrap_or_default().to_string().as_bytes());
    for function in &spec.functions {
        let rules = function.nids.iter().map(|nids| &nids.rules_from);
        let routes = function.router.iter().filter_map(|router| router.routes_from.as_ref());
        for (name, text) in rules.chain(routes).filter_map(|from| bundle.texts(from).ok()).flatten() {
            piece(name.as_bytes());
            piece(&text);
        }
        for sa in function.ipsec.iter().flat_map(|ipsec| &ipsec.security_associations) {
            let keys = bundle.secret(&sa.keys_from.secret_ref.name).ok();
            for name in ["cipherKey", "integrityKey"] {
                if let Some(Data(key)) = keys.and_then(|keys| keys.get(name)) {
                    piece(key);
                }
            }
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
