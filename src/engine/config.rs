//! What the engine is told to do. The names and defaults are chrony.conf's where it has them; the
//! translation from a file is the commands' work.

use std::net::SocketAddr;

/// One source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceConfig {
    /// As the user wrote it.
    pub name: String,
    /// Where it is; none while the name is not looked up.
    pub address: Option<SocketAddr>,
    /// UDP port, for names looked up later.
    pub port: u16,
    /// Shortest poll interval, log2 seconds; none means 4 for a round trip under 5 ms, else 6.
    pub min_poll: Option<i8>,
    /// Longest poll interval, log2 seconds.
    pub max_poll: i8,
    /// A quick series of requests at the start.
    pub iburst: bool,
    /// A quick series at every poll.
    pub burst: bool,
    /// Not polled until told so.
    pub offline: bool,
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
    /// Measurements whose excess is more than this many standard deviations are dropped.
    pub max_delay_dev_ratio: f64,
    /// The known shortest round trip, in seconds.
    pub min_delay: Option<f64>,
    /// Known asymmetry of the jitter, -0.5 to 0.5; none learns it.
    pub asymmetry: Option<f64>,
    /// A lower stratum is taken for this one.
    pub min_stratum: u8,
    /// Polls between which a preliminary packet is sent, log2 seconds; none never.
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
            port: address.map_or(123, |a| a.port()),
            min_poll: None,
            max_poll: 10,
            iburst: false,
            burst: false,
            offline: false,
            prefer: false,
            trust: false,
            require: false,
            no_select: false,
            offset: 0.0,
            max_delay: 3.0,
            max_delay_ratio: None,
            max_delay_dev_ratio: 10.0,
            min_delay: None,
            asymmetry: None,
            min_stratum: 0,
            presend: None,
            version: 4,
            samples: (6, 64),
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
    /// Sources with a larger root distance are not used, in seconds.
    pub max_distance: f64,
    /// Sources with more jitter are not used, in seconds.
    pub max_jitter: f64,
    /// Sources farther than this many times the best one's distance are not combined.
    pub combine_limit: f64,
    /// Fewest sources that must agree.
    pub min_sources: usize,
    /// Distance that a stratum is worth, in seconds.
    pub stratum_weight: f64,
    /// Drift of the oscillator when its frequency is known, ppm: grows the bound of the error.
    pub max_clock_error: f64,
    /// Known frequency of the clock and how sure, ppm.
    pub drift: Option<(f64, f64)>,
    /// False measures and selects, but never touches the clock.
    pub clock_control: bool,
    /// The kernel may copy the time to the RTC.
    pub rtc_sync: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            make_step: None,
            max_change: None,
            max_slew_rate: 83_333.333,
            max_update_skew: 1000.0,
            corr_time_ratio: 3.0,
            max_distance: 3.0,
            max_jitter: 1.0,
            combine_limit: 3.0,
            min_sources: 1,
            stratum_weight: 1e-3,
            max_clock_error: 1.0,
            drift: None,
            clock_control: true,
            rtc_sync: false,
        }
    }
}
