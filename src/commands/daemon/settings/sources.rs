//! Sources: `server`, `pool` and `peer` lines, and the names of the command line.

use crate::conf::chrony::Settings;
use crate::conf::chrony::value as chrony;
use crate::conf::chrony::value::Source;
use crate::conf::chrony::value::SourceKind;
use crate::conf::span::Span;
use crate::engine::config::Association;
use crate::engine::config::Family;
use crate::engine::config::SourceConfig;
use crate::proto::mono_root;
use std::net::IpAddr;
use std::net::SocketAddr;

/// Sources of a pool unless its line says otherwise.
pub const POOL_SOURCES: u32 = 4;

/// The sources of a file, in its order, with their lines. A source whose replies are to be authenticated is not
/// used while that cannot be done: its time would be believed unproved.
#[must_use]
pub fn of_file(settings: &Settings) -> Vec<(SourceConfig, Span)> {
    let mut sources = Vec::new();
    for located in settings.sources.iter().filter(|s| !unprovable(&s.value)) {
        let count = match located.value.kind {
            SourceKind::Pool => located.value.maxsources.unwrap_or(POOL_SOURCES),
            _ => 1,
        };
        for _ in 0..count {
            sources.push((one(&located.value, settings), located.span));
        }
    }
    sources
}

const fn unprovable(line: &Source) -> bool {
    line.nts
}

/// A source by name or address, with every default.
#[must_use]
pub fn plain(host: &str, port: u16) -> SourceConfig {
    let address = host
        .parse::<IpAddr>()
        .ok()
        .map(|ip| SocketAddr::new(ip, port));
    let mut source = SourceConfig::new(host, address);
    source.port = port;
    source
}

/// One source of a `server`, `pool` or `peer` line.
fn one(line: &Source, settings: &Settings) -> SourceConfig {
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let default = plain(&line.name, line.port.unwrap_or(123));
    let most = match line.maxsamples.unwrap_or(settings.max_samples) {
        0 => default.samples.1,
        most => size(most),
    };
    let max_poll = line
        .maxpoll
        .unwrap_or(default.max_poll)
        .max(line.minpoll.unwrap_or(i8::MIN));
    SourceConfig {
        min_poll: line.minpoll,
        max_poll,
        key: line.key,
        iburst: line.iburst,
        burst: line.burst,
        offline: line.offline,
        auto_offline: line.auto_offline,
        xleave: line.xleave,
        mono_root: line.extfields.contains(&u32::from(mono_root::KIND)),
        copy: line.copy,
        association: match line.kind {
            SourceKind::Peer => Association::Peer,
            SourceKind::Server | SourceKind::Pool => Association::Server,
        },
        family: line.family.map(|family| match family {
            chrony::Family::V4 => Family::V4,
            chrony::Family::V6 => Family::V6,
        }),
        prefer: line.select.prefer,
        trust: line.select.trust,
        require: line.select.require,
        no_select: line.select.noselect,
        offset: line.offset.unwrap_or(0.0),
        max_delay: line.maxdelay.unwrap_or(default.max_delay),
        max_delay_ratio: line.maxdelayratio.filter(|&ratio| ratio > 0.0),
        max_delay_dev_ratio: line.maxdelaydevratio.filter(|&ratio| ratio > 0.0),
        max_delay_quant: line.maxdelayquant.filter(|&share| share > 0.0),
        filter: line.filter.map(size),
        poll_target: line.polltarget.unwrap_or(default.poll_target).max(1),
        max_unreach: line.maxunreach.unwrap_or(default.max_unreach),
        min_delay: line.mindelay,
        asymmetry: line.asymmetry,
        min_stratum: line.minstratum.unwrap_or(0),
        presend: line.presend,
        version: line.version.unwrap_or(4).clamp(3, 4),
        samples: (size(line.minsamples.unwrap_or(settings.min_samples)), most),
        ..default
    }
}
