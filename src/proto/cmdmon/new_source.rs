//! The body of the request that adds a source (`chronyc add server`), 352 octets.

use super::field::Float;
use super::field::I32;
use super::field::Name;
use super::field::U32;
use super::field::record;

/// One server.
pub const SERVER: u32 = 1;
/// A symmetric association.
pub const PEER: u32 = 2;
/// A name with several servers.
pub const POOL: u32 = 3;

/// Ask it at once.
pub const FLAG_ONLINE: u32 = 0x1;
/// `auto_offline`.
pub const FLAG_AUTO_OFFLINE: u32 = 0x2;
/// `iburst`.
pub const FLAG_IBURST: u32 = 0x4;
/// `prefer`.
pub const FLAG_PREFER: u32 = 0x8;
/// `noselect`.
pub const FLAG_NOSELECT: u32 = 0x10;
/// `trust`.
pub const FLAG_TRUST: u32 = 0x20;
/// `require`.
pub const FLAG_REQUIRE: u32 = 0x40;
/// `xleave`.
pub const FLAG_INTERLEAVED: u32 = 0x80;
/// `burst`.
pub const FLAG_BURST: u32 = 0x100;
/// `nts`.
pub const FLAG_NTS: u32 = 0x200;
/// `copy`.
pub const FLAG_COPY: u32 = 0x400;
/// `extfield F323`.
pub const FLAG_EXTFIELD_MONO_ROOT: u32 = 0x800;
/// `extfield F324`.
pub const FLAG_EXTFIELD_NET_CORRECTION: u32 = 0x1000;
/// Only IPv4 addresses.
pub const FLAG_IPV4: u32 = 0x2000;
/// Only IPv6 addresses.
pub const FLAG_IPV6: u32 = 0x4000;

record! {
    /// A source to be added, with the options of chrony.conf's `server`.
    #[derive(Clone, Debug, PartialEq)]
    pub struct NewSource {
        /// [`SERVER`], [`PEER`] or [`POOL`].
        kind: u32 as U32,
        /// Name or address.
        name: String as Name,
        /// UDP port.
        port: u32 as U32,
        /// Shortest poll, log2 seconds.
        minpoll: i32 as I32,
        /// Longest poll, log2 seconds.
        maxpoll: i32 as I32,
        /// A packet is sent ahead from this poll on; 100: never.
        presend_minpoll: i32 as I32,
        /// Least stratum that it counts as.
        min_stratum: u32 as U32,
        /// Number of samples that the poll aims at.
        poll_target: u32 as U32,
        /// NTP version.
        version: u32 as U32,
        /// Servers used of a pool.
        max_sources: u32 as U32,
        /// Least number of samples; -1: the daemon's.
        min_samples: i32 as I32,
        /// Largest number of samples; -1: the daemon's.
        max_samples: i32 as I32,
        /// Number of the symmetric key; 0: none.
        auth_key: u32 as U32,
        /// Port of NTS key exchange.
        nts_port: u32 as U32,
        /// Largest delay, seconds.
        max_delay_s: f64 as Float,
        /// Largest ratio of the delay to the least.
        max_delay_ratio: f64 as Float,
        /// Largest ratio of the delay's growth to the standard deviation.
        max_delay_dev_ratio: f64 as Float,
        /// Least delay, seconds.
        min_delay_s: f64 as Float,
        /// Asymmetry, -0.5 to 0.5; 1: unknown.
        asymmetry: f64 as Float,
        /// The option `offset`: seconds added to what is measured (our sign already).
        offset_s: f64 as Float,
        /// `FLAG_…` bits.
        flags: u32 as U32,
        /// Samples that are filtered to one; 0: none.
        filter_length: i32 as I32,
        /// Set of trusted certificates.
        cert_set: u32 as U32,
        /// Quantile of the delay.
        max_delay_quantile: f64 as Float,
        /// Polls without a reply after which it is replaced (4.7 on; else 0).
        max_unreach: i32 as I32,
    }
}

impl NewSource {
    /// A source with the options that chronyc sends when none is given.
    #[must_use]
    pub fn new(kind: u32, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            port: 123,
            minpoll: 6,
            maxpoll: 10,
            presend_minpoll: 100,
            min_stratum: 0,
            poll_target: 8,
            version: 4,
            max_sources: 4,
            min_samples: -1,
            max_samples: -1,
            auth_key: 0,
            nts_port: 4460,
            max_delay_s: 3.0,
            max_delay_ratio: 0.0,
            max_delay_dev_ratio: 10.0,
            min_delay_s: 0.0,
            asymmetry: 1.0,
            offset_s: 0.0,
            flags: FLAG_ONLINE,
            filter_length: 0,
            cert_set: 0,
            max_delay_quantile: 0.0,
            max_unreach: 100_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::reader::Reader;

    #[test]
    fn a_source_has_the_length_that_chronyd_expects() {
        assert_eq!(NewSource::LEN, 352);
        let source = NewSource::new(POOL, "pool.ntp.org");
        let mut out = Vec::new();
        source.write(&mut out);
        assert_eq!(NewSource::read(&mut Reader::new(&out)).unwrap(), source);
    }
}
