//! Which daemon's configuration is edited, and where it is.

use super::super::apply;
use super::super::configured;
use super::super::configured::Configured;
use crate::commands::sources::edit::Form;
use crate::commands::sources::findings;
use crate::commands::status::installed;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys::daemons;
use crate::sys::daemons::Kind;
use crate::sys::daemons::Running;
use crate::sys::files;
use std::io::ErrorKind;
use std::path::Path;
use std::path::PathBuf;

/// Octets of a configuration that are read to find out whether it can be.
const LIMIT: u64 = 1 << 20;

/// The daemon, its configuration, and what it was before.
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) running: Option<Running>,
    pub(super) conf: Configured,
    pub(super) root: PathBuf,
}

/// The form of a daemon's file; `None` for daemons whose files are not edited.
#[must_use]
pub const fn form(kind: Kind) -> Option<Form> {
    match kind {
        Kind::Chronyd | Kind::Clockbox | Kind::Ntpd | Kind::Ntpsec => Some(Form::Lines),
        Kind::Timesyncd => Some(Form::Timesyncd),
        _ => None,
    }
}

pub(super) fn place(root: &Path, image: bool) -> Result<Place, Failure> {
    let running = if image {
        Vec::new()
    } else {
        daemons::running().unwrap_or_default()
    };
    let candidates: Vec<Kind> = match apply::running(&running) {
        Some(daemon) => vec![daemon.kind],
        None => by_files(root),
    };
    for kind in candidates {
        let daemon = running.iter().find(|d| d.kind == kind && !d.container);
        let arguments = daemon.map_or(&[][..], |d| &d.arguments);
        if let Some(conf) = configured::read(kind, arguments, root) {
            return Ok(Place {
                kind,
                running: daemon.cloned(),
                conf,
                root: root.to_path_buf(),
            });
        }
        if daemon.is_some() {
            return Err(unread(kind, arguments, root));
        }
    }
    Err(Failure::new(
        ExitStatus::NoInput,
        "there is no time daemon here whose configuration could be edited; chrony has one that can",
    )
    .hint(install_chrony(root)))
}

/// What installs chrony on this machine, or in the image.
pub(super) fn install_chrony(root: &Path) -> String {
    installed::install_chrony(root).unwrap_or_else(|| "clockbox sync --daemon".to_owned())
}

/// Why the configuration of a daemon that runs was not read.
fn unread(kind: Kind, arguments: &[String], root: &Path) -> Failure {
    let name = kind.word();
    let usual = configured::paths(kind);
    let Some(path) = configured::path(kind, arguments, root) else {
        let text = format!(
            "{name} runs, but its configuration is not there: {}",
            usual.join(", ")
        );
        return Failure::new(ExitStatus::NoInput, text).hint(findings::restart(name));
    };
    let failure = match files::read(&files::under(root, Path::new(&path)), LIMIT) {
        Ok(_) => Failure::new(
            ExitStatus::Data,
            format!("{path}, with which {name} runs, is not understood"),
        )
        .hint(format!("clockbox sync --dry-run --config {path}")),
        Err(error) => {
            let status = match error.reason.kind() {
                ErrorKind::NotFound => ExitStatus::NoInput,
                ErrorKind::PermissionDenied => ExitStatus::NoPermission,
                _ => ExitStatus::Data,
            };
            let text = format!("the configuration of {name} cannot be read: {error}");
            Failure::new(status, text).hint(match status {
                ExitStatus::NoInput => findings::restart(name),
                _ => format!("ls -lL {path}"),
            })
        }
    };
    failure.target(path)
}

/// Where none runs: those with an enabled service first, then those with a file.
fn by_files(root: &Path) -> Vec<Kind> {
    let mut kinds = vec![
        Kind::Chronyd,
        Kind::Ntpsec,
        Kind::Ntpd,
        Kind::Timesyncd,
        Kind::Clockbox,
    ];
    let enabled = configured::enabled(root);
    kinds.sort_by_key(|kind| !enabled.contains(kind));
    kinds
}
