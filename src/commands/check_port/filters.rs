//! This machine's packet filters: which there are, and what their rules do with NTP. The rules are
//! read with the filters' own tools; that needs root.

use crate::conf::firewall;
use crate::conf::firewall::Direction;
use crate::conf::firewall::Fate;
use crate::conf::firewall::Flow;
use crate::conf::firewall::Owner;
use crate::conf::firewall::Ruleset;
use crate::conf::firewall::Verdict;
use crate::conf::firewall::iptables;
use crate::conf::firewall::nft;
use crate::report::check_port::Condition;
use crate::report::check_port::Family;
use crate::report::check_port::Filter;
use crate::report::check_port::NEEDS_ROOT;
use crate::report::check_port::Outcome;
use crate::report::check_port::Passage;
use crate::report::check_port::Path as Way;
use crate::sys::files;
use crate::sys::interfaces::InterfaceAddress;
use crate::sys::process;
use std::net::IpAddr;
use std::path::Path;

/// Seconds that a tool may take; a rule set of a hundred thousand elements takes some.
const SECONDS: f64 = 10.0;
/// Octets that a tool may print.
const LIMIT: usize = 64 << 20;
/// The port of NTP.
const NTP: u16 = 123;
/// Octets of an IP packet with a request or an answer.
const LENGTH_V4: u16 = 20 + 8 + 48;
const LENGTH_V6: u16 = 40 + 8 + 48;

/// What was found.
#[derive(Debug, Default)]
pub struct Filters {
    /// The tools and whether they could read.
    pub filters: Vec<Filter>,
    /// The rules.
    pub rulesets: Vec<Ruleset>,
}

/// Reads all packet filters of this network namespace.
#[must_use]
pub fn read() -> Filters {
    let mut found = Filters::default();
    let listing = nftables(&mut found);
    let compatible = listing.as_ref().map(|l| l.of_iptables.clone());
    for (v6, family, tool) in [(false, "ip", "iptables"), (true, "ip6", "ip6tables")] {
        let foreign: Vec<&String> = compatible
            .iter()
            .flatten()
            .filter(|name| name.split(' ').next() == Some(family))
            .collect();
        // nft shows these tables too, but only iptables can read what is in them.
        if compatible.is_none() || !foreign.is_empty() {
            let save = format!("{tool}-nft-save");
            if process::find(&save).is_some() {
                let before = found.rulesets.len();
                save_tool(&mut found, &save, &format!("{tool}-nft"), v6);
                if found.rulesets.len() > before {
                    let table = |set: &Ruleset| foreign.iter().any(|name| **name == set.name);
                    found.rulesets.retain(|set| !table(set));
                }
            }
        }
        let names = format!("/proc/net/{}_tables_names", if v6 { "ip6" } else { "ip" });
        let legacy = format!("{tool}-legacy-save");
        let plain = format!("{tool}-save");
        let tables = files::read_text(Path::new(&names), 4096);
        let some = tables.as_ref().is_ok_and(|text| !text.trim().is_empty());
        let hidden = tables
            .as_ref()
            .is_err_and(crate::sys::error::Error::is_permission);
        if process::find(&legacy).is_some() {
            if some || hidden {
                save_tool(&mut found, &legacy, &format!("{tool}-legacy"), v6);
            }
        } else if process::find(&plain).is_some() && (some || hidden || compatible.is_none()) {
            save_tool(&mut found, &plain, tool, v6);
        }
    }
    found
}

fn nftables(found: &mut Filters) -> Option<nft::Listing> {
    let name = "nftables".to_owned();
    process::find("nft")?;
    let said = match process::read("nft", &["-j", "list", "ruleset"], SECONDS, LIMIT) {
        Ok(said) => said,
        Err(e) => {
            found.filters.push(Filter {
                name,
                read: false,
                detail: e.reason.to_string(),
            });
            return None;
        }
    };
    if said.status != Some(0) {
        found.filters.push(Filter {
            name,
            read: false,
            detail: privilege(&said.reason()),
        });
        return None;
    }
    match nft::parse(&said.stdout) {
        Ok(listing) => {
            let detail = format!("{} tables", listing.rulesets.len());
            found.filters.push(Filter {
                name,
                read: true,
                detail,
            });
            found.rulesets.extend(listing.rulesets.iter().cloned());
            Some(listing)
        }
        Err(why) => {
            found.filters.push(Filter {
                name,
                read: false,
                detail: why,
            });
            None
        }
    }
}

fn save_tool(found: &mut Filters, tool: &str, name: &str, v6: bool) {
    let (read, detail) = match process::read(tool, &[], SECONDS, LIMIT) {
        Ok(said) if said.status == Some(0) => {
            let sets = iptables::parse(&said.stdout, v6, name);
            let detail = format!("{} tables", sets.len());
            found.rulesets.extend(sets);
            (true, detail)
        }
        Ok(said) => (false, privilege(&said.reason())),
        Err(e) => (false, e.reason.to_string()),
    };
    let name = name.to_owned();
    found.filters.push(Filter { name, read, detail });
}

/// Tools say in many ways that they want root.
fn privilege(reason: &str) -> String {
    let lower = reason.to_lowercase();
    if lower.contains("permi") || lower.contains("root") || lower.contains("not allowed") {
        NEEDS_ROOT.to_owned()
    } else {
        reason.to_owned()
    }
}

/// What the rules do with NTP on each way, family and interface.
#[must_use]
pub fn passages(
    found: &Filters,
    addresses: &[InterfaceAddress],
    client: Option<IpAddr>,
) -> Vec<Passage> {
    if found.filters.iter().all(|f| !f.read) {
        return Vec::new();
    }
    // Link-local IPv6 is everywhere; it is told of only beside an address that others can ask.
    let link_local =
        |a: &&InterfaceAddress| matches!(a.address, IpAddr::V6(six) if six.is_unicast_link_local());
    let addresses: Vec<&InterfaceAddress> = addresses.iter().filter(|a| !link_local(a)).collect();
    let mut out = Vec::new();
    for way in [
        Way::RequestsIn,
        Way::AnswersOut,
        Way::RequestsOut,
        Way::AnswersIn,
    ] {
        for v6 in [false, true] {
            // A rule may name an interface, or one of its addresses.
            let mut rows: Vec<Passage> = Vec::new();
            for here in addresses
                .iter()
                .copied()
                .filter(|a| a.up && !a.loopback && a.address.is_ipv6() == v6)
            {
                let serving = matches!(way, Way::RequestsIn | Way::AnswersOut);
                let client = client.filter(|c| serving && c.is_ipv6() == v6);
                let mut row = passage(found, way, here, client, NTP);
                let known = rows
                    .iter_mut()
                    .find(|r| r.interface == row.interface && alike(r, &row));
                match known {
                    Some(known) => known.addresses.push(here.address.to_string()),
                    None => {
                        row.addresses.push(here.address.to_string());
                        rows.push(row);
                    }
                }
            }
            out.extend(shortened(rows));
        }
    }
    out
}

fn alike(one: &Passage, other: &Passage) -> bool {
    (one.outcome, &one.rule, &one.conditions) == (other.outcome, &other.rule, &other.conditions)
}

/// The rows without the addresses, or the interfaces, that make no difference.
fn shortened(mut rows: Vec<Passage>) -> Vec<Passage> {
    if rows
        .iter()
        .all(|row| rows.first().is_some_and(|first| alike(first, row)))
    {
        rows.truncate(1);
        for row in &mut rows {
            row.interface = None;
        }
    }
    let names: Vec<Option<String>> = rows.iter().map(|row| row.interface.clone()).collect();
    for row in &mut rows {
        if names.iter().filter(|name| **name == row.interface).count() == 1 {
            row.addresses.clear();
        }
    }
    rows
}

/// What the rules do with NTP one way over the interface that has the address. `remote` is the
/// other side, where it is known, `port` the server's.
pub(super) fn passage(
    found: &Filters,
    way: Way,
    here: &InterfaceAddress,
    remote: Option<IpAddr>,
    port: u16,
) -> Passage {
    let v6 = here.address.is_ipv6();
    let flow = flow(way, here, remote, port);
    let verdict = firewall::evaluate(&found.rulesets, &flow);
    let deciding = verdict.deciding();
    Passage {
        path: way,
        family: if v6 { Family::Ipv6 } else { Family::Ipv4 },
        interface: Some(here.name.clone()),
        addresses: Vec::new(),
        outcome: outcome(&verdict),
        rule: deciding.map(|r| r.rule.clone()),
        place: deciding.map(|r| r.place.clone()),
        owner: deciding.map(|r| owner_word(&r.owner).to_owned()),
        conditions: conditions(&verdict),
    }
}

fn flow(way: Way, here: &InterfaceAddress, remote: Option<IpAddr>, port: u16) -> Flow {
    let v6 = here.address.is_ipv6();
    let inward = matches!(way, Way::RequestsIn | Way::AnswersIn);
    let to_server = matches!(way, Way::RequestsIn | Way::RequestsOut);
    Flow {
        direction: if inward {
            Direction::In
        } else {
            Direction::Out
        },
        v6,
        source_port: (!to_server).then_some(port),
        destination_port: to_server.then_some(port),
        reply: !to_server,
        interface: Some(here.name.clone()),
        local: Some(here.address),
        remote,
        length: if v6 { LENGTH_V6 } else { LENGTH_V4 },
    }
}

/// The rule that stops, or may stop, what this machine asks itself at one of its own addresses: such
/// packets leave and come in by the loopback interface, there and back.
pub(super) fn on_the_way_to_itself(found: &Filters, address: IpAddr) -> Option<String> {
    let loopback = InterfaceAddress {
        name: "lo".to_owned(),
        index: 1,
        address,
        loopback: true,
        up: true,
    };
    let ways = [
        Way::RequestsOut,
        Way::RequestsIn,
        Way::AnswersOut,
        Way::AnswersIn,
    ];
    ways.into_iter().find_map(|way| {
        let flow = flow(way, &loopback, Some(address), NTP);
        let verdict = firewall::evaluate(&found.rulesets, &flow);
        let stops = verdict.rulings.iter().find(|r| !r.fate.passes())?;
        Some(format!("{}: {}", stops.place, stops.rule))
    })
}

fn outcome(verdict: &Verdict) -> Outcome {
    match verdict.outcome() {
        firewall::Outcome::Allowed => Outcome::Allowed,
        firewall::Outcome::Conditional => Outcome::Conditional,
        firewall::Outcome::Blocked => match verdict.deciding().map(|r| &r.fate) {
            Some(Fate::Redirected(_)) => Outcome::Redirected,
            _ => Outcome::Blocked,
        },
    }
}

fn conditions(verdict: &Verdict) -> Vec<Condition> {
    if verdict.outcome() != firewall::Outcome::Conditional {
        return Vec::new();
    }
    let one = |ruling: &firewall::Ruling| Condition {
        when: (!ruling.conditions.is_empty()).then(|| ruling.conditions.join(", ")),
        then: match &ruling.fate {
            Fate::Accepted => "accept",
            Fate::Dropped => "drop",
            Fate::Rejected(_) => "reject",
            Fate::Redirected(_) => "redirect",
            Fate::Unknown(_) => "unknown",
        }
        .to_owned(),
        rule: ruling.rule.clone(),
    };
    verdict.rulings.iter().map(one).collect()
}

const fn owner_word(owner: &Owner) -> &'static str {
    match owner {
        Owner::Firewalld(_) => "firewalld",
        Owner::Ufw => "ufw",
        Owner::Nftables => "nftables",
        Owner::Iptables => "iptables",
    }
}
