//! Encrypt: from a packet to its ESP packet.

use arrayvec::ArrayVec;
use hummingbird_crds::{
    DropReason,
    tables::{SecurityAssociation, has_ports},
};
use hummingbird_esp::{CtrIv, Direction, EspJob, IvSource, OutboundSa, SaStates, encapsulate};
use hummingbird_gpu::Accelerator;
use hummingbird_kernels::layout::{DONE, KernelId, Outcome};
use ipsec_mb::{Job, Manager};

use super::{LiveSa, SaError, cipher_job, header_of, sa::identity, side};
use crate::{
    forward::Verdict,
    io::spi_key,
    meta::PacketMeta,
    nf::{CpuFunction, Env, FunctionData, FunctionError, GpuFunction, KernelWork},
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

    fn sa(&self, packet: &Packet) -> &LiveSa<OutboundSa> {
        &self.sas[usize::from(packet.private().sa)]
    }
}

impl FunctionData for EncryptData {
    fn on_cpu(&self) -> Result<Box<dyn CpuFunction>, FunctionError> {
        Ok(Box::new(CpuEncrypt::new(Manager::new()?, CtrIv::new()?)))
    }

    fn on_gpu(&self) -> Result<Box<dyn GpuFunction>, FunctionError> {
        Ok(Box::new(GpuEncrypt::new(CtrIv::new()?)))
    }

    /// Picks the packet's SA (first match wins) and steers by it, so that all
    /// packets of one SA pass one writer in order.
    fn steer(&self, packet: &mut Packet) -> Result<(), DropReason> {
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
}

/// Headers, number, IV and padding of one packet.
fn prepare(data: &EncryptData, ivs: &mut impl IvSource, packet: &mut Packet) -> Result<EspJob, DropReason> {
    let sa = data.sa(packet);
    let header = header_of(packet)?;
    encapsulate(&sa.state, &sa.sa, &mut Frame(packet), &header, ivs.next_iv()).map_err(DropReason::from)
}

/// Encrypt on a CPU core, with IVs of `I`.
pub struct CpuEncrypt<I> {
    manager: Manager,
    ivs: I,
}

impl<I: IvSource> CpuEncrypt<I> {
    /// An instance with a cipher manager and a source of IVs of its own.
    #[must_use]
    pub fn new(manager: Manager, ivs: I) -> Self {
        Self { manager, ivs }
    }
}

impl<I: IvSource + Send> CpuFunction for CpuEncrypt<I> {
    fn process(&mut self, env: &mut Env<'_>, packets: &mut [Packet], verdicts: &mut [Verdict]) {
        let Some(data) = env.data::<EncryptData>() else { return };
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

/// Encrypt around its kernel, with IVs of `I`.
pub struct GpuEncrypt<I> {
    ivs: I,
}

impl<I: IvSource> GpuEncrypt<I> {
    /// An instance for one CPUSyncer, with a source of IVs of its own.
    #[must_use]
    pub fn new(ivs: I) -> Self {
        Self { ivs }
    }
}

impl<I: IvSource + Send> GpuFunction for GpuEncrypt<I> {
    fn kernel(&self) -> KernelId {
        KernelId::EspEncrypt
    }

    fn prepare(&mut self, env: &mut Env<'_>, packet: &mut Packet) -> Result<KernelWork, DropReason> {
        let data = env.data::<EncryptData>().ok_or(DropReason::CipherFailed)?;
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
