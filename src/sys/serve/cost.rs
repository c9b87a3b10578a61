//! What a packet takes: where a reply stands in its batch tells when it will leave.

use crate::sys::clock;
use crate::time::NtpTimestamp;

/// The clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// The undisciplined clock, nanoseconds.
    pub(super) raw_ns: u64,
    /// The system clock, nanoseconds since 1970.
    pub(super) unix_ns: i64,
}

impl Now {
    pub(super) fn read() -> Self {
        let (seconds, nanos) = clock::unix();
        Self {
            raw_ns: clock::monotonic_raw().nanos(),
            unix_ns: seconds.saturating_mul(1_000_000_000) + i64::from(nanos),
        }
    }

    /// By what the system clock is ahead of the undisciplined one.
    pub(super) fn clock_ns(self) -> i64 {
        self.unix_ns
            .saturating_sub(i64::try_from(self.raw_ns).unwrap_or(i64::MAX))
    }
}

/// Mean times, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    /// To answer one.
    answer: i64,
    /// To send one.
    send: i64,
}

/// A batch in which the thread was interrupted teaches no more than this, in nanoseconds a packet.
const MOST: i64 = 20_000;

impl Cost {
    /// When the next reply of a batch of `count` will leave, with so many before it.
    pub(super) fn leaves(self, now: Now, count: usize, before: usize) -> NtpTimestamp {
        let after = self.answer * signed(count) + self.send * signed(before);
        ntp(now.unix_ns.saturating_add(after))
    }

    /// Moves the means by an eighth towards what this batch took.
    pub(super) fn learn(
        &mut self,
        start: Now,
        answered: usize,
        sending: Now,
        sent: usize,
        end: Now,
    ) {
        let each = |from: Now, to: Now, count: usize| {
            let took = to.raw_ns.saturating_sub(from.raw_ns);
            (i64::try_from(took).unwrap_or(MOST) / signed(count).max(1)).min(MOST)
        };
        self.answer += (each(start, sending, answered) - self.answer) / 8;
        self.send += (each(sending, end, sent) - self.send) / 8;
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(0)
}

pub(super) fn ntp(unix_ns: i64) -> NtpTimestamp {
    let nanos = u32::try_from(unix_ns.rem_euclid(1_000_000_000)).unwrap_or(0);
    NtpTimestamp::from_unix(unix_ns.div_euclid(1_000_000_000), nanos)
}
