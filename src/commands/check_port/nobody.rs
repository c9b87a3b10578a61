//! Whether it is as it should be that nobody holds UDP 123 on this machine.

use super::clients;
use super::judge::unsure;
use super::local::Facts;
use crate::report::check_port::Daemon;
use crate::report::check_port::ServerState;
use crate::report::finding::Finding;
use crate::sys::service::Manager;

/// The state in a word and a sentence; what is wrong with it goes to the findings.
pub(super) fn nobody(facts: &Facts, findings: &mut Vec<Finding>) -> (ServerState, String) {
    let (unsure, here): (Vec<&Daemon>, Vec<&Daemon>) = facts
        .daemons
        .iter()
        .filter(|d| d.in_this_namespace != Some(false))
        .partition(|d| unsure(facts, d));
    if let Some(daemon) = unsure.first().filter(|_| here.is_empty()) {
        findings.push(
            Finding::info(format!(
                "{} (process {}) runs in this network namespace or in another: only root sees which",
                daemon.name, daemon.pid
            ))
            .next("sudo clockbox check-port"),
        );
        return (
            ServerState::Unknown,
            "Nobody holds UDP 123 in this network namespace; whether that is fine is not known."
                .to_owned(),
        );
    }
    if let Some(chronyd) = here.iter().find(|d| d.name == "chronyd") {
        return nobody_chronyd(facts, chronyd, findings);
    }
    for daemon in &here {
        if let Some(known) = nobody_of(facts, daemon, findings) {
            return known;
        }
    }
    nobody_runs(facts, findings)
}

/// What it means with this daemon, none for one that has nothing to do with clients.
fn nobody_of(
    facts: &Facts,
    daemon: &Daemon,
    findings: &mut Vec<Finding>,
) -> Option<(ServerState, String)> {
    let serve = |what: &str| match facts.client {
        Some(client) => Finding::error(format!("{client} gets no answer: to serve time, {what}")),
        None => Finding::info(format!(
            "if this machine is to serve time to others: {what}"
        )),
    };
    let fine = |name: &str| match facts.client {
        Some(client) => (
            ServerState::NobodyWrong,
            format!(
                "Nobody holds UDP 123, so {client} gets no answer: {name} asks from other ports and \
                 serves nobody."
            ),
        ),
        None => (
            ServerState::NobodyFine,
            format!(
                "Nobody holds UDP 123, and that is fine: {name} asks from other ports and serves nobody."
            ),
        ),
    };
    match daemon.name.as_str() {
        "systemd-timesyncd" => {
            findings.push(
                serve("install chrony and let clients in with `allow`; systemd-timesyncd cannot")
                    .next("apt-get install -y chrony  # or dnf, zypper, apk"),
            );
            Some(fine("systemd-timesyncd"))
        }
        "ntpd-rs" => {
            findings.push(serve(
                "add a [[server]] section with `listen = \"0.0.0.0:123\"` to ntp.toml",
            ));
            Some(fine("ntpd-rs without a [[server]] section"))
        }
        "openntpd" => {
            findings.push(serve("add `listen on *` to its ntpd.conf"));
            Some(fine("OpenNTPD without `listen on`"))
        }
        "clockbox" => {
            findings.push(serve("run clockbox serve in place of sync --daemon").next(
                if facts.manager == Manager::Systemd {
                    "systemctl disable --now clockbox && systemctl enable --now clockbox-serve"
                } else {
                    "clockbox serve --help"
                },
            ));
            Some(fine("clockbox sync --daemon"))
        }
        name @ ("busybox-ntpd" | "phc2sys") => {
            findings.push(serve("run a daemon that serves").next("clockbox serve --help"));
            Some(fine(name))
        }
        "ptp4l" | "ts2phc" | "timemaster" => None,
        _ => {
            let unit = daemon.unit.clone().unwrap_or_else(|| "ntpd".to_owned());
            findings.push(
                Finding::error(format!(
                    "{} runs (process {}) and does not hold UDP 123, which ntpd always does",
                    daemon.name, daemon.pid
                ))
                .next(format!("journalctl -u {unit} | grep -i bind")),
            );
            Some((
                ServerState::NobodyWrong,
                format!("Nobody holds UDP 123, though {} runs.", daemon.name),
            ))
        }
    }
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
    if let Some(client) = facts.client {
        findings.push(
            Finding::error(format!(
                "{client} gets no answer: nothing that serves time runs here"
            ))
            .next(format!("clockbox serve --allow {client}")),
        );
        return (
            ServerState::NobodyWrong,
            format!("Nobody holds UDP 123, so {client} gets no answer."),
        );
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
    let restart = clients::restart(facts, daemon.unit.as_deref());
    if let Some(file) = facts.chrony.as_ref().filter(|f| f.readable && f.allows) {
        let (why, next) = if file.port == 0 {
            (
                "but also `port 0`, which closes the port".to_owned(),
                format!("remove `port 0` from {} and: {restart}", file.path),
            )
        } else {
            (
                "but the chronyd that runs was started without".to_owned(),
                restart,
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
    let Some(client) = facts.client else {
        findings.push(
            Finding::info(format!(
                "if this machine is to serve time to others, add `allow 192.0.2.0/24` to {path}, with \
                 their network, and restart chronyd"
            ))
            .next(restart),
        );
        return (
            ServerState::NobodyFine,
            "Nobody holds UDP 123, and that is fine unless this machine is to serve time: chronyd opens \
             it only for `allow`, and asks its own servers from other ports."
                .to_owned(),
        );
    };
    findings.push(
        Finding::error(format!(
            "{client} gets no answer: chronyd serves nobody without `allow`"
        ))
        .next(clients::let_in(facts, path, client, daemon.unit.as_deref())),
    );
    (
        ServerState::NobodyWrong,
        format!(
            "Nobody holds UDP 123, so {client} gets no answer: chronyd opens it only for `allow`."
        ),
    )
}
