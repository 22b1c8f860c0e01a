//! The shape of the persistent launch: workgroups, work items, ring depth.

use hummingbird_kernels::layout::{Control, row_bytes};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A workgroup of the persistent launch, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkgroupId(pub u16);

/// The shape of the persistent launch. Checked when made, so that every
/// holder may rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    workgroups: u16,
    items: u16,
    depth: u16,
}

/// Why a [`Geometry`] is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum GeometryError {
    /// No workgroup at all.
    #[error("workgroups is 0: the GPU needs at least one workgroup")]
    NoWorkgroups,
    /// Vectorising runtimes miscompile barriers in other sizes, and slots are masked.
    #[error("{field} is {value}: give a power of two from 1 to 32768")]
    NotPowerOfTwo {
        /// `items` or `depth`.
        field: &'static str,
        /// The value given.
        value: u16,
    },
    /// Kernels address rows with 32 bits.
    #[error(
        "{workgroups} workgroups x {depth} rows x {items} packets take {bytes} bytes of row memory, more than 4 GiB: lower the depth"
    )]
    TooLarge {
        /// Workgroups given.
        workgroups: u16,
        /// Ring depth given.
        depth: u16,
        /// Work items given.
        items: u16,
        /// Bytes that the rows would take.
        bytes: usize,
    },
}

impl Geometry {
    /// `workgroups` groups of `items` work items (packets a row), each with a
    /// ring of `depth` rows.
    ///
    /// # Errors
    /// See [`GeometryError`].
    pub fn new(workgroups: u16, items: u16, depth: u16) -> Result<Self, GeometryError> {
        if workgroups == 0 {
            return Err(GeometryError::NoWorkgroups);
        }
        for (field, value) in [("items", items), ("depth", depth)] {
            if !value.is_power_of_two() {
                return Err(GeometryError::NotPowerOfTwo { field, value });
            }
        }
        let geometry = Self { workgroups, items, depth };
        let bytes = geometry.rows_bytes();
        if u32::try_from(bytes).is_err() {
            return Err(GeometryError::TooLarge { workgroups, depth, items, bytes });
        }
        Ok(geometry)
    }

    /// Workgroups of the launch.
    #[must_use]
    pub const fn workgroups(self) -> u16 {
        self.workgroups
    }

    /// Work items of a workgroup, which is packets of a row; a power of two.
    #[must_use]
    pub const fn items(self) -> u16 {
        self.items
    }

    /// Rows of a workgroup's ring; a power of two.
    #[must_use]
    pub const fn depth(self) -> u16 {
        self.depth
    }

    /// Bytes of one row.
    #[must_use]
    pub const fn row_bytes(self) -> usize {
        row_bytes(self.items as usize)
    }

    /// Bytes of all rows of all workgroups.
    #[must_use]
    pub const fn rows_bytes(self) -> usize {
        self.workgroups as usize * self.depth as usize * self.row_bytes()
    }

    /// Bytes of all control blocks.
    #[must_use]
    pub const fn control_bytes(self) -> usize {
        self.workgroups as usize * size_of::<Control>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_the_kernel_cannot_run() {
        assert_eq!(Geometry::new(0, 64, 8), Err(GeometryError::NoWorkgroups));
        assert_eq!(
            Geometry::new(1, 100, 8),
            Err(GeometryError::NotPowerOfTwo { field: "items", value: 100 })
        );
        assert_eq!(Geometry::new(1, 64, 0), Err(GeometryError::NotPowerOfTwo { field: "depth", value: 0 }));
        assert!(matches!(Geometry::new(1000, 1024, 1024), Err(GeometryError::TooLarge { .. })));
    }

    #[test]
    fn sizes_follow_the_layout() {
        let geometry = Geometry::new(3, 64, 8).unwrap();
        assert_eq!(geometry.row_bytes(), 64 + 64 * 96);
        assert_eq!(geometry.rows_bytes(), 3 * 8 * geometry.row_bytes());
        assert_eq!(geometry.control_bytes(), 3 * 512);
    }
}
