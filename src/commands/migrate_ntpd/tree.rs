//! The files of this machine or of an image: links are followed inside the image, so that nothing
//! of the host is read or written.

use crate::conf::files::Files;
use crate::conf::files::ReadError;
use crate::exit::Failure;
use crate::sys;
use std::path::Path;
use std::path::PathBuf;

/// A root directory: `/`, or an image's.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Files under `root`.
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
        }
    }

    /// This machine itself rather than an image.
    pub(super) fn is_live(&self) -> bool {
        self.root == Path::new("/")
    }

    /// The root.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where a path of the image really is, all links followed.
    pub(super) fn real(&self, path: &str) -> Result<PathBuf, Failure> {
        if self.is_live() || !Path::new(path).is_absolute() {
            return Ok(PathBuf::from(path));
        }
        Ok(sys::rooted::resolve(&self.root, Path::new(path))?)
    }

    /// The file that a path of the image leads to, as it is called inside the image: what is
    /// replaced when the path is a link.
    pub(super) fn leads_to(&self, path: &str) -> Result<String, Failure> {
        let real = sys::rooted::resolve(&self.root, Path::new(path))?;
        Ok(sys::rooted::inside(&self.root, &real).display().to_string())
    }

    /// The content of a file, `None` if it is not there.
    pub(super) fn content(&self, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        match sys::files::read(&self.real(path)?, sys::files::CONFIG_LIMIT) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A file as text, `None` if it is not there or cannot be read.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let bytes = self.content(path).ok()??;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether something is there.
    pub(super) fn has(&self, path: &str) -> bool {
        self.real(path).is_ok_and(|path| sys::files::exists(&path))
    }

    /// The first of these paths that is there.
    pub(super) fn first<'a>(&self, paths: &[&'a str]) -> Option<&'a str> {
        paths.iter().copied().find(|path| self.has(path))
    }
}

impl Files for Tree {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let real = self
            .real(path)
            .map_err(|failure| ReadError::Other(failure.message))?;
        sys::files::read(&real, sys::files::CONFIG_LIMIT).map_err(reason)
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, ReadError> {
        let real = self
            .real(dir)
            .map_err(|failure| ReadError::Other(failure.message))?;
        sys::files::list(&real).map_err(reason)
    }
}

fn reason(error: sys::error::Error) -> ReadError {
    if error.is_missing() {
        return ReadError::Missing;
    }
    ReadError::Other(error.reason_words())
}
