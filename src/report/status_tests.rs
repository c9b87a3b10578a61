//! The page of status: 80 columns, and what a kernel's flag is worth.

use super::*;
use crate::report::finding::Finding;

fn report() -> StatusReport {
    StatusReport {
        verdict: Verdict::NotRight,
        text: "The time is not right: ".to_owned() + &"word ".repeat(40),
        offset_s: Some(350.1),
        error_bound_s: Some(0.073),
        age_s: Some(19.0),
        witness: Some("chronyd".to_owned()),
        root: "/".to_owned(),
        clocks: Some(Clocks {
            utc: "2026-11-21T06:48:45.123456789Z".to_owned(),
            local: "2026-11-21T15:48:45+09:00".to_owned(),
            zone: Some("America/Argentina/ComodRivadavia".to_owned()),
            rtc: Some("2026-11-21T06:42:55".to_owned()),
            rtc_offset_s: Some(350.0),
            ..Clocks::default()
        }),
        kernel: Some(KernelRow {
            synchronised: true,
            flags: vec!["PLL".to_owned(), "INS".to_owned()],
            remaining_offset_s: -0.25,
            max_error_s: 16.0,
            estimated_error_s: 0.1,
            frequency_ppm: -123.456,
            tai_offset_s: 37,
            clocksource: Some("hyperv_clocksource_tsc_page".to_owned()),
        }),
        daemons: vec![InstalledDaemon {
            name: "systemd-timesyncd".to_owned(),
            service: Some("systemd-timesyncd".to_owned()),
            file: None,
            enabled: Some(true),
            masked: false,
            yields_to: Some("/usr/sbin/chronyd".to_owned()),
            running: Some(false),
            pid: None,
            hangs: false,
            holds_clock: Some(true),
            synchronised: Some(false),
        }],
        sources: Vec::new(),
        platform: PlatformRow {
            cloud: Some("Microsoft Azure".to_owned()),
            hypervisor: Some("hyperv".to_owned()),
            service_manager: "systemd".to_owned(),
        },
        ptp_clocks: vec![PtpRow {
            device: "/dev/ptp0".to_owned(),
            clock_name: "hyperv".to_owned(),
            links: vec!["/dev/ptp_hyperv".to_owned()],
            meaning: "the host's clock, normal on Azure".to_owned(),
        }],
        vm_clock: Some(VmClockRow {
            device: "/dev/vmclock0".to_owned(),
            status: Some("synchronised".to_owned()),
            max_error_s: Some(12e-6),
            disruption: Some("soon".to_owned()),
            text: "the host says ".to_owned() + &"word ".repeat(30),
        }),
        clock_bound: Some(ClockBoundRow {
            path: "/var/run/clockbound/shm0".to_owned(),
            status: Some("synchronised".to_owned()),
            error_bound_s: Some(150e-6),
            age_s: Some(0.3),
            text: "this clock is within 150 µs of true time, synchronised".to_owned(),
        }),
        ports: (0..9)
            .map(|n| PortRow {
                port: "udp/123".to_owned(),
                address: format!("2001:db8:1234:5678:9abc:def0:1234:{n}"),
                holder: None,
            })
            .collect(),
        findings: vec![Finding::error("reason ".repeat(30)).next("clockbox sources")],
        root_looks: true,
        status: ExitStatus::NotHeld,
    }
}

#[test]
fn the_page_fits_80_columns_and_loses_nothing() {
    let page = Page {
        width: Some(80),
        ..Page::default()
    };
    let text = report().render(&page);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "a flag, no proof",
        "-250 ms still to correct",
        "a leap second will be inserted",
        "TAI-UTC 37 s",
        "gives way to /usr/sbin/chronyd",
        "the host's clock",
        "a process of another namespace",
        "-350 s from the system clock",
    ] {
        assert!(flat.contains(words), "{words}: {text}");
    }
}

#[test]
fn an_ordinary_user_is_told_that_root_sees_more() {
    let mut report = report();
    report.root_looks = false;
    let text = report.render(&Page::default());
    assert!(text.contains("a process that root can see"), "{text}");
}

#[test]
fn what_is_merely_installed_stands_in_one_line() {
    let mut report = report();
    for name in ["ptp4l", "phc2sys"] {
        let mut idle = report.daemons[0].clone();
        idle.name = name.to_owned();
        idle.enabled = Some(false);
        report.daemons.push(idle);
    }
    let text = report.render(&Page::default());
    assert!(
        text.contains("ptp4l, phc2sys: neither running nor enabled"),
        "{text}"
    );
    assert!(text.contains("systemd-timesyncd: not running"), "{text}");
}
