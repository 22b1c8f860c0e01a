//! The state directory: one file per SA, replaced as a whole or not at all.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, ErrorKind, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{StateError, record::Record};
use crate::SaIdentity;

/// A directory that this process alone may write.
pub(crate) struct Store {
    dir: PathBuf,
    /// Locked (flock) for as long as it is open: a crash frees it.
    _lock: File,
}

impl Store {
    pub(crate) fn open(dir: &Path) -> Result<Self, StateError> {
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| StateError::Io { action, path, source }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(failed("create the state directory", dir))?;
        let path = dir.join("lock");
        let lock = File::create(&path).map_err(failed("create", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::Locked { dir: dir.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed("lock", &path)(source)),
        }
        // What a crash left half-written was never the state.
        for entry in fs::read_dir(dir).map_err(failed("read", dir))? {
            let path = entry.map_err(failed("read", dir))?.path();
            if path.extension().is_some_and(|extension| extension == "new") {
                fs::remove_file(&path).map_err(failed("remove", &path))?;
            }
        }
        Ok(Self { dir: dir.to_owned(), _lock: lock })
    }

    pub(crate) fn path(&self, identity: &SaIdentity) -> PathBuf {
        self.dir.join(format!("{identity}.sa"))
    }

    /// The record of an SA, `None` for one that has never been here.
    pub(crate) fn load(&self, identity: SaIdentity) -> Result<Option<Record>, StateError> {
        let path = self.path(&identity);
        match fs::read(&path) {
            Ok(bytes) => Record::decode(&bytes, identity)
                .map(Some)
                .map_err(|damage| StateError::Damaged { path, damage }),
            Err(missing) if missing.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StateError::Io { action: "read", path, source }),
        }
    }

    /// Makes a record durable.
    pub(crate) fn save(&self, record: &Record) -> Result<(), StateError> {
        self.replace(record)?;
        self.sync_dir()
    }

    /// Replaces a record's file; durable after [`sync_dir`](Self::sync_dir).
    pub(crate) fn replace(&self, record: &Record) -> Result<(), StateError> {
        let path = self.path(&record.identity);
        let fresh = path.with_extension("new");
        let written = write_synced(&fresh, &record.encode()).and_then(|()| fs::rename(&fresh, &path));
        written.map_err(|source| StateError::Io { action: "write", path, source })
    }

    pub(crate) fn sync_dir(&self) -> Result<(), StateError> {
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(|source| StateError::Io {
            action: "sync",
            path: self.dir.clone(),
            source,
        })
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
