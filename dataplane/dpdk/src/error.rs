//! What can go wrong, and DPDK's error numbers with their text.

use std::ffi::{CStr, c_int};
use std::fmt;

use crate::eal::MemoryInUse;

/// A DPDK error number: `errno`'s values and a few of DPDK's own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(i32);

impl Errno {
    /// `ENOMEM`: the EAL heap has no (contiguous) memory left.
    pub const NO_MEMORY: Errno = Errno(12);
    /// `ENOTSUP`: the driver does not have this operation.
    pub const NOT_SUPPORTED: Errno = Errno(95);

    /// The number, positive.
    #[must_use]
    pub fn raw(self) -> i32 {
        self.0
    }

    /// `rte_errno` of this thread: what the last failed call left there.
    pub(crate) fn last() -> Self {
        // SAFETY: reads a thread-local integer.
        Self(unsafe { dpdk_sys::hb_errno() })
    }

    /// From a return value that is 0 or positive for success, else a negative
    /// error number. Calls that return a bare -1 leave the number in `rte_errno`.
    pub(crate) fn check(result: c_int) -> Result<c_int, Self> {
        match result {
            0.. => Ok(result),
            -1 => {
                let last = Self::last();
                Err(if last.0 > 0 { last } else { Self(1) })
            }
            _ => Err(Self(result.saturating_neg())),
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: rte_strerror returns a thread-local or static C string.
        let text = unsafe { CStr::from_ptr(dpdk_sys::rte_strerror(self.0)) };
        write!(f, "{} (errno {})", text.to_string_lossy(), self.0)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why an operation of this crate failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// DPDK can be initialised once in the life of a process.
    #[error("the EAL was already initialised in this process; it cannot be started twice")]
    AlreadyInitialised,
    /// `rte_eal_init` failed.
    #[error("cannot initialise the EAL with {memory}: {errno}; DPDK's log lines above say why")]
    Init {
        /// The memory that was asked for.
        memory: MemoryInUse,
        /// DPDK's reason.
        errno: Errno,
    },
    /// Reading or setting the calling thread's CPUs failed.
    #[error("cannot {action} the CPU affinity of the thread: {source}")]
    Affinity {
        /// `read` or `restore`.
        action: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// DPDK's log could not be redirected.
    #[error("cannot redirect DPDK's log: {0}")]
    Log(std::io::Error),
    /// A DPDK call failed.
    #[error("{call} failed for {subject}: {errno}")]
    Call {
        /// The function of DPDK.
        call: &'static str,
        /// What it was called for.
        subject: String,
        /// DPDK's reason.
        errno: Errno,
    },
    /// A text that is handed to DPDK contains what cannot be in it.
    #[error("{what} {value:?} is not valid: {rule}")]
    BadName {
        /// What the text names.
        what: &'static str,
        /// The text.
        value: String,
        /// What is allowed.
        rule: &'static str,
    },
    /// A shared region does not begin or end on a 2 MiB boundary.
    #[error(
        "the region of {length} bytes at {base:#x} must begin and end on a 2 MiB boundary and not be empty"
    )]
    RegionAlignment {
        /// Its first address.
        base: usize,
        /// Its length in bytes.
        length: usize,
    },
    /// A region has too little room left for a pool.
    #[error("the pool takes {needed} bytes, but the region has only {left} left")]
    RegionFull {
        /// Bytes that the pool takes.
        needed: usize,
        /// Bytes that no pool has taken.
        left: usize,
    },
    /// The mbufs cannot have that size.
    #[error(
        "an mbuf with {data_room} bytes of data room and {private} bytes of private area cannot be: \
             the data room ends at 65,535 bytes, the private area at 4,096"
    )]
    MbufSize {
        /// Headroom, frame and tailroom, in bytes.
        data_room: usize,
        /// Private area in bytes.
        private: usize,
    },
    /// The pool cannot have that many mbufs or that large a cache.
    #[error(
        "a pool of {count} mbufs with a cache of {cache} cannot be: at least 1 mbuf, a cache of at most 512 \
             and no larger than two thirds of the pool"
    )]
    PoolSize {
        /// Mbufs asked for.
        count: u32,
        /// Cache per lcore asked for.
        cache: u32,
    },
    /// DPDK placed fewer mbufs into the memory than were asked for.
    #[error("only {placed} of {count} mbufs fit into the memory of the pool")]
    PoolPopulate {
        /// Mbufs that found room.
        placed: usize,
        /// Mbufs asked for.
        count: u32,
    },
    /// There is no such kernel interface in this network namespace.
    #[error("there is no network interface {0:?} in this network namespace")]
    NoSuchInterface(String),
    /// The port has fewer queues than asked for.
    #[error("{port} has at most {rx_max} receive and {tx_max} transmit queues; {rx} and {tx} were asked for")]
    TooManyQueues {
        /// The device's name.
        port: String,
        /// Receive queues asked for.
        rx: u16,
        /// Transmit queues asked for.
        tx: u16,
        /// Receive queues that the device has.
        rx_max: u16,
        /// Transmit queues that the device has.
        tx_max: u16,
    },
    /// The port cannot carry frames of that MTU.
    #[error("{port} carries an MTU of at most {max}; {mtu} was asked for")]
    MtuTooLarge {
        /// The device's name.
        port: String,
        /// The MTU asked for, in bytes.
        mtu: u16,
        /// The largest it can carry, in bytes.
        max: u32,
    },
    /// The mbufs of the pool are too small for the MTU.
    #[error("an MTU of {mtu} needs mbufs for frames of {needed} bytes; those of the pool hold {room}")]
    PoolTooSmall {
        /// The MTU asked for, in bytes.
        mtu: u16,
        /// Bytes that a frame may have.
        needed: usize,
        /// Bytes that the pool's mbufs hold after the headroom.
        room: usize,
    },
    /// A prefix length beyond 32.
    #[error("the prefix {prefix}/{depth} is not valid: a prefix length is 0 to 32")]
    PrefixLength {
        /// The network address.
        prefix: std::net::Ipv4Addr,
        /// The length given.
        depth: u8,
    },
    /// A next hop that DIR24-8 cannot hold.
    #[error("the next hop {0:#x} does not fit in 63 bits")]
    NextHop(u64),
    /// More /24 networks with longer prefixes than DPDK's index arithmetic can address.
    #[error("{groups} networks of /24 hold longer prefixes; this FIB can hold {max}")]
    FibTooLarge {
        /// tbl8 groups that the table needs.
        groups: usize,
        /// tbl8 groups that are possible.
        max: usize,
    },
    /// The EAL heap has too little (contiguous) memory for a FIB.
    #[error(
        "no memory for a FIB of {needed} bytes: the EAL heap has {free} free, {contiguous} of them in one piece"
    )]
    FibMemory {
        /// What [`crate::FibPlan::bytes`] says.
        needed: usize,
        /// Free bytes of the heap.
        free: usize,
        /// The largest free block.
        contiguous: usize,
    },
}

impl Error {
    pub(crate) fn call(call: &'static str, subject: impl Into<String>, errno: Errno) -> Self {
        Self::Call { call, subject: subject.into(), errno }
    }
}
