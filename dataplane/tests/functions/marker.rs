//! Marker: packets whose payload holds one of some words get a DSCP (RFC 2474).

use aho_corasick::AhoCorasick;
use hummingbird_dataplane::{
    DropReason,
    forward::Verdict,
    nf::{CpuFunction, Env, FunctionData, FunctionError, GpuFunction, KernelWork},
    packet::Packet,
};
use hummingbird_gpu::{Accelerator, TableMemoryFull, TableRef};
use hummingbird_kernels::{
    dfa::{Automaton, TooLarge},
    layout::{KernelId, Outcome, Side},
};
use hummingbird_packet::{Frame, Ipv4Header, checksum, parse};

/// What the manifest compiles to.
pub struct Marking {
    /// Words to look for, upper and lower case alike.
    pub words: Vec<String>,
    /// The code point, 0 to 63.
    pub dscp: u8,
}

/// Why a Marker cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum MarkerError {
    /// The CPU's automaton cannot be built.
    #[error("the words do not fit an automaton: {0}")]
    Words(#[from] aho_corasick::BuildError),
    /// The GPU's automaton is too large.
    #[error("the words do not fit an automaton for the GPU: {0}")]
    TooLarge(#[from] TooLarge),
    /// Table memory is full.
    #[error("the words' automaton: {0}")]
    Memory(#[from] TableMemoryFull),
}

/// A Marker's data in one generation.
pub struct MarkerData {
    dscp: u8,
    search: AhoCorasick,
    automaton: Option<TableRef>,
}

impl MarkerData {
    /// Builds the automata; the kernel's where there is an accelerator.
    ///
    /// # Errors
    /// They do not fit.
    pub fn build(marking: &Marking, accelerator: Option<&dyn Accelerator>) -> Result<Self, MarkerError> {
        let search = AhoCorasick::builder().ascii_case_insensitive(true).build(&marking.words)?;
        let automaton = match accelerator {
            Some(accelerator) => Some(accelerator.publish(Automaton::build(&marking.words)?.as_bytes())?),
            None => None,
        };
        Ok(Self { dscp: marking.dscp, search, automaton })
    }

    /// What both halves do with a packet once they know whether it holds a word.
    fn judge(&self, packet: &mut Packet, found: bool) -> Verdict {
        let Ok(header) = header_of(packet) else { return Verdict::Drop(DropReason::BadInner) };
        if !found {
            return Verdict::Pass;
        }
        let ip = &mut packet.data_mut()[header.start()..];
        let old = u16::from_be_bytes([ip[0], ip[1]]);
        ip[1] = self.dscp << 2 | ip[1] & 0b11;
        let new = u16::from_be_bytes([ip[0], ip[1]]);
        let sum = checksum::update(u16::from_be_bytes([ip[10], ip[11]]), old, new);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        Verdict::Match
    }
}

/// The packet's IPv4 header. Ingress has seen to it that there is one.
fn header_of(packet: &Packet) -> Result<Ipv4Header, DropReason> {
    match parse(packet.data()) {
        Ok(Frame::Ipv4(header)) => Ok(header),
        Ok(Frame::Other(_)) | Err(_) => Err(DropReason::BadInner),
    }
}

impl FunctionData for MarkerData {
    fn on_cpu(&self) -> Result<Box<dyn CpuFunction>, FunctionError> {
        Ok(Box::new(CpuMarker))
    }

    fn on_gpu(&self) -> Result<Box<dyn GpuFunction>, FunctionError> {
        Ok(Box::new(GpuMarker))
    }
}

/// A Marker on a CPU core.
struct CpuMarker;

impl CpuFunction for CpuMarker {
    fn process(&mut self, env: &mut Env<'_>, packets: &mut [Packet], verdicts: &mut [Verdict]) {
        let Some(data) = env.data::<MarkerData>() else { return };
        for (packet, verdict) in packets.iter_mut().zip(verdicts) {
            let found =
                header_of(packet).is_ok_and(|header| data.search.is_match(&packet.data()[header.payload()]));
            *verdict = data.judge(packet, found);
        }
    }
}

/// A Marker around the kernel that searches.
struct GpuMarker;

impl GpuFunction for GpuMarker {
    fn kernel(&self) -> KernelId {
        KernelId::Match
    }

    fn prepare(&mut self, env: &mut Env<'_>, packet: &mut Packet) -> Result<KernelWork, DropReason> {
        let data = env.data::<MarkerData>().ok_or(DropReason::BadInner)?;
        let automaton = data.automaton.as_ref().ok_or(DropReason::BadInner)?;
        let payload = header_of(packet)?.payload();
        Ok(KernelWork {
            table: automaton.offset(),
            start: payload.start,
            len: payload.len() as u32,
            side: Side::default(),
        })
    }

    fn finish(&mut self, env: &mut Env<'_>, packet: &mut Packet, outcome: &Outcome) -> Verdict {
        let Some(data) = env.data::<MarkerData>() else { return Verdict::Drop(DropReason::BadInner) };
        data.judge(packet, outcome[0] != 0)
    }
}
