//! Reading bundles: YAML and JSON, what is ignored, and what is refused.

use std::io::Write;

use crate::common::{EDGE, STATIC, attempt, compiled, edit, violations};
use flate2::{Compression, write::GzEncoder};
use hummingbird_crds::{Bundle, Capacity, tables::Work};

/// The example as JSON values, one after the other.
fn as_json() -> String {
    EDGE.split("---\n")
        .map(|document| {
            serde_json::to_string_pretty(&serde_yaml::from_str::<serde_json::Value>(document).unwrap())
                .unwrap()
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn json_and_yaml_compile_to_the_same() {
    let (yaml, json) = (compiled(EDGE), compiled(&as_json()));
    assert_eq!(yaml.hash, json.hash);
    let broken = edit(&as_json(), "\"jail\"\n", "\"jial\"\n");
    assert!(violations(&broken).iter().all(|violation| violation.line.is_some()));
}

#[test]
fn a_list_is_its_items() {
    let items: Vec<serde_json::Value> =
        EDGE.split("---\n").map(|document| serde_yaml::from_str(document).unwrap()).collect();
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items});
    assert_eq!(compiled(&serde_yaml::to_string(&list).unwrap()).hash, compiled(EDGE).hash);
}

#[test]
fn gzip_is_known_by_its_magic() {
    let csv = "prefix,port,nextHopMac\r\n10.1.0.0/16,lan,02:00:00:00:01:01\r\n\r\n10.2.0.0/16,wan,02:00:00:00:02:01\r\n";
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(csv.as_bytes()).unwrap();
    let packed = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, gzip.finish().unwrap());
    let at = EDGE.rfind("data:\n  routes.csv").unwrap();
    let text = format!("{}binaryData:\n  routes.csv: {packed}\n", &EDGE[..at]);
    let tables = compiled(&text).tables;
    let Work::Router(routes) = &tables.functions[3].work else { panic!("no Router") };
    assert_eq!(
        routes.iter().map(|route| route.prefix.to_string()).collect::<Vec<_>>(),
        ["10.1.0.0/16", "10.2.0.0/16"]
    );
    let cut = format!("{}binaryData:\n  routes.csv: {}\n", &EDGE[..at], &packed[..packed.len() - 24]);
    assert!(violations(&cut)[0].reason.contains("begins like gzip and is none"));
}

#[test]
fn a_selector_takes_all_with_its_labels_by_name() {
    let compiled = compiled(STATIC);
    let Work::Nids(nids) = &compiled.tables.functions[1].work else { panic!("no NIDS") };
    assert_eq!(nids.rules.rules().iter().map(|rule| rule.sid).collect::<Vec<_>>(), [1, 2]);
    let found = violations(&edit(STATIC, "matchLabels: {for: nids}", "matchLabels: {for: ids}"));
    assert!(found[0].reason.contains("no ConfigMap of the bundle has these labels"), "{found:#?}");
}

#[test]
fn documents_that_the_chain_does_not_name_are_ignored_with_a_note() {
    let others = [
        ("- a\n- list\n", "is no Kubernetes object"),
        ("just a text\n", "is no Kubernetes object"),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: other}, data: [not, a, map]}\n",
            "does not name ConfigMap default/other",
        ),
        (
            "{apiVersion: v1, kind: Secret, metadata: {name: gw-keys, namespace: prod}, data: {cipherKey: 7}}\n",
            "does not name Secret prod/gw-keys",
        ),
        (
            "{apiVersion: apps/v1, kind: Deployment, metadata: {name: x}, spec: 7}\n",
            "is no Kubernetes object",
        ),
        ("{apiVersion: example.com/v1, kind: NfChain, metadata: {name: x}}\n", "is no Kubernetes object"),
        ("{apiVersion: v1, kind: ConfigMap}\n", "is no Kubernetes object"),
        ("{1: 2, [3]: 4, !tag x: !tag y}\n", "is no Kubernetes object"),
        ("broken: [1,\n", "is no YAML"),
    ];
    let hash = compiled(EDGE).hash;
    for (other, note) in others {
        for text in [format!("{EDGE}---\n{other}"), format!("{other}---\n{EDGE}")] {
            let compiled = compiled(&text);
            assert_eq!(compiled.hash, hash);
            assert!(
                compiled.warnings.iter().any(|warning| warning.reason.contains(note)),
                "{:#?}",
                compiled.warnings
            );
        }
    }
    // Empty documents need no note.
    assert_eq!(compiled(&format!("---\n{EDGE}---\n---\n# the end\n")).warnings, compiled(EDGE).warnings);
}

#[test]
fn a_document_that_cannot_be_read_is_named_where_something_is_missing() {
    let found =
        violations(&edit(EDGE, "  cipherKey: hummingbird-demo\n", "  cipherKey: [hummingbird-demo\n"));
    let broken = found.iter().find(|violation| violation.field == "document 2").unwrap();
    let line = EDGE.lines().position(|line| line.contains("cipherKey")).unwrap() + 1;
    assert!(broken.line.is_some_and(|found| found.abs_diff(line) <= 2), "{broken}");
    // It might be one that a selector selects.
    let found = violations(&format!("{STATIC}---\nbroken: [1,\n"));
    assert_eq!(found.len(), 1);
    assert!(found[0].reason.contains("is no YAML"));
}

#[test]
fn there_is_exactly_one_chain() {
    let refused = |text: &str| Bundle::read(text.as_bytes()).unwrap_err();
    for text in ["", "\n", "a: 1", "[]", "{}", "null", "--- \n---\n", "kind: NfChain"] {
        assert!(refused(text)[0].reason.contains("holds no NfChain"), "{text:?}");
    }
    let chain = EDGE.split("---\n").next().unwrap();
    let found = refused(&format!("{EDGE}---\n{chain}"));
    assert!(
        found[0].reason.starts_with("holds 2 NfChains; leave one of document 1 (line 1), document 5"),
        "{found:?}"
    );
    let found = refused("apiVersion: hummingbird.dev/v1alpha1\nkind: NfChain\nspec: [\n");
    assert!(found[0].reason.contains("is no YAML") && found[0].line.is_some(), "{found:?}");
    assert!(Bundle::read(b"\xff\xfe").unwrap_err()[0].reason.contains("no UTF-8"));
}

#[test]
fn an_object_that_is_there_twice_is_refused_where_it_is_named() {
    let routes = &EDGE[EDGE.rfind("---").unwrap()..];
    let found = violations(&format!("{EDGE}{routes}"));
    assert!(found[0].reason.contains("is there 2 times (document 4, document 5)"), "{found:#?}");
}

#[test]
fn the_chains_namespace_is_that_of_what_it_names() {
    let text = edit(EDGE, "namespace: default", "namespace: prod");
    let found = violations(&text);
    assert!(
        found[0].reason.contains("Secret gw-keys, which is in namespace default; it must be in prod"),
        "{found:#?}"
    );
    let text = text.replace("{name: gw-keys}\nstring", "{name: gw-keys, namespace: prod}\nstring");
    let text = text
        .replace("namespace: default", "namespace: prod")
        .replace("{name: routes}\ndata", "{name: routes, namespace: prod}\ndata");
    assert_eq!(compiled(&text).tables.chain, "prod/edge");
}

#[test]
fn deep_and_wide_input_is_refused_without_harm() {
    for text in ["[".repeat(1_000_000), "{a: ".repeat(1_000_000), "- ".repeat(50_000), "a: &a [*a]".into()] {
        assert!(attempt(&text, Capacity::default()).is_err());
    }
}
