//! The engine's transport on real sockets: for every request a socket of its own, connected, on a
//! random port (RFC 9109), with the kernel's timestamps; one poll(2) waits for all of them, for
//! names that are looked up, for somebody setting the clock and for what the host waits for.

use super::cards::Cards;
use super::clock;
use super::clock_watch::ClockWatch;
use super::flights::Flights;
use super::flights::Stamps;
use super::outgoing::Outgoing;
use super::resolve::Lookups;
use super::signals;
use crate::engine::source_id::SourceId;
use crate::engine::transport::Event;
use crate::engine::transport::Transport;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::fcntl::FcntlArg;
use nix::fcntl::FdFlag;
use nix::fcntl::OFlag;
use nix::fcntl::fcntl;
use nix::libc;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;
use nix::sys::socket::AddressFamily;
use nix::sys::socket::ControlMessageOwned;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockType;
use nix::sys::socket::SockaddrIn;
use nix::sys::socket::SockaddrIn6;
use nix::sys::socket::SockaddrStorage;
use nix::sys::socket::TimestampingFlag;
use nix::sys::socket::connect;
use nix::sys::socket::getsockname;
use nix::sys::socket::recvmsg;
use nix::sys::socket::send;
use nix::sys::socket::setsockopt;
use nix::sys::socket::socket;
use nix::sys::socket::sockopt;
use nix::sys::time::TimeSpec;
use nix::sys::time::TimeValLike;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt;
use std::io::IoSliceMut;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// The longest reply that is read: a header with extension fields and a MAC.
const LONGEST: usize = 2048;

/// Descriptors of the host's that are waited for beside the sources'. A copy is a handle on the
/// same list, so that the host can change it while the loop runs.
#[derive(Clone, Default)]
pub struct Watched(Rc<RefCell<Vec<Entry>>>);

/// A token and the descriptor registered under it.
type Entry = (usize, Rc<dyn AsFd>);

impl Watched {
    /// From now on [`Event::Ready`] with this token says that there is something to read. The
    /// host keeps its own share of the descriptor to read it.
    pub fn add(&self, token: usize, descriptor: Rc<dyn AsFd>) {
        self.0.borrow_mut().push((token, descriptor));
    }

    /// No longer waits for what is registered under this token.
    pub fn remove(&self, token: usize) {
        self.0.borrow_mut().retain(|(other, _)| *other != token);
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.borrow().iter().map(|(token, _)| token))
            .finish()
    }
}

/// The sockets of all sources.
#[derive(Debug)]
pub struct Requests {
    /// The open request of each source.
    sockets: BTreeMap<SourceId, OwnedFd>,
    watched: Watched,
    outgoing: Outgoing,
    /// The cards' timestamps, where any are on.
    flights: Option<Flights<Cards>>,
    lookups: Option<Lookups>,
    names: Vec<String>,
    events: VecDeque<Event>,
    watch: Option<ClockWatch>,
    buffer: Vec<u8>,
}

/// What waits: a source's socket, a descriptor of the host's, or one of the other two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Source(SourceId),
    Host(usize),
    Lookup,
    Watch,
}

/// What one read of a socket gave.
enum Read {
    Datagram(usize, Stamps),
    Transmitted(Stamps),
    Failed(Errno),
    Nothing,
}

impl Default for Requests {
    fn default() -> Self {
        Self::new()
    }
}

impl Requests {
    /// No socket open yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sockets: BTreeMap::new(),
            watched: Watched::default(),
            outgoing: Outgoing::default(),
            flights: None,
            lookups: None,
            names: Vec::new(),
            events: VecDeque::new(),
            watch: None,
            buffer: vec![0; LONGEST],
        }
    }

    /// The list of further descriptors to wait for.
    #[must_use]
    pub fn watched(&self) -> Watched {
        self.watched.clone()
    }

    /// Requests leave this way from now on.
    pub fn leave_by(&mut self, outgoing: Outgoing) {
        self.outgoing = outgoing;
    }

    /// From now on these cards' timestamps are used; a reply waits so many seconds for that of its
    /// request.
    pub fn stamped_by(&mut self, cards: Cards, patience: f64) {
        self.flights = (!cards.is_empty()).then(|| Flights::new(cards, patience));
    }

    fn open(&mut self, to: SocketAddr) -> Result<OwnedFd, Errno> {
        let family = match to {
            SocketAddr::V4(_) => AddressFamily::Inet,
            SocketAddr::V6(_) => AddressFamily::Inet6,
        };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = match socket(family, SockType::Datagram, flags, None) {
            Err(Errno::EINVAL) => {
                // A kernel (or an emulation of one) from before these flags.
                let fd = socket(family, SockType::Datagram, SockFlag::empty(), None)?;
                fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
                fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
                fd
            }
            other => {
                if self.watch.is_none() {
                    self.watch = ClockWatch::new();
                }
                other?
            }
        };
        // Best effort, all of these: without them some errors are not told and the times are
        // read here, some microseconds late.
        let _ = match to {
            SocketAddr::V4(_) => setsockopt(&fd, sockopt::Ipv4RecvErr, &true),
            SocketAddr::V6(_) => setsockopt(&fd, sockopt::Ipv6RecvErr, &true),
        };
        let wanted = wanted_timestamps(self.flights.is_some());
        let _ = setsockopt(&fd, sockopt::Timestamping, &wanted);
        self.outgoing.prepare(&fd, to)?;
        match to {
            SocketAddr::V4(a) => connect(fd.as_raw_fd(), &SockaddrIn::from(a)),
            SocketAddr::V6(a) => connect(fd.as_raw_fd(), &SockaddrIn6::from(a)),
        }?;
        Ok(fd)
    }

    /// Reads what poll(2) announced for a source's socket.
    fn drain(&mut self, source: SourceId, announced: PollFlags) {
        // The error queue is only read when it was announced: transmit timestamps and ICMP.
        let queue = announced.intersects(PollFlags::POLLERR | PollFlags::POLLPRI);
        if queue {
            let found = self.read(source, MsgFlags::MSG_ERRQUEUE);
            self.push(source, found);
        }
        if announced.contains(PollFlags::POLLIN)
            || (queue && announced.contains(PollFlags::POLLHUP))
        {
            let found = self.read(source, MsgFlags::empty());
            self.push(source, found);
        }
    }

    fn push(&mut self, source: SourceId, found: Read) {
        match found {
            Read::Datagram(length, stamps) => {
                let data = self.buffer.get(..length).unwrap_or(&[]).to_vec();
                let event = match &mut self.flights {
                    Some(flights) => {
                        let now = clock::monotonic_raw();
                        flights.received(source, data, stamps, now_ns(), now)
                    }
                    None => Some(Event::Received {
                        source,
                        data,
                        at_unix_ns: stamps.kernel.unwrap_or_else(now_ns),
                    }),
                };
                self.events.extend(event);
            }
            Read::Transmitted(stamps) => match &mut self.flights {
                Some(flights) => self.events.extend(flights.transmitted(source, stamps)),
                None => {
                    let told = |at_unix_ns| Event::Transmitted { source, at_unix_ns };
                    self.events.extend(stamps.kernel.map(told));
                }
            },
            Read::Failed(errno) => self.events.push_back(Event::Refused {
                source,
                reason: errno.desc().to_owned(),
            }),
            Read::Nothing => {}
        }
    }

    fn read(&mut self, source: SourceId, flags: MsgFlags) -> Read {
        let Some(fd) = self.sockets.get(&source) else {
            return Read::Nothing;
        };
        let queue = flags.contains(MsgFlags::MSG_ERRQUEUE);
        let mut space = cmsg_space!([TimeSpec; 3], [u8; 128]);
        let mut slices = [IoSliceMut::new(&mut self.buffer)];
        let message = match recvmsg::<SockaddrStorage>(
            fd.as_raw_fd(),
            &mut slices,
            Some(&mut space),
            flags | MsgFlags::MSG_DONTWAIT,
        ) {
            Ok(message) => message,
            Err(Errno::EAGAIN | Errno::EINTR) if !queue => return Read::Nothing,
            Err(_) if queue => return Read::Nothing,
            Err(errno) => return Read::Failed(errno),
        };
        let (mut stamps, mut error) = (Stamps::default(), None);
        for control in message.cmsgs().into_iter().flatten() {
            match control {
                ControlMessageOwned::ScmTimestampsns(found) => {
                    let some = |at: TimeSpec| Some(at.num_nanoseconds()).filter(|&ns| ns > 0);
                    stamps = Stamps {
                        kernel: some(found.system),
                        card: some(found.hw_raw),
                    };
                }
                ControlMessageOwned::Ipv4RecvErr(e, _) | ControlMessageOwned::Ipv6RecvErr(e, _) => {
                    error = Some(e);
                }
                _ => {}
            }
        }
        match (queue, error) {
            (false, _) => Read::Datagram(message.bytes, stamps),
            (true, Some(e)) if e.ee_origin == libc::SO_EE_ORIGIN_TIMESTAMPING => {
                Read::Transmitted(stamps)
            }
            (true, Some(e)) => {
                Read::Failed(Errno::from_raw(i32::try_from(e.ee_errno).unwrap_or(0)))
            }
            (true, None) => Read::Nothing,
        }
    }

    fn answers(&mut self) {
        while let Some((key, answer)) = self.lookups.as_mut().and_then(Lookups::take) {
            let name = self.names.get(key).cloned().unwrap_or_default();
            self.events.push_back(Event::Resolved {
                name,
                addresses: answer.unwrap_or_default(),
            });
        }
    }

    /// Waits once.
    fn poll(&mut self, timeout_ms: u64) {
        let mut waiting = Vec::with_capacity(self.sockets.len() + 2);
        let mut fds = Vec::with_capacity(self.sockets.len() + 2);
        let both = PollFlags::POLLIN | PollFlags::POLLPRI;
        for (&source, fd) in &self.sockets {
            waiting.push(Waiting::Source(source));
            fds.push(PollFd::new(fd.as_fd(), both));
        }
        let watched = self.watched.0.borrow();
        for (token, descriptor) in watched.iter() {
            waiting.push(Waiting::Host(*token));
            fds.push(PollFd::new(descriptor.as_fd(), PollFlags::POLLIN));
        }
        if let Some(lookups) = self.lookups.as_ref().filter(|l| l.under_way() > 0) {
            waiting.push(Waiting::Lookup);
            fds.push(PollFd::new(lookups.as_fd(), PollFlags::POLLIN));
        }
        if let Some(watch) = &self.watch {
            waiting.push(Waiting::Watch);
            fds.push(PollFd::new(watch.as_fd(), PollFlags::POLLIN));
        }
        let timeout = i32::try_from(timeout_ms).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        if poll(&mut fds, timeout).is_err() {
            return;
        }
        let ready: Vec<(Waiting, PollFlags)> = waiting
            .into_iter()
            .zip(&fds)
            .filter_map(|(what, fd)| Some((what, fd.revents()?)))
            .filter(|(_, announced)| !announced.is_empty())
            .collect();
        drop(fds);
        drop(watched);
        for (what, announced) in ready {
            match what {
                Waiting::Source(source) => self.drain(source, announced),
                Waiting::Host(token) => self.events.push_back(Event::Ready(token)),
                Waiting::Lookup => self.answers(),
                Waiting::Watch => {
                    self.watch = ClockWatch::new();
                    self.events.push_back(Event::ClockSet);
                }
            }
        }
    }
}

impl Transport for Requests {
    fn send(&mut self, source: SourceId, to: SocketAddr, data: &[u8]) -> Result<i64, String> {
        // One socket a source and port: the old one must not take the reply.
        self.sockets.remove(&source);
        let fd = self.open(to).map_err(|e| e.desc().to_owned())?;
        let raw = fd.as_raw_fd();
        self.sockets.insert(source, fd);
        let home = self.flights.as_ref().and_then(|_| self.home(source));
        if let Some(flights) = &mut self.flights {
            flights.sent(source, home);
        }
        let at = now_ns();
        send(raw, data, MsgFlags::MSG_NOSIGNAL).map_err(|e| e.desc().to_owned())?;
        Ok(at)
    }

    fn close(&mut self, source: SourceId) {
        self.sockets.remove(&source);
        if let Some(flights) = &mut self.flights {
            flights.close(source);
        }
    }

    fn home(&self, source: SourceId) -> Option<IpAddr> {
        let fd = self.sockets.get(&source)?;
        let name: SockaddrStorage = getsockname(fd.as_raw_fd()).ok()?;
        let v4 = name.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        v4.or_else(|| name.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
    }

    fn by_card(&self, source: SourceId) -> (bool, bool) {
        let flights = self.flights.as_ref();
        flights.map_or((false, false), |flights| flights.by_card(source))
    }

    fn resolve(&mut self, name: &str) {
        if self.lookups.is_none() {
            self.lookups = Lookups::new().ok();
        }
        let Some(lookups) = &mut self.lookups else {
            self.events.push_back(Event::Resolved {
                name: name.to_owned(),
                addresses: Vec::new(),
            });
            return;
        };
        let key = self
            .names
            .iter()
            .position(|n| n == name)
            .unwrap_or_else(|| {
                self.names.push(name.to_owned());
                self.names.len() - 1
            });
        lookups.start(key, name);
    }

    fn wait(&mut self, timeout_ms: u64) -> Event {
        if let Some(event) = self.events.pop_front() {
            return event;
        }
        if let Some(event) = signalled() {
            return event;
        }
        let held = self.flights.as_ref().and_then(Flights::deadline);
        let until = held.map_or(timeout_ms, |at| at.millis_from(clock::monotonic_raw()));
        self.poll(timeout_ms.min(until));
        if let Some(flights) = self.flights.as_mut().filter(|_| held.is_some()) {
            self.events.extend(flights.overdue(clock::monotonic_raw()));
        }
        let event = self.events.pop_front().or_else(signalled);
        event.unwrap_or(Event::Deadline)
    }
}

/// What a signal asked for.
fn signalled() -> Option<Event> {
    if signals::stopped() {
        return Some(Event::Stop);
    }
    signals::reload_asked().then_some(Event::Reload)
}

fn wanted_timestamps(by_cards: bool) -> TimestampingFlag {
    let kernel = TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_ID
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
    if !by_cards {
        return kernel;
    }
    // Both, that one can stand in for the other.
    kernel
        | TimestampingFlag::SOF_TIMESTAMPING_RAW_HARDWARE
        | TimestampingFlag::SOF_TIMESTAMPING_RX_HARDWARE
        | TimestampingFlag::SOF_TIMESTAMPING_TX_HARDWARE
        | TimestampingFlag::from_bits_retain(libc::SOF_TIMESTAMPING_OPT_TX_SWHW)
}

fn now_ns() -> i64 {
    let (seconds, nanos) = clock::unix();
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(i64::from(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn a_watched_descriptor_is_told_until_it_is_read_or_taken_off() {
        let (here, there) = UnixDatagram::pair().unwrap();
        let here = Rc::new(here);
        let mut requests = Requests::new();
        requests.watched().add(7, here.clone());
        assert_eq!(requests.wait(0), Event::Deadline);
        there.send(b"x").unwrap();
        assert_eq!(requests.wait(1000), Event::Ready(7));
        assert_eq!(requests.wait(1000), Event::Ready(7));
        here.recv(&mut [0; 4]).unwrap();
        assert_eq!(requests.wait(0), Event::Deadline);
        there.send(b"x").unwrap();
        requests.watched().remove(7);
        assert_eq!(requests.wait(0), Event::Deadline);
    }
}
