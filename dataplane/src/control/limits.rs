//! What a client may ask for and how long it may take.

use std::time::Duration;

/// Limits of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time, of each listener; a further one gets 503.
    pub connections: usize,
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Bytes of all bodies that are held at a time.
    pub held_bytes: usize,
    /// For a request's head, from the connection's start.
    pub head_within: Duration,
    /// Between two pieces of a body.
    pub body_idle: Duration,
    /// For a whole body.
    pub body_within: Duration,
    /// For the client to take the answer.
    pub answer_within: Duration,
    /// For requests that are under way when the servers end.
    pub grace: Duration,
    /// For a change that runs beyond that: it is not interrupted.
    pub change_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 32,
            body_bytes: 256 << 20,
            held_bytes: 512 << 20,
            head_within: Duration::from_secs(10),
            body_idle: Duration::from_secs(10),
            body_within: Duration::from_secs(60),
            answer_within: Duration::from_secs(10),
            grace: Duration::from_secs(1),
            change_grace: Duration::from_secs(10),
        }
    }
}
