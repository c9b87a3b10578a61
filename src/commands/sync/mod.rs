//! `clockbox sync`: measure several sources at once, vote, set the clock, say how sure it is.
//!
//! Arguments become plans ([`choose`]), a plan is measured ([`measure`]), the vote is put into words
//! ([`judge`]), and the clock is put right ([`apply`]), unless a daemon holds it.

pub mod apply;
pub mod choose;
pub mod daemon;
pub mod judge;
pub mod measure;
pub mod target;
pub mod wait;

use super::Command;
use super::Context;
use super::page::ManPage;
use crate::engine::correction::Policy;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::sync::OriginKind;
use crate::report::sync::SyncReport;
use crate::sys::clock;
use choose::Wanted;
use measure::Terms;
use std::path::Path;
use std::path::PathBuf;

/// Measure several servers at once, let them vote, set the clock, and say how sure it is
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Stay in the foreground and keep the clock right until told to end (SIGTERM)
    #[arg(long, help_heading = "Daemon", conflicts_with_all = ["dry_run", "step", "slew", "force", "rtc", "wait"])]
    pub daemon: bool,
    /// Measure and select, but never touch the clock
    #[arg(long, help_heading = "Daemon", requires = "daemon")]
    no_clock_control: bool,
    /// Servers to ask.
    #[arg(
        value_name = "SERVER",
        help = "Servers to ask: HOST, HOST:PORT or [IPv6]:PORT; without any, those of this machine's \
                configuration, then its cloud's time service, then pool.ntp.org"
    )]
    servers: Vec<String>,
    /// A name with several servers, each of which has a vote
    #[arg(long, value_name = "NAME", help_heading = "Sources")]
    pool: Vec<String>,
    /// Take the servers from this chrony.conf, ntp.conf or timesyncd.conf
    #[arg(long, value_name = "FILE", help_heading = "Sources", conflicts_with_all = ["servers", "pool"])]
    config: Option<PathBuf>,
    /// Samples to take from each server
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64), help_heading = "Sources")]
    samples: u32,
    /// Seconds after which everything ends, name look-ups included [default: 10, with --wait 300]
    #[arg(long, value_name = "S", value_parser = positive_seconds, help_heading = "Sources", allow_negative_numbers = true)]
    timeout: Option<f64>,
    /// Ask from this UDP port instead of a random one
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Sources")]
    source_port: Option<u16>,
    /// Ask IPv4 addresses only
    #[arg(short = '4', long, help_heading = "Sources", conflicts_with = "ipv6")]
    ipv4: bool,
    /// Ask IPv6 addresses only
    #[arg(short = '6', long, help_heading = "Sources")]
    ipv6: bool,
    /// Wait until the daemon that runs has put the clock right; measures and changes nothing
    #[arg(long, help_heading = "Waiting", conflicts_with_all = ["servers", "pool", "config", "dry_run", "step", "slew", "force", "rtc"])]
    wait: bool,
    /// The error in seconds that is good enough to end the wait [default: 1]
    #[arg(long, value_name = "S", value_parser = positive_seconds, help_heading = "Waiting", allow_negative_numbers = true)]
    max_error: Option<f64>,
    /// Only measure, and say what would be done; needs no privilege
    #[arg(long, alias = "check", help_heading = "Setting the clock")]
    dry_run: bool,
    /// Offsets of this many seconds and more are stepped, smaller ones slewed
    #[arg(long, value_name = "S", default_value = "0.128", value_parser = seconds, allow_negative_numbers = true, help_heading = "Setting the clock")]
    step_threshold: f64,
    /// Step, whatever the offset
    #[arg(long, help_heading = "Setting the clock", conflicts_with = "slew")]
    step: bool,
    /// Slew, whatever the offset: at most half a millisecond in a second
    #[arg(long, help_heading = "Setting the clock")]
    slew: bool,
    /// Refuse larger offsets, in seconds
    #[arg(long, value_name = "S", default_value = "1000", value_parser = seconds, allow_negative_numbers = true, help_heading = "Setting the clock")]
    max_offset: f64,
    /// Set the clock whatever the offset
    #[arg(long, help_heading = "Setting the clock")]
    force: bool,
    /// Set the battery-backed clock too
    #[arg(long, help_heading = "Setting the clock")]
    rtc: bool,
}

/// Seconds on the command line: a number that is not negative.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("give seconds, such as 0.5 or 10".to_owned()),
    }
}

fn positive_seconds(text: &str) -> Result<f64, String> {
    match seconds(text) {
        Ok(value) if value > 0.0 && value <= 86_400.0 => Ok(value),
        _ => Err("give seconds over 0, at most 86400".to_owned()),
    }
}

impl Command for Args {
    type Report = SyncReport;

    const PAGE: ManPage = PAGE;

    fn run(&self, context: &mut Context) -> Result<SyncReport, Failure> {
        let start = clock::monotonic();
        let limit = self.timeout.unwrap_or(if self.wait { 300.0 } else { 10.0 });
        let deadline = start.plus_seconds(limit);
        if self.wait {
            return wait::wait(self.max_error.unwrap_or(1.0), deadline, context);
        }
        if self.max_error.is_some() {
            return Err(
                Failure::usage("--max-error says when a wait is over: it needs --wait")
                    .hint("clockbox sync --wait --max-error 0.05"),
            );
        }
        let wanted = Wanted {
            servers: &self.servers,
            pools: &self.pool,
            config: self.config.as_deref(),
        };
        let holder = daemon::holder();
        let unnamed = self.servers.is_empty() && self.pool.is_empty() && self.config.is_none();
        if let Some(holder) = holder.as_ref().filter(|h| daemon::can_do_it(h))
            && unnamed
            && !self.dry_run
        {
            return daemon::through(holder, &self.policy(), deadline, context);
        }
        let mut plans = choose::plans(&wanted, Path::new("/"))?
            .into_iter()
            .peekable();
        if let Some(plan) = plans.peek() {
            self.fits_family(plan)?;
        }
        let mut findings = Vec::new();
        let (plan, measured) = loop {
            let Some(plan) = plans.next() else {
                return Err(Failure::new(ExitStatus::Software, "no plan to measure"));
            };
            let patience = plan.patience.filter(|_| plans.peek().is_some());
            let until = patience.map_or(deadline, |s| {
                clock::monotonic().plus_seconds(s).min(deadline)
            });
            let measured = measure::measure(&plan.asked, self.terms(until), context)?;
            if measured
                .probe
                .sources
                .iter()
                .any(|s| s.candidate().is_some())
                || plans.peek().is_none()
            {
                break (plan, measured);
            }
            findings.push(judge::nobody_there(&plan));
        };
        let mut report = judge::report(&plan, &measured);
        report.findings.extend(findings);
        report.dry_run = self.dry_run;
        apply::apply(&mut report, &self.policy(), self.rtc, holder.as_ref())?;
        Ok(report)
    }
}

impl Args {
    /// An address of the one family, when the other was asked for, is a slip.
    fn fits_family(&self, plan: &choose::Plan) -> Result<(), Failure> {
        let wrong = |host: &&String| {
            host.parse::<std::net::IpAddr>()
                .is_ok_and(|a| (a.is_ipv6() && self.ipv4) || (a.is_ipv4() && self.ipv6))
        };
        let named = plan.origin.kind == OriginKind::Arguments;
        match plan
            .asked
            .iter()
            .flat_map(|a| &a.hosts)
            .find(wrong)
            .filter(|_| named)
        {
            Some(host) => {
                let (is, only) = if self.ipv4 {
                    ("IPv6", "-4")
                } else {
                    ("IPv4", "-6")
                };
                Err(Failure::usage(format!(
                    "{host} is an {is} address, but {only} leaves those out"
                ))
                .hint(format!("leave {only} out, or name another server")))
            }
            None => Ok(()),
        }
    }

    /// What the daemon takes of the arguments.
    #[must_use]
    pub fn daemon_options(&self, verbose: u8) -> super::daemon::Options {
        super::daemon::Options {
            servers: self.servers.clone(),
            pools: self.pool.clone(),
            config: self.config.clone(),
            no_clock_control: self.no_clock_control,
            verbose,
        }
    }

    const fn policy(&self) -> Policy {
        Policy {
            step_threshold: self.step_threshold,
            step: self.step,
            slew: self.slew,
            max_offset: self.max_offset,
            force: self.force,
        }
    }

    fn terms(&self, deadline: crate::time::Monotonic) -> Terms {
        Terms {
            samples: self.samples,
            source_port: self.source_port.unwrap_or(0),
            deadline,
            ipv6: if self.ipv4 {
                Some(false)
            } else {
                self.ipv6.then_some(true)
            },
        }
    }
}

/// This very command again, with more words: what to type next. An option among them replaces the
/// one that was given.
#[must_use]
pub fn again(more: &[&str]) -> String {
    let typed = crate::sys::host::arguments();
    let typed: Vec<String> = typed
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let mut words = vec!["clockbox".to_owned(), "sync".to_owned()];
    let mut typed = typed.into_iter().peekable();
    let mut command = false;
    while let Some(word) = typed.next() {
        if (word == "sync" && !command) || word == "--json" {
            command |= word == "sync";
        } else if more.first() == Some(&word.as_str()) {
            // Its value goes with it.
            typed.next_if(|_| more.len() > 1);
        } else {
            words.push(quoted(&word));
        }
    }
    words.extend(more.iter().map(|word| (*word).to_owned()));
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,[]".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

const PAGE: ManPage = ManPage {
    examples: &[
        (
            "How wrong is this clock? Changes nothing, needs no privilege",
            "clockbox sync --dry-run",
        ),
        (
            "Put it right, from the servers that this machine is configured for",
            "clockbox sync",
        ),
        (
            "Put it right from these servers, in at most five seconds",
            "clockbox sync --timeout 5 ntp1.example.com ntp2.example.com ntp3.example.com",
        ),
        (
            "The offset for a script",
            "clockbox sync --dry-run --json | jq -e .result.offset_s",
        ),
        (
            "A task of Ansible",
            "- command: clockbox sync --json\n  register: sync\n  changed_when: (sync.stdout | from_json).changed",
        ),
    ],
    files: &[
        (
            "/etc/clockbox/clockbox.conf, /etc/chrony/chrony.conf, /etc/chrony.conf, /etc/ntpsec/ntp.conf, /etc/ntp.conf, /etc/systemd/timesyncd.conf",
            "where the servers are taken from when none are named: the first that has any",
        ),
        (
            "/etc/adjtime",
            "whether the battery-backed clock keeps UTC or local time",
        ),
    ],
    sections: &[
        (
            "HOW IT DECIDES",
            "One packet goes to every server at once. As soon as a majority agrees, the rest are waited for a little (twice the slowest round trip, at most half a second) and no longer; a server that keeps silent while it is needed is asked up to three times. Servers on private and link-local addresses may be asked back to back, others only every two seconds. A server has a vote if its answer is valid and its root distance is under 3 s. Those whose intervals (offset plus and minus root distance) have a point in common with those of a majority are believed; the others are falsetickers and are named. Without a majority nothing is changed.\n\nThe result has an error bound: true time lies within it, if the majority is truthful. An offset within the noise of its own measurement (twice the jitter, or an eighth of the bound) is left alone, so a second run finds nothing to change.",
        ),
        (
            "DAEMONS",
            "If a daemon that disciplines the clock is running, the clock is not set against it: it is named, and the exit status is 1 if the clock is off. chronyd, when no servers are named, is asked to do the job itself: a burst of measurements of its sources, then a step if the rest is large enough.",
        ),
    ],
    statuses: &[
        (
            ExitStatus::Done,
            "the clock was set, or was right, or (with --dry-run) could be measured",
        ),
        (
            ExitStatus::NotHeld,
            "the clock was not set: no majority agrees, the offset is larger than --max-offset, or another daemon holds the clock; with --wait: the time ran out before the clock was right",
        ),
        (
            ExitStatus::Unknown,
            "no server gave a usable answer; with --wait: no daemon runs that can be asked",
        ),
        (ExitStatus::Unavailable, "every server refuses this machine"),
        (
            ExitStatus::NoPermission,
            "the clock was measured but may not be set: CAP_SYS_TIME is missing",
        ),
    ],
    see_also: &["clockbox(1)", "chrony.conf(5)", "adjtimex(2)"],
};
