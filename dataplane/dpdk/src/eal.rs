//! DPDK's environment abstraction layer: started once, ended when its last user is gone.

use std::ffi::{CString, c_char, c_int};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::error::{Errno, Error};
use crate::hugepages::{self, NoHugepages};
use crate::log::{self, LogLevel, LogSink};
use crate::names::c_string;
use crate::runtime_dir;
use crate::thread::{self, EalThread};

/// Memory for DPDK's own objects: FIBs, rings, descriptors, pool headers.
/// Packets do not count: their pools lie in the caller's [`Region`](crate::Region).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// 2 MiB hugepages, else an error.
    Huge {
        /// MiB that are taken at start; the heap can grow beyond.
        megabytes: usize,
    },
    /// Ordinary pages. They are taken from the system when they are first touched.
    NoHuge {
        /// MiB, all there will ever be.
        megabytes: usize,
    },
    /// Hugepages where enough are free, else ordinary pages.
    Auto {
        /// MiB of hugepages that are taken at start.
        huge: usize,
        /// MiB of ordinary pages, all there will ever be.
        ordinary: usize,
    },
}

/// The memory that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryInUse {
    /// 2 MiB hugepages.
    Huge {
        /// MiB taken at start.
        megabytes: usize,
    },
    /// Ordinary pages, a little slower (5 to 10 % on FIB lookups).
    NoHuge {
        /// MiB in all.
        megabytes: usize,
        /// Why no hugepages: worth one warning unless they were not wanted.
        reason: NoHugepages,
    },
}

impl MemoryInUse {
    fn choose(wish: Memory) -> Self {
        match wish {
            Memory::Huge { megabytes } => Self::Huge { megabytes },
            Memory::NoHuge { megabytes } => Self::NoHuge { megabytes, reason: NoHugepages::Asked },
            Memory::Auto { huge, ordinary } => match hugepages::available(huge) {
                Ok(()) => Self::Huge { megabytes: huge },
                Err(reason) => Self::NoHuge { megabytes: ordinary, reason },
            },
        }
    }
}

impl fmt::Display for MemoryInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Huge { megabytes } => write!(f, "{megabytes} MiB of hugepages"),
            Self::NoHuge { megabytes, reason } => write!(f, "{megabytes} MiB of ordinary pages: {reason}"),
        }
    }
}

/// How to start the EAL.
pub struct EalOptions {
    /// Memory for DPDK's own objects.
    pub memory: Memory,
    /// PCI devices that DPDK may take, as `0000:00:03.0`; none: the PCI bus is not looked at.
    pub pci: Vec<String>,
    /// The least severe log line that is passed on.
    pub log_level: LogLevel,
    /// Takes DPDK's log lines; `None`: standard error.
    pub log_sink: Option<LogSink>,
    /// Allows 512-bit vectors where the CPU has them: half again as many FIB lookups per second,
    /// and a lower clock on some CPUs.
    pub avx512: bool,
}

impl Default for EalOptions {
    /// Memory by what the machine has, 512 MiB; no PCI; warnings to standard error.
    fn default() -> Self {
        Self {
            memory: Memory::Auto { huge: 512, ordinary: 512 },
            pci: Vec::new(),
            log_level: LogLevel::Warning,
            log_sink: None,
            avx512: false,
        }
    }
}

/// The state of the EAL heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapStats {
    /// Bytes in all.
    pub total: usize,
    /// Bytes that are free.
    pub free: usize,
    /// Bytes of the largest free block.
    pub contiguous: usize,
    /// Bytes that are allocated.
    pub allocated: usize,
}

/// The initialised EAL. Clones are handles to the same; every object of this
/// crate holds one, so DPDK is cleaned up when the last of all is gone.
#[derive(Clone)]
pub struct Eal {
    inner: Arc<Inner>,
}

struct Inner {
    memory: MemoryInUse,
}

static STARTED: AtomicBool = AtomicBool::new(false);

impl Eal {
    /// Starts DPDK in this process, with the calling thread as its only lcore.
    ///
    /// The thread keeps the CPUs that it had. [`Eal::memory`] says which memory
    /// was chosen.
    ///
    /// # Errors
    /// [`Error::AlreadyInitialised`] for every call but the first that got as far as
    /// DPDK, whatever came of that one; [`Error::Init`] when DPDK refuses, its
    /// reason being in its log; [`Error::BadName`] for a PCI address with a NUL.
    pub fn init(options: EalOptions) -> Result<Self, Error> {
        let cpus =
            sched_getaffinity(None).map_err(|e| Error::Affinity { action: "read", source: e.into() })?;
        let memory = MemoryInUse::choose(options.memory);
        let arguments = arguments(memory, &options, &cpus)
            .into_iter()
            .map(|argument| c_string("EAL argument", &argument))
            .collect::<Result<Vec<CString>, Error>>()?;
        if STARTED.swap(true, Ordering::AcqRel) {
            return Err(Error::AlreadyInitialised);
        }
        log::redirect(options.log_sink)?;
        start(arguments).map_err(|errno| Error::Init { memory, errno })?;
        // From here on dropping it cleans DPDK up.
        let eal = Self { inner: Arc::new(Inner { memory }) };
        thread::mark_main();
        // rte_eal_init pins its thread, and threads made later would inherit that.
        sched_setaffinity(None, &cpus)
            .map_err(|e| Error::Affinity { action: "restore", source: e.into() })?;
        if let Some(own) = runtime_dir::current() {
            runtime_dir::sweep(&own);
        }
        Ok(eal)
    }

    /// The memory that was chosen, and why.
    #[must_use]
    pub fn memory(&self) -> MemoryInUse {
        self.inner.memory
    }

    /// Makes the calling thread known to DPDK, so that it has mempool caches.
    ///
    /// # Errors
    /// [`Error::Call`] when all of DPDK's 128 lcore numbers are taken.
    pub fn register_thread(&self) -> Result<EalThread, Error> {
        EalThread::register(self)
    }

    /// The state of the heap from which FIBs, rings and descriptors come (NUMA node 0).
    #[must_use]
    pub fn heap(&self) -> HeapStats {
        let mut stats = dpdk_sys::rte_malloc_socket_stats::default();
        // SAFETY: `stats` is ours; node 0 always has a heap, and without one all stays 0.
        unsafe { dpdk_sys::rte_malloc_get_socket_stats(0, &raw mut stats) };
        HeapStats {
            total: stats.heap_totalsz_bytes,
            free: stats.heap_freesz_bytes,
            contiguous: stats.greatest_free_size,
            allocated: stats.heap_allocsz_bytes,
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let directory = runtime_dir::current();
        // SAFETY: every object that uses DPDK holds a clone of the handle, so none is left.
        unsafe { dpdk_sys::rte_eal_cleanup() };
        if let Some(directory) = directory {
            // Not there or not empty: then it is not ours to remove.
            let _ = std::fs::remove_dir(directory);
        }
    }
}

fn start(mut arguments: Vec<CString>) -> Result<(), Errno> {
    let mut pointers: Vec<*mut c_char> = arguments.iter_mut().map(|a| a.as_ptr().cast_mut()).collect();
    let count = c_int::try_from(pointers.len()).unwrap_or(c_int::MAX);
    // SAFETY: `count` valid C strings; DPDK copies what it keeps, and only swaps the pointers.
    if unsafe { dpdk_sys::rte_eal_init(count, pointers.as_mut_ptr()) } < 0 {
        return Err(Errno::last());
    }
    // DPDK may keep the program's name: it is the only argument that outlives the call.
    if !arguments.is_empty() {
        std::mem::forget(arguments.swap_remove(0));
    }
    Ok(())
}

/// The EAL's command line.
fn arguments(memory: MemoryInUse, options: &EalOptions, cpus: &CpuSet) -> Vec<String> {
    let mut arguments = vec![
        "hummingbird".to_owned(),
        // One lcore that may run wherever this thread may.
        format!("--lcores=0@({})", list(cpus)),
        // Own memory is handed over by its virtual address, and this needs no privilege.
        "--iova-mode=va".to_owned(),
        "--no-telemetry".to_owned(),
        format!("--file-prefix={}", runtime_dir::file_prefix()),
        format!("--log-level={}", options.log_level.as_argument()),
    ];
    match memory {
        // --in-memory needs no mounted hugetlbfs and leaves no file.
        MemoryInUse::Huge { megabytes } => {
            arguments.extend(["--in-memory".to_owned(), format!("-m{megabytes}")]);
        }
        // --in-memory excludes --no-huge; --no-shconf is the half of it that leaves no file.
        MemoryInUse::NoHuge { megabytes, .. } => {
            arguments.extend(["--no-huge".to_owned(), "--no-shconf".to_owned(), format!("-m{megabytes}")]);
        }
    }
    if options.pci.is_empty() {
        arguments.push("--no-pci".to_owned());
    }
    arguments.extend(options.pci.iter().map(|address| format!("--allow={address}")));
    if options.avx512 {
        arguments.push("--force-max-simd-bitwidth=512".to_owned());
    }
    arguments
}

/// `0,1,5` of the CPUs in a set.
fn list(cpus: &CpuSet) -> String {
    let numbers: Vec<String> =
        (0..CpuSet::MAX_CPU).filter(|&cpu| cpus.is_set(cpu)).map(|cpu| cpu.to_string()).collect();
    numbers.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(memory: MemoryInUse, options: &EalOptions) -> String {
        let mut cpus = CpuSet::new();
        cpus.set(1);
        cpus.set(3);
        arguments(memory, options, &cpus).join(" ")
    }

    #[test]
    fn the_two_memory_modes_exclude_each_other() {
        let options = EalOptions::default();
        let huge = line(MemoryInUse::Huge { megabytes: 64 }, &options);
        assert!(huge.contains("--in-memory -m64") && !huge.contains("--no-huge"), "{huge}");
        let ordinary = MemoryInUse::NoHuge { megabytes: 64, reason: NoHugepages::Asked };
        let ordinary = line(ordinary, &options);
        assert!(ordinary.contains("--no-huge --no-shconf -m64"), "{ordinary}");
        assert!(!ordinary.contains("--in-memory"), "{ordinary}");
    }

    #[test]
    fn the_lcore_floats_over_the_threads_cpus() {
        let line = line(MemoryInUse::Huge { megabytes: 64 }, &EalOptions::default());
        assert!(line.contains("--lcores=0@(1,3) "), "{line}");
    }

    #[test]
    fn pci_is_off_unless_devices_are_named() {
        let memory = MemoryInUse::Huge { megabytes: 64 };
        assert!(line(memory, &EalOptions::default()).contains("--no-pci"));
        let pci = vec!["0000:00:03.0".to_owned(), "0000:00:04.0".to_owned()];
        let line = line(memory, &EalOptions { pci, ..EalOptions::default() });
        assert!(line.contains("--allow=0000:00:03.0 --allow=0000:00:04.0"), "{line}");
        assert!(!line.contains("--no-pci"), "{line}");
    }
}
