//! Leap seconds: when the next one is, and what is done about it.
//!
//! UTC falls back by a second when one is inserted, and so does everything that is counted from
//! the engine's origin: the origin moves with UTC, so that phases go on without a jump.

use crate::proto::packet::Leap;
use crate::time::Monotonic;

const DAY: i64 = 86_400;
/// TAI minus UTC when leap seconds began, in seconds.
pub const FIRST_TAI: i32 = 10;

/// How the clock is put right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeapMode {
    /// The kernel steps it.
    #[default]
    System,
    /// The engine steps it.
    Step,
    /// It is slewed.
    Slew,
    /// Nothing is done: what the sources say afterwards is measured and corrected.
    Ignore,
}

/// TAI minus UTC over the years: from the zone database or from a leap-seconds.list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeapTable {
    /// Unix second and TAI minus UTC from then on, ascending.
    changes: Vec<(i64, i32)>,
    /// From this Unix second on the table knows nothing.
    expires: Option<i64>,
}

/// What the engine does about leap seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeapConfig {
    /// How the clock is put right.
    pub mode: LeapMode,
    /// Where leap seconds are known from; without it the sources announce them.
    pub table: Option<LeapTable>,
}

impl LeapTable {
    /// A table of Unix seconds from which on TAI minus UTC has a value.
    #[must_use]
    pub fn new(mut changes: Vec<(i64, i32)>, expires: Option<i64>) -> Self {
        changes.sort_unstable();
        Self { changes, expires }
    }

    /// TAI minus UTC, in seconds, at a Unix second.
    #[must_use]
    pub fn tai(&self, unix: i64) -> Option<i32> {
        if self.expired(unix) {
            return None;
        }
        let past = self.changes.iter().rev().find(|(at, _)| *at <= unix);
        past.map(|(_, tai)| *tai)
    }

    /// True when the table was made too long ago to say anything.
    #[must_use]
    pub fn expired(&self, unix: i64) -> bool {
        self.expires.is_some_and(|until| unix >= until)
    }

    /// The leap second at the end of that Unix second's day: +1 inserted, -1 deleted, 0 none; none
    /// when the table does not know.
    fn today(&self, unix: i64) -> Option<i8> {
        let tomorrow = midnight_after(unix);
        let (now, then) = (self.tai(unix)?, self.tai(tomorrow)?);
        Some((then - now).clamp(-1, 1) as i8)
    }
}

impl LeapConfig {
    /// The leap second at the end of today: by the table where there is one, else as the majority
    /// of the sources announces, and then only at the end of June and December: there were never
    /// others, but false announcements.
    #[must_use]
    pub fn today(&self, unix: i64, announced: Leap) -> i8 {
        if let Some(known) = self.table.as_ref().and_then(|t| t.today(unix)) {
            return known;
        }
        match announced {
            Leap::Insert if ends_half_year(unix) => 1,
            Leap::Delete if ends_half_year(unix) => -1,
            _ => 0,
        }
    }
}

const fn midnight_after(unix: i64) -> i64 {
    (unix.div_euclid(DAY) + 1) * DAY
}

/// True when a June or a December ended between these Unix seconds: there may have been a leap
/// second.
pub(super) fn half_year_ended(from: i64, to: i64) -> bool {
    let (first, last) = (from.div_euclid(DAY), to.div_euclid(DAY));
    // No half year has more days.
    last.saturating_sub(first) > 184 || (first..last).any(|day| ends_half_year(day * DAY))
}

/// True on 30 June and 31 December.
fn ends_half_year(unix: i64) -> bool {
    matches!(month_and_day(unix.div_euclid(DAY) + 1), (1 | 7, 1))
}

/// Month and day of a number of days since 1970, in the Gregorian calendar, whose cycle of 146,097
/// days is counted from 1 March of year 0 (719,468 days before 1970).
const fn month_and_day(days: i64) -> (i64, i64) {
    let day_of_era = (days + 719_468).rem_euclid(146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    (if month < 10 { month + 3 } else { month - 9 }, day)
}

/// Nothing is measured this close to a leap second, in seconds: not everybody has it at the same
/// moment.
const CLOSE: f64 = 1.5;

/// The moment is looked at so much later, in seconds.
const LATE: f64 = 1e-3;

/// The leap second that is coming, and the clock by which it is awaited.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct LeapWatch {
    /// Unix second at which it is over, and its sign.
    due: Option<(i64, i8)>,
    /// The last one's time on the undisciplined clock, until its neighbourhood is left.
    passed: Option<Monotonic>,
    /// The last look found it near.
    near: bool,
    /// The clocks at the last look: the undisciplined one, and the system's in ns since 1970.
    seen: Option<(Monotonic, i64)>,
}

/// What a look at the clocks found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeapNews {
    /// No leap second near.
    Nothing,
    /// One is near: do not trust any time now.
    Near,
    /// It happens now.
    Now(i8),
    /// It is over.
    Over,
}

impl LeapWatch {
    /// A leap second is expected at the end of the day of this Unix second; 0 is none.
    pub(super) const fn expect(&mut self, unix: i64, sign: i8) {
        if self.passed.is_some() {
            return;
        }
        self.due = if sign == 0 {
            None
        } else {
            Some((midnight_after(unix), sign))
        };
    }

    /// The sign of the leap second that is awaited.
    pub(super) fn sign(&self) -> i8 {
        self.due.map_or(0, |(_, sign)| sign)
    }

    /// True while no time is to be trusted.
    pub(super) const fn is_near(&self) -> bool {
        self.near
    }

    /// The clocks stood still or were set: what was seen last says nothing of now.
    pub(super) const fn forget(&mut self) {
        self.seen = None;
    }

    /// Looks at the clocks; `rate` is the system clock's against the undisciplined one.
    pub(super) fn look(&mut self, raw: Monotonic, unix_ns: i64, rate: f64) -> LeapNews {
        let news = self.find(raw, unix_ns, rate);
        self.near = matches!(news, LeapNews::Near | LeapNews::Now(_));
        news
    }

    fn find(&mut self, raw: Monotonic, unix_ns: i64, rate: f64) -> LeapNews {
        if let Some(at) = self.passed {
            if raw.seconds_since(at) < CLOSE {
                return LeapNews::Near;
            }
            self.passed = None;
            self.seen = None;
            return LeapNews::Over;
        }
        // Where the clock would be if nothing had happened since the last look.
        let expected = self.seen.map_or(unix_ns, |(before, then)| {
            then.saturating_add((raw.seconds_since(before) * (1.0 + rate) * 1e9) as i64)
        });
        let Some((at, sign)) = self.due else {
            self.seen = Some((raw, unix_ns));
            return LeapNews::Nothing;
        };
        let left = at.saturating_mul(1_000_000_000).saturating_sub(expected) as f64 * 1e-9;
        // A deleted second: 23:59:58 is the last one of the day.
        let left = if sign < 0 { left - 1.0 } else { left };
        if left > CLOSE {
            self.seen = Some((raw, unix_ns));
            LeapNews::Nothing
        } else if left > 0.0 {
            self.seen = self.seen.or(Some((raw, unix_ns)));
            LeapNews::Near
        } else {
            self.due = None;
            self.passed = Some(raw);
            LeapNews::Now(sign)
        }
    }

    /// When to look next.
    pub(super) fn deadline(&self, rate: f64) -> Option<Monotonic> {
        if let Some(at) = self.passed {
            return Some(at.plus_seconds(CLOSE));
        }
        let ((at, sign), (raw, unix_ns)) = (self.due?, self.seen?);
        let left = at.saturating_mul(1_000_000_000).saturating_sub(unix_ns) as f64 * 1e-9;
        let left = if sign < 0 { left - 1.0 } else { left };
        // Not a rounding too early.
        Some(raw.plus_seconds((left / (1.0 + rate)).max(0.0) + LATE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2016-12-31T12:00:00Z.
    const LAST: i64 = 1_483_185_600;

    #[test]
    fn only_half_years_end_with_an_announced_leap_second() {
        let config = LeapConfig::default();
        assert_eq!(config.today(LAST, Leap::Insert), 1);
        assert_eq!(config.today(LAST, Leap::Delete), -1);
        assert_eq!(config.today(LAST + DAY, Leap::Insert), 0);
        // 2015-06-30 and 2015-08-31, noon: on the latter there was a false alarm.
        assert_eq!(config.today(1_435_665_600, Leap::Insert), 1);
        assert_eq!(config.today(1_441_022_400, Leap::Insert), 0);
        // 2000-06-30: a leap year that is one although it ends a century.
        assert_eq!(config.today(962_366_400, Leap::Insert), 1);
    }

    #[test]
    fn a_table_that_has_not_expired_overrules_the_announcement() {
        let midnight = midnight_after(LAST);
        let mut config = LeapConfig {
            mode: LeapMode::System,
            table: Some(LeapTable::new(vec![(0, 36), (midnight, 37)], None)),
        };
        assert_eq!(config.today(LAST, Leap::None), 1);
        assert_eq!(config.today(LAST - DAY, Leap::Insert), 0);
        config.table = Some(LeapTable::new(vec![(0, 36)], Some(LAST - 1)));
        assert_eq!(config.today(LAST, Leap::Insert), 1);
    }

    #[test]
    fn the_moment_is_found_whether_or_not_the_kernel_stepped() {
        for stepped in [0, 1] {
            let mut watch = LeapWatch::default();
            let (raw, unix) = (
                Monotonic::from_nanos(5_000_000_000),
                midnight_after(LAST) - 10,
            );
            let at = |s: f64| raw.plus_seconds(s);
            let ns = |s: f64| unix * 1_000_000_000 + (s * 1e9) as i64;
            watch.expect(unix, 1);
            assert_eq!(watch.look(at(0.0), ns(0.0), 0.0), LeapNews::Nothing);
            assert_eq!(watch.deadline(0.0), Some(at(10.0 + LATE)));
            assert_eq!(watch.look(at(9.0), ns(9.0), 0.0), LeapNews::Near);
            let after = f64::from(stepped);
            assert_eq!(
                watch.look(at(10.1), ns(10.1 - after), 0.0),
                LeapNews::Now(1)
            );
            assert_eq!(watch.look(at(11.0), ns(11.0 - after), 0.0), LeapNews::Near);
            assert_eq!(watch.look(at(12.0), ns(12.0 - after), 0.0), LeapNews::Over);
            assert_eq!(
                watch.look(at(13.0), ns(13.0 - after), 0.0),
                LeapNews::Nothing
            );
        }
    }
}
