//! From the command line and a chrony.conf to what the daemon needs, by concern: [`sources`],
//! [`refclocks`], the [`discipline`] of the clock, [`files`], [`access`]. What a file asks for and does not get is
//! named in a warning ([`standing`]); what is wrong in it is an error.

pub mod access;
pub mod cards;
pub mod discipline;
pub mod files;
mod host_time;
pub mod keys;
pub mod leaps;
pub mod outgoing;
pub mod refclocks;
pub mod sources;
pub mod standing;

use super::Options;
use crate::commands::host_files::HostFiles;
use crate::commands::sync::target::Target;
use crate::conf::chrony;
use crate::conf::chrony::Loaded;
use crate::conf::chrony::Settings;
use crate::conf::chrony::value::Value;
use crate::conf::diagnostic::Diagnostic;
use crate::conf::diagnostic::render_all;
use crate::conf::files::NoFiles;
use crate::conf::files::ReadError;
use crate::conf::span::Span;
use crate::engine::config::Config;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys;
use crate::sys::log::Level;
pub use files::Files;
use standing::Role;
use std::path::Path;

/// The daemon's own configuration.
pub const OWN_FILE: &str = "/etc/clockbox/clockbox.conf";

/// Where a configuration is looked for when none is named.
const OWN: [&str; 3] = [OWN_FILE, "/etc/chrony/chrony.conf", "/etc/chrony.conf"];

/// What names on the command line are added to.
const OWN_LINES: &str = "makestep 0.128 3\nrtcsync\ndriftfile /var/lib/clockbox/drift\n";

/// Directives that SIGHUP applies.
const READ_AGAIN: [&str; 13] = [
    "allow",
    "broadcast",
    "cmdallow",
    "cmddeny",
    "confdir",
    "deny",
    "include",
    "keyfile",
    "peer",
    "pool",
    "ratelimit",
    "server",
    "sourcedir",
];

/// What the daemon is to do.
#[derive(Clone, Debug, Default)]
pub struct Loading {
    /// The file's name, or what stands for it.
    pub name: String,
    /// The engine's configuration.
    pub engine: Config,
    /// Files to read and keep.
    pub files: Files,
    /// Who is answered, with places.
    pub access: Vec<access::RuleLine>,
    /// All that the file says, for whoever needs more; chrony's defaults without one.
    pub settings: Settings,
    /// For each source of the engine, whether its line stands in a directory of sources.
    pub from_directories: Vec<bool>,
    /// Lines that are not read again while the daemon runs: directive and text.
    pub fixed: Vec<(String, String)>,
}

/// A configuration as written, before it is put to use.
#[derive(Clone, Debug)]
pub struct Written {
    /// The file's name, or what stands for it.
    pub name: String,
    /// What it says, with all warnings.
    pub loaded: Loaded,
    /// The exit status if it is broken.
    broken: ExitStatus,
}

/// Reads the configuration: that of the command line, the file named there, or this machine's own.
///
/// # Errors
/// A malformed name, or a file that cannot be read.
pub fn read(options: &Options) -> Result<Written, Failure> {
    if !options.servers.is_empty() || !options.pools.is_empty() || !options.clocks.is_empty() {
        let clocks = host_time::of_words(&options.clocks, Path::new("/"))?;
        return from_arguments(&options.servers, &options.pools, clocks);
    }
    if let Some(path) = &options.config {
        return from_file(path, options.role, ExitStatus::Data);
    }
    if options.no_file {
        return Ok(from_lines("the command line".to_owned(), String::new()));
    }
    for path in OWN {
        if sys::files::exists(Path::new(path)) {
            return from_file(Path::new(path), options.role, ExitStatus::Config);
        }
    }
    if let Some((why, lines)) = host_time::of_platform(Path::new("/")) {
        let name = format!("no configuration found: {why}");
        return Ok(from_lines(name, format!("{OWN_LINES}{lines}")));
    }
    let name = "no configuration found".to_owned();
    Ok(from_lines(
        name,
        format!("{OWN_LINES}pool pool.ntp.org iburst\n"),
    ))
}

/// The configuration, ready for use; its warnings go to standard error, a line each.
///
/// # Errors
/// A malformed name, or a configuration that is missing, unreadable or wrong.
pub fn load(options: &Options) -> Result<Loading, Failure> {
    let written = read(options)?;
    written.refuse_errors()?;
    let (loading, more, about_keys) = written.loading();
    for diagnostic in written.loaded.diagnostics.iter().chain(&more) {
        sys::log::say(Level::Warning, &diagnostic.line(&written.loaded.map));
    }
    for line in about_keys.lines() {
        sys::log::say(Level::Warning, &line);
    }
    Ok(loading)
}

impl Written {
    /// The exit status if it has errors.
    #[must_use]
    pub const fn broken(&self) -> ExitStatus {
        self.broken
    }

    /// # Errors
    /// All that is wrong with it, with carets.
    pub fn refuse_errors(&self) -> Result<(), Failure> {
        if !self.loaded.has_errors() {
            return Ok(());
        }
        let name = &self.name;
        let text = render_all(&self.loaded.diagnostics, &self.loaded.map);
        Err(Failure::new(self.broken, format!("{name} has errors:\n{text}")).target(name))
    }

    /// What it amounts to, and what else is to be warned of.
    pub fn loading(&self) -> (Loading, Vec<Diagnostic>, keys::About) {
        let settings = Settings::new(&self.loaded);
        let (keys, about_keys) = keys::of_file(&settings);
        let mut more = keys::missing(&settings, &keys);
        let about_keys = about_keys.unwrap_or_else(|error| {
            let mut lines = self.loaded.statements.iter().rev();
            let line = lines.find(|s| s.name == "keyfile");
            let span = line.map(|line| line.span).unwrap_or_default();
            more.push(Diagnostic::warning(span, format!("no keys: {error}")));
            keys::About::default()
        });
        let (clocks, about_clocks) = refclocks::of_file(&settings, Path::new("/"));
        more.extend(about_clocks);
        let mut engine = discipline::of_file(&settings);
        let mut from_directories = vec![false; clocks.len()];
        engine.sources = clocks;
        for (source, span) in sources::of_file(&settings) {
            engine.sources.push(source);
            from_directories.push(self.in_directory(&settings, span));
        }
        engine.keys = keys;
        let loading = Loading {
            name: self.name.clone(),
            engine,
            files: files::of_file(&settings),
            access: access::lines(&self.loaded, &settings.access),
            settings,
            from_directories,
            fixed: self.fixed(),
        };
        (loading, more, about_keys)
    }
}

impl Written {
    /// Whether a line stands in a file of a `sourcedir`.
    fn in_directory(&self, settings: &Settings, span: Span) -> bool {
        let file = self.loaded.map.origin(span).file;
        let parent = Path::new(&file).parent();
        let mut directories = settings.source_dirs.iter().flatten();
        directories.any(|d| parent.is_some_and(|p| p == Path::new(d.trim_end_matches('/'))))
    }

    /// The lines that SIGHUP does not apply: a local standard among them, for the engine's clock is
    /// made with it.
    fn fixed(&self) -> Vec<(String, String)> {
        let statements = self.loaded.statements.iter();
        statements
            .filter(|s| match &s.value {
                Value::Refclock(clock) => clock.local,
                _ => !READ_AGAIN.contains(&s.name),
            })
            .map(|s| {
                let text = self.loaded.map.text(s.span);
                (s.name.to_owned(), text.trim().to_owned())
            })
            .collect()
    }
}

/// Names on the command line are a configuration of a few lines: iburst, a step at the start, the
/// RTC kept by the kernel, a drift file.
fn from_arguments(
    servers: &[String],
    pools: &[String],
    clocks: String,
) -> Result<Written, Failure> {
    let mut text = format!("{OWN_LINES}{clocks}");
    for (directive, words) in [("server", servers), ("pool", pools)] {
        for word in words {
            let target = Target::parse(word)?;
            text.push_str(&format!("{directive} {} iburst", target.host));
            if target.port != 123 {
                text.push_str(&format!(" port {}", target.port));
            }
            text.push('\n');
        }
    }
    Ok(from_lines("the command line".to_owned(), text))
}

fn from_lines(name: String, text: String) -> Written {
    Written {
        loaded: chrony::load_text(&name, text.as_bytes(), &NoFiles),
        name,
        broken: ExitStatus::Usage,
    }
}

fn from_file(path: &Path, role: Role, broken: ExitStatus) -> Result<Written, Failure> {
    let name = path.display().to_string();
    let mut loaded = chrony::load(&name, &HostFiles::new(Path::new("/")));
    if let Some(error) = &loaded.unreadable {
        let (status, hint) = match error {
            ReadError::Other(why) if why.contains("ermission") => {
                (ExitStatus::NoPermission, "read it as root, with sudo")
            }
            _ => (
                ExitStatus::NoInput,
                "name a file in chrony.conf's syntax, or leave --config out to follow this machine's own",
            ),
        };
        let text = format!("{name}: {error}");
        return Err(Failure::new(status, text).hint(hint).target(name));
    }
    let warnings = standing::warnings(&loaded, role);
    loaded.diagnostics.extend(warnings);
    Ok(Written {
        name,
        loaded,
        broken,
    })
}
