//! Changes while the engine runs: sources come and go, are told to be silent, to hurry, to obey
//! other options, or to be looked up again. No other source notices.

use super::clock::Reading;
use super::config::SourceConfig;
use super::core::Engine;
use super::note::Action;
use super::schedule::Series;
use super::source::Source;
use super::source_id::SourceId;
use crate::proto::mac::Keys;
use crate::time::Monotonic;
use std::net::IpAddr;
use std::net::SocketAddr;

/// Which sources a change is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// All, also those whose name is not looked up yet.
    All,
    /// Those whose address, under the mask, is this one.
    Under {
        /// The bits that count.
        mask: IpAddr,
        /// What they must be.
        address: IpAddr,
    },
}

impl Mask {
    /// One address only.
    #[must_use]
    pub const fn exactly(address: IpAddr) -> Self {
        let mask = match address {
            IpAddr::V4(_) => IpAddr::V4(std::net::Ipv4Addr::BROADCAST),
            IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::from_bits(u128::MAX)),
        };
        Self::Under { mask, address }
    }

    /// Whether a source at this address is meant.
    #[must_use]
    pub fn covers(self, at: Option<SocketAddr>) -> bool {
        let Self::Under { mask, address } = self else {
            return true;
        };
        match (at.map(|a| a.ip()), mask, address) {
            (Some(IpAddr::V4(at)), IpAddr::V4(mask), IpAddr::V4(address)) => {
                at.to_bits() & mask.to_bits() == address.to_bits() & mask.to_bits()
            }
            (Some(IpAddr::V6(at)), IpAddr::V6(mask), IpAddr::V6(address)) => {
                at.to_bits() & mask.to_bits() == address.to_bits() & mask.to_bits()
            }
            _ => false,
        }
    }
}

/// How a source takes part in the vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent options of a source"
)]
pub struct Selection {
    /// Preferred over the others that agree.
    pub prefer: bool,
    /// Believed against any number of others.
    pub trust: bool,
    /// Must be among those that agree.
    pub require: bool,
    /// Measured, never used.
    pub no_select: bool,
}

/// An option of a source that changes while it is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Shortest poll interval, log2 seconds.
    MinPoll(i8),
    /// Longest poll interval, log2 seconds.
    MaxPoll(i8),
    /// Longest round trip, in seconds.
    MaxDelay(f64),
    /// Longest round trip against the shortest; 0 for any.
    MaxDelayRatio(f64),
    /// Longest round trip in standard deviations of the offset; 0 for any.
    MaxDelayDevRatio(f64),
    /// Longest round trip as a quantile of the last ones, 0 to 1; 0 for any.
    MaxDelayQuant(f64),
    /// A lower stratum is taken for this one.
    MinStratum(u8),
    /// Measurements within the filter's memory that the poll interval aims at.
    PollTarget(u32),
    /// How it takes part in the vote.
    Select(Selection),
}

impl Engine {
    /// The sources that a mask means.
    #[must_use]
    pub fn matching(&self, mask: Mask) -> Vec<SourceId> {
        let meant = self.sources.iter().filter(|s| mask.covers(s.address));
        meant.map(|s| s.id).collect()
    }

    /// The sources as they were configured, in order.
    #[must_use]
    pub fn configured(&self) -> Vec<(SourceConfig, SourceId)> {
        let both = |source: &Source| (source.config.clone(), source.id);
        self.sources.iter().map(both).collect()
    }

    /// Takes a source away. False when there is none of that number.
    pub fn remove_source(&mut self, now: Reading, id: SourceId) -> bool {
        let Some(index) = self.index(id) else {
            return false;
        };
        self.sources.remove(index);
        if index < self.vote.standings.len() {
            self.vote.standings.remove(index);
        }
        let moved = |place: Option<usize>| match place {
            Some(place) if place == index => None,
            Some(place) if place > index => Some(place - 1),
            other => other,
        };
        self.vote.best = moved(self.vote.best);
        self.last_best = moved(self.last_best);
        self.actions.push_back(Action::Close(id));
        self.elect(now);
        true
    }

    /// Polls these sources from now on. Gives how many are meant.
    pub fn online(&mut self, now: Reading, mask: Mask) -> usize {
        self.each(mask, |source| source.go_online(now.raw))
    }

    /// Polls these sources no more, and uses them no more. Gives how many are meant.
    pub fn offline(&mut self, now: Reading, mask: Mask) -> usize {
        let count = self.each(mask, Source::go_offline);
        self.elect(now);
        count
    }

    /// Polls these sources where `reachable` says that there is a route to them, and no more where
    /// there is none. Gives how many are meant.
    pub fn on_or_offline(
        &mut self,
        now: Reading,
        mask: Mask,
        mut reachable: impl FnMut(SocketAddr) -> bool,
    ) -> usize {
        let count = self.each(mask, |source| match source.address.map(&mut reachable) {
            Some(true) => source.go_online(now.raw),
            Some(false) => source.go_offline(),
            None => {}
        });
        self.elect(now);
        count
    }

    /// Asks these sources at once, two seconds apart, until `good` replies came or `total` requests
    /// are sent; offline ones too. Gives how many are meant.
    pub fn burst(&mut self, now: Reading, mask: Mask, good: u32, total: u32) -> usize {
        self.each(mask, |source| source.go_burst(now.raw, good, total))
    }

    /// Votes again without the advantage of the source that was best.
    pub fn reselect(&mut self, now: Reading) {
        self.vote.best = None;
        self.elect(now);
    }

    /// Steps the clock by what is left of its offset, whatever `makestep` says; false when nothing is
    /// known of it, or the clock is not this engine's.
    pub fn step_now(&mut self, now: Reading) -> bool {
        let Some(state) = self.state.filter(|_| self.config.clock_control) else {
            return false;
        };
        let offset = state.moved_to(now.raw, self.wander()).phase - self.phase(now);
        for command in self.discipline.step(offset) {
            self.command(now, command);
        }
        true
    }

    /// Forgets all measurements of all sources, and begins to measure anew.
    pub fn reset_sources(&mut self, now: Reading) {
        for source in &mut self.sources {
            source.forget();
            source.hurry(now.raw);
        }
        self.elect(now);
    }

    /// Replaces the keys: requests from now on use the new ones.
    pub fn set_keys(&mut self, keys: Keys) {
        self.config.keys = keys;
    }

    /// Changes an option of a source. False when there is no such source, or the value is
    /// impossible: then nothing changes.
    pub fn modify(&mut self, now: Reading, id: SourceId, change: Change) -> bool {
        let Some(source) = self.sources.iter_mut().find(|s| s.id == id) else {
            return false;
        };
        let done = source.modify(change);
        if matches!(change, Change::Select(_)) {
            self.elect(now);
        }
        done
    }

    fn each(&mut self, mask: Mask, mut change: impl FnMut(&mut Source)) -> usize {
        let mut count = 0;
        for source in self.sources.iter_mut().filter(|s| mask.covers(s.address)) {
            change(source);
            count += 1;
        }
        count
    }
}

/// Poll intervals that can be asked for, log2 seconds.
const POLLS: std::ops::RangeInclusive<i8> = -7..=24;

impl Source {
    fn go_online(&mut self, now: Monotonic) {
        if self.silent {
            self.silent = false;
            self.denied = false;
            self.unanswered = 0;
            self.next = now;
            if self.config.iburst {
                self.hurry(now);
            }
        }
    }

    pub(super) fn go_offline(&mut self) {
        self.silent = true;
        self.reach = 0;
        self.series = None;
    }

    fn go_burst(&mut self, now: Monotonic, good: u32, total: u32) {
        if good > 0 && total > 0 {
            self.series = Some(Series::new(good, total, self.next));
            self.next = self.next.min(now);
        }
    }

    fn modify(&mut self, change: Change) -> bool {
        let config = &mut self.config;
        match change {
            Change::MinPoll(poll) if POLLS.contains(&poll) => {
                config.min_poll = Some(poll);
                config.max_poll = config.max_poll.max(poll);
            }
            Change::MaxPoll(poll) if POLLS.contains(&poll) => {
                config.max_poll = poll;
                config.min_poll = config.min_poll.map(|least| least.min(poll));
            }
            Change::MaxDelay(seconds) if seconds > 0.0 => config.max_delay = seconds,
            Change::MaxDelayRatio(ratio) if ratio >= 0.0 => {
                config.max_delay_ratio = (ratio > 0.0).then_some(ratio);
            }
            Change::MaxDelayDevRatio(ratio) if ratio >= 0.0 => {
                config.max_delay_dev_ratio = (ratio > 0.0).then_some(ratio);
            }
            Change::MaxDelayQuant(share) if (0.0..=1.0).contains(&share) => {
                config.max_delay_quant = (share > 0.0).then_some(share);
            }
            Change::PollTarget(target) if target > 0 => config.poll_target = target,
            Change::MinStratum(stratum) if stratum <= 16 => config.min_stratum = stratum,
            Change::Select(selection) => {
                config.prefer = selection.prefer;
                config.trust = selection.trust;
                config.require = selection.require;
                config.no_select = selection.no_select;
            }
            _ => return false,
        }
        self.set_poll(self.poll);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::Config;
    use crate::engine::config::SourceConfig;
    use crate::engine::random::Random;
    use crate::engine::system::Standing;

    const NOW: Reading = Reading {
        raw: Monotonic::from_nanos(1_000_000_000_000),
        unix_ns: 1_800_000_000_000_000_000,
        slept_ns: None,
    };

    fn engine(addresses: &[&str]) -> Engine {
        let config = Config {
            sources: addresses
                .iter()
                .map(|a| SourceConfig::new(*a, a.parse().ok().map(|ip| SocketAddr::new(ip, 123))))
                .collect(),
            ..Config::default()
        };
        let mut engine = Engine::new(config, Random::from_number(1));
        engine.start(NOW, 0.0);
        engine
    }

    fn sent(engine: &mut Engine) -> Vec<SourceId> {
        engine.tick(NOW);
        std::iter::from_fn(|| engine.action())
            .filter_map(|action| match action {
                Action::Send { source, .. } => Some(source),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn numbers_stay_and_are_never_given_again() {
        let mut engine = engine(&["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
        let ids: Vec<SourceId> = engine.sources.iter().map(|s| s.id).collect();
        engine.vote.standings = vec![
            Standing::Combined,
            Standing::Falseticker,
            Standing::Combined,
        ];
        engine.vote.best = Some(2);
        assert!(engine.remove_source(NOW, ids[1]));
        assert!(!engine.remove_source(NOW, ids[1]));
        assert_eq!(engine.index(ids[2]), Some(1));
        assert_eq!(engine.vote.standings.len(), 2);
        let new = engine.add_source(SourceConfig::new("x", None), NOW.raw);
        assert!(!ids.contains(&new));
        assert_eq!(engine.vote.standings.len(), 3);
    }

    #[test]
    fn masks_mean_what_they_cover() {
        let engine = engine(&["192.0.2.1", "192.0.2.200", "2001:db8::1", "name.test"]);
        let count = |mask| engine.matching(mask).len();
        assert_eq!(count(Mask::All), 4);
        let under = |mask: &str, address: &str| Mask::Under {
            mask: mask.parse().unwrap(),
            address: address.parse().unwrap(),
        };
        assert_eq!(count(under("255.255.255.0", "192.0.2.77")), 2);
        assert_eq!(count(under("255.255.255.128", "192.0.2.128")), 1);
        assert_eq!(count(under("ffff:ffff::", "2001:db8::")), 1);
        assert_eq!(count(Mask::exactly("192.0.2.1".parse().unwrap())), 1);
    }

    #[test]
    fn offline_is_silent_until_online_and_a_burst_asks_all_the_same() {
        let mut engine = engine(&["192.0.2.1", "192.0.2.2"]);
        let first = Mask::exactly("192.0.2.1".parse().unwrap());
        assert_eq!(engine.offline(NOW, first), 1);
        let second = engine.sources[1].id;
        assert_eq!(sent(&mut engine), [second]);
        assert_eq!(engine.burst(NOW, first, 1, 2), 1);
        let first_id = engine.sources[0].id;
        assert_eq!(sent(&mut engine), [first_id]);
        assert!(engine.sources[0].silent && engine.sources[0].next > NOW.raw);
        assert_eq!(
            engine.on_or_offline(NOW, Mask::All, |at| at.port() == 123),
            2
        );
        assert!(!engine.sources[0].silent);
        assert_eq!(engine.on_or_offline(NOW, Mask::All, |_| false), 2);
        assert!(engine.sources.iter().all(|s| s.silent));
        assert_eq!(engine.online(NOW, Mask::All), 2);
        assert_eq!(sent(&mut engine).len(), 2);
    }

    #[test]
    fn impossible_options_change_nothing() {
        let mut engine = engine(&["192.0.2.1"]);
        let id = engine.sources[0].id;
        for (change, possible) in [
            (Change::MinPoll(3), true),
            (Change::MinPoll(60), false),
            (Change::MaxPoll(2), true),
            (Change::MaxDelay(f64::NAN), false),
            (Change::MinStratum(17), false),
        ] {
            let before = engine.sources[0].config.clone();
            assert_eq!(engine.modify(NOW, id, change), possible, "{change:?}");
            assert_eq!(engine.sources[0].config == before, !possible);
        }
        let config = &engine.sources[0].config;
        assert_eq!((config.min_poll, config.max_poll), (Some(2), 2));
        assert!(!engine.modify(NOW, SourceId(99), Change::MinPoll(3)));
    }

    #[test]
    fn a_refreshed_name_moves_only_a_source_that_it_no_longer_gives() {
        let mut engine = engine(&["pool.test", "pool.test", "192.0.2.9"]);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        engine.resolved(NOW, "pool.test", &[ip("192.0.2.1"), ip("192.0.2.2")]);
        engine.refresh(NOW);
        engine.resolved(NOW, "pool.test", &[ip("192.0.2.3"), ip("192.0.2.2")]);
        let at: Vec<IpAddr> = engine
            .sources
            .iter()
            .filter_map(|s| Some(s.address?.ip()))
            .collect();
        assert_eq!(at, [ip("192.0.2.3"), ip("192.0.2.2"), ip("192.0.2.9")]);
        // Without being asked, nobody moves.
        engine.resolved(NOW, "pool.test", &[ip("192.0.2.7")]);
        assert_eq!(
            engine.sources[1].address.map(|a| a.ip()),
            Some(ip("192.0.2.2"))
        );
    }
}
