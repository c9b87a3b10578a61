//! Reading the configuration of a time daemon for its sources, in each daemon's own language, and
//! passing over what that daemon passes over.

use crate::commands::host_files::HostFiles;
use crate::conf::chrony;
use crate::conf::diagnostic;
use crate::conf::files::Files;
use crate::conf::files::ReadError;
use crate::conf::ntp;
use crate::conf::ntp::directives::Dialect;
use crate::conf::sources;
use crate::conf::sources::TimeSource;
use crate::conf::span::SourceMap;
use crate::conf::timesyncd;
use crate::report::finding::Finding;
use crate::sys::daemons::Kind;

/// The configurations that are looked for, in order, with their reader.
pub(super) const CONFIGURATIONS: &[(&str, Reader)] = &[
    ("/etc/clockbox/clockbox.conf", read_chrony),
    ("/etc/chrony/chrony.conf", read_chrony),
    ("/etc/chrony.conf", read_chrony),
    ("/etc/ntpsec/ntp.conf", read_ntpsec),
    ("/etc/ntp.conf", read_ntp),
    ("/etc/systemd/timesyncd.conf", read_timesyncd),
];

/// Reads one.
pub(super) type Reader = fn(&str, &HostFiles) -> Result<Read, ReadFailure>;

/// What a configuration says of sources.
pub(super) struct Read {
    /// Them, in its order.
    pub(super) sources: Vec<TimeSource>,
    /// Lines that the daemon itself passes over.
    pub(super) findings: Vec<Finding>,
}

/// Why a configuration says nothing.
pub(super) enum ReadFailure {
    /// There is none.
    Missing,
    /// It cannot be read: why.
    Unreadable(String),
    /// It has errors: them, with carets.
    Broken(String),
}

/// The reader for a configuration by its file's name, and what it is read as: a chrony.conf unless
/// the name says otherwise.
pub(super) fn reader_for(name: &str) -> (Reader, &'static str) {
    if name.contains("timesyncd") {
        (read_timesyncd, "timesyncd.conf")
    } else if name.contains("ntp") && !name.contains("chrony") {
        (read_ntp, "ntp.conf")
    } else {
        (read_chrony, "chrony.conf")
    }
}

/// The reader for the configuration of a daemon; `None` for those whose language is not read.
pub(super) const fn reader_of(kind: Kind) -> Option<Reader> {
    match kind {
        Kind::Chronyd | Kind::Clockbox => Some(read_chrony),
        Kind::Ntpd => Some(read_ntp),
        Kind::Ntpsec => Some(read_ntpsec),
        Kind::Timesyncd => Some(read_timesyncd),
        _ => None,
    }
}

fn read_chrony(path: &str, files: &HostFiles) -> Result<Read, ReadFailure> {
    let loaded = chrony::load(path, files);
    if let Some(error) = &loaded.unreadable {
        return Err(unreadable(error));
    }
    checked(&loaded.diagnostics, &loaded.map, sources::chrony(&loaded))
}

fn read_ntp(path: &str, files: &HostFiles) -> Result<Read, ReadFailure> {
    read_ntp_as(path, files, Dialect::Classic)
}

fn read_ntpsec(path: &str, files: &HostFiles) -> Result<Read, ReadFailure> {
    read_ntp_as(path, files, Dialect::Ntpsec)
}

/// ntpd itself logs a line that it cannot read and goes on with the rest; so does this, as long as
/// there is a server left.
fn read_ntp_as(path: &str, files: &HostFiles, dialect: Dialect) -> Result<Read, ReadFailure> {
    let loaded = ntp::load(path, dialect, files);
    if let Some(error) = &loaded.unreadable {
        return Err(unreadable(error));
    }
    if let Some(why) = &loaded.unusable {
        return Err(ReadFailure::Broken(format!("{path}: {why}")));
    }
    let found = sources::ntp(&loaded);
    if found.is_empty() {
        return checked(&loaded.diagnostics, &loaded.map, found);
    }
    Ok(Read {
        sources: found,
        findings: passed_over(&loaded.diagnostics, &loaded.map),
    })
}

/// timesyncd's main file with its drop-ins when it is the machine's own; alone when it was named.
/// It too goes on after a line that it cannot read.
fn read_timesyncd(path: &str, files: &HostFiles) -> Result<Read, ReadFailure> {
    let own = path == "/etc/systemd/timesyncd.conf";
    let loaded = if own {
        timesyncd::load(files)
    } else {
        let bytes = files.read(path).map_err(|e| unreadable(&e))?;
        let mut loaded = timesyncd::Loaded::default();
        loaded.text(path, &bytes);
        loaded
    };
    let found = sources::timesyncd(&loaded);
    if found.is_empty() {
        return checked(&loaded.diagnostics, &loaded.map, found);
    }
    Ok(Read {
        sources: found,
        findings: passed_over(&loaded.diagnostics, &loaded.map),
    })
}

fn unreadable(error: &ReadError) -> ReadFailure {
    match error {
        ReadError::Missing => ReadFailure::Missing,
        other => ReadFailure::Unreadable(other.to_string()),
    }
}

fn checked(
    diagnostics: &[diagnostic::Diagnostic],
    map: &SourceMap,
    sources: Vec<TimeSource>,
) -> Result<Read, ReadFailure> {
    let errors: Vec<_> = diagnostics
        .iter()
        .filter(|d| d.is_error())
        .cloned()
        .collect();
    if errors.is_empty() {
        return Ok(Read {
            sources,
            findings: Vec::new(),
        });
    }
    Err(ReadFailure::Broken(
        diagnostic::render_all(&errors, map).trim_end().to_owned(),
    ))
}

/// The lines that could not be read, for a daemon that goes on without them: the first few.
fn passed_over(diagnostics: &[diagnostic::Diagnostic], map: &SourceMap) -> Vec<Finding> {
    let errors: Vec<_> = diagnostics.iter().filter(|d| d.is_error()).collect();
    let say = |d: &&diagnostic::Diagnostic| {
        let at = map.origin(d.span);
        Finding::warning(format!(
            "{}:{}:{}: {}; the line is passed over, as the daemon does",
            at.file, at.line, at.column, d.message
        ))
    };
    let mut found: Vec<Finding> = errors.iter().take(5).map(say).collect();
    if errors.len() > found.len() {
        found.push(Finding::warning(format!(
            "and {} more such lines",
            errors.len() - found.len()
        )));
    }
    found
}
