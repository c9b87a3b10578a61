//! A lock that lasts as long as any process that was given it: when this program is killed, a
//! child that goes on keeps it, and the kernel lets it go with the last of them.

use super::error::Error;
use std::fs::File;
use std::fs::OpenOptions;
use std::fs::TryLockError;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A lock that is held.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Takes the lock of this file, which is made if need be; `None` while another process holds it.
///
/// # Errors
/// When the file cannot be made, opened or locked.
pub fn take(path: &Path) -> Result<Option<Lock>, Error> {
    let failed = |e| Error::new("lock", path.display().to_string(), e);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock { file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(failed(e)),
    }
}

/// Whether a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A process has it.
    Yes,
    /// None has.
    No,
    /// This user may not look.
    Unseen,
}

/// Whether a process holds the lock of this file, which is not made.
#[must_use]
pub fn held(path: &Path) -> Held {
    let open = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(path);
    match open.map(|file| file.try_lock_shared()) {
        Ok(Ok(())) => Held::No,
        Ok(Err(TryLockError::WouldBlock)) => Held::Yes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Held::No,
        Ok(Err(_)) | Err(_) => Held::Unseen,
    }
}

impl Lock {
    /// The same lock for a child, as its standard input; the file is empty.
    pub(super) fn share(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_child_keeps_the_lock_after_its_parent_let_it_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert_eq!(held(&path), Held::No);
        assert!(!path.exists());
        let lock = take(&path).unwrap().unwrap();
        assert!(take(&path).unwrap().is_none());
        assert_eq!(held(&path), Held::Yes);
        // What is no file that can be opened tells nothing.
        assert_eq!(held(&path.join("below")), Held::Unseen);
        let mut child = Command::new("sleep")
            .arg("60")
            .stdin(lock.share().unwrap())
            .spawn()
            .unwrap();
        drop(lock);
        assert!(take(&path).unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(take(&path).unwrap().is_some());
    }
}
