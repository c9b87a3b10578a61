//! A few packets to several sources at once, until the answer is sure: the one-shot measurement as
//! a state machine. It sends nothing and reads no clock: it says what to send, is told what came
//! and when, and says when it is done.
//!
//! One packet goes to every source at once. A majority that agrees ends it: the rest are waited for
//! a little, no longer. Further packets go to the same address back to back only where it is near
//! (link-local, private), and [`FAR_GAP`] apart elsewhere, where servers limit rates.

use super::checks;
use super::checks::Expected;
use super::checks::Rejection;
use super::sample::Sample;
use super::vote;
use super::vote::Candidate;
use crate::proto::packet::HEADER_LEN;
use crate::proto::packet::Packet;
use crate::proto::refid::Kiss;
use crate::time::Monotonic;
use crate::time::NtpTimestamp;
use crate::time::PHI;

/// Seconds between packets to a server that is not near.
pub const FAR_GAP: f64 = 2.0;
/// Seconds before a near server that keeps silent is asked again.
pub const NEAR_GAP: f64 = 0.5;
/// Packets to an address that never answers.
pub const ATTEMPTS: u32 = 3;
/// Seconds that the last request to an address is waited for.
pub const LAST_WAIT: f64 = 2.0;
/// Seconds before the next address of a name is tried too (RFC 8305's connection attempt delay).
pub const NEXT_ADDRESS: f64 = 0.25;

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Samples to take from each source that answers.
    pub samples: u32,
    /// NTP version of the requests.
    pub version: u8,
    /// Precision of the local clock, seconds.
    pub precision: f64,
    /// When everything ends.
    pub deadline: Monotonic,
}

/// Why an address gives nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathEnd {
    /// ICMP port unreachable: nothing listens there.
    Refused,
    /// Another ICMP error, or no route: the error number.
    Unreachable(i32),
    /// The server refuses (kiss of death).
    Kiss(Kiss),
    /// The server says that it is not synchronised.
    Unsynchronised,
    /// It never answered.
    Silent,
}

/// One address of a source.
#[derive(Clone, Debug)]
pub struct Path {
    /// Whether packets may go back to back.
    pub near: bool,
    /// Packets sent.
    pub sent: u32,
    /// Replies that were not believed, by reason (the last few).
    pub rejected: Vec<Rejection>,
    /// Why it gives nothing more.
    pub end: Option<PathEnd>,
    /// Requests that may still be answered, the newest last: a long path answers the first after
    /// the second was sent.
    waiting: Vec<Request>,
    answered: Option<NtpTimestamp>,
    sent_at: Monotonic,
}

/// A request on its way.
#[derive(Clone, Copy, Debug)]
struct Request {
    /// The random timestamp that the reply must echo.
    nonce: NtpTimestamp,
    /// The local clock when it left.
    t1: NtpTimestamp,
    /// Its number on the path, from 1.
    number: u32,
}

/// Something that has one vote.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its addresses, as indices of paths, in the order in which they are tried.
    pub paths: Vec<usize>,
    /// The address that answered first.
    pub chosen: Option<usize>,
    /// Its samples, with the time of each.
    pub samples: Vec<(Sample, Monotonic)>,
    /// Its last believed reply.
    pub reply: Option<Packet>,
    opened: usize,
}

/// Why it is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finish {
    /// Every source has answered, refused, or been given up.
    Settled,
    /// A majority agreed; the rest were waited for this many seconds more.
    Majority(f64),
    /// The time ran out.
    TimedOut,
}

/// The measurement.
#[derive(Clone, Debug)]
pub struct Probe {
    options: Options,
    /// All addresses.
    pub paths: Vec<Path>,
    /// All sources.
    pub sources: Vec<Source>,
    pending: usize,
    agreed: Option<(Monotonic, f64)>,
}

impl Probe {
    /// Nothing to measure yet; `pending` names are being looked up.
    #[must_use]
    pub const fn new(options: Options) -> Self {
        Self {
            options,
            paths: Vec::new(),
            sources: Vec::new(),
            pending: 0,
            agreed: None,
        }
    }

    /// How many names are still being looked up: each may become a source.
    pub const fn set_pending(&mut self, names: usize) {
        self.pending = names;
    }

    /// Adds a source with its addresses, `true` for each that is near. Gives the indices of their
    /// paths.
    pub fn add(&mut self, near: &[bool]) -> Vec<usize> {
        let first = self.paths.len();
        self.paths.extend(near.iter().map(|&near| Path {
            near,
            sent: 0,
            rejected: Vec::new(),
            end: None,
            waiting: Vec::new(),
            answered: None,
            sent_at: Monotonic::default(),
        }));
        let paths: Vec<usize> = (first..self.paths.len()).collect();
        self.sources.push(Source {
            paths: paths.clone(),
            chosen: None,
            samples: Vec::new(),
            reply: None,
            opened: 0,
        });
        paths
    }

    /// The next packet to send now, if any: the path and the octets. `random` gives the 64 bits
    /// that the reply must echo. [`Probe::sent`] or [`Probe::ended`] must follow.
    pub fn next_send(
        &mut self,
        now: Monotonic,
        mut random: impl FnMut() -> u64,
    ) -> Option<(usize, [u8; HEADER_LEN])> {
        let due = |&s: &usize| self.next_for(s).is_some_and(|(_, at)| at <= now);
        let source = (0..self.sources.len()).find(due)?;
        let (path, _) = self.next_for(source)?;
        let nonce = std::iter::repeat_with(&mut random).find(|&n| n != 0)?;
        let nonce = NtpTimestamp::from_bits(nonce);
        let s = &mut self.sources[source];
        s.opened = s
            .opened
            .max(1 + s.paths.iter().position(|&p| p == path).unwrap_or(0));
        let p = &mut self.paths[path];
        (p.sent_at, p.sent) = (now, p.sent + 1);
        let t1 = NtpTimestamp::ZERO;
        let number = p.sent;
        p.waiting.push(Request { nonce, t1, number });
        Some((path, Packet::request(self.options.version, nonce).encode()))
    }

    /// The packet has left at this reading of the local clock. Called again with the kernel's own
    /// timestamp when that arrives; `number` is the count of the packet on its path, from 1.
    pub fn sent(&mut self, path: usize, number: u32, at: NtpTimestamp) {
        let waiting = self.paths.get_mut(path).map(|p| &mut p.waiting);
        let request = waiting.and_then(|w| w.iter_mut().find(|r| r.number == number));
        if let Some(request) = request {
            request.t1 = at;
        }
    }

    /// The path gives nothing more.
    pub fn ended(&mut self, path: usize, end: PathEnd) {
        if let Some(p) = self.paths.get_mut(path) {
            p.end.get_or_insert(end);
            p.waiting.clear();
        }
    }

    /// Octets came on this path when the local clock read `t4`.
    pub fn received(&mut self, path: usize, bytes: &[u8], t4: NtpTimestamp, now: Monotonic) {
        let Some(p) = self.paths.get_mut(path) else {
            return;
        };
        let origin = Packet::decode(bytes).map(|packet| packet.origin).ok();
        let matching = p.waiting.iter().rposition(|r| Some(r.nonce) == origin);
        let request = matching.and_then(|at| p.waiting.get(at)).copied();
        let expected = Expected {
            outstanding: request.or(p.waiting.last().copied()).map(|r| r.nonce),
            answered: p.answered,
            version: self.options.version,
        };
        let verdict = checks::verify(bytes, &expected);
        let Some(request) = request else {
            if let Err(why) = verdict {
                self.rejected(path, why);
            }
            return;
        };
        let odd = matches!(verdict, Err(Rejection::Mode(_) | Rejection::Version(_)));
        if !odd {
            // It and those before it are answered: an older one that comes later says less.
            p.answered = Some(request.nonce);
            p.waiting.retain(|r| r.number > request.number);
        }
        let reply = match verdict {
            Ok(reply) => reply,
            Err(why) => return self.rejected(path, why),
        };
        let sample = Sample::new(request.t1, t4, &reply, self.options.precision);
        let holds = |s: &&mut Source| s.paths.contains(&path);
        let Some(source) = self.sources.iter_mut().find(holds) else {
            return;
        };
        if *source.chosen.get_or_insert(path) == path {
            source.samples.push((sample, now));
            source.reply = Some(reply);
        }
    }

    fn rejected(&mut self, path: usize, why: Rejection) {
        /// Rejections that are kept for the report; a flood is only as long as this.
        const KEPT: usize = 16;
        let p = &mut self.paths[path];
        if p.rejected.len() < KEPT {
            p.rejected.push(why);
        }
        match why {
            Rejection::Kiss(kiss @ (Kiss::Deny | Kiss::Rstr | Kiss::Rate)) => {
                self.ended(path, PathEnd::Kiss(kiss));
            }
            Rejection::Kiss(_) | Rejection::Unsynchronised => {
                self.ended(path, PathEnd::Unsynchronised);
            }
            _ => {}
        }
    }

    /// The path that a source is to be asked on next, and when. `None` when nothing is left to ask.
    fn next_for(&self, source: usize) -> Option<(usize, Monotonic)> {
        let s = &self.sources[source];
        if let Some(path) = s.chosen {
            let p = &self.paths[path];
            if p.end.is_some() || self.complete(s) {
                return None;
            }
            let gap = match (p.near, p.waiting.is_empty()) {
                (true, true) => 0.0,
                (true, false) => NEAR_GAP,
                (false, _) => FAR_GAP,
            };
            let losses = p.sent - u32::try_from(s.samples.len()).unwrap_or(p.sent).min(p.sent);
            return (losses < ATTEMPTS).then(|| (path, p.sent_at.plus_seconds(gap)));
        }
        let opened = s.paths.get(..s.opened).unwrap_or_default();
        let again = opened
            .iter()
            .map(|&i| (i, &self.paths[i]))
            .filter(|(_, p)| p.end.is_none() && p.sent < ATTEMPTS)
            .map(|(i, p)| {
                (
                    i,
                    p.sent_at
                        .plus_seconds(if p.near { NEAR_GAP } else { FAR_GAP }),
                )
            });
        let next = s.paths.get(s.opened).map(|&i| {
            let last = opened.last().map(|&l| &self.paths[l]);
            let at = match last {
                Some(l) if l.end.is_none() => l.sent_at.plus_seconds(NEXT_ADDRESS),
                _ => Monotonic::default(),
            };
            (i, at)
        });
        again.chain(next).min_by_key(|(_, at)| *at)
    }

    /// Whether a source has all the samples that are wanted.
    fn complete(&self, source: &Source) -> bool {
        source.samples.len() >= self.options.samples as usize
    }

    /// When an unanswered path is given up: the last request is waited for as long as a packet may
    /// take over any path on Earth.
    fn given_up_at(&self, source: &Source) -> Option<Monotonic> {
        let paths = source.paths.iter().map(|&i| &self.paths[i]);
        paths
            .filter(|p| !p.waiting.is_empty() && p.end.is_none())
            .map(|p| p.sent_at.plus_seconds(LAST_WAIT))
            .max()
    }

    /// Whether nothing more is to come from a source.
    fn settled(&self, index: usize, now: Monotonic) -> bool {
        let source = &self.sources[index];
        if self.complete(source) {
            return true;
        }
        self.next_for(index).is_none() && self.given_up_at(source).is_none_or(|at| at <= now)
    }

    /// Over, and why: call it after every event and when [`Probe::wake_at`] has come.
    pub fn finished(&mut self, now: Monotonic) -> Option<Finish> {
        let unsettled = (0..self.sources.len())
            .filter(|&i| !self.settled(i, now))
            .count()
            + self.pending;
        if unsettled == 0 {
            return Some(Finish::Settled);
        }
        if now >= self.options.deadline {
            return Some(Finish::TimedOut);
        }
        if self.agreed.is_none() {
            self.agreed = self.majority(unsettled).map(|patience| (now, patience));
        }
        let (since, patience) = self.agreed?;
        (now >= since.plus_seconds(patience)).then_some(Finish::Majority(patience))
    }

    /// Whether those who have answered agree so that the rest cannot overturn it; if so, how long
    /// to wait for the rest: twice the slowest round trip, within 30 ms and half a second.
    fn majority(&self, unsettled: usize) -> Option<f64> {
        let done: Vec<&Source> = self.sources.iter().filter(|s| self.complete(s)).collect();
        let candidates: Vec<Candidate> = done.iter().filter_map(|s| s.candidate()).collect();
        let agreed = vote::vote(&candidates)?;
        if 2 * agreed.truechimers <= candidates.len() + unsettled {
            return None;
        }
        let delays = done.iter().filter_map(|s| Some(s.best()?.0.delay));
        Some((2.0 * delays.fold(0.0, f64::max)).clamp(0.03, 0.5))
    }

    /// When to look again if nothing comes.
    #[must_use]
    pub fn wake_at(&self, now: Monotonic) -> Monotonic {
        let sends = (0..self.sources.len()).filter_map(|i| Some(self.next_for(i)?.1));
        let losses = self
            .sources
            .iter()
            .filter_map(|s| self.given_up_at(s))
            .filter(|&at| at > now);
        let grace = self
            .agreed
            .map(|(since, patience)| since.plus_seconds(patience));
        sends
            .chain(losses)
            .chain(grace)
            .fold(self.options.deadline, Monotonic::min)
    }

    /// Marks every path that was asked and never answered as silent: the end of the measurement.
    pub fn close(&mut self) {
        for path in &mut self.paths {
            if path.sent > 0 && path.answered.is_none() {
                path.end.get_or_insert(PathEnd::Silent);
            }
        }
    }

    /// Packets sent in all.
    #[must_use]
    pub fn packets(&self) -> u32 {
        self.paths.iter().map(|p| p.sent).sum()
    }
}

impl Source {
    /// The sample with the least delay: the clock filter of RFC 5905 §10, for a measurement so
    /// short that age does not count.
    #[must_use]
    pub fn best(&self) -> Option<&(Sample, Monotonic)> {
        self.samples
            .iter()
            .min_by(|a, b| a.0.delay.total_cmp(&b.0.delay))
    }

    /// Jitter ψ: RMS of the differences to the best sample (RFC 5905 §10 with erratum 5600), zero
    /// with one sample.
    #[must_use]
    pub fn jitter(&self) -> f64 {
        let Some((best, _)) = self.best() else {
            return 0.0;
        };
        let squares: f64 = self
            .samples
            .iter()
            .map(|(s, _)| (s.offset - best.offset).powi(2))
            .sum();
        (squares / (self.samples.len().max(2) - 1) as f64).sqrt()
    }

    /// What it brings to the vote; `None` without a sample, or when its root distance is over
    /// [`checks::MAX_DISTANCE`]. The best sample's own root distance bounds its error whatever the
    /// others say, so jitter is not added to it (RFC 5905 §11.2 does, for estimates that age).
    #[must_use]
    pub fn candidate(&self) -> Option<Candidate> {
        let (best, at) = self.best()?;
        let newest = self.samples.last().map_or(*at, |(_, at)| *at);
        let jitter = self.jitter();
        let root_distance = best.root_distance() + PHI * newest.seconds_since(*at);
        let stratum = self.reply.as_ref()?.stratum;
        let candidate = Candidate {
            offset: best.offset,
            root_distance,
            jitter,
            stratum,
        };
        (root_distance < checks::MAX_DISTANCE).then_some(candidate)
    }
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
