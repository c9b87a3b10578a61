//! When a daemon holds the clock: it is named, not fought. chronyd is asked to do the job itself
//! (`burst`, wait, `makestep`) over its own socket.

use super::apply;
use crate::commands::Context;
use crate::commands::own_service;
use crate::commands::sources::hang;
use crate::engine::correction;
use crate::engine::correction::Correction;
use crate::engine::correction::Policy;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::proto::cmdmon::PORT;
use crate::proto::cmdmon::reply::Reply;
use crate::proto::cmdmon::reply::Source;
use crate::proto::cmdmon::reply::Tracking;
use crate::proto::cmdmon::request::Burst;
use crate::proto::cmdmon::request::Request;
use crate::report::finding::Finding;
use crate::report::format::seconds;
use crate::report::format::signed_seconds;
use crate::report::sync::Action;
use crate::report::sync::DaemonRow;
use crate::report::sync::Origin;
use crate::report::sync::OriginKind;
use crate::report::sync::Result as Outcome;
use crate::report::sync::SourceRow;
use crate::report::sync::SyncReport;
use crate::report::sync::Verdict;
use crate::sys;
use crate::sys::cmdmon::AskError;
use crate::sys::cmdmon::CHRONY_SOCKETS;
use crate::sys::cmdmon::CLOCKBOX_SOCKET;
use crate::sys::cmdmon::Client;
use crate::sys::cmdmon::Endpoint;
use crate::sys::daemons;
use crate::sys::daemons::Kind;
use crate::sys::daemons::Running;
use crate::sys::log::Level;
use crate::time::Monotonic;

/// Good samples of a burst, and requests after which it ends all the same: chronyd takes them two
/// seconds apart.
const BURST: (i32, i32) = (4, 8);

/// The clock was moved if it and the raw monotonic clock are this far apart after the measurement,
/// seconds: more than oscillators differ in that time.
const MOVED: f64 = 0.005;

/// The daemon among them that holds the clock.
#[must_use]
pub fn holder(running: &[Running]) -> Option<Running> {
    let may = daemons::holding_clock(running);
    // One that surely steers this clock before one of which that cannot be seen.
    let sure = may
        .iter()
        .find(|d| d.holds_clock == Some(true) && !d.container);
    sure.or_else(|| may.first()).map(|&daemon| daemon.clone())
}

/// A daemon that steers the clock does not start beside another one: they would fight. One in a
/// container, or one of which it cannot be seen whether it steers this clock (another user's, or
/// with a preloaded library, as simulators of clocks have it), is only warned of.
///
/// # Errors
/// Which daemon it is, and how to stop it.
pub fn refuse_rival(no_clock_control: bool) -> Result<(), Failure> {
    let running = daemons::running().unwrap_or_default();
    let Some(rival) = holder(&running).filter(|_| !no_clock_control) else {
        return Ok(());
    };
    let name = rival.kind.word();
    let pid = rival.pid;
    if rival.container || rival.holds_clock.is_none() {
        sys::log::say(
            Level::Warning,
            &format!(
                "{name} (process {pid}) may steer this clock too; if it does, they will fight"
            ),
        );
        return Ok(());
    }
    let text = format!(
        "{name} (process {pid}) steers this clock, and two daemons would fight: stop it for good, or \
         measure only, with --no-clock-control"
    );
    Err(Failure::new(ExitStatus::Unavailable, text)
        .hint(match own_service::of(pid) {
            Some(service) => format!("systemctl disable --now {service}"),
            None => format!("kill {pid}"),
        })
        .target(name))
}

/// Its row in the report.
#[must_use]
pub fn row(daemon: &Running) -> DaemonRow {
    DaemonRow {
        name: daemon.kind.word().to_owned(),
        pid: daemon.pid,
    }
}

/// Whether it can be asked to do the job.
#[must_use]
pub fn can_do_it(daemon: &Running) -> bool {
    matches!(daemon.kind, Kind::Chronyd | Kind::Clockbox) && !daemon.container
}

/// What to type instead of fighting it.
#[must_use]
pub fn advice(daemon: &Running) -> Finding {
    let name = daemon.kind.word();
    let where_ = if daemon.container {
        " in a container"
    } else {
        ""
    };
    let (more, next) = match daemon.kind {
        _ if daemon.container => (
            "",
            "stop that container, or run clockbox sync in it".to_owned(),
        ),
        Kind::Chronyd | Kind::Clockbox => (
            ": where no server is named, the job is done through it",
            "clockbox sync".to_owned(),
        ),
        Kind::Timesyncd => (
            ": it sets the clock at once when it starts",
            "systemctl restart systemd-timesyncd".to_owned(),
        ),
        Kind::Ntpd | Kind::Ntpsec | Kind::Openntpd | Kind::NtpdRs => {
            let service = daemon.kind.services().first().copied().unwrap_or(name);
            let sudo = if sys::host::is_root() { "" } else { "sudo " };
            let again = super::again(&[]);
            let next = format!(
                "{sudo}systemctl stop {service}; {sudo}{again}; {sudo}systemctl start {service}"
            );
            ("", next)
        }
        _ => (": stop it first", format!("kill {}", daemon.pid)),
    };
    Finding::error(format!(
        "{name} (process {}){where_} holds the clock, and is not fought{more}",
        daemon.pid
    ))
    .next(next)
}

/// Has chronyd (or clockbox's daemon) do the job, and reports what it says.
///
/// # Errors
/// When the daemon does not answer, is stopped, or does not take commands from this user.
pub fn through(
    daemon: &Running,
    policy: &Policy,
    deadline: Monotonic,
    context: &Context,
) -> Result<SyncReport, Failure> {
    hang::refuse_stopped(Some(daemon))?;
    let start = sys::clock::monotonic();
    let (clock, raw) = (sys::clock::now(), sys::clock::monotonic_raw());
    let before = apply::clock_row();
    let name = daemon.kind.word();
    let sockets: &[&str] = if daemon.kind == Kind::Clockbox {
        &[CLOCKBOX_SOCKET]
    } else {
        CHRONY_SOCKETS
    };
    let mut client = connect(sockets, name, patience(deadline))?;
    let burst = Burst {
        mask: Default::default(),
        address: Default::default(),
        good: BURST.0,
        total: BURST.1,
    };
    command(&mut client, &Request::Burst(burst), name)?;
    let tracking = settle(&mut client, deadline, name, context)?;
    let mut report = report(daemon, &sources(&mut client, name)?, &tracking);
    if tracking.synchronised() {
        correct(&mut report, &mut client, policy, &tracking, name)?;
    }
    // The daemon may have stepped or slewed by itself while it measured.
    let passed = sys::clock::monotonic_raw().seconds_since(raw);
    let moved = sys::clock::now().since(clock).seconds() - passed;
    if moved.abs() > MOVED {
        report.action = Action::Daemon;
        report.text = format!(
            "{} In the meantime {name} moved it by {}.",
            report.text,
            signed_seconds(moved)
        );
    }
    report.before = before;
    if report.action == Action::Daemon {
        report.after = apply::clock_row();
    }
    report.took_s = sys::clock::monotonic().seconds_since(start);
    Ok(report)
}

/// Seconds for a question: one, or what is left.
#[must_use]
pub fn patience(deadline: Monotonic) -> f64 {
    deadline
        .seconds_since(sys::clock::monotonic())
        .clamp(0.02, 1.0)
}

fn connect(sockets: &[&str], name: &str, patience: f64) -> Result<Client, Failure> {
    let client = Client::local(sockets, PORT, patience).map_err(|e| asked(&e, name))?;
    if matches!(client.endpoint(), Endpoint::Udp(_)) {
        return Err(Failure::new(
            ExitStatus::NoPermission,
            format!(
                "{name} holds the clock, and takes commands only from root and its own user; \
                 --dry-run only measures"
            ),
        )
        .hint(format!("sudo {}", super::again(&[]))));
    }
    Ok(client)
}

fn asked(error: &AskError, name: &str) -> Failure {
    let status = match error {
        AskError::Refused(_) => ExitStatus::Unavailable,
        AskError::System(e) if e.is_permission() => ExitStatus::NoPermission,
        _ => ExitStatus::Unknown,
    };
    Failure::new(
        status,
        format!(
            "{name} holds the clock, but does not do what it is asked: {error}; --dry-run measures \
             without it"
        ),
    )
    .hint("clockbox sync --dry-run")
}

fn command(client: &mut Client, request: &Request, name: &str) -> Result<Reply, Failure> {
    client.ask(request).map_err(|e| asked(&e, name))
}

fn tracking(client: &mut Client, name: &str) -> Result<Tracking, Failure> {
    match command(client, &Request::Tracking, name)? {
        Reply::Tracking(tracking) => Ok(tracking),
        _ => Err(Failure::new(
            ExitStatus::Software,
            "another reply than tracking",
        )),
    }
}

/// Waits until the burst is over, or the deadline.
fn settle(
    client: &mut Client,
    deadline: Monotonic,
    name: &str,
    context: &Context,
) -> Result<Tracking, Failure> {
    loop {
        let busy = match command(client, &Request::Activity, name)? {
            Reply::Activity(a) => a.burst_online + a.burst_offline,
            _ => 0,
        };
        let now = sys::clock::monotonic();
        if busy == 0 || now >= deadline {
            context.progress_done();
            return tracking(client, name);
        }
        context.progress(&format!("{name} is measuring {busy} sources"));
        sys::clock::sleep(0.1_f64.min(deadline.seconds_since(now)));
    }
}

fn sources(client: &mut Client, name: &str) -> Result<Vec<(Source, Option<String>)>, Failure> {
    let Reply::SourceCount(count) = command(client, &Request::SourceCount, name)? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for index in 0..count.min(1000) {
        if let Reply::Source(source) = command(client, &Request::Source(index), name)? {
            let name = match client.ask_if_allowed(&Request::SourceName(source.address)) {
                Ok(Some(Reply::SourceName(name))) if source.mode != 2 => Some(name),
                _ => None,
            };
            found.push((source, name));
        }
    }
    Ok(found)
}

fn report(
    daemon: &Running,
    sources: &[(Source, Option<String>)],
    tracking: &Tracking,
) -> SyncReport {
    let rows: Vec<SourceRow> = sources
        .iter()
        .map(|(s, name)| source_row(s, name.as_deref()))
        .collect();
    let good = |row: &&SourceRow| {
        matches!(
            row.verdict,
            Verdict::Selected | Verdict::Combined | Verdict::Outlier
        )
    };
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let truechimers = count(rows.iter().filter(good).count());
    let voters = truechimers
        + count(
            rows.iter()
                .filter(|r| r.verdict == Verdict::Falseticker)
                .count(),
        );
    let name = daemon.kind.word();
    let bound = tracking.root_delay_s / 2.0 + tracking.root_dispersion_s;
    let (result, status, text) = if tracking.synchronised() {
        let direction = if tracking.correction_s >= 0.0 {
            "behind"
        } else {
            "ahead"
        };
        let outcome = Outcome {
            offset_s: tracking.correction_s,
            error_bound_s: bound,
            jitter_s: Some(tracking.rms_offset_s),
            truechimers,
            voters,
        };
        let text = format!(
            "{name} measured its sources anew and says: this clock is {} {direction}, give or take {}.",
            seconds(tracking.correction_s.abs()),
            seconds(bound)
        );
        (Some(outcome), ExitStatus::Done, text)
    } else {
        let text =
            format!("{name} measured its sources anew, but is not synchronised to any of them.");
        (None, ExitStatus::NotHeld, text)
    };
    let mut findings = Vec::new();
    if result.is_none() {
        findings.push(Finding::error(format!("{name} follows no source")).next("clockbox sources"));
    }
    SyncReport {
        origin: Origin {
            kind: OriginKind::Daemon,
            path: None,
            reason: format!(
                "those of {name} (process {}), which holds the clock",
                daemon.pid
            ),
        },
        sources: rows,
        result,
        action: if result.is_some() {
            Action::None
        } else {
            Action::NoAnswer
        },
        text,
        daemon: Some(row(daemon)),
        before: None,
        after: None,
        rtc: None,
        took_s: 0.0,
        packets: 0,
        findings,
        dry_run: false,
        status,
    }
}

fn source_row(source: &Source, name: Option<&str>) -> SourceRow {
    let (verdict, text) = match source.mark() {
        '*' => (Verdict::Selected, None),
        '+' => (Verdict::Combined, None),
        '-' => (Verdict::Outlier, None),
        'x' => (
            Verdict::Falseticker,
            Some("contradicts the majority; it is not used"),
        ),
        '~' => (
            Verdict::TooVariable,
            Some("varies too much to be used; that often passes in some minutes"),
        ),
        _ if source.reach == 0 => (Verdict::Silent, Some("does not answer")),
        _ => (
            Verdict::Unusable,
            Some("is not usable yet: it needs more samples, or says that it is not synchronised"),
        ),
    };
    let address = source.address.to_string();
    let measured = source.since_sample.is_some();
    SourceRow {
        name: name.map_or_else(|| address.clone(), str::to_owned),
        address: Some(address),
        verdict,
        text: text.map(str::to_owned),
        stratum: u8::try_from(source.stratum).ok(),
        offset_s: measured.then_some(source.offset_s),
        root_distance_s: measured.then_some(source.error_s),
        ..super::judge::empty("", 123, verdict)
    }
}

/// Steps through the daemon what is large enough to step; the rest it slews by itself.
fn correct(
    report: &mut SyncReport,
    client: &mut Client,
    policy: &Policy,
    tracking: &Tracking,
    name: &str,
) -> Result<(), Failure> {
    let offset = tracking.correction_s;
    // What the daemon still has to slew is known exactly: only the policy's sizes count.
    match correction::decide(offset, 0.0, 0.0, policy) {
        Correction::Step => {
            command(client, &Request::MakeStep, name)?;
            report.action = Action::Daemon;
            report.text = format!("{} It was stepped by {name}.", report.text);
        }
        Correction::Slew => {
            report.text = format!("{} {name} is slewing that away.", report.text);
        }
        Correction::Nothing(_) => report.text = format!("{} Nothing to change.", report.text),
        Correction::Refuse => {
            report.action = Action::TooLarge;
            report.status = ExitStatus::NotHeld;
            let limit = seconds(policy.max_offset);
            report.text = format!(
                "{} That is more than --max-offset ({limit}): it was not stepped.",
                report.text
            );
            report.findings.extend(apply::absurd_offset());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_advised_can_be_typed_as_it_stands() {
        for (kind, next) in [
            (Kind::Chronyd, "clockbox sync"),
            (Kind::Timesyncd, "systemctl restart systemd-timesyncd"),
            (Kind::Phc2sys, "kill 7"),
        ] {
            let running = Running {
                kind,
                pid: 7,
                holds_clock: Some(true),
                container: false,
                arguments: Vec::new(),
                age_s: None,
                stopped: Vec::new(),
            };
            let told = advice(&running);
            assert_eq!(told.next.as_deref(), Some(next), "{told:?}");
        }
    }
}
