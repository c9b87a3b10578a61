//! The loop: production and simulation run this very function.

use super::clock::Clock;
use super::clock::ClockError;
use super::clock::Reading;
use super::core::Engine;
use super::note::Action;
use super::note::Note;
use super::record::Record;
use super::refclock::Device;
use super::refclock::Tick;
use super::source_id::SourceId;
use super::transport::Event;
use super::transport::Transport;
use crate::time::Monotonic;

/// Why the loop ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// It was told to.
    Stopped,
    /// The offset, in seconds, was larger than the user allows.
    TooLarge(f64),
    /// The clock refused.
    Clock(ClockError),
}

/// The host of the engine: keeps what it learns and says, and does what goes on beside it (control
/// sockets, reference clocks, a watchdog, logs, reading the configuration again) in the same loop.
/// Whatever a method asks of the engine is carried out when it returns.
pub trait Observer {
    /// Something worth a line in the log.
    fn note(&mut self, note: &Note);

    /// Something for the files of measurements, where [`super::config::Config::records`] asks for it.
    fn record(&mut self, _record: &Record) {}

    /// The frequency and how sure it is, in ppm, for the next start.
    fn save_drift(&mut self, ppm: f64, skew: f64);

    /// Reads a clock of this machine: what it says now, or what it said since it was last read.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn read_refclock(&mut self, _source: SourceId, _device: &Device) -> Result<Vec<Tick>, String> {
        Err("no clock of this machine can be read here".to_owned())
    }

    /// Once a round, after everything was done.
    fn round(&mut self, _engine: &Engine) {}

    /// The descriptor registered with the transport under this token has something to read. It is
    /// told again until it has been read.
    fn ready(&mut self, _token: usize, _now: Reading, _engine: &mut Engine) {}

    /// When [`Observer::tick`] has something to do at the latest.
    fn deadline(&self) -> Option<Monotonic> {
        None
    }

    /// Time has passed: does what of the host's own timers is due. Once a round, and often earlier
    /// than anything is due.
    fn tick(&mut self, _now: Reading, _engine: &mut Engine) {}

    /// The configuration is to be read again.
    fn reload(&mut self, _now: Reading, _engine: &mut Engine) {}
}

/// Longest wait, in milliseconds: an hour.
const LONGEST_MS: u64 = 3_600_000;

/// Runs the engine until it is told to stop.
pub fn run(
    clock: &mut impl Clock,
    net: &mut impl Transport,
    engine: &mut Engine,
    observer: &mut impl Observer,
) -> End {
    let frequency = match clock.frequency() {
        Ok(ppm) => ppm,
        Err(error) => return End::Clock(error),
    };
    engine.start(clock.read(), frequency);
    loop {
        engine.tick(clock.read());
        if let Some(end) = act(clock, net, engine, observer) {
            return end;
        }
        observer.tick(clock.read(), engine);
        if let Some(end) = act(clock, net, engine, observer) {
            return end;
        }
        observer.round(engine);
        let now = clock.read();
        let due = engine
            .deadline()
            .into_iter()
            .chain(observer.deadline())
            .chain(clock.deadline());
        let timeout = due
            .min()
            .map_or(LONGEST_MS, |d| d.millis_from(now.raw).min(LONGEST_MS));
        let event = net.wait(timeout);
        let now = clock.read();
        match event {
            Event::Received {
                source,
                data,
                at_unix_ns,
            } => {
                engine.stamped(source, net.by_card(source));
                engine.received(now, source, &data, at_unix_ns);
            }
            Event::Transmitted { source, at_unix_ns } => engine.sent(now, source, at_unix_ns),
            Event::Refused { source, reason } => engine.refused(source, reason),
            Event::Resolved { name, addresses } => engine.resolved(now, &name, &addresses),
            Event::Ready(token) => observer.ready(token, now, engine),
            Event::Reload => observer.reload(now, engine),
            Event::ClockSet | Event::Deadline => {}
            Event::Stop => {
                engine.stop(now);
                return act(clock, net, engine, observer).unwrap_or(End::Stopped);
            }
        }
        // Before the clock is looked at again: a step of the engine's own is nobody else's.
        if let Some(end) = act(clock, net, engine, observer) {
            return end;
        }
    }
}

fn act(
    clock: &mut impl Clock,
    net: &mut impl Transport,
    engine: &mut Engine,
    observer: &mut impl Observer,
) -> Option<End> {
    while let Some(action) = engine.action() {
        let done = match action {
            Action::Send { source, to, data } => {
                match net.send(source, to, &data) {
                    Ok(at) => {
                        engine.sent(clock.read(), source, at);
                        if engine.wants_home(source) {
                            engine.at_home(source, net.home(source));
                        }
                    }
                    Err(reason) => engine.unsendable(clock.read(), source, reason),
                }
                Ok(())
            }
            Action::Close(source) => {
                net.close(source);
                Ok(())
            }
            Action::Resolve(name) => {
                net.resolve(&name);
                Ok(())
            }
            Action::ReadRefclock { source, device } => {
                let read = observer.read_refclock(source, &device);
                engine.refclock_read(clock.read(), source, read);
                Ok(())
            }
            Action::SetFrequency(ppm) => clock.set_frequency(ppm).map(|_| ()),
            Action::Step(nanos) => clock.step(nanos),
            Action::Publish(status) => clock.publish(&status),
            Action::Note(note) => {
                observer.note(&note);
                Ok(())
            }
            Action::Record(record) => {
                observer.record(&record);
                Ok(())
            }
            Action::SaveDrift(ppm, skew) => {
                observer.save_drift(ppm, skew);
                Ok(())
            }
            Action::GiveUp(offset) => return Some(End::TooLarge(offset)),
        };
        if let Err(error) = done {
            return Some(End::Clock(error));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::Config;
    use crate::engine::random::Random;
    use crate::engine::sim;

    /// A host with a timer of ten seconds.
    #[derive(Default)]
    struct Timed {
        next: Option<Monotonic>,
        rung: Vec<Monotonic>,
    }

    impl Observer for Timed {
        fn note(&mut self, _note: &Note) {}

        fn save_drift(&mut self, _ppm: f64, _skew: f64) {}

        fn deadline(&self) -> Option<Monotonic> {
            self.next
        }

        fn tick(&mut self, now: Reading, _engine: &mut Engine) {
            if self.next.is_none_or(|next| now.raw >= next) {
                self.rung.push(now.raw);
                self.next = Some(now.raw.plus_seconds(10.0));
            }
        }
    }

    #[test]
    fn a_timer_of_the_host_rings_without_any_source() {
        let still = sim::Oscillator::default();
        let (mut clock, mut net) = sim::world(still, &[], 101.5, 1);
        let mut engine = Engine::new(Config::default(), Random::from_number(1));
        let mut host = Timed::default();
        assert_eq!(
            run(&mut clock, &mut net, &mut engine, &mut host),
            End::Stopped
        );
        assert_eq!(host.rung.len(), 11);
    }
}
