//! The journal of a migration: everything as it was before, written and synced before the first
//! change. Whatever happens later, [`super::undo`] can put it back from here.

use super::next;
use super::tree::Tree;
use crate::commands::Context;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys;
use crate::sys::lock::Held;
use crate::sys::lock::Lock;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use sha2::Digest as _;
use sha2::Sha256;
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
    /// Directories above these files that were not there, the outermost first.
    #[serde(default)]
    pub(super) directories: Vec<String>,
    /// What the migration wrote into files under /etc: the place and the SHA-256 of the content.
    #[serde(default)]
    pub(super) written: Vec<(String, String)>,
    /// The finished migration that this run goes on from. A run that is undone gives way to it; one
    /// that is done becomes a part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Box<Self>>,
    /// The packages that were installed for the new daemon; there was room for one only before.
    #[serde(default, deserialize_with = "one_or_more")]
    pub(super) installed: Vec<String>,
}

/// Names: a list, one alone, or none.
fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Names {
        One(String),
        More(Vec<String>),
    }
    Ok(match Option::<Names>::deserialize(from)? {
        Some(Names::One(name)) => vec![name],
        Some(Names::More(names)) => names,
        None => Vec::new(),
    })
}

impl Journal {
    /// This run together with the finished migration that it goes on from: what both touched is as
    /// it was before the first of them.
    pub(super) fn whole(mut self) -> Self {
        let Some(first) = self.before.take() else {
            return self;
        };
        let mut whole = Self {
            state: self.state,
            target: self.target,
            ..*first
        };
        for saved in self.files {
            if !whole.files.iter().any(|known| known.path == saved.path) {
                whole.files.push(saved);
            }
        }
        // The new one stays last.
        let known = core::mem::take(&mut whole.services);
        let fresh = self.services.into_iter();
        whole.services = fresh
            .filter(|service| !known.iter().any(|known| known.name == service.name))
            .collect();
        let place = whole.services.iter().position(|service| service.new);
        let place = place.unwrap_or(whole.services.len());
        whole.services.splice(place..place, known);
        for package in self.packages {
            if !whole.packages.iter().any(|(known, _)| *known == package.0) {
                whole.packages.push(package);
            }
        }
        whole.directories.extend(self.directories);
        whole.directories.sort();
        whole.directories.dedup();
        let again = |path: &String| self.written.iter().any(|(known, _)| known == path);
        whole.written.retain(|(path, _)| !again(path));
        whole.written.extend(self.written);
        for name in self.installed {
            if !whole.installed.contains(&name) {
                whole.installed.push(name);
            }
        }
        whole
    }
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
    /// A file; its content is in the journal's directory under this name (`TIME/NUMBER-NAME`).
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

/// Where the package manager's output goes.
const LOG: &str = "install.log";
/// Where packages are kept that installing the new daemon removes.
pub(super) const PACKAGES: &str = "packages";
/// Seconds to wait for another run, or for the package manager of one that was killed.
const LOCK_LIMIT_S: f64 = 600.0;

/// The right to change this machine or image: one run at a time has it, and the package manager of
/// a run that was killed keeps it until it ends.
#[derive(Debug)]
pub(super) struct Turn {
    /// What a child is given.
    pub(super) lock: Lock,
    /// Where a package manager prints.
    pub(super) log: PathBuf,
    /// A directory for package files.
    pub(super) packages: PathBuf,
}

/// Waits for the turn.
pub(super) fn turn(tree: &Tree, context: &Context) -> Result<Turn, Failure> {
    let place = tree.real(&format!("{DIR}/lock"))?;
    let log = tree.real(&format!("{DIR}/{LOG}"))?;
    let packages = tree.real(&format!("{DIR}/{PACKAGES}"))?;
    sys::files::make_parents(&packages.join("file"))?;
    let deadline = sys::clock::monotonic().plus_seconds(LOCK_LIMIT_S);
    loop {
        if let Some(lock) = sys::lock::take(&place)? {
            context.progress_done();
            return Ok(Turn {
                lock,
                log,
                packages,
            });
        }
        if sys::clock::monotonic() >= deadline {
            let text = "another migrate-ntpd, or the package manager that an interrupted one started, is still running: see which";
            return Err(Failure::new(ExitStatus::Unavailable, text)
                .hint(format!("fuser -v {}", place.display()))
                .target(place.display().to_string()));
        }
        context.progress("waiting for another run, or the package manager of an interrupted one");
        sys::clock::sleep(0.1);
    }
}

/// Whether a run is at work now, or the package manager of one that was killed.
pub(super) fn under_way(tree: &Tree) -> Held {
    let place = tree.real(&format!("{DIR}/lock"));
    place.map_or(Held::Unseen, |place| sys::lock::held(&place))
}

fn path() -> String {
    format!("{DIR}/journal.json")
}

/// The journal of an earlier run, if there is one.
pub(super) fn load(tree: &Tree) -> Result<Option<Journal>, Failure> {
    let read = tree.content(&path());
    let as_root = |failure: Failure| failure.hint(format!("sudo {}", next::same()));
    let Some(bytes) = read.map_err(as_root)? else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        let place = sys::files::under(tree.root(), std::path::Path::new(&path()));
        let text = format!(
            "{}: the journal of an earlier migration is damaged: {error}; move it away to begin anew",
            path()
        );
        let place = place.display();
        Failure::new(ExitStatus::Config, text)
            .hint(format!("mv {place} {place}.damaged"))
            .target(path())
    })
}

/// Writes the journal; when this returns it is on the disk.
pub(super) fn save(tree: &Tree, journal: &Journal) -> Result<(), Failure> {
    let text = serde_json::to_vec_pretty(journal)
        .map_err(|error| Failure::new(ExitStatus::Software, format!("journal: {error}")))?;
    let place = tree.real(&path())?;
    sys::files::make_parents(&place)?;
    // It holds names and states, no content.
    Ok(sys::files::replace(&place, &text, 0o644)?)
}

/// A directory of the journal's for the old files of one run, named by the time; none of an earlier
/// run is ever written over.
pub(super) fn backups(tree: &Tree, started: &str) -> String {
    let stamp: String = started
        .chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .collect();
    let numbered = (1..).map(|number| format!("{stamp}-{number}"));
    std::iter::once(stamp.clone())
        .chain(numbered)
        .find(|name| !tree.has(&format!("{DIR}/{name}")))
        .unwrap_or(stamp)
}

/// Copies what stands in a place into a directory of [`backups`].
pub(super) fn keep(
    tree: &Tree,
    path: &str,
    backups: &str,
    number: usize,
) -> Result<Saved, Failure> {
    let place = if tree.is_live() {
        PathBuf::from(path)
    } else {
        sys::rooted::place(tree.root(), std::path::Path::new(path))?
    };
    let was = if let Some(target) = sys::files::link_target(&place) {
        Was::Link(target.display().to_string())
    } else if sys::files::exists(&place) {
        let name = format!(
            "{backups}/{number}-{}",
            path.rsplit('/').next().unwrap_or("file")
        );
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

/// The directories above a place that are not there, the outermost first.
pub(super) fn missing_directories(tree: &Tree, path: &str) -> Vec<String> {
    let above = std::path::Path::new(path).ancestors().skip(1);
    let missing = above.map(|dir| dir.display().to_string());
    let mut missing: Vec<String> = missing.take_while(|dir| !tree.has(dir)).collect();
    missing.reverse();
    missing
}

/// By what a content is known again: its SHA-256 in hexadecimal digits.
pub(super) fn digest(content: &[u8]) -> String {
    let sum = Sha256::digest(content);
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where the old content of a saved file is.
pub(super) fn backup(saved: &Saved) -> Option<String> {
    match &saved.was {
        Was::File(name) => Some(format!("{DIR}/{name}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(installed: &[&str]) -> Journal {
        Journal {
            version: 1,
            state: State::Done,
            started: "2024-05-01T10:00:00Z".to_owned(),
            from: "ntpd".to_owned(),
            target: "chrony".to_owned(),
            files: Vec::new(),
            services: Vec::new(),
            packages: Vec::new(),
            directories: Vec::new(),
            written: Vec::new(),
            before: None,
            installed: installed.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn every_package_that_two_runs_installed_is_known() {
        let again = Journal {
            before: Some(Box::new(journal(&["chrony"]))),
            ..journal(&["chrony-extras", "chrony"])
        };
        assert_eq!(again.whole().installed, ["chrony", "chrony-extras"]);
    }

    #[test]
    fn the_journal_of_an_earlier_version_is_read() {
        let mut text = serde_json::to_value(journal(&["chrony"])).unwrap();
        let mut read = |installed: serde_json::Value| {
            text["installed"] = installed;
            serde_json::from_value::<Journal>(text.clone()).map(|journal| journal.installed)
        };
        assert_eq!(read(serde_json::Value::Null).unwrap(), [""; 0]);
        assert_eq!(read("chrony".into()).unwrap(), ["chrony"]);
        assert_eq!(read(serde_json::json!(["a", "b"])).unwrap(), ["a", "b"]);
        assert!(read(7.into()).is_err());
    }
}
