//! The page that a hypervisor shares with a virtual machine: how its counter relates to time, and
//! whether that was disrupted, as by a move to another host (struct vmclock_abi of Linux; UAPI.13).

use super::reader::DecodeError;
use super::reader::Problem;
use super::reader::Reader;

/// Octets of version 1 that are looked at.
pub const LENGTH: usize = 0x68;

const MAGIC: u32 = 0x4b4c_4356;
const VERSION: u16 = 1;

const FLAG_TAI_OFFSET: u64 = 1;
const FLAG_SOON: u64 = 1 << 1;
const FLAG_IMMINENT: u64 = 1 << 2;
const FLAG_TIME_MAX_ERROR: u64 = 1 << 6;

/// What the host says of its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockStatus {
    /// Nothing.
    Unknown,
    /// It is not synchronised yet.
    Initializing,
    /// It is synchronised.
    Synchronised,
    /// It was synchronised, and runs on alone.
    FreeRunning,
    /// It is broken.
    Unreliable,
}

/// When the host expects to disturb the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Within about a day.
    Soon,
    /// Within about an hour.
    Imminent,
}

/// What the page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmClock {
    /// Another value, never one of before, after each disruption of the counter.
    pub disruption_marker: u64,
    /// The host's word for its clock.
    pub status: ClockStatus,
    /// TAI minus UTC, where the host knows it.
    pub tai_offset_s: Option<i16>,
    /// The host announces a disruption.
    pub expected: Option<Expected>,
    /// How far its time can be off, in nanoseconds, where it says that.
    pub max_error_ns: Option<u64>,
}

/// Reads the page; `None` while the host is changing it.
///
/// # Errors
/// When it is too short, no such page, or one of another version.
pub fn parse(page: &[u8]) -> Result<Option<VmClock>, DecodeError> {
    let mut page = Reader::new(page);
    let invalid = |at: usize, field| DecodeError {
        field,
        at,
        problem: Problem::Invalid,
    };
    if u32::from_le_bytes(page.array("magic")?) != MAGIC {
        return Err(invalid(0, "magic"));
    }
    let size = u32::from_le_bytes(page.array("size")?);
    if usize::try_from(size).is_ok_and(|size| size < LENGTH) {
        return Err(invalid(4, "size"));
    }
    if u16::from_le_bytes(page.array("version")?) != VERSION {
        return Err(invalid(8, "version"));
    }
    page.take(2, "counter and kind of time")?;
    let sequence = u32::from_le_bytes(page.array("sequence count")?);
    let disruption_marker = u64::from_le_bytes(page.array("disruption marker")?);
    let flags = u64::from_le_bytes(page.array("flags")?);
    page.take(2, "padding")?;
    let status = match page.u8("clock status")? {
        1 => ClockStatus::Initializing,
        2 => ClockStatus::Synchronised,
        3 => ClockStatus::FreeRunning,
        4 => ClockStatus::Unreliable,
        _ => ClockStatus::Unknown,
    };
    page.take(1, "smearing hint")?;
    let tai = i16::from_le_bytes(page.array("TAI offset")?);
    page.take(0x60 - 0x26, "counter and time")?;
    let max_error = u64::from_le_bytes(page.array("maximum error")?);
    if sequence & 1 == 1 {
        return Ok(None);
    }
    let has = |flag: u64| flags & flag != 0;
    Ok(Some(VmClock {
        disruption_marker,
        status,
        tai_offset_s: has(FLAG_TAI_OFFSET).then_some(tai),
        expected: match (has(FLAG_IMMINENT), has(FLAG_SOON)) {
            (true, _) => Some(Expected::Imminent),
            (_, true) => Some(Expected::Soon),
            _ => None,
        },
        max_error_ns: has(FLAG_TIME_MAX_ERROR).then_some(max_error),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A page by the documented layout: offset and octets of each field.
    fn page(fields: &[(usize, &[u8])]) -> Vec<u8> {
        let mut page = vec![0; 4096];
        let version_1: [(usize, &[u8]); 3] =
            [(0, b"VCLK"), (4, &4096_u32.to_le_bytes()), (8, &[1, 0])];
        for (at, octets) in version_1.iter().chain(fields) {
            page[*at..at + octets.len()].copy_from_slice(octets);
        }
        page
    }

    #[test]
    fn every_field_is_where_the_specification_has_it() {
        let full = page(&[
            (0x0c, &6_u32.to_le_bytes()),
            (0x10, &0x0123_4567_89ab_cdef_u64.to_le_bytes()),
            (0x18, &0b100_0011_u64.to_le_bytes()),
            (0x22, &[2]),
            (0x24, &37_i16.to_le_bytes()),
            (0x60, &12_345_u64.to_le_bytes()),
        ]);
        let read = VmClock {
            disruption_marker: 0x0123_4567_89ab_cdef,
            status: ClockStatus::Synchronised,
            tai_offset_s: Some(37),
            expected: Some(Expected::Soon),
            max_error_ns: Some(12_345),
        };
        assert_eq!(parse(&full), Ok(Some(read)));
        assert_eq!(parse(&full[..LENGTH]), Ok(Some(read)));
        // Without their flags the values mean nothing.
        let bare = page(&[(0x18, &[0b100]), (0x24, &[37]), (0x60, &[9])]);
        let bare = parse(&bare).unwrap().unwrap();
        assert_eq!((bare.tai_offset_s, bare.max_error_ns), (None, None));
        assert_eq!(bare.expected, Some(Expected::Imminent));
        assert_eq!(bare.status, ClockStatus::Unknown);
        // A word that this version does not know is none.
        let later = parse(&page(&[(0x22, &[9])])).unwrap().unwrap();
        assert_eq!(later.status, ClockStatus::Unknown);
    }

    #[test]
    fn a_page_that_is_being_changed_is_not_believed() {
        assert_eq!(parse(&page(&[(0x0c, &[7])])), Ok(None));
    }

    #[test]
    fn what_is_no_such_page_is_refused_with_the_place() {
        for (octets, at) in [
            (page(&[(0, b"VCLX")]), 0),
            (page(&[(4, &103_u32.to_le_bytes())]), 4),
            (page(&[(8, &[2])]), 8),
            (page(&[])[..LENGTH - 1].to_vec(), 0x60),
            (Vec::new(), 0),
        ] {
            assert_eq!(parse(&octets).unwrap_err().at, at);
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_survived(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&octets);
            let mut framed = page(&[]);
            framed[10..10 + octets.len()].copy_from_slice(&octets);
            prop_assert!(parse(&framed).is_ok());
        }
    }
}
