//! Files that the daemon reads and keeps.

use crate::commands::daemon::dump;
use crate::commands::daemon::logs;
use crate::conf::chrony::Settings;
use crate::conf::chrony::value::TempComp;
use crate::conf::zone::adjtime;
use crate::sys;
use std::path::Path;
use std::path::PathBuf;

/// What hwclock(8) keeps, when `hwclockfile` names no other file.
const ADJTIME: &str = "/etc/adjtime";

/// Files that the daemon keeps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Files {
    /// The frequency.
    pub drift: Option<PathBuf>,
    /// The process's number.
    pub pid: Option<PathBuf>,
    /// The directory of log files, if any are written.
    pub logs: Option<PathBuf>,
    /// The sensor of the oscillator's temperature, and what it means.
    pub temperature: Option<TempComp>,
    /// What was learnt of the sources.
    pub dump: Option<PathBuf>,
    /// The battery-backed clock.
    pub rtc: RtcFiles,
}

/// The battery-backed clock and what is kept of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RtcFiles {
    /// The device; none takes the first there is.
    pub device: Option<String>,
    /// It keeps local time.
    pub local: bool,
    /// Its error and rate; none when it is not followed.
    pub file: Option<PathBuf>,
    /// It is set when it is off by more than this, in seconds.
    pub auto_trim: Option<f64>,
}

/// Those that a file names.
#[must_use]
pub fn of_file(settings: &Settings) -> Files {
    let dump = settings.dump_dir.as_deref().filter(|dir| !dir.is_empty());
    Files {
        drift: settings.drift_file.as_ref().map(|f| PathBuf::from(&f.path)),
        pid: settings.pid_file.as_ref().map(PathBuf::from),
        logs: logs::directory(settings),
        temperature: settings.temp_comp.clone(),
        dump: dump.map(|dir| dump::path(Path::new(dir))),
        rtc: RtcFiles {
            device: settings.rtc_device.clone(),
            local: keeps_local_time(settings),
            file: settings.rtc_file.as_ref().map(PathBuf::from),
            auto_trim: settings.rtc_autotrim_s,
        },
    }
}

/// hwclock's file decides where it says anything, then `rtconutc`. chronyd takes local time where
/// neither does; hwclock and systemd take UTC then, and so does this daemon.
fn keeps_local_time(settings: &Settings) -> bool {
    let named = settings.hwclock_file.as_deref();
    let text = sys::files::read_text(Path::new(named.unwrap_or(ADJTIME)), 4096);
    let mode = text.ok().and_then(|text| adjtime::mode(&text));
    mode == Some(adjtime::Rtc::Local) && (named.is_some() || !settings.rtc_on_utc)
}
