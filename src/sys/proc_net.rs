//! Listeners from /proc/net/udp, udp6, tcp, tcp6 (proc_pid_net(5)): what [`super::sock_diag`] tells,
//! where that is not to be had. No interface, no control group.

use super::error::Error;
use super::files;
use super::sock_diag::Listener;
use super::sock_diag::Protocol;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::path::Path;

/// A machine with a hundred thousand sockets has a table of 15 MB.
const LIMIT: u64 = 64 << 20;

/// All listeners of a protocol.
///
/// # Errors
/// When there is no /proc.
pub fn listeners(protocol: Protocol) -> Result<Vec<Listener>, Error> {
    let (four, six, state) = match protocol {
        Protocol::Udp => ("/proc/net/udp", "/proc/net/udp6", "07"),
        Protocol::Tcp => ("/proc/net/tcp", "/proc/net/tcp6", "0A"),
    };
    let mut text = files::read_text(Path::new(four), LIMIT)?;
    // A kernel without IPv6 has no second table.
    text.push_str(&files::read_text(Path::new(six), LIMIT).unwrap_or_default());
    Ok(text
        .lines()
        .filter_map(|l| line(l, protocol, state))
        .collect())
}

fn line(line: &str, protocol: Protocol, state: &str) -> Option<Listener> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if *words.get(3)? != state {
        return None;
    }
    let (address, port) = words.get(1)?.split_once(':')?;
    Some(Listener {
        protocol,
        address: parse(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
        interface: 0,
        v6_only: None,
        uid: words.get(7)?.parse().ok()?,
        inode: words.get(9)?.parse().ok()?,
        cgroup: None,
        // `tx_queue:rx_queue`, of a socket that listens the second counts what waits for it.
        unread: u32::from_str_radix(words.get(4)?.split_once(':')?.1, 16).ok()?,
    })
}

/// The kernel prints each 32-bit word in the machine's byte order.
fn parse(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| -> Option<[u8; 4]> {
        let word = u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut octets = [0; 16];
            for (i, part) in octets.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(i)?);
            }
            Some(IpAddr::V6(Ipv6Addr::from(octets)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::sock_diag;
    use std::net::UdpSocket;

    #[test]
    fn both_ways_see_the_same_sockets() {
        let four = UdpSocket::bind("127.0.0.1:0").unwrap();
        let six = UdpSocket::bind("[::1]:0").unwrap();
        for socket in [&four, &six] {
            socket
                .send_to(b"unread", socket.local_addr().unwrap())
                .unwrap();
            let local = socket.local_addr().unwrap();
            let here = |list: Vec<Listener>| {
                let mut found = list.into_iter().filter(|l| l.port == local.port());
                found
                    .next()
                    .map(|l| (l.address, l.uid, l.inode, l.unread))
                    .unwrap()
            };
            assert_eq!(
                here(listeners(Protocol::Udp).unwrap()),
                here(sock_diag::listeners(Protocol::Udp).unwrap())
            );
        }
    }
}
