//! How long processes have been running, and which of them have a time zone's file mapped, from
//! /proc. Mappings of others' processes are for root alone.

use super::clock;
use super::files;
use super::processes;
use std::path::Path;

/// A text of /proc about one process.
const LIMIT: u64 = 1 << 20;

/// A process and its age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aged {
    /// Its number.
    pub pid: u32,
    /// The kernel's name for it, 15 octets at most.
    pub name: String,
    /// Its control group: `/system.slice/cron.service`.
    pub cgroup: Option<String>,
    /// When it began, Unix milliseconds by today's clock; the kernel keeps it to 10 ms.
    pub started_ms: i64,
}

/// All processes of programs (not kernel threads) except this one, in order of their numbers.
/// Empty without /proc.
#[must_use]
pub fn all() -> Vec<Aged> {
    let boot_ms = boot_ms();
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK);
    let ticks = ticks.ok().flatten().unwrap_or(100).max(1);
    let names = files::list(Path::new("/proc")).unwrap_or_default();
    let mut pids: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    pids.retain(|pid| *pid != std::process::id());
    let one = |pid: u32| {
        let stat = text(pid, "stat")?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // proc_pid_stat(5): after the name, (3) state, (4) parent, … (22) start in ticks.
        let parent: u32 = fields.get(1)?.parse().ok()?;
        let began: i64 = fields.get(19)?.parse().ok()?;
        if pid == 2 || parent == 2 {
            return None;
        }
        Some(Aged {
            pid,
            name: name.to_owned(),
            cgroup: processes::cgroup(pid),
            started_ms: boot_ms + began * 1000 / ticks,
        })
    };
    pids.into_iter().filter_map(one).collect()
}

/// The path of a mapped file of the zone database (or of /etc/localtime) that this process has,
/// `None` when it has none or its mappings may not be read.
#[must_use]
pub fn mapped_zone(pid: u32) -> Option<String> {
    let maps = text(pid, "maps")?;
    maps.lines()
        .filter_map(|line| line.split_once('/').map(|(_, path)| format!("/{path}")))
        .find(|path| path.contains("/zoneinfo/") || path.starts_with("/etc/localtime"))
}

/// When the machine was booted, by today's clock: the kernel's own figure in /proc/stat is whole
/// seconds.
fn boot_ms() -> i64 {
    let (seconds, nanos) = clock::unix();
    let up_ms = i64::try_from(clock::since_boot().nanos() / 1_000_000).unwrap_or(i64::MAX);
    seconds * 1000 + i64::from(nanos) / 1_000_000 - up_ms
}

fn text(pid: u32, file: &str) -> Option<String> {
    let bytes = files::read(Path::new(&format!("/proc/{pid}/{file}")), LIMIT).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_seen_with_its_age() {
        let mut child = std::process::Command::new("sleep")
            .arg("30")
            .spawn()
            .unwrap();
        let found = all().into_iter().find(|p| p.pid == child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        let found = found.unwrap();
        let (now, _) = clock::unix();
        assert_eq!(found.name, "sleep");
        assert!(
            (now * 1000 - found.started_ms).abs() < 60_000,
            "{found:?} at {now}"
        );
    }
}
