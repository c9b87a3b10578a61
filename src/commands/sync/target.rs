//! A server as typed on the command line: `HOST`, `HOST:PORT`, `[v6]:PORT`, `v6`, `v6%zone`.

use crate::conf::address;
use crate::exit::Failure;
use std::net::IpAddr;
use std::net::Ipv6Addr;

/// What to ask: the host as written and the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A name, or an address (with its zone).
    pub host: String,
    /// UDP port.
    pub port: u16,
}

impl Target {
    /// Parses a word of the command line.
    ///
    /// # Errors
    /// What is wrong with it, with a caret under the place.
    pub fn parse(word: &str) -> Result<Self, Failure> {
        let (host, port, start) = split(word)?;
        if let Err(flaw) = address::check_host(host) {
            let (from, to) = (start + flaw.start, start + flaw.end);
            let hint = flaw.help.unwrap_or_else(|| {
                "give a host name, an IPv4 or an IPv6 address, with :PORT if it is not 123".into()
            });
            return Err(refuse(word, &flaw.message, from, to).hint(hint));
        }
        if let Ok(address) = host.parse::<IpAddr>()
            && (address.is_unspecified() || address.is_multicast() || is_broadcast(address))
        {
            let to = start + host.len();
            return Err(refuse(word, "that is no server's own address", start, to)
                .hint("give the address or the name of one server"));
        }
        if let Some((address, tail)) = swallowed_port(word) {
            let (from, to) = (word.len() - tail.len(), word.len());
            let message = format!("{tail} is taken as the end of an address that no server has");
            return Err(refuse(word, &message, from, to)
                .hint(format!("brackets part the port: [{address}]:{tail}")));
        }
        if host
            .parse::<Ipv6Addr>()
            .is_ok_and(|a| a.is_unicast_link_local())
        {
            let to = start + host.len();
            return Err(
                refuse(word, "a link-local address needs its interface", start, to)
                    .hint(format!("add it: {host}%eth0")),
            );
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

/// `::1:123` is an address by its form, and one that no server can have: the address and the port
/// that were meant.
fn swallowed_port(word: &str) -> Option<(&str, &str)> {
    let whole: Ipv6Addr = word.parse().ok()?;
    let embedded = whole.to_bits() >> 32 == 0 && whole.to_bits() > 1;
    let (address, tail) = word.rsplit_once(':').filter(|_| embedded)?;
    address.parse::<Ipv6Addr>().ok()?;
    tail.bytes()
        .all(|b| b.is_ascii_digit())
        .then_some((address, tail))
}

/// Host, port, and where the host begins in the word.
fn split(word: &str) -> Result<(&str, u16, usize), Failure> {
    if let Some(rest) = word.strip_prefix('[') {
        let Some((host, after)) = rest.split_once(']') else {
            return Err(refuse(word, "the bracket is never closed", 0, word.len()));
        };
        if !host.contains(':') {
            return Err(refuse(
                word,
                "only an IPv6 address has brackets",
                0,
                host.len() + 2,
            ));
        }
        let Some(port) = after.strip_prefix(':') else {
            if after.is_empty() {
                return Ok((host, 123, 1));
            }
            return Err(refuse(
                word,
                "only :PORT can follow the bracket",
                host.len() + 2,
                word.len(),
            ));
        };
        return Ok((host, parse_port(word, port)?, 1));
    }
    match word.split_once(':') {
        Some((host, port)) if !port.contains(':') => Ok((host, parse_port(word, port)?, 0)),
        _ => Ok((word, 123, 0)),
    }
}

fn parse_port(word: &str, port: &str) -> Result<u16, Failure> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ => {
            let from = word.len() - port.len();
            let message = if port.is_empty() {
                "the port is missing".to_owned()
            } else {
                format!("{} is no port: ports are 1 to 65535", address::shown(port))
            };
            Err(refuse(word, &message, from, word.len()))
        }
    }
}

fn is_broadcast(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if v4.is_broadcast())
}

/// A usage error with the word and a caret under what is wrong in it.
fn refuse(word: &str, message: &str, from: usize, to: usize) -> Failure {
    /// A longer word is not shown whole.
    const SHOWN: usize = 120;
    if word.chars().count() > SHOWN {
        return Failure::usage(format!("{message}: {}", address::shown(word)));
    }
    let before = word.get(..from).map_or(0, |head| head.chars().count());
    let length = word
        .get(from..to)
        .map_or(1, |part| part.chars().count())
        .max(1);
    let shown: String = word
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    let caret = format!("{}{}", " ".repeat(before), "^".repeat(length));
    Failure::usage(format!("{message}\n    {shown}\n    {caret}")).target(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood() {
        for (word, host, port) in [
            ("ntp.example.com", "ntp.example.com", 123),
            ("ntp.example.com:1123", "ntp.example.com", 1123),
            ("192.0.2.1:124", "192.0.2.1", 124),
            ("2001:db8::1", "2001:db8::1", 123),
            ("[2001:db8::1]", "2001:db8::1", 123),
            ("[2001:db8::1]:11123", "2001:db8::1", 11123),
            ("fe80::1%eth0", "fe80::1%eth0", 123),
        ] {
            let target = Target::parse(word).expect(word);
            assert_eq!((target.host.as_str(), target.port), (host, port), "{word}");
        }
    }

    #[test]
    fn the_caret_is_under_the_octet() {
        let failure = Target::parse("53.45.6.700").expect_err("700 is no octet");
        let lines: Vec<&str> = failure.message.lines().collect();
        assert_eq!(
            lines[1..],
            ["    53.45.6.700", "            ^^^"],
            "{failure:?}"
        );
    }

    #[test]
    fn a_port_behind_a_bare_address_is_pointed_at() {
        let failure = Target::parse("::1:123").expect_err("no server has that address");
        assert_eq!(
            failure.hint.as_deref(),
            Some("brackets part the port: [::1]:123")
        );
        assert!(failure.message.ends_with("        ^^^"), "{failure:?}");
    }

    #[test]
    fn malformed_words_are_usage_errors() {
        for word in [
            "",
            ":",
            "host:",
            "host:0",
            "host:65536",
            "host:-1",
            "host:+5",
            "[::1",
            "[::1]x",
            "[host]:1",
            "1.2.3",
            "1.2.3.4.5",
            "::g",
            "a..b",
            "a b",
            "12.34.5.800/32",
            "fe80::1%",
            "host:12three",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "[ff02::1]:123",
            "fe80::1",
            "::1:123",
            "\u{1b}[31m",
            "ntp.example.com:99999999999999999999",
        ] {
            assert!(Target::parse(word).is_err(), "{word:?} was taken");
        }
    }
}
