//! An unconnected UDP socket for questions to anybody: it hears replies from the wrong address
//! too, and its error queue tells which ICMP message came and who sent it (IP_RECVERR, ip(7)).

use super::clock;
use super::error::Error;
use crate::time::NtpTimestamp;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::Resource;
use nix::sys::resource::getrlimit;
use nix::sys::resource::setrlimit;
use nix::sys::socket::AddressFamily;
use nix::sys::socket::ControlMessageOwned;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockType;
use nix::sys::socket::SockaddrStorage;
use nix::sys::socket::TimestampingFlag;
use nix::sys::socket::bind;
use nix::sys::socket::recvmsg;
use nix::sys::socket::sendto;
use nix::sys::socket::setsockopt;
use nix::sys::socket::socket;
use nix::sys::socket::sockopt;
use nix::sys::time::TimeSpec;
use std::io;
use std::io::IoSliceMut;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;

/// The socket.
#[derive(Debug)]
pub struct ProbeSocket {
    fd: OwnedFd,
}

/// Where an error came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This machine itself: no route, its own firewall.
    Local,
    /// An ICMP message: type and code of ICMP.
    Icmp(u8, u8),
    /// An ICMPv6 message: type and code of ICMPv6.
    Icmp6(u8, u8),
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A datagram of this many octets, who sent it, and the local clock then.
    Datagram(usize, SocketAddr, NtpTimestamp),
    /// An error about a datagram sent to `about`, told by `by`.
    Error {
        /// Where the datagram was going.
        about: SocketAddr,
        /// Where the error comes from.
        origin: Origin,
        /// Who sent the ICMP message.
        by: Option<IpAddr>,
        /// The error's number.
        errno: i32,
    },
    /// Nothing more for now.
    Nothing,
}

impl ProbeSocket {
    /// A socket of this family on this port; 0 is a random one (RFC 9109). The port is never
    /// shared: a daemon that holds it would lose packets.
    ///
    /// # Errors
    /// `AddrInUse` when the port is taken, `PermissionDenied` when it is privileged.
    pub fn open(v6: bool, port: u16) -> Result<Self, Error> {
        let (family, any): (_, IpAddr) = if v6 {
            (AddressFamily::Inet6, Ipv6Addr::UNSPECIFIED.into())
        } else {
            (AddressFamily::Inet, Ipv4Addr::UNSPECIFIED.into())
        };
        let what = if v6 {
            "an IPv6 socket"
        } else {
            "an IPv4 socket"
        };
        let failed = |e: Errno| Error::new("open", what, io::Error::from(e));
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(family, SockType::Datagram, flags, None).map_err(failed)?;
        if v6 {
            setsockopt(&fd, sockopt::Ipv6V6Only, &true).map_err(failed)?;
            setsockopt(&fd, sockopt::Ipv6RecvErr, &true).map_err(failed)?;
        } else {
            setsockopt(&fd, sockopt::Ipv4RecvErr, &true).map_err(failed)?;
        }
        let stamps = TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE;
        // Best effort: without it the clock is read here, some microseconds later.
        let _ = setsockopt(&fd, sockopt::Timestamping, &stamps);
        let local = SockaddrStorage::from(SocketAddr::new(any, port));
        bind(fd.as_raw_fd(), &local)
            .map_err(|e| Error::new("use source port", port.to_string(), e.into()))?;
        Ok(Self { fd })
    }

    /// Sends a datagram; gives the local clock just before.
    ///
    /// # Errors
    /// The number of the error: no route, not permitted by this machine's firewall.
    pub fn send(&self, bytes: &[u8], to: SocketAddr) -> Result<NtpTimestamp, i32> {
        let to = SockaddrStorage::from(to);
        // An error that was queued for an earlier datagram is told once by the next call: it is
        // read from the queue, and this datagram is sent all the same.
        for _ in 0..2 {
            let at = clock::now();
            match sendto(self.fd.as_raw_fd(), bytes, &to, MsgFlags::MSG_NOSIGNAL) {
                Ok(_) => return Ok(at),
                Err(Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::EPROTO) => {}
                Err(e) => return Err(e as i32),
            }
        }
        Err(libc::EHOSTUNREACH)
    }

    /// The next thing that came, errors first.
    pub fn receive(&self, buffer: &mut [u8]) -> Arrival {
        match self.read(buffer, MsgFlags::MSG_ERRQUEUE) {
            Arrival::Nothing => {}
            arrival => return arrival,
        }
        loop {
            // A pending error is told once by the call itself; its details were in the queue.
            match self.read(buffer, MsgFlags::empty()) {
                Arrival::Error { .. } => {}
                arrival => return arrival,
            }
        }
    }

    fn read(&self, buffer: &mut [u8], flags: MsgFlags) -> Arrival {
        let queue = flags.contains(MsgFlags::MSG_ERRQUEUE);
        let mut space = cmsg_space!([TimeSpec; 3], [u8; 96]);
        let mut slices = [IoSliceMut::new(buffer)];
        let message = match recvmsg::<SockaddrStorage>(
            self.fd.as_raw_fd(),
            &mut slices,
            Some(&mut space),
            flags | MsgFlags::MSG_DONTWAIT,
        ) {
            Ok(message) => message,
            Err(Errno::EAGAIN | Errno::EINTR) => return Arrival::Nothing,
            Err(_) if queue => return Arrival::Nothing,
            Err(e) => {
                return Arrival::Error {
                    about: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
                    origin: Origin::Local,
                    by: None,
                    errno: e as i32,
                };
            }
        };
        let Some(peer) = message.address.as_ref().and_then(socket_address) else {
            return Arrival::Nothing;
        };
        let mut arrival = None;
        let mut stamp = None;
        for control in message.cmsgs().into_iter().flatten() {
            match control {
                ControlMessageOwned::ScmTimestampsns(stamps) => stamp = Some(stamps.system),
                ControlMessageOwned::Ipv4RecvErr(e, by) => {
                    let by = by.map(|a| Ipv4Addr::from(u32::from_be(a.sin_addr.s_addr)).into());
                    arrival = Some(error(peer, e, by));
                }
                ControlMessageOwned::Ipv6RecvErr(e, by) => {
                    let by = by.map(|a| Ipv6Addr::from(a.sin6_addr.s6_addr).into());
                    arrival = Some(error(peer, e, by));
                }
                _ => {}
            }
        }
        if queue {
            return arrival.unwrap_or(Arrival::Nothing);
        }
        let stamp = stamp
            .and_then(|t| Some((t.tv_sec(), u32::try_from(t.tv_nsec()).ok()?)))
            .filter(|&(seconds, nanos)| (seconds, nanos) != (0, 0))
            .map_or_else(clock::now, |(s, n)| NtpTimestamp::from_unix(s, n));
        Arrival::Datagram(message.bytes, peer, stamp)
    }
}

impl AsFd for ProbeSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn error(about: SocketAddr, e: libc::sock_extended_err, by: Option<IpAddr>) -> Arrival {
    let origin = match e.ee_origin {
        libc::SO_EE_ORIGIN_ICMP => Origin::Icmp(e.ee_type, e.ee_code),
        libc::SO_EE_ORIGIN_ICMP6 => Origin::Icmp6(e.ee_type, e.ee_code),
        _ => Origin::Local,
    };
    Arrival::Error {
        about,
        origin,
        by: by.filter(|by| !by.is_unspecified()),
        errno: i32::try_from(e.ee_errno).unwrap_or(libc::EPROTO),
    }
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(four) = storage.as_sockaddr_in() {
        return Some(SocketAddr::new(four.ip().into(), four.port()));
    }
    let six = storage.as_sockaddr_in6()?;
    Some(SocketAddr::new(six.ip().into(), six.port()))
}

/// How many files this process may have open, after raising the soft limit to the hard one.
#[must_use]
pub fn open_files_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 256;
    };
    let wanted = hard.min(65_536);
    if wanted > soft && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok() {
        return wanted;
    }
    soft
}

/// No permission: this machine's own firewall refused the packet.
pub const NOT_PERMITTED: i32 = libc::EPERM;
/// No permission by the routing table (`prohibit`).
pub const FORBIDDEN: i32 = libc::EACCES;

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(socket: &ProbeSocket, buffer: &mut [u8]) -> Arrival {
        let start = clock::monotonic();
        loop {
            match socket.receive(buffer) {
                Arrival::Nothing if clock::monotonic().seconds_since(start) < 5.0 => {}
                arrival => return arrival,
            }
        }
    }

    #[test]
    fn a_closed_port_is_told_with_its_icmp_and_sender() {
        let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let closed = free.local_addr().unwrap();
        drop(free);
        let socket = ProbeSocket::open(false, 0).unwrap();
        socket.send(b"x", closed).unwrap();
        let arrival = wait(&socket, &mut [0; 64]);
        let by = Some("127.0.0.1".parse().unwrap());
        let (about, origin, errno) = (closed, Origin::Icmp(3, 3), libc::ECONNREFUSED);
        assert_eq!(
            arrival,
            Arrival::Error {
                about,
                origin,
                by,
                errno
            }
        );
        assert_eq!(socket.receive(&mut [0; 64]), Arrival::Nothing);
    }

    #[test]
    fn a_datagram_comes_with_its_sender_and_a_time() {
        let socket = ProbeSocket::open(true, 0).unwrap();
        let peer = std::net::UdpSocket::bind("[::1]:0").unwrap();
        peer.set_read_timeout(Some(std::time::Duration::from_secs(5)))
            .unwrap();
        let before = socket
            .send(b"question", peer.local_addr().unwrap())
            .unwrap();
        let (_, from) = peer.recv_from(&mut [0; 64]).unwrap();
        peer.send_to(b"answer", from).unwrap();
        let Arrival::Datagram(6, who, at) = wait(&socket, &mut [0; 64]) else {
            panic!("no datagram");
        };
        assert_eq!(who, peer.local_addr().unwrap());
        assert!((0.0..5.0).contains(&at.since(before).seconds()));
    }
}
