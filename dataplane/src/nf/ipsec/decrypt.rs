//! Decrypt: from an ESP packet to what it carries.

use std::{collections::HashMap, net::Ipv4Addr};

use arrayvec::ArrayVec;
use hummingbird_crds::{
    DropReason,
    tables::{EspMode, SecurityAssociation},
};
use hummingbird_esp::{Direction, EspJob, InboundSa, SaStates, finish_decrypt, open};
use hummingbird_gpu::Accelerator;
use hummingbird_kernels::layout::{BAD_ICV, DONE, KernelId, Outcome};
use hummingbird_packet::{Ipv4Header, Protocol};
use ipsec_mb::{Job, Manager};

use super::{LiveSa, SaError, cipher_job, header_of, sa::identity, side};
use crate::{
    forward::Verdict,
    meta::PacketMeta,
    nf::{CpuFunction, Env, FunctionData, FunctionError, GpuFunction, KernelWork},
    packet::{BURST, Frame, Packet},
};

/// A Decrypt function's data in one generation.
pub struct DecryptData {
    sas: Vec<LiveSa<InboundSa>>,
    /// By SPI and outer destination; `0.0.0.0` for transport mode, whose
    /// destination is the packet's own.
    by_spi: HashMap<(u32, Ipv4Addr), u16>,
}

impl DecryptData {
    /// Makes the SAs ready; records for the kernels where there is an accelerator.
    ///
    /// # Errors
    /// An SA's state is unusable, or table memory is full.
    pub fn build(
        sas: &[SecurityAssociation],
        states: &SaStates,
        manager: &Manager,
        accelerator: Option<&dyn Accelerator>,
    ) -> Result<Self, SaError> {
        let mut data = Self { sas: Vec::with_capacity(sas.len()), by_spi: HashMap::new() };
        for spec in sas {
            let state = states
                .inbound(&identity(Direction::Inbound, spec), spec.esn, spec.replay_window)
                .map_err(|source| SaError::State { name: spec.name.clone(), source })?;
            let destination = match spec.mode {
                EspMode::Transport => Ipv4Addr::UNSPECIFIED,
                EspMode::Tunnel { destination, .. } => destination,
            };
            data.by_spi.insert((spec.spi, destination), data.sas.len() as u16);
            data.sas.push(LiveSa::new(spec, state, manager, accelerator)?);
        }
        Ok(data)
    }

    fn find(&self, header: &Ipv4Header) -> Option<u16> {
        let lookup = |destination| self.by_spi.get(&(header.spi, destination)).copied();
        lookup(header.tuple.destination).or_else(|| lookup(Ipv4Addr::UNSPECIFIED))
    }
}

impl FunctionData for DecryptData {
    fn on_cpu(&self) -> Result<Box<dyn CpuFunction>, FunctionError> {
        Ok(Box::new(CpuDecrypt::new(Manager::new()?)))
    }

    fn on_gpu(&self) -> Result<Box<dyn GpuFunction>, FunctionError> {
        Ok(Box::new(GpuDecrypt))
    }
}

/// Everything before the cipher: finds the SA, asks the replay window.
fn prepare(data: &DecryptData, packet: &mut Packet) -> Result<(Ipv4Header, EspJob), DropReason> {
    let header = header_of(packet)?;
    if header.tuple.protocol != Protocol::ESP {
        return Err(DropReason::EspTooShort);
    }
    if header.fragment.is_fragment() {
        return Err(DropReason::EspFragment);
    }
    let index = data.find(&header).ok_or(DropReason::UnknownSpi)?;
    let sa = &data.sas[usize::from(index)];
    let job = open(&sa.state, &sa.sa, &mut Frame(packet), &header).map_err(DropReason::from)?;
    let meta: &mut PacketMeta = packet.private_mut();
    meta.sa = index;
    meta.scratch = job.sequence;
    Ok((header, job))
}

/// Everything after it: the window, the trailer, the inner packet. From here
/// on the packet is steered by its inner flow.
fn finish(sa: &LiveSa<InboundSa>, packet: &mut Packet, header: &Ipv4Header, job: &EspJob) -> Verdict {
    let selector = |tuple: &_, has_ports| sa.selector.holds_for_flow(tuple, has_ports);
    match finish_decrypt(&sa.state, &sa.sa, &mut Frame(packet), header, job, selector) {
        Ok(inner) => {
            packet.private_mut().key = inner.tuple.steering_key();
            Verdict::Pass
        }
        Err(drop) => Verdict::Drop(drop.into()),
    }
}

/// Decrypt on a CPU core.
pub struct CpuDecrypt {
    manager: Manager,
}

impl CpuDecrypt {
    /// An instance with a cipher manager of its own.
    #[must_use]
    pub fn new(manager: Manager) -> Self {
        Self { manager }
    }
}

impl CpuFunction for CpuDecrypt {
    fn process(&mut self, env: &mut Env<'_>, packets: &mut [Packet], verdicts: &mut [Verdict]) {
        let Some(data) = env.data::<DecryptData>() else { return };
        let mut opened = ArrayVec::<(usize, Ipv4Header, EspJob), BURST>::new();
        let mut jobs = ArrayVec::<Job<'_>, BURST>::new();
        for (index, packet) in packets.iter_mut().enumerate() {
            verdicts[index] = match prepare(data, packet) {
                Ok((header, esp)) => {
                    let key = &data.sas[usize::from(packet.private().sa)].key;
                    if let Some(job) = cipher_job(key, packet, &esp) {
                        jobs.push(job);
                        opened.push((index, header, esp));
                    }
                    Verdict::Drop(DropReason::CipherFailed)
                }
                Err(reason) => Verdict::Drop(reason),
            };
        }
        self.manager.decrypt_burst(&mut jobs);
        let outcomes: ArrayVec<_, BURST> = jobs.iter().map(Job::verdict).collect();
        drop(jobs);
        for ((index, header, job), outcome) in opened.iter().zip(outcomes) {
            let packet = &mut packets[*index];
            let sa = &data.sas[usize::from(packet.private().sa)];
            verdicts[*index] = match outcome {
                ipsec_mb::Verdict::Done => finish(sa, packet, header, job),
                ipsec_mb::Verdict::BadIcv => Verdict::Drop(DropReason::BadIcv),
                ipsec_mb::Verdict::Pending | ipsec_mb::Verdict::Failed => {
                    Verdict::Drop(DropReason::CipherFailed)
                }
            };
        }
    }
}

/// Decrypt around its kernel.
pub struct GpuDecrypt;

impl GpuFunction for GpuDecrypt {
    fn kernel(&self) -> KernelId {
        KernelId::EspDecrypt
    }

    fn prepare(&mut self, env: &mut Env<'_>, packet: &mut Packet) -> Result<KernelWork, DropReason> {
        let data = env.data::<DecryptData>().ok_or(DropReason::CipherFailed)?;
        let (_, job) = prepare(data, packet)?;
        Ok(KernelWork {
            table: data.sas[usize::from(packet.private().sa)].table(),
            start: job.esp_offset as usize,
            len: job.cipher_len,
            side: side(packet, &job),
        })
    }

    fn finish(&mut self, env: &mut Env<'_>, packet: &mut Packet, outcome: &Outcome) -> Verdict {
        let Some(data) = env.data::<DecryptData>() else { return Verdict::Drop(DropReason::CipherFailed) };
        match outcome[0] {
            DONE => {}
            BAD_ICV => return Verdict::Drop(DropReason::BadIcv),
            _ => return Verdict::Drop(DropReason::CipherFailed),
        }
        // The kernel touched nothing before the cipher text, so the outer
        // header says again where everything stands.
        let header = match header_of(packet) {
            Ok(header) => header,
            Err(reason) => return Verdict::Drop(reason),
        };
        let sa = &data.sas[usize::from(packet.private().sa)];
        let sequence = packet.private().scratch;
        let job = EspJob {
            esp_offset: header.l4_start() as u32,
            cipher_len: u32::from(header.total_len)
                - u32::from(header.header_len)
                - (hummingbird_esp::ESP_HEADER + hummingbird_esp::IV + hummingbird_esp::ICV) as u32,
            sequence,
            seq_high: sa.state.esn().then_some((sequence >> 32) as u32),
        };
        finish(sa, packet, &header, &job)
    }
}
