//! The socket that takes other programs' samples: a Unix datagram socket, made when it is opened
//! and removed at the end.

use crate::proto::sock_sample::LEN;
use crate::proto::sock_sample::SockSample;
use crate::sys::error::Error;
use std::fs;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// Samples read in one go, that a flood keeps nothing waiting.
const MOST: usize = 64;

/// The socket.
#[derive(Debug)]
pub struct SampleSocket {
    socket: UnixDatagram,
    path: String,
}

impl SampleSocket {
    /// Makes it. A socket that an earlier program left there is replaced; anything else is not.
    ///
    /// # Errors
    /// When something else is there, or the directory may not be written.
    pub fn bind(path: &str) -> Result<Self, Error> {
        let failed = |e| Error::new("make the socket", path, e);
        if fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket()) {
            fs::remove_file(path).map_err(failed)?;
        }
        let socket = UnixDatagram::bind(path).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        // Whoever can write here can move the clock: this user and root, nobody else.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self {
            socket,
            path: path.to_owned(),
        })
    }

    /// The samples that wait; what is none is passed over.
    pub fn take(&mut self) -> Vec<SockSample> {
        let mut found = Vec::new();
        let mut buffer = [0; LEN + 16];
        for _ in 0..MOST {
            match self.socket.recv(&mut buffer) {
                Ok(length) => found.extend(SockSample::decode(buffer.get(..length).unwrap_or(&[]))),
                Err(_) => break,
            }
        }
        found
    }
}

impl AsFd for SampleSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for SampleSocket {
    fn drop(&mut self) {
        if Path::new(&self.path).exists() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_through_and_rubbish_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let mut socket = SampleSocket::bind(path.to_str().unwrap()).unwrap();
        let sample = SockSample {
            system_ns: 5_000_000_000,
            offset: 0.5,
            pulse: false,
            leap: 0,
        };
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(b"rubbish", &path).unwrap();
        sender.send_to(&sample.encode(), &path).unwrap();
        sender.send_to(&[0; 200], &path).unwrap();
        assert_eq!(socket.take(), [sample]);
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "precious").unwrap();
        assert!(SampleSocket::bind(path.to_str().unwrap()).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }
}
