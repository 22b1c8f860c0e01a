//! What the control socket answers.

mod control_support;

use std::{net::TcpStream, sync::atomic::Ordering};

use control_support::{Rig, ask};
use hummingbird_crds::Violation;
use hummingbird_dataplane::control::Refusal;
use serde_json::json;

#[test]
fn status_is_the_report_of_now() {
    let rig = Rig::new();
    let answer = rig.ask("GET /v1/status", b"");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        serde_json::to_value(control_support::report()).map(with_fakes_warnings).unwrap()
    );
    let head = rig.ask("HEAD /v1/status", b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.headers["content-length"], answer.body.len().to_string());
}

fn with_fakes_warnings(mut report: serde_json::Value) -> serde_json::Value {
    report["warnings"] = json!([]);
    report
}

#[test]
fn drain_is_accepted_and_asked_for() {
    let rig = Rig::new();
    let answer = rig.ask("POST /v1/drain", b"");
    assert_eq!((answer.status, answer.json()), (202, json!({"draining": true})));
    assert_eq!(rig.fake.drains.load(Ordering::SeqCst), 1);
}

#[test]
fn a_change_is_handed_on_whole_and_answered_with_its_generation() {
    let rig = Rig::new();
    let bundle = vec![b'#'; 1 << 20];
    assert_eq!(rig.put("", b"kind: NfChain").json(), json!({"generation": 6}));
    assert_eq!(rig.put("?generation=9", &bundle).json(), json!({"generation": 7}));
    let answer = rig.ask("PUT /v1/tables\nContent-Type: application/json; charset=utf-8", b"{}");
    assert_eq!((answer.status, answer.json()), (200, json!({"generation": 8})));
    let seen = rig.fake.seen.lock().unwrap();
    assert_eq!(*seen, [(b"kind: NfChain".to_vec(), None), (bundle, Some(9)), (b"{}".to_vec(), None)]);
}

#[test]
fn each_refusal_has_its_answer() {
    let rig = Rig::new();
    let violation = Violation::new("spec.classes[1].path[0]", "there is no function 'idz'").at(12);
    let wrong =
        json!([{"field": "spec.classes[1].path[0]", "reason": "there is no function 'idz'", "line": 12}]);
    let refused = |refusal| {
        rig.fake.answers.lock().unwrap().push_back(Err(refusal));
        rig.put("?generation=4", b"kind: NfChain")
    };

    let answer = refused(Refusal::Invalid(vec![violation.clone()]));
    assert_eq!((answer.status, answer.json()), (422, json!({"errors": wrong})));

    let answer = refused(Refusal::NotNewer { running: 5 });
    assert_eq!((answer.status, answer.error_fields()), (409, vec!["generation".into()]));
    assert_eq!((&answer.json()["reason"], &answer.json()["running"]), (&json!("NotNewer"), &json!(5)));

    let answer = refused(Refusal::RequiresRestart(vec![violation]));
    let expected = json!({"reason": "RequiresRestart", "errors": wrong, "running": 5});
    assert_eq!((answer.status, answer.json()), (409, expected));

    for (refusal, word) in
        [(Refusal::Draining { retry_after: 3 }, "Draining"), (Refusal::Ending { retry_after: 3 }, "Ending")]
    {
        let answer = refused(refusal);
        assert_eq!((answer.status, answer.headers["retry-after"].as_str()), (503, "3"));
        assert_eq!(answer.json()["reason"], word);
        assert_eq!(answer.error_fields().len(), 1);
    }
}

#[test]
fn a_request_that_is_wrong_never_reaches_the_chain() {
    let rig = Rig::new();
    for (head, status, field) in [
        ("PUT /v1/tables", 415, "Content-Type"),
        ("PUT /v1/tables\nContent-Type: text/yaml", 415, "Content-Type"),
        ("PUT /v1/tables\nContent-Type: application/yaml\nContent-Encoding: gzip", 415, "Content-Encoding"),
        ("PUT /v1/tables?generation=x\nContent-Type: application/yaml", 400, "generation"),
        ("PUT /v1/tables?force=1\nContent-Type: application/yaml", 400, "generation"),
        ("GET /v2/status", 404, "path"),
        ("GET /", 404, "path"),
    ] {
        let answer = rig.ask(head, b"kind: NfChain");
        assert_eq!((answer.status, answer.error_fields()), (status, vec![field.into()]), "{head}");
    }
    let types = rig.ask("PUT /v1/tables\nContent-Type: text/plain", b"x");
    assert!(types.text().contains("application/yaml") && types.text().contains("application/json"));
    assert!(rig.fake.seen.lock().unwrap().is_empty());
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    let rig = Rig::new();
    for (head, allowed) in [
        ("DELETE /v1/status", "GET, HEAD"),
        ("GET /v1/drain", "POST"),
        ("POST /v1/tables", "PUT"),
        ("POST /metrics", "GET, HEAD"),
    ] {
        let answer = rig.ask(head, b"");
        assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, allowed), "{head}");
        assert_eq!(answer.error_fields(), ["method"]);
    }
    assert_eq!(rig.fake.drains.load(Ordering::SeqCst), 0);
}

#[test]
fn a_change_that_panics_fails_alone() {
    let rig = Rig::new();
    let answer = rig.put("", b"panic");
    assert_eq!((answer.status, answer.error_fields()), (500, vec!["server".into()]));
    assert_eq!(rig.put("", b"kind: NfChain").status, 200);
}

#[test]
fn what_is_no_http_is_refused() {
    let rig = Rig::new();
    let answer = ask(rig.connect(), "\u{1}\u{2}\nnonsense", b"");
    assert_eq!(answer.status, 400);
    assert_eq!(rig.ask("GET /v1/status", b"").status, 200);
}

#[test]
fn the_metrics_address_serves_metrics_alone() {
    let rig = Rig::new();
    let address = rig.servers.as_ref().unwrap().metrics_address().unwrap();
    let over_tcp = |head| ask(TcpStream::connect(address).unwrap(), head, b"");
    let metrics = over_tcp("GET /metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.headers["content-type"].starts_with("application/openmetrics-text"));
    assert_eq!(metrics.text(), rig.ask("GET /metrics", b"").text());
    for head in ["GET /v1/status", "POST /v1/drain", "PUT /v1/tables"] {
        let answer = over_tcp(head);
        assert_eq!((answer.status, answer.error_fields()), (404, vec!["path".into()]), "{head}");
    }
    assert_eq!(rig.fake.drains.load(Ordering::SeqCst), 0);
}
