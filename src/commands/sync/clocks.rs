//! Reading this machine's own reference clocks once: PTP devices, the battery-backed clock, other
//! programs' shared memory. A clock that keeps TAI is recognised and never believed as it is.

use super::judge;
use crate::commands::refclock_line;
use crate::commands::refclock_line::Found;
use crate::commands::tai;
use crate::conf::cloud::Cloud;
use crate::conf::ptp::PtpKind;
use crate::engine::refclock::Device;
use crate::engine::refclock::Said;
use crate::engine::refclock::TAI_UTC;
use crate::engine::refclock::Tick;
use crate::engine::vote::Agreement;
use crate::engine::vote::Candidate;
use crate::engine::vote::Role;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::proto::packet::Leap;
use crate::report::finding::Finding;
use crate::report::sync::SourceRow;
use crate::report::sync::Verdict;
use crate::sys;
use crate::sys::refclock::OpenClock;
use crate::sys::udp;
use crate::time::Monotonic;
use std::os::fd::AsFd;
use std::path::Path;

/// Readings of each clock; the best counts.
const READINGS: usize = 4;
/// A clock that says nothing for so long is silent, in seconds: pulses come once a second.
const LONGEST: f64 = 2.5;
/// What a clock may be off that does not say so itself, in seconds. Hosts' clocks are documented
/// to be within a millisecond at best.
const UNSTATED: f64 = 1e-3;
/// Differences from TAI - UTC below this are TAI, in seconds.
const TAI_WITHIN: f64 = 0.5;

/// A reference clock to read.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockAsked {
    /// How it is called in the report.
    pub name: String,
    /// What it is.
    pub found: Found,
    /// Seconds to take off, because it keeps TAI.
    pub tai: Option<i32>,
    /// Seconds to add, as its line says.
    pub offset: f64,
}

/// What it said.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockRead {
    /// Offset, in seconds: positive when the system clock is behind.
    pub offset: f64,
    /// Bound of its error, in seconds.
    pub bound: f64,
    /// Time that the best reading took, in seconds.
    pub took: f64,
    /// How far the readings are apart, in seconds; none of one reading.
    pub jitter: Option<f64>,
    /// Readings.
    pub samples: usize,
    /// Leap second that it announces.
    pub leap: Leap,
    /// It shows TAI although it was not said to.
    pub tai: bool,
    /// It is a network card's, which nothing may have set.
    pub doubtful: bool,
    /// It admits its own error.
    pub stated: bool,
}

/// The clock that a word of the command line means: `auto`, a path, a name; `:tai` among its options
/// takes TAI - UTC off.
///
/// # Errors
/// When there is none, or a one-shot cannot read it.
pub fn from_word(word: &str, root: &Path, cloud: Option<Cloud>) -> Result<ClockAsked, Failure> {
    let clock = to_follow(word, root, cloud)?;
    let whole = match clock.found.device {
        Device::Phc { pulses, .. } => pulses.is_none(),
        Device::Shm { .. } | Device::Rtc { .. } => true,
        Device::Pps { .. } | Device::Sock { .. } => false,
    };
    if !whole {
        return Err(Failure::usage(format!(
            "--refclock {word}: a one-shot reads clocks that give the whole time: PTP clocks, SHM, RTC"
        ))
        .hint("sync --daemon follows pulses and sockets: name servers, or another clock, beside them"));
    }
    Ok(clock)
}

/// As [`from_word`], of any kind, for the daemon.
///
/// # Errors
/// When there is none.
pub fn to_follow(word: &str, root: &Path, cloud: Option<Cloud>) -> Result<ClockAsked, Failure> {
    let parts: Vec<&str> = word.split(':').filter(|part| *part != "tai").collect();
    let plain = parts.join(":");
    let (plain, tai) = (plain.as_str(), plain.len() != word.len());
    let (driver, parameter) = match plain.split_once(':') {
        Some((driver @ ("PHC" | "PPS" | "SHM" | "SOCK" | "RTC"), rest)) => {
            (driver, rest.to_owned())
        }
        _ if plain.starts_with("/dev/rtc") => ("RTC", with_utc(plain)),
        _ if plain.starts_with("/dev/pps") => ("PPS", plain.to_owned()),
        _ => ("PHC", plain.to_owned()),
    };
    let found = refclock_line::device(driver, &parameter, root, cloud).map_err(|why| {
        Failure::new(ExitStatus::NoInput, format!("--refclock {word}: {why}"))
            .hint(hint(root))
            .target(word)
    })?;
    let name = match (&found.clock, plain) {
        (Some(clock), "auto") => clock.links.first().unwrap_or(&clock.device).clone(),
        _ => plain.to_owned(),
    };
    Ok(ClockAsked {
        name,
        found,
        tai: tai.then(|| tai::offset(root)),
        offset: 0.0,
    })
}

/// The clock of a `refclock` line.
///
/// # Errors
/// Why a one-shot does not read it.
pub fn from_line(
    line: &str,
    tai: bool,
    offset: f64,
    root: &Path,
    cloud: Option<Cloud>,
) -> Result<ClockAsked, String> {
    let (driver, parameter) = line.split_once(' ').unwrap_or((line, ""));
    if matches!(driver, "PPS" | "SOCK") || parameter.contains(":extpps") {
        return Err(
            "a one-shot reads clocks that give the whole time, not pulses or sockets".to_owned(),
        );
    }
    Ok(ClockAsked {
        name: parameter.split(':').next().unwrap_or_default().to_owned(),
        found: refclock_line::device(driver, parameter, root, cloud)?,
        tai: tai.then(|| tai::offset(root)),
        offset,
    })
}

fn with_utc(path: &str) -> String {
    if path.ends_with(":utc") {
        return path.to_owned();
    }
    if super::apply::keeps_local_time(Path::new("/")) {
        path.to_owned()
    } else {
        format!("{path}:utc")
    }
}

/// What to do when there is no such clock: the module that makes one here, if any.
fn hint(root: &Path) -> String {
    let platform = crate::conf::cloud::classify(&sys::cloud::read(root));
    match platform.hypervisor.and_then(module) {
        Some(module) => {
            format!("load the host's clock: sudo modprobe {module}; then ls /sys/class/ptp")
        }
        None => "clockbox status lists the PTP clocks of this machine".to_owned(),
    }
}

/// The module that gives the host's clock on a hypervisor.
#[must_use]
pub fn module(hypervisor: crate::conf::cloud::Hypervisor) -> Option<&'static str> {
    use crate::conf::cloud::Hypervisor;
    match hypervisor {
        Hypervisor::HyperV => PtpKind::HyperV.module(),
        Hypervisor::Kvm => PtpKind::Kvm.module(),
        Hypervisor::VMware => PtpKind::VMware.module(),
        Hypervisor::Nitro | Hypervisor::Xen | Hypervisor::VirtualBox => None,
    }
}

/// Reads one clock.
///
/// # Errors
/// Why it cannot be read, in words.
pub fn read(asked: &ClockAsked, deadline: Monotonic) -> Result<ClockRead, String> {
    let device = match &asked.found.device {
        // Looking makes nothing.
        Device::Shm { unit, .. } => &Device::Shm {
            unit: *unit,
            mode: 0,
        },
        other => other,
    };
    let mut clock = OpenClock::open(device).map_err(|error| {
        if error.is_permission() {
            format!("{error}: run as root, or give this user the device's group")
        } else {
            error.to_string()
        }
    })?;
    let until = sys::clock::monotonic().plus_seconds(LONGEST).min(deadline);
    let mut ticks: Vec<Tick> = Vec::new();
    loop {
        match clock.read() {
            Ok(read) => ticks.extend(read),
            // Amazon's device refuses more than 125 readings a second: those that it gave are enough.
            Err(_) if !ticks.is_empty() => break,
            Err(error) => return Err(error.to_string()),
        }
        let enough = match clock {
            OpenClock::Phc { .. } => READINGS,
            _ => 1,
        };
        if ticks.len() >= enough {
            break;
        }
        let now = sys::clock::monotonic();
        if now >= until {
            break;
        }
        if !matches!(clock, OpenClock::Phc { .. }) {
            let fds: Vec<_> = clock.fd().into_iter().collect();
            let wait = until.millis_from(now).min(100);
            let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            udp::wait(&borrowed, wait).map_err(|error| error.to_string())?;
            ticks.extend(clock.ready());
        }
    }
    weigh(asked, &ticks, states_error(asked))
}

/// Whether its driver states the bound of its error, which is in the readings then.
fn states_error(asked: &ClockAsked) -> bool {
    let device = asked.found.clock.as_ref().map(|clock| &clock.device);
    let number = device.and_then(|device| device.strip_prefix("/dev/"));
    number.is_some_and(|n| sys::refclock::stated_error(Path::new("/"), n).is_some())
}

/// What the readings come to. `stated` says that the bound of the clock's error is in them.
fn weigh(asked: &ClockAsked, ticks: &[Tick], stated: bool) -> Result<ClockRead, String> {
    if let Some(tick) = ticks.first()
        && tick.leap == Leap::Unsynchronised
    {
        return Err("it says itself that it is not synchronised".to_owned());
    }
    let shift = asked.offset - f64::from(asked.tai.unwrap_or(0));
    let mut offsets: Vec<(f64, f64)> = ticks
        .iter()
        .filter_map(|tick| match tick.said {
            Said::Time(time) => {
                let apart = i128::from(time) - i128::from(tick.system_ns);
                Some((tick.error, apart as f64 * 1e-9 + shift))
            }
            Said::Pulse(_) => None,
        })
        .collect();
    offsets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let Some(&(error, offset)) = offsets.first() else {
        return Err(format!("it said nothing within {LONGEST} s"));
    };
    let spread = offsets
        .iter()
        .map(|(_, o)| (o - offset).powi(2))
        .sum::<f64>();
    let jitter = (offsets.len() > 1).then(|| (spread / (offsets.len() - 1) as f64).sqrt());
    let kind = asked.found.kind();
    Ok(ClockRead {
        offset,
        bound: error + jitter.unwrap_or(0.0) + if stated { 1e-6 } else { UNSTATED },
        took: 2.0 * error,
        jitter,
        samples: offsets.len(),
        leap: ticks.first().map_or(Leap::None, |tick| tick.leap),
        tai: false,
        doubtful: kind == Some(PtpKind::Card),
        stated,
    })
}

/// Whether a clock shows TAI, seen from this offset: what the servers agree on, or the system
/// clock itself. Only network cards' clocks do.
#[must_use]
pub fn shows_tai(read: &ClockRead, from: f64) -> bool {
    read.doubtful && (read.offset - from - f64::from(TAI_UTC)).abs() < TAI_WITHIN
}

/// The clock in the vote; not one that shows TAI, by the servers' agreement or else by the system
/// clock.
#[must_use]
pub fn candidate(read: &ClockRead, known: Option<f64>) -> Option<Candidate> {
    if shows_tai(read, known.unwrap_or(0.0)) {
        return None;
    }
    Some(Candidate {
        offset: read.offset,
        root_distance: read.bound,
        jitter: read.jitter.unwrap_or(0.0),
        stratum: 1,
    })
}

/// Its row. `role` is what the vote made of it, if it had one.
#[must_use]
pub fn row(
    asked: &ClockAsked,
    read: &Result<ClockRead, String>,
    role: Option<Option<Role>>,
    agreed: Option<&Agreement>,
    known: Option<f64>,
) -> SourceRow {
    let what = match (&asked.found.clock, &asked.found.device) {
        (Some(clock), _) => clock.clock_name.clone(),
        (None, Device::Shm { .. }) => "shared memory".to_owned(),
        (None, Device::Rtc { .. }) => "battery-backed clock".to_owned(),
        (None, _) => "PTP clock".to_owned(),
    };
    let mut row = SourceRow {
        clock: Some(what),
        ..judge::empty(&asked.name, 0, Verdict::Unreachable)
    };
    let read = match read {
        Ok(read) => read,
        Err(why) => {
            row.text = Some(why.clone());
            return row;
        }
    };
    row.leap = Some(read.leap.word().to_owned());
    row.offset_s = Some(read.offset);
    row.root_distance_s = Some(read.bound);
    row.delay_s = Some(read.took);
    row.jitter_s = read.jitter;
    row.samples = u32::try_from(read.samples).unwrap_or(u32::MAX);
    (row.verdict, row.text) = match role {
        Some(role) => judge::voted(read.offset, role, agreed),
        None => (Verdict::Unusable, Some(tai_words(known))),
    };
    row
}

fn tai_words(known: Option<f64>) -> String {
    let from = match known {
        Some(_) => "what the servers agree on",
        None => "the system clock",
    };
    format!(
        "shows TAI: it is {TAI_UTC} s ahead of {from}, the difference of TAI and UTC; it was not used"
    )
}

/// What to know of the clocks.
#[must_use]
pub fn findings(
    asked: &[ClockAsked],
    read: &[Result<ClockRead, String>],
    known: Option<f64>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for (asked, read) in asked.iter().zip(read) {
        let Ok(read) = read else {
            continue;
        };
        let name = &asked.name;
        if shows_tai(read, known.unwrap_or(0.0)) {
            found.push(
                Finding::warning(format!("{name} keeps TAI, as ptp4l sets clocks"))
                    .next(format!("clockbox sync --refclock {name}:tai")),
            );
        } else if read.doubtful {
            found.push(Finding::info(format!(
                "{name} is a network card's clock: it is right only if something sets it (ptp4l, phc2sys)"
            )));
        } else if !read.stated && asked.found.kind().is_some() {
            found.push(Finding::info(format!(
                "{name} does not state its own error; a millisecond is assumed"
            )));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::ptp::PtpClock;

    fn asked(clock_name: &str, tai: Option<i32>) -> ClockAsked {
        ClockAsked {
            name: "x".to_owned(),
            found: Found {
                device: Device::Phc {
                    path: "/dev/ptp0".to_owned(),
                    precise: true,
                    pulses: None,
                },
                clock: Some(PtpClock {
                    device: "/dev/ptp0".to_owned(),
                    clock_name: clock_name.to_owned(),
                    links: Vec::new(),
                }),
            },
            tai,
            offset: 0.0,
        }
    }

    fn tick(ahead_ns: i64, error: f64) -> Tick {
        Tick {
            system_ns: 1_800_000_000_000_000_000,
            raw: None,
            said: Said::Time(1_800_000_000_000_000_000 + ahead_ns),
            leap: Leap::None,
            error,
        }
    }

    #[test]
    fn the_quickest_reading_counts_and_the_bound_is_honest() {
        let read = weigh(
            &asked("hyperv", None),
            &[tick(5_000_000, 1e-3), tick(2_000_000, 1e-6)],
            false,
        )
        .unwrap();
        assert!((read.offset - 2e-3).abs() < 1e-9, "{read:?}");
        assert!(read.bound > 1e-3, "{read:?}");
    }

    #[test]
    fn a_clock_that_states_its_error_is_not_given_a_millisecond_more() {
        let ticks = [tick(0, 25e-6)];
        let stated = weigh(&asked("ena-ptp-05", None), &ticks, true).unwrap();
        assert!((25e-6..50e-6).contains(&stated.bound), "{stated:?}");
        // Amazon's driver does not always know.
        let unknown = weigh(&asked("ena-ptp-05", None), &ticks, false).unwrap();
        assert!(unknown.bound > 1e-3, "{unknown:?}");
    }

    #[test]
    fn tai_is_recognised_on_a_card_and_converted_when_told() {
        let plain = weigh(&asked("igb", None), &[tick(37_000_200_000, 1e-6)], false).unwrap();
        assert!(shows_tai(&plain, 0.0));
        // A host's clock that is 37 s ahead of a wrong system clock is right.
        let host = weigh(&asked("hyperv", None), &[tick(37_000_200_000, 1e-6)], false).unwrap();
        assert!(!shows_tai(&host, 0.0));
        let told = weigh(
            &asked("igb", Some(37)),
            &[tick(37_000_200_000, 1e-6)],
            false,
        )
        .unwrap();
        assert!((told.offset - 2e-4).abs() < 1e-9 && !shows_tai(&told, 0.0));
    }

    #[test]
    fn a_silent_or_unsynchronised_clock_is_no_source() {
        assert!(weigh(&asked("igb", None), &[], false).is_err());
        let lost = Tick {
            leap: Leap::Unsynchronised,
            ..tick(0, 0.0)
        };
        assert!(weigh(&asked("igb", None), &[lost], false).is_err());
    }
}
