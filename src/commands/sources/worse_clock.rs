//! A clock of the host that is worse than the servers beside it: on some sizes of virtual machine
//! it is noisy or off, and a daemon told to prefer it follows it all the same. Judged by what the daemon measured of both.

use super::observed::Observed;
use crate::conf::cloud::SMEARED;
use crate::report::finding::Finding;
use crate::report::format;
use crate::report::sources::SourceKind;
use crate::report::sources::SourceRow;
use crate::report::sources::State;

/// Farther apart than this, in seconds, the clocks are told of as a doubt about the time itself.
const APART_S: f64 = 1.0;
/// A clock that scatters less, in seconds, is good enough whatever the servers do.
const QUIET_S: f64 = 5e-5;
/// It scatters so many times more than the servers.
const TIMES: f64 = 2.0;
/// A second and a third witness: one server alone may be the one that is off.
const WITNESSES: usize = 2;
/// Measurements from which a scatter can be told.
const SAMPLES: u32 = 4;

/// What to say of a PTP clock that the daemon uses although its servers are better, if it does.
#[must_use]
pub fn finding(seen: &Observed) -> Option<Finding> {
    let clock = seen.sources.iter().find(|row| {
        let used = matches!(row.state, State::Selected | State::Combined);
        row.kind == SourceKind::Refclock && used && row.reference.is_some()
    })?;
    let servers: Vec<&SourceRow> = seen
        .sources
        .iter()
        .filter(|row| matches!(row.kind, SourceKind::Server | SourceKind::Peer))
        .filter(|row| row.answers() && !smears(row))
        .collect();
    let why = disagrees(clock, &servers).or_else(|| scatters(clock, &servers))?;
    let held: Vec<&str> = ["prefer", "trust"]
        .into_iter()
        .filter(|word| clock.options.iter().any(|option| option == word))
        .collect();
    let next = match held.is_empty() {
        true => {
            "let the servers decide: add noselect to its refclock line, then restart the daemon"
                .to_owned()
        }
        false => format!(
            "let the servers decide: take {} off its refclock line, then restart the daemon",
            held.join(" and ")
        ),
    };
    let text =
        format!("{why}. On some sizes of virtual machine the host's clock is worse than NTP");
    Some(Finding::warning(text).next(next))
}

/// The servers agree with each other and not with the clock, by more than both may be off.
fn disagrees(clock: &SourceRow, servers: &[&SourceRow]) -> Option<String> {
    let own = clock.offset_s?;
    let apart = |row: &&&SourceRow| {
        let by = row.offset_s? - own;
        let allowed = row.error_s? + clock.error_s.unwrap_or(0.0);
        (by.abs() > allowed && by.abs() < APART_S).then_some(by)
    };
    let mut by: Vec<f64> = servers.iter().filter_map(|row| apart(&row)).collect();
    by.sort_by(f64::total_cmp);
    let one_side = by.first()?.signum() == by.last()?.signum();
    let most = by.len() >= WITNESSES && 2 * by.len() > servers.len();
    let middle = by.get(by.len() / 2).copied()?;
    (most && one_side).then(|| {
        format!(
            "{} is {} {} {} of the {} servers, which is more than their errors allow",
            what(clock),
            format::seconds(middle.abs()),
            if middle > 0.0 { "behind" } else { "ahead of" },
            by.len(),
            servers.len()
        )
    })
}

/// The clock's measurements vary more than the servers' do, over the network.
fn scatters(clock: &SourceRow, servers: &[&SourceRow]) -> Option<String> {
    let of = |row: &SourceRow| {
        let enough = row.samples.is_none_or(|samples| samples >= SAMPLES);
        row.jitter_s.filter(|jitter| enough && *jitter > 0.0)
    };
    let own = of(clock).filter(|jitter| *jitter > QUIET_S)?;
    let mut others: Vec<f64> = servers.iter().filter_map(|row| of(row)).collect();
    others.sort_by(f64::total_cmp);
    let middle = others.get(others.len() / 2).copied()?;
    (others.len() >= WITNESSES && own > TIMES * middle).then(|| {
        format!(
            "{} scatters by {}, its servers by {}",
            what(clock),
            format::seconds(own),
            format::seconds(middle)
        )
    })
}

fn what(clock: &SourceRow) -> String {
    match &clock.reference {
        Some(reference) => format!("{} ({reference})", clock.title()),
        None => clock.title().to_owned(),
    }
}

/// Around a leap second a server that smears is off on purpose.
fn smears(row: &SourceRow) -> bool {
    let known = [&row.name, &row.address];
    known
        .into_iter()
        .flatten()
        .any(|text| SMEARED.contains(&text.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sources::DaemonRow;
    use crate::report::sources::explain::Limits;

    fn row(kind: SourceKind, state: State, offset: f64, error: f64, jitter: f64) -> SourceRow {
        let mut row = SourceRow::new("chronyd", kind, state);
        row.offset_s = Some(offset);
        row.error_s = Some(error);
        row.jitter_s = Some(jitter);
        row.samples = Some(20);
        row.set_reach(0o377);
        row
    }

    fn clock(offset: f64, jitter: f64) -> SourceRow {
        let mut clock = row(SourceKind::Refclock, State::Selected, offset, 1e-6, jitter);
        clock.name = Some("PHC0".to_owned());
        clock.reference = Some("/dev/ptp0, hyperv: the host's clock".to_owned());
        clock
    }

    fn server(name: &str, offset: f64) -> SourceRow {
        let mut server = row(SourceKind::Server, State::Candidate, offset, 2e-3, 1e-4);
        server.name = Some(name.to_owned());
        server
    }

    fn found(sources: Vec<SourceRow>) -> Option<Finding> {
        finding(&Observed {
            daemon: DaemonRow::new("chronyd"),
            sources,
            stats: vec![],
            limits: Limits::CHRONY,
        })
    }

    #[test]
    fn a_clock_that_the_servers_agree_to_be_off_is_named() {
        let mut phc = clock(0.0, 1e-6);
        phc.options = vec!["prefer".to_owned(), "trust".to_owned()];
        let told = found(vec![
            phc,
            server("a", 0.031),
            server("b", 0.03),
            server("c", 0.029),
        ]);
        let told = told.unwrap();
        assert!(
            told.text.contains(
                "PHC0 (/dev/ptp0, hyperv: the host's clock) is 30.0 ms behind 3 of the 3 servers"
            ),
            "{}",
            told.text
        );
        assert!(told.next.unwrap().contains("take prefer and trust off"));
        // Ahead; and a line that holds nothing.
        let told = found(vec![clock(0.03, 1e-6), server("a", 0.0), server("b", 0.0)]).unwrap();
        assert!(
            told.text.contains("30.0 ms ahead of 2 of the 2"),
            "{}",
            told.text
        );
        assert!(told.next.unwrap().contains("add noselect"));
    }

    #[test]
    fn a_clock_that_scatters_more_than_the_network_is_named() {
        let told = found(vec![clock(0.0, 3e-4), server("a", 0.0), server("b", 0.0)]).unwrap();
        assert!(
            told.text
                .contains("scatters by 300 µs, its servers by 100 µs"),
            "{}",
            told.text
        );
    }

    #[test]
    fn a_clock_that_may_be_right_is_let_alone() {
        // Within the servers' errors; one server alone; servers on either side.
        assert_eq!(
            found(vec![clock(0.0, 1e-6), server("a", 1e-3), server("b", 1e-3)]),
            None
        );
        assert_eq!(
            found(vec![clock(0.0, 1e-6), server("a", 0.03), server("b", 0.0)]),
            None
        );
        assert_eq!(found(vec![clock(0.0, 3e-4), server("a", 0.0)]), None);
        assert_eq!(
            found(vec![
                clock(0.0, 1e-6),
                server("a", 0.03),
                server("b", -0.03)
            ]),
            None
        );
        // Noise that is small, or of a few measurements.
        assert_eq!(
            found(vec![clock(0.0, 3e-5), server("a", 0.0), server("b", 0.0)]),
            None
        );
        let mut new = clock(0.0, 3e-4);
        new.samples = Some(2);
        assert_eq!(found(vec![new, server("a", 0.0), server("b", 0.0)]), None);
        // Not followed: its own row says why. Smearing servers are no witnesses.
        let mut aside = clock(0.0, 1e-6);
        aside.state = State::Falseticker;
        assert_eq!(
            found(vec![aside, server("a", 0.03), server("b", 0.03)]),
            None
        );
        let google = ["time1.google.com", "time2.google.com"];
        let mut all = vec![clock(0.0, 1e-6)];
        all.extend(google.iter().map(|name| server(name, 0.3)));
        assert_eq!(found(all), None);
    }
}
