//! `sync --daemon`: the core engine on the real clock and network, in the foreground, until
//! SIGTERM. Arguments and chrony.conf become an engine's configuration ([`settings`]), what the
//! engine says becomes lines on standard error ([`words`]), what it learns goes to files
//! ([`drift`], [`dump`]), it keeps the battery-backed clock ([`rtc`]), and it is asked and told over [`control`] sockets.

pub mod check;
pub mod command_access;
pub mod control;
pub mod drift;
pub mod dump;
mod first;
pub mod life;
pub mod logs;
mod migration;
mod pid_file;
pub mod refclocks;
pub mod reload;
pub mod rtc;
pub mod settings;
mod temperature;
pub mod words;

use crate::commands::serve;
use crate::commands::serve::Plan;
use crate::commands::serve::host::ServerHost;
use crate::conf::chrony::Settings;
use crate::engine::End;
use crate::engine::Engine;
use crate::engine::Note;
use crate::engine::Observer;
use crate::engine::Record;
use crate::engine::clock::Clock as _;
use crate::engine::clock::Reading;
use crate::engine::config::Config;
use crate::engine::random::Random;
use crate::engine::refclock::Device;
use crate::engine::refclock::Tick;
use crate::engine::run;
use crate::engine::source_id::SourceId;
use crate::engine::standard::Standardised;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys;
use crate::sys::log::Level;
use crate::sys::notify;
use crate::sys::requests::Requests;
use crate::sys::serve::Opened;
use crate::sys::steered::SteeredClock;
use crate::time::Monotonic;
use control::Beside;
use control::Control;
use logs::Alarm;
use logs::Logs;
use migration::Migrations;
use pid_file::PidFile;
use refclocks::Refclocks;
use reload::Applied;
use rtc::RtcKeeper;
use settings::Files;
use std::cell::RefCell;
use std::path::Path;
use std::path::PathBuf;
use std::rc::Rc;

/// Token of the server's watch over the clock in the loop.
const SERVER: usize = 0x81;

/// What the command line says to the daemon.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Servers; without any, the configuration's.
    pub servers: Vec<String>,
    /// Names with several servers each.
    pub pools: Vec<String>,
    /// Clocks of this machine.
    pub clocks: Vec<String>,
    /// A chrony.conf; without it and without servers, this machine's own.
    pub config: Option<PathBuf>,
    /// No file is read when none is named: the usual ones are somebody else's.
    pub no_file: bool,
    /// Measure and select, but never touch the clock.
    pub no_clock_control: bool,
    /// Start with what the last run has learnt (`dumpdir`).
    pub reload: bool,
    /// Set the clock from the battery-backed one before anything else.
    pub set_from_rtc: bool,
    /// The user to run as; without one the file's.
    pub user: Option<String>,
    /// What the daemon is there for.
    pub role: settings::standing::Role,
    /// How often `-v` was given.
    pub verbose: u8,
}

/// After so many seconds the start is over: what it used of the memory is given back.
const SETTLED: f64 = 20.0;

/// Runs the daemon until it is told to end.
///
/// # Errors
/// A wrong configuration, a clock that cannot be set, an offset beyond what the user allows.
pub fn run_daemon(options: &Options) -> Result<(), Failure> {
    let loading = settings::load(options)?;
    if is_aimless(&loading) {
        return Err(aimless("no server to follow"));
    }
    run_loaded(options, loading, None)
}

/// Why a configuration without anything to follow is refused.
fn aimless(text: &str) -> Failure {
    Failure::new(ExitStatus::Config, text).hint("name one: clockbox sync --daemon pool.ntp.org")
}

/// Whether there is nothing that this clock could ever follow: no source and no directory for some,
/// neither `local` nor `manual` nor `initstepslew`. chronyd runs all the same and does nothing.
#[must_use]
pub fn is_aimless(loading: &settings::Loading) -> bool {
    let settings = &loading.settings;
    loading.engine.sources.is_empty()
        && loading.engine.local.is_none()
        && !settings.manual
        && settings.init_step_slew.is_none()
        && settings.source_dirs.is_empty()
}

/// Runs the daemon on a configuration that is loaded; with sockets it answers clients too.
///
/// # Errors
/// As [`run_daemon`].
pub fn run_loaded(
    options: &Options,
    loading: settings::Loading,
    serving: Option<(Opened, Plan)>,
) -> Result<(), Failure> {
    let settings::Loading {
        engine: mut config,
        files,
        settings,
        access,
        from_directories,
        fixed,
        name: _,
    } = loading;
    config.clock_control &= !options.no_clock_control;
    config.serves = serving.is_some();
    config.drift = files.drift.as_deref().and_then(drift::read);
    sys::signals::catch()?;
    let clock = steered(config.clock_control)?;
    let left = first::put_right(options, &files, &settings, config.clock_control)?;
    let pid = PidFile::write(files.pid.as_deref())?;
    if let Some(directory) = &files.logs {
        logs::make_directory(directory);
    }
    let mut observer = Diary::new(options.verbose, &files, &settings, config.clock_control);
    let beside = serving
        .as_ref()
        .is_some_and(|(_, plan)| plan.beside.is_some());
    observer.say(&begins(&config, beside));
    let mut plan_applied = None;
    if let Some((opened, plan)) = serving {
        // What came of the cards is said when the requests' are switched on.
        let cards = || settings::cards::switched_on(&settings, |_| ());
        let host = ServerHost::start(opened, &plan, config.keys.clone(), &cards)?;
        observer.server = Some(host);
        plan_applied = Some((plan, access.len()));
    }
    let standard = refclocks::standard(&config);
    let local = refclocks::of_this_machine(&config);
    let mut engine = Engine::new(config, Random::new(seed()?));
    engine.host = observer.migrations.as_ref().and_then(Migrations::mark);
    let plain = standard.is_none() && files.temperature.is_none();
    // Against another clock than this machine's own, nothing holds over a restart.
    let kept = files.dump.clone().filter(|_| plain);
    if let Some(path) = kept.as_deref().filter(|_| options.reload) {
        dump::resume(path, &mut engine);
    }
    let clock =
        temperature::compensated(clock, files.temperature.as_ref(), Rc::clone(&observer.logs));
    // By the hardware's own stamps of the oscillator's clock, only where nothing corrects that.
    let readings = standard.clone();
    let mut clock = Standardised::new(clock, standard);
    let mut requests = ways_out(&settings, &observer);
    let watched = requests.watched();
    observer.clocks = Refclocks::new(watched.clone(), readings, plain);
    // Whoever keeps the clock may answer root only: such a server stays what it is, unless a user
    // is named.
    let lower = !beside || options.user.is_some() || settings.user.is_some();
    let unopened = observer.clocks.open_as_root(&local, lower);
    let user = life::user(options, &settings, &unopened);
    let opened = Control::open(&settings, user.as_deref(), kept.clone(), &watched, |text| {
        observer.say(text)
    });
    observer.asked = Some(opened);
    observer.rtc = RtcKeeper::open(&files, &watched, Rc::clone(&observer.logs))
        .filter(|_| !options.no_clock_control);
    if let Some(watch) = observer.server.as_ref().and_then(ServerHost::watch) {
        watched.add(SERVER, watch);
    }
    if lower {
        let user = life::give_up_root(options, &settings, &files, &unopened)?;
        observer.clocks.became(user);
    }
    observer.first_slew = left;
    observer.applied = Applied::new(options, plan_applied, from_directories, fixed);
    notify::send("READY=1\nSTATUS=measuring");
    let end = run(&mut clock, &mut requests, &mut engine, &mut observer);
    notify::send("STOPPING=1");
    if let Some(path) = &kept {
        observer.kept("the measurements", dump::write(path, clock.read(), &engine));
    }
    observer.close();
    drop(requests);
    drop(pid);
    if end == End::Stopped {
        observer.say("stopped");
    }
    outcome(end)
}

/// How requests leave, and by which cards they are stamped.
fn ways_out(settings: &Settings, observer: &Diary) -> Requests {
    let mut requests = Requests::new();
    requests.leave_by(settings::outgoing::of_file(settings));
    let cards = settings::cards::switched_on(settings, |text| observer.say(text));
    requests.stamped_by(cards, settings::cards::patience(settings));
    requests
}

fn begins(config: &Config, beside: bool) -> String {
    let following = match beside {
        true => "asking whoever keeps this clock".to_owned(),
        false => format!("following {}", names(config)),
    };
    let untouched = match config.clock_control {
        true => "",
        false => "; the clock is not touched",
    };
    format!("{following}{untouched}")
}

fn steered(control: bool) -> Result<SteeredClock, Failure> {
    SteeredClock::new(control).map_err(|error| {
        let hint = if error.is_permission() && !sys::privileges::is_root() {
            "run it as root, or with --no-clock-control to measure only"
        } else {
            "the kernel or a container forbids it (CAP_SYS_TIME); --no-clock-control measures only"
        };
        Failure::from(error).hint(hint)
    })
}

fn seed() -> Result<[u64; 4], Failure> {
    let bits = sys::random::bits;
    Ok([bits()?, bits()?, bits()?, bits()?])
}

fn outcome(end: End) -> Result<(), Failure> {
    match end {
        End::Stopped => Ok(()),
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
    if config.sources.is_empty() {
        let why = match config.local {
            Some(_) => "nobody: this clock serves itself",
            None => "nobody yet: sources may come by sourcedir or chronyc",
        };
        return why.to_owned();
    }
    // A pool is several sources of one name.
    let mut names: Vec<(&str, usize)> = Vec::new();
    for source in &config.sources {
        match names.iter_mut().find(|(name, _)| *name == source.name) {
            Some((_, count)) => *count += 1,
            None => names.push((&source.name, 1)),
        }
    }
    let word = |&(name, count): &(&str, usize)| match count {
        1 => name.to_owned(),
        _ => format!("{name} ({count} servers)"),
    };
    let words: Vec<String> = names.iter().map(word).collect();
    words.join(", ")
}

/// Writes down what the engine says and learns.
struct Diary {
    verbose: u8,
    control: bool,
    drift: Option<PathBuf>,
    /// Whoever answers clients, if somebody does.
    server: Option<ServerHost>,
    /// Whoever answers chronyc.
    asked: Option<Control>,
    /// Whoever keeps the battery-backed clock.
    rtc: Option<RtcKeeper>,
    /// Whoever tells that the machine was moved to another host.
    migrations: Option<Migrations>,
    clocks: Refclocks,
    applied: Applied,
    /// What `initstepslew` left to be slewed, in seconds.
    first_slew: Option<f64>,
    /// When the memory of the start is given back, once.
    settles: Option<Monotonic>,
    logs: Rc<RefCell<Logs>>,
    alarm: Alarm,
    /// Seconds between two signs of life, if the service manager wants them, and the next one.
    watchdog: Option<(f64, Monotonic)>,
}

impl Diary {
    /// A daemon that does not steer the clock learns nothing that the next one should believe.
    fn new(verbose: u8, files: &Files, settings: &Settings, control: bool) -> Self {
        Self {
            verbose,
            control,
            drift: files.drift.clone().filter(|_| control),
            server: None,
            asked: None,
            rtc: None,
            migrations: Migrations::watch(Path::new("/"), sys::clock::monotonic_raw()),
            clocks: Refclocks::default(),
            applied: Applied::default(),
            first_slew: None,
            settles: Some(sys::clock::monotonic_raw().plus_seconds(SETTLED)),
            logs: Rc::new(RefCell::new(Logs::new(settings))),
            alarm: Alarm::new(settings),
            watchdog: notify::watchdog_interval().map(|s| (s, sys::clock::monotonic_raw())),
        }
    }

    /// The end: keeps what was learnt of the RTC, closes the sockets, accounts for the clients.
    fn close(&mut self) {
        if let Some(rtc) = self.rtc.take() {
            self.kept("the battery-backed clock's rate", rtc.write());
        }
        drop(self.asked.take());
        if let Some(server) = self.server.take() {
            self.say(&serve::account(&server.totals()));
        }
    }

    fn say(&self, text: &str) {
        sys::log::say(Level::Info, text);
    }

    /// Says why something is not kept, if it is not.
    fn kept(&self, what: &str, done: Result<(), sys::error::Error>) {
        if let Err(error) = done {
            sys::log::say(Level::Warning, &format!("{what}: not kept: {error}"));
        }
    }
}

impl Observer for Diary {
    fn note(&mut self, note: &Note) {
        if let Note::Corrected { offset, .. } = note {
            self.alarm.found(*offset);
        }
        if self.verbose > 0 || words::important(note) {
            let line = words::line(note, self.control);
            if matches!(note, Note::Voted { .. }) {
                notify::send(&format!("STATUS={line}"));
            }
            sys::log::say(words::level(note), &line);
        }
    }

    fn record(&mut self, record: &Record) {
        self.logs.borrow_mut().write(record);
    }

    fn read_refclock(&mut self, source: SourceId, device: &Device) -> Result<Vec<Tick>, String> {
        let read = self.clocks.read(source, device);
        for warning in std::mem::take(&mut self.clocks.warnings) {
            self.say(&format!("{}: {warning}", device.path()));
        }
        read
    }

    fn save_drift(&mut self, ppm: f64, skew: f64) {
        if let Some(path) = &self.drift
            && let Err(error) = drift::write(path, ppm, skew)
        {
            self.say(&format!("the drift is not kept: {error}"));
        }
    }

    fn ready(&mut self, token: usize, now: Reading, engine: &mut Engine) {
        if let Some((source, said)) = self.clocks.ready(token) {
            engine.refclock_ticks(now, source, &said);
        } else if token == rtc::TOKEN {
            if let Some(rtc) = &mut self.rtc {
                rtc.ready(now, engine);
            }
        } else if let Some(server) = self.server.as_mut().filter(|_| token == SERVER) {
            server.clock_was_set();
        } else if let Some(asked) = &mut self.asked {
            let beside = Beside {
                server: self.server.as_mut(),
                applied: &mut self.applied,
                logs: &self.logs,
                rtc: self.rtc.as_mut(),
            };
            asked.ready(token, now, engine, beside);
        }
    }

    fn deadline(&self) -> Option<Monotonic> {
        let server = self.server.as_ref().map(ServerHost::deadline);
        let watchdog = self.watchdog.map(|(_, next)| next);
        let rtc = self.rtc.as_ref().map(RtcKeeper::deadline);
        let names = self.asked.as_ref().and_then(Control::deadline);
        let all = server.into_iter().chain(watchdog).chain(rtc);
        let moves = self.migrations.as_ref().map(Migrations::deadline);
        all.chain(self.settles).chain(names).chain(moves).min()
    }

    fn round(&mut self, engine: &Engine) {
        if let Some(server) = &mut self.server {
            server.publish(engine);
        }
    }

    fn tick(&mut self, now: Reading, engine: &mut Engine) {
        if let Some(seconds) = self.first_slew.take() {
            engine.slew_by(now, seconds);
        }
        self.applied.begin(engine);
        if let Some(migrations) = &mut self.migrations
            && migrations.moved(now.raw)
        {
            engine.host = migrations.mark();
            engine.migrated(now);
            if let Some(server) = &mut self.server {
                server.is_doubtful();
            }
        }
        self.clocks.keep(engine);
        self.alarm.tidy();
        if let Some(asked) = &mut self.asked {
            asked.tick(now.raw);
        }
        if let Some(rtc) = &mut self.rtc {
            rtc.tick(now, engine);
        }
        if sys::real_time::was_given_up() {
            let text = "worked for half a second at a real-time priority (sched_priority) without a pause: goes on at an ordinary one";
            sys::log::say(Level::Warning, text);
        }
        if self.settles.is_some_and(|at| now.raw >= at) {
            self.settles = None;
            sys::memory::give_back();
        }
        if let Some((interval, next)) = &mut self.watchdog
            && now.raw >= *next
        {
            notify::send("WATCHDOG=1");
            *next = now.raw.plus_seconds(*interval);
        }
    }

    fn reload(&mut self, now: Reading, engine: &mut Engine) {
        notify::reloading();
        self.logs.borrow_mut().cycle();
        match self.applied.again(now, engine, self.server.as_mut()) {
            Ok(again) => {
                if let Some(asked) = &mut self.asked {
                    let settings = &again.settings;
                    asked.replace(&settings.command_access, settings.key_file.clone());
                }
                self.say(&format!(
                    "configuration read again: {}",
                    again.changed.words()
                ));
                if !again.waiting.is_empty() {
                    let text = format!(
                        "changed in the file, but followed only after a restart: {}",
                        again.waiting.join(", ")
                    );
                    sys::log::say(Level::Notice, &text);
                }
            }
            Err(failure) => {
                for line in failure.message.lines() {
                    sys::log::say(Level::Error, line);
                }
                sys::log::say(Level::Error, "the configuration stays as it was");
            }
        }
        notify::send("READY=1");
    }
}
