//! The measurement on the real network: drives the engine's probe with sockets, name look-ups and
//! the clock, until it says that it is done.

use super::choose::Asked;
use super::clocks::ClockRead;
use crate::commands::Context;
use crate::engine::probe::Finish;
use crate::engine::probe::Options;
use crate::engine::probe::PathEnd;
use crate::engine::probe::Probe;
use crate::exit::Failure;
use crate::sys::clock;
use crate::sys::random;
use crate::sys::resolve;
use crate::sys::resolve::Lookups;
use crate::sys::udp;
use crate::sys::udp::Received;
use crate::sys::udp::UdpClient;
use crate::time::Monotonic;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::SocketAddrV6;
use std::os::fd::AsFd;

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;
/// More than any datagram that is believed.
const BUFFER: usize = 2048;

/// What came of the measurement.
#[derive(Debug)]
pub struct Measured {
    /// The engine's side of it.
    pub probe: Probe,
    /// For each source of the probe: the index in what was asked.
    pub asked: Vec<usize>,
    /// For each path of the probe: its address.
    pub addresses: Vec<SocketAddr>,
    /// Names that gave no address: the index in what was asked, and why.
    pub unresolved: Vec<(usize, String)>,
    /// Names of servers that are asked already under another: the index, and the address.
    pub duplicates: Vec<(usize, SocketAddr)>,
    /// What each clock of this machine said, or why nothing, in the order of the plan.
    pub clocks: Vec<Result<ClockRead, String>>,
    /// Why it is over.
    pub finish: Finish,
    /// How long it took, seconds.
    pub took: f64,
}

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Samples from each source.
    pub samples: u32,
    /// Source port, 0 for random ones.
    pub source_port: u16,
    /// When everything ends.
    pub deadline: Monotonic,
    /// Only this family: `true` is IPv6.
    pub ipv6: Option<bool>,
}

impl Measured {
    /// Whether anybody gave a usable answer.
    #[must_use]
    pub fn is_something(&self) -> bool {
        self.clocks.iter().any(Result::is_ok)
            || self.probe.sources.iter().any(|s| s.candidate().is_some())
    }
}

struct Measurement<'a> {
    asked: &'a [Asked],
    terms: Terms,
    probe: Probe,
    of_source: Vec<usize>,
    addresses: Vec<SocketAddr>,
    sockets: Vec<Option<UdpClient>>,
    lookups: Lookups,
    found: Vec<Vec<IpAddr>>,
    waiting: Vec<usize>,
    unresolved: Vec<(usize, String)>,
    duplicates: Vec<(usize, SocketAddr)>,
}

/// Asks them all.
///
/// # Errors
/// When the source port cannot be used, or the kernel refuses what every program may do.
pub fn measure(asked: &[Asked], terms: Terms, context: &Context) -> Result<Measured, Failure> {
    let options = Options {
        samples: terms.samples,
        version: 4,
        precision: udp::clock_precision(),
        deadline: terms.deadline,
    };
    let mut m = Measurement {
        asked,
        terms,
        probe: Probe::new(options),
        of_source: Vec::new(),
        addresses: Vec::new(),
        sockets: Vec::new(),
        lookups: Lookups::new()?,
        found: vec![Vec::new(); asked.len()],
        waiting: vec![0; asked.len()],
        unresolved: Vec::new(),
        duplicates: Vec::new(),
    };
    let start = clock::monotonic();
    m.begin();
    let finish = m.run(context)?;
    m.probe.close();
    context.progress_done();
    for (index, waiting) in m.waiting.iter().enumerate() {
        if *waiting > 0 {
            m.unresolved
                .push((index, "the resolver did not answer in time".to_owned()));
        }
    }
    Ok(Measured {
        took: clock::monotonic().seconds_since(start),
        probe: m.probe,
        asked: m.of_source,
        addresses: m.addresses,
        unresolved: m.unresolved,
        duplicates: m.duplicates,
        clocks: Vec::new(),
        finish,
    })
}

impl Measurement<'_> {
    /// Addresses become sources at once, names are looked up.
    fn begin(&mut self) {
        for index in 0..self.asked.len() {
            for host in &self.asked[index].hosts {
                match literal(host) {
                    Some(address) => self.found[index].push(address),
                    None => {
                        self.waiting[index] += 1;
                        self.lookups.start(index, host);
                    }
                }
            }
            if self.waiting[index] == 0 {
                self.resolved(index, None);
            }
        }
        self.probe.set_pending(self.lookups.under_way());
    }

    fn run(&mut self, context: &Context) -> Result<Finish, Failure> {
        let mut buffer = [0; BUFFER];
        loop {
            let now = clock::monotonic();
            self.send_due(now)?;
            if let Some(finish) = self.probe.finished(now) {
                return Ok(finish);
            }
            if context.output.progress {
                let answered = self
                    .probe
                    .sources
                    .iter()
                    .filter(|s| s.chosen.is_some())
                    .count();
                let all = self.probe.sources.len() + self.lookups.under_way();
                context.progress(&format!("{answered} of {all} servers have answered"));
            }
            self.wait(now)?;
            while let Some((index, answer)) = self.lookups.take() {
                self.waiting[index] -= 1;
                let why = match answer {
                    Ok(addresses) => {
                        self.found[index].extend(addresses);
                        None
                    }
                    Err(why) => Some(why),
                };
                if self.waiting[index] == 0 {
                    self.resolved(index, why);
                }
                self.probe.set_pending(self.lookups.under_way());
            }
            for path in 0..self.sockets.len() {
                self.drain(path, &mut buffer);
            }
        }
    }

    fn wait(&self, now: Monotonic) -> Result<(), Failure> {
        let milliseconds = self.probe.wake_at(now).millis_from(now);
        let mut fds = vec![self.lookups.as_fd()];
        fds.extend(self.sockets.iter().flatten().map(AsFd::as_fd));
        udp::wait(&fds, milliseconds)?;
        Ok(())
    }

    /// All names of one entry are answered: it becomes a source, or (a pool) several.
    fn resolved(&mut self, index: usize, why: Option<String>) {
        let asked = &self.asked[index];
        let wanted = |a: &IpAddr| {
            [self.terms.ipv6, asked.ipv6]
                .into_iter()
                .flatten()
                .all(|ipv6| a.is_ipv6() == ipv6)
        };
        let found = std::mem::take(&mut self.found[index]);
        let before = found.len();
        let mut addresses: Vec<IpAddr> = found.into_iter().filter(wanted).collect();
        if addresses.is_empty() {
            let why = match why {
                Some(why) => why,
                None if before > 0 => "it has no address of the family that was asked for".into(),
                None => "no such name".to_owned(),
            };
            self.unresolved.push((index, why));
            return;
        }
        if let Some(most) = asked.pool {
            for address in addresses.into_iter().take(most) {
                self.add(index, &[address]);
            }
            return;
        }
        // The second address tried is of the other family: one that is dead must not cost time.
        let other = addresses
            .iter()
            .position(|a| a.is_ipv6() != addresses[0].is_ipv6());
        if let Some(other) = other {
            let moved = addresses.remove(other);
            addresses.insert(1, moved);
        }
        addresses.truncate(MAX_ADDRESSES);
        self.add(index, &addresses);
    }

    fn add(&mut self, index: usize, addresses: &[IpAddr]) {
        let asked = &self.asked[index];
        let mut fresh = Vec::new();
        for address in addresses {
            let whole = socket_address(*address, &asked.hosts, asked.port);
            // A server has one vote, however often it is named.
            if self.addresses.contains(&whole) {
                self.duplicates.push((index, whole));
            } else if !fresh.contains(&whole) {
                fresh.push(whole);
            }
        }
        if fresh.is_empty() {
            return;
        }
        let near: Vec<bool> = fresh.iter().map(|a| is_near(a.ip())).collect();
        self.probe.add(&near);
        self.of_source.push(index);
        for address in fresh {
            self.addresses.push(address);
            self.sockets.push(None);
        }
    }

    fn send_due(&mut self, now: Monotonic) -> Result<(), Failure> {
        // One draw a loop fails at most once: without randomness nothing can be asked safely.
        let mut refused = None;
        loop {
            let draw = || {
                random::bits().unwrap_or_else(|e| {
                    refused = Some(e);
                    1
                })
            };
            let Some((path, packet)) = self.probe.next_send(now, draw) else {
                return Ok(());
            };
            if let Some(e) = refused {
                return Err(e.into());
            }
            if self.sockets[path].is_none() {
                match UdpClient::connect(self.addresses[path], self.terms.source_port) {
                    Ok(socket) => self.sockets[path] = Some(socket),
                    Err(e) if e.operation == "use source port" => return Err(port_taken(&e)),
                    Err(e) => {
                        let number = e.reason.raw_os_error().unwrap_or_default();
                        self.probe.ended(path, PathEnd::Unreachable(number));
                        continue;
                    }
                }
            }
            let number = self.probe.paths[path].sent;
            let sent = self.sockets[path]
                .as_ref()
                .map(|socket| socket.send(&packet));
            match sent {
                Some(Ok(at)) => self.probe.sent(path, number, at),
                Some(Err(error)) => self.probe.ended(path, ended_by(error)),
                None => {}
            }
        }
    }

    fn drain(&mut self, path: usize, buffer: &mut [u8]) {
        /// Datagrams that are read from one socket before the others get their turn.
        const TURN: usize = 64;
        let Some(socket) = &self.sockets[path] else {
            return;
        };
        for _ in 0..TURN {
            match socket.receive(buffer) {
                Received::Nothing => return,
                Received::Transmitted(number, at) => self.probe.sent(path, number, at),
                Received::Failed(error) => self.probe.ended(path, ended_by(error)),
                Received::Datagram(length, at) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    self.probe.received(path, bytes, at, clock::monotonic());
                }
            }
        }
    }
}

fn ended_by(error: i32) -> PathEnd {
    if error == udp::REFUSED {
        PathEnd::Refused
    } else {
        PathEnd::Unreachable(error)
    }
}

fn port_taken(error: &crate::sys::error::Error) -> Failure {
    let status = if error.is_permission() {
        crate::exit::ExitStatus::NoPermission
    } else {
        crate::exit::ExitStatus::Unavailable
    };
    Failure::new(status, error.to_string()).hint(
        "ports below 1024 need CAP_NET_BIND_SERVICE and must be free; leave --source-port out",
    )
}

/// An address, with its zone taken off.
fn literal(host: &str) -> Option<IpAddr> {
    host.split_once('%')
        .map_or(host, |(address, _)| address)
        .parse()
        .ok()
}

fn socket_address(address: IpAddr, hosts: &[String], port: u16) -> SocketAddr {
    let zone = hosts
        .iter()
        .find_map(|host| host.split_once('%').map(|(_, zone)| zone));
    match (address, zone) {
        (IpAddr::V6(v6), Some(zone)) => {
            let index = zone
                .parse()
                .ok()
                .or_else(|| resolve::interface_index(zone))
                .unwrap_or(0);
            SocketAddr::V6(SocketAddrV6::new(v6, port, 0, index))
        }
        _ => SocketAddr::new(address, port),
    }
}

/// Whether packets to it may go back to back: loopback, link-local and private addresses.
#[must_use]
pub fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(a) => {
            // 100.64/10 is carrier-grade NAT (RFC 6598), where some clouds have their servers.
            let shared = a.octets()[0] == 100 && a.octets()[1] & 0xc0 == 0x40;
            a.is_loopback() || a.is_private() || a.is_link_local() || shared
        }
        IpAddr::V6(a) => a.is_loopback() || a.is_unique_local() || a.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_private_and_link_local() {
        for near in [
            "127.0.0.1",
            "10.77.0.1",
            "169.254.169.123",
            "fd00:ec2::123",
            "fe80::1",
            "100.100.5.1",
        ] {
            assert!(is_near(near.parse().unwrap()), "{near}");
        }
        for far in ["192.0.2.1", "2001:db8::1", "100.1.2.3", "172.32.0.1"] {
            assert!(!is_near(far.parse().unwrap()), "{far}");
        }
    }

    #[test]
    fn a_zone_is_an_interface() {
        let hosts = ["fe80::1%lo".to_owned()];
        let address = socket_address(literal(&hosts[0]).unwrap(), &hosts, 123);
        assert!(
            matches!(address, SocketAddr::V6(a) if a.scope_id() == 1),
            "{address}"
        );
    }
}
