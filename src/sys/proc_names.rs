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

/// The flag of a kernel thread in /proc/PID/stat (PF_KTHREAD of the kernel's sched.h).
const KERNEL_THREAD: u32 = 0x0020_0000;

/// The kernel's own threads, sorted: half of what /proc has, and one list names them. Empty where
/// the kernel keeps no such list, or in a container, which has none of them.
fn kernel_threads() -> Vec<u32> {
    let read = |file: &str| files::read_text(Path::new(file), 1 << 20).ok();
    let is_parent = |stat: String| {
        let (_, rest) = stat.rsplit_once(')')?;
        let flags: u32 = rest.split_whitespace().nth(6)?.parse().ok()?;
        Some(flags & KERNEL_THREAD != 0)
    };
    if read("/proc/2/stat").and_then(is_parent) != Some(true) {
        return Vec::new();
    }
    let list = read("/proc/2/task/2/children").unwrap_or_default();
    let mut pids: Vec<u32> = list
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect();
    pids.sort_unstable();
    pids
}

/// Every process but this one and the kernel's threads, by number, with the kernel's name for it. One
/// that ends meanwhile is left out.
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
    let kernels = kernel_threads();
    pids.retain(|pid| kernels.binary_search(pid).is_err());
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
        // Its name comes a moment after it runs (execve(2)).
        let wanted = (child.id(), "sleep".to_owned());
        let mut seen = Vec::new();
        for _ in 0..100 {
            seen.clear();
            each(|pid, name| seen.push((pid, name.to_owned()))).unwrap();
            if seen.contains(&wanted) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(seen.contains(&wanted), "{seen:?}");
        assert!(!seen.iter().any(|(pid, _)| *pid == std::process::id()));
    }

    #[test]
    fn the_kernels_threads_are_no_programs() {
        let threads = kernel_threads();
        for pid in &threads {
            // It has no program and no arguments; it may have ended.
            let arguments = std::fs::read(format!("/proc/{pid}/cmdline"));
            assert!(arguments.is_ok_and(|text| text.is_empty()) || !seen_now(*pid));
        }
        let own = std::process::id();
        assert!(!threads.contains(&own) && !threads.contains(&1));
    }

    fn seen_now(pid: u32) -> bool {
        Path::new(&format!("/proc/{pid}")).exists()
    }
}
