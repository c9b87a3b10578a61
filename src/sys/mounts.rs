//! Mounts, as far as they decide whether a file can be replaced: a file that is itself a mount
//! point, and read-only file systems.

use super::files;
use nix::sys::statvfs::FsFlags;
use nix::sys::statvfs::statvfs;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::path::PathBuf;

/// A machine with more mounts than this has bigger sorrows.
const LIMIT: u64 = 16 << 20;

/// True when something is mounted on exactly this path (a bind mount of a file): it cannot be
/// replaced, only written through. False where /proc/self/mountinfo cannot be read.
#[must_use]
pub fn is_mount_point(path: &Path) -> bool {
    let Ok(text) = files::read(Path::new("/proc/self/mountinfo"), LIMIT) else {
        return false;
    };
    let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
    let real = match (parent, path.file_name()) {
        (Some(parent), Some(name)) => parent.join(name),
        _ => path.to_path_buf(),
    };
    text.split(|b| *b == b'\n')
        .filter_map(mount_point)
        .any(|mounted| mounted == real)
}

/// True when the directory is on a file system that is mounted read-only.
#[must_use]
pub fn is_read_only(directory: &Path) -> bool {
    statvfs(directory).is_ok_and(|found| found.flags().contains(FsFlags::ST_RDONLY))
}

/// The fifth field of a line of mountinfo, proc_pid_mountinfo(5), its octal escapes undone.
fn mount_point(line: &[u8]) -> Option<PathBuf> {
    let field = line.split(|b| *b == b' ').nth(4)?;
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let octal = |digits: &[u8]| u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok();
        let escaped = (*first == b'\\').then(|| octal(tail.get(..3)?)).flatten();
        plain.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[3..] } else { tail };
    }
    Some(PathBuf::from(OsStr::from_bytes(&plain)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_with_their_escapes() {
        let line = b"36 35 98:0 /mnt1 /mnt/a\\040b rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(mount_point(line), Some(PathBuf::from("/mnt/a b")));
        assert_eq!(mount_point(b"36 35"), None);
        assert!(is_mount_point(Path::new("/proc")));
        assert!(!is_mount_point(Path::new("/proc/self")));
    }
}
