//! Owners of files: groups by name, giving a file away, removing it.

use super::error::Error;
use super::files;
use nix::unistd::Gid;
use nix::unistd::chown;
use std::path::Path;

/// The number of the first of these groups that /etc/group under `root` has.
#[must_use]
pub fn group(root: &Path, names: &[&str]) -> Option<u32> {
    let path = super::rooted::resolve(root, Path::new("/etc/group")).ok()?;
    let text = files::read_text(&path, files::CONFIG_LIMIT).ok()?;
    names.iter().find_map(|name| {
        let line = text
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        line.split(':').nth(2)?.parse().ok()
    })
}

/// Gives a file to a group.
///
/// # Errors
/// When that is not permitted.
pub fn set_group(path: &Path, group: u32) -> Result<(), Error> {
    chown(path, None, Some(Gid::from_raw(group)))
        .map_err(|e| Error::new("give to its group", path.display().to_string(), e.into()))
}

/// Gives `to` the owner, group and mode of `from`.
///
/// # Errors
/// When that is not permitted.
pub fn copy_attributes(from: &Path, to: &Path) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::fs::PermissionsExt;
    let failed = |e| Error::new("copy owner and mode to", to.display().to_string(), e);
    let old = std::fs::metadata(from).map_err(failed)?;
    let new = std::fs::metadata(to).map_err(failed)?;
    if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
        std::os::unix::fs::chown(to, Some(old.uid()), Some(old.gid())).map_err(failed)?;
    }
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(old.mode() & 0o7777))
        .map_err(failed)
}

/// Removes a file or a link; nothing there is no error.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::new("remove", path.display().to_string(), e))
        }
        _ => Ok(()),
    }
}

/// Removes a directory if it is empty; one that is not there or has something in it is no error.
///
/// # Errors
/// When it cannot be removed.
pub fn remove_empty(path: &Path) -> Result<(), Error> {
    use std::io::ErrorKind;
    match std::fs::remove_dir(path) {
        Err(e) if !matches!(e.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
            Err(Error::new("remove", path.display().to_string(), e))
        }
        _ => Ok(()),
    }
}
