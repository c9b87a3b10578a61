//! A UDP socket that asks one server: connected, on a random port, with the kernel's timestamps
//! for what it receives and sends (SO_TIMESTAMPING), and ICMP errors from its error queue.

use super::clock;
use super::error::Error;
use crate::time::NtpTimestamp;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;
use nix::sys::socket::AddressFamily;
use nix::sys::socket::ControlMessageOwned;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockType;
use nix::sys::socket::SockaddrIn;
use nix::sys::socket::SockaddrIn6;
use nix::sys::socket::SockaddrStorage;
use nix::sys::socket::TimestampingFlag;
use nix::sys::socket::bind;
use nix::sys::socket::connect;
use nix::sys::socket::recvmsg;
use nix::sys::socket::send;
use nix::sys::socket::setsockopt;
use nix::sys::socket::socket;
use nix::sys::socket::sockopt;
use nix::sys::time::TimeSpec;
use std::io;
use std::io::IoSliceMut;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::SocketAddrV4;
use std::net::SocketAddrV6;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;

/// A socket that asks one server.
#[derive(Debug)]
pub struct UdpClient {
    fd: OwnedFd,
}

/// What came out of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A datagram of this many octets, and the local clock when it arrived.
    Datagram(usize, NtpTimestamp),
    /// The kernel's timestamp of a datagram that was sent: its number on this socket, from 1.
    Transmitted(u32, NtpTimestamp),
    /// An error of the network: the number (`ECONNREFUSED`: ICMP port unreachable).
    Failed(i32),
    /// Nothing more for now.
    Nothing,
}

impl UdpClient {
    /// A socket for this server. `source_port` 0 lets the kernel choose a random one (RFC 9109).
    ///
    /// # Errors
    /// When there is no such address family, no route, or the source port is taken or privileged.
    pub fn connect(server: SocketAddr, source_port: u16) -> Result<Self, Error> {
        let failed = |operation| {
            move |e: Errno| Error::new(operation, server.to_string(), io::Error::from(e))
        };
        let family = match server {
            SocketAddr::V4(_) => AddressFamily::Inet,
            SocketAddr::V6(_) => AddressFamily::Inet6,
        };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd =
            socket(family, SockType::Datagram, flags, None).map_err(failed("open a socket for"))?;
        if source_port != 0 {
            // Several servers are asked from the one port.
            setsockopt(&fd, sockopt::ReuseAddr, &true).map_err(failed("open a socket for"))?;
            let local: SockaddrStorage = match server {
                SocketAddr::V4(_) => SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, source_port).into(),
                SocketAddr::V6(_) => {
                    SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, source_port, 0, 0).into()
                }
            };
            bind(fd.as_raw_fd(), &local)
                .map_err(|e| Error::new("use source port", source_port.to_string(), e.into()))?;
        }
        match server {
            SocketAddr::V4(_) => {
                // Best effort: without it some ICMP errors are not told.
                let _ = setsockopt(&fd, sockopt::Ipv4RecvErr, &true);
            }
            SocketAddr::V6(_) => {
                let _ = setsockopt(&fd, sockopt::Ipv6RecvErr, &true);
            }
        }
        // Best effort: without it the clock is read here, some microseconds later.
        let _ = setsockopt(&fd, sockopt::Timestamping, &wanted_timestamps());
        match server {
            SocketAddr::V4(a) => connect(fd.as_raw_fd(), &SockaddrIn::from(a)),
            SocketAddr::V6(a) => connect(fd.as_raw_fd(), &SockaddrIn6::from(a)),
        }
        .map_err(failed("reach"))?;
        Ok(Self { fd })
    }

    /// Sends a datagram; gives the local clock just before.
    ///
    /// # Errors
    /// The number of the error: no route, refused, not permitted by the firewall.
    pub fn send(&self, bytes: &[u8]) -> Result<NtpTimestamp, i32> {
        let at = clock::now();
        match send(self.fd.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL) {
            Ok(_) => Ok(at),
            Err(e) => Err(e as i32),
        }
    }

    /// The next thing that came: errors and transmit timestamps first, then datagrams.
    pub fn receive(&self, buffer: &mut [u8]) -> Received {
        match self.read(buffer, MsgFlags::MSG_ERRQUEUE) {
            Received::Nothing => self.read(buffer, MsgFlags::empty()),
            other => other,
        }
    }

    fn read(&self, buffer: &mut [u8], flags: MsgFlags) -> Received {
        let queue = flags.contains(MsgFlags::MSG_ERRQUEUE);
        let mut space = cmsg_space!([TimeSpec; 3], [u8; 64]);
        let mut slices = [IoSliceMut::new(buffer)];
        let message = match recvmsg::<SockaddrStorage>(
            self.fd.as_raw_fd(),
            &mut slices,
            Some(&mut space),
            flags | MsgFlags::MSG_DONTWAIT,
        ) {
            Ok(message) => message,
            Err(Errno::EAGAIN | Errno::EINTR) => return Received::Nothing,
            Err(_) if queue => return Received::Nothing,
            Err(e) => return Received::Failed(e as i32),
        };
        let (mut stamp, mut error) = (None, None);
        for control in message.cmsgs().into_iter().flatten() {
            match control {
                ControlMessageOwned::ScmTimestampsns(stamps) => stamp = Some(stamps.system),
                ControlMessageOwned::Ipv4RecvErr(e, _) | ControlMessageOwned::Ipv6RecvErr(e, _) => {
                    error = Some(e);
                }
                _ => {}
            }
        }
        let stamp = stamp.and_then(|t| {
            Some(NtpTimestamp::from_unix(
                t.tv_sec(),
                u32::try_from(t.tv_nsec()).ok()?,
            ))
        });
        match (queue, error) {
            (false, _) => Received::Datagram(message.bytes, stamp.unwrap_or_else(clock::now)),
            (true, Some(e)) if e.ee_origin == nix::libc::SO_EE_ORIGIN_TIMESTAMPING => match stamp {
                Some(stamp) => Received::Transmitted(e.ee_data.wrapping_add(1), stamp),
                None => Received::Nothing,
            },
            (true, Some(e)) => {
                Received::Failed(i32::try_from(e.ee_errno).unwrap_or(nix::libc::EPROTO))
            }
            (true, None) => Received::Nothing,
        }
    }
}

impl AsFd for UdpClient {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn wanted_timestamps() -> TimestampingFlag {
    TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_ID
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY
}

/// Waits until one of these can be read, has an error, or the milliseconds are over; gives the
/// indices of those that are ready. An interrupted wait is an empty one.
///
/// # Errors
/// When poll(2) fails for want of memory.
pub fn wait(fds: &[BorrowedFd<'_>], milliseconds: u64) -> Result<Vec<usize>, Error> {
    let mut polled: Vec<PollFd<'_>> = fds
        .iter()
        .map(|fd| PollFd::new(*fd, PollFlags::POLLIN))
        .collect();
    let timeout = PollTimeout::try_from(milliseconds.min(60_000)).unwrap_or(PollTimeout::ZERO);
    match poll(&mut polled, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(e) => return Err(Error::new("wait for", "replies", e.into())),
    }
    let ready = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
    Ok(polled
        .iter()
        .enumerate()
        .filter(|(_, fd)| ready(fd))
        .map(|(i, _)| i)
        .collect())
}

/// Measures what reading the local clock costs, in seconds: its precision (RFC 5905 §7.3).
#[must_use]
pub fn clock_precision() -> f64 {
    let mut least = f64::INFINITY;
    for _ in 0..16 {
        let (first, second) = (clock::now(), clock::now());
        let apart = second.since(first).seconds();
        if apart > 0.0 {
            least = least.min(apart);
        }
    }
    if least.is_finite() {
        least.max(1e-9)
    } else {
        1e-6
    }
}

/// The error's number in words.
#[must_use]
pub fn errno_words(number: i32) -> &'static str {
    Errno::from_raw(number).desc()
}

/// The number when a packet filter of this machine drops what is sent.
pub const NOT_PERMITTED: i32 = nix::libc::EPERM;
/// The number of ICMP port unreachable on a connected socket.
pub const REFUSED: i32 = nix::libc::ECONNREFUSED;
