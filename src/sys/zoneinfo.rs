//! The zone database of a machine or image: where it is, which zones it has, their files.

use super::error::Error;
use super::files;
use super::rooted;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

/// Where the database may be, in the order in which it is searched.
pub const DIRECTORIES: &[&str] = &[
    "/usr/share/zoneinfo",
    "/usr/lib/zoneinfo",
    "/usr/share/lib/zoneinfo",
    "/etc/zoneinfo",
];

/// What lies beside the zones and is none, and the trees that repeat all zones.
const NO_ZONES: &[&str] = &[
    "posix",
    "right",
    "uclibc",
    "posixrules",
    "localtime",
    "leapseconds",
    "leap-seconds",
    "Factory",
];

/// No zone is deeper than `America/Argentina/Buenos_Aires`.
const MAX_DEPTH: usize = 3;

/// Larger than any table of the database.
const TABLE_LIMIT: u64 = 4 << 20;

/// The zone database under a root. Empty when the machine has none.
#[derive(Clone, Debug)]
pub struct Database {
    root: PathBuf,
    /// The directories that there are, as they are called inside the root, and where they are.
    directories: Vec<(&'static str, PathBuf)>,
}

/// A zone's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The database's directory as it is called inside the root: `/usr/share/zoneinfo`.
    pub directory: &'static str,
    /// The file itself; in an image all links are followed.
    pub real: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Database {
    /// Looks for the database under `root`.
    #[must_use]
    pub fn find(root: &Path) -> Self {
        let mut directories: Vec<(&'static str, PathBuf)> = Vec::new();
        for name in DIRECTORIES {
            if let Ok(real) = rooted::resolve(root, Path::new(name))
                && real.is_dir()
                && !directories.iter().any(|(_, known)| *known == real)
            {
                directories.push((name, real));
            }
        }
        Self {
            root: root.to_path_buf(),
            directories,
        }
    }

    /// Its first directory; `None` when there is none.
    #[must_use]
    pub fn directory(&self) -> Option<&'static str> {
        self.directories.first().map(|(name, _)| *name)
    }

    /// The zone's file, from the first directory that has it.
    ///
    /// # Errors
    /// When no directory has it, or it cannot be read or is larger than `limit`.
    pub fn read(&self, zone: &str, limit: u64) -> Result<Found, Error> {
        let mut last = Error::new("find", zone, io::Error::from(io::ErrorKind::NotFound));
        for (name, directory) in &self.directories {
            let real = self.resolve(directory, zone)?;
            match files::read(&real, limit) {
                Ok(bytes) => {
                    return Ok(Found {
                        directory: name,
                        real,
                        bytes,
                    });
                }
                Err(e) if e.is_missing() => {}
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    /// The zone's file with all links followed. Most zones' paths have none, and on this machine
    /// the kernel follows them as well.
    fn resolve(&self, directory: &Path, zone: &str) -> Result<PathBuf, Error> {
        let plain = directory.join(zone);
        let mut parts = plain.ancestors().take_while(|part| *part != directory);
        if self.root == Path::new("/") || !parts.any(|part| files::link_target(part).is_some()) {
            return Ok(plain);
        }
        rooted::resolve(&self.root, &rooted::inside(&self.root, &plain))
    }

    /// True when this directory (as called inside the root) has the zone.
    #[must_use]
    pub fn has(&self, directory: &str, zone: &str) -> bool {
        let path = Path::new(directory).join(zone);
        rooted::resolve(&self.root, &path).is_ok_and(|real| real.is_file())
    }

    /// The zone that this name is a link to inside the database, if it is one.
    #[must_use]
    pub fn link_target(&self, zone: &str) -> Option<String> {
        for (_, directory) in &self.directories {
            let path = directory.join(zone);
            if files::link_target(&path).is_none() {
                continue;
            }
            let inside = rooted::inside(&self.root, &path);
            let real = rooted::resolve(&self.root, &inside).ok()?;
            let name = real.strip_prefix(directory).ok()?.to_str()?.to_owned();
            return Some(name).filter(|name| name != zone);
        }
        None
    }

    /// A table of the database as text: `zone1970.tab`. `None` when there is none.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<String> {
        let file = |(_, directory): &(&str, PathBuf)| {
            files::read_text(&directory.join(name), TABLE_LIMIT).ok()
        };
        self.directories.iter().find_map(file)
    }

    /// The beginning of a table, at most `limit` octets.
    #[must_use]
    pub fn table_head(&self, name: &str, limit: u64) -> Option<String> {
        use std::io::Read as _;
        let file = |(_, directory): &(&str, PathBuf)| {
            let mut bytes = Vec::new();
            let file = fs::File::open(directory.join(name)).ok()?;
            file.take(limit).read_to_end(&mut bytes).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        self.directories.iter().find_map(file)
    }

    /// The names of all zones, sorted; tables, and the trees `posix/` and `right/`, are left out.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut found = BTreeSet::new();
        for (_, directory) in &self.directories {
            walk(directory, "", 1, &mut found);
        }
        found.into_iter().collect()
    }

    /// The zones whose file has exactly these octets, sorted.
    #[must_use]
    pub fn names_of(&self, bytes: &[u8]) -> Vec<String> {
        let same = |name: &String| {
            self.directories.iter().any(|(_, directory)| {
                let path = directory.join(name);
                fs::metadata(&path).is_ok_and(|m| m.len() == bytes.len() as u64)
                    && files::read(&path, bytes.len() as u64).is_ok_and(|b| b == bytes)
            })
        };
        let mut names = self.names();
        names.retain(same);
        names
    }
}

fn walk(directory: &Path, prefix: &str, depth: usize, found: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name.contains('.') || (depth == 1 && NO_ZONES.contains(&name.as_str())) {
            continue;
        }
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let whole = format!("{prefix}{name}");
        if !is_directory {
            found.insert(whole);
        } else if depth < MAX_DEPTH {
            walk(&entry.path(), &format!("{whole}/"), depth + 1, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn zones_are_found_under_the_root_alone() {
        let dir = tempfile::tempdir().unwrap();
        let zones = dir.path().join("usr/share/zoneinfo");
        fs::create_dir_all(zones.join("Asia")).unwrap();
        fs::create_dir_all(zones.join("right/Asia")).unwrap();
        fs::write(zones.join("Asia/Tokyo"), "TZif tokyo").unwrap();
        fs::write(zones.join("zone.tab"), "JP\t+0+0\tAsia/Tokyo\n").unwrap();
        symlink("Asia/Tokyo", zones.join("Japan")).unwrap();
        symlink("/usr/share/zoneinfo/Asia/Tokyo", zones.join("Far")).unwrap();
        let database = Database::find(dir.path());
        assert_eq!(database.directory(), Some("/usr/share/zoneinfo"));
        assert_eq!(database.names(), ["Asia/Tokyo", "Far", "Japan"]);
        assert_eq!(database.link_target("Japan").as_deref(), Some("Asia/Tokyo"));
        assert_eq!(database.read("Far", 100).unwrap().bytes, b"TZif tokyo");
        assert!(database.read("UTC", 100).unwrap_err().is_missing());
        assert_eq!(database.names_of(b"TZif tokyo"), ["Asia/Tokyo", "Japan"]);
        assert_eq!(Database::find(&dir.path().join("none")).directory(), None);
    }
}
