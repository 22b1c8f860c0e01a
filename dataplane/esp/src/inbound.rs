//! A Decrypt SA's memory.

use crate::{EspDrop, Refused, SaIdentity, state::Mark, window::Window};

/// The replay window of a Decrypt SA, one for the life of the process however
/// many generations name it.
///
/// A packet passes twice: [`check`](Self::check) before the ICV, which costs
/// little and saves the cipher's work on a replay, and [`commit`](Self::commit)
/// after it, for only an authentic packet may move the window.
pub struct InboundSa {
    identity: SaIdentity,
    esn: bool,
    window: Window,
    mark: Mark,
}

impl From<Refused> for EspDrop {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Replayed => Self::Replayed,
            Refused::TooOld => Self::ReplayTooOld,
        }
    }
}

impl InboundSa {
    pub(crate) fn new(identity: SaIdentity, esn: bool, window: Window, mark: Mark) -> Self {
        Self { identity, esn, window, mark }
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

    /// Packets that the window spans; 0 is off.
    #[must_use]
    pub fn replay_window(&self) -> u32 {
        self.window.size()
    }

    /// The highest number that was committed.
    #[must_use]
    pub fn highest(&self) -> u64 {
        self.window.top()
    }

    /// The whole number of a packet that carries `sequence`, if it may come in.
    ///
    /// # Errors
    /// Seen before, or left of the window.
    pub fn check(&self, sequence: u32) -> Result<u64, Refused> {
        let number =
            if self.esn { self.window.infer(sequence).ok_or(Refused::TooOld)? } else { sequence.into() };
        self.window.check(number).map(|()| number)
    }

    /// Marks a number as seen, once the packet's ICV was found right.
    ///
    /// # Errors
    /// Meanwhile a twin came through ([`EspDrop::Replayed`]), the window moved
    /// past it, or no durable mark covers it yet.
    pub fn commit(&self, number: u64) -> Result<(), EspDrop> {
        if self.window.size() != 0 && !self.mark.covers(number) {
            return Err(EspDrop::StateUnavailable);
        }
        self.window.commit(number)?;
        self.mark.used(number);
        Ok(())
    }

    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    pub(crate) fn mark(&self) -> &Mark {
        &self.mark
    }
}

impl std::fmt::Debug for InboundSa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InboundSa({}, highest {})", self.identity, self.highest())
    }
}
