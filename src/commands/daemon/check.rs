//! `sync --daemon --check-config` and `--print-config`: what the daemon makes of a configuration,
//! without starting it.

use super::Options;
use super::settings;
use super::settings::standing;
use super::settings::standing::Role;
use crate::conf::chrony::Statement;
use crate::conf::chrony::effective;
use crate::conf::chrony::effective::MINPOLL_RULE;
use crate::conf::chrony::value::SourceKind;
use crate::conf::chrony::value::Value;
use crate::conf::diagnostic::Severity;
use crate::conf::diagnostic::render_all;
use crate::exit::Failure;

/// All that is wrong with the configuration or not followed, with carets, and a last line that
/// says how it stands.
///
/// # Errors
/// A configuration that the daemon would refuse.
pub fn check(options: &Options) -> Result<String, Failure> {
    let written = settings::read(options)?;
    written.refuse_errors()?;
    let (loading, more, about_keys) = written.loading();
    let mut all = written.loaded.diagnostics.clone();
    all.extend(more);
    let mut text = render_all(&all, &written.loaded.map);
    text.push_str(&about_keys);
    if !text.is_empty() {
        text.push('\n');
    }
    let warnings = all.iter().filter(|d| d.severity == Severity::Warning);
    let warnings = warnings.count() + about_keys.lines().count();
    let plural = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let found = format!(
        "{}: no errors, {}",
        written.name,
        plural(warnings, "warning")
    );
    if options.role == Role::Follow && super::is_aimless(&loading) {
        return Err(super::aimless(&format!(
            "{text}{found}, but no server to follow"
        )));
    }
    let sources = plural(loading.engine.sources.len(), "source");
    Ok(format!("{text}{found}, {sources}\n"))
}

/// The effective configuration, as a chrony.conf.
///
/// # Errors
/// A configuration that the daemon would refuse.
pub fn print(options: &Options) -> Result<String, Failure> {
    let written = settings::read(options)?;
    written.refuse_errors()?;
    let remark = |statement: &Statement| {
        standing::remark(statement, options.role).or_else(|| match &statement.value {
            Value::Source(source)
                if source.kind != SourceKind::Peer && source.minpoll.is_none() =>
            {
                Some(MINPOLL_RULE.to_owned())
            }
            _ => None,
        })
    };
    Ok(format!(
        "# {}, with all it includes, as clockbox {} reads it\n{}",
        written.name,
        env!("CARGO_PKG_VERSION"),
        effective::text(&written.loaded, remark)
    ))
}
