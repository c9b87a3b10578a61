//! Whether the packet filter lets NTP through, as findings with the command that opens the way.

use super::judge::daemon_of;
use super::local::Facts;
use super::local::ntp;
use super::opening;
use crate::report::check_port::Family;
use crate::report::check_port::Outcome;
use crate::report::check_port::Passage;
use crate::report::check_port::Path as Way;
use crate::report::finding::Finding;
use crate::sys::daemons::Kind;

/// Adds what there is to say.
pub(super) fn findings(facts: &Facts, passages: &[Passage], findings: &mut Vec<Finding>) {
    if facts.filters_hidden {
        findings.push(
            Finding::info(
                "the packet filter's rules are for root alone to read: whether they let NTP through \
                 is not known",
            )
            .next("sudo clockbox check-port"),
        );
    }
    if ntp(&facts.listeners).next().is_some() {
        clients(facts, passages, findings);
    }
    let blocked = |way: Way| {
        passages
            .iter()
            .find(move |p| p.path == way && p.outcome == Outcome::Blocked)
    };
    for way in [Way::RequestsOut, Way::AnswersIn] {
        if let Some(passage) = blocked(way) {
            let what = match way {
                Way::RequestsOut => "requests to servers may not leave this machine",
                _ => "answers of servers may not come in",
            };
            let (command, stay) = opening::opening(passage, None);
            findings.push(
                Finding::error(format!("{what}{}: {}{stay}", at(passage), quote(passage)))
                    .next(command),
            );
            break;
        }
    }
    let redirected = |p: &&Passage| p.outcome == Outcome::Redirected && p.path == Way::RequestsIn;
    if let Some(passage) = passages.iter().find(redirected) {
        findings.push(Finding::info(format!(
            "clients' requests are sent on{}: {}",
            at(passage),
            quote(passage)
        )));
    }
}

/// Whether clients reach the server, family by family.
fn clients(facts: &Facts, passages: &[Passage], findings: &mut Vec<Finding>) {
    let ways = [Way::RequestsIn, Way::AnswersOut];
    let of_client = |p: &&Passage| {
        let v6 = facts.client.map(|c| c.is_ipv6());
        v6.is_none_or(|v6| v6 == (p.family == Family::Ipv6))
    };
    let mine: Vec<&Passage> = passages
        .iter()
        .filter(|p| ways.contains(&p.path))
        .filter(of_client)
        .collect();
    if let Some(first) = mine.iter().find(|p| p.outcome == Outcome::Blocked) {
        findings.push(blocked(facts, first, &mine));
    }
    let depends = |p: &&&Passage| p.path == Way::RequestsIn && p.outcome == Outcome::Conditional;
    if let Some(passage) = mine.iter().find(depends).filter(|_| facts.client.is_none()) {
        findings.push(
            Finding::info(format!(
                "which clients the packet filter lets in{} depends on their address, or on what else \
                 the rules ask",
                at(passage)
            ))
            .next("sudo clockbox check-port --client ADDRESS"),
        );
    }
}

fn blocked(facts: &Facts, first: &Passage, mine: &[&Passage]) -> Finding {
    let all = mine
        .iter()
        .filter(|p| p.path == first.path)
        .all(|p| p.outcome == Outcome::Blocked);
    let who = match (facts.client, all, first.family) {
        (Some(client), ..) => format!("does not let {client} reach"),
        (None, true, _) => "lets no client reach".to_owned(),
        (None, false, Family::Ipv4) => "lets no IPv4 client reach".to_owned(),
        (None, false, Family::Ipv6) => "lets no IPv6 client reach".to_owned(),
    };
    let (command, stay) = opening::opening(first, facts.client);
    let text = format!(
        "this machine's packet filter {who} UDP 123{}: {}",
        at(first),
        quote(first)
    );
    // ntpd holds the port as a mere client too; whoever else does wants to serve.
    let client_too = |kind| matches!(kind, Some(Kind::Ntpd | Kind::Ntpsec));
    let finding = if ntp(&facts.listeners).any(|l| client_too(daemon_of(facts, l))) {
        Finding::info(format!("{text}. That is fine if it is to serve nobody"))
    } else if all || facts.client.is_some() {
        Finding::error(format!("{text}{stay}"))
    } else {
        Finding::warning(format!("{text}{stay}"))
    };
    finding.next(command)
}

fn at(passage: &Passage) -> String {
    passage
        .at()
        .map(|at| format!(" at {at}"))
        .unwrap_or_default()
}

fn quote(passage: &Passage) -> String {
    format!(
        "{}: {}",
        passage.place.as_deref().unwrap_or_default(),
        passage.rule.as_deref().unwrap_or_default()
    )
}
