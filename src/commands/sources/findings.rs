//! What is worth saying about the sources as a whole: conflicts of daemons, differences between
//! file and daemon, too few sources, sources that must not be mixed. Pure: facts in, findings out.

use super::asking::NOQUERY;
use super::configured::Configured;
use super::gather::Gathered;
use super::observed::Observed;
use super::witnesses;
use super::worse_clock;
use crate::conf::cloud::Cloud;
use crate::conf::ptp::PtpKind;
use crate::conf::sources::Kind as ConfiguredKind;
use crate::conf::sources::TimeSource;
use crate::report::finding::Finding;
use crate::report::sources::SourceKind;
use crate::report::sources::SourceRow;
use crate::report::sources::State;
use crate::report::sources::explain::TAI_OPTION;
use crate::report::sources::explain::direction;
use crate::sys::daemons::Kind;
use crate::sys::daemons::Running;
use std::collections::BTreeSet;

/// Sources that disagree with the clock by as much make it doubtful, however synchronised.
const DISAGREEMENT_S: f64 = 1.0;

/// Everything that is worth saying; `now` is Unix time in seconds.
#[must_use]
pub fn all(gathered: &Gathered, now: i64) -> Vec<Finding> {
    let mut found = conflicts(&gathered.running);
    for seen in &gathered.observed {
        let before = found.len();
        found.extend(doubt(seen));
        found.extend(measured_tai(seen));
        found.extend(worse_clock::finding(seen));
        found.extend(local_reference(seen));
        found.extend(stale(seen));
        let conf = gathered
            .configured
            .iter()
            .find(|(pid, _)| seen.daemon.pid.unwrap_or_default() == *pid)
            .map(|(_, conf)| conf);
        found.extend(nothing_to_follow(seen, conf));
        found.extend(noquery(seen, conf));
        if let Some(conf) = conf {
            let running = gathered
                .running
                .iter()
                .find(|daemon| seen.daemon.pid == Some(daemon.pid));
            let age = running.and_then(|daemon| daemon.age_s);
            found.extend(differences(seen, conf, now, age));
            found.extend(lines(seen, conf, gathered.cloud));
            let steered = gathered.running.iter().any(|d| d.kind == Kind::Ptp4l);
            found.extend(steered.then(|| steered_tai(conf, gathered)).flatten());
        }
        let mut numbers = witnesses::findings(seen, gathered);
        // What is asked directly is nobody's but the configuration's.
        if gathered.observed.len() > 1 && seen.daemon.name != super::probed::NAME {
            for finding in &mut numbers {
                finding.text = format!("{}: {}", seen.daemon.name, finding.text);
            }
        }
        found.extend(numbers);
        let namesakes = gathered.observed.iter();
        if namesakes
            .filter(|o| o.daemon.name == seen.daemon.name)
            .count()
            > 1
        {
            found
                .iter_mut()
                .skip(before)
                .for_each(|finding| which(finding, seen));
        }
    }
    found.extend(blind(gathered));
    found
}

/// Says which of several daemons of one name is meant.
fn which(finding: &mut Finding, seen: &Observed) {
    let name = &seen.daemon.name;
    let Some(pid) = seen.daemon.pid else { return };
    let process = format!("{name} (process {pid})");
    finding.text = match finding.text.contains(name.as_str()) {
        true => finding.text.replacen(name.as_str(), &process, 1),
        false => format!("{process}: {}", finding.text),
    };
}

/// What could not be seen.
pub fn blind(gathered: &Gathered) -> impl Iterator<Item = Finding> {
    let said = gathered.blind.iter().map(Finding::info);
    said.map(|finding| finding.next("mount -t proc proc /proc"))
}

/// Two daemons that set one clock.
#[must_use]
pub fn conflicts(running: &[Running]) -> Vec<Finding> {
    let holders: Vec<&Running> = running
        .iter()
        .filter(|d| d.kind.disciplines() && d.holds_clock == Some(true))
        .collect();
    if holders.len() < 2 {
        return Vec::new();
    }
    let names: Vec<String> = holders
        .iter()
        .map(|d| {
            let place = if d.container { " in a container" } else { "" };
            format!("{} (process {}){place}", d.kind.word(), d.pid)
        })
        .collect();
    let mut finding = Finding::error(format!(
        "{} daemons set this one clock and fight over it: {}. Keep one; the command stops one of them",
        names.len(),
        names.join(" and ")
    ));
    if let Some(last) = holders.iter().rfind(|d| !d.container) {
        let service = last.kind.services().first().copied().unwrap_or("it");
        finding = finding.next(format!("systemctl disable --now {service}"));
    }
    vec![finding]
}

/// A daemon without any source, and the lines that its author may take for sources.
fn nothing_to_follow(seen: &Observed, conf: Option<&Configured>) -> Option<Finding> {
    let asked = seen.daemon.via.is_some() && seen.daemon.name != super::probed::NAME;
    if !asked || !seen.sources.is_empty() || seen.daemon.synchronised != Some(false) {
        return None;
    }
    let lines: Vec<String> = conf
        .into_iter()
        .flat_map(|conf| &conf.commented)
        .map(|line| format!("{} ({})", line.name, line.origin))
        .collect();
    let mut text = format!("{} has no source to follow", seen.daemon.name);
    match lines.as_slice() {
        [] => {}
        [one] => text.push_str(&format!(": the line of {one} is commented out")),
        [first, rest @ ..] => text.push_str(&format!(
            ": the lines of {first} and {} more are commented out",
            rest.len()
        )),
    }
    Some(Finding::error(text).next("clockbox sources set HOST..."))
}

/// An ntpd that answers no questions, as its file may have it.
fn noquery(seen: &Observed, conf: Option<&Configured>) -> Option<Finding> {
    let conf = conf?;
    seen.daemon
        .problem
        .as_deref()
        .filter(|problem| problem.ends_with(NOQUERY))?;
    Some(
        Finding::warning(format!(
            "{} tells nothing of what it follows. The lines restrict 127.0.0.1 and restrict ::1, without noquery, let this machine ask it after a restart",
            seen.daemon.name
        ))
        .next(format!("sudoedit {}", conf.path)),
    )
}

/// A clock that its daemon calls synchronised while other sources say otherwise.
fn doubt(seen: &Observed) -> Option<Finding> {
    if seen.daemon.synchronised != Some(true) {
        return None;
    }
    let (far, near): (Vec<&SourceRow>, Vec<&SourceRow>) = seen
        .sources
        .iter()
        .filter(|row| row.offset_s.is_some() && row.state != State::Unreachable)
        .partition(|row| {
            let limit = DISAGREEMENT_S.max(2.0 * row.error_s.unwrap_or(0.0));
            row.offset_s.is_some_and(|o| o.abs() > limit) && !is_tai(row)
        });
    let worst = far
        .iter()
        .filter_map(|row| row.offset_s)
        .max_by(|a, b| a.abs().total_cmp(&b.abs()))?;
    let names: Vec<&str> = far.iter().map(|row| row.title()).collect();
    let text = format!(
        "{} of {} sources say that the clock is {} ({}), whatever {} calls synchronised; others can tell who is right",
        far.len(),
        far.len() + near.len(),
        direction(worst),
        names.join(", "),
        seen.daemon.name
    );
    let finding = if far.len() > near.len() {
        Finding::error(text)
    } else {
        Finding::warning(text)
    };
    Some(finding.next("clockbox sync --dry-run --pool pool.ntp.org"))
}

fn is_tai(row: &SourceRow) -> bool {
    row.kind == SourceKind::Refclock && row.offset_s.is_some_and(|o| (o.abs() - 37.0).abs() < 0.5)
}

/// A PTP clock that runs on TAI by what the sources say: 37 s from UTC, on whichever side of it the
/// system clock stands.
fn measured_tai(seen: &Observed) -> Option<Finding> {
    if let Some(clock) = seen.sources.iter().find(|row| is_tai(row)) {
        return Some(
            Finding::error(format!(
                "{} runs on TAI, 37 s ahead of UTC, and is read as UTC. {TAI_OPTION}",
                clock.title()
            ))
            .maybe_next(clock.edit()),
        );
    }
    // The clock follows it already: then it is the servers that are 37 s off.
    let follows_clock = seen
        .sources
        .iter()
        .find(|row| row.kind == SourceKind::Refclock && row.state == State::Selected)?;
    let apart = |row: &&SourceRow| {
        row.kind == SourceKind::Server && row.offset_s.is_some_and(|o| (o + 37.0).abs() < 0.5)
    };
    let servers = seen
        .sources
        .iter()
        .filter(|row| row.kind == SourceKind::Server);
    let all = servers.clone().count();
    (all > 0 && servers.filter(apart).count() == all).then(|| {
        Finding::error(format!(
            "this clock is 37 s ahead of every server: it follows {}, which runs on TAI and is read as UTC. {TAI_OPTION}",
            follows_clock.title()
        ))
        .maybe_next(follows_clock.edit())
    })
}

/// A PTP clock of a network card that ptp4l steers, read as if it were UTC.
fn steered_tai(conf: &Configured, gathered: &Gathered) -> Option<Finding> {
    let clock = conf
        .refclocks
        .iter()
        .filter(|c| c.driver == "PHC" && !c.tai)
        .find(|c| {
            let device = c.parameter.split(':').next().unwrap_or_default();
            let known = gathered
                .clocks
                .iter()
                .find(|k| k.device == device || k.links.iter().any(|link| link == device));
            known.is_none_or(|k| !PtpKind::of(&k.clock_name).is_hosts())
        })?;
    Some(
        Finding::warning(format!(
            "{} ({}) is read as UTC while ptp4l runs: PTP's own time is TAI, 37 s ahead. Unless the grandmaster gives UTC, its refclock line wants the option tai",
            clock.refid, clock.parameter
        ))
        .next(format!("sudoedit {}", conf.path)),
    )
}

fn local_reference(seen: &Observed) -> Option<Finding> {
    seen.daemon.local_reference.then(|| {
        Finding::error(format!(
            "{} serves this machine's own clock for want of a source (local): it calls itself synchronised, but nothing holds it to true time",
            seen.daemon.name
        ))
        .next("clockbox sync --dry-run pool.ntp.org")
    })
}

/// Synchronised once, a long time ago.
fn stale(seen: &Observed) -> Option<Finding> {
    let age = seen.daemon.last_update_age_s?;
    let longest = seen
        .sources
        .iter()
        .filter_map(|row| row.poll_interval_s)
        .fold(64.0, f64::max);
    (seen.daemon.synchronised == Some(true) && age > longest * 8.0).then(|| {
        Finding::warning(format!(
            "{} last updated the clock {} ago: its sources have gone quiet, the clock runs on alone",
            seen.daemon.name,
            crate::report::format::age(age)
        ))
        .next("clockbox sources -v")
    })
}

/// What the file says and the daemon does not do, and the reverse.
fn differences(seen: &Observed, conf: &Configured, now: i64, age_s: Option<f64>) -> Vec<Finding> {
    let mut found = Vec::new();
    if seen.daemon.via.is_none() {
        return found;
    }
    let name = &seen.daemon.name;
    // A daemon that tells no names (chronyd before 4.0) cannot be compared by them.
    let by_name = seen
        .sources
        .iter()
        .filter(|row| row.kind != SourceKind::Refclock)
        .any(|row| row.name != row.address)
        || conf
            .sources
            .iter()
            .all(|s| s.name.parse::<std::net::IpAddr>().is_ok());
    let restart = restart(name);
    let started_before_change = conf
        .modified
        .as_ref()
        .zip(age_s)
        .is_some_and(|((changed, _), age)| (*changed as f64) > now as f64 - age);
    let unread: Vec<&TimeSource> = conf
        .sources
        .iter()
        .filter(|s| s.kind != ConfiguredKind::Refclock && !s.fallback)
        .filter(|s| by_name && !uses(seen, &s.name))
        .collect();
    let compares = matches!(name.as_str(), "chronyd" | "clockbox" | "ntpd" | "ntpsec");
    if compares && !unread.is_empty() {
        let names: Vec<String> = unread
            .iter()
            .map(|s| format!("{} ({})", s.name, s.origin))
            .collect();
        let why = if started_before_change {
            "the file was changed after it started"
        } else {
            "it was started with another configuration, or its sources were changed since"
        };
        found.push(
            Finding::warning(format!("{name} does not use {}: {why}", names.join(", ")))
                .next(restart.clone()),
        );
    }
    let mut extra: BTreeSet<&str> = BTreeSet::new();
    for row in &seen.sources {
        let counts = compares && by_name && row.kind != SourceKind::Refclock;
        let named = configures(conf, row) || is_on_a_wrong_line(conf, row);
        if counts && !named && row.kind != SourceKind::Pool {
            extra.insert(row.title());
        }
    }
    found.extend(unasked(name, &extra, conf));
    for swap in &conf.swap_files {
        found.push(
            Finding::warning(format!(
                "an editor has {} open ({swap} is there): what was typed may not be saved. Save it there, then the command makes the daemon read it",
                conf.path
            ))
            .next(restart.clone()),
        );
    }
    found.extend(wrong(name, conf));
    found
}

/// Lines that are wrong: the first of them, and what the daemon makes of it.
fn wrong(name: &str, conf: &Configured) -> Option<Finding> {
    let (first, rest) = conf.wrong.split_first()?;
    let mut words = first.text.split_whitespace();
    let source = words.next().is_some_and(|word| SOURCES.contains(&word));
    // What is no address may be a name for it.
    let fate = match source && first.why.contains("IPv4 address") {
        true => format!("{name} takes it for a name"),
        false => format!("{name} will not take the line at its next start"),
    };
    let more = match rest.len() {
        0 => String::new(),
        1 => ", and one more line is wrong".to_owned(),
        more => format!(", and {more} more lines are wrong"),
    };
    let (file, line) = (&first.file, first.number);
    let why = &first.why;
    let stop = if why.ends_with('?') { "" } else { "." };
    let text = format!("{file}:{line}: {why}{stop} As it is, {fate}{more}");
    Some(Finding::error(text).next(format!("sudoedit {file}")))
}

/// Directives that name servers.
const SOURCES: [&str; 3] = ["server", "pool", "peer"];

/// Sources that the daemon has and its file has not.
fn unasked(name: &str, extra: &BTreeSet<&str>, conf: &Configured) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut elsewhere = Vec::new();
    for title in extra {
        match conf.commented.iter().find(|line| line.name == *title) {
            Some(line) => found.push(
                Finding::warning(format!(
                    "{name} still uses {title}, which is commented out in {}",
                    line.origin
                ))
                .next(restart(name)),
            ),
            None => elsewhere.push(*title),
        }
    }
    // ntpd's pools and DHCP scripts bring servers that no line names.
    if !elsewhere.is_empty() && !matches!(name, "ntpd" | "ntpsec") {
        found.push(
            Finding::info(format!(
                "{name} uses {}, which {} does not name: from DHCP, chronyc add, or lines that are gone. A restart makes it go by its files alone",
                elsewhere.join(", "),
                conf.path
            ))
            .next(restart(name)),
        );
    }
    found
}

fn uses(seen: &Observed, name: &str) -> bool {
    seen.sources
        .iter()
        .any(|row| row.name.as_deref() == Some(name) || row.address.as_deref() == Some(name))
}

fn configures(conf: &Configured, row: &SourceRow) -> bool {
    conf.sources.iter().any(|source| {
        row.name.as_deref() == Some(&source.name) || row.address.as_deref() == Some(&source.name)
    })
}

fn is_on_a_wrong_line(conf: &Configured, row: &SourceRow) -> bool {
    let mut words = conf.wrong.iter().flat_map(|w| w.text.split_whitespace());
    words.any(|word| Some(word) == row.name.as_deref())
}

/// The command that makes a daemon read its file again.
#[must_use]
pub fn restart(daemon: &str) -> String {
    let service = Kind::ALL
        .iter()
        .find(|kind| kind.word() == daemon)
        .and_then(|kind| kind.services().first().copied())
        .unwrap_or(daemon);
    format!("systemctl restart {service}")
}

/// Lines of the file that do not do what their author thinks.
fn lines(seen: &Observed, conf: &Configured, cloud: Option<Cloud>) -> Vec<Finding> {
    let mut found = Vec::new();
    let chrony = matches!(seen.daemon.name.as_str(), "chronyd" | "clockbox");
    for source in &conf.sources {
        let looks_pool = source.name.ends_with("pool.ntp.org") || source.name == "ntp.ubuntu.com";
        if chrony && source.kind == ConfiguredKind::Server && looks_pool {
            found.push(
                Finding::info(format!(
                    "{}: server {} uses one of the name's many addresses; pool uses several and replaces those that fail. Better: pool {} iburst",
                    source.origin, source.name, source.name
                ))
                .next(format!("sudoedit {}", source.origin.file)),
            );
        }
        if source.kind == ConfiguredKind::Pool {
            found.extend(lonely_pool(seen, source));
        }
        if cloud == Some(Cloud::Azure) && source.name == "time.windows.com" {
            found.push(
                Finding::warning(format!(
                    "{}: time.windows.com is a public server of poor precision; Azure gives its host's clock to its guests",
                    source.origin
                ))
                .next("sudo clockbox sources set --cloud"),
            );
        }
    }
    let slow: Vec<&TimeSource> = conf
        .sources
        .iter()
        .filter(|s| matches!(s.kind, ConfiguredKind::Server | ConfiguredKind::Pool))
        .filter(|s| !s.iburst && seen.daemon.name != "systemd-timesyncd")
        .collect();
    if let Some(first) = slow.first() {
        let lines: Vec<String> = slow.iter().map(|s| s.origin.to_string()).collect();
        found.push(
            Finding::info(format!(
                "without iburst it takes minutes instead of seconds after a start until the source counts: {}. Better: {} {} iburst",
                lines.join(", "),
                first.kind.word(),
                first.name
            ))
            .next(format!("sudoedit {}", first.origin.file)),
        );
    }
    found
}

/// `pool` on a name that has one address.
fn lonely_pool(seen: &Observed, source: &TimeSource) -> Option<Finding> {
    let rows = seen
        .sources
        .iter()
        .filter(|row| row.name.as_deref() == Some(&source.name) && row.state != State::Unresolved)
        .count();
    (rows == 1 && source.max_sources != Some(1) && seen.daemon.name == "chronyd").then(|| {
        Finding::info(format!(
            "{}: {} has one address: pool does nothing there that server would not. Better: server {} iburst",
            source.origin, source.name, source.name
        ))
        .next(format!("sudoedit {}", source.origin.file))
    })
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make files")]
#[path = "findings_tests.rs"]
mod tests;
