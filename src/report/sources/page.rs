//! The table of `clockbox sources` for people: a line a source, a sentence below for each that is
//! not plainly good, the legend with `-v`.

use super::Authentication;
use super::DaemonRow;
use super::SourceRow;
use super::SourcesReport;
use super::owner;
use crate::report::Page;
use crate::report::finding;
use crate::report::format::age;
use crate::report::format::or_dash;
use crate::report::format::paint;
use crate::report::format::seconds;
use crate::report::format::signed_seconds;
use crate::report::format::wrap;
use crate::report::table::Align;
use crate::report::table::cell;
use crate::report::table::table;

/// From this width on the columns that are not needed every day are shown too.
const WIDE: u16 = 118;
/// From this width on, what the sources follow themselves too.
const WIDEST: u16 = 140;

/// The page.
#[must_use]
pub fn render(report: &SourcesReport, page: &Page) -> String {
    let mut out = String::new();
    let color = if report.synchronised == Some(true) {
        "32"
    } else {
        "31"
    };
    out.push_str(&paint(
        &wrap(&report.text, page.width, 0),
        color,
        page.color,
    ));
    out.push('\n');
    let grouped = page.verbose == 0 && elsewhere(&report.daemons).count() > 1;
    for daemon in &report.daemons {
        if grouped && daemon.is_elsewhere() {
            continue;
        }
        // What a single daemon's problem is may stand in the first sentence already.
        let said = |problem: &String| daemon.hangs || report.text.contains(problem.as_str());
        let direct = daemon.via.as_deref() == Some("probe");
        let known = daemon.problem.as_ref().is_none_or(said);
        if !known || (report.daemons.len() > 1 && !direct) {
            out.push_str(&format!("{}\n", wrap(&headline(daemon), page.width, 2)));
        }
        if page.verbose > 0 {
            out.push_str(&details(daemon, page));
        }
    }
    if grouped {
        let names: Vec<String> = elsewhere(&report.daemons).map(named).collect();
        let text = format!(
            "- in containers or other networks, where they have to be asked: {}. They leave the clock alone",
            names.join(", ")
        );
        out.push_str(&format!("{}\n", wrap(&text, page.width, 2)));
    }
    if let Some(bound) = &report.clock_bound {
        let text = format!("ClockBound: {}", bound.text);
        out.push_str(&format!("{}\n", wrap(&text, page.width, 2)));
    }
    if !report.sources.is_empty() {
        out.push('\n');
        out.push_str(&rows(&report.sources, &report.daemons, page));
        let sentences = sentences(&report.sources, page);
        if !sentences.is_empty() {
            out.push('\n');
            out.push_str(&sentences);
        }
    }
    if !report.findings.is_empty() {
        out.push('\n');
        out.push_str(&finding::render(&report.findings, page));
    }
    if page.verbose > 0 && !report.sources.is_empty() {
        out.push('\n');
        out.push_str(&legend(page));
    }
    out
}

fn elsewhere(daemons: &[DaemonRow]) -> impl Iterator<Item = &DaemonRow> {
    daemons.iter().filter(|daemon| daemon.is_elsewhere())
}

fn named(daemon: &DaemonRow) -> String {
    let process = daemon.pid.map(|pid| format!(" (process {pid})"));
    format!("{}{}", daemon.name, process.unwrap_or_default())
}

fn headline(daemon: &DaemonRow) -> String {
    let mut text = format!("- {}", named(daemon));
    if daemon.container {
        text.push_str(" in a container");
    }
    // What is wrong with it stands in a finding, with the command.
    if daemon.hangs {
        text.push_str(" hangs");
        return text;
    }
    match daemon.holds_clock {
        Some(true) => text.push_str(" sets the clock"),
        Some(false) => text.push_str(" leaves the clock alone"),
        None => {}
    }
    if let Some(follows) = &daemon.follows {
        text.push_str(&format!(", follows {follows}"));
    }
    if let Some(problem) = &daemon.problem {
        text.push_str(&format!(": {problem}"));
    }
    text
}

fn details(daemon: &DaemonRow, page: &Page) -> String {
    let mut parts = Vec::new();
    if let Some(version) = &daemon.version {
        parts.push(format!("version {version}"));
    }
    if let Some(via) = &daemon.via {
        parts.push(format!("asked {}", way(via)));
    }
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            parts.push(format!("{name} {value}"));
        }
    };
    add("stratum", daemon.stratum.map(|n| n.to_string()));
    add("refid", daemon.refid.clone());
    add("leap", daemon.leap.clone());
    add("offset", daemon.offset_s.map(signed_seconds));
    add("maximum error", daemon.max_error_s.map(seconds));
    add(
        "frequency",
        daemon.frequency_ppm.map(|f| format!("{f:+.3} ppm")),
    );
    add("skew", daemon.skew_ppm.map(|f| format!("{f:.3} ppm")));
    add("RMS offset", daemon.rms_offset_s.map(seconds));
    add("root delay", daemon.root_delay_s.map(seconds));
    add("root dispersion", daemon.root_dispersion_s.map(seconds));
    add("last update", daemon.last_update.clone());
    add("update interval", daemon.update_interval_s.map(age));
    // One that could not be asked has told nothing.
    if parts.is_empty() {
        return String::new();
    }
    let text = format!("  {}: {}", daemon.name, parts.join(", "));
    format!("{}\n", wrap(text.trim_start(), page.width, 4))
}

/// How a daemon was asked, in words.
fn way(via: &str) -> &str {
    match via {
        "unix" => "through its control socket",
        "udp" => "on UDP port 323",
        "mode6" => "by control messages (mode 6)",
        "dbus" => "over the system bus",
        "files" => "by its files",
        "observe" => "through its observation socket",
        "ntpctl" => "through ntpctl",
        "probe" => "by nobody: its servers were asked directly",
        other => other,
    }
}

fn rows(sources: &[SourceRow], daemons: &[DaemonRow], page: &Page) -> String {
    let several = daemons.len() > 1;
    let wide = page.width.is_none_or(|width| width >= WIDE);
    let widest = page.width.is_none_or(|width| width >= WIDEST);
    let mut columns = vec![
        ("", Align::Left),
        ("State", Align::Left),
        ("Source", Align::Left),
        ("St", Align::Right),
        ("Poll", Align::Right),
        ("Reach", Align::Right),
        ("Last", Align::Right),
        ("Offset", Align::Right),
        ("±", Align::Right),
    ];
    if wide {
        columns.extend([
            ("Delay", Align::Right),
            ("Jitter", Align::Right),
            ("Auth", Align::Left),
            ("Address", Align::Left),
        ]);
    }
    if widest {
        columns.push(("Refid", Align::Left));
    }
    if several {
        columns.push(("Daemon", Align::Left));
    }
    let rows: Vec<Vec<String>> = sources
        .iter()
        .map(|s| {
            let mut row = vec![
                s.state.mark().to_owned(),
                cell(s.state.word(), s.state.color(), page.color),
                s.title().to_owned(),
                or_dash(s.stratum, |n| n.to_string()),
                or_dash(s.poll_interval_s, age),
                reach(s),
                or_dash(s.last_sample_age_s, age),
                or_dash(s.offset_s, signed_seconds),
                or_dash(s.error_s, seconds),
            ];
            if wide {
                let address = s.address.as_deref();
                let same = address.is_some() && s.name.as_deref() == address;
                row.extend([
                    or_dash(s.delay_s, seconds),
                    or_dash(s.jitter_s, seconds),
                    or_dash(s.authentication.map(Authentication::word), str::to_owned),
                    if same {
                        "\"".to_owned()
                    } else {
                        or_dash(address, str::to_owned)
                    },
                ]);
            }
            if widest {
                row.push(or_dash(s.refid.as_deref(), str::to_owned));
            }
            if several {
                row.push(owner(daemons, &s.daemon, s.daemon_pid));
            }
            row
        })
        .collect();
    table(&columns, &rows, page)
}

/// `377 8/8`: what the daemon's own tool shows, and what it means.
fn reach(source: &SourceRow) -> String {
    match (source.reach, source.reach_ok_of_8) {
        (Some(bits), Some(answered)) => format!("{bits:o} {answered}/8"),
        _ => "-".to_owned(),
    }
}

/// The sentences, each once for all the sources that it is true of.
fn sentences(sources: &[SourceRow], page: &Page) -> String {
    let mut said: Vec<(Vec<&str>, &str, Option<&str>)> = Vec::new();
    for source in sources {
        let Some(text) = source.text.as_deref() else {
            continue;
        };
        let next = source.next.as_deref();
        match said.iter_mut().find(|(_, t, n)| *t == text && *n == next) {
            Some((names, _, _)) if names.contains(&source.title()) => {}
            Some((names, _, _)) => names.push(source.title()),
            None => said.push((vec![source.title()], text, next)),
        }
    }
    let mut out = String::new();
    for (names, text, next) in said {
        let line = format!("{}: {text}", names.join(", "));
        let line = wrap(&line, page.width.map(|w| w.saturating_sub(2)), 0).replace('\n', "\n  ");
        out.push_str(&format!("{line}\n"));
        if let Some(next) = next {
            out.push_str(&format!("    {next}\n"));
        }
    }
    out
}

/// What every column means, with the names that chronyc and ntpq have for it.
const LEGEND: &[(&str, &str)] = &[
    (
        "State",
        "what the source is to the daemon. * selected: the clock follows it. + combined: good, and averaged in. - candidate: good, not used now. x falseticker: it contradicts the majority. ~ jittery: its measurements vary too much. ? unusable, unreachable or unresolved: the sentence below the table says why. chronyc's second character; ntpq's first has + for combined, - for outlier, # for surplus and a blank for unusable.",
    ),
    (
        "Source",
        "its name as configured, else its address. chronyc -N, ntpq's remote.",
    ),
    (
        "St",
        "stratum: how many steps it is from a reference clock; 0 or - is such a clock itself or unknown, 16 not synchronised. chronyc's Stratum, ntpq's st.",
    ),
    (
        "Poll",
        "how often it is asked. chronyc's Poll is its logarithm: 6 is 64 s. ntpq has it in seconds.",
    ),
    (
        "Reach",
        "the last eight polls as an octal number, and how many were answered: 377 is all of them, 1 is only the last. chronyc's Reach, ntpq's reach.",
    ),
    (
        "Last",
        "how long ago the last measurement was. chronyc's LastRx, ntpq's when.",
    ),
    (
        "Offset",
        "what must be added to this clock to agree with the source: + this clock is behind, - it is ahead. chronyc's Last sample has the opposite sign and before the brackets what is left of it; ntpq's offset is in milliseconds.",
    ),
    (
        "±",
        "how far the offset can be wrong: half the round trip, and what the source says of itself. chronyc's +/-.",
    ),
    (
        "Delay",
        "the round trip to the source. chronyc ntpdata's Peer delay, ntpq's delay.",
    ),
    (
        "Jitter",
        "how much the measurements vary. chronyc sourcestats' Std Dev, ntpq's jitter.",
    ),
    (
        "Auth",
        "how it is authenticated: none, key, nts. chronyc authdata's Mode.",
    ),
    (
        "Address",
        "where it is asked; \" where that is its name. chronyc sources -n.",
    ),
    (
        "Refid",
        "what the source follows itself: a code at stratum 1 (GPS, PPS, PTP), else its server's address, or a hash of one. chronyc ntpdata's Reference ID, ntpq's refid.",
    ),
    ("Daemon", "whose source it is, where several daemons run."),
];

fn legend(page: &Page) -> String {
    let mut out = String::from("What the columns mean:\n");
    for (name, text) in LEGEND {
        let line = wrap(text, page.width, 12);
        out.push_str(&format!("  {name:<8}  {line}\n"));
    }
    out
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
