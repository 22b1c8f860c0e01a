//! The transmit side of a port.

use std::collections::VecDeque;

use dpdk::TxQueue;

use super::{CaptureError, CaptureWriter};
use crate::{
    meta::PacketMeta,
    packet::{BURST, Burst, Packet},
};

/// Where packets go.
pub enum Sink {
    /// A DPDK device.
    Device(Box<DeviceSink>),
    /// A capture.
    Capture(CaptureWriter),
}

/// A device's transmit queue, with what it has not taken yet.
pub struct DeviceSink {
    queue: TxQueue<PacketMeta>,
    /// Packets offered to it, in order.
    offered: Burst,
    /// TSC when it last took one.
    progress: u64,
}

/// What accounting needs of a packet that was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Frame length, bytes.
    pub len: usize,
    /// Its metadata when it left.
    pub meta: PacketMeta,
}

impl Sent {
    fn of(mbuf: &Packet) -> Self {
        Self { len: mbuf.len(), meta: *mbuf.private() }
    }
}

impl Sink {
    /// The transmit side of a device.
    #[must_use]
    pub fn device(queue: TxQueue<PacketMeta>) -> Self {
        Self::Device(Box::new(DeviceSink { queue, offered: Burst::new(), progress: dpdk::tsc() }))
    }

    /// Sends what waits, in order, up to one burst; `sent` hears of each
    /// packet once it is out.
    ///
    /// # Errors
    /// Where a capture cannot be written: the packet at hand is not counted as sent.
    pub fn send(
        &mut self,
        waiting: &mut VecDeque<Packet>,
        now: u64,
        mut sent: impl FnMut(Sent),
    ) -> Result<(), CaptureError> {
        match self {
            Self::Device(device) => {
                let DeviceSink { queue, offered, progress } = &mut **device;
                while !offered.is_full()
                    && let Some(packet) = waiting.pop_front()
                {
                    if let Err(packet) = offered.push(packet) {
                        waiting.push_front(packet);
                    }
                }
                if offered.is_empty() {
                    *progress = now;
                    return Ok(());
                }
                // The driver owns an mbuf once it took it, so look at all before.
                let mut facts = [None; BURST];
                for (fact, mbuf) in facts.iter_mut().zip(offered.iter()) {
                    *fact = Some(Sent::of(mbuf));
                }
                let taken = queue.tx_burst(offered);
                if taken > 0 {
                    *progress = now;
                }
                facts.into_iter().take(taken).flatten().for_each(sent);
            }
            Self::Capture(writer) => {
                while let Some(packet) = waiting.pop_front() {
                    if let Err(error) = writer.append(packet.data()) {
                        waiting.push_front(packet);
                        return Err(error);
                    }
                    sent(Sent::of(&packet));
                }
            }
        }
        Ok(())
    }

    /// Gives up on what a device has not taken since TSC `deadline`: hands the
    /// packets to `lost`.
    pub fn give_up(&mut self, deadline: u64, lost: impl FnMut(Packet)) {
        if let Self::Device(device) = self
            && device.progress < deadline
        {
            device.offered.drain().for_each(lost);
        }
    }

    /// Hands what is buffered to the kernel.
    ///
    /// # Errors
    /// Where a capture cannot be written.
    pub fn flush(&mut self) -> Result<(), CaptureError> {
        match self {
            Self::Capture(writer) => writer.flush(),
            Self::Device(_) => Ok(()),
        }
    }

    /// Whether packets wait in the sink itself.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Device(device) => device.offered.is_empty(),
            Self::Capture(_) => true,
        }
    }
}
