//! From a measurement to a correction: the vote, the estimate, what is done to the clock, what is
//! told and kept of it.

use super::Engine;
use crate::engine::clock::Reading;
use crate::engine::clock::Status;
use crate::engine::discipline::Command;
use crate::engine::estimator::State;
use crate::engine::estimator::delays::Route;
use crate::engine::leap::LeapMode;
use crate::engine::measurement::Sample;
use crate::engine::note::Action;
use crate::engine::note::Note;
use crate::engine::options;
use crate::engine::source::Source;
use crate::engine::system;
use crate::engine::system::Standing;
use crate::time::Monotonic;

/// Sources that jump alike within this time jump together, in seconds.
const JUMP_WINDOW: f64 = 4000.0;

impl Engine {
    pub(super) fn measured(&mut self, now: Reading, index: usize, sample: Sample, route: Route) {
        if let Route::Longer { count, by } = route {
            self.longer_route(index, count, by);
        }
        let wander = self.wander.now();
        let clock = self.phase(now);
        let Some(source) = self.sources.get_mut(index) else {
            return;
        };
        let before = source
            .track
            .map(|t| (t.frequency, t.var_frequency.max(0.0).sqrt()));
        let had = source.samples.len();
        let jump = source.follow(wander, &self.memory);
        if source.strays > 0 {
            source.hurry(now.raw);
        }
        // A reference clock's measurement is of some time ago.
        let since = source
            .track
            .map_or(0.0, |t| t.frequency * now.raw.seconds_since(sample.at));
        let filtered = source.track.map(|t| {
            let ahead = t.moved_to(now.raw, wander);
            (ahead.phase - clock, ahead.var_phase.sqrt())
        });
        source.measured = sample.offset + since - clock;
        let note = Note::Measured {
            source: source.config.name.clone(),
            offset: source.measured,
            delay: source.refclock.is_none().then_some(sample.delay),
            filtered,
        };
        self.note(note);
        self.record_statistics(now, index, before, had);
        if let Some(by) = jump {
            self.jumped(now, index, by);
        }
        self.decide(now, index);
        self.refresh_one(now.raw, index);
    }

    /// A source's time jumped against the undisciplined clock. When most of them jumped alike it
    /// was the clock that lost time (a virtual machine stood still), and the start's rights to
    /// step come back.
    pub(super) fn jumped(&mut self, now: Reading, index: usize, by: f64) {
        if let Some(source) = self.sources.get_mut(index) {
            source.jumped = Some((now.raw, by));
            let source = source.config.name.clone();
            self.note(Note::Jumped { source, by });
        }
        let alike = |jump: &Option<(Monotonic, f64)>| {
            jump.is_some_and(|(at, size)| {
                now.raw.seconds_since(at) < JUMP_WINDOW && (size - by).abs() < 0.1 * by.abs() + 0.01
            })
        };
        let many = self.sources.iter().filter(|s| alike(&s.jumped)).count();
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

    pub(super) fn longer_route(&mut self, index: usize, count: usize, by: f64) {
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

    /// What each source may do, from what all of them are.
    fn settle_options(&mut self) {
        let lines: Vec<_> = self.sources.iter().map(|s| &s.config).collect();
        let settled = options::effective(&lines, self.config.auth_select);
        for (source, select) in self.sources.iter_mut().zip(settled) {
            source.select = select;
        }
    }

    /// Votes; says so when something changed. Gives the sources that are combined.
    pub(in crate::engine) fn elect(&mut self, now: Reading) -> Vec<usize> {
        let clock = self.phase(now);
        let wander = self.wander.now();
        let before = self.vote.best;
        self.settle_options();
        let vote = system::vote(&self.sources, now.raw, clock, wander, before, &self.config);
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
        let agreed = vote.interval.is_some();
        for (source, &standing) in self.sources.iter_mut().zip(&vote.standings) {
            source.judged(standing, agreed, now.raw);
        }
        self.vote = vote;
        self.followed_changes(now);
        self.record_vote(now);
        chosen
    }

    /// Votes, estimates, corrects.
    pub(in crate::engine) fn decide(&mut self, now: Reading, index: usize) {
        let chosen = self.elect(now);
        // The first estimate does not wait for the next measurement of those that were chosen.
        let first = self.state.is_none() && !chosen.is_empty();
        if !chosen.contains(&index) && !first {
            self.pace_one(index);
            return;
        }
        let estimate = system::estimate(
            &mut self.sources,
            &chosen,
            now.raw,
            &mut self.wander,
            &self.memory,
        );
        let Some(estimate) = estimate else {
            return;
        };
        self.believe(now, estimate.state);
        self.interval = estimate.interval;
        self.leap = estimate.leap;
        self.memory.push(&estimate.state);
        self.pace.update(&estimate.state, estimate.span);
        self.pace_one(index);
        self.correct(now, &estimate.state);
    }

    /// Keeps who is followed; tells the kernel's readers when sources answer but no majority of
    /// them agrees.
    pub(super) fn followed_changes(&mut self, now: Reading) {
        let standings = &self.vote.standings;
        let answer = standings
            .iter()
            .any(|s| matches!(s, Standing::Falseticker | Standing::Truechimer));
        if self.vote.best.is_some() {
            self.last_best = self.vote.best;
        } else if answer && !self.updates.disputed {
            self.updates.disputed = true;
            self.updates.lose();
            self.actions.push_back(Action::Publish(Status::UNKNOWN));
            self.record_loss(now);
        }
    }

    pub(super) fn pace_one(&mut self, index: usize) {
        if let Some(source) = self.sources.get_mut(index) {
            let target = source.config.poll_target;
            let poll = self.pace.poll(source.poll, source.answered, target);
            source.set_poll(poll);
        }
    }

    pub(super) fn correct(&mut self, now: Reading, state: &State) {
        let ahead = state.moved_to(now.raw, self.wander.now());
        let offset = ahead.phase - self.phase(now);
        let before = self.before_correction(now);
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
            self.command(now, command);
        }
        self.updates.push(now, offset);
        self.record_correction(now, before, offset, ahead.var_phase.sqrt());
        if let Some(fallback) = &mut self.fallback {
            fallback.push(now.raw, self.discipline.frequency);
        }
        self.keep_smooth(now, stepped, ahead.var_frequency.sqrt());
        self.expect_leap(now);
        self.publish(now, &ahead);
        let distance = self.reference(now).distance_at(now.raw);
        self.updates.activated |= self.config.local.is_some_and(|l| distance < l.activate);
        self.save(now.raw, &ahead);
    }

    pub(in crate::engine) fn publish(&mut self, now: Reading, ahead: &State) {
        let best = self.vote.best.and_then(|i| self.sources.get(i));
        let distance = best.map_or(16.0, Source::root_distance);
        let sd = ahead.var_phase.sqrt();
        self.actions.push_back(Action::Publish(Status {
            synchronised: true,
            max_error: distance + 3.0 * sd + self.discipline.last_offset.abs(),
            estimated_error: sd,
            leap: match self.config.leap.mode {
                LeapMode::System => self.leap_watch.sign(),
                _ => 0,
            },
            tai: self.tai(now),
            rtc_sync: self.config.rtc_sync,
        }));
    }

    pub(super) fn save(&mut self, now: Monotonic, state: &State) {
        let due = self
            .saved
            .is_none_or(|at| now.seconds_since(at) >= self.config.save_every);
        let skew = state.var_frequency.sqrt() * 1e6;
        if due && skew < 1.0 {
            self.saved = Some(now);
            let ppm = self.discipline.frequency * 1e6;
            self.actions.push_back(Action::SaveDrift(ppm, skew));
        }
    }
}
