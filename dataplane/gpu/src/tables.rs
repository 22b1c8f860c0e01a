//! Table memory: what the kernels look packets up in.
//!
//! A running persistent kernel reaches only what was announced before its
//! launch, so table memory is one arena that is allocated at start, and tables
//! are addressed by their offset in it.

use crate::{arena::Arena, region::SharedRegion};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use thiserror::Error;

/// The bytes behind the arena. A back end whose device has its own memory
/// copies; one with shared memory writes in place.
pub trait TableMemory: Send + Sync {
    /// Writes `bytes` at `offset`. They are visible to the kernel for every
    /// row that is published after this returns.
    fn write(&self, offset: u32, bytes: &[u8]);
    /// Overwrites `len` bytes at `offset` with zeros: tables hold keys.
    fn wipe(&self, offset: u32, len: usize);
}

/// Table memory and who has which part of it.
pub struct Tables {
    arena: Mutex<Arena>,
    memory: Box<dyn TableMemory>,
}

/// A table does not fit beside those that live.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "a table of {needed} bytes does not fit into GPU table memory: {free} of {total} bytes are free, {largest} in one \
     piece; raise the table memory, or shrink the rules"
)]
pub struct TableMemoryFull {
    /// Bytes asked for.
    pub needed: usize,
    /// Bytes free.
    pub free: u32,
    /// Bytes of the largest free piece.
    pub largest: u32,
    /// Bytes in all.
    pub total: u32,
}

impl Tables {
    /// Table memory of `total` bytes in `memory`.
    #[must_use]
    pub fn new(total: u32, memory: Box<dyn TableMemory>) -> Arc<Self> {
        Arc::new(Self { arena: Mutex::new(Arena::new(total)), memory })
    }

    /// Copies a table in. Not for the hot path: takes a lock.
    ///
    /// # Errors
    /// [`TableMemoryFull`] when no free piece holds it; nothing has changed.
    pub fn publish(self: &Arc<Self>, bytes: &[u8]) -> Result<TableRef, TableMemoryFull> {
        let needed = bytes.len();
        let offset = {
            let mut arena = self.arena();
            arena.take(needed).ok_or_else(|| TableMemoryFull {
                needed,
                free: arena.free(),
                largest: arena.largest(),
                total: arena.total(),
            })?
        };
        self.memory.write(offset, bytes);
        Ok(TableRef { tables: self.clone(), offset, len: needed })
    }

    /// Bytes free, and bytes in all.
    #[must_use]
    pub fn usage(&self) -> (u32, u32) {
        let arena = self.arena();
        (arena.free(), arena.total())
    }

    fn arena(&self) -> MutexGuard<'_, Arena> {
        self.arena.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables").field("arena", &self.arena).finish_non_exhaustive()
    }
}

/// A published table. Dropping it retracts the table: the bytes are wiped and
/// the place is free. Keep it until every row that names it is finished.
#[derive(Debug)]
pub struct TableRef {
    tables: Arc<Tables>,
    offset: u32,
    len: usize,
}

impl TableRef {
    /// Distance in bytes from the start of table memory, as descriptors carry
    /// it; a multiple of 512.
    #[must_use]
    pub const fn offset(&self) -> u32 {
        self.offset
    }

    /// Bytes of the table.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether the table has no byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Drop for TableRef {
    fn drop(&mut self) {
        self.tables.memory.wipe(self.offset, self.len);
        self.tables.arena().give_back(self.offset, self.len);
    }
}

/// Tables in shared memory, written in place.
#[derive(Debug)]
pub struct SharedTables(pub Arc<SharedRegion>);

impl SharedTables {
    fn at(&self, offset: u32, len: usize) -> *mut u8 {
        let place = self.0.base().as_ptr().wrapping_add(offset as usize);
        assert!(self.0.contains(place, len), "{len} bytes at {offset} are outside table memory");
        place
    }
}

impl TableMemory for SharedTables {
    fn write(&self, offset: u32, bytes: &[u8]) {
        // SAFETY: `at` checked the bounds; the arena gave the range to this
        // table alone, and no row that names it is published yet.
        unsafe { self.at(offset, bytes.len()).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    fn wipe(&self, offset: u32, len: usize) {
        // SAFETY: as above; the table's rows are all finished.
        unsafe { self.at(offset, len).write_bytes(0, len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(region: &SharedRegion, offset: u32, len: usize) -> Vec<u8> {
        // SAFETY: inside the region, which no other thread uses.
        (0..len).map(|at| unsafe { region.base().as_ptr().add(offset as usize + at).read() }).collect()
    }

    #[test]
    fn tables_are_copied_in_wiped_and_their_place_reused() {
        let region = Arc::new(SharedRegion::anonymous(1).unwrap());
        let tables = Tables::new(2048, Box::new(SharedTables(region.clone())));
        let (a, b) = (tables.publish(&[1; 700]).unwrap(), tables.publish(&[2; 512]).unwrap());
        assert_eq!((a.offset(), a.len(), b.offset()), (0, 700, 1024));
        assert_eq!(bytes(&region, 0, 700), [1; 700]);
        assert_eq!(tables.usage(), (512, 2048));
        let full = tables.publish(&[3; 513]).unwrap_err();
        assert_eq!(full, TableMemoryFull { needed: 513, free: 512, largest: 512, total: 2048 });
        drop(a);
        assert_eq!(bytes(&region, 0, 700), [0; 700]);
        assert_eq!(bytes(&region, b.offset(), 512), [2; 512]);
        assert_eq!(tables.publish(&[3; 513]).unwrap().offset(), 0);
        drop(b);
        assert_eq!(tables.usage(), (2048, 2048));
    }
}
