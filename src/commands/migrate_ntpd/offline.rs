//! `--from FILE --output DIR`: only converts, and touches nothing but that directory.

use super::Args;
use super::gather;
use super::own;
use super::present;
use super::refused;
use super::target;
use super::target::To;
use super::tree::Tree;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report;
use crate::report::migrate_ntpd::FileAction;
use crate::report::migrate_ntpd::FileChange;
use crate::report::migrate_ntpd::MigrateReport;
use crate::report::migrate_ntpd::Result as Outcome;
use crate::sys;
use std::path::Path;

/// Converts a file into a directory.
pub(super) fn run(
    args: &Args,
    tree: &Tree,
    from: &Path,
    output: &Path,
) -> Result<MigrateReport, Failure> {
    let path = from.display().to_string();
    let old = gather::from_file(tree, &path, args.dialect)?;
    let known = target::known(tree, args.to, args.chrony_version, true);
    let target = known.target;
    let mut conversion = old.convert(&target, args.policy());
    if args.to == To::Clockbox {
        own::account(&mut conversion, &target);
    }
    let refusal = refused(&conversion, &path)?;
    let mut report = present::report(
        old.name,
        args.to,
        target.version,
        &conversion,
        Outcome::Converted,
        args.accept_losses,
    );
    if let Some(finding) = refusal {
        report.result = Outcome::Refused;
        report.dry = args.dry_run;
        report.findings.insert(0, finding);
        return Ok(report);
    }
    if known.assumed {
        report.findings.push(present::assumed(target.version));
    }
    report.dry = args.dry_run;
    report.diffs = args.diff;
    let daemon = args.to.word();
    let files = [
        (format!("{daemon}.conf"), Some(conversion.conf.as_str())),
        (format!("{daemon}.keys"), conversion.keys.as_deref()),
        ("drift".to_owned(), conversion.drift.as_deref()),
    ];
    for (name, content) in files {
        let Some(content) = content else { continue };
        let place = output.join(&name);
        let secret = name.ends_with(".keys");
        let mode = if secret { 0o640 } else { 0o644 };
        let old = sys::files::read(&place, sys::files::CONFIG_LIMIT).ok();
        let file = present::file(
            &place.display().to_string(),
            old.as_deref(),
            content.as_bytes(),
            secret,
        );
        if file.action != FileAction::Unchanged && !args.dry_run {
            write(&place, content.as_bytes(), mode)?;
        }
        report.files.push(file);
    }
    report.changes = report
        .files
        .iter()
        .any(|file| file.action != FileAction::Unchanged);
    save(&mut report, &output.join("report.json"))?;
    Ok(report)
}

/// Writes the report beside the files, where it says something else than the one that is there.
fn save(report: &mut MigrateReport, place: &Path) -> Result<(), Failure> {
    let old = sys::files::read(place, sys::files::CONFIG_LIMIT).ok();
    let action = match (&old, report.changes) {
        (None, _) => FileAction::Create,
        (Some(_), true) => FileAction::Replace,
        (Some(_), false) => FileAction::Unchanged,
    };
    report.files.push(FileChange {
        path: place.display().to_string(),
        action,
        backup: None,
        diff: None,
    });
    if report.dry {
        return Ok(());
    }
    let text = report::json(report, crate::commands::now(), sys::host::name())?;
    if action == FileAction::Unchanged && old.is_some_and(|old| same(&old, text.as_bytes())) {
        return Ok(());
    }
    write(place, text.as_bytes(), 0o644)
}

/// Two reports tell the same of the conversion.
fn same(one: &[u8], other: &[u8]) -> bool {
    let told = |bytes: &[u8]| {
        let report: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        let parts = ["result", "ok", "target_version", "lines", "findings"];
        Some(parts.map(|part| report.get(part).cloned()))
    };
    told(one).is_some() && told(one) == told(other)
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), Failure> {
    let made =
        sys::files::make_parents(path).and_then(|()| sys::files::replace(path, content, mode));
    made.map_err(|error| {
        let status = if error.is_permission() {
            ExitStatus::NoPermission
        } else {
            ExitStatus::CantCreate
        };
        Failure {
            status,
            ..Failure::from(error)
        }
        .hint("choose a directory that can be written: --output DIR")
    })
}
