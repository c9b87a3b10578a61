//! Control messages of datagrams (CMSG(3)) without allocating: an unsafe leaf.
#![allow(
    unsafe_code,
    reason = "the kernel's structures are octets in a buffer; nothing safe reads them in place"
)]

use crate::time::NtpTimestamp;
use nix::libc;
use std::mem::zeroed;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

/// Address and interface of this machine, as the kernel says and takes them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Local {
    Unknown,
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
}

impl Local {
    /// The kernel's number of the interface; 0 when it is not known.
    pub(super) fn interface(&self) -> u32 {
        match self {
            Self::Unknown => 0,
            Self::V4(info) => u32::try_from(info.ipi_ifindex).unwrap_or(0),
            Self::V6(info) => info.ipi6_ifindex,
        }
    }
}

/// Structures of the kernel's that are numbers only, in any combination.
pub(super) trait Plain: Copy {}
impl Plain for libc::cmsghdr {}
impl Plain for libc::timespec {}
impl Plain for libc::in_pktinfo {}
impl Plain for libc::in6_pktinfo {}
impl Plain for libc::sockaddr_in6 {}

/// Where a datagram came from.
pub(super) fn sender(name: &libc::sockaddr_in6) -> Option<(IpAddr, u16)> {
    match i32::from(name.sin6_family) {
        libc::AF_INET => {
            let [_, _, _, _, a, b, c, d] = *raw(name).first_chunk::<8>()?;
            Some((
                Ipv4Addr::new(a, b, c, d).into(),
                u16::from_be(name.sin6_port),
            ))
        }
        libc::AF_INET6 => {
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
            Some((ip.into(), u16::from_be(name.sin6_port)))
        }
        _ => None,
    }
}

pub(super) fn name_length(name: &libc::sockaddr_in6) -> libc::socklen_t {
    let length = if i32::from(name.sin6_family) == libc::AF_INET {
        size_of::<libc::sockaddr_in>()
    } else {
        size_of::<libc::sockaddr_in6>()
    };
    length as libc::socklen_t
}

/// A length as it is counted here: the C libraries have different types for it.
pub(super) fn size(length: impl TryInto<usize>) -> usize {
    length.try_into().unwrap_or(0)
}

/// The control messages in a buffer: level, type, data.
pub(super) fn controls(buffer: &[u8], end: usize) -> impl Iterator<Item = (i32, i32, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let header: libc::cmsghdr = plain(buffer.get(at..end)?)?;
        let length = size(header.cmsg_len);
        let data = buffer.get(at + size_of::<libc::cmsghdr>()..at.checked_add(length)?)?;
        at += length.next_multiple_of(size_of::<usize>());
        Some((header.cmsg_level, header.cmsg_type, data))
    })
}

/// Writes a control message; gives where the next one goes.
pub(super) fn write_control(
    room: &mut [u8],
    at: usize,
    level: i32,
    kind: i32,
    data: &[u8],
) -> usize {
    let head = size_of::<libc::cmsghdr>();
    // SAFETY: cmsghdr is plain numbers (and on some targets padding).
    let mut header: libc::cmsghdr = unsafe { zeroed() };
    header.cmsg_len = (head + data.len()) as _;
    header.cmsg_level = level;
    header.cmsg_type = kind;
    let end = at + (head + data.len()).next_multiple_of(size_of::<usize>());
    let Some(place) = room.get_mut(at..end) else {
        return at;
    };
    let (first, rest) = place.split_at_mut(head);
    first.copy_from_slice(raw(&header));
    for (to, from) in rest.iter_mut().zip(data) {
        *to = *from;
    }
    end
}

/// Asks for a datagram to leave from this address and interface; gives the octets used.
pub(super) fn write_local(room: &mut [u8], local: &Local) -> usize {
    match local {
        Local::V4(info) => write_control(room, 0, libc::IPPROTO_IP, libc::IP_PKTINFO, raw(info)),
        // A group's address is no address to answer from.
        Local::V6(info) if info.ipi6_addr.s6_addr[0] != 0xff => {
            write_control(room, 0, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, raw(info))
        }
        Local::V6(_) | Local::Unknown => 0,
    }
}

/// A timespec; the first of three, the software's, of a time of departure.
pub(super) fn timestamp(data: &[u8]) -> Option<NtpTimestamp> {
    let time: libc::timespec = plain(data)?;
    let nanos = u32::try_from(time.tv_nsec).ok()?;
    (time.tv_sec != 0).then(|| NtpTimestamp::from_unix(time.tv_sec, nanos))
}

/// The third of three timespecs, the network card's by its own clock, in nanoseconds.
pub(super) fn card_stamp(data: &[u8]) -> Option<i64> {
    let time: libc::timespec = plain(data.get(2 * size_of::<libc::timespec>()..)?)?;
    let nanos = time.tv_sec.checked_mul(1_000_000_000)?;
    nanos.checked_add(time.tv_nsec).filter(|&at| at > 0)
}

pub(super) fn plain<T: Plain>(data: &[u8]) -> Option<T> {
    let data = data.get(..size_of::<T>())?;
    // SAFETY: there are enough octets, unaligned ones are read as such, and any are a T.
    Some(unsafe { data.as_ptr().cast::<T>().read_unaligned() })
}

fn raw<T: Plain>(value: &T) -> &[u8] {
    // SAFETY: the octets of a T; those that are padding were zeroed or written by the kernel.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}

pub(super) fn bytes(words: &[u64]) -> &[u8] {
    // SAFETY: the same memory, and any octets are a u8.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

pub(super) fn bytes_mut(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: the same memory, borrowed as long, and any octets are a u64.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}
