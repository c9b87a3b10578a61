//! Simulated reference clocks, read on the simulated machine.

use super::EPOCH;
use super::SimClock;
use crate::engine::note::Note;
use crate::engine::random::Random;
use crate::engine::refclock::Device;
use crate::engine::refclock::Said;
use crate::engine::refclock::Tick;
use crate::engine::run::Observer;
use crate::engine::source_id::SourceId;
use crate::engine::standard::Readings;
use crate::proto::packet::Leap;

/// What a reference clock is like.
#[derive(Clone, Debug, PartialEq)]
pub struct SimRefclock {
    /// Its error, in seconds: positive when it is ahead.
    pub offset: f64,
    /// Nobody sets it: it gains so much, in seconds per second.
    pub drift: f64,
    /// Standard deviation of a reading, in seconds.
    pub noise: f64,
    /// One reading in so many is wrong by `wild` seconds; 0 none.
    pub wild: (u64, f64),
    /// It only says when a second began, at the last of them.
    pub pulse: bool,
    /// From the first time to the second, in seconds, it cannot be read.
    pub away: (f64, f64),
    /// Somebody sets it at this time by so much, in seconds.
    pub set: (f64, f64),
}

impl Default for SimRefclock {
    fn default() -> Self {
        Self {
            offset: 0.0,
            drift: 0.0,
            noise: 1e-7,
            wild: (0, 0.0),
            pulse: false,
            away: (0.0, 0.0),
            set: (0.0, 0.0),
        }
    }
}

/// A host with reference clocks, by their devices' paths; it keeps what the engine says.
pub struct SimHost {
    clock: SimClock,
    random: Random,
    clocks: Vec<(String, SimRefclock)>,
    readings: u64,
    /// The clock that is a local standard, by its path, and where its readings go.
    pub standard: Option<(String, Readings)>,
    /// Everything that was said.
    pub notes: Vec<Note>,
}

impl SimHost {
    /// With these clocks.
    #[must_use]
    pub fn new(clock: SimClock, clocks: &[(&str, SimRefclock)], seed: u64) -> Self {
        let named = clocks
            .iter()
            .map(|(path, c)| ((*path).to_owned(), c.clone()));
        Self {
            clock,
            random: Random::from_number(seed),
            clocks: named.collect(),
            readings: 0,
            standard: None,
            notes: Vec::new(),
        }
    }

    fn read(&mut self, clock: &SimRefclock) -> Option<Tick> {
        self.readings += 1;
        let wild = match clock.wild {
            (0, _) => 0.0,
            (every, by) if self.readings.is_multiple_of(every) => by,
            _ => 0.0,
        };
        let noise = clock.noise * self.random.normal() + wild;
        let (time, error) = if clock.pulse {
            let record = self.clock.record();
            let last = record.errors.len().checked_sub(1)?;
            (last as f64, record.errors.get(last).copied()?)
        } else {
            (self.clock.time(), self.clock.error())
        };
        let nanos = |seconds: f64| (seconds * 1e9).round() as i64;
        let system_ns = EPOCH * 1_000_000_000 + nanos(time + error);
        Some(Tick {
            system_ns: system_ns + if clock.pulse { nanos(noise) } else { 0 },
            raw: None,
            said: if clock.pulse {
                Said::Pulse((system_ns + nanos(noise)).rem_euclid(1_000_000_000))
            } else {
                let set = if time < clock.set.0 { 0.0 } else { clock.set.1 };
                let shown = time * (1.0 + clock.drift) + clock.offset + set + noise;
                Said::Time(EPOCH * 1_000_000_000 + nanos(shown))
            },
            leap: Leap::None,
            error: clock.noise,
        })
    }
}

impl Observer for SimHost {
    fn note(&mut self, note: &Note) {
        self.notes.push(note.clone());
    }

    fn save_drift(&mut self, _ppm: f64, _skew: f64) {}

    fn read_refclock(&mut self, _source: SourceId, device: &Device) -> Result<Vec<Tick>, String> {
        let path = device.path();
        let clock = self.clocks.iter().find(|(name, _)| name == path);
        let clock = clock.map(|(_, clock)| clock.clone());
        let clock = clock.ok_or_else(|| format!("{path} is not there"))?;
        let now = self.clock.time();
        if (clock.away.0..clock.away.1).contains(&now) {
            return Err(format!("{path} is gone"));
        }
        let said: Vec<Tick> = self.read(&clock).into_iter().collect();
        if let Some((standard, readings)) = &self.standard
            && standard == path
        {
            readings.push(&said);
        }
        Ok(said)
    }
}
