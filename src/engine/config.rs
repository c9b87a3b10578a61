//! What the engine is told to do. The names and defaults are chrony.conf's where it has them; the
//! translation from a file is the commands' work.

use super::leap::LeapConfig;
use super::local::LocalConfig;
use super::options::AuthSelect;
use super::record::Wanted;
use super::refclock::RefclockConfig;
use super::smooth::SmoothConfig;
use crate::proto::mac::Keys;
use std::net::SocketAddr;

/// How a source is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Association {
    /// Requests in mode 3, replies in mode 4.
    #[default]
    Server,
    /// Requests in mode 1, replies in mode 2 or 1: this side only asks, so that the peer's own
    /// packets to port 123 are a server's to answer.
    Peer,
}

/// Family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// One source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceConfig {
    /// As the user wrote it.
    pub name: String,
    /// Where it is; none while the name is not looked up.
    pub address: Option<SocketAddr>,
    /// It is a clock of this machine, not a server.
    pub refclock: Option<RefclockConfig>,
    /// How it is spoken to.
    pub association: Association,
    /// Only addresses of this family are taken, when its name is looked up.
    pub family: Option<Family>,
    /// UDP port, for names looked up later.
    pub port: u16,
    /// Shortest poll interval, log2 seconds; none means 4 for a round trip under 5 ms, else 6.
    pub min_poll: Option<i8>,
    /// Longest poll interval, log2 seconds.
    pub max_poll: i8,
    /// The number of the key that requests and replies are authenticated with.
    pub key: Option<u32>,
    /// A quick series of requests at the start.
    pub iburst: bool,
    /// A quick series at every poll.
    pub burst: bool,
    /// Not polled until told so.
    pub offline: bool,
    /// Not polled any more once a request cannot be sent.
    pub auto_offline: bool,
    /// Interleaved with the exchange before (RFC 9769), where the server can.
    pub xleave: bool,
    /// Its requests ask for root delay and dispersion in finer units and for what the server does
    /// to its own clock (extension field F323).
    pub mono_root: bool,
    /// Its reference identifier and stratum are passed on as this machine's own.
    pub copy: bool,
    /// Preferred over the others that agree.
    pub prefer: bool,
    /// Believed against any number of others.
    pub trust: bool,
    /// The clock is only updated while a source marked so is among those that agree.
    pub require: bool,
    /// Measured, never used.
    pub no_select: bool,
    /// Added to its offset, in seconds.
    pub offset: f64,
    /// Round trips longer than this are dropped, in seconds.
    pub max_delay: f64,
    /// Round trips longer than this many times the shortest are dropped.
    pub max_delay_ratio: Option<f64>,
    /// Round trips whose excess over the shortest is more than this many standard deviations of
    /// the offset are dropped.
    pub max_delay_dev_ratio: Option<f64>,
    /// Round trips longer than this quantile of the last ones are dropped, 0 to 1.
    pub max_delay_quant: Option<f64>,
    /// So many measurements are made one: their median.
    pub filter: Option<usize>,
    /// Measurements within the filter's memory that the poll interval aims at.
    pub poll_target: u32,
    /// Polls without an answer, after the eight that make it unreachable, for which it stays the
    /// reference.
    pub max_unreach: u32,
    /// The known shortest round trip, in seconds.
    pub min_delay: Option<f64>,
    /// Known asymmetry of the jitter, -0.5 to 0.5; none learns it.
    pub asymmetry: Option<f64>,
    /// A lower stratum is taken for this one.
    pub min_stratum: u8,
    /// From this poll interval on (log2 seconds) a preliminary packet is sent; none never.
    pub presend: Option<i8>,
    /// NTP version in requests, 3 or 4.
    pub version: u8,
    /// Fewest and most samples kept.
    pub samples: (usize, usize),
}

impl SourceConfig {
    /// A source with every default.
    #[must_use]
    pub fn new(name: impl Into<String>, address: Option<SocketAddr>) -> Self {
        Self {
            name: name.into(),
            address,
            refclock: None,
            association: Association::Server,
            family: None,
            port: address.map_or(123, |a| a.port()),
            min_poll: None,
            max_poll: 10,
            key: None,
            iburst: false,
            burst: false,
            offline: false,
            auto_offline: false,
            xleave: false,
            mono_root: false,
            copy: false,
            prefer: false,
            trust: false,
            require: false,
            no_select: false,
            offset: 0.0,
            max_delay: 3.0,
            max_delay_ratio: None,
            max_delay_dev_ratio: None,
            max_delay_quant: None,
            filter: None,
            poll_target: 8,
            max_unreach: 100_000,
            min_delay: None,
            asymmetry: None,
            min_stratum: 0,
            presend: None,
            version: 4,
            samples: (6, 64),
        }
    }

    /// A clock of this machine with every default.
    #[must_use]
    pub fn refclock(name: impl Into<String>, clock: RefclockConfig) -> Self {
        Self {
            min_poll: Some(clock.poll),
            max_poll: clock.poll,
            refclock: Some(clock),
            ..Self::new(name, None)
        }
    }
}

/// When the clock may be stepped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MakeStep {
    /// Corrections larger than this are steps, in seconds.
    pub threshold: f64,
    /// Only in the first so many updates; none means always.
    pub limit: Option<u32>,
}

/// When an offset is refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxChange {
    /// The largest change, in seconds.
    pub offset: f64,
    /// Checked after so many updates.
    pub start: u32,
    /// Ignored so many times before the program ends; none means always ignored.
    pub ignore: Option<u32>,
}

/// Everything else.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The sources, in the order of the file.
    pub sources: Vec<SourceConfig>,
    /// The keys of authenticated sources.
    pub keys: Keys,
    /// When to step.
    pub make_step: Option<MakeStep>,
    /// When to refuse.
    pub max_change: Option<MaxChange>,
    /// Fastest slew, ppm.
    pub max_slew_rate: f64,
    /// The frequency is not changed while it is less certain than this, ppm.
    pub max_update_skew: f64,
    /// How slowly offsets are slewed, against how often they are measured; 3 is usual.
    pub corr_time_ratio: f64,
    /// The oscillator is at most this fast or slow, ppm.
    pub max_drift: f64,
    /// Resolution of this machine's clock, in seconds; none takes the usual one.
    pub clock_precision: Option<f64>,
    /// How authenticated and other sources are selected together.
    pub auth_select: AuthSelect,
    /// Clients are answered: a source may be following this machine.
    pub serves: bool,
    /// Sources with a larger root distance are not used, in seconds.
    pub max_distance: f64,
    /// Sources with more jitter are not used, in seconds.
    pub max_jitter: f64,
    /// Sources farther than this many times the best one's distance are not combined.
    pub combine_limit: f64,
    /// Fewest sources that must agree.
    pub min_sources: usize,
    /// Sources of a stratum outside of these two are not used.
    pub strata: (u8, u8),
    /// A source known by name is looked up again this long after its address was last confirmed,
    /// in seconds; none never.
    pub refresh: Option<f64>,
    /// Distance that a stratum is worth, in seconds.
    pub stratum_weight: f64,
    /// Drift of the oscillator when its frequency is known, ppm: grows the bound of the error.
    pub max_clock_error: f64,
    /// Known frequency of the clock and how sure, ppm.
    pub drift: Option<(f64, f64)>,
    /// The drift is kept this often, in seconds.
    pub save_every: f64,
    /// False measures and selects, but never touches the clock.
    pub clock_control: bool,
    /// The kernel may copy the time to the RTC.
    pub rtc_sync: bool,
    /// The clock as its own reference.
    pub local: Option<LocalConfig>,
    /// Leap seconds.
    pub leap: LeapConfig,
    /// The time of clients is kept smooth.
    pub smooth: Option<SmoothConfig>,
    /// After a silence of 2^first to 2^second seconds the clock runs on a mean of its frequency
    /// over that time.
    pub fallback_drift: Option<(i8, i8)>,
    /// Another source is only called the best when it is nearer by this, in seconds.
    pub reselect_distance: f64,
    /// Time typed in by a person is taken.
    pub manual: bool,
    /// What is recorded.
    pub records: Wanted,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            keys: Keys::new(),
            make_step: None,
            max_change: None,
            max_slew_rate: 83_333.333,
            max_update_skew: 1000.0,
            corr_time_ratio: 3.0,
            max_drift: 500_000.0,
            clock_precision: None,
            auth_select: AuthSelect::Mix,
            serves: false,
            max_distance: 3.0,
            max_jitter: 1.0,
            combine_limit: 3.0,
            min_sources: 1,
            strata: (0, 15),
            refresh: Some(1_209_600.0),
            stratum_weight: 1e-3,
            max_clock_error: 1.0,
            drift: None,
            save_every: 3600.0,
            clock_control: true,
            rtc_sync: false,
            local: None,
            leap: LeapConfig::default(),
            smooth: None,
            fallback_drift: None,
            reselect_distance: 1e-4,
            manual: false,
            records: Wanted::default(),
        }
    }
}
