//! The journal of a migration: everything as it was before, written and synced before the first
//! change. Whatever happens later, [`super::undo`] can put it back from here.

use super::tree::Tree;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys;
use serde::Deserialize;
use serde::Serialize;
use std::path::PathBuf;

/// Where it is kept.
pub(super) const DIR: &str = "/var/lib/clockbox/migrate-ntpd";

/// How far the migration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Changes may have been made: a run that finds this undoes them first.
    Started,
    /// The new daemon has taken over.
    Done,
    /// Everything was put back.
    RolledBack,
}

/// The whole journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    /// Version of this form.
    pub(super) version: u32,
    /// How far the migration is.
    pub(super) state: State,
    /// When it began, RFC 3339.
    pub(super) started: String,
    /// The daemon that was left.
    pub(super) from: String,
    /// The daemon that took over.
    pub(super) target: String,
    /// Files and links as they were.
    pub(super) files: Vec<Saved>,
    /// Services as they were; the new one last.
    pub(super) services: Vec<Service>,
    /// Packages that the old daemon came in, with versions, where installing the new one may
    /// remove them.
    pub(super) packages: Vec<(String, String)>,
}

/// A place in the file system as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    /// The path inside the root.
    pub(super) path: String,
    /// What was there.
    pub(super) was: Was,
}

/// What was in a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Was {
    /// Nothing.
    Absent,
    /// A symbolic link to this.
    Link(String),
    /// A file; its content is in the journal's directory under this name.
    File(String),
}

/// A service as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Service {
    /// Its name.
    pub(super) name: String,
    /// Started at boot.
    pub(super) enabled: bool,
    /// Running.
    pub(super) active: bool,
    /// Not to be started at all.
    pub(super) masked: bool,
    /// The daemon that takes over.
    pub(super) new: bool,
}

fn path() -> String {
    format!("{DIR}/journal.json")
}

/// The journal of an earlier run, if there is one.
pub(super) fn load(tree: &Tree) -> Result<Option<Journal>, Failure> {
    let Some(bytes) = tree.content(&path())? else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Failure::new(ExitStatus::Config, format!("{}: {error}", path()))
            .hint("the journal of an earlier migration is damaged: move it away to begin anew")
            .target(path())
    })
}

/// Writes the journal; when this returns it is on the disk.
pub(super) fn save(tree: &Tree, journal: &Journal) -> Result<(), Failure> {
    let text = serde_json::to_vec_pretty(journal)
        .map_err(|error| Failure::new(ExitStatus::Software, format!("journal: {error}")))?;
    let place = tree.real(&path())?;
    sys::files::make_parents(&place)?;
    Ok(sys::files::replace(&place, &text, 0o600)?)
}

/// Copies what stands in a place into the journal's directory.
pub(super) fn keep(tree: &Tree, path: &str, number: usize) -> Result<Saved, Failure> {
    let place = if tree.is_live() {
        PathBuf::from(path)
    } else {
        sys::rooted::place(tree.root(), std::path::Path::new(path))?
    };
    let was = if let Some(target) = sys::files::link_target(&place) {
        Was::Link(target.display().to_string())
    } else if sys::files::exists(&place) {
        let name = format!("{number}-{}", path.rsplit('/').next().unwrap_or("file"));
        let copy = tree.real(&format!("{DIR}/{name}"))?;
        sys::files::make_parents(&copy)?;
        let content = sys::files::read(&place, 64 << 20)?;
        sys::files::replace(&copy, &content, 0o600)?;
        sys::owner::copy_attributes(&place, &copy)?;
        Was::File(name)
    } else {
        Was::Absent
    };
    Ok(Saved {
        path: path.to_owned(),
        was,
    })
}

/// Where the old content of a saved file is.
pub(super) fn backup(saved: &Saved) -> Option<String> {
    match &saved.was {
        Was::File(name) => Some(format!("{DIR}/{name}")),
        _ => None,
    }
}
