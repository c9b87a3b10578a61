//! Which time daemons are installed, enabled and running, and which of them cannot live together.

use crate::report::finding::Finding;
use crate::report::sources::DaemonRow;
use crate::report::status::InstalledDaemon;
use crate::sys::daemons::Kind;
use crate::sys::daemons::Running;
use crate::sys::files;
use crate::sys::service;
use crate::sys::service::Service;
use std::path::Path;

/// A daemon and its services.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which.
    pub kind: Kind,
    /// Its services that are installed.
    pub services: Vec<Service>,
    /// Its program, when there is no service of it.
    pub program: Option<String>,
    /// Its process.
    pub running: Option<Running>,
}

/// Everything that is installed under the root or runs. `running` is `None` in an image.
#[must_use]
pub fn find(root: &Path, running: Option<&[Running]>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for kind in Kind::ALL {
        let mut services = service::find_all(root, kind.services());
        // One unit under two daemons' names (ntpd.service of NTPsec) is listed once.
        services.retain(|s| {
            !found
                .iter()
                .any(|known| known.services.iter().any(|k| k.name == s.name))
        });
        let process = running
            .and_then(|all| all.iter().find(|daemon| daemon.kind == kind))
            .cloned();
        let program = kind
            .programs()
            .iter()
            .find(|path| files::exists(&files::under(root, Path::new(path))))
            .filter(|_| !matches!(kind, Kind::Ntpd | Kind::Ntpsec | Kind::BusyboxNtpd))
            .map(|path| (*path).to_owned());
        if !services.is_empty() || process.is_some() || program.is_some() {
            found.push(Found {
                kind,
                services,
                program,
                running: process,
            });
        }
    }
    // NTPsec and others may answer to ntpd.service: the process tells whose it is.
    let other = found
        .iter()
        .position(|f| f.kind == Kind::Ntpd && f.running.is_none() && !f.services.is_empty());
    if let Some(at) = other {
        let owner = found.iter().position(|f| {
            matches!(f.kind, Kind::Ntpsec | Kind::Openntpd | Kind::BusyboxNtpd)
                && f.running.is_some()
                && f.services.is_empty()
        });
        if let Some(owner) = owner {
            let services = std::mem::take(&mut found[at].services);
            found[owner].services = services;
            found.remove(at);
        }
    }
    found
}

/// The rows of the report.
#[must_use]
pub fn rows(found: &[Found], seen: &[DaemonRow], image: bool) -> Vec<InstalledDaemon> {
    found
        .iter()
        .map(|f| {
            let service = main_service(f);
            let said = seen.iter().find(|row| row.name == f.kind.word());
            InstalledDaemon {
                name: f.kind.word().to_owned(),
                service: service.map(|s| s.name.clone()),
                file: service
                    .map(|s| s.file.display().to_string())
                    .or_else(|| f.program.clone()),
                enabled: service.map(|s| s.enabled),
                masked: service.is_some_and(|s| s.masked),
                yields_to: service.and_then(|s| s.yields_to.clone()),
                running: (!image).then_some(f.running.is_some()),
                pid: f.running.as_ref().map(|r| r.pid),
                holds_clock: f.running.as_ref().and_then(|r| r.holds_clock),
                synchronised: said.and_then(|row| row.synchronised),
            }
        })
        .collect()
}

fn main_service(found: &Found) -> Option<&Service> {
    found
        .services
        .iter()
        .find(|s| s.enabled)
        .or_else(|| found.services.first())
}

/// What is worth saying of services. `starts`: a service manager runs that starts them, which in a
/// container it does not do; `None` for an image, where that cannot be asked.
#[must_use]
pub fn findings(found: &[Found], starts: Option<bool>) -> Vec<Finding> {
    let image = starts.is_none();
    let mut out = Vec::new();
    let enabled = enabled(found);
    out.extend(conflict(&enabled));
    if image {
        if enabled.is_empty() {
            let mut own = found.iter().filter(|f| f.kind.disciplines());
            let next = match own.find_map(main_service) {
                Some(service) => format!("systemctl --root DIR enable {}", service.name),
                None => "install one in it: chrony, or clockbox's own daemon".to_owned(),
            };
            out.push(
                Finding::warning(
                    "no time daemon is enabled: nothing will keep the clock of this image",
                )
                .next(next),
            );
        }
        return out;
    }
    let own = |f: &&Found| {
        f.kind.disciplines() && f.running.as_ref().is_some_and(|running| !running.container)
    };
    let at_work: Vec<&str> = found.iter().filter(own).map(|f| f.kind.word()).collect();
    for (f, service) in &enabled {
        if f.running.is_none() && enabled.len() == 1 {
            out.push(idle(&service.name, &at_work, starts == Some(true)));
        }
    }
    for f in found {
        let not_enabled = !f.services.is_empty() && !f.services.iter().any(|s| s.enabled);
        if f.running.as_ref().is_some_and(|r| !r.container) && not_enabled && f.kind.disciplines() {
            let name = main_service(f).map_or("", |s| s.name.as_str());
            out.push(
                Finding::warning(format!(
                    "{} runs but is not enabled: after a reboot nothing keeps the clock",
                    f.kind.word()
                ))
                .next(format!("systemctl enable {name}")),
            );
        }
    }
    if found.iter().all(|f| f.running.is_none()) && enabled.is_empty() {
        out.push(
            Finding::error("no time daemon runs and none is enabled: the clock drifts")
                .next("install chrony (apt install chrony, dnf install chrony), or: clockbox sync --daemon"),
        );
    }
    out
}

/// Those that are started at boot and are to steer the clock, with the service that does it.
fn enabled(found: &[Found]) -> Vec<(&Found, &Service)> {
    found
        .iter()
        .filter(|f| f.kind.disciplines() && f.kind != Kind::Phc2sys)
        .filter_map(|f| {
            Some((
                f,
                f.services
                    .iter()
                    .find(|s| s.enabled && !s.masked && s.yields_to.is_none())?,
            ))
        })
        .collect()
}

/// More than one of them.
fn conflict(enabled: &[(&Found, &Service)]) -> Option<Finding> {
    let [(_, first), rest @ ..] = enabled else {
        return None;
    };
    if rest.is_empty() {
        return None;
    }
    let names: Vec<&str> = enabled.iter().map(|(_, s)| s.name.as_str()).collect();
    let conflict = enabled.iter().any(|(_, s)| {
        names
            .iter()
            .any(|name| *name != s.name && s.conflicts.iter().any(|c| c == name))
    });
    let effect = if conflict {
        "their units conflict, so that whichever starts last stops the other (or does not start)"
    } else {
        "they fight over the clock and over UDP port 123"
    };
    let running = enabled.iter().find(|(f, _)| f.running.is_some());
    let keep = running.map_or(first.name.as_str(), |(_, s)| s.name.as_str());
    let drop: Vec<&str> = names.iter().copied().filter(|n| *n != keep).collect();
    Some(
        Finding::error(format!(
            "{} are all enabled: {effect}. One has to go",
            names.join(" and ")
        ))
        .next(format!("systemctl disable --now {}", drop.join(" "))),
    )
}

/// What is to be said of daemons that are started at boot together; most often two links tell that
/// there is nothing.
#[must_use]
pub fn started_together(root: &Path, running: &[Running]) -> Option<Finding> {
    if !maybe_several(root) {
        return None;
    }
    conflict(&enabled(&find(root, Some(running))))
}

/// Whether the links by which services are started name more than one time daemon.
fn maybe_several(root: &Path) -> bool {
    let units = files::under(root, Path::new("/etc/systemd/system"));
    let mut names = Vec::new();
    for target in files::list(&units).unwrap_or_default() {
        if target.ends_with(".wants") || target.ends_with(".requires") {
            names.extend(files::list(&units.join(target)).unwrap_or_default());
        }
    }
    for level in ["/etc/runlevels/default", "/etc/rc3.d"] {
        let level = files::under(root, Path::new(level));
        names.extend(files::list(&level).unwrap_or_default());
    }
    let started = |kind: &Kind| {
        names.iter().any(|name| {
            let name = name.strip_suffix(".service").unwrap_or(name);
            let script = name.strip_prefix('S').map_or(name, |rest| {
                rest.trim_start_matches(|c: char| c.is_ascii_digit())
            });
            kind.services()
                .iter()
                .any(|own| *own == name || *own == script)
        })
    };
    let kinds = Kind::ALL.iter().filter(|kind| kind.disciplines());
    kinds.filter(|kind| started(kind)).count() > 1
}

/// A service that is enabled and does not run: a fault where nothing else keeps the clock.
fn idle(service: &str, at_work: &[&str], starts: bool) -> Finding {
    if !at_work.is_empty() {
        let verb = if at_work.len() == 1 { "does" } else { "do" };
        return Finding::warning(format!(
            "{service} is enabled and idle; {} {verb} its work now. At the next boot they meet: keep one",
            at_work.join(" and ")
        ))
        .next(format!("systemctl disable {service}"));
    }
    if !starts {
        return Finding::warning(format!(
            "{service} is enabled but does not run; in a container the host keeps the clock"
        ))
        .next("on the host: clockbox status");
    }
    Finding::error(format!("{service} is enabled but does not run")).next(format!(
        "systemctl status {service}; journalctl -u {service}"
    ))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make files")]
mod tests {
    use super::*;
    use crate::report::finding::Severity;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn image(units: &[(&str, &str, bool)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let wants = root
            .path()
            .join("etc/systemd/system/multi-user.target.wants");
        let units_dir = root.path().join("usr/lib/systemd/system");
        fs::create_dir_all(&wants).unwrap();
        fs::create_dir_all(&units_dir).unwrap();
        for (name, text, enabled) in units {
            let file = format!("{name}.service");
            fs::write(units_dir.join(&file), text).unwrap();
            if *enabled {
                symlink(format!("/usr/lib/systemd/system/{file}"), wants.join(&file)).unwrap();
            }
        }
        root
    }

    #[test]
    fn chronyd_enabled_where_ntpd_is_to_run_is_told_with_what_happens() {
        let root = image(&[
            ("chronyd", "[Unit]\nConflicts=ntpd.service\n", true),
            ("ntpd", "[Unit]\n", true),
        ]);
        let found = find(root.path(), None);
        let told = findings(&found, None);
        assert!(
            told[0].text.contains("chronyd and ntpd") && told[0].text.contains("conflict"),
            "{told:?}"
        );
        assert_eq!(
            told[0].next.as_deref(),
            Some("systemctl disable --now ntpd")
        );
        // The table of sources says it too.
        let beside = started_together(root.path(), &[]).unwrap();
        assert!(beside.text.contains("chronyd and ntpd"), "{beside:?}");
        let rows = rows(&found, &[], true);
        assert!(
            rows.iter()
                .all(|row| row.running.is_none() && row.enabled == Some(true))
        );
    }

    #[test]
    fn one_enabled_daemon_in_an_image_is_fine_and_none_is_not() {
        let root = image(&[
            ("chronyd", "[Unit]\n", true),
            ("systemd-timesyncd", "[Unit]\n", false),
        ]);
        assert!(findings(&find(root.path(), None), None).is_empty());
        assert_eq!(started_together(root.path(), &[]), None);
        let root = image(&[("chronyd", "[Unit]\n", false)]);
        assert_eq!(findings(&find(root.path(), None), None).len(), 1);
    }

    #[test]
    fn enabled_but_not_running_and_the_reverse_are_told() {
        let root = image(&[("chronyd", "[Unit]\n", true)]);
        let told = findings(&find(root.path(), Some(&[])), Some(true));
        assert!(
            told[0].text.contains("enabled but does not run"),
            "{told:?}"
        );
        let root = image(&[("chronyd", "[Unit]\n", false)]);
        let process = Running {
            kind: Kind::Chronyd,
            pid: 1,
            holds_clock: Some(true),
            container: false,
            arguments: vec![],
            age_s: None,
        };
        let told = findings(&find(root.path(), Some(&[process])), Some(true));
        assert!(told[0].text.contains("not enabled"), "{told:?}");
    }

    fn runs(kind: Kind) -> Running {
        Running {
            kind,
            pid: 1,
            holds_clock: Some(true),
            container: false,
            arguments: vec![],
            age_s: None,
        }
    }

    #[test]
    fn an_idle_timesyncd_is_no_error_where_another_daemon_works() {
        let root = image(&[("systemd-timesyncd", "[Unit]\n", true)]);
        let told = findings(&find(root.path(), Some(&[runs(Kind::Ntpd)])), Some(true));
        assert!(
            told.iter().all(|f| f.severity != Severity::Error),
            "{told:?}"
        );
        assert!(
            told[0].text.contains("idle; ntpd does its work"),
            "{told:?}"
        );
        assert_eq!(
            told[0].next.as_deref(),
            Some("systemctl disable systemd-timesyncd")
        );
        // Nothing starts services in a container.
        let told = findings(&find(root.path(), Some(&[])), Some(false));
        assert!(
            told[0].text.contains("the host keeps the clock"),
            "{told:?}"
        );
        assert_eq!(told[0].severity, Severity::Warning);
    }

    #[test]
    fn a_timesyncd_whose_unit_gives_way_to_ntpd_is_not_in_its_way() {
        let root = image(&[
            ("systemd-timesyncd", "[Unit]\nConflicts=ntp.service\n", true),
            ("ntp", "[Unit]\n", true),
        ]);
        let both = findings(&find(root.path(), None), None);
        assert_eq!(both[0].severity, Severity::Error, "{both:?}");
        let drop_ins = root
            .path()
            .join("usr/lib/systemd/system/systemd-timesyncd.service.d");
        fs::create_dir_all(&drop_ins).unwrap();
        let condition = "[Unit]\nConditionFileIsExecutable=!/usr/sbin/ntpd\n";
        fs::write(drop_ins.join("disable-with-time-daemon.conf"), condition).unwrap();
        // The program is not there yet: nothing gives way.
        assert_eq!(
            findings(&find(root.path(), None), None)[0].severity,
            Severity::Error
        );
        fs::create_dir_all(root.path().join("usr/sbin")).unwrap();
        fs::write(root.path().join("usr/sbin/ntpd"), "").unwrap();
        let found = find(root.path(), Some(&[runs(Kind::Ntpd)]));
        assert!(findings(&found, Some(true)).is_empty(), "{found:?}");
        let rows = rows(&found, &[], false);
        let timesyncd = rows.iter().find(|row| row.name == "systemd-timesyncd");
        assert_eq!(
            timesyncd.unwrap().yields_to.as_deref(),
            Some("/usr/sbin/ntpd")
        );
    }

    #[test]
    fn ntpd_enabled_where_chronyd_runs_is_the_one_to_go() {
        let root = image(&[
            ("chronyd", "[Unit]\nConflicts=ntpd.service\n", true),
            ("ntpd", "[Unit]\n", true),
        ]);
        for (runs_now, goes) in [(Kind::Chronyd, "ntpd"), (Kind::Ntpd, "chronyd")] {
            let told = findings(&find(root.path(), Some(&[runs(runs_now)])), Some(true));
            assert_eq!(told[0].severity, Severity::Error);
            assert_eq!(
                told[0].next,
                Some(format!("systemctl disable --now {goes}")),
                "{told:?}"
            );
        }
    }
}
