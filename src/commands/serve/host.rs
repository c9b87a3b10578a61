//! The server inside the daemon: publishes what the engine says of the clock (or whoever else keeps
//! it: `beside`), sends broadcasts, keeps the addresses of names in rules, and answers
//! questions about clients and counters.

use super::Plan;
use super::beside::Beside;
use super::broadcasts::Broadcasts;
use super::rules::Rules;
use crate::commands::daemon::settings::access::RuleLine;
use crate::engine::Engine;
use crate::engine::clock::Reading;
use crate::engine::reference::Origin;
use crate::engine::reference::Reference;
use crate::exit::Failure;
use crate::proto::mac::Keys;
use crate::proto::packet::MAX_STRATUM;
use crate::proto::refid::RefId;
use crate::server::access::Rule;
use crate::server::clients::RateLimit;
use crate::server::clients::Row;
use crate::server::counters::Totals;
use crate::server::respond::Policy;
use crate::server::state::State;
use crate::server::state::Uncorrected;
use crate::sys;
use crate::sys::cards::Cards;
use crate::sys::clock_watch::ClockWatch;
use crate::sys::resolve::Lookups;
use crate::sys::serve::Opened;
use crate::sys::serve::Server;
use crate::time::Monotonic;
use crate::time::NtpTimestamp;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::rc::Rc;

/// Seconds between two looks at what names in rules stand for, and after one that found nothing.
const LOOK_AGAIN: (f64, f64) = (600.0, 15.0);
/// Seconds between two publications while nothing happens, and after the clock was set.
const PUBLISH: (f64, f64) = (1.0, 0.03);

/// The server and what changes it.
#[derive(Debug)]
pub struct ServerHost {
    server: Server,
    addresses: Vec<SocketAddr>,
    rules: Rules,
    limit: Option<RateLimit>,
    kiss_denied: bool,
    keys: Keys,
    precision: i8,
    lookups: Option<Lookups>,
    names: Vec<String>,
    look: Option<Monotonic>,
    next: Monotonic,
    /// Tells when somebody sets the clock.
    watch: Option<Rc<ClockWatch>>,
    /// Who is asked about the clock, when it is not the engine.
    beside: Option<Beside>,
    broadcasts: Broadcasts,
    /// Added to the numbers of uncorrected clocks: those of another run, and of before somebody set
    /// the clock, are others.
    epoch: u32,
    /// Whether it was said that clients are answered now.
    announced: bool,
}

impl ServerHost {
    /// Begins to answer on open sockets; until the first [`ServerHost::publish`] nobody is told the
    /// time. `cards` gives the network cards whose timestamps are used, once a thread.
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub fn start(
        opened: Opened,
        plan: &Plan,
        keys: Keys,
        cards: &dyn Fn() -> Cards,
    ) -> Result<Self, Failure> {
        let rules = Rules::new(plan.rules.clone());
        let policy = Policy {
            access: rules.access(),
            limit: plan.limit,
            kiss_denied: plan.kiss_denied,
            keys: keys.clone(),
        };
        let addresses = opened.addresses().to_vec();
        let server = opened.start(policy, plan.table, cards)?;
        let names = rules.names();
        let now = sys::clock::monotonic_raw();
        Ok(Self {
            server,
            addresses,
            lookups: None,
            look: (!names.is_empty()).then_some(now),
            names,
            rules,
            limit: plan.limit,
            kiss_denied: plan.kiss_denied,
            keys,
            precision: precision(plan.precision),
            next: now,
            watch: ClockWatch::new().map(Rc::new),
            beside: plan.beside.map(Beside::new),
            broadcasts: Broadcasts::new(&plan.broadcasts, now),
            epoch: sys::random::bits().map_or(0, |bits| bits as u32),
            announced: false,
        })
    }

    /// What becomes readable when somebody sets the clock: [`ServerHost::clock_was_set`] is due
    /// then.
    #[must_use]
    pub fn watch(&self) -> Option<Rc<ClockWatch>> {
        self.watch.clone()
    }

    /// Somebody set the clock: what was published last holds no longer.
    pub fn clock_was_set(&mut self) {
        if self.watch.as_ref().is_some_and(|watch| watch.was_set()) {
            self.is_doubtful();
        }
    }

    /// The clock is not what it was: whoever keeps it is believed once he has measured again.
    pub fn is_doubtful(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        let now = sys::clock::monotonic_raw();
        self.next = now;
        if let Some(beside) = &mut self.beside {
            beside.clock_was_set(now);
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What happened to all packets so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.server.totals()
    }

    /// The clients remembered.
    #[must_use]
    pub fn clients(&self) -> Vec<Row> {
        self.server.clients()
    }

    /// Forgets counters and clients.
    pub fn reset(&self) {
        self.server.reset();
    }

    /// Whether an address is answered, and the rule that decides.
    #[must_use]
    pub fn check(&self, ip: IpAddr) -> (bool, Option<Rule>) {
        let policy = self.server.policy();
        (policy.access.allows(ip), policy.access.rule(ip).cloned())
    }

    /// Adds a rule behind the others, at once.
    pub fn add_rule(&mut self, line: RuleLine) {
        self.rules.push(line);
        self.names = self.rules.names();
        self.look = (!self.names.is_empty()).then(sys::clock::monotonic_raw);
        self.set_policy();
    }

    /// The rules, limits and keys of a configuration that was read again.
    pub fn replace(&mut self, plan: &Plan, keys: Keys) {
        self.rules = Rules::new(plan.rules.clone());
        self.names = self.rules.names();
        self.look = (!self.names.is_empty()).then(sys::clock::monotonic_raw);
        self.limit = plan.limit;
        self.kiss_denied = plan.kiss_denied;
        self.keys = keys;
        self.broadcasts = Broadcasts::new(&plan.broadcasts, sys::clock::monotonic_raw());
        self.set_policy();
    }

    /// From now on these keys hold.
    pub fn set_keys(&mut self, keys: Keys) {
        self.keys = keys;
        self.set_policy();
    }

    fn set_policy(&self) {
        self.server.set_policy(Policy {
            access: self.rules.access(),
            limit: self.limit,
            kiss_denied: self.kiss_denied,
            keys: self.keys.clone(),
        });
    }

    /// From now on replies tell what the engine says of the clock, or whoever is asked about it.
    pub fn publish(&mut self, engine: &Engine) {
        let mut now = sys::steered::reading();
        let set = now.raw >= self.next;
        let state = match &mut self.beside {
            None => {
                let reference = engine.reference(now);
                Some(state(
                    &reference,
                    now,
                    engine.config.max_distance,
                    self.precision,
                ))
            }
            Some(beside) => {
                let asked = beside.ask(now.raw);
                now = sys::steered::reading();
                asked.map(|state| State {
                    precision: self.precision,
                    ..state
                })
            }
        };
        if let Some(mut state) = state {
            if let Some(uncorrected) = &mut state.uncorrected {
                uncorrected.epoch = uncorrected.epoch.wrapping_add(self.epoch);
            }
            self.server.publish(&state);
            self.announce();
            self.broadcasts.told(&state);
        }
        self.broadcasts.send(now, &self.server);
        if set {
            self.next = now.raw.plus_seconds(PUBLISH.0);
        }
        self.look_up(now.raw);
    }

    /// Says once that clients are answered: before the first state is published nobody is.
    fn announce(&mut self) {
        if !std::mem::replace(&mut self.announced, true) {
            super::say(&format!("answering on {}", super::list(&self.addresses)));
        }
    }

    /// When [`ServerHost::publish`] is to be called at the latest.
    #[must_use]
    pub fn deadline(&self) -> Monotonic {
        let broadcast = self.broadcasts.deadline();
        broadcast.map_or(self.next, |at| at.min(self.next))
    }

    /// Takes answers about names that have come, and asks anew when it is time.
    fn look_up(&mut self, now: Monotonic) {
        let mut changed = false;
        while let Some((key, answer)) = self.lookups.as_mut().and_then(Lookups::take) {
            let Some(name) = self.names.get(key).cloned() else {
                continue;
            };
            match answer {
                Ok(found) => changed |= self.rules.found(&name, found),
                Err(why) if !self.rules.knows(&name) => {
                    sys::terminal::complain(&format!(
                        "clockbox: the rule for {name} holds for nobody yet: {why}\n"
                    ));
                }
                // The addresses known before are better than none.
                Err(_) => {}
            }
        }
        if changed {
            self.set_policy();
        }
        if self.look.is_none_or(|due| now < due) {
            return;
        }
        let known = self.names.iter().all(|name| self.rules.knows(name));
        let pause = if known { LOOK_AGAIN.0 } else { LOOK_AGAIN.1 };
        self.look = Some(now.plus_seconds(pause));
        if self.lookups.is_none() {
            self.lookups = Lookups::new().ok();
        }
        if let Some(lookups) = self.lookups.as_mut().filter(|l| l.under_way() == 0) {
            for (key, name) in self.names.iter().enumerate() {
                lookups.start(key, name);
            }
        }
    }
}

/// Reference of a time that is smoothed, 127.127.1.255: clients can tell it from the true one.
const SMOOTHED: RefId = RefId([127, 127, 1, 255]);

/// log2 of the precision of this machine's clock, in seconds.
fn precision(known: Option<f64>) -> i8 {
    let seconds = known.unwrap_or_else(sys::udp::clock_precision);
    (seconds.clamp(1e-9, 1.0).log2().round() as i8).clamp(-30, 0)
}

/// Where the clock is its own reference after the sources, what they said is told for this much
/// longer, in seconds: until the engine has told what comes after, so that no client is told in
/// between that there is no time at all.
const OVERLAP: f64 = 2.0 * PUBLISH.0;

/// What replies tell of a reference. Past the distance that the engine itself would not follow, they
/// tell nothing.
#[must_use]
pub fn state(reference: &Reference, now: Reading, max_distance: f64, precision: i8) -> State {
    let raw_ns = now.raw.nanos();
    let clock_ns = now
        .unix_ns
        .saturating_sub(i64::try_from(raw_ns).unwrap_or(i64::MAX));
    let until_ns = match reference.origin {
        Origin::Source(_) if reference.growth > 0.0 => {
            let left = (max_distance - reference.distance_at(now.raw)) / reference.growth
                + if reference.falls_back { OVERLAP } else { 0.0 };
            now.raw.plus_seconds(left.max(0.0)).nanos()
        }
        _ => u64::MAX,
    };
    let at = reference.reference_unix_ns;
    let nanos = u32::try_from(at.rem_euclid(1_000_000_000)).unwrap_or(0);
    let stratum = if reference.is_usable() {
        reference.stratum
    } else {
        MAX_STRATUM
    };
    let served = reference.served_offset_at(now.raw);
    let later = reference.served_offset_at(now.raw.plus_seconds(1.0));
    let smoothed = served.abs() > f64::from(precision).exp2();
    State {
        leap: reference.leap,
        stratum,
        refid: if smoothed { SMOOTHED } else { reference.refid },
        reference: if at == 0 {
            NtpTimestamp::ZERO
        } else {
            NtpTimestamp::from_unix(at.div_euclid(1_000_000_000), nanos)
        },
        root_delay: reference.root_delay,
        root_dispersion: reference.dispersion_at(now.raw),
        growth: reference.growth,
        precision,
        raw_ns,
        clock_ns,
        until_ns,
        smoothing_ns: (served * 1e9) as i64,
        smoothing_rate: later - served,
        uncorrected: reference.uncorrected.map(|clock| Uncorrected {
            epoch: clock.number,
            ahead: clock.ahead_at(now.raw),
            rate: clock.rate(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::precision;

    #[test]
    fn clockprecision_is_what_clients_are_told() {
        assert_eq!(precision(Some(1e-6)), -20);
        assert_eq!(precision(Some(1e-30)), -30);
        assert_eq!(precision(Some(1.0)), 0);
        assert!((-30..=-10).contains(&precision(None)));
    }
}
