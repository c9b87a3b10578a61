//! `clockbox status`: one page that says whether this machine's time is right, and if not, why.
//!
//! [`machine`] has the clocks, zone, kernel and ports, [`installed`] the daemons, [`guest_tools`] a
//! hypervisor's, `sources` asks them, [`judge`] decides.

pub mod guest_tools;
pub mod installed;
pub mod judge;
pub mod machine;

use super::Command;
use super::Context;
use super::page::ManPage;
use crate::commands::check_port::cloud_server;
use crate::commands::shared_page;
use crate::commands::sources::duration;
use crate::commands::sources::findings;
use crate::commands::sources::gather;
use crate::commands::sources::gather::Gathered;
use crate::commands::sources::hang;
use crate::commands::sources::probed;
use crate::commands::timezone;
use crate::commands::timezone::Outline;
use crate::conf::cloud;
use crate::conf::cloud::Platform;
use crate::conf::ptp::PtpKind;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::report::finding::Severity;
use crate::report::sources::DaemonRow;
use crate::report::sources::SourceKind;
use crate::report::sources::SourceRow;
use crate::report::sources::State;
use crate::report::status::PlatformRow;
use crate::report::status::PtpRow;
use crate::report::status::StatusReport;
use crate::report::status::Verdict;
use crate::sys;
use crate::sys::ptp::PtpClock;
use crate::sys::service;
use crate::sys::service::Manager;
use std::path::Path;
use std::path::PathBuf;

/// Say whether this machine's time is right, and if not, why and what to type
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Look at the image mounted in this directory instead of this machine
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// A line and the exit statuses that Nagios reads
    #[arg(long, conflicts_with = "json")]
    nagios: bool,
    /// Seconds to wait for an answer to each question
    #[arg(long, value_name = "S", default_value = "3", value_parser = duration)]
    timeout: f64,
}

impl Command for Args {
    type Report = StatusReport;

    const PAGE: ManPage = PAGE;

    fn run(&self, context: &mut Context) -> Result<StatusReport, Failure> {
        context.output.nagios = self.nagios;
        match self.root.as_deref() {
            Some(root) if root != Path::new("/") => image(root),
            _ => Ok(live(self.timeout, context)),
        }
    }
}

fn live(limit_s: f64, context: &Context) -> StatusReport {
    let root = Path::new("/");
    let platform = cloud::classify(&sys::cloud::read(root));
    let start = sys::clock::monotonic();
    let mut gathered = gather::local(limit_s);
    let mut notes = Vec::new();
    let mut problem = None;
    if gathered.observed.iter().all(|seen| seen.sources.is_empty()) {
        let limit_s = probed::time_left(limit_s, start);
        match probed::observe(&gathered, limit_s, context) {
            Ok(probe) => gathered.observed.extend(probe),
            Err(failure) => problem = Some(failure),
        }
    }
    let (now, _) = sys::clock::unix();
    let mut found = findings::all(&gathered, now);
    let kernel = machine::kernel();
    let zone = zone(None, &mut notes);
    let clocks = machine::clocks(zone.as_ref());
    let services = installed::find(root, Some(&gathered.running));
    let seen: Vec<_> = gathered.observed.iter().map(|o| o.daemon.clone()).collect();
    let sources: Vec<_> = gathered
        .observed
        .iter()
        .flat_map(|o| o.sources.iter().cloned())
        .collect();
    let kernel_flag = kernel.as_ref().ok().map(|k| k.synchronised);
    let judgement = judge::judge(&seen, &sources, &found, kernel_flag);
    // Before a start is advised: with a wrong file that fails.
    let told = problem.and_then(|failure| probed::finding(&failure, &found));
    found.extend(told);
    found.extend(hindered(&seen, &sources));
    found.extend(hang::findings(&gathered));
    let starts = service::manager(root) != Manager::None;
    found.extend(installed::findings(&services, starts));
    found.extend(zone.map(|zone| zone.findings).unwrap_or_default());
    found.extend(machine::rtc_finding(&clocks));
    found.extend(cloud_server::finding(
        gathered.cloud,
        &gathered.running,
        None,
    ));
    let unused = unused_clock(&gathered);
    let tools = || sys::guest_tools::running().unwrap_or_default();
    found.extend(guest_tools::findings(tools, &gathered, unused.is_some()));
    found.extend(unused);
    let ports = machine::ports(&gathered.running);
    if let Err(error) = &ports {
        notes.push(
            Finding::info(format!("who has UDP 123 cannot be seen: {error}"))
                .next("clockbox check-port"),
        );
    }
    if let Err(error) = &kernel {
        notes.push(
            Finding::info(format!("the kernel's clock cannot be read: {error}"))
                .next("clockbox sync --dry-run"),
        );
    }
    found.extend(notes);
    found.sort_by_key(|finding| finding.severity);
    StatusReport {
        status: status(judgement.verdict),
        verdict: judgement.verdict,
        text: judgement.text,
        offset_s: judgement.offset_s,
        error_bound_s: judgement.error_bound_s,
        age_s: judgement.age_s,
        witness: judgement.witness,
        root: "/".to_owned(),
        clocks: Some(clocks),
        kernel: kernel.ok(),
        daemons: installed::rows(&services, &seen, false),
        sources,
        platform: platform_row(&platform, root),
        ptp_clocks: ptp_rows(&gathered.clocks, &platform),
        vm_clock: shared_page::vm_clock(root),
        clock_bound: shared_page::clock_bound(root),
        ports: ports.unwrap_or_default(),
        findings: found,
        root_looks: sys::host::is_root(),
    }
}

/// Sources at most whose trouble is told on the page.
const HINDERED: usize = 3;

/// What is in the way of the sources, where a daemon follows none of them: the gravest few.
fn hindered(daemons: &[DaemonRow], sources: &[SourceRow]) -> Vec<Finding> {
    let lost = |row: &&SourceRow| {
        let mut own = daemons.iter().filter(|daemon| daemon.owns(row));
        own.any(|daemon| match daemon.synchronised {
            Some(follows) => !follows && !daemon.local_reference,
            // What was asked directly, and told nothing of the clock.
            None => daemon.name == probed::NAME && daemon.offset_s.is_none(),
        })
    };
    let mut rows: Vec<&SourceRow> = sources
        .iter()
        .filter(lost)
        .filter(|row| !row.state.is_good() && row.text.is_some())
        .filter(|row| !row.options.iter().any(|option| option == "noselect"))
        .collect();
    rows.sort_by_key(|row| match row.state {
        State::Falseticker => 0,
        State::Unresolved => 1,
        State::Unreachable | State::Kiss => 2,
        State::Jittery => 3,
        _ => 4,
    });
    let told = |row: &SourceRow| Finding {
        severity: Severity::Warning,
        text: format!(
            "{}: {}",
            row.title(),
            row.text.as_deref().unwrap_or_default()
        ),
        next: row.next.clone(),
    };
    rows.into_iter().take(HINDERED).map(told).collect()
}

/// An image: what is installed and enabled in it; nothing of this machine.
fn image(root: &Path) -> Result<StatusReport, Failure> {
    if !root.is_dir() {
        return Err(Failure::new(
            ExitStatus::NoInput,
            format!(
                "{}: no such directory; an image is mounted first, then looked at",
                root.display()
            ),
        )
        .hint("lsblk --fs")
        .target(root.display().to_string()));
    }
    let services = installed::find(root, None);
    let mut found = installed::image_findings(&services, root);
    let mut notes = Vec::new();
    found.extend(
        zone(Some(root), &mut notes)
            .map(|zone| zone.findings)
            .unwrap_or_default(),
    );
    found.extend(notes);
    found.sort_by_key(|finding| finding.severity);
    let wrong = found.iter().any(|f| f.severity == Severity::Error);
    let none = services
        .iter()
        .all(|f| !f.services.iter().any(|s| s.enabled));
    let (verdict, text) = if wrong {
        (
            Verdict::NotRight,
            "The image's time daemons are in conflict",
        )
    } else if none {
        (
            Verdict::NotKept,
            "Nothing will keep the clock of this image",
        )
    } else {
        (Verdict::Right, "The image starts one time daemon")
    };
    Ok(StatusReport {
        verdict,
        text: text.to_owned(),
        offset_s: None,
        error_bound_s: None,
        age_s: None,
        witness: None,
        root: root.display().to_string(),
        clocks: None,
        kernel: None,
        daemons: installed::rows(&services, &[], true),
        sources: Vec::new(),
        platform: PlatformRow {
            service_manager: service::manager(root).word().to_owned(),
            ..PlatformRow::default()
        },
        ptp_clocks: Vec::new(),
        vm_clock: None,
        clock_bound: None,
        ports: Vec::new(),
        findings: found,
        root_looks: false,
        status: status(verdict),
    })
}

/// The zone; what keeps it from being read goes to the notes.
fn zone(root: Option<&Path>, notes: &mut Vec<Finding>) -> Option<Outline> {
    match timezone::outline(root) {
        Ok(zone) => Some(zone),
        Err(failure) => {
            notes.push(Finding::warning(failure.message).next("clockbox timezone show"));
            None
        }
    }
}

const fn status(verdict: Verdict) -> ExitStatus {
    match verdict {
        Verdict::Right => ExitStatus::Done,
        Verdict::NotRight | Verdict::NotKept => ExitStatus::NotHeld,
        Verdict::Unknown => ExitStatus::Unknown,
    }
}

fn platform_row(platform: &Platform, root: &Path) -> PlatformRow {
    PlatformRow {
        cloud: platform.cloud.map(|cloud| cloud.name().to_owned()),
        hypervisor: platform.hypervisor.map(|h| h.word().to_owned()),
        service_manager: service::manager(root).word().to_owned(),
    }
}

fn ptp_rows(clocks: &[PtpClock], platform: &Platform) -> Vec<PtpRow> {
    clocks
        .iter()
        .map(|clock| PtpRow {
            device: clock.device.clone(),
            clock_name: clock.clock_name.clone(),
            links: clock.links.clone(),
            meaning: PtpKind::of(&clock.clock_name)
                .whose(platform.cloud)
                .to_owned(),
        })
        .collect()
}

/// The host gives its clock, and nobody takes it.
fn unused_clock(gathered: &Gathered) -> Option<Finding> {
    // Where the provider documents servers, only Amazon's clock is documented beside them.
    let servers = gathered
        .cloud
        .is_some_and(|cloud| !cloud.time_servers().is_empty());
    let clock = gathered.clocks.iter().find(|clock| {
        let kind = PtpKind::of(&clock.clock_name);
        kind == PtpKind::Ena || (kind.is_hosts() && !servers)
    })?;
    let used = gathered
        .observed
        .iter()
        .flat_map(|seen| &seen.sources)
        .any(|row| row.kind == SourceKind::Refclock);
    let chronyd = gathered
        .observed
        .iter()
        .any(|seen| seen.daemon.name == "chronyd");
    if used || !chronyd {
        return None;
    }
    let device = clock.links.first().unwrap_or(&clock.device);
    Some(
        Finding::info(format!(
            "{device} ({}) is {}, and chronyd does not use it",
            clock.clock_name,
            PtpKind::of(&clock.clock_name).whose(gathered.cloud)
        ))
        .next("sudo clockbox sources set --cloud"),
    )
}

const PAGE: ManPage = ManPage {
    examples: &[
        ("Is the time right?", "clockbox status"),
        (
            "In a script: nothing is printed, the exit status is the answer",
            "clockbox status -q || echo the time of this machine is not right",
        ),
        (
            "Wait at most two minutes until it is right within 50 ms, before something starts that needs it",
            "clockbox sync --wait --max-error 0.05 --timeout 120",
        ),
        (
            "The error bound and its age for a program",
            "clockbox status --json | jq '{verdict, offset_s, error_bound_s, age_s}'",
        ),
        ("For Nagios and its kin", "clockbox status --nagios"),
        (
            "What will a mounted image do?",
            "clockbox status --root /mnt",
        ),
        (
            "A task of Ansible",
            "- command: clockbox status --json\n  register: status\n  changed_when: false\n  failed_when: (status.stdout | from_json).verdict != 'right'",
        ),
    ],
    files: &[
        (
            "/etc/systemd/system, /usr/lib/systemd/system, /etc/init.d, /etc/runlevels",
            "which time daemons are installed and enabled",
        ),
        (
            "/etc/adjtime",
            "whether the battery-backed clock keeps UTC or local time",
        ),
        (
            "/etc/localtime, /etc/timezone, /etc/sysconfig/clock",
            "the time zone, compared with each other",
        ),
        ("/sys/class/ptp", "the PTP hardware clocks"),
        (
            "/dev/vmclock0",
            "what the host says of its clock, and whether it is about to move this machine",
        ),
        (
            "/var/run/clockbound/shm0",
            "the bound that Amazon's ClockBound gives for this clock",
        ),
    ],
    sections: &[(
        "HOW IT DECIDES",
        "The time is right when a daemon follows a true source, its own offset is within the bound that it states (half the root delay plus the root dispersion, at least 1 ms), and neither a majority of its sources nor another daemon contradicts it. The kernel's flag, which timedatectl shows as System clock synchronized, decides nothing: it only says that somebody set it, and stays for hours after the last source is gone.\n\nA daemon that serves its own clock for want of a source (local stratum 10) is not synchronised here. Without a daemon the servers of this machine's configuration are asked directly.\n\nNothing is started, stopped or changed by looking.",
    )],
    statuses: &[
        (
            ExitStatus::Done,
            "the time is right within the stated bound. With --nagios: OK",
        ),
        (
            ExitStatus::NotHeld,
            "the time is not right, or nothing keeps it. With --nagios: WARNING (nothing keeps it)",
        ),
        (
            ExitStatus::Unknown,
            "it cannot be told. With --nagios: CRITICAL (not right); 3 is UNKNOWN",
        ),
        (ExitStatus::NoInput, "the directory of --root is not there"),
    ],
    see_also: &[
        "clockbox-sources(1)",
        "clockbox-sync(1)",
        "clockbox-timezone(1)",
        "timedatectl(1)",
    ],
};
