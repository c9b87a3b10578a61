//! The report of `clockbox status`: is this machine's time right, and if not, why.

use super::Nagios;
use super::Page;
use super::Report;
use super::finding;
use super::finding::Finding;
use super::format::age;
use super::format::paint;
use super::format::seconds;
use super::format::signed_seconds;
use super::format::wrap;
use super::shared_page::ClockBoundRow;
use super::shared_page::VmClockRow;
use super::sources::SourceKind;
use super::sources::SourceRow;
use crate::exit::ExitStatus;
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt::Write as _;

/// The verdict in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A daemon follows true time, and nothing contradicts it.
    Right,
    /// The clock is off, or its daemon is contradicted.
    NotRight,
    /// Nothing keeps the clock: right now or wrong, it will drift.
    NotKept,
    /// It cannot be told.
    Unknown,
}

/// The clocks of the machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Clocks {
    /// Universal time, RFC 3339.
    pub utc: String,
    /// Local time with its offset, RFC 3339.
    pub local: String,
    /// The zone's name; `null` when it has none.
    pub zone: Option<String>,
    /// Every place that names a zone, and what it says: `/etc/timezone: Japan`.
    pub zone_places: Vec<String>,
    /// The battery-backed clock in its own reckoning.
    pub rtc: Option<String>,
    /// What must be added to it to agree with the system clock.
    pub rtc_offset_s: Option<f64>,
    /// True when it keeps local time.
    pub rtc_local: Option<bool>,
    /// Why it could not be read.
    pub rtc_problem: Option<String>,
}

/// What the kernel says of its clock.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct KernelRow {
    /// The flag that `timedatectl` calls "System clock synchronized".
    pub synchronised: bool,
    /// Bits of its status that are set, by the kernel's names: `UNSYNC`, `PLL`, `INS` (a leap second
    /// will be inserted at the end of the UTC day), `DEL`…
    pub flags: Vec<String>,
    /// What it has still to correct of what a daemon told it; positive: the clock is behind.
    pub remaining_offset_s: f64,
    /// Maximum error; it grows by half a millisecond a second while nobody updates it.
    pub max_error_s: f64,
    /// Estimated error.
    pub estimated_error_s: f64,
    /// Frequency correction; positive makes the clock run faster.
    pub frequency_ppm: f64,
    /// TAI minus UTC as the kernel has it; 0: nobody told it.
    pub tai_offset_s: i32,
    /// What the clock ticks by: `tsc`, `kvm-clock`…
    pub clocksource: Option<String>,
}

/// A time daemon that is installed or runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InstalledDaemon {
    /// Its name.
    pub name: String,
    /// Its service.
    pub service: Option<String>,
    /// The service's file, or the program.
    pub file: Option<String>,
    /// True when it is started at boot.
    pub enabled: Option<bool>,
    /// True when it may not be started.
    pub masked: bool,
    /// The program whose presence keeps its service from starting.
    pub yields_to: Option<String>,
    /// True when it runs; `null` in an image or when processes cannot be seen.
    pub running: Option<bool>,
    /// Its process.
    pub pid: Option<u32>,
    /// True when it is there and answers nobody.
    pub hangs: bool,
    /// True when it may set the clock.
    pub holds_clock: Option<bool>,
    /// True when it follows a source.
    pub synchronised: Option<bool>,
}

impl InstalledDaemon {
    /// True when it is installed and nothing more: it neither runs nor is started at boot.
    fn is_idle(&self) -> bool {
        self.running == Some(false) && self.enabled != Some(true) && !self.masked
    }
}

/// A PTP hardware clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PtpRow {
    /// Its device.
    pub device: String,
    /// What its driver calls it.
    pub clock_name: String,
    /// Links that lead to it.
    pub links: Vec<String>,
    /// Whose clock it is.
    pub meaning: String,
}

/// Who has a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PortRow {
    /// `udp/123`, `udp/323`.
    pub port: String,
    /// The local address.
    pub address: String,
    /// The program and its process; `null` when it cannot be seen.
    pub holder: Option<String>,
}

/// Where the machine stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlatformRow {
    /// The cloud.
    pub cloud: Option<String>,
    /// The hypervisor.
    pub hypervisor: Option<String>,
    /// Who starts services.
    pub service_manager: String,
}

/// The whole report.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StatusReport {
    /// The verdict in a word.
    pub verdict: Verdict,
    /// The verdict in a sentence.
    pub text: String,
    /// How far the clock is off by the best witness; positive: it is behind.
    pub offset_s: Option<f64>,
    /// How far that can be wrong.
    pub error_bound_s: Option<f64>,
    /// How old that knowledge is.
    pub age_s: Option<f64>,
    /// Whose word it is.
    pub witness: Option<String>,
    /// The root directory that was looked at.
    pub root: String,
    /// The clocks; `null` for an image.
    pub clocks: Option<Clocks>,
    /// The kernel's word; `null` for an image.
    pub kernel: Option<KernelRow>,
    /// Time daemons, installed or running.
    pub daemons: Vec<InstalledDaemon>,
    /// The sources of those that run.
    pub sources: Vec<SourceRow>,
    /// Cloud and hypervisor.
    pub platform: PlatformRow,
    /// PTP hardware clocks.
    pub ptp_clocks: Vec<PtpRow>,
    /// The page about time that the hypervisor shares; `null` where there is none.
    pub vm_clock: Option<VmClockRow>,
    /// What ClockBound says of this clock; `null` where it is not used.
    pub clock_bound: Option<ClockBoundRow>,
    /// Who has the ports of time.
    pub ports: Vec<PortRow>,
    /// Things noticed, gravest first.
    pub findings: Vec<Finding>,
    /// Root looks: what cannot be seen is elsewhere.
    #[serde(skip)]
    pub root_looks: bool,
    /// What the exit status says.
    #[serde(skip)]
    pub status: ExitStatus,
}

impl Report for StatusReport {
    const COMMAND: &'static str = "status";

    fn status(&self) -> ExitStatus {
        self.status
    }

    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        let color = match self.verdict {
            Verdict::Right => "32",
            Verdict::NotRight => "31",
            Verdict::NotKept | Verdict::Unknown => "33",
        };
        out.push_str(&paint(&wrap(&self.text, page.width, 0), color, page.color));
        out.push_str("\n\n");
        for (label, value) in self.facts() {
            let value = wrap(&value, page.width, 17);
            let mark = if label.is_empty() { ' ' } else { ':' };
            let _ = writeln!(out, "{label:>15}{mark} {value}");
        }
        if !self.findings.is_empty() {
            out.push('\n');
            out.push_str(&finding::render(&self.findings, page));
        }
        out
    }

    fn nagios(&self) -> Option<Nagios> {
        let state = match self.verdict {
            Verdict::Right => 0,
            Verdict::NotKept => 1,
            Verdict::NotRight => 2,
            Verdict::Unknown => 3,
        };
        let number = |value: Option<f64>| value.map_or("U".to_owned(), |v| format!("{v:.9}s"));
        Some(Nagios {
            state,
            line: format!(
                "{} | offset={} error_bound={}",
                self.text.replace('|', "/"),
                number(self.offset_s),
                number(self.error_bound_s)
            ),
        })
    }
}

impl StatusReport {
    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        if let Some(clocks) = &self.clocks {
            let zone = clocks.zone.as_deref().unwrap_or("no named zone");
            facts.push(("Local time", format!("{} ({zone})", clocks.local)));
            facts.push(("Universal time", clocks.utc.clone()));
            facts.push(("RTC", rtc(clocks)));
        }
        if let Some(kernel) = &self.kernel {
            facts.push(("Kernel", kernel_line(kernel)));
        }
        self.daemon_facts(&mut facts);
        if !self.sources.is_empty() {
            // ntpd's line of a pool is no source itself.
            let real = || self.sources.iter().filter(|s| s.kind != SourceKind::Pool);
            let good = real().filter(|s| s.state.is_good()).count();
            facts.push((
                "Sources",
                format!("{good} of {} good (clockbox sources)", real().count()),
            ));
        }
        let platform = &self.platform;
        let on: Vec<&str> = [&platform.cloud, &platform.hypervisor]
            .into_iter()
            .filter_map(Option::as_deref)
            .map(as_written)
            .collect();
        if !on.is_empty() {
            facts.push(("Platform", on.join(", on ")));
        }
        for clock in &self.ptp_clocks {
            let names = std::iter::once(&clock.device).chain(&clock.links);
            let names: Vec<&str> = names.map(String::as_str).collect();
            facts.push((
                "PTP clock",
                format!(
                    "{} ({}): {}",
                    names.join(" = "),
                    clock.clock_name,
                    clock.meaning
                ),
            ));
        }
        if let Some(page) = &self.vm_clock {
            facts.push(("Host's clock", format!("{}: {}", page.device, page.text)));
        }
        if let Some(bound) = &self.clock_bound {
            facts.push(("ClockBound", bound.text.clone()));
        }
        let mut held: Vec<(String, Vec<&str>)> = Vec::new();
        for port in &self.ports {
            let holder = port.holder.as_deref().unwrap_or(if self.root_looks {
                "a process of another namespace"
            } else {
                "a process that root can see"
            });
            let key = format!("{}: {holder}", port.port);
            match held.iter_mut().find(|(known, _)| *known == key) {
                Some((_, on)) => on.push(&port.address),
                None => held.push((key, vec![&port.address])),
            }
        }
        let mut label = "Port";
        for (key, on) in held {
            facts.push((label, format!("{key} on {}", on.join(", "))));
            label = "";
        }
        facts
    }

    /// What is known of each daemon; those that are merely installed in one line.
    fn daemon_facts(&self, facts: &mut Vec<(&'static str, String)>) {
        let mut label = "Daemons";
        let (idle, busy): (Vec<_>, Vec<_>) = self.daemons.iter().partition(|d| d.is_idle());
        let together = idle.len() > 1 && !busy.is_empty();
        let apart = if together {
            busy
        } else {
            self.daemons.iter().collect()
        };
        for daemon in apart {
            let namesakes = self.daemons.iter().filter(|d| d.name == daemon.name);
            let several = namesakes.count() > 1;
            facts.push((label, daemon_line(daemon, several)));
            label = "";
        }
        if together {
            let names: Vec<&str> = idle.iter().map(|d| d.name.as_str()).collect();
            let names = names.join(", ");
            facts.push((label, format!("{names}: neither running nor enabled")));
        }
        if self.daemons.is_empty() {
            facts.push((label, "none is installed".to_owned()));
        }
    }
}

fn rtc(clocks: &Clocks) -> String {
    let Some(rtc) = &clocks.rtc else {
        let why = clocks.rtc_problem.as_deref().unwrap_or("not there");
        return format!("cannot be read: {why}");
    };
    let reckoning = match clocks.rtc_local {
        Some(true) => "local time",
        _ => "UTC",
    };
    match clocks.rtc_offset_s {
        Some(offset) if offset.abs() >= 1.5 => {
            format!(
                "{rtc} ({reckoning}), {} from the system clock",
                signed_seconds(-offset)
            )
        }
        _ => format!("{rtc} ({reckoning})"),
    }
}

fn kernel_line(kernel: &KernelRow) -> String {
    let not = if kernel.synchronised { "" } else { "not " };
    let mut text = format!(
        "{not}synchronised (a flag, no proof), maximum error {}, frequency {:+.3} ppm",
        seconds(kernel.max_error_s),
        kernel.frequency_ppm
    );
    if kernel.remaining_offset_s.abs() >= 1e-3 {
        let _ = write!(
            text,
            ", {} still to correct",
            signed_seconds(kernel.remaining_offset_s)
        );
    }
    for (flag, leap) in [("INS", "inserted"), ("DEL", "left out")] {
        if kernel.flags.iter().any(|known| known == flag) {
            let _ = write!(
                text,
                ", a leap second will be {leap} at the end of the UTC day"
            );
        }
    }
    if kernel.tai_offset_s != 0 {
        let _ = write!(text, ", TAI-UTC {} s", kernel.tai_offset_s);
    }
    if let Some(source) = &kernel.clocksource {
        let _ = write!(text, ", clocksource {source}");
    }
    text
}

fn daemon_line(daemon: &InstalledDaemon, several: bool) -> String {
    let mut parts = Vec::new();
    match daemon.running {
        Some(true) if daemon.hangs => parts.push("hangs".to_owned()),
        Some(true) => parts.push("running".to_owned()),
        Some(false) => parts.push("not running".to_owned()),
        None => {}
    }
    if daemon.masked {
        parts.push("masked".to_owned());
    } else if let Some(enabled) = daemon.enabled {
        parts.push(if enabled { "enabled" } else { "not enabled" }.to_owned());
    }
    if let Some(program) = &daemon.yields_to {
        parts.push(format!("gives way to {program}"));
    }
    match daemon.holds_clock {
        Some(true) => parts.push("sets the clock".to_owned()),
        Some(false) => parts.push("leaves the clock alone".to_owned()),
        None => {}
    }
    match daemon.synchronised {
        Some(true) => parts.push("synchronised".to_owned()),
        Some(false) => parts.push("not synchronised".to_owned()),
        None => {}
    }
    if parts.is_empty() {
        parts.push("installed".to_owned());
    }
    let service = match &daemon.service {
        Some(service) if *service != daemon.name => format!(" ({service}.service)"),
        _ => String::new(),
    };
    let process = match daemon.pid.filter(|_| several) {
        Some(pid) => format!(" (process {pid})"),
        None => String::new(),
    };
    format!("{}{process}{service}: {}", daemon.name, parts.join(", "))
}

/// `4 s ago`.
#[must_use]
pub fn ago(seconds: f64) -> String {
    format!("{} ago", age(seconds))
}

/// A hypervisor's word in JSON as its maker writes the name.
fn as_written(word: &str) -> &str {
    match word {
        "nitro" => "Nitro",
        "xen" => "Xen",
        "hyper_v" => "Hyper-V",
        "vmware" => "VMware",
        "kvm" => "KVM",
        "virtualbox" => "VirtualBox",
        other => other,
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
