//! Timestamps by network cards (`hwtimestamp`): which cards give them, and what they mean on this
//! machine's clocks. A card has a PTP clock of its own; it is read beside the oscillator's when a
//! stamp is to be placed, so that nothing has to set it.

pub mod config;
pub mod line;

use super::clock;
use super::error::Error;
use super::files;
use super::interfaces;
use super::refclock::ptp;
use super::refclock::ptp::PtpDevice;
use super::steered;
use crate::time::Monotonic;
use config::RxFilter;
use line::Line;
use line::Pair;
use std::net::IpAddr;
use std::path::Path;

/// How a card's timestamps are used.
#[derive(Clone, Debug, PartialEq)]
pub struct CardConfig {
    /// The interface.
    pub interface: String,
    /// Shortest time between readings of its clock, in seconds.
    pub interval: f64,
    /// Pairs of readings before a stamp is believed, and most that are kept.
    pub samples: (usize, usize),
    /// What is added to the time of what is sent, in nanoseconds.
    pub transmit_ns: i64,
    /// What is taken off the time of what is received, in nanoseconds.
    pub receive_ns: i64,
    /// The hardware's cross timestamps of its clock are used where there are any.
    pub precise: bool,
    /// Readings of its clock that took no more than so many nanoseconds longer than the quickest are
    /// as good.
    pub precision_ns: i64,
    /// Which received packets are stamped; none chooses: all, else those of NTP.
    pub filter: Option<RxFilter>,
}

impl CardConfig {
    /// With every default.
    #[must_use]
    pub fn new(interface: impl Into<String>) -> Self {
        Self {
            interface: interface.into(),
            interval: 1.0,
            samples: (2, 16),
            transmit_ns: 0,
            receive_ns: 0,
            precise: true,
            precision_ns: 100,
            filter: None,
        }
    }
}

/// A card whose timestamps are on.
#[derive(Debug)]
pub struct Card {
    config: CardConfig,
    /// The kernel's number of the interface.
    index: u32,
    device: PtpDevice,
    line: Line,
    /// Nanoseconds that an octet takes on the wire.
    octet_ns: f64,
    /// It stamps what is sent.
    pub transmits: bool,
    /// How received packets are stamped.
    pub receives: RxFilter,
}

/// A stamp that is farther from the kernel's own than this is none, in nanoseconds.
const NEAR_NS: i64 = 50_000_000;
/// Octets of an Ethernet frame around an IP packet, and of a UDP header.
const FRAME: usize = 14 + 4;
const UDP: usize = 8;

impl Card {
    /// Switches a card's timestamps on.
    ///
    /// # Errors
    /// When it has none, or this user may not.
    pub fn switch_on(config: CardConfig) -> Result<Self, Error> {
        let interface = config.interface.as_str();
        let can = config::abilities(interface)?.ok_or_else(|| config::cannot(interface))?;
        let first = [RxFilter::All, RxFilter::Ntp];
        let filter = match config.filter {
            Some(filter) => filter,
            None => first
                .into_iter()
                .find(|filter| can.receives(*filter))
                .unwrap_or(RxFilter::None),
        };
        if !can.transmit && filter == RxFilter::None {
            return Err(config::cannot(interface));
        }
        config::switch_on(interface, filter)?;
        let device = PtpDevice::open(&format!("/dev/ptp{}", can.clock), config.precise, false)?;
        let speed = format!("/sys/class/net/{interface}/speed");
        let speed = files::read_text(Path::new(&speed), 32).unwrap_or_default();
        let megabits: f64 = speed.trim().parse().unwrap_or(0.0);
        Ok(Self {
            index: interfaces::index(&config.interface),
            line: Line::new(config.samples.0, config.samples.1, config.interval),
            octet_ns: if megabits >= 1.0 {
                8000.0 / megabits
            } else {
                0.0
            },
            transmits: can.transmit,
            receives: filter,
            device,
            config,
        })
    }

    /// The interface.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.config.interface
    }

    /// When a packet left by the system clock, in nanoseconds since 1970, given the card's stamp
    /// and the kernel's.
    pub fn left(&mut self, stamp: i64, kernel: Option<i64>) -> Option<i64> {
        self.place(stamp, self.config.transmit_ns, kernel)
    }

    /// When the end of a packet arrived; `octets` is the length of its data. The card stamps its
    /// beginning.
    pub fn arrived(
        &mut self,
        stamp: i64,
        kernel: Option<i64>,
        octets: usize,
        ipv6: bool,
    ) -> Option<i64> {
        let header = if ipv6 { 40 } else { 20 };
        let length = (octets + UDP + header + FRAME) as f64 * self.octet_ns;
        self.place(stamp, length as i64 - self.config.receive_ns, kernel)
    }

    fn place(&mut self, stamp: i64, shift: i64, kernel: Option<i64>) -> Option<i64> {
        self.read();
        let at = self.line.at(stamp)?;
        // Both clocks now: the engine goes the same way back.
        let now = steered::reading();
        let ago = (now.raw.seconds_since(at) * 1e9).round() as i64;
        let placed = now.unix_ns.saturating_sub(ago).saturating_add(shift);
        let near = |kernel: i64| placed.saturating_sub(kernel).saturating_abs() < NEAR_NS;
        kernel.is_none_or(near).then_some(placed)
    }

    /// Reads the card's clock beside the oscillator's, unless that was done a moment ago.
    fn read(&mut self) {
        let now = clock::monotonic_raw();
        let due = |last: Monotonic| now.seconds_since(last) >= self.config.interval;
        if !self.line.last().is_none_or(due) {
            return;
        }
        let precision = self.config.precision_ns;
        let best = |all: Vec<_>| ptp::best_within(&all, precision);
        let Some(found) = self.device.compare().ok().and_then(best) else {
            return;
        };
        let raw = found.raw.unwrap_or_else(|| {
            let now = steered::reading();
            let ago = now.unix_ns.saturating_sub(found.system_ns);
            now.raw.plus_seconds(-(ago as f64) * 1e-9)
        });
        self.line.push(Pair {
            raw,
            card: found.device_ns,
        });
    }
}

/// All cards whose timestamps are on.
#[derive(Debug, Default)]
pub struct Cards {
    cards: Vec<Card>,
    /// Addresses of this machine, and whose card they are.
    homes: Vec<(IpAddr, Option<usize>)>,
}

impl Cards {
    /// Takes one in; another of the same interface stays out.
    pub fn add(&mut self, card: Card) {
        if !self.cards.iter().any(|c| c.interface() == card.interface()) {
            self.cards.push(card);
            self.homes.clear();
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.cards.is_empty()
    }

    /// The card behind an address of this machine.
    pub fn of_home(&mut self, home: IpAddr) -> Option<usize> {
        if let Some((_, card)) = self.homes.iter().find(|(known, _)| *known == home) {
            return *card;
        }
        let all = interfaces::addresses();
        let name = all.iter().find(|a| a.address == home).map(|a| &a.name);
        let card = name.and_then(|name| self.cards.iter().position(|c| c.interface() == name));
        // Addresses come and go: a few are remembered.
        if self.homes.len() >= 64 {
            self.homes.clear();
        }
        self.homes.push((home, card));
        card
    }

    /// The card of an interface, by the kernel's number of it.
    #[must_use]
    pub fn of_interface(&self, index: u32) -> Option<usize> {
        self.cards.iter().position(|card| card.index == index)
    }

    /// Whether the card of a number stamps what is sent.
    #[must_use]
    pub fn transmits(&self, number: usize) -> bool {
        self.cards.get(number).is_some_and(|card| card.transmits)
    }

    /// The card of a number.
    pub fn get(&mut self, number: usize) -> Option<&mut Card> {
        self.cards.get_mut(number)
    }
}
