//! The engine: owns the sources, the vote and the discipline. It is told what happened and when;
//! it answers with actions. It reads no clock and opens nothing.

use super::clock::Reading;
use super::clock::Status;
use super::config::Config;
use super::config::SourceConfig;
use super::discipline::Command;
use super::discipline::Discipline;
use super::estimator::State;
use super::estimator::delays::Route;
use super::estimator::memory::Memory;
use super::estimator::wander::Wander;
use super::measurement::Sample;
use super::pace::Pace;
use super::random::Random;
use super::reply::Rejection;
use super::source::Source;
use super::source::raw_at;
use super::system;
use super::system::Standing;
use super::system::Vote;
use crate::proto::packet::Leap;
use crate::time::Monotonic;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send a request of a source.
    Send {
        /// The source.
        source: usize,
        /// Where to.
        to: SocketAddr,
        /// What.
        data: Vec<u8>,
    },
    /// Look up the addresses of a name.
    Resolve(String),
    /// Make the clock run this much faster than its oscillator, in ppm.
    SetFrequency(f64),
    /// Add this to the clock at once, in nanoseconds.
    Step(i64),
    /// Tell the kernel's readers how good the time is.
    Publish(Status),
    /// Say this in the log.
    Note(Note),
    /// Keep the frequency and how sure it is, both in ppm, for the next start.
    SaveDrift(f64, f64),
    /// End the program: the offset, in seconds, is larger than allowed.
    GiveUp(f64),
}

/// What happened, for the log.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// A source was measured: offset of the clock, round trip, both in seconds.
    Measured {
        /// The source's name.
        source: String,
        /// Positive when the clock is behind.
        offset: f64,
        /// Round trip.
        delay: f64,
        /// What the filter now says of this source: offset and its standard deviation.
        filtered: Option<(f64, f64)>,
    },
    /// A reply was not used.
    Rejected {
        /// The source's name.
        source: String,
        /// Why.
        why: Rejection,
    },
    /// The network refused a request.
    Refused {
        /// The source's name.
        source: String,
        /// Why.
        reason: String,
    },
    /// The set of combined sources or their standing changed.
    Voted {
        /// Names and standings.
        standings: Vec<(String, Standing)>,
        /// The one that the clock is said to follow.
        best: Option<String>,
    },
    /// The clock is being corrected.
    Corrected {
        /// Offset, in seconds; positive when the clock was behind.
        offset: f64,
        /// Its standard deviation.
        uncertainty: f64,
        /// Frequency of the clock's correction, ppm, and its standard deviation.
        frequency: (f64, f64),
        /// Whether it was stepped.
        stepped: bool,
    },
    /// The clock's offset is larger than the user allows, in seconds.
    TooLarge(f64),
    /// A route became longer by so many seconds.
    LongerRoute {
        /// The source's name.
        source: String,
        /// By how much.
        by: f64,
    },
    /// A source's time jumped against this machine's oscillator by so many seconds.
    Jumped {
        /// The source's name.
        source: String,
        /// By how much; positive when this machine lost time.
        by: f64,
    },
    /// Somebody else set the clock.
    SetByOthers,
    /// The machine slept for so many seconds.
    Slept(f64),
}

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
    random: Random,
    wander: Wander,
    pace: Pace,
    biases: Vec<f64>,
    memory: Memory,
    origin_ns: i64,
    slept_ns: Option<i64>,
    interval: f64,
    leap: Leap,
    actions: VecDeque<Action>,
    saved: Option<Monotonic>,
    /// When each source's time last jumped, and by how much, in seconds.
    jumps: Vec<Option<(Monotonic, f64)>>,
}

/// Standard deviation of an unknown oscillator's frequency, in seconds per second.
const UNKNOWN_FREQUENCY: f64 = 25e-6;
/// The drift is kept this often, in seconds.
const SAVE_EVERY: f64 = 3600.0;
/// Sources that jump alike within this time jump together, in seconds.
const JUMP_WINDOW: f64 = 4000.0;
/// A sleep longer than this makes old phases worthless, in nanoseconds.
const SLEEP_NS: i64 = 50_000_000;

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
            biases: Vec::new(),
            memory: Memory::new(0.0, UNKNOWN_FREQUENCY),
            origin_ns: 0,
            slept_ns: None,
            interval: 64.0,
            leap: Leap::None,
            actions: VecDeque::new(),
            saved: None,
            jumps: Vec::new(),
            config,
        }
    }

    /// Starts: `frequency` is the one that the clock has now, in ppm.
    pub fn start(&mut self, now: Reading, frequency: f64) {
        let raw = i64::try_from(now.raw.nanos()).unwrap_or(i64::MAX);
        self.origin_ns = now.unix_ns.saturating_sub(raw);
        self.slept_ns = now.slept_ns;
        let (ppm, skew) = self
            .config
            .drift
            .unwrap_or((frequency, UNKNOWN_FREQUENCY * 1e6));
        let skew = (skew * 1e-6).clamp(1e-9, UNKNOWN_FREQUENCY);
        self.memory = Memory::new(ppm * 1e-6, skew);
        self.discipline = Discipline::new(ppm * 1e-6);
        if self.config.drift.is_some() && self.config.clock_control {
            self.actions.push_back(Action::SetFrequency(ppm));
        }
        for config in self.config.sources.clone() {
            self.add(config, now.raw);
        }
    }

    /// Adds a source that is polled from now on. Gives its number.
    pub fn add(&mut self, config: SourceConfig, now: Monotonic) -> usize {
        if config.address.is_none() {
            self.actions.push_back(Action::Resolve(config.name.clone()));
        }
        self.sources.push(Source::new(config, now));
        self.sources.len() - 1
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
            .filter(|s| !s.silent && s.address.is_some())
            .map(|s| s.next);
        polls.chain(self.discipline.deadline()).min()
    }

    /// Time has passed: does what is due.
    pub fn tick(&mut self, now: Reading) {
        self.look(now);
        for index in 0..self.sources.len() {
            let Some(source) = self.sources.get_mut(index) else {
                continue;
            };
            if source.silent || source.next > now.raw {
                continue;
            }
            let Some(to) = source.address else {
                continue;
            };
            let data = source.request(now.raw, &mut self.random).encode().to_vec();
            self.actions.push_back(Action::Send {
                source: index,
                to,
                data,
            });
        }
        self.finish_slew(now);
    }

    fn finish_slew(&mut self, now: Reading) {
        let Some(state) = &self.state else {
            return;
        };
        let ahead = state.moved_to(now.raw, self.wander.now());
        let offset = ahead.phase - self.phase(now);
        let command = self
            .discipline
            .finish(now.raw, offset, state.var_phase.sqrt(), &self.config);
        if let Some(command) = command {
            self.command(command);
        }
    }

    /// The system clock against the undisciplined one, in seconds from the origin.
    fn phase(&self, now: Reading) -> f64 {
        let raw = i64::try_from(now.raw.nanos()).unwrap_or(i64::MAX);
        (now.unix_ns
            .saturating_sub(raw)
            .saturating_sub(self.origin_ns)) as f64
            * 1e-9
    }

    /// Notices that the machine slept, or that somebody else set the clock.
    fn look(&mut self, now: Reading) {
        if let (Some(before), Some(slept)) = (self.slept_ns, now.slept_ns)
            && slept - before > SLEEP_NS
        {
            self.slept_ns = now.slept_ns;
            self.note(Note::Slept((slept - before) as f64 * 1e-9));
            self.start_over(now);
            return;
        }
        let phase = self.phase(now);
        if self.config.clock_control && self.discipline.look(now.raw, phase) {
            self.note(Note::SetByOthers);
            self.undo(now);
        }
    }

    /// Puts back what somebody else did to the clock: what the sources said still holds, for it is
    /// about the oscillator.
    fn undo(&mut self, now: Reading) {
        let Some(state) = self.state else {
            self.hurry(now.raw);
            return;
        };
        let ahead = state.moved_to(now.raw, self.wander.now());
        let offset = ahead.phase - self.phase(now);
        let commands = self.discipline.undo(now, offset, &self.config);
        for command in commands {
            self.command(command);
        }
        self.publish(&ahead);
    }

    /// The undisciplined clock lost time: no phase is worth anything, the frequency still is.
    fn start_over(&mut self, now: Reading) {
        self.state = None;
        for source in &mut self.sources {
            source.forget_phase();
        }
        self.memory.restart(self.discipline.frequency);
        let command = self.discipline.release();
        self.command(command);
        self.discipline = Discipline::new(self.discipline.frequency);
        self.hurry(now.raw);
    }

    fn hurry(&mut self, now: Monotonic) {
        for source in &mut self.sources {
            source.hurry(now);
        }
    }

    /// A request left at this system-clock time.
    pub fn sent(&mut self, now: Reading, source: usize, at_unix_ns: i64) {
        if let Some(source) = self.sources.get_mut(source) {
            source.sent(raw_at(now, at_unix_ns));
        }
    }

    /// The network refused a source's request.
    pub fn refused(&mut self, source: usize, reason: String) {
        if let Some(source) = self.sources.get(source) {
            let source = source.config.name.clone();
            self.note(Note::Refused { source, reason });
        }
    }

    /// Addresses of a name: every source of that name that has none gets one that is not taken.
    pub fn resolved(&mut self, now: Reading, name: &str, addresses: &[std::net::IpAddr]) {
        let mut taken: Vec<SocketAddr> = self.sources.iter().filter_map(|s| s.address).collect();
        for source in &mut self.sources {
            if source.config.name != name || source.address.is_some() {
                continue;
            }
            let free = addresses
                .iter()
                .map(|&ip| SocketAddr::new(ip, source.config.port))
                .find(|a| !taken.contains(a));
            if let Some(address) = free {
                taken.push(address);
                source.address = Some(address);
                source.next = now.raw;
            }
        }
    }

    /// A datagram arrived for a source at this system-clock time.
    pub fn received(&mut self, now: Reading, index: usize, data: &[u8], at_unix_ns: i64) {
        self.look(now);
        let (origin, far) = (self.origin_ns, self.config.max_distance);
        let Some(source) = self.sources.get_mut(index) else {
            return;
        };
        match source.received(now, data, at_unix_ns, origin, far) {
            Ok((sample, route)) => self.measured(now, index, sample, route),
            Err(why) => {
                let source = source.config.name.clone();
                self.note(Note::Rejected { source, why });
            }
        }
    }

    fn measured(&mut self, now: Reading, index: usize, sample: Sample, route: Route) {
        if let Route::Longer { count, by } = route {
            self.longer_route(index, count, by);
        }
        let wander = self.wander.now();
        let clock = self.phase(now);
        let Some(source) = self.sources.get_mut(index) else {
            return;
        };
        let jump = source.follow(wander, &self.memory);
        if source.strays > 0 {
            source.hurry(now.raw);
        }
        let filtered = source.track.map(|t| {
            let ahead = t.moved_to(now.raw, wander);
            (ahead.phase - clock, ahead.var_phase.sqrt())
        });
        let note = Note::Measured {
            source: source.config.name.clone(),
            offset: sample.offset - clock,
            delay: sample.delay,
            filtered,
        };
        self.note(note);
        if let Some(by) = jump {
            self.jumped(now, index, by);
        }
        self.decide(now, index);
    }

    /// A source's time jumped against the undisciplined clock. When most of them jumped alike it
    /// was the clock that lost time (a virtual machine stood still), and the start's rights to
    /// step come back.
    fn jumped(&mut self, now: Reading, index: usize, by: f64) {
        if let Some(source) = self.sources.get(index) {
            let source = source.config.name.clone();
            self.note(Note::Jumped { source, by });
        }
        self.jumps.resize(self.sources.len(), None);
        if let Some(slot) = self.jumps.get_mut(index) {
            *slot = Some((now.raw, by));
        }
        let alike = |jump: &Option<(Monotonic, f64)>| {
            jump.is_some_and(|(at, size)| {
                now.raw.seconds_since(at) < JUMP_WINDOW && (size - by).abs() < 0.1 * by.abs() + 0.01
            })
        };
        let many = self.jumps.iter().filter(|j| alike(j)).count();
        let voters = self
            .vote
            .standings
            .iter()
            .filter(|s| matches!(s, Standing::Combined | Standing::Truechimer))
            .count()
            .max(1);
        if by > 0.0 && 2 * many > voters {
            self.discipline.restart();
        }
    }

    fn longer_route(&mut self, index: usize, count: usize, by: f64) {
        let state = self.state;
        let Some(source) = self.sources.get_mut(index) else {
            return;
        };
        let name = source.config.name.clone();
        if let Some(state) = state {
            source.settle_route(count, by, |at| state.moved_to(at, 0.0).phase);
        }
        self.note(Note::LongerRoute { source: name, by });
    }

    /// Votes, estimates, corrects.
    fn decide(&mut self, now: Reading, index: usize) {
        let clock = self.phase(now);
        let wander = self.wander.now();
        let vote = system::vote(&self.sources, now.raw, clock, wander, &self.config);
        let chosen: Vec<usize> = vote
            .standings
            .iter()
            .enumerate()
            .filter(|(_, s)| **s == Standing::Combined)
            .map(|(i, _)| i)
            .collect();
        if vote.standings != self.vote.standings || vote.best != self.vote.best {
            let name = |i: usize| self.sources.get(i).map(|s| s.config.name.clone());
            let standings = vote
                .standings
                .iter()
                .enumerate()
                .filter_map(|(i, s)| Some((name(i)?, *s)))
                .collect();
            let best = vote.best.and_then(name);
            self.note(Note::Voted { standings, best });
        }
        self.vote = vote;
        if !chosen.contains(&index) {
            self.pace_one(index);
            return;
        }
        let estimate = system::estimate(
            &self.sources,
            &chosen,
            &mut self.biases,
            now.raw,
            &mut self.wander,
            &self.memory,
        );
        let Some(estimate) = estimate else {
            return;
        };
        self.state = Some(estimate.state);
        self.interval = estimate.interval;
        self.leap = estimate.leap;
        self.memory.push(&estimate.state);
        self.pace.update(&estimate.state, estimate.span);
        self.pace_one(index);
        self.correct(now, &estimate.state);
    }

    fn pace_one(&mut self, index: usize) {
        if let Some(source) = self.sources.get_mut(index) {
            let poll = self.pace.poll(source.poll, source.answered);
            source.set_poll(poll);
        }
    }

    fn correct(&mut self, now: Reading, state: &State) {
        let ahead = state.moved_to(now.raw, self.wander.now());
        let offset = ahead.phase - self.phase(now);
        let commands = self
            .discipline
            .update(now, &ahead, offset, self.interval, &self.config);
        let stepped = commands.iter().any(|c| matches!(c, Command::Step(_)));
        if commands.is_empty() {
            self.note(Note::TooLarge(offset));
            return;
        }
        self.note(Note::Corrected {
            offset,
            uncertainty: ahead.var_phase.sqrt(),
            frequency: (ahead.frequency * 1e6, ahead.var_frequency.sqrt() * 1e6),
            stepped,
        });
        for command in commands {
            self.command(command);
        }
        self.publish(&ahead);
        self.save(now.raw, &ahead);
    }

    fn publish(&mut self, ahead: &State) {
        let best = self.vote.best.and_then(|i| self.sources.get(i));
        let distance = best.map_or(16.0, Source::root_distance);
        let sd = ahead.var_phase.sqrt();
        self.actions.push_back(Action::Publish(Status {
            synchronised: true,
            max_error: distance + 3.0 * sd + self.discipline.last_offset.abs(),
            estimated_error: sd,
            leap: match self.leap {
                Leap::Insert => 1,
                Leap::Delete => -1,
                _ => 0,
            },
            rtc_sync: self.config.rtc_sync,
        }));
    }

    fn save(&mut self, now: Monotonic, state: &State) {
        let due = self
            .saved
            .is_none_or(|at| now.seconds_since(at) >= SAVE_EVERY);
        let skew = state.var_frequency.sqrt() * 1e6;
        if due && skew < 1.0 {
            self.saved = Some(now);
            let ppm = self.discipline.frequency * 1e6;
            self.actions.push_back(Action::SaveDrift(ppm, skew));
        }
    }

    /// The program ends: stops slewing, keeps the drift.
    pub fn stop(&mut self, now: Reading) {
        self.look(now);
        if let Some(state) = self.state {
            let command = self.discipline.release();
            self.command(command);
            let skew = state.var_frequency.sqrt() * 1e6;
            let ppm = self.discipline.frequency * 1e6;
            self.actions.push_back(Action::SaveDrift(ppm, skew));
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::GiveUp(offset) => self.actions.push_back(Action::GiveUp(offset)),
            _ if !self.config.clock_control => {}
            Command::Frequency(ppm) => self.actions.push_back(Action::SetFrequency(ppm)),
            Command::Step(nanos) => self.actions.push_back(Action::Step(nanos)),
        }
    }

    fn note(&mut self, note: Note) {
        self.actions.push_back(Action::Note(note));
    }
}
