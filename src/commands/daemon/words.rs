//! What the engine says, in plain words: one line each.

use crate::engine::Note;
use crate::engine::reply::Rejection;
use crate::engine::system::Standing;
use crate::report::format;
use crate::sys::log::Level;

/// True for what is logged without `--verbose` too.
#[must_use]
pub const fn important(note: &Note) -> bool {
    match note {
        Note::Measured { .. }
        | Note::LongerRoute { .. }
        | Note::Refused { .. }
        | Note::MonoRoot { .. } => false,
        Note::Rejected { why, .. } => matches!(why, Rejection::Kiss(_)),
        Note::Corrected { stepped, .. } => *stepped,
        Note::Voted { .. }
        | Note::Moved { .. }
        | Note::Lost { .. }
        | Note::Jumped { .. }
        | Note::TooLarge(_)
        | Note::KeepsTai { .. }
        | Note::Unreadable { .. }
        | Note::SetByOthers
        | Note::Leap(_)
        | Note::FallBack(_)
        | Note::Migrated
        | Note::Resumed { .. }
        | Note::NotResumed(_)
        | Note::Slept(_) => true,
    }
}

/// How much it matters.
#[must_use]
pub const fn level(note: &Note) -> Level {
    match note {
        Note::TooLarge(_) => Level::Error,
        Note::SetByOthers
        | Note::Migrated
        | Note::Rejected { .. }
        | Note::Unreadable { .. }
        | Note::Jumped { .. } => Level::Warning,
        Note::Corrected { stepped: true, .. } => Level::Notice,
        _ => Level::Info,
    }
}

/// The line; without `control` the clock is only measured.
#[must_use]
pub fn line(note: &Note, control: bool) -> String {
    match note {
        Note::Measured {
            source,
            offset,
            delay,
            filtered,
        } => measured(source, *offset, *delay, *filtered),
        Note::MonoRoot {
            source,
            answers: true,
        } => format!("{source}: it says what it does to its own clock (extfield F323)"),
        Note::MonoRoot { source, .. } => {
            format!("{source}: it does not answer with the extension field F323")
        }
        Note::Rejected { source, why } => format!("{source}: reply not used: {}", why.words()),
        Note::Refused { source, reason } => format!("{source}: {reason}"),
        Note::Unreadable { source, reason } => {
            format!("{source} is not used: {reason}; it is tried again")
        }
        Note::Moved {
            source,
            from,
            to,
            why,
        } => format!("{source}: {from} is replaced by {to}: {why}"),
        Note::Lost { source } => {
            format!("no source answers, {source} not for too long: the time is unsynchronised")
        }
        Note::Voted { standings, best } => voted(standings, best.as_deref()),
        Note::Corrected {
            offset,
            uncertainty,
            frequency: (ppm, skew),
            stepped,
        } => format!(
            "{} {} (± {}), frequency {ppm:+.4} ± {skew:.4} ppm",
            match (control, stepped) {
                (false, _) => "the clock is off by",
                (true, true) => "stepped the clock by",
                (true, false) => "correcting",
            },
            format::signed_seconds(*offset),
            format::seconds(*uncertainty)
        ),
        Note::TooLarge(offset) => format!(
            "the offset of {} is more than maxchange allows; nothing done",
            format::signed_seconds(*offset)
        ),
        Note::LongerRoute { source, by } => {
            format!("{source}: the route became {} longer", format::seconds(*by))
        }
        Note::Jumped { source, by } => format!(
            "{source}: its time jumped by {} against this machine's oscillator",
            format::signed_seconds(*by)
        ),
        Note::KeepsTai { source, ahead } => keeps_tai(source, *ahead),
        Note::Leap(sign) => format!(
            "a leap second is {} now",
            if *sign > 0 { "inserted" } else { "deleted" }
        ),
        Note::FallBack(ppm) => format!(
            "nothing heard for long; running on a longer mean of the frequency, {ppm:+.4} ppm"
        ),
        Note::Migrated => {
            "the machine was moved to another host, whose clock runs differently; measuring anew"
                .to_owned()
        }
        Note::SetByOthers => "something else set the clock; putting it back".to_owned(),
        Note::Resumed { sources, samples } => {
            format!("going on with {samples} measurements of {sources} sources from the last run")
        }
        Note::NotResumed(stale) => {
            format!(
                "measurements of the last run are not used: {}",
                stale.words()
            )
        }
        Note::Slept(seconds) => format!("the machine slept for {seconds:.1} s; measuring anew"),
    }
}

fn keeps_tai(source: &str, ahead: i32) -> String {
    format!(
        "{source} is {ahead} s ahead of what is known of the time, as a clock that keeps TAI is, and its line \
         does not say so: it is not used; add the option tai (or offset -{ahead}) to its refclock line"
    )
}

fn measured(source: &str, offset: f64, delay: Option<f64>, filtered: Option<(f64, f64)>) -> String {
    let offset = format::signed_seconds(offset);
    let delay = delay.map_or_else(String::new, |delay| {
        format!(", round trip {}", format::seconds(delay))
    });
    let filtered = filtered.map_or_else(String::new, |(offset, sd)| {
        format!(
            "; estimate {} ± {}",
            format::signed_seconds(offset),
            format::seconds(sd)
        )
    });
    format!("{source}: offset {offset}{delay}{filtered}")
}

fn voted(standings: &[(String, Standing)], best: Option<&str>) -> String {
    let of = |wanted: Standing| {
        let names: Vec<&str> = standings
            .iter()
            .filter(|(_, s)| *s == wanted)
            .map(|(name, _)| name.as_str())
            .collect();
        names.join(", ")
    };
    let mut text = match best {
        Some(best) => format!("following {best}, combined: {}", of(Standing::Combined)),
        None => "no majority to follow yet".to_owned(),
    };
    for (standing, words) in [
        (Standing::Falseticker, "wrong by the others' majority"),
        (Standing::Outlier, "far from what the others have in common"),
        (Standing::TooFar, "too far from the truth to be used"),
    ] {
        let names = of(standing);
        if !names.is_empty() {
            text.push_str(&format!("; {words}: {names}"));
        }
    }
    text
}
