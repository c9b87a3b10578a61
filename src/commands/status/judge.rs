//! Is the clock right? Pure: what the daemons, their sources and the kernel say goes in, a verdict
//! comes out.

use crate::commands::sources::list::lost;
use crate::commands::sources::probed;
use crate::report::finding::Finding;
use crate::report::finding::Severity;
use crate::report::format::seconds;
use crate::report::sources::DaemonRow;
use crate::report::sources::SourceRow;
use crate::report::sources::explain::direction;
use crate::report::status::Verdict;
use crate::report::status::ago;

/// An offset under this is no fault, however small a bound a PTP clock states.
const FLOOR_S: f64 = 1e-3;

/// What was concluded.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The word.
    pub verdict: Verdict,
    /// The sentence.
    pub text: String,
    /// How far the clock is off; positive: it is behind.
    pub offset_s: Option<f64>,
    /// How far that can be wrong.
    pub error_bound_s: Option<f64>,
    /// How old that is.
    pub age_s: Option<f64>,
    /// Whose word it is.
    pub witness: Option<String>,
}

/// Judges. `doubts` are the findings about sources and daemons; an error among them contradicts the
/// daemon. `kernel` is the kernel's flag.
#[must_use]
pub fn judge(
    daemons: &[DaemonRow],
    sources: &[SourceRow],
    doubts: &[Finding],
    kernel: Option<bool>,
) -> Judgement {
    let flag = match kernel {
        Some(true) => ". The kernel's flag says synchronised: that is a flag, no proof",
        _ => "",
    };
    let witness = daemons
        .iter()
        .filter(|d| d.synchronised == Some(true) && !d.local_reference)
        .min_by_key(|d| !d.may_steer());
    let Some(daemon) = witness else {
        return without_daemon(daemons, sources, flag);
    };
    let own = daemon
        .root_delay_s
        .zip(daemon.root_dispersion_s)
        .map(|(delay, dispersion)| delay / 2.0 + dispersion);
    let mut judgement = Judgement {
        verdict: Verdict::Right,
        text: String::new(),
        offset_s: daemon.offset_s,
        error_bound_s: own,
        age_s: daemon.last_update_age_s,
        witness: Some(daemon.name.clone()),
    };
    let error = doubts
        .iter()
        .find(|finding| finding.severity == Severity::Error);
    let off = daemon
        .offset_s
        .filter(|offset| offset.abs() > own.unwrap_or(0.0).max(FLOOR_S));
    let follows = daemon.follows.as_deref().unwrap_or("a source");
    if let Some(error) = error {
        judgement.verdict = Verdict::NotRight;
        judgement.text = format!("The time is not right: {}{flag}", error.text);
        return judgement;
    }
    if let Some(offset) = off {
        judgement.verdict = Verdict::NotRight;
        let doing = if daemon.holds_clock == Some(false) {
            "and leaves the clock alone"
        } else {
            "and is correcting it"
        };
        judgement.text = format!(
            "The time is not right: the clock is {}, says {}, which follows {follows} {doing}{flag}",
            direction(offset),
            daemon.called(daemons)
        );
        return judgement;
    }
    let offset = daemon.offset_s.map_or(String::new(), |o| {
        format!(": the clock is {}", direction(o))
    });
    let bound = own.map_or(String::new(), |b| format!(", within {}", seconds(b)));
    let since = daemon
        .last_update_age_s
        .map_or(String::new(), |s| format!(", as of {}", ago(s)));
    if daemon.holds_clock == Some(false) && !daemons.iter().any(|d| d.holds_clock == Some(true)) {
        judgement.verdict = Verdict::NotKept;
        let lookers: Vec<String> = daemons
            .iter()
            .filter(|d| d.holds_clock == Some(false) && d.name != probed::NAME)
            .map(|d| d.called(daemons))
            .collect();
        let (look, leave) = if lookers.len() > 1 {
            ("look", "leave")
        } else {
            ("looks", "leaves")
        };
        judgement.text = format!(
            "The time is right now{offset}{bound}{since}. But nothing keeps it: {} only {look} and {leave} the clock alone",
            lookers.join(" and ")
        );
        return judgement;
    }
    judgement.text = format!(
        "The time is right{offset}{bound}{since}. {} follows {follows}",
        daemon.called(daemons)
    );
    judgement
}

fn without_daemon(daemons: &[DaemonRow], sources: &[SourceRow], flag: &str) -> Judgement {
    let mut judgement = Judgement {
        verdict: Verdict::Unknown,
        text: String::new(),
        offset_s: None,
        error_bound_s: None,
        age_s: None,
        witness: None,
    };
    let probe = daemons
        .iter()
        .find(|d| d.name == probed::NAME && d.offset_s.is_some());
    let why = nobody_follows(daemons, sources);
    let kept = here(daemons).any(|d| d.synchronised.is_none() && d.may_steer() && !d.hangs);
    if let Some(probe) = probe {
        measured(&mut judgement, probe, &why, kept, flag);
        return judgement;
    }
    let voices: Vec<f64> = sources
        .iter()
        .filter(|row| row.error_s.is_some())
        .filter_map(|row| row.offset_s)
        .collect();
    if let Some(worst) = voices
        .iter()
        .copied()
        .max_by(|a, b| a.abs().total_cmp(&b.abs()))
        && voices
            .iter()
            .all(|o| o.abs() >= 1.0 && o.signum() == worst.signum())
    {
        judgement.verdict = Verdict::NotRight;
        judgement.offset_s = Some(worst);
        judgement.text = format!(
            "The time is not right: {why}, and its sources say that the clock is {}{flag}",
            direction(worst)
        );
        return judgement;
    }
    if here(daemons).any(|d| d.local_reference || d.synchronised == Some(false)) {
        judgement.verdict = Verdict::NotKept;
        judgement.text = format!("The time may be wrong: {why}{flag}");
    } else {
        let asked: Vec<&SourceRow> = sources
            .iter()
            .filter(|row| row.daemon == probed::NAME)
            .collect();
        let direct = match asked.is_empty() {
            true => String::new(),
            false => format!(
                ". The configured servers were asked directly, and {}",
                probed::unanimous(asked.into_iter())
            ),
        };
        judgement.text = format!("Whether the time is right cannot be told: {why}{direct}{flag}");
    }
    judgement
}

/// Those whose word about this clock counts, but for the servers that were asked directly.
fn here(daemons: &[DaemonRow]) -> impl Iterator<Item = &DaemonRow> {
    let counts = |d: &&DaemonRow| d.name != probed::NAME && !d.is_elsewhere();
    daemons.iter().filter(counts)
}

/// Why no daemon's word can be taken.
fn nobody_follows(daemons: &[DaemonRow], sources: &[SourceRow]) -> String {
    if let Some(daemon) = here(daemons).find(|d| d.local_reference) {
        format!(
            "{} serves this machine's own clock, held to nothing",
            daemon.called(daemons)
        )
    } else if let Some((daemon, since)) = here(daemons).find_map(|d| Some((d, d.coasts_s()?))) {
        format!(
            "{}, and the clock has run on alone since its last update {}",
            lost(&daemon.called(daemons), daemon, sources),
            ago(since)
        )
    } else if let Some(daemon) = here(daemons).find(|d| d.synchronised == Some(false)) {
        format!("{} follows no source", daemon.called(daemons))
    } else if let Some(daemon) = here(daemons).find(|d| d.hangs) {
        format!("{} hangs and answers nobody", daemon.called(daemons))
    } else if let Some(daemon) = here(daemons).find(|d| d.problem.is_some()) {
        format!(
            "{} runs but does not tell ({})",
            daemon.called(daemons),
            daemon.problem.as_deref().unwrap_or_default()
        )
    } else if daemons.iter().any(DaemonRow::is_elsewhere) {
        "no time daemon runs but in containers, and there they leave the clock alone".to_owned()
    } else {
        "no time daemon runs".to_owned()
    }
}

/// What the servers say that were asked directly.
fn measured(judgement: &mut Judgement, probe: &DaemonRow, why: &str, kept: bool, flag: &str) {
    let offset = probe.offset_s.unwrap_or(0.0);
    let bound = probe.max_error_s.map(|max| (max - offset.abs()).max(0.0));
    judgement.offset_s = Some(offset);
    judgement.error_bound_s = bound;
    judgement.age_s = Some(0.0);
    judgement.witness = Some(probed::NAME.to_owned());
    let wrong = offset.abs() > bound.unwrap_or(0.0).max(FLOOR_S);
    let measured = format!(
        "the configured servers, asked directly, say that the clock is {} (within {})",
        direction(offset),
        bound.map_or("unknown".to_owned(), seconds)
    );
    (judgement.verdict, judgement.text) = if wrong {
        (
            Verdict::NotRight,
            format!("The time is not right: {why}, and {measured}{flag}"),
        )
    } else if kept {
        (
            Verdict::Right,
            format!("The time is right: {why}, but {measured}"),
        )
    } else {
        (
            Verdict::NotKept,
            format!("The time is right now, but nothing keeps it: {why}; {measured}"),
        )
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sources::SourceKind;
    use crate::report::sources::State;

    fn synchronised(offset: f64) -> DaemonRow {
        let mut daemon = DaemonRow::new("chronyd");
        daemon.synchronised = Some(true);
        daemon.holds_clock = Some(true);
        daemon.follows = Some("PHC0".to_owned());
        daemon.offset_s = Some(offset);
        daemon.root_delay_s = Some(0.01);
        daemon.root_dispersion_s = Some(0.001);
        daemon.last_update_age_s = Some(4.0);
        daemon
    }

    #[test]
    fn a_followed_clock_is_right_within_its_bound() {
        let got = judge(&[synchronised(0.0005)], &[], &[], Some(true));
        assert_eq!(got.verdict, Verdict::Right);
        assert!(
            got.text.contains("within 6.00 ms") && got.text.contains("4 s ago"),
            "{}",
            got.text
        );
    }

    #[test]
    fn an_offset_beyond_the_bound_is_not_right_whatever_the_kernel_says() {
        let got = judge(&[synchronised(362.1)], &[], &[], Some(true));
        assert_eq!(got.verdict, Verdict::NotRight);
        assert!(
            got.text.contains("362 s behind") && got.text.contains("no proof"),
            "{}",
            got.text
        );
    }

    #[test]
    fn sources_that_contradict_a_selected_ptp_clock_win() {
        let doubt = [Finding::error(
            "2 of 3 sources say that the clock is 350 s behind",
        )];
        let got = judge(&[synchronised(1e-6)], &[], &doubt, Some(true));
        assert_eq!(got.verdict, Verdict::NotRight);
        assert!(got.text.contains("2 of 3 sources"));
    }

    #[test]
    fn a_local_reference_is_never_right() {
        let mut alone = synchronised(0.0);
        alone.local_reference = true;
        alone.synchronised = Some(false);
        let got = judge(&[alone], &[], &[], Some(true));
        assert_eq!(got.verdict, Verdict::NotKept);
    }

    #[test]
    fn without_a_daemon_the_measured_servers_decide() {
        let mut probe = DaemonRow::new(probed::NAME);
        probe.offset_s = Some(0.002);
        probe.max_error_s = Some(0.022);
        let got = judge(&[probe.clone()], &[], &[], Some(false));
        assert_eq!(got.verdict, Verdict::NotKept);
        probe.offset_s = Some(-40.0);
        probe.max_error_s = Some(40.02);
        let got = judge(&[probe], &[], &[], Some(true));
        assert_eq!(got.verdict, Verdict::NotRight);
        assert!(got.text.contains("40.0 s ahead"), "{}", got.text);
        assert_eq!(judge(&[], &[], &[], None).verdict, Verdict::Unknown);
    }

    #[test]
    fn unselected_sources_that_agree_on_a_large_offset_are_heard() {
        let mut daemon = DaemonRow::new("chronyd");
        daemon.synchronised = Some(false);
        let mut row = SourceRow::new("chronyd", SourceKind::Server, State::Jittery);
        row.offset_s = Some(350.1);
        row.error_s = Some(0.07);
        let got = judge(&[daemon], &[row.clone(), row], &[], Some(true));
        assert_eq!(got.verdict, Verdict::NotRight);
        assert!(got.text.contains("350 s behind"), "{}", got.text);
    }

    #[test]
    fn daemons_in_containers_that_leave_the_clock_alone_say_nothing_about_it() {
        let mut there = DaemonRow::new("chronyd");
        there.container = true;
        there.holds_clock = Some(false);
        there.problem = Some("it runs in a container".to_owned());
        let got = judge(&[there.clone()], &[], &[], Some(false));
        assert_eq!(got.verdict, Verdict::Unknown);
        assert!(got.text.contains("but in containers"), "{}", got.text);
        // One that may steer it is told of.
        there.holds_clock = Some(true);
        let got = judge(&[there], &[], &[], Some(false));
        assert!(got.text.contains("does not tell"), "{}", got.text);
    }
}
