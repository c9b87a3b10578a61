//! Processes as /proc tells them: who holds a socket, what runs, in which control group and
//! namespace. Other users' open files are for root alone; names and control groups are not.

use super::files;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A text of /proc about one process is short.
const LIMIT: u64 = 64 << 10;
/// More control groups than this are not searched.
const MAX_CGROUPS: usize = 50_000;

/// A process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The kernel's name for it, 15 octets at most: `chronyd`.
    pub name: String,
    /// Its arguments, the first is the program as it was called; empty when they cannot be read.
    pub arguments: Vec<String>,
    /// Its control group, the path in the unified (else the first named) hierarchy.
    pub cgroup: Option<String>,
}

/// What was found out about the holders of sockets.
#[derive(Debug, Default)]
pub struct Holders {
    /// The processes that have the socket with this inode open.
    pub by_inode: BTreeMap<u64, Vec<Process>>,
    /// Processes whose open files could not be read for want of privilege.
    pub hidden: usize,
}

/// All processes that can be seen. Empty without /proc.
#[must_use]
pub fn all() -> Vec<Process> {
    pids().into_iter().filter_map(process).collect()
}

/// One process; `None` when it has gone.
#[must_use]
pub fn process(pid: u32) -> Option<Process> {
    let name = text(pid, "comm")?.trim_end().to_owned();
    let arguments = text(pid, "cmdline").unwrap_or_default();
    let arguments = arguments
        .split('\0')
        .filter(|a| !a.is_empty())
        .map(str::to_owned)
        .collect();
    let cgroup = cgroup(pid);
    Some(Process {
        pid,
        name,
        arguments,
        cgroup,
    })
}

/// Who has the sockets with these inodes open. All of /proc is read once.
#[must_use]
pub fn holders(inodes: &BTreeSet<u64>) -> Holders {
    holders_among(pids(), inodes)
}

/// Who of these processes has them open.
#[must_use]
pub fn holders_among(pids: impl IntoIterator<Item = u32>, inodes: &BTreeSet<u64>) -> Holders {
    let mut found = Holders::default();
    for pid in pids {
        let directory = format!("/proc/{pid}/fd");
        let entries = match files::list(Path::new(&directory)) {
            Ok(entries) => entries,
            Err(e) => {
                found.hidden += usize::from(e.is_permission());
                continue;
            }
        };
        let mut held = BTreeSet::new();
        for entry in entries {
            let target = files::link_target(Path::new(&format!("{directory}/{entry}")));
            let inode = target
                .as_deref()
                .and_then(Path::to_str)
                .and_then(socket_inode);
            held.extend(inode.filter(|inode| inodes.contains(inode)));
        }
        if held.is_empty() {
            continue;
        }
        if let Some(process) = process(pid) {
            for inode in held {
                found
                    .by_inode
                    .entry(inode)
                    .or_default()
                    .push(process.clone());
            }
        }
    }
    found
}

/// The control groups with these identifiers (sock_diag gives them), as paths in the hierarchy,
/// and the processes in each: this needs no privilege.
#[must_use]
pub fn cgroups(ids: &BTreeSet<u64>) -> BTreeMap<u64, (String, Vec<Process>)> {
    let mut found = BTreeMap::new();
    for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
        if !files::exists(Path::new(&format!("{root}/cgroup.controllers"))) {
            continue;
        }
        let mut waiting = vec![root.to_owned()];
        let mut seen = 0;
        while let Some(directory) = waiting.pop() {
            seen += 1;
            if seen > MAX_CGROUPS || found.len() == ids.len() {
                break;
            }
            let Ok(here) = std::fs::metadata(&directory) else {
                continue;
            };
            if ids.contains(&here.ino()) {
                let path = directory.strip_prefix(root).unwrap_or_default();
                let path = if path.is_empty() { "/" } else { path };
                found.insert(here.ino(), (path.to_owned(), members(&directory)));
            }
            let Ok(entries) = std::fs::read_dir(&directory) else {
                continue;
            };
            for entry in entries.flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir())
                    && let Some(path) = entry.path().to_str()
                {
                    waiting.push(path.to_owned());
                }
            }
        }
    }
    found
}

/// Which namespace this is, by its inode; `None` without /proc or privilege. `pid` 0 is this
/// process.
#[must_use]
pub fn network_namespace(pid: u32) -> Option<u64> {
    let who = if pid == 0 {
        "self".to_owned()
    } else {
        pid.to_string()
    };
    let link = files::link_target(Path::new(&format!("/proc/{who}/ns/net")))?;
    link.to_str()?
        .strip_prefix("net:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// The name under which `ip netns` knows the namespace with this inode.
#[must_use]
pub fn namespace_name(inode: u64) -> Option<String> {
    let directory = Path::new("/run/netns");
    files::list(directory)
        .ok()?
        .into_iter()
        .find(|name| std::fs::metadata(directory.join(name)).is_ok_and(|here| here.ino() == inode))
}

fn members(directory: &str) -> Vec<Process> {
    let file = format!("{directory}/cgroup.procs");
    let text = files::read_text(Path::new(&file), 1 << 20).unwrap_or_default();
    text.lines()
        .filter_map(|line| process(line.parse().ok()?))
        .collect()
}

fn pids() -> Vec<u32> {
    let names = files::list(Path::new("/proc")).unwrap_or_default();
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

fn text(pid: u32, file: &str) -> Option<String> {
    let bytes = files::read(Path::new(&format!("/proc/{pid}/{file}")), LIMIT).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn socket_inode(target: &str) -> Option<u64> {
    target
        .strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// The path of its control group, `None` when there is no such process or no /proc.
#[must_use]
pub fn cgroup(pid: u32) -> Option<String> {
    text(pid, "cgroup").as_deref().and_then(cgroup_path)
}

/// The unified hierarchy's line, else systemd's own, else the longest.
fn cgroup_path(text: &str) -> Option<String> {
    let parts = |line: &str| {
        let (number, rest) = line.split_once(':')?;
        let (names, path) = rest.split_once(':')?;
        Some((number.to_owned(), names.to_owned(), path.to_owned()))
    };
    let lines: Vec<_> = text.lines().filter_map(parts).collect();
    let unified = lines
        .iter()
        .find(|(n, names, path)| n == "0" && names.is_empty() && path != "/");
    let systemd = lines
        .iter()
        .find(|(_, names, path)| names == "name=systemd" && path != "/");
    let longest = lines.iter().max_by_key(|(_, _, path)| path.len());
    let chosen = unified.or(systemd).or(longest);
    chosen.map(|(_, _, path)| path.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn this_process_holds_its_own_socket() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let inode = std::fs::metadata(format!(
            "/proc/self/fd/{}",
            std::os::fd::AsRawFd::as_raw_fd(&udp)
        ))
        .unwrap()
        .ino();
        let found = holders(&BTreeSet::from([inode]));
        let pids: Vec<u32> = found.by_inode[&inode].iter().map(|p| p.pid).collect();
        assert!(pids.contains(&std::process::id()), "{pids:?}");
    }

    #[test]
    fn the_unified_hierarchy_is_preferred_and_a_bare_root_is_not() {
        let both = "2:cpu:/\n1:name=systemd:/system.slice/ntp.service\n0::/system.slice/a.scope\n";
        assert_eq!(cgroup_path(both).unwrap(), "/system.slice/a.scope");
        let old = "2:cpu:/\n1:name=systemd:/system.slice/ntp.service\n0::/\n";
        assert_eq!(cgroup_path(old).unwrap(), "/system.slice/ntp.service");
        assert_eq!(cgroup_path("0::/\n").unwrap(), "/");
    }
}
