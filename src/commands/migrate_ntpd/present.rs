//! A conversion as a report.

use super::target::To;
use crate::conf::chrony::Version;
use crate::conf::convert::Conversion;
use crate::conf::convert::record;
use crate::conf::convert::record::Record;
use crate::report::diff;
use crate::report::finding::Finding;
use crate::report::migrate_ntpd::FileAction;
use crate::report::migrate_ntpd::FileChange;
use crate::report::migrate_ntpd::Line;
use crate::report::migrate_ntpd::MigrateReport;
use crate::report::migrate_ntpd::Result;
use crate::report::migrate_ntpd::Summary;
use crate::report::migrate_ntpd::Verdict;

/// The report of a conversion, without files and services.
pub(super) fn report(
    from: &str,
    to: To,
    version: Version,
    conversion: &Conversion,
    result: Result,
) -> MigrateReport {
    let lines: Vec<Line> = conversion.records.iter().map(line).collect();
    let count = |verdict: Verdict| lines.iter().filter(|line| line.verdict == verdict).count();
    let summary = Summary {
        kept: count(Verdict::Kept),
        changed: count(Verdict::Changed),
        dropped: count(Verdict::Dropped),
        lost: lines.iter().filter(|line| line.matters).count(),
    };
    let mut findings: Vec<Finding> = conversion
        .warnings
        .iter()
        .map(|text| Finding::warning(sentence(text)))
        .collect();
    if summary.lost > 0 {
        let text = format!(
            "{} lines lose something that may be missed; each says what",
            summary.lost
        );
        findings.push(Finding::warning(text).next("read them, then go on with --accept-losses"));
    }
    MigrateReport {
        result,
        from: from.to_owned(),
        target: to.word().to_owned(),
        target_version: version.to_string(),
        serving: conversion.serving.serve,
        summary,
        lines,
        files: Vec::new(),
        services: Vec::new(),
        packages: Vec::new(),
        findings,
        journal: None,
        changes: false,
        dry: false,
        diffs: false,
        accepted: false,
    }
}

fn line(record: &Record) -> Line {
    Line {
        file: record.origin.file.clone(),
        line: record.origin.line,
        text: record.text.clone(),
        verdict: match record.verdict {
            record::Verdict::Kept => Verdict::Kept,
            record::Verdict::Changed => Verdict::Changed,
            record::Verdict::Dropped => Verdict::Dropped,
        },
        matters: record.matters,
        output: record.output.clone(),
        reason: record.reason.clone(),
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + chars.as_str()
    })
}

/// A file that is to have this content. The diff of a file with secrets is never made.
pub(super) fn file(path: &str, old: Option<&[u8]>, new: &str, secret: bool) -> FileChange {
    let action = match old {
        None => FileAction::Create,
        Some(old) if old == new.as_bytes() => FileAction::Unchanged,
        Some(_) => FileAction::Replace,
    };
    let old = old.map(String::from_utf8_lossy);
    FileChange {
        path: path.to_owned(),
        action,
        backup: None,
        diff: (!secret)
            .then(|| diff::unified(path, old.as_deref(), Some(new)))
            .filter(|diff| !diff.is_empty()),
    }
}
