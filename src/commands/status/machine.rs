//! The machine's own facts for `clockbox status`: its clocks, its zone, its kernel, its ports.

use crate::conf::zone::adjtime;
use crate::report::finding::Finding;
use crate::report::format::rfc3339;
use crate::report::format::signed_seconds;
use crate::report::status::Clocks;
use crate::report::status::KernelRow;
use crate::report::status::PortRow;
use crate::sys;
use crate::sys::files;
use crate::sys::processes;
use crate::sys::sock_diag;
use crate::sys::sock_diag::Protocol;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;

/// The clocks and the zone.
#[must_use]
pub fn clocks() -> Clocks {
    let (now, nanos) = sys::clock::unix();
    let offset = sys::clock::local_offset();
    let places = zone_places(Path::new("/"));
    let rtc_local = files::read_text(Path::new("/etc/adjtime"), 4096)
        .ok()
        .map(|text| adjtime::mode(&text) == Some(adjtime::Rtc::Local));
    let mut clocks = Clocks {
        utc: rfc3339(now, nanos),
        local: local(now, offset),
        zone: zone(&places),
        zone_places: places
            .iter()
            .map(|(place, zone)| format!("{place}: {zone}"))
            .collect(),
        rtc_local: Some(rtc_local.unwrap_or(false)),
        ..Clocks::default()
    };
    match sys::rtc::Rtc::open().and_then(|rtc| rtc.read()) {
        Ok(shown) => {
            let shift = if rtc_local == Some(true) { offset } else { 0 };
            let (now, nanos) = sys::clock::unix();
            clocks.rtc = Some(rfc3339(shown, 0).replace(".000000000Z", ""));
            // It shows whole seconds: on the average it is half a second further.
            let apart = (now + shift - shown) as f64 + f64::from(nanos) * 1e-9 - 0.5;
            clocks.rtc_offset_s = Some(apart);
        }
        Err(error) if error.is_missing() => {
            clocks.rtc_problem = Some("this machine has none".to_owned());
        }
        Err(error) => clocks.rtc_problem = Some(error.to_string()),
    }
    clocks
}

fn local(unix: i64, offset: i64) -> String {
    let text = rfc3339(unix + offset, 0).replace(".000000000Z", "");
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.abs() / 60;
    format!("{text}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Every place that names the zone.
#[must_use]
pub fn zone_places(root: &Path) -> BTreeMap<&'static str, String> {
    let mut places = BTreeMap::new();
    let text = |path: &str| {
        let path = files::under(root, Path::new(path));
        files::read_text(&path, 4096).ok()
    };
    let link = files::link_target(&files::under(root, Path::new("/etc/localtime")));
    if let Some(target) = link.as_deref().and_then(Path::to_str)
        && let Some((_, zone)) = target.split_once("zoneinfo/")
    {
        places.insert("/etc/localtime", zone.to_owned());
    }
    if let Some(zone) = text("/etc/timezone").map(|t| t.trim().to_owned()) {
        places.insert("/etc/timezone", zone);
    }
    let clock = text("/etc/sysconfig/clock").unwrap_or_default();
    let assigned = clock.lines().find_map(|line| {
        let value = line
            .strip_prefix("ZONE=")
            .or_else(|| line.strip_prefix("TIMEZONE="))?;
        Some(value.trim().trim_matches(['"', '\'']).to_owned())
    });
    if let Some(zone) = assigned {
        places.insert("/etc/sysconfig/clock", zone);
    }
    places.retain(|_, zone| !zone.is_empty());
    places
}

fn zone(places: &BTreeMap<&'static str, String>) -> Option<String> {
    places
        .get("/etc/localtime")
        .or_else(|| places.values().next())
        .cloned()
}

/// What is worth saying of clocks and zone.
#[must_use]
pub fn findings(clocks: Option<&Clocks>, root: &Path) -> Vec<Finding> {
    let mut found = Vec::new();
    let places = zone_places(root);
    let named: BTreeSet<&String> = places.values().collect();
    if named.len() > 1 {
        let list: Vec<String> = places
            .iter()
            .map(|(place, zone)| format!("{place} says {zone}"))
            .collect();
        let winner = zone(&places).unwrap_or_default();
        found.push(
            Finding::warning(format!(
                "the time zone is not the same everywhere: {}",
                list.join(", ")
            ))
            .next(format!("clockbox timezone set {winner}")),
        );
    }
    if let Some(offset) = clocks
        .and_then(|c| c.rtc_offset_s)
        .filter(|offset| offset.abs() > 5.0)
    {
        found.push(
            Finding::warning(format!(
                "the battery-backed clock is {} from the system clock: the next boot begins with that",
                signed_seconds(-offset)
            ))
            .next("once the system clock is right: clockbox sync --rtc"),
        );
    }
    found
}

/// The kernel's word.
///
/// # Errors
/// When the kernel (or a sandbox) refuses.
pub fn kernel() -> Result<KernelRow, sys::error::Error> {
    let kernel = sys::timex::read()?;
    let source = files::read_text(
        Path::new("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        256,
    );
    Ok(KernelRow {
        synchronised: kernel.synchronised(),
        max_error_s: kernel.max_error,
        estimated_error_s: kernel.estimated_error,
        frequency_ppm: kernel.frequency_ppm,
        tai_offset_s: kernel.tai_offset,
        clocksource: source.ok().map(|text| text.trim().to_owned()),
    })
}

/// Who has UDP 123.
///
/// # Errors
/// When the kernel does not tell its sockets.
pub fn ports() -> Result<Vec<PortRow>, sys::error::Error> {
    let listeners: Vec<_> = sock_diag::listeners(Protocol::Udp)?
        .into_iter()
        .filter(|listener| listener.port == 123)
        .collect();
    let inodes: BTreeSet<u64> = listeners.iter().map(|l| l.inode).collect();
    if inodes.is_empty() {
        return Ok(Vec::new());
    }
    let holders = processes::holders(&inodes);
    let mut rows: Vec<PortRow> = listeners
        .iter()
        .map(|listener| PortRow {
            port: format!("udp/{}", listener.port),
            address: listener.address.to_string(),
            holder: holders
                .by_inode
                .get(&listener.inode)
                .and_then(|all| all.first())
                .map(|p| format!("{} (process {})", p.name, p.pid)),
        })
        .collect();
    rows.sort_by(|a, b| a.address.cmp(&b.address));
    rows.dedup();
    Ok(rows)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make files")]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn zones_that_differ_are_told_with_what_to_type() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/sysconfig")).unwrap();
        symlink(
            "../usr/share/zoneinfo/Japan",
            root.path().join("etc/localtime"),
        )
        .unwrap();
        fs::write(
            root.path().join("etc/sysconfig/clock"),
            "ZONE=\"UTC\"\nUTC=true\n",
        )
        .unwrap();
        let found = findings(None, root.path());
        assert!(
            found[0].text.contains("/etc/sysconfig/clock says UTC"),
            "{found:?}"
        );
        assert_eq!(
            found[0].next.as_deref(),
            Some("clockbox timezone set Japan")
        );
        fs::write(root.path().join("etc/sysconfig/clock"), "ZONE=\"Japan\"\n").unwrap();
        assert!(findings(None, root.path()).is_empty());
    }

    #[test]
    fn local_time_has_its_offset() {
        assert_eq!(local(1_795_243_725, 32_400), "2026-11-21T15:48:45+09:00");
        assert_eq!(local(1_795_243_725, -12_600), "2026-11-21T03:18:45-03:30");
    }
}
