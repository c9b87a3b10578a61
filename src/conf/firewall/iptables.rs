//! `iptables-save` and `ip6tables-save` (both back ends) to rules.

use super::Action;
use super::Base;
use super::Chain;
use super::Condition;
use super::Direction;
use super::Fate;
use super::Owner;
use super::Rule;
use super::Ruleset;
use super::Step;
use super::Test;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// Reads the output of `iptables-save`, or of `ip6tables-save` where `v6` is true. `name` is what
/// its tables are called by: `iptables`. Lines that are not understood make their rule conditional.
#[must_use]
pub fn parse(text: &str, v6: bool, name: &str) -> Vec<Ruleset> {
    let mut tables = Vec::new();
    let mut current: Option<(String, Ruleset)> = None;
    for line in text.lines().map(str::trim) {
        if let Some(table) = line.strip_prefix('*') {
            tables.extend(current.take().map(|(_, set)| set));
            current = Some((table.to_owned(), ruleset(&format!("{name} {table}"), v6)));
            continue;
        }
        let Some((table, set)) = &mut current else {
            continue;
        };
        if let Some(rest) = line.strip_prefix(':') {
            let mut words = rest.split_whitespace();
            let chain = words.next().unwrap_or_default().to_owned();
            let policy = match words.next() {
                Some("DROP") => Some(Fate::Dropped),
                Some("ACCEPT") => Some(Fate::Accepted),
                _ => None,
            };
            let base = policy.and_then(|policy| base(table, &chain, policy));
            set.bases.extend(base);
            set.chains.entry(chain).or_default();
        } else if line == "COMMIT" {
            tables.extend(current.take().map(|(_, set)| set));
        } else if let Some((chain, rule)) = rule(line) {
            let chain: &mut Chain = set.chains.entry(chain).or_default();
            chain.rules.push(rule);
        }
    }
    tables.extend(current.map(|(_, set)| set));
    tables
}

fn ruleset(name: &str, v6: bool) -> Ruleset {
    Ruleset {
        name: name.to_owned(),
        v6: Some(v6),
        owner: Owner::Iptables,
        chains: BTreeMap::new(),
        bases: Vec::new(),
    }
}

/// The built-in chains in the order in which a packet crosses the tables (iptables(8)).
fn base(table: &str, chain: &str, policy: Fate) -> Option<Base> {
    let (direction, late) = match chain {
        "PREROUTING" => (Direction::In, false),
        "INPUT" => (Direction::In, true),
        "OUTPUT" => (Direction::Out, false),
        "POSTROUTING" => (Direction::Out, true),
        _ => return None,
    };
    let priority = match table {
        "raw" => -300,
        "mangle" => -150,
        "nat" => -100,
        "filter" => 0,
        _ => 50,
    };
    Some(Base {
        chain: chain.to_owned(),
        direction,
        late,
        priority,
        policy,
    })
}

fn rule(line: &str) -> Option<(String, Rule)> {
    let words = split(line);
    let mut words = words.iter().map(String::as_str).peekable();
    if words.next()? != "-A" {
        return None;
    }
    let chain = words.next()?.to_owned();
    let mut conditions: Vec<Condition> = Vec::new();
    let mut action = Action::Continue;
    let mut negated = false;
    while let Some(word) = words.next() {
        if word == "!" {
            negated = true;
            continue;
        }
        let mut arguments = Vec::new();
        while let Some(next) = words.peek() {
            // A value never begins with `-` and a letter; `!` begins the next match.
            if *next == "!" || (next.len() > 1 && next.starts_with('-')) {
                break;
            }
            arguments.push(words.next().unwrap_or_default());
        }
        match word {
            "-j" | "-g" | "--jump" | "--goto" => {
                let target = arguments.first().copied().unwrap_or_default();
                action = target_action(target, word == "-g" || word == "--goto");
            }
            "--reject-with" | "--to-destination" | "--to-ports" => {
                detail(&mut action, arguments.first().copied().unwrap_or_default());
            }
            _ => {
                if let Some(mut condition) = condition(word, &arguments) {
                    condition.negated = negated && condition.test != Test::Depends;
                    if negated {
                        condition.text = format!("! {}", condition.text);
                    }
                    conditions.push(condition);
                }
            }
        }
        negated = false;
    }
    let steps = vec![Step { conditions, action }];
    let text = line.to_owned();
    Some((chain, Rule { steps, text }))
}

fn target_action(target: &str, goto: bool) -> Action {
    match target {
        "ACCEPT" | "MASQUERADE" | "SNAT" => Action::Fate(Fate::Accepted),
        "DROP" => Action::Fate(Fate::Dropped),
        "REJECT" => Action::Fate(Fate::Rejected("REJECT".to_owned())),
        "RETURN" => Action::Return,
        "DNAT" | "REDIRECT" | "TPROXY" | "NETMAP" => {
            Action::Fate(Fate::Redirected(target.to_owned()))
        }
        "QUEUE" | "NFQUEUE" => Action::Fate(Fate::Unknown(target.to_owned())),
        // Targets that leave the packet where it is.
        "LOG" | "NFLOG" | "ULOG" | "MARK" | "CONNMARK" | "CT" | "NOTRACK" | "TRACE" | "AUDIT"
        | "CHECKSUM" | "CLASSIFY" | "DSCP" | "TOS" | "SET" | "SECMARK" | "CONNSECMARK"
        | "TCPMSS" | "TTL" | "HL" | "TEE" | "" => Action::Continue,
        chain if goto => Action::Goto(chain.to_owned()),
        chain => Action::Jump(chain.to_owned()),
    }
}

fn detail(action: &mut Action, word: &str) {
    match action {
        Action::Fate(Fate::Rejected(how)) => word.clone_into(how),
        Action::Fate(Fate::Redirected(how)) => *how = format!("{how} to {word}"),
        _ => {}
    }
}

/// A match; `None` for options that test nothing.
fn condition(option: &str, arguments: &[&str]) -> Option<Condition> {
    let value = arguments.first().copied().unwrap_or_default();
    let list = || value.split(',').map(str::to_owned).collect::<Vec<_>>();
    let lower = || {
        list()
            .iter()
            .map(|w| w.to_ascii_lowercase())
            .collect::<Vec<_>>()
    };
    let test = match option {
        "-m" | "--match" | "--comment" | "-c" | "--set-counters" | "--limit-burst" => return None,
        // What a target is told, not what is matched.
        o if o.starts_with("--log") || o.starts_with("--nflog") || o.starts_with("--set-") => {
            return None;
        }
        "--to-source" | "--random" | "--persistent" | "--zone" | "--notrack" | "--helper" => {
            return None;
        }
        "-p" | "--protocol" => match protocol(value) {
            _ if value == "all" => Some(Test::Always),
            Some(number) => Some(Test::Protocol(vec![number])),
            None => None,
        },
        "-s" | "--source" => nets(value).map(Test::Source),
        "-d" | "--destination" => nets(value).map(Test::Destination),
        "-i" | "--in-interface" => Some(Test::InInterface(list())),
        "-o" | "--out-interface" => Some(Test::OutInterface(list())),
        "--sport" | "--source-port" | "--sports" | "--source-ports" => {
            ports(value).map(Test::SourcePort)
        }
        "--dport" | "--destination-port" | "--dports" | "--destination-ports" => {
            ports(value).map(Test::DestinationPort)
        }
        "--state" | "--ctstate" => Some(Test::State(lower())),
        "--ctstatus" if value == "DNAT" => Some(Test::Never),
        "--length" => ports(value).map(Test::Length),
        "--dst-type" => Some(Test::DestinationType(lower())),
        "--icmp-type" | "--icmpv6-type" | "--tcp-flags" | "--syn" | "--tcp-option" => {
            Some(Test::Never)
        }
        _ => None,
    };
    let mut text = option.to_owned();
    for argument in arguments {
        text.push(' ');
        text.push_str(argument);
    }
    Some(Condition::new(test.unwrap_or(Test::Depends), text))
}

/// The number of a protocol by the names that rule sets use.
pub(super) fn protocol(name: &str) -> Option<u8> {
    let number = match name {
        "icmp" => 1,
        "igmp" => 2,
        "tcp" => 6,
        "udp" => 17,
        "gre" => 47,
        "esp" => 50,
        "ah" => 51,
        "icmpv6" | "ipv6-icmp" => 58,
        "ospf" => 89,
        "vrrp" => 112,
        "sctp" => 132,
        "udplite" => 136,
        _ => return name.parse().ok(),
    };
    Some(number)
}

/// The number of a port by the names that matter here; another name is not ours.
pub(super) fn service(name: &str) -> Option<u16> {
    match name {
        "ntp" => Some(123),
        "ptp-event" => Some(319),
        "ptp-general" => Some(320),
        _ => name.parse().ok(),
    }
}

fn ports(text: &str) -> Option<Vec<RangeInclusive<u16>>> {
    let one = |word: &str| match word.split_once(':') {
        Some((low, high)) => {
            let low = if low.is_empty() { 0 } else { service(low)? };
            let high = if high.is_empty() {
                u16::MAX
            } else {
                service(high)?
            };
            Some(low..=high)
        }
        None => service(word).map(|port| port..=port),
    };
    text.split(',').map(one).collect()
}

fn nets(text: &str) -> Option<Vec<(IpAddr, u8)>> {
    let one = |word: &str| {
        let (address, length) = match word.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (word, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let full = if address.is_ipv6() { 128 } else { 32 };
        let length = length.map_or(Some(full), prefix_length)?;
        Some((address, length))
    };
    text.split(',').map(one).collect()
}

/// `24` or `255.255.255.0`.
fn prefix_length(text: &str) -> Option<u8> {
    if let Ok(length) = text.parse() {
        return Some(length);
    }
    let mask: std::net::Ipv4Addr = text.parse().ok()?;
    let ones = mask.to_bits().leading_ones();
    (ones == mask.to_bits().count_ones()).then_some(ones as u8)
}

/// Words, with double quotes and backslashes inside them.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut some) = (false, false);
    let mut letters = line.chars();
    while let Some(c) = letters.next() {
        match c {
            '"' => {
                quoted = !quoted;
                some = true;
            }
            '\\' => word.extend(letters.next()),
            c if c.is_whitespace() && !quoted => {
                if some || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                    some = false;
                }
            }
            c => word.push(c),
        }
    }
    if some || !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests;
