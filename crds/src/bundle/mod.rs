//! A bundle: one text with an NfChain and the ConfigMaps and Secrets that it
//! names, as YAML documents or JSON values.

mod documents;
mod lines;
mod nesting;
mod objects;
mod shape;

use std::collections::BTreeMap;

pub(crate) use objects::Data;
pub(crate) use objects::Text;
use objects::{Held, Object};

use crate::{
    api::{DataFrom, GROUP, NfChain, NfChainSpec, VERSION},
    violation::Violation,
};
use documents::Document;
use serde_json::Value;

/// Largest bundle that is read, and largest content after gunzip, bytes.
pub const MAX_BYTES: usize = 256 << 20;

/// An NfChain with all that it may name.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The chain. Where fields were missing or of the wrong type, stand-ins
    /// are in their place, and [`Bundle::read`] has noted the violations.
    pub chain: NfChain,
    namespace: String,
    config_maps: Held,
    secrets: Held,
    /// What the manifest's shape violates.
    pub(crate) shape: shape::Findings,
    /// What was ignored.
    pub(crate) notes: Vec<Violation>,
    /// Documents that are no YAML.
    unread: Vec<Violation>,
    /// Text of the chain's document, and the line before its first.
    source: (String, usize),
}

impl Bundle {
    /// Reads a bundle. Mistakes in the chain's own fields are kept for
    /// [`compile`](crate::compile), so that they are reported with all others.
    ///
    /// # Errors
    /// The text is no UTF-8, too large, or holds no or several NfChains.
    pub fn read(bytes: &[u8]) -> Result<Self, Vec<Violation>> {
        let refuse = |reason: String| vec![Violation::new("bundle", reason)];
        if bytes.len() > MAX_BYTES {
            return Err(refuse(format!("is {} bytes; {MAX_BYTES} is the most", bytes.len())));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|error| refuse(format!("is no UTF-8 text, from byte {} on", error.valid_up_to())))?;
        let documents = documents::split(text.trim_start_matches('\u{feff}'));
        let (chains, others): (Vec<_>, Vec<_>) = documents.into_iter().partition(is_chain);
        match <[Document<'_>; 1]>::try_from(chains) {
            Ok([chain]) => Ok(Self::assemble(chain, others)),
            Err(chains) => Err(not_one_chain(&chains, &others)),
        }
    }

    fn assemble(chain: Document<'_>, others: Vec<Document<'_>>) -> Self {
        let source = (chain.text.to_owned(), chain.line - 1);
        let (chain, shape) = shape::chain(chain.value.unwrap_or_default());
        let namespace = chain.metadata.namespace.clone().unwrap_or_else(|| "default".into());
        let mut bundle = Self {
            chain,
            namespace,
            config_maps: Held::default(),
            secrets: Held::default(),
            shape,
            notes: Vec::new(),
            unread: Vec::new(),
            source,
        };
        bundle.hold(others);
        bundle
    }

    /// Sorts the other documents: ConfigMaps and Secrets are kept, what the
    /// chain does not name is noted.
    fn hold(&mut self, documents: Vec<Document<'_>>) {
        let names = Names::of(&self.chain.spec);
        for document in documents {
            let place = document.place();
            let line = document.line;
            let mut ignore = |what: String| self.notes.push(Violation::new(&place, what).at(line));
            let value = match document.value {
                Ok(Value::Null) => continue,
                Ok(value) => value,
                Err(error) => {
                    self.unread.push(error.at(&place));
                    continue;
                }
            };
            let Some(object) = Object::of(value, &place) else {
                ignore("is ignored: it is no Kubernetes object that a chain can name".into());
                continue;
            };
            let held = match object.kind {
                objects::Kind::ConfigMap => &mut self.config_maps,
                objects::Kind::Secret => &mut self.secrets,
            };
            if !names.name(&object, &self.namespace) {
                ignore(format!("is ignored: the chain does not name {}", object.title()));
            }
            held.add(object);
        }
    }

    /// Documents that are no YAML. They do no harm where the chain finds all
    /// that it names without them, and names it by name.
    pub(crate) fn unread(&self) -> (&[Violation], bool) {
        let selects = Names::of(&self.chain.spec).from.iter().any(|from| from.config_map_selector.is_some());
        (&self.unread, !selects)
    }

    /// The chain's namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The chain's `namespace/name`.
    #[must_use]
    pub fn chain_name(&self) -> String {
        format!("{}/{}", self.namespace, self.chain.metadata.name.as_deref().unwrap_or_default())
    }

    /// The contents of a Secret, or why there are none.
    pub(crate) fn secret(&self, name: &str) -> Result<&BTreeMap<String, Data>, String> {
        self.secrets.get("Secret", &self.namespace, name)
    }

    /// The texts that a reference names, in order, unpacked.
    pub(crate) fn texts(&self, from: &DataFrom) -> Result<Vec<Text<'_>>, String> {
        objects::texts(&self.config_maps, &self.namespace, from)
    }

    /// Gives violations of the chain's fields their lines.
    pub(crate) fn locate(&self, violations: &mut [Violation]) {
        lines::locate(&self.source.0, self.source.1, violations);
    }
}

fn is_chain(document: &Document<'_>) -> bool {
    let Ok(value) = &document.value else { return false };
    let group = value["apiVersion"].as_str().and_then(|version| version.split_once('/'));
    value["kind"] == "NfChain" && group.is_some_and(|(group, _)| group == GROUP)
}

fn not_one_chain(chains: &[Document<'_>], others: &[Document<'_>]) -> Vec<Violation> {
    if chains.is_empty() {
        let unread =
            others.iter().filter_map(|document| Some(document.value.as_ref().err()?.at(&document.place())));
        let mut violations: Vec<_> = unread.collect();
        violations.push(Violation::new(
            "bundle",
            format!(
                "holds no NfChain; one document must have apiVersion: {GROUP}/{VERSION} and kind: NfChain"
            ),
        ));
        return violations;
    }
    let places: Vec<_> =
        chains.iter().map(|chain| format!("{} (line {})", chain.place(), chain.line)).collect();
    vec![Violation::new(
        "bundle",
        format!("holds {} NfChains; leave one of {}", chains.len(), places.join(", ")),
    )]
}

/// What the chain names.
struct Names<'a> {
    secrets: Vec<&'a str>,
    from: Vec<&'a DataFrom>,
}

impl<'a> Names<'a> {
    fn of(spec: &'a NfChainSpec) -> Self {
        let mut names = Self { secrets: Vec::new(), from: Vec::new() };
        for function in &spec.functions {
            names.from.extend(function.nids.iter().map(|nids| &nids.rules_from));
            names.from.extend(function.router.iter().filter_map(|router| router.routes_from.as_ref()));
            let associations = function.ipsec.iter().flat_map(|ipsec| &ipsec.security_associations);
            names.secrets.extend(associations.map(|sa| sa.keys_from.secret_ref.name.as_str()));
        }
        names
    }

    fn name(&self, object: &Object, namespace: &str) -> bool {
        object.namespace == namespace
            && match object.kind {
                objects::Kind::Secret => self.secrets.contains(&object.name.as_str()),
                objects::Kind::ConfigMap => self.from.iter().any(|from| object.is_named_by(from)),
            }
    }
}
