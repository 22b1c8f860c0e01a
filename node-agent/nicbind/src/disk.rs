//! The file operations behind the journal, one by one, so that a test can crash between any two.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::JournalError;

/// A folder that only the journal uses. Names are plain file names.
pub trait Disk {
    /// The bytes of a file; nothing if there is no such file.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;
    /// Makes a file anew with these bytes, not yet durable.
    fn create(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Makes the bytes of a file durable: `fsync(2)`.
    fn sync(&mut self, name: &str) -> io::Result<()>;
    /// Puts `from` in the place of `to`, in one step.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// Makes the names in the folder durable: `fsync(2)` on the folder.
    fn sync_dir(&mut self) -> io::Result<()>;
}

/// A folder of the host's file system, held by one process at a time.
#[derive(Debug)]
pub struct RealDisk {
    dir: PathBuf,
    /// Held as long as this value lives; the kernel drops the lock with the process.
    _lock: File,
}

impl RealDisk {
    /// Makes the folder if need be and locks it. It must survive a reboot: not under `/run` or `/tmp`.
    ///
    /// # Errors
    /// [`JournalError::Locked`] when another process has the folder, [`JournalError::Io`] for the rest.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        let io = |action| move |source| JournalError::Io { action, source };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(io("make the journal's folder"))?;
        if let Some(parent) = dir.canonicalize().ok().as_deref().and_then(Path::parent) {
            File::open(parent)
                .and_then(|parent| parent.sync_all())
                .map_err(io("make the journal's folder durable"))?;
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(dir.join("lock"))
            .map_err(io("open the journal's lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(JournalError::Locked { dir: dir.to_owned() }),
            Err(TryLockError::Error(source)) => {
                Err(JournalError::Io { action: "lock the journal's folder", source })
            }
        }
    }
}

impl Disk for RealDisk {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.dir.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn create(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(self.dir.join(name))?
            .write_all(bytes)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        File::open(self.dir.join(name))?.sync_all()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}
