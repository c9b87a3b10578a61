//! Whether what holds UDP 123 on this machine, or that nobody does, is as it should be.

use super::local::Facts;
use super::local::ntp;
use crate::report::check_port::Daemon;
use crate::report::check_port::Listener;
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
        [] => nobody(facts, findings),
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
    let seen = match (&holder.process, facts.daemons.as_slice()) {
        (None, [only]) => format!("; {}[{}] runs", only.name, only.pid),
        _ => String::new(),
    };
    match (&holder.process, daemon) {
        (Some(_), None) if !relays && !answers => {
            findings.push(
                Finding::error(format!(
                    "{name} is no time daemon: none can serve at UDP 123 while it runs"
                ))
                .next(format!("ps -fp {}", holder.pid.unwrap_or(0))),
            );
            return (
                ServerState::Foreign,
                format!("UDP 123 is held by {name}, which is no time daemon."),
            );
        }
        (None, _) if !answers => {
            findings.push(
                Finding::info("which program holds UDP 123 is for root to see")
                    .next("sudo clockbox check-port"),
            );
            return (
                ServerState::Unknown,
                format!("UDP 123 is held by {name}{seen}."),
            );
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
    about_answers(facts, name, findings);
    (
        ServerState::Held,
        format!("UDP 123 is held by {name}{seen}."),
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

fn about_answers(facts: &Facts, name: &str, findings: &mut Vec<Finding>) {
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
    let silent: Vec<&str> = answers
        .iter()
        .filter(|a| a.verdict == Verdict::Silent)
        .map(|a| a.address.as_str())
        .collect();
    if !silent.is_empty() && silent.len() == answers.len() {
        findings.push(Finding::info(format!(
            "{name} does not answer this machine itself at {}: its access rules leave it out \
             (chronyd's `allow`, ntpd's `restrict`), which says nothing of other clients",
            silent.join(", ")
        )));
    } else if !silent.is_empty() {
        findings.push(Finding::info(format!(
            "{name} answers at some own addresses and not at {}: by its access rules",
            silent.join(", ")
        )));
    }
}

fn nobody(facts: &Facts, findings: &mut Vec<Finding>) -> (ServerState, String) {
    let here: Vec<&Daemon> = facts
        .daemons
        .iter()
        .filter(|d| d.in_this_namespace != Some(false))
        .collect();
    if let Some(chronyd) = here.iter().find(|d| d.name == "chronyd") {
        return nobody_chronyd(facts, chronyd, findings);
    }
    let serve = |what: &str| {
        Finding::info(format!(
            "if this machine is to serve time to others: {what}"
        ))
    };
    let fine = |name: &str| {
        (
            ServerState::NobodyFine,
            format!(
                "Nobody holds UDP 123, and that is fine: {name} asks from other ports and serves nobody."
            ),
        )
    };
    for daemon in &here {
        match daemon.name.as_str() {
            "systemd-timesyncd" => {
                findings.push(
                    serve(
                        "systemd-timesyncd cannot; install chrony and let clients in with `allow`",
                    )
                    .next("apt install chrony   (or dnf, zypper, apk)"),
                );
                return fine("systemd-timesyncd");
            }
            "ntpd-rs" => {
                findings.push(serve(
                    "add a [[server]] section with `listen = \"0.0.0.0:123\"` to ntp.toml",
                ));
                return fine("ntpd-rs without a [[server]] section");
            }
            "openntpd" => {
                findings.push(serve("add `listen on *` to its ntpd.conf"));
                return fine("OpenNTPD without `listen on`");
            }
            name @ ("clockbox" | "busybox-ntpd" | "phc2sys") => return fine(name),
            "ptp4l" | "ts2phc" | "timemaster" => {}
            _ => {
                let unit = daemon.unit.clone().unwrap_or_else(|| "ntpd".to_owned());
                findings.push(
                    Finding::error(format!(
                        "{} runs (process {}) and does not hold UDP 123, which ntpd always does",
                        daemon.name, daemon.pid
                    ))
                    .next(format!("journalctl -u {unit} | grep -i bind")),
                );
                return (
                    ServerState::NobodyWrong,
                    format!("Nobody holds UDP 123, though {} runs.", daemon.name),
                );
            }
        }
    }
    nobody_runs(facts, findings)
}

fn nobody_runs(facts: &Facts, findings: &mut Vec<Finding>) -> (ServerState, String) {
    let elsewhere = facts
        .daemons
        .iter()
        .find(|d| d.in_this_namespace == Some(false));
    if let Some(daemon) = elsewhere {
        findings.push(Finding::info(format!(
            "{} (process {}) runs in another network namespace: a container, or the host of this one",
            daemon.name, daemon.pid
        )));
    }
    let inside = facts.place.container.is_some() || facts.place.own_network_namespace == Some(true);
    if inside {
        return (
            ServerState::NobodyFine,
            "Nobody holds UDP 123 in this network namespace.".to_owned(),
        );
    }
    findings.push(
        Finding::warning("no time daemon was seen: nothing keeps this machine's clock right")
            .next("clockbox status"),
    );
    (
        ServerState::NobodyRuns,
        "Nobody holds UDP 123, and no time daemon runs.".to_owned(),
    )
}

fn nobody_chronyd(
    facts: &Facts,
    daemon: &Daemon,
    findings: &mut Vec<Finding>,
) -> (ServerState, String) {
    let unit = daemon.unit.clone().unwrap_or_else(|| "chronyd".to_owned());
    let client = facts
        .client
        .map_or_else(|| "192.0.2.0/24".to_owned(), |c| c.to_string());
    if let Some(file) = facts.chrony.as_ref().filter(|f| f.readable && f.allows) {
        let (why, next) = if file.port == 0 {
            (
                "but also `port 0`, which closes the port".to_owned(),
                format!(
                    "remove `port 0` from {} and: systemctl restart {unit}",
                    file.path
                ),
            )
        } else {
            (
                "but the chronyd that runs was started without".to_owned(),
                format!("systemctl restart {unit}"),
            )
        };
        let port = if file.port == 0 { 123 } else { file.port };
        if port != 123 {
            findings.push(Finding::info(format!(
                "{} has `port {port}`: chronyd serves there",
                file.path
            )));
            return (
                ServerState::NobodyFine,
                format!("Nobody holds UDP 123: chronyd serves on port {port}."),
            );
        }
        findings.push(Finding::error(format!("{} has `allow`, {why}", file.path)).next(next));
        return (
            ServerState::NobodyWrong,
            "Nobody holds UDP 123, though chronyd's configuration lets clients in.".to_owned(),
        );
    }
    let path = facts
        .chrony
        .as_ref()
        .map_or("/etc/chrony/chrony.conf", |f| f.path.as_str());
    if facts.chrony.as_ref().is_some_and(|f| !f.readable) {
        findings.push(Finding::info(format!(
            "{path} cannot be read: whether it has `allow` is not known"
        )));
    }
    findings.push(
        Finding::info(format!(
            "if this machine is to serve time to others, add `allow {client}` to {path} and restart chronyd"
        ))
        .next(format!("systemctl restart {unit}")),
    );
    (
        ServerState::NobodyFine,
        "Nobody holds UDP 123, and that is fine: chronyd opens it only for `allow`, and asks its own \
         servers from other ports."
            .to_owned(),
    )
}

#[cfg(test)]
mod tests;
