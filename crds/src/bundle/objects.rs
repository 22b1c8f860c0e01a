//! The ConfigMaps and Secrets of a bundle.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::Read,
};

use base64::Engine;
use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::MAX_BYTES;
use crate::api::DataFrom;

/// The bytes of one key. Never printed: they may be a Secret's.
#[derive(Clone, PartialEq, Eq)]
pub struct Data(pub Vec<u8>);

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Data({} bytes)", self.0.len())
    }
}

/// The kinds that a chain can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    ConfigMap,
    Secret,
}

/// A ConfigMap or a Secret.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub kind: Kind,
    pub name: String,
    pub namespace: String,
    labels: BTreeMap<String, String>,
    place: String,
    /// Its keys, or why they cannot be read.
    content: Result<BTreeMap<String, Data>, String>,
}

impl Object {
    /// The object in a document, or `None` where it is of another kind.
    pub fn of(mut value: Value, place: &str) -> Option<Self> {
        if value.get("apiVersion")? != "v1" {
            return None;
        }
        let kind = match value.get("kind")?.as_str()? {
            "ConfigMap" => Kind::ConfigMap,
            "Secret" => Kind::Secret,
            _ => return None,
        };
        let metadata = value.get("metadata")?;
        let text = |field| metadata.get(field).and_then(Value::as_str).map(str::to_owned);
        let labels = metadata.get("labels").and_then(Value::as_object).into_iter().flatten();
        Some(Self {
            kind,
            name: text("name")?,
            namespace: text("namespace").unwrap_or_else(|| "default".into()),
            labels: labels
                .filter_map(|(key, label)| Some((key.clone(), label.as_str()?.to_owned())))
                .collect(),
            place: place.to_owned(),
            content: content(kind, &mut value),
        })
    }

    /// `ConfigMap default/rules`.
    pub fn title(&self) -> String {
        format!("{:?} {}/{}", self.kind, self.namespace, self.name)
    }

    /// Whether a reference names it, its namespace apart.
    pub fn is_named_by(&self, from: &DataFrom) -> bool {
        let has = |(key, value)| self.labels.get(key) == Some(value);
        self.kind == Kind::ConfigMap
            && (from.config_map_ref.as_ref().is_some_and(|one| one.name == self.name)
                || from.config_map_selector.as_ref().is_some_and(|all| all.match_labels.iter().all(has)))
    }
}

type Decode = fn(String) -> Result<Vec<u8>, String>;

fn content(kind: Kind, value: &mut Value) -> Result<BTreeMap<String, Data>, String> {
    let mut content = BTreeMap::new();
    let fields: [(&str, Decode); 2] = match kind {
        Kind::ConfigMap => [("data", plain), ("binaryData", decoded)],
        Kind::Secret => [("data", decoded), ("stringData", plain)],
    };
    for (field, decode) in fields {
        let keys = match value.get_mut(field).map(Value::take) {
            None | Some(Value::Null) => continue,
            Some(Value::Object(keys)) => keys,
            Some(_) => return Err(format!("{field} must be a map of keys to texts")),
        };
        for (key, value) in keys {
            let Value::String(text) = value else {
                return Err(format!("{field}.{key} must be a text; put it in quotes"));
            };
            let bytes = decode(text).map_err(|reason| format!("{field}.{key} {reason}"))?;
            content.insert(key, Data(bytes));
        }
    }
    Ok(content)
}

fn plain(text: String) -> Result<Vec<u8>, String> {
    Ok(text.into_bytes())
}

fn decoded(text: String) -> Result<Vec<u8>, String> {
    let packed: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    base64::engine::general_purpose::STANDARD.decode(packed).map_err(|error| format!("is no base64: {error}"))
}

/// All objects of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Vec<Object>);

impl Held {
    pub fn add(&mut self, object: Object) {
        self.0.push(object);
    }

    /// The content of the object of that name, or why there is none.
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Result<&BTreeMap<String, Data>, String> {
        let named: Vec<_> = self.0.iter().filter(|object| object.name == name).collect();
        let here: Vec<_> = named.iter().filter(|object| object.namespace == namespace).collect();
        match (here.as_slice(), named.first()) {
            ([object], _) => readable(object),
            ([], None) => Err(format!("names {kind} {name}, which is not there; add it to the bundle")),
            ([], Some(elsewhere)) => Err(format!(
                "names {kind} {name}, which is in namespace {}; it must be in {namespace}, as the chain is",
                elsewhere.namespace
            )),
            (several, _) => Err(format!(
                "names {kind} {name}, which is there {} times ({}); leave one",
                several.len(),
                several.iter().map(|object| object.place.as_str()).collect::<Vec<_>>().join(", ")
            )),
        }
    }
}

fn readable(object: &Object) -> Result<&BTreeMap<String, Data>, String> {
    object
        .content
        .as_ref()
        .map_err(|reason| format!("names {} ({}), whose {reason}", object.title(), object.place))
}

/// A text with its `configmap/key`.
pub(crate) type Text<'a> = (String, Cow<'a, [u8]>);

/// The texts that a reference names, in order, unpacked.
pub(super) fn texts<'a>(held: &'a Held, namespace: &str, from: &DataFrom) -> Result<Vec<Text<'a>>, String> {
    let mut texts = Vec::new();
    match (&from.config_map_ref, &from.config_map_selector) {
        (Some(one), None) => {
            let content = held.get("ConfigMap", namespace, &one.name)?;
            match &one.key {
                Some(key) => {
                    let data = content.get(key).ok_or_else(|| no_key(&one.name, key, content))?;
                    texts.push(text(&one.name, key, data)?);
                }
                None => texts.extend(all_texts(&one.name, content)?),
            }
        }
        (None, Some(all)) if all.match_labels.is_empty() => {
            return Err("has no matchLabels and would take every ConfigMap; give at least one label".into());
        }
        (None, Some(_)) => {
            let chosen =
                held.0.iter().filter(|object| object.namespace == namespace && object.is_named_by(from));
            let names: BTreeSet<_> = chosen.map(|object| object.name.as_str()).collect();
            for name in names {
                texts.extend(all_texts(name, held.get("ConfigMap", namespace, name)?)?);
            }
        }
        (both, _) => {
            let found = if both.is_some() { "both" } else { "neither" };
            return Err(format!("has {found} of configMapRef and configMapSelector; it needs exactly one"));
        }
    }
    if texts.is_empty() {
        return Err("names nothing: no ConfigMap of the bundle has these labels, or it has no keys".into());
    }
    Ok(texts)
}

fn all_texts<'a>(name: &str, content: &'a BTreeMap<String, Data>) -> Result<Vec<Text<'a>>, String> {
    content.iter().map(|(key, data)| text(name, key, data)).collect()
}

fn text<'a>(name: &str, key: &str, data: &'a Data) -> Result<Text<'a>, String> {
    let bytes = unpacked(&data.0).map_err(|error| format!("names {name}/{key}, which {error}"))?;
    Ok((format!("{name}/{key}"), bytes))
}

fn no_key(name: &str, key: &str, content: &BTreeMap<String, Data>) -> String {
    let keys: Vec<_> = content.keys().map(String::as_str).collect();
    format!("names key {key} of ConfigMap {name}, which has only: {}", keys.join(", "))
}

/// The bytes, gunzipped where they begin with gzip's magic (RFC 1952).
fn unpacked(data: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    if !data.starts_with(&[0x1f, 0x8b]) {
        return Ok(data.into());
    }
    let mut bytes = Vec::new();
    let limit = MAX_BYTES as u64 + 1;
    MultiGzDecoder::new(data)
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("begins like gzip and is none: {error}"))?;
    if bytes.len() > MAX_BYTES {
        return Err(format!("holds more than {MAX_BYTES} bytes unpacked"));
    }
    Ok(bytes.into())
}
