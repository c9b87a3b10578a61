//! The seam to the network: send a request, wait for what comes first. The wait is in the trait, so
//! that simulation runs the same loop as production.

use std::net::SocketAddr;

/// What ended a wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A datagram for a source.
    Received {
        /// The source whose request it may answer.
        source: usize,
        /// Its content.
        data: Vec<u8>,
        /// When it arrived by the system clock, in nanoseconds since 1970.
        at_unix_ns: i64,
    },
    /// When the source's last request really left.
    Transmitted {
        /// The source that sent it.
        source: usize,
        /// When it left by the system clock, in nanoseconds since 1970.
        at_unix_ns: i64,
    },
    /// The network refused the source's request, or a router did (ICMP).
    Refused {
        /// The source that sent it.
        source: usize,
        /// Why, in words.
        reason: String,
    },
    /// Addresses that were asked for.
    Resolved {
        /// The name.
        name: String,
        /// Its addresses; empty when there are none.
        addresses: Vec<std::net::IpAddr>,
    },
    /// Somebody set the clock, or the machine woke from sleep.
    ClockSet,
    /// The time is up.
    Deadline,
    /// The program is to end.
    Stop,
}

/// Carries requests and replies.
pub trait Transport {
    /// Sends a request of a source; replies to an older one need not be received any more. Gives
    /// when it left by the system clock, in nanoseconds since 1970, as well as is known yet.
    ///
    /// # Errors
    /// Why it could not be sent, in words.
    fn send(&mut self, source: usize, to: SocketAddr, data: &[u8]) -> Result<i64, String>;

    /// No further reply is expected by this source.
    fn close(&mut self, source: usize);

    /// Asks for the addresses of a name; the answer comes as an event.
    fn resolve(&mut self, name: &str);

    /// Waits for an event, at most this long.
    fn wait(&mut self, timeout_ms: u64) -> Event;
}
