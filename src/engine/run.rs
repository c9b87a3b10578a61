//! The loop: production and simulation run this very function.

use super::clock::Clock;
use super::clock::ClockError;
use super::core::Action;
use super::core::Engine;
use super::core::Note;
use super::transport::Event;
use super::transport::Transport;

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

/// Who keeps what the engine learns and says.
pub trait Observer {
    /// Something worth a line in the log.
    fn note(&mut self, note: &Note);

    /// The frequency and how sure it is, in ppm, for the next start.
    fn save_drift(&mut self, ppm: f64, skew: f64);

    /// Once a round, after everything was done.
    fn round(&mut self, _engine: &Engine) {}
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
        observer.round(engine);
        let now = clock.read();
        let timeout = engine
            .deadline()
            .map_or(LONGEST_MS, |d| d.millis_from(now.raw).min(LONGEST_MS));
        let event = net.wait(timeout);
        let now = clock.read();
        match event {
            Event::Received {
                source,
                data,
                at_unix_ns,
            } => engine.received(now, source, &data, at_unix_ns),
            Event::Transmitted { source, at_unix_ns } => engine.sent(now, source, at_unix_ns),
            Event::Refused { source, reason } => engine.refused(source, reason),
            Event::Resolved { name, addresses } => engine.resolved(now, &name, &addresses),
            Event::ClockSet | Event::Deadline => {}
            Event::Stop => {
                engine.stop(now);
                return act(clock, net, engine, observer).unwrap_or(End::Stopped);
            }
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
                    Ok(at) => engine.sent(clock.read(), source, at),
                    Err(reason) => engine.refused(source, reason),
                }
                Ok(())
            }
            Action::Resolve(name) => {
                net.resolve(&name);
                Ok(())
            }
            Action::SetFrequency(ppm) => clock.set_frequency(ppm).map(|_| ()),
            Action::Step(nanos) => clock.step(nanos),
            Action::Publish(status) => clock.publish(&status),
            Action::Note(note) => {
                observer.note(&note);
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
