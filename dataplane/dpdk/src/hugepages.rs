//! Are there enough free 2 MiB pages? Read from sysfs, then tried for real.

use std::fmt;
use std::path::Path;
use std::ptr;

use rustix::mm::{MapFlags, ProtFlags};

/// Bytes of the hugepages that are used: 2 MiB.
pub const HUGEPAGE_BYTES: usize = 2 << 20;

/// Why ordinary pages are used: for one warning to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHugepages {
    /// The caller asked for ordinary pages.
    Asked,
    /// The kernel has no 2 MiB hugepages.
    Unsupported,
    /// Fewer are free than are wanted.
    TooFew {
        /// Pages that nobody has taken or reserved.
        free: usize,
        /// Pages wanted.
        wanted: usize,
    },
    /// The kernel says there are enough, but does not give them (a cgroup's limit).
    Refused {
        /// Pages wanted.
        wanted: usize,
    },
}

impl fmt::Display for NoHugepages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("ordinary pages were asked for"),
            Self::Unsupported => f.write_str("this kernel has no 2 MiB hugepages"),
            Self::TooFew { free, wanted } => {
                write!(f, "{free} hugepages of 2 MiB are free, {wanted} are wanted (sysctl vm.nr_hugepages)")
            }
            Self::Refused { wanted } => write!(
                f,
                "{wanted} hugepages of 2 MiB are wanted and free, but this process may not have them (hugetlb cgroup)"
            ),
        }
    }
}

/// Whether `megabytes` of 2 MiB pages can be had.
pub(crate) fn available(megabytes: usize) -> Result<(), NoHugepages> {
    let wanted = (megabytes << 20).div_ceil(HUGEPAGE_BYTES);
    decide(read_counts(Path::new("/sys/kernel/mm/hugepages/hugepages-2048kB")), wanted)?;
    if reserve(wanted * HUGEPAGE_BYTES) { Ok(()) } else { Err(NoHugepages::Refused { wanted }) }
}

/// `(free, reserved)` pages of one size.
fn read_counts(directory: &Path) -> Option<(usize, usize)> {
    let read = |file: &str| std::fs::read_to_string(directory.join(file)).ok()?.trim().parse().ok();
    Some((read("free_hugepages")?, read("resv_hugepages").unwrap_or(0)))
}

fn decide(counts: Option<(usize, usize)>, wanted: usize) -> Result<(), NoHugepages> {
    let (free, reserved) = counts.ok_or(NoHugepages::Unsupported)?;
    // Reserved pages still count as free, but belong to a mapping already.
    let free = free.saturating_sub(reserved);
    if free >= wanted { Ok(()) } else { Err(NoHugepages::TooFew { free, wanted }) }
}

/// A mapping reserves its pages at once: it fails where they cannot be had.
fn reserve(bytes: usize) -> bool {
    let flags = MapFlags::PRIVATE | MapFlags::HUGETLB | MapFlags::HUGE_2MB;
    // SAFETY: a new mapping at an address of the kernel's choice; nothing refers to it when it is unmapped.
    unsafe {
        match rustix::mm::mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, flags) {
            Ok(address) => rustix::mm::munmap(address, bytes).is_ok(),
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decides_by_free_pages_that_are_not_reserved() {
        assert_eq!(decide(None, 1), Err(NoHugepages::Unsupported));
        assert_eq!(decide(Some((0, 0)), 1), Err(NoHugepages::TooFew { free: 0, wanted: 1 }));
        assert_eq!(decide(Some((64, 0)), 64), Ok(()));
        assert_eq!(decide(Some((64, 1)), 64), Err(NoHugepages::TooFew { free: 63, wanted: 64 }));
        assert_eq!(decide(Some((1, 2)), 1), Err(NoHugepages::TooFew { free: 0, wanted: 1 }));
    }

    #[test]
    fn reads_what_sysfs_says() {
        let directory = std::env::temp_dir().join(format!("dpdk-hugepages-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        assert_eq!(read_counts(&directory), None);
        std::fs::write(directory.join("free_hugepages"), "512\n").unwrap();
        assert_eq!(read_counts(&directory), Some((512, 0)));
        std::fs::write(directory.join("resv_hugepages"), "3\n").unwrap();
        assert_eq!(read_counts(&directory), Some((512, 3)));
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn absurd_wishes_are_refused() {
        assert!(available(1 << 40 >> 20).is_err(), "a terabyte of hugepages");
    }
}
