//! A simulated path, one direction at a time: constant, exponential, correlated and heavy-tailed
//! delay, loss, duplication, outage, routes that change. Packets overtake each other when their
//! delays say so.

use crate::engine::random::Random;

/// One direction of a path. All delays in seconds.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Path {
    /// The empty path.
    pub base: f64,
    /// Mean of an exponential delay.
    pub jitter: f64,
    /// Number of exponential delays added up (0 counts as 1): with more, the empty path is never
    /// seen.
    pub stages: u32,
    /// Share of packets that are late, and the most by which.
    pub late: (f64, f64),
    /// Mean of a queue that changes slowly, and the time, in seconds, over which it does.
    pub queue: (f64, f64),
    /// Share of packets lost.
    pub loss: f64,
    /// Share of packets that arrive twice.
    pub twice: f64,
    /// From the first time to the second, in seconds, nothing arrives.
    pub outages: Vec<(f64, f64)>,
    /// From this time, in seconds, the path is longer by this much (replaces the one before).
    pub routes: Vec<(f64, f64)>,
}

/// A path with the state of its queue.
#[derive(Clone, Debug)]
pub(super) struct Link {
    path: Path,
    random: Random,
    /// Two normal processes whose squares make the queue exponential.
    queue: (f64, f64),
    updated: f64,
}

impl Link {
    pub(super) fn new(path: Path, mut random: Random) -> Self {
        let queue = (random.normal(), random.normal());
        Self {
            path,
            random,
            queue,
            updated: 0.0,
        }
    }

    /// The delays of the copies of a packet sent now that arrive.
    pub(super) fn carry(&mut self, now: f64) -> Vec<f64> {
        let lost = self.random.uniform() < self.path.loss;
        let out = self
            .path
            .outages
            .iter()
            .any(|&(from, to)| (from..to).contains(&now));
        let first = self.delay(now);
        if lost || out {
            return Vec::new();
        }
        let mut copies = vec![first];
        if self.random.uniform() < self.path.twice {
            copies.push(self.delay(now));
        }
        copies
    }

    fn delay(&mut self, now: f64) -> f64 {
        let mut delay = self.path.base;
        for _ in 0..self.path.stages.max(1) {
            delay += self.path.jitter * self.random.exponential();
        }
        let (share, most) = self.path.late;
        if share > 0.0 && self.random.uniform() < share {
            delay += most * self.random.uniform();
        }
        let (mean, time) = self.path.queue;
        if mean > 0.0 {
            let kept = (-(now - self.updated).max(0.0) / time).exp();
            let fresh = (1.0 - kept * kept).sqrt();
            self.queue.0 = kept * self.queue.0 + fresh * self.random.normal();
            self.queue.1 = kept * self.queue.1 + fresh * self.random.normal();
            self.updated = now;
            delay += mean * 0.5 * (self.queue.0.powi(2) + self.queue.1.powi(2));
        }
        let route = self.path.routes.iter().rev().find(|r| r.0 <= now);
        delay + route.map_or(0.0, |r| r.1)
    }
}
