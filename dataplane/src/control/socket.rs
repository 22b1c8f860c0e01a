//! The control socket's file: only its owner may connect, and a file that a
//! dead process left is replaced.

use std::{
    io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::Mode,
    io::Errno,
    net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
};

use super::error::SocketError;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// The file of a socket that listens; removed when dropped.
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode: a file that took its place is another's.
    identity: (u64, u64),
}

/// Listens at `path`, mode 0600 from the first moment.
///
/// # Errors
/// The path cannot be listened at, or another process does so.
pub fn bind(path: &Path) -> Result<(UnixListener, SocketFile), SocketError> {
    let address = SocketAddrUnix::new(path).map_err(|_| SocketError::TooLong)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(system("open a socket"))?;
    // A socket's own mode becomes that of its file.
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR).map_err(system("set the mode"))?;
    match net::bind(&socket, &address) {
        Err(Errno::ADDRINUSE) => {
            remove_dead(path, &address)?;
            net::bind(&socket, &address)
        }
        bound => bound,
    }
    .map_err(system("create it"))?;
    let file = SocketFile { path: path.into(), identity: identity(path).map_err(system("look at it"))? };
    net::listen(&socket, BACKLOG).map_err(system("listen"))?;
    Ok((UnixListener::from(socket), file))
}

/// Removes the socket file at `path` if nobody listens there.
fn remove_dead(path: &Path, address: &SocketAddrUnix) -> Result<(), SocketError> {
    let there = path.symlink_metadata().map_err(system("look at it"))?;
    if !there.file_type().is_socket() {
        return Err(SocketError::NotASocket);
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(system("open a socket"))?;
    match net::connect(&probe, address) {
        Err(Errno::CONNREFUSED) => {
            std::fs::remove_file(path).map_err(system("remove what a dead process left"))
        }
        // Again: it listens, and too many wait already.
        Ok(()) | Err(Errno::AGAIN) => Err(SocketError::InUse),
        Err(errno) => Err(system("find out whose it is")(errno)),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    path.symlink_metadata().map(|file| (file.dev(), file.ino()))
}

fn system<E: Into<io::Error>>(what: &'static str) -> impl Fn(E) -> SocketError {
    move |source| SocketError::System { what, source: source.into() }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|there| there == self.identity)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}
