//! Paths inside an image: every link is followed as if the image's root were `/`, so that nothing
//! outside it is ever read or written.

use super::error::Error;
use super::files;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;

/// The real place of `path` inside `root`, all links followed; what is missing stays as written.
///
/// # Errors
/// When links go round in a circle.
pub fn resolve(root: &Path, path: &Path) -> Result<PathBuf, Error> {
    let mut real = root.to_path_buf();
    let mut depth = 0_usize;
    let mut waiting = parts(path);
    let mut links = 0;
    while let Some(part) = waiting.pop_front() {
        if part == ".." {
            if depth > 0 {
                real.pop();
                depth -= 1;
            }
            continue;
        }
        real.push(&part);
        depth += 1;
        let Some(target) = files::link_target(&real) else {
            continue;
        };
        links += 1;
        if links > MAX_LINKS {
            let reason = io::Error::from_raw_os_error(nix::libc::ELOOP);
            return Err(Error::new("follow", path.display().to_string(), reason));
        }
        real.pop();
        depth -= 1;
        if target.is_absolute() {
            real = root.to_path_buf();
            depth = 0;
        }
        let mut rest = parts(&target);
        rest.append(&mut waiting);
        waiting = rest;
    }
    Ok(real)
}

/// The place of `path` inside `root` without following its last part: what would be replaced.
///
/// # Errors
/// When links above it go round in a circle.
pub fn place(root: &Path, path: &Path) -> Result<PathBuf, Error> {
    let parent = resolve(root, path.parent().unwrap_or(Path::new("/")))?;
    Ok(path
        .file_name()
        .map_or(parent.clone(), |name| parent.join(name)))
}

/// The path as it is called inside the root: `/etc/localtime`.
#[must_use]
pub fn inside(root: &Path, real: &Path) -> PathBuf {
    real.strip_prefix(root)
        .map_or_else(|_| real.to_path_buf(), |rest| Path::new("/").join(rest))
}

fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_never_lead_out_of_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("usr/share")).unwrap();
        fs::create_dir(root.join("real")).unwrap();
        symlink("/real", root.join("etc")).unwrap();
        symlink("../../../../../../real/x", root.join("usr/share/up")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let at = |path: &str| resolve(root, Path::new(path)).unwrap();
        assert_eq!(at("/etc/passwd"), root.join("real/passwd"));
        assert_eq!(at("/usr/share/up"), root.join("real/x"));
        assert_eq!(at("/../../etc"), root.join("real"));
        assert_eq!(inside(root, &at("/etc/x")), Path::new("/real/x"));
        assert!(resolve(root, Path::new("/loop/x")).is_err());
        assert_eq!(place(root, Path::new("/loop")).unwrap(), root.join("loop"));
    }
}
