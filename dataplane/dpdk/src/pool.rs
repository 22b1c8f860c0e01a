//! Packet pools in the caller's memory.
//!
//! Header, private area and data of an mbuf are one object in one stretch of the
//! region. No driver loses anything then: AF_XDP computes one address from the
//! other, and many drivers clear the flag that marks buffers of any other kind.
//! One object, back to back, in bytes:
//!
//! ```text
//! | 64 mempool header | 128 rte_mbuf | private area | shift | 128 headroom | frame | tailroom | pad |
//! ```

use std::ffi::{c_uint, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use dpdk_sys::{rte_mbuf, rte_mempool, rte_pktmbuf_pool_private};

use crate::burst::Burst;
use crate::eal::Eal;
use crate::error::{Errno, Error};
use crate::mbuf::{Mbuf, PrivateArea};
use crate::names::{c_string, unique};
use crate::region::Region;

/// Bytes before the frame in a fresh or received mbuf: DPDK's drivers set them so.
pub const HEADROOM: usize = dpdk_sys::RTE_PKTMBUF_HEADROOM as usize;

const CACHE_LINE: usize = 64;
const OBJECT_HEADER: usize = CACHE_LINE;
const ETHERNET_HEADER: usize = dpdk_sys::RTE_ETHER_HDR_LEN as usize;
const MBUF_HEADER: usize = size_of::<rte_mbuf>();
const MAX_PRIVATE: usize = 4096;

/// Where a frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FrameAlignment {
    /// The IPv4 header, 14 bytes into a frame that lies at [`HEADROOM`], is on a
    /// 16-byte boundary.
    #[default]
    Ipv4On16,
    /// The buffer begins right behind the private area: what AF_XDP assumes.
    AfterHeader,
}

/// The mbufs of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// How many.
    pub count: u32,
    /// Bytes of the longest frame.
    pub max_frame: usize,
    /// Bytes behind such a frame.
    pub tailroom: usize,
    /// Mbufs that each lcore may keep to itself, at most 512; up to half as many again stay there.
    pub cache: u32,
    /// Where frames begin.
    pub alignment: FrameAlignment,
}

impl PoolConfig {
    /// Mbufs for ports of that MTU in bytes, with room for two VLAN tags, and 128
    /// bytes of head and tail room beyond. At least of the 2 KiB class, which AF_XDP wants.
    #[must_use]
    pub fn for_mtu(count: u32, mtu: u16) -> Self {
        let frame = usize::from(mtu) + ETHERNET_HEADER + 8;
        Self {
            count,
            max_frame: frame.max(2048 - 128),
            tailroom: 128,
            cache: 256.min(count / 4),
            alignment: FrameAlignment::default(),
        }
    }

    /// Headroom, frame and tailroom.
    fn data_room(&self) -> usize {
        HEADROOM + self.max_frame + self.tailroom
    }

    /// `(data room, private area)` as DPDK stores them, if that can be.
    fn checked(&self, private: usize) -> Result<(u16, u16), Error> {
        let impossible = || Error::MbufSize { data_room: self.data_room(), private };
        let room = u16::try_from(self.data_room()).map_err(|_| impossible())?;
        let area = private.next_multiple_of(dpdk_sys::RTE_MBUF_PRIV_ALIGN as usize);
        let area = u16::try_from(area).ok().filter(|&area| usize::from(area) <= MAX_PRIVATE);
        // DPDK flushes a cache at one and a half times its size, which must not be the whole pool.
        if self.count == 0 || self.cache > 512 || self.cache * 3 / 2 > self.count {
            return Err(Error::PoolSize { count: self.count, cache: self.cache });
        }
        Ok((room, area.ok_or_else(impossible)?))
    }

    /// Bytes to move the buffer by, so that frames lie as [`FrameAlignment`] says.
    fn shift(&self, private_area: usize) -> usize {
        match self.alignment {
            FrameAlignment::AfterHeader => 0,
            FrameAlignment::Ipv4On16 => {
                let ipv4 = MBUF_HEADER + private_area + HEADROOM + ETHERNET_HEADER;
                ipv4.next_multiple_of(16) - ipv4
            }
        }
    }

    /// Bytes of an object without the mempool's header. The whole is an odd number
    /// of cache lines, so that headers spread over the sets of a cache.
    fn element(&self, private_area: usize) -> usize {
        let used = MBUF_HEADER + private_area + self.shift(private_area) + self.data_room();
        let lines = (OBJECT_HEADER + used).div_ceil(CACHE_LINE) | 1;
        lines * CACHE_LINE - OBJECT_HEADER
    }
}

/// A pool of packets with a private area of type `P`. Clones are handles to the same.
pub struct PacketPool<P: PrivateArea = ()> {
    inner: Arc<Inner>,
    _private: PhantomData<fn() -> P>,
}

impl<P: PrivateArea> Clone for PacketPool<P> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), _private: PhantomData }
    }
}

struct Inner {
    raw: NonNull<rte_mempool>,
    count: u32,
    frame_room: usize,
    memory: NonNull<u8>,
    bytes: usize,
    /// `Some` until dropped: leaked with the mempool if packets are still out.
    keep: Option<(Region, Eal)>,
}

// SAFETY: a mempool is made for use by many threads; the rest does not change.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl<P: PrivateArea> PacketPool<P> {
    const ALIGNED: () =
        assert!(align_of::<P>() <= CACHE_LINE, "a private area is aligned to 64 bytes at most");

    /// Bytes that a pool takes from its [`Region`]. Regions are made of 2 MiB units:
    /// add this up for all pools of one, each rounded up to 2 MiB as here.
    ///
    /// # Errors
    /// [`Error::MbufSize`], [`Error::PoolSize`].
    pub fn size_for(config: &PoolConfig) -> Result<usize, Error> {
        let (_, area) = config.checked(size_of::<P>())?;
        let stride = OBJECT_HEADER + config.element(usize::from(area));
        Ok((config.count as usize * stride).next_multiple_of(crate::HUGEPAGE_BYTES))
    }

    /// Makes a pool in the next free part of `region`, which it never gives back.
    ///
    /// # Errors
    /// [`Error::RegionFull`], [`Error::MbufSize`], [`Error::PoolSize`]; [`Error::Call`]
    /// when the EAL heap has no room for the pool's ring and caches (1 MiB and 8 bytes for each mbuf).
    pub fn new(eal: &Eal, region: &Region, config: &PoolConfig) -> Result<Self, Error> {
        let () = Self::ALIGNED;
        let (data_room, private_area) = config.checked(size_of::<P>())?;
        let bytes = Self::size_for(config)?;
        let element = config.element(usize::from(private_area));
        let name = unique("hb_pool_");
        let raw = create_empty(&name, config, element)?;
        // From here on dropping it frees the mempool. Only then is room taken from the region.
        let mut inner = Inner {
            raw,
            count: config.count,
            frame_room: usize::from(data_room) - HEADROOM,
            memory: NonNull::dangling(),
            bytes: 0,
            keep: None,
        };
        let mut sizes = rte_pktmbuf_pool_private {
            mbuf_data_room_size: data_room,
            mbuf_priv_size: private_area,
            flags: 0,
        };
        // SAFETY: the mempool has room for these sizes, and DPDK copies them.
        unsafe { dpdk_sys::rte_pktmbuf_pool_init(raw.as_ptr(), (&raw mut sizes).cast()) };
        let memory = region.take(bytes)?;
        inner.keep = Some((region.clone(), eal.clone()));
        (inner.memory, inner.bytes) = (memory, bytes);
        // SAFETY: `bytes` bytes of the region that no other pool has; the region outlives the pool.
        let placed = unsafe {
            dpdk_sys::rte_mempool_populate_iova(
                raw.as_ptr(),
                memory.as_ptr().cast(),
                memory.as_ptr() as u64,
                bytes,
                None,
                std::ptr::null_mut(),
            )
        };
        let placed = Errno::check(placed)
            .map_err(|errno| Error::call("rte_mempool_populate_iova", name.as_str(), errno))?;
        if placed as u32 != config.count {
            return Err(Error::PoolPopulate { placed: placed as usize, count: config.count });
        }
        let mut shift = config.shift(usize::from(private_area));
        // SAFETY: every object has room for header, private area, shift and data room.
        unsafe {
            dpdk_sys::rte_mempool_obj_iter(raw.as_ptr(), Some(init_mbuf), (&raw mut shift).cast());
        }
        Ok(Self { inner: Arc::new(inner), _private: PhantomData })
    }

    /// A packet of no bytes, at [`HEADROOM`]; `None` when the pool is empty.
    #[inline]
    #[must_use]
    pub fn alloc(&self) -> Option<Mbuf<P>> {
        let mut packet = std::ptr::null_mut();
        // SAFETY: the pool lives, and `packet` has room for one pointer.
        let result = unsafe { dpdk_sys::hb_pktmbuf_alloc_bulk(self.raw(), &raw mut packet, 1) };
        let packet = NonNull::new(packet).filter(|_| result == 0)?;
        // SAFETY: fresh from a pool with this private area.
        Some(unsafe { Mbuf::from_raw(packet) })
    }

    /// Adds `count` packets to the burst, or as many as fit. Returns how many: all of them
    /// or, when the pool has fewer, 0.
    #[inline]
    pub fn alloc_burst<const N: usize>(&self, burst: &mut Burst<P, N>, count: usize) -> usize {
        let (spare, room) = burst.spare();
        let count = count.min(usize::from(room));
        // SAFETY: the pool lives, and there is room for `count` pointers; packets of this
        // pool have this private area.
        unsafe {
            if dpdk_sys::hb_pktmbuf_alloc_bulk(self.raw(), spare, count as c_uint) != 0 {
                return 0;
            }
            burst.grow(count);
        }
        count
    }

    /// Mbufs of the pool, in all.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.inner.count
    }

    /// Mbufs that can be allocated, those in caches of lcores included. Exact while no
    /// other thread uses the pool; walks all caches, so not for the hot path.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.inner.available()
    }

    /// Mbufs that somebody has: the application or a device's rings.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.inner.count - self.available()
    }

    /// Bytes that frame and tailroom share.
    #[must_use]
    pub fn frame_room(&self) -> usize {
        self.inner.frame_room
    }

    /// Whether an address lies in the memory of this pool.
    #[inline]
    #[must_use]
    pub fn contains(&self, address: usize) -> bool {
        address.wrapping_sub(self.inner.memory.as_ptr() as usize) < self.inner.bytes
    }

    #[inline]
    pub(crate) fn raw(&self) -> *mut rte_mempool {
        self.inner.raw.as_ptr()
    }
}

impl Inner {
    fn available(&self) -> u32 {
        // SAFETY: the pool lives.
        unsafe { dpdk_sys::rte_mempool_avail_count(self.raw.as_ptr()) }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let filled = self.keep.is_some();
        if filled && self.available() < self.count {
            // Somebody still has packets. They stay valid, with their memory and the EAL, for good.
            std::mem::forget(self.keep.take());
            return;
        }
        // SAFETY: no packet is out, no device has the pool (ports hold it), no handle is left.
        unsafe { dpdk_sys::rte_mempool_free(self.raw.as_ptr()) };
    }
}

fn create_empty(name: &str, config: &PoolConfig, element: usize) -> Result<NonNull<rte_mempool>, Error> {
    let c_name = c_string("pool name", name)?;
    // NO_SPREAD: the element's size spreads already. NO_IOVA_CONTIG: addresses are virtual,
    // so that objects may straddle pages; DPDK would else place one per 4 KiB.
    let flags = dpdk_sys::RTE_MEMPOOL_F_NO_SPREAD | dpdk_sys::RTE_MEMPOOL_F_NO_IOVA_CONTIG;
    let any_socket = -1;
    // SAFETY: plain values and a C string that DPDK copies.
    let raw = unsafe {
        dpdk_sys::rte_mempool_create_empty(
            c_name.as_ptr(),
            config.count,
            element as c_uint,
            config.cache,
            size_of::<rte_pktmbuf_pool_private>() as c_uint,
            any_socket,
            flags,
        )
    };
    let raw =
        NonNull::new(raw).ok_or_else(|| Error::call("rte_mempool_create_empty", name, Errno::last()))?;
    // SAFETY: the pool is empty, as this call demands; the name is a static C string.
    let result = unsafe {
        let operations = dpdk_sys::rte_mbuf_best_mempool_ops();
        dpdk_sys::rte_mempool_set_ops_byname(raw.as_ptr(), operations, std::ptr::null_mut())
    };
    match Errno::check(result) {
        Ok(_) => Ok(raw),
        Err(errno) => {
            // SAFETY: ours, and not used again.
            unsafe { dpdk_sys::rte_mempool_free(raw.as_ptr()) };
            Err(Error::call("rte_mempool_set_ops_byname", name, errno))
        }
    }
}

/// `rte_pktmbuf_init` with the buffer moved, and everything before the frame zeroed.
unsafe extern "C" fn init_mbuf(
    pool: *mut rte_mempool,
    shift: *mut c_void,
    object: *mut c_void,
    index: c_uint,
) {
    let mbuf = object.cast::<rte_mbuf>();
    // SAFETY: DPDK passes an object of the pool, and `shift` is the usize given to obj_iter. The
    // buffer still ends within the object: it was made larger by the shift.
    unsafe {
        let shift = *shift.cast::<usize>();
        dpdk_sys::rte_pktmbuf_init(pool, std::ptr::null_mut(), object, index);
        (*mbuf).buf_addr = (*mbuf).buf_addr.add(shift);
        (*mbuf).buf_iova += shift as u64;
        // Frames are handed out as initialised bytes.
        std::ptr::write_bytes((*mbuf).buf_addr.cast::<u8>(), 0, usize::from((*mbuf).buf_len));
        let private = mbuf.add(1).cast::<u8>();
        std::ptr::write_bytes(private, 0, usize::from((*mbuf).priv_size));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ipv4_header_is_aligned_whatever_the_private_area() {
        for private_area in (0..=256).step_by(8) {
            let config = PoolConfig::for_mtu(1024, 1500);
            let ipv4 = MBUF_HEADER + private_area + config.shift(private_area) + HEADROOM + ETHERNET_HEADER;
            assert_eq!(ipv4 % 16, 0, "private area of {private_area}");
            let plain = PoolConfig { alignment: FrameAlignment::AfterHeader, ..config };
            assert_eq!(plain.shift(private_area), 0);
        }
    }

    #[test]
    fn objects_hold_everything_and_are_an_odd_number_of_lines() {
        for mtu in [64, 1500, 9216] {
            let config = PoolConfig::for_mtu(1024, mtu);
            let element = config.element(40);
            assert!(element >= MBUF_HEADER + 40 + config.shift(40) + config.data_room());
            assert_eq!((OBJECT_HEADER + element) / CACHE_LINE % 2, 1);
            assert_eq!(element % CACHE_LINE, 0);
        }
    }

    #[test]
    fn impossible_pools_are_refused() {
        let config = PoolConfig::for_mtu(1024, 1500);
        let too_long = PoolConfig { max_frame: 65_536, ..config };
        assert!(matches!(too_long.checked(0), Err(Error::MbufSize { .. })));
        assert!(matches!(config.checked(5000), Err(Error::MbufSize { private: 5000, .. })));
        for bad in [
            PoolConfig { count: 0, ..config },
            PoolConfig { cache: 513, ..config },
            PoolConfig { count: 300, ..config },
        ] {
            assert!(matches!(bad.checked(0), Err(Error::PoolSize { .. })), "{bad:?}");
        }
    }
}
