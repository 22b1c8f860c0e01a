//! Clients that hang, hurry or ask for too much disturb nobody.

mod control_support;

use std::{
    io::Write,
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::{Arc, Barrier, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use control_support::{Rig, answer, connect, request};
use hummingbird_dataplane::control::Limits;

/// Limits that never end anything within a test.
const FOREVER: Duration = Duration::from_secs(3600);
/// Limits that a test waits for.
const SOON: Duration = Duration::from_millis(100);

fn patient() -> Limits {
    Limits {
        head_within: FOREVER,
        body_idle: FOREVER,
        body_within: FOREVER,
        answer_within: FOREVER,
        grace: FOREVER,
        change_grace: FOREVER,
        ..Limits::default()
    }
}

/// A connection that has sent `text` and goes on saying nothing.
fn hung(rig: &Rig, text: &[u8]) -> UnixStream {
    let mut stream = rig.connect();
    stream.write_all(text).unwrap();
    stream
}

const HALF_HEAD: &[u8] = b"GET /v1/status HTTP/1.1\r\nHost: ch";

fn half_put() -> Vec<u8> {
    let mut bytes = request("PUT /v1/tables\nContent-Type: application/yaml", b"kind: NfChain");
    bytes.truncate(bytes.len() - 5);
    bytes
}

#[test]
fn half_a_head_is_closed_in_time() {
    let rig = Rig::within(Limits { head_within: SOON, ..patient() });
    let stream = hung(&rig, HALF_HEAD);
    let silent = hung(&rig, b"");
    assert_eq!(rig.ask("GET /v1/status", b"").status, 200);
    for closed in [stream, silent] {
        assert!(answer(closed).is_none_or(|answer| answer.status == 408));
    }
}

#[test]
fn half_a_body_is_answered_408_in_time() {
    for limits in [Limits { body_idle: SOON, ..patient() }, Limits { body_within: SOON, ..patient() }] {
        let rig = Rig::within(limits);
        let stream = hung(&rig, &half_put());
        assert_eq!(rig.put("", b"kind: NfChain").status, 200);
        let answer = answer(stream).unwrap();
        assert_eq!((answer.status, answer.error_fields()), (408, vec!["body".into()]));
        assert_eq!(rig.fake.seen.lock().unwrap().len(), 1);
    }
}

#[test]
fn a_body_that_ends_too_early_is_no_change() {
    let rig = Rig::within(patient());
    let stream = hung(&rig, &half_put());
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(answer(stream).is_none_or(|answer| answer.status == 400));
    assert!(rig.fake.seen.lock().unwrap().is_empty());
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let rig = Rig::new();
    let head = format!(
        "PUT /v1/tables HTTP/1.1\r\nHost: chain\r\nContent-Type: application/yaml\r\nContent-Length: {}\r\n\r\n",
        (256 << 20) + 1
    );
    let answer = answer(hung(&rig, head.as_bytes())).unwrap();
    assert_eq!((answer.status, answer.error_fields()), (413, vec!["body".into()]));
}

#[test]
fn chunks_are_counted_as_they_come() {
    let rig = Rig::within(Limits { body_bytes: 1000, ..patient() });
    let send = |size: usize| {
        let head = "PUT /v1/tables HTTP/1.1\r\nHost: chain\r\nContent-Type: application/yaml\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut stream = hung(&rig, head.as_bytes());
        for _ in 0..size / 100 {
            // Past the limit the server stops reading.
            let _ = stream.write_all(&[b"64\r\n", [b'#'; 100].as_slice(), b"\r\n"].concat());
        }
        let _ = stream.write_all(b"0\r\n\r\n");
        answer(stream).unwrap()
    };
    assert_eq!(send(1000).status, 200);
    let answer = send(1100);
    assert_eq!((answer.status, answer.error_fields()), (413, vec!["body".into()]));
}

#[test]
fn a_refused_request_may_send_its_whole_body_first() {
    let rig = Rig::within(patient());
    // More than a socket holds: the server must read for the client to get on.
    let body = vec![b'#'; 8 << 20];
    for (head, status) in [("PUT /v1/tables\nContent-Type: text/plain", 415), ("PUT /v2/tables", 404)] {
        let mut stream = rig.connect();
        stream.write_all(&request(head, &body)).unwrap();
        assert_eq!(answer(stream).unwrap().status, status);
    }
}

#[test]
fn bodies_together_have_a_limit_too() {
    let rig = Rig::within(Limits { held_bytes: 1000, ..patient() });
    rig.fake.gate.hold();
    thread::scope(|scope| {
        let first = scope.spawn(|| rig.put("", &[b'#'; 800]));
        rig.fake.gate.await_arrivals(1);
        let second = rig.put("", &[b'#'; 800]);
        assert_eq!((second.status, second.headers["retry-after"].as_str()), (503, "1"));
        assert_eq!(second.json()["reason"], "Busy");
        rig.fake.gate.open();
        assert_eq!(first.join().unwrap().status, 200);
    });
    assert_eq!(rig.put("", &[b'#'; 800]).status, 200, "the first body's share is free again");
}

#[test]
fn twenty_clients_at_once_are_all_answered() {
    let rig = Rig::new();
    let _hung: Vec<_> = (0..8).map(|_| hung(&rig, HALF_HEAD)).collect();
    let start = Barrier::new(20);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..20)
            .map(|number| {
                let (rig, start) = (&rig, &start);
                scope.spawn(move || {
                    start.wait();
                    match number % 3 {
                        0 => rig.ask("GET /v1/status", b"").status,
                        1 => rig.ask("GET /metrics", b"").status,
                        _ => rig.put("", b"kind: NfChain").status,
                    }
                })
            })
            .collect();
        assert!(clients.into_iter().all(|client| client.join().unwrap() == 200));
    });
    assert_eq!(rig.fake.most.load(Ordering::SeqCst), 1);
}

#[test]
fn one_connection_too_many_is_told_so_at_once() {
    let rig = Rig::within(Limits { connections: 2, ..patient() });
    let hung: Vec<_> = (0..2).map(|_| hung(&rig, HALF_HEAD)).collect();
    let answer = rig.ask("GET /v1/status", b"");
    assert_eq!((answer.status, answer.json()["reason"].as_str()), (503, Some("Busy")));
    assert_eq!(answer.headers["retry-after"], "1");
    drop(hung);
    let end = Instant::now() + FOREVER / 60;
    while rig.ask("GET /v1/status", b"").status != 200 {
        assert!(Instant::now() < end, "closed connections still count");
        thread::yield_now();
    }
}

#[test]
fn a_client_that_does_not_take_its_answer_is_given_up() {
    let rig = Rig::within(Limits { connections: 1, answer_within: SOON, ..patient() });
    // More than a socket holds.
    *rig.fake.warnings.lock().unwrap() = vec!["w".repeat(16 << 20)];
    let deaf = hung(&rig, &request("GET /v1/status", b""));
    let end = Instant::now() + FOREVER / 60;
    while rig.ask("GET /metrics", b"").status != 200 {
        assert!(Instant::now() < end, "the deaf client keeps its place");
        thread::yield_now();
    }
    drop(deaf);
}

#[test]
fn racing_changes_run_one_after_the_other_and_status_goes_on() {
    let rig = Rig::within(patient());
    rig.fake.gate.hold();
    thread::scope(|scope| {
        let changes: Vec<_> = (0..8).map(|_| scope.spawn(|| rig.put("", b"kind: NfChain"))).collect();
        rig.fake.gate.await_arrivals(1);
        for _ in 0..8 {
            assert_eq!(rig.ask("GET /v1/status", b"").status, 200);
        }
        rig.fake.gate.open();
        let mut generations: Vec<_> =
            changes.into_iter().map(|change| change.join().unwrap().json()["generation"].as_u64()).collect();
        generations.sort_unstable();
        assert_eq!(generations, (6..14).map(Some).collect::<Vec<_>>());
    });
    assert_eq!(rig.fake.most.load(Ordering::SeqCst), 1);
}

#[test]
fn the_end_answers_what_runs_and_refuses_what_waits() {
    let mut rig = Rig::within(patient());
    rig.fake.gate.hold();
    let fake = Arc::clone(&rig.fake);
    let clients = || {
        let put = request("PUT /v1/tables\nContent-Type: application/yaml", b"kind: NfChain");
        let running = hung(&rig, &put);
        rig.fake.gate.await_arrivals(1);
        (running, hung(&rig, &put), hung(&rig, &half_put()), hung(&rig, HALF_HEAD))
    };
    let (running, queued, half_body, half_head) = clients();
    assert_eq!(rig.ask("POST /v1/drain", b"").status, 202);
    let stopper = thread::spawn(move || {
        rig.stop();
        rig
    });
    for waiting in [queued, half_body] {
        let answer = answer(waiting).unwrap();
        assert_eq!((answer.status, answer.json()["reason"].as_str()), (503, Some("Ending")));
    }
    assert!(answer(half_head).is_none());
    fake.gate.open();
    assert_eq!(answer(running).unwrap().status, 200);
    let rig = stopper.join().unwrap();
    assert!(!rig.socket.exists());
    assert_eq!(fake.seen.lock().unwrap().len(), 1);
}

#[test]
fn the_end_does_not_wait_forever_for_a_change() {
    let mut rig = Rig::within(Limits { grace: SOON, change_grace: SOON, ..patient() });
    rig.fake.gate.hold();
    let mut running = rig.connect();
    running.write_all(&request("PUT /v1/tables\nContent-Type: application/yaml", b"kind: NfChain")).unwrap();
    rig.fake.gate.await_arrivals(1);
    rig.stop();
    assert!(answer(running).is_none());
    rig.fake.gate.open();
}

#[test]
fn hung_clients_do_not_hold_up_the_end() {
    let mut rig = Rig::within(patient());
    let hung: Vec<_> =
        (0..10).flat_map(|_| [hung(&rig, HALF_HEAD), hung(&rig, &half_put()), hung(&rig, b"")]).collect();
    assert_eq!(rig.ask("GET /v1/status", b"").status, 200);
    rig.stop();
    for stream in hung {
        assert!(answer(stream).is_none_or(|answer| answer.status == 503));
    }
    assert!(std::os::unix::net::UnixStream::connect(&rig.socket).is_err());
}

#[test]
fn a_socket_is_there_for_its_owner_alone_and_gone_at_the_end() {
    use std::os::unix::fs::PermissionsExt;
    let mut rig = Rig::new();
    assert_eq!(rig.socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    drop(connect(&rig.socket));
    rig.stop();
    assert!(!rig.socket.exists());
}
