//! What the reports of `clockbox timezone …` share: local time, a change of it, a place that names
//! the zone.

pub mod list;
pub mod set;
pub mod show;

use chrono::DateTime;
use chrono::FixedOffset;
use schemars::JsonSchema;
use serde::Serialize;

/// Local time in a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Local {
    /// RFC 3339 with the zone's offset.
    pub local_time: String,
    /// Seconds to add to UTC; east is positive.
    pub offset_s: i32,
    /// `JST`, `CEST`.
    pub abbreviation: String,
    /// Daylight saving.
    pub dst: bool,
    /// The moment, for people.
    #[serde(skip)]
    pub unix: i64,
}

impl Local {
    /// The local time of that Unix second.
    #[must_use]
    pub fn new(unix: i64, offset_s: i32, abbreviation: &str, dst: bool) -> Self {
        Self {
            local_time: rfc3339(unix, offset_s),
            offset_s,
            abbreviation: abbreviation.to_owned(),
            dst,
            unix,
        }
    }

    /// `Sun 2021-06-20 14:31:23 JST (+09:00)`.
    #[must_use]
    pub fn words(&self) -> String {
        let name = &self.abbreviation;
        let offset = offset(self.offset_s);
        // `+03 (+03:00)` says it twice.
        let zone = if name.is_empty() || name.starts_with(['+', '-']) {
            offset
        } else {
            format!("{name} ({offset})")
        };
        format!("{} {zone}", clock(self.unix, self.offset_s))
    }
}

/// The next change of local time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// When, RFC 3339, UTC.
    pub at: String,
    /// What clocks show at that moment by the old offset.
    pub before: Local,
    /// What they show at that moment by the new one.
    pub after: Local,
}

impl Change {
    /// A change at that Unix second; the arguments are offset, abbreviation, daylight saving.
    #[must_use]
    pub fn new(unix: i64, before: (i32, &str, bool), after: (i32, &str, bool)) -> Self {
        Self {
            at: super::format::rfc3339(unix, 0),
            before: Local::new(unix, before.0, before.1, before.2),
            after: Local::new(unix, after.0, after.1, after.2),
        }
    }

    /// `Sun 2026-03-29 02:00:00 CET becomes 03:00:00 CEST (+02:00), in 128 days`.
    #[must_use]
    pub fn words(&self, now: i64) -> String {
        let days = (self.before.unix - now) / 86_400;
        let ahead = match days {
            0 => "within a day".to_owned(),
            1 => "in 1 day".to_owned(),
            days => format!("in {days} days"),
        };
        let time = |local: &Local| {
            let whole = clock(local.unix, local.offset_s);
            let time = whole.rsplit(' ').next().unwrap_or_default();
            format!("{time} {}", short(local))
        };
        format!(
            "{} {} becomes {}, {ahead}",
            clock(self.before.unix, self.before.offset_s),
            short(&self.before),
            time(&self.after)
        )
    }
}

/// The letters, or the offset where the letters only repeat it.
fn short(local: &Local) -> String {
    if local.abbreviation.starts_with(['+', '-']) || local.abbreviation.is_empty() {
        offset(local.offset_s)
    } else {
        local.abbreviation.clone()
    }
}

/// `Sun 2021-06-20 14:31:23`.
#[must_use]
pub fn clock(unix: i64, offset_s: i32) -> String {
    zoned(unix, offset_s).map_or_else(
        || format!("@{unix}"),
        |time| time.format("%a %Y-%m-%d %H:%M:%S").to_string(),
    )
}

fn rfc3339(unix: i64, offset_s: i32) -> String {
    zoned(unix, offset_s).map_or_else(
        || super::format::rfc3339(unix, 0),
        |time| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, false),
    )
}

fn zoned(unix: i64, offset_s: i32) -> Option<DateTime<FixedOffset>> {
    let zone = FixedOffset::east_opt(offset_s)?;
    Some(DateTime::from_timestamp(unix, 0)?.with_timezone(&zone))
}

/// `+09:00`.
#[must_use]
pub fn offset(offset_s: i32) -> String {
    let sign = if offset_s < 0 { '-' } else { '+' };
    let size = offset_s.unsigned_abs();
    let (hours, minutes, seconds) = (size / 3600, size / 60 % 60, size % 60);
    if seconds == 0 {
        format!("{sign}{hours:02}:{minutes:02}")
    } else {
        format!("{sign}{hours:02}:{minutes:02}:{seconds:02}")
    }
}

/// How the zone is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KnownBy {
    /// /etc/localtime is a link into the zone database.
    Link,
    /// /etc/localtime is a copy, and its octets are those of this zone.
    Content,
    /// /etc/localtime is a copy that no zone of the database equals, and another file names it.
    File,
    /// OpenWrt's configuration.
    Uci,
    /// There is no /etc/localtime, or none that can be read: programs use UTC.
    Default,
    /// /etc/localtime is a copy, and nothing names it.
    Unknown,
}

/// The letters, offset and zone of a moment, as one line: `zone  value`.
pub(super) fn rows(out: &mut String, rows: &[(&str, String)], width: Option<u16>) {
    let column = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
    for (name, value) in rows {
        let value = super::format::wrap(value, width, column);
        out.push_str(&format!("{name:column$}{value}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_words_and_in_rfc_3339() {
        let now = Local::new(1_624_166_683, 32_400, "JST", false);
        assert_eq!(now.words(), "Sun 2021-06-20 14:24:43 JST (+09:00)");
        assert_eq!(now.local_time, "2021-06-20T14:24:43+09:00");
        let plain = Local::new(0, -10_800, "-03", false);
        assert_eq!(plain.words(), "Wed 1969-12-31 21:00:00 -03:00");
        let change = Change::new(1_774_746_000, (3600, "CET", false), (7200, "CEST", true));
        assert_eq!(
            change.words(1_774_000_000),
            "Sun 2026-03-29 02:00:00 CET becomes 03:00:00 CEST, in 8 days"
        );
        assert_eq!(change.at, "2026-03-29T01:00:00.000000000Z");
    }
}
