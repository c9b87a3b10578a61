//! Addresses, networks and host names as people type them into configurations.
//!
//! A placeholder such as `53.45.6.700` or `12.34.5.800/32` gets typed in for real: a [`Flaw`]
//! points at the octet, not at the line.

use core::fmt;
use core::net::IpAddr;
use core::net::Ipv4Addr;
use core::net::Ipv6Addr;

/// What is wrong with a word, as a byte range inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// First byte meant.
    pub start: usize,
    /// One past the last byte meant.
    pub end: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Flaw {
    fn new(start: usize, end: usize, message: impl Into<String>) -> Self {
        Self {
            start,
            end,
            message: message.into(),
            help: None,
        }
    }

    fn help(mut self, help: &str) -> Self {
        self.help = Some(help.to_owned());
        self
    }
}

/// A network: the address with its host bits cleared, and the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    /// First address of the network.
    pub address: IpAddr,
    /// Length of the prefix, 0 to 32 or 128.
    pub bits: u8,
}

impl Network {
    /// The network of `address` with a prefix of `bits`, which is cut to 32 or 128.
    #[must_use]
    pub fn new(address: IpAddr, bits: u8) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let bits = bits.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                Self {
                    address: IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask)),
                    bits,
                }
            }
            IpAddr::V6(v6) => {
                let bits = bits.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                Self {
                    address: IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask)),
                    bits,
                }
            }
        }
    }

    /// The network of one address.
    #[must_use]
    pub fn host(address: IpAddr) -> Self {
        Self::new(address, if address.is_ipv4() { 32 } else { 128 })
    }

    /// Whether the network has this address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && Self::new(address, self.bits) == *self
    }

    /// Whether this is a single address.
    #[must_use]
    pub fn is_host(&self) -> bool {
        self.bits == if self.address.is_ipv4() { 32 } else { 128 }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_host() {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.bits)
        }
    }
}

/// An address of the command line.
///
/// # Errors
/// What is wrong with it, and the word with a caret under the place.
pub fn typed(word: &str) -> Result<IpAddr, String> {
    parse_ip(word).map_err(|flaw| {
        let before = word.get(..flaw.start).unwrap_or_default().chars().count();
        let meant = word.get(flaw.start..flaw.end).unwrap_or_default();
        let caret = "^".repeat(meant.chars().count().max(1));
        let help = flaw
            .help
            .map_or_else(String::new, |help| format!("\n  {help}"));
        format!(
            "{}\n    {word}\n    {}{caret}{help}",
            flaw.message,
            " ".repeat(before)
        )
    })
}

/// An IPv4 or IPv6 address without brackets, port or zone.
///
/// # Errors
/// The part of the word that is wrong.
pub fn parse_ip(word: &str) -> Result<IpAddr, Flaw> {
    if let Ok(address) = word.parse() {
        return Ok(address);
    }
    if let Some(inner) = word
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        && inner.parse::<Ipv6Addr>().is_ok()
    {
        return Err(Flaw::new(0, word.len(), "brackets around an address")
            .help("write the address without brackets"));
    }
    if is_dotted(word) {
        return parse_ipv4(word).map(IpAddr::V4);
    }
    if word.contains(':') {
        return Err(flaw_of_ipv6(word));
    }
    Err(Flaw::new(
        0,
        word.len(),
        format!("{} is not an IP address", shown(word)),
    ))
}

/// Whether a word has only digits and dots, so that it was meant as an IPv4 address.
#[must_use]
pub fn is_dotted(word: &str) -> bool {
    word.contains('.')
        && word.starts_with(|c: char| c.is_ascii_digit())
        && word.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// Checks a host name or an address as the name of a time source.
///
/// # Errors
/// The part of the word that cannot be a name: an octet over 255, a character that no name has,
/// an empty or too long label.
pub fn check_host(word: &str) -> Result<(), Flaw> {
    if word.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    if is_dotted(word) {
        return parse_ipv4(word).map(|_| ());
    }
    if let Some((address, zone)) = word.split_once('%')
        && !zone.is_empty()
        && address.parse::<Ipv6Addr>().is_ok()
    {
        return Ok(());
    }
    if word.contains(':') {
        return Err(flaw_of_ipv6(word));
    }
    check_name(word)
}

fn check_name(word: &str) -> Result<(), Flaw> {
    if word.len() > 253 {
        return Err(Flaw::new(
            0,
            word.len(),
            "a name of more than 253 characters",
        ));
    }
    let mut at = 0;
    for label in word.strip_suffix('.').unwrap_or(word).split('.') {
        let end = at + label.len();
        if label.is_empty() {
            return Err(Flaw::new(
                at,
                (at + 1).min(word.len()),
                "a name with an empty part",
            ));
        }
        if label.len() > 63 {
            return Err(Flaw::new(
                at,
                end,
                "a part of more than 63 characters in a name",
            ));
        }
        if let Some((offset, c)) = label
            .char_indices()
            .find(|&(_, c)| !(c.is_alphanumeric() || c == '-' || c == '_'))
        {
            let start = at + offset;
            return Err(Flaw::new(
                start,
                start + c.len_utf8(),
                format!("{} cannot be part of a host name", shown(&c.to_string())),
            ));
        }
        at = end + 1;
    }
    Ok(())
}

fn parse_ipv4(word: &str) -> Result<Ipv4Addr, Flaw> {
    let mut octets = [0u8; 4];
    let mut at = 0;
    let mut count = 0;
    for part in word.split('.') {
        let end = at + part.len();
        if part.is_empty() {
            return Err(
                Flaw::new(at, (at + 1).min(word.len()).max(at), "an octet is missing")
                    .help("an IPv4 address has four octets, as in 192.0.2.1"),
            );
        }
        let value: Option<u8> = part.parse().ok();
        let Some(value) = value else {
            return Err(Flaw::new(
                at,
                end,
                format!("{} is not an octet of an IPv4 address", shown(part)),
            )
            .help("an octet goes from 0 to 255; is this a placeholder for the real address?"));
        };
        if part.len() > 1 && part.starts_with('0') {
            return Err(Flaw::new(at, end, "an octet with a leading zero")
                .help("some programs read such a number as octal; write it without the zero"));
        }
        match octets.get_mut(count) {
            Some(octet) => *octet = value,
            None => {
                return Err(Flaw::new(at, word.len(), "more than four octets")
                    .help("an IPv4 address has four octets, as in 192.0.2.1"));
            }
        }
        count += 1;
        at = end + 1;
    }
    if count < 4 {
        return Err(Flaw::new(
            0,
            word.len(),
            format!("an IPv4 address with {count} octets"),
        )
        .help("an IPv4 address has four octets, as in 192.0.2.1"));
    }
    Ok(Ipv4Addr::from(octets))
}

fn flaw_of_ipv6(word: &str) -> Flaw {
    let mut at = 0;
    for group in word.split(':') {
        let end = at + group.len();
        let hex = group.bytes().all(|b| b.is_ascii_hexdigit());
        if group.contains('.') && parse_ipv4(group).is_ok() {
            at = end + 1;
            continue;
        }
        if !hex || group.len() > 4 {
            return Flaw::new(
                at,
                end.max(at + 1).min(word.len()),
                format!("{} is not a group of an IPv6 address", shown(group)),
            )
            .help("a group has one to four hexadecimal digits");
        }
        at = end + 1;
    }
    Flaw::new(
        0,
        word.len(),
        format!("{} is not an IPv6 address", shown(word)),
    )
    .help("write eight groups, or one :: for the zero groups left out")
}

/// A network as `allow` takes it: an address, `ADDRESS/BITS`, or one to three octets of IPv4 with
/// or without a length (`10.1` is 10.1.0.0/16). `None` when it can only be a host name.
///
/// # Errors
/// The part of the word that is wrong.
pub fn parse_network(word: &str) -> Result<Option<Network>, Flaw> {
    let (host, length) = match word.split_once('/') {
        Some((host, length)) => (host, Some(length)),
        None => (word, None),
    };
    let digits = !host.is_empty() && host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let (address, natural) = if let Ok(address) = host.parse::<IpAddr>() {
        (address, if address.is_ipv4() { 32 } else { 128 })
    } else if digits {
        short_ipv4(host)?
    } else if host.contains(':') || host.starts_with('[') {
        (parse_ip(host)?, 128)
    } else if length.is_some() {
        return Err(
            Flaw::new(0, host.len(), format!("{} is not an address", shown(host)))
                .help("a prefix length goes with an address, not with a name"),
        );
    } else {
        check_name(host)?;
        return Ok(None);
    };
    let bits = match length {
        None => natural,
        Some(text) => prefix_length(text, host.len() + 1, address)?,
    };
    Ok(Some(Network::new(address, bits)))
}

fn prefix_length(text: &str, at: usize, address: IpAddr) -> Result<u8, Flaw> {
    let (most, family) = if address.is_ipv4() {
        (32, "IPv4")
    } else {
        (128, "IPv6")
    };
    match text.parse::<u8>() {
        Ok(bits) if bits <= most && text.bytes().all(|b| b.is_ascii_digit()) => Ok(bits),
        _ => Err(Flaw::new(
            at,
            at + text.len().max(1),
            format!("{} is not the length of an {family} prefix", shown(text)),
        )
        .help(&format!("a length goes from 0 to {most}"))),
    }
}

/// One to four octets; the natural length is eight bits for each.
fn short_ipv4(host: &str) -> Result<(IpAddr, u8), Flaw> {
    let count = host.split('.').count();
    if count >= 4 {
        return parse_ipv4(host).map(|address| (IpAddr::V4(address), 32));
    }
    let filled = format!("{host}{}", ".0".repeat(4 - count));
    let address = parse_ipv4(&filled).map_err(|mut flaw| {
        flaw.end = flaw.end.min(host.len());
        flaw.start = flaw.start.min(flaw.end);
        flaw
    })?;
    let bits = u8::try_from(count * 8).unwrap_or(32);
    Ok((IpAddr::V4(address), bits))
}

/// A word in quotes, shortened, without control characters.
#[must_use]
pub fn shown(word: &str) -> String {
    let clean: String = word
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(40)
        .collect();
    if word.chars().count() > 40 {
        format!("\"{clean}…\"")
    } else {
        format!("\"{clean}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flawed(word: &str, flaw: &Flaw) -> String {
        word[flaw.start..flaw.end].to_owned()
    }

    #[test]
    fn the_flaw_is_the_octet() {
        let flaw = check_host("53.45.6.700").unwrap_err();
        assert_eq!(flawed("53.45.6.700", &flaw), "700");
        let flaw = parse_network("12.34.5.800/32").unwrap_err();
        assert_eq!(flawed("12.34.5.800/32", &flaw), "800");
        let flaw = parse_network("300.1/16").unwrap_err();
        assert_eq!(flawed("300.1/16", &flaw), "300");
        let flaw = parse_network("10.0.0.0/33").unwrap_err();
        assert_eq!(flawed("10.0.0.0/33", &flaw), "33");
        let flaw = check_host("fe80::12345:1").unwrap_err();
        assert_eq!(flawed("fe80::12345:1", &flaw), "12345");
        let flaw = check_host("1.2.3.4.5").unwrap_err();
        assert_eq!(flawed("1.2.3.4.5", &flaw), "5");
    }

    #[test]
    fn names_and_addresses_are_hosts() {
        for host in [
            "ntp1.example.com",
            "ntp_1",
            "0.pool.ntp.org.",
            "10.0.0.1",
            "::1",
            "fe80::1%eth0",
            "a",
            "münchen.example",
        ] {
            assert_eq!(check_host(host), Ok(()), "{host}");
        }
        for host in [
            "",
            "a..b",
            "a b",
            "x/y",
            "$ntp",
            "1.2.3",
            "{{ server }}",
            "1.2.3.04",
        ] {
            assert!(check_host(host).is_err(), "{host}");
        }
    }

    #[test]
    fn networks_in_every_notation() {
        let cases = [
            ("10.1/16", "10.1.0.0/16"),
            ("10", "10.0.0.0/8"),
            ("10.11.97/24", "10.11.97.0/24"),
            ("192.168.1.7/24", "192.168.1.0/24"),
            ("1.2.3.4", "1.2.3.4"),
            ("0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("2001:db8::1/32", "2001:db8::/32"),
        ];
        for (word, want) in cases {
            assert_eq!(
                parse_network(word).unwrap().unwrap().to_string(),
                want,
                "{word}"
            );
        }
        assert_eq!(parse_network("host.example"), Ok(None));
        assert!(parse_network("host.example/24").is_err());
        assert!(parse_network("10.0.0.0/").is_err());
        assert!(parse_network("10.0.0.0/+8").is_err());
    }

    #[test]
    fn a_network_has_its_own_family_only() {
        let net = Network::new("10.0.0.0".parse().unwrap(), 8);
        assert!(net.contains("10.255.0.1".parse().unwrap()));
        assert!(!net.contains("11.0.0.0".parse().unwrap()));
        assert!(!net.contains("::10.0.0.1".parse().unwrap()));
        assert!(Network::new("::".parse().unwrap(), 0).contains("ff::".parse().unwrap()));
    }
}
