//! The service that a process belongs to.

use crate::conf::cgroup;
use crate::sys::processes;

/// Its name without `.service`, by the process's control group; `None` for one that no service
/// started, or that runs in a container, or has gone.
#[must_use]
pub fn of(pid: u32) -> Option<String> {
    let group = processes::cgroup(pid)?;
    cgroup::membership(&group).service().map(str::to_owned)
}
