//! Which time daemons are installed, enabled and running, and which of them cannot live together.

use crate::commands::own_service;
use crate::report::finding::Finding;
use crate::report::sources::DaemonRow;
use crate::report::status::InstalledDaemon;
use crate::sys::daemons::Kind;
use crate::sys::daemons::Running;
use crate::sys::files;
use crate::sys::package;
use crate::sys::service;
use crate::sys::service::Manager;
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
    /// Its process: of several the one that may set the clock.
    pub running: Option<Running>,
    /// Other processes of it that are daemons of their own.
    pub beside: Vec<Running>,
    /// The service that the process belongs to, by its control group.
    pub unit: Option<Service>,
}

impl Found {
    /// Whether it does the work of keeping this clock, as far as can be seen: one that leaves the
    /// clock alone, or runs in a container, stands in for nobody.
    fn keeps_clock(&self) -> bool {
        let process = self.running.as_ref();
        self.kind.disciplines()
            && process.is_some_and(|r| !r.container && r.holds_clock != Some(false))
    }
}

/// Everything that is installed under the root or runs. `running` is `None` in an image.
#[must_use]
pub fn find(root: &Path, running: Option<&[Running]>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let systemd = running.map(|_| service::manager(root) == Manager::Systemd);
    for kind in Kind::ALL {
        let mut services = service::find_all(root, kind.services());
        // One unit under two daemons' names (ntpd.service of NTPsec) is listed once.
        services.retain(|s| {
            !found
                .iter()
                .any(|known| known.services.iter().any(|k| k.name == s.name))
        });
        // What a removed package leaves in /etc/init.d starts nothing.
        let there = |path: &&str| files::exists(&files::under(root, Path::new(path)));
        if !kind.programs().is_empty() && !kind.programs().iter().any(there) {
            services
                .retain(|s| systemd != Some(true) || !s.file.iter().any(|part| part == "init.d"));
        }
        let process = running
            .and_then(|all| {
                let own = all.iter().filter(|daemon| daemon.kind == kind);
                own.min_by_key(|daemon| daemon.container || daemon.holds_clock == Some(false))
            })
            .cloned();
        let first = process.as_ref().map(|process| process.pid);
        let others = running
            .iter()
            .flat_map(|all| all.iter())
            .filter(|other| other.kind == kind && Some(other.pid) != first);
        let beside = others.cloned().collect();
        let unit = process
            .as_ref()
            .filter(|process| !process.container)
            .and_then(|process| unit_of(root, process.pid));
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
                beside,
                unit,
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

/// The service of a process, by its control group.
fn unit_of(root: &Path, pid: u32) -> Option<Service> {
    service::find(root, &own_service::of(pid)?)
}

/// The rows of the report.
#[must_use]
pub fn rows(found: &[Found], seen: &[DaemonRow], image: bool) -> Vec<InstalledDaemon> {
    let mut rows = Vec::new();
    for f in found {
        let service = main_service(f);
        rows.push(row(f, f.running.as_ref(), service, seen, image));
        for other in &f.beside {
            let unit = unit_of(Path::new("/"), other.pid).filter(|_| !other.container);
            rows.push(row(f, Some(other), unit.as_ref(), seen, image));
        }
    }
    rows
}

fn row(
    found: &Found,
    running: Option<&Running>,
    service: Option<&Service>,
    seen: &[DaemonRow],
    image: bool,
) -> InstalledDaemon {
    let pid = running.map(|running| running.pid);
    // Of several of one name the one that the row is about.
    let own = || seen.iter().filter(|row| row.name == found.kind.word());
    let told = own().find(|row| row.pid == pid);
    let said = told.or_else(|| own().next().filter(|_| found.beside.is_empty()));
    InstalledDaemon {
        name: found.kind.word().to_owned(),
        service: service.map(|s| s.name.clone()),
        file: service
            .map(|s| s.file.display().to_string())
            .or_else(|| found.program.clone()),
        enabled: service.map(|s| s.enabled),
        masked: service.is_some_and(|s| s.masked),
        yields_to: service.and_then(|s| s.yields_to.clone()),
        running: (!image).then_some(running.is_some()),
        pid,
        hangs: said.is_some_and(|row| row.hangs),
        holds_clock: running.and_then(|r| r.holds_clock),
        synchronised: said.and_then(|row| row.synchronised),
    }
}

fn main_service(found: &Found) -> Option<&Service> {
    found
        .unit
        .as_ref()
        .or_else(|| found.services.iter().find(|s| s.enabled))
        .or_else(|| found.services.first())
}

/// What is worth saying of the services of an image.
#[must_use]
pub fn image_findings(found: &[Found], root: &Path) -> Vec<Finding> {
    let mut out = Vec::new();
    let enabled = enabled(found);
    let dir = root.display();
    out.extend(conflict(
        &enabled,
        &format!("systemctl --root {dir} disable"),
    ));
    if enabled.is_empty() {
        let text = "no time daemon is enabled: nothing will keep the clock of this image";
        let next = match to_enable(found) {
            Some(service) => Some(format!("systemctl --root {dir} enable {}", service.name)),
            None => install_chrony(root),
        };
        let hint = match next {
            Some(_) => "",
            None => ". Install chrony in it, or clockbox's own daemon",
        };
        out.push(Finding::warning(format!("{text}{hint}")).maybe_next(next));
    }
    out
}

/// What installs chrony on this machine, or in the image; `None` where no package manager is known.
#[must_use]
pub fn install_chrony(root: &Path) -> Option<String> {
    if root == Path::new("/") {
        return Some(package::Manager::find()?.command("chrony"));
    }
    let command = package::Manager::of_image(root)?.command("chrony");
    Some(format!("chroot {} {command}", root.display()))
}

/// What is worth saying of services. `starts`: a service manager runs that starts them, which in a
/// container it does not do.
#[must_use]
pub fn findings(found: &[Found], starts: bool) -> Vec<Finding> {
    let mut out = Vec::new();
    let enabled = enabled(found);
    out.extend(conflict(&enabled, DISABLE));
    let at_work: Vec<&str> = found
        .iter()
        .filter(|f| f.keeps_clock())
        .map(|f| f.kind.word())
        .collect();
    for (f, service) in &enabled {
        // Another unit's process, or one started by hand, is not the service at work.
        let beside = f
            .unit
            .as_ref()
            .is_some_and(|unit| unit.name != service.name);
        let idle_now = f.running.is_none() || (beside && !f.keeps_clock());
        if idle_now && enabled.len() == 1 {
            let starts = starts && !service.held_back();
            out.push(idle(&service.name, &at_work, starts));
        }
    }
    for f in found.iter().filter(|f| f.keeps_clock()) {
        let not_enabled = match &f.unit {
            Some(unit) => !unit.enabled,
            None => !f.services.is_empty() && !f.services.iter().any(|s| s.enabled),
        };
        // Where another one is enabled, both are told of above: to enable a second makes a conflict.
        if not_enabled && enabled.is_empty() {
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
        out.push(nobody(found));
    }
    out
}

/// No daemon at all: what is installed is started, else chrony is installed.
fn nobody(found: &[Found]) -> Finding {
    let text = "no time daemon runs and none is enabled: the clock drifts";
    if let Some(service) = to_enable(found) {
        let text = format!("{text}. {} is installed", service.name);
        return Finding::error(text).next(format!("systemctl enable --now {}", service.name));
    }
    match install_chrony(Path::new("/")) {
        Some(command) => Finding::error(format!(
            "{text}. chrony would keep it, or clockbox itself (clockbox sync --daemon)"
        ))
        .next(command),
        None => Finding::error(text).next("clockbox sync --daemon"),
    }
}

/// The service of an installed daemon that keeps the clock once it is enabled.
fn to_enable(found: &[Found]) -> Option<&Service> {
    let mut own = found.iter().filter(|f| keeps_time_alone(f));
    own.find_map(main_service).filter(|service| !service.masked)
}

/// Given no more than a start: phc2sys wants a PTP clock that ptp4l keeps, and its unit an instance.
fn keeps_time_alone(found: &Found) -> bool {
    found.kind.disciplines() && found.kind != Kind::Phc2sys
}

/// Those that are started at boot and are to steer the clock, with the service that does it.
fn enabled(found: &[Found]) -> Vec<(&Found, &Service)> {
    found
        .iter()
        .filter(|f| keeps_time_alone(f))
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

/// The command that ends a service and does not start it again.
const DISABLE: &str = "systemctl disable --now";

/// More than one of them; `disable` is the command for the others.
fn conflict(enabled: &[(&Found, &Service)], disable: &str) -> Option<Finding> {
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
    let at_work = |(f, s): &&(&Found, &Service)| {
        let own = f.unit.as_ref().is_none_or(|unit| unit.name == s.name);
        f.keeps_clock() && own
    };
    let running = enabled.iter().find(at_work);
    let running = running.or_else(|| enabled.iter().find(|(f, _)| f.running.is_some()));
    let keep = running.map_or(first.name.as_str(), |(_, s)| s.name.as_str());
    let drop: Vec<&str> = names.iter().copied().filter(|n| *n != keep).collect();
    let (all, goes) = match names.as_slice() {
        [one, other] => (format!("{one} and {other} are both"), "One"),
        [most @ .., last] => (
            format!("{} and {last} are all", most.join(", ")),
            "All but one",
        ),
        [] => return None,
    };
    let have = if goes == "One" { "has" } else { "have" };
    Some(
        Finding::error(format!("{all} enabled: {effect}. {goes} {have} to go"))
            .next(format!("{disable} {}", drop.join(" "))),
    )
}

/// What is to be said of daemons that are started at boot together; most often two links tell that
/// there is nothing.
#[must_use]
pub fn started_together(root: &Path, running: &[Running]) -> Option<Finding> {
    if !maybe_several(root) {
        return None;
    }
    conflict(&enabled(&find(root, Some(running))), DISABLE)
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
            "{service} is enabled but does not run; in a container the host keeps the clock: look there, on the host"
        ))
        .next("clockbox status");
    }
    Finding::error(format!("{service} is enabled but does not run"))
        .next(format!("systemctl start {service}"))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make files")]
#[path = "installed_tests.rs"]
mod tests;
