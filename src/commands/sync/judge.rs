//! The vote over what was measured, and a sentence for every source that is not plainly good.

use super::choose::Plan;
use super::clocks;
use super::measure::Measured;
use crate::engine::checks::MAX_DISTANCE;
use crate::engine::checks::Rejection;
use crate::engine::probe::Finish;
use crate::engine::probe::Path;
use crate::engine::probe::PathEnd;
use crate::engine::probe::Source;
use crate::engine::vote;
use crate::engine::vote::Agreement;
use crate::engine::vote::Candidate;
use crate::engine::vote::Role;
use crate::exit::ExitStatus;
use crate::proto::refid::Kiss;
use crate::report::finding::Finding;
use crate::report::format::seconds;
use crate::report::format::signed_seconds;
use crate::report::sync;
use crate::report::sync::Action;
use crate::report::sync::RejectedReplies;
use crate::report::sync::SourceRow;
use crate::report::sync::SyncReport;
use crate::report::sync::Verdict;
use crate::sys::udp;

/// The report of a measurement, before anything is done about it. `action`, `text` and `status` say
/// what follows from the vote alone.
#[must_use]
pub fn report(plan: &Plan, measured: &Measured) -> SyncReport {
    let probe = &measured.probe;
    let candidates: Vec<Option<Candidate>> = probe.sources.iter().map(Source::candidate).collect();
    let network: Vec<Candidate> = candidates.iter().flatten().copied().collect();
    // What is known without the clocks of this machine: whether one of those shows TAI.
    let known = vote::vote(&network).map(|a| a.offset);
    let clocks: Vec<Option<Candidate>> = measured
        .clocks
        .iter()
        .map(|read| clocks::candidate(read.as_ref().ok()?, known))
        .collect();
    let voters: Vec<Candidate> = network
        .into_iter()
        .chain(clocks.iter().flatten().copied())
        .collect();
    let agreed = vote::vote(&voters);
    let mut rows = Vec::new();
    let mut roles = agreed.iter().flat_map(|a| a.roles.iter().copied());
    let mut role = |candidate: &Option<Candidate>| candidate.map(|_| roles.next());
    for (index, source) in probe.sources.iter().enumerate() {
        let role = role(&candidates[index]);
        rows.push(row(plan, measured, index, source, role, agreed.as_ref()));
    }
    for ((asked, read), candidate) in plan.clocks.iter().zip(&measured.clocks).zip(&clocks) {
        rows.push(clocks::row(
            asked,
            read,
            role(candidate),
            agreed.as_ref(),
            known,
        ));
    }
    for (asked, why) in &measured.unresolved {
        rows.push(unresolved(
            &plan.asked[*asked].name,
            plan.asked[*asked].port,
            why,
        ));
    }
    let result = agreed.as_ref().map(|a| sync::Result {
        offset_s: a.offset,
        error_bound_s: a.bound,
        jitter_s: (voters.len() > 1 || a.jitter > 0.0).then_some(a.jitter),
        truechimers: count(a.truechimers),
        voters: count(voters.len()),
    });
    let (action, status) = match (&result, voters.is_empty()) {
        (Some(_), _) => (Action::None, ExitStatus::Done),
        (None, false) => (Action::NoMajority, ExitStatus::NotHeld),
        (None, true) if all_refuse(&rows) => (Action::NoAnswer, ExitStatus::Unavailable),
        (None, true) => (Action::NoAnswer, ExitStatus::Unknown),
    };
    let mut findings = plan.findings.clone();
    findings.extend(asked_twice(plan, measured));
    findings.extend(wait_finding(measured, &rows));
    findings.extend(clocks::findings(&plan.clocks, &measured.clocks, known));
    let mut report = SyncReport {
        origin: plan.origin.clone(),
        sources: rows,
        result,
        action,
        text: String::new(),
        daemon: None,
        before: None,
        after: None,
        rtc: None,
        took_s: measured.took,
        packets: probe.packets(),
        findings,
        dry_run: false,
        status,
    };
    report.text = verdict(&report);
    match report.action {
        Action::NoMajority => disputes(&mut report),
        Action::NoAnswer => report.findings.extend(look_closer(&report.sources)),
        _ => {}
    }
    report
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn all_refuse(rows: &[SourceRow]) -> bool {
    !rows.is_empty() && rows.iter().all(|row| row.verdict == Verdict::Kiss)
}

/// What the vote says, in a sentence.
fn verdict(report: &SyncReport) -> String {
    match (&report.result, report.action) {
        (Some(result), _) => {
            let direction = if result.offset_s >= 0.0 { "behind" } else { "ahead" };
            let clocks = report.sources.iter().filter(|s| s.clock.is_some()).count();
            let who = match (result.truechimers, result.voters) {
                (1, 1) if clocks == report.sources.len() => "The clock that was read says".to_owned(),
                (all, voters) if all == voters && clocks > 0 && all > 1 => {
                    format!("All {all} sources agree")
                }
                (some, voters) if clocks > 0 && voters > 1 => format!("{some} of {voters} sources agree"),
                (1, 1) => "The only server that answered says".to_owned(),
                (2, 2) => "Both servers that answered agree".to_owned(),
                (all, voters) if all == voters => format!("All {all} servers that answered agree"),
                (some, voters) => format!("{some} of {voters} servers that answered agree"),
            };
            format!(
                "{who}: this clock is {} {direction}, give or take {}.",
                seconds(result.offset_s.abs()),
                seconds(result.error_bound_s)
            )
        }
        (None, Action::NoMajority) => {
            "No majority of the servers agrees, so nobody knows which of them is right; the clock was left alone.".to_owned()
        }
        (None, _) if report.sources.iter().all(|s| s.verdict == Verdict::Unresolved) => {
            "No name could be looked up, so there was nobody to ask. Name a server by its address to go without the resolver.".to_owned()
        }
        (None, _) if !report.sources.is_empty() && report.sources.iter().all(|s| s.clock.is_some()) => {
            "No clock of this machine could be used.".to_owned()
        }
        (None, _) => "No server gave a usable answer.".to_owned(),
    }
}

/// Names of servers that were named already.
fn asked_twice(plan: &Plan, measured: &Measured) -> Vec<Finding> {
    let twice = measured.duplicates.iter().map(|(asked, address)| {
        let name = &plan.asked[*asked].name;
        Finding::warning(format!(
            "{name} is {address}, which is asked already: a server has one vote, however often it is named"
        ))
    });
    twice.collect()
}

/// What to type when no server gave a usable answer: the same hosts, looked at more closely.
fn look_closer(rows: &[SourceRow]) -> Option<Finding> {
    let mut names: Vec<String> = Vec::new();
    let servers = rows.iter().filter(|row| row.clock.is_none());
    for row in servers.filter(|row| row.verdict != Verdict::Unresolved) {
        let name = match row.port {
            123 => row.name.clone(),
            port if row.name.contains(':') => format!("[{}]:{port}", row.name),
            port => format!("{}:{port}", row.name),
        };
        if !names.contains(&name) && names.len() < 4 {
            names.push(name);
        }
    }
    (!names.is_empty()).then(|| {
        Finding::info("why no answer came, packet by packet")
            .next(format!("clockbox check-port {}", names.join(" ")))
    })
}

/// Why the measurement waited, or did not.
fn wait_finding(measured: &Measured, rows: &[SourceRow]) -> Option<Finding> {
    match measured.finish {
        Finish::Majority(patience) if rows.iter().any(|r| r.verdict == Verdict::NotAwaited) => {
            Some(Finding::info(format!(
                "those who had not answered {} after the others agreed were not waited for: they could not have changed the result",
                seconds(patience)
            )))
        }
        Finish::TimedOut => Some(
            Finding::warning(format!("the time ran out after {}", seconds(measured.took)))
                .next(super::again(&["--timeout", "30"])),
        ),
        _ => None,
    }
}

/// A finding for a plan whose servers keep silent, when there is another plan.
#[must_use]
pub fn nobody_there(plan: &Plan, measured: &Measured) -> Finding {
    let unread = plan.clocks.iter().zip(&measured.clocks);
    let unread = unread.filter_map(|(clock, read)| {
        let why = read.as_ref().err()?;
        Some(format!("{} ({why})", clock.name))
    });
    let names: Vec<String> = plan
        .asked
        .iter()
        .map(|a| a.name.clone())
        .chain(unread)
        .collect();
    Finding::warning(format!(
        "{}: no usable answer from {}, so the next choice was asked",
        plan.origin.reason,
        names.join(", ")
    ))
}

fn unresolved(name: &str, port: u16, why: &str) -> SourceRow {
    let mut row = empty(name, port, Verdict::Unresolved);
    row.text = Some(format!("the name could not be looked up: {why}"));
    row
}

/// A row with nothing in it but its verdict.
#[must_use]
pub fn empty(name: &str, port: u16, verdict: Verdict) -> SourceRow {
    SourceRow {
        name: name.to_owned(),
        address: None,
        port,
        clock: None,
        verdict,
        text: None,
        stratum: None,
        refid: None,
        leap: None,
        offset_s: None,
        root_distance_s: None,
        delay_s: None,
        jitter_s: None,
        dispersion_s: None,
        root_delay_s: None,
        root_dispersion_s: None,
        samples: 0,
        packets_sent: 0,
        rejected: Vec::new(),
    }
}

fn row(
    plan: &Plan,
    measured: &Measured,
    index: usize,
    source: &Source,
    role: Option<Option<Role>>,
    agreed: Option<&Agreement>,
) -> SourceRow {
    let asked = &plan.asked[measured.asked[index]];
    let path = source.chosen.or_else(|| told_most(measured, source));
    let mut row = empty(&asked.name, asked.port, Verdict::Silent);
    row.address = path.map(|p| measured.addresses[p].ip().to_string());
    row.samples = count(source.samples.len());
    let mut rejected: Vec<RejectedReplies> = Vec::new();
    for &p in &source.paths {
        row.packets_sent += measured.probe.paths[p].sent;
        for reason in &measured.probe.paths[p].rejected {
            let reason = reason.to_string();
            match rejected.iter_mut().find(|r| r.reason == reason) {
                Some(known) => known.count += 1,
                None => rejected.push(RejectedReplies { reason, count: 1 }),
            }
        }
    }
    row.rejected = rejected;
    if let (Some((best, _)), Some(reply)) = (source.best(), &source.reply) {
        row.stratum = Some(reply.stratum);
        row.refid = Some(reply.refid.display(reply.stratum));
        row.leap = Some(reply.leap.word().to_owned());
        row.offset_s = Some(best.offset);
        row.delay_s = Some(best.delay);
        row.dispersion_s = Some(best.dispersion);
        row.root_delay_s = Some(best.root_delay);
        row.root_dispersion_s = Some(best.root_dispersion);
        row.jitter_s = (source.samples.len() > 1).then(|| source.jitter());
        row.root_distance_s = Some(best.root_distance());
    }
    (row.verdict, row.text) = match role {
        Some(role) => {
            let offset = source.best().map_or(0.0, |(s, _)| s.offset);
            voted(offset, role, agreed)
        }
        None if source.best().is_some() => too_distant(source),
        None => match path.map(|p| &measured.probe.paths[p]) {
            Some(path) => no_sample(path, measured),
            None => (
                Verdict::Silent,
                Some("it was not asked: the time ran out".to_owned()),
            ),
        },
    };
    row
}

/// Of a source's addresses that gave no sample, the one that says most about why.
fn told_most(measured: &Measured, source: &Source) -> Option<usize> {
    let weight = |p: &usize| match (&measured.probe.paths[*p].end, measured.probe.paths[*p].sent) {
        (_, 0) => 0,
        (Some(PathEnd::Unreachable(_)), _) => 1,
        (Some(PathEnd::Silent) | None, _) => 2,
        (Some(PathEnd::Refused), _) => 3,
        (Some(PathEnd::Unsynchronised | PathEnd::Kiss(_)), _) => 4,
    };
    source
        .paths
        .iter()
        .copied()
        .rev()
        .max_by_key(weight)
        .filter(|p| weight(p) > 0)
}

/// What the vote makes of a source with this offset.
pub(super) fn voted(
    offset: f64,
    role: Option<Role>,
    agreed: Option<&Agreement>,
) -> (Verdict, Option<String>) {
    match (role, agreed) {
        (Some(Role::Selected), _) => (Verdict::Selected, None),
        (Some(Role::Combined), _) => (Verdict::Combined, None),
        (Some(Role::Outlier), _) => (Verdict::Outlier, None),
        (Some(Role::Falseticker), Some(agreed)) => {
            let text = format!(
                "contradicts the majority: it is {} from what they agree on, more than its own error allows; it was not used",
                seconds((offset - agreed.offset).abs())
            );
            (Verdict::Falseticker, Some(text))
        }
        _ => (Verdict::Disputed, None),
    }
}

fn too_distant(source: &Source) -> (Verdict, Option<String>) {
    let (distance, root) = source.best().map_or((0.0, 0.0), |(s, _)| {
        (s.root_distance(), s.root_delay / 2.0 + s.root_dispersion)
    });
    let text = format!(
        "its root distance is {} and the limit {MAX_DISTANCE} s: it may be that wrong ({} of it is what the server says of itself)",
        seconds(distance),
        seconds(root)
    );
    (Verdict::TooDistant, Some(text))
}

fn no_sample(path: &Path, measured: &Measured) -> (Verdict, Option<String>) {
    let packets = if path.sent == 1 {
        "a packet".to_owned()
    } else {
        format!("{} packets", path.sent)
    };
    let (verdict, text) = match path.end {
        Some(PathEnd::Kiss(kiss)) => (Verdict::Kiss, kiss_words(kiss)),
        Some(PathEnd::Unsynchronised) => (
            Verdict::Unsynchronised,
            "it answers, but says that its own clock is not synchronised (leap 3, or stratum 0 or 16)".to_owned(),
        ),
        Some(PathEnd::Refused) => (
            Verdict::Refused,
            "nothing listens on that port there (ICMP port unreachable)".to_owned(),
        ),
        Some(PathEnd::Unreachable(udp::NOT_PERMITTED)) => (
            Verdict::Unreachable,
            "this machine's own packet filter lets no request out".to_owned(),
        ),
        Some(PathEnd::Unreachable(number)) => {
            (Verdict::Unreachable, format!("cannot be reached: {}", udp::errno_words(number)))
        }
        Some(PathEnd::Silent) | None if !path.rejected.is_empty() => {
            let why = path.rejected.first().map_or_else(String::new, Rejection::to_string);
            (Verdict::Invalid, format!("sent no valid reply: {why}"))
        }
        Some(PathEnd::Silent) | None => {
            let waited = matches!(measured.finish, Finish::Majority(_));
            if waited {
                (Verdict::NotAwaited, format!("no answer to {packets} when the others had settled it"))
            } else {
                let why = "dead, blocked by a firewall, or it refuses this client silently";
                (Verdict::Silent, format!("no answer to {packets}: {why}"))
            }
        }
    };
    (verdict, Some(text))
}

fn kiss_words(kiss: Kiss) -> String {
    match kiss {
        Kiss::Deny | Kiss::Rstr => format!("it refuses this client (kiss of death {kiss}): ask its operator for access"),
        Kiss::Rate => "it says that it is asked too often (kiss of death RATE): it was not asked again; wait some minutes".to_owned(),
        other => format!("kiss of death {other}"),
    }
}

/// Without a majority, who disagrees with whom.
fn disputes(report: &mut SyncReport) {
    let voters: Vec<(usize, String, f64, f64)> = report
        .sources
        .iter()
        .enumerate()
        .filter(|(_, row)| row.verdict == Verdict::Disputed)
        .filter_map(|(i, row)| {
            Some((
                i,
                report.label(row).to_owned(),
                row.offset_s?,
                row.root_distance_s?,
            ))
        })
        .collect();
    for (index, _, offset, distance) in &voters {
        let others: Vec<String> = voters
            .iter()
            .filter(|(_, _, other, far)| (offset - other).abs() > distance + far)
            .map(|(_, name, other, _)| format!("{name} by {}", signed_seconds(offset - other)))
            .collect();
        report.sources[*index].text = Some(if others.is_empty() {
            "agrees with the others, but they do not agree with each other".to_owned()
        } else {
            format!("contradicts {}", others.join(", "))
        });
    }
}
