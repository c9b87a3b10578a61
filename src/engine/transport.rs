//! The seam to the network: send a request, wait for what comes first. The wait is in the trait, so
//! that simulation runs the same loop as production.

use super::source_id::SourceId;
use std::net::IpAddr;
use std::net::SocketAddr;

/// What ended a wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A datagram for a source.
    Received {
        /// The source whose request it may answer.
        source: SourceId,
        /// Its content.
        data: Vec<u8>,
        /// When it arrived by the system clock, in nanoseconds since 1970.
        at_unix_ns: i64,
    },
    /// When the source's last request really left.
    Transmitted {
        /// The source that sent it.
        source: SourceId,
        /// When it left by the system clock, in nanoseconds since 1970.
        at_unix_ns: i64,
    },
    /// The network refused the source's request, or a router did (ICMP).
    Refused {
        /// The source that sent it.
        source: SourceId,
        /// Why, in words.
        reason: String,
    },
    /// Addresses that were asked for.
    Resolved {
        /// The name.
        name: String,
        /// Its addresses; empty when there are none.
        addresses: Vec<IpAddr>,
    },
    /// A descriptor of the host's has something to read: the token it was registered under.
    Ready(usize),
    /// The configuration is to be read again (SIGHUP).
    Reload,
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
    fn send(&mut self, source: SourceId, to: SocketAddr, data: &[u8]) -> Result<i64, String>;

    /// No further reply is expected by this source.
    fn close(&mut self, source: SourceId);

    /// The address that the source's open request was sent from.
    fn home(&self, _source: SourceId) -> Option<IpAddr> {
        None
    }

    /// Whether a network card stamped the source's last request, and its last reply; else the
    /// kernel did.
    fn by_card(&self, _source: SourceId) -> (bool, bool) {
        (false, false)
    }

    /// Asks for the addresses of a name; the answer comes as an event.
    fn resolve(&mut self, name: &str);

    /// Waits for an event, at most this long.
    fn wait(&mut self, timeout_ms: u64) -> Event;
}
