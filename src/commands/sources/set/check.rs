//! Whether a daemon that does not run would start with the file that was written.

use super::place::Place;
use crate::commands::host_files::HostFiles;
use crate::commands::sources::configured;
use crate::conf::chrony;
use crate::conf::diagnostic::Severity;
use crate::sys;
use crate::sys::daemons::Kind;

/// Seconds that chronyd has to read its file.
const LIMIT_S: f64 = 10.0;

/// What is wrong with the file, by chronyd's own reading where it is installed, else by ours.
#[must_use]
pub(super) fn flaw(place: &Place) -> Option<String> {
    if place.kind == Kind::Chronyd
        && let Some(flaw) = by_chronyd(&place.conf.path)
    {
        return Some(flaw);
    }
    let read = configured::read(place.kind, &[], &place.root)?;
    let own = matches!(place.kind, Kind::Chronyd | Kind::Clockbox);
    let lines = match read.wrong.len() {
        1 => "a line".to_owned(),
        n => format!("{n} lines"),
    };
    (own && !read.wrong.is_empty())
        .then(|| format!("{} has {lines} that it does not take", read.path))
}

/// What `chronyd -p` says, which only reads and prints; chrony has it from 4.0 on.
fn by_chronyd(path: &str) -> Option<String> {
    let said = sys::process::read("chronyd", &["-p", "-f", path], LIMIT_S, 1 << 20).ok()?;
    let told = format!("{}\n{}", said.stderr, said.stdout);
    let line = told.lines().find(|line| line.contains("Fatal error"))?;
    let (_, why) = line.split_once("Fatal error")?;
    (said.status != Some(0)).then(|| why.trim_start_matches([' ', ':']).trim().to_owned())
}

/// What shows it.
#[must_use]
pub(super) fn next(place: &Place) -> String {
    match place.kind {
        Kind::Chronyd => format!("chronyd -p -f {}", place.conf.path),
        _ => format!("clockbox sync --dry-run --config {}", place.conf.path),
    }
}

/// What is wrong with the lines that were written to a file that was right before.
#[must_use]
pub(super) fn complaint(place: &Place) -> Option<String> {
    let chrony = matches!(place.kind, Kind::Chronyd | Kind::Clockbox);
    if !chrony || !place.conf.wrong.is_empty() {
        return None;
    }
    let loaded = chrony::load(&place.conf.path, &HostFiles::new(&place.root));
    let mut errors = loaded.diagnostics.into_iter();
    let first = errors.find(|found| found.severity == Severity::Error)?;
    Some(first.message)
}
