//! What the hypervisor and ClockBound write in memory about the clock, in words.

use crate::proto::clock_bound;
use crate::proto::clock_bound::ClockBound;
use crate::proto::vmclock;
use crate::proto::vmclock::Expected;
use crate::proto::vmclock::VmClock;
use crate::report::format::age;
use crate::report::format::seconds;
use crate::report::shared_page::ClockBoundRow;
use crate::report::shared_page::VmClockRow;
use crate::sys;
use crate::sys::error::Error;
use crate::sys::shared_page::CLOCK_BOUND;
use crate::sys::shared_page::DEVICE;
use crate::sys::shared_page::Device;
use std::path::Path;

/// The hypervisor's page, where there is one.
#[must_use]
pub fn vm_clock(root: &Path) -> Option<VmClockRow> {
    let read = match Device::open(root) {
        Ok(device) => device?.read(),
        Err(error) => Err(error),
    };
    Some(match read {
        Ok(page) => told(&page),
        Err(error) => VmClockRow {
            device: DEVICE.to_owned(),
            status: None,
            max_error_s: None,
            disruption: None,
            text: unread(&error),
        },
    })
}

fn told(page: &VmClock) -> VmClockRow {
    use vmclock::ClockStatus;
    let (status, says) = match page.status {
        ClockStatus::Unknown => (
            "unknown",
            "the host does not say whether its clock is synchronised",
        ),
        ClockStatus::Initializing => (
            "initializing",
            "the host says that its clock is not synchronised yet",
        ),
        ClockStatus::Synchronised => (
            "synchronised",
            "the host says that its clock is synchronised",
        ),
        ClockStatus::FreeRunning => (
            "free_running",
            "the host says that its clock is not synchronised any more",
        ),
        ClockStatus::Unreliable => ("unreliable", "the host says that its clock is broken"),
    };
    let valid = matches!(
        page.status,
        ClockStatus::Synchronised | ClockStatus::FreeRunning
    );
    let max_error_s = page.max_error_ns.filter(|_| valid);
    let max_error_s = max_error_s.map(|nanos| nanos as f64 * 1e-9);
    let mut text = says.to_owned();
    if let Some(error) = max_error_s {
        text.push_str(&format!(", within {}", seconds(error)));
    }
    let disruption = page.expected.map(|expected| match expected {
        Expected::Soon => ("soon", "a day"),
        Expected::Imminent => ("imminent", "an hour"),
    });
    if let Some((_, within)) = disruption {
        text.push_str(&format!(
            "; it expects to move this machine, which disturbs the clock, within about {within}"
        ));
    }
    VmClockRow {
        device: DEVICE.to_owned(),
        status: Some(status.to_owned()),
        max_error_s,
        disruption: disruption.map(|(word, _)| word.to_owned()),
        text,
    }
}

/// ClockBound's word, where it runs or ran.
#[must_use]
pub fn clock_bound(root: &Path) -> Option<ClockBoundRow> {
    let now = i64::try_from(sys::clock::monotonic().nanos()).unwrap_or(i64::MAX);
    match sys::shared_page::clock_bound(root) {
        Ok(read) => Some(bounded(&read?, now)),
        Err(error) => Some(ClockBoundRow {
            path: CLOCK_BOUND.to_owned(),
            status: None,
            error_bound_s: None,
            age_s: None,
            text: unread(&error),
        }),
    }
}

fn bounded(read: &ClockBound, now_ns: i64) -> ClockBoundRow {
    use clock_bound::ClockStatus;
    let bound = read.at(now_ns);
    let within = bound.bound_s.map_or_else(String::new, |bound| {
        format!("this clock is within {} of true time", seconds(bound))
    });
    let aged = age(bound.age_s);
    let (status, text) = match bound.status {
        ClockStatus::Synchronised => ("synchronised", format!("{within}, synchronised")),
        ClockStatus::FreeRunning if read.status == ClockStatus::FreeRunning => {
            ("free_running", format!("{within}, and runs on alone"))
        }
        ClockStatus::FreeRunning => (
            "free_running",
            format!("{within}, by a word of {aged} ago: does it still run?"),
        ),
        ClockStatus::Disrupted => (
            "disrupted",
            "this machine was disturbed (moved to another host?): there is no bound yet".to_owned(),
        ),
        ClockStatus::Unknown if read.status == ClockStatus::Unknown => (
            "unknown",
            "it knows nothing of this clock: is chronyd running and synchronised?".to_owned(),
        ),
        ClockStatus::Unknown => (
            "unknown",
            format!("its last word is of {aged} ago and holds no more: does it still run?"),
        ),
    };
    ClockBoundRow {
        path: CLOCK_BOUND.to_owned(),
        status: Some(status.to_owned()),
        error_bound_s: bound.bound_s,
        age_s: Some(bound.age_s),
        text,
    }
}

fn unread(error: &Error) -> String {
    match error.is_permission() && !sys::host::is_root() {
        true => "only root may read it".to_owned(),
        false => format!("cannot be read: {}", error.reason_words()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmclock::ClockStatus;

    const PAGE: VmClock = VmClock {
        disruption_marker: 1,
        status: ClockStatus::Synchronised,
        tai_offset_s: Some(37),
        expected: None,
        max_error_ns: Some(12_000),
    };

    #[test]
    fn the_hosts_word_is_told_in_words() {
        let text = |page: VmClock| told(&page).text;
        assert_eq!(
            text(PAGE),
            "the host says that its clock is synchronised, within 12.0 µs"
        );
        let broken = told(&VmClock {
            status: ClockStatus::Unreliable,
            expected: Some(Expected::Imminent),
            ..PAGE
        });
        // What a broken clock says of its error is nothing.
        assert_eq!(broken.max_error_s, None);
        assert_eq!(broken.disruption.as_deref(), Some("imminent"));
        assert_eq!(
            broken.text,
            "the host says that its clock is broken; it expects to move this machine, which disturbs the clock, within about an hour"
        );
    }

    #[test]
    fn clockbounds_word_ages() {
        use clock_bound::ClockStatus;
        let read = ClockBound {
            as_of_ns: 100_000_000_000,
            void_after_ns: 1_100_000_000_000,
            bound_ns: 150_000,
            disruption_marker: 0,
            max_drift_ppb: 1000,
            status: ClockStatus::Synchronised,
            sees_disruptions: true,
        };
        let row = |seconds: i64| bounded(&read, seconds * 1_000_000_000);
        assert_eq!(
            row(100).text,
            "this clock is within 150 µs of true time, synchronised"
        );
        assert!(row(700).text.contains("does it still run?"));
        assert_eq!(row(700).status.as_deref(), Some("free_running"));
        assert_eq!(row(1200).error_bound_s, None);
        assert!(row(1200).text.contains("holds no more"), "{:?}", row(1200));
    }
}
