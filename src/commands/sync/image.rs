//! Trees of files as a machine has them, for tests.

use crate::sys::files;
use std::path::Path;

/// A directory with these files, by their paths on the machine.
pub(crate) fn image(given: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in given {
        let path = files::under(dir.path(), Path::new(path));
        files::make_parents(&path).unwrap();
        files::replace(&path, text.as_bytes(), 0o644).unwrap();
    }
    dir
}
