//! The daemon's reference clocks: opened before root is given up, else when they are first read,
//! waited for where they say by themselves that they have something, and opened again after they
//! were away.

use crate::engine::Engine;
use crate::engine::config::Config;
use crate::engine::config::SourceConfig;
use crate::engine::refclock::Device;
use crate::engine::refclock::RefclockConfig;
use crate::engine::refclock::Tick;
use crate::engine::source_id::SourceId;
use crate::engine::standard::Readings;
use crate::sys::error::Error;
use crate::sys::privileges::is_root;
use crate::sys::refclock::OpenClock;
use crate::sys::requests::Watched;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// Tokens of the clocks in the loop: this and a source's number.
const TOKEN: usize = 0x1_0000;
/// A descriptor that wakes the loop so often between two readings, and says nothing each time, is
/// left until the next reading: a device that is gone, or a flood of what is no sample.
const IDLE: u32 = 64;

/// A clock that is open.
#[derive(Debug)]
struct Open {
    source: SourceId,
    device: Device,
    clock: OpenClock,
    /// The loop waits for it.
    watched: bool,
    /// Times that it woke the loop for nothing since it was read last.
    idle: u32,
    /// It could not be read the last time: it is opened anew if that is allowed.
    failed: bool,
}

/// A clock that could not be opened at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unopened {
    /// Its source's name.
    pub name: String,
    /// Why, in words.
    pub reason: String,
}

/// The clocks that are open.
#[derive(Debug, Default)]
pub struct Refclocks {
    open: Vec<Open>,
    /// Open, and no source's yet, or no more: only root might open them again.
    held: Vec<(Device, OpenClock)>,
    watched: Watched,
    /// The local standard, and where its readings go.
    standard: Option<(Readings, RefclockConfig)>,
    /// The engine's undisciplined clock is the kernel's, so that stamps of that one can be used.
    plain: bool,
    /// Who this process became: what only root may open stays closed from then on.
    became: Option<String>,
    /// What is to be said of clocks that were opened.
    pub warnings: Vec<String>,
}

impl Refclocks {
    /// None open yet. Those that speak by themselves are put on the list of what is waited for;
    /// `plain` says that the engine's undisciplined clock is the kernel's.
    #[must_use]
    pub fn new(
        watched: Watched,
        standard: Option<(Readings, RefclockConfig)>,
        plain: bool,
    ) -> Self {
        Self {
            watched,
            standard,
            plain,
            ..Self::default()
        }
    }

    /// What was read on its way to the engine.
    fn pass(&self, device: &Device, mut ticks: Vec<Tick>) -> Vec<Tick> {
        if !self.plain {
            for tick in &mut ticks {
                tick.raw = None;
            }
        }
        if let Some((readings, config)) = &self.standard
            && config.device == *device
        {
            readings.push(&ticks);
        }
        ticks
    }

    /// As [`Refclocks::open_all`] where this process is root and is going to give that up.
    #[must_use]
    pub fn open_as_root(&mut self, sources: &[SourceConfig], gives_up: bool) -> Vec<Unopened> {
        match gives_up && is_root() {
            true => self.open_all(sources),
            false => Vec::new(),
        }
    }

    /// Opens all clocks of these while this process may do that still, for the sources that the
    /// engine makes of them when it starts. Gives those that could not be opened: they are tried
    /// again when they are read.
    #[must_use]
    pub fn open_all(&mut self, sources: &[SourceConfig]) -> Vec<Unopened> {
        let mut unopened = Vec::new();
        for source in sources {
            let Some(clock) = &source.refclock else {
                continue;
            };
            match OpenClock::open(&clock.device) {
                Ok(open) => self.held.push((clock.device.clone(), open)),
                Err(error) => unopened.push(Unopened {
                    name: source.name.clone(),
                    reason: error.to_string(),
                }),
            }
        }
        unopened
    }

    /// Root was given up, for this user; none when it was not.
    pub fn became(&mut self, user: Option<String>) {
        self.became = user;
    }

    /// Where a source's clock is among those that are open; it is opened if it is not.
    fn place(&mut self, source: SourceId, device: &Device) -> Result<usize, String> {
        let known = self.open.iter().position(|open| open.source == source);
        if let Some(at) = known {
            // One that cannot be opened anew may be read again all the same.
            if let Some(open) = self.open.get_mut(at).filter(|open| open.failed)
                && let Ok(clock) = OpenClock::open(device)
            {
                let token = of(source);
                (open.clock, open.watched, open.failed) = (clock, false, false);
                self.watched.remove(token);
            }
            return Ok(at);
        }
        let clock = match self.held.iter().position(|(held, _)| held == device) {
            Some(at) => self.held.remove(at).1,
            None => OpenClock::open(device).map_err(|error| self.words(&error))?,
        };
        self.warnings.extend(clock.warning());
        self.open.push(Open {
            source,
            device: device.clone(),
            clock,
            watched: false,
            idle: 0,
            failed: false,
        });
        Ok(self.open.len() - 1)
    }

    /// Why a clock is not opened, and what can be done.
    fn words(&self, error: &Error) -> String {
        match &self.became {
            Some(user) if error.is_permission() => format!(
                "{error}: {user} may not, and root was given up; restart the daemon to open it, or \
                 start it with --user root"
            ),
            _ => error.to_string(),
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// Why it cannot be opened or read, in words.
    pub fn read(&mut self, source: SourceId, device: &Device) -> Result<Vec<Tick>, String> {
        let at = self.place(source, device)?;
        let Some(open) = self.open.get_mut(at) else {
            return Ok(Vec::new());
        };
        let read = open.clock.read();
        (open.idle, open.failed) = (0, read.is_err());
        match read {
            Ok(ticks) => {
                self.watch(at);
                Ok(self.pass(device, ticks))
            }
            Err(error) => {
                // It is opened anew when it is back; a number that is held is not given to it.
                if error.is_gone() || self.became.is_none() {
                    self.close(at);
                }
                Err(error.to_string())
            }
        }
    }

    /// What the clock of a token said by itself; nothing when the token is no clock's.
    pub fn ready(&mut self, token: usize) -> Option<(SourceId, Vec<Tick>)> {
        let at = self.open.iter().position(|o| of(o.source) == token)?;
        let open = self.open.get_mut(at)?;
        let said = open.clock.ready();
        if said.is_empty() {
            open.idle += 1;
            if open.idle >= IDLE {
                open.watched = false;
                self.watched.remove(token);
            }
        }
        let (source, device) = (open.source, open.device.clone());
        Some((source, self.pass(&device, said)))
    }

    /// Closes the clocks of sources that are gone: a new one may want the same socket. Once root
    /// was given up they stay open for it: its line may have changed, not its device.
    pub fn keep(&mut self, engine: &Engine) {
        while let Some(at) = self
            .open
            .iter()
            .position(|open| engine.source(open.source).is_none())
        {
            let gone = self.close(at);
            if self.became.is_some() {
                self.held.push((gone.device, gone.clock));
            }
        }
    }

    fn close(&mut self, at: usize) -> Open {
        let open = self.open.remove(at);
        self.watched.remove(of(open.source));
        open
    }

    fn watch(&mut self, at: usize) {
        let Some(open) = self.open.get_mut(at).filter(|open| !open.watched) else {
            return;
        };
        // A descriptor of its own on the same open file: either may be closed first.
        let copy = open.clock.fd().map(|fd| fd.as_fd().try_clone_to_owned());
        if let Some(Ok(copy)) = copy {
            open.watched = true;
            let copy: Rc<OwnedFd> = Rc::new(copy);
            self.watched.add(of(open.source), copy);
        }
    }
}

/// The sources of a configuration that are clocks of this machine.
#[must_use]
pub fn of_this_machine(config: &Config) -> Vec<SourceConfig> {
    let clocks = config.sources.iter().filter(|s| s.refclock.is_some());
    clocks.cloned().collect()
}

/// The local standard of a configuration, if it has one.
#[must_use]
pub fn standard(config: &Config) -> Option<(Readings, RefclockConfig)> {
    let mut clocks = config.sources.iter().filter_map(|s| s.refclock.as_ref());
    let standard = clocks.find(|clock| clock.local)?;
    Some((Readings::default(), standard.clone()))
}

fn of(source: SourceId) -> usize {
    TOKEN.saturating_add(usize::try_from(source.0).unwrap_or(usize::MAX))
}

#[cfg(test)]
#[allow(clippy::disallowed_types, reason = "tests send samples")]
mod tests {
    use super::*;
    use crate::engine::random::Random;
    use crate::engine::transport::Event;
    use crate::engine::transport::Transport;
    use crate::proto::refid::RefId;
    use crate::proto::sock_sample::SockSample;
    use crate::sys::requests::Requests;
    use std::os::unix::net::UnixDatagram;

    const SAMPLE: SockSample = SockSample {
        system_ns: 5_000_000_000,
        offset: 0.5,
        pulse: false,
        leap: 0,
    };

    #[test]
    fn a_sample_wakes_the_loop_and_rubbish_does_so_only_for_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let device = Device::Sock {
            path: path.to_str().unwrap().to_owned(),
        };
        let mut requests = Requests::new();
        let mut clocks = Refclocks::new(requests.watched(), None, true);
        let id = SourceId::FIRST;
        assert_eq!(clocks.read(id, &device), Ok(Vec::new()));
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(&SAMPLE.encode(), &path).unwrap();
        let Event::Ready(token) = requests.wait(1000) else {
            panic!("the socket wakes nobody");
        };
        let (source, said) = clocks.ready(token).unwrap();
        assert_eq!((source, said.len()), (id, 1));
        assert_eq!(requests.wait(0), Event::Deadline);
        for _ in 0..IDLE {
            sender.send_to(b"rubbish", &path).unwrap();
            assert_eq!(requests.wait(1000), Event::Ready(token));
            assert!(clocks.ready(token).unwrap().1.is_empty());
        }
        sender.send_to(&SAMPLE.encode(), &path).unwrap();
        assert_eq!(requests.wait(0), Event::Deadline);
        // The next reading takes what waits, and listens again.
        assert_eq!(clocks.read(id, &device).unwrap().len(), 1);
        sender.send_to(&SAMPLE.encode(), &path).unwrap();
        assert_eq!(requests.wait(1000), Event::Ready(token));
    }

    /// The engine has no sources before it starts, and then root is given up already.
    #[test]
    fn a_clock_that_was_opened_before_the_engine_started_is_its_sources_from_then_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let device = |path: &str| Device::Sock {
            path: path.to_owned(),
        };
        let source = |name: &str, path: &str| {
            let clock = RefclockConfig::new(device(path), RefId(*b"SOCK"));
            SourceConfig::refclock(name, clock)
        };
        let here = path.to_str().unwrap();
        let mut clocks = Refclocks::default();
        let unopened = clocks.open_all(&[
            source("GPS", here),
            source("GONE", "/nosuch/x.sock"),
            SourceConfig::new("a", Some("192.0.2.1:123".parse().unwrap())),
        ]);
        assert_eq!(unopened.len(), 1);
        assert_eq!(unopened[0].name, "GONE");
        assert!(unopened[0].reason.contains("/nosuch/x.sock"));
        clocks.became(Some("nobody".to_owned()));
        // What comes before the first reading waits for it; nothing is opened anew.
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(&SAMPLE.encode(), &path).unwrap();
        let first = SourceId::FIRST;
        assert_eq!(clocks.read(first, &device(here)).unwrap().len(), 1);
        // The line is changed: another source has the same device.
        clocks.keep(&Engine::new(Config::default(), Random::from_number(1)));
        sender.send_to(&SAMPLE.encode(), &path).unwrap();
        assert_eq!(clocks.read(SourceId(2), &device(here)).unwrap().len(), 1);
    }

    #[test]
    fn a_source_that_is_gone_leaves_its_socket_to_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let device = Device::Sock {
            path: path.to_str().unwrap().to_owned(),
        };
        let mut clocks = Refclocks::default();
        let old = SourceId::FIRST;
        assert!(clocks.read(old, &device).is_ok());
        // This engine has no source at all.
        clocks.keep(&Engine::new(Config::default(), Random::from_number(1)));
        let new = SourceId(2);
        assert!(clocks.read(new, &device).is_ok());
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(&SAMPLE.encode(), &path).unwrap();
        assert_eq!(clocks.read(new, &device).unwrap().len(), 1);
        assert!(path.exists());
    }
}
