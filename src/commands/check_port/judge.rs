//! Whether what holds UDP 123 on this machine, or that nobody does, is as it should be.

use super::clients;
use super::local::Facts;
use super::local::ntp;
use super::nobody;
use crate::report::check_port::Daemon;
use crate::report::check_port::Listener;
use crate::report::check_port::OwnAnswer;
use crate::report::check_port::ServerState;
use crate::report::check_port::Verdict;
use crate::report::finding::Finding;
use crate::sys::daemons::Kind;

/// The state in a word and a sentence; what is wrong with it goes to the findings.
pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) -> (ServerState, String) {
    let mut holders: Vec<(String, &Listener)> = Vec::new();
    for listener in ntp(&facts.listeners) {
        let name = called(listener);
        if !holders.iter().any(|(other, _)| *other == name) {
            holders.push((name, listener));
        }
    }
    let names: Vec<&str> = holders.iter().map(|(name, _)| name.as_str()).collect();
    match holders.as_slice() {
        [] => nobody::nobody(facts, findings),
        [(name, only)] => held(facts, name, only, findings),
        _ => {
            findings.push(
                Finding::error(format!(
                    "UDP 123 is held by more than one program: {}. Clients get the answer of one or \
                     the other, by the address that they ask",
                    names.join(" and ")
                ))
                .next("stop and disable all but one: systemctl disable --now UNIT"),
            );
            (
                ServerState::Conflict,
                format!("UDP 123 is held by {}.", names.join(" and by ")),
            )
        }
    }
}

/// A holder as people call it: `chronyd (chrony.service)`.
fn called(listener: &Listener) -> String {
    let name = listener.process.clone();
    let within = listener.container.as_ref().or(listener.unit.as_ref());
    let forwards = listener
        .forwards_to
        .as_ref()
        .map(|to| format!(", which hands packets to {to}"));
    match (name, within) {
        (Some(name), Some(within)) => format!("{name} ({within}){}", forwards.unwrap_or_default()),
        (Some(name), None) => format!("{name}{}", forwards.unwrap_or_default()),
        (None, Some(within)) => within.clone(),
        (None, None) => {
            let user = listener
                .user
                .clone()
                .unwrap_or_else(|| listener.uid.to_string());
            format!("a process of user {user} (only root sees which)")
        }
    }
}

/// The time daemon behind a listener; `None` when it is none, or not seen.
pub(super) fn daemon_of(facts: &Facts, listener: &Listener) -> Option<Kind> {
    facts.kinds.get(&listener.pid?).copied()
}

fn held(
    facts: &Facts,
    name: &str,
    holder: &Listener,
    findings: &mut Vec<Finding>,
) -> (ServerState, String) {
    let daemon = daemon_of(facts, holder);
    let answers = facts.own_answers.iter().any(|a| a.offset_s.is_some());
    let relays = holder.forwards_to.is_some();
    match (&holder.process, daemon) {
        (Some(_), None) if !relays && !answers => return stranger(facts, name, holder, findings),
        (None, _) => {
            findings.push(
                Finding::info("which program holds UDP 123 is for root to see")
                    .next("sudo clockbox check-port"),
            );
            let seen = perhaps(facts);
            let text = format!("UDP 123 is held by {name}{seen}.");
            about_answers(facts, name, daemon, findings);
            clients::of_holder(facts, name, holder, daemon, findings);
            let state = if answers {
                ServerState::Held
            } else {
                ServerState::Unknown
            };
            return (state, text);
        }
        _ => {}
    }
    if let Some(rival) = daemon.and_then(|mine| rival(facts, mine)) {
        findings.push(fight(name, holder, rival));
        let text = format!(
            "UDP 123 is held by {name}, but {} runs beside it.",
            rival.name
        );
        return (ServerState::Conflict, text);
    }
    about_answers(facts, name, daemon, findings);
    clients::of_holder(facts, name, holder, daemon, findings);
    (ServerState::Held, format!("UDP 123 is held by {name}."))
}

/// The one daemon that runs, beside a holder that cannot be seen.
fn perhaps(facts: &Facts) -> String {
    let mut here = facts
        .daemons
        .iter()
        .filter(|d| d.in_this_namespace != Some(false));
    match (here.next(), here.next()) {
        (Some(only), None) if unsure(facts, only) => format!(
            "; {}[{}] runs, in this network namespace or in another",
            only.name, only.pid
        ),
        (Some(only), None) => format!("; {}[{}] runs", only.name, only.pid),
        _ => String::new(),
    }
}

/// Whether a daemon may as well belong to another network namespace: that is not told, and there are
/// several.
pub(super) fn unsure(facts: &Facts, daemon: &Daemon) -> bool {
    let several = facts.place.own_network_namespace == Some(true)
        || facts.place.container.is_some()
        || daemon.container.is_some();
    daemon.in_this_namespace.is_none() && several
}

/// A program that is not known as a time daemon and gives no NTP answer here.
fn stranger(
    facts: &Facts,
    name: &str,
    holder: &Listener,
    findings: &mut Vec<Finding>,
) -> (ServerState, String) {
    let next = format!("ps -fp {}", holder.pid.unwrap_or(0));
    let filtered = facts
        .own_answers
        .iter()
        .find_map(|a| a.filtered_by.as_deref());
    let why = match filtered {
        Some(rule) => Some(format!(
            "this machine's packet filter stops what would show it ({rule})"
        )),
        None if facts.filters_hidden => Some(
            "a packet filter, which only root can read, may have stopped the request".to_owned(),
        ),
        None => None,
    };
    if let Some(why) = why {
        findings.push(
            Finding::warning(format!(
                "whether {name} serves time is not known: it is no time daemon that clockbox knows, and {why}"
            ))
            .next(next),
        );
        return (
            ServerState::Unknown,
            format!("UDP 123 is held by {name}; whether it serves time is not known."),
        );
    }
    let garbage = facts
        .own_answers
        .iter()
        .any(|a| a.verdict == Verdict::Garbage);
    let says = if garbage {
        "answers, but not with NTP"
    } else {
        "gives no NTP answer"
    };
    findings.push(
        Finding::error(format!(
            "{name} is no time daemon that clockbox knows and {says}: no other can serve at UDP 123 \
             while it runs"
        ))
        .next(next),
    );
    (
        ServerState::Foreign,
        format!("UDP 123 is held by {name}, no time daemon that clockbox knows; it {says}."),
    )
}

/// Another daemon that steers the clock, where the holder of the port does too. Who may set the
/// clock fights for it wherever it runs; where that cannot be seen, who runs here.
fn rival(facts: &Facts, mine: Kind) -> Option<&Daemon> {
    let steers = |d: &Daemon| {
        let kind = Kind::ALL.into_iter().find(|kind| kind.word() == d.name);
        kind.is_some_and(Kind::disciplines)
            && d.steers_clock.unwrap_or(d.in_this_namespace != Some(false))
    };
    let own = facts
        .daemons
        .iter()
        .filter(|d| d.name == mine.word())
        .any(steers);
    facts
        .daemons
        .iter()
        .find(|d| own && d.name != mine.word() && steers(d))
}

fn fight(name: &str, holder: &Listener, rival: &Daemon) -> Finding {
    let stop = match &rival.unit {
        Some(unit) => format!("systemctl disable --now {unit}"),
        None => format!("kill {}", rival.pid),
    };
    let other = holder.unit.clone().unwrap_or_else(|| name.to_owned());
    Finding::error(format!(
        "{name} holds UDP 123 while {} (process {}) runs too: two time daemons steer one clock. One \
         must go: {} as below, or {other}",
        rival.name, rival.pid, rival.name
    ))
    .next(stop)
}

fn about_answers(facts: &Facts, name: &str, daemon: Option<Kind>, findings: &mut Vec<Finding>) {
    let answers = &facts.own_answers;
    let unsynchronised = answers
        .iter()
        .find(|a| a.verdict == Verdict::Unsynchronised);
    if let Some(answer) = unsynchronised {
        findings.push(
            Finding::error(format!("{name} holds UDP 123 and {}", answer.detail))
                .next("clockbox status"),
        );
    }
    let mute = |a: &&OwnAnswer| a.offset_s.is_none() && a.verdict != Verdict::Kiss;
    let addresses = |list: &[&OwnAnswer]| {
        let list: Vec<&str> = list.iter().map(|a| a.address.as_str()).collect();
        list.join(", ")
    };
    let (filtered, silent): (Vec<&OwnAnswer>, Vec<&OwnAnswer>) = answers
        .iter()
        .filter(mute)
        .partition(|a| a.filtered_by.is_some());
    if let Some(rule) = filtered.first().and_then(|a| a.filtered_by.as_deref()) {
        findings.push(Finding::info(format!(
            "what {name} answers at {} cannot be tried from here: this machine's packet filter stops \
             what it asks itself ({rule})",
            addresses(&filtered)
        )));
    }
    let silent: Vec<&OwnAnswer> = silent
        .into_iter()
        .filter(|a| a.verdict == Verdict::Silent)
        .collect();
    if silent.is_empty() {
        return;
    }
    let or = if facts.filters_hidden {
        ", or a packet filter drops the requests, which is for root alone to see"
    } else {
        ""
    };
    if silent.len() < answers.len() {
        findings.push(Finding::info(format!(
            "{name} answers at some own addresses and not at {}: by its access rules, or a limit of its \
             rate{or}",
            addresses(&silent)
        )));
        return;
    }
    let (why, next) = clients::silent_to_itself(facts, daemon);
    let text = format!(
        "{name} does not answer this machine itself at {}: {why}{or}",
        addresses(&silent)
    );
    let finding = match daemon {
        // Whoever serves lets the machine itself in, as a rule.
        Some(Kind::Ntpd | Kind::Ntpsec) => Finding::warning(text),
        _ => Finding::info(text),
    };
    findings.push(Finding { next, ..finding });
}

#[cfg(test)]
mod tests;
