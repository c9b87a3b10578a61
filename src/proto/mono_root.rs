//! The experimental extension field F323 (chrony.conf(5), `extfield`): what a server's header says
//! of its root in units of 2^-28 s, and the request's arrival by a clock that has the frequency of
//! the server's own, but is never corrected in phase. 28 octets: type, length, a number that tells
//! it from other experiments, root delay, root dispersion, timestamp, and the number of that clock.

use super::extension::Field;
use super::reader::Reader;
use crate::time::NtpDuration;
use crate::time::NtpTimestamp;

/// Field type.
pub const KIND: u16 = 0xF323;
/// Octets of the whole field.
pub const LEN: usize = 28;

const MAGIC: u32 = 0xF5BE_DD9A;
/// Bits of the fraction of root delay and dispersion.
const FRACTION: u32 = 28;

/// What it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonoRoot {
    /// Root delay Δ, 4.28.
    pub root_delay: NtpDuration,
    /// Root dispersion Ε, 4.28.
    pub root_dispersion: NtpDuration,
    /// When the request arrived, by the uncorrected clock.
    pub receive: NtpTimestamp,
    /// Which uncorrected clock: one that was started anew has another number.
    pub epoch: u32,
}

impl MonoRoot {
    /// What a request has: it asks for it and says nothing.
    pub const ASKED: Self = Self {
        root_delay: NtpDuration::ZERO,
        root_dispersion: NtpDuration::ZERO,
        receive: NtpTimestamp::ZERO,
        epoch: 0,
    };

    /// From a field; none from any other, of this type or not.
    #[must_use]
    pub fn decode(field: &Field<'_>) -> Option<Self> {
        if field.kind != KIND || field.body.len() != LEN - 4 {
            return None;
        }
        let mut r = Reader::new(field.body);
        if r.u32("magic").ok()? != MAGIC {
            return None;
        }
        let mut fine = |name| r.u32(name).ok().map(from_fine);
        Some(Self {
            root_delay: fine("root delay")?,
            root_dispersion: fine("root dispersion")?,
            receive: NtpTimestamp::from_bits(r.u64("monotonic receive timestamp").ok()?),
            epoch: r.u32("epoch").ok()?,
        })
    }

    /// The field. Root delay and dispersion are rounded up, and are 16 s less 2^-28 at most.
    #[must_use]
    pub fn encode(&self) -> [u8; LEN] {
        let mut out = [0; LEN];
        let [high, low] = KIND.to_be_bytes();
        let parts: [&[u8]; 6] = [
            &[high, low, 0, LEN as u8],
            &MAGIC.to_be_bytes(),
            &to_fine(self.root_delay).to_be_bytes(),
            &to_fine(self.root_dispersion).to_be_bytes(),
            &self.receive.to_bits().to_be_bytes(),
            &self.epoch.to_be_bytes(),
        ];
        for (to, from) in out.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        out
    }
}

fn from_fine(bits: u32) -> NtpDuration {
    NtpDuration::from_bits(i64::from(bits) << (32 - FRACTION))
}

fn to_fine(duration: NtpDuration) -> u32 {
    let bits = duration.to_bits().max(0);
    let up = bits.saturating_add((1 << (32 - FRACTION)) - 1) >> (32 - FRACTION);
    u32::try_from(up).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::extension;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(delay: u32, dispersion: u32, receive: u64, epoch: u32) {
            let said = MonoRoot {
                root_delay: from_fine(delay),
                root_dispersion: from_fine(dispersion),
                receive: NtpTimestamp::from_bits(receive),
                epoch,
            };
            let wire = said.encode();
            let trailer = extension::split(&wire).expect("splits");
            prop_assert_eq!(MonoRoot::decode(&trailer.fields[0]), Some(said));
        }
    }

    #[test]
    fn other_experiments_and_lengths_are_not_it() {
        let wire = MonoRoot::ASKED.encode();
        let body = &wire[4..];
        let field = |kind, body| MonoRoot::decode(&Field { kind, body });
        assert!(field(KIND, body).is_some());
        assert!(field(0xF324, body).is_none());
        assert!(field(KIND, &body[..20]).is_none());
        assert!(field(KIND, &[0; 24]).is_none());
    }

    #[test]
    fn roots_are_rounded_up_and_bounded() {
        assert_eq!(to_fine(NtpDuration::from_bits(1)), 1);
        assert_eq!(to_fine(NtpDuration::from_seconds(100.0)), u32::MAX);
        assert_eq!(to_fine(NtpDuration::from_seconds(-1.0)), 0);
        assert_eq!(to_fine(NtpDuration::from_seconds(1.0)), 1 << 28);
    }
}
