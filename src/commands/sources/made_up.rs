//! Made-up daemons and sources for the tests of what is found about them.

use super::observed::Observed;
use crate::report::finding::Finding;
use crate::report::sources::DaemonRow;
use crate::report::sources::SourceKind;
use crate::report::sources::SourceRow;
use crate::report::sources::State;
use crate::report::sources::explain::Limits;

pub(super) fn row(name: &str, state: State) -> SourceRow {
    let mut row = SourceRow::new("chronyd", SourceKind::Server, state);
    row.name = Some(name.to_owned());
    row.address = Some("192.0.2.1".to_owned());
    row
}

pub(super) fn seen(sources: Vec<SourceRow>) -> Observed {
    let mut daemon = DaemonRow::new("chronyd");
    daemon.synchronised = Some(true);
    daemon.via = Some("unix".to_owned());
    Observed {
        daemon,
        sources,
        stats: vec![],
        limits: Limits::CHRONY,
    }
}

pub(super) fn texts(findings: &[Finding]) -> String {
    findings.iter().map(|f| f.text.clone() + "\n").collect()
}
