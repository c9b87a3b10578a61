//! How requests leave the machine: from which address, port and interface, marked with which
//! differentiated services code point (`bindacqaddress`, `acquisitionport`, `bindacqdevice`, `dscp`).

use nix::errno::Errno;
use nix::sys::socket::SockaddrIn;
use nix::sys::socket::SockaddrIn6;
use nix::sys::socket::bind;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::SocketAddrV4;
use std::net::SocketAddrV6;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;

/// What all requests have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// Source address for IPv4; the kernel's choice without one.
    pub v4: Option<Ipv4Addr>,
    /// Source address for IPv6.
    pub v6: Option<Ipv6Addr>,
    /// Source port; a random one for each request without one (RFC 9109).
    pub port: Option<u16>,
    /// Interface, by name.
    pub device: Option<String>,
    /// Differentiated services code point, 0 to 63.
    pub dscp: u8,
}

impl Outgoing {
    /// Sets a fresh socket up.
    ///
    /// # Errors
    /// When an address, a port or an interface that was asked for cannot be used: no request leaves
    /// another way.
    pub(super) fn prepare(&self, fd: &OwnedFd, to: SocketAddr) -> Result<(), Errno> {
        if let Some(device) = &self.device {
            setsockopt(fd, sockopt::BindToDevice, &OsString::from(device))?;
        }
        if self.dscp != 0 {
            // The two lowest bits are ECN's.
            let field = i32::from(self.dscp & 63) << 2;
            // Best effort: a mark is a wish.
            let _ = match to {
                SocketAddr::V4(_) => setsockopt(fd, sockopt::Ipv4Tos, &field),
                SocketAddr::V6(_) => setsockopt(fd, sockopt::Ipv6TClass, &field),
            };
        }
        let port = self.port.unwrap_or(0);
        if port != 0 {
            // Every source has a socket of its own on that port.
            setsockopt(fd, sockopt::ReuseAddr, &true)?;
        }
        match to {
            SocketAddr::V4(_) if self.v4.is_some() || port != 0 => {
                let from = SocketAddrV4::new(self.v4.unwrap_or(Ipv4Addr::UNSPECIFIED), port);
                bind(fd.as_raw_fd(), &SockaddrIn::from(from))
            }
            SocketAddr::V6(_) if self.v6.is_some() || port != 0 => {
                let from = SocketAddrV6::new(self.v6.unwrap_or(Ipv6Addr::UNSPECIFIED), port, 0, 0);
                bind(fd.as_raw_fd(), &SockaddrIn6::from(from))
            }
            _ => Ok(()),
        }
    }
}
