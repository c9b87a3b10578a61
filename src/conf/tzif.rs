//! A zone as data: the TZif form of RFC 9636, versions 1 to 4, as the zone database has it and as
//! /etc/localtime is. Lengths and indices of the file are checked before anything is believed.

use crate::conf::posix_tz::LocalType;
use crate::conf::posix_tz::PosixTz;
use crate::conf::posix_tz::Transition;

/// Larger than any zone's file: zic's fattest is under 4 KiB.
pub const LIMIT: u64 = 256 << 10;

/// TAI minus UTC before the first leap second of 1972, in seconds.
const TAI_BEFORE: i32 = 10;

/// More of anything than a file of [`LIMIT`] octets can hold.
const MAX_COUNT: usize = 1 << 18;

/// A zone's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Unix second and the type from then on, ascending.
    transitions: Vec<(i64, usize)>,
    types: Vec<LocalType>,
    /// The rule for the time after the last transition.
    footer: Option<PosixTz>,
    footer_text: String,
    /// Leap seconds: occurrence and total correction.
    leap_seconds: Vec<(i64, i32)>,
}

/// Why bytes are no zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TzifError {
    /// No `TZif` at the beginning.
    #[error("it is no TZif file")]
    Magic,
    /// The file ends before its own counts say.
    #[error("it is cut short")]
    Short,
    /// A count, index or string contradicts RFC 9636 §3.
    #[error("its {0} is not valid")]
    Invalid(&'static str),
}

impl Zone {
    /// Reads a TZif file.
    ///
    /// # Errors
    /// When it is none, is cut short, or contradicts itself.
    pub fn parse(bytes: &[u8]) -> Result<Self, TzifError> {
        let mut reader = Reader(bytes);
        let header = Header::read(&mut reader)?;
        if header.version == 0 {
            let mut zone = block(&mut reader, &header, 4)?;
            zone.footer = None;
            return Ok(zone);
        }
        reader.take(header.block_size(4))?;
        let header = Header::read(&mut reader)?;
        let mut zone = block(&mut reader, &header, 8)?;
        let footer = reader
            .0
            .strip_prefix(b"\n")
            .and_then(|rest| rest.split(|b| *b == b'\n').next())
            .and_then(|text| str::from_utf8(text).ok())
            .ok_or(TzifError::Invalid("footer"))?;
        if !footer.is_empty() {
            let rule = PosixTz::parse(footer).ok_or(TzifError::Invalid("footer"))?;
            zone.footer = Some(rule);
            footer.clone_into(&mut zone.footer_text);
        }
        Ok(zone)
    }

    /// What clocks show at that Unix second.
    #[must_use]
    pub fn at(&self, unix: i64) -> &LocalType {
        let index = self.transitions.partition_point(|(at, _)| *at <= unix);
        if index == self.transitions.len()
            && let Some(footer) = &self.footer
        {
            return footer.at(unix);
        }
        let kind = index
            .checked_sub(1)
            .and_then(|last| self.transitions.get(last))
            .map_or(0, |(_, kind)| *kind);
        self.kind(kind)
    }

    /// The first change after that Unix second; `None` when the data know of none.
    #[must_use]
    pub fn next_transition(&self, unix: i64) -> Option<Transition> {
        let index = self.transitions.partition_point(|(at, _)| *at <= unix);
        for (at, _) in self.transitions.iter().skip(index) {
            let (before, after) = (self.at(at.saturating_sub(1)), self.at(*at));
            if before != after {
                return Some(Transition {
                    at: *at,
                    before: before.clone(),
                    after: after.clone(),
                });
            }
        }
        let from = self
            .transitions
            .last()
            .map_or(unix, |(at, _)| unix.max(*at));
        self.footer.as_ref()?.next_transition(from)
    }

    /// The rule for the years to come in POSIX's form, empty when the file has none.
    #[must_use]
    pub fn footer(&self) -> &str {
        &self.footer_text
    }

    /// By how many seconds a clock that runs on UTC is wrong under this zone at that time: only
    /// the `right/` zones, which count leap seconds, have any.
    #[must_use]
    pub fn leap_correction_s(&self, unix: i64) -> i32 {
        let past = self.leap_seconds.iter().rev().find(|(at, _)| *at <= unix);
        past.map_or(0, |(_, correction)| *correction)
    }

    /// TAI minus UTC as the leap seconds of a `right/` zone tell it: Unix second and value from then
    /// on, ascending. RFC 9636 counts occurrences with the leap seconds before them.
    #[must_use]
    pub fn tai_changes(&self) -> Vec<(i64, i32)> {
        let mut before = 0;
        let mut changes = Vec::with_capacity(self.leap_seconds.len());
        for &(occurrence, correction) in &self.leap_seconds {
            let unix = occurrence.saturating_sub(i64::from(before));
            changes.push((unix, correction.saturating_add(TAI_BEFORE)));
            before = correction;
        }
        changes
    }

    fn kind(&self, index: usize) -> &LocalType {
        static UTC: LocalType = LocalType {
            offset_s: 0,
            dst: false,
            abbreviation: String::new(),
        };
        // `block` refuses an index that has no type.
        self.types.get(index).unwrap_or(&UTC)
    }
}

/// RFC 9636 §3.1.
struct Header {
    version: u8,
    ut: usize,
    standard: usize,
    leaps: usize,
    times: usize,
    types: usize,
    letters: usize,
}

impl Header {
    fn read(reader: &mut Reader<'_>) -> Result<Self, TzifError> {
        if reader.take(4).map_err(|_| TzifError::Magic)? != b"TZif" {
            return Err(TzifError::Magic);
        }
        let version = match reader.take(1)? {
            [0] => 0,
            [digit @ b'2'..=b'9'] => digit - b'0',
            _ => return Err(TzifError::Invalid("version")),
        };
        reader.take(15)?;
        let mut count = || match usize::try_from(reader.number(4)?) {
            Ok(count) if count <= MAX_COUNT => Ok(count),
            _ => Err(TzifError::Invalid("count")),
        };
        let header = Self {
            version,
            ut: count()?,
            standard: count()?,
            leaps: count()?,
            times: count()?,
            types: count()?,
            letters: count()?,
        };
        let indicator = |n: usize| n == 0 || n == header.types;
        if header.types == 0 || header.types > 256 || header.letters == 0 {
            return Err(TzifError::Invalid("count of types"));
        }
        if !indicator(header.ut) || !indicator(header.standard) {
            return Err(TzifError::Invalid("count of indicators"));
        }
        Ok(header)
    }

    const fn block_size(&self, width: usize) -> usize {
        // MAX_COUNT keeps this far from overflow.
        self.times * (width + 1)
            + self.types * 6
            + self.letters
            + self.leaps * (width + 4)
            + self.standard
            + self.ut
    }
}

/// RFC 9636 §3.2, with times of `width` octets.
fn block(reader: &mut Reader<'_>, header: &Header, width: usize) -> Result<Zone, TzifError> {
    let mut reader = {
        let whole = reader.take(header.block_size(width))?;
        Reader(whole)
    };
    let times = (0..header.times)
        .map(|_| reader.number(width))
        .collect::<Result<Vec<i64>, _>>()?;
    // RFC 9636 §3.2: in strictly ascending order.
    if !times.is_sorted_by(|a, b| a < b) {
        return Err(TzifError::Invalid("order of transitions"));
    }
    let kinds = reader.take(header.times)?;
    let types = reader.take(header.types * 6)?;
    let letters = reader.take(header.letters)?;
    if kinds.iter().any(|kind| usize::from(*kind) >= header.types) {
        return Err(TzifError::Invalid("type of a transition"));
    }
    let types = types
        .chunks(6)
        .map(|record| local_type(record, letters))
        .collect::<Result<Vec<_>, _>>()?;
    let leap_seconds = (0..header.leaps)
        .map(|_| {
            let at = reader.number(width)?;
            let total = reader.number(4)?;
            Ok((at, i32::try_from(total).unwrap_or_default()))
        })
        .collect::<Result<Vec<_>, TzifError>>()?;
    Ok(Zone {
        transitions: times
            .into_iter()
            .zip(kinds.iter().map(|kind| usize::from(*kind)))
            .collect(),
        types,
        footer: None,
        footer_text: String::new(),
        leap_seconds,
    })
}

fn local_type(record: &[u8], letters: &[u8]) -> Result<LocalType, TzifError> {
    let mut record = Reader(record);
    let offset = record.number(4)?;
    let (dst, index) = match record.take(2)? {
        [dst @ (0 | 1), index] => (*dst == 1, usize::from(*index)),
        _ => return Err(TzifError::Invalid("daylight saving flag")),
    };
    let name = letters
        .get(index..)
        .and_then(|rest| rest.split_at_checked(rest.iter().position(|b| *b == 0)?))
        .and_then(|(name, _)| str::from_utf8(name).ok())
        .filter(|name| name.chars().all(|c| c.is_ascii_graphic()))
        .ok_or(TzifError::Invalid("abbreviation"))?;
    // RFC 9636 §3.2: -2^31 must not be; a day and a bit is the most that ever was.
    let offset_s = i32::try_from(offset)
        .ok()
        .filter(|offset| offset.unsigned_abs() <= 26 * 3600)
        .ok_or(TzifError::Invalid("offset"))?;
    Ok(LocalType {
        offset_s,
        dst,
        abbreviation: name.to_owned(),
    })
}

/// What is still to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], TzifError> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(TzifError::Short)?;
        self.0 = rest;
        Ok(head)
    }

    /// A signed number in network order, of 4 or 8 octets.
    fn number(&mut self, width: usize) -> Result<i64, TzifError> {
        let bytes = self.take(width)?;
        let negative = bytes.first().is_some_and(|b| b & 0x80 != 0);
        let begin = if negative { -1_i64 } else { 0 };
        Ok(bytes.iter().fold(begin, |n, b| (n << 8) | i64::from(*b)))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A version 2 file: types as (offset, dst, abbreviation), transitions, footer.
    pub(crate) fn build(types: &[(i32, u8, &str)], times: &[(i64, u8)], footer: &str) -> Vec<u8> {
        let mut letters = Vec::new();
        let mut records = Vec::new();
        for (offset, dst, name) in types {
            records.extend(offset.to_be_bytes());
            records.extend([*dst, u8::try_from(letters.len()).unwrap()]);
            letters.extend(name.bytes().chain([0]));
        }
        let header = |times: usize, types: usize, letters: usize| {
            let mut bytes = b"TZif2".to_vec();
            bytes.resize(20, 0);
            for count in [0, 0, 0, times, types, letters] {
                bytes.extend(u32::try_from(count).unwrap().to_be_bytes());
            }
            bytes
        };
        let mut bytes = header(0, 1, 1);
        bytes.extend([0; 7]);
        bytes.extend(header(times.len(), types.len(), letters.len()));
        bytes.extend(times.iter().flat_map(|(at, _)| at.to_be_bytes()));
        bytes.extend(times.iter().map(|(_, kind)| *kind));
        bytes.extend(records);
        bytes.extend(letters);
        bytes.extend(format!("\n{footer}\n").bytes());
        bytes
    }

    #[test]
    fn transitions_then_the_footer_decide() {
        let types = [(32_400, 0, "JST"), (36_000, 1, "JDT")];
        let bytes = build(&types, &[(-1000, 1), (1000, 0)], "JST-9");
        let zone = Zone::parse(&bytes).unwrap();
        assert_eq!(zone.at(-1001).abbreviation, "JST");
        assert_eq!(zone.at(-1000).abbreviation, "JDT");
        assert_eq!(zone.at(1000).abbreviation, "JST");
        assert_eq!(zone.footer(), "JST-9");
        assert_eq!(zone.next_transition(-2000).unwrap().at, -1000);
        assert_eq!(zone.next_transition(1000), None);
    }

    #[test]
    fn version_1_files_are_read_and_have_no_footer() {
        let mut bytes = b"TZif".to_vec();
        bytes.resize(20, 0);
        for count in [1_u32, 1, 1, 2, 2, 8] {
            bytes.extend(count.to_be_bytes());
        }
        // Indicators are none or one a type.
        assert_eq!(
            Zone::parse(&bytes),
            Err(TzifError::Invalid("count of indicators"))
        );
        bytes.truncate(20);
        for count in [0_u32, 0, 1, 2, 2, 8] {
            bytes.extend(count.to_be_bytes());
        }
        bytes.extend([(-100_i32).to_be_bytes(), 100_i32.to_be_bytes()].concat());
        bytes.extend([1, 0]);
        for (offset, dst, index) in [(3600_i32, 0, 0), (7200, 1, 3)] {
            bytes.extend(offset.to_be_bytes());
            bytes.extend([dst, index]);
        }
        bytes.extend(b"CETS\0CE\0");
        bytes.extend([50_i32.to_be_bytes(), 1_i32.to_be_bytes()].concat());
        let zone = Zone::parse(&bytes).unwrap();
        assert_eq!(
            (zone.at(-100).offset_s, zone.at(100).offset_s),
            (7200, 3600)
        );
        assert_eq!(zone.at(i64::MAX).offset_s, 3600);
        assert_eq!((zone.footer(), zone.next_transition(100)), ("", None));
        assert_eq!(
            (zone.leap_correction_s(49), zone.leap_correction_s(50)),
            (0, 1)
        );
    }

    #[test]
    fn a_transition_that_changes_nothing_is_passed_over() {
        let types = [(0, 0, "UTC"), (0, 0, "UTC"), (3600, 0, "CET")];
        let bytes = build(&types, &[(10, 1), (20, 2)], "CET-1");
        let next = Zone::parse(&bytes).unwrap().next_transition(0).unwrap();
        assert_eq!((next.at, next.after.abbreviation.as_str()), (20, "CET"));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let good = build(&[(0, 0, "UTC")], &[(5, 0)], "UTC0");
        for length in 0..good.len() - 6 {
            assert!(Zone::parse(&good[..length]).is_err(), "{length}");
        }
        let types = [(0, 0, "UTC")];
        assert_eq!(
            Zone::parse(&build(&types, &[(5, 1)], "")),
            Err(TzifError::Invalid("type of a transition"))
        );
        assert_eq!(
            Zone::parse(&build(&types, &[(5, 0), (5, 0)], "")),
            Err(TzifError::Invalid("order of transitions"))
        );
        assert_eq!(
            Zone::parse(&build(&types, &[], "nonsense")),
            Err(TzifError::Invalid("footer"))
        );
        assert_eq!(Zone::parse(b"# a text\n"), Err(TzifError::Magic));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..400), unix: i64, version in 0u8..60) {
            let _ = Zone::parse(&bytes);
            for (at, byte) in b"TZif".iter().chain([&version]).enumerate() {
                if let Some(place) = bytes.get_mut(at) {
                    *place = *byte;
                }
            }
            if let Ok(zone) = Zone::parse(&bytes) {
                let _ = (zone.at(unix), zone.next_transition(unix));
            }
        }

        #[test]
        fn a_damaged_file_never_panics(at in 0usize..140, byte: u8, unix: i64) {
            let types = [(3600, 0, "CET"), (7200, 1, "CEST")];
            let mut bytes = build(&types, &[(-5, 1), (99, 0)], "CET-1CEST,M3.5.0,M10.5.0/3");
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            if let Ok(zone) = Zone::parse(&bytes) {
                let _ = (zone.at(unix), zone.next_transition(unix));
            }
        }
    }
}
