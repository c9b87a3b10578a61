//! Whom chronyd answers by the lines of its file, a name apart: nobody until an `allow`; which
//! network decides is in [`crate::proto::prefix`].

use core::net::IpAddr;

use crate::conf::chrony::value::Access;
use crate::conf::chrony::value::Subject;
use crate::proto::prefix::Builder;

/// The rules of one port (NTP or commands).
#[derive(Clone, Debug, Default)]
pub struct Rules {
    networks: Builder,
}

const DENY: u32 = 1;
const ALLOW: u32 = 2;

impl Rules {
    /// No rules: everybody is refused.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line. A rule that names a host by name changes nothing here: what the name stands
    /// for is not known.
    pub fn add(&mut self, allow: bool, access: &Access) {
        let network = match &access.subject {
            Subject::Everybody => None,
            Subject::Network(network) => Some((network.address, network.bits)),
            Subject::Name(_) => return,
        };
        let value = if allow { ALLOW } else { DENY };
        self.networks.put(network, value, access.all);
    }

    /// Whether an address is answered.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        self.networks.find(address) == ALLOW
    }
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
