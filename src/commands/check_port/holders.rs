//! Who listens on the ports of time on this machine: the kernel's sockets joined with processes,
//! units, containers and users; the time daemons that run; and where this process stands.

use crate::conf::cgroup;
use crate::report::check_port::Daemon;
use crate::report::check_port::Family;
use crate::report::check_port::Listener;
use crate::report::check_port::Place;
use crate::sys::daemons;
use crate::sys::daemons::Kind;
use crate::sys::error::Error;
use crate::sys::files;
use crate::sys::host;
use crate::sys::interfaces;
use crate::sys::proc_net;
use crate::sys::processes;
use crate::sys::processes::Process;
use crate::sys::sock_diag;
use crate::sys::sock_diag::Protocol;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;

/// The ports of time: NTP, PTP's two, chrony's commands, NTS key establishment.
const UDP_PORTS: &[u16] = &[123, 319, 320, 323];
const TCP_PORTS: &[u16] = &[4460];

/// Listeners on these ports, and by which way they were seen: `sock_diag` or `proc_net`.
///
/// # Errors
/// When the kernel tells neither way.
pub fn listeners() -> Result<(Vec<Listener>, &'static str), Error> {
    let (sockets, via) = match both(sock_diag::listeners) {
        Ok(found) => (found, "sock_diag"),
        Err(first) => match both(proc_net::listeners) {
            Ok(found) => (found, "proc_net"),
            Err(_) => return Err(first),
        },
    };
    let mut sockets: Vec<sock_diag::Listener> = sockets
        .into_iter()
        .filter(|s| match s.protocol {
            Protocol::Udp => UDP_PORTS.contains(&s.port),
            Protocol::Tcp => TCP_PORTS.contains(&s.port),
        })
        .collect();
    sockets.sort_by_key(|s| (s.protocol, s.port, s.address));
    let inodes: BTreeSet<u64> = sockets.iter().map(|s| s.inode).collect();
    let by_inode = if inodes.is_empty() {
        BTreeMap::new()
    } else {
        processes::holders(&inodes).by_inode
    };
    let hidden = sockets.iter().filter(|s| !by_inode.contains_key(&s.inode));
    let groups: BTreeSet<u64> = hidden.filter_map(|s| s.cgroup).collect();
    let groups = if groups.is_empty() {
        BTreeMap::new()
    } else {
        processes::cgroups(&groups)
    };
    let list = sockets
        .iter()
        .map(|socket| {
            let sure = by_inode.get(&socket.inode).and_then(|list| holder(list));
            let group = socket.cgroup.and_then(|id| groups.get(&id));
            describe(socket, sure, group)
        })
        .collect();
    Ok((list, via))
}

fn both(
    read: fn(Protocol) -> Result<Vec<sock_diag::Listener>, Error>,
) -> Result<Vec<sock_diag::Listener>, Error> {
    let mut found = read(Protocol::Udp)?;
    found.extend(read(Protocol::Tcp)?);
    Ok(found)
}

/// Of several processes with the socket open, the one that works with it: not the init system that
/// opened it for another, and the parent rather than its helpers.
fn holder(list: &[Process]) -> Option<&Process> {
    let own = list.iter().filter(|p| p.pid != 1).min_by_key(|p| p.pid);
    own.or_else(|| list.first())
}

fn describe(
    socket: &sock_diag::Listener,
    sure: Option<&Process>,
    group: Option<&(String, Vec<Process>)>,
) -> Listener {
    // A control group tells its processes; which of them holds the socket is sure when all of them
    // have one name.
    let (in_group, alike) = match group {
        Some((path, members)) if path != "/" && !members.is_empty() => {
            let first = members.iter().min_by_key(|p| p.pid);
            (
                first,
                members
                    .iter()
                    .all(|m| Some(&m.name) == first.map(|f| &f.name)),
            )
        }
        _ => (None, false),
    };
    let process = sure.or(in_group.filter(|_| alike));
    let path = process
        .and_then(|p| p.cgroup.clone())
        .or_else(|| group.map(|(path, _)| path.clone()));
    let member = path.as_deref().map(cgroup::membership).unwrap_or_default();
    let via = match (sure, process) {
        (Some(_), _) => Some("open_files"),
        (None, Some(_)) => Some("control_group"),
        (None, None) => member.unit.as_ref().map(|_| "control_group"),
    };
    Listener {
        protocol: match socket.protocol {
            Protocol::Udp => "udp",
            Protocol::Tcp => "tcp",
        }
        .to_owned(),
        port: socket.port,
        address: socket.address.to_string(),
        family: if socket.address.is_ipv6() {
            Family::Ipv6
        } else {
            Family::Ipv4
        },
        takes_ipv4: match socket.address {
            std::net::IpAddr::V6(address) if address.is_unspecified() => {
                socket.v6_only.map(|only| !only)
            }
            std::net::IpAddr::V6(_) => Some(false),
            std::net::IpAddr::V4(_) => None,
        },
        interface: interfaces::name_of(socket.interface).filter(|_| socket.interface != 0),
        process: process.map(|p| p.name.clone()),
        pid: process.map(|p| p.pid),
        unit: member.unit,
        container: container_words(member.engine, member.container),
        forwards_to: process.and_then(forwards_to),
        user: interfaces::user_name(socket.uid),
        uid: socket.uid,
        holder_via: via.map(str::to_owned),
    }
}

fn container_words(engine: Option<&'static str>, name: Option<String>) -> Option<String> {
    Some(format!("{} {}", engine?, name?))
}

/// Where Docker's proxy hands packets to, from its arguments.
fn forwards_to(process: &Process) -> Option<String> {
    let value = |name: &str| {
        let at = process.arguments.iter().position(|a| a == name)?;
        process.arguments.get(at + 1)
    };
    if process.name != "docker-proxy" {
        return None;
    }
    Some(format!(
        "{}:{}",
        value("-container-ip")?,
        value("-container-port")?
    ))
}

/// The time daemons that run, each once: helpers of the same kind and group are not counted.
#[must_use]
pub fn daemons() -> Vec<Daemon> {
    let own = processes::network_namespace(0);
    let mut seen: BTreeSet<(Kind, Option<String>, Option<u64>)> = BTreeSet::new();
    let mut out = Vec::new();
    for process in processes::all() {
        let Some(running) = daemons::of_process(process.pid) else {
            continue;
        };
        let theirs = processes::network_namespace(process.pid);
        // Without privilege the namespace is not told; the control group separates containers.
        if !seen.insert((running.kind, process.cgroup.clone(), theirs)) {
            continue;
        }
        let group = process.cgroup.as_deref().map(cgroup::membership);
        let group = group.unwrap_or_default();
        out.push(Daemon {
            name: running.kind.word().to_owned(),
            pid: process.pid,
            container: container_words(group.engine, group.container),
            unit: group.unit,
            steers_clock: running
                .holds_clock
                .map(|holds| holds && running.kind.disciplines()),
            in_this_namespace: match (own, theirs) {
                (Some(own), Some(theirs)) => Some(own == theirs),
                _ => None,
            },
        });
    }
    out
}

/// Where this process stands.
#[must_use]
pub fn place() -> Place {
    let own = processes::network_namespace(0);
    let first = processes::network_namespace(1);
    let name = own.and_then(processes::namespace_name);
    Place {
        container: container(),
        own_network_namespace: match (own, first) {
            (Some(own), Some(first)) => Some(own != first),
            // Where process 1 hides its own, a name of `ip netns` is proof enough.
            _ => name.is_some().then_some(true),
        },
        namespace_name: name,
    }
}

/// The container that this process stands in, as far as that can be told: `docker`, `lxc`…
#[must_use]
pub fn container() -> Option<String> {
    let marker = |path: &str| files::exists(Path::new(path));
    if marker("/.dockerenv") {
        return Some("docker".to_owned());
    }
    if marker("/run/.containerenv") {
        return Some("podman".to_owned());
    }
    let named = files::read_text(Path::new("/run/systemd/container"), 256).ok();
    let named = named
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty());
    let kubernetes = || host::variable("KUBERNETES_SERVICE_HOST").map(|_| "kubernetes".to_owned());
    let by_group = || {
        let group = processes::process(std::process::id())?.cgroup?;
        cgroup::membership(&group).engine.map(str::to_owned)
    };
    // What the container's manager told process 1; only root may read it.
    let by_first = || {
        let told = files::read(Path::new("/proc/1/environ"), 64 << 10).ok()?;
        let mut variables = told.split(|octet| *octet == 0);
        let value = variables.find_map(|v| v.strip_prefix(b"container="))?;
        Some(String::from_utf8_lossy(value).into_owned()).filter(|name| !name.is_empty())
    };
    named
        .or_else(|| host::variable("container"))
        .or_else(by_first)
        .or_else(kubernetes)
        .or_else(by_group)
}
