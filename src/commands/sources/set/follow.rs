//! Making the daemon follow: it is told, its sources are waited for, and everything is put back
//! when none of them answers.

use super::CommonArgs;
use super::Mode;
use super::Wanted;
use super::check;
use super::files::Edit;
use super::files::restore;
use super::place::Place;
use crate::commands::Context;
use crate::commands::sources::apply;
use crate::commands::sources::apply::Heard;
use crate::commands::sources::configured;
use crate::commands::sources::findings;
use crate::conf::sources::TimeSource;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::report::sources::set::SetReport;
use crate::sys::cmdmon;
use crate::sys::daemons;
use crate::sys::daemons::Kind;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Tells the daemon, waits for the answer, puts back what does not work.
pub(super) fn follow(
    wanted: &Wanted<'_>,
    common: &CommonArgs,
    place: &Place,
    edits: &[Edit],
    backups: &[Option<PathBuf>],
    mut report: SetReport,
    context: &Context,
) -> Result<SetReport, Failure> {
    let Some(running) = &place.running else {
        idle(&mut report, place);
        return Ok(report);
    };
    let after = configured::read(place.kind, &running.arguments, &place.root);
    let Some(after) = after.filter(|after| after.wrong.len() <= place.conf.wrong.len()) else {
        let failure = refused(place);
        restore(edits, place, backups);
        return Err(failure);
    };
    context.progress(&format!("telling {}", place.kind.word()));
    // Reference clocks and other directives are only read at a start.
    let told = match wanted.mode {
        Mode::Cloud => apply::restart(place.kind),
        _ => tell(place, &place.conf.sources, &after.sources),
    };
    match told {
        Ok(how) => report.applied = Some(how),
        Err(failure) => {
            restore(edits, place, backups);
            let failure = not_told(failure, place.kind);
            context.progress_done();
            return Err(failure);
        }
    }
    if wanted.mode != Mode::Cloud {
        report.findings.extend(later_options(edits, place.kind));
    }
    if wanted.mode == Mode::Remove {
        context.progress_done();
        removed(wanted, place, &mut report);
        return Ok(report);
    }
    context.progress("waiting for the sources to answer");
    // timesyncd asks one server at a time: beside those that it has, a new one only stands by.
    let single = place.kind == Kind::Timesyncd;
    let awaited: Vec<String> = match wanted.mode {
        Mode::Add if single => names(&after.sources),
        _ => wanted.hosts.to_vec(),
    };
    // Beside others a new one may stand by for good.
    let alone = wanted.mode != Mode::Add && !single;
    let Heard { answered, followed } = apply::wait(place.kind, &awaited, alone, common.wait);
    context.progress_done();
    for source in &mut report.sources {
        let answers = answered.contains(&source.name);
        let unknown = single && !answers && !answered.is_empty();
        source.answers = (!unknown).then_some(answers);
    }
    let hosts = wanted.hosts.iter().map(String::as_str);
    let silent: Vec<&str> = hosts.filter(|host| !answered.contains(*host)).collect();
    if answered.is_empty() {
        restore(edits, place, backups);
        let back = match wanted.mode {
            Mode::Cloud => apply::restart(place.kind),
            _ => tell(place, &after.sources, &place.conf.sources),
        };
        nobody_answered(&mut report, &silent, common.wait, back);
        return Ok(report);
    }
    somebody_answered(&mut report, &silent, place.kind, followed);
    if single {
        let followed: Vec<String> = answered.into_iter().collect();
        let followed = followed.join(", ");
        report.text = format!(
            "{} follows {followed}, one at a time of those that it has",
            report.daemon
        );
    }
    Ok(report)
}

/// What is said of a daemon that does not run.
fn idle(report: &mut SetReport, place: &Place) {
    let name = place.kind.word();
    let Some(why) = check::flaw(place) else {
        report.text = format!("{name} does not run: the sources are set for its next start");
        return;
    };
    report.status = ExitStatus::NotHeld;
    report.text = format!(
        "the sources are in {}, but {name} does not run and will not start with that file",
        place.conf.path
    );
    report
        .findings
        .push(Finding::error(format!("{name} will not start: {why}")).next(check::next(place)));
}

/// What is said of sources that were taken out.
fn removed(wanted: &Wanted<'_>, place: &Place, report: &mut SetReport) {
    // A restart is no small thing: it is said.
    let how = report.applied.as_deref();
    let restarted = how.filter(|how| how.contains("restart"));
    let restarted = restarted.map_or(String::new(), |how| format!(" (told by {how})"));
    report.text = format!(
        "{} no longer uses {}{restarted}",
        place.kind.word(),
        wanted.hosts.join(", ")
    );
}

/// Why the lines are not there any more that were written.
fn refused(place: &Place) -> Failure {
    let why = check::complaint(place).map_or(String::new(), |why| format!(" ({why})"));
    Failure::new(
        ExitStatus::Data,
        format!(
            "{} would not take the new lines{why}; everything was put back. Its manual has what it takes",
            place.kind.word()
        ),
    )
    .hint(match place.kind {
        Kind::Chronyd | Kind::Clockbox => "man chrony.conf",
        Kind::Timesyncd => "man timesyncd.conf",
        _ => "man ntp.conf",
    })
}

/// The names of a configuration's servers, but for those that only stand in for others.
fn names(sources: &[TimeSource]) -> Vec<String> {
    let own = sources.iter().filter(|source| !source.fallback);
    own.map(|source| source.name.clone()).collect()
}

/// Why a daemon was not told, after everything was put back.
fn not_told(failure: Failure, kind: Kind) -> Failure {
    let back = revived(kind);
    let failure = Failure {
        message: format!("{}; everything was put back{back}", failure.message),
        ..failure
    };
    if failure.hint.is_some() {
        return failure;
    }
    let failure = Failure {
        message: format!(
            "{}. Without the daemon its file can be edited all the same: stop it, set the sources, start it",
            failure.message
        ),
        ..failure
    };
    failure.hint(findings::restart(kind.word()).replace(" restart ", " stop "))
}

/// Starts a daemon again that a failed restart has left dead; says how that went.
fn revived(kind: Kind) -> String {
    let runs = daemons::running().unwrap_or_default();
    if runs.iter().any(|daemon| daemon.kind == kind) {
        return String::new();
    }
    let name = kind.word();
    match apply::restart(kind) {
        Ok(_) => format!(" and {name} runs again"),
        Err(failure) => format!(", but {name} does not start again: {}", failure.message),
    }
}

/// Options that the control protocol carries for us; the others wait for the daemon's next start.
const LIVE_OPTIONS: &[&str] = &[
    "iburst",
    "burst",
    "prefer",
    "noselect",
    "trust",
    "xleave",
    "nts",
    "minpoll",
    "maxpoll",
    "version",
    "maxsources",
    "key",
    "ntsport",
    "offset",
    "port",
    "ipv4",
    "ipv6",
];

/// Options of the lines that were put in which the running daemon was not told.
fn later_options(edits: &[Edit], kind: Kind) -> Option<Finding> {
    let mut later: Vec<&str> = Vec::new();
    for (_, old, new) in edits {
        let old: BTreeSet<&str> = old.as_deref().unwrap_or_default().lines().collect();
        let lines = new.lines().filter(|line| !old.contains(line));
        let lines = lines.filter(|line| line.starts_with(|c: char| c.is_ascii_alphabetic()));
        // The directive and the host come first.
        let words = lines.flat_map(|line| line.split_whitespace().skip(2));
        later.extend(
            words
                .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()))
                .filter(|word| !LIVE_OPTIONS.contains(word)),
        );
    }
    later.dedup();
    let live = matches!(kind, Kind::Chronyd | Kind::Clockbox);
    (live && !later.is_empty()).then(|| {
        Finding::warning(format!(
            "{} takes effect at the next start of {}: the running one was told the rest",
            later.join(", "),
            kind.word()
        ))
        .next(findings::restart(kind.word()))
    })
}

/// What is said when it worked, for some of them at least.
fn somebody_answered(report: &mut SetReport, silent: &[&str], kind: Kind, followed: bool) {
    if !silent.is_empty() && kind != Kind::Timesyncd {
        report.findings.push(
            Finding::warning(format!("{} did not answer yet", silent.join(", ")))
                .next(format!("clockbox check-port {}", silent.join(" "))),
        );
    }
    let answering: Vec<&str> = report
        .sources
        .iter()
        .filter(|source| source.answers == Some(true))
        .map(|source| source.name.as_str())
        .collect();
    let verb = if answering.len() == 1 {
        "answers"
    } else {
        "answer"
    };
    let names = answering.join(", ");
    if followed || kind == Kind::Timesyncd {
        report.text = format!("{} follows the new sources: {names} {verb}", report.daemon);
        return;
    }
    report.text = format!(
        "the new sources answer ({names}); {} follows none of them yet",
        report.daemon
    );
    report.findings.push(
        Finding::info(format!(
            "{} needs more measurements of them, or does not take them: which it is, the table says",
            report.daemon
        ))
        .next("clockbox sources"),
    );
}

/// What is said when everything was put back.
fn nobody_answered(
    report: &mut SetReport,
    silent: &[&str],
    waited_s: f64,
    back: Result<String, Failure>,
) {
    report.put_back = true;
    report.changed = false;
    report.status = ExitStatus::NotHeld;
    report.text = format!(
        "none of {} answered within {waited_s} s: everything was put back",
        silent.join(", ")
    );
    for file in &mut report.files {
        file.backup = None;
    }
    report.findings.push(
        Finding::error(format!("{} did not answer", silent.join(", ")))
            .next(format!("clockbox check-port {}", silent.join(" "))),
    );
    if let Err(failure) = back {
        report.findings.push(Finding::error(format!(
            "{} still has the new sources: {}",
            report.daemon, failure.message
        )));
    }
}

/// chronyd is told live where its socket is; else its service is restarted.
fn tell(place: &Place, old: &[TimeSource], new: &[TimeSource]) -> Result<String, Failure> {
    if !matches!(place.kind, Kind::Chronyd | Kind::Clockbox) {
        return apply::restart(place.kind);
    }
    let named = place.conf.control_socket.as_deref();
    let sockets: Vec<&str> = match (named, place.kind) {
        (Some(path), _) => vec![path],
        (None, Kind::Clockbox) => vec![cmdmon::CLOCKBOX_SOCKET],
        (None, _) => cmdmon::CHRONY_SOCKETS.to_vec(),
    };
    match apply::live(&sockets, old, new, 3.0) {
        Ok(()) => Ok("told through its control socket".to_owned()),
        Err(failure) => apply::restart(place.kind).map_err(|_| failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_the_running_daemon_was_not_told_are_named() {
        let edits = |options: &str| {
            let old = "server a.example maxdelay 1\n".to_owned();
            let new = format!("#{old}pool a.example {options}\nserver b.example iburst\n");
            [("chrony.conf".to_owned(), Some(old), new)]
        };
        let told = later_options(&edits("iburst maxdelay 0.1 minpoll 4"), Kind::Chronyd).unwrap();
        assert!(told.text.starts_with("maxdelay takes effect"), "{told:?}");
        assert_eq!(later_options(&edits("iburst key 5"), Kind::Chronyd), None);
        assert_eq!(later_options(&edits("maxdelay 1"), Kind::Ntpd), None);
    }
}
