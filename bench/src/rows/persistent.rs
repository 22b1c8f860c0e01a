//! Our side: the row protocol, as a CPUSyncer uses it.

use std::{collections::VecDeque, ptr, sync::Arc, thread, time::Instant};

use anyhow::Context as _;
use hummingbird_gpu::{
    Accelerator, Geometry, LaunchSettings, Launcher, Relauncher, RowNumber, RowQueue, TableRef,
    layout::{Descriptor, KernelId},
    opencl::{self, DeviceChoice, OpenClAccelerator, POCL_CAPACITY, Program, Settings},
};

use super::{DEPTH, ITEMS, PACKETS, SLOT};
use crate::harness::child::packet_cpu;

/// A persistent launch with packets in shared memory.
pub struct Rows {
    launcher: Launcher,
    relauncher: Relauncher,
    queue: RowQueue,
    out: VecDeque<RowNumber>,
    first: u32,
    len: u32,
    next: usize,
    table: TableRef,
}

impl Rows {
    /// Puts the packets where the kernel reaches them and launches it.
    pub fn start(automaton: &[u8], packets: &[Vec<u8>]) -> anyhow::Result<Self> {
        let accelerator: Arc<dyn Accelerator> = Arc::new(OpenClAccelerator::open(&Settings {
            device: DeviceChoice::Auto,
            geometry: Geometry::new(1, ITEMS, DEPTH)?,
            packet_bytes: PACKETS * SLOT,
            table_bytes: 64 << 20,
            program: Program {
                source: hummingbird_kernels::program_source(),
                kernel: hummingbird_kernels::KERNEL_NAME,
                options: hummingbird_kernels::BUILD_OPTIONS,
            },
            pocl_capacity: POCL_CAPACITY,
            worker_cores: opencl::cores_beside(&[packet_cpu()])?,
        })?);
        let memory = accelerator.packet_memory().clone();
        assert!(packets.len() * SLOT <= memory.len() && packets.iter().all(|packet| packet.len() <= SLOT));
        for (at, packet) in packets.iter().enumerate() {
            // SAFETY: inside packet memory, as checked; no kernel runs yet.
            unsafe {
                ptr::copy_nonoverlapping(
                    packet.as_ptr(),
                    memory.base().as_ptr().add(at * SLOT),
                    packet.len(),
                );
            }
        }
        let table = accelerator.publish(automaton)?;
        let first = memory.offset_of(memory.base().as_ptr()).context("packet memory is not shared")?;
        let (launcher, mut queues) = Launcher::start(accelerator, LaunchSettings::default())?;
        let relauncher = launcher.relauncher();
        let queue = queues.pop().context("one workgroup has one queue")?;
        let len = packets[0].len() as u32;
        Ok(Self { launcher, relauncher, queue, out: VecDeque::new(), first, len, next: 0, table })
    }

    /// Packets a second.
    pub fn rate(&mut self, seconds: f64) -> anyhow::Result<f64> {
        let (start, mut packets) = (Instant::now(), 0);
        while start.elapsed().as_secs_f64() < seconds {
            self.fill();
            packets += self.harvest()?;
        }
        while !self.out.is_empty() {
            packets += self.harvest()?;
        }
        Ok(packets as f64 / start.elapsed().as_secs_f64())
    }

    fn fill(&mut self) {
        while let Some(mut row) = self.queue.begin(KernelId::Match) {
            for _ in 0..ITEMS {
                let data = self.first + (self.next * SLOT) as u32;
                let descriptor =
                    Descriptor { table: self.table.offset(), data, len: self.len, ..Descriptor::default() };
                row.push(descriptor, [0; 8]);
                self.next = (self.next + 1) % PACKETS;
            }
            self.out.push_back(row.publish());
        }
    }

    fn harvest(&mut self) -> anyhow::Result<usize> {
        self.relauncher.turn()?;
        let mut packets = 0;
        while let Some(number) = self.out.front() {
            let Some(row) = self.queue.finished(*number) else { break };
            for outcome in row.outcomes() {
                std::hint::black_box(outcome[0]);
                packets += 1;
            }
            row.release();
            self.out.pop_front();
        }
        if packets == 0 {
            thread::yield_now();
        }
        Ok(packets)
    }

    /// Ends the launch.
    pub fn stop(self) -> anyhow::Result<()> {
        Ok(self.launcher.stop()?)
    }
}
