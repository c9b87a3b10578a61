//! Datagrams in batches, recvmmsg(2) and sendmmsg(2): an unsafe leaf. All memory is there from the
//! start; a batch allocates nothing.
#![allow(
    unsafe_code,
    reason = "recvmmsg and sendmmsg with control messages, without allocating, have no safe wrapper"
)]

use super::control::Local;
use super::control::bytes;
use super::control::bytes_mut;
use super::control::card_stamp;
use super::control::controls;
use super::control::name_length;
use super::control::plain;
use super::control::sender;
use super::control::size;
use super::control::timestamp;
use super::control::write_control;
use super::control::write_local;
use crate::server::respond::LONGEST;
use crate::time::NtpTimestamp;
use nix::errno::Errno;
use nix::libc;
use std::mem::zeroed;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::ptr::null_mut;

/// Datagrams a batch.
pub(super) const BATCH: usize = 32;
/// Octets of a datagram that are read: longer ones are cut, and known to be.
const DATA: usize = 1472;
/// Room for the control messages of a datagram: its time of arrival (32), the same in the form of
/// times of departure (64) where those are told, addresses (40).
const CONTROL_IN: usize = 160;
/// Room for those of a reply: address and interface (40), the wish for a time of departure (24).
const CONTROL_OUT: usize = 72;

/// What belongs to one datagram. The size is no power of two, so that slots do not compete for the
/// same lines of the cache.
#[repr(C, align(64))]
struct Slot {
    name: libc::sockaddr_in6,
    control_in: [u64; CONTROL_IN / 8],
    control_out: [u64; CONTROL_OUT / 8],
    data: [u8; DATA],
    reply: [u8; LONGEST],
}

/// What is known of a datagram beside its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// Sender.
    pub(super) from: IpAddr,
    /// Its port.
    pub(super) port: u16,
    /// The kernel's time of arrival.
    pub(super) at: Option<NtpTimestamp>,
    /// The network card's, by its own clock, in nanoseconds.
    pub(super) card: Option<i64>,
    /// Octets; more than were read when it was cut.
    pub(super) length: usize,
    /// Address and interface that it came to.
    to: Local,
}

impl Arrival {
    /// The kernel's number of the interface that it came to; 0 when it is not known.
    pub(super) fn interface(&self) -> u32 {
        self.to.interface()
    }
}

/// A time of departure.
pub(super) struct Departure<'a> {
    /// The datagram as it left, of which the last octets are the reply.
    pub(super) datagram: &'a [u8],
    /// The kernel's time.
    pub(super) at: Option<NtpTimestamp>,
    /// The network card's, by its own clock, in nanoseconds.
    pub(super) card: Option<i64>,
}

/// Who is to tell when a reply leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nobody.
    None,
    /// The kernel.
    Kernel,
    /// The network card, and the kernel in case it does not.
    Card,
}

impl Wish {
    const fn flags(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Kernel => libc::SOF_TIMESTAMPING_TX_SOFTWARE,
            Self::Card => libc::SOF_TIMESTAMPING_TX_SOFTWARE | libc::SOF_TIMESTAMPING_TX_HARDWARE,
        }
    }
}

/// The memory of one worker's batches.
pub(super) struct Batch {
    slots: Box<[Slot]>,
    incoming: Box<[libc::mmsghdr]>,
    outgoing: Box<[libc::mmsghdr]>,
    vectors_in: Box<[libc::iovec]>,
    vectors_out: Box<[libc::iovec]>,
    /// Replies to send.
    waiting: usize,
}

impl Batch {
    pub(super) fn new() -> Self {
        // SAFETY: sockaddr_in6 and the arrays beside it are plain numbers; zero is a value of them.
        let slots = (0..BATCH).map(|_| unsafe { zeroed::<Slot>() }).collect();
        let empty = || {
            (0..BATCH)
                // SAFETY: mmsghdr is numbers and pointers; all zeroes is an empty message.
                .map(|_| unsafe { zeroed::<libc::mmsghdr>() })
                .collect()
        };
        let vectors = || {
            (0..BATCH)
                .map(|_| libc::iovec {
                    iov_base: null_mut(),
                    iov_len: 0,
                })
                .collect()
        };
        Self {
            slots,
            incoming: empty(),
            outgoing: empty(),
            vectors_in: vectors(),
            vectors_out: vectors(),
            waiting: 0,
        }
    }

    /// Reads what has come, without waiting. Gives how many.
    pub(super) fn receive(&mut self, fd: &OwnedFd) -> usize {
        self.waiting = 0;
        let parts = self
            .slots
            .iter_mut()
            .zip(self.vectors_in.iter_mut())
            .zip(self.incoming.iter_mut());
        for ((slot, vector), message) in parts {
            vector.iov_base = slot.data.as_mut_ptr().cast();
            vector.iov_len = DATA;
            let header = &mut message.msg_hdr;
            header.msg_name = (&raw mut slot.name).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = slot.control_in.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_IN as _;
            header.msg_flags = 0;
        }
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        // SAFETY: every header points to memory of `self` of the length it says, which nobody else
        // touches during the call.
        let count = unsafe {
            libc::recvmmsg(
                fd.as_raw_fd(),
                self.incoming.as_mut_ptr(),
                BATCH as libc::c_uint,
                flags as _,
                null_mut(),
            )
        };
        usize::try_from(count).unwrap_or(0)
    }

    /// Who sent a datagram of the last [`Batch::receive`]: address and port.
    pub(super) fn sender(&self, index: usize) -> Option<(IpAddr, u16)> {
        sender(&self.slots.get(index)?.name)
    }

    /// A datagram of the last [`Batch::receive`], and what is known of it.
    pub(super) fn arrival(&self, index: usize) -> Option<Arrival> {
        let (slot, message) = (self.slots.get(index)?, self.incoming.get(index)?);
        let (from, port) = sender(&slot.name)?;
        let mut arrival = Arrival {
            from,
            port,
            at: None,
            card: None,
            length: message.msg_len as usize,
            to: Local::Unknown,
        };
        let end = size(message.msg_hdr.msg_controllen).min(CONTROL_IN);
        for (level, kind, data) in controls(bytes(&slot.control_in), end) {
            match (level, kind) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => arrival.at = timestamp(data),
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => arrival.card = card_stamp(data),
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    arrival.to = plain(data).map_or(Local::Unknown, Local::V4);
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    arrival.to = plain(data).map_or(Local::Unknown, Local::V6);
                }
                _ => {}
            }
        }
        Some(arrival)
    }

    /// Content of a datagram, and where its reply goes; none when it was cut.
    pub(super) fn buffers(
        &mut self,
        index: usize,
        length: usize,
    ) -> Option<(&[u8], &mut [u8; LONGEST])> {
        let slot = self.slots.get_mut(index)?;
        Some((slot.data.get(..length)?, &mut slot.reply))
    }

    /// Puts the reply to a datagram into the queue of what is sent; `wish` says who is to tell when it
    /// leaves.
    pub(super) fn push(&mut self, index: usize, arrival: &Arrival, length: usize, wish: Wish) {
        let (Some(slot), Some(vector), Some(message)) = (
            self.slots.get_mut(index),
            self.vectors_out.get_mut(self.waiting),
            self.outgoing.get_mut(self.waiting),
        ) else {
            return;
        };
        let room = bytes_mut(&mut slot.control_out);
        let mut used = write_local(room, &arrival.to);
        if wish != Wish::None {
            let wish = wish.flags().to_ne_bytes();
            used = write_control(room, used, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, &wish);
        }
        vector.iov_base = slot.reply.as_mut_ptr().cast();
        vector.iov_len = length.min(LONGEST);
        let header = &mut message.msg_hdr;
        header.msg_name = (&raw mut slot.name).cast();
        header.msg_namelen = name_length(&slot.name);
        header.msg_iov = vector;
        header.msg_iovlen = 1;
        header.msg_control = if used == 0 {
            null_mut()
        } else {
            slot.control_out.as_mut_ptr().cast()
        };
        header.msg_controllen = used as _;
        header.msg_flags = 0;
        self.waiting += 1;
    }

    /// Replies waiting to be sent.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Sends them. Gives how many the network did not take.
    pub(super) fn send(&mut self, fd: &OwnedFd) -> u64 {
        let (mut at, mut lost) = (0, 0);
        while let Some(rest) = self.outgoing.get_mut(at..self.waiting) {
            if rest.is_empty() {
                break;
            }
            let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
            // SAFETY: every header points to memory of `self` of the length it says: `push` wrote
            // them since the last `receive`, and nothing was moved.
            let sent = unsafe {
                libc::sendmmsg(
                    fd.as_raw_fd(),
                    rest.as_mut_ptr(),
                    rest.len() as libc::c_uint,
                    flags as _,
                )
            };
            match usize::try_from(sent) {
                Ok(sent) if sent > 0 => at += sent,
                _ if Errno::last() == Errno::EINTR => {}
                _ => {
                    // The first of the rest was refused; the others may pass.
                    at += 1;
                    lost += 1;
                }
            }
        }
        self.waiting = 0;
        lost
    }

    /// Reads one time of departure from the error queue. None when there is nothing more.
    pub(super) fn departure(&mut self, fd: &OwnedFd) -> Option<Departure<'_>> {
        let slot = self.slots.first_mut()?;
        let mut vector = libc::iovec {
            iov_base: slot.data.as_mut_ptr().cast(),
            iov_len: DATA,
        };
        // SAFETY: msghdr is numbers and pointers; all zeroes is an empty message.
        let mut header: libc::msghdr = unsafe { zeroed() };
        header.msg_iov = &raw mut vector;
        header.msg_iovlen = 1;
        header.msg_control = slot.control_in.as_mut_ptr().cast();
        header.msg_controllen = CONTROL_IN as _;
        let flags = libc::MSG_DONTWAIT | libc::MSG_ERRQUEUE;
        // SAFETY: the header points to memory of `self` of the lengths it says.
        let length = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, flags) };
        let length = usize::try_from(length).ok()?.min(DATA);
        let end = size(header.msg_controllen).min(CONTROL_IN);
        let told = controls(bytes(&slot.control_in), end)
            .find(|c| (c.0, c.1) == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING));
        Some(Departure {
            datagram: slot.data.get(..length)?,
            at: told.and_then(|c| timestamp(c.2)),
            card: told.and_then(|c| card_stamp(c.2)),
        })
    }
}

// SAFETY: the pointers point into the boxes of the same value, and are written anew before each use.
unsafe impl Send for Batch {}
