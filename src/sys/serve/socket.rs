//! The server's sockets: bound, with the options that replies need, and for several workers a
//! filter that gives all requests of one address to the same worker: an unsafe leaf.
#![allow(
    unsafe_code,
    reason = "SO_ATTACH_REUSEPORT_CBPF and the adoption of inherited descriptors have no safe wrapper"
)]

use crate::sys::error::Error;
use nix::errno::Errno;
use nix::fcntl::FcntlArg;
use nix::fcntl::FdFlag;
use nix::fcntl::OFlag;
use nix::fcntl::fcntl;
use nix::libc;
use nix::sys::socket::AddressFamily;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockType;
use nix::sys::socket::SockaddrStorage;
use nix::sys::socket::TimestampingFlag;
use nix::sys::socket::bind;
use nix::sys::socket::getsockname;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sendto;
use nix::sys::socket::setsockopt;
use nix::sys::socket::socket;
use nix::sys::socket::sockopt;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;

/// Octets asked for as a receive buffer: at a million requests a second a pause of some
/// milliseconds loses nothing.
const RECEIVE_BUFFER: usize = 8 << 20;
/// Octets asked for as a send buffer.
const SEND_BUFFER: usize = 2 << 20;

/// How sockets are opened.
#[derive(Clone, Debug, Default)]
pub struct Binding {
    /// Only what comes through this interface.
    pub device: Option<String>,
    /// Differentiated services code point of replies, 0 to 63.
    pub dscp: u8,
}

/// Sockets of one address, one for each worker.
pub(super) fn group(
    address: SocketAddr,
    workers: usize,
    binding: &Binding,
) -> Result<Vec<OwnedFd>, Error> {
    let named = |e: Errno| Error::new("listen on", address.to_string(), e.into());
    let shared = workers > 1;
    let mut address = address;
    if shared {
        // Sockets that share a port share it with any other process of the same user too: nobody
        // may be there before.
        let alone = open(address, false, binding).map_err(named)?;
        if address.port() == 0 {
            address = local(&alone).unwrap_or(address);
        }
    }
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        sockets.push(open(address, shared, binding).map_err(named)?);
    }
    if shared && let Some(first) = sockets.first() {
        // Without it the kernel spreads clients by address and port.
        let _ = steer(first, address.is_ipv4(), workers);
    }
    Ok(sockets)
}

fn open(address: SocketAddr, shared: bool, binding: &Binding) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family, SockType::Datagram, flags, None)?;
    if shared {
        setsockopt(&fd, sockopt::ReusePort, &true)?;
    }
    if address.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
        let _ = set(&fd, libc::IPPROTO_IPV6, libc::IPV6_FREEBIND, 1);
    } else {
        // An address that is not there yet (a floating one) may be bound all the same.
        let _ = setsockopt(&fd, sockopt::IpFreebind, &true);
    }
    if let Some(device) = &binding.device {
        setsockopt(&fd, sockopt::BindToDevice, &OsString::from(device))?;
    }
    prepare(&fd, address.is_ipv4(), binding.dscp)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(fd)
}

/// Options of a socket, opened here or inherited.
fn prepare(fd: &OwnedFd, v4: bool, dscp: u8) -> Result<(), Errno> {
    let (level, mtu, never, class) = if v4 {
        setsockopt(fd, sockopt::Ipv4PacketInfo, &true)?;
        let (mtu, never) = (libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO);
        (libc::IPPROTO_IP, mtu, never, libc::IP_TOS)
    } else {
        setsockopt(fd, sockopt::Ipv6RecvPacketInfo, &true)?;
        let (mtu, never) = (libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DO);
        (libc::IPPROTO_IPV6, mtu, never, libc::IPV6_TCLASS)
    };
    // Best effort from here on. Replies are never fragmented, which spares the kernel their
    // number; a time of arrival is read here where the kernel tells none.
    let _ = set(fd, level, mtu, never);
    if dscp > 0 {
        set(fd, level, class, i32::from(dscp & 63) << 2)?;
    }
    // This form of it costs the kernel less than SO_TIMESTAMPING.
    let _ = setsockopt(fd, sockopt::ReceiveTimestampns, &true);
    if setsockopt(fd, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        let _ = setsockopt(fd, sockopt::RcvBuf, &RECEIVE_BUFFER);
    }
    if setsockopt(fd, sockopt::SndBufForce, &SEND_BUFFER).is_err() {
        let _ = setsockopt(fd, sockopt::SndBuf, &SEND_BUFFER);
    }
    Ok(())
}

/// Sockets that the service manager opened (sd_listen_fds(3)): so many descriptors from 3 on.
pub(super) fn inherited(count: i32, binding: &Binding) -> Result<Vec<OwnedFd>, Error> {
    let mut sockets = Vec::new();
    for number in 3..3_i32.saturating_add(count.clamp(0, 64)) {
        let named = |e: Errno| Error::new("use", format!("inherited socket {number}"), e.into());
        // SAFETY: it is only asked whether such a descriptor is open; if not, the call says EBADF.
        let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
        fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(named)?;
        if getsockopt(&borrowed, sockopt::SockType).map_err(named)? != SockType::Datagram {
            return Err(named(Errno::ESOCKTNOSUPPORT));
        }
        // SAFETY: it is open, the service manager gave it to this process (LISTEN_PID), and nothing
        // else here takes it.
        let fd = unsafe { OwnedFd::from_raw_fd(number) };
        fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(named)?;
        let address = local(&fd).ok_or(Errno::EAFNOSUPPORT).map_err(named)?;
        prepare(&fd, address.is_ipv4(), binding.dscp).map_err(named)?;
        sockets.push(fd);
    }
    Ok(sockets)
}

/// Has the kernel tell when replies leave for which that is asked, or no longer; with `cards` it tells
/// the network cards' timestamps of all that comes and leaves as well.
pub(super) fn tell_departures(fd: &OwnedFd, tell: bool, cards: bool) {
    let mut wanted = TimestampingFlag::empty();
    if tell {
        wanted |= TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE;
    }
    if cards {
        wanted |= TimestampingFlag::SOF_TIMESTAMPING_RAW_HARDWARE
            | TimestampingFlag::SOF_TIMESTAMPING_RX_HARDWARE
            | TimestampingFlag::from_bits_retain(libc::SOF_TIMESTAMPING_OPT_TX_SWHW);
    }
    let _ = setsockopt(fd, sockopt::Timestamping, &wanted);
}

/// Sends to a broadcast or a group address.
pub(super) fn broadcast(fd: &OwnedFd, to: SocketAddr, packet: &[u8]) -> Result<(), Errno> {
    setsockopt(fd, sockopt::Broadcast, &true)?;
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let to = SockaddrStorage::from(to);
    sendto(fd.as_raw_fd(), packet, &to, flags).map(|_| ())
}

/// Where a socket is bound.
pub(super) fn local(fd: &OwnedFd) -> Option<SocketAddr> {
    let name = getsockname::<SockaddrStorage>(fd.as_raw_fd()).ok()?;
    if let Some(v4) = name.as_sockaddr_in() {
        return Some(SocketAddr::V4((*v4).into()));
    }
    name.as_sockaddr_in6()
        .map(|v6| SocketAddr::V6((*v6).into()))
}

fn set(fd: &OwnedFd, level: i32, kind: i32, value: i32) -> Result<(), Errno> {
    // SAFETY: the value is an int that lives for the call, and its length is given.
    let done = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            kind,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    Errno::result(done).map(|_| ())
}

/// Gives the requests of one address to one worker: the table of clients is each worker's own.
fn steer(fd: &OwnedFd, v4: bool, workers: usize) -> Result<(), Errno> {
    let network = |offset: i32| (libc::SKF_NET_OFF + offset) as u32;
    let op = |code: u32, k: u32| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let alu = libc::BPF_ALU;
    let mut program = if v4 {
        vec![op(load, network(12))]
    } else {
        let mut program = vec![op(load, network(8))];
        for offset in [12, 16, 20] {
            program.push(op(libc::BPF_MISC | libc::BPF_TAX, 0));
            program.push(op(load, network(offset)));
            program.push(op(alu | libc::BPF_XOR | libc::BPF_X, 0));
        }
        program
    };
    program.extend([
        op(alu | libc::BPF_MUL | libc::BPF_K, 0x9e37_79b1),
        op(alu | libc::BPF_RSH | libc::BPF_K, 16),
        op(
            alu | libc::BPF_MOD | libc::BPF_K,
            u32::try_from(workers).unwrap_or(1).max(1),
        ),
        op(libc::BPF_RET | libc::BPF_A, 0),
    ]);
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap_or(0),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program lives for the call, and its length is given; the kernel checks it.
    let done = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const filter).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    Errno::result(done).map(|_| ())
}
