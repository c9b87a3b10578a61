//! `sync --daemon --check-config` and `--print-config`: what the daemon makes of a configuration,
//! without starting it.

use super::Options;
use super::settings;
use super::settings::Written;
use super::settings::keys::About;
use super::settings::standing;
use super::settings::standing::Role;
use crate::conf::chrony::Statement;
use crate::conf::chrony::effective;
use crate::conf::chrony::effective::MINPOLL_RULE;
use crate::conf::chrony::value::SourceKind;
use crate::conf::chrony::value::Value;
use crate::conf::diagnostic::Diagnostic;
use crate::conf::diagnostic::Severity;
use crate::conf::diagnostic::render_all;
use crate::conf::span::SourceMap;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::report::sync_config::ConfigReport;
use crate::report::sync_config::Line;
use crate::report::sync_config::Located;

/// What nobody can follow lacks, and what to type.
const AIMLESS: (&str, &str) = (
    "no server to follow",
    "name one: clockbox sync --daemon pool.ntp.org",
);

/// All that is wrong with the configuration or not followed, with carets, and a last line that
/// says how it stands.
///
/// # Errors
/// A configuration that cannot be read, and for people one that the daemon would refuse: for
/// programs that is in the report.
pub fn check(options: &Options, json: bool) -> Result<ConfigReport, Failure> {
    checked(&settings::read(options)?, options, json)
}

fn checked(written: &Written, options: &Options, json: bool) -> Result<ConfigReport, Failure> {
    if written.loaded.has_errors() {
        return refused(written, options, json);
    }
    let (loading, more, about_keys) = written.loading();
    let mut all = written.loaded.diagnostics.clone();
    all.extend(more);
    let mut report = report(written, &all, &about_keys, options);
    report.sources = loading.engine.sources.len();
    let found = format!(
        "{}: no errors, {}",
        written.name,
        plural(report.warnings, "warning")
    );
    let mut text = render_all(&all, &written.loaded.map);
    let of_keys = render_all(&about_keys.diagnostics, &about_keys.map);
    if !text.is_empty() && !of_keys.is_empty() {
        text.push('\n');
    }
    text.push_str(&of_keys);
    if !text.is_empty() {
        text.push('\n');
    }
    if options.role == Role::Follow && super::is_aimless(&loading) {
        let (why, next) = AIMLESS;
        if !json {
            let text = format!("{text}{found}, but {why}");
            return Err(Failure::new(ExitStatus::Config, text).hint(next));
        }
        report.status = ExitStatus::Config;
        report.errors += 1;
        report.findings.push(Located {
            finding: Finding::error(why).next(next),
            file: None,
            line: None,
            column: None,
            words: None,
        });
    }
    let sources = plural(report.sources, "source");
    report.page = format!("{text}{found}, {sources}\n");
    Ok(report)
}

/// The effective configuration, as a chrony.conf.
///
/// # Errors
/// As [`check`].
pub fn print(options: &Options, json: bool) -> Result<ConfigReport, Failure> {
    let written = settings::read(options)?;
    if json || written.loaded.has_errors() {
        return checked(&written, options, json);
    }
    let mut report = report(&written, &[], &About::default(), options);
    report.page = format!(
        "# {}, with all it includes, as clockbox {} reads it\n{}",
        written.name,
        env!("CARGO_PKG_VERSION"),
        effective::text(&written.loaded, |line| remark(line, options.role))
    );
    Ok(report)
}

/// What is to be said of a configuration with errors.
fn refused(written: &Written, options: &Options, json: bool) -> Result<ConfigReport, Failure> {
    if !json {
        written.refuse_errors()?;
    }
    let all = &written.loaded.diagnostics;
    let mut report = report(written, all, &About::default(), options);
    report.status = written.broken();
    Ok(report)
}

fn report(
    written: &Written,
    all: &[Diagnostic],
    about_keys: &About,
    options: &Options,
) -> ConfigReport {
    let mut findings = Vec::new();
    let of = |list: &[Diagnostic], map: &SourceMap| -> Vec<Located> {
        list.iter().map(|d| located(d, map)).collect()
    };
    findings.extend(of(all, &written.loaded.map));
    findings.extend(of(&about_keys.diagnostics, &about_keys.map));
    let count = |severity| {
        use crate::report::finding::Severity as Of;
        let same = |f: &&Located| match severity {
            Severity::Error => f.finding.severity == Of::Error,
            _ => f.finding.severity == Of::Warning,
        };
        findings.iter().filter(same).count()
    };
    let statements = &written.loaded.statements;
    let lines = effective::lines(&written.loaded, |line| remark(line, options.role))
        .zip(statements)
        .map(|(line, statement)| Line {
            directive: line.directive.to_owned(),
            effective: line.counts && standing::remark(statement, options.role).is_none(),
            text: line.text,
            remark: line.remark,
            file: line.origin.file,
            line: line.origin.line,
        });
    ConfigReport {
        name: written.name.clone(),
        sources: 0,
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        lines: lines.collect(),
        findings,
        page: String::new(),
        status: ExitStatus::Done,
    }
}

fn located(diagnostic: &Diagnostic, map: &SourceMap) -> Located {
    let text = diagnostic.message.clone();
    let finding = match diagnostic.severity {
        Severity::Error => Finding::error(text),
        Severity::Warning => Finding::warning(text),
        Severity::Note => Finding::info(text),
    };
    let origin = map.origin(diagnostic.span);
    let words = map.text(diagnostic.span).trim();
    Located {
        finding: Finding {
            next: diagnostic.help.clone(),
            ..finding
        },
        file: Some(origin.file),
        line: Some(origin.line),
        column: Some(origin.column),
        words: (!words.is_empty()).then(|| words.to_owned()),
    }
}

/// What is said of an effective line besides its origin.
fn remark(statement: &Statement, role: Role) -> Option<String> {
    standing::remark(statement, role).or_else(|| match &statement.value {
        Value::Source(source) if source.kind != SourceKind::Peer && source.minpoll.is_none() => {
            Some(MINPOLL_RULE.to_owned())
        }
        _ => None,
    })
}

fn plural(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
