//! The engine's dealings with reference clocks: when they are read, what becomes of what they say.

use super::Engine;
use crate::engine::clock::Reading;
use crate::engine::estimator::delays::Route;
use crate::engine::note::Action;
use crate::engine::note::Note;
use crate::engine::refclock::Ignored;
use crate::engine::refclock::LOCAL_PRECISION;
use crate::engine::refclock::Said;
use crate::engine::refclock::Seconds;
use crate::engine::refclock::TAI_UTC;
use crate::engine::refclock::Tick;
use crate::engine::source_id::SourceId;
use crate::time::Monotonic;

impl Engine {
    /// Asks for a reading of every reference clock that is due.
    pub(super) fn read_refclocks(&mut self, now: Reading) {
        for source in &mut self.sources {
            let Some(clock) = &source.refclock else {
                continue;
            };
            if source.silent || source.next > now.raw {
                continue;
            }
            // Readings keep their pace, whatever a round took.
            let interval = clock.reading_interval();
            let next = source.next.plus_seconds(interval);
            source.next = if next > now.raw {
                next
            } else {
                now.raw.plus_seconds(interval)
            };
            self.actions.push_back(Action::ReadRefclock {
                source: source.id,
                device: clock.config.device.clone(),
            });
        }
    }

    /// A reference clock was read: what it said, or why it could not be read. Measures when that is
    /// due.
    pub fn refclock_read(
        &mut self,
        now: Reading,
        source: SourceId,
        read: Result<Vec<Tick>, String>,
    ) {
        match read {
            Ok(ticks) => {
                self.refclock_ticks(now, source, &ticks);
                if let Some(clock) = self.refclock_mut(source) {
                    clock.failing = false;
                }
            }
            Err(reason) => {
                // A device that is gone is said once, not every second.
                let first = self
                    .refclock_mut(source)
                    .is_some_and(|clock| !std::mem::replace(&mut clock.failing, true));
                if first && let Some(source) = self.source(source) {
                    let source = source.config.name.clone();
                    self.note(Note::Unreadable { source, reason });
                }
            }
        }
        self.measure_refclock(now, source);
    }

    /// A reference clock said something, by itself or when it was read.
    pub fn refclock_ticks(&mut self, now: Reading, source: SourceId, ticks: &[Tick]) {
        if !self.look(now) {
            return;
        }
        for tick in ticks {
            // What was ignored is no news: the clock's reachability tells.
            if self.refclock_tick(now, source, tick).is_ok() {
                self.record_tick(now, source, tick);
            }
        }
    }

    fn refclock_mut(&mut self, id: SourceId) -> Option<&mut crate::engine::refclock::Refclock> {
        let source = self.sources.iter_mut().find(|s| s.id == id)?;
        source.refclock.as_deref_mut()
    }

    fn refclock_tick(&mut self, now: Reading, id: SourceId, tick: &Tick) -> Result<(), Ignored> {
        let index = self.index(id).ok_or(Ignored::Stale)?;
        let at = tick.raw.unwrap_or_else(|| self.raw_of(now, tick.system_ns));
        if self.stepped.is_some_and(|stepped| at <= stepped) {
            return Err(Ignored::Stale);
        }
        let seconds = self.seconds_at(index, at);
        let raw = i64::try_from(at.nanos()).unwrap_or(i64::MAX);
        let at_origin = self.origin_ns.saturating_add(raw);
        let tai = self.tai(now);
        let source = self.sources.get_mut(index).ok_or(Ignored::Stale)?;
        let user_offset = source.config.offset;
        let clock = source.refclock.as_deref_mut().ok_or(Ignored::Stale)?;
        if let (Some(taken), Some(tai)) = (&mut clock.config.tai, tai) {
            *taken = tai;
        }
        clock.take(tick, at, at_origin, now.raw, seconds, user_offset)
    }

    /// TAI - UTC grew by this: the clocks that keep TAI are that much farther ahead of UTC.
    pub(in crate::engine) fn tai_grew(&mut self, by: i32) {
        for source in &mut self.sources {
            let clock = source.refclock.as_deref_mut();
            if let Some(tai) = clock.and_then(|clock| clock.config.tai.as_mut()) {
                *tai += by;
            }
        }
    }

    /// A reading was taken.
    fn record_tick(&mut self, now: Reading, id: SourceId, tick: &Tick) {
        let Some(index) = self.index(id) else {
            return;
        };
        let Some(clock) = self.refclock_mut(id) else {
            return;
        };
        let Some(last) = clock.last().copied() else {
            return;
        };
        let number = clock.readings;
        clock.readings = number.saturating_add(1);
        let pulse = clock.config.gives_pulses();
        let device = match tick.said {
            Said::Time(time) => time.saturating_sub(tick.system_ns),
            Said::Pulse(beyond) => -beyond,
        };
        let device = device as f64 * 1e-9;
        // Of a pulse only the fraction of the second counts.
        let device = if pulse {
            device - device.round()
        } else {
            device
        };
        let raw = Some((number, pulse, device));
        let dispersion = last.error.max(LOCAL_PRECISION);
        self.record_refclock(now, index, last.at, raw, (last.offset, dispersion));
    }

    /// A moment of the system clock, a little while ago, on the undisciplined one.
    fn raw_of(&self, now: Reading, system_ns: i64) -> Monotonic {
        let plain = now.raw_at(system_ns);
        let ago = now.raw.seconds_since(plain);
        // The system clock ran faster by this rate since.
        now.raw.plus_seconds(-ago / (1.0 + self.discipline.rate()))
    }

    /// Which second a pulse of this source at this moment begins: by the clock that it is locked
    /// to, or by what is known of the time.
    fn seconds_at(&self, index: usize, at: Monotonic) -> Option<Seconds> {
        let config = &self.sources.get(index)?.refclock.as_ref()?.config;
        if !config.gives_pulses() {
            return None;
        }
        if let Some(lock) = config.lock {
            let clocks = self.sources.iter().filter_map(|s| s.refclock.as_deref());
            let mut locked = clocks.filter(|c| c.config.refid == lock);
            return locked.find_map(|c| c.seconds_for(at, self.discipline.frequency, config));
        }
        let state = self.state?.moved_to(at, self.wander.now());
        let best = self.vote.best.or(self.last_best)?;
        let distance = self.sources.get(best)?.root_distance() + 3.0 * state.var_phase.sqrt();
        Some(Seconds {
            offset: state.phase,
            distance,
        })
    }

    /// Makes the measurement of a reference clock, when it is due.
    fn measure_refclock(&mut self, now: Reading, id: SourceId) {
        let frequency = self
            .state
            .map_or(self.discipline.frequency, |state| state.frequency);
        let clock_phase = self.phase(now);
        let known = self.state.map_or(clock_phase, |state| {
            state.moved_to(now.raw, self.wander.now()).phase
        });
        let tai = self.tai(now).unwrap_or(TAI_UTC);
        let Some(index) = self.index(id) else {
            return;
        };
        let Some(source) = self.sources.get_mut(index) else {
            return;
        };
        let Some(clock) = source.refclock.as_deref_mut() else {
            return;
        };
        if !clock.is_due(now.raw) {
            return;
        }
        let reached = std::mem::replace(&mut clock.reached, false);
        clock.readings = 0;
        let measured = clock.measure(frequency);
        let fresh_doubt = measured
            .as_ref()
            .is_some_and(|m| clock.doubt_scale(m.offset - known, tai));
        let remote = measured.as_ref().map(|m| clock.as_remote(m, now.unix_ns));
        let delay = clock.config.delay;
        source.count_poll(reached);
        let mut sample = None;
        if let (Some(measured), Some(remote)) = (measured, remote) {
            source.remote = Some(remote);
            sample = Some(source.take_measurement(&measured, delay));
            let found = (measured.offset, measured.sd);
            self.record_refclock(now, index, measured.at, None, found);
        }
        if fresh_doubt && let Some(source) = self.source(id) {
            let source = source.config.name.clone();
            self.note(Note::KeepsTai { source, ahead: tai });
        }
        match sample {
            Some(sample) => self.measured(now, index, sample, Route::Same),
            // It may have to leave the vote.
            None if !reached => {
                self.elect(now);
            }
            None => {}
        }
    }
}
