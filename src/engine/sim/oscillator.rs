//! A simulated oscillator and the clocks that the kernel derives from it: a constant frequency
//! error, a random walk of it, a temperature cycle, jumps.

use crate::engine::random::Random;

/// What an oscillator is like.
#[derive(Clone, Debug, PartialEq)]
pub struct Oscillator {
    /// Error of the system clock at the start, in seconds: positive when it is ahead.
    pub offset: f64,
    /// Frequency error, in seconds per second: positive when it is fast.
    pub frequency: f64,
    /// Standard deviation of the random walk of the frequency, per second and square root of it.
    pub wander: f64,
    /// Amplitude of a sine added to the frequency, and its period in seconds.
    pub cycle: (f64, f64),
    /// At this time, in seconds, the frequency changes by this much.
    pub frequency_jumps: Vec<(f64, f64)>,
    /// At this time, in seconds, somebody sets the system clock by this much.
    pub steps: Vec<(f64, f64)>,
    /// When it starts, in seconds after [`EPOCH`](super::EPOCH).
    pub start: i64,
    /// At this full second there is a leap second: 1 inserted, -1 deleted.
    pub leap: Option<(u64, i8)>,
    /// At this time, in seconds, the machine sleeps this long, in seconds; it knows it, and wakes
    /// with a clock that is wrong by the third.
    pub sleeps: Vec<(f64, f64, f64)>,
    /// At this time, in seconds, the machine stands still this long and does not know it.
    pub pauses: Vec<(f64, f64)>,
}

impl Default for Oscillator {
    fn default() -> Self {
        Self {
            offset: 0.05,
            frequency: 1e-5,
            wander: 1e-9,
            cycle: (0.0, 1.0),
            frequency_jumps: Vec::new(),
            steps: Vec::new(),
            start: 0,
            leap: None,
            sleeps: Vec::new(),
            pauses: Vec::new(),
        }
    }
}

/// The clocks of the simulated machine.
#[derive(Clone, Debug)]
pub(super) struct Clocks {
    model: Oscillator,
    random: Random,
    /// True seconds since the start.
    pub(super) time: f64,
    /// What the oscillator has counted, in seconds.
    pub(super) raw: f64,
    /// Error of the system clock, in seconds: positive when it is ahead.
    pub(super) error: f64,
    /// Slept, in seconds.
    pub(super) slept: f64,
    walk: f64,
    second: u64,
    /// The commanded frequency, in seconds per second.
    pub(super) steered: f64,
    /// The leap second that the kernel was told to make.
    pub(super) armed: i8,
    /// Somebody set the clock since this was last looked at.
    pub(super) set: bool,
}

impl Clocks {
    pub(super) fn new(model: Oscillator, random: Random) -> Self {
        Self {
            time: 0.0,
            raw: 0.0,
            error: model.offset,
            slept: 0.0,
            walk: model.frequency,
            second: 0,
            steered: 0.0,
            armed: 0,
            set: false,
            model,
            random,
        }
    }

    /// Frequency error of the oscillator now.
    fn oscillator(&self) -> f64 {
        let (amplitude, period) = self.model.cycle;
        let phase = std::f64::consts::TAU * self.second as f64 / period;
        self.walk + amplitude * phase.sin()
    }

    /// Frequency error of the system clock now.
    pub(super) fn frequency(&self) -> f64 {
        (1.0 + self.oscillator()) * (1.0 + self.steered) - 1.0
    }

    /// Unix second at which the simulation started.
    pub(super) const fn epoch(&self) -> i64 {
        super::EPOCH + self.model.start
    }

    /// By how much UTC is behind the seconds counted from the start, by leap seconds.
    pub(super) fn leapt(&self) -> f64 {
        match self.model.leap {
            Some((at, sign)) if self.time >= at as f64 => f64::from(sign),
            _ => 0.0,
        }
    }

    /// True seconds until the oscillator has counted this many.
    pub(super) fn true_interval(&self, counted: f64) -> f64 {
        counted / (1.0 + self.oscillator())
    }

    /// The next full second, at which the oscillator's frequency changes.
    pub(super) fn next_second(&self) -> f64 {
        (self.second + 1) as f64
    }

    /// Lets time pass, to at most the next full second.
    pub(super) fn advance(&mut self, to: f64) {
        let dt = to - self.time;
        self.raw += dt * (1.0 + self.oscillator());
        self.error += dt * self.frequency();
        self.time = to;
        if to >= self.next_second() {
            self.tick();
        }
    }

    fn tick(&mut self) {
        self.second += 1;
        if let Some((at, sign)) = self.model.leap
            && at == self.second
            && self.armed == sign
        {
            self.error -= f64::from(sign);
            self.armed = 0;
        }
        self.walk += self.model.wander * self.random.normal();
        let now = self.second as f64;
        let due = |at: f64| (now - 1.0..now).contains(&at);
        for &(at, by) in &self.model.frequency_jumps {
            if due(at) {
                self.walk += by;
            }
        }
        for &(at, by) in &self.model.steps {
            if due(at) {
                self.error += by;
                self.set = true;
            }
        }
    }

    /// A standstill that begins before the next second: how long, and whether it is a sleep with
    /// this error of the clock after it.
    pub(super) fn standstill(&self) -> Option<(f64, Option<f64>)> {
        let now = self.second as f64;
        let due = |at: f64| (now - 1.0..now).contains(&at);
        let sleep = self.model.sleeps.iter().find(|s| due(s.0));
        let pause = self.model.pauses.iter().find(|p| due(p.0));
        sleep
            .map(|&(_, long, wrong)| (long, Some(wrong)))
            .or_else(|| pause.map(|&(_, long)| (long, None)))
    }

    /// Stands still: the oscillator counts nothing.
    pub(super) fn stand(&mut self, long: f64, wrong: Option<f64>) {
        self.time += long;
        self.second = self.time as u64;
        match wrong {
            Some(wrong) => {
                self.error += wrong;
                self.slept += long;
            }
            None => self.error -= long,
        }
    }
}
