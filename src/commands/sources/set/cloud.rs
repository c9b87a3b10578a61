//! `sources set --cloud`: the lines that a cloud's own time asks for, with the reason for each as a
//! comment above it. What the file had of sources is commented out; a second run finds nothing.

use super::place::Place;
use super::place::form;
use super::place::install_chrony;
use crate::commands::host_files::HostFiles;
use crate::commands::refclock_line;
use crate::commands::sources::edit::Change;
use crate::commands::sources::edit::Form;
use crate::conf::chrony;
use crate::conf::cloud;
use crate::conf::cloud::Cloud;
use crate::conf::cloud::Hypervisor;
use crate::conf::cloud::Platform;
use crate::conf::near::nearest;
use crate::conf::ptp::PtpKind;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::sys;
use crate::sys::daemons::Kind;
use crate::sys::ptp::PtpClock;
use std::collections::BTreeMap;
use std::path::Path;

/// A line and why it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The comment above it, without the mark; none for a line that belongs to the one above.
    pub(super) why: Option<String>,
    /// The directive.
    pub(super) text: String,
}

/// What a platform's time is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CloudTime {
    /// The platform, in words.
    pub(super) name: String,
    /// The lines.
    pub(super) lines: Vec<Line>,
    /// The sources that must answer: host names, or the identifier of a reference clock.
    pub(super) hosts: Vec<String>,
    /// Directives that do not go with it: they are commented out.
    unwanted: &'static [&'static str],
    /// What else is to be known.
    pub(super) findings: Vec<Finding>,
}

/// Files of leap seconds: whoever follows a server that smears them must not know of them.
const LEAP_FILES: &[&str] = &["leapsectz", "leapseclist"];
/// What half of the delay stands for on Amazon's documented line: 5 us.
const ENA_DELAY_NS: i64 = 10_000;

/// The identifier of the first PTP clock of a file.
const FIRST_CLOCK: &str = "PHC0";

fn line(why: &str, text: &str) -> Line {
    Line {
        why: (!why.is_empty()).then(|| why.to_owned()),
        text: text.to_owned(),
    }
}

/// The time of the platform that this machine (or image) stands on. `named` says which, for an
/// image that cannot tell.
///
/// # Errors
/// When it cannot be told, or its time cannot be used by this daemon.
pub(super) fn time(named: &str, place: &Place) -> Result<CloudTime, Failure> {
    let mut platform = cloud::classify(&sys::cloud::read(&place.root));
    if named != "auto" {
        let Some(cloud) = Cloud::ALL.iter().find(|c| c.word() == named) else {
            let words: Vec<&str> = Cloud::ALL.iter().map(|c| c.word()).collect();
            let near = nearest(named, words.iter().copied()).or(words.first().copied());
            return Err(Failure::usage(format!(
                "--cloud={named}: no such cloud; known are {}",
                words.join(", ")
            ))
            .hint(format!(
                "clockbox sources set --cloud={}",
                near.unwrap_or_default()
            )));
        };
        platform.cloud = Some(*cloud);
    }
    let chrony = matches!(place.kind, Kind::Chronyd | Kind::Clockbox);
    let clock = refclock_line::hosts_clock(&place.root, platform.cloud);
    let azure = platform.cloud == Some(Cloud::Azure);
    match platform.cloud {
        Some(Cloud::Aws) if chrony && clock.as_ref().is_some_and(is_amazons) => {
            hosts(clock.as_ref(), &platform, place)
        }
        Some(cloud) if !cloud.time_servers().is_empty() => Ok(servers(cloud, &platform, place)),
        _ if azure || clock.is_some() => {
            if !chrony {
                return Err(Failure::new(
                    ExitStatus::Unavailable,
                    format!(
                        "the time here is the host's PTP clock, which {} cannot follow, but chronyd can",
                        place.kind.word()
                    ),
                )
                .hint(install_chrony(&place.root)));
            }
            hosts(clock.as_ref(), &platform, place)
        }
        Some(cloud) => Err(Failure::new(
            ExitStatus::NotHeld,
            format!("{} documents no time service of its own", cloud.name()),
        )
        .hint("clockbox sources set --pool pool.ntp.org")),
        None => Err(nowhere(&platform, place)),
    }
}

fn is_amazons(clock: &PtpClock) -> bool {
    PtpKind::of(&clock.clock_name) == PtpKind::Ena
}

fn nowhere(platform: &Platform, place: &Place) -> Failure {
    if place.root != Path::new("/") {
        return Failure::new(
            ExitStatus::NotHeld,
            "an image does not say on which cloud it will run",
        )
        .hint("clockbox sources set --cloud=azure --root DIR");
    }
    let failure = Failure::new(
        ExitStatus::NotHeld,
        "the firmware of this machine names no cloud, and no host gives it a clock; where one has a clock to give, its driver may not be loaded",
    );
    match platform.hypervisor {
        Some(Hypervisor::Kvm) => failure.hint("sudo modprobe ptp_kvm"),
        Some(Hypervisor::HyperV) => failure.hint("sudo modprobe hv_utils"),
        _ => failure.hint("clockbox sources set HOST..."),
    }
}

/// The provider's servers that this kind of machine can reach.
fn reachable(cloud: Cloud, platform: &Platform) -> Vec<String> {
    // Xen's instances have no IPv6 address of the service.
    let xen = platform.hypervisor == Some(Hypervisor::Xen);
    let all = cloud.time_servers().iter();
    all.filter(|host| !(xen && host.contains(':')))
        .map(|&host| host.to_owned())
        .collect()
}

/// The provider's servers.
fn servers(cloud: Cloud, platform: &Platform, place: &Place) -> CloudTime {
    let (name, options) = match cloud {
        Cloud::Aws => ("Amazon Time Sync", "prefer iburst minpoll 4 maxpoll 4"),
        Cloud::Google => ("Google's time server", "prefer iburst"),
        _ => (cloud.name(), "iburst"),
    };
    let hosts = reachable(cloud, platform);
    let why = match cloud {
        Cloud::Aws => format!(
            "{name}: link-local, needs no rule of a security group. It smears leap seconds: no other servers beside it."
        ),
        Cloud::Google => {
            format!(
                "{name}, within every instance. It smears leap seconds: no other servers beside it."
            )
        }
        _ => format!("The servers that {name} documents for its machines."),
    };
    let mut lines: Vec<Line> = Vec::new();
    for host in &hosts {
        let why = if lines.is_empty() { why.as_str() } else { "" };
        lines.push(line(why, &format!("server {host} {options}")));
    }
    let mut findings = Vec::new();
    let chrony = matches!(place.kind, Kind::Chronyd | Kind::Clockbox);
    if cloud == Cloud::Aws && chrony && platform.hypervisor != Some(Hypervisor::Xen) {
        findings.push(
            Finding::info(
                "some instances have Amazon's PTP clock as well, nearer still: it is not there, or not switched on \
                 (ENA driver 2.10 or newer with phc_enable=1; from Linux 6.17 on devlink's enable_phc). Once /dev/ptp_ena is there, the command takes it",
            )
            .next("sudo clockbox sources set --cloud"),
        );
    }
    let unwanted = if cloud.smears() { LEAP_FILES } else { &[] };
    if chrony && !directives(place, unwanted).is_empty() {
        findings.push(Finding::info(format!(
            "{name} smears leap seconds: the file of leap seconds (leapsectz, leapseclist) is not used with it, \
             else they would be applied twice"
        )));
    }
    CloudTime {
        name: cloud.name().to_owned(),
        lines,
        hosts,
        unwanted,
        findings,
    }
}

/// The host's clock.
fn hosts(
    clock: Option<&PtpClock>,
    platform: &Platform,
    place: &Place,
) -> Result<CloudTime, Failure> {
    let image = place.root != Path::new("/");
    let azure = platform.cloud == Some(Cloud::Azure);
    let kind = clock.map_or(PtpKind::HyperV, |c| PtpKind::of(&c.clock_name));
    let mut findings = Vec::new();
    let device = match clock {
        Some(clock) => {
            if clock.links.is_empty() {
                findings.push(numbered(clock));
            }
            clock.links.first().unwrap_or(&clock.device).clone()
        }
        // The image will be there when it runs.
        None if image => "/dev/ptp_hyperv".to_owned(),
        None => {
            let others = sys::ptp::clocks(&place.root);
            let beside = match others.as_slice() {
                [] => String::new(),
                some => format!("; {} is a network card's", refclock_line::list(some)),
            };
            return Err(Failure::new(
                ExitStatus::NotHeld,
                format!("Azure's time comes through hv_utils as a PTP clock called hyperv, and there is none{beside}"),
            )
            .hint(
                "sudo modprobe hv_utils && echo hv_utils | sudo tee /etc/modules-load.d/hv_utils.conf",
            ));
        }
    };
    let microsoft = kind == PtpKind::HyperV;
    let amazons = amazons_options(clock, place);
    let (why, options) = match kind {
        _ if azure => (
            "Azure offers no NTP service: the host's clock comes through hv_utils as a PTP device. Four readings a second make a measurement every 8 s; stratum 2, because the host follows others itself.",
            "poll 3 dpoll -2 offset 0 stratum 2",
        ),
        PtpKind::HyperV => (
            "The clock of the Hyper-V host, through hv_utils. Four readings a second make a measurement every 8 s.",
            "poll 3 dpoll -2 offset 0 stratum 2",
        ),
        PtpKind::Ena => (amazons.0.as_str(), amazons.1.as_str()),
        _ => (
            "The clock of the host, which keeps UTC. Four readings a second make a measurement every 8 s.",
            "poll 3 dpoll -2 stratum 2",
        ),
    };
    let mut lines = vec![line(why, &format!("refclock PHC {device} {options}"))];
    if microsoft {
        lines.push(line(
            "A host may stop the machine for a while and let it go on: step whenever it is more than a second off.",
            "makestep 1.0 -1",
        ));
    }
    let mut hosts = vec![FIRST_CLOCK.to_owned()];
    if kind == PtpKind::Ena {
        let mut why = "Amazon Time Sync over NTP, to compare only (noselect): it smears leap seconds, the PTP clock does not.";
        for host in reachable(Cloud::Aws, platform) {
            let text = format!("server {host} iburst minpoll 4 maxpoll 4 noselect");
            lines.push(line(std::mem::take(&mut why), &text));
            hosts.push(host);
        }
    }
    let name = platform.cloud.map_or("the host", Cloud::name).to_owned();
    Ok(CloudTime {
        name,
        lines,
        hosts,
        unwanted: &[],
        findings,
    })
}

/// The reason and the options for Amazon's PTP clock. Its driver states the bound of its error,
/// which chronyd does not read: it goes into the delay, of which half counts.
fn amazons_options(clock: Option<&PtpClock>, place: &Place) -> (String, String) {
    let number = clock.and_then(|c| c.device.strip_prefix("/dev/"));
    let bound = number.and_then(|n| sys::refclock::stated_error(&place.root, n));
    let (delay, about) = match (place.kind, bound) {
        (Kind::Clockbox, _) => (
            ENA_DELAY_NS,
            "the bound of its error is read with every reading and added".to_owned(),
        ),
        (_, Some(bound)) => (
            ENA_DELAY_NS + 2 * bound,
            format!(
                "half of the delay is its error: 5 us and the {bound} ns that its driver states now"
            ),
        ),
        (_, None) => (
            ENA_DELAY_NS,
            "half of the delay is its error: 5 us, for its driver states none".to_owned(),
        ),
    };
    (
        format!(
            "Amazon's clock for this instance; it keeps UTC and does not smear leap seconds; {about}."
        ),
        format!("poll 0 delay {:.9} prefer", delay as f64 * 1e-9),
    )
}

/// A number may be another device's after the next start.
fn numbered(clock: &PtpClock) -> Finding {
    let name = &clock.clock_name;
    let link = match PtpKind::of(name) {
        PtpKind::HyperV => "ptp_hyperv",
        PtpKind::Kvm => "ptp_kvm",
        PtpKind::Ena => "ptp_ena",
        _ => "ptp_host",
    };
    Finding::warning(format!(
        "{} has no link by its name: its number may be another clock's after the next start",
        clock.device
    ))
    .next(format!(
        "echo 'SUBSYSTEM==\"ptp\", ATTR{{clock_name}}==\"{name}\", SYMLINK+=\"{link}\"' | sudo tee /etc/udev/rules.d/60-{link}.rules"
    ))
}

/// What happens to which file.
pub(super) fn changes(time: &CloudTime, place: &Place) -> BTreeMap<String, Change> {
    let mut changes: BTreeMap<String, Change> = BTreeMap::new();
    if form(place.kind) == Some(Form::Timesyncd) {
        return timesyncd(time, place);
    }
    let mut missing: Vec<&Line> = time.lines.iter().collect();
    let mut texts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for source in &place.conf.sources {
        let file = source.origin.file.as_str();
        let lines = texts.entry(file).or_insert_with(|| text_lines(place, file));
        let here = lines.get(source.origin.line.saturating_sub(1));
        keep_or_comment(here, source.origin.line, file, &mut missing, &mut changes);
    }
    // A directive that stands once: the one that is there is replaced.
    let once = time.lines.iter().any(|l| l.text.starts_with("makestep"));
    let replaced: &[&str] = if once { &["makestep"] } else { &[] };
    for (file, number) in directives(place, replaced) {
        let here = text_lines(place, &file);
        let here = here.get(number.saturating_sub(1));
        keep_or_comment(here, number, &file, &mut missing, &mut changes);
    }
    for (file, number) in directives(place, time.unwanted) {
        let change = changes.entry(file).or_default();
        change.comment_out.insert(number);
    }
    if !missing.is_empty() {
        let main = changes.entry(place.conf.path.clone()).or_default();
        for line in missing {
            main.insert
                .extend(line.why.iter().map(|why| format!("# {why}")));
            main.insert.push(line.text.clone());
        }
    }
    changes
}

/// Where these directives stand in the configuration: file and line.
fn directives(place: &Place, names: &[&str]) -> Vec<(String, usize)> {
    if names.is_empty() || !matches!(place.kind, Kind::Chronyd | Kind::Clockbox) {
        return Vec::new();
    }
    let loaded = chrony::load(&place.conf.path, &HostFiles::new(&place.root));
    let named = loaded
        .statements
        .iter()
        .filter(|statement| names.contains(&statement.name));
    named
        .map(|statement| {
            let origin = loaded.map.origin(statement.span);
            (origin.file.to_owned(), origin.line)
        })
        .collect()
}

/// A line that is wanted stays (once), any other is commented out.
fn keep_or_comment(
    here: Option<&String>,
    number: usize,
    file: &str,
    missing: &mut Vec<&Line>,
    changes: &mut BTreeMap<String, Change>,
) {
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let here = here.map(|text| words(text)).unwrap_or_default();
    match missing.iter().position(|line| words(&line.text) == here) {
        Some(at) => {
            missing.remove(at);
        }
        None => {
            let change = changes.entry(file.to_owned()).or_default();
            change.comment_out.insert(number);
        }
    }
}

/// timesyncd takes names only, in one line.
fn timesyncd(time: &CloudTime, place: &Place) -> BTreeMap<String, Change> {
    let there = place.conf.sources.iter().filter(|s| !s.fallback);
    let names: Vec<&str> = there.clone().map(|s| s.name.as_str()).collect();
    let mut changes: BTreeMap<String, Change> = BTreeMap::new();
    if names == time.hosts {
        return changes;
    }
    for source in there {
        let change = changes.entry(source.origin.file.clone()).or_default();
        change.comment_out.insert(source.origin.line);
    }
    let main = changes.entry(place.conf.path.clone()).or_default();
    let why = time.lines.first().and_then(|line| line.why.clone());
    main.insert.extend(why.map(|why| format!("# {why}")));
    main.insert.push(format!("NTP={}", time.hosts.join(" ")));
    if main.comment_out.is_empty() {
        let text = text_lines(place, &place.conf.path).join("\n");
        main.after = crate::commands::sources::edit::time_section(&text);
    }
    changes
}

fn text_lines(place: &Place, path: &str) -> Vec<String> {
    let real = sys::files::under(&place.root, Path::new(path));
    let text = sys::files::read_text(&real, sys::files::CONFIG_LIMIT).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
