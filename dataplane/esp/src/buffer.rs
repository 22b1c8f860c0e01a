//! The packet as ESP sees it: a frame that can grow and shrink at both ends.

/// A frame, Ethernet header first, with room around it. The dataplane's mbuf
/// is one; [`OwnedFrame`] is another.
pub trait PacketBuffer {
    /// The frame.
    fn bytes(&self) -> &[u8];
    /// The frame, to be written.
    fn bytes_mut(&mut self) -> &mut [u8];
    /// Adds `n` bytes of unspecified content in front; false, and no change,
    /// where the room is less.
    #[must_use]
    fn prepend(&mut self, n: usize) -> bool;
    /// Adds `n` bytes of unspecified content at the end; false, and no change,
    /// where the room is less.
    #[must_use]
    fn append(&mut self, n: usize) -> bool;
    /// Takes `n` bytes, at most the frame's length, off the front.
    fn trim_front(&mut self, n: usize);
    /// Takes `n` bytes, at most the frame's length, off the end.
    fn trim_end(&mut self, n: usize);
}

/// A frame in memory of its own, for tools and tests.
#[derive(Clone, Debug)]
pub struct OwnedFrame {
    storage: Vec<u8>,
    start: usize,
    end: usize,
}

impl OwnedFrame {
    /// Bytes of room before and after the frame, as in the dataplane's mbufs.
    pub const ROOM: usize = 128;

    /// A copy of `frame` with [`ROOM`](Self::ROOM) on both sides.
    #[must_use]
    pub fn new(frame: &[u8]) -> Self {
        let mut storage = vec![0; frame.len() + 2 * Self::ROOM];
        let (start, end) = (Self::ROOM, Self::ROOM + frame.len());
        storage[start..end].copy_from_slice(frame);
        Self { storage, start, end }
    }
}

impl PacketBuffer for OwnedFrame {
    fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.end]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.end]
    }

    fn prepend(&mut self, n: usize) -> bool {
        self.start.checked_sub(n).inspect(|start| self.start = *start).is_some()
    }

    fn append(&mut self, n: usize) -> bool {
        let fits = self.storage.len() - self.end >= n;
        self.end += if fits { n } else { 0 };
        fits
    }

    fn trim_front(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
    }

    fn trim_end(&mut self, n: usize) {
        self.end = self.end.saturating_sub(n).max(self.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_into_its_room_and_no_further() {
        let mut frame = OwnedFrame::new(b"frame");
        assert!(!frame.prepend(129) && !frame.append(129));
        assert_eq!(frame.bytes(), b"frame");
        assert!(frame.prepend(128) && frame.append(128));
        assert!(!frame.prepend(1) && !frame.append(1));
        assert_eq!(&frame.bytes()[128..133], b"frame");
        frame.trim_front(128);
        frame.trim_end(129);
        assert_eq!(frame.bytes(), b"fram");
        frame.trim_end(9);
        frame.trim_front(9);
        assert!(frame.bytes().is_empty());
    }
}
