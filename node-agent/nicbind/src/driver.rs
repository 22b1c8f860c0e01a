//! The name of a kernel driver.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The driver that hands a PCI function to user space (Linux `Documentation/driver-api/vfio.rst`).
pub const VFIO_PCI: &str = "vfio-pci";

/// The name of a PCI driver as under `/sys/bus/pci/drivers`, safe as a path component and as a sysfs write.
///
/// Also what `driver_override` holds: the name of a driver that need not exist (`none` is a custom to keep all
/// drivers away).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DriverName(String);

/// A text that can be no driver's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a driver name: 1 to 255 printable ASCII characters without '/'")]
pub struct DriverNameError(String);

impl DriverName {
    /// `vfio-pci`.
    pub fn vfio_pci() -> Self {
        Self(VFIO_PCI.to_owned())
    }

    /// Whether this is `vfio-pci`.
    pub fn is_vfio_pci(&self) -> bool {
        self.0 == VFIO_PCI
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DriverName {
    type Error = DriverNameError;

    fn try_from(name: String) -> Result<Self, DriverNameError> {
        let printable = name.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'/');
        // White space at the ends could not be told from what an attribute puts around its value.
        let trimmed = name.trim() == name;
        if (1..=255).contains(&name.len()) && printable && trimmed && name != "." && name != ".." {
            Ok(Self(name))
        } else {
            Err(DriverNameError(name))
        }
    }
}

impl TryFrom<&str> for DriverName {
    type Error = DriverNameError;

    fn try_from(name: &str) -> Result<Self, DriverNameError> {
        name.to_owned().try_into()
    }
}

impl From<DriverName> for String {
    fn from(name: DriverName) -> Self {
        name.0
    }
}

impl fmt::Display for DriverName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_folder() {
        for name in ["e1000e", "vfio-pci", "none", "8139too"] {
            assert_eq!(DriverName::try_from(name).unwrap().as_str(), name);
        }
        for name in ["", ".", "..", "a/b", "a\n", " a", "\0", &"x".repeat(256)] {
            assert!(DriverName::try_from(name).is_err(), "{name:?}");
        }
    }
}
