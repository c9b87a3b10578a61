//! Property values as `busctl get-property` prints them: a signature, then the values with spaces
//! between (`s "text"`, `t 42`, `(iay) 2 4 192 0 2 1`, `as 2 "a" "b"`). Only the words; what they
//! mean, the caller knows.

/// The values of one property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// The signature.
    pub signature: String,
    /// The values, strings without their quotes.
    pub words: Vec<String>,
}

/// Words of a property at most.
const MAX_WORDS: usize = 4096;

impl Property {
    /// Reads a line.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let (signature, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut words = Vec::new();
        let mut characters = rest.chars().peekable();
        while words.len() < MAX_WORDS {
            while characters.next_if(|c| *c == ' ').is_some() {}
            let Some(first) = characters.next() else {
                break;
            };
            let mut word = String::new();
            if first == '"' {
                loop {
                    match characters.next() {
                        None | Some('"') => break,
                        Some('\\') => word.extend(
                            characters
                                .next()
                                .map(|c| if c.is_control() { '?' } else { c }),
                        ),
                        Some(c) if c.is_control() => word.push('?'),
                        Some(c) => word.push(c),
                    }
                }
            } else {
                word.push(if first.is_control() { '?' } else { first });
                while let Some(c) = characters.next_if(|c| *c != ' ') {
                    word.push(if c.is_control() { '?' } else { c });
                }
            }
            words.push(word);
        }
        let signature = signature.to_owned();
        (!signature.is_empty()).then_some(Self { signature, words })
    }

    /// The only string; `None` when it is empty.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        let word = self.words.first().filter(|_| self.signature == "s")?;
        Some(word.as_str()).filter(|text| !text.is_empty())
    }

    /// The strings of an array.
    #[must_use]
    pub fn list(&self) -> &[String] {
        if self.signature == "as" {
            self.words.get(1..).unwrap_or_default()
        } else {
            &[]
        }
    }

    /// A number among the values.
    #[must_use]
    pub fn number(&self, index: usize) -> Option<i64> {
        self.words.get(index)?.parse().ok()
    }

    /// An address as timesyncd has it: family, length, octets.
    #[must_use]
    pub fn address(&self) -> Option<std::net::IpAddr> {
        let octets: Option<Vec<u8>> = self
            .words
            .get(2..)?
            .iter()
            .map(|word| word.parse().ok())
            .collect();
        let octets = octets?;
        match self.number(1)? {
            4 => <[u8; 4]>::try_from(octets).ok().map(Into::into),
            16 => <[u8; 16]>::try_from(octets).ok().map(Into::into),
            _ => None,
        }
    }
}

/// The last NTP message that timesyncd has accepted: its property `NTPMessage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NtpMessage {
    /// Leap indicator.
    pub leap: u8,
    /// Stratum.
    pub stratum: u8,
    /// Root delay, µs.
    pub root_delay_us: i64,
    /// Root dispersion, µs.
    pub root_dispersion_us: i64,
    /// Reference identifier.
    pub refid: [u8; 4],
    /// Origin, receive, transmit, destination: Unix time in µs.
    pub times_us: [i64; 4],
    /// It was passed over as a spike.
    pub ignored: bool,
    /// Packets so far.
    pub packets: u64,
    /// Jitter, µs.
    pub jitter_us: i64,
}

impl NtpMessage {
    /// Reads `(uuuuittayttttbtt)`; `None` when it has another form or no packet came yet.
    #[must_use]
    pub fn read(property: &Property) -> Option<Self> {
        if property.signature != "(uuuuittayttttbtt)" {
            return None;
        }
        // leap, version, mode, stratum, precision, root delay, root dispersion, refid (count 4).
        let small = |index| u8::try_from(property.number(index)?).ok();
        if property.number(7)? != 4 {
            return None;
        }
        let number = |index| property.number(index);
        let packets = u64::try_from(number(17)?).ok()?;
        (packets > 0).then_some(Self {
            leap: small(0)?,
            stratum: small(3)?,
            root_delay_us: number(5)?,
            root_dispersion_us: number(6)?,
            refid: [small(8)?, small(9)?, small(10)?, small(11)?],
            times_us: [number(12)?, number(13)?, number(14)?, number(15)?],
            ignored: property.words.get(16).map(String::as_str) == Some("true"),
            packets,
            jitter_us: number(18)?,
        })
    }

    /// Offset θ in seconds; positive: the local clock is behind.
    #[must_use]
    pub fn offset_s(&self) -> f64 {
        let [origin, receive, transmit, destination] = self.times_us;
        let sum = i128::from(receive) - i128::from(origin) + i128::from(transmit)
            - i128::from(destination);
        sum as f64 / 2e6
    }

    /// Round trip δ in seconds.
    #[must_use]
    pub fn delay_s(&self) -> f64 {
        let [origin, receive, transmit, destination] = self.times_us;
        let span = i128::from(destination) - i128::from(origin) - i128::from(transmit)
            + i128::from(receive);
        span as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_begins_with_a_control_character_is_made_harmless() {
        let property = Property::parse("s \u{6}\u{7}x").expect("parses");
        assert_eq!(property.words, ["??x"]);
    }
    use proptest::prelude::*;

    #[test]
    fn values_of_every_kind_are_read() {
        let p = |line| Property::parse(line).unwrap();
        assert_eq!(p("s \"time.example\"").text(), Some("time.example"));
        assert_eq!(p("s \"\"").text(), None);
        assert_eq!(p("as 2 \"a b\" \"c\"").list(), ["a b", "c"]);
        assert_eq!(p("t 34000000").number(0), Some(34_000_000));
        assert_eq!(
            p("(iay) 2 4 192 0 2 1").address().unwrap().to_string(),
            "192.0.2.1"
        );
        assert_eq!(p("(iay) 0 0").address(), None);
        assert_eq!(Property::parse(""), None);
    }

    #[test]
    fn a_message_has_offset_and_delay() {
        let line = "(uuuuittayttttbtt) 0 4 4 2 -23 1000 2000 4 192 0 2 1 \
                    1700000000000000 1700000000310000 1700000000310000 1700000000020000 false 3 150";
        let message = NtpMessage::read(&Property::parse(line).unwrap()).unwrap();
        assert!((message.offset_s() - 0.3).abs() < 1e-9);
        assert!((message.delay_s() - 0.02).abs() < 1e-9);
        assert_eq!(
            (message.stratum, message.packets, message.jitter_us),
            (2, 3, 150)
        );
        let none = line.replace("false 3 150", "false 0 0");
        assert_eq!(NtpMessage::read(&Property::parse(&none).unwrap()), None);
    }

    proptest! {
        #[test]
        fn hostile_lines_never_panic(line in "\\PC{0,300}") {
            if let Some(property) = Property::parse(&line) {
                let _ = (property.address(), NtpMessage::read(&property), property.list().len());
            }
        }

        #[test]
        fn hostile_messages_never_panic(words in proptest::collection::vec(any::<i64>(), 0..24)) {
            let words: Vec<String> = words.iter().map(i64::to_string).collect();
            let line = format!("(uuuuittayttttbtt) {}", words.join(" "));
            if let Some(message) = Property::parse(&line).as_ref().and_then(NtpMessage::read) {
                let _ = (message.offset_s(), message.delay_s());
            }
        }
    }
}
