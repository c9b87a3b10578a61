//! Several files and links replaced together: an unsafe leaf (fork has no safe wrapper).
//!
//! Everything new is written beside its place and synced first; then only renames are left. Two
//! processes stand ready for those: the child does them, and should it be killed in between, the
//! parent finishes; should the parent be killed, the child finishes alone. When a rename is
//! refused, what was already renamed is put back. So one kill leaves all old or all new; only the
//! loss of both at once, or of power between two renames, leaves some files old and some new, each
//! of them whole. What a killed run leaves beside the files is removed by the next.
#![allow(unsafe_code, reason = "fork has no safe wrapper")]

use super::error::Error;
use super::files;
use nix::fcntl::AT_FDCWD;
use nix::sys::signal::SigSet;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::waitpid;
use nix::unistd::ForkResult;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;

/// What is to stand in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum New {
    /// A symbolic link to this.
    Link(PathBuf),
    /// A file with these octets; an old file's owner, mode and label are kept, else this mode.
    Content(Vec<u8>, u32),
}

/// A place and what is to stand there. The place itself is replaced, never what it points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The place.
    pub path: PathBuf,
    /// What is to stand there.
    pub new: New,
    /// A file whose SELinux label is taken where nothing stands in the place yet.
    pub like: Option<PathBuf>,
}

/// A change that is written beside its place.
struct Prepared<'a> {
    path: &'a Path,
    temporary: PathBuf,
    old: Old,
}

/// What stood there before, to be put back.
enum Old {
    Nothing,
    Link(PathBuf),
    /// Its octets.
    File(Vec<u8>),
}

/// Does all changes or none, in their order.
///
/// # Errors
/// When one cannot be written or renamed; then everything stands as before.
pub fn all(changes: &[Change]) -> Result<(), Error> {
    let mut prepared = Vec::new();
    for change in changes {
        remove_leftovers(&change.path);
        match prepare(change) {
            Ok(one) => prepared.push(one),
            Err(e) => {
                discard(&prepared);
                return Err(Error::new("write", change.path.display().to_string(), e));
            }
        }
    }
    // A stop in the middle (Ctrl-C, a hang-up) waits until the end; only SIGKILL does not.
    let everything = SigSet::all();
    let before = everything.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK);
    let result = rename_by_two(&prepared);
    if let Ok(before) = before {
        let _ = before.thread_set_mask();
    }
    result.map_err(|(index, e)| {
        discard(&prepared);
        let path = changes.get(index).map_or(Path::new(""), |c| &c.path);
        Error::new("replace", path.display().to_string(), e)
    })
}

fn prepare(change: &Change) -> io::Result<Prepared<'_>> {
    let path = change.path.as_path();
    let old = match fs::symlink_metadata(path) {
        Ok(kind) if kind.is_symlink() => Old::Link(fs::read_link(path)?),
        // Kept to be put back: a place that is too large to be one is left alone.
        Ok(kind) if kind.is_file() => {
            Old::File(files::read(path, files::CONFIG_LIMIT).map_err(|e| e.reason)?)
        }
        Ok(_) => return Err(io::Error::other("it is neither a file nor a link")),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Old::Nothing,
        Err(e) => return Err(e),
    };
    let temporary = files::beside(path);
    let written = match &change.new {
        New::Link(target) => symlink(target, &temporary),
        New::Content(bytes, mode) => {
            let like = matches!(old, Old::File(_)).then_some(path);
            files::write_new(&temporary, like, bytes, *mode)
        }
    };
    if let Err(e) = written {
        let _ = fs::remove_file(&temporary);
        return Err(e);
    }
    match (&old, &change.like) {
        (Old::Nothing, Some(like)) => files::copy_label(like, &temporary),
        _ => files::copy_label(path, &temporary),
    }
    Ok(Prepared {
        path,
        temporary,
        old,
    })
}

/// The renames, by a child with the parent as its second.
fn rename_by_two(prepared: &[Prepared<'_>]) -> Result<(), (usize, io::Error)> {
    if prepared.len() < 2 {
        return rename_all(prepared, rename);
    }
    let Ok((reader, writer)) = nix::unistd::pipe() else {
        return rename_all(prepared, rename);
    };
    // SAFETY: this program has one thread here, so the child may go on as any program does; it
    // ends by _exit and never returns.
    match unsafe { nix::unistd::fork() } {
        Ok(ForkResult::Child) => {
            let said = match rename_all(prepared, rename) {
                Ok(()) => [0, 0],
                Err((index, e)) => [
                    u8::try_from(e.raw_os_error().unwrap_or(nix::libc::EIO)).unwrap_or(u8::MAX),
                    u8::try_from(index).unwrap_or(u8::MAX),
                ],
            };
            let _ = nix::unistd::write(&writer, &said);
            // SAFETY: ends the child at once; nothing is buffered.
            unsafe { nix::libc::_exit(0) }
        }
        Ok(ForkResult::Parent { child }) => {
            drop(writer);
            let mut said = [0_u8; 2];
            let heard = nix::unistd::read(&reader, &mut said);
            let ended = loop {
                match waitpid(child, None) {
                    Err(nix::errno::Errno::EINTR) => {}
                    other => break other,
                }
            };
            match (heard, ended) {
                (Ok(2), _) if said[0] == 0 => Ok(()),
                (Ok(2), _) => {
                    let reason = io::Error::from_raw_os_error(i32::from(said[0]));
                    Err((usize::from(said[1]), reason))
                }
                (_, Ok(WaitStatus::Exited(_, 0))) => Ok(()),
                // The child was killed: what it has not renamed is renamed here.
                _ => rename_all(prepared, rename_as_second),
            }
        }
        Err(_) => rename_all(prepared, rename),
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// What the child has renamed already is not there any more. It uses renameat(2), so that a test
/// can tell the second's work from the first's.
fn rename_as_second(from: &Path, to: &Path) -> io::Result<()> {
    match nix::fcntl::renameat(AT_FDCWD, from, AT_FDCWD, to) {
        Err(nix::errno::Errno::ENOENT) if !files::exists(from) => Ok(()),
        other => other.map_err(io::Error::from),
    }
}

fn rename_all(
    prepared: &[Prepared<'_>],
    rename: fn(&Path, &Path) -> io::Result<()>,
) -> Result<(), (usize, io::Error)> {
    for (index, one) in prepared.iter().enumerate() {
        if let Err(e) = rename(&one.temporary, one.path) {
            for done in prepared.iter().take(index).rev() {
                put_back(done);
            }
            return Err((index, e));
        }
    }
    for one in prepared {
        // The renames stand; a file system that cannot sync a directory keeps its own order.
        let _ = files::sync_directory(one.path);
    }
    Ok(())
}

/// Best effort: what could be replaced a moment ago can be again.
fn put_back(done: &Prepared<'_>) {
    let again = files::beside(done.path);
    let written = match &done.old {
        Old::Nothing => {
            let _ = fs::remove_file(done.path);
            return;
        }
        Old::Link(target) => symlink(target, &again),
        Old::File(bytes) => files::write_new(&again, Some(done.path), bytes, 0o644),
    };
    files::copy_label(done.path, &again);
    if written
        .and_then(|()| fs::rename(&again, done.path))
        .is_err()
    {
        let _ = fs::remove_file(&again);
    }
}

fn discard(prepared: &[Prepared<'_>]) {
    for one in prepared {
        let _ = fs::remove_file(&one.temporary);
    }
}

/// What killed runs have left beside this path. A run that is alive keeps its own.
fn remove_leftovers(path: &Path) {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
    else {
        return;
    };
    let prefix = format!(".{name}.clockbox-");
    for entry in files::list(directory).unwrap_or_default() {
        let pid = entry
            .strip_prefix(&prefix)
            .and_then(|rest| rest.split_once('-'))
            .and_then(|(pid, _)| pid.parse::<i32>().ok());
        let dead = |pid: i32| {
            let alive = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None);
            pid > 0 && alive == Err(nix::errno::Errno::ESRCH)
        };
        if pid.is_some_and(dead) {
            let _ = fs::remove_file(directory.join(entry));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn change(path: PathBuf, new: New) -> Change {
        Change {
            path,
            new,
            like: None,
        }
    }

    #[test]
    fn all_or_none_and_nothing_left_beside() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("clock"), dir.path().join("localtime"));
        fs::write(&file, "ZONE=UTC\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink("UTC", &link).unwrap();
        fs::write(dir.path().join(".clock.clockbox-999999999-1"), "left").unwrap();
        let content = || New::Content(b"ZONE=Japan\n".to_vec(), 0o644);
        let good = [
            change(file.clone(), content()),
            change(link.clone(), New::Link("Japan".into())),
        ];
        all(&good).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"ZONE=Japan\n");
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o7777,
            0o600
        );
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("Japan"));
        assert_eq!(files::list(dir.path()).unwrap(), ["clock", "localtime"]);
    }

    #[test]
    fn a_rename_that_is_refused_puts_the_others_back() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("clock"), dir.path().join("localtime"));
        fs::write(&file, "old").unwrap();
        symlink("UTC", &link).unwrap();
        let changes = [
            change(file.clone(), New::Content(b"new".to_vec(), 0o644)),
            change(link.clone(), New::Link("Japan".into())),
            change(dir.path().join("new"), New::Content(b"new".to_vec(), 0o644)),
        ];
        let prepared: Vec<_> = changes.iter().map(|c| prepare(c).unwrap()).collect();
        // The last one's new file is gone: its rename is refused.
        fs::remove_file(&prepared[2].temporary).unwrap();
        let (index, _) = rename_by_two(&prepared).unwrap_err();
        assert_eq!(index, 2);
        discard(&prepared);
        assert_eq!(fs::read(&file).unwrap(), b"old");
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("UTC"));
        assert_eq!(files::list(dir.path()).unwrap(), ["clock", "localtime"]);
    }
}
