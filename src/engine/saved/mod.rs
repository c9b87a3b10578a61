//! What was learnt, kept from one start to the next (`dumpdir` and `--reload`): each source's
//! measurements and path, the oscillator's frequency and wander. Measurements are against the
//! undisciplined clock, so they hold as long as that runs on: in the same boot, without a sleep,
//! and without a leap second in between.

mod text;

pub use text::Broken;

use super::clock::Reading;
use super::core::Engine;
use super::core::SLEEP_NS;
use super::estimator::delays::Delays;
use super::estimator::memory::Memory;
use super::estimator::wander::Wander;
use super::leap;
use super::measurement::Sample;
use super::note::Note;
use super::pace::Pace;
use super::shape::Shape;
use super::source::Source;
use crate::proto::packet::Packet;
use crate::time::Monotonic;
use std::net::SocketAddr;

/// What an engine had learnt at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// Which boot of the machine it was, and on which host, where that can be told: `BOOT/MARK`.
    boot: String,
    /// The clocks at that moment.
    at: Reading,
    origin_ns: i64,
    memory: Memory,
    wander: Wander,
    pace: Pace,
    sources: Vec<SavedSource>,
}

/// One source of it.
#[derive(Clone, Debug, PartialEq)]
struct SavedSource {
    /// Its name, and a clock's device.
    who: String,
    address: Option<SocketAddr>,
    poll: i8,
    reach: u8,
    answered: u8,
    remote: Option<Packet>,
    bias: f64,
    tilt: f64,
    shape: Shape,
    delays: Delays,
    samples: Vec<Sample>,
}

/// Why what was saved does not hold any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// The machine was started anew: its undisciplined clock too.
    OtherBoot,
    /// It runs on another host than then, or nothing tells that it does not.
    Moved,
    /// It slept: the undisciplined clock stood still.
    Slept,
    /// There may have been a leap second.
    Leap,
    /// It says that it was saved later than now.
    Future,
}

impl Stale {
    /// In words, for the log.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::OtherBoot => "the machine was started anew since",
            Self::Moved => "the machine was moved to another host since, or that cannot be told",
            Self::Slept => "the machine slept since",
            Self::Leap => "there may have been a leap second since",
            Self::Future => "they are from later than now",
        }
    }
}

impl Saved {
    /// Whether it still holds.
    ///
    /// # Errors
    /// Why not.
    fn holds(&self, now: Reading, boot: &str) -> Result<(), Stale> {
        if self.boot != boot {
            // The host's own mark may follow.
            let boot_of = |text: &str| text.split('/').next().map(str::to_owned);
            return Err(match boot_of(&self.boot) == boot_of(boot) {
                true => Stale::Moved,
                false => Stale::OtherBoot,
            });
        }
        if self.at.raw > now.raw || self.sources.iter().any(|s| s.is_later_than(now.raw)) {
            return Err(Stale::Future);
        }
        let slept = self.at.slept_ns.zip(now.slept_ns);
        if slept.is_some_and(|(then, now)| now.saturating_sub(then).abs() > SLEEP_NS) {
            return Err(Stale::Slept);
        }
        let unix = |at: Reading| at.unix_ns.div_euclid(1_000_000_000);
        if leap::half_year_ended(unix(self.at), unix(now)) {
            return Err(Stale::Leap);
        }
        Ok(())
    }
}

impl SavedSource {
    fn of(source: &Source) -> Self {
        Self {
            who: who(source),
            address: source.address,
            poll: source.poll,
            reach: source.reach,
            answered: source.answered,
            remote: source.remote,
            bias: source.bias,
            tilt: source.tilt,
            shape: source.shape,
            delays: source.delays.clone(),
            samples: source.samples.iter().copied().collect(),
        }
    }

    fn is_later_than(&self, now: Monotonic) -> bool {
        self.samples.last().is_some_and(|s| s.at > now)
    }

    /// Whether it is what is known of this source.
    fn is_of(&self, source: &Source) -> bool {
        let same = source.address.is_none() || source.address == self.address;
        let family = self.address.is_none_or(|at| match source.config.family {
            Some(super::config::Family::V4) => at.is_ipv4(),
            Some(super::config::Family::V6) => at.is_ipv6(),
            None => true,
        });
        let port = self.address.is_none_or(|a| a.port() == source.config.port);
        same && family && port && self.who == who(source)
    }

    /// Gives it to the source. `shift` is added to its phases, in seconds.
    fn give(self, source: &mut Source, shift: f64, now: Monotonic) {
        if source.address.is_none() && self.address.is_some() {
            // The name may have moved on; it stays where it was if that is still one of its places.
            source.address = self.address;
            source.confirmed = now;
            source.doubtful = true;
        }
        source.reach = self.reach;
        source.answered = self.answered;
        source.remote = self.remote;
        source.bias = self.bias;
        source.tilt = self.tilt;
        source.shape = self.shape;
        source.delays = self.delays;
        let most = source.config.samples.1.max(4);
        let skip = self.samples.len().saturating_sub(most);
        source.samples = self
            .samples
            .into_iter()
            .skip(skip)
            .map(|sample| Sample {
                offset: sample.offset + shift,
                ..sample
            })
            .collect();
        source.set_poll(self.poll);
    }
}

/// What a source is known by: its name, with a clock its device too.
fn who(source: &Source) -> String {
    match &source.refclock {
        Some(clock) => format!("{} {}", source.config.name, clock.config.device.path()),
        None => source.config.name.clone(),
    }
}

impl Engine {
    /// What it has learnt so far, in this `boot` of the machine.
    #[must_use]
    pub fn saved(&self, now: Reading, boot: &str) -> Saved {
        Saved {
            boot: boot.to_owned(),
            at: now,
            origin_ns: self.origin_ns,
            memory: self.memory.clone(),
            wander: self.wander,
            pace: self.pace,
            sources: self
                .sources
                .iter()
                .filter(|s| !s.samples.is_empty())
                .map(SavedSource::of)
                .collect(),
        }
    }

    /// It will start with what another one has learnt, if that still holds then.
    pub fn begin_with(&mut self, saved: Saved, boot: &str) {
        self.begin_with = Some(Box::new((saved, boot.to_owned())));
    }

    /// Takes over what was saved. Called once the sources are there.
    pub(super) fn resume(&mut self, now: Reading) {
        let Some((saved, boot)) = self.begin_with.take().map(|b| *b) else {
            return;
        };
        if let Err(stale) = saved.holds(now, &boot) {
            self.note(Note::NotResumed(stale));
            return;
        }
        let shift = saved.origin_ns.saturating_sub(self.origin_ns) as f64 * 1e-9;
        self.memory = saved.memory;
        self.wander = saved.wander;
        self.pace = saved.pace;
        let (mut sources, mut samples) = (0, 0);
        let mut left = saved.sources;
        for source in &mut self.sources {
            let Some(place) = left.iter().position(|s| s.is_of(source)) else {
                continue;
            };
            left.remove(place).give(source, shift, now.raw);
            source.follow(self.wander.now(), &self.memory);
            sources += 1;
            samples += source.samples.len();
        }
        self.note(Note::Resumed { sources, samples });
        if sources > 0 {
            self.decide(now, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::Config;
    use crate::engine::config::SourceConfig;
    use crate::engine::random::Random;

    const SECOND: i64 = 1_000_000_000;

    fn at(raw: u64, unix: i64, slept: i64) -> Reading {
        Reading {
            raw: Monotonic::from_nanos(raw * SECOND.unsigned_abs()),
            unix_ns: unix * SECOND,
            slept_ns: Some(slept * SECOND),
        }
    }

    #[test]
    fn another_boot_a_sleep_and_a_leap_second_make_it_worthless() {
        // 2026-06-30T12:00:00Z.
        let noon = 1_782_820_800;
        let engine = Engine::new(Config::default(), Random::from_number(1));
        let saved = engine.saved(at(1000, noon, 5), "a");
        assert_eq!(saved.holds(at(1010, noon + 10, 5), "a"), Ok(()));
        assert_eq!(
            saved.holds(at(1010, noon + 10, 5), "b"),
            Err(Stale::OtherBoot)
        );
        let moved = saved.holds(at(1010, noon + 10, 5), "a/7");
        assert_eq!(moved, Err(Stale::Moved));
        assert_eq!(saved.holds(at(1010, noon + 10, 6), "a"), Err(Stale::Slept));
        assert_eq!(saved.holds(at(999, noon + 10, 5), "a"), Err(Stale::Future));
        let night = at(1000 + 43_200, noon + 43_200, 5);
        assert_eq!(saved.holds(night, "a"), Err(Stale::Leap));
        let other = engine.saved(at(1000, noon + 86_400, 5), "a");
        assert_eq!(other.holds(at(90_000, noon + 172_800, 5), "a"), Ok(()));
    }

    #[test]
    fn only_the_same_source_gets_it_and_names_keep_their_address() {
        let config = |name: &str, address: Option<&str>| {
            SourceConfig::new(name, address.map(|a| a.parse().unwrap()))
        };
        let sample = Sample {
            at: Monotonic::from_nanos(900_000_000_000),
            offset: 0.25,
            delay: 1e-3,
            precision: 1e-7,
            epoch: 0,
        };
        let mut old = Engine::new(
            Config {
                sources: vec![
                    config("192.0.2.1", Some("192.0.2.1:123")),
                    config("pool.test", None),
                    config("pool.test", None),
                ],
                ..Config::default()
            },
            Random::from_number(1),
        );
        let now = at(1000, 1_790_000_000, 0);
        old.start(now, 0.0);
        for (place, source) in old.sources.iter_mut().enumerate() {
            let host = place + 1;
            source.address = Some(format!("192.0.2.{host}:123").parse().unwrap());
            source.samples.push_back(sample);
            source.delays.push(1e-3);
        }
        let saved = old.saved(now, "a");
        let mut new = Engine::new(
            Config {
                sources: vec![
                    config("192.0.2.9", Some("192.0.2.9:123")),
                    config("pool.test", None),
                    config("192.0.2.1", Some("192.0.2.1:124")),
                ],
                ..Config::default()
            },
            Random::from_number(2),
        );
        new.begin_with(saved, "a");
        // The clock was set back by ten seconds meanwhile: phases are from another origin.
        new.start(at(1001, 1_790_000_001 - 10, 0), 0.0);
        let counts: Vec<usize> = new.sources.iter().map(|s| s.samples.len()).collect();
        assert_eq!(counts, [0, 1, 0]);
        let pool = &new.sources[1];
        assert_eq!(pool.address, Some("192.0.2.2:123".parse().unwrap()));
        assert!(pool.doubtful);
        assert!((pool.samples[0].offset - 10.25).abs() < 1e-9);
    }
}
