//! A bounds-checked cursor over received bytes. Errors say at which octet, and what was wanted.

use std::fmt;

/// Why bytes could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What was being read.
    pub field: &'static str,
    /// At which octet.
    pub at: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// They end before the field does.
    Truncated,
    /// The value is not one that the field may have.
    Invalid,
    /// There is more than there may be.
    TooLong,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            Problem::Truncated => "ends too early",
            Problem::Invalid => "has an impossible value",
            Problem::TooLong => "is too long",
        };
        write!(f, "{} at octet {} {problem}", self.field, self.at)
    }
}

impl std::error::Error for DecodeError {}

/// The cursor.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A cursor at the first octet.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The octet it stands at.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// What is left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// True when nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// An error at this place.
    #[must_use]
    pub const fn error(&self, field: &'static str, problem: Problem) -> DecodeError {
        DecodeError {
            field,
            at: self.at,
            problem,
        }
    }

    /// The next `n` octets.
    ///
    /// # Errors
    /// `Truncated` when fewer are left.
    pub fn take(&mut self, n: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(n);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or(self.error(field, Problem::Truncated))?;
        self.at += n;
        Ok(taken)
    }

    /// The next `N` octets as an array.
    ///
    /// # Errors
    /// `Truncated` when fewer are left.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let taken = self.take(N, field)?;
        taken
            .try_into()
            .map_err(|_| self.error(field, Problem::Truncated))
    }

    /// An octet.
    ///
    /// # Errors
    /// `Truncated` at the end.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array(field).map(u8::from_be_bytes)
    }

    /// A signed octet.
    ///
    /// # Errors
    /// `Truncated` at the end.
    pub fn i8(&mut self, field: &'static str) -> Result<i8, DecodeError> {
        self.array(field).map(i8::from_be_bytes)
    }

    /// Two octets, big-endian.
    ///
    /// # Errors
    /// `Truncated` when fewer are left.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// Four octets, big-endian.
    ///
    /// # Errors
    /// `Truncated` when fewer are left.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// Eight octets, big-endian.
    ///
    /// # Errors
    /// `Truncated` when fewer are left.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.array(field).map(u64::from_be_bytes)
    }
}
