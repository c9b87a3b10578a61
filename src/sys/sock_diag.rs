//! Sockets that listen, as the kernel's socket diagnosis tells them to anybody (sock_diag(7)): the
//! address, interface, owner, inode and control group of each. Without root, without /proc.
//!
//! Where the kernel has no sock_diag, [`super::proc_net`] reads /proc/net instead.

use super::error::Error;
use nix::errno::Errno;
use nix::sys::socket::AddressFamily;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockProtocol;
use nix::sys::socket::SockType;
use nix::sys::socket::recv;
use nix::sys::socket::send;
use nix::sys::socket::setsockopt;
use nix::sys::socket::socket;
use nix::sys::socket::sockopt;
use nix::sys::time::TimeVal;
use nix::sys::time::TimeValLike;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::os::fd::AsRawFd;

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

/// A socket that waits for anybody: an unconnected UDP socket or a listening TCP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// UDP or TCP.
    pub protocol: Protocol,
    /// The local address; unspecified means all of the family.
    pub address: IpAddr,
    /// The local port.
    pub port: u16,
    /// The interface that it is bound to, 0 for none.
    pub interface: u32,
    /// Whether a wildcard IPv6 socket refuses IPv4; `None` where the kernel does not tell.
    pub v6_only: Option<bool>,
    /// The user that opened it.
    pub uid: u32,
    /// The inode, by which /proc/PID/fd names it.
    pub inode: u64,
    /// The control group of the process that opened it (cgroup v2); `None` where not told.
    pub cgroup: Option<u64>,
    /// Octets that have come and were not read yet.
    pub unread: u32,
}

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// Lengths of `nlmsghdr`, `inet_diag_req_v2` and `inet_diag_msg`.
const HEADER: usize = 16;
const REQUEST: usize = 56;
const MESSAGE: usize = 72;
/// Socket states as bits: TCP_CLOSE is what an unconnected UDP socket has.
const CLOSE: u32 = 1 << 7;
const LISTEN: u32 = 1 << 10;
const INET_DIAG_SKV6ONLY: u16 = 11;
const INET_DIAG_CGROUP_ID: u16 = 21;

/// All listeners of a protocol, both families.
///
/// # Errors
/// When the kernel has no socket diagnosis, or a sandbox forbids it.
pub fn listeners(protocol: Protocol) -> Result<Vec<Listener>, Error> {
    let mut found = Vec::new();
    for family in [nix::libc::AF_INET, nix::libc::AF_INET6] {
        dump(protocol, family as u8, &mut found)
            .map_err(|e| Error::new("ask the kernel for", "its sockets (sock_diag)", e.into()))?;
    }
    Ok(found)
}

fn dump(protocol: Protocol, family: u8, found: &mut Vec<Listener>) -> Result<(), Errno> {
    let fd = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )?;
    // The kernel answers at once; a limit all the same.
    setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::seconds(2))?;
    send(
        fd.as_raw_fd(),
        &request(protocol, family),
        MsgFlags::empty(),
    )?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = recv(fd.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        let datagram = buffer.get(..length).unwrap_or_default();
        if !datagram_listeners(datagram, protocol, found)? {
            return Ok(());
        }
    }
}

fn request(protocol: Protocol, family: u8) -> Vec<u8> {
    let (number, states) = match protocol {
        Protocol::Udp => (nix::libc::IPPROTO_UDP as u8, CLOSE),
        Protocol::Tcp => (nix::libc::IPPROTO_TCP as u8, LISTEN),
    };
    let mut out = Vec::with_capacity(HEADER + REQUEST);
    out.extend(((HEADER + REQUEST) as u32).to_ne_bytes());
    out.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    out.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    out.extend([0; 8]);
    out.extend([family, number, 0, 0]);
    out.extend(states.to_ne_bytes());
    out.resize(HEADER + REQUEST, 0);
    out
}

/// Reads the messages of one datagram; `false` after the last of the dump.
fn datagram_listeners(
    mut rest: &[u8],
    protocol: Protocol,
    found: &mut Vec<Listener>,
) -> Result<bool, Errno> {
    while let Some(length) = u32_at(rest, 0).map(|l| l as usize) {
        let Some(message) = rest.get(..length).filter(|_| length >= HEADER) else {
            return Err(Errno::EPROTO);
        };
        match u16_at(message, 4) {
            Some(NLMSG_DONE) => return Ok(false),
            Some(NLMSG_ERROR) => {
                let number = u32_at(message, HEADER).map_or(0, |n| n as i32);
                return Err(Errno::from_raw(number.wrapping_neg()));
            }
            _ => found.extend(listener(&message[HEADER..], protocol)),
        }
        rest = rest.get((length + 3) & !3..).unwrap_or_default();
    }
    Ok(true)
}

fn listener(message: &[u8], protocol: Protocol) -> Option<Listener> {
    let family = *message.first()?;
    let port = u16::from_be_bytes(message.get(4..6)?.try_into().ok()?);
    let address = message.get(8..24)?;
    let address = if i32::from(family) == nix::libc::AF_INET {
        let octets: [u8; 4] = address.get(..4)?.try_into().ok()?;
        IpAddr::V4(Ipv4Addr::from(octets))
    } else {
        let octets: [u8; 16] = address.try_into().ok()?;
        IpAddr::V6(Ipv6Addr::from(octets))
    };
    let mut listener = Listener {
        protocol,
        address,
        port,
        interface: u32_at(message, 40)?,
        v6_only: None,
        uid: u32_at(message, 64)?,
        inode: u64::from(u32_at(message, 68)?),
        cgroup: None,
        unread: u32_at(message, 56)?,
    };
    let mut rest = message.get(MESSAGE..).unwrap_or_default();
    while let (Some(length), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let length = usize::from(length);
        let Some(value) = rest.get(4..length) else {
            break;
        };
        match kind {
            INET_DIAG_SKV6ONLY => listener.v6_only = value.first().map(|&v| v != 0),
            INET_DIAG_CGROUP_ID => {
                let id = value.try_into().map(u64::from_ne_bytes);
                listener.cgroup = id.ok().filter(|&id| id != 0);
            }
            _ => {}
        }
        rest = rest.get((length + 3) & !3..).unwrap_or_default();
    }
    Some(listener)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::net::UdpSocket;

    #[test]
    fn sockets_of_this_process_are_found_with_their_owner() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind("[::1]:0").unwrap();
        let port = udp.local_addr().unwrap().port();
        let found = listeners(Protocol::Udp).unwrap();
        let mine = found.iter().find(|l| l.port == port).unwrap();
        assert_eq!(mine.address, udp.local_addr().unwrap().ip());
        assert_eq!(mine.uid, nix::unistd::geteuid().as_raw());
        assert_ne!(mine.inode, 0);
        assert_eq!(mine.unread, 0);
        udp.send_to(b"unread", udp.local_addr().unwrap()).unwrap();
        let found = listeners(Protocol::Udp).unwrap();
        let mine = found.iter().find(|l| l.port == port).unwrap();
        assert_ne!(mine.unread, 0);
        let port = tcp.local_addr().unwrap().port();
        let found = listeners(Protocol::Tcp).unwrap();
        assert!(found.iter().any(|l| l.port == port && l.address.is_ipv6()));
    }

    #[test]
    fn a_connected_socket_listens_to_nobody() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.connect("127.0.0.1:9").unwrap();
        let port = udp.local_addr().unwrap().port();
        let found = listeners(Protocol::Udp).unwrap();
        assert!(found.iter().all(|l| l.port != port));
    }

    #[test]
    fn a_cut_or_broken_message_is_an_error_and_never_a_panic() {
        let mut found = Vec::new();
        assert!(datagram_listeners(&[200, 0, 0, 0, 1], Protocol::Udp, &mut found).is_err());
        assert!(datagram_listeners(&[0; 16], Protocol::Udp, &mut found).is_err());
        let mut cut = vec![20, 0, 0, 0, 20, 0, 0, 0];
        cut.resize(20, 0);
        assert!(datagram_listeners(&cut, Protocol::Udp, &mut found).unwrap());
        assert!(found.is_empty());
    }
}
