//! This machine: its facts are gathered here; `judge` says whether they are as they should be,
//! `passing` what the packet filter does with NTP.

use super::clients;
use super::clients::Decision;
use super::cloud_server;
use super::exchange::Plan;
use super::filters;
use super::holders;
use super::judge;
use super::managers;
use super::outside;
use super::passing;
use super::remote;
use super::remote::Terms;
use super::words;
use crate::commands::host_files::HostFiles;
use crate::commands::sources::configured;
use crate::commands::sync::target::Target;
use crate::conf::chrony;
use crate::conf::chrony::Settings;
use crate::conf::cloud;
use crate::exit::Failure;
use crate::report::check_port::Daemon;
use crate::report::check_port::Filter;
use crate::report::check_port::Here;
use crate::report::check_port::Listener;
use crate::report::check_port::OwnAnswer;
use crate::report::check_port::Place;
use crate::report::check_port::Platform;
use crate::report::check_port::ServerState;
use crate::report::finding::Finding;
use crate::sys;
use crate::sys::daemons::Kind;
use crate::sys::daemons::Running;
use crate::sys::interfaces::InterfaceAddress;
use crate::sys::processes;
use crate::sys::service::Manager;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

/// What is known of this machine before it is judged.
pub(super) struct Facts {
    pub(super) listeners: Vec<Listener>,
    pub(super) daemons: Vec<Daemon>,
    /// The time daemons among the listeners' processes, by their number.
    pub(super) kinds: BTreeMap<u32, Kind>,
    pub(super) own_answers: Vec<OwnAnswer>,
    /// There are packet filters that only root can read.
    pub(super) filters_hidden: bool,
    pub(super) place: Place,
    pub(super) client: Option<IpAddr>,
    /// Who starts services here.
    pub(super) manager: Manager,
    pub(super) chrony: Option<ChronyFile>,
    /// The configuration of the ntpd that runs here.
    pub(super) ntp_conf: Option<String>,
}

/// What chronyd's configuration says of serving.
pub(super) struct ChronyFile {
    pub(super) path: String,
    pub(super) readable: bool,
    pub(super) allows: bool,
    pub(super) port: u16,
    /// What it says of the client that was named.
    pub(super) decision: Option<Decision>,
}

/// Looks at this machine.
///
/// # Errors
/// When the kernel does not tell its sockets, or gives no sockets.
pub fn look(
    client: Option<IpAddr>,
    progress: &mut dyn FnMut(&str),
) -> Result<(Here, Vec<Finding>), Failure> {
    let (listeners, seen_via) = holders::listeners()?;
    let daemons = holders::daemons();
    let addresses = sys::interfaces::addresses();
    let mut own_answers = ask_own(&listeners, &addresses, progress)?;
    let filters = filters::read();
    for answer in own_answers.iter_mut().filter(|a| a.offset_s.is_none()) {
        let bare = answer.address.split('%').next().unwrap_or_default();
        let address = bare.parse().ok();
        answer.filtered_by = address.and_then(|a| filters::on_the_way_to_itself(&filters, a));
    }
    let passages = filters::passages(&filters, &addresses, client);
    let processes = processes::all();
    let runs = |name: &str| processes.iter().any(|p| p.name == name);
    let managers = managers::managers(&filters, &runs);
    let running = sys::daemons::running().unwrap_or_default();
    let platform = cloud::classify(&sys::cloud::read(Path::new("/")));
    let pids = listeners.iter().filter_map(|l| l.pid);
    let facts = Facts {
        kinds: pids
            .filter_map(|pid| Some((pid, sys::daemons::of_process(pid)?.kind)))
            .collect(),
        manager: sys::service::manager(Path::new("/")),
        chrony: file_of(&running, &[Kind::Chronyd]).map(|path| chrony_file(path, client)),
        ntp_conf: file_of(&running, &[Kind::Ntpd, Kind::Ntpsec]),
        listeners,
        daemons,
        own_answers,
        filters_hidden: filters.filters.iter().any(Filter::needs_root),
        place: holders::place(),
        client,
    };
    let mut findings = Vec::new();
    let (server, summary) = judge::judge(&facts, &mut findings);
    about_place(&facts, &mut findings);
    passing::findings(&facts, &passages, &mut findings);
    let read = !filters.rulesets.is_empty();
    let kept_away = cloud_server::finding(platform.cloud, &running, read.then_some(&filters));
    findings.extend(kept_away);
    managers::findings(&managers, &mut findings);
    about_clients(&facts, server, &addresses, &mut findings);
    let here = Here {
        server,
        summary,
        place: facts.place,
        listeners: facts.listeners,
        seen_via: seen_via.to_owned(),
        daemons: facts.daemons,
        own_answers: facts.own_answers,
        filters: filters.filters,
        managers,
        passages,
        platform: Platform {
            cloud: platform.cloud.map(|c| c.word().to_owned()),
            evidence: platform.evidence,
            outside: outside::sentence(platform.cloud, client),
        },
    };
    Ok((here, findings))
}

/// Asks the server at each own address that somebody listens on.
fn ask_own(
    listeners: &[Listener],
    addresses: &[InterfaceAddress],
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<OwnAnswer>, Failure> {
    let held = |address: IpAddr| {
        ntp(listeners).any(|l| {
            let Ok(bound) = l.address.parse::<IpAddr>() else {
                return false;
            };
            let all = bound.is_unspecified()
                && (bound.is_ipv6() == address.is_ipv6()
                    || (bound.is_ipv6() && l.takes_ipv4 == Some(true)));
            bound == address || all
        })
    };
    let mut asked = Vec::new();
    let link_local =
        |a: &InterfaceAddress| matches!(a.address, IpAddr::V6(six) if six.is_unicast_link_local());
    for here in addresses.iter().filter(|a| a.up && held(a.address)) {
        let link_local_only = addresses
            .iter()
            .all(|a| a.name != here.name || link_local(a));
        // A link-local address is what clients ask only where there is no other.
        if link_local(here) && !link_local_only {
            continue;
        }
        let zone = if link_local(here) {
            format!("%{}", here.name)
        } else {
            String::new()
        };
        let target = Target {
            host: format!("{}{zone}", here.address),
            port: 123,
        };
        asked.push((target, here.name.clone()));
    }
    let plan = Plan {
        full: false,
        timeout: 1.0,
        port_123: false,
        tries: 1,
    };
    let terms = Terms {
        plan,
        only_v6: None,
        lookup_s: 1.0,
    };
    let targets: Vec<Target> = asked.iter().map(|(target, _)| target.clone()).collect();
    let found = remote::ask(&targets, terms, progress)?;
    let mut out = Vec::new();
    for (host, (_, interface)) in found.hosts.iter().zip(asked) {
        for (shown, index) in &host.addresses {
            let Some(exchange) = found.exchanges.get(*index) else {
                continue;
            };
            let answer = words::address(exchange, shown.clone(), plan, None);
            out.push(OwnAnswer {
                address: answer.address,
                interface: interface.clone(),
                verdict: answer.verdict,
                detail: answer.detail,
                stratum: answer.stratum,
                refid: answer.refid,
                offset_s: answer.offset_s,
                filtered_by: None,
            });
        }
    }
    Ok(out)
}

fn link_local(here: &InterfaceAddress) -> bool {
    matches!(here.address, IpAddr::V6(six) if six.is_unicast_link_local())
}

/// The listeners on UDP 123.
pub(super) fn ntp(listeners: &[Listener]) -> impl Iterator<Item = &Listener> {
    listeners
        .iter()
        .filter(|l| l.protocol == "udp" && l.port == 123)
}

/// The configuration that the running chronyd reads, and what it says of serving.
fn chrony_file(path: String, client: Option<IpAddr>) -> ChronyFile {
    let loaded = chrony::load(&path, &HostFiles::new(Path::new("/")));
    let settings = Settings::new(&loaded);
    ChronyFile {
        readable: loaded.unreadable.is_none(),
        allows: settings.access.iter().any(|rule| rule.allow),
        port: settings.port,
        decision: client.map(|client| clients::decision(&loaded, &settings, client)),
        path,
    }
}

/// The configuration of the daemon of such a kind that runs here.
fn file_of(running: &[Running], kinds: &[Kind]) -> Option<String> {
    let here = |daemon: &&Running| kinds.contains(&daemon.kind) && !daemon.container;
    let daemon = running.iter().find(here)?;
    configured::path(daemon.kind, &daemon.arguments, Path::new("/"))
}

fn about_place(facts: &Facts, findings: &mut Vec<Finding>) {
    let place = &facts.place;
    if let Some(engine) = &place.container {
        findings.push(
            Finding::info(format!(
                "this is inside a container ({engine}): clients outside reach it only at a port that the \
                 host publishes, and the host's packet filter is not to be seen from here"
            ))
            .next("on the host: clockbox check-port"),
        );
    } else if place.own_network_namespace == Some(true) {
        let name = place
            .namespace_name
            .as_ref()
            .map(|n| format!(" {n}"))
            .unwrap_or_default();
        findings.push(Finding::info(format!(
            "this is the network namespace{name}, not the machine's first: its sockets and packet \
             filters are its own"
        )));
    }
}

/// What cannot be seen from inside is tried from outside: the command for the client.
fn about_clients(
    facts: &Facts,
    server: ServerState,
    addresses: &[InterfaceAddress],
    findings: &mut Vec<Finding>,
) {
    let outer = addresses
        .iter()
        .find(|a| a.up && !a.loopback && !link_local(a));
    if server == ServerState::Held
        && let Some(outer) = outer
        && facts.place.container.is_none()
    {
        findings.push(
            Finding::info("whether clients reach it can only be tried from a client").next(
                format!("on the client: clockbox check-port {}", outer.address),
            ),
        );
    }
}
