//! A file that lines are added to: opened when the first one comes, with the mode that log files
//! have, and again after it was closed for whoever rotates it.

use super::error::Error;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

/// Owner writes, group reads.
const MODE: u32 = 0o640;
/// The same for a directory.
const DIRECTORY_MODE: u32 = 0o750;

/// Makes the directory, and those above it, for the owner and the group.
///
/// # Errors
/// When one cannot be made.
pub fn make_directory(path: &Path) -> Result<(), Error> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(path)
        .map_err(|e| Error::new("create directory", path.display().to_string(), e))
}

/// One file.
#[derive(Debug)]
pub struct Appended {
    path: PathBuf,
    open: Option<File>,
}

impl Appended {
    /// Not opened yet.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path, open: None }
    }

    /// Whether it is open.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Adds text in one write, so that lines of several writers are whole. The file is opened, or
    /// made, if it is not open; a link is not followed, for the directory is not root's.
    ///
    /// # Errors
    /// When it cannot be opened or written.
    pub fn add(&mut self, text: &str) -> Result<(), Error> {
        let failed = |path: &Path, e: io::Error| Error::new("write", path.display().to_string(), e);
        if self.open.is_none() {
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(MODE)
                .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC)
                .open(&self.path)
                .map_err(|e| failed(&self.path, e))?;
            self.open = Some(file);
        }
        let Some(file) = &mut self.open else {
            return Ok(());
        };
        file.write_all(text.as_bytes())
            .map_err(|e| failed(&self.path, e))
    }

    /// Closes it: the next line goes to whatever has its name then.
    pub fn close(&mut self) {
        self.open = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_file_that_was_moved_away_is_made_anew_once_it_was_closed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, old) = (dir.path().join("a.log"), dir.path().join("a.log.1"));
        let mut file = Appended::new(path.clone());
        file.add("one\n").unwrap();
        std::fs::rename(&path, &old).unwrap();
        file.add("two\n").unwrap();
        assert!(!path.exists());
        file.close();
        file.add("three\n").unwrap();
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o137, 0);
    }

    #[test]
    fn a_link_in_the_way_is_not_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("precious");
        std::fs::write(&target, "x").unwrap();
        std::os::unix::fs::symlink(&target, dir.path().join("a.log")).unwrap();
        assert!(Appended::new(dir.path().join("a.log")).add("y").is_err());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "x");
    }
}
