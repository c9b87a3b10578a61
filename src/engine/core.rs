//! The engine: owns the sources, the vote and the discipline. It is told what happened and when;
//! it answers with actions. It reads no clock and opens nothing.

mod correct;
mod disturbed;
mod refclocks;

pub(super) use disturbed::SLEEP_NS;

use super::clock::Reading;
use super::config::Config;
use super::config::SourceConfig;
use super::discipline::Command;
use super::discipline::Discipline;
use super::discipline::within;
use super::estimator::State;
use super::estimator::memory::Memory;
use super::estimator::wander::Wander;
use super::fallback::Fallback;
use super::leap::LeapWatch;
use super::manual::Manual;
use super::names::Name;
use super::note::Action;
use super::note::Note;
use super::pace::Pace;
use super::random::Random;
use super::reference::Updates;
use super::saved::Saved;
use super::smooth::Smoothing;
use super::source::Source;
use super::source_id::SourceId;
use super::system::Standing;
use super::system::Vote;
use super::uncorrected::Uncorrected;
use crate::proto::packet::Leap;
use crate::time::Monotonic;
use std::collections::BTreeMap;
use std::collections::VecDeque;

/// The engine.
#[derive(Clone, Debug)]
pub struct Engine {
    /// What it was told to do.
    pub config: Config,
    /// The sources, in the order of the configuration.
    pub sources: Vec<Source>,
    /// The last vote.
    pub vote: Vote,
    /// Phase and frequency by all combined sources.
    pub state: Option<State>,
    /// The control of the clock.
    pub discipline: Discipline,
    pub(super) random: Random,
    pub(super) wander: Wander,
    pub(super) pace: Pace,
    pub(super) memory: Memory,
    pub(super) origin_ns: i64,
    slept_ns: Option<i64>,
    interval: f64,
    pub(super) leap: Leap,
    pub(super) uncorrected: Uncorrected,
    pub(super) updates: Updates,
    pub(super) leap_watch: LeapWatch,
    /// The leap second at the end of today that clients are told of.
    pub(super) leap_today: i8,
    pub(super) fallback: Option<Fallback>,
    pub(super) smoothing: Option<Smoothing>,
    /// Time typed in by a person.
    pub manual: Manual,
    /// The source that was followed last.
    pub(super) last_best: Option<usize>,
    pub(super) actions: VecDeque<Action>,
    saved: Option<Monotonic>,
    /// When the clock was looked at last, and when it was stepped last.
    looked: Monotonic,
    stepped: Option<Monotonic>,
    /// The number of the next source.
    next_id: SourceId,
    pub(super) names: BTreeMap<String, Name>,
    /// When the next name is to be looked up.
    pub(super) look_up_due: Option<Monotonic>,
    /// What tells this host from others that the machine may be moved to, where something does.
    pub host: Option<u64>,
    /// What it is to start with, and the boot of the machine.
    pub(super) begin_with: Option<Box<(Saved, String)>>,
}

/// Standard deviation of an unknown oscillator's frequency, in seconds per second.
const UNKNOWN_FREQUENCY: f64 = 25e-6;

impl Engine {
    /// An engine that has not started.
    #[must_use]
    pub fn new(config: Config, random: Random) -> Self {
        Self {
            sources: Vec::new(),
            vote: Vote {
                standings: Vec::new(),
                best: None,
                interval: None,
            },
            state: None,
            discipline: Discipline::new(0.0),
            random,
            wander: Wander::default(),
            pace: Pace::default(),
            memory: Memory::new(0.0, UNKNOWN_FREQUENCY),
            origin_ns: 0,
            slept_ns: None,
            interval: 64.0,
            leap: Leap::None,
            uncorrected: Uncorrected::default(),
            updates: Updates::default(),
            leap_watch: LeapWatch::default(),
            leap_today: 0,
            fallback: config
                .fallback_drift
                .map(|(from, to)| Fallback::new(from, to)),
            smoothing: None,
            manual: Manual::new(config.manual),
            last_best: None,
            actions: VecDeque::new(),
            saved: None,
            looked: Monotonic::default(),
            stepped: None,
            next_id: SourceId::FIRST,
            names: BTreeMap::new(),
            look_up_due: None,
            host: None,
            begin_with: None,
            config,
        }
    }

    /// Starts: `frequency` is the one that the clock has now, in ppm.
    pub fn start(&mut self, now: Reading, frequency: f64) {
        let raw = i64::try_from(now.raw.nanos()).unwrap_or(i64::MAX);
        self.origin_ns = now.unix_ns.saturating_sub(raw);
        self.slept_ns = now.slept_ns;
        self.uncorrected.restart(now.raw);
        self.updates = Updates::start(now.raw);
        let (ppm, skew) = self
            .config
            .drift
            .unwrap_or((frequency, UNKNOWN_FREQUENCY * 1e6));
        let ppm = within(ppm * 1e-6, &self.config) * 1e6;
        let skew = (skew * 1e-6).clamp(1e-9, UNKNOWN_FREQUENCY);
        self.memory = Memory::new(ppm * 1e-6, skew);
        self.discipline = Discipline::new(ppm * 1e-6);
        if self.config.drift.is_some() && self.config.clock_control {
            self.actions.push_back(Action::SetFrequency(ppm));
        }
        for config in self.config.sources.clone() {
            self.add_source(config, now.raw);
        }
        self.resume(now);
    }

    /// Adds a source that is polled from now on, whatever the others do. Gives its number, which
    /// no other source ever gets.
    pub fn add_source(&mut self, config: SourceConfig, now: Monotonic) -> SourceId {
        let id = self.next_id;
        self.next_id = id.next();
        self.sources.push(Source::new(id, config, now));
        self.vote.standings.push(Standing::Unready);
        id
    }

    /// Where a source stands in [`Engine::sources`] now.
    #[must_use]
    pub fn index(&self, id: SourceId) -> Option<usize> {
        self.sources.iter().position(|s| s.id == id)
    }

    /// The source of a number.
    #[must_use]
    pub fn source(&self, id: SourceId) -> Option<&Source> {
        self.sources.iter().find(|s| s.id == id)
    }

    /// What to do next; ask until there is nothing.
    pub fn action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`Engine::tick`] at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Monotonic> {
        let polls = self
            .sources
            .iter()
            .filter(|s| s.polled() || s.is_read())
            .map(|s| s.next);
        if self.leap_watch.is_near() {
            return self.upkeep_deadline();
        }
        polls
            .chain(self.discipline.deadline())
            .chain(self.upkeep_deadline())
            .chain(self.look_up_due)
            .min()
    }

    /// Time has passed: does what is due.
    pub fn tick(&mut self, now: Reading) {
        if !self.look(now) {
            return;
        }
        self.fall_back(now);
        self.read_refclocks(now);
        for source in &mut self.sources {
            let Some(to) = source.address else {
                continue;
            };
            if !source.polled() || source.next > now.raw {
                continue;
            }
            let action = match source.request(now.raw, &mut self.random, &self.config.keys) {
                Ok(data) => Action::Send {
                    source: source.id,
                    to,
                    data,
                },
                Err(reason) => Action::Note(Note::Refused {
                    source: source.config.name.clone(),
                    reason,
                }),
            };
            self.actions.push_back(action);
        }
        self.lose_unreachable(now);
        self.look_up(now.raw);
        self.look_up_due = self.next_look_up(now.raw);
        self.finish_slew(now);
    }

    fn finish_slew(&mut self, now: Reading) {
        if !self.config.clock_control {
            // Nothing slews: to look again every second would find the same.
            let _ = self.discipline.release();
            return;
        }
        let Some(state) = &self.state else {
            return;
        };
        let ahead = state.moved_to(now.raw, self.wander.now());
        let offset = ahead.phase - self.phase(now);
        let command = self
            .discipline
            .finish(now.raw, offset, state.var_phase.sqrt(), &self.config);
        if let Some(command) = command {
            self.command(now, command);
        }
    }

    /// The system clock against the undisciplined one, in seconds from the origin.
    pub(super) fn phase(&self, now: Reading) -> f64 {
        let raw = i64::try_from(now.raw.nanos()).unwrap_or(i64::MAX);
        (now.unix_ns
            .saturating_sub(raw)
            .saturating_sub(self.origin_ns)) as f64
            * 1e-9
    }

    /// The oscillator's frequency and its standard deviation as known so far.
    pub(super) fn known_frequency(&self) -> (f64, f64) {
        match &self.state {
            Some(state) => (state.frequency, state.var_frequency.sqrt()),
            None => self.memory.start(),
        }
    }

    /// Variance that the oscillator's frequency gains in a second, in 1/s.
    pub(super) const fn wander(&self) -> f64 {
        self.wander.now()
    }

    /// A request left at this system-clock time.
    pub fn sent(&mut self, now: Reading, source: SourceId, at_unix_ns: i64) {
        if let Some(source) = self.sources.iter_mut().find(|s| s.id == source) {
            source.sent(now.raw_at(at_unix_ns));
        }
    }

    /// The network refused a source's request.
    pub fn refused(&mut self, source: SourceId, reason: String) {
        if let Some(source) = self.source(source) {
            let source = source.config.name.clone();
            self.note(Note::Refused { source, reason });
        }
    }

    /// A source's request could not be sent at all.
    pub fn unsendable(&mut self, now: Reading, source: SourceId, reason: String) {
        if let Some(found) = self.sources.iter_mut().find(|s| s.id == source)
            && found.config.auto_offline
        {
            found.go_offline();
            self.elect(now);
        }
        self.refused(source, reason);
    }

    /// Whether a card stamped a source's last request, and its last reply.
    pub fn stamped(&mut self, source: SourceId, by_card: (bool, bool)) {
        if let Some(source) = self.sources.iter_mut().find(|s| s.id == source) {
            source.by_card = by_card;
        }
    }

    /// A datagram arrived for a source at this system-clock time.
    pub fn received(&mut self, now: Reading, source: SourceId, data: &[u8], at_unix_ns: i64) {
        if !self.look(now) {
            return;
        }
        let Some(index) = self.index(source) else {
            return;
        };
        let Some(source) = self.sources.get_mut(index) else {
            return;
        };
        let answered = source.server_clock.answers();
        let result = source.received(now, data, at_unix_ns, self.origin_ns, &self.config);
        let name = source.config.name.clone();
        let answers = source
            .server_clock
            .answers()
            .filter(|_| source.asks_mono_root());
        if let Some(answers) = answers
            && answered != Some(answers)
        {
            let source = name.clone();
            self.note(Note::MonoRoot { source, answers });
        }
        self.record_reply(now, index, data, result.as_ref().err().copied());
        match result {
            Ok((sample, route)) => self.measured(now, index, sample, route),
            Err(why) => {
                self.note(Note::Rejected { source: name, why });
            }
        }
    }

    /// The program ends: stops slewing, keeps the drift.
    pub fn stop(&mut self, now: Reading) {
        self.look(now);
        if let Some(state) = self.state {
            let command = self.discipline.release();
            self.command(now, command);
            let skew = state.var_frequency.sqrt() * 1e6;
            let ppm = self.discipline.frequency * 1e6;
            self.actions.push_back(Action::SaveDrift(ppm, skew));
        }
    }

    /// Does this to the clock now.
    pub(super) fn command(&mut self, now: Reading, command: Command) {
        match command {
            Command::GiveUp(offset) => self.actions.push_back(Action::GiveUp(offset)),
            _ if !self.config.clock_control => {}
            Command::Frequency(ppm) => {
                let slew = self.discipline.slewing().map_or(0.0, |(rate, _)| rate);
                self.uncorrected.slewed(now.raw, slew);
                self.actions.push_back(Action::SetFrequency(ppm));
            }
            Command::Step(nanos) => {
                self.stepped = Some(self.looked);
                self.leap_watch.forget();
                self.uncorrected.restart(now.raw);
                self.actions.push_back(Action::Step(nanos));
            }
        }
    }

    pub(super) fn note(&mut self, note: Note) {
        self.actions.push_back(Action::Note(note));
    }
}
