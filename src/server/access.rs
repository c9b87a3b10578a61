//! Who is answered: as chrony.conf(5) says of allow and deny. The longest prefix decides; of two that
//! end within the same four bits the later line does; `all` drops the rules of networks inside that
//! stand before; without a rule nobody is answered.

use crate::proto::prefix::Builder;
use crate::proto::prefix::Prefixes;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Answer rather than refuse.
    pub allow: bool,
    /// Drops the rules of networks inside this one that stand before it.
    pub all: bool,
    /// First address of the network; none means every address of both families.
    pub network: Option<IpAddr>,
    /// Length of its prefix.
    pub bits: u8,
    /// As the user wrote it.
    pub text: String,
    /// Where: `file:line`, or the option of the command line.
    pub place: String,
}

/// The rules, ready to decide.
#[derive(Clone, Debug, Default)]
pub struct Access {
    rules: Vec<Rule>,
    /// The number of the rule, from 1, and in the lowest bit whether it allows.
    decides: Prefixes,
}

/// More rules than anybody has; the rest is not looked at.
const MOST_RULES: usize = 1 << 24;

impl Access {
    /// From rules in the order of the file.
    #[must_use]
    pub fn new(mut rules: Vec<Rule>) -> Self {
        rules.truncate(MOST_RULES);
        let mut builder = Builder::new();
        for (number, rule) in (1..).zip(&rules) {
            let network = rule.network.map(|ip| (ip, rule.bits));
            builder.put(network, number << 1 | u32::from(rule.allow), rule.all);
        }
        Self {
            rules,
            decides: builder.build(),
        }
    }

    /// Whether this address is answered. An IPv4 address inside an IPv6 one is that IPv4 address.
    #[must_use]
    pub fn allows(&self, ip: IpAddr) -> bool {
        self.decides.find(ip.to_canonical()) & 1 != 0
    }

    /// The rule that decides about this address; none means that nobody asked for it to be
    /// answered.
    #[must_use]
    pub fn rule(&self, ip: IpAddr) -> Option<&Rule> {
        let number = (self.decides.find(ip.to_canonical()) >> 1) as usize;
        self.rules.get(number.checked_sub(1)?)
    }

    /// The rules, in the order of the file.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// True when somebody may be answered.
    #[must_use]
    pub fn any(&self) -> bool {
        self.rules.iter().any(|r| r.allow)
    }

    /// Rules that decide about nobody though they say otherwise than a later one: its prefix is not
    /// longer, and ends within the same four bits. Each with that later one.
    #[must_use]
    pub fn hidden(&self) -> Vec<(&Rule, &Rule)> {
        let mut later: BTreeMap<(bool, u128, u8), &Rule> = BTreeMap::new();
        let mut hidden = Vec::new();
        for rule in self.rules.iter().rev() {
            let Some(ip) = rule.network.filter(|_| rule.bits > 0) else {
                continue;
            };
            let (key, four) = match ip {
                IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, true),
                IpAddr::V6(v6) => (v6.to_bits(), false),
            };
            let start = (rule.bits - 1) / 4 * 4 + 1;
            let over = (start..=rule.bits)
                .find_map(|bits| later.get(&(four, key & mask(bits), bits)).copied());
            if let Some(over) = over.filter(|over| over.allow != rule.allow) {
                hidden.push((rule, over));
            }
            later
                .entry((four, key & mask(rule.bits), rule.bits))
                .or_insert(rule);
        }
        hidden.reverse();
        hidden
    }
}

fn mask(bits: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - u32::from(bits.min(128)))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        let mut words = text.split_whitespace();
        let allow = words.next() == Some("allow");
        let rest: Vec<&str> = words.collect();
        let all = rest.first() == Some(&"all");
        let network = rest.get(usize::from(all)).map(|n| {
            let (ip, bits) = n.split_once('/').unwrap();
            (ip.parse::<IpAddr>().unwrap(), bits.parse().unwrap())
        });
        Rule {
            allow,
            all,
            network: network.map(|n| n.0),
            bits: network.map_or(0, |n| n.1),
            text: text.to_owned(),
            place: String::new(),
        }
    }

    fn access(lines: &[&str]) -> Access {
        Access::new(lines.iter().map(|l| rule(l)).collect())
    }

    fn allows(lines: &[&str], ip: &str) -> bool {
        access(lines).allows(ip.parse().unwrap())
    }

    #[test]
    fn nobody_is_answered_without_a_rule() {
        assert!(!allows(&[], "127.0.0.1"));
        assert!(access(&[]).rule("::1".parse().unwrap()).is_none());
        assert!(allows(&["allow"], "::1") && allows(&["allow"], "192.0.2.1"));
    }

    #[test]
    fn the_longest_prefix_decides_whatever_the_order() {
        for lines in [
            ["allow 1.2.3.4/32", "deny 1.2.3.0/24"],
            ["deny 1.2.3.0/24", "allow 1.2.3.4/32"],
        ] {
            assert!(allows(&lines, "1.2.3.4"), "{lines:?}");
            assert!(!allows(&lines, "1.2.3.5"), "{lines:?}");
            assert!(access(&lines).hidden().is_empty());
        }
    }

    #[test]
    fn within_four_bits_the_later_line_decides_and_the_one_that_it_hides_is_known() {
        let right = ["allow 10.64.0.0/9", "deny 10.64.0.0/10"];
        assert!(!allows(&right, "10.64.0.1"));
        assert!(access(&right).hidden().is_empty());
        let wrong = ["deny 10.64.0.0/12", "allow 10.0.0.0/9", "deny 192.0.2.0/24"];
        assert!(allows(&wrong, "10.64.0.1"));
        let decided = access(&wrong);
        let hidden = decided.hidden();
        assert_eq!(hidden.len(), 1);
        assert_eq!(
            (hidden[0].0.text.as_str(), hidden[0].1.text.as_str()),
            (wrong[0], wrong[1])
        );
        // The same said twice hides nothing.
        assert!(
            access(&["allow 10.0.0.0/9", "allow 10.0.0.0/9"])
                .hidden()
                .is_empty()
        );
    }

    #[test]
    fn all_drops_the_rules_inside_that_stand_before() {
        // The example of chrony.conf(5).
        let lines = [
            "allow 1.2.3.4/32",
            "deny 1.2.3.0/24",
            "allow all 1.2.0.0/16",
        ];
        assert!(allows(&lines, "1.2.3.9"));
        let decided = access(&lines);
        let rule = decided.rule("1.2.3.4".parse().unwrap()).unwrap();
        assert_eq!(rule.text, "allow all 1.2.0.0/16");
        assert!(!allows(&["allow 10.0.0.0/8", "deny all"], "10.0.0.1"));
        assert!(allows(&["deny all", "allow 10.0.0.0/8"], "10.0.0.1"));
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_one_is_that_address() {
        assert!(allows(&["allow 10.0.0.0/8"], "::ffff:10.1.1.1"));
        assert!(!allows(&["allow ::/0"], "10.1.1.1"));
    }
}
