//! The migration of a running machine or an image: what was done before, the plan, whether to go on.

use super::Args;
use super::apply;
use super::journal;
use super::journal::Journal;
use super::journal::State;
use super::next;
use super::plan;
use super::plan::Plan;
use super::present;
use super::services::Services;
use super::target::To;
use super::tree::Tree;
use super::undo;
use crate::commands::Context;
use crate::commands::sync::quoted;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::report::migrate_ntpd::FileAction;
use crate::report::migrate_ntpd::FileChange;
use crate::report::migrate_ntpd::MigrateReport;
use crate::report::migrate_ntpd::PackageAction;
use crate::report::migrate_ntpd::PackageChange;
use crate::report::migrate_ntpd::Result as Outcome;
use crate::report::migrate_ntpd::ServiceChange;
use crate::sys;
use crate::sys::lock::Held;
use std::path::Path;

/// Migrates, or says what it would do.
pub(super) fn run(args: &Args, tree: &Tree, context: &Context) -> Result<MigrateReport, Failure> {
    if !args.dry_run {
        privileged(tree)?;
    }
    let (known, before) = earlier(args, tree, context)?;
    let Some(mut plan) = plan::make(args, tree, None)? else {
        return nothing_here(args, tree, known.as_ref());
    };
    let mut report = shown(args, tree, &plan);
    report.findings.splice(0..0, before);
    let other = other_in_use(&plan);
    if other.is_some() || already(tree, &plan) {
        let done = known
            .as_ref()
            .is_some_and(|known| known.state == State::Done)
            && other.is_none();
        let same = report
            .files
            .iter()
            .all(|file| file.action == FileAction::Unchanged);
        if !done && !same {
            let text = format!(
                "{} is in use here and no service of ntpd is left: {} was not converted",
                other.unwrap_or(args.to.word()),
                plan.old.conf
            );
            let next = format!(
                "clockbox migrate-ntpd --from {} --output DIR",
                sys::files::under(tree.root(), Path::new(&plan.old.conf)).display()
            );
            report.findings.insert(0, Finding::warning(text).next(next));
        }
        return Ok(unchanged(report));
    }
    if let Some(finding) = super::refused(&plan.conversion, &plan.old.conf)? {
        report.result = Outcome::Refused;
        report.findings.insert(0, finding);
        report.files.clear();
        report.services.clear();
        report.packages.clear();
        return Ok(report);
    }
    report.changes = true;
    if args.dry_run {
        report.findings.extend(provisional(args, &plan));
        let missing = apply::missing(args, tree, &plan);
        if let Err(failure) = privileged(tree)
            && missing.is_none()
        {
            let next = failure.hint.unwrap_or_default();
            let finding = Finding::info("Without --dry-run this needs root").next(next);
            report.findings.push(finding);
        }
        if let Some(failure) = missing {
            report.missing = true;
            let finding = Finding::error(failure.message);
            report.findings.push(match failure.hint {
                Some(hint) => finding.next(hint),
                None => finding,
            });
        }
        return Ok(report);
    }
    if report.summary.lost > 0 && !args.accept_losses {
        report.findings.extend(provisional(args, &plan));
        report.result = Outcome::Held;
        report.changes = false;
        return Ok(report);
    }
    apply::ready(args, tree, &mut plan)?;
    let turn = journal::turn(tree, context)?;
    if journal::load(tree)? != known {
        let text = "another migrate-ntpd changed this machine meanwhile; nothing was changed: see what is left to do";
        return Err(Failure::new(ExitStatus::Unavailable, text).hint(next::here(
            tree,
            "migrate-ntpd",
            "--dry-run",
        )));
    }
    apply::apply(args, tree, plan, report, known, &turn, context)
}

/// The report where there is nothing to do.
fn unchanged(mut report: MigrateReport) -> MigrateReport {
    report.result = Outcome::Unchanged;
    report.changes = false;
    report.services.clear();
    report
        .files
        .iter_mut()
        .for_each(|file| file.action = FileAction::Unchanged);
    report.accepted = true;
    // What is lost was accepted before.
    let go_on = Some(next::again("--accept-losses"));
    report.findings.retain(|finding| finding.next != go_on);
    report
}

/// The journal of an earlier run, and what there is to say of it: one that was interrupted is
/// undone first.
fn earlier(
    args: &Args,
    tree: &Tree,
    context: &Context,
) -> Result<(Option<Journal>, Vec<Finding>), Failure> {
    if args.dry_run {
        return looked_at(tree);
    }
    let interrupted = |known: Option<Journal>| known.filter(|known| known.state == State::Started);
    let known = journal::load(tree)?;
    if interrupted(known.clone()).is_none() {
        return Ok((known, Vec::new()));
    }
    let turn = journal::turn(tree, context)?;
    // It may have been a run that was still at work, and has ended by now.
    let known = journal::load(tree)?;
    let Some(journal) = interrupted(known.clone()) else {
        return Ok((known, Vec::new()));
    };
    let undone = undo::undo(tree, &journal, &turn)?;
    if let Some(failure) = undone.failed.first() {
        return Err(failure.clone());
    }
    let finding = Finding::info(format!(
        "A run of {} was interrupted: it was undone first{}",
        journal.started,
        packages(&undone.packages)
    ));
    let left = undo::left(tree, &journal);
    let findings = [finding].into_iter().chain(undone.findings).chain(left);
    let findings = findings.collect();
    Ok((journal::load(tree)?, findings))
}

/// What a dry run sees of an earlier run, which it leaves as it is.
fn looked_at(tree: &Tree) -> Result<(Option<Journal>, Vec<Finding>), Failure> {
    let known = match journal::load(tree) {
        Err(failure) if failure.status == ExitStatus::NoPermission => {
            let text = "Whether a migration was interrupted or is under way could not be seen: only root may read its journal";
            let hint = failure.hint.unwrap_or_default();
            return Ok((None, vec![Finding::warning(text).next(hint)]));
        }
        known => known?,
    };
    let finding = at_work(tree, known.as_ref());
    Ok((known, finding.into_iter().collect()))
}

/// Says that another run is at work, was interrupted, or that this cannot be seen.
fn at_work(tree: &Tree, known: Option<&Journal>) -> Option<Finding> {
    let started = known.filter(|known| known.state == State::Started);
    let since = started.map_or("", |journal| journal.started.as_str());
    let as_root = format!("sudo {}", next::same());
    Some(match (started, journal::under_way(tree)) {
        (Some(_), Held::Yes) => Finding::warning(format!(
            "The run of {since} is under way: this is what it has left to do by now; another run waits for it"
        )),
        (Some(_), Held::No) => Finding::warning(format!(
            "A run of {since} was interrupted; the next one undoes it first"
        )),
        (Some(_), Held::Unseen) => Finding::warning(format!(
            "The run of {since} is under way or was interrupted; only root can see which"
        ))
        .next(as_root),
        (None, Held::Yes) => Finding::warning(
            "Another run is at work here right now: what it is about to change is not in this plan",
        ),
        (None, Held::No) => return None,
        (None, Held::Unseen) => {
            Finding::info("Only root can see whether another run is at work here right now")
                .next(as_root)
        }
    })
}

/// What became of packages, as the end of a sentence.
fn packages(changes: &[PackageChange]) -> String {
    let named = |action: PackageAction| {
        let those = changes.iter().filter(|change| change.action == action);
        let names: Vec<&str> = those.map(|change| change.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let back = named(PackageAction::Install).map(|names| format!("; installed again: {names}"));
    let gone = named(PackageAction::Remove).map(|names| format!("; removed for that: {names}"));
    back.unwrap_or_default() + &gone.unwrap_or_default()
}

/// Undoes a finished or an interrupted migration.
pub(super) fn roll_back(
    args: &Args,
    tree: &Tree,
    context: &Context,
) -> Result<MigrateReport, Failure> {
    let Some(mut journal) = journal::load(tree)? else {
        return Err(Failure::new(
            ExitStatus::NoInput,
            format!(
                "{}: there is no migration to undo; a dry run shows what one would do",
                journal::DIR
            ),
        )
        .hint(next::here(tree, "migrate-ntpd", "--dry-run")));
    };
    let mut report = empty(args, &journal.from, &journal.target, Outcome::RolledBack);
    if journal.state == State::RolledBack {
        report.findings.push(Finding::info(format!(
            "It began at {}; another one may begin now",
            journal.started
        )));
        return Ok(report);
    }
    report.changes = true;
    if args.dry_run {
        report.result = Outcome::Planned;
        report.findings.extend(at_work(tree, Some(&journal)));
        journal = journal.whole();
        for saved in &journal.files {
            if undo::is_edited(tree, &journal, saved) {
                let text = format!(
                    "{} was changed after the migration: --rollback keeps a copy of it in {}",
                    saved.path,
                    journal::DIR
                );
                report.findings.push(Finding::warning(text));
            }
            report.files.push(FileChange {
                path: saved.path.clone(),
                action: if saved.was == journal::Was::Absent {
                    FileAction::Remove
                } else {
                    FileAction::Restore
                },
                backup: journal::backup(saved),
                diff: None,
            });
        }
        for service in &journal.services {
            report
                .services
                .push(undo::as_before(service, tree.is_live()));
        }
        if tree.is_live() {
            report.packages = undo::packages(tree, &journal);
        }
        return Ok(report);
    }
    privileged(tree)?;
    let turn = journal::turn(tree, context)?;
    if let Some(now) = journal::load(tree)? {
        journal = now;
    }
    let done = |journal: &&Journal| journal.state == State::Done;
    if let Some(done) = Some(&journal).filter(done).or(journal.before.as_deref())
        && tree.is_live()
    {
        undo::ready(done, &turn)?;
    }
    // A run that was interrupted may have gone on from a finished migration.
    let mut rest = Some(journal);
    while let Some(journal) = rest.take() {
        let undone = undo::undo(tree, &journal, &turn)?;
        if let Some(failure) = undone.failed.first() {
            return Err(failure.clone());
        }
        report.files.extend(undone.files);
        report.services.extend(undone.services);
        report.packages.extend(undone.packages);
        report.findings.extend(undone.findings);
        if journal.before.is_none() {
            report.findings.extend(undo::left(tree, &journal));
        }
        rest = journal.before.map(|before| *before);
    }
    Ok(report)
}

pub(super) fn privileged(tree: &Tree) -> Result<(), Failure> {
    let etc = tree.real("/etc")?;
    let text = if tree.is_live() && !sys::host::is_root() {
        "only root can replace the time daemon of this machine; a dry run needs no root".to_owned()
    } else if !tree.is_live() && etc.is_dir() && !sys::files::may_write(&etc) {
        format!(
            "writing into {} needs root, a dry run does not",
            etc.display()
        )
    } else {
        return Ok(());
    };
    Err(Failure::new(ExitStatus::NoPermission, text).hint(format!("sudo {}", next::again(""))))
}

fn empty(args: &Args, from: &str, to: &str, result: Outcome) -> MigrateReport {
    MigrateReport {
        result,
        from: from.to_owned(),
        target: to.to_owned(),
        target_version: String::new(),
        serving: false,
        summary: crate::report::migrate_ntpd::Summary::default(),
        lines: Vec::new(),
        files: Vec::new(),
        services: Vec::new(),
        packages: Vec::new(),
        findings: Vec::new(),
        journal: Some(format!("{}/journal.json", journal::DIR)),
        changes: false,
        dry: args.dry_run,
        missing: false,
        diffs: args.diff,
        back: args.rollback,
        accepted: true,
    }
}

/// What package managers make of ntp.conf when they remove ntpd.
const SAVED: &[&str] = &[
    "/etc/ntp.conf.rpmsave",
    "/etc/ntp.conf.rpmorig",
    "/etc/ntp.conf.apk-old",
    "/etc/ntp.conf.pacsave",
];

/// No ntp.conf: fine after a migration, else there is nothing to leave.
fn nothing_here(
    args: &Args,
    tree: &Tree,
    known: Option<&Journal>,
) -> Result<MigrateReport, Failure> {
    match known.filter(|journal| journal.state == State::Done) {
        Some(journal) => Ok(empty(
            args,
            &journal.from,
            &journal.target,
            Outcome::Unchanged,
        )),
        None => {
            let place = if tree.is_live() {
                String::new()
            } else {
                format!(" under {}", tree.root().display())
            };
            let (left, hint) = match tree.first(SAVED) {
                Some(path) => (
                    format!(", but a removed package left {path}"),
                    format!(
                        "clockbox migrate-ntpd --from {} --output DIR",
                        sys::files::under(tree.root(), Path::new(path)).display()
                    ),
                ),
                None => (String::new(), next::here(tree, "status", "")),
            };
            Err(Failure::new(ExitStatus::NoInput, format!("none of /etc/ntp.conf, /etc/ntpsec/ntp.conf and /etc/openntpd/ntpd.conf is there{place}: no ntpd to leave{left}"))
                .hint(hint))
        }
    }
}

/// The plan as a report.
fn shown(args: &Args, tree: &Tree, plan: &Plan) -> MigrateReport {
    let mut report = present::report(
        plan.old.name,
        args.to,
        plan.target.version,
        &plan.conversion,
        Outcome::Planned,
        args.accept_losses,
    );
    report.dry = args.dry_run;
    report.diffs = args.diff;
    for file in &plan.files {
        let old = tree.content(&file.path).ok().flatten();
        report.files.push(present::file(
            &file.path,
            old.as_deref(),
            &file.content,
            file.secret,
        ));
    }
    // Where the package is not there yet, the plan is made again once it is.
    if plan.assumed && (plan.installed || !tree.is_live()) {
        report.findings.push(present::assumed(plan.target.version));
    }
    if !plan.installed && args.to == To::Chrony && args.install && tree.is_live() {
        report.packages.push(PackageChange::install("chrony"));
        let gone = apply::displaced("chrony");
        let gone = gone.iter().map(|name| PackageChange::remove(name));
        report.packages.extend(gone);
    }
    if args.to == To::Clockbox && sys::owner::group(tree.root(), &["_clockbox"]).is_none() {
        let text = "There is no user _clockbox: the daemon keeps running as root, within the limits of its service";
        let chroot = match tree.is_live() {
            true => String::new(),
            false => format!("chroot {} ", quoted(&tree.root().display().to_string())),
        };
        report.findings.push(Finding::info(text).next(format!("{chroot}useradd --system --user-group --home-dir /var/lib/clockbox --shell /usr/sbin/nologin _clockbox")));
    }
    let change = |state: &super::services::State, action: &str| ServiceChange {
        name: state.name.clone(),
        action: action.to_owned(),
        was_enabled: state.enabled,
        was_active: tree.is_live().then_some(state.active),
    };
    let links = Services::new(tree).by_links();
    let (off, on) = if links {
        ("disable", "enable")
    } else {
        ("stop and disable", "enable and start")
    };
    report
        .services
        .extend(plan.stop.iter().map(|state| change(state, off)));
    report
        .services
        .extend(plan.waits.iter().map(|state| change(state, "enable")));
    let right = plan.start.enabled && (plan.start.active || links);
    if !right
        || report
            .files
            .iter()
            .any(|file| file.action != FileAction::Unchanged)
    {
        let on = if right { "restart" } else { on };
        report.services.push(change(&plan.start, on));
    }
    report
}

/// What a plan for a chrony that is not there yet depends on.
fn provisional(args: &Args, plan: &Plan) -> Option<Finding> {
    let version = plan.target.version;
    let text = format!(
        "chrony is not installed yet, so this is the plan for version {version}; it is made again for the version that is installed"
    );
    (!plan.installed && args.to == To::Chrony).then(|| Finding::info(text))
}

/// A third daemon that is in use instead of any ntpd: its configuration is the one that counts
/// here, and must not be replaced by that of an ntpd that lies about.
fn other_in_use(plan: &Plan) -> Option<&'static str> {
    let newer = |name: &str| {
        ["chrony", "chronyd", "clockbox", "clockbox-serve"]
            .into_iter()
            .find(|known| *known == name)
    };
    let mut found = plan.stop.iter().map(|state| newer(&state.name));
    let first = found.next()??;
    found.all(|name| name.is_some()).then_some(first)
}

/// Whether there is nothing to leave: no old service runs or would start, and the new one does. A
/// configuration of ntpd that lies about must not replace the one in use.
fn already(tree: &Tree, plan: &Plan) -> bool {
    let links = Services::new(tree).by_links();
    plan.stop.is_empty() && plan.start.enabled && (plan.start.active || links)
}
