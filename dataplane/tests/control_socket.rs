//! Where the servers listen, and why they do not.

mod control_support;

use std::{net::TcpListener, os::unix::net::UnixListener, path::Path, sync::Arc};

use control_support::{Fake, Rig, ask, connect};
use hummingbird_dataplane::control::Servers;

/// What starting at `path` fails with.
fn refused(path: &Path) -> String {
    Servers::start(Some(path), None, Arc::new(Fake::default())).err().expect("an error").to_string()
}

#[test]
fn a_socket_that_a_dead_process_left_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    // Dropping a listener leaves its file, as a killed process does.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let servers = Servers::start(Some(&path), None, Arc::new(Fake::default())).unwrap();
    assert_eq!(ask(connect(&path), "GET /v1/status", b"").status, 200);
    drop(servers);
    assert!(!path.exists());
}

#[test]
fn a_socket_that_somebody_answers_at_is_left_alone() {
    let rig = Rig::new();
    let message = refused(&rig.socket);
    assert!(message.contains("control.sock") && message.contains("another process answers"), "{message}");
    assert_eq!(rig.ask("GET /v1/status", b"").status, 200);
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "mine").unwrap();
    assert!(refused(&path).contains("no socket"), "{}", refused(&path));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[test]
fn a_path_that_cannot_be_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing/control.sock");
    assert!(refused(&missing).contains("missing/control.sock"));
    let long = folder.path().join("x".repeat(200));
    assert!(refused(&long).contains("107 bytes"), "{}", refused(&long));
}

#[test]
fn a_file_that_took_the_sockets_place_stays() {
    let mut rig = Rig::new();
    std::fs::remove_file(&rig.socket).unwrap();
    let _other = UnixListener::bind(&rig.socket).unwrap();
    rig.stop();
    assert!(rig.socket.exists());
}

#[test]
fn a_metrics_address_that_is_taken_is_named_and_no_socket_stays() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let error = Servers::start(Some(&path), Some(address), Arc::new(Fake::default())).err().unwrap();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(!path.exists());
}

#[test]
fn nothing_wanted_is_nothing_started() {
    let fake = Arc::new(Fake::default());
    let servers = Servers::start(None, None, fake.clone()).unwrap();
    assert_eq!((servers.metrics_address(), Arc::strong_count(&fake)), (None, 1));
}

#[test]
fn nothing_of_the_chain_is_held_once_they_have_stopped() {
    let mut rig = Rig::new();
    assert_eq!(rig.put("", b"kind: NfChain").status, 200);
    rig.stop();
    assert_eq!(Arc::strong_count(&rig.fake), 1);
}
