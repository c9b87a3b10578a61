//! Which daemon's configuration is edited, and where it is.

use super::super::apply;
use super::super::configured;
use super::super::configured::Configured;
use crate::commands::sources::edit::Form;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys::daemons;
use crate::sys::daemons::Kind;
use crate::sys::daemons::Running;
use crate::sys::service;
use std::path::Path;
use std::path::PathBuf;

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
            return Err(Failure::new(
                ExitStatus::NoPermission,
                format!("the configuration of {} cannot be read", kind.word()),
            )
            .hint("read it as root: sudo clockbox sources"));
        }
    }
    Err(Failure::new(
        ExitStatus::NoInput,
        "there is no time daemon here whose configuration could be edited",
    )
    .hint("install chrony first (apt install chrony, dnf install chrony)"))
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
    kinds.sort_by_key(|kind| {
        let services = service::find_all(root, kind.services());
        !services.iter().any(|s| s.enabled)
    });
    kinds
}
