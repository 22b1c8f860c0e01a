//! Reading a request's body, counted and timed.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use tokio::time::{Instant, timeout_at};

use super::{Ending, Limits};

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than a body may be.
    TooLarge,
    /// Nothing came for too long, or it took too long in all.
    TooSlow,
    /// Too much is held for other requests.
    Busy,
    /// The client closed the connection, or its chunks make no sense.
    Broken,
    /// The servers end.
    Ending,
}

/// What all bodies that are held may take.
#[derive(Debug)]
pub struct Budget {
    free: AtomicUsize,
}

/// A body, and its share of the budget, which ends with it.
#[derive(Debug)]
pub struct Held {
    /// The body.
    pub bytes: Vec<u8>,
    budget: Arc<Budget>,
}

impl Budget {
    /// A budget of `bytes`.
    pub fn new(bytes: usize) -> Self {
        Self { free: AtomicUsize::new(bytes) }
    }

    fn take(&self, bytes: usize) -> bool {
        self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(bytes)).is_ok()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.free.fetch_add(self.bytes.len(), Ordering::Relaxed);
    }
}

/// Reads `body` to its end.
///
/// # Errors
/// Why that is not possible.
pub async fn read<B>(
    mut body: B,
    limits: &Limits,
    budget: &Arc<Budget>,
    ending: &Ending,
) -> Result<Held, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.size_hint().lower() > limits.body_bytes as u64 {
        return Err(BodyError::TooLarge);
    }
    let deadline = Instant::now() + limits.body_within;
    let mut held = Held { bytes: Vec::new(), budget: Arc::clone(budget) };
    while let Some(piece) = piece(&mut body, limits, deadline, ending).await? {
        if held.bytes.len() + piece.len() > limits.body_bytes {
            return Err(BodyError::TooLarge);
        }
        if !budget.take(piece.len()) {
            return Err(BodyError::Busy);
        }
        held.bytes.extend_from_slice(&piece);
    }
    Ok(held)
}

/// Lets the body of a request that is refused run out: many clients look at
/// the answer only once they have sent everything.
pub async fn discard<B>(mut body: B, limits: &Limits, ending: &Ending)
where
    B: Body<Data = Bytes> + Unpin,
{
    let deadline = Instant::now() + limits.body_within;
    let mut left = limits.body_bytes;
    while let Ok(Some(piece)) = piece(&mut body, limits, deadline, ending).await {
        match left.checked_sub(piece.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// The next piece of `body`; `None` at its end.
async fn piece<B>(
    body: &mut B,
    limits: &Limits,
    deadline: Instant,
    ending: &Ending,
) -> Result<Option<Bytes>, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    loop {
        let next = (Instant::now() + limits.body_idle).min(deadline);
        let Some(in_time) = ending.or(timeout_at(next, body.frame())).await else {
            return Err(BodyError::Ending);
        };
        let Some(frame) = in_time.map_err(|_| BodyError::TooSlow)? else { return Ok(None) };
        // Trailers say nothing here.
        if let Ok(piece) = frame.map_err(|_| BodyError::Broken)?.into_data() {
            return Ok(Some(piece));
        }
    }
}
