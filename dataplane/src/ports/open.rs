//! Opening ports: from a binding to a source and a sink.

use std::path::Path;

use dpdk::{Eal, EthDev, PortConfig, Started, Vdev};

use super::{Binding, CaptureError, CaptureReader, CaptureWriter, Sink, Source, pace::Pacer};
use crate::{meta::PacketMeta, packet::Pool};

/// Why a port cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A capture cannot be used.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// DPDK refuses the device.
    #[error(transparent)]
    Device(#[from] dpdk::Error),
    /// A trace without a frame cannot be looped.
    #[error("{0} holds no frame to loop")]
    EmptyTrace(std::path::PathBuf),
}

/// An open port.
pub struct OpenPort {
    /// The address that a Router sends from.
    pub mac: [u8; 6],
    /// Receive side.
    pub source: Source,
    /// Transmit side.
    pub sink: Sink,
    /// The device's control handle, where there is a device.
    pub device: Option<dpdk::Port>,
}

/// Opens the port of that number (from 0) and MTU.
///
/// # Errors
/// A capture or device that cannot be used.
pub fn open(
    eal: &Eal,
    pool: &Pool,
    binding: &Binding,
    number: usize,
    mtu: u16,
) -> Result<OpenPort, OpenError> {
    // Locally administered, one per port: what a capture's port goes by.
    let own = [2, 0, 0, 0, 0, number as u8 + 1];
    let pacer = |rate: Option<u64>| rate.map(Pacer::new);
    match binding {
        Binding::Pcap { input, output, rate } => {
            let reader = CaptureReader::open(input)?;
            let writer = CaptureWriter::create(output)?;
            let source = Source::Capture { reader, pacer: pacer(*rate), pool: pool.clone(), done: false };
            Ok(OpenPort { mac: own, source, sink: Sink::Capture(writer), device: None })
        }
        Binding::Trace { input, rate } => {
            let source =
                Source::Trace { frames: load(input)?, at: 0, pacer: pacer(*rate), pool: pool.clone() };
            let null = vdev(eal, pool, &Vdev::Null { receive: None }, mtu)?;
            Ok(OpenPort { mac: own, source, sink: null.sink, device: null.device })
        }
        Binding::Null => {
            let null = vdev(eal, pool, &Vdev::Null { receive: None }, mtu)?;
            Ok(OpenPort { mac: own, ..null })
        }
        Binding::Tap(interface) => vdev(eal, pool, &Vdev::Tap { interface: interface.clone() }, mtu),
        Binding::AfPacket(interface) => {
            vdev(eal, pool, &Vdev::AfPacket { interface: interface.clone(), queues: 1, mtu }, mtu)
        }
        Binding::AfXdp(interface) => {
            vdev(eal, pool, &Vdev::AfXdp { interface: interface.clone(), queues: 1 }, mtu)
        }
        Binding::Pci(address) => start(EthDev::open_pci(eal, address)?, pool, mtu),
    }
}

fn vdev(eal: &Eal, pool: &Pool, vdev: &Vdev, mtu: u16) -> Result<OpenPort, OpenError> {
    start(EthDev::create(eal, vdev)?, pool, mtu)
}

/// Starts a device with one queue pair.
fn start(device: EthDev, pool: &Pool, mtu: u16) -> Result<OpenPort, OpenError> {
    let config = PortConfig { mtu, ..PortConfig::default() };
    let Started { port, mut rx, mut tx } = device.start::<PacketMeta>(&config, pool)?;
    let (Some(rx), Some(tx)) = (rx.pop(), tx.pop()) else { unreachable!("one queue pair was asked for") };
    Ok(OpenPort {
        mac: port.mac()?.0,
        source: Source::Device(rx),
        sink: Sink::device(tx),
        device: Some(port),
    })
}

/// Reads a whole capture into memory.
fn load(path: &Path) -> Result<Box<[Box<[u8]>]>, OpenError> {
    let mut reader = CaptureReader::open(path)?;
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame(|frame| Box::from(frame))? {
        frames.push(frame);
    }
    if frames.is_empty() { Err(OpenError::EmptyTrace(path.into())) } else { Ok(frames.into()) }
}
