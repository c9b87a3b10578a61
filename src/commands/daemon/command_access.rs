//! Who may ask over the network: `cmdallow` and `cmddeny`, hosts by name among them. Names are
//! looked up beside everything else, and again after a while; until then their rules hold for
//! nobody.

use super::settings;
use crate::conf::chrony::access::Rules;
use crate::conf::chrony::settings::AccessRule;
use crate::conf::chrony::value::Access;
use crate::conf::chrony::value::Subject;
use crate::sys;
use crate::sys::log::Level;
use crate::sys::resolve::Lookups;
use crate::time::Monotonic;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Seconds until names are looked up again: all are known, or one is not.
const LOOK_AGAIN: (f64, f64) = (3600.0, 60.0);
/// Seconds between looks whether an answer has come.
const WAIT: f64 = 0.5;

/// The rules of the control port.
#[derive(Debug, Default)]
pub struct CommandAccess {
    lines: Vec<AccessRule>,
    /// Rules that came by commands, after those of the file.
    told: Vec<(bool, Access)>,
    addresses: BTreeMap<String, Vec<IpAddr>>,
    rules: Rules,
    lookups: Option<Lookups>,
    /// The names that were asked for last, by their numbers.
    asked: Vec<String>,
    next: Option<Monotonic>,
}

impl CommandAccess {
    /// By the lines of a file.
    #[must_use]
    pub fn new(lines: &[AccessRule]) -> Self {
        let mut access = Self::default();
        access.replace(lines);
        access
    }

    /// The file has other lines now; what commands said is over.
    pub fn replace(&mut self, lines: &[AccessRule]) {
        self.lines = lines.to_vec();
        self.told.clear();
        self.next = (!self.names().is_empty()).then(Monotonic::default);
        self.settle();
    }

    /// A command adds a rule.
    pub fn add(&mut self, allow: bool, access: Access) {
        self.rules.add(allow, &access);
        self.told.push((allow, access));
    }

    /// Whether an address may ask.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        self.rules.allows(address)
    }

    /// When [`CommandAccess::tick`] has something to do at the latest.
    #[must_use]
    pub const fn deadline(&self) -> Option<Monotonic> {
        self.next
    }

    /// Takes answers that have come, and asks anew when it is time.
    pub fn tick(&mut self, now: Monotonic) {
        if self.next.is_none_or(|next| now < next) {
            return;
        }
        let mut changed = false;
        while let Some((key, answer)) = self.lookups.as_mut().and_then(Lookups::take) {
            let Some(name) = self.asked.get(key).cloned() else {
                continue;
            };
            match answer {
                Ok(found) => {
                    changed |= self.addresses.get(&name) != Some(&found);
                    self.addresses.insert(name, found);
                }
                Err(why) if !self.addresses.contains_key(&name) => {
                    let text = format!("cmdallow or cmddeny {name} holds for nobody yet: {why}");
                    sys::log::say(Level::Warning, &text);
                }
                // The addresses known before are better than none.
                Err(_) => {}
            }
            if self.lookups.as_ref().is_some_and(|l| l.under_way() == 0) {
                self.lookups = None;
                let known = self.names().iter().all(|n| self.addresses.contains_key(n));
                let pause = if known { LOOK_AGAIN.0 } else { LOOK_AGAIN.1 };
                self.next = Some(now.plus_seconds(pause));
            }
        }
        if changed {
            self.settle();
        }
        if self.lookups.is_some() {
            self.next = Some(now.plus_seconds(WAIT));
        } else if self.next.is_some_and(|next| now >= next) {
            self.ask(now);
        }
    }

    fn ask(&mut self, now: Monotonic) {
        self.asked = self.names();
        self.lookups = Lookups::new().ok();
        if let Some(lookups) = &mut self.lookups {
            for (key, name) in self.asked.iter().enumerate() {
                lookups.start(key, name);
            }
        }
        self.next = Some(now.plus_seconds(if self.lookups.is_some() {
            WAIT
        } else {
            LOOK_AGAIN.1
        }));
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .lines
            .iter()
            .filter_map(|line| match &line.access.subject {
                Subject::Name(name) => Some(name.clone()),
                Subject::Everybody | Subject::Network(_) => None,
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Puts the rules together in the order of the lines.
    fn settle(&mut self) {
        self.rules = settings::access::rules(&self.lines, &self.addresses);
        for (allow, access) in &self.told {
            self.rules.add(*allow, access);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::chrony::Settings;
    use crate::conf::chrony::load::parse_alone;

    #[test]
    fn a_host_by_name_is_allowed_once_its_addresses_are_known() {
        let text = b"cmdallow localhost\ncmddeny 192.0.2.0/24\n";
        let settings = Settings::new(&parse_alone("f", text));
        let mut access = CommandAccess::new(&settings.command_access);
        let host = "127.0.0.1".parse().unwrap();
        assert!(!access.allows(host));
        let mut now = Monotonic::from_nanos(1);
        for _ in 0..1_000_000 {
            access.tick(now);
            now = now.plus_seconds(WAIT);
            if access.allows(host) {
                break;
            }
            std::thread::yield_now();
        }
        assert!(access.allows(host));
        assert!(!access.allows("192.0.2.1".parse().unwrap()));
        assert!(access.deadline().is_some());
        access.replace(&[]);
        assert!(!access.allows(host));
        assert_eq!(access.deadline(), None);
    }
}
