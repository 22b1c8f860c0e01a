//! The peer: buffers of the device's own, copies, and a launch for every
//! batch. The kernel drains its ring and leaves, its lease being one poll.

use std::{mem::offset_of, ptr, time::Instant};

use anyhow::{Context as _, ensure};
use hummingbird_kernels::layout::{
    Control, KernelId, LaunchControl, RowHeader, descriptor_offset, row_bytes,
};
use opencl3::{
    command_queue::CommandQueue,
    context::Context as ClContext,
    device::{CL_DEVICE_TYPE_ALL, Device},
    kernel::{ExecuteKernel, Kernel},
    memory::{Buffer, CL_MEM_READ_WRITE},
    platform::get_platforms,
    program::Program,
    types::{CL_BLOCKING, CL_NON_BLOCKING},
};

use super::{ITEMS, PACKETS};

/// Buffers, the kernel, and the batch as it lies on the host.
pub struct Copies {
    queue: CommandQueue,
    kernel: Kernel,
    control: Buffer<u8>,
    launch: Buffer<u8>,
    rows: Buffer<u8>,
    packets: Buffer<u8>,
    tables: Buffer<u8>,
    /// Packets one behind the other, as short as they are.
    host_packets: Vec<u8>,
    host_rows: Vec<u8>,
    results: Vec<u8>,
    len: usize,
    /// Dropped last.
    _context: ClContext,
}

fn put(bytes: &mut [u8], at: usize, words: &[u32]) {
    for (bytes, word) in bytes[at..].as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
}

impl Copies {
    /// Readies everything but the copies and launches themselves.
    pub fn new(automaton: &[u8], packets: &[Vec<u8>]) -> anyhow::Result<Self> {
        let platform = get_platforms()?.into_iter().next().context("no OpenCL platform")?;
        let device =
            platform.get_devices(CL_DEVICE_TYPE_ALL)?.into_iter().next().context("no OpenCL device")?;
        let context = ClContext::from_device(&Device::new(device))?;
        let source = hummingbird_kernels::program_source();
        let program =
            Program::create_and_build_from_source(&context, source, hummingbird_kernels::BUILD_OPTIONS)
                .map_err(|log| anyhow::anyhow!("the kernel does not build: {log}"))?;
        let kernel = Kernel::create(&program, hummingbird_kernels::KERNEL_NAME)?;
        // SAFETY: the device is the context's.
        let queue = unsafe { CommandQueue::create_with_properties(&context, device, 0, 0)? };
        // SAFETY: no host pointer is handed over.
        let buffer =
            |len: usize| unsafe { Buffer::<u8>::create(&context, CL_MEM_READ_WRITE, len, ptr::null_mut()) };
        let items = usize::from(ITEMS);
        let len = packets[0].len();
        let mut host_rows = vec![0; PACKETS / items * row_bytes(items)];
        for (number, row) in host_rows.chunks_exact_mut(row_bytes(items)).enumerate() {
            let header = RowHeader::new(KernelId::Match, u32::from(ITEMS));
            put(row, 0, &[header.kernel, header.count]);
            for item in 0..items {
                let data = ((number * items + item) * len) as u32;
                put(row, descriptor_offset(item), &[1, 0, data, len as u32, 0, 0, 0, 0]);
            }
        }
        let mut tables = buffer(automaton.len())?;
        // SAFETY: the write is blocking and inside the buffer.
        unsafe { queue.enqueue_write_buffer(&mut tables, CL_BLOCKING, 0, automaton, &[])? };
        Ok(Self {
            control: buffer(size_of::<Control>())?,
            launch: buffer(size_of::<LaunchControl>())?,
            rows: buffer(host_rows.len())?,
            packets: buffer(PACKETS * len)?,
            tables,
            host_packets: packets.concat(),
            results: vec![0; host_rows.len()],
            host_rows,
            len,
            queue,
            kernel,
            _context: context,
        })
    }

    /// Packets a second in batches of `batch`, a power of two from a row to all.
    pub fn rate(&mut self, batch: usize, seconds: f64) -> anyhow::Result<f64> {
        let (start, mut packets) = (Instant::now(), 0);
        while start.elapsed().as_secs_f64() < seconds {
            self.batch(batch)?;
            packets += batch;
        }
        Ok(packets as f64 / start.elapsed().as_secs_f64())
    }

    fn batch(&mut self, batch: usize) -> anyhow::Result<()> {
        let items = usize::from(ITEMS);
        let rows = batch / items;
        assert!(rows.is_power_of_two() && batch <= PACKETS);
        let mut control = [0; size_of::<Control>()];
        put(&mut control, offset_of!(Control, cpu_index), &[rows as u32]);
        let leave = [0; size_of::<LaunchControl>()];
        let row_len = rows * row_bytes(items);
        // SAFETY: all host memory lives until the blocking read below, behind
        // them in the in-order queue; all lengths are within their buffers; the
        // arguments are those of `gpu_syncer`.
        unsafe {
            let queue = &self.queue;
            queue.enqueue_write_buffer(&mut self.control, CL_NON_BLOCKING, 0, &control, &[])?;
            queue.enqueue_write_buffer(&mut self.launch, CL_NON_BLOCKING, 0, &leave, &[])?;
            let packets = &self.host_packets[..batch * self.len];
            queue.enqueue_write_buffer(&mut self.packets, CL_NON_BLOCKING, 0, packets, &[])?;
            let headers = &self.host_rows[..row_len];
            queue.enqueue_write_buffer(&mut self.rows, CL_NON_BLOCKING, 0, headers, &[])?;
            ExecuteKernel::new(&self.kernel)
                .set_arg(&self.control)
                .set_arg(&self.launch)
                .set_arg(&self.rows)
                .set_arg(&(rows as u32 - 1))
                .set_arg(&u32::from(ITEMS))
                .set_arg(&self.packets)
                .set_arg(&self.tables)
                .set_arg(&1_u32)
                .set_global_work_size(items)
                .set_local_work_size(items)
                .enqueue_nd_range(queue)?;
            queue.enqueue_read_buffer(&self.control, CL_NON_BLOCKING, 0, &mut control, &[])?;
            let results = &mut self.results[..row_len];
            queue.enqueue_read_buffer(&self.rows, CL_BLOCKING, 0, results, &[])?;
        }
        let at = offset_of!(Control, gpu_index);
        let done = u32::from_le_bytes([control[at], control[at + 1], control[at + 2], control[at + 3]]);
        ensure!(done as usize == rows, "the kernel did {done} of {rows} rows");
        Ok(())
    }
}
