//! `clockbox migrate-ntpd --from FILE --output DIR`: what it says it did, for which daemon, of what.

use crate::run::Ran;
use crate::run::run;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Converts this text into `DIR/new`.
fn convert(dir: &Path, text: &str, more: &[&str]) -> Ran {
    let from = dir.join("ntp.conf");
    fs::write(&from, text).unwrap();
    let out = dir.join("new");
    let words = ["migrate-ntpd", "--from", from.to_str().unwrap(), "--output"];
    run(&[&words[..], &[out.to_str().unwrap()], more].concat())
}

fn paths(json: &Value) -> Vec<String> {
    let files = json["files"].as_array().unwrap().iter();
    let path = |file: &Value| {
        Path::new(file["path"].as_str().unwrap())
            .file_name()
            .unwrap()
            .to_owned()
    };
    files
        .map(|file| path(file).into_string().unwrap())
        .collect()
}

#[test]
fn a_dry_run_says_that_nothing_was_written() {
    let dir = tempfile::tempdir().unwrap();
    for more in [&["--dry-run"][..], &["--dry-run", "--diff"]] {
        let ran = convert(dir.path(), "server a.example iburst\n", more);
        assert_eq!(ran.status, 0, "{ran:?}");
        let said = &ran.stdout;
        assert!(
            said.contains("would write ") && said.contains("nothing was written"),
            "{said}"
        );
        assert!(
            !said.contains("\nwrote ") && !said.contains("converted\n"),
            "{said}"
        );
        assert!(!dir.path().join("new").exists());
    }
    let said = convert(dir.path(), "server a.example iburst\n", &[]).stdout;
    assert!(
        said.contains(": converted\n") && said.contains("\nwrote "),
        "{said}"
    );
}

#[test]
fn every_file_that_is_written_is_listed_and_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let text = "server a.example iburst\n";
    let json = convert(dir.path(), text, &["--json"]).json();
    assert_eq!(paths(&json), ["chrony.conf", "report.json"]);
    let report = dir.path().join("new/report.json");
    let first = fs::read(&report).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let again = convert(dir.path(), text, &["--json"]).json();
    assert_eq!(again["changed"], false);
    assert_eq!(again["files"][1]["action"], "unchanged");
    assert_eq!(fs::read(&report).unwrap(), first);
    // Nothing of a result that must not be used.
    let other = tempfile::tempdir().unwrap();
    let ran = convert(other.path(), "restrict default\n", &["--json"]);
    assert_eq!((ran.status, &ran.json()["changed"]), (65, &false.into()));
    assert!(!other.path().join("new").exists());
}

#[test]
fn for_clockbox_the_files_and_the_words_are_clockboxs() {
    let dir = tempfile::tempdir().unwrap();
    let text = "server a.example autokey\nserver b.example iburst key 3\nkeys /nowhere\ntrustedkey 3\n\
                logfile /var/log/ntp\ndriftfile /nowhere\ntinker panic 0\nrestrict 192.0.2.0 mask 255.255.255.0 ntpport\n";
    let ran = convert(dir.path(), text, &["--to", "clockbox", "--no-serve", "-v"]);
    for name in ["clockbox.conf", "clockbox.keys", "report.json"] {
        assert!(dir.path().join("new").join(name).exists(), "{name} {ran:?}");
        assert!(ran.stdout.contains(&format!("new/{name}\n")), "{ran:?}");
    }
    let report = fs::read_to_string(dir.path().join("new/report.json")).unwrap();
    let conf = fs::read_to_string(dir.path().join("new/clockbox.conf")).unwrap();
    for said in [&ran.stdout, &report, &conf] {
        assert!(!said.contains("chrony"), "{said}");
    }
    assert!(report.contains("clockbox has no Autokey"), "{report}");
    assert!(report.contains("use key"), "{report}");
    // What one line needs of another is not missed where that is written.
    let logs = "server a.example iburst\nstatistics loopstats\n";
    let logs = convert(dir.path(), logs, &["--to", "clockbox", "--json"]).json();
    assert_eq!(logs["summary"]["lost"], 0, "{logs}");
    assert!(!logs.to_string().contains("no logdir line"), "{logs}");
    let chrony = convert(dir.path(), text, &["--json"]).json().to_string();
    assert!(chrony.contains("chrony has no Autokey") && chrony.contains("use nts or key"));
}

#[test]
fn keys_are_spoken_of_where_there_are_some() {
    let dir = tempfile::tempdir().unwrap();
    let text = "server a.example iburst\ntrustedkey 3\n";
    let said = |text: &str| convert(dir.path(), text, &["--json"]).json().to_string();
    assert!(!said(text).contains("comments in the key file"));
    fs::write(dir.path().join("k"), "3 M x\n4 M y\n").unwrap();
    assert!(said(&format!("{text}keys k\n")).contains("comments in the key file"));
}

#[test]
fn a_configuration_of_chrony_is_none_of_ntpd() {
    let dir = tempfile::tempdir().unwrap();
    for text in [
        "pool 2.debian.pool.ntp.org iburst\nkeyfile /etc/chrony/chrony.keys\nmakestep 1 3\nrtcsync\n",
        "# ours\nserver a.example iburst\nMakeStep 1 3\n",
        "server a.example\ncmdallow 127.0.0.1\n",
    ] {
        let ran = convert(dir.path(), text, &["--json"]);
        assert_eq!(ran.status, 65, "{text}: {ran:?}");
        let error = &ran.json()["error"];
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains("of chrony, not of ntpd"),
            "{error}"
        );
        assert!(
            error["hint"].as_str().unwrap().starts_with("clockbox "),
            "{error}"
        );
        assert!(!dir.path().join("new").exists());
    }
    // A word of chrony's in a file of ntpd's is a mistake, and ntpd passes over it.
    for text in [
        "server a.example iburst\nrestrict default nomodify\nmakestep 1 3\n",
        "server a.example iburst\n# makestep 1 3\n",
    ] {
        let ran = convert(dir.path(), text, &["--json"]);
        assert_eq!(ran.status, 0, "{text}: {ran:?}");
    }
    // Whoever says that it is ntpd's is believed.
    let ran = convert(
        dir.path(),
        "server a.example\nmakestep 1 3\n",
        &["--json", "--dialect", "ntp"],
    );
    assert_eq!(ran.status, 0, "{ran:?}");
}

#[test]
fn what_comes_next_is_a_command_that_can_be_typed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_str().unwrap();
    fs::create_dir_all(dir.path().join("etc")).unwrap();
    let hint = |more: &[&str]| {
        let ran = run(&[&["migrate-ntpd", "--root", root, "--json"], more].concat());
        let json = ran.json();
        let hint = json["error"]["hint"].as_str();
        hint.unwrap_or_else(|| panic!("{json}")).to_owned()
    };
    assert_eq!(hint(&[]), format!("clockbox status --root {root}"));
    assert_eq!(
        hint(&["--rollback"]),
        format!("clockbox migrate-ntpd --root {root} --dry-run")
    );
    let ran = convert(
        dir.path(),
        "server a autokey\nserver b\n",
        &["--json", "--dry-run"],
    );
    let findings = ran.json()["findings"].to_string();
    let (from, out) = (format!("{root}/ntp.conf"), format!("{root}/new"));
    let next = format!("clockbox migrate-ntpd --from {from} --output {out} --accept-losses");
    assert!(findings.contains(&format!("\"{next}\"")), "{findings}");
    let words: Vec<&str> = next.split(' ').skip(1).collect();
    assert_eq!(run(&words).status, 0);
}
