//! Files: read with a limit, replace atomically keeping owner, mode and SELinux label.
//!
//! A replacement is written beside the target, synced, given the target's owner, mode and label,
//! renamed over it, and the directory synced: a kill at any instruction leaves the old or the new.

use super::error::Error;
use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;

/// More than any configuration file has: a larger one is not read.
pub const CONFIG_LIMIT: u64 = 4 << 20;

/// Octets of a page, which most texts of the kernel fit into.
const PAGE: u64 = 4096;

/// The whole file as bytes, refused when larger than `limit` or not a regular file (a device or a
/// pipe would block or never end).
///
/// # Errors
/// When it cannot be opened or read, is larger than `limit`, or is no regular file.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let failed = |e| Error::new("read", path.display().to_string(), e);
    let (file, length) = open_regular(path)?;
    // Room for all of it and the end: two reads instead of many. The kernel's texts under /proc
    // have no length.
    let length = if length == 0 { PAGE } else { length };
    let room = usize::try_from(length.min(limit)).unwrap_or(0);
    let mut bytes = Vec::with_capacity(room + 1);
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(failed(io::Error::other(format!(
            "larger than {limit} bytes"
        ))));
    }
    Ok(bytes)
}

/// A regular file open for reading, and its length.
fn open_regular(path: &Path) -> Result<(File, u64), Error> {
    let failed = |e| Error::new("read", path.display().to_string(), e);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC)
        .open(path)
        .map_err(failed)?;
    let kind = file.metadata().map_err(failed)?;
    if kind.is_dir() {
        return Err(failed(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    if !kind.is_file() {
        return Err(failed(io::Error::other("not a regular file")));
    }
    Ok((file, kind.len()))
}

/// The first octets of a regular file, as many as it has.
///
/// # Errors
/// When it cannot be opened or read, or is no regular file.
pub fn head(path: &Path, octets: u64) -> Result<Vec<u8>, Error> {
    let (file, _) = open_regular(path)?;
    let mut bytes = Vec::new();
    file.take(octets)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::new("read", path.display().to_string(), e))?;
    Ok(bytes)
}

/// The whole file as text.
///
/// # Errors
/// As [`read`], and when it is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String, Error> {
    let bytes = read(path, limit)?;
    String::from_utf8(bytes).map_err(|e| {
        let why = format!(
            "not text (octet {} is not UTF-8)",
            e.utf8_error().valid_up_to()
        );
        Error::new("read", path.display().to_string(), io::Error::other(why))
    })
}

/// The names in a directory, sorted. Names that are not UTF-8 are left out.
///
/// # Errors
/// When the directory cannot be read.
pub fn list(path: &Path) -> Result<Vec<String>, Error> {
    let failed = |e| Error::new("read directory", path.display().to_string(), e);
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// What a symbolic link points at, as written; `None` when it is not one or is not there.
#[must_use]
pub fn link_target(path: &Path) -> Option<PathBuf> {
    fs::read_link(path).ok()
}

/// What stands in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing, or it cannot be looked at.
    Missing,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// A directory.
    Directory,
    /// A device, a pipe, a socket.
    Other,
}

/// What stands in a place; a link is not followed.
#[must_use]
pub fn kind(path: &Path) -> Kind {
    match fs::symlink_metadata(path).map(|found| found.file_type()) {
        Ok(kind) if kind.is_symlink() => Kind::Link,
        Ok(kind) if kind.is_file() => Kind::File,
        Ok(kind) if kind.is_dir() => Kind::Directory,
        Ok(_) => Kind::Other,
        Err(_) => Kind::Missing,
    }
}

/// When what stands in the place was last put there or changed (its ctime), Unix milliseconds; a
/// link is not followed.
#[must_use]
pub fn changed_at_ms(path: &Path) -> Option<i64> {
    let found = fs::symlink_metadata(path).ok()?;
    Some(found.ctime() * 1000 + found.ctime_nsec() / 1_000_000)
}

/// True when this user may make and rename files in the directory.
#[must_use]
pub fn may_write(directory: &Path) -> bool {
    nix::unistd::eaccess(directory, nix::unistd::AccessFlags::W_OK).is_ok()
}

/// True when something is there, a dangling link included.
#[must_use]
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Removes a file; one that is not there is no fault.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(Error::new("remove", path.display().to_string(), e))
        }
        _ => Ok(()),
    }
}

/// When the file's content was last changed, Unix seconds; `None` when it is not there.
#[must_use]
pub fn modified(path: &Path) -> Option<i64> {
    fs::metadata(path).ok().map(|metadata| metadata.mtime())
}

/// `path` inside `root`: an absolute path is taken from `root`, never from the host.
#[must_use]
pub fn under(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Makes the directories above `path` that are missing.
///
/// # Errors
/// When one cannot be made.
pub fn make_parents(path: &Path) -> Result<(), Error> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    fs::create_dir_all(parent)
        .map_err(|e| Error::new("create directory", parent.display().to_string(), e))
}

/// Replaces the file's content atomically. Owner, mode and SELinux label of an existing file are
/// kept; a new file gets `mode`. A symbolic link is followed: its target is replaced.
///
/// # Errors
/// When the new file cannot be written, given the old one's attributes, or renamed; then the old
/// one stands unchanged.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let failed = |e| Error::new("write", path.display().to_string(), e);
    let temporary = beside(&target);
    let result = write_new(&temporary, Some(&target), content, mode)
        .and_then(|()| fs::rename(&temporary, &target));
    if let Err(e) = result {
        let _ = fs::remove_file(&temporary);
        return Err(failed(e));
    }
    sync_directory(&target).map_err(failed)
}

/// Replaces `path` by a symbolic link to `target` atomically.
///
/// # Errors
/// When the link cannot be made or renamed; then the old one stands unchanged.
pub fn replace_link(path: &Path, target: &Path) -> Result<(), Error> {
    let failed = |e| Error::new("link", path.display().to_string(), e);
    let temporary = beside(path);
    let result = symlink(target, &temporary).and_then(|()| {
        copy_label(path, &temporary);
        fs::rename(&temporary, path)
    });
    if let Err(e) = result {
        let _ = fs::remove_file(&temporary);
        return Err(failed(e));
    }
    sync_directory(path).map_err(failed)
}

/// A copy beside the file, `NAME.SUFFIX`, never over an existing one (`.1`, `.2`… is added).
/// Gives the copy's path.
///
/// # Errors
/// When the file cannot be read or the copy not be written.
pub fn back_up(path: &Path, suffix: &str) -> Result<PathBuf, Error> {
    let content = read(path, u64::MAX - 1)?;
    let base = format!("{}.{suffix}", path.display());
    let free = std::iter::once(base.clone())
        .chain((1..).map(|n| format!("{base}.{n}")))
        .map(PathBuf::from)
        .find(|candidate| !exists(candidate))
        .unwrap_or_else(|| PathBuf::from(base));
    let failed = |e| Error::new("back up", path.display().to_string(), e);
    write_new(&free, Some(path), &content, 0o600).map_err(failed)?;
    sync_directory(&free).map_err(failed)?;
    Ok(free)
}

/// A new file with this content, synced; owner, mode and label are those of `like` where there is
/// such a file, else the mode is `mode`.
pub(super) fn write_new(
    path: &Path,
    like: Option<&Path>,
    content: &[u8],
    mode: u32,
) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    match like.and_then(|like| Some((like, fs::metadata(like).ok()?))) {
        Some((like, old)) => {
            let new = file.metadata()?;
            if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
                std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
            }
            file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o7777))?;
            copy_label(like, path);
        }
        None => file.set_permissions(fs::Permissions::from_mode(mode))?,
    }
    file.sync_all()
}

/// The SELinux label of `from` on `to`, best effort: without SELinux there is none.
pub(super) fn copy_label(from: &Path, to: &Path) {
    if let Ok(Some(label)) = xattr::get(from, "security.selinux") {
        let _ = xattr::set(to, "security.selinux", &label);
    }
}

pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    match File::open(parent)?.sync_all() {
        // Some file systems do not sync directories; the rename stands all the same.
        Err(e) if e.raw_os_error() == Some(nix::libc::EINVAL) => Ok(()),
        other => other,
    }
}

/// A name beside the file that nothing else has: `.NAME.clockbox-PID-TIME`.
pub(super) fn beside(path: &Path) -> PathBuf {
    let name = path
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    let (seconds, nanos) = super::clock::unix();
    path.with_file_name(format!(
        ".{name}.clockbox-{}-{seconds}{nanos:09}",
        std::process::id()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_keeps_the_mode_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chrony.conf");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        replace(&path, b"new", 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(list(dir.path()).unwrap(), ["chrony.conf"]);
    }

    #[test]
    fn a_link_is_never_written_through_when_it_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (zone, link) = (dir.path().join("UTC"), dir.path().join("localtime"));
        fs::write(&zone, "TZif").unwrap();
        symlink("UTC", &link).unwrap();
        replace_link(&link, Path::new("Japan")).unwrap();
        assert_eq!(link_target(&link).unwrap(), Path::new("Japan"));
        assert_eq!(fs::read(&zone).unwrap(), b"TZif");
    }

    #[test]
    fn too_large_and_not_a_file_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        fs::write(&path, [b'x'; 11]).unwrap();
        assert!(
            read(&path, 10)
                .unwrap_err()
                .to_string()
                .contains("larger than 10 bytes")
        );
        assert!(read(dir.path(), 10).is_err());
        assert!(
            read(Path::new("/dev/zero"), 10)
                .unwrap_err()
                .to_string()
                .contains("regular")
        );
    }

    #[test]
    fn backups_never_overwrite_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ntp.conf");
        fs::write(&path, "one").unwrap();
        let first = back_up(&path, "bak").unwrap();
        fs::write(&path, "two").unwrap();
        let second = back_up(&path, "bak").unwrap();
        assert_ne!(first, second);
        assert_eq!(fs::read(first).unwrap(), b"one");
    }
}
