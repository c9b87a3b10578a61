//! What chronyd (and clockbox's own daemon, which speaks the same) says of its sources, turned into
//! rows. The conversation is behind a trait, so that captured ones can be replayed.

use super::observed::Observed;
use crate::proto::cmdmon::Address;
use crate::proto::cmdmon::reply;
use crate::proto::cmdmon::reply::Reply;
use crate::proto::cmdmon::request::Request;
use crate::proto::packet::Leap;
use crate::proto::refid::RefId;
use crate::report::format::rfc3339;
use crate::report::sources::Authentication;
use crate::report::sources::DaemonRow;
use crate::report::sources::SourceKind;
use crate::report::sources::SourceRow;
use crate::report::sources::State;
use crate::report::sources::explain::Limits;
use crate::report::sources::stats::StatsRow;
use crate::sys::cmdmon;
use crate::sys::cmdmon::AskError;

/// Sources of a daemon at most: a hostile one could say four billion.
const MAX_SOURCES: u32 = 512;

/// Somebody who answers chrony's control protocol.
pub trait Ask {
    /// The answer; `None` where the daemon refuses or does not know the question.
    ///
    /// # Errors
    /// Why there is no conversation any more.
    fn ask(&mut self, request: &Request) -> Result<Option<Reply>, AskError>;

    /// The answers to several questions, in their order.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    fn ask_all(&mut self, requests: &[Request]) -> Result<Vec<Option<Reply>>, AskError> {
        requests.iter().map(|request| self.ask(request)).collect()
    }
}

impl Ask for cmdmon::Client {
    fn ask(&mut self, request: &Request) -> Result<Option<Reply>, AskError> {
        self.ask_if_allowed(request)
    }

    fn ask_all(&mut self, requests: &[Request]) -> Result<Vec<Option<Reply>>, AskError> {
        Self::ask_all(self, requests)
    }
}

/// The daemon's whole view. `now` is the time of the machine in Unix seconds.
///
/// # Errors
/// When the daemon stops answering.
pub fn observe(client: &mut impl Ask, name: &str, now: (i64, u32)) -> Result<Observed, AskError> {
    let mut daemon = DaemonRow::new(name);
    let (mut tracking, mut count, mut counted) = (None, 0, false);
    for reply in client.ask_all(&[Request::Tracking, Request::SourceCount])? {
        match reply {
            Some(Reply::Tracking(told)) => tracking = Some(told),
            Some(Reply::SourceCount(told)) => {
                (count, counted) = (told.min(MAX_SOURCES), true);
            }
            _ => {}
        }
    }
    let mut sources = Vec::new();
    let mut stats = Vec::new();
    let mut unresolved: Vec<String> = Vec::new();
    for (source, facts) in facts(client, count)? {
        if let Address::Unresolved(_) = source.address {
            let configured = facts.configured;
            unresolved.push(configured.unwrap_or_else(|| source.address.to_string()));
            continue;
        }
        sources.push(row(name, &source, &facts));
        stats.push(stats_row(name, &source, &facts));
    }
    // A pool keeps room for addresses that it has not found: only a name without any is news.
    for title in unresolved {
        if !sources
            .iter()
            .any(|row| row.name.as_deref() == Some(&title))
        {
            let mut row = SourceRow::new(name, SourceKind::Server, State::Unresolved);
            row.native_state = Some("^?".to_owned());
            row.name = Some(title);
            sources.push(row);
        }
    }
    if let Some(tracking) = &tracking {
        describe(&mut daemon, tracking, &sources, now);
        // A count of sources none of which it tells is a liar's.
        if counted && (count == 0 || !sources.is_empty()) {
            coasting(&mut daemon, &sources);
        }
    }
    Ok(Observed {
        daemon,
        sources,
        stats,
        limits: Limits::CHRONY,
    })
}

/// What is known of one source beside its line in `sources`.
#[derive(Default)]
struct Facts {
    configured: Option<String>,
    stats: Option<reply::SourceStats>,
    select: Option<reply::SelectData>,
    auth: Option<reply::AuthData>,
    data: Option<reply::NtpData>,
    good: Option<u32>,
}

/// All sources, and what is known of each.
fn facts(client: &mut impl Ask, count: u32) -> Result<Vec<(reply::Source, Facts)>, AskError> {
    let lines: Vec<Request> = (0..count).map(Request::Source).collect();
    let mut found = Vec::new();
    let mut questions = Vec::new();
    for (index, reply) in (0..).zip(client.ask_all(&lines)?) {
        let Some(Reply::Source(source)) = reply else {
            continue;
        };
        let place = found.len();
        let mut ask = |request: Request| questions.push((place, request));
        if source.mode != 2 {
            ask(Request::SourceName(source.address));
        }
        if !matches!(source.address, Address::Unresolved(_)) {
            ask(Request::SourceStats(index));
            ask(Request::SelectData(index));
            if source.mode != 2 {
                ask(Request::AuthData(source.address));
                ask(Request::NtpData(source.address));
            }
        }
        found.push((source, Facts::default()));
    }
    let (places, questions): (Vec<usize>, Vec<Request>) = questions.into_iter().unzip();
    for (place, reply) in places.into_iter().zip(client.ask_all(&questions)?) {
        if let (Some((_, facts)), Some(reply)) = (found.get_mut(place), reply) {
            facts.take(reply);
        }
    }
    Ok(found)
}

impl Facts {
    fn take(&mut self, reply: Reply) {
        match reply {
            Reply::SourceName(name) if !name.is_empty() => self.configured = Some(name),
            Reply::SourceStats(stats) => self.stats = Some(stats),
            Reply::SelectData(select) => self.select = Some(select),
            Reply::AuthData(auth) => self.auth = Some(auth),
            Reply::NtpData(data, _) => {
                self.good = Some(data.good.max(data.valid));
                self.data = Some(data);
            }
            _ => {}
        }
    }
}

fn row(daemon: &str, source: &reply::Source, facts: &Facts) -> SourceRow {
    let kind = match source.mode {
        1 => SourceKind::Peer,
        2 => SourceKind::Refclock,
        _ => SourceKind::Server,
    };
    let mut row = SourceRow::new(daemon, kind, state(source));
    let mode = match kind {
        SourceKind::Peer => '=',
        SourceKind::Refclock => '#',
        _ => '^',
    };
    row.native_state = Some(format!("{mode}{}", source.mark()));
    row.selection = facts
        .select
        .filter(|s| s.state.is_ascii_graphic())
        .map(|s| char::from(s.state).to_string());
    if let Some(select) = facts.select {
        row.selection_score = Some(select.score);
        row.leap = Some(Leap::from_bits(select.leap).word().to_owned());
        // Nothing of it has come to a vote yet.
        let voted = select.low_s != 0.0 || select.high_s != 0.0;
        row.interval_low_s = voted.then_some(-select.high_s);
        row.interval_high_s = voted.then_some(-select.low_s);
    }
    row.address = Some(address(source));
    row.name = facts.configured.clone().or_else(|| row.address.clone());
    row.poll_interval_s = Some(2f64.powi(i32::from(source.poll.clamp(-10, 24))));
    row.set_reach(source.reach as u8);
    row.samples = facts.stats.map(|s| s.samples);
    let measured = source.since_sample.is_some();
    if measured {
        row.stratum = u8::try_from(source.stratum).ok();
        row.last_sample_age_s = source.since_sample.map(f64::from);
        row.offset_s = Some(source.offset_s);
        row.measured_offset_s = Some(source.measured_offset_s);
        row.error_s = Some(source.error_s);
        row.jitter_s = facts.stats.filter(|s| s.samples > 1).map(|s| s.std_dev_s);
    }
    if let Some(data) = facts.data.filter(|data| data.received > 0) {
        row.delay_s = Some(data.delay_s);
        row.root_distance_s = Some(
            (data.delay_s + data.root_delay_s) / 2.0 + data.dispersion_s + data.root_dispersion_s,
        );
        row.refid = Some(data.refid.display(data.stratum));
        // A source that was never used has stratum 0 in its line.
        row.stratum = Some(data.stratum).filter(|&stratum| stratum > 0);
    }
    row.authentication = facts.auth.map(|auth| match auth.mode {
        0 => Authentication::None,
        1 => Authentication::Key,
        _ => Authentication::Nts,
    });
    let options = facts.select.map_or(source.flags, |s| s.effective);
    row.options = [
        (reply::OPTION_NOSELECT, "noselect"),
        (reply::OPTION_PREFER, "prefer"),
        (reply::OPTION_TRUST, "trust"),
        (reply::OPTION_REQUIRE, "require"),
    ]
    .iter()
    .filter(|(bit, _)| options & bit != 0)
    .map(|(_, word)| (*word).to_owned())
    .collect();
    row
}

fn state(source: &reply::Source) -> State {
    match source.mark() {
        '*' => State::Selected,
        '+' => State::Combined,
        '-' => State::Candidate,
        'x' => State::Falseticker,
        '~' => State::Jittery,
        _ if source.reach == 0 => State::Unreachable,
        _ => State::Unusable,
    }
}

/// The address, or the letters of a reference clock.
fn address(source: &reply::Source) -> String {
    match source.address {
        Address::V4(a) if source.mode == 2 => letters(RefId(a.octets())),
        other => other.to_string(),
    }
}

fn letters(refid: RefId) -> String {
    refid
        .text()
        .unwrap_or_else(|| format!("{:08X}", u32::from_be_bytes(refid.0)))
}

fn stats_row(daemon: &str, source: &reply::Source, facts: &Facts) -> StatsRow {
    let known = facts.stats.filter(|s| s.samples > 0);
    StatsRow {
        daemon: daemon.to_owned(),
        daemon_pid: None,
        name: facts.configured.clone().or_else(|| Some(address(source))),
        address: Some(address(source)),
        samples: facts.stats.map(|s| s.samples),
        runs: facts.stats.map(|s| s.runs),
        span_s: facts.stats.map(|s| f64::from(s.span_s)),
        residual_frequency_ppm: known.map(|s| s.residual_frequency_ppm),
        skew_ppm: known.map(|s| s.skew_ppm),
        offset_s: known.map(|s| s.offset_s),
        offset_error_s: known.map(|s| s.offset_error_s),
        std_dev_s: known.map(|s| s.std_dev_s),
        delay_s: facts.data.filter(|d| d.received > 0).map(|d| d.delay_s),
        dispersion_s: facts
            .data
            .filter(|d| d.received > 0)
            .map(|d| d.dispersion_s),
        packets_sent: facts.data.map(|d| u64::from(d.sent)),
        packets_received: facts.data.map(|d| u64::from(d.received)),
        packets_good: facts.good.map(u64::from),
        nts_cookies: facts
            .auth
            .filter(|a| a.mode == 2)
            .map(|a| u32::from(a.cookies)),
    }
}

fn describe(
    daemon: &mut DaemonRow,
    tracking: &reply::Tracking,
    sources: &[SourceRow],
    now: (i64, u32),
) {
    let synchronised = tracking.synchronised();
    daemon.synchronised = Some(synchronised);
    daemon.local_reference = tracking.local_reference();
    daemon.stratum = u8::try_from(tracking.stratum).ok();
    let leap = Leap::from_bits(tracking.leap as u8);
    daemon.leap = Some(leap.word().to_owned());
    daemon.frequency_ppm = Some(tracking.frequency_ppm);
    daemon.skew_ppm = Some(tracking.skew_ppm);
    if !synchronised {
        return;
    }
    let address = tracking.address.ip().map(|ip| ip.to_string());
    let reference = address.clone().unwrap_or_else(|| letters(tracking.refid));
    let named = sources
        .iter()
        .find(|row| row.address.as_deref() == Some(&reference))
        .map(|row| row.title().to_owned());
    daemon.follows = Some(named.unwrap_or_else(|| reference.clone()));
    daemon.refid = Some(match address {
        Some(_) => tracking.refid.address().to_string(),
        None => reference,
    });
    daemon.offset_s = Some(tracking.correction_s);
    daemon.max_error_s = Some(tracking.max_error_s());
    daemon.last_offset_s = Some(tracking.last_offset_s);
    daemon.rms_offset_s = Some(tracking.rms_offset_s);
    daemon.residual_frequency_ppm = Some(tracking.residual_frequency_ppm);
    daemon.update_interval_s = Some(tracking.update_interval_s);
    daemon.root_delay_s = Some(tracking.root_delay_s);
    daemon.root_dispersion_s = Some(tracking.root_dispersion_s);
    let (seconds, nanos) = tracking.ref_time;
    daemon.last_update = Some(rfc3339(seconds, nanos));
    let age = (now.0 - seconds) as f64 + (f64::from(now.1) - f64::from(nanos)) * 1e-9;
    daemon.last_update_age_s = Some(age.max(0.0));
}

/// What was followed is gone, or no source may be followed any more: tracking tells of the last one
/// all the same, for as long as the daemon runs.
fn coasting(daemon: &mut DaemonRow, sources: &[SourceRow]) {
    let followed = |row: &SourceRow| matches!(row.state, State::Selected | State::Combined);
    if daemon.synchronised == Some(true) && !sources.iter().any(followed) {
        daemon.synchronised = Some(false);
        daemon.follows = None;
    }
}
