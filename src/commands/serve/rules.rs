//! From rules as they are written to rules that decide: host names stand for their addresses, which
//! are looked up again now and then.

use crate::commands::daemon::settings::access::RuleLine;
use crate::conf::address;
use crate::conf::chrony::value::Subject;
use crate::exit::Failure;
use crate::server::access::Access;
use crate::server::access::Rule;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The rules and what is known of the names in them.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    lines: Vec<RuleLine>,
    addresses: BTreeMap<String, Vec<IpAddr>>,
}

impl Rules {
    /// Rules in their order; no name is known yet.
    #[must_use]
    pub const fn new(lines: Vec<RuleLine>) -> Self {
        Self {
            lines,
            addresses: BTreeMap::new(),
        }
    }

    /// Adds a rule behind the others.
    pub fn push(&mut self, line: RuleLine) {
        self.lines.push(line);
    }

    /// The names to look up, each once.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .lines
            .iter()
            .filter_map(|line| match &line.subject {
                Subject::Name(name) => Some(name.clone()),
                _ => None,
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// What a name stands for now; true when that is something else than before.
    pub fn found(&mut self, name: &str, mut addresses: Vec<IpAddr>) -> bool {
        addresses.sort();
        let before = self.addresses.insert(name.to_owned(), addresses.clone());
        before != Some(addresses)
    }

    /// Whether a name stands for anything yet.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.addresses.get(name).is_some_and(|a| !a.is_empty())
    }

    /// What decides.
    #[must_use]
    pub fn access(&self) -> Access {
        let mut rules = Vec::new();
        for line in &self.lines {
            let mut push = |network, bits| {
                rules.push(Rule {
                    allow: line.allow,
                    all: line.all,
                    network,
                    bits,
                    text: line.text.clone(),
                    place: line.place.clone(),
                });
            };
            match &line.subject {
                Subject::Everybody => push(None, 0),
                Subject::Network(network) => push(Some(network.address), network.bits),
                Subject::Name(name) => {
                    for ip in self.addresses.get(name).into_iter().flatten() {
                        push(Some(*ip), if ip.is_ipv4() { 32 } else { 128 });
                    }
                }
            }
        }
        Access::new(rules)
    }
}

/// A rule of the command line: `--allow` or `--deny` with a network, a host name or `all`.
///
/// # Errors
/// What is wrong with the word, with a caret under the place.
pub fn parse(word: &str, allow: bool) -> Result<RuleLine, Failure> {
    let option = if allow { "--allow" } else { "--deny" };
    let subject = if word == "all" {
        Subject::Everybody
    } else {
        match address::parse_network(word) {
            Ok(Some(network)) => Subject::Network(network),
            Ok(None) => Subject::Name(word.to_owned()),
            Err(flaw) => {
                let width = flaw.end.saturating_sub(flaw.start).max(1);
                let caret = format!("{}{}", " ".repeat(flaw.start), "^".repeat(width));
                let text = format!("{option}: {}\n    {word}\n    {caret}", flaw.message);
                let such = "such as 192.0.2.7/32 or 2001:db8::/48";
                let hint = flaw.help.unwrap_or_else(|| such.to_owned());
                return Err(Failure::usage(text).hint(hint));
            }
        }
    };
    Ok(RuleLine {
        allow,
        all: false,
        subject,
        text: format!("{option} {word}"),
        place: "the command line".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_allows_nobody_until_it_is_known() {
        let mut rules = Rules::new(vec![parse("client.example", true).unwrap()]);
        let client: IpAddr = "192.0.2.7".parse().unwrap();
        assert_eq!(rules.names(), ["client.example"]);
        assert!(!rules.access().allows(client));
        assert!(rules.found("client.example", vec![client]));
        assert!(!rules.found("client.example", vec![client]));
        assert!(rules.access().allows(client));
        assert!(rules.found("client.example", vec![]));
        assert!(!rules.access().allows(client));
    }

    #[test]
    fn a_placeholder_is_pointed_at() {
        let failure = parse("12.34.5.800/32", true).unwrap_err();
        let caret = failure.message.lines().last().unwrap().trim_start();
        assert_eq!(caret, "^^^", "{}", failure.message);
    }
}
