//! What the configuration of a daemon says of its sources: to compare with what the daemon does.

use crate::commands::host_files::HostFiles;
use crate::conf::chrony;
use crate::conf::diagnostic::Diagnostic;
use crate::conf::ntp;
use crate::conf::ntp::Body;
use crate::conf::ntp::directives::Dialect;
use crate::conf::sources;
use crate::conf::sources::TimeSource;
use crate::conf::span::SourceMap;
use crate::conf::timesyncd;
use crate::proto::cmdmon::PORT;
use crate::report::sources::explain::Limits;
use crate::sys;
use crate::sys::daemons;
use crate::sys::daemons::Kind;
use crate::sys::daemons::Running;
use std::path::Path;
use std::path::PathBuf;

/// A configuration as read.
#[derive(Clone, Debug)]
pub struct Configured {
    /// The main file.
    pub path: String,
    /// The sources in it and in what it includes.
    pub sources: Vec<TimeSource>,
    /// Lines that name a source but are commented out.
    pub commented: Vec<Commented>,
    /// When the newest of its files was changed, and which.
    pub modified: Option<(i64, String)>,
    /// Files that an editor has open with changes that are not saved, as far as its swap file tells.
    pub swap_files: Vec<String>,
    /// The limits that it sets, where it is chrony's or ntpd's.
    pub limits: Option<Limits>,
    /// The control socket that it names; `/` switches it off.
    pub control_socket: Option<String>,
    /// True when UDP port 323 is switched off.
    pub command_port: u16,
    /// The reference clocks, in order: driver, parameter, identifier.
    pub refclocks: Vec<Refclock>,
    /// Lines that are wrong.
    pub wrong: Vec<Wrong>,
}

/// A line that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The file.
    pub file: String,
    /// The line in it.
    pub number: usize,
    /// What is wrong, and what may help.
    pub why: String,
    /// All of the line.
    pub text: String,
}

/// A reference clock of a chrony.conf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refclock {
    /// `PHC`, `SHM`, `SOCK`, `PPS`.
    pub driver: String,
    /// Its parameter: `/dev/ptp0:nocrossts`.
    pub parameter: String,
    /// Its identifier as the daemon shows it: `PHC0`.
    pub refid: String,
    /// The option `tai`, or an offset of about 37 s.
    pub tai: bool,
}

/// A line that would name a source, were it not commented out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commented {
    /// The name in it.
    pub name: String,
    /// `FILE:LINE`.
    pub origin: String,
}

/// Where a daemon's configuration is, unless its command line says otherwise.
#[must_use]
pub const fn paths(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Chronyd => &["/etc/chrony/chrony.conf", "/etc/chrony.conf"],
        Kind::Clockbox => &["/etc/clockbox/clockbox.conf"],
        Kind::Ntpd => &["/etc/ntp.conf"],
        Kind::Ntpsec => &["/etc/ntpsec/ntp.conf", "/etc/ntp.conf"],
        Kind::Timesyncd => &["/etc/systemd/timesyncd.conf"],
        _ => &[],
    }
}

/// Where the configuration of a daemon is that was started with these arguments; `None` when there
/// is none.
#[must_use]
pub fn path(kind: Kind, arguments: &[String], root: &Path) -> Option<String> {
    let there = |path: &&&str| sys::files::exists(&sys::files::under(root, Path::new(path)));
    named(kind, arguments).or_else(|| {
        paths(kind)
            .iter()
            .find(there)
            .map(|path| (*path).to_owned())
    })
}

/// The daemon whose configuration says what this machine is to follow, and where that is: the one
/// that keeps the clock, else one that only looks.
#[must_use]
pub fn in_use(running: &[Running], root: &Path) -> Option<(Kind, String)> {
    let keepers = daemons::holding_clock(running);
    let others = running.iter().filter(|daemon| daemon.kind.disciplines());
    keepers
        .into_iter()
        .chain(others)
        .filter(|daemon| !daemon.container)
        .find_map(|daemon| Some((daemon.kind, path(daemon.kind, &daemon.arguments, root)?)))
}

/// Those that are started at boot, of the daemons whose configuration is read.
#[must_use]
pub fn enabled(root: &Path) -> Vec<Kind> {
    let starts = |kind: &Kind| {
        let services = sys::service::find_all(root, kind.services());
        services.iter().any(|service| service.enabled)
    };
    let read = Kind::ALL.iter().filter(|kind| !paths(**kind).is_empty());
    read.copied().filter(starts).collect()
}

/// The configuration of a running daemon; `None` when there is none that can be read.
#[must_use]
pub fn read(kind: Kind, arguments: &[String], root: &Path) -> Option<Configured> {
    let files = HostFiles::new(root);
    let path = &path(kind, arguments, root)?;
    match kind {
        Kind::Chronyd | Kind::Clockbox => {
            let loaded = chrony::load(path, &files);
            loaded
                .unreadable
                .is_none()
                .then(|| of_chrony(path, &loaded, root))
        }
        Kind::Ntpd | Kind::Ntpsec => {
            let dialect = if kind == Kind::Ntpsec {
                Dialect::Ntpsec
            } else {
                Dialect::Classic
            };
            let loaded = ntp::load(path, dialect, &files);
            if loaded.unreadable.is_some() {
                return None;
            }
            let mut found = base(path, sources::ntp(&loaded), &loaded.map, root);
            found.wrong = wrong(loaded.diagnostics.iter(), &loaded.map);
            found.limits = Some(Limits {
                min_sources: least_good(&loaded),
                ..Limits::NTPD
            });
            Some(found)
        }
        Kind::Timesyncd => {
            let loaded = timesyncd::load(&files);
            Some(base(path, sources::timesyncd(&loaded), &loaded.map, root))
        }
        _ => None,
    }
}

/// The file that the command line names.
fn named(kind: Kind, arguments: &[String]) -> Option<String> {
    let option = match kind {
        Kind::Chronyd => "-f",
        Kind::Ntpd | Kind::Ntpsec => "-c",
        Kind::Clockbox => "--config",
        _ => return None,
    };
    let at = arguments.iter().position(|word| word == option);
    if let Some(value) = at.and_then(|at| arguments.get(at + 1)) {
        return Some(value.clone());
    }
    let glued = arguments.iter().skip(1).find_map(|word| {
        let rest = word.strip_prefix(option)?;
        Some(rest.trim_start_matches('='))
    });
    glued
        .filter(|path| path.starts_with('/'))
        .map(str::to_owned)
}

fn of_chrony(path: &str, loaded: &chrony::Loaded, root: &Path) -> Configured {
    let settings = chrony::Settings::new(loaded);
    let mut found = base(path, sources::chrony(loaded), &loaded.map, root);
    found.limits = Some(Limits {
        max_jitter_s: settings.max_jitter_s,
        max_distance_s: settings.max_distance_s,
        min_sources: settings.min_sources,
        ..Limits::CHRONY
    });
    found.control_socket.clone_from(&settings.bind_command_path);
    found.command_port = settings.command_port;
    found.refclocks = settings
        .refclocks
        .iter()
        .enumerate()
        .map(|(index, clock)| {
            let clock = &clock.value;
            let letters: String = clock.driver.chars().take(3).collect();
            Refclock {
                driver: clock.driver.clone(),
                parameter: clock.parameter.clone(),
                refid: clock
                    .refid
                    .clone()
                    .unwrap_or_else(|| format!("{letters}{index}")),
                tai: clock.tai || clock.offset.is_some_and(|o| (o.abs() - 37.0).abs() < 1.0),
            }
        })
        .collect();
    let errors = loaded.diagnostics.iter().filter(|d| d.is_error());
    found.wrong = wrong(errors, &loaded.map);
    found
}

fn wrong<'a>(those: impl Iterator<Item = &'a Diagnostic>, map: &SourceMap) -> Vec<Wrong> {
    let one = |diagnostic: &Diagnostic| {
        let at = map.origin(diagnostic.span);
        let mut files = map.files().iter();
        let file = files.find(|file| file.path == at.file);
        let help = diagnostic.help.iter().map(String::as_str);
        let why: Vec<&str> = core::iter::once(diagnostic.message.as_str())
            .chain(help)
            .collect();
        Wrong {
            number: at.line,
            why: why.join("; "),
            text: file.map_or_else(String::new, |file| file.line(at.line).to_owned()),
            file: at.file,
        }
    };
    those.map(one).collect()
}

/// `tos minsane`: so many sources have to agree before one is followed. Debian's file says 3.
fn least_good(loaded: &ntp::Loaded) -> u32 {
    let mut least = Limits::NTPD.min_sources;
    for line in loaded.named("tos") {
        let Body::Options(options) = &line.body else {
            continue;
        };
        for option in options.iter().filter(|option| option.name == "minsane") {
            if let Some(number) = option.int() {
                least = u32::try_from(number.max(1)).unwrap_or(least);
            }
        }
    }
    least
}

fn base(path: &str, sources: Vec<TimeSource>, map: &SourceMap, root: &Path) -> Configured {
    let mut found = Configured {
        path: path.to_owned(),
        sources,
        commented: Vec::new(),
        modified: None,
        swap_files: Vec::new(),
        limits: None,
        control_socket: None,
        command_port: PORT,
        refclocks: Vec::new(),
        wrong: Vec::new(),
    };
    for file in map.files() {
        for line in 1..=file.line_count() {
            if let Some(name) = commented_source(file.line(line)) {
                found.commented.push(Commented {
                    name: name.to_owned(),
                    origin: format!("{}:{line}", file.path),
                });
            }
        }
        let real = sys::files::under(root, Path::new(&file.path));
        if let Some(at) = sys::files::modified(&real)
            && found
                .modified
                .as_ref()
                .is_none_or(|(newest, _)| at > *newest)
        {
            found.modified = Some((at, file.path.clone()));
        }
        if let Some(swap) = swap_file(&real) {
            found.swap_files.push(swap.display().to_string());
        }
    }
    found
}

/// The name in `#server ntp1.example iburst`.
#[must_use]
pub fn commented_source(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix(['#', '!', ';', '%'])?;
    let mut words = rest
        .trim_start_matches(['#', '!', ';', '%'])
        .split_whitespace();
    let directive = words.next()?.to_ascii_lowercase();
    if !matches!(directive.as_str(), "server" | "pool" | "peer") {
        return None;
    }
    let name = words.next()?;
    // "# pool of servers" is prose: a host has a dot, a colon, or options that are options.
    let host = name.contains(['.', ':']) && !name.ends_with(['.', ':', ',']);
    host.then_some(name)
}

/// vim's swap file beside the file.
fn swap_file(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let swap = path.with_file_name(format!(".{name}.swp"));
    sys::files::exists(&swap).then_some(swap)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make files")]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn commented_sources_are_told_from_prose() {
        for (line, name) in [
            (
                "#pool ntp.ubuntu.com        iburst maxsources 4",
                Some("ntp.ubuntu.com"),
            ),
            ("## server 192.0.2.1", Some("192.0.2.1")),
            ("! server fd00:ec2::123 iburst", Some("fd00:ec2::123")),
            ("# pool of servers.", None),
            ("# server", None),
            ("server a.example", None),
            ("# See the server example.com.", None),
        ] {
            assert_eq!(commented_source(line), name, "{line}");
        }
    }

    #[test]
    fn a_chrony_conf_is_read_with_its_limits_refclocks_and_swap_file() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("etc/chrony");
        fs::create_dir_all(&dir).unwrap();
        fs::write(
            dir.join("chrony.conf"),
            "server a.example\n#server b.example\nmaxjitter 0.5\n\
             refclock PHC /dev/ptp_hyperv poll 3\nrefclock SHM 0 refid GPS\n",
        )
        .unwrap();
        fs::write(dir.join(".chrony.conf.swp"), "").unwrap();
        let found = read(Kind::Chronyd, &["chronyd".to_owned()], root.path()).unwrap();
        assert_eq!(found.path, "/etc/chrony/chrony.conf");
        assert_eq!(found.commented[0].origin, "/etc/chrony/chrony.conf:2");
        assert_eq!(found.limits.unwrap().max_jitter_s, 0.5);
        let ids: Vec<&str> = found.refclocks.iter().map(|r| r.refid.as_str()).collect();
        assert_eq!(ids, ["PHC0", "GPS"]);
        assert_eq!(found.swap_files.len(), 1);
        assert!(found.modified.is_some());
    }

    #[test]
    fn the_command_line_names_the_file() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            named(Kind::Chronyd, &words("chronyd -f /a -d")).as_deref(),
            Some("/a")
        );
        assert_eq!(
            named(Kind::Ntpsec, &words("ntpd -p x -c/b")).as_deref(),
            Some("/b")
        );
        assert_eq!(named(Kind::Chronyd, &words("chronyd -F 1")), None);
    }
}
