//! Whether the sources are witnesses enough: how many there are, whose, and whether they may stand
//! beside each other. Pure.

use super::gather::Gathered;
use super::observed::Observed;
use super::reference;
use crate::conf::cloud::SMEARED;
use crate::conf::ptp::PtpKind;
use crate::report::finding::Finding;
use crate::report::sources::SourceKind;
use crate::report::sources::SourceRow;
use crate::report::sources::State;
use std::collections::BTreeSet;

/// Everything that is to be said of them.
#[must_use]
pub fn findings(seen: &Observed, gathered: &Gathered) -> Vec<Finding> {
    let mut found = few(seen, gathered);
    found.extend(smeared(&seen.sources));
    found.extend(own_clocks(&seen.sources));
    found
}

/// Fewer sources than a majority needs, or all of them one operator's.
fn few(seen: &Observed, gathered: &Gathered) -> Vec<Finding> {
    let mut found = Vec::new();
    let network: Vec<&SourceRow> = seen
        .sources
        .iter()
        .filter(|row| matches!(row.kind, SourceKind::Server | SourceKind::Peer))
        .filter(|row| row.state != State::Unresolved)
        .collect();
    let single = seen.daemon.name == "systemd-timesyncd";
    if network.is_empty() || single || seen.daemon.via.is_none() {
        return found;
    }
    // A clock of the host's own is a better witness than three servers.
    let host_clock = gathered
        .clocks
        .iter()
        .any(|clock| PtpKind::of(&clock.clock_name).is_hosts())
        && seen
            .sources
            .iter()
            .any(|row| row.kind == SourceKind::Refclock && row.state.is_good());
    // One that is configured never to be used is no witness.
    let network: Vec<&SourceRow> = network
        .into_iter()
        .filter(|row| !row.options.iter().any(|option| option == "noselect"))
        .collect();
    // ntpd-rs does not say which of those that answer it uses.
    let told = |row: &&&SourceRow| row.state == State::Unknown && row.offset_s.is_some();
    let good = network
        .iter()
        .filter(|row| row.state.is_good() || told(row))
        .count();
    // It may be too new, or not answer: others are not to stand beside it.
    let cloud_server = network
        .iter()
        .any(|row| row.address.as_deref().is_some_and(is_link_local));
    if !host_clock && !cloud_server && network.len() < 4 {
        // A name without an address, as it is counted above the table, is one all the same.
        let unresolved = seen.sources.iter().filter(|r| r.state == State::Unresolved);
        let sources = network.len() + unresolved.count();
        found.extend(fewer_than_four(sources, good, seen.limits.running_s));
    }
    let operators: BTreeSet<String> = network.iter().map(|row| operator(row.title())).collect();
    let addresses = network
        .iter()
        .all(|row| row.title().parse::<std::net::IpAddr>().is_ok());
    if network.len() > 1 && operators.len() == 1 && !addresses {
        let operator = operators.into_iter().next().unwrap_or_default();
        if operator != "ntp.org" && !operator.ends_with("ubuntu.com") {
            found.push(
                Finding::info(format!(
                    "all sources are {operator}'s: what goes wrong there goes wrong in all of them. Put others beside them"
                ))
                .next("clockbox sources set --add HOST..."),
            );
        }
    }
    found
}

/// What one, two and three sources cannot do.
fn fewer_than_four(sources: usize, good: usize, running_s: Option<f64>) -> Option<Finding> {
    let why = match sources {
        0 => return None,
        1 => "one source only: if it lies or dies, nothing notices",
        2 => "two sources only: when they disagree, nothing tells which one lies",
        _ => "three sources outvote one that lies, but not once another is lost; four do",
    };
    // What has just started has no good source yet.
    let settled = running_s.is_none_or(|s| s > 60.0);
    let text = if good < sources && settled {
        format!("{why} (good now: {good} of {sources})")
    } else {
        why.to_owned()
    };
    let finding = if sources < 3 || (settled && good < 3) {
        Finding::warning(text)
    } else {
        Finding::info(text)
    };
    Some(finding.next("clockbox sources set --add HOST..."))
}

/// Servers that serve their own clock for want of a source: agreeing with them proves nothing.
fn own_clocks(sources: &[SourceRow]) -> Option<Finding> {
    let names: BTreeSet<&str> = sources
        .iter()
        .filter(|row| reference::serves_own_clock(row))
        .map(SourceRow::title)
        .collect();
    if names.is_empty() {
        return None;
    }
    let verb = if names.len() == 1 {
        "serves its"
    } else {
        "serve their"
    };
    Some(
        Finding::warning(format!(
            "{} {verb} own clock for want of a source (local): to agree with that says nothing of true time; a public pool does",
            names.into_iter().collect::<Vec<_>>().join(", ")
        ))
        .next("clockbox sync --dry-run --pool pool.ntp.org"),
    )
}

/// The cloud's own servers: a majority of one that is looked after.
fn is_link_local(address: &str) -> bool {
    address.starts_with("169.254.") || address == "fd00:ec2::123"
}

/// The domain that somebody registered, roughly: the last two labels, three under a short second
/// level such as `ad.jp` and `co.uk`.
fn operator(name: &str) -> String {
    let labels: Vec<&str> = name.split('.').collect();
    let short = labels
        .len()
        .checked_sub(2)
        .and_then(|i| labels.get(i))
        .is_some_and(|label| label.len() <= 3);
    let top_short = labels.last().is_some_and(|label| label.len() == 2);
    let keep = if short && top_short { 3 } else { 2 };
    let from = labels.len().saturating_sub(keep);
    labels.get(from..).unwrap_or(&labels).join(".")
}

fn smeared(sources: &[SourceRow]) -> Option<Finding> {
    let is = |row: &&SourceRow| {
        let named =
            |text: &Option<String>| text.as_deref().is_some_and(|text| SMEARED.contains(&text));
        named(&row.name) || named(&row.address)
    };
    let used = || {
        sources
            .iter()
            .filter(|row| matches!(row.kind, SourceKind::Server | SourceKind::Refclock))
            .filter(|row| row.state != State::Unresolved)
            .filter(|row| !row.options.iter().any(|o| o == "noselect"))
    };
    let smearing: BTreeSet<&str> = used().filter(is).map(SourceRow::title).collect();
    let plain: BTreeSet<&str> = used()
        .filter(|row| !is(row))
        .map(SourceRow::title)
        .collect();
    if smearing.is_empty() || plain.is_empty() {
        return None;
    }
    // A clock of this machine is no server to take out; else the few make way for the many.
    let clock = used().any(|row| row.kind == SourceKind::Refclock && !is(&row));
    let goes = match clock || smearing.len() <= plain.len() {
        true => &smearing,
        false => &plain,
    };
    let list = |names: &BTreeSet<&str>, between| {
        let names: Vec<&str> = names.iter().take(3).copied().collect();
        names.join(between)
    };
    let next = format!("clockbox sources unset {}", list(goes, " "));
    Some(
        Finding::warning(format!(
            "{} smear leap seconds and {} do not: around a leap second they differ by up to half a second. Use one kind",
            smearing.iter().copied().collect::<Vec<_>>().join(", "),
            list(&plain, ", "),
        ))
        .next(next),
    )
}

#[cfg(test)]
#[path = "witnesses_tests.rs"]
mod tests;
