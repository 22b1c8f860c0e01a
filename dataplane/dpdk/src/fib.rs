//! IPv4 longest-prefix match: `rte_fib` with DIR-24-8 (Gupta, Lin, McKeown,
//! "Routing lookups in hardware at memory access speeds", INFOCOM 1998).
//!
//! A table of 2^24 entries answers for the first 24 bits; an entry whose /24 holds
//! longer prefixes points to a group of 256 (a *tbl8*) for the last 8. Beside it
//! DPDK keeps every prefix in a tree (the RIB).

use std::collections::HashSet;
use std::ffi::c_int;
use std::net::Ipv4Addr;
use std::ptr::NonNull;

use dpdk_sys::rte_fib_dir24_8_nh_sz as entry_size;
use dpdk_sys::{rte_fib, rte_fib_conf, rte_fib_type};

use crate::eal::Eal;
use crate::error::{Errno, Error};
use crate::names::{c_string, unique};

/// A prefix and where it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The network's address, as a number (`u32::from(Ipv4Addr)`). Bits behind `depth` do not count.
    pub prefix: u32,
    /// The prefix length, 0 to 32.
    pub depth: u8,
    /// What a lookup returns.
    pub next_hop: u64,
}

/// Routes made ready: sorted, counted, and so priced.
#[derive(Debug)]
pub struct FibPlan {
    /// Shortest prefix first: then a longer one only ever overwrites, and DPDK never
    /// has to go around what is there (where 22.11 errs at the end of the address space).
    routes: Vec<Route>,
    /// What an address without a prefix gets: the /0 route, if there is one.
    default: u64,
    /// Nodes of the RIB: prefixes, and forks between them.
    nodes: usize,
    /// tbl8 groups, one spare included: DPDK wants two free ones to use one.
    groups: usize,
    entry: EntrySize,
}

/// Bytes of a table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EntrySize {
    One,
    Two,
    Four,
    Eight,
}

impl EntrySize {
    /// The smallest that holds the next hops and the group numbers: one bit of an entry says which it is.
    fn for_values(largest: u64) -> Option<Self> {
        [Self::One, Self::Two, Self::Four, Self::Eight]
            .into_iter()
            .find(|size| largest.checked_shr(8 * size.bytes() as u32 - 1) == Some(0))
    }

    fn bytes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    fn as_dpdk(self) -> entry_size::Type {
        match self {
            Self::One => entry_size::RTE_FIB_DIR24_8_1B,
            Self::Two => entry_size::RTE_FIB_DIR24_8_2B,
            Self::Four => entry_size::RTE_FIB_DIR24_8_4B,
            Self::Eight => entry_size::RTE_FIB_DIR24_8_8B,
        }
    }
}

impl FibPlan {
    /// Sorts and counts. Of two routes with the same prefix the later counts.
    /// Addresses without a route get `default`.
    ///
    /// # Errors
    /// [`Error::PrefixLength`], [`Error::NextHop`], [`Error::FibTooLarge`].
    pub fn new(routes: impl IntoIterator<Item = Route>, default: u64) -> Result<Self, Error> {
        let mut default = default;
        let mut largest = default;
        let mut sorted = Vec::new();
        for mut route in routes {
            largest = largest.max(route.next_hop);
            route.prefix &= mask(&route)?;
            if route.depth == 0 { default = route.next_hop } else { sorted.push(route) }
        }
        sorted.sort_by_key(|route| (route.depth, route.prefix));
        let split: HashSet<u32> =
            sorted.iter().filter(|route| route.depth > 24).map(|route| route.prefix >> 8).collect();
        let groups = split.len() + 1;
        let entry = EntrySize::for_values(largest.max(groups as u64)).ok_or(Error::NextHop(largest))?;
        // DPDK computes offsets into the groups as C ints.
        let max = (i32::MAX as usize) / (GROUP * entry.bytes());
        if groups > max {
            return Err(Error::FibTooLarge { groups, max });
        }
        Ok(Self { nodes: count_nodes(&sorted), routes: sorted, default, groups, entry })
    }

    /// Bytes of the EAL heap that the FIB takes, [`FibPlan::contiguous_bytes`] of them in one piece.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let entry = self.entry.bytes();
        let groups = self.groups.next_multiple_of(64) + 1;
        let nodes = 2 * self.max_routes();
        let ring = (nodes + 1).next_power_of_two() * size_of::<usize>();
        // A node is an object of a mempool: one cache line of header, one of node, one of padding
        // for memory channels. 1/64 is lost at the ends of pages; 1 MiB holds the small things.
        self.contiguous_bytes() + groups * GROUP * entry + nodes * 192 * 65 / 64 + ring + (1 << 20)
    }

    /// Bytes of the largest piece: the table of 2^24 entries.
    #[must_use]
    pub fn contiguous_bytes(&self) -> usize {
        (1 << 24) * self.entry.bytes() + (1 << 16)
    }

    /// DPDK makes room for two nodes for each of these.
    fn max_routes(&self) -> usize {
        self.nodes.div_ceil(2).max(1)
    }

    fn conf(&self) -> Result<rte_fib_conf, Error> {
        let too_large = || Error::FibTooLarge { groups: self.routes.len(), max: i32::MAX as usize };
        let mut conf = rte_fib_conf {
            type_: rte_fib_type::RTE_FIB_DIR24_8,
            default_nh: self.default,
            max_routes: c_int::try_from(self.max_routes()).map_err(|_| too_large())?,
            ..Default::default()
        };
        conf.__bindgen_anon_1.dir24_8.nh_sz = self.entry.as_dpdk();
        conf.__bindgen_anon_1.dir24_8.num_tbl8 = u32::try_from(self.groups).map_err(|_| too_large())?;
        Ok(conf)
    }
}

/// Nodes of a binary tree of these prefixes in which no node has one child only, but
/// that it is a prefix itself: each two neighbours by address meet in one, and those are all.
fn count_nodes(routes: &[Route]) -> usize {
    let key = |prefix: u32, depth: u8| (u64::from(prefix) << 8) | u64::from(depth);
    let mut nodes: Vec<u64> = routes.iter().map(|route| key(route.prefix, route.depth)).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let meet = |pair: &[u64]| {
        let ((a, a_depth), (b, b_depth)) = (split(pair[0]), split(pair[1]));
        let depth = ((a ^ b).leading_zeros() as u8).min(a_depth).min(b_depth);
        key(a & u32::MAX.checked_shl(32 - u32::from(depth)).unwrap_or(0), depth)
    };
    let forks: Vec<u64> = nodes.windows(2).map(meet).collect();
    nodes.extend(forks);
    nodes.sort_unstable();
    nodes.dedup();
    nodes.len()
}

/// Address and length of a node's key.
fn split(key: u64) -> (u32, u8) {
    ((key >> 8) as u32, key as u8)
}

/// Entries of a tbl8 group.
const GROUP: usize = 256;

fn mask(route: &Route) -> Result<u32, Error> {
    match route.depth {
        0 => Ok(0),
        1..=32 => Ok(u32::MAX << (32 - route.depth)),
        depth => Err(Error::PrefixLength { prefix: Ipv4Addr::from(route.prefix), depth }),
    }
}

/// A forwarding table that does not change. Lookups from any number of threads.
pub struct Fib {
    raw: NonNull<rte_fib>,
    _eal: Eal,
}

// SAFETY: after `from_plan` the table is only read.
unsafe impl Send for Fib {}
// SAFETY: as above.
unsafe impl Sync for Fib {}

impl Fib {
    /// Builds the table. Half a million prefixes take about a second.
    ///
    /// # Errors
    /// [`Error::FibMemory`] when the EAL heap is too small, [`Error::Call`] for what else DPDK refuses.
    pub fn from_plan(eal: &Eal, plan: &FibPlan) -> Result<Self, Error> {
        let name = unique("hb_fib_");
        let c_name = c_string("FIB name", &name)?;
        let mut conf = plan.conf()?;
        let any_socket = -1;
        // SAFETY: a C string and a configuration, both copied.
        let raw = unsafe { dpdk_sys::rte_fib_create(c_name.as_ptr(), any_socket, &raw mut conf) };
        let Some(raw) = NonNull::new(raw) else {
            let (errno, heap) = (Errno::last(), eal.heap());
            // Where the tree does not fit, DPDK leaves another number than ENOMEM.
            return Err(if errno == Errno::NO_MEMORY || heap.free < plan.bytes() {
                Error::FibMemory { needed: plan.bytes(), free: heap.free, contiguous: heap.contiguous }
            } else {
                Error::call("rte_fib_create", name, errno)
            });
        };
        // From here on dropping it frees the table.
        let fib = Self { raw, _eal: eal.clone() };
        for route in &plan.routes {
            // SAFETY: nobody else has the table yet.
            let result =
                unsafe { dpdk_sys::rte_fib_add(raw.as_ptr(), route.prefix, route.depth, route.next_hop) };
            Errno::check(result).map_err(|errno| {
                let subject = format!("{}/{}", Ipv4Addr::from(route.prefix), route.depth);
                Error::call("rte_fib_add", subject, errno)
            })?;
        }
        Ok(fib)
    }

    /// [`FibPlan::new`] and [`Fib::from_plan`] in one.
    ///
    /// # Errors
    /// Those of both.
    pub fn build(eal: &Eal, routes: impl IntoIterator<Item = Route>, default: u64) -> Result<Self, Error> {
        Self::from_plan(eal, &FibPlan::new(routes, default)?)
    }

    /// The next hop of each address (numbers, as in [`Route::prefix`]). Looks up as
    /// many as the shorter slice has, and returns that count.
    #[inline]
    pub fn lookup_bulk(&self, addresses: &[u32], next_hops: &mut [u64]) -> usize {
        let count = addresses.len().min(next_hops.len());
        for (addresses, next_hops) in addresses.chunks(CHUNK).zip(next_hops.chunks_mut(CHUNK)) {
            let count = addresses.len().min(next_hops.len());
            // SAFETY: both slices have `count` elements; the addresses are only read, whatever C's
            // type says; the table is not written any more.
            unsafe {
                dpdk_sys::rte_fib_lookup_bulk(
                    self.raw.as_ptr(),
                    addresses.as_ptr().cast_mut(),
                    next_hops.as_mut_ptr(),
                    count as c_int,
                );
            }
        }
        count
    }

    /// The next hop of one address.
    #[inline]
    #[must_use]
    pub fn lookup(&self, address: u32) -> u64 {
        let mut next_hop = [0];
        self.lookup_bulk(&[address], &mut next_hop);
        next_hop[0]
    }
}

/// Addresses of one call into DPDK, which counts them in a C int.
const CHUNK: usize = 1 << 16;

impl Drop for Fib {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again.
        unsafe { dpdk_sys::rte_fib_free(self.raw.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(prefixes: &[(u32, u8)]) -> FibPlan {
        let routes = prefixes.iter().map(|&(prefix, depth)| Route { prefix, depth, next_hop: 1 });
        FibPlan::new(routes, 0).unwrap()
    }

    #[test]
    fn nodes_are_prefixes_and_forks() {
        let nodes = |prefixes: &[(u32, u8)]| plan(prefixes).nodes;
        assert_eq!(nodes(&[]), 0);
        assert_eq!(nodes(&[(0, 0)]), 0, "/0 is the default");
        assert_eq!(nodes(&[(10 << 24, 8)]), 1);
        assert_eq!(nodes(&[(10 << 24, 8), (10 << 24, 16)]), 2, "one covers the other");
        assert_eq!(nodes(&[(10 << 24, 8), (11 << 24, 8)]), 3, "they meet in 10.0.0.0/7");
        assert_eq!(nodes(&[(10 << 24, 8), (11 << 24, 8), (10 << 24, 7)]), 3, "which may be a prefix");
        assert_eq!(nodes(&[(0, 1), (1 << 31, 1)]), 3, "or the whole address space");
        assert_eq!(nodes(&[(0, 2), (1 << 30, 2), (2 << 30, 2), (3 << 30, 2)]), 7, "a full tree");
    }

    #[test]
    fn groups_are_the_24s_with_longer_prefixes() {
        assert_eq!(plan(&[(0, 24), (256, 23)]).groups, 1);
        assert_eq!(plan(&[(0, 25), (128, 25), (255, 32), (256, 32)]).groups, 3);
    }

    #[test]
    fn entries_are_as_small_as_the_values_allow() {
        for (largest, size) in [
            (0, Some(EntrySize::One)),
            (0x7f, Some(EntrySize::One)),
            (0x80, Some(EntrySize::Two)),
            (0x7fff, Some(EntrySize::Two)),
            (0x8000, Some(EntrySize::Four)),
            (0x7fff_ffff, Some(EntrySize::Four)),
            (0x8000_0000, Some(EntrySize::Eight)),
            (u64::MAX >> 1, Some(EntrySize::Eight)),
            (u64::MAX, None),
        ] {
            assert_eq!(EntrySize::for_values(largest), size, "{largest:#x}");
        }
    }
}
