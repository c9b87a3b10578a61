//! A state that one thread writes and many read without a lock: a sequence lock. The words are
//! atomics, so a torn read is seen and tried again, never used.

use super::state::State;
use super::state::Uncorrected;
use crate::proto::packet::Leap;
use crate::proto::refid::RefId;
use crate::time::NtpTimestamp;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::atomic::fence;

const WORDS: usize = 13;

/// Beside the number of an uncorrected clock: there is one.
const KNOWN: u64 = 1 << 32;

/// The place where the state is published.
#[derive(Debug)]
#[repr(align(128))]
pub struct Published {
    sequence: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl Default for Published {
    fn default() -> Self {
        let published = Self {
            sequence: AtomicU64::new(0),
            words: Default::default(),
        };
        published.write(&State::unsynchronised());
        published
    }
}

impl Published {
    /// Publishes; only one thread may.
    pub fn write(&self, state: &State) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence
            .store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        for (place, word) in self.words.iter().zip(pack(state)) {
            place.store(word, Ordering::Relaxed);
        }
        self.sequence
            .store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// The last state published.
    #[must_use]
    pub fn read(&self) -> State {
        loop {
            let before = self.sequence.load(Ordering::Acquire);
            let mut words = [0; WORDS];
            for (word, place) in words.iter_mut().zip(&self.words) {
                *word = place.load(Ordering::Relaxed);
            }
            fence(Ordering::Acquire);
            if before & 1 == 0 && self.sequence.load(Ordering::Relaxed) == before {
                return unpack(&words);
            }
            std::hint::spin_loop();
        }
    }
}

fn pack(s: &State) -> [u64; WORDS] {
    let small = u32::from_be_bytes([s.leap.to_bits(), s.stratum, s.precision as u8, 0]);
    [
        u64::from(small) << 32 | u64::from(u32::from_be_bytes(s.refid.0)),
        s.reference.to_bits(),
        s.root_delay.to_bits(),
        s.root_dispersion.to_bits(),
        s.growth.to_bits(),
        s.raw_ns,
        s.clock_ns as u64,
        s.until_ns,
        s.smoothing_ns as u64,
        s.smoothing_rate.to_bits(),
        s.uncorrected.map_or(0, |u| KNOWN | u64::from(u.epoch)),
        s.uncorrected.map_or(0, |u| u.ahead.to_bits()),
        s.uncorrected.map_or(0, |u| u.rate.to_bits()),
    ]
}

fn unpack(words: &[u64; WORDS]) -> State {
    let &[
        first,
        reference,
        delay,
        dispersion,
        growth,
        raw,
        clock,
        until,
        smoothing,
        rate,
        uncorrected,
        ahead,
        ahead_rate,
    ] = words;
    let [leap, stratum, precision, _] = ((first >> 32) as u32).to_be_bytes();
    State {
        leap: Leap::from_bits(leap),
        stratum,
        refid: RefId((first as u32).to_be_bytes()),
        reference: NtpTimestamp::from_bits(reference),
        root_delay: f64::from_bits(delay),
        root_dispersion: f64::from_bits(dispersion),
        growth: f64::from_bits(growth),
        precision: precision as i8,
        raw_ns: raw,
        clock_ns: clock as i64,
        until_ns: until,
        smoothing_ns: smoothing as i64,
        smoothing_rate: f64::from_bits(rate),
        uncorrected: (uncorrected & KNOWN != 0).then(|| Uncorrected {
            epoch: uncorrected as u32,
            ahead: f64::from_bits(ahead),
            rate: f64::from_bits(ahead_rate),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_is_written_is_read() {
        let state = State {
            leap: Leap::Delete,
            stratum: 7,
            refid: RefId([1, 2, 3, 250]),
            reference: NtpTimestamp::from_bits(0x1234_5678_9abc_def0),
            root_delay: 0.5,
            root_dispersion: 0.25,
            growth: 1e-6,
            precision: -25,
            raw_ns: 5,
            clock_ns: -6,
            until_ns: 7,
            smoothing_ns: -8,
            smoothing_rate: 1e-9,
            uncorrected: Some(Uncorrected {
                epoch: u32::MAX,
                ahead: -1e-3,
                rate: 1e-5,
            }),
        };
        let published = Published::default();
        assert_eq!(published.read(), State::unsynchronised());
        published.write(&state);
        assert_eq!(published.read(), state);
    }

    #[test]
    #[allow(
        clippy::disallowed_methods,
        reason = "a lock-free structure is tested with threads"
    )]
    fn a_reader_never_sees_half_of_a_state() {
        let published = Arc::new(Published::default());
        let reader = {
            let published = Arc::clone(&published);
            std::thread::spawn(move || {
                for _ in 0..20_000 {
                    let seen = published.read();
                    assert_eq!(seen.raw_ns, seen.smoothing_ns as u64);
                }
            })
        };
        for round in 0..20_000 {
            published.write(&State {
                raw_ns: round,
                smoothing_ns: round as i64,
                ..State::unsynchronised()
            });
        }
        reader.join().unwrap();
    }
}
