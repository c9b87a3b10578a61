use super::*;
use crate::report::finding::Severity;
use std::fs;
use std::os::unix::fs::symlink;

fn image(units: &[(&str, &str, bool)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let wants = root
        .path()
        .join("etc/systemd/system/multi-user.target.wants");
    let units_dir = root.path().join("usr/lib/systemd/system");
    fs::create_dir_all(&wants).unwrap();
    fs::create_dir_all(&units_dir).unwrap();
    for (name, text, enabled) in units {
        let file = format!("{name}.service");
        fs::write(units_dir.join(&file), text).unwrap();
        if *enabled {
            symlink(format!("/usr/lib/systemd/system/{file}"), wants.join(&file)).unwrap();
        }
    }
    root
}

#[test]
fn chronyd_enabled_where_ntpd_is_to_run_is_told_with_what_happens() {
    let root = image(&[
        ("chronyd", "[Unit]\nConflicts=ntpd.service\n", true),
        ("ntpd", "[Unit]\n", true),
    ]);
    let found = find(root.path(), None);
    let told = image_findings(&found, Path::new("/mnt"));
    assert!(
        told[0].text.contains("chronyd and ntpd") && told[0].text.contains("conflict"),
        "{told:?}"
    );
    assert_eq!(
        told[0].next.as_deref(),
        Some("systemctl --root /mnt disable ntpd")
    );
    // The table of sources says it too.
    let beside = started_together(root.path(), &[]).unwrap();
    assert!(beside.text.contains("chronyd and ntpd"), "{beside:?}");
    let rows = rows(&found, &[], true);
    assert!(
        rows.iter()
            .all(|row| row.running.is_none() && row.enabled == Some(true))
    );
}

#[test]
fn one_enabled_daemon_in_an_image_is_fine_and_none_is_not() {
    let root = image(&[
        ("chronyd", "[Unit]\n", true),
        ("systemd-timesyncd", "[Unit]\n", false),
    ]);
    assert!(image_findings(&find(root.path(), None), Path::new("/mnt")).is_empty());
    assert_eq!(started_together(root.path(), &[]), None);
    let root = image(&[("chronyd", "[Unit]\n", false)]);
    assert_eq!(
        image_findings(&find(root.path(), None), Path::new("/mnt")).len(),
        1
    );
}

#[test]
fn what_wants_more_than_to_be_enabled_is_not_to_be_typed() {
    let found = |names: &[&str]| {
        let units: Vec<_> = names
            .iter()
            .map(|name| (*name, "[Unit]\n", false))
            .collect();
        find(image(&units).path(), Some(&[]))
    };
    let told = findings(&found(&["phc2sys@"]), true);
    let next = told[0].next.as_deref().unwrap_or_default();
    assert!(!next.contains("phc2sys"), "{told:?}");
    let told = findings(&found(&["chrony", "phc2sys@"]), true);
    assert_eq!(
        told[0].next.as_deref(),
        Some("systemctl enable --now chrony")
    );
}

#[test]
fn enabled_but_not_running_and_the_reverse_are_told() {
    let root = image(&[("chronyd", "[Unit]\n", true)]);
    let told = findings(&find(root.path(), Some(&[])), true);
    assert!(
        told[0].text.contains("enabled but does not run"),
        "{told:?}"
    );
    let root = image(&[("chronyd", "[Unit]\n", false)]);
    let process = Running {
        kind: Kind::Chronyd,
        pid: 1,
        holds_clock: Some(true),
        container: false,
        arguments: vec![],
        age_s: None,
        stopped: vec![],
    };
    let told = findings(&find(root.path(), Some(&[process])), true);
    assert!(told[0].text.contains("not enabled"), "{told:?}");
}

fn runs(kind: Kind) -> Running {
    Running {
        kind,
        pid: 1,
        holds_clock: Some(true),
        container: false,
        arguments: vec![],
        age_s: None,
        stopped: vec![],
    }
}

#[test]
fn an_idle_timesyncd_is_no_error_where_another_daemon_works() {
    let root = image(&[("systemd-timesyncd", "[Unit]\n", true)]);
    let told = findings(&find(root.path(), Some(&[runs(Kind::Ntpd)])), true);
    assert!(
        told.iter().all(|f| f.severity != Severity::Error),
        "{told:?}"
    );
    assert!(
        told[0].text.contains("idle; ntpd does its work"),
        "{told:?}"
    );
    assert_eq!(
        told[0].next.as_deref(),
        Some("systemctl disable systemd-timesyncd")
    );
    // Nothing starts services in a container.
    let told = findings(&find(root.path(), Some(&[])), false);
    assert!(
        told[0].text.contains("the host keeps the clock"),
        "{told:?}"
    );
    assert_eq!(told[0].severity, Severity::Warning);
}

#[test]
fn a_timesyncd_whose_unit_gives_way_to_ntpd_is_not_in_its_way() {
    let root = image(&[
        ("systemd-timesyncd", "[Unit]\nConflicts=ntp.service\n", true),
        ("ntp", "[Unit]\n", true),
    ]);
    let both = image_findings(&find(root.path(), None), Path::new("/mnt"));
    assert_eq!(both[0].severity, Severity::Error, "{both:?}");
    let drop_ins = root
        .path()
        .join("usr/lib/systemd/system/systemd-timesyncd.service.d");
    fs::create_dir_all(&drop_ins).unwrap();
    let condition = "[Unit]\nConditionFileIsExecutable=!/usr/sbin/ntpd\n";
    fs::write(drop_ins.join("disable-with-time-daemon.conf"), condition).unwrap();
    // The program is not there yet: nothing gives way.
    assert_eq!(
        image_findings(&find(root.path(), None), Path::new("/mnt"))[0].severity,
        Severity::Error
    );
    fs::create_dir_all(root.path().join("usr/sbin")).unwrap();
    fs::write(root.path().join("usr/sbin/ntpd"), "").unwrap();
    let found = find(root.path(), Some(&[runs(Kind::Ntpd)]));
    assert!(findings(&found, true).is_empty(), "{found:?}");
    let rows = rows(&found, &[], false);
    let timesyncd = rows.iter().find(|row| row.name == "systemd-timesyncd");
    assert_eq!(
        timesyncd.unwrap().yields_to.as_deref(),
        Some("/usr/sbin/ntpd")
    );
}

#[test]
fn ntpd_enabled_where_chronyd_runs_is_the_one_to_go() {
    let root = image(&[
        ("chronyd", "[Unit]\nConflicts=ntpd.service\n", true),
        ("ntpd", "[Unit]\n", true),
    ]);
    for (runs_now, goes) in [(Kind::Chronyd, "ntpd"), (Kind::Ntpd, "chronyd")] {
        let told = findings(&find(root.path(), Some(&[runs(runs_now)])), true);
        assert_eq!(told[0].severity, Severity::Error);
        assert_eq!(
            told[0].next,
            Some(format!("systemctl disable --now {goes}")),
            "{told:?}"
        );
    }
}

/// chronyd -x, `serve --no-clock-control`: to disable or enable anything for their sake would
/// leave the clock to nobody, or to two.
#[test]
fn a_daemon_that_leaves_the_clock_alone_replaces_nobody() {
    let looks = |kind| Running {
        holds_clock: Some(false),
        ..runs(kind)
    };
    for (service, kind) in [
        ("chrony", Kind::Clockbox),
        ("systemd-timesyncd", Kind::Chronyd),
    ] {
        let root = image(&[(service, "[Unit]\n", true), ("clockbox", "[Unit]\n", false)]);
        let told = findings(&find(root.path(), Some(&[looks(kind)])), true);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].severity, Severity::Error);
        assert_eq!(told[0].next, Some(format!("systemctl start {service}")));
    }
    // Beside the daemon that keeps the clock: nothing to say at all.
    let root = image(&[
        ("chrony", "[Unit]\n", true),
        ("clockbox", "[Unit]\n", false),
    ]);
    let both = [runs(Kind::Chronyd), looks(Kind::Clockbox)];
    let told = findings(&find(root.path(), Some(&both)), true);
    assert!(told.is_empty(), "{told:?}");
}

/// The unit that a process belongs to is the one that is named, and asked whether it is enabled.
#[test]
fn the_service_is_the_one_that_runs() {
    let root = image(&[
        ("clockbox", "[Unit]\n", false),
        ("beside", "[Unit]\n", true),
    ]);
    let mut found = find(root.path(), Some(&[runs(Kind::Clockbox)]));
    assert_eq!(findings(&found, true).len(), 1);
    found[0].unit = service::find(root.path(), "beside");
    assert!(findings(&found, true).is_empty(), "{found:?}");
    let rows = rows(&found, &[], false);
    assert_eq!(
        (rows[0].service.as_deref(), rows[0].enabled),
        (Some("beside"), Some(true))
    );
}

#[test]
fn a_script_that_a_removed_package_left_is_no_service() {
    let root = image(&[]);
    fs::write(root.path().join("usr/lib/systemd/systemd"), "").unwrap();
    let scripts = root.path().join("etc/init.d");
    fs::create_dir_all(&scripts).unwrap();
    fs::write(scripts.join("chrony"), "#!/bin/sh\n").unwrap();
    assert!(find(root.path(), Some(&[])).is_empty());
    fs::create_dir_all(root.path().join("usr/sbin")).unwrap();
    fs::write(root.path().join("usr/sbin/chronyd"), "").unwrap();
    assert_eq!(find(root.path(), Some(&[]))[0].services.len(), 1);
}
