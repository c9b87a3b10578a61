//! What chronyd (and clockbox's own daemon, which speaks the same) says of its sources, turned into
//! rows. The conversation is behind a trait, so that captured ones can be replayed.

use super::observed::Observed;
use crate::proto::cmdmon::Address;
use crate::proto::cmdmon::reply;
use crate::proto::cmdmon::reply::Reply;
use crate::proto::cmdmon::request::Request;
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
}

impl Ask for cmdmon::Client {
    fn ask(&mut self, request: &Request) -> Result<Option<Reply>, AskError> {
        self.ask_if_allowed(request)
    }
}

/// The daemon's whole view. `now` is the time of the machine in Unix seconds.
///
/// # Errors
/// When the daemon stops answering.
pub fn observe(client: &mut impl Ask, name: &str, now: (i64, u32)) -> Result<Observed, AskError> {
    let mut daemon = DaemonRow::new(name);
    let tracking = match client.ask(&Request::Tracking)? {
        Some(Reply::Tracking(tracking)) => Some(tracking),
        _ => None,
    };
    let count = match client.ask(&Request::SourceCount)? {
        Some(Reply::SourceCount(count)) => count.min(MAX_SOURCES),
        _ => 0,
    };
    let mut sources = Vec::new();
    let mut stats = Vec::new();
    let mut unresolved: Vec<String> = Vec::new();
    for index in 0..count {
        let Some(Reply::Source(source)) = client.ask(&Request::Source(index))? else {
            continue;
        };
        let configured = configured_name(client, &source)?;
        if let Address::Unresolved(_) = source.address {
            unresolved.push(configured.unwrap_or_else(|| source.address.to_string()));
            continue;
        }
        let facts = Facts {
            configured,
            ..facts(client, index, &source)?
        };
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

fn configured_name(
    client: &mut impl Ask,
    source: &reply::Source,
) -> Result<Option<String>, AskError> {
    if source.mode == 2 {
        return Ok(None);
    }
    Ok(match client.ask(&Request::SourceName(source.address))? {
        Some(Reply::SourceName(name)) if !name.is_empty() => Some(name),
        _ => None,
    })
}

fn facts(client: &mut impl Ask, index: u32, source: &reply::Source) -> Result<Facts, AskError> {
    let mut facts = Facts::default();
    if let Some(Reply::SourceStats(stats)) = client.ask(&Request::SourceStats(index))? {
        facts.stats = Some(stats);
    }
    if let Some(Reply::SelectData(select)) = client.ask(&Request::SelectData(index))? {
        facts.select = Some(select);
    }
    if source.mode != 2 {
        if let Some(Reply::AuthData(auth)) = client.ask(&Request::AuthData(source.address))? {
            facts.auth = Some(auth);
        }
        if let Some(Reply::NtpData(data, _)) = client.ask(&Request::NtpData(source.address))? {
            facts.good = Some(data.good.max(data.valid));
            facts.data = Some(data);
        }
    }
    Ok(facts)
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
    let leap = crate::proto::packet::Leap::from_bits(tracking.leap as u8);
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
    daemon.root_delay_s = Some(tracking.root_delay_s);
    daemon.root_dispersion_s = Some(tracking.root_dispersion_s);
    let (seconds, nanos) = tracking.ref_time;
    daemon.last_update = Some(rfc3339(seconds, nanos));
    let age = (now.0 - seconds) as f64 + (f64::from(now.1) - f64::from(nanos)) * 1e-9;
    daemon.last_update_age_s = Some(age.max(0.0));
}
