//! Who may ask the daemon: `allow` and `deny` for time, `cmdallow` and `cmddeny` for commands.

use crate::conf::address::Network;
use crate::conf::chrony::Loaded;
use crate::conf::chrony::access::Rules;
use crate::conf::chrony::settings::AccessRule;
use crate::conf::chrony::value::Access;
use crate::conf::chrony::value::Subject;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A rule as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleLine {
    /// `allow` rather than `deny`.
    pub allow: bool,
    /// Drops the rules of networks inside.
    pub all: bool,
    /// Whom it is about.
    pub subject: Subject,
    /// Its words.
    pub text: String,
    /// `file:line`, or the option of the command line.
    pub place: String,
}

/// Rules with their places, in the order of the file.
#[must_use]
pub fn lines(loaded: &Loaded, rules: &[AccessRule]) -> Vec<RuleLine> {
    let line = |rule: &AccessRule| {
        let origin = loaded.map.origin(rule.span);
        RuleLine {
            allow: rule.allow,
            all: rule.access.all,
            subject: rule.access.subject.clone(),
            text: loaded.map.text(rule.span).trim().to_owned(),
            place: format!("{}:{}", origin.file, origin.line),
        }
    };
    rules.iter().map(line).collect()
}

/// The rules of one port, as chronyd applies them: in the order of the file. A rule for a host by
/// name holds for its `addresses`.
#[must_use]
pub fn rules(lines: &[AccessRule], addresses: &BTreeMap<String, Vec<IpAddr>>) -> Rules {
    let mut rules = Rules::new();
    for line in lines {
        let Subject::Name(name) = &line.access.subject else {
            rules.add(line.allow, &line.access);
            continue;
        };
        for &address in addresses.get(name).into_iter().flatten() {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            let access = Access {
                all: line.access.all,
                subject: Subject::Network(Network { address, bits }),
            };
            rules.add(line.allow, &access);
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::chrony::Settings;
    use crate::conf::chrony::load::parse_alone;

    #[test]
    fn commands_and_time_have_rules_of_their_own() {
        let text = b"allow 10.0.0.0/8\ndeny 10.1.0.0/16\ncmdallow 192.0.2.1\n";
        let settings = Settings::new(&parse_alone("f", text));
        let time = rules(&settings.access, &BTreeMap::new());
        let commands = rules(&settings.command_access, &BTreeMap::new());
        assert!(time.allows("10.2.0.1".parse().unwrap()));
        assert!(!time.allows("10.1.0.1".parse().unwrap()));
        assert!(!time.allows("192.0.2.1".parse().unwrap()));
        assert!(commands.allows("192.0.2.1".parse().unwrap()));
    }
}
