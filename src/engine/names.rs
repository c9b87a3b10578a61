//! Sources that are known by name: their addresses are looked up, and looked up again when a source
//! is dead, refuses, or is wrong for long; then it moves to an address that no other source has.

use super::clock::Reading;
use super::core::Engine;
use super::note::Action;
use super::note::Note;
use super::source::Source;
use super::system::Standing;
use crate::time::Monotonic;
use std::net::IpAddr;
use std::net::SocketAddr;

/// Seconds until a look-up that did not help is repeated; twice as long each time.
const AGAIN: f64 = 8.0;
/// Seconds between look-ups at most.
const RARELY: f64 = 4096.0;
/// A source that is wrong for so many polls, and so many seconds, is to be replaced.
const WRONG: (f64, f64) = (8.0, 300.0);
/// Unanswered polls after which a source counts as dead.
const DEAD: u32 = 8;
/// Addresses remembered that a source moved away from.
const SHUNNED: usize = 32;

/// What is known of a name.
#[derive(Clone, Debug, Default)]
pub(super) struct Name {
    /// Its addresses by the last answer.
    addresses: Vec<IpAddr>,
    /// A look-up is under way.
    asking: bool,
    /// Look-ups in a row that did not help.
    failures: i32,
    /// The next look-up is not due earlier.
    due: Option<Monotonic>,
    /// Addresses that were left, oldest first.
    shunned: Vec<IpAddr>,
}

impl Name {
    fn failed(&mut self, now: Monotonic) {
        let wait = (AGAIN * f64::from(self.failures).exp2()).min(RARELY);
        self.failures = (self.failures + 1).min(30);
        self.due = Some(now.plus_seconds(wait));
    }
}

impl Source {
    /// Keeps since when it is wrong by the vote of a majority, and whether it is far from it.
    pub(super) fn judged(&mut self, standing: Standing, agreed: bool, now: Monotonic) {
        let wrong = matches!(standing, Standing::Falseticker | Standing::TooFar) && agreed;
        self.outlying = standing == Standing::Outlier && agreed;
        self.wrong_since = wrong.then(|| self.wrong_since.unwrap_or(now));
    }

    /// Why it should move to another address, if it should.
    fn ails(&self, now: Monotonic) -> Option<&'static str> {
        let patience = (WRONG.0 * f64::from(self.poll).exp2()).max(WRONG.1);
        if self.denied {
            Some("it refuses")
        } else if self.silent {
            None
        } else if self.unanswered >= DEAD && self.reach == 0 {
            Some("it does not answer")
        } else {
            let wrong = self.wrong_since?;
            (now.seconds_since(wrong) >= patience).then_some("it is wrong")
        }
    }

    /// Whether an address is to be found for it.
    fn needs_address(&self, now: Monotonic) -> bool {
        self.is_named() && (self.address.is_none() || self.doubtful || self.ails(now).is_some())
    }

    /// Whether it is known by a name that is to be looked up.
    fn is_named(&self) -> bool {
        self.config.address.is_none() && self.config.refclock.is_none()
    }

    fn may_be_at(&self, ip: IpAddr) -> bool {
        match self.config.family {
            Some(super::config::Family::V4) => ip.is_ipv4(),
            Some(super::config::Family::V6) => ip.is_ipv6(),
            None => true,
        }
    }
}

impl Engine {
    /// When a look-up is due.
    pub(super) fn next_look_up(&self, now: Monotonic) -> Option<Monotonic> {
        let needing = self.sources.iter().filter(|s| s.needs_address(now));
        needing
            .filter_map(|source| match self.names.get(&source.config.name) {
                None => Some(now),
                Some(name) if name.asking => None,
                Some(name) => Some(name.due.unwrap_or(now)),
            })
            .min()
    }

    /// Looks up what is due.
    pub(super) fn look_up(&mut self, now: Monotonic) {
        for source in self.sources.iter().filter(|s| s.needs_address(now)) {
            let name = self.names.entry(source.config.name.clone()).or_default();
            if !name.asking && name.due.is_none_or(|due| due <= now) {
                name.asking = true;
                let wanted = source.config.name.clone();
                self.actions.push_back(Action::Resolve(wanted));
            }
        }
    }

    /// A source answered well: its name is looked up again if that was last done long ago, one
    /// source at a time.
    pub(super) fn refresh_one(&mut self, now: Monotonic, index: usize) {
        let Some(interval) = self.config.refresh else {
            return;
        };
        if self.sources.iter().any(|s| s.doubtful) {
            return;
        }
        let Some(source) = self.sources.get_mut(index) else {
            return;
        };
        if source.is_named() && now.seconds_since(source.confirmed) >= interval {
            source.doubtful = true;
            source.confirmed = now;
            self.look_up(now);
            self.look_up_due = self.next_look_up(now);
        }
    }

    /// Looks the names of all sources up again; a source stays where it is while its name still
    /// gives that address.
    pub fn refresh(&mut self, now: Reading) {
        for source in &mut self.sources {
            if source.is_named() {
                source.doubtful = true;
                let name = self.names.entry(source.config.name.clone()).or_default();
                name.failures = 0;
                name.due = None;
            }
        }
        self.look_up(now.raw);
    }

    /// Addresses of a name: every source of that name that has none gets one that is not taken, and
    /// one that is to be replaced moves, if there is an address for it.
    pub fn resolved(&mut self, now: Reading, name: &str, addresses: &[IpAddr]) {
        let known = self.names.entry(name.to_owned()).or_default();
        known.asking = false;
        if !addresses.is_empty() {
            known.addresses = addresses.to_vec();
        }
        let mut taken: Vec<SocketAddr> = self.sources.iter().filter_map(|s| s.address).collect();
        let mut unhelped = false;
        let mut notes = Vec::new();
        for source in &mut self.sources {
            if source.config.name != name || !source.needs_address(now.raw) {
                continue;
            }
            let ailing = source.ails(now.raw);
            let present = source.address;
            let listed = present.is_some_and(|at| addresses.contains(&at.ip()));
            if listed && ailing.is_none() {
                source.doubtful = false;
                source.confirmed = now.raw;
                continue;
            }
            if addresses.is_empty() && ailing.is_none() && present.is_some() {
                // The resolver failed: nothing says that the name has other addresses now.
                unhelped = true;
                continue;
            }
            let free = known
                .addresses
                .iter()
                .filter(|&&ip| source.may_be_at(ip) && !known.shunned.contains(&ip))
                .map(|&ip| SocketAddr::new(ip, source.config.port))
                .find(|at| !taken.contains(at));
            let Some(address) = free else {
                unhelped = true;
                source.nowhere = source.address.is_none();
                continue;
            };
            taken.push(address);
            if let Some(old) = present {
                if ailing.is_some() {
                    known.shunned.push(old.ip());
                    if known.shunned.len() > SHUNNED {
                        known.shunned.remove(0);
                    }
                }
                notes.push(Note::Moved {
                    source: name.to_owned(),
                    from: old,
                    to: address,
                    why: ailing.unwrap_or("its name has other addresses now"),
                });
            }
            source.move_to(address, now.raw);
        }
        if unhelped {
            // An address that was left may be good again when nothing else is.
            if known.failures >= 4 {
                known.shunned.clear();
            }
            known.failed(now.raw);
        } else {
            known.failures = 0;
            known.due = Some(now.raw.plus_seconds(AGAIN));
        }
        self.actions.extend(notes.into_iter().map(Action::Note));
    }
}
