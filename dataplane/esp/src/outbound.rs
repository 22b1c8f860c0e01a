//! An Encrypt SA's numbers.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};

use crate::{EspDrop, SaIdentity, state::Mark};

/// The counters of an Encrypt SA, one for the life of the process however many
/// generations name it. Any core may take numbers; none is given twice.
pub struct OutboundSa {
    identity: SaIdentity,
    esn: bool,
    limit: u64,
    next: AtomicU64,
    mark: Mark,
    ip_id: AtomicU16,
}

/// How much of a number space is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberUse {
    /// The last number that was given, 0 before the first.
    pub last: u64,
    /// The last number that there is.
    pub limit: u64,
}

impl NumberUse {
    /// Whether three quarters are used: it is time for new keys.
    #[must_use]
    pub const fn is_nearly_exhausted(&self) -> bool {
        self.last >= self.limit / 4 * 3
    }
}

impl OutboundSa {
    /// An SA whose numbers up to `last` are used.
    pub(crate) fn new(identity: SaIdentity, esn: bool, limit: u64, last: u64, mark: Mark) -> Self {
        let next = AtomicU64::new(last + 1);
        Self { identity, esn, limit, next, mark, ip_id: AtomicU16::new(0) }
    }

    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> &SaIdentity {
        &self.identity
    }

    /// Whether its numbers have 64 bits (RFC 4304).
    #[must_use]
    pub fn esn(&self) -> bool {
        self.esn
    }

    /// How far its numbers are used.
    #[must_use]
    pub fn number_use(&self) -> NumberUse {
        NumberUse { last: self.next.load(Relaxed) - 1, limit: self.limit }
    }

    /// The next number, starting at 1 (RFC 4303, section 3.3.3).
    pub(crate) fn take(&self) -> Result<u64, EspDrop> {
        let mut next = self.next.load(Relaxed);
        loop {
            if next > self.limit {
                return Err(EspDrop::SequenceExhausted);
            }
            if !self.mark.covers(next) {
                return Err(EspDrop::StateUnavailable);
            }
            match self.next.compare_exchange_weak(next, next + 1, Relaxed, Relaxed) {
                Ok(_) => break,
                Err(now) => next = now,
            }
        }
        self.mark.used(next);
        Ok(next)
    }

    /// The IPv4 identification of an outer header that may be fragmented (RFC
    /// 6864, section 4.3).
    pub(crate) fn next_ip_id(&self) -> u16 {
        self.ip_id.fetch_add(1, Relaxed)
    }

    pub(crate) fn mark(&self) -> &Mark {
        &self.mark
    }
}

impl std::fmt::Debug for OutboundSa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OutboundSa({}, {:?})", self.identity, self.number_use())
    }
}
