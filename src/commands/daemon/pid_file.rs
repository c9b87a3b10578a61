//! The file with the daemon's process number.

use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys;
use crate::sys::processes;
use std::path::Path;
use std::path::PathBuf;

/// Octets of a file that are looked at.
const LIMIT: u64 = 32;
/// Programs whose number such a file has.
const DAEMONS: [&str; 2] = ["clockbox", "chronyd"];

/// The file, removed at the end.
pub(super) struct PidFile(Option<PathBuf>);

impl PidFile {
    /// Writes it, where there is to be one.
    ///
    /// # Errors
    /// When a daemon runs whose file this is, or it cannot be written.
    pub(super) fn write(path: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = path {
            if let Some((pid, name)) = owner(path) {
                let shown = path.display();
                let text = format!("{name} (process {pid}) runs already, by its pid file {shown}");
                return Err(Failure::new(ExitStatus::Unavailable, text)
                    .hint(format!("end it first: kill {pid}"))
                    .target(shown.to_string()));
            }
            let text = format!("{}\n", std::process::id());
            sys::files::replace(path, text.as_bytes(), 0o644)?;
        }
        Ok(Self(path.map(Path::to_path_buf)))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Somebody else's by now, perhaps.
        if let Some(path) = &self.0
            && number(path) == Some(std::process::id())
        {
            let _ = sys::files::remove(path);
        }
    }
}

fn number(path: &Path) -> Option<u32> {
    sys::files::read_text(path, LIMIT).ok()?.trim().parse().ok()
}

/// The daemon that runs and wrote the file. A number that another program has by now is of one that
/// was killed.
fn owner(path: &Path) -> Option<(u32, String)> {
    let pid = number(path).filter(|pid| *pid != std::process::id())?;
    let name = processes::process(pid)?.name;
    DAEMONS.contains(&name.as_str()).then_some((pid, name))
}
