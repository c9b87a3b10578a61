//! What is told of those who are served.

use crate::proto::cmdmon::Address;
use crate::proto::cmdmon::field::Addr;
use crate::proto::cmdmon::field::Ago;
use crate::proto::cmdmon::field::I8;
use crate::proto::cmdmon::field::U32;
use crate::proto::cmdmon::field::record;

/// Clients that a reply has room for.
pub const MAX_CLIENTS: usize = 8;

record! {
    /// A line of `chronyc clients`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Client {
        /// Its address.
        address: Address as Addr,
        /// NTP requests.
        ntp_hits: u32 as U32,
        /// NTS key exchanges.
        nke_hits: u32 as U32,
        /// Commands.
        cmd_hits: u32 as U32,
        /// NTP requests that were dropped.
        ntp_drops: u32 as U32,
        /// Key exchanges that were dropped.
        nke_drops: u32 as U32,
        /// Commands that were dropped.
        cmd_drops: u32 as U32,
        /// Interval between NTP requests, log2 seconds; 127 unknown.
        ntp_interval: i8 as I8,
        /// Interval between key exchanges.
        nke_interval: i8 as I8,
        /// Interval between commands.
        cmd_interval: i8 as I8,
        /// Interval after a request that was limited.
        ntp_timeout_interval: i8 as I8,
        /// Seconds since the last NTP request.
        last_ntp: Option<u32> as Ago,
        /// Seconds since the last key exchange.
        last_nke: Option<u32> as Ago,
        /// Seconds since the last command.
        last_cmd: Option<u32> as Ago,
    }
}

/// `chronyc serverstats`, of any release: what one does not count yet is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// The counters, in the order of the newest release (see [`SERVER_COUNTERS`]).
    pub counters: [Option<u64>; 17],
}

/// What the counters of [`ServerStats`] count.
pub const SERVER_COUNTERS: [&str; 17] = [
    "ntp_hits",
    "nke_hits",
    "cmd_hits",
    "ntp_drops",
    "nke_drops",
    "cmd_drops",
    "log_drops",
    "ntp_auth_hits",
    "ntp_interleaved_hits",
    "ntp_timestamps",
    "ntp_span_seconds",
    "ntp_daemon_rx_timestamps",
    "ntp_daemon_tx_timestamps",
    "ntp_kernel_rx_timestamps",
    "ntp_kernel_tx_timestamps",
    "ntp_hw_rx_timestamps",
    "ntp_hw_tx_timestamps",
];

/// The forms of [`ServerStats`]: reply code, which counters it has.
pub(super) const SERVER_FORMS: &[(u16, &[usize])] = &[
    (14, &[0, 2, 3, 5, 6]),
    (22, &[0, 1, 2, 3, 4, 5, 6, 7]),
    (24, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    (
        25,
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
    ),
];

/// Octets at the end of the newest form that say nothing.
pub(super) const SERVER_RESERVED: usize = 32;
