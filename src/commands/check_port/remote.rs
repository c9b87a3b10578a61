//! Asking many hosts at once: names are looked up, every address has its own exchange and its own
//! socket, and one loop waits for all of them. The time for hundreds is the time for one.

use super::exchange::Exchange;
use super::exchange::Next;
use super::exchange::Plan;
use super::exchange::Question;
use super::exchange::Refusal;
use crate::commands::sync::target::Target;
use crate::exit::Failure;
use crate::proto::packet::Packet;
use crate::sys::clock;
use crate::sys::probe;
use crate::sys::probe::Arrival;
use crate::sys::probe::Origin;
use crate::sys::probe::ProbeSocket;
use crate::sys::random;
use crate::sys::resolve;
use crate::sys::resolve::Lookups;
use crate::sys::udp;
use crate::time::Monotonic;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::SocketAddrV6;
use std::os::fd::AsFd;

/// Names that are looked up at the same time: each has a thread.
const LOOKUPS: usize = 64;
/// Files that a look-up has open at most.
const LOOKUP_FILES: usize = 4;
/// An answer of mode 7 is at most this long; a longer one is cut, which does not matter here.
const DATAGRAM: usize = 2048;

/// What to ask, and how.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The questions.
    pub plan: Plan,
    /// IPv6 addresses only (`true`), IPv4 only (`false`), or both.
    pub only_v6: Option<bool>,
    /// Seconds after which names that are not found are given up.
    pub lookup_s: f64,
}

/// A host and where its addresses' exchanges are.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The host as it was named.
    pub target: Target,
    /// Its addresses as shown, and the number of each one's exchange.
    pub addresses: Vec<(String, usize)>,
    /// Why it has none.
    pub error: Option<String>,
}

/// All that was asked.
#[derive(Debug)]
pub struct Found {
    /// In the order of the targets.
    pub hosts: Vec<Asked>,
    /// The exchanges; hosts with the same address share one.
    pub exchanges: Vec<Exchange>,
}

struct Slot {
    exchange: Exchange,
    socket: Option<ProbeSocket>,
    done: bool,
}

struct Run<'a> {
    terms: Terms,
    hosts: Vec<Asked>,
    slots: Vec<Slot>,
    by_address: HashMap<SocketAddr, usize>,
    waiting_names: VecDeque<usize>,
    lookups: Lookups,
    names_until: Monotonic,
    /// Sockets that several exchanges share: on port 123, which there is once, and on a random port
    /// for those that no file is left for; of each IPv4 and IPv6.
    shared: [Option<ProbeSocket>; 4],
    limit: usize,
    progress: &'a mut dyn FnMut(&str),
}

/// Why source port 123 cannot be used, if so: `in use` and `no privilege` in words.
#[must_use]
pub fn no_port_123() -> Option<String> {
    match ProbeSocket::open(false, 123) {
        Ok(_) => None,
        Err(e) if e.is_permission() => {
            Some("needs root or CAP_NET_BIND_SERVICE: run it with sudo".to_owned())
        }
        Err(e) if e.reason.kind() == io::ErrorKind::AddrInUse => {
            Some("this machine's own UDP 123 is in use".to_owned())
        }
        Err(e) => Some(e.reason.to_string()),
    }
}

/// Asks all of them; gives what each answered.
///
/// # Errors
/// When the machine gives no sockets or no random bits.
pub fn ask(
    targets: &[Target],
    terms: Terms,
    progress: &mut dyn FnMut(&str),
) -> Result<Found, Failure> {
    let mut run = Run {
        terms,
        hosts: targets
            .iter()
            .map(|target| Asked {
                target: target.clone(),
                addresses: Vec::new(),
                error: None,
            })
            .collect(),
        slots: Vec::new(),
        by_address: HashMap::new(),
        waiting_names: VecDeque::new(),
        lookups: Lookups::new()?,
        names_until: clock::monotonic().plus_seconds(terms.lookup_s),
        shared: [const { None }; 4],
        limit: usize::try_from(probe::open_files_limit() / 2).unwrap_or(1024),
        progress,
    };
    for index in 0..targets.len() {
        run.place(index);
    }
    run.all()?;
    Ok(Found {
        hosts: run.hosts,
        exchanges: run.slots.into_iter().map(|slot| slot.exchange).collect(),
    })
}

impl Run<'_> {
    /// An address is asked as it stands; a name is looked up first.
    fn place(&mut self, index: usize) {
        let Some(Asked { target, .. }) = self.hosts.get(index) else {
            return;
        };
        let (host, port) = (target.host.clone(), target.port);
        let (bare, zone) = match host.split_once('%') {
            Some((bare, zone)) => (bare, Some(zone)),
            None => (host.as_str(), None),
        };
        let Ok(address) = bare.parse::<IpAddr>() else {
            self.waiting_names.push_back(index);
            return;
        };
        let scope = match zone {
            None => 0,
            Some(zone) => match zone.parse().ok().or_else(|| resolve::interface_index(zone)) {
                Some(scope) => scope,
                None => {
                    let names: Vec<String> = interface_names();
                    let error = format!(
                        "there is no interface {zone} (there are {})",
                        names.join(", ")
                    );
                    self.fail(index, error);
                    return;
                }
            },
        };
        if let Some(v6) = self.terms.only_v6.filter(|v6| *v6 != address.is_ipv6()) {
            let (its, wanted) = if v6 { ("IPv4", '6') } else { ("IPv6", '4') };
            self.fail(
                index,
                format!("it is an {its} address, and -{wanted} leaves those out"),
            );
            return;
        }
        let socket = match address {
            IpAddr::V6(six) => SocketAddrV6::new(six, port, 0, scope).into(),
            four => SocketAddr::new(four, port),
        };
        self.add(index, socket, host);
    }

    fn fail(&mut self, index: usize, error: String) {
        if let Some(host) = self.hosts.get_mut(index) {
            host.error = Some(error);
        }
    }

    fn add(&mut self, index: usize, address: SocketAddr, shown: String) {
        let (slots, plan) = (&mut self.slots, self.terms.plan);
        let slot = *self.by_address.entry(address).or_insert_with(|| {
            slots.push(Slot {
                exchange: Exchange::new(address, plan),
                socket: None,
                done: false,
            });
            slots.len() - 1
        });
        if let Some(host) = self.hosts.get_mut(index)
            && !host.addresses.iter().any(|(_, there)| *there == slot)
        {
            host.addresses.push((shown, slot));
        }
    }

    fn all(&mut self) -> Result<(), Failure> {
        loop {
            self.look_up();
            let mut wake = clock::monotonic().plus_seconds(1.0);
            for index in 0..self.slots.len() {
                if self.slots.get(index).is_none_or(|slot| slot.done) {
                    continue;
                }
                if let Some(until) = self.step(index)?
                    && until.seconds_since(wake) < 0.0
                {
                    wake = until;
                }
            }
            let left = self.slots.iter().filter(|s| !s.done).count();
            let names = self.lookups.under_way() + self.waiting_names.len();
            if left == 0 && names == 0 {
                return Ok(());
            }
            if left < self.slots.len() || names > 0 {
                let asked = self.slots.len();
                let done = asked - left;
                let to_find = match names {
                    0 => String::new(),
                    1 => ", 1 name to look up".to_owned(),
                    _ => format!(", {names} names to look up"),
                };
                (self.progress)(&format!("{done} of {} done{to_find}", addresses(asked)));
            } else {
                (self.progress)(&format!("asking {}", addresses(left)));
            }
            self.wait(wake)?;
        }
    }

    fn look_up(&mut self) {
        let most = LOOKUPS.min(self.limit / LOOKUP_FILES).max(1);
        while self.lookups.under_way() < most
            && let Some(index) = self.waiting_names.pop_front()
        {
            if let Some(host) = self.hosts.get(index) {
                self.lookups.start(index, &host.target.host);
            }
        }
        while let Some((index, answer)) = self.lookups.take() {
            let addresses = match answer {
                Ok(addresses) => addresses,
                Err(why) => {
                    self.fail(index, why);
                    continue;
                }
            };
            let Some(port) = self.hosts.get(index).map(|h| h.target.port) else {
                continue;
            };
            let all = addresses.len();
            let wanted = addresses
                .into_iter()
                .filter(|a| self.terms.only_v6.is_none_or(|v6| v6 == a.is_ipv6()));
            let wanted: Vec<IpAddr> = wanted.collect();
            if wanted.is_empty() && all > 0 {
                let family = if self.terms.only_v6 == Some(true) {
                    "IPv6"
                } else {
                    "IPv4"
                };
                self.fail(index, format!("it has no {family} address"));
            }
            for address in wanted {
                self.add(index, SocketAddr::new(address, port), address.to_string());
            }
        }
        if clock::monotonic().seconds_since(self.names_until) > 0.0 && self.lookups.under_way() > 0
        {
            self.give_up_names();
        }
    }

    /// The resolver has had its time: what has no address yet has none.
    fn give_up_names(&mut self) {
        let seconds = self.terms.lookup_s;
        for host in &mut self.hosts {
            if host.addresses.is_empty() && host.error.is_none() {
                host.error = Some(format!("the resolver did not answer in {seconds} s"));
            }
        }
        self.waiting_names.clear();
        if let Ok(fresh) = Lookups::new() {
            self.lookups = fresh;
        }
    }

    /// Drives one exchange as far as it goes now; when it wants to be driven again.
    fn step(&mut self, index: usize) -> Result<Option<Monotonic>, Failure> {
        loop {
            let random = random::bits()?;
            let now = clock::monotonic();
            let Some(slot) = self.slots.get_mut(index) else {
                return Ok(None);
            };
            match slot.exchange.next(now, random) {
                Next::Wait(until) => return Ok(Some(until)),
                Next::Done => {
                    (slot.done, slot.socket) = (true, None);
                    return Ok(None);
                }
                Next::Send(question, bytes) => self.send(index, question, &bytes),
            }
        }
    }

    fn send(&mut self, index: usize, question: Question, bytes: &[u8]) {
        let own = match self.slots.len() {
            few if few <= self.limit => few.saturating_sub(1),
            _ => self.slots.iter().filter(|s| s.socket.is_some()).count(),
        };
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let to = slot.exchange.address;
        let v6 = to.is_ipv6();
        let sharing = if question.from_port_123() {
            Some(123)
        } else if own < self.limit {
            // A fresh port for every question (RFC 9109).
            slot.socket = ProbeSocket::open(v6, 0).ok();
            slot.socket.is_none().then_some(0)
        } else {
            slot.socket = None;
            Some(0)
        };
        let socket = match (sharing, &slot.socket) {
            (None, Some(socket)) => socket,
            (port, _) => {
                let port = port.unwrap_or(0);
                let at = usize::from(v6) + if port == 0 { 2 } else { 0 };
                let Some(shared) = self.shared.get_mut(at) else {
                    return;
                };
                if shared.is_none() {
                    match ProbeSocket::open(v6, port) {
                        Ok(socket) => *shared = Some(socket),
                        Err(_) if port == 123 => return slot.exchange.impossible(),
                        Err(e) => {
                            return slot.exchange.failed(e.reason.raw_os_error().unwrap_or(0));
                        }
                    }
                }
                match shared {
                    Some(socket) => &*socket,
                    None => return,
                }
            }
        };
        match socket.send(bytes, to) {
            Ok(at) => slot.exchange.sent(at),
            Err(number) => slot.exchange.failed(number),
        }
    }

    fn wait(&mut self, wake: Monotonic) -> Result<(), Failure> {
        let now = clock::monotonic();
        let own: Vec<usize> = (0..self.slots.len())
            .filter(|i| {
                self.slots
                    .get(*i)
                    .is_some_and(|s| s.socket.is_some() && !s.done)
            })
            .collect();
        let mut fds = vec![self.lookups.as_fd()];
        fds.extend(self.shared.iter().flatten().map(AsFd::as_fd));
        let shared = fds.len() - 1;
        fds.extend(
            own.iter()
                .filter_map(|i| Some(self.slots.get(*i)?.socket.as_ref()?.as_fd())),
        );
        let ready = udp::wait(&fds, wake.millis_from(now).max(1))?;
        let mut buffer = [0; DATAGRAM];
        if ready.iter().any(|at| (1..=shared).contains(at)) {
            self.read_shared(&mut buffer);
        }
        for at in ready {
            if let Some(&index) = at.checked_sub(shared + 1).and_then(|at| own.get(at)) {
                self.read_own(index, &mut buffer);
            }
        }
        Ok(())
    }

    fn read_own(&mut self, index: usize, buffer: &mut [u8]) {
        loop {
            let Some(Slot {
                exchange,
                socket: Some(socket),
                ..
            }) = self.slots.get_mut(index)
            else {
                return;
            };
            match socket.receive(buffer) {
                Arrival::Nothing => return,
                Arrival::Datagram(length, from, at) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    exchange.received(bytes, from, at, clock::monotonic());
                }
                Arrival::Error {
                    origin, by, errno, ..
                } => {
                    exchange.icmp(refusal(origin, by, errno));
                }
            }
        }
    }

    /// What came to a shared socket is for whoever asked with that timestamp, or that address.
    fn read_shared(&mut self, buffer: &mut [u8]) {
        for which in 0..self.shared.len() {
            while let Some(Some(socket)) = self.shared.get(which) {
                match socket.receive(buffer) {
                    Arrival::Nothing => break,
                    Arrival::Datagram(length, from, at) => {
                        let bytes = buffer.get(..length).unwrap_or_default();
                        let origin = Packet::decode(bytes).ok().map(|p| p.origin);
                        let asker = self.slots.iter().position(|slot| {
                            origin.is_some_and(|origin| slot.exchange.asked_with(origin))
                        });
                        // Answers in other modes, and rubbish, tell by their sender alone.
                        let asker = asker.or_else(|| self.by_address.get(&from).copied());
                        if let Some(slot) = asker.and_then(|i| self.slots.get_mut(i)) {
                            slot.exchange.received(bytes, from, at, clock::monotonic());
                        }
                    }
                    Arrival::Error {
                        about,
                        origin,
                        by,
                        errno,
                    } => {
                        if let Some(slot) = self
                            .by_address
                            .get(&about)
                            .and_then(|i| self.slots.get_mut(*i))
                        {
                            slot.exchange.icmp(refusal(origin, by, errno));
                        }
                    }
                }
            }
        }
    }
}

const fn refusal(origin: Origin, by: Option<IpAddr>, errno: i32) -> Refusal {
    match origin {
        Origin::Local => Refusal::Local(errno),
        Origin::Icmp(kind, code) => Refusal::Icmp {
            kind,
            code,
            v6: false,
            by,
        },
        Origin::Icmp6(kind, code) => Refusal::Icmp {
            kind,
            code,
            v6: true,
            by,
        },
    }
}

fn addresses(count: usize) -> String {
    match count {
        1 => "1 address".to_owned(),
        _ => format!("{count} addresses"),
    }
}

fn interface_names() -> Vec<String> {
    let mut names: Vec<String> = crate::sys::interfaces::addresses()
        .into_iter()
        .map(|a| a.name)
        .collect();
    names.sort();
    names.dedup();
    names.truncate(8);
    names
}
