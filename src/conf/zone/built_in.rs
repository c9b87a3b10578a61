//! The zones that are built in, for a machine without a zone database: their names and what their
//! clocks show from now on. The table is one text (`scripts/built-in-zones`): tables of pointers
//! would be relocated at every start of the program, which takes longer than most commands do.

use crate::conf::posix_tz::LocalType;
use crate::conf::posix_tz::PosixTz;

/// A version, then a line a zone: name, rule, and the changes to come that the rule does not have.
const TABLE: &str = include_str!("built_in.txt");

/// A zone by the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltIn {
    /// Its name: `Europe/Berlin`.
    pub name: &'static str,
    /// Its rule and the changes beside it.
    line: &'static str,
}

/// The version of the zone database that the table was made from: `2025b`.
#[must_use]
pub fn version() -> &'static str {
    let head = TABLE.lines().next().unwrap_or_default();
    head.trim_start_matches(['#', ' '])
}

/// All of them, by name.
pub fn all() -> impl Iterator<Item = BuiltIn> {
    let zones = TABLE.lines().filter(|line| !line.starts_with('#'));
    zones.filter_map(|line| {
        let (name, line) = line.split_once(' ')?;
        Some(BuiltIn { name, line })
    })
}

/// True when there is one of this name.
#[must_use]
pub fn is_known(name: &str) -> bool {
    all().any(|zone| zone.name == name)
}

impl BuiltIn {
    /// What its clocks show at that Unix second, which is not long past.
    #[must_use]
    pub fn at(&self, unix: i64) -> Option<LocalType> {
        let mut words = self.line.split(' ');
        let rule = words.next()?;
        let changes: Vec<(i64, LocalType)> = words.filter_map(change).collect();
        let next = changes.partition_point(|(at, _)| *at <= unix);
        let between = next > 0 && next < changes.len();
        match next.checked_sub(1).and_then(|last| changes.get(last)) {
            Some((_, local)) if between => Some(local.clone()),
            _ => Some(PosixTz::parse(rule)?.at(unix).clone()),
        }
    }
}

/// `1740276000/0/+00/1`: from that second on so many seconds east, under these letters.
fn change(word: &str) -> Option<(i64, LocalType)> {
    let mut parts = word.split('/');
    let mut next = || parts.next();
    let at = next()?.parse().ok()?;
    let local = LocalType {
        offset_s: next()?.parse().ok()?,
        abbreviation: next()?.to_owned(),
        dst: next()? == "1",
    };
    Some((at, local))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use chrono::Offset;
    use chrono_tz::OffsetName;

    /// Every zone of the crate chrono-tz, of the same version, twice a month for ten years.
    #[test]
    fn the_table_says_what_another_reading_of_the_database_says() {
        assert_eq!(version(), chrono_tz::IANA_TZDB_VERSION);
        assert_eq!(all().count(), chrono_tz::TZ_VARIANTS.len());
        for (zone, other) in all().zip(sorted()) {
            assert_eq!(zone.name, other.name());
            assert!(is_known(zone.name));
            for half_month in 0..240 {
                let unix = 1_767_225_600 + half_month * 1_314_000;
                let theirs = DateTime::from_timestamp(unix, 0).unwrap();
                let theirs = theirs.with_timezone(&other);
                let local = zone.at(unix).unwrap();
                let offset = theirs.offset();
                let place = format!("{} at {unix}", zone.name);
                assert_eq!(local.offset_s, offset.fix().local_minus_utc(), "{place}");
                // It has none where they are only the offset's digits.
                if let Some(letters) = offset.abbreviation() {
                    // Debian keeps the letters that MET had of its own.
                    let own = zone.name == "MET" && local.abbreviation.starts_with("ME");
                    assert!(own || local.abbreviation == letters, "{place}");
                }
            }
        }
        assert!(!is_known("Europe/Nowhere") && !is_known(""));
    }

    fn sorted() -> Vec<chrono_tz::Tz> {
        let mut zones = chrono_tz::TZ_VARIANTS.to_vec();
        zones.sort_by_key(|zone| zone.name());
        zones
    }
}
