//! The product's kernels through the row queues, against their oracles, and
//! how long a first start takes.

mod common {
    pub mod device;
    pub mod random;
}

use common::{
    device::{SLOT, device, settings},
    random::Random,
};
use hummingbird_gpu::{
    Accelerator, Geometry, LaunchSettings, Launcher, RowQueue,
    layout::{DONE, Descriptor, ESP_CIPHER_OFFSET, ICV_BYTES, KernelId, Outcome, SaRecord, Side},
    opencl::{OpenClAccelerator, Program},
};
use hummingbird_kernels::{
    BUILD_OPTIONS, KERNEL_NAME,
    dfa::Automaton,
    oracle::{Keys, Oracle, esp_decrypt, esp_encrypt},
    program_source,
};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

const THREADS: u32 = 3;
const ROWS: u32 = 120;
const KEYS: Keys = Keys { cipher: *b"a cipher key: 16", integrity: *b"an integrity key: 20", esn: true };
const PATTERNS: [&str; 3] = ["attack", "tack", "exploit"];

/// A packet's bytes before and after, as the oracle says, and its outcome.
struct Case {
    before: Vec<u8>,
    after: Vec<u8>,
    side: Side,
    len: u32,
    outcome: Outcome,
}

fn case(kernel: KernelId, random: &mut Random) -> Case {
    let fill =
        |random: &mut Random, len: usize| (0..len).map(|_| random.below(256) as u8).collect::<Vec<u8>>();
    if kernel == KernelId::Match {
        let len = 20 + random.below(40) as usize;
        let mut before = fill(random, len);
        before.extend(PATTERNS[random.below(3) as usize].as_bytes());
        let outcome = patterns_of(&before);
        return Case { len: before.len() as u32, after: before.clone(), before, side: [0; 8], outcome };
    }
    let len = 16 * (1 + random.below(5) as usize);
    let mut plain = fill(random, ESP_CIPHER_OFFSET + len + ICV_BYTES);
    let word = |at: usize| u32::from_le_bytes(plain[at..at + 4].try_into().unwrap());
    let side = [word(8), word(12), word(16), word(20), word(0), word(4), random.below(9), 0];
    let mut sealed = plain.clone();
    assert_eq!(esp_encrypt(&KEYS, &side, &mut sealed), DONE);
    let (before, after, result) = if kernel == KernelId::EspEncrypt {
        (plain, sealed, DONE)
    } else {
        if random.below(3) == 0 {
            sealed[ESP_CIPHER_OFFSET] ^= 1;
        }
        plain.clone_from(&sealed);
        let result = esp_decrypt(&KEYS, &side, &mut plain);
        (sealed, plain, result)
    };
    Case { before, after, side, len: len as u32, outcome: [result, 0, 0, 0, 0, 0, 0, 0] }
}

/// What the oracle of a whole row says of one payload.
fn patterns_of(payload: &[u8]) -> Outcome {
    use hummingbird_gpu::layout::{RowHeader, descriptor_offset, outcome_offset, row_bytes};
    let mut oracle = Oracle::default();
    oracle.add_patterns(0, &PATTERNS);
    let mut row = vec![0u8; row_bytes(1)];
    let put = |row: &mut [u8], at: usize, words: &[u32]| {
        for (place, word) in words.iter().enumerate() {
            row[at + 4 * place..][..4].copy_from_slice(&word.to_le_bytes());
        }
    };
    let header = RowHeader::new(KernelId::Match, 1);
    put(&mut row, 0, &[header.kernel, header.count]);
    put(&mut row, descriptor_offset(0), &[1, 0, 0, payload.len() as u32]);
    oracle.run_row(&mut row, 1, &mut payload.to_vec());
    std::array::from_fn(|word| {
        u32::from_le_bytes(row[outcome_offset(1, 0) + 4 * word..][..4].try_into().unwrap())
    })
}

/// Publishes a row of random packets, waits for it, compares.
fn one_row(
    accelerator: &dyn Accelerator,
    queue: &mut RowQueue,
    kernel: KernelId,
    table: u32,
    random: &mut Random,
    mut turn: impl FnMut(),
) {
    let packets = accelerator.packet_memory();
    let group = usize::from(queue.workgroup().0);
    let cases: Vec<Case> = (0..=random.below(15)).map(|_| case(kernel, random)).collect();
    let places: Vec<*mut u8> = (0..cases.len())
        .map(|item| packets.base().as_ptr().wrapping_add((group * 16 + item) * SLOT + item))
        .collect();
    let mut row = queue.begin(kernel).unwrap();
    for (case, &place) in cases.iter().zip(&places) {
        assert!(packets.contains(place, case.before.len()));
        // SAFETY: inside packet memory, and no other row is out for the slot.
        unsafe { place.copy_from_nonoverlapping(case.before.as_ptr(), case.before.len()) };
        let data = packets.offset_of(place).unwrap();
        row.push(Descriptor { table, data, len: case.len, ..Default::default() }, case.side).unwrap();
    }
    let number = row.publish();
    let row = loop {
        if queue.finished(number).is_some() {
            break queue.finished(number).unwrap();
        }
        turn();
        thread::yield_now();
    };
    for (item, (case, place)) in cases.iter().zip(places).enumerate() {
        // SAFETY: the row is finished: the bytes are the host's.
        let bytes = unsafe { std::slice::from_raw_parts(place, case.after.len()) };
        assert_eq!(bytes, case.after, "{kernel:?}, item {item}");
        let outcome = row.outcome(item as u16).unwrap();
        let words = if kernel == KernelId::Match { 8 } else { 1 };
        assert_eq!(outcome[..words], case.outcome[..words], "{kernel:?}, item {item}");
    }
    row.release();
}

#[test]
fn rows_of_all_kernels_come_back_as_the_oracles_say() {
    let _device = device(THREADS);
    let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/empty-pocl-cache");
    let _ = std::fs::remove_dir_all(cache);
    std::fs::create_dir_all(cache).unwrap();
    // SAFETY: the binary's only test, before its first OpenCL call.
    unsafe { std::env::set_var("POCL_CACHE_DIR", cache) };

    let start = Instant::now();
    let program = Program { source: program_source(), kernel: KERNEL_NAME, options: BUILD_OPTIONS };
    let geometry = Geometry::new(2, 16, 4).unwrap();
    let accelerator: Arc<dyn Accelerator> =
        Arc::new(OpenClAccelerator::open(&settings(geometry, program)).unwrap());
    let leases = LaunchSettings { lease_polls: 5000, ..LaunchSettings::default() };
    let (launcher, mut queues) = Launcher::start(accelerator.clone(), leases).unwrap();
    let sa = accelerator.publish(&SaRecord::new(&KEYS.cipher, &KEYS.integrity, KEYS.esn).to_bytes()).unwrap();
    let automaton = accelerator.publish(Automaton::build(&PATTERNS).unwrap().as_bytes()).unwrap();

    let mut relauncher = launcher.relauncher();
    let mut random = Random(2026);
    for row in 0..ROWS {
        let (kernel, table) = [
            (KernelId::EspEncrypt, sa.offset()),
            (KernelId::Match, automaton.offset()),
            (KernelId::EspDecrypt, sa.offset()),
        ][row as usize % 3];
        let queue = &mut queues[random.below(2) as usize];
        one_row(&*accelerator, queue, kernel, table, &mut random, || relauncher.turn().unwrap());
        if row == 0 {
            let took = start.elapsed();
            println!("from start to the first row: {took:?}");
            assert!(took < Duration::from_secs(20), "{took:?}");
        }
    }
    launcher.stop().unwrap();
}
