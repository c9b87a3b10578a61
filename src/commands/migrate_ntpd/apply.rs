//! The changes of a migration: journal, package, services, files; and the undo when one fails.

use super::Args;
use super::journal;
use super::journal::Journal;
use super::journal::State;
use super::plan;
use super::plan::Plan;
use super::services::Services;
use super::target::To;
use super::tree::Tree;
use super::undo;
use super::wait;
use crate::commands::Context;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::report::migrate_ntpd::MigrateReport;
use crate::report::migrate_ntpd::Result as Outcome;
use crate::sys;
use crate::sys::package::Manager;
use crate::sys::process;
use std::path::Path;

/// What must hold before anything is touched.
pub(super) fn ready(args: &Args, tree: &Tree, plan: &Plan) -> Result<(), Failure> {
    if !plan.installed {
        let command = Manager::find().map_or_else(
            || "install the package chrony".to_owned(),
            |manager| manager.command("chrony"),
        );
        if !tree.is_live() {
            return Err(Failure::new(
                ExitStatus::Unavailable,
                "chrony is not installed in the image",
            )
            .hint(format!("chroot {} {command}", tree.root().display())));
        }
        if !args.install {
            return Err(
                Failure::new(ExitStatus::Unavailable, "chrony is not installed")
                    .hint(format!("clockbox migrate-ntpd --install; or: {command}")),
            );
        }
        return Ok(());
    }
    check(args, tree, &plan.conversion.conf)
}

/// The target's own checker reads the new configuration.
fn check(args: &Args, tree: &Tree, conf: &str) -> Result<(), Failure> {
    if args.to != To::Chrony || !tree.is_live() || process::find("chronyd").is_none() {
        return Ok(());
    }
    let path = format!("{}/check.conf", journal::DIR);
    let place = Path::new(&path);
    sys::files::make_parents(place)?;
    sys::files::replace(place, conf.as_bytes(), 0o600)?;
    let said = process::read("chronyd", &["-p", "-f", &path], 10.0, 1 << 20);
    sys::owner::remove(place)?;
    let said = said?;
    if said.status == Some(0) {
        return Ok(());
    }
    Err(Failure::new(
        ExitStatus::Data,
        format!("chronyd refuses the new configuration: {}", said.reason()),
    )
    .hint("clockbox migrate-ntpd --dry-run --diff shows it"))
}

/// Applies the plan; when a step fails everything is put back.
pub(super) fn apply(
    args: &Args,
    tree: &Tree,
    plan: Plan,
    mut report: MigrateReport,
    context: &Context,
) -> Result<MigrateReport, Failure> {
    let services = Services::new(tree);
    let mut journal = begin(args, tree, &plan, &services)?;
    journal::save(tree, &journal)?;
    report.journal = Some(format!("{}/journal.json", journal::DIR));
    for file in &mut report.files {
        let saved = journal.files.iter().find(|saved| saved.path == file.path);
        file.backup = saved.and_then(journal::backup);
    }
    let result = steps(args, tree, plan, &services, &mut journal, context);
    context.progress_done();
    match result {
        Ok(error_s) => {
            journal.state = State::Done;
            journal::save(tree, &journal)?;
            report.result = Outcome::Migrated;
            if let Some(error_s) = error_s {
                let bound = crate::report::format::seconds(error_s);
                report.findings.push(Finding::info(format!(
                    "The clock is synchronised, its error is within {bound}"
                )));
            }
            if tree.is_live() && services.by_links() {
                let text = "No service manager runs here: the old daemon was not stopped, nor the new one started";
                report
                    .findings
                    .push(Finding::warning(text).next("restart this machine or container"));
            }
            let command = if tree.is_live() {
                "clockbox migrate-ntpd --rollback".to_owned()
            } else {
                format!(
                    "clockbox migrate-ntpd --root {} --rollback",
                    tree.root().display()
                )
            };
            report
                .findings
                .push(Finding::info("Everything can be put back").next(command));
            Ok(report)
        }
        Err(failure) => {
            let undone = undo::undo(tree, &journal)?;
            let mut finding = Finding::error(failure.message.clone());
            if let Some(hint) = failure.hint {
                finding = finding.next(hint);
            }
            report.findings.push(finding);
            for failed in &undone.failed {
                let text = format!("Not put back: {}", failed.message);
                report
                    .findings
                    .push(Finding::error(text).next("clockbox migrate-ntpd --rollback"));
            }
            report.result = Outcome::Undone;
            report.changes = !undone.failed.is_empty();
            report.files = undone.files;
            report.services = undone.services;
            report.packages.clear();
            Ok(report)
        }
    }
}

/// The journal of everything that will be touched.
fn begin(
    args: &Args,
    tree: &Tree,
    plan: &Plan,
    services: &Services<'_>,
) -> Result<Journal, Failure> {
    let mut paths: Vec<String> = plan.files.iter().map(|file| file.path.clone()).collect();
    if services.by_links() {
        paths.extend(links(plan, services).into_iter().map(|link| link.path));
    }
    paths.sort();
    paths.dedup();
    let mut files = Vec::new();
    for (number, path) in paths.iter().enumerate() {
        files.push(journal::keep(tree, path, number)?);
    }
    let service = |state: &super::services::State, new: bool| journal::Service {
        name: state.name.clone(),
        enabled: state.enabled,
        active: state.active,
        masked: state.masked,
        new,
    };
    let mut list: Vec<_> = plan
        .stop
        .iter()
        .map(|state| service(state, false))
        .collect();
    list.push(service(&plan.start, true));
    let mut packages = Vec::new();
    if !plan.installed
        && let Some(manager) = Manager::find()
    {
        for name in ["ntpsec", "ntp", "openntpd", "systemd-timesyncd"] {
            packages.extend(
                manager
                    .version(name)
                    .map(|version| (name.to_owned(), version)),
            );
        }
    }
    Ok(Journal {
        version: 1,
        state: State::Started,
        started: crate::commands::now(),
        from: plan.old.name.to_owned(),
        target: args.to.word().to_owned(),
        files,
        services: list,
        packages,
    })
}

fn links(plan: &Plan, services: &Services<'_>) -> Vec<super::services::Link> {
    let mut links: Vec<_> = plan
        .stop
        .iter()
        .flat_map(|state| services.links_off(&state.name))
        .collect();
    links.extend(services.links_on(&plan.start.name));
    links
}

/// The changes, one after the other. Gives the error bound of the synchronised clock, in seconds.
fn steps(
    args: &Args,
    tree: &Tree,
    mut plan: Plan,
    services: &Services<'_>,
    journal: &mut Journal,
    context: &Context,
) -> Result<Option<f64>, Failure> {
    if !plan.installed {
        context.progress("installing chrony");
        plan = install(args, tree, plan, services, journal)?;
    }
    if services.by_links() {
        write_files(tree, &plan)?;
        for link in links(&plan, services) {
            put_link(tree, &link)?;
        }
        return Ok(None);
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
    if services.active(name) {
        services.stop(name)?;
    }
    services.start(name)?;
    if args.wait == 0 {
        return Ok(None);
    }
    wait::synchronised(args.to, args.wait, context).map(Some)
}

/// Installs the package without letting it start with its own configuration, and takes the
/// package's files into the journal.
fn install(
    args: &Args,
    tree: &Tree,
    old: Plan,
    services: &Services<'_>,
    journal: &mut Journal,
) -> Result<Plan, Failure> {
    let manager = Manager::find().ok_or_else(|| {
        Failure::new(ExitStatus::Unavailable, "no package manager is known here")
            .hint("install chrony by hand, then run this again")
    })?;
    let name = old.start.name.clone();
    let _ = services.mask(&name);
    let installed = manager.install("chrony");
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
    for file in &plan.files {
        let number = journal.files.len();
        let fresh = journal::keep(tree, &file.path, number)?;
        match journal
            .files
            .iter_mut()
            .find(|saved| saved.path == file.path)
        {
            Some(saved) if saved.was == journal::Was::Absent => *saved = fresh,
            Some(_) => {}
            None => journal.files.push(fresh),
        }
    }
    journal::save(tree, journal)?;
    check(args, tree, &plan.conversion.conf)?;
    Ok(Plan {
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
                "{} (process {}) still holds the clock, and no service of a known name runs it",
                daemon.kind.word(),
                daemon.pid
            ),
        )
        .hint(format!(
            "see what starts it: cat /proc/{}/cgroup",
            daemon.pid
        ))),
    }
}

fn write_files(tree: &Tree, plan: &Plan) -> Result<(), Failure> {
    for file in &plan.files {
        let place = tree.real(&file.path)?;
        sys::files::make_parents(&place)?;
        sys::files::replace(&place, file.content.as_bytes(), file.mode)?;
        if let Some(group) = file.group {
            sys::owner::set_group(&place, group)?;
        }
    }
    Ok(())
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
