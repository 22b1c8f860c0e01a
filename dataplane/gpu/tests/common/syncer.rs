//! A CPUSyncer that checks every byte and outcome that comes back.

use super::{
    device::{SLOT, settings},
    random::Random,
    xor::XOR,
};
use hummingbird_gpu::{
    Accelerator, Geometry, LaunchError, Launcher, Relauncher, RowNumber, RowQueue, TableRef,
    layout::{Descriptor, KernelId},
    opencl::OpenClAccelerator,
};
use std::{collections::VecDeque, sync::Arc, thread};

/// What packets are XORed with.
const KEY: [u8; 16] = *b"sixteen byte key";

/// PoCL with the test kernel.
pub fn open(workgroups: u16, items: u16, depth: u16) -> Arc<OpenClAccelerator> {
    let geometry = Geometry::new(workgroups, items, depth).unwrap();
    Arc::new(OpenClAccelerator::open(&settings(geometry, XOR)).unwrap())
}

struct Packet {
    place: usize,
    len: usize,
    fill: u8,
    tag: u32,
}

struct Sent {
    number: RowNumber,
    kernel: KernelId,
    packets: Vec<Packet>,
}

/// A CPUSyncer of one queue, with its own packet slots.
pub struct Syncer {
    pub queue: RowQueue,
    relauncher: Relauncher,
    accelerator: Arc<dyn Accelerator>,
    table: Arc<TableRef>,
    random: Random,
    sent: VecDeque<Sent>,
    depth: usize,
    rows: usize,
    pub checked: usize,
}

impl Syncer {
    pub fn new(
        queue: RowQueue,
        relauncher: Relauncher,
        accelerator: Arc<dyn Accelerator>,
        table: Arc<TableRef>,
    ) -> Self {
        let random = Random(0x9e37_79b9 ^ u32::from(queue.workgroup().0));
        let depth = usize::from(accelerator.rows().geometry().depth());
        Self {
            queue,
            relauncher,
            accelerator,
            table,
            random,
            sent: VecDeque::new(),
            depth,
            rows: 0,
            checked: 0,
        }
    }

    fn bytes(&self, place: usize) -> *mut u8 {
        let packets = self.accelerator.packet_memory();
        assert!(packets.contains(packets.base().as_ptr().wrapping_add(place), SLOT));
        packets.base().as_ptr().wrapping_add(place)
    }

    /// Publishes one row with a random number of packets, which may be none.
    /// False: there is no room.
    pub fn publish(&mut self) -> bool {
        let kernel = [KernelId::EspEncrypt, KernelId::EspDecrypt, KernelId::Match][self.rows % 3];
        let items = self.queue.items();
        let count = match self.random.below(4) {
            0 => items,
            _ => self.random.below(u32::from(items) + 1) as u16,
        };
        if !self.queue.has_room() {
            assert!(self.queue.begin(kernel).is_none());
            return false;
        }
        let first = (usize::from(self.queue.workgroup().0) * self.depth + self.rows % self.depth)
            * usize::from(items);
        let mut packets = Vec::new();
        self.queue.begin(kernel).unwrap();
        for item in 0..count {
            let packet = Packet {
                place: (first + usize::from(item)) * SLOT,
                len: self.random.below(SLOT as u32 + 1) as usize,
                fill: self.random.below(256) as u8,
                tag: self.random.below(u32::MAX),
            };
            let data = self.accelerator.packet_memory().offset_of(self.bytes(packet.place)).unwrap();
            // SAFETY: inside packet memory; the slot is this queue's, and no
            // row in flight names it.
            unsafe { self.bytes(packet.place).write_bytes(packet.fill, SLOT) };
            let descriptor = Descriptor {
                table: self.table.offset(),
                data,
                len: packet.len as u32,
                ..Descriptor::default()
            };
            let side = [packet.tag, 0, 0, 0, 0, 0, 0, !packet.tag];
            let mut row = self.queue.resume().unwrap();
            assert_eq!(row.push(descriptor, side), Some(item));
            assert_eq!((row.count(), row.kernel()), (item + 1, kernel));
            packets.push(packet);
        }
        let row = self.queue.resume().unwrap();
        assert_eq!(row.is_full(), count == items);
        let number = row.publish();
        self.sent.push_back(Sent { number, kernel, packets });
        self.rows += 1;
        true
    }

    /// Harvests what is finished, checks and releases it.
    pub fn harvest(&mut self) -> Result<(), LaunchError> {
        self.relauncher.turn()?;
        while let Some(sent) = self.sent.front() {
            let group = u32::from(self.queue.workgroup().0);
            let Some(row) = self.queue.finished(sent.number) else { break };
            assert_eq!(usize::from(row.count()), sent.packets.len());
            assert_eq!(row.outcomes().count(), sent.packets.len());
            assert_eq!(row.outcome(row.count()), None);
            for (packet, outcome) in sent.packets.iter().zip(row.outcomes()) {
                let head = [sent.kernel as u32, u32::from(row.count()), group, sent.number.0];
                assert_eq!(outcome[..4], head);
                assert_eq!(outcome[4..6], [packet.tag, !packet.tag]);
            }
            row.release();
            let sent = self.sent.pop_front().unwrap();
            for packet in &sent.packets {
                self.check(packet);
            }
            self.checked += 1;
        }
        Ok(())
    }

    fn check(&self, packet: &Packet) {
        // SAFETY: the packet's row is finished, so the slot is the host's.
        let bytes = unsafe { std::slice::from_raw_parts(self.bytes(packet.place), SLOT) };
        for (at, &byte) in bytes.iter().enumerate() {
            let key = if at < packet.len { KEY[at % 16] } else { 0 };
            assert_eq!(byte, packet.fill ^ key, "byte {at} of a packet of {}", packet.len);
        }
    }

    /// Publishes and harvests until `rows` more rows are back.
    pub fn run(&mut self, rows: usize) -> Result<(), LaunchError> {
        let (until, checked) = (self.rows + rows, self.checked + rows);
        while self.checked < checked {
            let published = self.rows < until && self.publish();
            self.harvest()?;
            if !published {
                thread::yield_now();
            }
        }
        Ok(())
    }
}

/// A syncer for every queue.
pub fn syncers(
    accelerator: &Arc<dyn Accelerator>,
    launcher: &Launcher,
    queues: Vec<RowQueue>,
) -> Vec<Syncer> {
    let table = Arc::new(accelerator.publish(&KEY).unwrap());
    queues
        .into_iter()
        .map(|queue| Syncer::new(queue, launcher.relauncher(), accelerator.clone(), table.clone()))
        .collect()
}
