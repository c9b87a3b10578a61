//! The names of all processes, one pass over /proc with three system calls each: of hundreds of
//! processes a handful are looked at closer.

use super::error::Error;
use super::files;
use nix::fcntl::OFlag;
use nix::fcntl::openat;
use nix::sys::stat::Mode;
use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;

/// The kernel keeps 15 octets of a name and ends them with a line's end.
const LONGEST: usize = 16;

/// Every process but this one, by number, with the kernel's name for it. One that ends meanwhile is
/// left out.
///
/// # Errors
/// When there is no /proc.
pub(super) fn each(mut see: impl FnMut(u32, &str)) -> Result<(), Error> {
    let proc = Path::new("/proc");
    let failed = |e| Error::new("read directory", "/proc", e);
    let own = std::process::id();
    let mut pids: Vec<u32> = files::list(proc)?
        .iter()
        .filter_map(|name| name.parse().ok())
        .filter(|pid| *pid != own)
        .collect();
    pids.sort_unstable();
    let directory = File::open(proc).map_err(failed)?;
    let mut path = String::new();
    for pid in pids {
        path.clear();
        let _ = write!(path, "{pid}/comm");
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let Ok(file) = openat(&directory, path.as_str(), flags, Mode::empty()) else {
            continue;
        };
        let mut name = [0; LONGEST];
        let read = nix::unistd::read(&file, &mut name).unwrap_or(0);
        let name = String::from_utf8_lossy(name.get(..read).unwrap_or_default());
        if read > 0 {
            see(pid, name.trim_end_matches('\n'));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_seen_by_its_name_and_this_process_is_not() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn();
        let child = child.as_mut().unwrap();
        let mut seen = Vec::new();
        each(|pid, name| seen.push((pid, name.to_owned()))).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(seen.contains(&(child.id(), "sleep".to_owned())), "{seen:?}");
        assert!(!seen.iter().any(|(pid, _)| *pid == std::process::id()));
    }
}
