//! Requests that change something in the daemon and have a body of a number or two: `chronyc
//! minpoll`, `maxupdateskew`, `settime`, `smoothtime` and their kin.

use super::Address;
use super::field::Addr;
use super::field::Codec;
use super::field::Float;
use super::field::I32;
use super::field::Time;
use super::field::U32;
use crate::proto::reader::DecodeError;
use crate::proto::reader::Reader;

/// A change that is asked for. The words are chronyc's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// `minpoll`: log2 seconds.
    MinPoll(Address, i32),
    /// `maxpoll`: log2 seconds.
    MaxPoll(Address, i32),
    /// `maxdelay`: seconds.
    MaxDelay(Address, f64),
    /// `maxdelayratio`.
    MaxDelayRatio(Address, f64),
    /// `maxdelaydevratio`.
    MaxDelayDevRatio(Address, f64),
    /// `minstratum`.
    MinStratum(Address, i32),
    /// `polltarget`.
    PollTarget(Address, i32),
    /// `selectopts`: which of the `FLAG_…` bits of a new source are meant, and what they become.
    SelectOptions(Address, u32, u32),
    /// `offset`: seconds added to what is measured.
    Offset(Address, f64),
    /// `maxupdateskew`: ppm.
    MaxUpdateSkew(f64),
    /// `dfreq`: ppm.
    FrequencyBy(f64),
    /// `doffset`: seconds.
    OffsetBy(f64),
    /// `reselectdist`: seconds.
    ReselectDistance(f64),
    /// `settime`: Unix seconds and nanoseconds.
    SetTime((i64, u32)),
    /// `manual`: 0 off, 1 on, 2 reset.
    Manual(i32),
    /// `manual delete`: the sample of this number.
    ManualDelete(i32),
    /// `smoothtime`: 0 reset, 1 activate.
    SmoothTime(i32),
}

impl Change {
    /// The command's code on the wire.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::MinPoll(..) => 4,
            Self::MaxPoll(..) => 5,
            Self::MaxDelay(..) => 7,
            Self::MaxDelayRatio(..) => 8,
            Self::MaxUpdateSkew(_) => 9,
            Self::SetTime(_) => 11,
            Self::Manual(_) => 13,
            Self::FrequencyBy(_) => 31,
            Self::ManualDelete(_) => 42,
            Self::MinStratum(..) => 45,
            Self::PollTarget(..) => 46,
            Self::MaxDelayDevRatio(..) => 47,
            Self::ReselectDistance(_) => 49,
            Self::SmoothTime(_) => 52,
            Self::OffsetBy(_) => 71,
            Self::SelectOptions(..) => 72,
            Self::Offset(..) => 73,
        }
    }

    /// Writes the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::MinPoll(address, value)
            | Self::MaxPoll(address, value)
            | Self::MinStratum(address, value)
            | Self::PollTarget(address, value) => {
                Addr::write(address, out);
                I32::write(value, out);
            }
            Self::MaxDelay(address, value)
            | Self::MaxDelayRatio(address, value)
            | Self::MaxDelayDevRatio(address, value)
            | Self::Offset(address, value) => {
                Addr::write(address, out);
                Float::write(value, out);
            }
            Self::SelectOptions(address, mask, options) => {
                Addr::write(address, out);
                U32::write(mask, out);
                U32::write(options, out);
            }
            Self::MaxUpdateSkew(value)
            | Self::FrequencyBy(value)
            | Self::OffsetBy(value)
            | Self::ReselectDistance(value) => Float::write(value, out),
            Self::SetTime(time) => Time::write(time, out),
            Self::Manual(value) | Self::ManualDelete(value) | Self::SmoothTime(value) => {
                I32::write(value, out);
            }
        }
    }

    /// Reads the body of this command; none when the code is no change.
    ///
    /// # Errors
    /// When the octets end early or an address has an unknown family.
    pub fn read(code: u16, r: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        let mut whole = |make: fn(Address, i32) -> Self| {
            let address = Addr::read(r, "address")?;
            Ok(Some(make(address, I32::read(r, "value")?)))
        };
        match code {
            4 => return whole(Self::MinPoll),
            5 => return whole(Self::MaxPoll),
            45 => return whole(Self::MinStratum),
            46 => return whole(Self::PollTarget),
            _ => {}
        }
        let mut real = |make: fn(Address, f64) -> Self| {
            let address = Addr::read(r, "address")?;
            Ok(Some(make(address, Float::read(r, "value")?)))
        };
        match code {
            7 => return real(Self::MaxDelay),
            8 => return real(Self::MaxDelayRatio),
            47 => return real(Self::MaxDelayDevRatio),
            73 => return real(Self::Offset),
            _ => {}
        }
        Ok(Some(match code {
            9 => Self::MaxUpdateSkew(Float::read(r, "skew")?),
            11 => Self::SetTime(Time::read(r, "time")?),
            13 => Self::Manual(I32::read(r, "option")?),
            31 => Self::FrequencyBy(Float::read(r, "frequency")?),
            42 => Self::ManualDelete(I32::read(r, "index")?),
            49 => Self::ReselectDistance(Float::read(r, "distance")?),
            52 => Self::SmoothTime(I32::read(r, "option")?),
            71 => Self::OffsetBy(Float::read(r, "offset")?),
            72 => {
                let address = Addr::read(r, "address")?;
                Self::SelectOptions(address, r.u32("mask")?, r.u32("options")?)
            }
            _ => return Ok(None),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::Request;
    use super::*;

    #[test]
    fn changes_survive_the_wire_at_the_length_that_chronyd_expects() {
        let at = Address::V4([192, 0, 2, 1].into());
        for (change, octets) in [
            (Change::MinPoll(at, 3), 44),
            (Change::MaxPoll(at, -3), 44),
            (Change::MaxDelay(at, 0.5), 44),
            (Change::MaxDelayRatio(at, 2.0), 44),
            (Change::MaxDelayDevRatio(at, 4.0), 44),
            (Change::MinStratum(at, 4), 44),
            (Change::PollTarget(at, 12), 44),
            (Change::SelectOptions(at, 0x78, 8), 48),
            (Change::Offset(at, -0.25), 44),
            (Change::MaxUpdateSkew(100.0), 28),
            (Change::FrequencyBy(1.5), 28),
            (Change::OffsetBy(-0.5), 28),
            (Change::ReselectDistance(0.125), 28),
            (Change::SetTime((1_800_000_000, 5)), 40),
            (Change::Manual(1), 28),
            (Change::ManualDelete(2), 28),
            (Change::SmoothTime(1), 28),
        ] {
            let request = Request::Change(change);
            let bytes = request.encode(7, 0);
            assert_eq!(bytes.len(), octets, "{change:?}");
            assert_eq!(Request::decode(&bytes).unwrap().1, request);
        }
    }
}
