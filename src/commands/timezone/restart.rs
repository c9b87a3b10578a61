//! Restarting services that were asked for by name, through whichever manager runs them.

use super::old;
use crate::commands::Context;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::timezone::set::Restart;
use crate::report::timezone::set::RestartState;
use crate::sys::files;
use crate::sys::proc_age::Aged;
use crate::sys::process;
use std::path::Path;

/// A restart takes longer than this only when the service hangs.
const SECONDS: f64 = 60.0;
/// What a manager says is short.
const OUTPUT: usize = 1 << 20;

/// What runs a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manager {
    Systemd,
    OpenRc,
    Runit,
    Init,
}

/// A service that is there.
#[derive(Debug)]
pub(super) struct Service {
    name: String,
    manager: Manager,
}

/// Finds the services before anything is changed.
///
/// # Errors
/// When one is not there: it would be found out too late otherwise.
pub(super) fn check(names: &[String]) -> Result<Vec<Service>, Failure> {
    let names = names.iter().map(|name| old::service(name.trim()));
    names.filter(|name| !name.is_empty()).map(find).collect()
}

fn find(name: &str) -> Result<Service, Failure> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-@:\\".contains(c);
    let valid = name.chars().all(good) && !name.starts_with(['-', '.']);
    let exists = |path: String| files::exists(Path::new(&path));
    let manager = if !valid {
        None
    } else if exists("/run/systemd/system".to_owned()) {
        let unit = format!("{name}.service");
        let said = process::read(
            "systemctl",
            &["show", "-p", "LoadState", &unit],
            SECONDS,
            OUTPUT,
        )?;
        (said.stdout.trim() == "LoadState=loaded").then_some(Manager::Systemd)
    } else if exists("/run/openrc".to_owned()) && exists(format!("/etc/init.d/{name}")) {
        Some(Manager::OpenRc)
    } else if exists(format!("/var/service/{name}")) || exists(format!("/etc/service/{name}")) {
        Some(Manager::Runit)
    } else {
        exists(format!("/etc/init.d/{name}")).then_some(Manager::Init)
    };
    let other = match name {
        "cron" => "crond",
        "crond" => "cron",
        "rsyslogd" => "rsyslog",
        _ => "the name that your service manager has for it",
    };
    manager
        .map(|manager| Service {
            name: name.to_owned(),
            manager,
        })
        .ok_or_else(|| {
            let text = format!("--restart {name}: there is no such service here; nothing was changed");
            Failure::new(ExitStatus::NoInput, text)
                .hint(format!("perhaps {other}; without --restart the zone is set and the services that need it are named"))
                .target(name)
        })
}

/// Restarts a service, unless all its processes began after the change.
pub(super) fn run(
    service: &Service,
    processes: &[Aged],
    since_ms: i64,
    dry_run: bool,
    context: &Context,
) -> Restart {
    let answer = |state, detail: Option<String>| Restart {
        service: service.name.clone(),
        state,
        detail,
    };
    let mine: Vec<&Aged> = processes
        .iter()
        .filter(|p| old::membership(p).service() == Some(&service.name))
        .collect();
    if !mine.is_empty() && mine.iter().all(|p| p.started_ms >= since_ms) {
        let why = "it began after the change of the zone";
        return answer(RestartState::NotNeeded, Some(why.to_owned()));
    }
    if dry_run {
        return answer(RestartState::WouldRestart, None);
    }
    context.progress(&format!("restarting {}", service.name));
    let unit = format!("{}.service", service.name);
    let init = format!("/etc/init.d/{}", service.name);
    let name = service.name.as_str();
    let (program, arguments) = match service.manager {
        Manager::Systemd => ("systemctl", vec!["restart", &unit]),
        Manager::OpenRc => ("rc-service", vec![name, "restart"]),
        Manager::Runit => ("sv", vec!["restart", name]),
        Manager::Init => (init.as_str(), vec!["restart"]),
    };
    let result = process::read(program, &arguments, SECONDS, OUTPUT);
    context.progress_done();
    match result {
        Ok(said) if said.status == Some(0) => answer(RestartState::Restarted, None),
        Ok(said) => answer(RestartState::Failed, Some(said.reason())),
        Err(e) => answer(RestartState::Failed, Some(e.to_string())),
    }
}
