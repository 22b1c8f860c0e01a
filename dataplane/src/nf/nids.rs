//! NIDS: Suricata's rule language in two stages. A multi-pattern search over
//! the payload finds the rules that may match: vectorscan on the CPU, our
//! kernel's dense automaton (Aho-Corasick; the paper's table II) on the GPU.
//! Then each candidate is evaluated exactly, in Rust, by the one evaluator. So
//! alerts are the same on either compute by construction.

use std::sync::Arc;

use hummingbird_crds::DropReason;
use hummingbird_crds::tables::{Nids, OnMatch};
use hummingbird_gpu::{Accelerator, TableMemoryFull, TableRef};
use hummingbird_kernels::{
    dfa::{Automaton, TooLarge},
    layout::{KernelId, MATCH_IDS, MATCH_OVERFLOW, Outcome, Side},
};
use hummingbird_packet::{Frame, Ipv4Header, parse};
use hummingbird_rules::{RuleIndex, RuleSet, Scratch};
use vectorscan::Database;

use super::{CpuFunction, Env, FunctionData, FunctionError, GpuFunction, KernelWork};
use crate::{forward::Verdict, packet::Packet};

/// Why a rule set cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum NidsError {
    /// The CPU's search cannot be built.
    #[error("the rules' patterns cannot be searched for: {0}")]
    Patterns(#[from] vectorscan::CompileError),
    /// The GPU's automaton is too large.
    #[error("the rules' patterns do not fit an automaton for the GPU: {0}")]
    TooLarge(#[from] TooLarge),
    /// Table memory is full.
    #[error("the rules' automaton: {0}")]
    Memory(#[from] TableMemoryFull),
}

/// A NIDS function's data in one generation.
pub struct NidsData {
    rules: Arc<RuleSet>,
    on_match: OnMatch,
    search: Database,
    automaton: Option<TableRef>,
}

impl NidsData {
    /// Builds the search, and the kernel's automaton where there is an accelerator.
    ///
    /// # Errors
    /// They do not fit.
    pub fn build(nids: &Nids, accelerator: Option<&dyn Accelerator>) -> Result<Self, NidsError> {
        let patterns = nids.rules.patterns();
        let search = Database::new(patterns)?;
        let automaton = match accelerator {
            Some(accelerator) => Some(accelerator.publish(Automaton::build(patterns)?.as_bytes())?),
            None => None,
        };
        Ok(Self { rules: Arc::clone(&nids.rules), on_match: nids.on_match, search, automaton })
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }
}

impl FunctionData for NidsData {
    fn on_cpu(&self) -> Result<Box<dyn CpuFunction>, FunctionError> {
        Ok(Box::new(CpuNids::default()))
    }

    fn on_gpu(&self) -> Result<Box<dyn GpuFunction>, FunctionError> {
        Ok(Box::new(GpuNids::default()))
    }
}

/// What both computes need to judge a packet. Its buffers grow to the rule
/// set's size once.
#[derive(Default)]
struct Judge {
    hits: Vec<u32>,
    matches: Vec<RuleIndex>,
    scratch: Scratch,
    space: vectorscan::Scratch,
}

impl Judge {
    /// Finds the patterns in the payload on the CPU.
    fn search(&mut self, data: &NidsData, payload: &[u8]) {
        self.hits.clear();
        let patterns = data.rules.patterns().len();
        // A pattern is found at most once, so nothing grows after this.
        self.hits.reserve(patterns);
        let hits = &mut self.hits;
        if data.search.scan(payload, &mut self.space, |pattern| hits.push(pattern)).is_err() {
            // No memory for its working space. Wrong hits cost time alone, a
            // missing one a match: try every rule.
            self.hits.clear();
            self.hits.extend(0..patterns as u32);
        }
    }

    /// Evaluates the candidates among `hits`, sends alerts, says the verdict.
    fn judge(&mut self, env: &mut Env<'_>, data: &NidsData, packet: &Packet, header: &Ipv4Header) -> Verdict {
        let view = hummingbird_rules::Packet::new(packet.data(), header);
        data.rules.evaluate(&view, &self.hits, &mut self.scratch, &mut self.matches);
        let mut matched = false;
        for rule in &self.matches {
            matched |= !data.rules.rules()[rule.index()].approximate;
            env.alerts.send(env.tables, env.nf, *rule, header.tuple, packet.private().class);
        }
        match (matched, data.on_match) {
            (false, _) => Verdict::Pass,
            (true, OnMatch::Alert) => Verdict::Match,
            (true, OnMatch::Drop) => Verdict::Drop(DropReason::NidsDrop),
        }
    }
}

/// NIDS on a CPU core.
#[derive(Default)]
pub struct CpuNids {
    judge: Judge,
}

impl CpuFunction for CpuNids {
    fn process(&mut self, env: &mut Env<'_>, packets: &mut [Packet], verdicts: &mut [Verdict]) {
        let Some(data) = env.data::<NidsData>() else { return };
        for (packet, verdict) in packets.iter().zip(verdicts) {
            let Some(header) = header_of(packet) else {
                *verdict = Verdict::Pass;
                continue;
            };
            self.judge.search(data, &packet.data()[header.payload()]);
            *verdict = self.judge.judge(env, data, packet, &header);
        }
    }
}

/// What reaches a NIDS has been parsed before, so there is always one.
fn header_of(packet: &Packet) -> Option<Ipv4Header> {
    match parse(packet.data()) {
        Ok(Frame::Ipv4(header)) => Some(header),
        Ok(Frame::Other(_)) | Err(_) => None,
    }
}

/// NIDS around its kernel.
#[derive(Default)]
pub struct GpuNids {
    judge: Judge,
}

impl GpuFunction for GpuNids {
    fn kernel(&self) -> KernelId {
        KernelId::Match
    }

    fn prepare(&mut self, env: &mut Env<'_>, packet: &mut Packet) -> Result<KernelWork, DropReason> {
        let data = env.data::<NidsData>().ok_or(DropReason::BadInner)?;
        let payload = header_of(packet).ok_or(DropReason::BadInner)?.payload();
        Ok(KernelWork {
            table: data.automaton.as_ref().map_or(0, TableRef::offset),
            start: payload.start,
            len: payload.len() as u32,
            side: Side::default(),
        })
    }

    fn finish(&mut self, env: &mut Env<'_>, packet: &mut Packet, outcome: &Outcome) -> Verdict {
        let Some(data) = env.data::<NidsData>() else { return Verdict::Pass };
        let Some(header) = header_of(packet) else { return Verdict::Pass };
        if outcome[0] & MATCH_OVERFLOW != 0 {
            // More distinct patterns than a row holds: find them all here.
            self.judge.search(data, &packet.data()[header.payload()]);
        } else {
            let found = outcome[0].min(MATCH_IDS as u32) as usize;
            self.judge.hits.clear();
            self.judge.hits.extend_from_slice(&outcome[1..=found]);
            self.judge.hits.retain(|id| *id != hummingbird_kernels::layout::MATCH_NONE);
        }
        self.judge.judge(env, data, packet, &header)
    }
}
