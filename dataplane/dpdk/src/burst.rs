//! A batch of packets in place, without any allocation.

use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::{fmt, ptr, slice};

use dpdk_sys::rte_mbuf;

use crate::mbuf::{self, Mbuf, PrivateArea};

/// Up to `N` packets in order: what a core handles in one go. Derefs to a slice.
/// Dropping or clearing it gives the packets back in one call.
pub struct Burst<P: PrivateArea = (), const N: usize = 32> {
    length: usize,
    /// The first `length` are initialised.
    packets: [MaybeUninit<Mbuf<P>>; N],
}

impl<P: PrivateArea, const N: usize> Burst<P, N> {
    /// No packets.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self { length: 0, packets: [const { MaybeUninit::uninit() }; N] }
    }

    /// The most packets that it holds: `N`.
    #[inline]
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }

    /// Whether no packet fits any more.
    #[inline]
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.length == N
    }

    /// Adds a packet at the end.
    ///
    /// # Errors
    /// Gives the packet back when the burst is full.
    #[inline]
    pub fn push(&mut self, packet: Mbuf<P>) -> Result<(), Mbuf<P>> {
        match self.packets.get_mut(self.length) {
            Some(slot) => {
                slot.write(packet);
                self.length += 1;
                Ok(())
            }
            None => Err(packet),
        }
    }

    /// Takes the last packet.
    #[inline]
    pub fn pop(&mut self) -> Option<Mbuf<P>> {
        self.length = self.length.checked_sub(1)?;
        // SAFETY: was among the initialised, and is not any more.
        Some(unsafe { self.packets[self.length].assume_init_read() })
    }

    /// Takes all packets, in order. Those that the iterator has not given when it
    /// is dropped go back to their pool.
    #[inline]
    pub fn drain(&mut self) -> Drain<'_, P> {
        let length = std::mem::replace(&mut self.length, 0);
        // SAFETY: those are initialised, and the burst does not count them any more.
        let packets = unsafe { slice::from_raw_parts_mut(self.packets.as_mut_ptr(), length) };
        Drain { packets: packets.iter_mut() }
    }

    /// Gives all packets back to their pool.
    #[inline]
    pub fn clear(&mut self) {
        let length = std::mem::replace(&mut self.length, 0);
        // SAFETY: those are initialised, and the burst does not count them any more.
        unsafe { mbuf::free_raw(self.as_raw(), length) }
    }

    /// The packets as DPDK takes them: `Mbuf` is a transparent pointer.
    #[inline]
    pub(crate) fn as_raw(&mut self) -> *mut *mut rte_mbuf {
        self.packets.as_mut_ptr().cast()
    }

    /// Where DPDK may put more packets, and how many.
    #[inline]
    pub(crate) fn spare(&mut self) -> (*mut *mut rte_mbuf, u16) {
        let room = u16::try_from(N - self.length).unwrap_or(u16::MAX);
        // SAFETY: length <= N.
        (unsafe { self.as_raw().add(self.length) }, room)
    }

    /// # Safety
    /// The `count` pointers behind the last packet are packets of ours of this kind.
    #[inline]
    pub(crate) unsafe fn grow(&mut self, count: usize) {
        debug_assert!(self.length + count <= N);
        self.length += count;
    }

    /// Forgets the first `count` packets, which somebody else now owns.
    #[inline]
    pub(crate) fn forget_front(&mut self, count: usize) {
        debug_assert!(count <= self.length);
        let rest = self.length - count;
        if count > 0 && rest > 0 {
            let first = self.packets.as_mut_ptr();
            // SAFETY: both ranges lie within the array.
            unsafe { ptr::copy(first.add(count), first, rest) }
        }
        self.length = rest;
    }
}

impl<P: PrivateArea, const N: usize> Default for Burst<P, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: PrivateArea, const N: usize> Deref for Burst<P, N> {
    type Target = [Mbuf<P>];

    #[inline]
    fn deref(&self) -> &[Mbuf<P>] {
        // SAFETY: the first `length` are initialised.
        unsafe { slice::from_raw_parts(self.packets.as_ptr().cast(), self.length) }
    }
}

impl<P: PrivateArea, const N: usize> DerefMut for Burst<P, N> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Mbuf<P>] {
        // SAFETY: the first `length` are initialised.
        unsafe { slice::from_raw_parts_mut(self.packets.as_mut_ptr().cast(), self.length) }
    }
}

impl<P: PrivateArea, const N: usize> Drop for Burst<P, N> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<P: PrivateArea, const N: usize> fmt::Debug for Burst<P, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The packets of a [`Burst`], one after the other.
pub struct Drain<'a, P: PrivateArea> {
    /// Initialised, every one of them, and owned by this.
    packets: slice::IterMut<'a, MaybeUninit<Mbuf<P>>>,
}

impl<P: PrivateArea> Iterator for Drain<'_, P> {
    type Item = Mbuf<P>;

    #[inline]
    fn next(&mut self) -> Option<Mbuf<P>> {
        // SAFETY: initialised, and given out once only.
        self.packets.next().map(|packet| unsafe { packet.assume_init_read() })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.packets.size_hint()
    }
}

impl<P: PrivateArea> ExactSizeIterator for Drain<'_, P> {}

impl<P: PrivateArea> Drop for Drain<'_, P> {
    #[inline]
    fn drop(&mut self) {
        let rest = std::mem::take(&mut self.packets).into_slice();
        // SAFETY: initialised and owned by this; not used again.
        unsafe { mbuf::free_raw(rest.as_mut_ptr().cast(), rest.len()) }
    }
}
