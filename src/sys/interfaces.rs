//! This machine's network interfaces and their addresses, and the names of users.

use super::files;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::net::if_::if_nametoindex;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::path::Path;

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The interface's name.
    pub name: String,
    /// Its index, the zone of link-local addresses.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// Whether the interface is a loopback.
    pub loopback: bool,
    /// Whether the interface is up.
    pub up: bool,
}

/// All addresses, in the kernel's order. Empty when the kernel does not tell.
#[must_use]
pub fn addresses() -> Vec<InterfaceAddress> {
    let mut found = Vec::new();
    for entry in getifaddrs().into_iter().flatten() {
        let Some(storage) = entry.address else {
            continue;
        };
        let address = if let Some(four) = storage.as_sockaddr_in() {
            IpAddr::V4(four.ip())
        } else if let Some(six) = storage.as_sockaddr_in6() {
            IpAddr::V6(six.ip())
        } else {
            continue;
        };
        found.push(InterfaceAddress {
            index: index(&entry.interface_name),
            name: entry.interface_name,
            address,
            loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
            up: entry.flags.contains(InterfaceFlags::IFF_UP),
        });
    }
    found
}

/// The kernel's number of an interface; 0 when there is none of that name.
#[must_use]
pub fn index(name: &str) -> u32 {
    if_nametoindex(name).unwrap_or(0)
}

/// The interface and address that packets to this destination leave by; `None` without a route.
/// Nothing is sent.
#[must_use]
pub fn toward(destination: SocketAddr) -> Option<InterfaceAddress> {
    let any: IpAddr = match destination {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(destination).ok()?;
    let local = socket.local_addr().ok()?.ip();
    let own = destination.ip() == local;
    let mut all = addresses().into_iter();
    // What is sent to an own address goes by the loopback interface, whoever has the address.
    let mut found = all.find(|a| a.address == local)?;
    if own && !found.loopback {
        found.name = "lo".to_owned();
    }
    Some(found)
}

/// The name of the interface with this index.
#[must_use]
pub fn name_of(index: u32) -> Option<String> {
    let name = nix::net::if_::if_indextoname(index).ok()?;
    name.into_string().ok()
}

/// The name of a user, from /etc/passwd alone: no directory service is asked, so that nothing
/// blocks.
#[must_use]
pub fn user_name(uid: u32) -> Option<String> {
    let text = files::read_text(Path::new("/etc/passwd"), files::CONFIG_LIMIT).ok()?;
    let wanted = uid.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == wanted).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_there_and_root_has_a_name() {
        let found = addresses();
        assert!(
            found.iter().any(|a| a.loopback && a.index != 0),
            "{found:?}"
        );
        let way = toward("127.0.0.1:123".parse().unwrap()).unwrap();
        assert!(way.loopback, "{way:?}");
        assert_eq!(user_name(0).as_deref(), Some("root"));
        assert_eq!(user_name(u32::MAX - 7), None);
    }
}
