//! The five things this crate does with sysfs.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// All access to sysfs. Paths are relative to the root, such as `bus/pci/drivers_probe`.
///
/// A fake behind this trait is what the tests inject faults with.
pub trait Sysfs {
    /// The text of an attribute, newline included.
    fn read(&self, path: &str) -> io::Result<String>;
    /// Hands `value` to an attribute in one `write(2)`. Never creates a file.
    fn write(&self, path: &str, value: &str) -> io::Result<()>;
    /// The target of a symbolic link.
    fn readlink(&self, path: &str) -> io::Result<String>;
    /// The names in a folder, sorted.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;
    /// Whether there is something at `path`; links are followed.
    fn exists(&self, path: &str) -> io::Result<bool>;
}

/// Where sysfs is mounted: `/sys`, or where a container has the host's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysfsRoot(pub PathBuf);

impl Default for SysfsRoot {
    fn default() -> Self {
        Self(PathBuf::from("/sys"))
    }
}

/// The kernel's sysfs, below a root.
#[derive(Debug, Clone)]
pub struct RealSysfs {
    root: SysfsRoot,
}

impl RealSysfs {
    /// The sysfs at `root`.
    pub fn new(root: SysfsRoot) -> Self {
        Self { root }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.0.join(path)
    }
}

impl Sysfs for RealSysfs {
    fn read(&self, path: &str) -> io::Result<String> {
        fs::read_to_string(self.at(path))
    }

    fn write(&self, path: &str, value: &str) -> io::Result<()> {
        // No create and no truncate: an attribute that is not there is an error and not a new file.
        let mut file = OpenOptions::new().write(true).open(self.at(path))?;
        let written = file.write(value.as_bytes())?;
        if written == value.len() { Ok(()) } else { Err(io::Error::from(io::ErrorKind::WriteZero)) }
    }

    fn readlink(&self, path: &str) -> io::Result<String> {
        fs::read_link(self.at(path))?
            .into_os_string()
            .into_string()
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the link's target is not UTF-8"))
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for item in fs::read_dir(self.at(path))? {
            // A name that is not UTF-8 is none that the kernel gives to a PCI device or interface we know.
            names.extend(item?.file_name().into_string().ok());
        }
        names.sort();
        Ok(names)
    }

    fn exists(&self, path: &str) -> io::Result<bool> {
        Path::try_exists(&self.at(path))
    }
}
