//! The report of `clockbox check-port`: what holds the port here, and what answers there.

mod here;
mod nagios;
mod page;
mod there;

pub use here::Condition;
pub use here::Daemon;
pub use here::Filter;
pub use here::Here;
pub use here::Listener;
pub use here::Manager;
pub use here::NEEDS_ROOT;
pub use here::Outcome;
pub use here::OwnAnswer;
pub use here::Passage;
pub use here::Path;
pub use here::Place;
pub use here::Platform;
pub use here::ServerState;
pub use here::Zone;
pub use here::ZoneTerms;
pub use nagios::Limits;
pub use there::Address;
pub use there::Certificate;
pub use there::Family;
pub use there::Icmp;
pub use there::NtsKe;
pub use there::NtsKeState;
pub use there::Target;
pub use there::Test;
pub use there::TestName;
pub use there::TestOutcome;
pub use there::Verdict;

use super::Nagios;
use super::Page;
use super::Report;
use super::finding::Finding;
use super::finding::Severity;
use crate::exit::ExitStatus;
use schemars::JsonSchema;
use serde::Serialize;

/// What was found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CheckPortReport {
    /// This machine's own port; null when hosts were asked.
    pub here: Option<Here>,
    /// The hosts that were asked, in the order in which they were named.
    pub targets: Vec<Target>,
    /// What to know, and what to type next.
    pub findings: Vec<Finding>,
    /// The limits of `--nagios`.
    #[serde(skip)]
    pub limits: Limits,
    /// One good address of a host is enough.
    #[serde(skip)]
    pub any: bool,
}

impl Report for CheckPortReport {
    const COMMAND: &'static str = "check-port";

    fn status(&self) -> ExitStatus {
        match &self.here {
            Some(here) => self.status_here(here),
            None => self.status_there(),
        }
    }

    fn render(&self, page: &Page) -> String {
        page::render(self, page)
    }

    fn nagios(&self) -> Option<Nagios> {
        Some(nagios::line(self))
    }
}

impl CheckPortReport {
    fn status_here(&self, here: &Here) -> ExitStatus {
        if self.findings.iter().any(|f| f.severity == Severity::Error) {
            ExitStatus::NotHeld
        } else if here.server == ServerState::Unknown || here.hides_something() {
            ExitStatus::Unknown
        } else {
            ExitStatus::Done
        }
    }

    /// Not held when an address is known not to be right; unknown when one is only silent.
    fn status_there(&self) -> ExitStatus {
        let mut status = ExitStatus::Done;
        for target in &self.targets {
            let one = target.status(self.any);
            if one == ExitStatus::NotHeld {
                return one;
            }
            status = status.max(one);
        }
        status
    }
}
