//! `sync --daemon`: the core engine on the real clock and network, in the foreground, until
//! SIGTERM. Arguments and chrony.conf become an engine's configuration ([`settings`]), what the
//! engine says becomes lines on standard error ([`words`]), what it learns goes to files
//! ([`drift`]).

pub mod drift;
pub mod settings;
pub mod words;

use crate::engine::End;
use crate::engine::Engine;
use crate::engine::Note;
use crate::engine::Observer;
use crate::engine::config::Config;
use crate::engine::random::Random;
use crate::engine::run;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys;
use crate::sys::requests::Requests;
use crate::sys::steered::SteeredClock;
use settings::Files;
use std::path::Path;
use std::path::PathBuf;

/// What the command line says to the daemon.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Servers; without any, the configuration's.
    pub servers: Vec<String>,
    /// Names with several servers each.
    pub pools: Vec<String>,
    /// A chrony.conf; without it and without servers, this machine's own.
    pub config: Option<PathBuf>,
    /// Measure and select, but never touch the clock.
    pub no_clock_control: bool,
    /// How often `-v` was given.
    pub verbose: u8,
}

/// Runs the daemon until it is told to end.
///
/// # Errors
/// A wrong configuration, a clock that cannot be set, an offset beyond what the user allows.
pub fn run_daemon(options: &Options) -> Result<(), Failure> {
    let (mut config, files) = settings::load(options)?;
    if config.sources.is_empty() {
        return Err(Failure::new(ExitStatus::Config, "no server to follow")
            .hint("name one: clockbox sync --daemon pool.ntp.org"));
    }
    config.clock_control &= !options.no_clock_control;
    config.drift = files.drift.as_deref().and_then(drift::read);
    sys::signals::catch()?;
    let mut clock = SteeredClock::new(config.clock_control).map_err(|error| {
        let hint = if error.is_permission() {
            "run it as root, or with --no-clock-control to measure only"
        } else {
            "the kernel or a container forbids it; --no-clock-control measures only"
        };
        Failure::from(error).hint(hint)
    })?;
    let pid = PidFile::write(files.pid.as_deref())?;
    let mut observer = Diary::new(options.verbose, &files, config.clock_control);
    observer.say(&format!(
        "following {}{}",
        names(&config),
        if config.clock_control {
            ""
        } else {
            "; the clock is not touched"
        }
    ));
    let seed = [
        sys::random::bits()?,
        sys::random::bits()?,
        sys::random::bits()?,
        sys::random::bits()?,
    ];
    let mut engine = Engine::new(config, Random::new(seed));
    let end = run(&mut clock, &mut Requests::new(), &mut engine, &mut observer);
    drop(pid);
    match end {
        End::Stopped => {
            observer.say("stopped");
            Ok(())
        }
        End::TooLarge(offset) => Err(Failure::new(
            ExitStatus::Unavailable,
            format!("the clock is {offset:+.3} s off, more than maxchange allows"),
        )
        .hint("set it once: clockbox sync --force")),
        End::Clock(error) => Err(Failure::new(ExitStatus::NoPermission, error.to_string())
            .hint("run it as root, or with --no-clock-control to measure only")),
    }
}

fn names(config: &Config) -> String {
    let names: Vec<&str> = config.sources.iter().map(|s| s.name.as_str()).collect();
    names.join(", ")
}

/// The file with the process's number, removed at the end.
struct PidFile(Option<PathBuf>);

impl PidFile {
    fn write(path: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = path {
            let text = format!("{}\n", std::process::id());
            sys::files::replace(path, text.as_bytes(), 0o644)?;
        }
        Ok(Self(path.map(Path::to_path_buf)))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = sys::files::remove(path);
        }
    }
}

/// Writes down what the engine says and learns.
struct Diary {
    verbose: u8,
    control: bool,
    drift: Option<PathBuf>,
}

impl Diary {
    /// A daemon that does not steer the clock learns nothing that the next one should believe.
    fn new(verbose: u8, files: &Files, control: bool) -> Self {
        Self {
            verbose,
            control,
            drift: files.drift.clone().filter(|_| control),
        }
    }

    fn say(&self, text: &str) {
        sys::terminal::complain(&format!("clockbox: {text}\n"));
    }
}

impl Observer for Diary {
    fn note(&mut self, note: &Note) {
        if self.verbose > 0 || words::important(note) {
            self.say(&words::line(note, self.control));
        }
    }

    fn save_drift(&mut self, ppm: f64, skew: f64) {
        if let Some(path) = &self.drift
            && let Err(error) = drift::write(path, ppm, skew)
        {
            self.say(&format!("the drift is not kept: {error}"));
        }
    }
}
