//! Which time daemons run on this machine, found in /proc by what they are, and whether they hold
//! the clock: the capability to set it, and no option that says they leave it alone.

use super::clock;
use super::error::Error;
use super::files;
use super::proc_names;
use crate::time::Monotonic;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;

/// The time daemons that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// chronyd.
    Chronyd,
    /// The reference ntpd.
    Ntpd,
    /// NTPsec's ntpd.
    Ntpsec,
    /// systemd-timesyncd.
    Timesyncd,
    /// ntpd-rs.
    NtpdRs,
    /// OpenNTPD.
    Openntpd,
    /// busybox's ntpd.
    BusyboxNtpd,
    /// linuxptp's ptp4l: steers a PTP hardware clock.
    Ptp4l,
    /// linuxptp's phc2sys: copies a PTP hardware clock to the system clock.
    Phc2sys,
    /// linuxptp's ts2phc: steers a PTP hardware clock by pulses.
    Ts2phc,
    /// linuxptp's timemaster: starts the others.
    Timemaster,
    /// clockbox's own daemon.
    Clockbox,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Chronyd,
        Self::Ntpd,
        Self::Ntpsec,
        Self::Timesyncd,
        Self::NtpdRs,
        Self::Openntpd,
        Self::BusyboxNtpd,
        Self::Ptp4l,
        Self::Phc2sys,
        Self::Ts2phc,
        Self::Timemaster,
        Self::Clockbox,
    ];

    /// The name in tables and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Chronyd => "chronyd",
            Self::Ntpd => "ntpd",
            Self::Ntpsec => "ntpsec",
            Self::Timesyncd => "systemd-timesyncd",
            Self::NtpdRs => "ntpd-rs",
            Self::Openntpd => "openntpd",
            Self::BusyboxNtpd => "busybox-ntpd",
            Self::Ptp4l => "ptp4l",
            Self::Phc2sys => "phc2sys",
            Self::Ts2phc => "ts2phc",
            Self::Timemaster => "timemaster",
            Self::Clockbox => "clockbox",
        }
    }

    /// The names of its services, without `.service`, the distributions' together.
    #[must_use]
    pub const fn services(self) -> &'static [&'static str] {
        match self {
            Self::Chronyd => &["chronyd", "chrony", "chronyd-restricted"],
            Self::Ntpd => &["ntpd", "ntp"],
            Self::Ntpsec => &["ntpsec"],
            Self::Timesyncd => &["systemd-timesyncd"],
            Self::NtpdRs => &["ntpd-rs"],
            Self::Openntpd => &["openntpd"],
            Self::BusyboxNtpd => &["busybox-ntpd"],
            Self::Ptp4l => &["ptp4l", "ptp4l@"],
            Self::Phc2sys => &["phc2sys", "phc2sys@"],
            Self::Ts2phc => &["ts2phc", "ts2phc@"],
            Self::Timemaster => &["timemaster"],
            Self::Clockbox => &["clockbox", "clockbox-serve"],
        }
    }

    /// Its programs, by which it is known to be installed where there is no service of it.
    #[must_use]
    pub const fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Chronyd => &["/usr/sbin/chronyd"],
            Self::Ntpd | Self::Ntpsec | Self::BusyboxNtpd => &["/usr/sbin/ntpd"],
            Self::Timesyncd => &[
                "/usr/lib/systemd/systemd-timesyncd",
                "/lib/systemd/systemd-timesyncd",
            ],
            Self::NtpdRs => &["/usr/bin/ntp-daemon", "/usr/local/bin/ntp-daemon"],
            Self::Openntpd => &["/usr/sbin/openntpd"],
            Self::Ptp4l => &["/usr/sbin/ptp4l"],
            Self::Phc2sys => &["/usr/sbin/phc2sys"],
            Self::Ts2phc => &["/usr/sbin/ts2phc"],
            Self::Timemaster => &["/usr/sbin/timemaster"],
            Self::Clockbox => &[],
        }
    }

    /// True for the daemons that exist to steer the system clock: two of them fight.
    #[must_use]
    pub const fn disciplines(self) -> bool {
        !matches!(self, Self::Ptp4l | Self::Ts2phc | Self::Timemaster)
    }
}

/// A daemon that runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// Which.
    pub kind: Kind,
    /// Its first process.
    pub pid: u32,
    /// True when it has the capability to set the clock and no option that says it will not.
    /// `None` when that cannot be seen.
    pub holds_clock: Option<bool>,
    /// True when it runs in another PID or network namespace: a container that shares this
    /// kernel's clock, but whose control channel is elsewhere.
    pub container: bool,
    /// The command line.
    pub arguments: Vec<String>,
    /// Seconds since it started.
    pub age_s: Option<f64>,
    /// Those of its processes that a signal has stopped: they do nothing until they are continued.
    pub stopped: Vec<u32>,
}

/// CAP_SYS_TIME of capabilities(7).
const CAP_SYS_TIME: u64 = 1 << 25;
/// Ticks a second in /proc/PID/stat: USER_HZ, 100 on every Linux of today.
const USER_HZ: f64 = 100.0;
const LIMIT: u64 = 64 << 10;

/// The time daemons that run, this process apart, one entry each, in the order of [`Kind`].
///
/// # Errors
/// When /proc cannot be read.
pub fn running() -> Result<Vec<Running>, Error> {
    let mut candidates: Vec<(u32, String)> = Vec::new();
    proc_names::each(|pid, comm| {
        if COMMS.contains(&comm) {
            candidates.push((pid, comm.to_owned()));
        }
    })?;
    let mut found: Vec<Running> = Vec::new();
    for (pid, comm) in candidates {
        // A process may end while it is looked at.
        let Some(process) = of_named(pid, &comm) else {
            continue;
        };
        // OpenNTPD's parts have titles of their own; helpers of others keep the command line.
        let same = |known: &&mut Running| {
            known.kind == process.kind
                && known.container == process.container
                && (known.kind == Kind::Openntpd || known.arguments == process.arguments)
        };
        match found.iter_mut().find(same) {
            Some(known) => merge(known, process),
            None => found.push(process),
        }
    }
    found.sort_by_key(|daemon| (daemon.kind, daemon.container));
    Ok(found)
}

/// Those of them that hold the clock, or may.
#[must_use]
pub fn holding_clock(daemons: &[Running]) -> Vec<&Running> {
    daemons
        .iter()
        .filter(|daemon| daemon.kind.disciplines() && daemon.holds_clock != Some(false))
        .collect()
}

/// Several processes of one daemon: the eldest stands for it, any of them may hold the clock.
fn merge(known: &mut Running, other: Running) {
    let holds = match (known.holds_clock, other.holds_clock) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (None, _) | (_, None) => None,
        _ => Some(false),
    };
    let mut stopped = std::mem::take(&mut known.stopped);
    stopped.extend(&other.stopped);
    if other.pid < known.pid {
        *known = other;
    }
    known.holds_clock = holds;
    known.stopped = stopped;
}

/// The time daemon that a process is; `None` when it is none, or has gone.
#[must_use]
pub fn of_process(pid: u32) -> Option<Running> {
    let comm = files::read(Path::new(&format!("/proc/{pid}/comm")), LIMIT).ok()?;
    let comm = String::from_utf8_lossy(&comm);
    let comm = comm.trim_end();
    COMMS.contains(&comm).then(|| of_named(pid, comm)).flatten()
}

/// The same of a process whose name is known to be one that is looked at.
fn of_named(pid: u32, comm: &str) -> Option<Running> {
    let dir = PathBuf::from(format!("/proc/{pid}"));
    let status = files::read_text(&dir.join("status"), LIMIT).ok()?;
    let arguments = arguments(&files::read(&dir.join("cmdline"), LIMIT).unwrap_or_default());
    if arguments.is_empty() || status_field(&status, "State").is_some_and(|s| s.starts_with('Z')) {
        return None;
    }
    let kind = identify(comm, &arguments, || files::link_target(&dir.join("exe")))?;
    let capable = capability(&status);
    let holds_clock = match capable.map(|c| c && !leaves_clock(kind, &arguments)) {
        // The capability of another user namespace (a rootless container's) sets no clock here.
        Some(true) if elsewhere(&dir, "user") == Some(true) => Some(false),
        Some(true) if preloaded(&dir) => None,
        seen => seen,
    };
    let stat = files::read_text(&dir.join("stat"), LIMIT).ok();
    Some(Running {
        kind,
        pid,
        holds_clock,
        container: status_field(&status, "NSpid").is_some_and(|ids| ids.contains('\t'))
            || in_another_network(&dir),
        age_s: stat
            .as_deref()
            .and_then(start_ticks)
            .map(|ticks| clock::since_boot().seconds_since(Monotonic::default()) - ticks / USER_HZ),
        arguments,
        stopped: is_stopped(&status).then_some(pid).into_iter().collect(),
    })
}

/// `T (stopped)`, not `t (tracing stop)`: a debugger lets go of what it looks at.
fn is_stopped(status: &str) -> bool {
    status_field(status, "State").is_some_and(|state| state.starts_with('T'))
}

/// What a process does, as proc_pid_stat(5) has it: `S` sleeps, `R` runs, `D` waits for a disk, `T` is
/// stopped.
#[must_use]
pub fn state(pid: u32) -> Option<char> {
    let status = files::read_text(Path::new(&format!("/proc/{pid}/status")), LIMIT).ok()?;
    status_field(&status, "State")?.chars().next()
}

/// Whether a process has the capability to set the clock; `None` when that cannot be seen.
#[must_use]
pub fn capable(pid: u32) -> Option<bool> {
    let status = files::read_text(Path::new(&format!("/proc/{pid}/status")), LIMIT).ok()?;
    capability(&status)
}

fn capability(status: &str) -> Option<bool> {
    let caps = u64::from_str_radix(status_field(status, "CapEff")?, 16).ok()?;
    Some(caps & CAP_SYS_TIME != 0)
}

/// True when a library was put before the daemon's own: the clock it steers may be one that the
/// library simulates.
fn preloaded(dir: &Path) -> bool {
    files::read(&dir.join("environ"), 1 << 20).is_ok_and(|text| {
        text.split(|&b| b == 0)
            .any(|v| v.starts_with(b"LD_PRELOAD="))
    })
}

/// Whether it is in another namespace of this sort (`net`, `user`); `None` when that is hidden:
/// others' namespaces are for root.
fn elsewhere(dir: &Path, sort: &str) -> Option<bool> {
    let own = files::link_target(&Path::new("/proc/self/ns").join(sort))?;
    let its = files::link_target(&dir.join("ns").join(sort))?;
    Some(own != its)
}

/// True when its network is another one than this process's, as far as that can be seen. Anybody may
/// look at a process's view of its network, and the files of each network are files of their own.
fn in_another_network(dir: &Path) -> bool {
    elsewhere(dir, "net").unwrap_or_else(|| {
        let interfaces = |of: &Path| Some(std::fs::metadata(of.join("net/dev")).ok()?.ino());
        let own = interfaces(Path::new("/proc/self"));
        let its = interfaces(dir);
        own.is_some() && its.is_some() && own != its
    })
}

/// Names of processes that are looked at (the kernel keeps 15 octets).
const COMMS: &[&str] = &[
    "chronyd",
    "ntpd",
    "systemd-timesyn",
    "ntp-daemon",
    "openntpd",
    "busybox",
    "ptp4l",
    "phc2sys",
    "ts2phc",
    "timemaster",
    "clockbox",
];

fn identify(
    comm: &str,
    arguments: &[String],
    executable: impl FnOnce() -> Option<PathBuf>,
) -> Option<Kind> {
    match comm {
        "chronyd" => Some(Kind::Chronyd),
        "systemd-timesyn" => Some(Kind::Timesyncd),
        "ntp-daemon" => Some(Kind::NtpdRs),
        "openntpd" => Some(Kind::Openntpd),
        "ptp4l" => Some(Kind::Ptp4l),
        "phc2sys" => Some(Kind::Phc2sys),
        "ts2phc" => Some(Kind::Ts2phc),
        "timemaster" => Some(Kind::Timemaster),
        "clockbox" => is_own_daemon(arguments).then_some(Kind::Clockbox),
        "busybox" => {
            (arguments.get(1).map(String::as_str) == Some("ntpd")).then_some(Kind::BusyboxNtpd)
        }
        "ntpd" => Some(which_ntpd(arguments, executable())),
        _ => None,
    }
}

fn is_own_daemon(arguments: &[String]) -> bool {
    let words = || arguments.iter().skip(1).map(String::as_str);
    let command = words().find(|word| !word.starts_with('-'));
    match command {
        Some("serve") => !words().any(|word| word.starts_with("--explain-access")),
        Some("sync") => words().any(|word| word == "--daemon"),
        _ => false,
    }
}

/// Three programs are called ntpd.
fn which_ntpd(arguments: &[String], executable: Option<PathBuf>) -> Kind {
    let title = arguments.first().map_or("", String::as_str);
    if title.starts_with("ntpd:") {
        return Kind::Openntpd;
    }
    if arguments.iter().any(|word| word.contains("ntpsec")) {
        return Kind::Ntpsec;
    }
    // Others' executables are hidden from ordinary users; the name it was started by is not.
    let path = executable.or_else(|| {
        let started = title.split(' ').next().map(PathBuf::from)?;
        let started = started.is_absolute().then_some(started)?;
        std::fs::canonicalize(started).ok()
    });
    let Some(path) = path else {
        return Kind::Ntpd;
    };
    match path.file_name().and_then(|name| name.to_str()) {
        Some(name) if name.starts_with("busybox") => Kind::BusyboxNtpd,
        Some("openntpd") => Kind::Openntpd,
        _ if contains(&path, b"ntpsec") => Kind::Ntpsec,
        _ if contains(&path, b"openntpd") => Kind::Openntpd,
        _ => Kind::Ntpd,
    }
}

/// True when the file has these octets in it.
fn contains(path: &Path, needle: &[u8]) -> bool {
    files::read(path, 16 << 20)
        .is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
}

/// True when an option says that the daemon does not touch the clock.
fn leaves_clock(kind: Kind, arguments: &[String]) -> bool {
    let options = || {
        arguments
            .iter()
            .skip(1)
            .map(String::as_str)
            .filter(|word| word.starts_with('-'))
    };
    let short = |letters: &str| {
        options().any(|word| {
            !word.starts_with("--") && word.chars().skip(1).any(|c| letters.contains(c))
        })
    };
    match kind {
        // -x: no control of the clock; -Q: only print the offset.
        Kind::Chronyd => options().any(|word| word == "-x" || word == "-Q"),
        // -w: only print; a server alone (-l without -p) has no source to follow.
        Kind::BusyboxNtpd => short("w") || (short("l") && !short("p")),
        Kind::Phc2sys => {
            let target = arguments.iter().position(|word| word == "-c");
            let target = target.and_then(|at| arguments.get(at + 1));
            target.is_some_and(|clock| clock != "CLOCK_REALTIME")
        }
        Kind::Clockbox => options().any(|word| word == "--no-clock-control" || word == "-x"),
        _ => false,
    }
}

/// A command line: words ended by zeroes, or one title that a daemon set itself.
#[must_use]
pub(super) fn arguments(bytes: &[u8]) -> Vec<String> {
    bytes
        .split(|&b| b == 0)
        .map(|word| {
            String::from_utf8_lossy(word)
                .chars()
                .map(|c| if c.is_control() { '?' } else { c })
                .collect::<String>()
        })
        .filter(|word| !word.is_empty())
        .collect()
}

fn status_field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

/// Field 22 of /proc/PID/stat: when it started, in ticks since boot. The name before it may have
/// spaces and brackets.
fn start_ticks(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    fn which(comm: &str, line: &str) -> Option<Kind> {
        identify(comm, &words(line), || None)
    }

    #[test]
    fn daemons_are_known_by_process_and_command_line() {
        for (comm, line, kind) in [
            ("chronyd", "/usr/sbin/chronyd -F 1", Some(Kind::Chronyd)),
            (
                "ntpd",
                "/usr/sbin/ntpd -p /run/ntpd.pid -c /etc/ntpsec/ntp.conf -g -N -u ntpsec:ntpsec",
                Some(Kind::Ntpsec),
            ),
            ("ntpd", "ntpd: ntp engine", Some(Kind::Openntpd)),
            ("ntpd", "ntpd -u ntp:ntp -g", Some(Kind::Ntpd)),
            ("busybox", "busybox ntpd -p x", Some(Kind::BusyboxNtpd)),
            ("busybox", "busybox sh", None),
            ("clockbox", "clockbox sources", None),
            ("clockbox", "clockbox sync --daemon", Some(Kind::Clockbox)),
            ("clockbox", "clockbox serve", Some(Kind::Clockbox)),
            ("clockbox", "clockbox sync x --dry-run", None),
        ] {
            assert_eq!(which(comm, line), kind, "{line}");
        }
    }

    #[test]
    fn a_link_to_busybox_is_busybox() {
        let kind = identify("ntpd", &words("ntpd -p x"), || {
            Some(PathBuf::from("/bin/busybox"))
        });
        assert_eq!(kind, Some(Kind::BusyboxNtpd));
    }

    #[test]
    fn options_that_leave_the_clock_alone_are_seen() {
        for (kind, line, leaves) in [
            (Kind::Chronyd, "chronyd -x", true),
            (Kind::Chronyd, "chronyd -F 1", false),
            (Kind::BusyboxNtpd, "ntpd -l", true),
            (Kind::BusyboxNtpd, "ntpd -l -p x", false),
            (Kind::BusyboxNtpd, "busybox ntpd -nw -p x", true),
            (Kind::Phc2sys, "phc2sys -s eth0 -c eth1 -O 0", true),
            (Kind::Phc2sys, "phc2sys -a -r", false),
            (Kind::Clockbox, "clockbox serve --no-clock-control", true),
        ] {
            assert_eq!(leaves_clock(kind, &words(line)), leaves, "{line}");
        }
    }

    #[test]
    fn processes_of_one_daemon_are_one_entry() {
        let process = |pid, holds| Running {
            kind: Kind::Openntpd,
            pid,
            holds_clock: Some(holds),
            container: false,
            arguments: vec![],
            age_s: None,
            stopped: vec![pid],
        };
        let mut known = process(12, false);
        merge(&mut known, process(10, true));
        assert_eq!((known.pid, known.holds_clock), (10, Some(true)));
        merge(&mut known, process(14, false));
        assert_eq!((known.pid, known.holds_clock), (10, Some(true)));
        assert_eq!(known.stopped, [12, 10, 14]);
    }

    #[test]
    fn proc_is_parsed_as_it_is() {
        assert_eq!(arguments(b"a\0b c\0"), ["a", "b c"]);
        assert_eq!(arguments(b"a\x1b[2J\0"), ["a?[2J"]);
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1";
        assert_eq!(start_ticks(stat), Some(4242.0));
        assert_eq!(
            status_field("Name:\tx\nCapEff:\t02\n", "CapEff"),
            Some("02")
        );
        running().unwrap();
    }
}
