//! What this machine follows and how good that is, in one small value: what a server puts into its
//! packets and what `tracking` shows (RFC 5905 §11.2, A.5.5.5).

use super::clock::Reading;
use super::core::Engine;
use super::estimator::State;
use super::leap::LeapMode;
use super::local;
use super::smooth::Smoothing;
use super::source::Source;
use super::uncorrected::Uncorrected;
use crate::proto::packet::Leap;
use crate::proto::packet::MAX_STRATUM;
use crate::proto::refid::RefId;
use crate::time::Monotonic;
use md5::Digest;
use md5::Md5;
use std::net::IpAddr;

/// Where the time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: no client may believe it.
    Nowhere,
    /// This machine's own clock (`local`).
    Local,
    /// The source with this place in [`Engine::sources`], the best of the combined ones.
    Source(usize),
}

/// The reference at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reference {
    /// When this was put together, on the undisciplined clock.
    pub at: Monotonic,
    /// Where the time comes from.
    pub origin: Origin,
    /// Address of the source.
    pub address: Option<IpAddr>,
    /// Leap indicator; unsynchronised when the time comes from nowhere.
    pub leap: Leap,
    /// Stratum of this machine, 1 to 15; 0 when unsynchronised, as in a packet.
    pub stratum: u8,
    /// The source's address, or the first octets of its MD5 hash (RFC 5905 §7.3), or 127.127.1.1.
    pub refid: RefId,
    /// When the clock was last corrected, by itself, in nanoseconds since 1970; 0 for never.
    pub reference_unix_ns: i64,
    /// Round trip to the primary reference, in seconds.
    pub root_delay: f64,
    /// Error accumulated since the primary reference at the time `at`, in seconds.
    pub root_dispersion: f64,
    /// By how much the dispersion grows in a second.
    pub growth: f64,
    /// What is to be added to the clock now, in seconds: what is left of the last correction.
    pub offset: f64,
    /// Offset that the last update found, in seconds; positive when the clock was behind.
    pub last_offset: f64,
    /// Long-term root mean square of these offsets, in seconds.
    pub rms_offset: f64,
    /// Standard deviation of the time by the estimate, in seconds.
    pub deviation: f64,
    /// Frequency correction in force without slews, ppm; positive makes the clock run faster.
    pub frequency_ppm: f64,
    /// What the estimate says beyond that, ppm.
    pub residual_ppm: f64,
    /// Standard deviation of the frequency, ppm.
    pub skew_ppm: f64,
    /// Seconds between the last two updates.
    pub update_interval: f64,
    /// Rate at which the offset is being removed, in seconds per second, and until when.
    pub slew: Option<(f64, Monotonic)>,
    /// The clock without its corrections in phase; none where it is somebody else who corrects it.
    pub uncorrected: Option<Uncorrected>,
    /// How the time of clients is kept smooth, where it is.
    pub smoothing: Option<Smoothing>,
    /// Since when it has been synchronised without a break.
    pub since: Option<Monotonic>,
    /// When the last update was.
    pub updated: Option<Monotonic>,
    /// Once the sources can no longer be believed, the clock is its own reference at once (`local`).
    pub falls_back: bool,
}

impl Reference {
    /// True when a client may believe the time: it comes from a source, or from `local`.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        !matches!(self.origin, Origin::Nowhere)
    }

    /// True when it comes from a source.
    #[must_use]
    pub const fn is_synchronised(&self) -> bool {
        matches!(self.origin, Origin::Source(_))
    }

    /// The root dispersion at a later time, in seconds.
    #[must_use]
    pub fn dispersion_at(&self, now: Monotonic) -> f64 {
        self.root_dispersion + self.growth * now.seconds_since(self.at).max(0.0)
    }

    /// What is left to be added to the clock at a later time, in seconds.
    #[must_use]
    pub fn offset_at(&self, now: Monotonic) -> f64 {
        let done = self.slew.map_or(0.0, |(rate, until)| {
            rate * now.min(until).seconds_since(self.at).max(0.0)
        });
        self.offset - done
    }

    /// What is to be added to the clock for clients at a later time, in seconds: 0 unless their
    /// time is kept smooth.
    #[must_use]
    pub fn served_offset_at(&self, now: Monotonic) -> f64 {
        match &self.smoothing {
            Some(smoothing) if smoothing.active => self.offset_at(now) + smoothing.at(now).0,
            _ => 0.0,
        }
    }

    /// The root distance at a later time: half the delay and the dispersion, in seconds.
    #[must_use]
    pub fn distance_at(&self, now: Monotonic) -> f64 {
        0.5 * self.root_delay + self.dispersion_at(now)
    }
}

/// The reference identifier of an upstream (RFC 5905 §7.3): an IPv4 address itself, of an IPv6
/// address the first four octets of its MD5 hash.
#[must_use]
pub fn refid_of(address: IpAddr) -> RefId {
    match address {
        IpAddr::V4(v4) => RefId(v4.octets()),
        IpAddr::V6(v6) => {
            let hash = Md5::digest(v6.octets());
            let mut id = [0; 4];
            for (to, from) in id.iter_mut().zip(hash) {
                *to = from;
            }
            RefId(id)
        }
    }
}

/// What the engine remembers of its updates.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Updates {
    /// When the engine started.
    pub(super) started: Monotonic,
    /// The last update, on the undisciplined clock and on the system's, in nanoseconds since 1970.
    last: Option<(Monotonic, i64)>,
    interval: f64,
    mean_square: Option<f64>,
    since: Option<Monotonic>,
    /// Sources answer, but no majority of them agrees.
    pub(super) disputed: bool,
    /// The distance that `local activate` asks for was once reached.
    pub(super) activated: bool,
}

/// The mean square of offsets forgets at this rate per update.
const FORGETS: f64 = 0.1;

impl Updates {
    pub(super) fn start(now: Monotonic) -> Self {
        Self {
            started: now,
            ..Self::default()
        }
    }

    /// The clock was corrected.
    pub(super) fn push(&mut self, now: Reading, offset: f64) {
        if let Some((before, _)) = self.last {
            self.interval = now.raw.seconds_since(before);
        }
        self.last = Some((now.raw, now.unix_ns));
        let square = offset * offset;
        let old = self.mean_square.unwrap_or(square);
        self.mean_square = Some(old + FORGETS * (square - old));
        self.since = self.since.or(Some(now.raw));
        self.disputed = false;
    }

    /// Seconds since the last update, if there was any.
    pub(super) fn age(&self, now: Monotonic) -> Option<f64> {
        self.last.map(|(at, _)| now.seconds_since(at))
    }

    /// The time is no longer from anywhere.
    pub(super) const fn lose(&mut self) {
        self.since = None;
    }
}

impl Engine {
    /// What this machine follows now, and how good that is.
    #[must_use]
    pub fn reference(&self, now: Reading) -> Reference {
        let followed = self.followed(now);
        match &self.config.local {
            Some(local) if local.takes_over(&self.updates, followed.as_ref(), now.raw) => {
                self.filled(now, Origin::Local)
            }
            _ => followed.unwrap_or_else(|| self.filled(now, Origin::Nowhere)),
        }
    }

    /// Whether the clock would be its own reference without the sources.
    fn falls_back(&self, now: Monotonic) -> bool {
        let local = self.config.local;
        local.is_some_and(|local| local.takes_over(&self.updates, None, now))
    }

    /// The reference by the sources, while there is one that can be believed.
    fn followed(&self, now: Reading) -> Option<Reference> {
        let best = self.vote.best.or(self.last_best)?;
        self.state?;
        if self.updates.disputed {
            return None;
        }
        let reference = self.filled(now, Origin::Source(best));
        let near = reference.distance_at(now.raw) <= self.config.max_distance;
        (near && (1..MAX_STRATUM).contains(&reference.stratum)).then_some(reference)
    }

    fn filled(&self, now: Reading, origin: Origin) -> Reference {
        let updates = &self.updates;
        let state = self.state.map(|s| s.moved_to(now.raw, self.wander()));
        let mut offset = state.map_or(0.0, |s| s.phase - self.phase(now));
        let stepped = matches!(self.config.leap.mode, LeapMode::System | LeapMode::Step);
        if stepped && self.leap_watch.is_near() {
            // The clock's leap second and ours are not at the same moment. One that is slewed away
            // is a whole second of true offset.
            offset -= offset.round();
        }
        let mut reference = Reference {
            at: now.raw,
            origin,
            address: None,
            leap: Leap::Unsynchronised,
            stratum: 0,
            refid: RefId([0; 4]),
            reference_unix_ns: updates.last.map_or(0, |(_, unix_ns)| unix_ns),
            root_delay: 0.0,
            root_dispersion: 0.0,
            growth: 0.0,
            offset,
            last_offset: self.discipline.last_offset,
            rms_offset: updates.mean_square.unwrap_or(0.0).sqrt(),
            deviation: state.map_or(0.0, |s| s.var_phase.sqrt()),
            frequency_ppm: self.discipline.frequency * 1e6,
            residual_ppm: state.map_or(0.0, |s| (s.frequency - self.discipline.frequency) * 1e6),
            skew_ppm: state.map_or(0.0, |s| s.var_frequency.sqrt() * 1e6),
            update_interval: updates.interval,
            slew: self
                .discipline
                .slewing()
                .filter(|_| self.config.clock_control),
            uncorrected: self.config.clock_control.then_some(self.uncorrected),
            smoothing: self.smoothing,
            since: updates.since,
            updated: updates.last.map(|(at, _)| at),
            falls_back: self.falls_back(now.raw),
        };
        match origin {
            Origin::Nowhere => reference.since = None,
            Origin::Local => {
                reference.leap = Leap::None;
                reference.stratum = self.config.local.map_or(0, |l| l.stratum);
                reference.refid = local::REFID;
                // The clock is its own reference, so it is always up to date.
                reference.reference_unix_ns = now.unix_ns;
            }
            Origin::Source(index) => {
                if let (Some(source), Some(state)) = (self.sources.get(index), &state) {
                    self.follow(&mut reference, source, state, now.raw);
                }
            }
        }
        reference
    }

    fn follow(&self, to: &mut Reference, source: &Source, state: &State, now: Monotonic) {
        let Some(remote) = source.remote else {
            return;
        };
        let stratum = remote.stratum.max(source.config.min_stratum);
        to.address = source.address.map(|a| a.ip());
        to.leap = match self.leap_today {
            // Clients of a smear must not leap as well.
            _ if self.smoothing.is_some() => Leap::None,
            1 => Leap::Insert,
            -1 => Leap::Delete,
            _ => Leap::None,
        };
        to.stratum = stratum.saturating_add(1).min(MAX_STRATUM);
        to.refid = match &source.refclock {
            Some(clock) => clock.config.refid,
            None => to.address.map_or(RefId([0; 4]), refid_of),
        };
        if source.config.copy {
            to.stratum = stratum;
            to.refid = remote.refid;
        }
        to.root_delay =
            remote.root_delay.seconds().max(0.0) + source.shortest_delay().unwrap_or(0.0).max(0.0);
        // Beyond what the filter expects of its own noise, the frequency may be off by its
        // uncertainty and the oscillator may do what `maxclockerror` allows for.
        to.growth =
            self.config.max_clock_error * 1e-6 + (to.skew_ppm + to.residual_ppm.abs()) * 1e-6;
        let age = self.updates.age(now).unwrap_or(0.0).max(0.0);
        to.root_dispersion = remote.root_dispersion.seconds().max(0.0)
            + source.precision()
            + state.var_phase.sqrt()
            + to.offset.abs()
            + self.config.max_clock_error * 1e-6 * age;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_upstream_is_named_by_its_hash() {
        // printf of the sixteen octets | md5sum
        let hashed = refid_of("2001:db8::7".parse().expect("parses"));
        assert_eq!(hashed.0, [0xe1, 0xb2, 0xc2, 0x9d]);
        assert_eq!(
            refid_of("192.0.2.7".parse().expect("parses")),
            RefId([192, 0, 2, 7])
        );
    }
}
