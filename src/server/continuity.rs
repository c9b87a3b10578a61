//! Whether the clock is still the one that the published state speaks of. When somebody sets it,
//! or the machine slept, nobody is answered until a newer state is published, and nothing that may
//! have waited since before: such datagrams carry times of arrival of the clock as it was.

use super::state::State;

/// What one worker knows of the clock having been set, and of what may still wait since then.
#[derive(Clone, Debug)]
pub struct Continuity {
    /// When it was last noticed, on the undisciplined clock, in nanoseconds.
    set_ns: Option<u64>,
    /// For each queue: batches that may hold what came before.
    old: Vec<u32>,
}

/// More full batches than a receive buffer holds.
const MOST_BATCHES: u32 = 4096;

impl Continuity {
    /// Of a worker with so many sockets.
    #[must_use]
    pub fn new(queues: usize) -> Self {
        Self {
            set_ns: None,
            old: vec![0; queues],
        }
    }

    /// The clock was set, or the machine slept; noticed now, on the undisciplined clock.
    fn clock_was_set(&mut self, raw_ns: u64) {
        self.set_ns = Some(raw_ns);
        self.old.fill(MOST_BATCHES);
    }

    /// Takes in what is known now: whether the kernel told that the clock was set, or the state is
    /// overtaken. `clock_ns` is the system clock minus the undisciplined one. True when that is
    /// news: whatever is remembered of the clock is worth nothing then.
    pub fn notice(&mut self, told: bool, state: &State, raw_ns: u64, clock_ns: i64) -> bool {
        let news = told || self.is_newer(state) && state.overtaken(raw_ns, clock_ns);
        if news {
            self.clock_was_set(raw_ns);
        }
        news
    }

    /// Whether a batch from this queue may be answered by this state. `full`: as many as could be
    /// read at once, so more may wait.
    pub fn holds(&mut self, queue: usize, full: bool, state: &State) -> bool {
        let newer = self.is_newer(state);
        let Some(old) = self.old.get_mut(queue).filter(|old| **old > 0) else {
            return newer;
        };
        *old = if full { *old - 1 } else { 0 };
        false
    }

    fn is_newer(&self, state: &State) -> bool {
        self.set_ns.is_none_or(|set| state.raw_ns > set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::packet::Leap;
    use crate::server::access::Access;
    use crate::server::access::Rule;
    use crate::server::clients::Clients;
    use crate::server::counters::Counters;
    use crate::server::respond::Datagram;
    use crate::server::respond::LONGEST;
    use crate::server::respond::Outcome;
    use crate::server::respond::Policy;
    use crate::server::respond::Responder;
    use crate::server::respond::StampedBy;
    use crate::time::NtpTimestamp;
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use std::sync::Arc;

    const MS: i64 = 1_000_000;
    const SECOND: i64 = 1_000_000_000;
    /// What the simulated machine reads at once.
    const BATCH: usize = 4;

    /// A machine whose true time is its undisciplined clock; `error` is what its system clock is
    /// ahead of that.
    struct World {
        raw: i64,
        error: i64,
        state: State,
        /// Datagrams that wait, with the system clock at their arrival, and the truth.
        queue: VecDeque<(i64, i64)>,
        continuity: Continuity,
        responder: Responder,
        /// The kernel told that the clock was set, and nobody looked yet.
        told: bool,
        /// Receive timestamp of the client's last exchange, and its origin for the next.
        last: u64,
        answered: usize,
    }

    /// The system clock's era: 1970 plus this.
    const BASE: i64 = 1_800_000_000 * SECOND;

    fn ntp(unix_ns: i64) -> NtpTimestamp {
        let nanos = u32::try_from(unix_ns.rem_euclid(SECOND)).unwrap();
        NtpTimestamp::from_unix(unix_ns.div_euclid(SECOND), nanos)
    }

    impl World {
        fn new() -> Self {
            let everybody = Rule {
                allow: true,
                all: false,
                network: None,
                bits: 0,
                text: String::new(),
                place: String::new(),
            };
            let policy = Policy {
                access: Access::new(vec![everybody]),
                ..Policy::default()
            };
            let mut world = Self {
                raw: SECOND,
                error: 0,
                state: State::unsynchronised(),
                queue: VecDeque::new(),
                continuity: Continuity::new(1),
                responder: Responder::new(
                    Arc::new(policy),
                    Clients::new(1 << 12, None, 1),
                    Arc::new(Counters::default()),
                ),
                told: false,
                last: 0,
                answered: 0,
            };
            world.publish();
            world
        }

        /// The engine, which knows the error, says what it is: as dispersion.
        fn publish(&mut self) {
            self.state = State {
                leap: Leap::None,
                stratum: 2,
                raw_ns: self.raw as u64,
                clock_ns: BASE + self.error,
                root_dispersion: self.error.unsigned_abs() as f64 * 1e-9 + 1e-4,
                ..State::unsynchronised()
            };
        }

        /// Reads and answers a batch, as a worker does.
        fn serve(&mut self) {
            let count = self.queue.len().min(BATCH);
            let batch: Vec<(i64, i64)> = self.queue.drain(..count).collect();
            let raw = self.raw as u64;
            let told = std::mem::take(&mut self.told);
            let state = self.state;
            if self.continuity.notice(told, &state, raw, BASE + self.error) {
                self.responder.forget_exchanges();
            }
            if !self.continuity.holds(0, count == BATCH, &state) {
                return;
            }
            let header = state.header(raw);
            let seen = BASE + self.error + self.raw;
            for (arrived, truth) in batch {
                let mut request = [0; 48];
                request[0] = 0x23;
                // It asks in interleaved mode whenever it can.
                request[24..32].copy_from_slice(&self.last.to_be_bytes());
                request[32..40].copy_from_slice(&1_u64.to_be_bytes());
                request[40..48].copy_from_slice(&2_u64.to_be_bytes());
                let received = if arrived > seen { seen } else { arrived };
                let datagram = Datagram {
                    bytes: &request,
                    from: "192.0.2.1".parse().unwrap(),
                    port: 5000,
                    received: ntp(received),
                    stamped: StampedBy::Kernel,
                    transmit: ntp(seen),
                    now_ns: raw,
                    trace: None,
                };
                let mut reply = [0; LONGEST];
                let outcome = self.responder.answer(&header, &datagram, &mut reply);
                if outcome == Outcome::Silence {
                    continue;
                }
                self.answered += 1;
                let word = |at: usize| u64::from_be_bytes(*reply[at..].first_chunk::<8>().unwrap());
                let claimed =
                    f64::from(u32::from_be_bytes(*reply[8..].first_chunk::<4>().unwrap()));
                let claimed = claimed / 65536.0 + 2e-5;
                self.last = word(32);
                if reply[0] >> 6 == 3 {
                    continue;
                }
                let off = |at: usize, true_raw: i64| {
                    NtpTimestamp::from_bits(word(at))
                        .since(ntp(BASE + true_raw))
                        .seconds()
                        .abs()
                };
                assert!(
                    off(32, truth) <= claimed,
                    "arrival {} > {claimed}",
                    off(32, truth)
                );
                // In interleaved mode the time of departure is that of the reply before: some
                // time ago, but of the clock as it is.
                if word(24) == 2 {
                    assert!(
                        off(40, self.raw) <= claimed,
                        "{} > {claimed}",
                        off(40, self.raw)
                    );
                } else {
                    let before = NtpTimestamp::from_bits(word(40)).since(ntp(seen)).seconds();
                    assert!(before <= 0.0 && before > -2000.0, "departure {before}");
                }
            }
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Happening {
        Arrive(u8),
        Serve,
        Publish,
        Pass(i64),
        Step(i64),
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            (1..9_u8).prop_map(Happening::Arrive),
            Just(Happening::Serve),
            Just(Happening::Serve),
            Just(Happening::Publish),
            (0..2_000_i64).prop_map(Happening::Pass),
            // Forward, backward, large, small.
            prop_oneof![-5 * MS..5 * MS, -100 * SECOND..100 * SECOND].prop_map(Happening::Step),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_to_the_clock_no_reply_carries_a_wrong_time(
            story in proptest::collection::vec(happening(), 1..120),
        ) {
            let mut world = World::new();
            for happening in story {
                match happening {
                    Happening::Arrive(count) => {
                        for _ in 0..count {
                            world.queue.push_back((BASE + world.error + world.raw, world.raw));
                            world.raw += 1000;
                        }
                    }
                    Happening::Serve => world.serve(),
                    Happening::Publish => world.publish(),
                    Happening::Pass(us) => world.raw += us * 1000,
                    Happening::Step(by) => {
                        world.error += by;
                        world.told = true;
                        world.raw += 1;
                    }
                }
            }
        }
    }

    #[test]
    fn after_a_step_and_a_new_state_clients_are_answered_again() {
        for by in [3 * MS, -3 * MS, 90 * SECOND, -90 * SECOND] {
            let mut world = World::new();
            let ask = |world: &mut World| {
                world
                    .queue
                    .push_back((BASE + world.error + world.raw, world.raw));
                world.raw += MS;
                let before = world.answered;
                world.serve();
                world.answered - before
            };
            assert_eq!(ask(&mut world), 1);
            world.error += by;
            world.told = true;
            assert_eq!(ask(&mut world), 0, "a step of {by} ns");
            world.raw += MS;
            world.publish();
            world.raw += MS;
            assert_eq!(ask(&mut world), 1, "a step of {by} ns");
        }
    }

    #[test]
    fn a_lone_client_is_answered_however_the_clock_drifted_since_it_last_asked() {
        let mut world = World::new();
        for _ in 0..20 {
            // 500 ppm over 1024 s, while the state is kept up to date.
            world.raw += 1024 * SECOND;
            world.error += 512 * MS;
            world.publish();
            world
                .queue
                .push_back((BASE + world.error + world.raw, world.raw));
            world.raw += MS;
            world.serve();
        }
        assert_eq!(world.answered, 20);
    }
}
