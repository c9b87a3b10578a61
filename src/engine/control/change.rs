//! What is asked of the engine: sources online, offline, added, deleted, other options, steps.

use super::find;
use crate::engine::clock::Reading;
use crate::engine::config::Association;
use crate::engine::config::Family;
use crate::engine::config::MakeStep;
use crate::engine::config::SourceConfig;
use crate::engine::core::Engine;
use crate::engine::local::LocalConfig;
use crate::engine::manage::Change as Option_;
use crate::engine::manage::Mask;
use crate::engine::manage::Selection;
use crate::engine::smooth::Smoothing;
use crate::engine::source_id::SourceId;
use crate::proto::cmdmon::Address;
use crate::proto::cmdmon::Status;
use crate::proto::cmdmon::change::Change;
use crate::proto::cmdmon::new_source;
use crate::proto::cmdmon::new_source::NewSource;
use crate::proto::cmdmon::request::Local;
use crate::proto::cmdmon::request::Request;
use std::net::IpAddr;
use std::net::SocketAddr;

/// More sources than this are not added: each costs memory and a socket.
const MOST_SOURCES: usize = 256;
/// Sources that one `add pool` may ask for.
const MOST_OF_A_POOL: u32 = 16;
/// What chronyc sends for an asymmetry that nobody knows.
const UNKNOWN_ASYMMETRY: f64 = 1.0;

/// Does it.
pub(super) fn make(request: &Request, now: Reading, engine: &mut Engine) -> Result<(), Status> {
    match request {
        Request::Online(subnet) => {
            let mask = mask(subnet.mask, subnet.address)?;
            some(engine.online(now, mask))
        }
        Request::Offline(subnet) => {
            let mask = mask(subnet.mask, subnet.address)?;
            some(engine.offline(now, mask))
        }
        Request::Burst(burst) => {
            let mask = mask(burst.mask, burst.address)?;
            let count = |n: i32| u32::try_from(n).ok().filter(|n| *n > 0);
            let good = count(burst.good).ok_or(Status::Invalid)?;
            let total = count(burst.total).ok_or(Status::Invalid)?;
            some(engine.burst(now, mask, good, total))
        }
        Request::MakeStep => engine.step_now(now).then_some(()).ok_or(Status::Failed),
        Request::SetMakeStep(step) => {
            let limit = u32::try_from(step.limit).ok();
            if step.threshold_s < 0.0 {
                return Err(Status::Invalid);
            }
            // The request counts from now on, the engine from its start.
            let limit = limit.map(|n| n.saturating_add(engine.discipline.updates));
            engine.config.make_step = Some(MakeStep {
                threshold: step.threshold_s,
                limit,
            });
            Ok(())
        }
        Request::Reselect => {
            engine.reselect(now);
            Ok(())
        }
        Request::ResetSources => {
            engine.reset_sources(now);
            Ok(())
        }
        Request::Refresh => {
            engine.refresh(now);
            Ok(())
        }
        Request::AddSource(source) => add(source, now, engine),
        Request::DeleteSource(address) => {
            let id = id(engine, *address)?;
            engine.remove_source(now, id);
            Ok(())
        }
        Request::Local(local) => {
            engine.config.local = own_reference(local)?;
            Ok(())
        }
        Request::Change(change) => option(*change, now, engine),
        _ => Err(Status::Invalid),
    }
}

fn some(count: usize) -> Result<(), Status> {
    if count == 0 {
        return Err(Status::NoSuchSource);
    }
    Ok(())
}

/// Both unspecified mean all sources; an address without a mask means itself.
fn mask(mask: Address, address: Address) -> Result<Mask, Status> {
    match (mask.ip(), address.ip()) {
        (None, None) if address == Address::Unspecified => Ok(Mask::All),
        (None, Some(address)) => Ok(Mask::exactly(address)),
        (Some(mask), Some(address)) if mask.is_ipv4() == address.is_ipv4() => {
            Ok(Mask::Under { mask, address })
        }
        _ => Err(Status::InvalidFamily),
    }
}

fn id(engine: &Engine, address: Address) -> Result<SourceId, Status> {
    let index = find(engine, address, false)?;
    let source = engine.sources.get(index).ok_or(Status::NoSuchSource)?;
    Ok(source.id)
}

fn own_reference(local: &Local) -> Result<Option<LocalConfig>, Status> {
    if local.on == 0 {
        return Ok(None);
    }
    let stratum = u8::try_from(local.stratum).ok();
    let stratum = stratum.filter(|s| (1..=15).contains(s));
    Ok(Some(LocalConfig {
        stratum: stratum.ok_or(Status::Invalid)?,
        orphan: local.orphan != 0,
        distance: local.distance_s,
        activate: local.activate_s,
        wait_synced: local.wait_synced_s,
        wait_unsynced: local.wait_unsynced_s,
    }))
}

fn option(change: Change, now: Reading, engine: &mut Engine) -> Result<(), Status> {
    let small = |value: i32| i8::try_from(value).map_err(|_| Status::Invalid);
    let (address, option) = match change {
        Change::MinPoll(at, poll) => (at, Option_::MinPoll(small(poll)?)),
        Change::MaxPoll(at, poll) => (at, Option_::MaxPoll(small(poll)?)),
        Change::MaxDelay(at, seconds) => (at, Option_::MaxDelay(seconds)),
        Change::MaxDelayRatio(at, ratio) => (at, Option_::MaxDelayRatio(ratio)),
        Change::MaxDelayDevRatio(at, ratio) => (at, Option_::MaxDelayDevRatio(ratio)),
        Change::MinStratum(at, stratum) => {
            let stratum = u8::try_from(stratum).map_err(|_| Status::Invalid)?;
            (at, Option_::MinStratum(stratum))
        }
        Change::SelectOptions(at, mask, options) => {
            let index = find(engine, at, true)?;
            let source = engine.sources.get(index).ok_or(Status::NoSuchSource)?;
            let (id, select) = (source.id, selected(&source.config, mask, options));
            engine.modify(now, id, Option_::Select(select));
            return Ok(());
        }
        Change::Offset(at, seconds) => {
            let index = find(engine, at, true)?;
            let source = engine.sources.get_mut(index).ok_or(Status::NoSuchSource)?;
            source.config.offset = seconds;
            return Ok(());
        }
        Change::MaxUpdateSkew(ppm) if ppm > 0.0 => {
            engine.config.max_update_skew = ppm;
            return Ok(());
        }
        Change::MaxUpdateSkew(_) => return Err(Status::Invalid),
        Change::PollTarget(at, target) => {
            let target = u32::try_from(target).map_err(|_| Status::Invalid)?;
            (at, Option_::PollTarget(target))
        }
        Change::ReselectDistance(seconds) if seconds >= 0.0 => {
            engine.config.reselect_distance = seconds;
            return Ok(());
        }
        Change::ReselectDistance(_) => return Err(Status::Invalid),
        // Positive says that the clock gains, or is ahead: it is slowed, or put back.
        Change::FrequencyBy(ppm) => return by_hand(engine.speed_up(now, -ppm)),
        Change::OffsetBy(seconds) => return by_hand(engine.slew_by(now, -seconds)),
        // Answered with what came of it, elsewhere.
        Change::SetTime(_) => return Err(Status::Invalid),
        Change::Manual(option) => return manual(engine, option),
        Change::ManualDelete(index) => {
            let index = usize::try_from(index)
                .ok()
                .filter(|_| engine.manual.enabled);
            let gone = index.is_some_and(|i| engine.delete_time(now, i));
            return gone.then_some(()).ok_or(Status::BadSample);
        }
        Change::SmoothTime(option) => return smooth(engine, now, option),
    };
    let id = id(engine, address)?;
    if engine.modify(now, id, option) {
        Ok(())
    } else {
        Err(Status::Invalid)
    }
}

/// A change of the clock by hand: false when it is not this engine's to change.
fn by_hand(done: bool) -> Result<(), Status> {
    done.then_some(()).ok_or(Status::Failed)
}

fn manual(engine: &mut Engine, option: i32) -> Result<(), Status> {
    match option {
        0 => engine.manual.enabled = false,
        1 => engine.manual.enabled = true,
        2 => engine.manual.reset(),
        _ => return Err(Status::Invalid),
    }
    Ok(())
}

fn smooth(engine: &mut Engine, now: Reading, option: i32) -> Result<(), Status> {
    let Some(config) = engine.config.smooth else {
        return Err(Status::NotEnabled);
    };
    match option {
        0 => {
            if let Some(smoothing) = &mut engine.smoothing {
                smoothing.reset(now.raw);
            }
        }
        1 => {
            let smoothing = engine
                .smoothing
                .get_or_insert_with(|| Smoothing::new(config));
            if !smoothing.active {
                smoothing.reset(now.raw);
                smoothing.active = true;
            }
        }
        _ => return Err(Status::Invalid),
    }
    Ok(())
}

fn selected(config: &SourceConfig, mask: u32, options: u32) -> Selection {
    let bit = |old: bool, bit: u32| {
        if mask & bit == 0 {
            old
        } else {
            options & bit != 0
        }
    };
    Selection {
        prefer: bit(config.prefer, new_source::FLAG_PREFER),
        trust: bit(config.trust, new_source::FLAG_TRUST),
        require: bit(config.require, new_source::FLAG_REQUIRE),
        no_select: bit(config.no_select, new_source::FLAG_NOSELECT),
    }
}

fn add(source: &NewSource, now: Reading, engine: &mut Engine) -> Result<(), Status> {
    let wanted = match source.kind {
        new_source::SERVER | new_source::PEER => 1,
        new_source::POOL => source.max_sources.clamp(1, MOST_OF_A_POOL),
        _ => return Err(Status::Invalid),
    };
    // Without authentication it would be trusted for what it is not.
    if source.flags & new_source::FLAG_NTS != 0 {
        return Err(Status::NotEnabled);
    }
    let config = configured(source)?;
    let known = config
        .address
        .is_some_and(|at| engine.sources.iter().any(|s| s.address == Some(at)));
    if known {
        return Err(Status::AlreadyKnown);
    }
    if engine.sources.len() + wanted as usize > MOST_SOURCES {
        return Err(Status::TooManySources);
    }
    for _ in 0..wanted {
        engine.add_source(config.clone(), now.raw);
    }
    Ok(())
}

/// What chronyc sends when no packet is to be sent ahead.
const NEVER_PRESEND: i8 = 100;
/// `maxdelaydevratio` of chronyd.
const USUAL_DEV_RATIO: f64 = 10.0;

fn configured(source: &NewSource) -> Result<SourceConfig, Status> {
    let letters = |b: u8| b.is_ascii_alphanumeric() || b"-._:%".contains(&b);
    if source.name.is_empty() || !source.name.bytes().all(letters) {
        return Err(Status::InvalidName);
    }
    let port = u16::try_from(source.port).map_err(|_| Status::Invalid)?;
    let ip = source.name.parse::<IpAddr>().ok();
    let mut config = SourceConfig::new(source.name.clone(), ip.map(|ip| SocketAddr::new(ip, port)));
    let poll = |value: i32| {
        let poll = i8::try_from(value).ok().filter(|p| (-7..=24).contains(p));
        poll.ok_or(Status::Invalid)
    };
    let flag = |bit: u32| source.flags & bit != 0;
    config.port = port;
    if source.kind == new_source::PEER {
        config.association = Association::Peer;
    }
    config.family = match (flag(new_source::FLAG_IPV4), flag(new_source::FLAG_IPV6)) {
        (true, false) => Some(Family::V4),
        (false, true) => Some(Family::V6),
        _ => None,
    };
    config.poll_target = Some(source.poll_target)
        .filter(|&n| n > 0)
        .unwrap_or(config.poll_target);
    config.presend = i8::try_from(source.presend_minpoll)
        .ok()
        .filter(|&p| p < NEVER_PRESEND);
    config.filter = usize::try_from(source.filter_length)
        .ok()
        .filter(|&n| n > 1);
    config.max_delay_quant = Some(source.max_delay_quantile).filter(|&q| q > 0.0 && q <= 1.0);
    if let Ok(polls @ 1..) = u32::try_from(source.max_unreach) {
        config.max_unreach = polls;
    }
    if let Ok(least) = usize::try_from(source.min_samples) {
        config.samples.0 = least;
    }
    if let Ok(most @ 1..) = usize::try_from(source.max_samples) {
        config.samples.1 = most;
    }
    config.min_poll = Some(poll(source.minpoll)?);
    config.max_poll = poll(source.maxpoll)?.max(poll(source.minpoll)?);
    config.key = Some(source.auth_key).filter(|&id| id != 0);
    config.iburst = flag(new_source::FLAG_IBURST);
    config.burst = flag(new_source::FLAG_BURST);
    config.auto_offline = flag(new_source::FLAG_AUTO_OFFLINE);
    config.xleave = flag(new_source::FLAG_INTERLEAVED);
    config.mono_root = flag(new_source::FLAG_EXTFIELD_MONO_ROOT);
    config.copy = flag(new_source::FLAG_COPY);
    config.offline = !flag(new_source::FLAG_ONLINE);
    config.prefer = flag(new_source::FLAG_PREFER);
    config.trust = flag(new_source::FLAG_TRUST);
    config.require = flag(new_source::FLAG_REQUIRE);
    config.no_select = flag(new_source::FLAG_NOSELECT);
    config.offset = source.offset_s;
    if source.max_delay_s > 0.0 {
        config.max_delay = source.max_delay_s;
    }
    config.max_delay_ratio = Some(source.max_delay_ratio).filter(|r| *r > 0.0);
    // chronyc always sends chronyd's default; here the filter's own weights stand for it.
    config.max_delay_dev_ratio =
        Some(source.max_delay_dev_ratio).filter(|&r| r > 0.0 && r != USUAL_DEV_RATIO);
    config.min_delay = Some(source.min_delay_s).filter(|d| *d > 0.0);
    config.asymmetry = Some(source.asymmetry).filter(|a| *a < UNKNOWN_ASYMMETRY);
    config.min_stratum = u8::try_from(source.min_stratum)
        .ok()
        .filter(|s| *s <= 16)
        .ok_or(Status::Invalid)?;
    config.version = match source.version {
        3 => 3,
        _ => 4,
    };
    Ok(config)
}
