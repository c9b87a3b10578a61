//! The drift file: the frequency of the oscillator, kept from one start to the next.
//!
//! chronyd writes two numbers, ppm by which the clock gains and the bound of the error; ntpd one,
//! ppm by which the clock is to be sped up. The signs are opposite.

use crate::sys;
use crate::sys::error::Error;
use std::path::Path;

/// How sure the frequency of a file of ntpd's is, in ppm; it does not say.
const NTPD_SKEW: f64 = 5.0;
/// The kernel cannot do more; a file that says so is broken, in ppm.
const LARGEST: f64 = 500_000.0;

/// Frequency by which the clock is to be sped up, and how sure it is, both in ppm; none when
/// there is no such file, or it is no drift file.
#[must_use]
pub fn read(path: &Path) -> Option<(f64, f64)> {
    parse(&sys::files::read_text(path, 4096).ok()?)
}

fn parse(text: &str) -> Option<(f64, f64)> {
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    let first = numbers.next()?.ok().filter(|n| n.is_finite())?;
    let drift = match numbers.next() {
        Some(skew) => (-first, skew.ok().filter(|s| s.is_finite() && *s > 0.0)?),
        None => (first, NTPD_SKEW),
    };
    (drift.0.abs() < LARGEST).then_some(drift)
}

/// Replaces the file, in chronyd's form. A reader sees the old one or the new one, whole.
///
/// # Errors
/// Why it cannot be written.
pub fn write(path: &Path, ppm: f64, skew: f64) -> Result<(), Error> {
    let text = format!("{:20.6} {:20.6}\n", -ppm, skew.max(1e-6));
    sys::files::make_parents(path)?;
    sys::files::replace(path, text.as_bytes(), 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_turned_by_the_kind_of_file() {
        assert_eq!(parse("   -12.5   0.02\n"), Some((12.5, 0.02)));
        assert_eq!(parse("-12.5\n"), Some((-12.5, NTPD_SKEW)));
    }

    #[test]
    fn a_broken_file_says_nothing() {
        for text in ["", "x", "1e9", "nan 1", "1 -1", "1 x"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
