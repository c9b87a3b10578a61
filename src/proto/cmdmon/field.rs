//! How single values stand in the bodies of requests and replies, and records made of them.
//!
//! chrony says "positive: the local clock is ahead" of most offsets and counts frequencies as the
//! error of the clock; [`Negated`] turns those into ours, so that a record has one sign only.

use super::Address;
use super::float;
use crate::proto::reader::DecodeError;
use crate::proto::reader::Problem;
use crate::proto::reader::Reader;
use crate::proto::refid::RefId;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

/// How a value of one type is read and written.
pub trait Codec {
    /// The type.
    type Value;

    /// Octets that it takes.
    const LEN: usize;

    /// Reads it.
    ///
    /// # Errors
    /// `Truncated` when the octets end, `Invalid` for an impossible value.
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self::Value, DecodeError>;

    /// Writes it.
    fn write(value: &Self::Value, out: &mut Vec<u8>);
}

macro_rules! integer {
    ($name:ident, $type:ty, $len:literal, $words:literal) => {
        #[doc = $words]
        #[derive(Debug)]
        pub enum $name {}

        impl Codec for $name {
            type Value = $type;
            const LEN: usize = $len;

            fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<$type, DecodeError> {
                reader.array(field).map(<$type>::from_be_bytes)
            }

            fn write(value: &$type, out: &mut Vec<u8>) {
                out.extend(value.to_be_bytes());
            }
        }
    };
}

integer!(U8, u8, 1, "An octet.");
integer!(I8, i8, 1, "A signed octet.");
integer!(U16, u16, 2, "Two octets.");
integer!(I16, i16, 2, "Two octets, signed.");
integer!(U32, u32, 4, "Four octets.");
integer!(I32, i32, 4, "Four octets, signed.");
integer!(U64, u64, 8, "Eight octets.");

/// A counter of four octets in a record that has room for eight.
#[derive(Debug)]
pub enum Narrow {}

impl Codec for Narrow {
    type Value = u64;
    const LEN: usize = 4;

    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<u64, DecodeError> {
        reader.u32(field).map(u64::from)
    }

    fn write(value: &u64, out: &mut Vec<u8>) {
        out.extend(u32::try_from(*value).unwrap_or(u32::MAX).to_be_bytes());
    }
}

/// Seconds since something happened; all ones: never.
#[derive(Debug)]
pub enum Ago {}

impl Codec for Ago {
    type Value = Option<u32>;
    const LEN: usize = 4;

    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Option<u32>, DecodeError> {
        Ok(Some(reader.u32(field)?).filter(|&ago| ago != u32::MAX))
    }

    fn write(value: &Option<u32>, out: &mut Vec<u8>) {
        out.extend(value.unwrap_or(u32::MAX).to_be_bytes());
    }
}

/// A floating-point number with the sign that it has on the wire.
#[derive(Debug)]
pub enum Float {}

impl Codec for Float {
    type Value = f64;
    const LEN: usize = 4;

    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<f64, DecodeError> {
        reader.u32(field).map(float::decode)
    }

    fn write(value: &f64, out: &mut Vec<u8>) {
        out.extend(float::encode(*value).to_be_bytes());
    }
}

/// A floating-point number whose sign on the wire is the opposite of ours.
#[derive(Debug)]
pub enum Negated {}

impl Codec for Negated {
    type Value = f64;
    const LEN: usize = 4;

    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<f64, DecodeError> {
        Float::read(reader, field).map(turned)
    }

    fn write(value: &f64, out: &mut Vec<u8>) {
        Float::write(&turned(*value), out);
    }
}

/// The opposite sign, without a negative zero.
fn turned(value: f64) -> f64 {
    0.0 - value
}

/// A reference identifier.
#[derive(Debug)]
pub enum Id {}

impl Codec for Id {
    type Value = RefId;
    const LEN: usize = 4;

    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<RefId, DecodeError> {
        reader.array(field).map(RefId)
    }

    fn write(value: &RefId, out: &mut Vec<u8>) {
        out.extend(value.0);
    }
}

/// An address: 16 octets, its family, two octets of padding.
#[derive(Debug)]
pub enum Addr {}

impl Codec for Addr {
    type Value = Address;
    const LEN: usize = 20;

    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Address, DecodeError> {
        let octets: [u8; 16] = reader.array(field)?;
        let family = reader.u16(field)?;
        reader.take(2, field)?;
        let [a, b, c, d, ..] = octets;
        match family {
            0 => Ok(Address::Unspecified),
            1 => Ok(Address::V4(Ipv4Addr::new(a, b, c, d))),
            2 => Ok(Address::V6(Ipv6Addr::from(octets))),
            3 => Ok(Address::Unresolved(u32::from_be_bytes([a, b, c, d]))),
            _ => Err(reader.error(field, Problem::Invalid)),
        }
    }

    fn write(value: &Address, out: &mut Vec<u8>) {
        let mut octets = [0; 16];
        let four = |octets: &mut [u8; 16], bytes: [u8; 4]| {
            for (to, from) in octets.iter_mut().zip(bytes) {
                *to = from;
            }
        };
        let family: u16 = match value {
            Address::Unspecified => 0,
            Address::V4(a) => {
                four(&mut octets, a.octets());
                1
            }
            Address::V6(a) => {
                octets = a.octets();
                2
            }
            Address::Unresolved(id) => {
                four(&mut octets, id.to_be_bytes());
                3
            }
        };
        out.extend(octets);
        out.extend(family.to_be_bytes());
        out.extend([0; 2]);
    }
}

/// A point in time: Unix seconds and nanoseconds. A daemon whose time has 32 bits marks the upper
/// half of the seconds.
#[derive(Debug)]
pub enum Time {}

/// In the upper half: the seconds have 32 bits only.
const NO_HIGH_SECONDS: u32 = 0x7fff_ffff;

impl Codec for Time {
    type Value = (i64, u32);
    const LEN: usize = 12;

    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<(i64, u32), DecodeError> {
        let (high, low, nanos) = (reader.u32(field)?, reader.u32(field)?, reader.u32(field)?);
        let high = if high == NO_HIGH_SECONDS { 0 } else { high };
        let seconds = (i64::from(high) << 32) | i64::from(low);
        Ok((seconds, nanos.min(999_999_999)))
    }

    fn write(value: &(i64, u32), out: &mut Vec<u8>) {
        out.extend(value.0.to_be_bytes());
        out.extend(value.1.to_be_bytes());
    }
}

/// A name in 256 octets, ended by a zero.
#[derive(Debug)]
pub enum Name {}

impl Codec for Name {
    type Value = String;
    const LEN: usize = 256;

    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<String, DecodeError> {
        let octets = reader.take(Self::LEN, field)?;
        let end = octets.iter().position(|&b| b == 0);
        let used = end.and_then(|end| octets.get(..end));
        let used = used.ok_or(reader.error(field, Problem::TooLong))?;
        // What is shown on a terminal must not steer it.
        let clean = used.iter().all(|b| (0x20..0x7f).contains(b));
        match std::str::from_utf8(used) {
            Ok(text) if clean => Ok(text.to_owned()),
            _ => Err(reader.error(field, Problem::Invalid)),
        }
    }

    fn write(value: &String, out: &mut Vec<u8>) {
        let kept = value.bytes().take(Self::LEN - 1);
        let mut octets = [0; Self::LEN];
        for (to, from) in octets.iter_mut().zip(kept) {
            *to = from;
        }
        out.extend(octets);
    }
}

/// Another codec with `N` octets after it that say nothing.
#[derive(Debug)]
pub struct Padded<C, const N: usize>(std::marker::PhantomData<C>);

impl<C: Codec, const N: usize> Codec for Padded<C, N> {
    type Value = C::Value;
    const LEN: usize = C::LEN + N;

    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<C::Value, DecodeError> {
        let value = C::read(reader, field)?;
        reader.take(N, field)?;
        Ok(value)
    }

    fn write(value: &C::Value, out: &mut Vec<u8>) {
        C::write(value, out);
        out.extend([0; N]);
    }
}

/// A record: its fields in the order of the wire, each with the codec that it has there.
macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$field_meta:meta])* $field:ident: $type:ty as $codec:ty,)*
    }) => {
        $(#[$meta])*
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $name {
            /// Octets of it on the wire.
            pub const LEN: usize = 0 $(+ <$codec as $crate::proto::cmdmon::field::Codec>::LEN)*;

            /// Reads it.
            ///
            /// # Errors
            /// When the octets end early or a field has an impossible value.
            pub fn read(
                reader: &mut $crate::proto::reader::Reader<'_>,
            ) -> Result<Self, $crate::proto::reader::DecodeError> {
                Ok(Self {
                    $($field: <$codec as $crate::proto::cmdmon::field::Codec>::read(
                        reader,
                        stringify!($field),
                    )?,)*
                })
            }

            /// Writes it.
            pub fn write(&self, out: &mut Vec<u8>) {
                $(<$codec as $crate::proto::cmdmon::field::Codec>::write(&self.$field, out);)*
            }
        }
    };
}

pub(crate) use record;

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<C: Codec>(value: C::Value) -> C::Value {
        let mut out = Vec::new();
        C::write(&value, &mut out);
        assert_eq!(out.len(), C::LEN);
        C::read(&mut Reader::new(&out), "field").unwrap()
    }

    #[test]
    fn values_survive_the_wire() {
        assert_eq!(round_trip::<Ago>(None), None);
        assert_eq!(round_trip::<Ago>(Some(5)), Some(5));
        assert_eq!(round_trip::<Negated>(-0.5), -0.5);
        assert_eq!(round_trip::<Name>("ntp.example".into()), "ntp.example");
        let v6 = Address::V6("fd00:ec2::123".parse().unwrap());
        assert_eq!(round_trip::<Addr>(v6), v6);
        assert_eq!(
            round_trip::<Addr>(Address::Unresolved(9)),
            Address::Unresolved(9)
        );
        assert_eq!(round_trip::<Time>((5_000_000_000, 7)), (5_000_000_000, 7));
    }

    #[test]
    fn an_ahead_clock_on_the_wire_is_a_negative_offset_here() {
        let mut out = Vec::new();
        Float::write(&350.0, &mut out);
        let ours = Negated::read(&mut Reader::new(&out), "offset").unwrap();
        assert_eq!(ours, -350.0);
        assert!(turned(0.0).is_sign_positive());
    }

    #[test]
    fn names_that_would_steer_a_terminal_are_refused() {
        for name in [&b"\x1b[2J"[..], b"a\nb", b"\xff"] {
            let mut octets = [0; 256];
            octets[..name.len()].copy_from_slice(name);
            assert!(Name::read(&mut Reader::new(&octets), "name").is_err());
        }
        let endless = [b'a'; 256];
        assert!(Name::read(&mut Reader::new(&endless), "name").is_err());
    }

    #[test]
    fn a_time_of_32_bits_is_read() {
        let mut out = 0x7fff_ffff_u32.to_be_bytes().to_vec();
        out.extend(1_700_000_000_u32.to_be_bytes());
        out.extend(5_u32.to_be_bytes());
        let got = Time::read(&mut Reader::new(&out), "time").unwrap();
        assert_eq!(got, (1_700_000_000, 5));
    }
}
