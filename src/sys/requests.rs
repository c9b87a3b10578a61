//! The engine's transport on real sockets: for every request a socket of its own, connected, on a
//! random port (RFC 9109), with the kernel's timestamps; one poll(2) waits for all of them, for
//! names that are looked up and for somebody setting the clock.

use super::clock;
use super::resolve::Lookups;
use super::signals;
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
use nix::sys::socket::recvmsg;
use nix::sys::socket::send;
use nix::sys::socket::setsockopt;
use nix::sys::socket::socket;
use nix::sys::socket::sockopt;
use nix::sys::time::TimeSpec;
use nix::sys::time::TimeValLike;
use nix::sys::timerfd::Expiration;
use nix::sys::timerfd::TimerFd;
use nix::sys::timerfd::TimerFlags;
use nix::sys::timerfd::TimerSetTimeFlags;
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;

/// The longest reply that is read: a header with extension fields and a MAC.
const LONGEST: usize = 2048;

/// The sockets of all sources.
#[derive(Debug)]
pub struct Requests {
    /// The open request of each source.
    sockets: Vec<Option<OwnedFd>>,
    lookups: Option<Lookups>,
    names: Vec<String>,
    events: VecDeque<Event>,
    watch: Option<TimerFd>,
    buffer: Vec<u8>,
}

/// What waits: a source's socket, or one of the other two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Source(usize),
    Lookup,
    Watch,
}

/// What one read of a socket gave.
enum Read {
    Datagram(usize, i64),
    Transmitted(i64),
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
            sockets: Vec::new(),
            lookups: None,
            names: Vec::new(),
            events: VecDeque::new(),
            watch: None,
            buffer: vec![0; LONGEST],
        }
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
                    self.watch = watch();
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
        let _ = setsockopt(&fd, sockopt::Timestamping, &wanted_timestamps());
        match to {
            SocketAddr::V4(a) => connect(fd.as_raw_fd(), &SockaddrIn::from(a)),
            SocketAddr::V6(a) => connect(fd.as_raw_fd(), &SockaddrIn6::from(a)),
        }?;
        Ok(fd)
    }

    /// Reads what poll(2) announced for a source's socket.
    fn drain(&mut self, source: usize, announced: PollFlags) {
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

    fn push(&mut self, source: usize, found: Read) {
        match found {
            Read::Datagram(length, at_unix_ns) => {
                let data = self.buffer.get(..length).unwrap_or(&[]).to_vec();
                self.events.push_back(Event::Received {
                    source,
                    data,
                    at_unix_ns,
                });
            }
            Read::Transmitted(at_unix_ns) => {
                self.events
                    .push_back(Event::Transmitted { source, at_unix_ns });
            }
            Read::Failed(errno) => self.events.push_back(Event::Refused {
                source,
                reason: errno.desc().to_owned(),
            }),
            Read::Nothing => {}
        }
    }

    fn read(&mut self, source: usize, flags: MsgFlags) -> Read {
        let Some(Some(fd)) = self.sockets.get(source) else {
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
        let (mut stamp, mut error) = (None, None);
        for control in message.cmsgs().into_iter().flatten() {
            match control {
                ControlMessageOwned::ScmTimestampsns(stamps) => {
                    stamp = Some(stamps.system.num_nanoseconds()).filter(|&ns| ns > 0);
                }
                ControlMessageOwned::Ipv4RecvErr(e, _) | ControlMessageOwned::Ipv6RecvErr(e, _) => {
                    error = Some(e);
                }
                _ => {}
            }
        }
        match (queue, error) {
            (false, _) => Read::Datagram(message.bytes, stamp.unwrap_or_else(now_ns)),
            (true, Some(e)) if e.ee_origin == libc::SO_EE_ORIGIN_TIMESTAMPING => {
                stamp.map_or(Read::Nothing, Read::Transmitted)
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
        for (source, socket) in self.sockets.iter().enumerate() {
            if let Some(fd) = socket {
                waiting.push(Waiting::Source(source));
                fds.push(PollFd::new(fd.as_fd(), both));
            }
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
        for (what, announced) in ready {
            match what {
                Waiting::Source(source) => self.drain(source, announced),
                Waiting::Lookup => self.answers(),
                Waiting::Watch => {
                    self.watch = watch();
                    self.events.push_back(Event::ClockSet);
                }
            }
        }
    }
}

impl Transport for Requests {
    fn send(&mut self, source: usize, to: SocketAddr, data: &[u8]) -> Result<i64, String> {
        if self.sockets.len() <= source {
            self.sockets.resize_with(source + 1, || None);
        }
        let fd = self.open(to).map_err(|e| e.desc().to_owned())?;
        let raw = fd.as_raw_fd();
        if let Some(slot) = self.sockets.get_mut(source) {
            *slot = Some(fd);
        }
        let at = now_ns();
        send(raw, data, MsgFlags::MSG_NOSIGNAL).map_err(|e| e.desc().to_owned())?;
        Ok(at)
    }

    fn close(&mut self, source: usize) {
        if let Some(slot) = self.sockets.get_mut(source) {
            *slot = None;
        }
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
        if signals::stopped() {
            return Event::Stop;
        }
        self.poll(timeout_ms);
        if let Some(event) = self.events.pop_front() {
            return event;
        }
        if signals::stopped() {
            return Event::Stop;
        }
        Event::Deadline
    }
}

fn wanted_timestamps() -> TimestampingFlag {
    TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_ID
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY
}

/// A timer of the system clock that is cancelled when somebody sets it, or when the machine wakes.
fn watch() -> Option<TimerFd> {
    let timer = TimerFd::new(
        nix::sys::timerfd::ClockId::CLOCK_REALTIME,
        TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK,
    )
    .ok()?;
    let far = Expiration::OneShot(TimeSpec::seconds(i64::from(u32::MAX)));
    let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
    timer.set(far, flags).ok()?;
    Some(timer)
}

fn now_ns() -> i64 {
    let (seconds, nanos) = clock::unix();
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(i64::from(nanos))
}
