//! `clockbox sync`: measure several sources at once, vote, set the clock, say how sure it is.
//!
//! Arguments become plans ([`choose`]), a plan is measured ([`measure`]), the vote is put into words
//! ([`judge`]), and the clock is put right ([`apply`]), unless a daemon holds it.

pub mod apply;
pub mod choose;
pub mod clocks;
mod configured;
pub mod daemon;
#[cfg(test)]
pub(crate) mod image;
pub mod judge;
pub mod measure;
pub mod platform;
pub mod target;
pub mod wait;

use super::Command;
use super::Context;
use super::page::ManPage;
use super::sources;
use crate::engine::correction::Policy;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::sync::OriginKind;
use crate::report::sync::SyncReport;
use crate::sys::clock;
use crate::sys::daemons;
use choose::Wanted;
use measure::Terms;
use std::path::Path;
use std::path::PathBuf;

/// Measure several servers at once, vote, set the clock, and say how sure it is
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keep the clock right, in the foreground, until SIGTERM
    #[arg(long_help = "Stay in the foreground and keep the clock right until SIGTERM", long, help_heading = "Daemon", conflicts_with_all = ["dry_run", "step", "slew", "force", "rtc", "wait"])]
    pub daemon: bool,
    /// Measure and select, but never touch the clock
    #[arg(short = 'x', long, help_heading = "Daemon", requires = "daemon")]
    no_clock_control: bool,
    /// Give root up for this user
    #[arg(
        long_help = "Give root up for this user [default: the file's, else _clockbox]",
        hide_short_help = true,
        short = 'u',
        long,
        value_name = "USER",
        help_heading = "Daemon",
        requires = "daemon"
    )]
    user: Option<String>,
    /// Start with what the last run left in dumpdir
    #[arg(
        long_help = "Start with the measurements that the last run left in dumpdir",
        hide_short_help = true,
        short = 'r',
        long,
        help_heading = "Daemon",
        requires = "daemon"
    )]
    reload: bool,
    /// First set the clock from the RTC, or drift file
    #[arg(
        long_help = "First set the clock from the battery-backed one, or drift file",
        hide_short_help = true,
        short = 's',
        long,
        help_heading = "Daemon",
        requires = "daemon",
        conflicts_with = "no_clock_control"
    )]
    set_from_rtc: bool,
    /// Check the daemon's configuration, and end
    #[arg(long, help_heading = "Daemon", requires = "daemon")]
    check_config: bool,
    /// Print the effective one, with origins, and end
    #[arg(
        long_help = "Print the effective configuration, with origins, and end",
        short = 'p',
        long,
        help_heading = "Daemon",
        requires = "daemon",
        conflicts_with = "check_config"
    )]
    print_config: bool,
    /// Servers to ask.
    #[arg(
        value_name = "SERVER",
        help = "HOST, HOST:PORT or [IPv6]:PORT [default: this machine's own]",
        long_help = "Servers to ask: HOST, HOST:PORT or [IPv6]:PORT; without any, those of this \
                     machine's configuration, then its cloud's or host's time, then pool.ntp.org"
    )]
    servers: Vec<String>,
    /// A name with several servers, each with a vote
    #[arg(
        long_help = "A name with several servers, each of which has a vote",
        long,
        value_name = "NAME",
        help_heading = "Sources"
    )]
    pool: Vec<String>,
    /// A clock of this machine: auto, a device or a driver
    #[arg(
        long_help = "A clock of this machine: auto (the host's), a device or its driver's name",
        long,
        value_name = "CLOCK",
        help_heading = "Sources"
    )]
    refclock: Vec<String>,
    /// Take the servers from this configuration file
    #[arg(long_help = "Take the servers from this chrony.conf, ntp.conf or timesyncd.conf", short = 'f', long, value_name = "FILE", help_heading = "Sources", conflicts_with_all = ["servers", "pool", "refclock"])]
    config: Option<PathBuf>,
    /// Samples to take from each server
    #[arg(hide_short_help = true, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64), help_heading = "Sources")]
    samples: u32,
    /// End after so many seconds [default: 10, --wait: 300]
    #[arg(long_help = "Seconds after which everything ends, name look-ups included [default: 10, with --wait 300]", long, value_name = "S", value_parser = positive_seconds, help_heading = "Sources", allow_negative_numbers = true)]
    timeout: Option<f64>,
    /// Ask from this UDP port instead of a random one
    #[arg(hide_short_help = true, long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Sources")]
    source_port: Option<u16>,
    /// Ask IPv4 addresses only
    #[arg(
        hide_short_help = true,
        short = '4',
        long,
        help_heading = "Sources",
        conflicts_with = "ipv6"
    )]
    ipv4: bool,
    /// Ask IPv6 addresses only
    #[arg(hide_short_help = true, short = '6', long, help_heading = "Sources")]
    ipv6: bool,
    /// Wait until the daemon that runs has put the clock right
    #[arg(long, help_heading = "Waiting", conflicts_with_all = ["servers", "pool", "refclock", "config", "dry_run", "step", "slew", "force", "rtc"])]
    wait: bool,
    /// Until its error is under so many seconds [default: 1]
    #[arg(long_help = "The error in seconds that is good enough to end the wait [default: 1]", long, value_name = "S", value_parser = positive_seconds, help_heading = "Waiting", allow_negative_numbers = true)]
    max_error: Option<f64>,
    /// Only measure, and say what would be done
    #[arg(
        long_help = "Only measure, and say what would be done; needs no privilege",
        long,
        alias = "check",
        help_heading = "Setting the clock"
    )]
    dry_run: bool,
    /// Step from this offset on [default: 0.128]
    #[arg(long_help = "Offsets of this many seconds and more are stepped, smaller ones slewed [default: 0.128]", long, value_name = "S", default_value = "0.128", hide_default_value = true, value_parser = seconds, allow_negative_numbers = true, help_heading = "Setting the clock")]
    step_threshold: f64,
    /// Step, whatever the offset
    #[arg(long, help_heading = "Setting the clock", conflicts_with = "slew")]
    step: bool,
    /// Slew, whatever the offset
    #[arg(
        long_help = "Slew, whatever the offset: at most half a millisecond in a second",
        long,
        help_heading = "Setting the clock"
    )]
    slew: bool,
    /// Refuse larger offsets, in seconds
    #[arg(long, value_name = "S", default_value = "1000", value_parser = seconds, allow_negative_numbers = true, help_heading = "Setting the clock")]
    max_offset: f64,
    /// Set the clock whatever the offset
    #[arg(long, help_heading = "Setting the clock")]
    force: bool,
    /// Set the battery-backed clock too
    #[arg(hide_short_help = true, long, help_heading = "Setting the clock")]
    rtc: bool,
}

/// Questions about the daemon's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AboutConfig {
    /// Is it right?
    Check,
    /// What does it amount to?
    Print,
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
            clocks: &self.refclock,
            config: self.config.as_deref(),
        };
        let running = daemons::running().unwrap_or_default();
        let holder = daemon::holder(&running);
        let unnamed = !wanted.is_named() && self.config.is_none();
        if let Some(holder) = holder.as_ref().filter(|h| daemon::can_do_it(h))
            && unnamed
            && !self.dry_run
        {
            return daemon::through(holder, &self.policy(), deadline, context);
        }
        let root = Path::new("/");
        let in_use = sources::configured::in_use(&running, root);
        let mut plans = choose::plans(&wanted, in_use.as_ref(), root)?
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
            let clocks: Vec<_> = plan.clocks.iter().map(|c| clocks::read(c, until)).collect();
            let mut measured = measure::measure(&plan.asked, self.terms(until), context)?;
            measured.clocks = clocks;
            if measured.is_something() || plans.peek().is_none() {
                break (plan, measured);
            }
            findings.push(judge::nobody_there(&plan, &measured));
        };
        let mut report = judge::report(&plan, &measured);
        report.findings.extend(findings);
        if plan.origin.kind == OriginKind::Config && unnamed && !measured.is_something() {
            report.findings.extend(platform::instead(Path::new("/")));
        }
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

    /// What is asked about the daemon's configuration, if that is all.
    #[must_use]
    pub const fn about_config(&self) -> Option<AboutConfig> {
        match (self.check_config, self.print_config) {
            (true, _) => Some(AboutConfig::Check),
            (_, true) => Some(AboutConfig::Print),
            _ => None,
        }
    }

    /// What the daemon takes of the arguments.
    #[must_use]
    pub fn daemon_options(&self, verbose: u8) -> super::daemon::Options {
        super::daemon::Options {
            role: super::daemon::settings::standing::Role::Follow,
            servers: self.servers.clone(),
            pools: self.pool.clone(),
            clocks: self.refclock.clone(),
            config: self.config.clone(),
            no_file: false,
            no_clock_control: self.no_clock_control,
            reload: self.reload,
            set_from_rtc: self.set_from_rtc,
            user: self.user.clone(),
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
pub(in crate::commands) fn quoted(word: &str) -> String {
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
            "A virtual machine without a network: its host's clock",
            "clockbox sync --refclock auto",
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
            "where the servers are taken from when none are named: the one of the daemon that runs, else the first that has any",
        ),
        (
            "/etc/adjtime",
            "whether the battery-backed clock keeps UTC or local time",
        ),
        (
            "/dev/vmclock0",
            "by which the daemon sees that the machine was moved to another host: it measures anew then",
        ),
    ],
    sections: &[
        (
            "HOW IT DECIDES",
            "One packet goes to every server at once. As soon as a majority agrees, the rest are waited for a little (twice the slowest round trip, at most half a second) and no longer; a server that keeps silent while it is needed is asked up to three times. Servers on private and link-local addresses may be asked back to back, others only every two seconds. A server has a vote if its answer is valid and its root distance is under 3 s. Those whose intervals (offset plus and minus root distance) have a point in common with those of a majority are believed; the others are falsetickers and are named. Without a majority nothing is changed.\n\nThe result has an error bound: true time lies within it, if the majority is truthful. An offset within the noise of its own measurement (twice the jitter, or an eighth of the bound) is left alone, so a second run finds nothing to change.",
        ),
        (
            "CLOCKS OF THIS MACHINE",
            "--refclock reads a PTP hardware clock: auto takes the host's (Hyper-V and Azure, KVM, VMware, Amazon's ena), found by the name that its driver gives, never by its number; else name a device (/dev/ptp1), a driver's name (hyperv), or a network interface. /dev/rtc0 and SHM:UNIT are read too. A network card's clock is only right if something sets it, and most often keeps TAI, 37 s ahead of UTC: such a clock is recognised and not used; DEVICE:tai takes the difference off. A clock that does not state its error is taken to be within a millisecond.\n\nWithout any source and any configuration the cloud's own is used: Azure's host clock, Amazon's clock or 169.254.169.123, metadata.google.internal, and so on. Sources that smear leap seconds and those that do not are never asked together.",
        ),
        (
            "DAEMONS",
            "If a daemon that disciplines the clock is running, the clock is not set against it: it is named, and the exit status is 1 if the clock is off. chronyd, when no servers are named, is asked to do the job itself: a burst of measurements of its sources, then a step if the rest is large enough.",
        ),
        (
            "STAYING",
            "With --daemon it stays in the foreground and keeps the clock right, from the servers named or a chrony.conf: --config, else the first of the files below that is chrony's or clockbox's own. Every directive of chrony.conf(5) is known: it is followed, or a warning names it; --check-config shows them all, --print-config what the file amounts to; with --json either gives one object (schema sync-config.json) that has findings with file, line and column, and every line of the configuration with its origin and whether it counts. A source whose line says no minpoll is polled every 16 s at the least while its round trip is under 5 ms, every 64 s otherwise.\n\nIt does not start beside a daemon that steers the clock. Started by root it becomes the user that -u or the file names, else the user of chrony's package if the drift file is in that one's directory, else _clockbox or clockbox if there is one, and keeps only CAP_SYS_TIME and CAP_NET_BIND_SERVICE. Reference clocks are opened before root is given up. While one of them is not there it stays root unless a user is named; one that comes later, or comes back, and that user may not open, waits for a restart, and the log says so. SIGHUP reads the file again: clockbox.conf(5) has what that changes, the log files, and every directive. Under systemd it says when it is ready (Type=notify).",
        ),
        (
            "WHAT THE DAEMON KEEPS",
            "driftfile keeps the oscillator's frequency, replaced as a whole once an hour and at the end. With dumpdir DIR the measurements of all sources go to DIR/clockbox.samples at the end and on chronyc dump; --reload starts with them and removes the file, so that a restart for a new version costs no accuracy. They are against the machine's undisciplined clock: after a reboot, a sleep, a move to another host, or an end of June or December they are not used, and a line says so. A file that is not exactly what was written is refused as a whole, with its line.\n\nrtcfile FILE has the battery-backed clock (rtcdevice, else the first there is) read now and then; its error and rate are kept in FILE, in chronyd's form, at the end and on chronyc writertc; chronyc rtcdata shows them, trimrtc sets that clock, and rtcautotrim S does so when it is off by more than S seconds, at least one. The kernel does not copy the time to it then, whatever rtcsync says. Whether it keeps local time is said by the third line of hwclockfile (/etc/adjtime); otherwise it is taken to keep UTC. --set-from-rtc sets the clock from it at the start, with what FILE knows of its error taken off, or to the drift file's last change if that is later.\n\nrefresh S has a source's name looked up again after S seconds (two weeks; 0 never), one source at a time; one that its name no longer gives is replaced.",
        ),
        (
            "REFERENCE CLOCKS OF THE DAEMON",
            "--refclock names one, and refclock lines of the file are followed with all of chrony's drivers and options:\n\n    refclock PHC hyperv poll 3 dpoll -2 stratum 2\n    refclock PHC eth0 tai\n    refclock SHM 0 refid NMEA offset 0.2 delay 0.2 noselect\n    refclock PPS /dev/pps0 lock NMEA refid GPS\n    refclock SOCK /run/chrony.ttyS0.sock refid GPS\n    refclock RTC /dev/rtc0:utc\n\nA PHC may be named by its device, by its driver's name (hyperv, KVM virtual PTP as ptp_kvm), by a network interface, or be auto: the host's. It is read by the hardware's cross timestamps, else by the extended or the basic request, whichever its driver has; the error that Amazon's driver states is added to each reading. tai takes TAI - UTC off: by leapseclist or leapsectz, else by the kernel, by tzdata's list, or 37 s; a network card's clock that is that far ahead, and whose line says nothing, is not used. SHM is the segment of ntpd's driver 28, as gpsd fills it, made with the permissions of :perm= (600) if it is not there. SOCK is chrony's socket; its samples and the pulses that a PHC stamps (:extpps) are taken as they come. local makes a clock that nobody sets, but that is steadier than this machine's, the measure of all other sources.\n\nhwtimestamp INTERFACE (or * for every card that can) takes the card's timestamps of what is sent to the sources and received from them, and for each packet without one the kernel's; the card's clock is read beside this machine's and need not be set. chronyc ntpdata says which stamps were used.",
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
    see_also: &[
        "clockbox(1)",
        "clockbox.conf(5)",
        "chrony.conf(5)",
        "adjtimex(2)",
    ],
};
