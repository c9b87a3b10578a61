//! The machine's own facts for `clockbox status`: its clocks, its zone, its kernel, its ports.

use crate::commands::timezone::Outline;
use crate::report::finding::Finding;
use crate::report::format::rfc3339;
use crate::report::format::signed_seconds;
use crate::report::status::Clocks;
use crate::report::status::KernelRow;
use crate::report::status::PortRow;
use crate::sys;
use crate::sys::daemons::Running;
use crate::sys::files;
use crate::sys::processes;
use crate::sys::sock_diag;
use crate::sys::sock_diag::Protocol;
use std::collections::BTreeSet;
use std::path::Path;

/// The clocks and the zone.
#[must_use]
pub fn clocks(zone: Option<&Outline>) -> Clocks {
    let (now, nanos) = sys::clock::unix();
    let offset = sys::clock::local_offset();
    let rtc_local = zone.is_some_and(|zone| zone.rtc_local);
    let mut clocks = Clocks {
        utc: rfc3339(now, nanos),
        local: local(now, offset),
        zone: zone.and_then(|zone| zone.zone.clone()),
        zone_places: zone.map(|zone| zone.places.clone()).unwrap_or_default(),
        rtc_local: Some(rtc_local),
        ..Clocks::default()
    };
    match sys::rtc::Rtc::open().and_then(|rtc| rtc.read()) {
        Ok(shown) => {
            let shift = if rtc_local { offset } else { 0 };
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

/// A battery-backed clock that the next boot would begin with.
#[must_use]
pub fn rtc_finding(clocks: &Clocks) -> Option<Finding> {
    let offset = clocks.rtc_offset_s.filter(|offset| offset.abs() > 5.0)?;
    Some(
        Finding::warning(format!(
            "the battery-backed clock is {} from the system clock: the next boot begins with that",
            signed_seconds(-offset)
        ))
        .next("clockbox sync --rtc"),
    )
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
        flags: kernel.flags().into_iter().map(str::to_owned).collect(),
        remaining_offset_s: kernel.offset + kernel.slew_left,
        max_error_s: kernel.max_error,
        estimated_error_s: kernel.estimated_error,
        frequency_ppm: kernel.frequency_ppm,
        tai_offset_s: kernel.tai_offset,
        clocksource: source.ok().map(|text| text.trim().to_owned()),
    })
}

/// Who has UDP 123: most often one of the daemons that run, else all processes are looked through.
///
/// # Errors
/// When the kernel does not tell its sockets.
pub fn ports(running: &[Running]) -> Result<Vec<PortRow>, sys::error::Error> {
    let listeners: Vec<_> = sock_diag::listeners(Protocol::Udp)?
        .into_iter()
        .filter(|listener| listener.port == 123)
        .collect();
    let inodes: BTreeSet<u64> = listeners.iter().map(|l| l.inode).collect();
    if inodes.is_empty() {
        return Ok(Vec::new());
    }
    let daemons = running.iter().map(|daemon| daemon.pid);
    let mut holders = processes::holders_among(daemons, &inodes);
    if holders.by_inode.len() < inodes.len() {
        holders = processes::holders(&inodes);
    }
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
mod tests {
    use super::*;

    #[test]
    fn a_battery_backed_clock_that_is_far_off_is_told() {
        let mut clocks = Clocks {
            rtc_offset_s: Some(350.0),
            ..Clocks::default()
        };
        let told = rtc_finding(&clocks).unwrap();
        assert!(
            told.text.contains("-350 s from the system clock"),
            "{told:?}"
        );
        clocks.rtc_offset_s = Some(-0.4);
        assert_eq!(rtc_finding(&clocks), None);
    }

    #[test]
    fn local_time_has_its_offset() {
        assert_eq!(local(1_795_243_725, 32_400), "2026-11-21T15:48:45+09:00");
        assert_eq!(local(1_795_243_725, -12_600), "2026-11-21T03:18:45-03:30");
    }
}
