//! Which processes may still use the old zone: those that have its file in their memory, and those
//! of programs known to read the zone once, at their start.

use crate::conf::cgroup;
use crate::conf::cgroup::Membership;
use crate::report::format;
use crate::report::timezone::set::OldProcess;
use crate::sys::proc_age;
use crate::sys::proc_age::Aged;

/// Programs by the kernel's name for them, and why they matter.
const KNOWN: &[(&[&str], &str)] = &[
    (
        &["cron", "crond", "atd", "fcron", "anacron", "systemd-cron"],
        "starts jobs by the zone that it read at its start",
    ),
    (
        &[
            "rsyslogd",
            "syslog-ng",
            "syslogd",
            "metalog",
            "busybox-syslogd",
        ],
        "stamps the log by the zone that it read at its start",
    ),
    (
        &["java", "jsvc"],
        "a Java machine reads the zone once, at its start",
    ),
    (
        &["mysqld", "mariadbd", "mongod", "redis-server"],
        "takes the system's zone at its start",
    ),
    (
        &["nginx", "httpd", "apache2", "php-fpm", "uwsgi", "gunicorn"],
        "stamps its log by the zone that it read at its start",
    ),
    (
        &[
            "node", "python", "python3", "ruby", "perl", "beam.smp", "dotnet",
        ],
        "its runtime reads the zone once, at its start",
    ),
    (
        &[
            "dockerd",
            "containerd",
            "kubelet",
            "prometheus",
            "grafana-server",
        ],
        "Go programs read the zone once, at their start",
    ),
    (
        // The kernel keeps 15 letters of systemd-timedated.
        &["systemd-timedat"],
        "timedatectl shows the zone that it read at its start; it ends half a minute after the last \
         question",
    ),
];

/// Those of the processes that began before that Unix millisecond, of a service's processes of one
/// program the first alone.
pub(super) fn processes(all: &[Aged], since_ms: i64) -> Vec<OldProcess> {
    let mut found: Vec<OldProcess> = Vec::new();
    for process in all.iter().filter(|process| process.started_ms < since_ms) {
        let mapped = proc_age::mapped_zone(process.pid);
        let known = KNOWN
            .iter()
            .find(|(names, _)| names.contains(&base(&process.name)));
        let why = match (&mapped, known) {
            (Some(path), _) => format!("it has {path} in its memory"),
            (None, Some((_, why))) => (*why).to_owned(),
            (None, None) => continue,
        };
        let group = membership(process);
        let service = group.service();
        let repeated = |known: &OldProcess| {
            let same = known.name == process.name && known.mapped == mapped.is_some();
            same && service.is_some() && known.service.as_deref() == service
        };
        if found.iter().any(repeated) {
            continue;
        }
        found.push(OldProcess {
            pid: process.pid,
            name: process.name.clone(),
            service: service.map(str::to_owned),
            started: started(process.started_ms),
            mapped: mapped.is_some(),
            why,
        });
    }
    found
}

/// Whose process it is: its service, its container.
pub(super) fn membership(process: &Aged) -> Membership {
    let path = process.cgroup.as_deref();
    path.map(cgroup::membership).unwrap_or_default()
}

fn started(ms: i64) -> String {
    let nanos = u32::try_from(ms.rem_euclid(1000)).unwrap_or(0) * 1_000_000;
    format::rfc3339(ms.div_euclid(1000), nanos)
}

/// The service's name as people type it.
pub(super) fn service(unit: &str) -> &str {
    unit.strip_suffix(".service").unwrap_or(unit)
}

/// `python3.11` is python3, `php-fpm8.2` php-fpm.
fn base(name: &str) -> &str {
    let versions = |c: char| c.is_ascii_digit() || c == '.';
    let bare = name.trim_end_matches(versions);
    match name {
        "python3" => name,
        _ if name.starts_with("python3.") => "python3",
        _ if bare == "php-fpm" => bare,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aged(pid: u32, name: &str, unit: Option<&str>, started_ms: i64) -> Aged {
        Aged {
            pid,
            name: name.to_owned(),
            cgroup: unit.map(|unit| format!("/system.slice/{unit}")),
            started_ms,
        }
    }

    #[test]
    fn old_ones_of_known_programs_are_named_once_a_service() {
        // Numbers beyond the kernel's: nothing of /proc is read for them.
        let all = [
            aged(5_000_001, "crond", Some("crond.service"), 10),
            aged(5_000_002, "php-fpm8.2", Some("php8.2-fpm.service"), 10),
            aged(5_000_003, "php-fpm8.2", Some("php8.2-fpm.service"), 10),
            aged(5_000_004, "java", None, 10),
            aged(5_000_005, "java", None, 30),
            aged(5_000_006, "bash", None, 10),
        ];
        let found = processes(&all, 20);
        let names: Vec<_> = found
            .iter()
            .map(|p| (p.pid % 10, p.service.as_deref()))
            .collect();
        assert_eq!(
            names,
            [(1, Some("crond")), (2, Some("php8.2-fpm")), (4, None)]
        );
    }
}
