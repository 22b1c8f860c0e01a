//! Why ESP drops a packet. `docs/drop-reasons.md` says what to do about each.

/// Why a packet is dropped, each with the name it is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum EspDrop {
    /// Encrypt: the SA's number space is used up (RFC 4303, section 3.3.3).
    #[error("the SA's sequence numbers are used up: it needs new keys")]
    SequenceExhausted,
    /// No durable number (Encrypt) or mark (Decrypt) covers the packet: the
    /// state directory cannot be written, or not fast enough.
    #[error("the SA's state is not durable this far: the state directory lags or cannot be written")]
    StateUnavailable,
    /// Encrypt, transport mode: a fragment (RFC 4303, section 3.1.1).
    #[error("a fragment, which transport mode does not carry")]
    TransportFragment,
    /// Encrypt: the result would exceed 65,535 bytes.
    #[error("longer than an IPv4 packet can be once encapsulated")]
    TooLong,
    /// The buffer has not the room that encapsulation needs.
    #[error("no room in the packet buffer")]
    NoRoom,
    /// Decrypt: a fragment; ESP is reassembled before it is processed, and we do not.
    #[error("a fragment of an ESP packet")]
    EspFragment,
    /// Decrypt: shorter than header, IV, one block and ICV, or no whole blocks.
    #[error("an ESP packet of no valid length")]
    EspMalformed,
    /// Decrypt: the outer source is not the SA's tunnel source.
    #[error("not from the SA's tunnel source")]
    TunnelSource,
    /// Decrypt: this number was seen before.
    #[error("a replayed sequence number")]
    Replayed,
    /// Decrypt: this number lies left of the replay window.
    #[error("a sequence number before the replay window")]
    ReplayTooOld,
    /// Decrypt: the ICV is wrong.
    #[error("a wrong ICV")]
    BadIcv,
    /// Decrypt: the padding is not 1, 2, 3, … or longer than the text.
    #[error("wrong padding")]
    BadPadding,
    /// Decrypt: a dummy packet (RFC 4303, section 2.6), which is no fault.
    #[error("a dummy packet")]
    Dummy,
    /// Decrypt, tunnel mode: the next header is not IPv4.
    #[error("a next header that is not IPv4")]
    BadNextHeader,
    /// Decrypt: the inner packet's headers are unsound.
    #[error("an unsound inner packet")]
    BadInner,
    /// Decrypt: congestion marked on a packet that cannot carry it (RFC 6040).
    #[error("congestion experienced outside a Not-ECT packet")]
    Ecn,
    /// Decrypt: the inner packet is not the SA's to carry (RFC 4301, section 5.2).
    #[error("an inner packet outside the SA's selector")]
    SelectorMismatch,
}

impl EspDrop {
    /// All reasons, in the order of the enum.
    pub const ALL: [Self; 17] = [
        Self::SequenceExhausted,
        Self::StateUnavailable,
        Self::TransportFragment,
        Self::TooLong,
        Self::NoRoom,
        Self::EspFragment,
        Self::EspMalformed,
        Self::TunnelSource,
        Self::Replayed,
        Self::ReplayTooOld,
        Self::BadIcv,
        Self::BadPadding,
        Self::Dummy,
        Self::BadNextHeader,
        Self::BadInner,
        Self::Ecn,
        Self::SelectorMismatch,
    ];

    /// The name of the counter in reports and metrics.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::SequenceExhausted => "sequence_exhausted",
            Self::StateUnavailable => "state_unavailable",
            Self::TransportFragment => "transport_fragment",
            Self::TooLong => "mtu_exceeded",
            Self::NoRoom => "no_headroom",
            Self::EspFragment => "esp_fragment",
            Self::EspMalformed => "esp_too_short",
            Self::TunnelSource => "tunnel_source_mismatch",
            Self::Replayed => "replayed",
            Self::ReplayTooOld => "replay_too_old",
            Self::BadIcv => "bad_icv",
            Self::BadPadding => "bad_padding",
            Self::Dummy => "esp_dummy",
            Self::BadNextHeader => "bad_next_header",
            Self::BadInner => "bad_inner",
            Self::Ecn => "ecn_congestion_lost",
            Self::SelectorMismatch => "sa_selector_mismatch",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_listed_once_and_named_apart() {
        for (at, reason) in EspDrop::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at);
        }
        let names: std::collections::HashSet<_> = EspDrop::ALL.map(EspDrop::reason).into();
        assert_eq!(names.len(), EspDrop::ALL.len());
    }
}
