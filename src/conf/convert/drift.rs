//! ntpd's drift file to chrony's.
//!
//! Signs are opposite: ntpd writes the frequency it sets in the kernel (positive makes the clock
//! run faster), chrony how much the clock gains by itself. chrony wants a second number, the
//! uncertainty (ppm).

use crate::conf::convert::input::Companion;

/// The largest frequency either daemon sets, ppm.
const LIMIT_PPM: f64 = 500.0;
/// Uncertainty written beside the frequency, ppm.
const SKEW_PPM: f64 = 1.0;

/// What is known of the frequency.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Drift {
    /// The new file's content.
    pub(super) content: Option<String>,
    /// What is to be said about it.
    pub(super) notes: Vec<String>,
}

/// Converts a drift file; `seed_ppm` is what `tinker freq` sets when there is none.
pub(super) fn convert(companion: Option<&Companion>, seed_ppm: Option<f64>) -> Drift {
    let mut notes = Vec::new();
    let read = companion.and_then(|file| match &file.content {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let number = frequency(&text);
            if number.is_none() {
                notes.push(format!(
                    "{} has no frequency: it is measured anew",
                    file.path
                ));
            }
            number
        }
        Err(why) => {
            notes.push(format!(
                "cannot read {}: {why}: the frequency is measured anew",
                file.path
            ));
            None
        }
    });
    let content = read
        .or(seed_ppm.filter(|ppm| ppm.abs() <= LIMIT_PPM))
        .map(|ppm| {
            // No negative zero.
            let turned = 0.0 - ppm;
            notes.push(format!("the drift of {ppm} ppm was carried over"));
            format!("{turned:20.6} {SKEW_PPM:20.6}\n")
        });
    Drift { content, notes }
}

/// The first number of the file, if it is a possible frequency.
fn frequency(text: &str) -> Option<f64> {
    let number: f64 = text.split_whitespace().next()?.parse().ok()?;
    (number.is_finite() && number.abs() <= LIMIT_PPM).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Companion {
        Companion {
            path: "ntp.drift".to_owned(),
            content: Ok(text.as_bytes().to_vec()),
        }
    }

    #[test]
    fn the_sign_is_turned_and_a_skew_is_added() {
        let drift = convert(Some(&file("-12.345\n")), None);
        assert_eq!(
            drift
                .content
                .unwrap()
                .split_whitespace()
                .collect::<Vec<_>>(),
            ["12.345000", "1.000000"]
        );
        let drift = convert(Some(&file("0.000\n")), None);
        assert!(!drift.content.unwrap().contains('-'));
    }

    #[test]
    fn garbage_is_refused_and_a_seed_helps() {
        for text in ["", "x", "nan", "1e9", "501"] {
            assert_eq!(convert(Some(&file(text)), None).content, None, "{text}");
        }
        let drift = convert(None, Some(10.0));
        assert!(
            drift
                .content
                .unwrap()
                .trim_start()
                .starts_with("-10.000000")
        );
    }
}
