//! What a row means, in plain words: the state, why (the limit and the value), whether to wait and
//! how long, or what to type. Pure: a row goes in, a sentence comes out.

use super::SourceKind;
use super::SourceRow;
use super::State;
use crate::report::format::age;
use crate::report::format::seconds;

/// The limits of the daemon that a sentence needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Measurements may vary by this much (chronyd's maxjitter).
    pub max_jitter_s: f64,
    /// The root distance may be this large (chronyd's maxdistance).
    pub max_distance_s: f64,
    /// As many sources must be selectable (chronyd's minsources, ntpd's minsane).
    pub min_sources: u32,
    /// So many measurements are needed before a source counts.
    pub min_samples: u32,
    /// How long the daemon has run; `None` when that is not known.
    pub running_s: Option<f64>,
}

impl Limits {
    /// chronyd's defaults.
    pub const CHRONY: Self = Self {
        max_jitter_s: 1.0,
        max_distance_s: 3.0,
        min_sources: 1,
        min_samples: 3,
        running_s: None,
    };
    /// ntpd's defaults.
    pub const NTPD: Self = Self {
        max_jitter_s: 1.0,
        max_distance_s: 1.5,
        min_sources: 1,
        min_samples: 4,
        running_s: None,
    };
}

/// What is said of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The sentence.
    pub text: String,
    /// What to type.
    pub next: Option<String>,
}

fn say(text: impl Into<String>) -> Advice {
    Advice {
        text: text.into(),
        next: None,
    }
}

impl Advice {
    fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

/// Offsets from which on a sentence says how far the clock is off by a source's word.
const FAR_OFF_S: f64 = 0.5;
/// TAI minus UTC since 2017.
const TAI_OFFSET_S: f64 = 37.0;
/// What a reference clock on TAI wants.
pub const TAI_OPTION: &str = "Its refclock line wants the option tai (offset -37 before chrony 3.3), the daemon then a restart";

/// The sentence for a row, `None` when it is plainly good and says so by itself.
#[must_use]
pub fn explain(row: &SourceRow, limits: &Limits) -> Option<Advice> {
    if tai(row) {
        let what = row.reference.as_deref().unwrap_or("it");
        return Some(Advice {
            next: row.edit(),
            ..say(format!(
                "{what} runs on TAI, which is {TAI_OFFSET_S} s ahead of UTC: its {} are no error of this clock. {TAI_OPTION}",
                row.offset_s.map_or("37 s".to_owned(), seconds)
            ))
        });
    }
    let advice = match row.state {
        State::Selected => selected(row),
        State::Combined => None,
        State::Candidate => Some(candidate(row)),
        State::Falseticker => Some(falseticker(row)),
        State::Jittery => Some(jittery(row, limits)),
        State::Unusable => Some(unusable(row, limits)),
        State::Unreachable => Some(unreachable(row, limits)),
        State::Unresolved => Some(unresolved(row)),
        State::Kiss => Some(
            say(
                "it refuses this machine (kiss of death): too many requests, or this network is not served. Take another server",
            )
            .next("clockbox sources set HOST..."),
        ),
        State::Unknown => unknown(row),
    };
    introduced(row, advice)
}

/// A reference clock's letters say nothing: which device it is, and whose clock, comes first.
fn introduced(row: &SourceRow, advice: Option<Advice>) -> Option<Advice> {
    let Some(reference) = row
        .reference
        .as_ref()
        .filter(|_| row.kind == SourceKind::Refclock)
    else {
        return advice;
    };
    let Some(mut advice) = advice else {
        return Some(say(reference.clone()));
    };
    if !advice.text.contains(reference.as_str()) {
        let mut letters = advice.text.chars();
        let first = letters.next().map(|c| c.to_uppercase().to_string());
        advice.text = format!(
            "{reference}. {}{}",
            first.unwrap_or_default(),
            letters.as_str()
        );
    }
    Some(advice)
}

/// A clock of this machine that is 37 s off by all appearances.
fn tai(row: &SourceRow) -> bool {
    let off = row.offset_s.unwrap_or(0.0).abs();
    row.kind == SourceKind::Refclock && (off - TAI_OFFSET_S).abs() < 0.5
}

fn selected(row: &SourceRow) -> Option<Advice> {
    let mut parts = Vec::new();
    if row.kind == SourceKind::Refclock
        && let Some(reference) = &row.reference
    {
        parts.push(format!(
            "{reference}. The clock follows it: that is success, no server is needed"
        ));
    }
    if row.kind == SourceKind::Local {
        return Some(say(
            "this is the machine's own clock as a last resort: it agrees with itself, right or wrong",
        )
        .next("clockbox sync --dry-run pool.ntp.org"));
    }
    if let Some(offset) = row.offset_s.filter(|o| o.abs() >= FAR_OFF_S) {
        parts.push(format!(
            "the clock follows it and is still {}: the daemon is correcting that",
            direction(offset)
        ));
        let text = parts.join(". ");
        let next = if row.daemon == "chronyd" {
            "chronyc makestep"
        } else {
            "clockbox sync --step"
        };
        return Some(say(format!("{text}; a step does it at once")).next(next));
    }
    if row.reach == Some(0) {
        parts.push(
            "still selected, but none of its last eight polls was answered: it will be dropped"
                .to_owned(),
        );
    }
    if parts.is_empty() {
        return None;
    }
    Some(say(parts.join(". ")))
}

fn candidate(row: &SourceRow) -> Advice {
    let text = match row.selection.as_deref() {
        Some("W") => {
            "good, but the daemon waits for more good sources before it follows any (minsources, or a source with require)"
                .to_owned()
        }
        Some("P") => "good, but another source has the option prefer and is good too".to_owned(),
        Some("U") => "good; it will be used after its next measurement".to_owned(),
        Some("D") => {
            "good, but too far away to improve the result beside the selected one".to_owned()
        }
        _ => match row.error_s {
            Some(error) => format!(
                "good, but not averaged in: its error bound of {} is large beside the selected one's. Nothing to do",
                seconds(error)
            ),
            None => "good, but not needed now. Nothing to do".to_owned(),
        },
    };
    say(text)
}

fn falseticker(row: &SourceRow) -> Advice {
    let off = row.offset_s.map_or(String::new(), |offset| {
        format!(" (the clock is {} by its word)", direction(offset))
    });
    say(format!(
        "it contradicts the majority of the sources{off}: either it is wrong, or the others are. It is not used; a few others can tell who is right"
    ))
    .next(format!(
        "clockbox sync --dry-run --pool pool.ntp.org {}",
        row.address.as_deref().unwrap_or(row.title())
    ))
}

/// Where no source is good there is no majority: those that are called false contradict each other.
pub fn contradictions(rows: &mut [SourceRow]) {
    let is_false = |row: &SourceRow| row.state == State::Falseticker;
    let count = rows.iter().filter(|row| is_false(row)).count();
    if count < 2 || rows.iter().any(|row| row.state.is_good()) {
        return;
    }
    let names: Vec<String> = rows
        .iter()
        .filter(|row| is_false(row))
        .map(|row| row.title().to_owned())
        .collect();
    for row in rows.iter_mut().filter(|row| is_false(row)) {
        let word = row.offset_s.map_or(String::new(), |offset| {
            format!(" (the clock is {} by its word)", direction(offset))
        });
        let other = names.iter().find(|name| *name != row.title());
        let (text, next) = match (count, other) {
            (2, Some(other)) => (
                format!(
                    "it and {other} contradict each other{word}: one of the two is wrong, and two cannot tell which. Neither is used; add a third"
                ),
                "clockbox sources set --add HOST...",
            ),
            _ => (
                format!(
                    "{count} sources contradict each other{word}, and no majority of them agrees: none is used"
                ),
                "clockbox sync --dry-run --pool pool.ntp.org",
            ),
        };
        (row.text, row.next) = (Some(text), Some(next.to_owned()));
    }
}

fn jittery(row: &SourceRow, limits: &Limits) -> Advice {
    let mut text = match row.jitter_s.filter(|j| *j > limits.max_jitter_s) {
        Some(jitter) => format!(
            "too variable: its measurements vary by {}, at most {} is accepted (maxjitter)",
            seconds(jitter),
            seconds(limits.max_jitter_s)
        ),
        None => format!(
            "too variable: its measurements vary by more than {} (maxjitter)",
            seconds(limits.max_jitter_s)
        ),
    };
    match row.offset_s.filter(|o| o.abs() >= FAR_OFF_S) {
        Some(offset) => text.push_str(&format!(
            ". By its word the clock is {}. That happens when the clock was stepped or ran off between two measurements; the older ones drop out with time",
            direction(offset)
        )),
        None => text.push_str(
            ". That happens after the clock was stepped, or on a path whose delay varies; the older measurements drop out with time",
        ),
    }
    let wait = row.poll_interval_s.map(|poll| age(poll * 4.0));
    let wait = wait.unwrap_or_else(|| "a few polls".to_owned());
    text.push_str(&format!(". Wait {wait} and look again"));
    let next = if row.daemon == "chronyd" {
        text.push_str("; a burst of measurements makes it shorter");
        "chronyc burst 4/4"
    } else {
        "clockbox sources"
    };
    say(text).next(next)
}

fn unusable(row: &SourceRow, limits: &Limits) -> Advice {
    match row.selection.as_deref() {
        Some("N") => {
            return say("the option noselect: it is measured and never used, as configured");
        }
        Some("s") => {
            return say("the server says of itself that its clock is not synchronised: wait for it, or take another")
                .next("clockbox sources set HOST...");
        }
        Some("r") => {
            return say(format!(
                "its stratum {} is outside minstratum and maxstratum",
                row.stratum.map_or("?".to_owned(), |n| n.to_string())
            ));
        }
        Some("d") => return distant(row, limits),
        Some("w") => {
            return say(
                "good so far; the daemon waits until the other sources have enough measurements too",
            );
        }
        Some("S") => {
            return say("its measurements are older than those of the sources that answer");
        }
        Some("O") => {
            return say(
                "its stratum is that of the orphan mode (local orphan): it serves its own clock for want of a source",
            );
        }
        Some("T") => {
            return say("it does not agree with the sources that have the option trust");
        }
        _ => {}
    }
    if row.stratum == Some(16) {
        return say("the server says of itself that its clock is not synchronised (stratum 16): wait for it, or take another")
            .next("clockbox sources set HOST...");
    }
    if row
        .root_distance_s
        .is_some_and(|d| d > limits.max_distance_s)
    {
        if let Some(advice) = filling(row, limits) {
            return advice;
        }
        return distant(row, limits);
    }
    too_new(row, limits)
}

fn too_new(row: &SourceRow, limits: &Limits) -> Advice {
    let have = row
        .samples
        .or(row.reach_ok_of_8.map(u32::from))
        .unwrap_or(0);
    let missing = limits.min_samples.saturating_sub(have);
    if missing == 0 {
        return say(
            "it answers, and the daemon has not settled yet whether to use it: it waits for more measurements of all sources. Look again in a minute",
        )
        .next("clockbox sources");
    }
    let count = match have {
        0 => "no measurement yet".to_owned(),
        1 => "one measurement so far".to_owned(),
        n => format!("{n} measurements so far"),
    };
    let wait = row
        .poll_interval_s
        .map_or("a few polls".to_owned(), |poll| {
            age(poll * f64::from(missing))
        });
    if row.options.iter().any(|option| option == "iburst") {
        return say(format!(
            "too new: {count}, it counts from {} on. Its iburst takes some 6 s after a start: look again then",
            limits.min_samples
        ))
        .next("clockbox sources --watch");
    }
    say(format!(
        "too new: {count}, it counts from {} on. Wait about {wait}; with the option iburst on its line it takes some 6 s after a start",
        limits.min_samples
    ))
    .next("clockbox sources --watch")
}

/// ntpd counts 16 s of dispersion for each measurement that it lacks: until it has a few, the root
/// distance says nothing of the server.
fn filling(row: &SourceRow, limits: &Limits) -> Option<Advice> {
    let answered = row.reach_ok_of_8.map(u32::from)?;
    let ntpd = matches!(row.daemon.as_str(), "ntpd" | "ntpsec");
    if !ntpd || answered >= limits.min_samples {
        return None;
    }
    let iburst = row.options.iter().any(|option| option == "iburst");
    let wait = match (iburst, row.poll_interval_s) {
        (true, _) => "10 s".to_owned(),
        (false, Some(poll)) => age(poll * f64::from(limits.min_samples - answered)),
        (false, None) => "a few polls".to_owned(),
    };
    let distance = row.root_distance_s.map_or(String::new(), |distance| {
        format!(" (a root distance of {})", seconds(distance))
    });
    Some(
        say(format!(
            "just started: {} has too few measurements of it, and counts each that is missing as an error{distance}. Wait about {wait}",
            row.daemon
        ))
        .next("clockbox sources --watch"),
    )
}

fn distant(row: &SourceRow, limits: &Limits) -> Advice {
    let value = row
        .root_distance_s
        .or(row.error_s)
        .map_or("its value".to_owned(), seconds);
    let word = match row.daemon.as_str() {
        "ntpd" | "ntpsec" => "tos maxdist",
        _ => "maxdistance",
    };
    say(format!(
        "too far from a true clock: it states a root distance of {value}, at most {} is accepted. Windows servers often state seconds. Take a better server, or raise {word} on purpose",
        seconds(limits.max_distance_s)
    ))
    .next("clockbox sources set HOST...")
}

fn unreachable(row: &SourceRow, limits: &Limits) -> Advice {
    if row.kind == SourceKind::Refclock {
        let what = row.reference.as_deref().unwrap_or("it");
        return say(format!(
            "{what} gives no time: the device is missing, or its driver or daemon does not run"
        ));
    }
    let just_started = limits.running_s.is_some_and(|s| s < 10.0);
    if just_started {
        return say("no reply yet; the daemon has just started: look again in ten seconds")
            .next("clockbox sources");
    }
    let whom = row.address.as_deref().unwrap_or(row.title());
    let polls = match row.last_sample_age_s {
        Some(last) => format!(
            "no reply to the last eight polls; the last one came {} ago",
            age(last)
        ),
        None => "it has never answered".to_owned(),
    };
    say(format!(
        "{polls}: UDP port 123 is blocked on the way, or nothing answers there"
    ))
    .next(format!("clockbox check-port {whom}"))
}

fn unresolved(row: &SourceRow) -> Advice {
    let name = row.title();
    say("the name has no address: it is misspelt, or the name service does not answer".to_owned())
        .next(format!("getent ahosts {name}"))
}

fn unknown(row: &SourceRow) -> Option<Advice> {
    if row.kind == SourceKind::Pool {
        return Some(say(
            "a pool's line: the servers that are found for it have rows of their own",
        ));
    }
    if row.reach == Some(0) {
        return Some(say("no reply to the last eight polls"));
    }
    let offset = row.offset_s.filter(|o| o.abs() >= FAR_OFF_S)?;
    Some(say(format!(
        "by its word the clock is {}",
        direction(offset)
    )))
}

/// `350 s behind`.
#[must_use]
pub fn direction(offset: f64) -> String {
    let side = if offset >= 0.0 { "behind" } else { "ahead" };
    format!("{} {side}", seconds(offset.abs()))
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
