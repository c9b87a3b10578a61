//! What the engine says, in plain words: one line each.

use crate::engine::Note;
use crate::engine::reply::Rejection;
use crate::engine::system::Standing;
use crate::report::format;

/// True for what is logged without `--verbose` too.
#[must_use]
pub const fn important(note: &Note) -> bool {
    match note {
        Note::Measured { .. } | Note::LongerRoute { .. } | Note::Refused { .. } => false,
        Note::Rejected { why, .. } => matches!(why, Rejection::Kiss(_)),
        Note::Corrected { stepped, .. } => *stepped,
        Note::Voted { .. }
        | Note::Jumped { .. }
        | Note::TooLarge(_)
        | Note::SetByOthers
        | Note::Slept(_) => true,
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
        } => {
            let filtered = filtered.map_or_else(String::new, |(offset, sd)| {
                format!(
                    "; estimate {} ± {}",
                    format::signed_seconds(offset),
                    format::seconds(sd)
                )
            });
            format!(
                "{source}: offset {}, round trip {}{filtered}",
                format::signed_seconds(*offset),
                format::seconds(*delay)
            )
        }
        Note::Rejected { source, why } => format!("{source}: reply not used: {}", why.words()),
        Note::Refused { source, reason } => format!("{source}: {reason}"),
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
        Note::SetByOthers => "something else set the clock; putting it back".to_owned(),
        Note::Slept(seconds) => format!("the machine slept for {seconds:.1} s; measuring anew"),
    }
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
