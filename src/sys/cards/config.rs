//! Switching a network card's timestamps on, linux/net_tstamp.h and linux/ethtool.h: an unsafe leaf.
#![allow(unsafe_code, reason = "ioctl has no safe wrapper")]

use crate::sys::error::Error;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::AddressFamily;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockType;
use nix::sys::socket::socket;
use std::io;
use std::os::fd::AsRawFd;

const SIOCETHTOOL: libc::c_ulong = 0x8946;
const SIOCSHWTSTAMP: libc::c_ulong = 0x89b0;
const SIOCGHWTSTAMP: libc::c_ulong = 0x89b1;
/// `ETHTOOL_GET_TS_INFO`.
const GET_TS_INFO: u32 = 0x41;
/// `HWTSTAMP_TX_ON`.
const TX_ON: i32 = 1;
/// Octets of an interface's name, with its end.
const NAME: usize = libc::IFNAMSIZ;

/// Which received packets get a timestamp: `HWTSTAMP_FILTER_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum RxFilter {
    /// None.
    None = 0,
    /// All packets.
    All = 1,
    /// PTP version 2 event packets.
    Ptp = 12,
    /// NTP packets.
    Ntp = 15,
}

/// `struct ethtool_ts_info`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct TsInfo {
    cmd: u32,
    so_timestamping: u32,
    phc_index: i32,
    tx_types: u32,
    tx_reserved: [u32; 3],
    rx_filters: u32,
    rx_reserved: [u32; 3],
}

/// `struct hwtstamp_config`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct StampConfig {
    flags: i32,
    tx_type: i32,
    rx_filter: i32,
}

/// `struct ifreq` with a pointer to data.
#[repr(C)]
struct Request {
    name: [u8; NAME],
    data: *mut libc::c_void,
    rest: [u8; 16],
}

/// What a card can stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// The number of its PTP clock.
    pub clock: u32,
    /// Packets that it sends.
    pub transmit: bool,
    filters: u32,
}

impl Abilities {
    /// Whether it can stamp what it receives in this way.
    #[must_use]
    pub const fn receives(&self, filter: RxFilter) -> bool {
        self.filters & (1 << filter as i32) != 0
    }
}

/// What the card of an interface can stamp; none when it has no clock or stamps nothing.
///
/// # Errors
/// When there is no such interface.
pub fn abilities(interface: &str) -> Result<Option<Abilities>, Error> {
    let mut info = TsInfo {
        cmd: GET_TS_INFO,
        ..TsInfo::default()
    };
    match ask(interface, SIOCETHTOOL, &mut info) {
        Ok(()) => {}
        Err(Errno::EOPNOTSUPP | Errno::ENOTTY) => return Ok(None),
        Err(errno) => return Err(Error::new("ask the card of", interface, errno.into())),
    }
    let raw = info.so_timestamping & libc::SOF_TIMESTAMPING_RAW_HARDWARE != 0;
    let sends = info.so_timestamping & libc::SOF_TIMESTAMPING_TX_HARDWARE != 0;
    let clock = u32::try_from(info.phc_index).ok().filter(|_| raw);
    Ok(clock.map(|clock| Abilities {
        clock,
        transmit: sends && info.tx_types & (1 << TX_ON) != 0,
        filters: info.rx_filters,
    }))
}

/// Switches the timestamps on. What is on already and is enough stays as it is: another program may
/// have asked for it.
///
/// # Errors
/// When the card refuses, or this user may not.
pub fn switch_on(interface: &str, filter: RxFilter) -> Result<(), Error> {
    let mut now = StampConfig::default();
    let known = ask(interface, SIOCGHWTSTAMP, &mut now).is_ok();
    let wanted = filter as i32;
    let enough = now.rx_filter == wanted || now.rx_filter == RxFilter::All as i32;
    if known && now.tx_type == TX_ON && enough {
        return Ok(());
    }
    let mut config = StampConfig {
        flags: 0,
        tx_type: TX_ON,
        rx_filter: wanted,
    };
    ask(interface, SIOCSHWTSTAMP, &mut config)
        .map_err(|errno| Error::new("switch the timestamps on of", interface, errno.into()))
}

fn ask<T>(interface: &str, number: libc::c_ulong, data: &mut T) -> Result<(), Errno> {
    let mut name = [0; NAME];
    let fits = interface.len() < NAME && !interface.contains('\0');
    match name.get_mut(..interface.len()).filter(|_| fits) {
        Some(place) => place.copy_from_slice(interface.as_bytes()),
        None => return Err(Errno::ENODEV),
    }
    let any = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let mut request = Request {
        name,
        data: std::ptr::from_mut(data).cast(),
        rest: [0; 16],
    };
    // SAFETY: the descriptor is open; `request` is the structure that the kernel reads, and its
    // data points to the structure of this request, which lives until the call returns.
    let answer = unsafe { libc::ioctl(any.as_raw_fd(), number as _, &raw mut request) };
    Errno::result(answer).map(|_| ())
}

/// An error of a card that has no timestamps at all.
#[must_use]
pub fn cannot(interface: &str) -> Error {
    let reason = io::Error::other("its card stamps no packets");
    Error::new("use the timestamps of", interface, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_kernels_sizes() {
        assert_eq!(size_of::<TsInfo>(), 44);
        assert_eq!(size_of::<StampConfig>(), 12);
        assert_eq!(size_of::<Request>(), 40);
    }

    #[test]
    fn the_loopback_has_no_clock_and_a_name_that_is_none_is_refused() {
        assert!(matches!(abilities("lo"), Ok(None)));
        for name in ["nosuchcard0", "a-name-that-is-far-too-long", ""] {
            assert!(abilities(name).is_err(), "{name}");
        }
    }
}
