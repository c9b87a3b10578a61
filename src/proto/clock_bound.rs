//! The shared memory segment of Amazon's ClockBound: within which bound the system clock is right
//! (docs/PROTOCOL.md of aws/clock-bound, version 2), in the machine's own byte order.

use super::reader::DecodeError;
use super::reader::Problem;
use super::reader::Reader;

/// Octets of version 2.
pub const LENGTH: usize = 80;

const MAGIC: [u32; 2] = [0x414d_5a4e, 0x4342_0200];
const VERSION: u16 = 2;
/// A drift of a whole second a second, in parts per billion: more is no drift.
const WILDEST_DRIFT: u32 = 1_000_000_000;
/// For so long what it said of the clock holds: time for the daemon to start anew.
const GRACE_NS: i64 = 5_000_000_000;
/// A moment of the coarse clock may seem to be this much later than the fine one's.
const BLUR_NS: i64 = 20_000_000;

/// What the daemon says of the system clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockStatus {
    /// Nothing.
    Unknown,
    /// A daemon keeps it right.
    Synchronised,
    /// No daemon corrects it now; the bound grows.
    FreeRunning,
    /// The machine was moved, or the like: there is no bound.
    Disrupted,
}

/// What the segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockBound {
    /// When the bound was taken, on the monotonic clock, in nanoseconds.
    pub as_of_ns: i64,
    /// Until when it may be trusted.
    pub void_after_ns: i64,
    /// The system clock was within so many nanoseconds of true time then.
    pub bound_ns: i64,
    /// What it read last of the hypervisor's page.
    pub disruption_marker: u64,
    /// By how much the clock may drift meanwhile, in parts per billion.
    pub max_drift_ppb: u32,
    /// Its word for the clock.
    pub status: ClockStatus,
    /// Whether it looks for disruptions.
    pub sees_disruptions: bool,
}

/// What holds at a later moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// What is to be believed of the clock now.
    pub status: ClockStatus,
    /// It is within so many seconds of true time; none where nothing can be said.
    pub bound_s: Option<f64>,
    /// How old the word is, in seconds.
    pub age_s: f64,
}

/// Reads the segment; `None` while the daemon is changing it, or before it first did.
///
/// # Errors
/// When it is too short, no such segment, one of another version, or impossible.
pub fn parse(segment: &[u8]) -> Result<Option<ClockBound>, DecodeError> {
    let mut segment = Reader::new(segment);
    let magic: [u8; 8] = segment.array("magic")?;
    let invalid = |at: usize, field| DecodeError {
        field,
        at,
        problem: Problem::Invalid,
    };
    // The daemon writes two words in its own byte order; its documents list them octet by octet.
    let native = MAGIC.map(u32::to_ne_bytes).concat();
    let listed = MAGIC.map(u32::to_be_bytes).concat();
    if magic[..] != native && magic[..] != listed {
        return Err(invalid(0, "magic"));
    }
    let size = u32::from_ne_bytes(segment.array("size")?);
    if usize::try_from(size).is_ok_and(|size| size < LENGTH) {
        return Err(invalid(8, "size"));
    }
    if u16::from_ne_bytes(segment.array("version")?) != VERSION {
        return Err(invalid(12, "version"));
    }
    let generation = u16::from_ne_bytes(segment.array("generation")?);
    let as_of_ns = time(&mut segment, "as-of time")?;
    let void_after_ns = time(&mut segment, "void-after time")?;
    let bound_ns = i64::from_ne_bytes(segment.array("bound")?);
    let disruption_marker = u64::from_ne_bytes(segment.array("disruption marker")?);
    let max_drift_ppb = u32::from_ne_bytes(segment.array("maximum drift")?);
    let status = match i32::from_ne_bytes(segment.array("clock status")?) {
        1 => ClockStatus::Synchronised,
        2 => ClockStatus::FreeRunning,
        3 => ClockStatus::Disrupted,
        _ => ClockStatus::Unknown,
    };
    let sees_disruptions = segment.u8("disruption support")? != 0;
    segment.take(7, "padding")?;
    if generation == 0 || generation & 1 == 1 {
        return Ok(None);
    }
    if bound_ns < 0 {
        return Err(invalid(48, "bound"));
    }
    if max_drift_ppb >= WILDEST_DRIFT {
        return Err(invalid(64, "maximum drift"));
    }
    Ok(Some(ClockBound {
        as_of_ns,
        void_after_ns,
        bound_ns,
        disruption_marker,
        max_drift_ppb,
        status,
        sees_disruptions,
    }))
}

fn time(segment: &mut Reader<'_>, field: &'static str) -> Result<i64, DecodeError> {
    let seconds = i64::from_ne_bytes(segment.array(field)?);
    let nanos = i64::from_ne_bytes(segment.array(field)?);
    let whole = seconds.checked_mul(1_000_000_000);
    whole
        .and_then(|whole| whole.checked_add(nanos))
        .ok_or(segment.error(field, Problem::Invalid))
}

impl ClockBound {
    /// What holds at this moment of the monotonic clock.
    #[must_use]
    pub fn at(&self, monotonic_ns: i64) -> Bound {
        let age_ns = monotonic_ns.saturating_sub(self.as_of_ns);
        let age_s = age_ns.max(0) as f64 * 1e-9;
        let status = match self.status {
            ClockStatus::Unknown | ClockStatus::Disrupted => self.status,
            // It speaks of another boot.
            _ if age_ns < -BLUR_NS => ClockStatus::Unknown,
            status if age_ns < GRACE_NS => status,
            _ if monotonic_ns < self.void_after_ns => ClockStatus::FreeRunning,
            _ => ClockStatus::Unknown,
        };
        let grown = self.bound_ns as f64 * 1e-9 + age_s * f64::from(self.max_drift_ppb) * 1e-9;
        let trusted = matches!(status, ClockStatus::Synchronised | ClockStatus::FreeRunning);
        Bound {
            status,
            bound_s: trusted.then_some(grown),
            age_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000_000;

    /// A segment by the documented layout.
    fn segment(generation: u16, times: [i64; 4], bound: i64, drift: u32, status: i32) -> Vec<u8> {
        let mut octets = MAGIC.map(u32::to_ne_bytes).concat();
        octets.extend(80_u32.to_ne_bytes());
        octets.extend(2_u16.to_ne_bytes());
        octets.extend(generation.to_ne_bytes());
        octets.extend(times.map(i64::to_ne_bytes).concat());
        octets.extend(bound.to_ne_bytes());
        octets.extend(77_u64.to_ne_bytes());
        octets.extend(drift.to_ne_bytes());
        octets.extend(status.to_ne_bytes());
        octets.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(octets.len(), LENGTH);
        octets
    }

    fn plain() -> Vec<u8> {
        segment(4, [100, 500, 1100, 0], 150_000, 1000, 1)
    }

    #[test]
    fn every_field_is_where_the_document_has_it() {
        let read = parse(&plain()).unwrap().unwrap();
        let wanted = ClockBound {
            as_of_ns: 100 * SECOND + 500,
            void_after_ns: 1100 * SECOND,
            bound_ns: 150_000,
            disruption_marker: 77,
            max_drift_ppb: 1000,
            status: ClockStatus::Synchronised,
            sees_disruptions: true,
        };
        assert_eq!(read, wanted);
        // The magic number as the document lists it.
        let mut listed = plain();
        listed[..8].copy_from_slice(b"\x41\x4d\x5a\x4e\x43\x42\x02\x00");
        assert_eq!(parse(&listed), Ok(Some(wanted)));
    }

    #[test]
    fn the_bound_grows_and_ends_as_clockbounds_own_reader_has_it() {
        let read = parse(&plain()).unwrap().unwrap();
        let fresh = read.at(101 * SECOND);
        assert_eq!(fresh.status, ClockStatus::Synchronised);
        // 150 us and a second of 1 ppm.
        assert!((fresh.bound_s.unwrap() - 151e-6).abs() < 1e-9, "{fresh:?}");
        let old = read.at(200 * SECOND);
        assert_eq!(old.status, ClockStatus::FreeRunning);
        assert!((old.bound_s.unwrap() - 250e-6).abs() < 1e-9, "{old:?}");
        for moment in [1100 * SECOND, 99 * SECOND, i64::MIN, i64::MAX] {
            let none = read.at(moment);
            assert_eq!((none.status, none.bound_s), (ClockStatus::Unknown, None));
        }
        let moved = segment(4, [100, 0, 1100, 0], 1, 1, 3);
        let moved = parse(&moved).unwrap().unwrap().at(101 * SECOND);
        assert_eq!(
            (moved.status, moved.bound_s),
            (ClockStatus::Disrupted, None)
        );
    }

    #[test]
    fn a_segment_that_is_being_changed_is_not_believed() {
        for generation in [0, 5] {
            let octets = segment(generation, [1, 0, 2, 0], 1, 1, 1);
            assert_eq!(parse(&octets), Ok(None));
        }
    }

    #[test]
    fn what_is_no_such_segment_is_refused_with_the_place() {
        let with = |at: usize, octet: u8| {
            let mut octets = plain();
            octets[at] = octet;
            octets
        };
        let version = if cfg!(target_endian = "little") {
            12
        } else {
            13
        };
        for (octets, at) in [
            (with(3, 0), 0),
            (with(version, 3), 12),
            (plain()[..79].to_vec(), 73),
            (segment(4, [1, 0, 2, 0], -1, 1, 1), 48),
            (segment(4, [1, 0, 2, 0], 1, WILDEST_DRIFT, 1), 64),
            (segment(4, [i64::MAX, 0, 2, 0], 1, 1, 1), 32),
        ] {
            assert_eq!(parse(&octets).unwrap_err().at, at);
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_survived(
            octets in proptest::collection::vec(any::<u8>(), 66),
            moment in any::<i64>(),
        ) {
            let _ = parse(&octets);
            let mut framed = plain();
            framed[14..].copy_from_slice(&octets);
            if let Ok(Some(read)) = parse(&framed) {
                prop_assert!(read.at(moment).bound_s.is_none_or(|bound| bound >= 0.0));
            }
        }
    }
}
