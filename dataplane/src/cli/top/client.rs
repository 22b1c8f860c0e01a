//! Asking a control socket for the report of now.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use super::sample::Sample;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes that a report may have.
const LONGEST: u64 = 16 << 20;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing has that name.
    #[error("there is no socket {}: is the dataplane started with --control {}?", path.display(), path.display())]
    Missing {
        /// The socket.
        path: PathBuf,
    },
    /// Nobody listens.
    #[error("nobody listens at {}: the process that made it has ended", path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
    },
    /// It belongs to another user.
    #[error("{} is another user's: ask as the user that runs the dataplane", path.display())]
    Forbidden {
        /// The socket.
        path: PathBuf,
    },
    /// Something else answers.
    #[error("what answers at {} is no hummingbird-dataplane: {what}", path.display())]
    Foreign {
        /// The socket.
        path: PathBuf,
        /// What it said.
        what: String,
    },
    /// The process is there and refuses.
    #[error("{} says: {what}", path.display())]
    Unwilling {
        /// The socket.
        path: PathBuf,
        /// What it said.
        what: String,
    },
    /// The system fails.
    #[error("cannot ask {}: {source}", path.display())]
    System {
        /// The socket.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
}

/// The report of the process behind `path`.
///
/// # Errors
/// Why there is none.
pub fn status(path: &Path) -> Result<Sample, ClientError> {
    let answer = ask(path).map_err(|source| {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => ClientError::Missing { path },
            io::ErrorKind::ConnectionRefused => ClientError::Refused { path },
            io::ErrorKind::PermissionDenied => ClientError::Forbidden { path },
            _ => ClientError::System { path, source },
        }
    })?;
    read(&answer).map_err(|wrong| {
        let path = path.to_owned();
        match wrong {
            Wrong::Foreign(what) => ClientError::Foreign { path, what },
            Wrong::Unwilling(what) => ClientError::Unwilling { path, what },
        }
    })
}

fn ask(path: &Path) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: dataplane\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    Ok(answer)
}

#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    Foreign(String),
    Unwilling(String),
}

/// The report in a whole HTTP answer.
fn read(answer: &[u8]) -> Result<Sample, Wrong> {
    let split = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = match split {
        Some(at) if answer.starts_with(b"HTTP/1.") => (&answer[..at], &answer[at + 4..]),
        _ => return Err(Wrong::Foreign("it does not speak HTTP".into())),
    };
    let first = String::from_utf8_lossy(head.split(|byte| *byte == b'\r').next().unwrap_or_default());
    match first.split(' ').nth(1) {
        Some("200") => serde_json::from_slice(body)
            .map_err(|error| Wrong::Foreign(format!("its /v1/status is no report: {error}"))),
        Some("404") => Err(Wrong::Foreign("it has no /v1/status".into())),
        _ => Err(Wrong::Unwilling(first.into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_is_not_ours() {
        for (answer, wrong) in [
            (&b""[..], Wrong::Foreign("it does not speak HTTP".into())),
            (b"SSH-2.0-OpenSSH\r\n\r\n", Wrong::Foreign("it does not speak HTTP".into())),
            (b"HTTP/1.1 404 Not Found\r\nx: y\r\n\r\n", Wrong::Foreign("it has no /v1/status".into())),
            (b"HTTP/1.1 503 Busy\r\n\r\n", Wrong::Unwilling("HTTP/1.1 503 Busy".into())),
        ] {
            assert_eq!(read(answer).err(), Some(wrong));
        }
        assert!(matches!(read(b"HTTP/1.1 200 OK\r\n\r\n{}"), Err(Wrong::Foreign(_))));
    }

    #[test]
    fn tells_a_missing_socket_from_a_dead_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        assert!(matches!(status(&path), Err(ClientError::Missing { .. })));
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(matches!(status(&path), Err(ClientError::Refused { .. })));
    }
}
