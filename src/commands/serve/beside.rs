//! A server beside whatever else disciplines the clock: what it tells comes from that daemon's own
//! mouth, or else from the kernel, and is never better than that. After somebody set the clock a
//! daemon is believed again once it has measured since.

use crate::commands::sources::gather;
use crate::commands::sources::observed::Observed;
use crate::engine::local::LocalConfig;
use crate::engine::reference::refid_of;
use crate::proto::packet::Leap;
use crate::proto::packet::MAX_STRATUM;
use crate::proto::refid::RefId;
use crate::report::sources::DaemonRow;
use crate::server::state::State;
use crate::sys;
use crate::time::Monotonic;
use crate::time::NtpTimestamp;
use std::net::IpAddr;

/// Seconds between two questions, and after the clock was set.
const ASK: (f64, f64) = (4.0, 0.2);
/// Seconds that an answer may be used.
const HOLDS: f64 = 20.0;
/// How long a question may take, in seconds.
const PATIENCE: f64 = 1.0;
/// How fast a clock errs that somebody disciplines, beyond what he says, in seconds per second.
const GROWTH: f64 = 1e-6;
/// Stratum when nobody says one: the farthest that clients still use.
const UNKNOWN_STRATUM: u8 = MAX_STRATUM - 1;
/// Whoever does not say when he last measured is believed again so many seconds after the clock was
/// set: longer than the longest usual interval between measurements.
const MEASURED: f64 = 1100.0;

/// Asks whoever keeps the clock.
#[derive(Debug)]
pub(super) struct Beside {
    local: Option<LocalConfig>,
    next: Option<Monotonic>,
    /// When somebody last set the clock.
    set: Option<Monotonic>,
    told: String,
}

impl Beside {
    /// Asks at once; while nobody keeps the clock, it serves itself if that is wanted.
    #[must_use]
    pub(super) const fn new(local: Option<LocalConfig>) -> Self {
        Self {
            local,
            next: None,
            set: None,
            told: String::new(),
        }
    }

    /// Somebody set the clock: whoever keeps it is asked again soon.
    pub(super) const fn clock_was_set(&mut self, now: Monotonic) {
        self.set = Some(now);
        self.next = None;
    }

    /// What is known of the clock, if it is time to ask again.
    pub(super) fn ask(&mut self, now: Monotonic) -> Option<State> {
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        let (words, state) = self.state();
        let now = sys::clock::monotonic_raw();
        let fresh = self.set.is_some_and(|set| now.seconds_since(set) < ASK.0);
        self.next = Some(now.plus_seconds(if fresh { ASK.1 } else { ASK.0 }));
        if words != self.told {
            super::say(&words);
            self.told = words;
        }
        Some(state)
    }

    /// What is known of the clock, and in words by whom.
    fn state(&self) -> (String, State) {
        let before = sys::steered::reading();
        let gathered = gather::local(PATIENCE);
        let now = sys::steered::reading();
        // What was said may be about the clock as it was before somebody set it: the state is of
        // the moment of the question, and whoever notices a difference believes it no longer.
        let raw_ns = before.raw.nanos();
        let base = State {
            raw_ns,
            clock_ns: before
                .unix_ns
                .saturating_sub(i64::try_from(raw_ns).unwrap_or(i64::MAX)),
            until_ns: before.raw.plus_seconds(HOLDS).nanos(),
            growth: GROWTH,
            reference: sys::clock::now(),
            ..State::unsynchronised()
        };
        let since_set = self.set.map(|set| now.raw.seconds_since(set));
        let best = gathered
            .observed
            .iter()
            .filter(|o| measured_since(&o.daemon, since_set))
            .filter_map(|o| of_daemon(&o.daemon, base).map(|s| (o, s)))
            .min_by(|a, b| a.1.root_dispersion.total_cmp(&b.1.root_dispersion));
        if let Some((Observed { daemon, .. }, state)) = best {
            let follows = daemon.follows.as_deref().unwrap_or("its sources");
            // Whoever only measures the clock vouches for it as well: he says how far it is off.
            let does = match daemon.holds_clock {
                Some(false) => "measures this clock, which it does not steer,",
                _ => "keeps this clock,",
            };
            let words = if daemon.local_reference {
                format!("{} serves its own clock for want of a source", daemon.name)
            } else if daemon.coasts_s().is_some() {
                format!("{} {does} and follows no source any more", daemon.name)
            } else {
                format!("{} {does} and follows {follows}", daemon.name)
            };
            return (words, state);
        }
        // A daemon that says it is not synchronised, or has not measured since the clock was set,
        // knows better than the kernel's flag.
        let asked = gathered
            .observed
            .iter()
            .any(|o| o.daemon.synchronised == Some(false) || !measured_since(&o.daemon, since_set));
        if let Some(state) = kernel(base).filter(|_| !asked) {
            let words = "the kernel says that somebody keeps this clock; nobody tells who";
            return (words.to_owned(), state);
        }
        if let Some(local) = &self.local {
            let state = State {
                leap: Leap::None,
                stratum: local.stratum,
                refid: crate::engine::local::REFID,
                until_ns: u64::MAX,
                growth: 0.0,
                ..base
            };
            return (
                "nobody keeps this clock: it serves itself".to_owned(),
                state,
            );
        }
        let words = "nobody keeps this clock right: clients are told that it is not synchronised";
        (words.to_owned(), base)
    }
}

/// Whether a daemon has measured since the clock was set, so many seconds ago if ever.
fn measured_since(daemon: &DaemonRow, set_s: Option<f64>) -> bool {
    set_s.is_none_or(|set| {
        daemon
            .last_update_age_s
            .map_or(set > MEASURED, |age| age < set)
    })
}

/// What a daemon says of the clock, if it says that it is right.
fn of_daemon(daemon: &DaemonRow, base: State) -> Option<State> {
    let leap = match daemon.leap.as_deref() {
        Some("unsynchronised") => return None,
        Some("insert") => Leap::Insert,
        Some("delete") => Leap::Delete,
        _ => Leap::None,
    };
    let stratum = daemon.stratum.unwrap_or(UNKNOWN_STRATUM);
    // One that runs on alone still says how far off it may be by now.
    let vouches = daemon.synchronised == Some(true) || daemon.coasts_s().is_some();
    if !vouches && !daemon.local_reference || !(1..MAX_STRATUM).contains(&stratum) {
        return None;
    }
    // What is still to be corrected is an error of the clock.
    let off = daemon.offset_s.unwrap_or(0.0).abs();
    let delay = daemon.root_delay_s.unwrap_or(0.0).max(0.0);
    let dispersion = daemon.root_dispersion_s.map(|d| d.max(0.0) + off);
    // Whoever serves his own clock, for want of a better one, says so by its reference.
    let own = daemon.local_reference.then_some(0.0);
    let dispersion = dispersion.or(daemon.max_error_s).or(own)?;
    let ago = daemon.last_update_age_s.unwrap_or(0.0);
    Some(State {
        leap,
        stratum,
        refid: if daemon.local_reference {
            crate::engine::local::REFID
        } else {
            refid(daemon)
        },
        reference: base
            .reference
            .plus(crate::time::NtpDuration::from_seconds(-ago)),
        root_delay: delay,
        root_dispersion: dispersion,
        ..base
    })
}

/// The identifier in octets, from how it is written.
fn refid(daemon: &DaemonRow) -> RefId {
    let text = daemon.refid.as_deref().unwrap_or("");
    if let Ok(ip) = text.parse::<IpAddr>() {
        return refid_of(ip);
    }
    let mut id = [0; 4];
    if let (8, Ok(number)) = (text.len(), u32::from_str_radix(text, 16)) {
        id = number.to_be_bytes();
    } else {
        for (to, from) in id.iter_mut().zip(text.bytes()) {
            *to = from;
        }
    }
    RefId(id)
}

/// What the kernel says, if it says that the clock is synchronised.
fn kernel(base: State) -> Option<State> {
    let kernel = sys::timex::read().ok()?;
    kernel.synchronised().then_some(State {
        leap: Leap::None,
        stratum: UNKNOWN_STRATUM,
        refid: RefId([127, 127, 1, 0]),
        root_dispersion: kernel.max_error,
        reference: NtpTimestamp::ZERO,
        ..base
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> DaemonRow {
        let mut row = DaemonRow::new("chronyd");
        row.synchronised = Some(true);
        row.stratum = Some(3);
        row.refid = Some("A9FEA97B".to_owned());
        row.offset_s = Some(-0.25);
        row.root_delay_s = Some(0.01);
        row.root_dispersion_s = Some(0.5);
        row
    }

    #[test]
    fn what_is_still_to_be_corrected_counts_as_dispersion() {
        let state = of_daemon(&row(), State::unsynchronised()).unwrap();
        assert_eq!(state.root_dispersion, 0.75);
        assert_eq!((state.stratum, state.leap), (3, Leap::None));
        assert_eq!(state.refid, RefId([169, 254, 169, 123]));
    }

    #[test]
    fn after_the_clock_was_set_only_who_measured_since_is_believed() {
        let mut row = row();
        for (age, set, believed) in [
            (Some(30.0), None, true),
            (None, None, true),
            (Some(30.0), Some(10.0), false),
            (Some(3.0), Some(10.0), true),
            (None, Some(10.0), false),
            (None, Some(2000.0), true),
        ] {
            row.last_update_age_s = age;
            assert_eq!(measured_since(&row, set), believed, "{age:?} {set:?}");
        }
    }

    #[test]
    fn a_daemon_that_serves_its_own_clock_is_told_as_that() {
        let own = DaemonRow {
            synchronised: Some(false),
            stratum: Some(4),
            local_reference: true,
            ..DaemonRow::new("chronyd")
        };
        let state = of_daemon(&own, State::unsynchronised()).unwrap();
        assert_eq!((state.stratum, state.leap), (4, Leap::None));
        assert_eq!(state.refid, RefId([127, 127, 1, 1]));
    }

    #[test]
    fn a_daemon_that_is_not_synchronised_vouches_for_nothing() {
        for spoil in [
            |r: &mut DaemonRow| r.synchronised = Some(false),
            |r: &mut DaemonRow| r.leap = Some("unsynchronised".to_owned()),
            |r: &mut DaemonRow| r.stratum = Some(16),
            |r: &mut DaemonRow| r.root_dispersion_s = None,
        ] {
            let mut row = row();
            spoil(&mut row);
            assert_eq!(of_daemon(&row, State::unsynchronised()), None);
        }
    }
}
