//! `sources set --cloud` on images of machines: the lines, the reasons above them, a second run.

use super::run::run;
use std::fs;

const CHRONY: &str = "# Debian\npool 2.debian.pool.ntp.org iburst\ndriftfile /var/lib/chrony/drift\nmakestep 1 3\nrtcsync\n";

/// An image with this chrony.conf on a machine like one of the trees.
fn image(tree: &str, conf: &str, text: &str) -> tempfile::TempDir {
    let dir = super::cloud::copied(tree);
    let path = dir.path().join(conf);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    dir
}

/// The file after a run, which must have changed it once and no more.
fn set(tree: &str, conf: &str, text: &str) -> String {
    let dir = image(tree, conf, text);
    let root = dir.path().to_str().unwrap();
    let args = ["sources", "set", "--cloud", "--json", "--root", root];
    let first = run(&args);
    assert_eq!(first.status, 0, "{first:?}");
    assert_eq!(first.json()["changed"], true, "{first:?}");
    let after = fs::read_to_string(dir.path().join(conf)).unwrap();
    let second = run(&args);
    assert_eq!(second.json()["changed"], false, "{second:?}");
    let again = fs::read_to_string(dir.path().join(conf)).unwrap();
    assert_eq!(after, again);
    after
}

const CONF: &str = "etc/chrony/chrony.conf";

#[test]
fn azure_gets_the_hosts_clock_and_the_right_to_step() {
    let after = set("azure", CONF, CHRONY);
    for line in [
        "#pool 2.debian.pool.ntp.org iburst",
        "#makestep 1 3",
        "refclock PHC /dev/ptp_hyperv poll 3 dpoll -2 offset 0 stratum 2",
        "makestep 1.0 -1",
        "driftfile /var/lib/chrony/drift",
        "rtcsync",
    ] {
        assert!(after.lines().any(|l| l == line), "{line} in\n{after}");
    }
    // The reason stands above its line.
    let lines: Vec<&str> = after.lines().collect();
    let at = lines
        .iter()
        .position(|l| l.starts_with("refclock"))
        .unwrap();
    assert!(
        lines[at - 1].starts_with("# Azure offers no NTP service"),
        "{after}"
    );
}

#[test]
fn a_line_that_is_there_already_stays() {
    let ready = "refclock PHC  /dev/ptp_hyperv poll 3 dpoll -2 offset 0 stratum 2\n";
    let after = set("azure", CONF, ready);
    assert!(after.starts_with(ready), "{after}");
    assert_eq!(after.matches("refclock PHC").count(), 1, "{after}");
}

/// An instance without Amazon's PTP clock.
fn without_clock(tree: &str, text: &str) -> tempfile::TempDir {
    let dir = image(tree, CONF, text);
    let _ = fs::remove_dir_all(dir.path().join("sys/class/ptp"));
    dir
}

#[test]
fn amazon_gets_its_pair_and_nothing_beside_it() {
    let dir = without_clock("aws-nitro", CHRONY);
    let root = dir.path().to_str().unwrap();
    let ran = run(&["sources", "set", "--cloud", "--root", root]);
    assert_eq!(ran.status, 0, "{ran:?}");
    // How to come by the clock is told.
    assert!(ran.stdout.contains("phc_enable=1"), "{ran:?}");
    let after = fs::read_to_string(dir.path().join(CONF)).unwrap();
    assert!(after.contains(
        "server 169.254.169.123 prefer iburst minpoll 4 maxpoll 4\nserver fd00:ec2::123 prefer"
    ));
    assert!(after.contains("\nmakestep 1 3\n"), "{after}");
    let xen = set("aws-xen", CONF, CHRONY);
    assert!(!xen.contains("fd00:ec2::123"), "{xen}");
    assert!(!xen.contains("ptp"), "{xen}");
}

#[test]
fn amazons_clock_is_followed_with_its_error_and_its_smeared_servers_are_only_watched() {
    let after = set("aws-nitro", CONF, CHRONY);
    let has = |line: &str| after.lines().any(|l| l == line);
    // 10 us and twice the 21,000 ns that the driver states.
    let clock = "refclock PHC /dev/ptp_ena poll 0 delay 0.000052000 prefer";
    assert!(has(clock), "{after}");
    assert!(after.contains("21000 ns"), "{after}");
    for address in ["169.254.169.123", "fd00:ec2::123"] {
        let line = format!("server {address} iburst minpoll 4 maxpoll 4 noselect");
        assert!(has(&line), "{after}");
    }
    assert!(has("#pool 2.debian.pool.ntp.org iburst"), "{after}");
    // Our own daemon reads the bound itself, again and again.
    let own = set("aws-nitro", "etc/clockbox/clockbox.conf", "makestep 1 3\n");
    let clock = "refclock PHC /dev/ptp_ena poll 0 delay 0.000010000 prefer";
    assert!(own.lines().any(|l| l == clock), "{own}");
}

#[test]
fn leap_seconds_are_not_known_beside_a_server_that_smears_them() {
    let conf =
        format!("{CHRONY}leapsectz right/UTC\nleapseclist /usr/share/zoneinfo/leap-seconds.list\n");
    let dir = without_clock("aws-nitro", &conf);
    let root = dir.path().to_str().unwrap();
    let ran = run(&["sources", "set", "--cloud", "--root", root]);
    assert!(ran.stdout.contains("leapsectz"), "{ran:?}");
    let after = fs::read_to_string(dir.path().join(CONF)).unwrap();
    for line in ["#leapsectz right/UTC", "#leapseclist /usr/share"] {
        assert!(after.lines().any(|l| l.starts_with(line)), "{after}");
    }
    // The clock does not smear, nor do Oracle's servers.
    for tree in ["aws-nitro", "azure", "oracle"] {
        let after = set(tree, CONF, &conf);
        assert!(after.contains("\nleapsectz right/UTC\n"), "{tree}: {after}");
    }
}

#[test]
fn a_directive_in_an_included_file_makes_way_too() {
    let conf = format!("{CHRONY}confdir /etc/chrony/conf.d\n");
    let dir = image("azure", CONF, &conf);
    let more = dir.path().join("etc/chrony/conf.d");
    fs::create_dir_all(&more).unwrap();
    fs::write(more.join("step.conf"), "makestep 0.1 1\n").unwrap();
    let root = dir.path().to_str().unwrap();
    assert_eq!(
        run(&["sources", "set", "--cloud", "--root", root]).status,
        0
    );
    let step = fs::read_to_string(more.join("step.conf")).unwrap();
    assert_eq!(step, "#makestep 0.1 1\n");
}

#[test]
fn timesyncd_gets_names_and_cannot_follow_a_clock() {
    let conf = "etc/systemd/timesyncd.conf";
    let after = set("google", conf, "[Time]\n#NTP=\n");
    assert!(after.contains("[Time]\n# Google"), "{after}");
    assert!(
        after.contains("\nNTP=metadata.google.internal\n"),
        "{after}"
    );
    let azure = image("azure", conf, "[Time]\n");
    let root = azure.path().to_str().unwrap();
    let refused = run(&["sources", "set", "--cloud", "--root", root]);
    assert_eq!(refused.status, 69, "{refused:?}");
    assert!(refused.stderr.contains("but chronyd can"), "{refused:?}");
}

#[test]
fn without_the_module_azure_is_told_how_to_load_it() {
    let dir = image("azure", CONF, CHRONY);
    // Only the network card's clock is left, at ptp0.
    fs::remove_dir_all(dir.path().join("sys/class/ptp/ptp1")).unwrap();
    let root = dir.path().to_str().unwrap();
    // An image is set up all the same: the module is there when it runs.
    let ran = run(&[
        "sources",
        "set",
        "--cloud",
        "--dry-run",
        "--diff",
        "--root",
        root,
    ]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(
        ran.stdout.contains("+refclock PHC /dev/ptp_hyperv"),
        "{ran:?}"
    );
    assert!(!ran.stdout.contains("ptp0"), "{ran:?}");
}

#[test]
fn hardware_and_unknown_words_are_refused() {
    let dir = image("hardware", CONF, CHRONY);
    let root = dir.path().to_str().unwrap();
    let ran = run(&["sources", "set", "--cloud", "--root", root]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains("--cloud=azure"), "{ran:?}");
    let named = run(&[
        "sources",
        "set",
        "--cloud=azure",
        "--dry-run",
        "--diff",
        "--root",
        root,
    ]);
    assert!(
        named.stdout.contains("+refclock PHC /dev/ptp_hyperv"),
        "{named:?}"
    );
    let odd = run(&["sources", "set", "--cloud=nimbus", "--root", root]);
    assert_eq!(odd.status, 64, "{odd:?}");
    assert!(odd.stderr.contains("azure"), "{odd:?}");
}
