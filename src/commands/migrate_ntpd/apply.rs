//! The changes of a migration: journal, package, services, files; and the undo when one fails.

use super::Args;
use super::check::check;
use super::journal;
use super::journal::Journal;
use super::journal::State;
use super::journal::Turn;
use super::live;
use super::next;
use super::own;
use super::plan;
use super::plan::Plan;
use super::port;
use super::present;
use super::services::Services;
use super::target::To;
use super::tree::Tree;
use super::undo;
use super::wait;
use crate::commands::Context;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::report::migrate_ntpd::FileAction;
use crate::report::migrate_ntpd::FileChange;
use crate::report::migrate_ntpd::MigrateReport;
use crate::report::migrate_ntpd::PackageChange;
use crate::report::migrate_ntpd::Result as Outcome;
use crate::sys;
use crate::sys::package::Manager;
use std::path::Path;

/// What must hold before anything is touched.
pub(super) fn ready(args: &Args, tree: &Tree, plan: &mut Plan) -> Result<(), Failure> {
    match missing(args, tree, plan) {
        Some(failure) => Err(failure),
        // chrony's own checker comes with its package.
        None if !plan.installed && args.to == To::Chrony => Ok(()),
        None => {
            plan.note = check(args, tree, plan)?;
            Ok(())
        }
    }
}

/// The packages that installing another here would remove.
pub(super) fn displaced(package: &str) -> Vec<String> {
    Manager::find().map_or_else(Vec::new, |manager| manager.displaced(package))
}

/// The new daemon is not there, and is not to be installed.
pub(super) fn missing(args: &Args, tree: &Tree, plan: &Plan) -> Option<Failure> {
    if plan.installed {
        return None;
    }
    let name = args.to.word();
    let (command, by_us) = match args.to {
        To::Clockbox => (own::install_command(tree.root()), true),
        To::Chrony => {
            let command = Manager::find().map_or_else(
                || format!("install the package {name}"),
                |manager| manager.command(name),
            );
            match tree.is_live() {
                true => (command, true),
                false => (format!("chroot {} {command}", tree.root().display()), false),
            }
        }
    };
    if args.install && by_us {
        return None;
    }
    let (place, hint) = match by_us {
        true => {
            let sudo = live::privileged(tree).map_or("sudo ", |()| "");
            let ours = next::again("--install");
            ("", format!("{sudo}{ours}  # or: {sudo}{command}"))
        }
        false => (" in the image", command),
    };
    let text = match args.to {
        To::Chrony => {
            let gone = match by_us {
                true => displaced(name).join(", "),
                false => String::new(),
            };
            let gone = match gone.is_empty() {
                true => String::new(),
                false => format!(
                    "; installing it removes {gone}, which --rollback puts back only if --install did it"
                ),
            };
            format!("chrony is not installed{place}{gone}")
        }
        To::Clockbox => format!(
            "clockbox is not installed where a service can start it (as {}){place}",
            own::PROGRAM
        ),
    };
    Some(Failure::new(ExitStatus::Unavailable, text).hint(hint))
}

/// Applies the plan; when a step fails everything is put back.
pub(super) fn apply(
    args: &Args,
    tree: &Tree,
    plan: Plan,
    mut report: MigrateReport,
    known: Option<Journal>,
    turn: &Turn,
    context: &Context,
) -> Result<MigrateReport, Failure> {
    let services = Services::new(tree);
    let mut journal = begin(args, tree, &plan, &services)?;
    let known = known.filter(|known| known.state == State::Done);
    journal.before = known.map(Box::new);
    journal::save(tree, &journal)?;
    report.journal = Some(format!("{}/journal.json", journal::DIR));
    name_files(tree, &journal, &plan, &mut report)?;
    let planned = plan.target.clone();
    let result = steps(args, tree, plan, &services, &mut journal, turn, context);
    context.progress_done();
    match result {
        Ok((plan, error_s)) => {
            if planned != plan.target {
                present::renew(&mut report, plan.target.version, &plan.conversion);
            }
            journal.state = State::Done;
            journal.written = written(tree, &plan)?;
            journal::save(tree, &journal.clone().whole())?;
            name_files(tree, &journal, &plan, &mut report)?;
            report.result = Outcome::Migrated;
            let assumed = present::assumed(plan.target.version);
            if report.findings.contains(&assumed) {
                // It cannot be said any more.
                report.findings.retain(|finding| *finding != assumed);
                report
                    .findings
                    .push(present::was_assumed(plan.target.version));
            }
            report.findings.extend(plan.note);
            if let Some(error_s) = error_s {
                let bound = crate::report::format::seconds(error_s);
                report.findings.push(Finding::info(format!(
                    "The clock is synchronised, its error is within {bound}"
                )));
            }
            if tree.is_live() && services.by_links() {
                let text = "No service manager runs here: the old daemon was not stopped, nor the new one started; restart this machine or container";
                report.findings.push(Finding::warning(text));
            }
            report.findings.extend(gone(tree, &journal, turn));
            if !report.packages.is_empty() {
                report.packages = vec![PackageChange::install("chrony")];
                report.packages.extend(removed(&journal));
            }
            let command = next::here(tree, "migrate-ntpd", "--rollback");
            report
                .findings
                .push(Finding::info("Everything can be put back").next(command));
            Ok(report)
        }
        Err(failure) => {
            let undone = undo::undo(tree, &journal, turn)?;
            let mut finding = Finding::error(failure.message.clone());
            if let Some(hint) = failure.hint {
                finding = finding.next(hint);
            }
            report.findings.push(finding);
            for failed in &undone.failed {
                let text = format!("Not put back: {}", failed.message);
                report.findings.push(Finding::error(text).next(next::here(
                    tree,
                    "migrate-ntpd",
                    "--rollback",
                )));
            }
            report.findings.extend(undo::left(tree, &journal));
            report.result = Outcome::Undone;
            report.changes = !undone.failed.is_empty();
            report.files = undone.files;
            report.services = undone.services;
            report.packages = undone.packages;
            Ok(report)
        }
    }
}

/// Has every file of the plan in the report, with its backup: a package that was installed may have
/// brought some.
fn name_files(
    tree: &Tree,
    journal: &Journal,
    plan: &Plan,
    report: &mut MigrateReport,
) -> Result<(), Failure> {
    for file in &plan.files {
        let place = tree.leads_to(&file.path)?;
        let saved = journal.files.iter().find(|saved| saved.path == place);
        let backup = saved.and_then(journal::backup);
        match report
            .files
            .iter_mut()
            .find(|known| known.path == file.path)
        {
            Some(known) => {
                if backup.is_some() && known.action == FileAction::Create {
                    known.action = FileAction::Replace;
                }
                known.backup = backup;
            }
            None => report.files.push(FileChange {
                path: file.path.clone(),
                action: match backup {
                    Some(_) => FileAction::Replace,
                    None => FileAction::Create,
                },
                backup,
                diff: None,
            }),
        }
    }
    Ok(())
}

/// Packages that installing the new daemon removed.
fn removed(journal: &Journal) -> Vec<PackageChange> {
    let Some(manager) = Manager::find() else {
        return Vec::new();
    };
    let names = journal.packages.iter().map(|(name, _)| name);
    names
        .filter(|name| manager.version(name).is_none())
        .map(|name| PackageChange::remove(name))
        .collect()
}

/// Packages that installing the new daemon removed and of which there is no copy.
fn gone(tree: &Tree, journal: &Journal, turn: &Turn) -> Vec<Finding> {
    let Some(manager) = Manager::find().filter(|_| tree.is_live()) else {
        return Vec::new();
    };
    let lost = journal.packages.iter().filter(|(package, _)| {
        manager.version(package).is_none() && manager.kept(package, &turn.packages).is_none()
    });
    lost.map(|(package, version)| {
        let text = format!("No copy of the removed package {package} {version} could be kept: putting it back needs a repository that has it");
        Finding::warning(text).next(format!("apt-cache policy {package}"))
    })
    .collect()
}

/// The journal of everything that will be touched.
fn begin(
    args: &Args,
    tree: &Tree,
    plan: &Plan,
    services: &Services<'_>,
) -> Result<Journal, Failure> {
    let started = crate::commands::now();
    let backups = journal::backups(tree, &started);
    // What a link leads to is replaced, not the link.
    let paths = plan.files.iter().map(|file| tree.leads_to(&file.path));
    let mut paths = paths.collect::<Result<Vec<String>, Failure>>()?;
    // Runlevels are links too, and more than "on" and "off".
    if services.by_links() || !services.is_systemd() {
        paths.extend(links(plan, services).into_iter().map(|link| link.path));
        for state in plan.stop.iter().chain([&plan.start]) {
            paths.extend(services.runlevel_links(&state.name));
        }
    }
    paths.sort();
    paths.dedup();
    let mut directories: Vec<String> = paths
        .iter()
        .flat_map(|path| journal::missing_directories(tree, path))
        .collect();
    directories.sort();
    directories.dedup();
    let mut files = Vec::new();
    for (number, path) in paths.iter().enumerate() {
        files.push(journal::keep(tree, path, &backups, number)?);
    }
    let stop = plan.stop.iter().map(|state| recorded(state, false));
    let start = plan.waits.iter().chain([&plan.start]);
    let list = stop
        .chain(start.map(|state| recorded(state, true)))
        .collect();
    let mut packages = Vec::new();
    if !plan.installed
        && args.to == To::Chrony
        && let Some(manager) = Manager::find()
    {
        let known = ["ntpsec", "ntp", "openntpd", "systemd-timesyncd"];
        let mut names: Vec<String> = known.map(str::to_owned).to_vec();
        let more = manager.displaced("chrony").into_iter();
        names.extend(more.filter(|name| !known.contains(&name.as_str())));
        for name in names {
            packages.extend(manager.version(&name).map(|version| (name, version)));
        }
    }
    Ok(Journal {
        version: 1,
        state: State::Started,
        started,
        from: plan.old.name.to_owned(),
        target: args.to.word().to_owned(),
        files,
        services: list,
        packages,
        directories,
        written: Vec::new(),
        before: None,
        installed: match !plan.installed && args.to == To::Chrony {
            true => vec!["chrony".to_owned()],
            false => Vec::new(),
        },
    })
}

fn recorded(state: &super::services::State, new: bool) -> journal::Service {
    journal::Service {
        name: state.name.clone(),
        enabled: state.enabled,
        active: state.active,
        masked: state.masked,
        new,
    }
}

fn links(plan: &Plan, services: &Services<'_>) -> Vec<super::services::Link> {
    let mut links: Vec<_> = plan
        .stop
        .iter()
        .flat_map(|state| services.links_off(&state.name))
        .collect();
    let planned = |path: &str| {
        let file = plan.files.iter().find(|file| file.path == path)?;
        Some(String::from_utf8_lossy(&file.content).into_owned())
    };
    for state in plan.waits.iter().chain([&plan.start]) {
        links.extend(services.links_on(&state.name, &planned));
    }
    links
}

/// The changes, one after the other. Gives the plan that was carried out (installing may have
/// changed it) and the error bound of the synchronised clock, in seconds.
fn steps(
    args: &Args,
    tree: &Tree,
    mut plan: Plan,
    services: &Services<'_>,
    journal: &mut Journal,
    turn: &Turn,
    context: &Context,
) -> Result<(Plan, Option<f64>), Failure> {
    if !plan.installed && args.to == To::Chrony {
        context.progress("installing chrony");
        plan = install(args, tree, plan, services, journal, turn)?;
    }
    if services.by_links() {
        write_files(tree, &plan)?;
        for link in links(&plan, services) {
            put_link(tree, &link)?;
        }
        return Ok((plan, None));
    }
    for state in &plan.stop {
        if sys::service::find(tree.root(), &state.name).is_none() {
            continue;
        }
        context.progress(&format!("stopping {}", state.name));
        // Installing the new package may have done both.
        if services.active(&state.name) {
            services.stop(&state.name)?;
        }
        if sys::service::find(tree.root(), &state.name).is_some_and(|now| now.enabled) {
            services.disable(&state.name)?;
        }
    }
    nobody_else(args)?;
    write_files(tree, &plan)?;
    services.reload()?;
    let name = plan.start.name.as_str();
    context.progress(&format!("starting {name}"));
    if sys::service::find(tree.root(), name).is_some_and(|now| now.masked) {
        services.unmask(name)?;
    }
    services.enable(name)?;
    for state in &plan.waits {
        services.enable(&state.name)?;
    }
    if services.active(name) {
        services.stop(name)?;
    }
    // clockbox's own daemon may have the port from a socket unit, and says itself who holds it.
    if args.to == To::Chrony && plan.conversion.serving.serve {
        port::free()?;
    }
    services.start(name)?;
    if args.wait == 0 {
        return Ok((plan, None));
    }
    let error_s = wait::synchronised(args.to, args.wait, context)?;
    Ok((plan, Some(error_s)))
}

/// Installs the package without letting it start with its own configuration, and takes the
/// package's files into the journal.
fn install(
    args: &Args,
    tree: &Tree,
    old: Plan,
    services: &Services<'_>,
    journal: &mut Journal,
    turn: &Turn,
) -> Result<Plan, Failure> {
    let manager = Manager::find().ok_or_else(|| {
        Failure::new(
            ExitStatus::Unavailable,
            "no package manager is known here: install chrony by hand first",
        )
        .hint("clockbox migrate-ntpd")
    })?;
    let name = old.start.name.clone();
    for (package, version) in &journal.packages {
        // Best effort: where it cannot be had any more, a rollback says so before it begins.
        let name = format!("{package}={version}");
        let _ = manager.keep(&name, &turn.packages, &turn.log, &turn.lock);
    }
    let _ = services.mask(&name);
    let installed = manager.install("chrony", &turn.log, &turn.lock);
    services.unmask(&name)?;
    installed.map_err(|error| {
        Failure::new(ExitStatus::Unavailable, error.to_string()).hint(manager.command("chrony"))
    })?;
    // The package knows the version and the places; what it brought is the state to go back to.
    let Some(plan) = plan::make(args, tree, Some(old.fresh))? else {
        return Err(Failure::new(
            ExitStatus::Software,
            "the old configuration went away while chrony was installed",
        ));
    };
    let backups = journal::backups(tree, &crate::commands::now());
    for file in &plan.files {
        let number = journal.files.len();
        let place = tree.leads_to(&file.path)?;
        let fresh = journal::keep(tree, &place, &backups, number)?;
        match journal.files.iter_mut().find(|saved| saved.path == place) {
            Some(saved) if saved.was == journal::Was::Absent => *saved = fresh,
            Some(_) => {}
            None => journal.files.push(fresh),
        }
    }
    for state in &plan.waits {
        if !journal
            .services
            .iter()
            .any(|known| known.name == state.name)
        {
            journal.services.insert(0, recorded(state, true));
        }
    }
    journal::save(tree, journal)?;
    Ok(Plan {
        note: check(args, tree, &plan)?,
        stop: old.stop,
        ..plan
    })
}

/// No other program may hold the clock any more.
fn nobody_else(args: &Args) -> Result<(), Failure> {
    let running = sys::daemons::running().unwrap_or_default();
    let own = match args.to {
        To::Chrony => sys::daemons::Kind::Chronyd,
        To::Clockbox => sys::daemons::Kind::Clockbox,
    };
    match sys::daemons::holding_clock(&running)
        .into_iter()
        .find(|daemon| daemon.kind != own)
    {
        None => Ok(()),
        Some(daemon) => Err(Failure::new(
            ExitStatus::Unavailable,
            format!(
                "{} (process {}) still holds the clock, and no service of a known name runs it: see what starts it",
                daemon.kind.word(),
                daemon.pid
            ),
        )
        .hint(format!("cat /proc/{}/cgroup", daemon.pid))),
    }
}

fn write_files(tree: &Tree, plan: &Plan) -> Result<(), Failure> {
    for file in &plan.files {
        let place = sys::files::under(tree.root(), Path::new(&tree.leads_to(&file.path)?));
        sys::files::make_parents(&place)?;
        sys::files::replace(&place, &file.content, file.mode)?;
        if let Some(group) = file.group {
            sys::owner::set_group(&place, group).map_err(|error| match error.is_permission() {
                true => Failure::from(error).hint(format!("sudo {}", next::again(""))),
                false => error.into(),
            })?;
        }
    }
    Ok(())
}

/// What was written into files that an administrator may edit.
fn written(tree: &Tree, plan: &Plan) -> Result<Vec<(String, String)>, Failure> {
    let files = plan.files.iter();
    files
        .filter(|file| file.path.starts_with("/etc/"))
        .map(|file| Ok((tree.leads_to(&file.path)?, journal::digest(&file.content))))
        .collect()
}

fn put_link(tree: &Tree, link: &super::services::Link) -> Result<(), Failure> {
    let place = sys::rooted::place(tree.root(), Path::new(&link.path))?;
    match &link.target {
        None => sys::owner::remove(&place)?,
        Some(target) => {
            sys::files::make_parents(&place)?;
            sys::files::replace_link(&place, Path::new(target))?;
        }
    }
    Ok(())
}
