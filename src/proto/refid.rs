//! Reference identifiers and kiss codes (RFC 5905 §7.3, §7.4): four octets that mean a code, an
//! IPv4 address or a hash, by the stratum beside them.

use std::fmt;
use std::net::Ipv4Addr;

/// The four octets as they are in the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct RefId(pub [u8; 4]);

/// Kiss codes that a client must act upon (RFC 5905 §7.4), and the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kiss {
    /// Access denied: stop.
    Deny,
    /// Access restricted: stop.
    Rstr,
    /// Too many requests: poll more slowly.
    Rate,
    /// NTS: the cookie was not accepted (RFC 8915 §5.7).
    NtsNak,
    /// Any other: of information only.
    Other([u8; 4]),
}

impl RefId {
    /// The octets as four printable characters, trailing NULs and spaces dropped; `None` when one
    /// is not printable ASCII.
    #[must_use]
    pub fn text(self) -> Option<String> {
        let end = self
            .0
            .iter()
            .rposition(|&b| b != 0 && b != b' ')
            .map_or(0, |at| at + 1);
        let used = self.0.get(..end)?;
        let printable = !used.is_empty() && used.iter().all(|b| (0x20..0x7f).contains(b));
        printable.then(|| used.iter().map(|&b| char::from(b)).collect())
    }

    /// The octets as an IPv4 address.
    #[must_use]
    pub const fn address(self) -> Ipv4Addr {
        let [a, b, c, d] = self.0;
        Ipv4Addr::new(a, b, c, d)
    }

    /// How people write it beside this stratum: a code at stratum 0 and 1, and where there is one
    /// at 16 (`INIT`, `XNON`: not synchronised); else an address (which for an IPv6 upstream is only
    /// a hash).
    #[must_use]
    pub fn display(self, stratum: u8) -> String {
        match self.text() {
            Some(text) if stratum <= 1 || stratum >= 16 => text,
            _ if stratum <= 1 => format!("{:08X}", u32::from_be_bytes(self.0)),
            _ => self.address().to_string(),
        }
    }

    /// What a code of stratum 1 stands for (RFC 5905, figure 12, and what servers use today); at
    /// any stratum the 127.127.1.x by which a server says that it serves its own clock.
    #[must_use]
    pub fn words(self, stratum: u8) -> Option<&'static str> {
        if matches!(self.0, [127, 127, 1, _]) {
            return Some(Self::OWN_CLOCK);
        }
        if stratum != 1 {
            return None;
        }
        Some(match self.text()?.as_str() {
            "LOCL" | "LCL" => Self::OWN_CLOCK,
            "GPS" | "GNSS" | "NMEA" => "a satellite receiver (GPS, GNSS)",
            "GAL" => "a satellite receiver (Galileo)",
            "GLO" => "a satellite receiver (GLONASS)",
            "GOES" => "a satellite receiver (GOES)",
            "PPS" => "a pulse a second",
            "PTP" | "PHC0" | "PHC" => "PTP",
            "ATOM" => "an atomic clock",
            "CDMA" => "a mobile network",
            "DCFa" | "DCFp" | "DCF" | "MSF" | "WWV" | "WWVB" | "WWVH" | "CHU" | "TDF" | "HBG"
            | "JJY" => "a radio time signal",
            "ACTS" | "NIST" | "USNO" | "PTB" => "a national laboratory's modem service",
            "GOOG" => "Google's clocks",
            _ => return None,
        })
    }

    /// The words for a server that serves its own clock.
    pub const OWN_CLOCK: &'static str = "its own clock, for want of a source";

    /// As a kiss code; only meaningful when the stratum is 0.
    #[must_use]
    pub const fn kiss(self) -> Kiss {
        match &self.0 {
            b"DENY" => Kiss::Deny,
            b"RSTR" => Kiss::Rstr,
            b"RATE" => Kiss::Rate,
            b"NTSN" => Kiss::NtsNak,
            _ => Kiss::Other(self.0),
        }
    }
}

impl fmt::Display for Kiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deny => f.write_str("DENY"),
            Self::Rstr => f.write_str("RSTR"),
            Self::Rate => f.write_str("RATE"),
            Self::NtsNak => f.write_str("NTSN"),
            Self::Other(code) => match RefId(*code).text() {
                Some(text) => f.write_str(&text),
                None => write!(f, "{:08X}", u32::from_be_bytes(*code)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_text_and_an_upstream_is_an_address() {
        assert_eq!(RefId(*b"GPS\0").display(1), "GPS");
        assert_eq!(RefId([169, 254, 169, 123]).display(4), "169.254.169.123");
        assert_eq!(RefId(*b"XNON").display(16), "XNON");
        assert_eq!(RefId([0; 4]).display(16), "0.0.0.0");
        assert_eq!(RefId([0xff, 0, 0, 1]).display(1), "FF000001");
    }

    #[test]
    fn kisses_are_known_by_their_code() {
        assert_eq!(RefId(*b"RATE").kiss(), Kiss::Rate);
        assert_eq!(RefId(*b"INIT").kiss().to_string(), "INIT");
        assert_eq!(RefId([0; 4]).kiss().to_string(), "00000000");
    }
}
