//! The `name=value` lists of control messages (RFC 9327 §2): separated by commas, with spaces and
//! line ends about them; values may be quoted. Unknown names are kept, tags without a value too.

use crate::time::NtpTimestamp;

/// Variables that a list may have; more are not kept.
const MAX_VARIABLES: usize = 512;

/// A list of variables, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(Vec<(String, String)>);

impl Variables {
    /// Reads a list. What is no text is shown as `?`: it may come to a terminal.
    #[must_use]
    pub fn parse(data: &[u8]) -> Self {
        let mut found = Vec::new();
        let mut word = String::new();
        let mut quoted = false;
        for &byte in data.iter().chain(b",") {
            let c = match byte {
                b'\t' | b'\n' | b'\r' | 0 => ' ',
                0x20..0x7f => char::from(byte),
                _ => '?',
            };
            if c == '"' {
                quoted = !quoted;
            } else if c == ',' && !quoted {
                if !word.trim().is_empty() && found.len() < MAX_VARIABLES {
                    found.push(split(&word));
                }
                word.clear();
                continue;
            }
            word.push(c);
        }
        if quoted && !word.trim().is_empty() && found.len() < MAX_VARIABLES {
            found.push(split(word.trim_end_matches(',')));
        }
        Self(found)
    }

    /// The value of a name, without its quotes; `None` when it is absent or empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name)?;
        Some(found.1.as_str()).filter(|value| !value.is_empty())
    }

    /// The value as a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        let value: f64 = self.text(name)?.parse().ok()?;
        value.is_finite().then_some(value)
    }

    /// The value in milliseconds, as seconds.
    #[must_use]
    pub fn milliseconds(&self, name: &str) -> Option<f64> {
        self.number(name).map(|ms| ms / 1000.0)
    }

    /// The value as a whole number, decimal or with `0x`.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<i64> {
        let text = self.text(name)?;
        match text.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        }
    }

    /// The reach register: octal digits of the reference ntpd, `0x` and hexadecimal of NTPsec.
    #[must_use]
    pub fn reach(&self, name: &str) -> Option<u8> {
        let text = self.text(name)?;
        match text.strip_prefix("0x") {
            Some(hex) => u8::from_str_radix(hex, 16).ok(),
            None => u8::from_str_radix(text, 8).ok(),
        }
    }

    /// The value as a timestamp: `0xHHHHHHHH.HHHHHHHH`; `None` for the zero one.
    #[must_use]
    pub fn timestamp(&self, name: &str) -> Option<NtpTimestamp> {
        let (seconds, fraction) = self.text(name)?.strip_prefix("0x")?.split_once('.')?;
        let part = |hex: &str| u32::from_str_radix(hex, 16).ok();
        let bits = (u64::from(part(seconds)?) << 32) | u64::from(part(fraction)?);
        Some(NtpTimestamp::from_bits(bits)).filter(|time| !time.is_zero())
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn split(word: &str) -> (String, String) {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let value = value.trim();
    let value = value.strip_prefix('"').unwrap_or(value);
    let value = value.strip_suffix('"').unwrap_or(value);
    (name.trim().to_owned(), value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_list_of_ntpd_is_read() {
        let list = Variables::parse(
            b"version=\"ntpd ntpsec-1.2.2, x\", leap=0, stratum=2, rootdelay=12.500,\r\n\
              refid=192.0.2.1, reftime=0xe5a1b2c3.80000000, offset=-0.25, reach=377,\r\n hpoll=0x6, xyz, empty=\r\n",
        );
        assert_eq!(list.text("version"), Some("ntpd ntpsec-1.2.2, x"));
        assert_eq!(list.milliseconds("rootdelay"), Some(0.0125));
        assert_eq!(list.number("offset"), Some(-0.25));
        assert_eq!(list.reach("reach"), Some(0o377));
        assert_eq!(list.integer("hpoll"), Some(6));
        assert_eq!(Variables::parse(b"reach=0xff").reach("reach"), Some(255));
        assert_eq!(
            list.timestamp("reftime").unwrap().to_bits(),
            0xe5a1_b2c3_8000_0000
        );
        assert_eq!(
            (list.text("xyz"), list.text("empty"), list.text("no")),
            (None, None, None)
        );
    }

    #[test]
    fn what_would_steer_a_terminal_is_taken_out() {
        let list = Variables::parse(b"a=\x1b[2Jx\xff, b=\"never closed, c=1");
        assert_eq!(list.text("a"), Some("?[2Jx?"));
        assert_eq!(list.text("b"), Some("never closed, c=1"));
        assert_eq!(Variables::parse(b"a=inf").number("a"), None);
    }

    proptest! {
        #[test]
        fn hostile_lists_never_panic(data in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let list = Variables::parse(&data);
            prop_assert!(list.0.len() <= MAX_VARIABLES);
            for (name, _) in &list.0 {
                let _ = (list.number(name), list.reach(name), list.integer(name), list.timestamp(name));
            }
        }
    }
}
