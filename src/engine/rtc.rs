//! The battery-backed clock against true time (`rtcfile`): how far it is ahead, how fast it gains.
//! It is read now and then at the start of one of its seconds; a line through the readings tells
//! the rest, kept in a file from one start to the next.

use std::collections::VecDeque;
use std::fmt;

/// Readings kept.
const KEPT: usize = 64;
/// Fewer are never dropped for not being on a line.
const LEAST: usize = 8;
/// Seconds from one reading to the next: at first, and at most.
const SOON: f64 = 15.0;
const RARELY: f64 = 2048.0;
/// Readings that follow each other soon.
const QUICK: u32 = 8;
/// The clock gains less than this, in seconds per second, or it is broken.
const FASTEST: f64 = 1e-3;
/// Longest text of a file.
pub const LONGEST: u64 = 256;

/// A reading.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Seen {
    /// True time, in seconds since 1970.
    at: f64,
    /// How far the clock was ahead, in seconds.
    ahead: f64,
}

/// Readings of the clock since it was set last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RtcTrack {
    seen: VecDeque<Seen>,
    taken: u32,
}

/// A reading, and what was made of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RtcReading {
    /// True time, in seconds since 1970.
    pub unix: f64,
    /// How far the clock was ahead, in seconds.
    pub ahead: f64,
    /// The line through the readings tells its rate.
    pub known: bool,
    /// How far ahead the line says that it is, in seconds.
    pub expected: f64,
    /// What it gains, in seconds per second.
    pub gain: f64,
    /// Readings in use.
    pub samples: usize,
    /// Runs of them on one side of the line.
    pub runs: usize,
    /// Seconds from the reading before to this one, as they were meant to be.
    pub interval: f64,
}

/// What is known of the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RtcLine {
    /// When it holds, in seconds since 1970.
    pub at: f64,
    /// How far the clock is ahead then, in seconds.
    pub ahead: f64,
    /// What it gains, in seconds per second.
    pub gain: f64,
}

impl RtcLine {
    /// How far the clock is ahead at a time, in seconds.
    #[must_use]
    pub fn ahead_at(&self, unix: f64) -> f64 {
        self.ahead + self.gain * (unix - self.at)
    }

    /// From the text of a file, chronyd's form: `1`, seconds since 1970, seconds ahead, ppm. None
    /// when it is no such file, or says that nothing is known.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        if words.next()? != "1" {
            return None;
        }
        let at: i64 = words.next()?.parse().ok()?;
        let mut number = |most: f64| {
            let number: f64 = words.next()?.parse().ok()?;
            (number.abs() <= most).then_some(number)
        };
        let (ahead, ppm) = (number(1e9)?, number(FASTEST * 1e6)?);
        if words.next().is_some() || !(0..1 << 40).contains(&at) {
            return None;
        }
        Some(Self {
            at: at as f64,
            ahead,
            gain: ppm * 1e-6,
        })
    }
}

impl fmt::Display for RtcLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.at.round();
        let (ahead, ppm) = (self.ahead_at(whole), self.gain * 1e6);
        writeln!(f, "1 {whole:.0} {ahead:.6} {ppm:.3}")
    }
}

impl RtcTrack {
    /// Takes in a reading: true time and how far the clock was ahead, both in seconds. Gives what
    /// was made of it.
    pub fn push(&mut self, unix: f64, ahead: f64) -> RtcReading {
        let interval = self.interval();
        let jumped = self
            .line()
            .is_some_and(|line| (ahead - line.ahead_at(unix)).abs() > 0.5);
        let back = self.seen.back().is_some_and(|last| last.at >= unix);
        if jumped || back {
            // Somebody set one of the clocks.
            self.reset();
        }
        self.seen.push_back(Seen { at: unix, ahead });
        self.taken = self.taken.saturating_add(1);
        while self.seen.len() > KEPT || (self.seen.len() > LEAST && !self.is_straight()) {
            self.seen.pop_front();
        }
        let line = self.line();
        RtcReading {
            unix,
            ahead,
            known: self.seen.len() > 1,
            expected: line.map_or(ahead, |line| line.ahead_at(unix)),
            gain: line.map_or(0.0, |line| line.gain),
            samples: self.seen.len(),
            runs: self.runs(),
            interval,
        }
    }

    /// The clock was set: nothing is known.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Seconds until it should be read again.
    #[must_use]
    pub fn interval(&self) -> f64 {
        let doublings = f64::from(self.taken.saturating_sub(QUICK).min(20));
        (SOON * doublings.exp2()).min(RARELY)
    }

    /// Readings in use.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.seen.len()
    }

    /// Seconds from the oldest reading to the newest.
    #[must_use]
    pub fn span(&self) -> f64 {
        let ends = self.seen.back().zip(self.seen.front());
        ends.map_or(0.0, |(last, first)| last.at - first.at)
    }

    /// When it was read last, in seconds since 1970.
    #[must_use]
    pub fn last(&self) -> Option<f64> {
        self.seen.back().map(|s| s.at)
    }

    /// The least-squares line through the readings; without two of them the clock is taken to gain
    /// nothing.
    #[must_use]
    pub fn line(&self) -> Option<RtcLine> {
        let last = self.seen.back()?;
        let count = self.seen.len() as f64;
        let mean = |of: &dyn Fn(&Seen) -> f64| self.seen.iter().map(of).sum::<f64>() / count;
        let (age, ahead) = (mean(&|s| s.at - last.at), mean(&|s| s.ahead));
        let spread = mean(&|s| (s.at - last.at - age).powi(2));
        let across = mean(&|s| (s.at - last.at - age) * (s.ahead - ahead));
        let gain = if spread > 0.0 { across / spread } else { 0.0 };
        let gain = gain.clamp(-FASTEST, FASTEST);
        Some(RtcLine {
            at: last.at,
            ahead: ahead - gain * age,
            gain,
        })
    }

    /// Runs of readings on one side of the line.
    #[must_use]
    pub fn runs(&self) -> usize {
        let Some(line) = self.line() else {
            return 0;
        };
        let mut runs = 0;
        let mut before = None;
        for seen in &self.seen {
            let above = seen.ahead > line.ahead_at(seen.at);
            runs += usize::from(before != Some(above));
            before = Some(above);
        }
        runs
    }

    /// Whether the readings lie on both sides of the line as often in turn as chance has it (Wald
    /// and Wolfowitz), or a curve would fit better: two standard deviations.
    fn is_straight(&self) -> bool {
        let count = self.seen.len() as f64;
        self.runs() as f64 >= 0.5 * count + 1.0 - (count - 1.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::random::Random;

    const START: f64 = 1_800_000_000.0;

    /// A clock that gains so many ppm, read with so much noise.
    fn track(gain: f64, noise: f64, readings: usize) -> (RtcTrack, f64) {
        let mut random = Random::from_number(3);
        let mut track = RtcTrack::default();
        let mut now = START;
        for _ in 0..readings {
            track.push(
                now,
                0.7 + gain * (now - START) + noise * (random.uniform() - 0.5),
            );
            now += track.interval();
        }
        (track, now)
    }

    #[test]
    fn the_line_tells_offset_and_gain_and_readings_get_rarer() {
        let (track, now) = track(12e-6, 2e-4, 40);
        let line = track.line().unwrap();
        assert!((line.gain - 12e-6).abs() < 0.5e-6, "{line:?}");
        let truth = 0.7 + 12e-6 * (now - START);
        assert!((line.ahead_at(now) - truth).abs() < 1e-3);
        assert!(track.samples() > LEAST && track.runs() > 4);
        assert_eq!(track.interval(), RARELY);
    }

    #[test]
    fn a_clock_that_was_set_is_begun_anew_and_one_that_bends_forgets_the_past() {
        let (mut set, now) = track(12e-6, 2e-4, 40);
        let known = set.line().unwrap().ahead_at(now);
        let read = set.clone().push(now, known);
        assert!(
            read.known && (read.expected - known).abs() < 1e-4,
            "{read:?}"
        );
        assert_eq!((read.samples, read.interval), (set.samples() + 1, RARELY));
        let read = set.push(now, -5.0);
        assert_eq!((read.known, read.samples, read.expected), (false, 1, -5.0));
        assert_eq!((set.samples(), set.line().unwrap().ahead), (1, -5.0));
        let (mut bent, mut now) = track(12e-6, 2e-5, 40);
        let (from, before) = (now, bent.line().unwrap().ahead_at(now));
        for _ in 0..20 {
            bent.push(now, before - 8e-6 * (now - from));
            now += bent.interval();
        }
        assert!(
            (bent.line().unwrap().gain + 8e-6).abs() < 1e-6,
            "{:?}",
            bent.line()
        );
    }

    #[test]
    fn the_file_is_read_as_it_was_written_and_a_broken_one_says_nothing() {
        let (track, _) = track(12e-6, 2e-4, 40);
        let line = track.line().unwrap();
        let read = RtcLine::parse(&line.to_string()).unwrap();
        assert!((read.ahead_at(START) - line.ahead_at(START)).abs() < 1e-4);
        for text in [
            "",
            "0 1800000000 0.5 3.0",
            "1 1800000000 0.5",
            "1 1800000000 0.5 3.0 4",
            "1 1800000000 nan 3.0",
            "1 1800000000 0.5 1e9",
            "1 -5 0.5 3.0",
            "1 9e99 0.5 3.0",
        ] {
            assert_eq!(RtcLine::parse(text), None, "{text}");
        }
    }
}
