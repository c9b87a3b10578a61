//! Leap seconds as this machine's files know them: a `right/` zone (`leapsectz`) or a
//! leap-seconds.list (`leapseclist`).

use crate::conf::chrony::Settings;
use crate::conf::leap_list::LeapList;
use crate::conf::tzif;
use crate::conf::tzif::Zone;
use crate::engine::leap::LeapTable;
use crate::sys;
use std::path::Path;

/// Where zones are, when `TZDIR` is not heeded.
const ZONES: &str = "/usr/share/zoneinfo";
/// Octets of the longest list that is read: the real one has eleven thousand.
const LONGEST: u64 = 256 << 10;

/// The table of the file that is configured; the list wins, as it knows when it expires. A file
/// that cannot be used is named in a warning, and the sources announce leap seconds instead.
pub(super) fn table(settings: &Settings) -> Option<LeapTable> {
    let list = settings.leap_sec_list.as_deref().and_then(|path| {
        let read = of_list(Path::new(path));
        warn("leapseclist", path, read)
    });
    list.or_else(|| {
        let zone = settings.leap_sec_tz.as_deref()?;
        warn("leapsectz", zone, of_zone(zone))
    })
}

fn warn(directive: &str, object: &str, read: Result<LeapTable, String>) -> Option<LeapTable> {
    read.map_err(|why| {
        sys::terminal::complain(&format!(
            "warning: {directive} {object}: {why}; leap seconds are those that the sources announce\n"
        ));
    })
    .ok()
}

/// The table of a leap-seconds.list.
///
/// # Errors
/// Why it cannot be used, in words: it cannot be read, is something else, or has expired.
pub fn of_list(path: &Path) -> Result<LeapTable, String> {
    let text = sys::files::read_text(path, LONGEST).map_err(|e| e.to_string())?;
    let list = LeapList::parse(&text).ok_or("it is no leap-seconds.list")?;
    let table = LeapTable::new(list.changes, Some(list.expires));
    if table.expired(sys::clock::unix().0) {
        return Err("it has expired: get a newer one (package tzdata)".to_owned());
    }
    Ok(table)
}

fn of_zone(zone: &str) -> Result<LeapTable, String> {
    let odd = zone.starts_with('/') || zone.split('/').any(|part| part == "..");
    if odd {
        return Err("it is no zone's name".to_owned());
    }
    of_zone_file(&Path::new(ZONES).join(zone))
}

/// The table of a zone's file that counts leap seconds.
///
/// # Errors
/// Why it cannot be used, in words.
pub fn of_zone_file(path: &Path) -> Result<LeapTable, String> {
    let bytes = sys::files::read(path, tzif::LIMIT)
        .map_err(|e| format!("{e} (Debian and Ubuntu have it in the package tzdata-legacy)"))?;
    let zone = Zone::parse(&bytes).map_err(|e| e.to_string())?;
    let changes = zone.tai_changes();
    if changes.is_empty() {
        return Err("that zone counts no leap seconds; right/UTC does".to_owned());
    }
    Ok(LeapTable::new(changes, None))
}
