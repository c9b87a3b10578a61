//! A conversion as a report.

use super::next;
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
    accepted: bool,
) -> MigrateReport {
    let lines: Vec<Line> = conversion.records.iter().map(line).collect();
    let summary = summary(&lines);
    let mut findings: Vec<Finding> = conversion
        .warnings
        .iter()
        .map(|text| Finding::warning(sentence(text)))
        .collect();
    if summary.lost > 0 {
        let text = match summary.lost {
            1 => "1 line loses something that may be missed; it says what".to_owned(),
            lost => format!("{lost} lines lose something that may be missed; each says what"),
        };
        let what = match result {
            Result::Converted => "once they are read, the exit status is 0 with --accept-losses",
            _ => "once they are read, go on with --accept-losses",
        };
        findings.push(match accepted {
            true => Finding::warning(text),
            false => {
                Finding::warning(format!("{text}; {what}")).next(next::again("--accept-losses"))
            }
        });
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
        missing: false,
        diffs: false,
        back: false,
        accepted,
    }
}

/// What there is to say where nothing tells the version of chrony.
pub(super) fn assumed(version: Version) -> Finding {
    let text = format!(
        "Nothing here tells the version of chrony: no words are used that are newer than {version}; say which it is"
    );
    Finding::warning(text).next(next::again("--chrony-version X.Y"))
}

/// The same once it is done.
pub(super) fn was_assumed(version: Version) -> Finding {
    Finding::info(format!(
        "Nothing here told the version of chrony: no words were used that are newer than {version}"
    ))
}

/// Puts the account of another conversion in a report's place: the package that was installed is
/// of another version than the plan was for.
pub(super) fn renew(report: &mut MigrateReport, version: Version, conversion: &Conversion) {
    report.lines = conversion.records.iter().map(line).collect();
    report.summary = summary(&report.lines);
    report.target_version = version.to_string();
}

fn summary(lines: &[Line]) -> Summary {
    let count = |verdict: Verdict| lines.iter().filter(|line| line.verdict == verdict).count();
    Summary {
        kept: count(Verdict::Kept),
        changed: count(Verdict::Changed),
        dropped: count(Verdict::Dropped),
        lost: lines.iter().filter(|line| line.matters).count(),
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
pub(super) fn file(path: &str, old: Option<&[u8]>, new: &[u8], secret: bool) -> FileChange {
    let action = match old {
        None => FileAction::Create,
        Some(old) if old == new => FileAction::Unchanged,
        Some(_) => FileAction::Replace,
    };
    let text = |bytes| String::from_utf8_lossy(bytes);
    FileChange {
        path: path.to_owned(),
        action,
        backup: None,
        diff: (!secret)
            .then(|| diff::unified(path, old.map(text).as_deref(), Some(&text(new))))
            .filter(|diff| !diff.is_empty()),
    }
}
