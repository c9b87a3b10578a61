//! The sockets on which the daemon is asked: a Unix datagram socket in a directory that only its
//! user and group may enter, and UDP. What is said on them is not decided here.

use super::error::Error;
use nix::sys::socket::AddressFamily;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockType;
use nix::sys::socket::SockaddrIn;
use nix::sys::socket::SockaddrIn6;
use nix::sys::socket::bind;
use nix::sys::socket::setsockopt;
use nix::sys::socket::socket;
use nix::sys::socket::sockopt;
use std::ffi::OsString;
use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::path::PathBuf;

/// Mode of the directory: the daemon's user and group.
const DIRECTORY_MODE: u32 = 0o770;

/// Who asked, to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A process of this machine, by the name of its socket.
    Local(PathBuf),
    /// An address.
    Remote(SocketAddr),
}

impl Asker {
    /// The address, unless it came by the Unix socket.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Local(_) => None,
            Self::Remote(at) => Some(at.ip()),
        }
    }
}

/// One socket.
#[derive(Debug)]
pub enum ControlSocket {
    /// The Unix socket and its path; the file goes with it.
    Unix(UnixDatagram, PathBuf),
    /// UDP.
    Udp(UdpSocket),
}

impl ControlSocket {
    /// Opens the Unix socket; its directory is made when it is not there. A socket that nobody
    /// holds any more is replaced. The directory belongs to this process's user, or to the one that
    /// it will become.
    ///
    /// # Errors
    /// When another process holds it, or the directory is others' too: whoever can write there
    /// could pose as the daemon.
    pub fn unix(path: &Path, user: Option<u32>) -> Result<Self, Error> {
        let failed = |e| Error::new("open control socket", path.display().to_string(), e);
        let directory = path.parent().unwrap_or(Path::new("/"));
        own_directory(directory, user).map_err(failed)?;
        match std::fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => {
                if held(path) {
                    return Err(failed(io::Error::from(io::ErrorKind::AddrInUse)));
                }
                std::fs::remove_file(path).map_err(failed)?;
            }
            Ok(_) => return Err(failed(io::Error::from(io::ErrorKind::AlreadyExists))),
            Err(_) => {}
        }
        let socket = UnixDatagram::bind(path).map_err(failed)?;
        let opened = Self::Unix(socket, path.to_path_buf());
        if let Self::Unix(socket, _) = &opened {
            socket.set_nonblocking(true).map_err(failed)?;
        }
        Ok(opened)
    }

    /// Opens UDP on an address, for one network device only if that is named.
    ///
    /// # Errors
    /// When the address cannot be had, or the device.
    pub fn udp(address: SocketAddr, device: Option<&str>) -> Result<Self, Error> {
        udp(address, device)
            .map(Self::Udp)
            .map_err(|e| Error::new("open control port", format!("UDP {address}"), e))
    }

    /// The next datagram: its length in the buffer and who sent it; none when there is no other.
    /// One from a socket without a name cannot be answered and has no sender.
    pub fn receive(&self, buffer: &mut [u8]) -> Option<(usize, Option<Asker>)> {
        loop {
            let got = match self {
                Self::Unix(socket, _) => socket.recv_from(buffer).map(|(length, from)| {
                    let name = from.as_pathname();
                    (length, name.map(|n| Asker::Local(n.to_path_buf())))
                }),
                Self::Udp(socket) => socket
                    .recv_from(buffer)
                    .map(|(length, from)| (length, Some(Asker::Remote(from)))),
            };
            match got {
                Ok(got) => return Some(got),
                // An error of an earlier reply (ICMP), or a signal: the next read gets on.
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused
                    ) => {}
                Err(_) => return None,
            }
        }
    }

    /// Sends a reply. Whoever does not read it loses it.
    pub fn send(&self, to: &Asker, reply: &[u8]) {
        let _ = match (self, to) {
            (Self::Unix(socket, _), Asker::Local(name)) => socket.send_to(reply, name),
            (Self::Udp(socket), Asker::Remote(address)) => socket.send_to(reply, address),
            _ => Ok(0),
        };
    }
}

impl AsFd for ControlSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(socket, _) => socket.as_fd(),
            Self::Udp(socket) => socket.as_fd(),
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Makes the directory, or sees that it is ours alone.
fn own_directory(path: &Path, user: Option<u32>) -> io::Result<()> {
    let made = std::fs::DirBuilder::new().mode(DIRECTORY_MODE).create(path);
    match made {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e),
    }
    let found = std::fs::symlink_metadata(path)?;
    let other = |what: &str| {
        let words = format!("{} {what}", path.display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, words))
    };
    if !found.is_dir() {
        return other("is no directory");
    }
    if found.uid() != nix::unistd::geteuid().as_raw() && Some(found.uid()) != user {
        return other(&format!(
            "belongs to user {}, who ran a daemon here; if none runs now: rm -r {}",
            found.uid(),
            path.display()
        ));
    }
    if found.mode() & 0o007 != 0 && found.mode() & 0o1000 == 0 {
        return other("is open to everybody: chmod o= it");
    }
    Ok(())
}

/// Whether a process holds the socket of this name.
fn held(path: &Path) -> bool {
    UnixDatagram::unbound().is_ok_and(|probe| probe.connect(path).is_ok())
}

/// Whether there is a route from this machine to an address.
#[must_use]
pub fn routed(from: IpAddr, to: SocketAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(from, 0)).is_ok_and(|socket| socket.connect(to).is_ok())
}

fn udp(address: SocketAddr, device: Option<&str>) -> io::Result<UdpSocket> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family, SockType::Datagram, flags, None)?;
    if address.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
    }
    if let Some(device) = device {
        setsockopt(&fd, sockopt::BindToDevice, &OsString::from(device))?;
    }
    match address {
        SocketAddr::V4(a) => bind(fd.as_raw_fd(), &SockaddrIn::from(a)),
        SocketAddr::V6(a) => bind(fd.as_raw_fd(), &SockaddrIn6::from(a)),
    }?;
    Ok(UdpSocket::from(fd))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_socket_that_is_held_is_not_taken_and_a_dead_one_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/control.sock");
        let first = ControlSocket::unix(&path, None).unwrap();
        let mode = std::fs::metadata(path.parent().unwrap()).unwrap().mode();
        assert_eq!(mode & 0o007, 0);
        assert!(ControlSocket::unix(&path, None).is_err());
        drop(first);
        assert!(!path.exists());
        drop(UnixDatagram::bind(&path).unwrap());
        assert!(ControlSocket::unix(&path, None).is_ok());
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        let error = ControlSocket::unix(&open.join("control.sock"), None).unwrap_err();
        assert!(error.to_string().contains("open to everybody"), "{error}");
    }
}
