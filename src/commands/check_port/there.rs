//! What the hosts answered, as the report's targets, and the findings about them: one for all
//! addresses that share a fault, with what to do.

use super::exchange::Plan;
use super::remote::Found;
use super::words;
use crate::proto::nts_ke;
use crate::report::check_port::Address;
use crate::report::check_port::Certificate;
use crate::report::check_port::NtsKe;
use crate::report::check_port::NtsKeState;
use crate::report::check_port::Target;
use crate::report::check_port::Test;
use crate::report::check_port::TestName;
use crate::report::check_port::TestOutcome;
use crate::report::check_port::Verdict;
use crate::report::finding::Finding;
use crate::report::format;
use crate::sys::clock;
use crate::sys::nts_ke as establish;
use crate::sys::nts_ke::Establishment;
use crate::sys::nts_ke::Stage;
use std::net::IpAddr;
use std::net::Ipv6Addr;

/// Days of a certificate's life below which its end is a finding.
const ENDING_DAYS: i64 = 14;
/// An offset that is worth a word, in seconds.
const OFF_S: f64 = 1.0;
/// Addresses that a finding names before it only counts.
const NAMED: usize = 3;

/// The report's targets.
#[must_use]
pub fn targets(found: &Found, plan: Plan, no_port_123: Option<&str>) -> Vec<Target> {
    let mut out = Vec::new();
    for host in &found.hosts {
        let addresses: Vec<Address> = host
            .addresses
            .iter()
            .filter_map(|(shown, index)| {
                let exchange = found.exchanges.get(*index)?;
                Some(words::address(exchange, shown.clone(), plan, no_port_123))
            })
            .collect();
        let best = addresses.iter().map(|a| a.verdict).min();
        out.push(Target {
            name: host.target.host.clone(),
            port: host.target.port,
            verdict: best.unwrap_or(Verdict::Unresolved),
            error: host.error.clone(),
            addresses,
        });
    }
    out
}

/// Tries NTS key establishment with every address.
pub fn add_nts(targets: &mut [Target], found: &Found, timeout_s: f64) {
    let mut jobs = Vec::new();
    for host in &found.hosts {
        for (_, index) in &host.addresses {
            if let Some(exchange) = found.exchanges.get(*index) {
                let mut address = exchange.address;
                address.set_port(nts_ke::PORT);
                jobs.push((host.target.host.clone(), address));
            }
        }
    }
    let results = establish::probe_all(&jobs, timeout_s, 64);
    let addresses = targets.iter_mut().flat_map(|t| t.addresses.iter_mut());
    for (address, result) in addresses.zip(results) {
        address.nts_ke = Some(nts(result));
    }
}

fn nts(found: Establishment) -> NtsKe {
    let (seconds, _) = clock::unix();
    let response = found.response.unwrap_or_default();
    let answered = found.stage == Stage::Answered;
    let good = answered && response.error.is_none() && response.ntpv4 && response.cookies > 0;
    let state = match found.stage {
        Stage::NotBuilt => NtsKeState::NotTried,
        Stage::Refused => NtsKeState::Closed,
        Stage::Silent => NtsKeState::Silent,
        Stage::Unreachable => NtsKeState::Unreachable,
        Stage::Answered if good => NtsKeState::Open,
        _ => NtsKeState::Failed,
    };
    let detail = match (&found.problem, state) {
        (_, NtsKeState::NotTried) => "this clockbox was built without NTS".to_owned(),
        (_, NtsKeState::Closed) => "nothing listens there".to_owned(),
        (Some(problem), _) => problem.clone(),
        (None, NtsKeState::Open) => format!("TLS 1.3, {} cookies", response.cookies),
        (None, _) => match response.error {
            Some(code) => format!("it reports error {code}"),
            None => "it gave no cookies".to_owned(),
        },
    };
    NtsKe {
        state,
        detail,
        port: nts_ke::PORT,
        alpn: found.alpn,
        certificate: found.certificate.map(|c| Certificate {
            names: c.names,
            not_before: format::rfc3339(c.not_before, 0),
            not_after: format::rfc3339(c.not_after, 0),
            days_left: (c.not_after - seconds).div_euclid(86_400),
            trusted: c.trusted,
            problem: c.problem,
        }),
        cookies: answered.then_some(response.cookies),
        server: response.server,
        ntp_port: response.port,
    }
}

/// Findings in the making: those with the same text are one, about several addresses.
#[derive(Default)]
struct Findings {
    list: Vec<(Finding, Vec<String>)>,
}

impl Findings {
    fn add(&mut self, who: &str, finding: Finding) {
        let alike =
            |other: &Finding| (other.severity, &other.text) == (finding.severity, &finding.text);
        let twin = self.list.iter_mut().find(|(other, _)| alike(other));
        match twin {
            Some((_, names)) => names.push(who.to_owned()),
            None => self.list.push((finding, vec![who.to_owned()])),
        }
    }

    fn done(self) -> Vec<Finding> {
        let named = |(mut finding, names): (Finding, Vec<String>)| {
            let shown = names
                .iter()
                .take(NAMED)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ");
            let more = match names.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            if !shown.is_empty() {
                finding.text = format!("{shown}{more}: {}", finding.text);
            }
            finding
        };
        self.list.into_iter().map(named).collect()
    }
}

/// What to know about the targets. `no_port_123` is why source port 123 could not be used.
#[must_use]
pub fn findings(targets: &[Target], no_port_123: Option<&str>, full: bool) -> Vec<Finding> {
    let mut found = Findings::default();
    for target in targets {
        if target.addresses.is_empty() {
            let why = target
                .error
                .clone()
                .unwrap_or_else(|| "it has no address".to_owned());
            found.add(
                &target.with_port(&target.name),
                Finding::error(why).next(if target.name.contains('%') {
                    "ip link".to_owned()
                } else if target.name.parse::<IpAddr>().is_ok() {
                    format!("clockbox check-port {}", target.with_port(&target.name))
                } else {
                    format!("getent ahosts {}", target.name)
                }),
            );
        }
        let others = target
            .addresses
            .iter()
            .any(|a| a.verdict != Verdict::NoRoute);
        for address in &target.addresses {
            let who = if address.address == target.name {
                target.with_port(&target.name)
            } else {
                format!("{} ({})", target.with_port(&target.name), address.address)
            };
            if let Some((address, 123)) = swallowed(target, address.verdict) {
                found.add(
                    &who,
                    Finding::info(format!(
                        "it was asked as an address; for port 123 at {address} write [{address}]:123"
                    ))
                    .next(format!("clockbox check-port [{address}]:123")),
                );
            }
            verdict(&mut found, &who, address, others);
            tests(&mut found, &who, address);
            nts_findings(&mut found, &who, address);
        }
    }
    let mut out = found.done();
    let wanted = targets
        .iter()
        .flat_map(|t| &t.addresses)
        .any(|a| full || matches!(a.verdict, Verdict::Silent | Verdict::Prohibited));
    if let Some(why) = no_port_123.filter(|_| wanted) {
        out.push(Finding::info(format!(
            "source port 123, which ntpd uses and some filters demand, was not tried: {why}"
        )));
    }
    out
}

fn verdict(found: &mut Findings, who: &str, address: &Address, others: bool) {
    let own = address
        .address
        .parse::<IpAddr>()
        .is_ok_and(|a| a.is_loopback());
    let there = || {
        if own {
            "sudo clockbox check-port"
        } else {
            "there: sudo clockbox check-port"
        }
    };
    let detail = address.detail.clone();
    match address.verdict {
        Verdict::Open => {
            if let Some(from) = &address.answered_from {
                found.add(
                    who,
                    Finding::warning(format!(
                        "the answer came from {from}, not from the address that was asked: clients drop it"
                    ))
                    .next("bind its daemon to the address, or give it IP_PKTINFO (a container's proxy?)"),
                );
            }
            if address.version == Some(3) {
                found.add(
                    who,
                    Finding::warning("it answers NTP version 3 only; most clients ask with 4"),
                );
            }
            if let Some(offset) = address.offset_s.filter(|o| o.abs() >= OFF_S) {
                let way = if offset > 0.0 { "behind" } else { "ahead of" };
                found.add(
                    who,
                    Finding::warning(format!(
                        "this machine's clock is {} {way} it: one of the two is wrong",
                        format::seconds(offset.abs())
                    ))
                    .next("clockbox sync --dry-run"),
                );
            }
        }
        Verdict::Unsynchronised => {
            found.add(who, Finding::warning(detail).next("there: clockbox status"))
        }
        Verdict::Kiss => {
            let next = match address.kiss.as_deref() {
                Some("RATE") => "wait some minutes, and ask more seldom".to_owned(),
                _ => "there: let this client in (chrony `allow`, ntpd `restrict`)".to_owned(),
            };
            found.add(who, Finding::warning(detail).next(next));
        }
        Verdict::Garbage => found.add(who, Finding::error(detail).next(there())),
        Verdict::Closed => found.add(who, Finding::error(detail).next(there())),
        Verdict::Prohibited => {
            let by = address.icmp.as_ref().and_then(|i| i.from.clone());
            let by = by.unwrap_or_else(|| "the firewall".to_owned());
            found.add(
                who,
                Finding::error(detail).next(format!("at {by}: let UDP port 123 through to it")),
            );
        }
        Verdict::Unreachable => {
            found.add(
                who,
                Finding::error(detail).next(format!("ip route get {}", address.address)),
            );
        }
        // The finding about the source port says more.
        Verdict::Silent if answers_123_only(address) => {}
        Verdict::Silent => found.add(who, Finding::warning(detail).next(there())),
        Verdict::BlockedHere => {
            found.add(who, Finding::error(detail).next("sudo clockbox check-port"))
        }
        Verdict::NoRoute if others => found.add(
            "",
            Finding::info(format!("{detail} (for {})", family(address))),
        ),
        Verdict::NoRoute => found.add(who, Finding::warning(detail).next("ip route")),
        Verdict::Unresolved => {}
    }
}

/// An address without brackets whose end may have been meant as a port, where it does not answer.
fn swallowed(target: &Target, verdict: Verdict) -> Option<(&str, u16)> {
    let whole = target.name.parse::<Ipv6Addr>().is_ok() && target.port == 123;
    let (address, tail) = target.name.rsplit_once(':').filter(|_| whole)?;
    let meant = verdict > Verdict::Kiss && address.parse::<Ipv6Addr>().is_ok();
    Some((address, tail.parse().ok()?)).filter(|_| meant)
}

const fn family(address: &Address) -> &'static str {
    match address.family {
        crate::report::check_port::Family::Ipv4 => "IPv4",
        crate::report::check_port::Family::Ipv6 => "IPv6",
    }
}

/// Silent to random ports, and not to port 123.
fn answers_123_only(address: &Address) -> bool {
    let answered =
        |t: &&Test| t.test == TestName::SourcePort123 && t.outcome == TestOutcome::Answered;
    address.verdict != Verdict::Open && address.tests.iter().any(|t| answered(&t))
}

fn tests(found: &mut Findings, who: &str, address: &Address) {
    let outcome = |name: TestName| {
        address
            .tests
            .iter()
            .find(|t| t.test == name)
            .map(|t| t.outcome)
    };
    let answered = |name| outcome(name) == Some(TestOutcome::Answered);
    let lost = |name| {
        matches!(
            outcome(name),
            Some(TestOutcome::Silent | TestOutcome::Refused)
        )
    };
    let open = matches!(address.verdict, Verdict::Open | Verdict::Unsynchronised);
    if answered(TestName::SourcePort123) && !open && address.verdict != Verdict::BlockedHere {
        found.add(
            who,
            Finding::warning(
                "it answers requests from source port 123, and no others: a filter on the way lets \
                 only those through",
            )
            .next("until that is mended, in chrony.conf: acquisitionport 123"),
        );
    }
    if lost(TestName::SourcePort123) && open {
        found.add(
            who,
            Finding::warning(
                "it answers requests from random ports, and none from source port 123: a provider or \
                 a router filters those. ntpd always uses 123; chronyd does not",
            ),
        );
    }
    if lost(TestName::Ntpv3) && open && address.version == Some(4) {
        found.add(
            who,
            Finding::info("it does not answer NTP version 3, which only old clients use"),
        );
    }
    if lost(TestName::NtsSize) && open {
        found.add(
            who,
            Finding::warning(
                "it answers requests of 48 octets, and none of 228 with an extension field: a filter on \
                 the way drops them (NTS cannot work through that), or the server does (NTPsec's \
                 ntpd drops fields that it does not know, and NTS works all the same)",
            ),
        );
    }
    exposure(found, who, address);
    if address
        .tests
        .iter()
        .any(|t| t.outcome == TestOutcome::Inconclusive)
    {
        found.add(
            who,
            Finding::warning(
                "it stopped answering ordinary requests after some: a rate limit there or on the way, so \
                 the further tests say nothing",
            ),
        );
    }
}

/// Modes that answer more than the time.
fn exposure(found: &mut Findings, who: &str, address: &Address) {
    for (name, what, next) in [
        (
            TestName::Mode6,
            "mode 6 (ntpq)",
            "ntp.conf there: restrict default nomodify nopeer noquery limited",
        ),
        (
            TestName::Mode7,
            "mode 7 (ntpdc), asked for monlist, its list of clients",
            "ntp.conf there: disable monitor, and restrict default noquery",
        ),
    ] {
        if let Some(test) = address
            .tests
            .iter()
            .find(|t| t.test == name && t.outcome == TestOutcome::Answered)
        {
            let (sent, back) = (
                test.sent_octets.unwrap_or(0),
                test.received_octets.unwrap_or(0),
            );
            let text = if back > sent {
                format!(
                    "it answers {what}. {sent} octets brought {back}: {:.1} times as much, which \
                     strangers can aim at others",
                    f64::from(back) / f64::from(sent.max(1))
                )
            } else {
                format!(
                    "it answers {what}, with no more than was asked ({sent} octets brought {back}), \
                     though strangers have no use of that mode"
                )
            };
            found.add(who, Finding::warning(text).next(next));
        }
    }
}

fn nts_findings(found: &mut Findings, who: &str, address: &Address) {
    let Some(nts) = &address.nts_ke else {
        return;
    };
    if nts.state == NtsKeState::Failed {
        found.add(
            who,
            Finding::warning(format!("NTS key establishment: {}", nts.detail)),
        );
    }
    let Some(certificate) = &nts.certificate else {
        return;
    };
    if certificate.trusted == Some(false) {
        let problem = certificate.problem.clone().unwrap_or_default();
        found.add(
            who,
            Finding::warning(format!("its NTS certificate is not trusted: {problem}")),
        );
    } else if certificate.days_left < ENDING_DAYS {
        found.add(
            who,
            Finding::warning(format!(
                "its NTS certificate ends in {} days",
                certificate.days_left
            )),
        );
    }
}
