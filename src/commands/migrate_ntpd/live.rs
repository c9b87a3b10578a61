//! The migration of a running machine or an image: what was done before, the plan, whether to go on.

use super::Args;
use super::apply;
use super::gather::Source;
use super::journal;
use super::journal::Journal;
use super::journal::State;
use super::plan;
use super::plan::Plan;
use super::present;
use super::services::Services;
use super::tree::Tree;
use super::undo;
use crate::commands::Context;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::report::migrate_ntpd::FileAction;
use crate::report::migrate_ntpd::FileChange;
use crate::report::migrate_ntpd::MigrateReport;
use crate::report::migrate_ntpd::Result as Outcome;
use crate::report::migrate_ntpd::ServiceChange;
use crate::sys;

/// Migrates, or says what it would do.
pub(super) fn run(args: &Args, tree: &Tree, context: &Context) -> Result<MigrateReport, Failure> {
    if !args.dry_run {
        privileged(tree)?;
    }
    let mut known = journal::load(tree)?;
    let mut before = Vec::new();
    if let Some(journal) = known
        .as_ref()
        .filter(|journal| journal.state == State::Started)
    {
        let text = format!("A run of {} was interrupted", journal.started);
        if args.dry_run {
            before.push(Finding::warning(format!(
                "{text}; the next one undoes it first"
            )));
        } else {
            let undone = undo::undo(tree, journal)?;
            if let Some(failure) = undone.failed.first() {
                return Err(failure.clone());
            }
            before.push(Finding::info(format!("{text}: it was undone first")));
            known = journal::load(tree)?;
        }
    }
    let Some(plan) = plan::make(args, tree, None)? else {
        return nothing_here(args, tree, known.as_ref());
    };
    let mut report = shown(args, tree, &plan);
    report.findings.splice(0..0, before);
    if already(tree, &plan) {
        let done = known.is_some_and(|journal| journal.state == State::Done);
        let same = report
            .files
            .iter()
            .all(|file| file.action == FileAction::Unchanged);
        if !done && !same {
            let text = format!(
                "{} is in use here and no service of ntpd is left: {} was not converted",
                args.to.word(),
                plan.old.conf
            );
            let next = format!(
                "clockbox migrate-ntpd --from {} --output DIR",
                plan.old.conf
            );
            report.findings.insert(0, Finding::warning(text).next(next));
        }
        report.result = Outcome::Unchanged;
        report.changes = false;
        report.services.clear();
        report
            .files
            .iter_mut()
            .for_each(|file| file.action = FileAction::Unchanged);
        report.accepted = true;
        return Ok(report);
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
        return Ok(report);
    }
    if report.summary.lost > 0 && !args.accept_losses {
        report.result = Outcome::Held;
        report.changes = false;
        return Ok(report);
    }
    apply::ready(args, tree, &plan)?;
    apply::apply(args, tree, plan, report, context)
}

/// Undoes a finished or an interrupted migration.
pub(super) fn roll_back(args: &Args, tree: &Tree) -> Result<MigrateReport, Failure> {
    let Some(journal) = journal::load(tree)? else {
        return Err(Failure::new(
            ExitStatus::NoInput,
            format!("{}: there is no migration to undo", journal::DIR),
        )
        .hint("clockbox migrate-ntpd --dry-run shows what a migration would do"));
    };
    let mut report = empty(args, &journal.from, &journal.target, Outcome::RolledBack);
    if journal.state == State::RolledBack {
        report.findings.push(Finding::info(format!(
            "The migration of {} was undone before",
            journal.started
        )));
        return Ok(report);
    }
    report.changes = true;
    if args.dry_run {
        report.result = Outcome::Planned;
        for saved in &journal.files {
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
        return Ok(report);
    }
    privileged(tree)?;
    let undone = undo::undo(tree, &journal)?;
    if let Some(failure) = undone.failed.first() {
        return Err(failure.clone());
    }
    report.files = undone.files;
    report.services = undone.services;
    Ok(report)
}

fn privileged(tree: &Tree) -> Result<(), Failure> {
    if tree.is_live() && !sys::host::is_root() {
        return Err(Failure::new(
            ExitStatus::NoPermission,
            "only root can replace the time daemon of this machine",
        )
        .hint("sudo clockbox migrate-ntpd; or look first: clockbox migrate-ntpd --dry-run"));
    }
    Ok(())
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
        diffs: args.diff,
        accepted: true,
    }
}

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
            Err(Failure::new(ExitStatus::NoInput, format!("none of /etc/ntp.conf, /etc/ntpsec/ntp.conf and /etc/openntpd/ntpd.conf is there{place}: no ntpd to leave"))
                .hint("clockbox status says which time daemon this machine has"))
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
    );
    report.dry = args.dry_run;
    report.diffs = args.diff;
    report.accepted = args.accept_losses;
    for file in &plan.files {
        let old = tree.content(&file.path).ok().flatten();
        report.files.push(present::file(
            &file.path,
            old.as_deref(),
            &file.content,
            file.secret,
        ));
    }
    if !plan.installed {
        report.packages.push("chrony".to_owned());
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
    if let Source::Ntp(input) = &plan.old.source
        && !input.dhcp.is_empty()
    {
        let text = format!(
            "DHCP gave {}, which ntp.conf does not name: the new daemon takes servers of DHCP from its sourcedir",
            input.dhcp.join(", ")
        );
        report.findings.push(Finding::info(text));
    }
    report
}

/// Whether there is nothing to leave: no old service runs or would start, and the new one does. A
/// configuration of ntpd that lies about must not replace the one in use.
fn already(tree: &Tree, plan: &Plan) -> bool {
    let links = Services::new(tree).by_links();
    plan.stop.is_empty() && plan.start.enabled && (plan.start.active || links)
}
