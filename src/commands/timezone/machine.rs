//! A machine's or an image's zone as it stands: the distribution, /etc/localtime with the chain of
//! links before it, and every text that names the zone.

use super::text::Text;
use super::text::Unread;
use crate::conf::tzif;
use crate::conf::tzif::Zone;
use crate::conf::zone::name;
use crate::conf::zone::os::Family;
use crate::conf::zone::os::Os;
use crate::conf::zone::os::RELEASE_FILES;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys::error::Error;
use crate::sys::files;
use crate::sys::files::Kind;
use crate::sys::rooted;
use crate::sys::zoneinfo::Database;
use std::path::Path;
use std::path::PathBuf;

/// As many links as are followed before /etc/localtime is reached.
const MAX_CHAIN: usize = 10;

/// A machine or an image.
#[derive(Debug)]
pub(super) struct Machine {
    /// Its root; `/` for this machine.
    pub root: PathBuf,
    /// This machine, not an image.
    pub live: bool,
    /// Its distribution.
    pub os: Os,
    /// systemd is installed: its tools want /etc/localtime to be a link.
    pub systemd: bool,
    /// Its zone database.
    pub database: Database,
    /// /etc/localtime.
    pub localtime: Localtime,
    /// The files that name the zone.
    pub texts: Vec<Text>,
    /// Those that may name it and cannot be read.
    pub unread: Vec<Unread>,
}

/// /etc/localtime, or what stands at the end of the links before it.
#[derive(Debug)]
pub(super) struct Localtime {
    /// The place to replace, as it is called inside the root: most often /etc/localtime itself.
    pub path: PathBuf,
    /// Where that is.
    pub real: PathBuf,
    /// What stands there.
    pub is: Is,
    /// The zone's octets, read through all links; `None` when there are none.
    pub bytes: Option<Vec<u8>>,
    /// Why they cannot be read, where something is there.
    pub problem: Option<String>,
    /// This user may not read them.
    pub forbidden: bool,
}

/// What stands in the place of /etc/localtime.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Is {
    /// Nothing.
    Missing,
    /// A link that leads back to itself.
    Circle,
    /// A link into a zone database: its directory as written, and the zone.
    Link { directory: String, zone: String },
    /// A file of its own.
    Copy,
    /// A directory or a device.
    Else,
}

impl Machine {
    /// Reads it.
    ///
    /// # Errors
    /// When the root is no directory, or links go round in a circle.
    pub(super) fn read(root: Option<&Path>) -> Result<Self, Failure> {
        let live = root.is_none();
        let root = root.unwrap_or(Path::new("/")).to_path_buf();
        if !root.is_dir() {
            let text = format!("{}: there is no such directory", root.display());
            return Err(Failure::new(ExitStatus::NoInput, text)
                .hint("give the directory where the image is mounted: --root /mnt")
                .target(root.display().to_string()));
        }
        let localtime = Localtime::read(&root)?;
        let systemd = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"]
            .iter()
            .any(|path| is_file(&root, path));
        let os = os(&root);
        let (texts, unread) = Text::all(&root, &os, systemd)?;
        Ok(Self {
            live,
            systemd,
            database: Database::find(&root),
            texts,
            unread,
            localtime,
            os,
            root,
        })
    }

    /// ` --root DIR` for commands that are advised; empty for this machine.
    pub(super) fn root_option(&self) -> String {
        if self.live {
            return String::new();
        }
        let root = self.root.display().to_string();
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
        if root.chars().all(plain) {
            format!(" --root {root}")
        } else {
            format!(" --root '{}'", root.replace('\'', "'\\''"))
        }
    }

    /// The zone that programs use, parsed; `None` when there is none that can be read.
    pub(super) fn zone(&self) -> Option<Zone> {
        Zone::parse(self.localtime.bytes.as_deref()?).ok()
    }

    /// The image's root as it was given; `None` for this machine.
    pub(super) fn root_name(&self) -> Option<String> {
        (!self.live).then(|| self.root.display().to_string())
    }

    /// The distribution declares its zone elsewhere and makes /etc/localtime itself.
    pub(super) fn declared(&self) -> Option<&'static str> {
        let store = |store: &str| {
            let real = rooted::resolve(&self.root, Path::new("/etc/localtime"));
            let written = files::link_target(&self.localtime.real);
            real.is_ok_and(|real| rooted::inside(&self.root, &real).starts_with(store))
                || written.is_some_and(|target| target.starts_with(store))
        };
        match self.os.family {
            Family::Nix => Some("nix"),
            Family::Guix => Some("guix"),
            _ if store("/nix/store") => Some("nix"),
            _ if store("/gnu/store") => Some("guix"),
            _ => None,
        }
    }
}

impl Localtime {
    fn read(root: &Path) -> Result<Self, Failure> {
        let start = PathBuf::from("/etc/localtime");
        let own = rooted::place(root, &start)?;
        let (mut path, mut real) = (start.clone(), own.clone());
        let mut is = Is::Missing;
        for step in 0..=MAX_CHAIN {
            // A circle of links, or one that ends in the database itself: nothing is ever written
            // there, so the link in /etc is the one to replace.
            if step == MAX_CHAIN || path.components().any(|part| part.as_os_str() == "zoneinfo") {
                is = match rooted::resolve(root, &start) {
                    Ok(_) => Is::Missing,
                    Err(_) => Is::Circle,
                };
                (path, real) = (start, own);
                break;
            }
            is = match files::kind(&real) {
                Kind::Missing | Kind::Link => Is::Missing,
                Kind::File => Is::Copy,
                Kind::Directory | Kind::Other => Is::Else,
            };
            let Some(target) = files::link_target(&real) else {
                break;
            };
            let written = target.to_str().and_then(name::in_path);
            if let Some((directory, zone)) = written.filter(|(_, zone)| *zone != "localtime") {
                is = Is::Link {
                    directory: directory.to_owned(),
                    zone: zone.to_owned(),
                };
                break;
            }
            let parent = rooted::inside(root, real.parent().unwrap_or(root));
            real = rooted::place(root, &parent.join(target))?;
            path = rooted::inside(root, &real);
        }
        let read = rooted::resolve(root, Path::new("/etc/localtime"))
            .and_then(|real| files::read(&real, tzif::LIMIT));
        let problem = read.as_ref().err().filter(|e| !e.is_missing());
        Ok(Self {
            path,
            real,
            is,
            problem: problem.map(Error::reason_words),
            forbidden: problem.is_some_and(Error::is_permission),
            bytes: read.ok(),
        })
    }

    /// The directory of the database to which a link in this place leads when written so.
    pub(super) fn database_of(&self, directory: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("/")).join(directory)
    }
}

/// True when there is such a file inside the root.
pub(super) fn is_file(root: &Path, path: &str) -> bool {
    rooted::resolve(root, Path::new(path)).is_ok_and(|real| real.is_file())
}

/// A text inside the root; `None` when there is none.
pub(super) fn text(root: &Path, path: &str) -> Option<String> {
    let real = rooted::resolve(root, Path::new(path)).ok()?;
    let bytes = files::read(&real, files::CONFIG_LIMIT).ok()?;
    Some(crate::conf::zone::to_text(&bytes))
}

fn os(root: &Path) -> Os {
    let release = ["/etc/os-release", "/usr/lib/os-release"];
    if let Some(os) = release
        .iter()
        .find_map(|path| Os::from_release(&text(root, path)?))
    {
        return os;
    }
    let old = |(path, _): &(&str, Family)| Some(Os::from_release_file(path, &text(root, path)?));
    RELEASE_FILES.iter().find_map(old).unwrap_or(Os {
        family: Family::Other,
        name: "unknown".to_owned(),
    })
}
