//! One thread that answers: reads a batch, lets the responder answer, sends the replies. Between
//! batches it looks whether it is to change something; a packet waits for no lock.

use super::Shared;
use super::batch::Arrival;
use super::batch::BATCH;
use super::batch::Batch;
use super::batch::Wish;
use super::cost::Cost;
use super::cost::Now;
use super::cost::ntp;
use super::socket;
use crate::server::clients::Trace;
use crate::server::continuity::Continuity;
use crate::server::respond::Datagram;
use crate::server::respond::Outcome;
use crate::server::respond::Responder;
use crate::server::respond::StampedBy;
use crate::server::state::Header;
use crate::server::state::State;
use crate::sys::cards::Cards;
use crate::sys::clock;
use crate::sys::clock_watch::ClockWatch;
use crate::time::NtpTimestamp;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;
use nix::sys::eventfd::EventFd;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Full batches of one socket in a row before the others are looked at.
const ROUNDS: usize = 16;
/// Replies whose time of departure is awaited at once.
pub(super) const AWAITED: usize = 64;
/// The kernel no longer tells times of departure when nobody wanted one for so long, in nanoseconds:
/// it costs something with every datagram.
const UNWANTED_NS: u64 = 64_000_000_000;
/// Longest wait, in milliseconds.
const WAIT_MS: u16 = 60_000;
/// Longest wait while a time of departure is awaited, in milliseconds.
const DEPARTURE_MS: u16 = 50;

/// A reply whose time of departure is awaited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awaited {
    to: IpAddr,
    /// Its receive timestamp.
    key: [u8; 8],
    /// The card that stamps it, if one does.
    card: Option<usize>,
}

/// What one thread has.
pub(super) struct Worker {
    pub(super) number: usize,
    pub(super) sockets: Vec<OwnedFd>,
    pub(super) wake: Arc<EventFd>,
    pub(super) shared: Arc<Shared>,
    pub(super) responder: Responder,
    pub(super) batch: Batch,
    /// Which of the policies it follows.
    pub(super) policy: u64,
    /// Tells when somebody sets the clock.
    pub(super) watch: Option<ClockWatch>,
    /// Whether the clock is still the one of the state.
    pub(super) continuity: Continuity,
    pub(super) cost: Cost,
    /// Replies whose time of departure is awaited.
    pub(super) awaited: VecDeque<Awaited>,
    /// The network cards whose timestamps are used.
    pub(super) cards: Cards,
    /// For each socket of which the kernel tells times of departure, when one was last wanted, on
    /// the undisciplined clock.
    pub(super) wanted_ns: Vec<Option<u64>>,
}

impl Worker {
    /// Answers until the server ends.
    pub(super) fn run(mut self) {
        while !self.shared.stop.load(Ordering::Acquire) {
            self.attend();
            let mut full = false;
            for index in 0..self.sockets.len() {
                full |= self.serve(index);
            }
            if !full {
                self.wait();
            }
        }
    }

    /// Does what others asked for since.
    fn attend(&mut self) {
        let policy = self.shared.policy_generation.load(Ordering::Acquire);
        if policy != self.policy {
            self.policy = policy;
            if let Ok(policy) = self.shared.policy.lock() {
                self.responder.set_policy(Arc::clone(&policy));
            }
        }
        let Some(desk) = self.shared.desks.get(self.number) else {
            return;
        };
        if desk.reset.swap(false, Ordering::AcqRel) {
            self.responder.reset();
        }
        if desk.asked.swap(false, Ordering::AcqRel) {
            let rows = self.responder.rows(clock::monotonic_raw().nanos());
            if let Ok(mut place) = desk.rows.lock() {
                *place = Some(rows);
            }
            desk.told.notify_all();
        }
    }

    /// Answers what waits in a socket; true when there may be more.
    fn serve(&mut self, index: usize) -> bool {
        for _ in 0..ROUNDS {
            let Some(socket) = self.sockets.get(index) else {
                return false;
            };
            let count = self.batch.receive(socket);
            if count > 0 {
                self.answer(index, count);
            }
            // Even when none is awaited any more: what is not read wakes this thread for ever.
            if self.wanted_ns.get(index).is_some_and(Option::is_some) {
                self.departures(index);
            }
            if count < BATCH {
                return false;
            }
        }
        true
    }

    fn answer(&mut self, index: usize, count: usize) {
        let state = self.shared.published.read();
        let now = Now::read();
        self.look(&state, now);
        if !self.continuity.holds(index, count == BATCH, &state) {
            for _ in 0..count {
                self.responder.withhold();
            }
            return;
        }
        let header = state.header(now.raw_ns);
        // What is known of all these clients is looked for at once, before anybody is answered.
        let mut traces = [Trace::default(); BATCH];
        for (slot, trace) in traces.iter_mut().enumerate().take(count) {
            if let Some((from, _)) = self.batch.sender(slot) {
                *trace = self.responder.trace(from);
            }
        }
        self.responder
            .warm(traces.get_mut(..count).unwrap_or_default());
        for (slot, &trace) in traces.iter().enumerate().take(count) {
            let leaves = self.cost.leaves(now, count, self.batch.waiting());
            if self.one(slot, trace, now, &header, leaves) {
                self.want(index, now.raw_ns);
            }
        }
        self.no_longer(index, now.raw_ns);
        let waiting = self.batch.waiting();
        let Some(socket) = self.sockets.get(index).filter(|_| waiting > 0) else {
            return;
        };
        let sending = Now::read();
        let lost = self.batch.send(socket);
        self.cost.learn(now, count, sending, waiting, Now::read());
        if lost > 0 {
            self.responder.unsent(lost);
        }
    }

    /// Looks whether somebody set the clock. That is asked after the clocks were read, so that no
    /// time from before is taken for one of the clock as it is now.
    fn look(&mut self, state: &State, now: Now) {
        let told = self.watch.as_ref().is_some_and(ClockWatch::was_set);
        if self
            .continuity
            .notice(told, state, now.raw_ns, now.clock_ns())
        {
            self.responder.forget_exchanges();
            self.awaited.clear();
        }
    }

    /// The kernel is to tell when replies of this socket leave.
    fn want(&mut self, index: usize, now_ns: u64) {
        if let (Some(socket), Some(wanted)) =
            (self.sockets.get(index), self.wanted_ns.get_mut(index))
            && wanted.replace(now_ns).is_none()
        {
            socket::tell_departures(socket, true, !self.cards.is_empty());
        }
    }

    /// It need not any more, when nobody has wanted to know for long.
    fn no_longer(&mut self, index: usize, now_ns: u64) {
        if let (Some(socket), Some(wanted)) =
            (self.sockets.get(index), self.wanted_ns.get_mut(index))
            && wanted.is_some_and(|last| now_ns.saturating_sub(last) > UNWANTED_NS)
        {
            *wanted = None;
            socket::tell_departures(socket, false, !self.cards.is_empty());
        }
    }

    /// Answers one datagram, or does not; true when its client will ask when the reply left.
    fn one(
        &mut self,
        slot: usize,
        trace: Trace,
        now: Now,
        header: &Header,
        leaves: NtpTimestamp,
    ) -> bool {
        let Some(arrival) = self.batch.arrival(slot) else {
            self.responder.unreadable();
            return false;
        };
        let card = self.cards.of_interface(arrival.interface());
        let by_card = card.and_then(|card| self.arrived(card, &arrival, now));
        let Some((bytes, reply)) = self.batch.buffers(slot, arrival.length) else {
            self.responder.unreadable();
            return false;
        };
        let seen = ntp(now.unix_ns);
        let known = by_card.map(|at| (at, StampedBy::Card));
        let known = known.or_else(|| Some((arrival.at?, StampedBy::Kernel)));
        // A time of arrival after now is from before the clock was set back.
        let known = known.filter(|(at, _)| seen.since(*at).to_bits() >= 0);
        let (received, stamped) = known.unwrap_or((seen, StampedBy::Program));
        let datagram = Datagram {
            bytes,
            from: arrival.from,
            port: arrival.port,
            received,
            stamped,
            transmit: leaves,
            now_ns: now.raw_ns,
            trace: Some(trace),
        };
        match self.responder.answer(header, &datagram, reply) {
            Outcome::Silence => false,
            Outcome::Reply { length, stamp } => {
                let card = card.filter(|&card| self.cards.transmits(card));
                if stamp {
                    if self.awaited.len() >= AWAITED {
                        self.awaited.pop_front();
                    }
                    let key = reply.get(32..40).and_then(|r| r.first_chunk::<8>());
                    let key = key.copied().unwrap_or_default();
                    let to = arrival.from;
                    self.awaited.push_back(Awaited { to, key, card });
                }
                let wish = match card {
                    _ if !stamp => Wish::None,
                    Some(_) => Wish::Card,
                    None => Wish::Kernel,
                };
                self.batch.push(slot, &arrival, length, wish);
                stamp
            }
        }
    }

    /// When a datagram arrived by the stamp of this card, if it has one.
    fn arrived(&mut self, card: usize, arrival: &Arrival, now: Now) -> Option<NtpTimestamp> {
        let stamp = arrival.card?;
        let card = self.cards.get(card)?;
        let ipv6 = arrival.from.is_ipv6();
        card.arrived(stamp, Some(now.unix_ns), arrival.length, ipv6)
            .map(ntp)
    }

    /// Times of departure that the kernel has told by now.
    fn departures(&mut self, index: usize) {
        let now = Now::read();
        let state = self.shared.published.read();
        let smoothing = state.header(now.raw_ns).smoothing;
        for _ in 0..AWAITED {
            let Some(socket) = self.sockets.get(index) else {
                return;
            };
            let Some(told) = self.batch.departure(socket) else {
                return;
            };
            let Some((place, reply)) = find(&self.awaited, told.datagram) else {
                continue;
            };
            let Some(awaited) = self.awaited.get(place).copied() else {
                continue;
            };
            let by_card = told.card.zip(awaited.card).and_then(|(stamp, card)| {
                let left = self.cards.get(card)?.left(stamp, Some(now.unix_ns));
                Some((ntp(left?), StampedBy::Card))
            });
            let known = by_card.or_else(|| Some((told.at?, StampedBy::Kernel)));
            // The card's comes after the kernel's.
            let last = told.card.is_some() || awaited.card.is_none();
            if last && (known.is_some() || told.card.is_some()) {
                self.awaited.remove(place);
            }
            if let Some((at, stamped)) = known {
                let (to, at) = (awaited.to, at.plus(smoothing));
                self.responder.departed(to, reply, at, stamped);
            }
        }
    }

    fn wait(&mut self) {
        let events = PollFlags::POLLIN;
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(self.sockets.len() + 2);
        fds.push(PollFd::new(self.wake.as_fd(), events));
        fds.extend(self.watch.iter().map(|w| PollFd::new(w.as_fd(), events)));
        fds.extend(self.sockets.iter().map(|s| PollFd::new(s.as_fd(), events)));
        let longest = if self.awaited.is_empty() {
            WAIT_MS
        } else {
            DEPARTURE_MS
        };
        let ready = poll(&mut fds, PollTimeout::from(longest));
        let woken = fds.first().and_then(PollFd::revents);
        if woken.is_some_and(|r| !r.is_empty()) {
            let _ = self.wake.read();
        }
        let set = self.watch.as_ref().and_then(|_| fds.get(1));
        let set = set.and_then(PollFd::revents).is_some_and(|r| !r.is_empty());
        drop(fds);
        if set {
            let state = self.shared.published.read();
            self.look(&state, Now::read());
        }
        if ready == Ok(0) {
            // What the kernel has not told by now it never will.
            self.awaited.clear();
        }
    }
}

/// The awaited reply that a datagram ends with: header, perhaps the field F323, perhaps a MAC, at
/// the very end of it.
fn find<'a>(awaited: &VecDeque<Awaited>, datagram: &'a [u8]) -> Option<(usize, &'a [u8])> {
    // Without a MAC, with one of MD5, SHA1, SHA256, SHA384, SHA512; with the field (28 octets) and
    // without a MAC, with one of MD5, SHA1.
    [48, 68, 72, 84, 100, 116, 76, 96]
        .into_iter()
        .find_map(|length| {
            let reply = datagram.get(datagram.len().checked_sub(length)?..)?;
            let key = reply.get(32..40)?;
            let place = awaited.iter().position(|a| a.key.as_slice() == key)?;
            Some((place, reply))
        })
}
