//! The rate limit of `restrict limited`: `discard` of ntp 4.2, `limit` of NTPsec.

use crate::conf::ntp;
use crate::conf::ntp::Body;
use crate::conf::ntp::Dialect;
use crate::conf::ntp::Opt;

/// The rate that `limited` allows, in chrony's measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rate {
    /// A line of the input says it.
    pub(super) set: bool,
    /// The shortest interval between replies in log2 seconds, where it is not chrony's default.
    pub(super) interval: Option<i64>,
    /// Replies at once, where that is not chrony's default.
    pub(super) burst: Option<i64>,
}

impl Rate {
    /// ntp 4.2 counts as chrony does (`discard average`, 3 in both), NTPsec in packets a second
    /// (`limit average`, 1 by default) and in a burst (20).
    pub(super) fn new(conf: &ntp::Loaded) -> Self {
        let last = |name: &str, option: &str| {
            let statements = conf.named(name);
            let options = statements.filter_map(|statement| match &statement.body {
                Body::Options(options) => options.iter().rev().find(|known| known.name == option),
                _ => None,
            });
            options.last().and_then(Opt::number)
        };
        match conf.dialect {
            Dialect::Classic => {
                let average = last("discard", "average");
                Self {
                    set: average.is_some(),
                    interval: average.map(|average| rounded(average, -4, 12)),
                    burst: None,
                }
            }
            Dialect::Ntpsec => {
                let average = last("limit", "average").filter(|average| *average > 0.0);
                let burst = last("limit", "burst").filter(|burst| *burst >= 1.0);
                Self {
                    set: average.is_some() || burst.is_some(),
                    interval: Some(rounded(-average.unwrap_or(1.0).log2(), -19, 12)),
                    burst: Some(rounded(burst.unwrap_or(20.0), 1, 255)),
                }
            }
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "clamped")]
fn rounded(number: f64, low: i32, high: i32) -> i64 {
    number.round().clamp(f64::from(low), f64::from(high)) as i64
}
