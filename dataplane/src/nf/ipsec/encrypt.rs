//! Encrypt: from a packet to its ESP packet.

use arrayvec::ArrayVec;
use hummingbird_crds::{
    DropReason,
    tables::{SecurityAssociation, has_ports},
};
use hummingbird_esp::{CtrIv, Direction, EspJob, IvError, IvSource, OutboundSa, SaStates, encapsulate};
use hummingbird_gpu::Accelerator;
use hummingbird_kernels::layout::{DONE, KernelId, Outcome};
use ipsec_mb::{Job, Manager};

use super::{LiveSa, SaError, cipher_job, header_of, reason, sa::identity, side};
use crate::{
    forward::Verdict,
    io::spi_key,
    meta::PacketMeta,
    nf::{CpuFunction, Env, FunctionData, GpuFunction, KernelWork},
    packet::{BURST, Frame, Packet},
};

/// An Encrypt function's data in one generation.
pub struct EncryptData {
    sas: Vec<LiveSa<OutboundSa>>,
}

impl EncryptData {
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
        let sas = sas
            .iter()
            .map(|spec| {
                let state = states
                    .outbound(&identity(Direction::Outbound, spec), spec.esn)
                    .map_err(|source| SaError::State { name: spec.name.clone(), source })?;
                LiveSa::new(spec, state, manager, accelerator)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { sas })
    }

    /// Picks the packet's SA (first match wins) and steers by it, so that all
    /// packets of one SA pass one writer in order.
    ///
    /// # Errors
    /// No SA's selector takes the packet.
    pub fn select(&self, packet: &mut Packet) -> Result<(), DropReason> {
        let header = header_of(packet)?;
        let has_ports = has_ports(&header);
        let index = self
            .sas
            .iter()
            .position(|sa| sa.selector.holds_for_flow(&header.tuple, has_ports))
            .ok_or(DropReason::NoSa)?;
        let meta: &mut PacketMeta = packet.private_mut();
        meta.sa = index as u16;
        meta.key = spi_key(self.sas[index].sa.spi());
        Ok(())
    }

    fn sa(&self, packet: &Packet) -> &LiveSa<OutboundSa> {
        &self.sas[usize::from(packet.private().sa)]
    }
}

fn data<'a>(env: &'a Env<'_>) -> Option<&'a EncryptData> {
    match env.tables.data(env.nf) {
        FunctionData::Encrypt(data) => Some(data),
        _ => None,
    }
}

/// Headers, number, IV and padding of one packet.
fn prepare(data: &EncryptData, ivs: &mut CtrIv, packet: &mut Packet) -> Result<EspJob, DropReason> {
    let sa = data.sa(packet);
    let header = header_of(packet)?;
    encapsulate(&sa.state, &sa.sa, &mut Frame(packet), &header, ivs.next_iv()).map_err(reason)
}

/// Encrypt on a CPU core.
pub struct CpuEncrypt {
    manager: Manager,
    ivs: CtrIv,
}

impl CpuEncrypt {
    /// An instance with a cipher manager of its own.
    ///
    /// # Errors
    /// The kernel gives no randomness.
    pub fn new(manager: Manager) -> Result<Self, IvError> {
        Ok(Self { manager, ivs: CtrIv::new()? })
    }
}

impl CpuFunction for CpuEncrypt {
    fn process(&mut self, env: &mut Env<'_>, packets: &mut [Packet], verdicts: &mut [Verdict]) {
        let Some(data) = data(env) else { return };
        let mut jobs = ArrayVec::<(usize, Job<'_>), BURST>::new();
        for (index, packet) in packets.iter_mut().enumerate() {
            verdicts[index] = match prepare(data, &mut self.ivs, packet) {
                Ok(esp) => {
                    let key = &data.sa(packet).key;
                    if let Some(job) = cipher_job(key, packet, &esp) {
                        jobs.push((index, job));
                    }
                    Verdict::Drop(DropReason::CipherFailed)
                }
                Err(reason) => Verdict::Drop(reason),
            };
        }
        let (indices, mut jobs): (ArrayVec<usize, BURST>, ArrayVec<Job<'_>, BURST>) =
            jobs.into_iter().unzip();
        self.manager.encrypt_burst(&mut jobs);
        for (index, job) in indices.into_iter().zip(&jobs) {
            if job.verdict() == ipsec_mb::Verdict::Done {
                verdicts[index] = Verdict::Pass;
            }
        }
    }
}

/// Encrypt around its kernel.
pub struct GpuEncrypt {
    ivs: CtrIv,
}

impl GpuEncrypt {
    /// An instance for one CPUSyncer.
    ///
    /// # Errors
    /// The kernel gives no randomness.
    pub fn new() -> Result<Self, IvError> {
        Ok(Self { ivs: CtrIv::new()? })
    }
}

impl GpuFunction for GpuEncrypt {
    fn kernel(&self) -> KernelId {
        KernelId::EspEncrypt
    }

    fn prepare(&mut self, env: &mut Env<'_>, packet: &mut Packet) -> Result<KernelWork, DropReason> {
        let data = data(env).ok_or(DropReason::CipherFailed)?;
        let job = prepare(data, &mut self.ivs, packet)?;
        Ok(KernelWork {
            table: data.sa(packet).table(),
            start: job.esp_offset as usize,
            len: job.cipher_len,
            side: side(packet, &job),
        })
    }

    fn finish(&mut self, _env: &mut Env<'_>, _packet: &mut Packet, outcome: &Outcome) -> Verdict {
        if outcome[0] == DONE { Verdict::Pass } else { Verdict::Drop(DropReason::CipherFailed) }
    }
}
