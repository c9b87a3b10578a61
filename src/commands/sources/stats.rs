//! `clockbox sources stats`: what the daemon has learnt of each source.

use super::findings;
use super::gather;
use super::page;
use crate::commands::Command;
use crate::commands::Context;
use crate::commands::page::ManPage;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::sources::stats::StatsReport;

/// Show what the daemon has learnt of each source: samples, drift, deviation
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Ask the chronyd or ntpd of another machine, where it permits; or the one behind this port or
    /// control socket
    #[arg(long, value_name = "HOST[:PORT]|SOCKET")]
    host: Option<String>,
    /// Seconds to wait for an answer to each question
    #[arg(long, value_name = "S", default_value = "3", value_parser = super::duration)]
    timeout: f64,
}

impl Command for Args {
    type Report = StatsReport;

    const PAGE: ManPage = page::STATS;

    fn run(&self, context: &mut Context) -> Result<StatsReport, Failure> {
        let gathered = match &self.host {
            Some(host) => gather::remote(host, self.timeout)?,
            None => gather::local(self.timeout),
        };
        if gathered.observed.is_empty() {
            return Err(
                Failure::new(
                    ExitStatus::Unknown,
                    "no time daemon runs here that could have learnt something; the table of sources asks the configured servers directly",
                )
                .hint("clockbox sources"),
            );
        }
        let findings = findings::blind(&gathered).collect();
        let (mut daemons, mut sources) = (Vec::new(), Vec::new());
        for seen in gathered.observed {
            daemons.push(seen.daemon);
            sources.extend(seen.stats);
        }
        if context.output.numeric {
            for row in sources.iter_mut().filter(|row| row.address.is_some()) {
                row.name.clone_from(&row.address);
            }
        }
        let status = if sources.is_empty() {
            ExitStatus::Unknown
        } else {
            ExitStatus::Done
        };
        Ok(StatsReport {
            daemons,
            sources,
            findings,
            status,
        })
    }
}
