//! The machine's files for the parsers of `conf`, also under another root.

use crate::conf::files::Files;
use crate::conf::files::ReadError;
use crate::sys;
use std::path::Path;
use std::path::PathBuf;

/// Files under a root directory: `/`, or an image's.
#[derive(Clone, Debug)]
pub struct HostFiles {
    root: PathBuf,
}

impl HostFiles {
    /// Files under `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
        }
    }

    fn real(&self, path: &str) -> PathBuf {
        // A relative path is the user's own, from where he stands.
        let path = Path::new(path);
        if path.is_absolute() {
            sys::files::under(&self.root, path)
        } else {
            path.to_path_buf()
        }
    }
}

impl Files for HostFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        sys::files::read(&self.real(path), sys::files::CONFIG_LIMIT).map_err(reason)
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, ReadError> {
        sys::files::list(&self.real(dir)).map_err(reason)
    }
}

fn reason(error: sys::error::Error) -> ReadError {
    if error.is_missing() {
        return ReadError::Missing;
    }
    ReadError::Other(error.reason_words())
}
