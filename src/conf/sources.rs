//! The time sources of a configuration, whatever daemon it is for, in one form.
//!
//! [`fn@chrony`], [`fn@ntp`] and [`fn@timesyncd`] turn what their parsers read into [`TimeSource`]s, in the
//! order of the file.

use crate::conf::chrony;
use crate::conf::chrony::Settings;
use crate::conf::chrony::value::Family;
use crate::conf::chrony::value::Source;
use crate::conf::chrony::value::SourceKind;
use crate::conf::ntp;
use crate::conf::span::Origin;
use crate::conf::span::SourceMap;
use crate::conf::span::Span;
use crate::conf::timesyncd;

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One server.
    Server,
    /// A name with several servers.
    Pool,
    /// A symmetric association.
    Peer,
    /// A clock of this machine.
    Refclock,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Pool => "pool",
            Self::Peer => "peer",
            Self::Refclock => "refclock",
        }
    }
}

/// One source of time as configured.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent options of the configurations"
)]
pub struct TimeSource {
    /// What it is.
    pub kind: Kind,
    /// Host name or address; of a refclock driver and parameter: `PHC /dev/ptp0`.
    pub name: String,
    /// UDP port; 0 for a refclock.
    pub port: u16,
    /// Only addresses of this family.
    pub family: Option<Family>,
    /// A burst of requests at the start.
    pub iburst: bool,
    /// A burst at each poll.
    pub burst: bool,
    /// Shortest poll interval in log2 seconds, if given.
    pub minpoll: Option<i8>,
    /// Longest poll interval in log2 seconds, if given.
    pub maxpoll: Option<i8>,
    /// Number of the symmetric key.
    pub key: Option<u32>,
    /// Authenticated by NTS.
    pub nts: bool,
    /// Port of NTS key exchange, if given (4460 otherwise).
    pub nts_port: Option<u16>,
    /// Preferred to others.
    pub prefer: bool,
    /// Measured only.
    pub noselect: bool,
    /// Trusted against others.
    pub trust: bool,
    /// Interleaved mode.
    pub xleave: bool,
    /// NTP version of requests, if given.
    pub version: Option<u8>,
    /// Servers used of a pool, if given.
    pub max_sources: Option<u32>,
    /// Seconds added to the measured offset.
    pub offset_s: f64,
    /// A refclock that keeps TAI.
    pub tai: bool,
    /// Used only when there is no other source (timesyncd's `FallbackNTP=`).
    pub fallback: bool,
    /// The whole directive.
    pub span: Span,
    /// The name in it.
    pub name_span: Span,
    /// File and line.
    pub origin: Origin,
}

impl TimeSource {
    /// A source without options; `span` is the directive, `name_span` the name.
    #[must_use]
    pub fn new(kind: Kind, name: &str, span: Span, name_span: Span, map: &SourceMap) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            port: if kind == Kind::Refclock { 0 } else { 123 },
            family: None,
            iburst: false,
            burst: false,
            minpoll: None,
            maxpoll: None,
            key: None,
            nts: false,
            nts_port: None,
            prefer: false,
            noselect: false,
            trust: false,
            xleave: false,
            version: None,
            max_sources: None,
            offset_s: 0.0,
            tai: false,
            fallback: false,
            span,
            name_span,
            origin: map.origin(span),
        }
    }
}

/// The sources of a chrony.conf, refclocks included.
#[must_use]
pub fn chrony(loaded: &chrony::Loaded) -> Vec<TimeSource> {
    let mut found = Vec::new();
    for statement in &loaded.statements {
        let at = statement.argument.unwrap_or(statement.span);
        match &statement.value {
            chrony::Value::Source(source) => {
                found.push(from_chrony(source, statement.span, at, &loaded.map));
            }
            chrony::Value::Refclock(clock) => {
                let name = format!("{} {}", clock.driver, clock.parameter);
                let mut source =
                    TimeSource::new(Kind::Refclock, &name, statement.span, at, &loaded.map);
                source.minpoll = clock.poll;
                source.prefer = clock.select.prefer;
                source.noselect = clock.select.noselect;
                source.trust = clock.select.trust;
                source.offset_s = clock.offset.unwrap_or(0.0);
                source.tai = clock.tai;
                found.push(source);
            }
            _ => {}
        }
    }
    found
}

fn from_chrony(source: &Source, span: Span, at: Span, map: &SourceMap) -> TimeSource {
    let kind = match source.kind {
        SourceKind::Server => Kind::Server,
        SourceKind::Pool => Kind::Pool,
        SourceKind::Peer => Kind::Peer,
    };
    TimeSource {
        port: source.port.unwrap_or(123),
        family: source.family,
        iburst: source.iburst,
        burst: source.burst,
        minpoll: source.minpoll,
        maxpoll: source.maxpoll,
        key: source.key,
        nts: source.nts,
        nts_port: source.ntsport,
        prefer: source.select.prefer,
        noselect: source.select.noselect,
        trust: source.select.trust,
        xleave: source.xleave,
        version: source.version,
        max_sources: source.maxsources,
        offset_s: source.offset.unwrap_or(0.0),
        ..TimeSource::new(kind, &source.name, span, at, map)
    }
}

/// The sources of an ntp.conf, reference clocks (`127.127.t.u`, `refclock`) included. Broadcast
/// and multicast modes are not sources that can be asked.
#[must_use]
pub fn ntp(loaded: &ntp::Loaded) -> Vec<TimeSource> {
    let mut found = Vec::new();
    for statement in loaded.statements() {
        let (mut source, options) = match &statement.body {
            ntp::Body::Association { address, options } => {
                let kind = match statement.name {
                    "server" => Kind::Server,
                    "pool" => Kind::Pool,
                    "peer" if loaded.dialect == ntp::Dialect::Ntpsec => Kind::Server,
                    "peer" => Kind::Peer,
                    _ => continue,
                };
                let kind = if address.refclock().is_some() {
                    Kind::Refclock
                } else {
                    kind
                };
                let at = address.term.span;
                let mut source =
                    TimeSource::new(kind, address.host(), statement.span, at, &loaded.map);
                source.family = address.family;
                (source, options)
            }
            ntp::Body::Refclock {
                driver,
                unit,
                options,
            } => {
                let name = format!("{} {unit}", driver.text);
                let source = TimeSource::new(
                    Kind::Refclock,
                    &name,
                    statement.span,
                    driver.span,
                    &loaded.map,
                );
                (source, options)
            }
            _ => continue,
        };
        for option in options {
            set_ntp(&mut source, option);
        }
        found.push(source);
    }
    found
}

fn set_ntp(source: &mut TimeSource, option: &ntp::Opt) {
    let small = || option.int().and_then(|value| i8::try_from(value).ok());
    match option.name {
        "iburst" => source.iburst = true,
        "burst" => source.burst = true,
        "prefer" => source.prefer = true,
        "noselect" => source.noselect = true,
        "true" => source.trust = true,
        "xleave" => source.xleave = true,
        "nts" => source.nts = true,
        "minpoll" => source.minpoll = small(),
        "maxpoll" => source.maxpoll = small(),
        "version" => source.version = option.int().and_then(|value| u8::try_from(value).ok()),
        "key" => source.key = option.int().and_then(|value| u32::try_from(value).ok()),
        "bias" | "time1" => source.offset_s = option.number().unwrap_or(0.0),
        _ => {}
    }
}

/// The servers of timesyncd; those of `FallbackNTP=` are marked.
#[must_use]
pub fn timesyncd(loaded: &timesyncd::Loaded) -> Vec<TimeSource> {
    loaded
        .all_servers()
        .map(|server| TimeSource {
            fallback: server.fallback,
            ..TimeSource::new(
                Kind::Server,
                &server.name,
                server.line,
                server.span,
                &loaded.map,
            )
        })
        .collect()
}

/// The key file that a chrony.conf names.
#[must_use]
pub fn chrony_key_file(loaded: &chrony::Loaded) -> Option<String> {
    Settings::new(loaded).key_file
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::chrony::load::parse_alone;

    #[test]
    fn sources_of_chrony_have_their_options_and_their_line() {
        let loaded = parse_alone(
            "/etc/chrony.conf",
            b"# x\nserver 169.254.169.123 prefer iburst minpoll 4 maxpoll 4\n\
              pool p nts maxsources 2\nrefclock PHC /dev/ptp0 poll 2 offset 0.5\nrtcsync\n",
        );
        let found = chrony(&loaded);
        let kinds: Vec<Kind> = found.iter().map(|source| source.kind).collect();
        assert_eq!(kinds, [Kind::Server, Kind::Pool, Kind::Refclock]);
        assert!(found[0].prefer && found[0].iburst && !found[0].nts);
        assert_eq!((found[0].minpoll, found[0].port), (Some(4), 123));
        assert_eq!(found[0].origin.to_string(), "/etc/chrony.conf:2");
        assert_eq!(loaded.map.text(found[0].name_span), "169.254.169.123");
        assert!(found[1].nts);
        assert_eq!(found[2].name, "PHC /dev/ptp0");
        assert!((found[2].offset_s - 0.5).abs() < 1e-9);
    }

    #[test]
    fn sources_of_ntp_and_timesyncd_have_the_same_form() {
        let text = b"server a iburst key 3 minpoll 4\npool -4 p\npeer b\nserver 127.127.28.0 prefer\nbroadcast 10.0.0.255\n";
        let loaded = ntp::load_text(
            "/etc/ntp.conf",
            text,
            ntp::Dialect::Classic,
            &crate::conf::files::NoFiles,
        );
        let found = ntp(&loaded);
        let kinds: Vec<Kind> = found.iter().map(|source| source.kind).collect();
        assert_eq!(
            kinds,
            [Kind::Server, Kind::Pool, Kind::Peer, Kind::Refclock]
        );
        assert_eq!(
            (found[0].key, found[0].minpoll, found[1].family),
            (Some(3), Some(4), Some(Family::V4))
        );
        let mut loaded = timesyncd::Loaded::default();
        loaded.text("t", b"[Time]\nNTP=a\nFallbackNTP=b\n");
        let found = timesyncd(&loaded);
        assert_eq!((found[0].fallback, found[1].fallback), (false, true));
        assert_eq!(found[1].origin.to_string(), "t:3");
    }
}
