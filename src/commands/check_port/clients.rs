//! Whether clients can have an answer from whoever holds UDP 123: where he listens, and what his
//! configuration says of the client that was named.

use super::local::Facts;
use super::local::ntp;
use crate::commands::daemon::settings::access;
use crate::commands::serve::rules::Rules;
use crate::conf::chrony::Loaded;
use crate::conf::chrony::Settings;
use crate::report::check_port::Family;
use crate::report::check_port::Listener;
use crate::report::finding::Finding;
use crate::sys::daemons::Kind;
use crate::sys::service::Manager;
use std::net::IpAddr;

/// What a chrony.conf says of one client.
pub(super) struct Decision {
    pub(super) allowed: bool,
    /// The rule that decides, and where it stands.
    pub(super) rule: Option<(String, String)>,
    /// Rules about host names, which were not looked up.
    pub(super) names: usize,
}

/// What it says of this client.
pub(super) fn decision(loaded: &Loaded, settings: &Settings, client: IpAddr) -> Decision {
    let rules = Rules::new(access::lines(loaded, &settings.access));
    let access = rules.access();
    Decision {
        allowed: access.allows(client),
        rule: access
            .rule(client)
            .map(|rule| (rule.text.clone(), rule.place.clone())),
        names: rules.names().len(),
    }
}

/// What the one holder of the port does for clients.
pub(super) fn of_holder(
    facts: &Facts,
    name: &str,
    holder: &Listener,
    daemon: Option<Kind>,
    findings: &mut Vec<Finding>,
) {
    only_loopback(facts, name, holder, findings);
    if let (Some(client), Some(Kind::Chronyd)) = (facts.client, daemon) {
        by_configuration(facts, holder, client, findings);
    }
}

/// Whoever listens at loopback only is reached by nobody outside, whatever his rules are.
fn only_loopback(facts: &Facts, name: &str, holder: &Listener, findings: &mut Vec<Finding>) {
    let mut shut = Vec::new();
    let mut open = false;
    for family in [Family::Ipv4, Family::Ipv6] {
        let sockets: Vec<&Listener> = ntp(&facts.listeners)
            .filter(|l| l.family == family)
            .collect();
        let loopback = |l: &&Listener| l.address.parse().is_ok_and(|a: IpAddr| a.is_loopback());
        let also_v4 = |l: &Listener| family == Family::Ipv4 && l.takes_ipv4 == Some(true);
        if sockets.is_empty() {
            continue;
        }
        if sockets.iter().all(loopback) && !ntp(&facts.listeners).any(also_v4) {
            let at: Vec<&str> = sockets.iter().map(|l| l.address.as_str()).collect();
            shut.push((family, at.join(", ")));
        } else {
            open = true;
        }
    }
    let Some((family, _)) = shut.first() else {
        return;
    };
    let at: Vec<&str> = shut.iter().map(|(_, at)| at.as_str()).collect();
    let at = at.join(", ");
    let pid = holder.pid.unwrap_or(0);
    let next = match &facts.chrony {
        Some(file) => format!(
            "grep -n bindaddress {}    # remove it, then: {}",
            file.path,
            restart(facts, holder.unit.as_deref())
        ),
        None => format!("ps -fp {pid}    # where is it told to listen?"),
    };
    findings.push(if open {
        let family = if *family == Family::Ipv6 { 6 } else { 4 };
        Finding::warning(format!(
            "{name} listens for IPv{family} at {at} only: no other machine reaches it over IPv{family}"
        ))
        .next(next)
    } else {
        Finding::error(format!(
            "{name} listens at {at} only: no other machine can reach it"
        ))
        .next(next)
    });
}

/// What the running chronyd's file says of the client that should get in.
fn by_configuration(facts: &Facts, holder: &Listener, client: IpAddr, findings: &mut Vec<Finding>) {
    let Some(file) = facts.chrony.as_ref().filter(|f| f.readable) else {
        return;
    };
    let Some(decision) = &file.decision else {
        return;
    };
    let path = &file.path;
    let restart = let_in(facts, path, client, holder.unit.as_deref());
    findings.push(match &decision.rule {
        Some((text, place)) if decision.allowed => Finding::info(format!(
            "chronyd's configuration lets {client} in: {text} ({place})"
        )),
        Some((text, place)) => Finding::error(format!(
            "chronyd's configuration refuses {client}, which hears nothing: {text} ({place})"
        ))
        .next(restart),
        None if decision.names > 0 => Finding::warning(format!(
            "no address in {path} lets {client} in; one of its host names may"
        ))
        .next(format!(
            "clockbox serve --config {path} --explain-access {client}"
        )),
        None => Finding::error(format!(
            "chronyd's configuration refuses {client}, which hears nothing: no `allow` in {path} is \
             about it"
        ))
        .next(restart),
    });
}

/// The command by which a chronyd lets a client in.
pub(super) fn let_in(facts: &Facts, path: &str, client: IpAddr, unit: Option<&str>) -> String {
    format!("echo 'allow {client}' >>{path} && {}", restart(facts, unit))
}

/// The command by which chronyd is started anew here.
pub(super) fn restart(facts: &Facts, unit: Option<&str>) -> String {
    let name = match facts.manager {
        Manager::SysV => "chrony",
        _ => "chronyd",
    };
    let command = match unit {
        Some(unit) => Manager::Systemd.restart(unit),
        None => facts.manager.restart(name),
    };
    command.unwrap_or_else(|| {
        let mut daemons = facts.daemons.iter();
        let running = daemons.find(|d| d.name == "chronyd" && d.in_this_namespace != Some(false));
        let stop = running.map_or_else(String::new, |d| format!("kill {} && ", d.pid));
        let file = facts
            .chrony
            .as_ref()
            .map_or_else(String::new, |file| format!(" -f {}", file.path));
        format!("{stop}chronyd{file}")
    })
}

/// What whoever answers not even this machine says of other clients.
pub(super) fn silent_to_itself(facts: &Facts, daemon: Option<Kind>) -> (String, Option<String>) {
    match (daemon, &facts.ntp_conf) {
        (Some(Kind::Ntpd | Kind::Ntpsec), Some(path)) => (
            "its `restrict` lines leave this machine out (`ignore`, `noserve`, or a list of networks), \
             and whoever else they leave out hears nothing either"
                .to_owned(),
            Some(format!("grep -n restrict {path}")),
        ),
        (Some(Kind::Chronyd), _) if facts.client.is_none() => (
            "its `allow` and `deny` leave this machine out, which says nothing of other clients"
                .to_owned(),
            Some("clockbox check-port --client ADDRESS    # what do they say of that one?".to_owned()),
        ),
        (Some(Kind::Chronyd), _) => (
            "its `allow` and `deny` leave this machine out, which says nothing of other clients"
                .to_owned(),
            None,
        ),
        _ => (
            "its access rules leave it out (chronyd's `allow`, ntpd's `restrict`), which says nothing \
             of other clients"
                .to_owned(),
            None,
        ),
    }
}
