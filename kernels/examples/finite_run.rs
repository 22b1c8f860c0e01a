//! Runs the persistent kernel to an end, without a live host: `finite_run
//! PROGRAM OPTIONS SIZE` builds the program text, publishes all rows beforehand in
//! plain buffers, launches groups of SIZE work items with a lease of one empty poll, so that the kernel
//! drains its rings and leaves, and compares everything with the oracle.
//!
//! That is how an interpreter without shared memory (oclgrind) can watch the
//! unchanged kernel, and how any OpenCL device can be tried.

#[path = "../tests/common/scene.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod scene;

use hummingbird_kernels::KERNEL_NAME;
use hummingbird_kernels::layout::KernelId::{EspDecrypt, EspEncrypt, Match};
use hummingbird_kernels::layout::{Control, LaunchControl, row_bytes, row_offset};
use opencl3::command_queue::CommandQueue;
use opencl3::context::Context;
use opencl3::device::{CL_DEVICE_TYPE_ALL, Device};
use opencl3::kernel::{ExecuteKernel, Kernel};
use opencl3::memory::{Buffer, CL_MEM_READ_WRITE};
use opencl3::platform::get_platforms;
use opencl3::program::Program;
use opencl3::types::CL_BLOCKING;
use scene::{DUMMY, Scene, Slot};
use std::error::Error;
use std::mem::offset_of;

const GROUPS: usize = 2;
/// More rows than the ring is deep would need a host.
const DEPTH: u32 = 4;

/// Rows of `items` packets for one group: all functions, dummies inside and
/// after, one row empty.
fn rows(scene: &mut Scene, items: usize) -> [Vec<u8>; DEPTH as usize] {
    let sas = [scene.random_sa(false), scene.random_sa(true)];
    let set = scene.patterns(&["ab", "b", "c", "d", "e", "f", "g", "h"]);
    let plain: Vec<Slot> = (0..items).map(|n| scene.plain(sas[n % 2], 16 * (n % 6), 5 * n % 64)).collect();
    let cipher: Vec<Slot> = (0..items - 2)
        .map(|n| scene.cipher(sas[n % 2], 16 * (n % 6), 4 * n % 64, (n % 8 == 3).then_some(n as u32)))
        .collect();
    let text: Vec<Slot> =
        (0..items - 3).map(|n| scene.payload(set, &b"ABcdefghab"[..4 + n % 7], n % 64)).collect();
    [
        scene::row(EspEncrypt, items, &plain),
        scene::row(EspDecrypt, items, &[&cipher[..4], &[DUMMY], &cipher[4..]].concat()),
        scene::row(Match, items, &text),
        scene::row(EspEncrypt, items, &[]),
    ]
}

/// Device memory that starts as `bytes`.
fn buffer(context: &Context, queue: &CommandQueue, bytes: &[u8]) -> Result<Buffer<u8>, Box<dyn Error>> {
    // SAFETY: no host pointer is handed over.
    let mut buffer =
        unsafe { Buffer::create(context, CL_MEM_READ_WRITE, bytes.len(), std::ptr::null_mut())? };
    // SAFETY: the write is blocking and inside the buffer.
    unsafe { queue.enqueue_write_buffer(&mut buffer, CL_BLOCKING, 0, bytes, &[])? };
    Ok(buffer)
}

fn read(queue: &CommandQueue, buffer: &Buffer<u8>, len: usize) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut bytes = vec![0; len];
    // SAFETY: the read is blocking and inside the buffer.
    unsafe { queue.enqueue_read_buffer(buffer, CL_BLOCKING, 0, &mut bytes, &[])? };
    Ok(bytes)
}

fn same(what: &str, found: &[u8], expected: &[u8]) -> Result<(), String> {
    match found.iter().zip(expected).position(|(a, b)| a != b) {
        Some(at) => Err(format!(
            "{what} differ from the oracle's at byte {at}: {:x?} for {:x?}",
            &found[at..at + 4],
            &expected[at..at + 4]
        )),
        None => Ok(()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, options, size] = arguments.as_slice() else {
        return Err("usage: finite_run PROGRAM OPTIONS SIZE".into());
    };
    let local: usize = size.parse().map_err(|error| format!("SIZE {size}: {error}"))?;
    // Some items take two packets of a row, the others one.
    let items = local.max(4) + 2;
    let source = std::fs::read_to_string(program).map_err(|error| format!("{program}: {error}"))?;
    let platform = get_platforms()?.into_iter().next().ok_or("no OpenCL platform")?;
    let device = platform.get_devices(CL_DEVICE_TYPE_ALL)?.into_iter().next().ok_or("no OpenCL device")?;
    let context = Context::from_device(&Device::new(device))?;
    println!("on {}, {local} items a group, with {options}", Device::new(device).name()?);
    let built = Program::create_and_build_from_source(&context, &source, options)?;
    let kernel = Kernel::create(&built, KERNEL_NAME)?;
    // SAFETY: the device is the context's.
    let queue = unsafe { CommandQueue::create_with_properties(&context, device, 0, 0)? };

    let mut scene = Scene::new(40);
    let before: Vec<_> = (0..GROUPS).flat_map(|_| rows(&mut scene, items)).collect();
    let mut control = vec![0; GROUPS * size_of::<Control>()];
    for group in control.chunks_mut(size_of::<Control>()) {
        let at = offset_of!(Control, cpu_index);
        group[at..at + 4].copy_from_slice(&DEPTH.to_le_bytes());
    }
    let ring = before.concat();
    assert_eq!(
        row_offset(1, 0, DEPTH, items),
        DEPTH as usize * row_bytes(items),
        "rings lie one after the other"
    );
    let on_device = |bytes: &[u8]| buffer(&context, &queue, bytes);
    let d_control = on_device(&control)?;
    let d_launch = on_device(&[0; size_of::<LaunchControl>()])?;
    let d_rows = on_device(&ring)?;
    let d_packets = on_device(&scene.packets)?;
    let d_tables = on_device(&scene.tables)?;
    // SAFETY: types and order are those of `gpu_syncer`; the buffers outlive it.
    unsafe {
        ExecuteKernel::new(&kernel)
            .set_arg(&d_control)
            .set_arg(&d_launch)
            .set_arg(&d_rows)
            .set_arg(&(DEPTH - 1))
            .set_arg(&(items as u32))
            .set_arg(&d_packets)
            .set_arg(&d_tables)
            .set_arg(&1_u32)
            .set_global_work_size(GROUPS * local)
            .set_local_work_size(local)
            .enqueue_nd_range(&queue)?
            .wait()?;
    }

    let mut packets = scene.packets.clone();
    let mut expected = Vec::new();
    for mut row in before {
        scene.oracle.run_row(&mut row, items, &mut packets);
        expected.extend(row);
    }
    let control = read(&queue, &d_control, control.len())?;
    for (group, words) in control.chunks(size_of::<Control>()).enumerate() {
        let word = |at: usize| u32::from_le_bytes([words[at], words[at + 1], words[at + 2], words[at + 3]]);
        let done = word(offset_of!(Control, gpu_index));
        let left = word(offset_of!(Control, left));
        if (done, left) != (DEPTH, 1) {
            return Err(format!("group {group}: {done} rows done, left {left}").into());
        }
    }
    same("rows", &read(&queue, &d_rows, ring.len())?, &expected)?;
    same("packets", &read(&queue, &d_packets, packets.len())?, &packets)?;
    println!("{} rows as the oracle has them", GROUPS * DEPTH as usize);
    Ok(())
}
