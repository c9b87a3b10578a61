//! What happened to every packet: one set a worker, written by it alone, read by anybody.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters of one worker.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct Counters { $($(#[$doc])* pub $name: Counter,)* }

        /// Their values, summed over workers.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Totals { $($(#[$doc])* pub $name: u64,)* }

        impl Counters {
            /// Adds the values to a sum.
            pub fn add_to(&self, totals: &mut Totals) {
                $(totals.$name = totals.$name.wrapping_add(self.$name.value());)*
            }

            /// Back to nothing; only by the worker that writes them.
            pub fn reset(&self) {
                $(self.$name.0.store(0, Relaxed);)*
            }
        }

        impl Totals {
            /// Names and values.
            #[must_use]
            pub fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

counters! {
    /// Datagrams that came in.
    received,
    /// Requests answered with the time.
    answered,
    /// Kisses sent in place of the time (RATE, DENY).
    kissed,
    /// Not answered: no rule allows the client, or one forbids it.
    denied,
    /// Not answered: the client asks too often.
    limited,
    /// Not answered: too short, or its parts do not fit.
    malformed,
    /// Not answered: a version that is not 1 to 4.
    version,
    /// Not answered: no request (a reply, a broadcast).
    no_request,
    /// Not answered: control and private messages, modes 6 and 7.
    control,
    /// Not answered: an unknown key or a wrong digest.
    unauthentic,
    /// Not answered: the clock was set, or nothing is known of it, just then.
    withheld,
    /// Not answered: the network did not take the reply.
    unsent,
    /// Of those answered: with a digest.
    authenticated,
    /// Of those answered: in interleaved mode.
    interleaved,
    /// Of those answered: over the limit, let through now and then.
    leaked,
    /// Of those answered: as not synchronised.
    unsynchronised,
    /// Records of clients overwritten by those of others.
    forgotten,
    /// Of those received: with the kernel's time of arrival.
    kernel_receive,
    /// Kernel's times of departure.
    kernel_transmit,
    /// Of those received: with the network card's time of arrival.
    card_receive,
    /// Network cards' times of departure.
    card_transmit,
}

impl Totals {
    /// Requests dropped for whatever reason.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.denied
            + self.limited
            + self.malformed
            + self.version
            + self.no_request
            + self.control
            + self.unauthentic
            + self.withheld
            + self.unsent
    }
}

/// A counter with one writer: an addition needs no locked instruction.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn count(&self) {
        self.add(1);
    }

    /// Adds some.
    pub fn add(&self, number: u64) {
        self.0
            .store(self.0.load(Relaxed).wrapping_add(number), Relaxed);
    }

    /// Takes one away: what was counted as answered did not leave.
    pub fn sub(&self, number: u64) {
        self.0
            .store(self.0.load(Relaxed).saturating_sub(number), Relaxed);
    }

    /// The number.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
