//! The server on real sockets: threads that answer (each with its own socket for every address, its
//! own table of clients and its own counters), and the handle by which one thread publishes the
//! clock's state, changes the rules and reads the counters.

mod batch;
mod control;
mod cost;
mod socket;
mod worker;

use super::cards::Cards;
use super::clock_watch::ClockWatch;
use super::error::Error;
use crate::server::clients::Clients;
use crate::server::clients::Row;
use crate::server::continuity::Continuity;
use crate::server::counters::Counters;
use crate::server::counters::Totals;
use crate::server::published::Published;
use crate::server::respond::Policy;
use crate::server::respond::Responder;
use crate::server::state::State;
use batch::Batch;
use cost::Cost;
use nix::errno::Errno;
use nix::sys::eventfd::EfdFlags;
use nix::sys::eventfd::EventFd;
pub use socket::Binding;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use worker::AWAITED;
use worker::Worker;

/// How long a worker may take to tell its clients: it is between two batches most of the time.
const PATIENCE: Duration = Duration::from_millis(200);
/// More threads than this help nobody.
const MOST_WORKERS: usize = 64;

/// What threads share.
struct Shared {
    published: Published,
    stop: AtomicBool,
    policy: Mutex<Arc<Policy>>,
    policy_generation: AtomicU64,
    desks: Vec<Desk>,
}

/// Where one worker is asked for something.
#[derive(Default)]
struct Desk {
    reset: AtomicBool,
    asked: AtomicBool,
    rows: Mutex<Option<Vec<Row>>>,
    told: Condvar,
}

/// Sockets that are open, while nobody answers yet: privileges may be dropped in between.
#[derive(Debug)]
pub struct Opened {
    /// One list a worker.
    sockets: Vec<Vec<OwnedFd>>,
    addresses: Vec<SocketAddr>,
}

impl Opened {
    /// Opens a socket for each address and worker. A family that this machine does not have is left
    /// out when it is listened to as a whole and there is the other one.
    ///
    /// # Errors
    /// When an address cannot be had: taken by another daemon, not this machine's, privileged.
    pub fn new(addresses: &[SocketAddr], workers: usize, binding: &Binding) -> Result<Self, Error> {
        let workers = workers.clamp(1, MOST_WORKERS);
        let mut opened = Self {
            sockets: (0..workers).map(|_| Vec::new()).collect(),
            addresses: Vec::new(),
        };
        let mut absent = None;
        for &address in addresses {
            match socket::group(address, workers, binding) {
                Ok(group) => {
                    let bound = group.first().and_then(socket::local);
                    opened.addresses.push(bound.unwrap_or(address));
                    for (list, fd) in opened.sockets.iter_mut().zip(group) {
                        list.push(fd);
                    }
                }
                Err(error) if no_family(&error) && address.ip().is_unspecified() => {
                    absent = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        match absent {
            Some(error) if opened.addresses.is_empty() => Err(error),
            _ => Ok(opened),
        }
    }

    /// Takes over the sockets that the service manager opened; one worker answers on them.
    ///
    /// # Errors
    /// A descriptor that is no bound UDP socket.
    pub fn inherited(count: i32, binding: &Binding) -> Result<Self, Error> {
        let sockets = socket::inherited(count, binding)?;
        Ok(Self {
            addresses: sockets.iter().filter_map(socket::local).collect(),
            sockets: vec![sockets],
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Begins to answer, with tables of clients of so many octets in all. `cards` gives each worker the
    /// network cards whose timestamps it uses.
    ///
    /// # Errors
    /// When the kernel gives no thread or no random numbers.
    pub fn start(
        self,
        policy: Policy,
        table: usize,
        cards: &dyn Fn() -> Cards,
    ) -> Result<Server, Error> {
        let count = self.sockets.len();
        let shared = Arc::new(Shared {
            published: Published::default(),
            stop: AtomicBool::new(false),
            policy: Mutex::new(Arc::new(policy)),
            policy_generation: AtomicU64::new(1),
            desks: (0..count).map(|_| Desk::default()).collect(),
        });
        let outlets = self.sockets.first().into_iter().flatten();
        let outlets = outlets.filter_map(|fd| fd.try_clone().ok()).collect();
        let mut server = Server {
            shared,
            outlets,
            counters: Vec::new(),
            wakes: Vec::new(),
            threads: Vec::new(),
        };
        for (number, sockets) in self.sockets.into_iter().enumerate() {
            server.spawn(number, sockets, table / count, cards())?;
        }
        Ok(server)
    }
}

fn no_family(error: &Error) -> bool {
    let number = error.reason.raw_os_error().unwrap_or(0);
    number == nix::libc::EAFNOSUPPORT || error.reason.kind() == io::ErrorKind::AddrNotAvailable
}

/// The server at work. Dropped, it ends.
pub struct Server {
    shared: Arc<Shared>,
    counters: Vec<Arc<Counters>>,
    wakes: Vec<Arc<EventFd>>,
    threads: Vec<JoinHandle<()>>,
    /// One socket for each address, shared with the first worker: broadcasts leave through them.
    outlets: Vec<OwnedFd>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({} workers)", self.threads.len())
    }
}

impl Server {
    fn spawn(
        &mut self,
        number: usize,
        sockets: Vec<OwnedFd>,
        table: usize,
        cards: Cards,
    ) -> Result<(), Error> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = EventFd::from_value_and_flags(0, flags)
            .map_err(|e| Error::new("wake", "a worker", e.into()))?;
        let wake = Arc::new(wake);
        let counters = Arc::new(Counters::default());
        let policy = self.policy();
        let clients = Clients::new(table, policy.limit, super::random::bits()?);
        let continuity = Continuity::new(sockets.len());
        let wanted_ns = vec![None; sockets.len()];
        if !cards.is_empty() {
            for fd in &sockets {
                socket::tell_departures(fd, false, true);
            }
        }
        let worker = Worker {
            number,
            sockets,
            wake: Arc::clone(&wake),
            shared: Arc::clone(&self.shared),
            responder: Responder::new(policy, clients, Arc::clone(&counters)),
            batch: Batch::new(),
            policy: 1,
            watch: ClockWatch::new(),
            continuity,
            cost: Cost::default(),
            awaited: VecDeque::with_capacity(AWAITED),
            cards,
            wanted_ns,
        };
        let thread = std::thread::Builder::new()
            .name(format!("serve-{number}"))
            .stack_size(256 << 10)
            .spawn(move || worker.run())
            .map_err(|e| Error::new("start", "a worker", e))?;
        self.counters.push(counters);
        self.wakes.push(wake);
        self.threads.push(thread);
        Ok(())
    }

    /// From now on replies tell this.
    pub fn publish(&self, state: &State) {
        self.shared.published.write(state);
    }

    /// Sends this to a whole network, from the port that clients ask.
    ///
    /// # Errors
    /// When nobody listens in the family of the address, or the network refuses.
    pub fn broadcast(&self, to: SocketAddr, packet: &[u8]) -> Result<(), Error> {
        let of_family = |fd: &&OwnedFd| {
            socket::local(fd).is_some_and(|address| address.is_ipv4() == to.is_ipv4())
        };
        let outlet = self.outlets.iter().find(of_family);
        let sent = outlet
            .ok_or(Errno::EAFNOSUPPORT)
            .and_then(|fd| socket::broadcast(fd, to, packet));
        sent.map_err(|e| Error::new("broadcast to", to.to_string(), e.into()))
    }

    /// From now on these rules hold.
    pub fn set_policy(&self, policy: Policy) {
        if let Ok(mut place) = self.shared.policy.lock() {
            *place = Arc::new(policy);
        }
        self.shared.policy_generation.fetch_add(1, Ordering::AcqRel);
        self.wake();
    }

    /// The rules in force.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        let place = self.shared.policy.lock();
        place.map(|p| Arc::clone(&p)).unwrap_or_default()
    }

    /// What happened to all packets so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for counters in &self.counters {
            counters.add_to(&mut totals);
        }
        totals
    }

    /// Every client remembered, by all workers.
    #[must_use]
    pub fn clients(&self) -> Vec<Row> {
        for desk in &self.shared.desks {
            desk.asked.store(true, Ordering::Release);
        }
        self.wake();
        let mut all = Vec::new();
        for desk in &self.shared.desks {
            let Ok(rows) = desk.rows.lock() else {
                continue;
            };
            let told = desk
                .told
                .wait_timeout_while(rows, PATIENCE, |rows| rows.is_none());
            if let Ok((mut rows, _)) = told {
                all.extend(rows.take().unwrap_or_default());
            }
        }
        all
    }

    /// Forgets counters and clients.
    pub fn reset(&self) {
        for desk in &self.shared.desks {
            desk.reset.store(true, Ordering::Release);
        }
        self.wake();
    }

    fn wake(&self) {
        for wake in &self.wakes {
            // Full only when the worker has not even looked at the wakes before.
            let _ = wake.write(1);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.wake();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
