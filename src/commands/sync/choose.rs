//! Which servers to ask, and why those: the command line's, a configuration's, the cloud's, or the
//! public pool.

use super::clocks;
use super::clocks::ClockAsked;
use super::configured::CONFIGURATIONS;
use super::configured::Read;
use super::configured::ReadFailure;
use super::configured::Reader;
use super::configured::reader_for;
use super::configured::reader_of;
use super::platform;
use super::target::Target;
use crate::commands::host_files::HostFiles;
use crate::commands::sources::configured;
use crate::conf::chrony::value::Family;
use crate::conf::cloud;
use crate::conf::sources::Kind;
use crate::conf::sources::TimeSource;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::report::sync::Origin;
use crate::report::sync::OriginKind;
use crate::sys;
use crate::sys::daemons::Kind as DaemonKind;
use std::path::Path;

/// Sources of a pool that are asked, unless its line says otherwise.
const POOL_SOURCES: usize = 4;
/// Sources at most: more make no vote better.
pub const MAX_SOURCES: usize = 64;
/// The pool that everybody may use a little.
pub const PUBLIC_POOL: &str = "pool.ntp.org";

/// Something that has one vote, or (a pool) several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// How it is called in the report.
    pub name: String,
    /// Names or addresses of the one server, in the order in which to try them.
    pub hosts: Vec<String>,
    /// UDP port.
    pub port: u16,
    /// Each address of the name is a source of its own, up to this many.
    pub pool: Option<usize>,
    /// Only this family, when asked for: `true` is IPv6.
    pub ipv6: Option<bool>,
}

/// Whom to ask, in one go.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whom.
    pub asked: Vec<Asked>,
    /// Which clocks of this machine.
    pub clocks: Vec<ClockAsked>,
    /// Why those.
    pub origin: Origin,
    /// What was noticed on the way.
    pub findings: Vec<Finding>,
    /// When nobody here answers, the next plan is tried; this one gets so many seconds.
    pub patience: Option<f64>,
}

/// What the command line says of sources.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    /// Servers.
    pub servers: &'a [String],
    /// Pools.
    pub pools: &'a [String],
    /// Clocks of this machine.
    pub clocks: &'a [String],
    /// A configuration.
    pub config: Option<&'a Path>,
}

/// The plans, to be tried in order. `in_use` is a running daemon's configuration, `root` is where
/// this machine's files are.
///
/// # Errors
/// A malformed name, an unreadable or broken configuration, or one that has no source to ask.
pub fn plans(
    wanted: &Wanted<'_>,
    in_use: Option<&(DaemonKind, String)>,
    root: &Path,
) -> Result<Vec<Plan>, Failure> {
    if wanted.is_named() {
        return Ok(vec![from_arguments(wanted, root)?]);
    }
    if let Some(path) = wanted.config {
        return Ok(vec![from_named_config(path, root)?]);
    }
    if let Some(plan) = configured(in_use, root)? {
        return Ok(vec![plan]);
    }
    let (mut plans, findings) = platform::plans(root);
    let mut pool = public_pool(root);
    pool.findings.extend(findings);
    plans.push(pool);
    Ok(plans)
}

/// What this machine is configured to ask: by the file that a running daemon was started with, if
/// that names a source, else by the first of its own configurations that does.
///
/// # Errors
/// A configuration that is broken or cannot be read.
pub fn configured(
    in_use: Option<&(DaemonKind, String)>,
    root: &Path,
) -> Result<Option<Plan>, Failure> {
    if let Some((kind, path)) = in_use
        && let Some(reader) = reader_of(*kind)
    {
        let read = reader(path, &HostFiles::new(root));
        if let Some(read) = read.ok().filter(|read| !read.sources.is_empty()) {
            let reason = format!("the configuration of {}, which runs", kind.word());
            return plan(path, &reason, read, ExitStatus::Config, root).map(Some);
        }
    }
    from_own_config(root)
}

impl Wanted<'_> {
    /// Whether the command line names sources.
    #[must_use]
    pub const fn is_named(&self) -> bool {
        !self.servers.is_empty() || !self.pools.is_empty() || !self.clocks.is_empty()
    }
}

fn from_arguments(wanted: &Wanted<'_>, root: &Path) -> Result<Plan, Failure> {
    let mut asked = Vec::new();
    let mut clocks: Vec<ClockAsked> = Vec::new();
    let cloud = cloud::classify(&sys::cloud::read(root)).cloud;
    for word in wanted.clocks {
        let clock = clocks::from_word(word, root, cloud)?;
        if !clocks.iter().any(|c| c.found.device == clock.found.device) {
            clocks.push(clock);
        }
    }
    for word in wanted.servers {
        let target = Target::parse(word)?;
        asked.push(Asked {
            name: word.clone(),
            hosts: vec![target.host],
            port: target.port,
            pool: None,
            ipv6: None,
        });
    }
    for word in wanted.pools {
        let target = Target::parse(word)?;
        asked.push(pool(word, &target.host, target.port, POOL_SOURCES));
    }
    if asked.len() > MAX_SOURCES {
        return Err(Failure::usage(format!("more than {MAX_SOURCES} servers"))
            .hint("four to seven of different operators are enough for a vote"));
    }
    let origin = Origin {
        kind: OriginKind::Arguments,
        path: None,
        reason: "named on the command line".to_owned(),
    };
    Ok(Plan {
        findings: smeared_beside(&asked, &clocks),
        asked,
        clocks,
        origin,
        patience: None,
    })
}

/// Servers that smear leap seconds, beside a clock that does not.
fn smeared_beside(asked: &[Asked], clocks: &[ClockAsked]) -> Vec<Finding> {
    let smeared = asked.iter().find(|a| {
        let host = a.hosts.first().map_or("", String::as_str);
        cloud::SMEARED.contains(&host)
    });
    match (smeared, clocks.first()) {
        (Some(server), Some(clock)) => vec![Finding::warning(format!(
            "{} smears leap seconds and {} does not: around one they differ by up to a second, so do not mix them",
            server.name, clock.name
        ))],
        _ => Vec::new(),
    }
}

fn pool(name: &str, host: &str, port: u16, sources: usize) -> Asked {
    Asked {
        name: name.to_owned(),
        hosts: vec![host.to_owned()],
        port,
        pool: Some(sources),
        ipv6: None,
    }
}

fn public_pool(root: &Path) -> Plan {
    let files = HostFiles::new(root);
    let there = |(path, reader): &&(&str, Reader)| reader(path, &files).is_ok();
    let reason = match CONFIGURATIONS.iter().find(there) {
        Some((path, _)) => format!("no server was named, and {path} names none"),
        None => "no server was named, no configuration of a time daemon was found".to_owned(),
    };
    let origin = Origin {
        kind: OriginKind::Default,
        path: None,
        reason,
    };
    let asked = vec![pool(PUBLIC_POOL, PUBLIC_POOL, 123, POOL_SOURCES)];
    Plan {
        asked,
        clocks: Vec::new(),
        origin,
        findings: Vec::new(),
        patience: None,
    }
}

fn from_named_config(path: &Path, root: &Path) -> Result<Plan, Failure> {
    let shown = path.display().to_string();
    let Some(text) = path.to_str() else {
        return Err(Failure::new(
            ExitStatus::NoInput,
            format!("{shown}: not a UTF-8 path"),
        ));
    };
    let name = path
        .file_name()
        .and_then(|n| n.to_str())
        .unwrap_or_default();
    let (reader, kind) = reader_for(name);
    match reader(text, &HostFiles::new(root)) {
        Ok(read) => plan(
            &shown,
            "named on the command line",
            read,
            ExitStatus::Data,
            root,
        ),
        Err(ReadFailure::Missing) => Err(Failure::new(
            ExitStatus::NoInput,
            format!("{shown}: there is no such file"),
        )
        .hint("name the configuration of a time daemon, for example /etc/chrony/chrony.conf")
        .target(shown)),
        Err(ReadFailure::Unreadable(why)) => {
            let status = if why.contains("ermission") {
                ExitStatus::NoPermission
            } else {
                ExitStatus::Data
            };
            Err(Failure::new(status, format!("{shown}: {why}")).target(shown))
        }
        Err(ReadFailure::Broken(what)) => Err(Failure::new(
            ExitStatus::Data,
            format!("{shown}, read as a {kind}, has errors:\n{what}"),
        )
        .target(shown)),
    }
}

fn from_own_config(root: &Path) -> Result<Option<Plan>, Failure> {
    let mut unreadable = None;
    // What a daemon left behind that is gone is not what this machine is to follow.
    let mut configurations = CONFIGURATIONS.to_vec();
    let enabled = configured::enabled(root);
    let of_enabled = |path: &str| {
        let mut kinds = enabled.iter();
        kinds.any(|kind| configured::paths(*kind).contains(&path))
    };
    configurations.sort_by_key(|(path, _)| !of_enabled(path));
    for (path, reader) in &configurations {
        match reader(path, &HostFiles::new(root)) {
            Ok(read) if read.sources.is_empty() => {}
            Ok(read) => {
                let reason = "this machine's own configuration";
                return plan(path, reason, read, ExitStatus::Config, root).map(Some);
            }
            Err(ReadFailure::Missing) => {}
            Err(ReadFailure::Unreadable(why)) => unreadable = Some((path, why)),
            Err(ReadFailure::Broken(what)) => {
                let message = format!("this machine's {path} has errors:\n{what}");
                return Err(Failure::new(ExitStatus::Config, message)
                    .hint(format!("sudoedit {path}"))
                    .target(*path));
            }
        }
    }
    match unreadable {
        Some((path, why)) => Err(
            Failure::new(ExitStatus::NoPermission, format!("{path}: {why}"))
                .hint("run as root, or name servers: clockbox sync --dry-run pool.ntp.org")
                .target(*path),
        ),
        None => Ok(None),
    }
}

/// The plan that a configuration's sources make; what cannot be asked in this way is said.
fn plan(
    path: &str,
    reason: &str,
    read: Read,
    empty: ExitStatus,
    root: &Path,
) -> Result<Plan, Failure> {
    let mut findings = read.findings;
    let mut asked = Vec::new();
    let mut clocks = Vec::new();
    let cloud = cloud::classify(&sys::cloud::read(root)).cloud;
    let regular: Vec<&TimeSource> = read.sources.iter().filter(|s| !s.fallback).collect();
    let chosen = if regular.is_empty() {
        read.sources.iter().collect()
    } else {
        regular
    };
    for source in chosen {
        if source.kind == Kind::Refclock && !source.noselect {
            match clocks::from_line(&source.name, source.tai, source.offset_s, root, cloud) {
                Ok(clock) => clocks.push(clock),
                Err(why) => findings.push(Finding::info(format!(
                    "{}: refclock {} is not read: {why}",
                    source.origin, source.name
                ))),
            }
            continue;
        }
        match unusable(source) {
            Some(why) => findings.push(Finding::info(format!(
                "{}: {} {} is not asked: {why}",
                source.origin,
                source.kind.word(),
                source.name
            ))),
            None => asked.push(Asked {
                name: with_port(&source.name, source.port),
                hosts: vec![source.name.clone()],
                port: source.port,
                pool: (source.kind == Kind::Pool).then(|| {
                    source
                        .max_sources
                        .map_or(POOL_SOURCES, |n| n.max(1) as usize)
                }),
                ipv6: source.family.map(|family| family == Family::V6),
            }),
        }
    }
    asked.dedup();
    if asked.len() > MAX_SOURCES {
        let (all, most) = (asked.len(), MAX_SOURCES);
        findings.push(Finding::warning(format!(
            "{path} has {all} servers: the first {most} are asked, more make no vote better"
        )));
        asked.truncate(MAX_SOURCES);
    }
    if asked.is_empty() && clocks.is_empty() {
        let why: Vec<String> = findings
            .into_iter()
            .map(|f| format!("\n  {}", f.text))
            .collect();
        return Err(
            Failure::new(empty, format!("{path}: no server to ask{}", why.concat()))
                .hint("name servers: clockbox sync --dry-run pool.ntp.org")
                .target(path),
        );
    }
    let origin = Origin {
        kind: OriginKind::Config,
        path: Some(path.to_owned()),
        reason: reason.to_owned(),
    };
    Ok(Plan {
        asked,
        clocks,
        origin,
        findings,
        patience: None,
    })
}

/// A server as it would be typed: with its port where that is not 123.
fn with_port(host: &str, port: u16) -> String {
    match (port, host.contains(':')) {
        (123, _) => host.to_owned(),
        (_, true) => format!("[{host}]:{port}"),
        (_, false) => format!("{host}:{port}"),
    }
}

fn unusable(source: &TimeSource) -> Option<&'static str> {
    if source.nts {
        Some("it asks for NTS, which clockbox does not speak yet, and is never used without it")
    } else if source.key.is_some() {
        Some(
            "it asks for a key, which a one-shot sync does not use yet, and is never used without it",
        )
    } else if source.noselect {
        Some("its line says noselect")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::sync::image::image;

    fn own(files: &[(&str, &str)]) -> Result<Vec<Plan>, Failure> {
        plans(&Wanted::default(), None, image(files).path())
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.asked.iter().map(|a| a.name.as_str()).collect()
    }

    #[test]
    fn the_command_line_comes_first() {
        let servers = ["a.example".to_owned(), "[::1]:11123".to_owned()];
        let wanted = Wanted {
            servers: &servers,
            ..Wanted::default()
        };
        let found = plans(&wanted, None, image(&[]).path()).unwrap();
        assert_eq!(names(&found[0]), ["a.example", "[::1]:11123"]);
        assert_eq!(found[0].asked[1].port, 11123);
        assert_eq!(found[0].origin.kind, OriginKind::Arguments);
    }

    #[test]
    fn this_machines_chrony_conf_is_read_with_its_directories() {
        let found = own(&[
            (
                "/etc/chrony/chrony.conf",
                "pool p.example iburst maxsources 2\nsourcedir /etc/chrony/sources.d\n",
            ),
            (
                "/etc/chrony/sources.d/x.sources",
                "server s.example iburst\n",
            ),
        ])
        .unwrap();
        assert_eq!(names(&found[0]), ["p.example", "s.example"]);
        assert_eq!(found[0].asked[0].pool, Some(2));
        assert_eq!(
            found[0].origin.path.as_deref(),
            Some("/etc/chrony/chrony.conf")
        );
    }

    #[test]
    fn the_running_daemons_configuration_counts_more_than_one_that_lies_about() {
        let root = image(&[
            ("/etc/chrony/chrony.conf", "server left.example\n"),
            ("/etc/ntpsec/ntp.conf", "server used.example\n"),
            ("/srv/its-own", "server used.example iburst maxpoll 4\n"),
            ("/etc/empty/ntp.conf", "driftfile /x\n"),
        ]);
        let names = |in_use: Option<(DaemonKind, &str)>| {
            let in_use = in_use.map(|(kind, path)| (kind, path.to_owned()));
            let found = plans(&Wanted::default(), in_use.as_ref(), root.path()).unwrap();
            found[0].asked[0].name.clone()
        };
        for used in ["/etc/ntpsec/ntp.conf", "/srv/its-own"] {
            assert_eq!(names(Some((DaemonKind::Ntpd, used))), "used.example");
        }
        for without in ["/etc/empty/ntp.conf", "/nowhere.conf"] {
            assert_eq!(
                names(Some((DaemonKind::Ntpd, without))),
                "left.example",
                "{without}"
            );
        }
        assert_eq!(names(None), "left.example");
    }

    #[test]
    fn authenticated_sources_are_never_used_without_their_authentication() {
        let conf = "server a.example nts\nserver b.example key 1\nserver c.example\n";
        let found = own(&[("/etc/chrony.conf", conf)]).unwrap();
        assert_eq!(names(&found[0]), ["c.example"]);
        assert_eq!(found[0].findings.len(), 2);
        let none = own(&[("/etc/chrony.conf", "server a.example nts\n")]).unwrap_err();
        assert_eq!(none.status, ExitStatus::Config);
        assert!(none.message.contains("NTS"), "{none:?}");
    }

    #[test]
    fn the_file_of_a_daemon_that_is_started_at_boot_goes_before_one_that_was_left_behind() {
        let unit = ("/usr/lib/systemd/system/ntpsec.service", "[Unit]\n");
        let wants = "/etc/systemd/system/multi-user.target.wants/ntpsec.service";
        let left = ("/etc/chrony/chrony.conf", "server left.example\n");
        let ours = ("/etc/ntpsec/ntp.conf", "server ours.example\n");
        let found = own(&[left, ours, unit]).unwrap();
        assert_eq!(names(&found[0]), ["left.example"]);
        let found = own(&[left, ours, unit, (wants, "[Unit]\n")]).unwrap();
        assert_eq!(names(&found[0]), ["ours.example"]);
    }

    #[test]
    fn a_configuration_without_a_source_is_not_said_to_be_missing() {
        let found = own(&[("/etc/chrony.conf", "#server a.example\n")]).unwrap();
        let reason = &found.last().unwrap().origin.reason;
        assert_eq!(
            reason,
            "no server was named, and /etc/chrony.conf names none"
        );
    }

    #[test]
    fn a_broken_configuration_is_shown_with_a_caret() {
        let broken = own(&[("/etc/chrony.conf", "server 53.45.6.700 iburst\n")]).unwrap_err();
        assert_eq!(broken.status, ExitStatus::Config);
        assert!(broken.message.contains("/etc/chrony.conf:1:"), "{broken:?}");
        assert!(broken.message.contains("^^^"), "{broken:?}");
    }

    #[test]
    fn the_cloud_then_the_pool() {
        let found = own(&[("/sys/class/dmi/id/sys_vendor", "Amazon EC2\n")]).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0].asked[0].hosts,
            ["169.254.169.123", "fd00:ec2::123"]
        );
        assert_eq!(
            (found[0].origin.kind, found[1].origin.kind),
            (OriginKind::Cloud, OriginKind::Default)
        );
        assert_eq!(names(&own(&[]).unwrap()[0]), [PUBLIC_POOL]);
    }

    #[test]
    fn ntp_conf_and_timesyncd_conf_are_read_too() {
        let ntp = own(&[(
            "/etc/ntp.conf",
            "server n.example iburst maxpoll4\nrestrict default\n",
        )])
        .unwrap();
        assert_eq!(names(&ntp[0]), ["n.example"]);
        let timesyncd = own(&[
            (
                "/etc/systemd/timesyncd.conf",
                "[Time]\nNTP=t.example\nFallbackNTP=f.example\n",
            ),
            (
                "/etc/systemd/timesyncd.conf.d/x.conf",
                "[Time]\nNTP=u.example\n",
            ),
        ])
        .unwrap();
        assert_eq!(names(&timesyncd[0]), ["t.example", "u.example"]);
        let fallback = own(&[(
            "/etc/systemd/timesyncd.conf",
            "[Time]\nFallbackNTP=f.example\n",
        )]);
        assert_eq!(names(&fallback.unwrap()[0]), ["f.example"]);
    }

    #[test]
    fn a_missing_configuration_that_was_named_is_missing_input() {
        let wanted = Wanted {
            config: Some(Path::new("/nowhere/chrony.conf")),
            ..Wanted::default()
        };
        let failure = plans(&wanted, None, image(&[]).path()).unwrap_err();
        assert_eq!(failure.status, ExitStatus::NoInput);
    }
}
