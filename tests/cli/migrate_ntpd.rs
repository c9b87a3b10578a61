//! `clockbox migrate-ntpd`: files that are converted, input that is refused, runs that are killed;
//! images are in `migrate_image`, running machines in `migrate_managers` and in tests/beds.

use crate::migrate_image::image;
use crate::migrate_image::tree;
use crate::run::clockbox;
use crate::run::finish;
use crate::run::run;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

#[test]
fn a_file_is_converted_into_a_directory_and_nothing_else_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("ntp.conf");
    fs::write(dir.path().join("keys"), "7 SHA1 secretkey\n").unwrap();
    fs::write(dir.path().join("drift"), "1.5\n").unwrap();
    fs::write(
        &from,
        "driftfile /nowhere/drift\nkeys /nowhere/keys\ntrustedkey 7\nserver a.example key 7",
    )
    .unwrap();
    let out = dir.path().join("new/deep");
    let args = [
        "migrate-ntpd",
        "--from",
        from.to_str().unwrap(),
        "--output",
        out.to_str().unwrap(),
        "--json",
    ];
    let ran = run(&args);
    let json = ran.json();
    assert_eq!((ran.status, &json["changed"]), (0, &true.into()), "{ran:?}");
    assert_eq!(json["lines"].as_array().unwrap().len(), 5);
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    assert!(read("chrony.conf").contains("server a.example key 7"));
    assert!(read("chrony.keys").contains("7 SHA1 ASCII:secretkey"));
    assert_eq!(
        fs::metadata(out.join("chrony.keys")).unwrap().mode() & 0o777,
        0o640
    );
    assert!(read("drift").trim_start().starts_with("-1.5"));
    let report = read("report.json");
    assert!(!report.contains("secretkey") && !ran.stdout.contains("secretkey"));
    let saved: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(saved["lines"], json["lines"]);
    assert_eq!(run(&args).json()["changed"], false);
}

#[test]
fn losses_that_matter_exit_1_and_are_written_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("ntp.conf");
    fs::write(&from, "server a.example autokey\n").unwrap();
    let out = dir.path().join("new");
    let (from, place) = (from.to_str().unwrap(), out.to_str().unwrap());
    let ran = run(&["migrate-ntpd", "--from", from, "--output", place, "--json"]);
    assert_eq!(
        (ran.status, ran.json()["summary"]["lost"].as_u64()),
        (1, Some(1))
    );
    assert!(out.join("chrony.conf").exists());
    assert_eq!(
        run(&[
            "migrate-ntpd",
            "--from",
            from,
            "--output",
            place,
            "--accept-losses"
        ])
        .status,
        0
    );
}

#[test]
fn unusable_input_is_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("new");
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    for (path, status) in [
        (dir.path().join("missing").display().to_string(), 66),
        (file("binary", b"\x7fELF\0"), 65),
        (file("huge", &vec![b'#'; 5 << 20]), 65),
        (file("circle", b"server a\nincludefile circle\n"), 65),
        (dir.path().display().to_string(), 65),
        ("/dev/zero".to_owned(), 65),
    ] {
        let ran = run(&[
            "migrate-ntpd",
            "--from",
            &path,
            "--output",
            out.to_str().unwrap(),
            "--json",
        ]);
        assert_eq!(ran.status, status, "{path}: {ran:?}");
        assert!(ran.json()["error"]["hint"].is_string(), "{ran:?}");
        assert!(!out.exists(), "{path}");
    }
    // A configuration without a source is explained line by line, but must not be used.
    let path = file("none", b"restrict default\n");
    let ran = run(&[
        "migrate-ntpd",
        "--from",
        &path,
        "--output",
        out.to_str().unwrap(),
        "--json",
    ]);
    assert_eq!((ran.status, &ran.json()["result"]), (65, &"refused".into()));
}

#[test]
fn nothing_is_applied_when_something_that_matters_would_be_lost() {
    let image = image();
    let conf = image.path().join("etc/ntpsec/ntp.conf");
    let text = fs::read_to_string(&conf).unwrap() + "server 127.127.20.0\n";
    // NTPsec's parser has the same pseudo addresses.
    fs::write(&conf, text).unwrap();
    let before = tree(image.path());
    let root = image.path().to_str().unwrap();
    let ran = run(&["migrate-ntpd", "--root", root, "--json"]);
    assert_eq!(
        (ran.status, &ran.json()["result"]),
        (1, &"held".into()),
        "{ran:?}"
    );
    assert_eq!(tree(image.path()), before);
    assert_eq!(
        run(&["migrate-ntpd", "--root", root, "--accept-losses"]).status,
        0
    );
    // Once that is done nobody is asked to go on.
    let again = run(&["migrate-ntpd", "--root", root, "--json"]);
    assert_eq!(again.json()["result"], "unchanged", "{again:?}");
    assert!(!again.stdout.contains("--accept-losses"), "{again:?}");
}

#[test]
fn a_run_killed_anywhere_is_undone_by_the_next() {
    killed_anywhere("chrony");
}

#[test]
fn a_run_for_clockboxs_own_daemon_killed_anywhere_is_undone_by_the_next() {
    killed_anywhere("clockbox");
}

fn killed_anywhere(target: &str) {
    for step in 0..60 {
        let image = image();
        // A package's program: none is to be installed.
        fs::write(image.path().join("usr/sbin/clockbox"), "").unwrap();
        let root = image.path().to_str().unwrap();
        let words = ["migrate-ntpd", "--to", target, "--root", root, "-q"];
        let before = tree(image.path());
        let mut child = clockbox().args(words).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(step * 400));
        child.kill().unwrap();
        child.wait().unwrap();
        // Whatever it left, an undo has the old state and another run the new one.
        let undone = run(&["migrate-ntpd", "--root", root, "--rollback", "-q"]);
        assert!([0, 66].contains(&undone.status), "{undone:?}");
        let mut now = tree(image.path());
        // A file that was being written beside its place.
        now.retain(|name, _| !name.contains(".clockbox-"));
        assert_eq!(now, before, "killed after step {step}");
        let next = run(&words);
        assert_eq!(next.status, 0, "{next:?}");
    }
}

#[test]
fn a_machine_without_ntpd_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let ran = run(&[
        "migrate-ntpd",
        "--root",
        dir.path().to_str().unwrap(),
        "--json",
    ]);
    assert_eq!(ran.status, 66);
    assert!(
        ran.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("/etc/ntp.conf")
    );
    assert_eq!(run(&["migrate-ntpd", "--root", "/nonexistent"]).status, 66);
    assert_eq!(run(&["migrate-ntpd", "--from", "/etc/ntp.conf"]).status, 64);
}

#[test]
fn without_root_the_machine_is_only_looked_at() {
    // As an ordinary user: the program says what is missing before it touches anything.
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        let ran = finish(
            clockbox()
                .args(["migrate-ntpd", "--json"])
                .output()
                .unwrap(),
        );
        assert_eq!(ran.status, 77, "{ran:?}");
    }
}
