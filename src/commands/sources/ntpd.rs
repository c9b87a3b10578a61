//! What ntpd and NTPsec say of their sources by control messages, turned into rows.

use super::observed::Observed;
use crate::proto::mode6::packet::Opcode;
use crate::proto::mode6::status::Association;
use crate::proto::mode6::status::SystemStatus;
use crate::proto::mode6::status::associations;
use crate::proto::mode6::variables::Variables;
use crate::proto::packet::Leap;
use crate::report::format::rfc3339;
use crate::report::sources::Authentication;
use crate::report::sources::DaemonRow;
use crate::report::sources::SourceKind;
use crate::report::sources::SourceRow;
use crate::report::sources::State;
use crate::report::sources::explain::Limits;
use crate::report::sources::stats::StatsRow;
use crate::sys::mode6;
use crate::sys::mode6::AskError;
use crate::time::NtpTimestamp;

/// Associations of a daemon at most.
const MAX_ASSOCIATIONS: usize = 512;

/// Somebody who answers control messages.
pub trait Ask {
    /// The status word and the data of the answer.
    ///
    /// # Errors
    /// Why there is none.
    fn ask(&mut self, opcode: Opcode, association: u16) -> Result<(u16, Vec<u8>), AskError>;
}

impl Ask for mode6::Client {
    fn ask(&mut self, opcode: Opcode, association: u16) -> Result<(u16, Vec<u8>), AskError> {
        Self::ask(self, opcode, association)
    }
}

/// The daemon's whole view. `now` is the time of the machine.
///
/// # Errors
/// When the daemon does not answer.
pub fn observe(client: &mut impl Ask, name: &str, now: NtpTimestamp) -> Result<Observed, AskError> {
    let (status, data) = client.ask(Opcode::ReadVariables, 0)?;
    let system = Variables::parse(&data);
    // Another machine's times are compared with its own clock.
    let now = system.timestamp("clock").unwrap_or(now);
    let (_, data) = client.ask(Opcode::ReadStatus, 0)?;
    let mut sources = Vec::new();
    let mut stats = Vec::new();
    let mut version = system.text("version").map(str::to_owned);
    let mut found = associations(&data);
    // ntpq's order: that of the configuration.
    found.sort_by_key(|association| association.id);
    let none = found.is_empty();
    let least_poll = system.integer("mintc").unwrap_or(3).clamp(0, 24);
    for association in found.into_iter().take(MAX_ASSOCIATIONS) {
        let variables = match client.ask(Opcode::ReadVariables, association.id) {
            Ok((_, data)) => Variables::parse(&data),
            // It went away between the two questions.
            Err(AskError::Refused(_)) => continue,
            Err(error) => return Err(error),
        };
        sources.push(row(name, association, &variables, now, least_poll));
        // A pool's line is asked nothing.
        if sources
            .last()
            .is_none_or(|row| row.kind != SourceKind::Pool)
        {
            stats.push(stats_row(name, &variables));
        }
    }
    let mut daemon = DaemonRow::new(name);
    if let Some(text) = &version {
        version = Some(short_version(text));
    }
    daemon.version = version;
    describe(&mut daemon, SystemStatus(status), &system, &sources, now);
    // Associations none of which it tells are no proof that it follows none.
    if none || !sources.is_empty() {
        coasting(&mut daemon, &sources);
    }
    Ok(Observed {
        daemon,
        sources,
        stats,
        limits: Limits::NTPD,
    })
}

/// `ntpd ntpsec-1.2.2` of `ntpd ntpsec-1.2.2 2023-…`, `ntpd 4.2.8p15` of `ntpd 4.2.8p15@1.3728-o …`.
fn short_version(text: &str) -> String {
    let mut words = text.split_whitespace();
    let (program, version) = (words.next(), words.next());
    match (program, version) {
        (Some(_), Some(version)) => version.split('@').next().unwrap_or(version).to_owned(),
        _ => text.to_owned(),
    }
}

fn row(
    daemon: &str,
    association: Association,
    v: &Variables,
    now: NtpTimestamp,
    least_poll: i64,
) -> SourceRow {
    let address = v.text("srcadr").unwrap_or("").to_owned();
    let kind = kind(&address, v);
    let reach = v.reach("reach").unwrap_or(0);
    let mut row = SourceRow::new(daemon, kind, state(association, reach, v));
    row.native_state = Some(association.status.mark().to_string());
    row.name = v
        .text("srchost")
        .map(str::to_owned)
        .or_else(|| Some(address.clone()))
        .filter(|name| !name.is_empty());
    row.address = Some(address).filter(|a| !a.is_empty() && a != "0.0.0.0");
    row.set_reach(reach);
    row.stratum = v.integer("stratum").and_then(|n| u8::try_from(n).ok());
    row.refid = v.text("refid").map(str::to_owned);
    row.poll_interval_s = poll(v, least_poll).map(|poll| 2f64.powi(poll));
    let received = v.timestamp("rec");
    row.last_sample_age_s = received.map(|at| now.since(at).seconds().max(0.0));
    // A peer that is given up is wiped: its noughts are no measurement.
    let wiped = reach == 0 && v.number("delay").is_none_or(|delay| delay == 0.0);
    if !wiped && (reach != 0 || received.is_some()) {
        row.offset_s = v.milliseconds("offset");
        row.measured_offset_s = row.offset_s;
        row.delay_s = v.milliseconds("delay");
        row.jitter_s = v.milliseconds("jitter");
        row.root_distance_s = distance(v);
        row.error_s = row.root_distance_s;
    }
    row.authentication = Some(match v.integer("ntscookies") {
        Some(_) if association.status.authentication_enabled() => Authentication::Nts,
        _ if v.integer("keyid").is_some_and(|key| key > 0) => Authentication::Key,
        _ if association.status.authentication_enabled() => Authentication::Key,
        _ => Authentication::None,
    });
    row
}

fn kind(address: &str, v: &Variables) -> SourceKind {
    let refid = v.text("refid").unwrap_or_default();
    if address.starts_with("127.127.1.") {
        SourceKind::Local
    } else if address.starts_with("127.127.") {
        SourceKind::Refclock
    } else if refid == "POOL" || (address == "0.0.0.0" && refid != "DNS") {
        SourceKind::Pool
    } else if v.integer("hmode") == Some(1) {
        SourceKind::Peer
    } else {
        SourceKind::Server
    }
}

fn state(association: Association, reach: u8, v: &Variables) -> State {
    let kiss = v.text("refid").unwrap_or_default();
    match association.status.selection() {
        6 | 7 => State::Selected,
        4 => State::Combined,
        2 | 3 | 5 => State::Candidate,
        1 => State::Falseticker,
        _ if matches!(kiss, "DENY" | "RSTR") => State::Kiss,
        _ if kiss == "POOL" => State::Unknown,
        _ if reach == 0 => State::Unreachable,
        _ => State::Unusable,
    }
}

/// The interval that is in force, as ntpq takes it: the smaller of both sides', and not under the
/// daemon's least (`mintc`: 3 of ntpd, 0 of NTPsec).
fn poll(v: &Variables, least: i64) -> Option<i32> {
    let host = v.integer("hpoll")?;
    let peer = v.integer("ppoll").unwrap_or(host);
    i32::try_from(host.min(peer).clamp(least, 24)).ok()
}

/// Root distance λ (RFC 5905 §11.2), from what the association states.
fn distance(v: &Variables) -> Option<f64> {
    let ms = |name| v.milliseconds(name);
    Some(
        (ms("delay")? + ms("rootdelay")?) / 2.0
            + ms("dispersion")?
            + ms("rootdisp")?
            + ms("jitter").unwrap_or(0.0),
    )
}

fn stats_row(daemon: &str, v: &Variables) -> StatsRow {
    let measured = |name| v.timestamp("rec").and_then(|_| v.milliseconds(name));
    StatsRow {
        daemon: daemon.to_owned(),
        name: v.text("srchost").or(v.text("srcadr")).map(str::to_owned),
        address: v.text("srcadr").map(str::to_owned),
        offset_s: measured("offset"),
        std_dev_s: measured("jitter"),
        delay_s: measured("delay"),
        dispersion_s: measured("dispersion"),
        packets_sent: v.integer("sent").and_then(|n| u64::try_from(n).ok()),
        packets_received: v.integer("received").and_then(|n| u64::try_from(n).ok()),
        nts_cookies: v.integer("ntscookies").and_then(|n| u32::try_from(n).ok()),
        ..StatsRow::default()
    }
}

fn describe(
    daemon: &mut DaemonRow,
    status: SystemStatus,
    v: &Variables,
    sources: &[SourceRow],
    now: NtpTimestamp,
) {
    let followed = sources
        .iter()
        .find(|row| row.state == State::Selected && row.kind != SourceKind::Local);
    let local = status.source() == 5
        || sources
            .iter()
            .any(|row| row.state == State::Selected && row.kind == SourceKind::Local);
    let alone = followed.is_none() && orphan(v.text("refid").unwrap_or_default());
    let local = local || alone;
    daemon.local_reference = local;
    let synchronised = status.leap() != Leap::Unsynchronised && !local;
    daemon.synchronised = Some(synchronised);
    daemon.leap = Some(status.leap().word().to_owned());
    daemon.stratum = v.integer("stratum").and_then(|n| u8::try_from(n).ok());
    daemon.refid = v.text("refid").map(str::to_owned);
    daemon.frequency_ppm = v.number("frequency");
    daemon.skew_ppm = v.number("clk_wander");
    daemon.root_delay_s = v.milliseconds("rootdelay");
    daemon.root_dispersion_s = v.milliseconds("rootdisp");
    if !synchronised {
        return;
    }
    daemon.follows = followed
        .map(|row| row.title().to_owned())
        .or_else(|| daemon.refid.clone());
    daemon.offset_s = v.milliseconds("offset");
    daemon.last_offset_s = daemon.offset_s;
    daemon.max_error_s = match (
        daemon.offset_s,
        daemon.root_delay_s,
        daemon.root_dispersion_s,
    ) {
        (Some(offset), Some(delay), Some(dispersion)) => {
            Some(offset.abs() + delay / 2.0 + dispersion)
        }
        _ => None,
    };
    if let Some(at) = v.timestamp("reftime") {
        let (now_s, _) = now.to_unix(crate::sys::clock::unix().0);
        let (seconds, nanos) = at.to_unix(now_s);
        daemon.last_update = Some(rfc3339(seconds, nanos));
        daemon.last_update_age_s = Some(now.since(at).seconds().max(0.0));
    }
}

/// A server without sources that others may follow all the same (`tos orphan`) names itself.
fn orphan(refid: &str) -> bool {
    matches!(refid, "127.0.0.1" | "ORPH" | "LOOP")
}

/// The last peer is gone, or none may be followed any more: ntpd keeps its leap indicator, its
/// reference and its stratum all the same, for as long as it runs.
fn coasting(daemon: &mut DaemonRow, sources: &[SourceRow]) {
    let followed = |row: &SourceRow| row.state == State::Selected;
    if daemon.synchronised == Some(true) && !sources.iter().any(followed) {
        daemon.synchronised = Some(false);
        daemon.follows = None;
    }
}
