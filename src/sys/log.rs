//! The daemon's log: lines on standard error, with a priority in front when the journal reads them
//! (sd-daemon(3): `<N>`), plain ones otherwise.

use super::host;
use super::terminal;
use nix::sys::stat::fstat;
use std::sync::OnceLock;

/// How much a line matters: syslog's priorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The daemon ends.
    Error = 3,
    /// Somebody should look at it.
    Warning = 4,
    /// Normal, but worth knowing.
    Notice = 5,
    /// Everything else.
    Info = 6,
}

/// Writes one line, without control characters.
pub fn say(level: Level, text: &str) {
    static JOURNAL: OnceLock<bool> = OnceLock::new();
    let prefix = if *JOURNAL.get_or_init(to_journal) {
        format!("<{}>", level as u8)
    } else {
        "clockbox: ".to_owned()
    };
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    terminal::complain(&format!("{prefix}{text}\n"));
}

/// True when standard error is the stream of the journal that JOURNAL_STREAM names (systemd.exec(5)).
fn to_journal() -> bool {
    let Some(named) = host::variable("JOURNAL_STREAM") else {
        return false;
    };
    fstat(std::io::stderr()).is_ok_and(|s| named == format!("{}:{}", s.st_dev, s.st_ino))
}
