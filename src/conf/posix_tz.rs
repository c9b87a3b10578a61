//! A zone as a rule: the value of TZ in POSIX's form (`CET-1CEST,M3.5.0,M10.5.0/3`), which also is
//! the footer of a TZif file. POSIX counts west as positive; everything here counts east as
//! positive, as RFC 9636 does. Extended hours of §3.3.1 (-167 to 167) are understood.

use chrono::Datelike;
use chrono::NaiveDate;

/// What clocks show during some time: how far from UTC, under which letters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LocalType {
    /// Seconds to add to UTC; east is positive.
    pub offset_s: i32,
    /// Daylight saving, as the data has it.
    pub dst: bool,
    /// `JST`, `CEST`, `+0545`.
    pub abbreviation: String,
}

/// A change of what clocks show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The first Unix second of the new type.
    pub at: i64,
    /// What was shown before.
    pub before: LocalType,
    /// What is shown from then on.
    pub after: LocalType,
}

/// A zone as a rule for all years.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PosixTz {
    standard: LocalType,
    daylight: Option<Daylight>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Daylight {
    local: LocalType,
    start: Rule,
    end: Rule,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    day: Day,
    /// Seconds after midnight by the clock before the change; may be negative or beyond a day.
    time_s: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    /// `J60`: 1 to 365, 29 February never counted.
    Julian(u32),
    /// `59`: 0 to 365, 29 February counted.
    Zero(u32),
    /// `M3.5.0`: month, week (5 is the last), weekday (0 is Sunday).
    Month(u32, u32, u32),
}

impl PosixTz {
    /// The rule, or `None` when the text is none. `EST5EDT` without dates has those of the United
    /// States, as the C library reads it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = Rest(text);
        let name = rest.name()?;
        let standard = LocalType {
            offset_s: -rest.hms(24)?,
            dst: false,
            abbreviation: name,
        };
        if rest.0.is_empty() {
            return Some(Self {
                standard,
                daylight: None,
            });
        }
        let name = rest.name()?;
        let offset_s = if rest.0.is_empty() || rest.0.starts_with(',') {
            standard.offset_s + 3600
        } else {
            -rest.hms(24)?
        };
        let local = LocalType {
            offset_s,
            dst: true,
            abbreviation: name,
        };
        if rest.0.is_empty() {
            rest = Rest(",M3.2.0,M11.1.0");
        }
        let start = rest.rule()?;
        let end = rest.rule()?;
        let daylight = Some(Daylight { local, start, end });
        rest.0.is_empty().then_some(Self { standard, daylight })
    }

    /// What clocks show at that Unix second.
    #[must_use]
    pub fn at(&self, unix: i64) -> &LocalType {
        let Some(daylight) = &self.daylight else {
            return &self.standard;
        };
        let changes = self.changes(daylight, year_of(unix));
        let last = changes.iter().rev().find(|(at, _)| *at <= unix);
        match last {
            Some((_, true)) => &daylight.local,
            _ => &self.standard,
        }
    }

    /// The first change after that Unix second; `None` when there is none ever.
    #[must_use]
    pub fn next_transition(&self, unix: i64) -> Option<Transition> {
        let daylight = self.daylight.as_ref()?;
        let year = year_of(unix);
        let changes = [
            self.changes(daylight, year),
            self.changes(daylight, year + 2),
        ];
        changes
            .iter()
            .flatten()
            .filter(|(at, _)| *at > unix)
            .map(|(at, _)| Transition {
                at: *at,
                before: self.at(at - 1).clone(),
                after: self.at(*at).clone(),
            })
            .find(|change| change.before != change.after)
    }

    /// The changes of the year before, this and the next, in order; where two fall on one second
    /// (daylight saving all year) daylight wins.
    fn changes(&self, daylight: &Daylight, year: i32) -> Vec<(i64, bool)> {
        let mut all = Vec::with_capacity(6);
        for year in year - 1..=year + 1 {
            let start = daylight.start.local_second(year) - i64::from(self.standard.offset_s);
            let end = daylight.end.local_second(year) - i64::from(daylight.local.offset_s);
            all.extend([(start, true), (end, false)]);
        }
        all.sort_unstable();
        all
    }
}

fn year_of(unix: i64) -> i32 {
    chrono::DateTime::from_timestamp(unix, 0).map_or(1970, |time| time.year())
}

impl Rule {
    /// Seconds since 1970 by the clock before the change.
    fn local_second(self, year: i32) -> i64 {
        self.day.days(year) * 86_400 + i64::from(self.time_s)
    }
}

impl Day {
    /// Days since 1970.
    fn days(self, year: i32) -> i64 {
        let first = days_to(year, 1);
        match self {
            Self::Zero(day) => first + i64::from(day),
            Self::Julian(day) => {
                let leap = NaiveDate::from_ymd_opt(year, 2, 29).is_some();
                first + i64::from(day) - 1 + i64::from(leap && day >= 60)
            }
            Self::Month(month, week, weekday) => {
                let begin = days_to(year, month);
                let next = if month == 12 {
                    days_to(year + 1, 1)
                } else {
                    days_to(year, month + 1)
                };
                // 1970-01-01 was a Thursday, 4.
                let first_weekday = (begin + 4).rem_euclid(7);
                let mut day = begin + (i64::from(weekday) - first_weekday).rem_euclid(7);
                day += i64::from(week - 1) * 7;
                if day >= next { day - 7 } else { day }
            }
        }
    }
}

/// Days from 1970 to the first of that month.
fn days_to(year: i32, month: u32) -> i64 {
    NaiveDate::from_ymd_opt(year, month, 1)
        .map_or(0, |date| i64::from(date.num_days_from_ce()) - 719_163)
}

/// What is still to be read.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn take(&mut self, wanted: char) -> bool {
        let found = self.0.strip_prefix(wanted);
        self.0 = found.unwrap_or(self.0);
        found.is_some()
    }

    /// Three letters or more, or anything of letters, digits and signs between `<` and `>`.
    fn name(&mut self) -> Option<String> {
        let (name, rest) = if let Some(quoted) = self.0.strip_prefix('<') {
            quoted.split_once('>')?
        } else {
            let end = self.0.find(|c: char| !c.is_ascii_alphabetic());
            self.0.split_at_checked(end.unwrap_or(self.0.len()))?
        };
        let good = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '-';
        if name.len() < 3 || name.len() > 32 || !name.chars().all(good) {
            return None;
        }
        self.0 = rest;
        Some(name.to_owned())
    }

    fn number(&mut self, low: u32, high: u32) -> Option<u32> {
        let end = self.0.find(|c: char| !c.is_ascii_digit());
        let (digits, rest) = self.0.split_at_checked(end.unwrap_or(self.0.len()))?;
        let value = digits.parse().ok().filter(|n| (low..=high).contains(n))?;
        self.0 = rest;
        Some(value)
    }

    /// `[+-]hh[:mm[:ss]]` in seconds, signed as written.
    fn hms(&mut self, max_hours: u32) -> Option<i32> {
        let negative = self.take('-');
        if !negative {
            self.take('+');
        }
        let mut total = self.number(0, max_hours)? * 3600;
        for unit in [60, 1] {
            if !self.take(':') {
                break;
            }
            total += self.number(0, 59)? * unit;
        }
        let total = i32::try_from(total).ok()?;
        Some(if negative { -total } else { total })
    }

    /// `,M3.5.0/2`.
    fn rule(&mut self) -> Option<Rule> {
        if !self.take(',') {
            return None;
        }
        let day = if self.take('M') {
            let month = self.number(1, 12)?;
            let week = self.take('.').then(|| self.number(1, 5))??;
            let weekday = self.take('.').then(|| self.number(0, 6))??;
            Day::Month(month, week, weekday)
        } else if self.take('J') {
            Day::Julian(self.number(1, 365)?)
        } else {
            Day::Zero(self.number(0, 365)?)
        };
        let time_s = if self.take('/') { self.hms(167)? } else { 7200 };
        Some(Rule { day, time_s })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(rule: &str, unix: i64) -> (i32, String) {
        let rule = PosixTz::parse(rule).unwrap();
        let local = rule.at(unix);
        (local.offset_s, local.abbreviation.clone())
    }

    #[test]
    fn east_is_positive_though_posix_writes_it_negative() {
        assert_eq!(shown("JST-9", 0), (32_400, "JST".into()));
        assert_eq!(shown("<-03>3", 0), (-10_800, "-03".into()));
        assert_eq!(shown("<+0545>-5:45", 0), (20_700, "+0545".into()));
    }

    #[test]
    fn europe_changes_on_the_last_sundays_at_one_utc() {
        let rule = PosixTz::parse("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        // 2026-03-29T01:00:00Z and 2026-10-25T01:00:00Z.
        let spring = rule.next_transition(1_767_225_600).unwrap();
        assert_eq!((spring.at, spring.after.offset_s), (1_774_746_000, 7200));
        let autumn = rule.next_transition(spring.at).unwrap();
        assert_eq!((autumn.at, autumn.after.offset_s), (1_792_890_000, 3600));
        assert_eq!(rule.at(spring.at - 1).abbreviation, "CET");
        assert_eq!(rule.at(spring.at).abbreviation, "CEST");
    }

    #[test]
    fn negative_daylight_saving_and_extended_hours_are_understood() {
        // Dublin: standard time in summer, RFC 9636 §3.3.1.
        let dublin = PosixTz::parse("IST-1GMT0,M10.5.0,M3.5.0/1").unwrap();
        assert_eq!(dublin.at(1_767_225_600).abbreviation, "GMT");
        assert!(dublin.at(1_767_225_600).dst);
        assert_eq!(dublin.at(1_782_864_000).abbreviation, "IST");
        // Nuuk: the change is on the evening of the Saturday before.
        let nuuk = PosixTz::parse("<-02>2<-01>,M3.5.0/-1,M10.5.0/0").unwrap();
        assert_eq!(
            nuuk.next_transition(1_767_225_600).unwrap().at,
            1_774_746_000
        );
    }

    #[test]
    fn daylight_saving_all_year_never_changes() {
        let rule = PosixTz::parse("EST5EDT,0/0,J365/25").unwrap();
        for unix in [1_767_225_599, 1_767_225_600, 1_767_243_600, 1_800_000_000] {
            assert_eq!(rule.at(unix).abbreviation, "EDT", "{unix}");
        }
        assert_eq!(rule.next_transition(1_767_225_600), None);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in [
            "",
            "Japan",
            "JST",
            "J9",
            "JST-25",
            "Asia/Tokyo",
            "CET-1CEST,M13.5.0,M10.5.0",
            "<+9",
            "JST-9x",
            "CET-1CEST,M3.5.0",
        ] {
            assert_eq!(PosixTz::parse(text), None, "{text}");
        }
    }
}
