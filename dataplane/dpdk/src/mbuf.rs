//! One packet: an owned, contiguous mbuf with a typed private area.

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

use dpdk_sys::rte_mbuf;

/// What an application keeps with each packet, in the mbuf's private area.
///
/// It begins as zero bytes when the pool is made, and then keeps what was last
/// written: an mbuf that is allocated or received anew still has the private
/// area of its earlier life.
///
/// # Safety
/// All-zero bytes must be a valid value of the type. Its alignment must not
/// exceed 64 bytes (the pool's constructor does not compile otherwise).
pub unsafe trait PrivateArea: Copy + Send + 'static {}

// SAFETY: has no bytes.
unsafe impl PrivateArea for () {}

/// A packet that we own: DPDK's `rte_mbuf` of one segment, not shared with
/// anybody. Dropping it gives it back to its pool.
///
/// `P` is the type of the private area, fixed by the [`PacketPool`](crate::PacketPool).
#[repr(transparent)]
pub struct Mbuf<P: PrivateArea = ()> {
    raw: NonNull<rte_mbuf>,
    _private: PhantomData<P>,
}

// SAFETY: an owned mbuf belongs to no thread; pools are safe to use from all.
unsafe impl<P: PrivateArea> Send for Mbuf<P> {}

impl<P: PrivateArea> Mbuf<P> {
    /// Takes an mbuf over.
    ///
    /// # Safety
    /// `raw` must be a valid mbuf of one segment and reference count 1, not
    /// indirect, from a [`PacketPool`](crate::PacketPool) with this private area;
    /// and nobody else may use it any more.
    #[inline]
    #[must_use]
    pub unsafe fn from_raw(raw: NonNull<rte_mbuf>) -> Self {
        Self { raw, _private: PhantomData }
    }

    /// Gives the mbuf away: the receiver must free it.
    #[inline]
    #[must_use]
    pub fn into_raw(self) -> NonNull<rte_mbuf> {
        let raw = self.raw;
        std::mem::forget(self);
        raw
    }

    #[inline]
    fn header(&self) -> &rte_mbuf {
        // SAFETY: valid and ours alone.
        unsafe { self.raw.as_ref() }
    }

    #[inline]
    fn header_mut(&mut self) -> &mut rte_mbuf {
        // SAFETY: valid and ours alone.
        unsafe { self.raw.as_mut() }
    }

    /// The first byte of the frame.
    #[inline]
    fn start(&self) -> *mut u8 {
        let header = self.header();
        // SAFETY: data_off stays within the buffer.
        unsafe { header.buf_addr.cast::<u8>().add(usize::from(header.data_off)) }
    }

    /// Bytes of the frame.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.header().data_len)
    }

    /// Whether the frame has no byte.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes free before the frame.
    #[inline]
    #[must_use]
    pub fn headroom(&self) -> usize {
        usize::from(self.header().data_off)
    }

    /// Bytes free after the frame.
    #[inline]
    #[must_use]
    pub fn tailroom(&self) -> usize {
        let header = self.header();
        usize::from(header.buf_len) - usize::from(header.data_off) - usize::from(header.data_len)
    }

    /// The frame.
    #[inline]
    #[must_use]
    pub fn data(&self) -> &[u8] {
        // SAFETY: data_len bytes from data_off lie within the buffer, which the pool zeroed at
        // the start or a device or we wrote since; nobody else has the packet.
        unsafe { slice::from_raw_parts(self.start(), self.len()) }
    }

    /// The frame, to be changed.
    #[inline]
    #[must_use]
    pub fn data_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `data`, and `self` is borrowed exclusively.
        unsafe { slice::from_raw_parts_mut(self.start(), self.len()) }
    }

    /// The address of the first byte: its offset in shared memory is this less
    /// [`Region::base`](crate::Region::base).
    #[inline]
    #[must_use]
    pub fn data_address(&self) -> usize {
        self.start() as usize
    }

    /// Sets begin and end at once, and the packet length with them.
    #[inline]
    fn set(&mut self, offset: u16, length: u16) {
        let header = self.header_mut();
        header.data_off = offset;
        header.data_len = length;
        header.pkt_len = u32::from(length);
    }

    /// Grows the frame by `count` bytes at its front and returns them: what lay
    /// there before. `None`, and nothing changed, if the headroom is too short.
    #[inline]
    pub fn prepend(&mut self, count: usize) -> Option<&mut [u8]> {
        if count > self.headroom() {
            return None;
        }
        // Both sums stay within buf_len, a u16.
        self.set((self.headroom() - count) as u16, (self.len() + count) as u16);
        self.data_mut().get_mut(..count)
    }

    /// Grows the frame by `count` bytes at its end and returns them: what lay
    /// there before. `None`, and nothing changed, if the tailroom is too short.
    #[inline]
    pub fn append(&mut self, count: usize) -> Option<&mut [u8]> {
        if count > self.tailroom() {
            return None;
        }
        let length = self.len();
        self.set(self.headroom() as u16, (length + count) as u16);
        self.data_mut().get_mut(length..)
    }

    /// Cuts `count` bytes off the front. `false`, and nothing changed, if the frame is shorter.
    #[inline]
    #[must_use]
    pub fn trim_front(&mut self, count: usize) -> bool {
        let enough = count <= self.len();
        if enough {
            self.set((self.headroom() + count) as u16, (self.len() - count) as u16);
        }
        enough
    }

    /// Cuts `count` bytes off the end. `false`, and nothing changed, if the frame is shorter.
    #[inline]
    #[must_use]
    pub fn trim_end(&mut self, count: usize) -> bool {
        let enough = count <= self.len();
        if enough {
            self.set(self.headroom() as u16, (self.len() - count) as u16);
        }
        enough
    }

    /// The private area.
    #[inline]
    #[must_use]
    pub fn private(&self) -> &P {
        // SAFETY: the pool leaves room for a P right behind the header, 64-byte aligned, zeroed at first.
        unsafe { self.raw.add(1).cast::<P>().as_ref() }
    }

    /// The private area, to be changed.
    #[inline]
    #[must_use]
    pub fn private_mut(&mut self) -> &mut P {
        // SAFETY: as in `private`, and `self` is borrowed exclusively.
        unsafe { self.raw.add(1).cast::<P>().as_mut() }
    }

    /// Whether the packet is one segment. True for every packet that this crate
    /// hands out: the receive queue joins segments, or drops and counts.
    #[inline]
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        let header = self.header();
        header.nb_segs == 1 && header.next.is_null()
    }
}

impl<P: PrivateArea> Drop for Mbuf<P> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: ours, and not used again.
        unsafe { dpdk_sys::hb_pktmbuf_free(self.raw.as_ptr()) }
    }
}

impl<P: PrivateArea> fmt::Debug for Mbuf<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mbuf")
            .field("raw", &self.raw)
            .field("headroom", &self.headroom())
            .field("len", &self.len())
            .field("tailroom", &self.tailroom())
            .finish()
    }
}

/// Gives many packets back at once: cheaper than one by one. Keeps the vector's memory.
#[inline]
pub fn free_bulk<P: PrivateArea>(packets: &mut Vec<Mbuf<P>>) {
    let count = packets.len();
    // SAFETY: the length is set first, so nothing is dropped twice.
    unsafe {
        packets.set_len(0);
        free_raw(packets.as_mut_ptr().cast(), count);
    }
}

/// # Safety
/// `count` mbufs at `packets` are owned by the caller, who does not use them again.
#[inline]
pub(crate) unsafe fn free_raw(packets: *mut *mut rte_mbuf, count: usize) {
    // A vector longer than 2^32 packets does not fit in memory.
    // SAFETY: by contract; rte_pktmbuf_free_bulk sorts them by pool.
    unsafe { dpdk_sys::rte_pktmbuf_free_bulk(packets, count as u32) }
}
