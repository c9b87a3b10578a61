//! What one daemon says, in the report's own types.

use crate::report::sources::DaemonRow;
use crate::report::sources::SourceRow;
use crate::report::sources::explain::Limits;
use crate::report::sources::stats::StatsRow;

/// One daemon's view.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The daemon, and what it says of the clock.
    pub daemon: DaemonRow,
    /// Its sources.
    pub sources: Vec<SourceRow>,
    /// What it has learnt of them.
    pub stats: Vec<StatsRow>,
    /// Its limits, for the sentences.
    pub limits: Limits,
}

impl Observed {
    /// A daemon that could not be asked, and why.
    #[must_use]
    pub fn silent(name: &str, problem: impl Into<String>) -> Self {
        let mut daemon = DaemonRow::new(name);
        daemon.problem = Some(problem.into());
        Self::only(daemon)
    }

    /// With its process, which all its rows have.
    pub fn of_process(&mut self, pid: Option<u32>) {
        self.daemon.pid = pid;
        for row in &mut self.sources {
            row.daemon_pid = pid;
        }
        for row in &mut self.stats {
            row.daemon_pid = pid;
        }
    }

    /// A daemon that has nothing to say of sources.
    #[must_use]
    pub const fn only(daemon: DaemonRow) -> Self {
        Self {
            daemon,
            sources: Vec::new(),
            stats: Vec::new(),
            limits: Limits::CHRONY,
        }
    }
}
