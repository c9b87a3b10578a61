//! This machine's files as the parsers read them, the corpus, and chronyd.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use clockbox::conf::chrony::Version;
use clockbox::conf::files::Files;
use clockbox::conf::files::ReadError;

/// The files of this machine.
pub(crate) struct Machine;

impl Files for Machine {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        fs::read(path).map_err(|error| reason(&error))
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, ReadError> {
        let entries = fs::read_dir(dir).map_err(|error| reason(&error))?;
        Ok(entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect())
    }
}

fn reason(error: &std::io::Error) -> ReadError {
    if error.kind() == ErrorKind::NotFound {
        ReadError::Missing
    } else {
        ReadError::Other(error.to_string())
    }
}

/// The *.conf files of a part of the corpus; `None`, said aloud, when it is not there.
pub(crate) fn corpus(part: &str) -> Option<Vec<PathBuf>> {
    let root = std::env::var_os("CLOCKBOX_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"),
        PathBuf::from,
    );
    let Ok(entries) = fs::read_dir(root.join(part)) else {
        eprintln!(
            "SKIPPED: no corpus at {}: set CLOCKBOX_CORPUS",
            root.display()
        );
        return None;
    };
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "conf"))
        .collect();
    files.sort();
    assert!(
        !files.is_empty(),
        "the corpus at {} has no files",
        root.display()
    );
    Some(files)
}

/// chronyd of the PATH or the sbin directories; `None`, said aloud, without one.
pub(crate) fn chronyd() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    dirs.extend(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let found = dirs
        .iter()
        .map(|dir| dir.join("chronyd"))
        .find(|path| path.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: no chronyd on the PATH");
    }
    found
}

/// What `chronyd -p` says of a file: its complaint, if it has one. Nothing is started.
pub(crate) fn complaint(chronyd: &Path, file: &Path) -> Option<String> {
    let output = Command::new(chronyd)
        .arg("-p")
        .arg("-f")
        .arg(file)
        .output()
        .unwrap();
    if output.status.success() {
        None
    } else {
        Some(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The version chronyd says it has.
pub(crate) fn version(chronyd: &Path) -> Version {
    let output = Command::new(chronyd).arg("-v").output().unwrap();
    Version::find(&String::from_utf8_lossy(&output.stdout)).unwrap()
}
