//! From the command line and a chrony.conf to the engine's configuration. What a file asks for and
//! this daemon does not do is named in a warning; what is wrong in it is an error.

use super::Options;
use crate::commands::host_files::HostFiles;
use crate::commands::sync::target::Target;
use crate::conf::chrony;
use crate::conf::chrony::Loaded;
use crate::conf::chrony::Settings;
use crate::conf::chrony::value::Source;
use crate::conf::chrony::value::SourceKind;
use crate::conf::diagnostic::render_all;
use crate::engine::config::Config;
use crate::engine::config::MakeStep;
use crate::engine::config::MaxChange;
use crate::engine::config::SourceConfig;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;

/// Files that the daemon keeps.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The frequency.
    pub drift: Option<PathBuf>,
    /// The process's number.
    pub pid: Option<PathBuf>,
}

/// Where a configuration is looked for when none is named.
const OWN: [&str; 3] = [
    "/etc/clockbox/clockbox.conf",
    "/etc/chrony/chrony.conf",
    "/etc/chrony.conf",
];
/// The drift of a daemon that has no configuration.
const OWN_DRIFT: &str = "/var/lib/clockbox/drift";
/// Sources of a pool unless its line says otherwise.
const POOL_SOURCES: u32 = 4;
/// Offset from which a clock is stepped when nothing is configured, in seconds, and in how many
/// of the first updates.
const OWN_STEP: (f64, u32) = (0.128, 3);

/// Directives that change what the daemon does to the clock or its sources, and that it does not
/// follow (yet): the user must know.
const NOT_DONE: &[&str] = &[
    "acquisitionport",
    "allow",
    "bindacqaddress",
    "bindacqdevice",
    "broadcast",
    "dumpdir",
    "fallbackdrift",
    "hwclockfile",
    "hwtimestamp",
    "initstepslew",
    "leapseclist",
    "leapsecmode",
    "leapsectz",
    "local",
    "manual",
    "refclock",
    "rtcautotrim",
    "rtcfile",
    "smoothtime",
    "tempcomp",
];

/// The engine's configuration and the files to keep.
///
/// # Errors
/// A malformed name, or a configuration that is missing, unreadable or wrong.
pub fn load(options: &Options) -> Result<(Config, Files), Failure> {
    if !options.servers.is_empty() || !options.pools.is_empty() {
        return from_arguments(options);
    }
    if let Some(path) = &options.config {
        return from_file(path, ExitStatus::Data);
    }
    for path in OWN {
        if sys::files::exists(Path::new(path)) {
            return from_file(Path::new(path), ExitStatus::Config);
        }
    }
    let pool = Options {
        pools: vec!["pool.ntp.org".to_owned()],
        ..options.clone()
    };
    from_arguments(&pool)
}

fn from_arguments(options: &Options) -> Result<(Config, Files), Failure> {
    let mut config = Config {
        make_step: Some(MakeStep {
            threshold: OWN_STEP.0,
            limit: Some(OWN_STEP.1),
        }),
        rtc_sync: true,
        ..Config::default()
    };
    for word in &options.servers {
        let target = Target::parse(word)?;
        config.sources.push(source(&target.host, target.port));
    }
    for word in &options.pools {
        let target = Target::parse(word)?;
        for _ in 0..POOL_SOURCES {
            config.sources.push(source(&target.host, target.port));
        }
    }
    for source in &mut config.sources {
        source.iburst = true;
    }
    let files = Files {
        drift: Some(PathBuf::from(OWN_DRIFT)),
        pid: None,
    };
    Ok((config, files))
}

fn source(host: &str, port: u16) -> SourceConfig {
    let address = host
        .parse::<IpAddr>()
        .ok()
        .map(|ip| SocketAddr::new(ip, port));
    let mut source = SourceConfig::new(host, address);
    source.port = port;
    source
}

fn from_file(path: &Path, broken: ExitStatus) -> Result<(Config, Files), Failure> {
    let shown = path.display().to_string();
    let loaded = chrony::load(&shown, &HostFiles::new(Path::new("/")));
    if let Some(error) = &loaded.unreadable {
        let status = ExitStatus::NoInput;
        return Err(Failure::new(status, format!("{shown}: {error}")).target(shown));
    }
    if loaded.has_errors() {
        let text = render_all(&loaded.diagnostics, &loaded.map);
        return Err(Failure::new(broken, format!("{shown} has errors:\n{text}")).target(shown));
    }
    warn(&loaded);
    let settings = Settings::new(&loaded);
    for located in &settings.sources {
        let origin = loaded.map.origin(located.span);
        warn_source(&located.value, &format!("{}:{}", origin.file, origin.line));
    }
    let files = Files {
        drift: settings.drift_file.as_ref().map(|f| PathBuf::from(&f.path)),
        pid: settings.pid_file.as_ref().map(PathBuf::from),
    };
    Ok((translate(&settings), files))
}

/// Warnings go to the log at the start: the loader's own, and what is not done.
fn warn(loaded: &Loaded) {
    if !loaded.diagnostics.is_empty() {
        sys::terminal::complain(&render_all(&loaded.diagnostics, &loaded.map));
    }
    for statement in &loaded.statements {
        if NOT_DONE.contains(&statement.name) {
            let origin = loaded.map.origin(statement.span);
            let why = if statement.name == "allow" {
                "this daemon answers nobody: clockbox serve does"
            } else {
                "this daemon does not do that yet; the line is ignored"
            };
            sys::terminal::complain(&format!(
                "{}:{}: warning: {}: {why}\n",
                origin.file, origin.line, statement.name
            ));
        }
    }
}

/// Options of a source that this daemon does not follow yet, of those that its line gives.
fn not_done(line: &Source) -> Vec<&'static str> {
    let given = [
        ("burst", line.burst),
        ("xleave", line.xleave),
        ("auto_offline", line.auto_offline),
        ("presend", line.presend.is_some()),
        ("polltarget", line.polltarget.is_some()),
        ("minsamples", line.minsamples.is_some()),
        ("maxunreach", line.maxunreach.is_some()),
        ("filter", line.filter.is_some()),
        ("maxdelaydevratio", line.maxdelaydevratio.is_some()),
        ("maxdelayquant", line.maxdelayquant.is_some()),
        ("extfield", !line.extfields.is_empty()),
    ];
    given.iter().filter(|g| g.1).map(|g| g.0).collect()
}

/// A source whose replies are to be authenticated is not used while that cannot be done: its time
/// would be believed unproved.
const fn unprovable(line: &Source) -> bool {
    line.key.is_some() || line.nts
}

/// Warns of what is not done for a source.
fn warn_source(line: &Source, place: &str) {
    if unprovable(line) {
        sys::terminal::complain(&format!(
            "{place}: warning: {} is not used: this daemon cannot check keys or NTS yet\n",
            line.name
        ));
    }
    for option in not_done(line) {
        sys::terminal::complain(&format!(
            "{place}: warning: {option}: this daemon does not do that yet; the option is ignored\n"
        ));
    }
}

/// The engine's configuration from a file's settings.
fn translate(settings: &Settings) -> Config {
    let positive = |number: i64| u32::try_from(number).ok();
    let mut config = Config {
        sources: Vec::new(),
        make_step: settings.makestep.map(|m| MakeStep {
            threshold: m.threshold_s,
            limit: positive(m.limit),
        }),
        max_change: settings.max_change.map(|m| MaxChange {
            offset: m.offset_s,
            start: positive(m.start).unwrap_or(0),
            ignore: positive(m.ignore),
        }),
        max_slew_rate: settings.max_slew_rate_ppm,
        max_update_skew: settings.max_update_skew_ppm,
        corr_time_ratio: settings.correction_time_ratio,
        max_distance: settings.max_distance_s,
        max_jitter: settings.max_jitter_s,
        combine_limit: settings.combine_limit,
        min_sources: usize::try_from(settings.min_sources).unwrap_or(1),
        stratum_weight: settings.stratum_weight_s,
        max_clock_error: settings.max_clock_error_ppm,
        drift: None,
        clock_control: true,
        rtc_sync: settings.rtc_sync,
    };
    for located in settings.sources.iter().filter(|s| !unprovable(&s.value)) {
        let count = match located.value.kind {
            SourceKind::Pool => located.value.maxsources.unwrap_or(POOL_SOURCES),
            _ => 1,
        };
        for _ in 0..count {
            config.sources.push(one(&located.value, settings));
        }
    }
    config
}

/// One source of a `server`, `pool` or `peer` line.
fn one(line: &Source, settings: &Settings) -> SourceConfig {
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let default = source(&line.name, line.port.unwrap_or(123));
    let most = match line.maxsamples.unwrap_or(settings.max_samples) {
        0 => default.samples.1,
        most => size(most),
    };
    let max_poll = line
        .maxpoll
        .unwrap_or(default.max_poll)
        .max(line.minpoll.unwrap_or(i8::MIN));
    SourceConfig {
        min_poll: line.minpoll,
        max_poll,
        iburst: line.iburst,
        burst: line.burst,
        offline: line.offline,
        prefer: line.select.prefer,
        trust: line.select.trust,
        require: line.select.require,
        no_select: line.select.noselect,
        offset: line.offset.unwrap_or(0.0),
        max_delay: line.maxdelay.unwrap_or(default.max_delay),
        max_delay_ratio: line.maxdelayratio,
        max_delay_dev_ratio: line.maxdelaydevratio.unwrap_or(default.max_delay_dev_ratio),
        min_delay: line.mindelay,
        asymmetry: line.asymmetry,
        min_stratum: line.minstratum.unwrap_or(0),
        presend: line.presend,
        version: line.version.unwrap_or(4).clamp(3, 4),
        samples: (size(line.minsamples.unwrap_or(settings.min_samples)), most),
        ..default
    }
}
