//! The broadcasts that the configuration asks for: when each is due, and what is said when the
//! network does not take one.

use crate::conf::chrony::value::Broadcast;
use crate::engine::clock::Reading;
use crate::server::broadcast;
use crate::server::state::State;
use crate::sys;
use crate::sys::log::Level;
use crate::sys::serve::Server;
use crate::time::Monotonic;
use crate::time::NtpTimestamp;
use std::net::SocketAddr;

/// NTP's port.
const PORT: u16 = 123;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Broadcasts {
    list: Vec<Target>,
    state: Option<State>,
}

#[derive(Debug)]
struct Target {
    to: SocketAddr,
    interval: f64,
    next: Monotonic,
    /// What the network last said against it.
    trouble: Option<String>,
}

impl Broadcasts {
    /// Those of a configuration; the first of each is sent an interval from now.
    #[must_use]
    pub(super) fn new(lines: &[Broadcast], now: Monotonic) -> Self {
        let target = |line: &Broadcast| {
            let interval = (line.interval_s as f64).max(1.0);
            Target {
                to: SocketAddr::new(line.address, line.port.unwrap_or(PORT)),
                interval,
                next: now.plus_seconds(interval),
                trouble: None,
            }
        };
        Self {
            list: lines.iter().map(target).collect(),
            state: None,
        }
    }

    /// What replies tell from now on, broadcasts tell too.
    pub(super) const fn told(&mut self, state: &State) {
        self.state = Some(*state);
    }

    /// When the next one is due.
    #[must_use]
    pub(super) fn deadline(&self) -> Option<Monotonic> {
        self.list.iter().map(|target| target.next).min()
    }

    /// Sends those that are due. While nothing is known of the clock, or it was just set, none is
    /// sent.
    pub(super) fn send(&mut self, now: Reading, server: &Server) {
        let raw_ns = now.raw.nanos();
        let clock_ns = now
            .unix_ns
            .saturating_sub(i64::try_from(raw_ns).unwrap_or(i64::MAX));
        let state = self.state.filter(|s| !s.overtaken(raw_ns, clock_ns));
        for target in &mut self.list {
            if now.raw < target.next {
                continue;
            }
            target.next = now.raw.plus_seconds(target.interval);
            let Some(header) = state.map(|s| s.header(raw_ns)) else {
                continue;
            };
            let at: NtpTimestamp = sys::clock::now();
            let Some(packet) = broadcast::packet(&header, target.interval, at) else {
                continue;
            };
            let trouble = server.broadcast(target.to, &packet).err();
            let trouble = trouble.map(|error| error.to_string());
            if let Some(text) = trouble
                .as_ref()
                .filter(|t| target.trouble.as_ref() != Some(t))
            {
                let hint = "is it the broadcast address of an interface? ip addr shows them (brd)";
                sys::log::say(Level::Warning, &format!("{text}; {hint}"));
            }
            target.trouble = trouble;
        }
    }
}
