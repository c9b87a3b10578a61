//! One sample as programs send it to a reference clock's socket: gpsd's and ntpsec's convention
//! for chronyd, in the machine's own byte order.

/// What ends every sample: `SOCK`.
const MAGIC: i32 = 0x534f_434b;
/// Octets of a sample with a 64-bit time.
pub const LEN: usize = 40;
/// Octets of a sample of a program with a 32-bit time.
pub const SHORT_LEN: usize = 32;

/// A sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SockSample {
    /// The system clock at the measurement, in nanoseconds since 1970.
    pub system_ns: i64,
    /// True minus system time, in seconds.
    pub offset: f64,
    /// Only the part of the second is known.
    pub pulse: bool,
    /// 0 none, 1 a second is inserted, 2 deleted, 3 not synchronised.
    pub leap: u8,
}

impl SockSample {
    /// Reads one; nothing when it is none.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let long = |at: usize| Some(i64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let int = |at: usize| Some(i32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let (seconds, micros, rest) = match bytes.len() {
            LEN => (long(0)?, long(8)?, 16),
            SHORT_LEN => (i64::from(int(0)?), i64::from(int(4)?), 8),
            _ => return None,
        };
        let offset = f64::from_ne_bytes(bytes.get(rest..rest + 8)?.try_into().ok()?);
        let leap = u8::try_from(int(rest + 12)?)
            .ok()
            .filter(|&leap| leap <= 3)?;
        if int(rest + 20)? != MAGIC || !offset.is_finite() || offset.abs() > 4e9 {
            return None;
        }
        let system_ns = seconds
            .checked_mul(1_000_000_000)?
            .checked_add(micros.checked_mul(1000)?)?;
        Some(Self {
            system_ns,
            offset,
            pulse: int(rest + 8)? != 0,
            leap,
        })
    }

    /// The octets that a program sends.
    #[must_use]
    pub fn encode(&self) -> [u8; LEN] {
        let mut out = [0; LEN];
        let mut put = |at: usize, octets: &[u8]| {
            if let Some(place) = out.get_mut(at..at + octets.len()) {
                place.copy_from_slice(octets);
            }
        };
        put(0, &self.system_ns.div_euclid(1_000_000_000).to_ne_bytes());
        put(
            8,
            &(self.system_ns.rem_euclid(1_000_000_000) / 1000).to_ne_bytes(),
        );
        put(16, &self.offset.to_ne_bytes());
        put(24, &i32::from(self.pulse).to_ne_bytes());
        put(28, &i32::from(self.leap).to_ne_bytes());
        put(36, &MAGIC.to_ne_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SAMPLE: SockSample = SockSample {
        system_ns: 1_800_000_000_123_456_000,
        offset: -0.25,
        pulse: true,
        leap: 1,
    };

    #[test]
    fn a_sample_is_read_as_it_was_written() {
        assert_eq!(SockSample::decode(&SAMPLE.encode()), Some(SAMPLE));
    }

    #[test]
    fn a_program_of_32_bits_is_understood() {
        let long = SAMPLE.encode();
        let mut short = Vec::new();
        short.extend(1_800_000_000i32.to_ne_bytes());
        short.extend(123_456i32.to_ne_bytes());
        short.extend(&long[16..]);
        assert_eq!(SockSample::decode(&short), Some(SAMPLE));
    }

    #[test]
    fn what_is_no_sample_is_refused() {
        let mut other = SAMPLE.encode();
        other[36] ^= 1;
        assert_eq!(SockSample::decode(&other), None);
        let nan = SockSample {
            offset: f64::NAN,
            ..SAMPLE
        };
        assert_eq!(SockSample::decode(&nan.encode()), None);
        let leap = SockSample { leap: 9, ..SAMPLE };
        assert_eq!(SockSample::decode(&leap.encode()), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = SockSample::decode(&bytes);
        }
    }
}
