//! How chronyd decides whom it answers: a tree of four bits a level.
//!
//! From chrony's manual and behaviour: nobody is answered until an `allow`; within one level of
//! four bits the later line wins, and a deeper level wins over a higher one; `all` removes what
//! stands deeper inside the network.

use core::net::IpAddr;
use std::collections::BTreeMap;

use crate::conf::address::Network;
use crate::conf::chrony::value::Access;
use crate::conf::chrony::value::Subject;

/// The rules of one port (NTP or commands).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    v4: Tree,
    v6: Tree,
}

/// For each depth in nibbles and each prefix of so many nibbles: the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tree(BTreeMap<(u8, u128), bool>);

impl Rules {
    /// No rules: everybody is refused.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line. A rule that names a host by name changes nothing here: what the name stands
    /// for is not known.
    pub fn add(&mut self, allow: bool, access: &Access) {
        match &access.subject {
            Subject::Everybody => {
                self.v4.set(0, 0, 128, allow, access.all);
                self.v6.set(0, 0, 128, allow, access.all);
            }
            Subject::Network(network) => {
                let (value, v4) = left(network.address);
                let tree = if v4 { &mut self.v4 } else { &mut self.v6 };
                tree.set(value, network.bits, 128, allow, access.all);
            }
            Subject::Name(_) => {}
        }
    }

    /// Whether an address is answered.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let (value, v4) = left(address);
        if v4 {
            self.v4.get(value, 8)
        } else {
            self.v6.get(value, 32)
        }
    }

    /// The networks of the rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.0.is_empty() && self.v6.0.is_empty()
    }
}

/// The address in the highest bits of 128, and whether it is IPv4.
fn left(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, true),
        IpAddr::V6(v6) => (v6.to_bits(), false),
    }
}

/// The first `nibbles` nibbles of a value.
fn prefix(value: u128, nibbles: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - 4 * u32::from(nibbles))
        .unwrap_or(0)
        & value
}

impl Tree {
    fn set(&mut self, value: u128, bits: u8, width: u8, allow: bool, all: bool) {
        let bits = bits.min(width);
        let depth = bits.div_ceil(4);
        // A prefix that ends inside a level covers several of its places.
        let places = 1_u128 << (4 * depth - bits);
        let first = prefix(value, depth) & mask(bits);
        let step = 1_u128.checked_shl(128 - 4 * u32::from(depth)).unwrap_or(0);
        for place in 0..places {
            let at = first.wrapping_add(place.wrapping_mul(step));
            if all {
                self.0
                    .retain(|&(deeper, known), _| deeper <= depth || prefix(known, depth) != at);
            }
            self.0.insert((depth, at), allow);
        }
    }

    fn get(&self, value: u128, levels: u8) -> bool {
        (0..=levels)
            .rev()
            .find_map(|depth| self.0.get(&(depth, prefix(value, depth))).copied())
            .unwrap_or(false)
    }
}

fn mask(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

/// Whether two networks are of the same family.
#[must_use]
pub fn same_family(a: &Network, b: &Network) -> bool {
    a.address.is_ipv4() == b.address.is_ipv4()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::chrony::load::parse_alone;
    use crate::conf::chrony::value::Value;

    fn rules(text: &str) -> Rules {
        let mut rules = Rules::new();
        for statement in &parse_alone("f", text.as_bytes()).statements {
            if let Value::Access(access) = &statement.value {
                rules.add(statement.name == "allow", access);
            }
        }
        rules
    }

    fn allows(text: &str, address: &str) -> bool {
        rules(text).allows(address.parse().unwrap())
    }

    #[test]
    fn the_examples_of_the_manual_hold() {
        let text = "allow 1.2.3.4\nallow 3.4.5\nallow 3.4.5.6/27\nallow 2001:db8::1\nallow 6.7.8/22\ndeny 6.7.8.9\n";
        for (address, want) in [
            ("1.2.3.4", true),
            ("1.2.3.5", false),
            ("3.4.5.200", true),
            ("2001:db8::1", true),
            ("6.7.11.255", true),
            ("6.7.12.0", false),
            ("6.7.8.9", false),
        ] {
            assert_eq!(allows(text, address), want, "{address}");
        }
        assert!(!allows("", "10.0.0.1"));
        assert!(allows("allow", "10.0.0.1") && allows("allow", "::1"));
        assert!(!allows("allow 0/0", "::1"));
    }

    #[test]
    fn a_later_line_wins_within_a_level_and_all_clears_deeper_ones() {
        assert!(allows("allow 10/8\ndeny 10.64/10\n", "10.0.0.1"));
        assert!(!allows("allow 10/8\ndeny 10.64/10\n", "10.64.0.1"));
        // The shorter prefix in the same level, written later, hides the longer one.
        assert!(allows("deny 10.64/12\nallow 10.0/9\n", "10.64.0.1"));
        assert!(!allows("allow 10.1.2.3\ndeny 10/8\n", "10.1.2.4"));
        assert!(allows("allow 10.1.2.3\ndeny 10/8\n", "10.1.2.3"));
        assert!(!allows("allow 10.1.2.3\ndeny all 10/8\n", "10.1.2.3"));
    }
}
