//! From a datagram to the reply. The reply is never longer than the request, control messages are
//! never answered, and whoever is not allowed learns nothing.

use super::access::Access;
use super::clients::Clients;
use super::clients::Noted;
use super::clients::RateLimit;
use super::clients::Row;
use super::clients::Trace;
use super::clients::Verdict;
use super::counters::Counters;
use super::request;
use super::request::NotOne;
use super::request::Request;
use super::state::Header;
use crate::proto::mac::Key;
use crate::proto::mac::Keys;
use crate::proto::mono_root;
use crate::proto::mono_root::MonoRoot;
use crate::proto::packet::HEADER_LEN;
use crate::proto::packet::Leap;
use crate::time::NtpDuration;
use crate::time::NtpTimestamp;
use std::net::IpAddr;
use std::sync::Arc;

/// The longest reply: a header and the longest MAC.
pub const LONGEST: usize = HEADER_LEN + 4 + 64;

/// What is the same for all workers, and replaced as a whole when something changes.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Who is answered.
    pub access: Access,
    /// How often.
    pub limit: Option<RateLimit>,
    /// Whoever is not allowed is told so (a DENY kiss), rather than nothing.
    pub kiss_denied: bool,
    /// With whose requests may be authenticated; a request signed with any other is not answered.
    pub keys: Keys,
}

/// Who says when a packet arrived or left: the nearer to the wire, the truer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampedBy {
    /// Whoever read or wrote it.
    Program,
    /// The kernel.
    Kernel,
    /// The network card.
    Card,
}

/// A datagram and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Its content.
    pub bytes: &'a [u8],
    /// Where it came from.
    pub from: IpAddr,
    /// The port there.
    pub port: u16,
    /// When it arrived, by the system clock.
    pub received: NtpTimestamp,
    /// Whose time that is.
    pub stamped: StampedBy,
    /// When the reply will leave, as well as that can be told.
    pub transmit: NtpTimestamp,
    /// Now, on the undisciplined clock, in nanoseconds.
    pub now_ns: u64,
    /// Where what is known of the client may be, from [`Responder::trace`], if it was looked for
    /// already.
    pub trace: Option<Trace>,
}

/// What to do with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Send so many octets of the reply.
    Reply {
        /// Octets.
        length: usize,
        /// The client will ask when this reply really left (interleaved mode).
        stamp: bool,
    },
    /// Send nothing.
    Silence,
}

/// One worker's part of the server.
#[derive(Debug)]
pub struct Responder {
    policy: Arc<Policy>,
    clients: Clients,
    counters: Arc<Counters>,
}

impl Responder {
    /// A responder that has seen nobody yet.
    #[must_use]
    pub const fn new(policy: Arc<Policy>, clients: Clients, counters: Arc<Counters>) -> Self {
        Self {
            policy,
            clients,
            counters,
        }
    }

    /// Rules, limit and keys are others from now on.
    pub fn set_policy(&mut self, policy: Arc<Policy>) {
        self.clients.set_limit(policy.limit);
        self.policy = policy;
    }

    /// The counters.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The clients remembered.
    #[must_use]
    pub fn rows(&self, now_ns: u64) -> Vec<Row> {
        self.clients.rows(now_ns)
    }

    /// Forgets counters and clients.
    pub fn reset(&mut self) {
        self.counters.reset();
        self.clients.clear();
    }

    /// The clock was set: times of exchanges before are worth nothing.
    pub fn forget_exchanges(&mut self) {
        self.clients.forget_exchanges();
    }

    /// A datagram came in while nothing could be said of the clock.
    pub fn withhold(&self) {
        self.counters.received.count();
        self.counters.withheld.count();
    }

    /// A datagram came in that was longer than what is read, or from no address.
    pub fn unreadable(&self) {
        self.counters.received.count();
        self.counters.malformed.count();
    }

    /// The network did not take so many of the replies counted as such.
    pub fn unsent(&self, replies: u64) {
        self.counters.unsent.add(replies);
        self.counters.answered.sub(replies);
    }

    /// The time of departure of a reply, and whose that is. The card's comes after the kernel's, and
    /// counts then.
    pub fn departed(&mut self, to: IpAddr, reply: &[u8], at: NtpTimestamp, stamped: StampedBy) {
        match stamped {
            StampedBy::Program => {}
            StampedBy::Kernel => self.counters.kernel_transmit.count(),
            StampedBy::Card => self.counters.card_transmit.count(),
        }
        if let Some(receive) = reply.get(32..40).and_then(|r| r.first_chunk::<8>()) {
            self.clients
                .departed(to, u64::from_be_bytes(*receive), at.to_bits());
        }
    }

    /// Where what is known of a client may be; see [`Clients::trace`] about batches.
    #[must_use]
    pub fn trace(&self, from: IpAddr) -> Trace {
        self.clients.trace(from)
    }

    /// Looks there.
    pub fn warm(&self, traces: &mut [Trace]) {
        self.clients.warm(traces);
    }

    /// Answers a datagram, or does not.
    pub fn answer(
        &mut self,
        header: &Header,
        datagram: &Datagram<'_>,
        reply: &mut [u8; LONGEST],
    ) -> Outcome {
        let counters = &*self.counters;
        counters.received.count();
        match datagram.stamped {
            StampedBy::Program => {}
            StampedBy::Kernel => counters.kernel_receive.count(),
            StampedBy::Card => counters.card_receive.count(),
        }
        let request = match request::parse(datagram.bytes, datagram.port) {
            Ok(request) => request,
            Err(why) => {
                match why {
                    NotOne::Malformed => &counters.malformed,
                    NotOne::Version => &counters.version,
                    NotOne::Mode => &counters.no_request,
                    NotOne::Control => &counters.control,
                }
                .count();
                return Outcome::Silence;
            }
        };
        let allowed = self.policy.access.allows(datagram.from);
        if !allowed && !self.policy.kiss_denied {
            counters.denied.count();
            return Outcome::Silence;
        }
        let noted = match &datagram.trace {
            Some(trace) => self
                .clients
                .note_traced(trace, datagram.from, datagram.now_ns),
            None => self.clients.note(datagram.from, datagram.now_ns),
        };
        if noted.forgot {
            counters.forgotten.count();
        }
        match noted.verdict {
            Verdict::Within => {}
            Verdict::Leaked => counters.leaked.count(),
            Verdict::Kiss => return self.kiss(*b"RATE", &request, datagram, reply),
            Verdict::Drop => {
                counters.limited.count();
                return Outcome::Silence;
            }
        }
        if !allowed {
            return self.kiss(*b"DENY", &request, datagram, reply);
        }
        match request.signed {
            None => self.time(header, &request, datagram, &noted, reply),
            Some(at) => self.signed(header, &request, datagram, &noted, at, reply),
        }
    }

    /// The reply to a request with a MAC, which begins at this octet.
    fn signed(
        &mut self,
        header: &Header,
        request: &Request,
        datagram: &Datagram<'_>,
        noted: &Noted,
        at: usize,
        reply: &mut [u8; LONGEST],
    ) -> Outcome {
        let policy = Arc::clone(&self.policy);
        let Some((id, key)) = signer(&policy.keys, request, datagram, at) else {
            self.counters.unauthentic.count();
            return Outcome::Silence;
        };
        let outcome = self.time(header, request, datagram, noted, reply);
        let Outcome::Reply { length, stamp } = outcome else {
            return outcome;
        };
        self.counters.authenticated.count();
        key.sign_in_place(id, request.version, reply, length)
            .map_or(Outcome::Silence, |length| Outcome::Reply { length, stamp })
    }

    /// The reply with the time.
    fn time(
        &mut self,
        header: &Header,
        request: &Request,
        datagram: &Datagram<'_>,
        noted: &Noted,
        reply: &mut [u8; LONGEST],
    ) -> Outcome {
        let receive = datagram.received.plus(header.smoothing);
        let transmit = later(datagram.transmit.plus(header.smoothing), receive);
        // RFC 9769 §2: a client that names the receive timestamp of the exchange before wants to
        // know when the reply to that one left. What it gets to know is when this one leaves, at
        // the next time.
        let known = self.clients.exchange(noted.place, request.origin);
        let named = known.is_some() && request.receive != request.transmit;
        let departed = known.filter(|&t| t != 0 && named);
        let kept = if named { transmit.to_bits() } else { 0 };
        self.clients.keep(noted.place, receive.to_bits(), kept);
        let (origin, transmit) = match departed {
            Some(departed) => (request.receive, departed),
            None => (request.transmit, transmit.to_bits()),
        };
        reply[..24].copy_from_slice(&header.fixed);
        reply[0] |= request.version << 3 | request.reply.to_bits();
        reply[2] = request.poll;
        put(reply, 24, origin);
        put(reply, 32, receive.to_bits());
        put(reply, 40, transmit);
        let counters = &*self.counters;
        counters.answered.count();
        if departed.is_some() {
            counters.interleaved.count();
        }
        if !header.synchronised {
            counters.unsynchronised.count();
        }
        let length = if request.mono_root {
            let said = mono_root(header, receive);
            reply[HEADER_LEN..HEADER_LEN + mono_root::LEN].copy_from_slice(&said.encode());
            HEADER_LEN + mono_root::LEN
        } else {
            HEADER_LEN
        };
        Outcome::Reply {
            length,
            stamp: named,
        }
    }

    /// A kiss (RFC 5905 §7.4): not synchronised, stratum 0, the code in place of the reference.
    fn kiss(
        &self,
        code: [u8; 4],
        request: &Request,
        datagram: &Datagram<'_>,
        reply: &mut [u8; LONGEST],
    ) -> Outcome {
        reply[..24].fill(0);
        reply[0] =
            Leap::Unsynchronised.to_bits() << 6 | request.version << 3 | request.reply.to_bits();
        reply[2] = request.poll;
        reply[12..16].copy_from_slice(&code);
        put(reply, 24, request.transmit);
        put(reply, 32, datagram.received.to_bits());
        let transmit = later(datagram.transmit, datagram.received);
        put(reply, 40, transmit.to_bits());
        self.counters.kissed.count();
        Outcome::Reply {
            length: HEADER_LEN,
            stamp: false,
        }
    }
}

/// The key that the MAC of a request was made with, if it is right.
fn signer<'a>(
    keys: &'a Keys,
    request: &Request,
    datagram: &Datagram<'_>,
    at: usize,
) -> Option<(u32, &'a Key)> {
    let (message, mac) = datagram.bytes.split_at_checked(at)?;
    let (id, digest) = mac.split_first_chunk::<4>()?;
    let id = u32::from_be_bytes(*id);
    let key = keys.get(id)?;
    key.verify(request.version, message, digest)
        .then_some((id, key))
}

/// The extension field F323 of a reply to a request that came then.
fn mono_root(header: &Header, receive: NtpTimestamp) -> MonoRoot {
    let (epoch, receive) = header
        .uncorrected
        .map_or((0, NtpTimestamp::ZERO), |(epoch, ahead)| {
            let back = NtpDuration::from_bits(ahead.to_bits().wrapping_neg());
            (epoch, receive.plus(back))
        });
    MonoRoot {
        root_delay: header.root_delay,
        root_dispersion: header.root_dispersion,
        receive,
        epoch,
    }
}

/// A reply does not leave before its request came.
fn later(transmit: NtpTimestamp, receive: NtpTimestamp) -> NtpTimestamp {
    if transmit.since(receive).to_bits() > 0 {
        transmit
    } else {
        NtpTimestamp::from_bits(receive.to_bits().wrapping_add(1))
    }
}

fn put(reply: &mut [u8; LONGEST], at: usize, timestamp: u64) {
    if let Some(place) = reply.get_mut(at..at + 8) {
        place.copy_from_slice(&timestamp.to_be_bytes());
    }
}

#[cfg(test)]
mod tests;
