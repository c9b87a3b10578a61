//! Requests under way whose packets a network card stamps: stamps are placed on the system clock,
//! and a reply that comes before its request's stamp waits for that a moment.

use super::cards::Cards;
use crate::engine::source_id::SourceId;
use crate::engine::transport::Event;
use crate::time::Monotonic;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Timestamps of one packet, in nanoseconds since 1970: the kernel's, and the card's by its own
/// clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    /// The kernel's.
    pub kernel: Option<i64>,
    /// The card's.
    pub card: Option<i64>,
}

/// What places a card's stamps: [`Cards`], or a test's.
pub trait Places {
    /// The card behind an address, if it stamps.
    fn card(&mut self, home: IpAddr) -> Option<usize>;
    /// Whether it stamps what is sent.
    fn transmits(&mut self, card: usize) -> bool;
    /// When a packet left.
    fn left(&mut self, card: usize, stamps: Stamps) -> Option<i64>;
    /// When a packet of so many octets of data arrived.
    fn arrived(&mut self, card: usize, stamps: Stamps, octets: usize, ipv6: bool) -> Option<i64>;
}

impl Places for Cards {
    fn card(&mut self, home: IpAddr) -> Option<usize> {
        self.of_home(home)
    }

    fn transmits(&mut self, card: usize) -> bool {
        Self::transmits(self, card)
    }

    fn left(&mut self, card: usize, stamps: Stamps) -> Option<i64> {
        self.get(card)?.left(stamps.card?, stamps.kernel)
    }

    fn arrived(&mut self, card: usize, stamps: Stamps, octets: usize, ipv6: bool) -> Option<i64> {
        let stamp = stamps.card?;
        self.get(card)?.arrived(stamp, stamps.kernel, octets, ipv6)
    }
}

/// A request under way.
#[derive(Debug)]
struct Flight {
    card: usize,
    ipv6: bool,
    /// The kernel's stamp of the request.
    kernel: Option<i64>,
    /// The card's stamp of it is there, or none will come.
    settled: bool,
    /// It is there.
    known: bool,
    /// The reply has the card's.
    answered: bool,
    /// The reply that waits for it, and until when.
    held: Option<(Event, Monotonic)>,
}

/// The requests under way.
#[derive(Debug, Default)]
pub struct Flights<P> {
    places: P,
    /// How long a reply waits for its request's stamp, in seconds.
    patience: f64,
    open: BTreeMap<SourceId, Flight>,
}

impl<P: Places> Flights<P> {
    /// None under way.
    pub const fn new(places: P, patience: f64) -> Self {
        Self {
            places,
            patience,
            open: BTreeMap::new(),
        }
    }

    /// A request of a source left from this address.
    pub fn sent(&mut self, source: SourceId, home: Option<IpAddr>) {
        self.open.remove(&source);
        let Some((home, card)) = home.and_then(|h| Some((h, self.places.card(h)?))) else {
            return;
        };
        let flight = Flight {
            card,
            ipv6: home.is_ipv6(),
            kernel: None,
            known: false,
            answered: false,
            settled: !self.places.transmits(card),
            held: None,
        };
        self.open.insert(source, flight);
    }

    /// A stamp of a source's request. Gives what that means, in order.
    pub fn transmitted(&mut self, source: SourceId, stamps: Stamps) -> Vec<Event> {
        let told = |at_unix_ns| Event::Transmitted { source, at_unix_ns };
        let Some(flight) = self.open.get_mut(&source) else {
            return stamps.kernel.map(told).into_iter().collect();
        };
        flight.kernel = stamps.kernel.or(flight.kernel);
        if stamps.card.is_none() {
            // It may come late, and is worse than what is known then.
            let news = stamps.kernel.filter(|_| !flight.known);
            return news.map(told).into_iter().collect();
        }
        let stamps = Stamps {
            kernel: flight.kernel,
            ..stamps
        };
        let placed = self.places.left(flight.card, stamps);
        flight.settled = true;
        flight.known = placed.is_some();
        let mut events: Vec<Event> = placed.map(told).into_iter().collect();
        events.extend(flight.held.take().map(|(reply, _)| reply));
        events
    }

    /// A reply, at this moment of the monotonic clock. Nothing when it waits.
    pub fn received(
        &mut self,
        source: SourceId,
        data: Vec<u8>,
        stamps: Stamps,
        now_unix_ns: i64,
        now: Monotonic,
    ) -> Option<Event> {
        let kernel = stamps.kernel.unwrap_or(now_unix_ns);
        let Some(flight) = self.open.get_mut(&source) else {
            return Some(Event::Received {
                source,
                data,
                at_unix_ns: kernel,
            });
        };
        let placed = self
            .places
            .arrived(flight.card, stamps, data.len(), flight.ipv6);
        flight.answered = placed.is_some();
        let event = Event::Received {
            source,
            data,
            at_unix_ns: placed.unwrap_or(kernel),
        };
        if flight.settled || flight.held.is_some() {
            return Some(event);
        }
        flight.held = Some((event, now.plus_seconds(self.patience)));
        None
    }

    /// Whether the last request of a source has the card's stamp, and the reply.
    #[must_use]
    pub fn by_card(&self, source: SourceId) -> (bool, bool) {
        let flight = self.open.get(&source);
        flight.map_or((false, false), |flight| (flight.known, flight.answered))
    }

    /// When the first reply has waited long enough.
    #[must_use]
    pub fn deadline(&self) -> Option<Monotonic> {
        let held = self.open.values().filter_map(|flight| flight.held.as_ref());
        held.map(|(_, until)| *until).min()
    }

    /// The replies that have waited long enough: their requests' stamps are the kernel's.
    pub fn overdue(&mut self, now: Monotonic) -> Vec<Event> {
        let mut events = Vec::new();
        for flight in self.open.values_mut() {
            if flight.held.as_ref().is_some_and(|(_, until)| *until <= now) {
                flight.settled = true;
                events.extend(flight.held.take().map(|(reply, _)| reply));
            }
        }
        events
    }

    /// No reply of this source is expected.
    pub fn close(&mut self, source: SourceId) {
        self.open.remove(&source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A card at ::1 whose clock is a second ahead; it may stamp only one way.
    #[derive(Default)]
    struct One {
        transmits: bool,
    }

    const SECOND: i64 = 1_000_000_000;
    const A: SourceId = SourceId(1);

    impl Places for One {
        fn card(&mut self, home: IpAddr) -> Option<usize> {
            (home == IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)).then_some(0)
        }
        fn transmits(&mut self, _card: usize) -> bool {
            self.transmits
        }
        fn left(&mut self, _card: usize, stamps: Stamps) -> Option<i64> {
            Some(stamps.card? - SECOND)
        }
        fn arrived(&mut self, _: usize, stamps: Stamps, _: usize, ipv6: bool) -> Option<i64> {
            ipv6.then_some(stamps.card? - SECOND)
        }
    }

    fn flights(transmits: bool) -> Flights<One> {
        let mut flights = Flights::new(One { transmits }, 1e-3);
        flights.sent(A, Some("::1".parse().unwrap()));
        flights
    }

    fn left(at_unix_ns: i64) -> Event {
        Event::Transmitted {
            source: A,
            at_unix_ns,
        }
    }

    fn reply(at_unix_ns: i64) -> Event {
        Event::Received {
            source: A,
            data: vec![1],
            at_unix_ns,
        }
    }

    const fn kernel(at: i64) -> Stamps {
        Stamps {
            kernel: Some(at),
            card: None,
        }
    }

    const fn card(at: i64) -> Stamps {
        Stamps {
            kernel: None,
            card: Some(at + SECOND),
        }
    }

    const NOW: Monotonic = Monotonic::from_nanos(1);

    #[test]
    fn a_reply_waits_for_its_requests_stamp_and_no_longer() {
        let mut flights = flights(true);
        assert_eq!(flights.transmitted(A, kernel(100)), [left(100)]);
        let both = Stamps {
            kernel: Some(900),
            card: Some(800 + SECOND),
        };
        assert_eq!(flights.received(A, vec![1], both, 0, NOW), None);
        assert_eq!(flights.overdue(NOW), []);
        assert_eq!(flights.transmitted(A, card(90)), [left(90), reply(800)]);
        assert_eq!(flights.by_card(A), (true, true));
        assert_eq!(flights.deadline(), None);
        // The next one's stamp is lost.
        flights.sent(A, Some("::1".parse().unwrap()));
        assert_eq!(flights.received(A, vec![1], both, 0, NOW), None);
        let late = flights.deadline().unwrap();
        assert_eq!(flights.overdue(late), [reply(800)]);
        assert_eq!(flights.by_card(A), (false, true));
    }

    #[test]
    fn the_kernels_stamp_does_not_replace_the_cards() {
        let mut flights = flights(true);
        assert_eq!(flights.transmitted(A, card(90)), [left(90)]);
        assert_eq!(flights.transmitted(A, kernel(100)), []);
        assert_eq!(
            flights.received(A, vec![1], kernel(900), 0, NOW),
            Some(reply(900))
        );
    }

    #[test]
    fn packet_by_packet_what_the_card_does_not_stamp_is_the_kernels() {
        // It stamps what it receives only, and not all of that.
        let mut receiver = flights(false);
        assert_eq!(receiver.transmitted(A, kernel(100)), [left(100)]);
        assert_eq!(
            receiver.received(A, vec![1], card(800), 0, NOW),
            Some(reply(800))
        );
        assert_eq!(
            receiver.received(A, vec![1], kernel(900), 0, NOW),
            Some(reply(900))
        );
        assert_eq!(
            receiver.received(A, vec![1], Stamps::default(), 950, NOW),
            Some(reply(950))
        );
        // Another way out has no card.
        receiver.sent(A, Some("127.0.0.1".parse().unwrap()));
        assert_eq!(receiver.transmitted(A, kernel(100)), [left(100)]);
        assert_eq!(
            receiver.received(A, vec![1], kernel(900), 0, NOW),
            Some(reply(900))
        );
    }
}
