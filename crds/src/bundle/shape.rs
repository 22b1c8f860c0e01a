//! Checks a manifest against the schema that the API server would check it
//! against, so that unknown fields, wrong types and missing fields are all
//! reported at once.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::{Map, Value};

use crate::{
    api::{GROUP, NfChain, VERSION},
    violation::Violation,
};

/// What the shape of a manifest violates.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    pub violations: Vec<Violation>,
    /// Objects in which a stand-in replaces what was missing or wrong: what
    /// follows from it is no news.
    repaired: Vec<String>,
}

impl Findings {
    /// Whether a violation of `field` says nothing that these do not.
    pub fn explain(&self, field: &str) -> bool {
        self.violations.iter().any(|known| known.field == field)
            || self.repaired.iter().any(|object| {
                let inside = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[']);
                object.is_empty() || field.strip_prefix(object.as_str()).is_some_and(inside)
            })
    }

    fn violate(&mut self, field: &str, reason: impl Into<String>) {
        self.violations.push(Violation::new(field, reason));
    }
}

/// The chain of a document, with stand-ins where it is not as the schema says.
pub(super) fn chain(mut value: Value) -> (NfChain, Findings) {
    let mut findings = Findings::default();
    if value["apiVersion"] != format!("{GROUP}/{VERSION}") {
        findings.violate(
            "apiVersion",
            format!("is {}; this program reads {GROUP}/{VERSION}", value["apiVersion"]),
        );
    }
    let schema =
        NfChain::crd().spec.versions.into_iter().find_map(|version| version.schema?.open_api_v3_schema);
    let mut object = value.as_object_mut().map(std::mem::take).unwrap_or_default();
    object.insert("apiVersion".into(), format!("{GROUP}/{VERSION}").into());
    object.remove("status");
    let metadata = metadata(object.remove("metadata"), &mut findings);
    let kept: Vec<_> = ["apiVersion", "kind"].iter().filter_map(|key| object.remove_entry(*key)).collect();
    let mut rest = Value::Object(object);
    if let Some(schema) = &schema {
        check(schema, &mut rest, "", &mut findings);
    }
    let Value::Object(mut object) = rest else { return (empty(), findings) };
    object.extend(kept);
    object.insert("metadata".into(), metadata);
    match serde_json::from_value(Value::Object(object)) {
        Ok(chain) => (chain, findings),
        Err(error) => {
            findings.violate("spec", format!("cannot be read: {error}"));
            findings.repaired.push("spec".into());
            (empty(), findings)
        }
    }
}

fn empty() -> NfChain {
    let spec = crate::api::NfChainSpec {
        ports: Vec::new(),
        functions: Vec::new(),
        classes: Vec::new(),
        transitions: Vec::new(),
        default_class: None,
        non_ipv4: crate::api::NonIpv4::Drop,
        placement: None,
        dataplane: crate::api::Dataplane::default(),
        update_strategy: crate::api::UpdateStrategy::default(),
    };
    NfChain::new("", spec)
}

/// Name, namespace, generation, uid, labels and annotations; the rest of the
/// metadata is the API server's.
fn metadata(value: Option<Value>, findings: &mut Findings) -> Value {
    let mut kept = Map::new();
    let given = match value {
        Some(Value::Object(given)) => given,
        None | Some(Value::Null) => Map::new(),
        Some(_) => {
            findings.violate("metadata", "must be a map with a name");
            return Value::Object(kept);
        }
    };
    if !given.get("name").is_some_and(Value::is_string) {
        findings.violate("metadata.name", "is missing; give the chain a name");
    }
    for (key, value) in given {
        let fits = match key.as_str() {
            "name" | "namespace" | "uid" => value.is_string(),
            "generation" => value.is_i64(),
            "labels" | "annotations" => {
                value.as_object().is_some_and(|fields| fields.values().all(Value::is_string))
            }
            _ => continue,
        };
        if fits {
            kept.insert(key, value);
        } else if key != "name" && !value.is_null() {
            findings.violate(&format!("metadata.{key}"), "is of the wrong type; texts need quotes");
        }
    }
    Value::Object(kept)
}

/// Checks `value`, and repairs it so that it can be deserialized.
fn check(schema: &JSONSchemaProps, value: &mut Value, path: &str, findings: &mut Findings) {
    let wrong = if schema.x_kubernetes_int_or_string == Some(true) {
        (!value.is_string() && !value.is_i64()).then(|| expected("a number or a text", value))
    } else {
        match schema.type_.as_deref() {
            Some("object") => object(schema, value, path, findings),
            Some("array") => array(schema, value, path, findings),
            Some("string") => text(schema, value),
            Some("integer") => integer(schema, value, path, findings),
            Some("boolean") => (!value.is_boolean()).then(|| expected("true or false", value)),
            _ => None,
        }
    };
    if let Some(reason) = wrong {
        findings.violate(path, reason);
        findings.repaired.push(parent(path).to_owned());
        *value = stand_in(schema);
    }
}

fn object(
    schema: &JSONSchemaProps,
    value: &mut Value,
    path: &str,
    findings: &mut Findings,
) -> Option<String> {
    let Value::Object(fields) = value else { return Some(expected("a map", value)) };
    fields.retain(|_, value| !value.is_null());
    if let Some(JSONSchemaPropsOrBool::Schema(schema)) = &schema.additional_properties {
        for (key, value) in fields.iter_mut() {
            check(schema, value, &join(path, key), findings);
        }
        return None;
    }
    let properties = schema.properties.as_ref()?;
    fields.retain(|key, _| {
        let known = properties.contains_key(key);
        if !known {
            let names: Vec<_> = properties.keys().map(String::as_str).collect();
            findings.violate(
                &join(path, key),
                format!("is no field of the API; here may stand: {}", names.join(", ")),
            );
        }
        known
    });
    for (key, schema) in properties {
        if let Some(value) = fields.get_mut(key) {
            check(schema, value, &join(path, key), findings);
        }
    }
    for key in schema.required.iter().flatten() {
        if let (false, Some(schema)) = (fields.contains_key(key), properties.get(key)) {
            findings.violate(&join(path, key), format!("is missing; it must be {}", described(schema)));
            findings.repaired.push(path.to_owned());
            fields.insert(key.clone(), stand_in(schema));
        }
    }
    None
}

fn array(schema: &JSONSchemaProps, value: &mut Value, path: &str, findings: &mut Findings) -> Option<String> {
    let Value::Array(items) = value else { return Some(expected("a list", value)) };
    if let Some(JSONSchemaPropsOrArray::Schema(schema)) = &schema.items {
        for (index, item) in items.iter_mut().enumerate() {
            check(schema, item, &format!("{path}[{index}]"), findings);
        }
    }
    let len = items.len() as i64;
    if let Some(least) = schema.min_items.filter(|least| len < *least) {
        findings.violate(path, format!("has {len} entries; it needs {least} at least"));
    }
    if let Some(most) = schema.max_items.filter(|most| len > *most) {
        findings.violate(path, format!("has {len} entries; {most} is the most"));
    }
    None
}

fn text(schema: &JSONSchemaProps, value: &Value) -> Option<String> {
    let Value::String(text) = value else {
        return Some(format!(
            "{}; put it in quotes if it is meant as one",
            expected(&described(schema), value)
        ));
    };
    if let Some(allowed) = schema.enum_.as_ref().filter(|allowed| !allowed.iter().any(|one| one.0 == *value))
    {
        let words: Vec<_> = allowed.iter().filter_map(|one| one.0.as_str()).collect();
        return Some(format!("is '{text}'; it must be {}", one_of(&words)));
    }
    let len = text.chars().count() as i64;
    if schema.min_length.is_some_and(|least| len < least) {
        return Some("is empty".into());
    }
    schema
        .max_length
        .filter(|most| len > *most)
        .map(|most| format!("has {len} characters; {most} is the most"))
}

/// A whole number out of its bounds is reported, and moved into them.
fn integer(
    schema: &JSONSchemaProps,
    value: &mut Value,
    path: &str,
    findings: &mut Findings,
) -> Option<String> {
    let Some(number) = value.as_i64() else { return Some(expected("a whole number", value)) };
    let least = schema.minimum.map_or(i64::MIN, |bound| bound as i64);
    let most = schema.maximum.map_or(i64::MAX, |bound| bound as i64);
    if !(least..=most).contains(&number) {
        findings.violate(path, format!("is {number}; it must be from {least} to {most}"));
        *value = number.clamp(least, most).into();
    }
    None
}

fn expected(wanted: &str, value: &Value) -> String {
    let found = match value {
        Value::Null => "nothing".into(),
        Value::Object(_) => "a map".into(),
        Value::Array(_) => "a list".into(),
        scalar => scalar.to_string(),
    };
    format!("is {found}; it must be {wanted}")
}

fn described(schema: &JSONSchemaProps) -> String {
    if let Some(allowed) = &schema.enum_ {
        return one_of(&allowed.iter().filter_map(|one| one.0.as_str()).collect::<Vec<_>>());
    }
    match schema.type_.as_deref() {
        Some("object") => "a map",
        Some("array") => "a list",
        Some("integer") => "a whole number",
        Some("boolean") => "true or false",
        _ => "a text",
    }
    .into()
}

fn one_of(words: &[&str]) -> String {
    words.join(" or ")
}

/// A value that deserializes in the place of a wrong one.
fn stand_in(schema: &JSONSchemaProps) -> Value {
    if let Some(first) = schema.enum_.as_ref().and_then(|allowed| allowed.first()) {
        return first.0.clone();
    }
    match schema.type_.as_deref() {
        Some("object") => {
            let fields = schema
                .required
                .iter()
                .flatten()
                .filter_map(|key| Some((key.clone(), stand_in(schema.properties.as_ref()?.get(key)?))));
            Value::Object(fields.collect())
        }
        Some("array") => Value::Array(Vec::new()),
        Some("integer") => 0.into(),
        Some("boolean") => false.into(),
        _ => "".into(),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// `spec.ports[0]` of `spec.ports[0].name`, and `spec.path` of `spec.path[0]`.
fn parent(path: &str) -> &str {
    &path[..path.rfind(['.', '[']).unwrap_or(0)]
}
