//! What is: the answers to `sources`, `sourcestats`, `tracking`, `activity`, `ntpdata`, `authdata`,
//! `sourcename`, `smoothing` and `manual list`.

use super::address_of;
use super::find;
use super::selection;
use crate::engine::clock::Reading;
use crate::engine::config::Association;
use crate::engine::core::Engine;
use crate::engine::manual::Entry;
use crate::engine::reference::Origin;
use crate::engine::source::Source;
use crate::proto::cmdmon::Address;
use crate::proto::cmdmon::Status;
use crate::proto::cmdmon::reply;
use crate::proto::cmdmon::reply::Activity;
use crate::proto::cmdmon::reply::AuthData;
use crate::proto::cmdmon::reply::ManualSample;
use crate::proto::cmdmon::reply::NtpData;
use crate::proto::cmdmon::reply::NtpDataCounters;
use crate::proto::cmdmon::reply::Reply;
use crate::proto::cmdmon::reply::Smoothing;
use crate::proto::cmdmon::reply::SourceStats;
use crate::proto::cmdmon::reply::Tracking;
use crate::proto::cmdmon::request::Request;
use crate::proto::mac::Algorithm;
use crate::proto::refid::RefId;
use crate::time::Monotonic;
use crate::time::NtpTimestamp;

/// A client, a peer and a reference clock, as `sources` counts modes.
const MODE_CLIENT: u16 = 0;
const MODE_PEER: u16 = 1;
const MODE_REFCLOCK: u16 = 2;
/// `ntpdata`: all ten tests were passed, and the packet was authenticated.
const TESTS_PASSED: u16 = 0x3ff;
const AUTHENTICATED: u16 = 0x8000;
/// The exchange was interleaved.
const INTERLEAVED: u16 = 0x4000;
/// Skew that is shown while nothing is known, ppm.
const UNKNOWN_SKEW: f64 = 1e6;

/// The answer, when the request asks what is.
pub(super) fn report(
    request: &Request,
    now: Reading,
    engine: &Engine,
) -> Option<Result<Reply, Status>> {
    Some(match request {
        Request::SourceCount => Ok(Reply::SourceCount(
            u32::try_from(engine.sources.len()).unwrap_or(u32::MAX),
        )),
        Request::Source(index) => {
            numbered(engine, *index).map(|(i, s)| Reply::Source(source(engine, i, s, now)))
        }
        Request::SourceStats(index) => {
            numbered(engine, *index).map(|(_, s)| Reply::SourceStats(stats(engine, s, now)))
        }
        Request::SelectData(index) => numbered(engine, *index)
            .map(|(i, s)| Reply::SelectData(selection::data(engine, i, s, now))),
        Request::Tracking => Ok(Reply::Tracking(tracking(engine, now))),
        Request::Activity => Ok(Reply::Activity(activity(engine))),
        Request::NtpData(address) => named(engine, *address).map(|s| ntp_data(s, now)),
        Request::AuthData(address) => {
            named(engine, *address).map(|s| Reply::AuthData(auth_data(engine, s)))
        }
        Request::SourceName(address) => {
            named(engine, *address).map(|s| Reply::SourceName(s.config.name.clone()))
        }
        Request::Smoothing if engine.config.smooth.is_none() => Err(Status::NotEnabled),
        Request::Smoothing => Ok(Reply::Smoothing(smoothing(engine, now))),
        Request::ManualList => Ok(Reply::ManualList(typed(engine, now))),
        _ => return None,
    })
}

/// `smoothing`: what clients get beyond the clock.
fn smoothing(engine: &Engine, now: Reading) -> Smoothing {
    let (active, leap_only) = match &engine.smoothing {
        Some(smoothing) => (smoothing.active, smoothing.leap_only()),
        None => (false, engine.config.smooth.is_some_and(|s| s.leap_only)),
    };
    let mut shown = Smoothing {
        flags: u32::from(active) | u32::from(leap_only) << 1,
        offset_s: 0.0,
        frequency_ppm: 0.0,
        wander_ppm: 0.0,
        last_update_s: 0.0,
        remaining_s: 0.0,
    };
    if let Some(smoothing) = engine.smoothing.as_ref().filter(|s| s.active) {
        let (offset, rate) = smoothing.at(now.raw);
        shown.offset_s = offset;
        shown.frequency_ppm = rate * 1e6;
        shown.wander_ppm = smoothing.wander(now.raw) * 1e6;
        shown.last_update_s = now.raw.seconds_since(smoothing.updated()).max(0.0);
        shown.remaining_s = smoothing.remaining(now.raw);
    }
    shown
}

/// `manual list`: the times that were typed in.
fn typed(engine: &Engine, now: Reading) -> Vec<ManualSample> {
    let frequency = engine.discipline.frequency;
    let row = |entry: &Entry| {
        let nanos = entry.unix_ns.rem_euclid(1_000_000_000);
        let expected = entry.phase + frequency * now.raw.seconds_since(entry.at);
        ManualSample {
            when: (
                entry.unix_ns.div_euclid(1_000_000_000),
                u32::try_from(nanos).unwrap_or(0),
            ),
            slewed_offset_s: expected - engine.phase(now),
            original_offset_s: entry.offset,
            residual_s: entry.residual,
        }
    };
    engine.manual.entries().iter().map(row).collect()
}

fn numbered(engine: &Engine, index: u32) -> Result<(usize, &Source), Status> {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    let source = engine.sources.get(index).ok_or(Status::NoSuchSource)?;
    Ok((index, source))
}

fn named(engine: &Engine, address: Address) -> Result<&Source, Status> {
    let index = find(engine, address, false)?;
    engine.sources.get(index).ok_or(Status::NoSuchSource)
}

/// Whole seconds since then.
pub(super) fn ago(now: Monotonic, then: Monotonic) -> u32 {
    now.seconds_since(then).max(0.0) as u32
}

/// The identifier of a source as `sourcestats` and `selectdata` show it.
pub(super) fn refid(source: &Source) -> RefId {
    match (&source.refclock, source.address) {
        (Some(clock), _) => clock.config.refid,
        (None, Some(at)) => crate::engine::reference::refid_of(at.ip()),
        (None, None) => RefId([0; 4]),
    }
}

/// Its address; unspecified for a reference clock.
pub(super) fn address_or_none(source: &Source) -> Address {
    if source.refclock.is_some() {
        Address::Unspecified
    } else {
        address_of(source)
    }
}

fn source(engine: &Engine, index: usize, source: &Source, now: Reading) -> reply::Source {
    let last = source.samples.back();
    // The oscillator went on since; what was slewed since is taken off.
    let drift = engine.discipline.frequency;
    let offset = last.map_or(0.0, |s| {
        s.offset + drift * now.raw.seconds_since(s.at) - engine.phase(now)
    });
    let error = last.map_or(0.0, |s| {
        0.5 * s.delay.max(0.0) + s.precision + source.remote.map_or(0.0, |r| r.root_distance())
    });
    let stratum = match (&source.refclock, source.remote) {
        (Some(clock), _) => clock.config.stratum,
        (None, Some(remote)) => remote.stratum.max(source.config.min_stratum),
        (None, None) => 0,
    };
    reply::Source {
        address: address_of(source),
        poll: i16::from(source.poll),
        stratum: u16::from(stratum),
        state: selection::state(engine, index, source),
        mode: match (&source.refclock, source.config.association) {
            (Some(_), _) => MODE_REFCLOCK,
            (None, Association::Peer) => MODE_PEER,
            (None, Association::Server) => MODE_CLIENT,
        },
        flags: 0,
        reach: u16::from(source.reach),
        since_sample: last.map(|s| ago(now.raw, s.at)),
        measured_offset_s: last.map_or(0.0, |_| source.measured),
        offset_s: offset,
        error_s: error,
    }
}

pub(in crate::engine) fn stats(engine: &Engine, source: &Source, now: Reading) -> SourceStats {
    let span = match (source.samples.front(), source.samples.back()) {
        (Some(first), Some(last)) => ago(last.at, first.at),
        _ => 0,
    };
    let mut stats = SourceStats {
        refid: refid(source),
        address: address_or_none(source),
        samples: u32::try_from(source.samples.len()).unwrap_or(u32::MAX),
        runs: 0,
        span_s: span,
        std_dev_s: 4.0,
        residual_frequency_ppm: 0.0,
        skew_ppm: UNKNOWN_SKEW,
        offset_s: 0.0,
        offset_error_s: 4.0,
    };
    let Some(track) = &source.track else {
        return stats;
    };
    let residuals = source
        .samples
        .iter()
        .map(|s| s.offset - track.phase - track.frequency * s.at.seconds_since(track.at));
    let (mut squares, mut sign) = (0.0, None);
    for residual in residuals {
        squares += residual * residual;
        if sign != Some(residual > 0.0) {
            sign = Some(residual > 0.0);
            stats.runs += 1;
        }
    }
    let ahead = track.moved_to(now.raw, engine.wander());
    stats.std_dev_s = (squares / f64::from(stats.samples.max(1))).sqrt();
    stats.residual_frequency_ppm = (track.frequency - engine.discipline.frequency) * 1e6;
    stats.skew_ppm = track.var_frequency.max(0.0).sqrt() * 1e6;
    stats.offset_s = ahead.phase - engine.phase(now);
    stats.offset_error_s = ahead.var_phase.max(0.0).sqrt();
    stats
}

fn tracking(engine: &Engine, now: Reading) -> Tracking {
    let reference = engine.reference(now);
    let at = reference.reference_unix_ns;
    let nanos = u32::try_from(at.rem_euclid(1_000_000_000)).unwrap_or(0);
    let address = match reference.origin {
        Origin::Source(index) => engine.sources.get(index).map(address_or_none),
        Origin::Nowhere | Origin::Local => None,
    };
    Tracking {
        refid: reference.refid,
        address: address.unwrap_or_default(),
        stratum: u16::from(reference.stratum),
        leap: u16::from(reference.leap.to_bits()),
        ref_time: (at.div_euclid(1_000_000_000), nanos),
        correction_s: reference.offset,
        last_offset_s: reference.last_offset,
        rms_offset_s: reference.rms_offset,
        frequency_ppm: reference.frequency_ppm,
        residual_frequency_ppm: reference.residual_ppm,
        skew_ppm: reference.skew_ppm,
        root_delay_s: reference.root_delay,
        root_dispersion_s: reference.dispersion_at(now.raw),
        update_interval_s: reference.update_interval,
    }
}

fn activity(engine: &Engine) -> Activity {
    let mut activity = Activity::default();
    for source in engine.sources.iter().filter(|s| s.refclock.is_none()) {
        let count = match (source.address, source.series, source.silent) {
            (None, _, _) => &mut activity.unresolved,
            (_, Some(_), false) => &mut activity.burst_online,
            (_, Some(_), true) => &mut activity.burst_offline,
            (_, None, false) => &mut activity.online,
            (_, None, true) => &mut activity.offline,
        };
        *count += 1;
    }
    activity
}

fn ntp_data(source: &Source, now: Reading) -> Reply {
    let remote = source.remote;
    let last = source.samples.back();
    let counts = source.counts;
    let time = |at: NtpTimestamp| {
        if at.is_zero() {
            (0, 0)
        } else {
            at.to_unix(now.unix_ns.div_euclid(1_000_000_000))
        }
    };
    let signed = if source.config.key.is_some() {
        AUTHENTICATED
    } else {
        0
    };
    let interleaved = if source.interleaved { INTERLEAVED } else { 0 };
    let good = source.rejected.is_none() && remote.is_some();
    let stamper = |card: bool| match (remote, card) {
        (None, _) => 0,
        (Some(_), true) => b'H',
        (Some(_), false) => b'K',
    };
    let data = NtpData {
        remote: address_of(source),
        local: source.home.map_or(Address::Unspecified, Into::into),
        remote_port: source.address.map_or(source.config.port, |a| a.port()),
        leap: remote.map_or(0, |r| r.leap.to_bits()),
        version: remote.map_or(0, |r| r.version),
        mode: remote.map_or(0, |r| r.mode.to_bits()),
        stratum: remote.map_or(0, |r| r.stratum),
        poll: remote.map_or(0, |r| r.poll),
        precision: remote.map_or(0, |r| r.precision),
        root_delay_s: remote.map_or(0.0, |r| r.root_delay.seconds()),
        root_dispersion_s: remote.map_or(0.0, |r| r.root_dispersion.seconds()),
        refid: remote.map_or(RefId([0; 4]), |r| r.refid),
        ref_time: remote.map_or((0, 0), |r| time(r.reference)),
        offset_s: last.map_or(0.0, |_| source.measured),
        delay_s: last.map_or(0.0, |s| s.delay),
        dispersion_s: last.map_or(0.0, |s| s.precision),
        response_s: source.response,
        asymmetry: source.config.asymmetry.unwrap_or(0.0),
        flags: interleaved | if good { TESTS_PASSED | signed } else { 0 },
        tx_stamp: stamper(source.by_card.0),
        rx_stamp: stamper(source.by_card.1),
        sent: counts.sent,
        received: counts.received,
        valid: counts.used,
        good: counts.used,
    };
    let counters = NtpDataCounters {
        kernel_sent: counts.sent,
        kernel_received: counts.received,
        ..NtpDataCounters::default()
    };
    Reply::NtpData(data, Some(counters))
}

/// What `authdata` calls the algorithms of symmetric keys.
const fn key_type(algorithm: Algorithm) -> u16 {
    match algorithm {
        Algorithm::Md5 => 1,
        Algorithm::Sha1 => 2,
        Algorithm::Sha256 => 3,
        Algorithm::Sha384 => 4,
        Algorithm::Sha512 => 5,
        Algorithm::Aes128Cmac => 13,
        Algorithm::Aes256Cmac => 14,
    }
}

fn auth_data(engine: &Engine, source: &Source) -> AuthData {
    let id = source.config.key;
    let key = id.and_then(|id| engine.config.keys.get(id));
    AuthData {
        mode: u16::from(id.is_some()),
        key_type: key.map_or(0, |k| key_type(k.algorithm())),
        key_id: id.unwrap_or(0),
        key_length: key.map_or(0, |k| u16::try_from(k.bits()).unwrap_or(u16::MAX)),
        ke_attempts: 0,
        last_ke: None,
        cookies: 0,
        cookie_length: 0,
        nak: 0,
    }
}
