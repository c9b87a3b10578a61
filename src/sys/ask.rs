//! What the conversations with daemons have in common: why a question has no answer, and a
//! connected UDP socket, on which nobody but the one that is asked is heard.

use super::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;

/// Why a question has no answer. `R` is what the protocol has for a refusal.
#[derive(Debug)]
pub enum AskError<R> {
    /// The daemon said no, and why.
    Refused(R),
    /// Nobody answered within the limit.
    Silent,
    /// Nobody is there: no socket, or the port is closed.
    Absent(Error),
    /// What came is no reply of this protocol.
    Malformed(String),
    /// The machine refused.
    System(Error),
}

impl<R: fmt::Display> fmt::Display for AskError<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "the daemon refused: {why}"),
            Self::Silent => f.write_str("no reply within the time limit"),
            Self::Absent(error) | Self::System(error) => error.fmt(f),
            Self::Malformed(what) => write!(f, "the reply is malformed: {what}"),
        }
    }
}

impl<R> AskError<R> {
    /// What the machine said: `Absent` where it means that nobody is there.
    #[must_use]
    pub fn of(error: Error) -> Self {
        match error.reason.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Self::Absent(error),
            _ => Self::System(error),
        }
    }
}

/// A UDP socket that hears that address only, and does not block.
///
/// # Errors
/// When there is no such address family or no route.
pub fn connected(address: SocketAddr) -> Result<UdpSocket, Error> {
    let any = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let opened = UdpSocket::bind(SocketAddr::new(any, 0)).and_then(|socket| {
        socket.connect(address)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    });
    opened.map_err(|e| Error::new("reach", format!("UDP {address}"), e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn a_stranger_is_not_heard() {
        let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        let own = connected(daemon.local_addr().unwrap()).unwrap();
        let to = own.local_addr().unwrap();
        stranger.send_to(b"lie", to).unwrap();
        daemon.send_to(b"truth", to).unwrap();
        let mut buffer = [0; 16];
        let heard = own.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..heard], b"truth");
        let more = own.recv(&mut buffer).unwrap_err();
        assert_eq!(more.kind(), io::ErrorKind::WouldBlock);
    }

    /// The kernel lets nobody but the daemon send to a connected Unix socket.
    #[test]
    fn a_stranger_cannot_send_to_a_connected_unix_socket() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let _daemon = UnixDatagram::bind(path("daemon")).unwrap();
        let own = UnixDatagram::bind(path("own")).unwrap();
        own.connect(path("daemon")).unwrap();
        let stranger = UnixDatagram::bind(path("stranger")).unwrap();
        assert!(stranger.send_to(b"lie", path("own")).is_err());
    }
}
