//! What files of measurements are written from (`log` of chrony.conf): put together only when
//! somebody wants it, and the same numbers that the control protocol shows. Offsets are positive
//! when the clock is behind; whoever writes them down turns the sign where a format wants it.

use super::clock::Reading;
use super::control::monitor;
use super::control::selection;
use super::core::Engine;
use super::measurement::Sample;
use super::note::Action;
use super::passed::Tests;
use super::reference::Origin;
use super::reference::Reference;
use super::reply::Rejection;
use super::source::Source;
use super::system::Standing;
use crate::proto::cmdmon::reply::SelectData;
use crate::proto::cmdmon::reply::SourceStats;
use crate::proto::packet::Leap;
use crate::proto::packet::Packet;
use crate::time::Monotonic;

/// What is to be recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent words of one directive"
)]
pub struct Wanted {
    /// Every reply that was used.
    pub measurements: bool,
    /// Every reply.
    pub raw_measurements: bool,
    /// What each source's measurements add up to.
    pub statistics: bool,
    /// Every vote.
    pub selection: bool,
    /// Every correction of the clock.
    pub tracking: bool,
    /// Every reading of a reference clock.
    pub refclocks: bool,
}

/// Something to be written down.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A reply.
    Measurement(Measurement),
    /// A source after a measurement.
    Statistics(Statistics),
    /// All sources after a vote.
    Selection {
        /// When, in nanoseconds since 1970.
        unix_ns: i64,
        /// The sources.
        rows: Vec<Selected>,
    },
    /// The clock after a correction, or after its reference was lost.
    Tracking(Box<Tracked>),
    /// A reading of a reference clock, or what several were filtered to.
    Refclock(RefclockReading),
}

/// A reply of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// When, in nanoseconds since 1970.
    pub unix_ns: i64,
    /// The source's address.
    pub source: String,
    /// The reply.
    pub packet: Packet,
    /// Which tests it passed.
    pub tests: Tests,
    /// It answered the request before (RFC 9769).
    pub interleaved: bool,
    /// The poll interval here, log2 seconds.
    pub poll: i8,
    /// How far the poll interval is on the way to the next one, 0 to 1.
    pub score: f64,
    /// The network card stamped the request, and the reply.
    pub by_card: (bool, bool),
    /// Offset, delay and dispersion in seconds; none when there is no time to speak of.
    pub measured: Option<(f64, f64, f64)>,
}

/// What the measurements of a source add up to.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// When, in nanoseconds since 1970.
    pub unix_ns: i64,
    /// The source's address, or its identifier.
    pub source: String,
    /// As `sourcestats` has it.
    pub stats: SourceStats,
    /// How far the frequency moved, in standard deviations of the one before.
    pub stress: f64,
    /// Measurements that were dropped this time.
    pub dropped: usize,
    /// Asymmetry of the path's jitter, -0.5 to 0.5.
    pub asymmetry: f64,
}

/// A source after a vote.
#[derive(Clone, Debug, PartialEq)]
pub struct Selected {
    /// The source's address, or its identifier.
    pub source: String,
    /// As `selectdata` has it.
    pub data: SelectData,
    /// The last eight polls, newest in the lowest bit.
    pub reach: u8,
    /// Seconds since the last measurement; 0 without one.
    pub age: f64,
}

/// The clock after a correction.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracked {
    /// When, in nanoseconds since 1970.
    pub unix_ns: i64,
    /// The address of the source that is followed, or its identifier; none without one.
    pub source: Option<String>,
    /// The reference now.
    pub reference: Reference,
    /// Offset that was found, in seconds.
    pub offset: f64,
    /// Its standard deviation, in seconds.
    pub deviation: f64,
    /// Sources that were combined.
    pub combined: usize,
    /// What was left of the correction before, in seconds.
    pub remaining: f64,
    /// How far the clock can have been off since the update before, in seconds.
    pub max_error: f64,
}

/// A reading of a reference clock.
#[derive(Clone, Debug, PartialEq)]
pub struct RefclockReading {
    /// When, in nanoseconds since 1970.
    pub unix_ns: i64,
    /// The clock's identifier.
    pub source: String,
    /// Which reading since the last measurement, whether it is of a pulse, and what the device said
    /// that the clock was off, in seconds; none for what several were filtered to.
    pub raw: Option<(u32, bool, f64)>,
    /// Leap second that the clock announces.
    pub leap: Leap,
    /// Offset with all corrections, in seconds.
    pub offset: f64,
    /// Its dispersion, in seconds.
    pub dispersion: f64,
}

/// Distance of a clock without a reference: half of a delay of 1 s, and a dispersion of 1 s.
const NO_DISTANCE: f64 = 1.5;

/// The state before a correction, which its record is about too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    remaining: f64,
    offset: f64,
    distance: f64,
}

impl Engine {
    fn record(&mut self, record: Record) {
        self.actions.push_back(Action::Record(Box::new(record)));
    }

    /// A datagram of this source was looked at.
    pub(super) fn record_reply(
        &mut self,
        now: Reading,
        index: usize,
        data: &[u8],
        rejected: Option<Rejection>,
    ) {
        let wanted = self.config.records;
        let used = matches!(rejected, None | Some(Rejection::Held));
        if !(wanted.raw_measurements || wanted.measurements && used) {
            return;
        }
        let Some(source) = self.sources.get(index) else {
            return;
        };
        // What is no NTP, or no reply, is not worth a line.
        let (Ok(packet), false) = (
            Packet::decode(data),
            matches!(
                rejected,
                Some(
                    Rejection::Malformed | Rejection::Mode | Rejection::Version | Rejection::WarmUp
                )
            ),
        ) else {
            return;
        };
        let clock = self.phase(now);
        // One more of what came last; a request that is still open has another origin.
        let again = rejected == Some(Rejection::Bogus)
            && source.remote.is_some_and(|last| {
                (last.receive, last.transmit) == (packet.receive, packet.transmit)
            });
        let measured = source.tried;
        let delay = measured.map_or(0.0, |s| s.delay);
        let longest = delay <= source.config.max_delay;
        let base = source.config.min_delay.or_else(|| source.shortest_delay());
        let ratio = source.config.max_delay_ratio.zip(base);
        let ratio = ratio.is_none_or(|(ratio, base)| delay <= base * ratio);
        let rest = rejected != Some(Rejection::Delay) || !longest || !ratio;
        let rejected = rejected.filter(|r| *r != Rejection::Held);
        let tests = Tests::new(&packet, rejected, again, [longest, ratio, rest]);
        let measured = measured.map(|s: Sample| (s.offset - clock, s.delay, s.precision));
        self.record(Record::Measurement(Measurement {
            unix_ns: now.unix_ns,
            source: source.label(),
            packet,
            tests,
            interleaved: source.interleaved,
            poll: source.poll,
            score: self.score(source),
            by_card: source.by_card,
            measured: measured.filter(|_| tests.is_measured()),
        }));
    }

    /// How far a source's poll interval is on the way to the next one, 0 to 1.
    fn score(&self, source: &Source) -> f64 {
        let target = source.config.poll_target;
        self.pace.score(source.poll, source.answered, target)
    }

    /// A source was measured; its frequency and that one's standard deviation `before`, and how many
    /// measurements it had.
    pub(super) fn record_statistics(
        &mut self,
        now: Reading,
        index: usize,
        before: Option<(f64, f64)>,
        had: usize,
    ) {
        let Some(source) = self.sources.get(index) else {
            return;
        };
        let Some(track) = source.track.filter(|_| self.config.records.statistics) else {
            return;
        };
        let stress = before.map_or(0.0, |(frequency, sd)| {
            (track.frequency - frequency).abs() / sd.max(1e-12)
        });
        self.record(Record::Statistics(Statistics {
            unix_ns: now.unix_ns,
            source: source.label(),
            stats: monitor::stats(self, source, now),
            stress,
            dropped: had.saturating_sub(source.samples.len()),
            asymmetry: source.config.asymmetry.unwrap_or(0.0),
        }));
    }

    /// There was a vote.
    pub(super) fn record_vote(&mut self, now: Reading) {
        if !self.config.records.selection {
            return;
        }
        let rows = self
            .sources
            .iter()
            .enumerate()
            .filter(|(_, s)| s.address.is_some() || s.refclock.is_some())
            .map(|(index, source)| Selected {
                source: source.label(),
                data: selection::data(self, index, source, now),
                reach: source.reach,
                age: source
                    .samples
                    .back()
                    .map_or(0.0, |s| now.raw.seconds_since(s.at)),
            })
            .collect();
        self.record(Record::Selection {
            unix_ns: now.unix_ns,
            rows,
        });
    }

    /// Before the clock is corrected.
    pub(super) fn before_correction(&self, now: Reading) -> Option<Before> {
        if !self.config.records.tracking {
            return None;
        }
        let reference = self.reference(now);
        let left = |(rate, until): (f64, Monotonic)| rate * until.seconds_since(now.raw).max(0.0);
        Some(Before {
            remaining: self.discipline.slewing().map_or(0.0, left),
            offset: reference.offset,
            distance: if reference.is_usable() {
                reference.distance_at(now.raw)
            } else {
                NO_DISTANCE
            },
        })
    }

    /// The clock was corrected.
    pub(super) fn record_correction(
        &mut self,
        now: Reading,
        before: Option<Before>,
        offset: f64,
        deviation: f64,
    ) {
        let Some(before) = before else {
            return;
        };
        let max_error = before.distance + (offset - before.offset).abs();
        self.record_tracking(now, (offset, deviation), before.remaining, max_error);
    }

    /// The reference was lost.
    pub(super) fn record_loss(&mut self, now: Reading) {
        if self.config.records.tracking {
            self.record_tracking(now, (0.0, 0.0), 0.0, NO_DISTANCE);
        }
    }

    fn record_tracking(
        &mut self,
        now: Reading,
        (offset, deviation): (f64, f64),
        remaining: f64,
        max_error: f64,
    ) {
        let reference = self.reference(now);
        let source = match reference.origin {
            Origin::Source(index) => self.sources.get(index).map(Source::label),
            Origin::Local | Origin::Nowhere => None,
        };
        let standings = self.vote.standings.iter();
        let combined = standings.filter(|s| **s == Standing::Combined).count();
        self.record(Record::Tracking(Box::new(Tracked {
            unix_ns: now.unix_ns,
            combined: if source.is_some() { combined } else { 0 },
            source,
            reference,
            offset,
            deviation,
            remaining,
            max_error,
        })));
    }

    /// A reference clock was read: which reading it is, whether of a pulse, what the device said;
    /// none for what several readings were filtered to. `offset` is against the undisciplined clock.
    pub(super) fn record_refclock(
        &mut self,
        now: Reading,
        index: usize,
        at: Monotonic,
        raw: Option<(u32, bool, f64)>,
        (offset, dispersion): (f64, f64),
    ) {
        if !self.config.records.refclocks {
            return;
        }
        let Some(source) = self.sources.get(index) else {
            return;
        };
        let Some(clock) = source.refclock.as_deref() else {
            return;
        };
        let ago = now.raw.seconds_since(at);
        self.record(Record::Refclock(RefclockReading {
            unix_ns: now.unix_ns.saturating_sub((ago * 1e9) as i64),
            source: source.label(),
            raw,
            leap: clock.leap(),
            offset: offset - (self.phase(now) - self.discipline.rate() * ago),
            dispersion,
        }));
    }
}
