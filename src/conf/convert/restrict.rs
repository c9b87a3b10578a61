//! `restrict` lines: the table they make, whether the machine served on purpose, and the rules.

use core::net::IpAddr;
use core::net::Ipv4Addr;
use core::net::Ipv6Addr;
use std::collections::BTreeMap;

use crate::conf::address::Network;
use crate::conf::chrony::Version;
use crate::conf::chrony::access::Rules;
use crate::conf::chrony::value::Access;
use crate::conf::chrony::value::Family;
use crate::conf::chrony::value::RateLimit;
use crate::conf::chrony::value::Subject;
use crate::conf::chrony::value::Value;
use crate::conf::chrony::write;
use crate::conf::convert::Converter;
use crate::conf::convert::access::Entry;
use crate::conf::convert::access::Flags;
use crate::conf::convert::access::Table;
use crate::conf::convert::record::Outcome;
use crate::conf::ntp;
use crate::conf::ntp::Body;
use crate::conf::ntp::Dialect;
use crate::conf::ntp::Opt;
use crate::conf::ntp::Statement;
use crate::conf::ntp::statement::Target;

/// Whether the new daemon serves, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serving {
    /// It answers clients.
    pub serve: bool,
    /// The lines that show that ntpd served on purpose.
    pub evidence: Vec<String>,
    /// Why it does not serve though there is evidence.
    pub withheld: Option<String>,
}

/// What the `restrict` lines amount to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Restrictions {
    pub(super) table: Table,
    /// What is to be said about single lines, by statement index.
    notes: BTreeMap<usize, (bool, String)>,
    /// A name that is refused and could not be looked up.
    unknown_denied: Option<String>,
    /// Some entry has a rate limit of the user's.
    limited: bool,
    kod: bool,
}

impl Restrictions {
    /// Reads all lines.
    pub(super) fn new(conf: &ntp::Loaded, resolved: &BTreeMap<String, Vec<IpAddr>>) -> Self {
        let mut out = Self {
            table: Table::new(conf.dialect),
            notes: BTreeMap::new(),
            unknown_denied: None,
            limited: false,
            kod: false,
        };
        for (index, statement) in conf.statements().enumerate() {
            // What `delrestrict` takes back stays: older releases of ntpd do not know it.
            if let Body::Restrict { target, flags } = &statement.body
                && statement.name != "delrestrict"
            {
                let sum = sum(flags);
                let ntpport = flags.iter().any(|flag| flag.name == "ntpport");
                let networks = out.networks(index, target, conf.dialect, sum, ntpport, resolved);
                for entry in networks {
                    if statement.name == "unrestrict" {
                        out.table.remove(&entry);
                    } else {
                        out.limited |= sum.has(Flags::LIMITED);
                        out.kod |= sum.has(Flags::KOD);
                        out.table.add(entry);
                    }
                }
            }
        }
        out
    }

    /// Addresses at the boundaries of the rules that ntpd refuses. IPv4 addresses inside IPv6
    /// ones come as IPv4 and are left out.
    pub(super) fn refused(&self) -> Vec<IpAddr> {
        let mut probes = self.table.probes();
        probes.retain(|address| address.to_canonical() == *address && !self.table.serves(*address));
        probes
    }

    fn networks(
        &mut self,
        index: usize,
        target: &Target,
        dialect: Dialect,
        flags: Flags,
        ntpport: bool,
        resolved: &BTreeMap<String, Vec<IpAddr>>,
    ) -> Vec<Entry> {
        let v4 = Network::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let v6 = Network::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);
        let of = |list: &[Network]| {
            list.iter()
                .map(|network| Entry::network(*network, ntpport, flags))
                .collect()
        };
        match target {
            Target::Default(None) => of(&[v4, v6]),
            Target::Default(Some(Family::V4)) => of(&[v4]),
            Target::Default(Some(Family::V6)) => of(&[v6]),
            Target::Source => Vec::new(),
            Target::Host { address, mask } => {
                let addresses = match address.ip() {
                    Some(ip) => vec![ip],
                    None => match self.look_up(index, address.host(), flags, resolved) {
                        Some(list) => list,
                        None => return Vec::new(),
                    },
                };
                let wanted = addresses.into_iter().filter(|ip| match address.family {
                    Some(Family::V4) => ip.is_ipv4(),
                    Some(Family::V6) => ip.is_ipv6(),
                    None => true,
                });
                let mask = mask.as_ref().map(|term| term.text.as_str());
                let entries: Vec<Option<Entry>> =
                    wanted.map(|ip| entry(ip, mask, ntpport, flags)).collect();
                entries.into_iter().zip(core::iter::repeat(address)).filter_map(|(found, address)| {
                    found.or_else(|| {
                        // NTPsec takes the address alone; classic ntpd ignores the line.
                        let why = "the mask is not one of this address family: ntpd does not apply it";
                        self.notes.insert(index, (false, why.to_owned()));
                        let ip = address.ip()?;
                        let keep = dialect == Dialect::Ntpsec || !flags.serve();
                        keep.then(|| Entry::network(Network::host(ip), ntpport, flags))
                    })
                }).collect()
            }
        }
    }

    fn look_up(
        &mut self,
        index: usize,
        name: &str,
        flags: Flags,
        resolved: &BTreeMap<String, Vec<IpAddr>>,
    ) -> Option<Vec<IpAddr>> {
        if name.eq_ignore_ascii_case("localhost") {
            return Some(vec![
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ]);
        }
        let found = resolved.get(name).filter(|list| !list.is_empty()).cloned();
        match &found {
            Some(list) => {
                let list: Vec<String> = list.iter().map(ToString::to_string).collect();
                let why = format!("{name} was looked up once: {}", list.join(", "));
                self.notes.insert(index, (false, why));
            }
            None if flags.serve() => {
                let why = format!("{name} could not be looked up: the rule is left out");
                self.notes.insert(index, (true, why));
            }
            None => {
                let why = format!(
                    "{name} could not be looked up, so it cannot be refused: nobody is served"
                );
                self.notes.insert(index, (true, why));
                self.unknown_denied = Some(name.to_owned());
            }
        }
        found
    }
}

fn entry(ip: IpAddr, mask: Option<&str>, ntpport: bool, flags: Flags) -> Option<Entry> {
    let Some(text) = mask else {
        return Some(Entry::network(Network::host(ip), ntpport, flags));
    };
    if let Ok(bits) = text.parse::<u8>() {
        let most = if ip.is_ipv4() { 32 } else { 128 };
        return (bits <= most).then(|| Entry::network(Network::new(ip, bits), ntpport, flags));
    }
    Entry::masked(ip, text.parse().ok()?, ntpport, flags)
}

fn sum(flags: &[Opt]) -> Flags {
    flags
        .iter()
        .fold(Flags::NONE, |sum, flag| sum.and(Flags::of(flag.name)))
}

impl Converter<'_> {
    /// Looks for lines that show that ntpd served on purpose.
    pub(super) fn find_serving(&self) -> Serving {
        let mut evidence = Vec::new();
        let conf = &self.input.conf;
        let upstream: Vec<&str> = conf
            .statements()
            .filter_map(|statement| match &statement.body {
                Body::Association { address, .. } => Some(address.host()),
                _ => None,
            })
            .collect();
        for statement in conf.statements() {
            let why = match &statement.body {
                Body::Association { address, .. } => match statement.name {
                    "broadcast" => Some("broadcasts"),
                    "peer" if conf.dialect == Dialect::Classic => Some("has a peer"),
                    _ if address.refclock().is_some_and(|(driver, _)| driver == 1) => {
                        Some("has a local clock to serve")
                    }
                    _ => None,
                },
                Body::Refclock { driver, .. } if driver.text == "local" => {
                    Some("has a local clock to serve")
                }
                Body::Options(options) if statement.name == "tos" => options
                    .iter()
                    .any(|option| option.name == "orphan" && option.int().is_some_and(|n| n < 16))
                    .then_some("has an orphan mode"),
                Body::Restrict { target, flags } if statement.name == "restrict" => {
                    purpose(target, flags, &upstream)
                }
                Body::Options(options) if statement.name == "nts" => options
                    .iter()
                    .any(|option| option.name == "enable")
                    .then_some("serves NTS"),
                Body::Addresses(_) if statement.name == "manycastserver" => {
                    Some("answers manycast clients")
                }
                _ => None,
            };
            if let Some(why) = why {
                evidence.push(format!("{}: {why}", self.origin(statement.span)));
            }
        }
        let mut serve = self.policy.serve.unwrap_or(!evidence.is_empty());
        let mut withheld = None;
        if let Some(name) = self.restrictions.unknown_denied.as_ref().filter(|_| serve) {
            serve = false;
            withheld = Some(format!(
                "{name} is refused by ntpd but could not be looked up"
            ));
        } else if self.policy.serve == Some(false) && !evidence.is_empty() {
            withheld = Some("--no-serve was given".to_owned());
        }
        Serving {
            serve,
            evidence,
            withheld,
        }
    }

    pub(super) fn restrict(&mut self, index: usize, statement: &Statement) -> Outcome {
        let Body::Restrict { target, flags } = &statement.body else {
            return Outcome::dropped("not a restrict line");
        };
        if statement.name == "delrestrict" {
            let why =
                "rules are taken back in a running ntpd only: remove the line that it is about";
            return match self.serving.serve {
                true => Outcome::lost(why),
                false => Outcome::dropped(why),
            }
            .access();
        }
        let mut outcome = if *target == Target::Source {
            Outcome::implied("allow and deny never affect chrony's own sources")
        } else if self.serving.serve {
            Outcome::changed(Vec::new(), "part of the allow and deny lines at the end")
        } else if self.loopback_only(target) {
            Outcome::implied("this machine itself is always allowed to monitor")
        } else if let Some(why) = &self.serving.withheld {
            Outcome::changed(Vec::new(), &format!("nobody is answered: {why}"))
        } else {
            Outcome::changed(
                Vec::new(),
                "chronyd serves nobody until an allow line: nothing shows that this machine served on purpose (--serve keeps serving)",
            )
        };
        for flag in flags {
            let (loses, why) = match flag.name {
                "notrust" => (
                    true,
                    "chrony cannot ask clients for a key: they are refused",
                ),
                "version" => (
                    true,
                    "chrony cannot tell versions apart: these clients are refused",
                ),
                "ntpport" => (
                    false,
                    "chrony cannot tell source ports apart: the stricter rule holds",
                ),
                "flake" => (false, "flake (drop at random) has no counterpart"),
                "ippeerlimit" | "noepeer" | "epeer" => continue,
                "mssntp" => (
                    false,
                    "signing needs a chronyd built with it and ntpsigndsocket",
                ),
                "serverresponse" => (false, "serverresponse has no counterpart"),
                _ => continue,
            };
            let loses = loses && self.serving.serve;
            outcome = if loses {
                outcome.losing(why)
            } else {
                outcome.note(why)
            };
        }
        if let Some((loses, why)) = self.restrictions.notes.get(&index).cloned() {
            // A rule that only repeats what holds for everybody is no loss.
            let everybody = self
                .restrictions
                .table
                .entries()
                .iter()
                .filter(|entry| entry.mask == 0)
                .all(|entry| entry.flags.serve());
            let denied = self.restrictions.unknown_denied.is_some();
            let missed = self.serving.serve && !everybody && !self.own_source(target);
            let loses = loses && (missed || denied && self.serving.withheld.is_some());
            outcome = if loses {
                outcome.losing(why)
            } else {
                outcome.note(why)
            };
        }
        outcome.access()
    }

    /// Whether a rule is about a source of this machine's own, which chrony hears without any.
    fn own_source(&self, target: &Target) -> bool {
        let Target::Host { address, .. } = target else {
            return false;
        };
        let mut statements = self.input.conf.statements();
        statements.any(|statement| match &statement.body {
            Body::Association { address: own, .. } => own.host() == address.host(),
            _ => false,
        })
    }

    fn loopback_only(&self, target: &Target) -> bool {
        match target {
            Target::Host { address, .. } => {
                address.ip().is_some_and(|ip| ip.is_loopback())
                    || address.host().eq_ignore_ascii_case("localhost")
            }
            _ => false,
        }
    }

    /// The lines of the access section.
    pub(super) fn access_lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.serving.serve {
            let rules = self.restrictions.table.rules(Flags::serve);
            self.prove(&rules);
            let open = rules.iter().filter(|(allow, net)| *allow && net.bits == 0);
            let open: Vec<String> = open.map(|(_, net)| format!("allow {net}")).collect();
            if !open.is_empty() {
                let lines = if open.len() == 1 { "line" } else { "lines" };
                self.warn(&format!(
                    "everybody may ask this machine for the time, as before: remove the {lines} {} or name the networks if that is not wanted",
                    open.join(" and ")
                ));
            }
            push_rules(&mut lines, &rules, "allow", "deny");
        }
        if self.policy.remote_monitoring {
            let rules = self.restrictions.table.rules(Flags::query);
            push_rules(&mut lines, &rules, "cmdallow", "cmddeny");
            if rules
                .iter()
                .any(|(allow, network)| *allow && !network.address.is_loopback())
            {
                lines.push("bindcmdaddress 0.0.0.0".to_owned());
                lines.push("bindcmdaddress ::".to_owned());
            }
        }
        if let Some(line) = self.rate_limit() {
            lines.push(line);
        }
        lines
    }

    /// `limited` and `discard` as one global limit.
    fn rate_limit(&mut self) -> Option<String> {
        if !self.restrictions.limited && !self.rate.set {
            return None;
        }
        let kod = self.restrictions.kod && self.target.version >= Version::new(4, 6);
        let limit = RateLimit {
            interval: self.rate.interval,
            burst: self.rate.burst,
            kod: kod.then_some(2),
            ..RateLimit::default()
        };
        Some(write::line("ratelimit", &Value::RateLimit(limit)))
    }

    /// Compares both models at every boundary; a rule that would answer somebody whom ntpd
    /// refused is a bug, and then nobody is answered.
    fn prove(&mut self, rules: &[(bool, Network)]) {
        let mut model = Rules::new();
        for (allow, network) in rules {
            let access = Access {
                all: false,
                subject: Subject::Network(*network),
            };
            model.add(*allow, &access);
        }
        for address in self.restrictions.table.probes() {
            if model.allows(address) && !self.restrictions.table.serves(address) {
                self.refusal = Some(format!(
                    "a bug: the access rules would answer {address}, which ntpd refuses"
                ));
            }
        }
    }

    /// Whether a line of the input asks for a rate limit.
    pub(super) fn limits(&self) -> bool {
        self.restrictions.limited
    }
}

fn push_rules(lines: &mut Vec<String>, rules: &[(bool, Network)], allow: &str, deny: &str) {
    for (allowed, network) in rules {
        let word = if *allowed { allow } else { deny };
        // The whole of a family is written with its length, so that nobody overlooks it.
        lines.push(format!("{word} {network}"));
    }
}

/// Why a `restrict` line shows that clients were expected: a network or a host that is neither
/// this machine nor one of its own servers.
fn purpose(target: &Target, flags: &[Opt], upstream: &[&str]) -> Option<&'static str> {
    let sum = sum(flags);
    if sum.has(Flags::MSSNTP) {
        return Some("signs time for Windows");
    }
    let Target::Host { address, mask } = target else {
        return None;
    };
    let name = address.host();
    let own = upstream.contains(&name) || name.ends_with("pool.ntp.org");
    let own = own && (mask.is_none() || address.ip().is_none());
    let loopback = address.ip().is_some_and(|ip| ip.is_loopback())
        || address.host().eq_ignore_ascii_case("localhost");
    let everybody = address.ip().is_some_and(|ip| ip.is_unspecified());
    (sum.serve() && !own && !loopback && !everybody).then_some("lets clients in")
}
