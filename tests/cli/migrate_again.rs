//! `clockbox migrate-ntpd` after a migration: a second run, edits, the way back, and back again.

use crate::migrate_image::image;
use crate::migrate_image::tree;
use crate::run::Ran;
use crate::run::clockbox;
use crate::run::run;
use crate::run::run_as_nobody;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const ENABLED: &str = "etc/systemd/system/multi-user.target.wants/chrony.service";

fn migrate(root: &Path, more: &[&str]) -> Ran {
    let root = root.to_str().unwrap();
    run(&[&["migrate-ntpd", "--root", root, "--json"], more].concat())
}

fn migrated(root: &Path, more: &[&str]) -> Value {
    let ran = migrate(root, more);
    let json = ran.json();
    assert_eq!(
        (ran.status, &json["result"]),
        (0, &"migrated".into()),
        "{ran:?}"
    );
    json
}

fn rolled_back(root: &Path) -> Value {
    let ran = migrate(root, &["--rollback"]);
    assert_eq!((ran.status, &ran.json()["changed"]), (0, &true.into()));
    ran.json()
}

#[test]
fn a_second_run_goes_on_from_the_first_and_the_way_back_leads_before_both() {
    let image = image();
    let root = image.path();
    let before = tree(root);
    let first = migrated(root, &[]);
    fs::remove_file(root.join(ENABLED)).unwrap();
    let second = migrated(root, &[]);
    assert_ne!(first["services"], second["services"]);
    // What the second touches and the first did not, is put back too.
    fs::remove_file(root.join(ENABLED)).unwrap();
    migrated(root, &["--to", "clockbox", "--install"]);
    assert!(root.join("etc/clockbox/clockbox.conf").exists());
    rolled_back(root);
    assert_eq!(tree(root), before);
}

#[test]
fn a_second_run_that_is_killed_gives_way_to_the_first() {
    for step in 0..40 {
        let image = image();
        let root = image.path();
        let before = tree(root);
        migrated(root, &[]);
        fs::remove_file(root.join(ENABLED)).unwrap();
        let words = ["migrate-ntpd", "-q", "--root", root.to_str().unwrap()];
        let mut child = clockbox().args(words).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(step * 500));
        child.kill().unwrap();
        child.wait().unwrap();
        if step % 2 == 0 {
            assert_eq!(migrate(root, &[]).status, 0);
        }
        rolled_back(root);
        let mut now = tree(root);
        now.retain(|name, _| !name.contains(".clockbox-"));
        assert_eq!(now, before, "killed after step {step}");
    }
}

#[test]
fn what_was_rolled_back_is_not_rolled_back_again() {
    let image = image();
    let root = image.path();
    migrated(root, &[]);
    rolled_back(root);
    for more in [&["--rollback"][..], &["--rollback", "--dry-run"]] {
        let ran = migrate(root, more);
        assert_eq!((ran.status, &ran.json()["changed"]), (0, &false.into()));
        let root = root.to_str().unwrap();
        let said = run(&[&["migrate-ntpd", "--root", root], more].concat()).stdout;
        assert!(
            said.starts_with("nothing to undo: ") && said.contains("rolled back already"),
            "{said}"
        );
        assert!(!said.contains("everything is as it was"), "{said}");
    }
}

#[test]
fn edits_made_after_the_migration_are_kept_and_named() {
    let image = image();
    let root = image.path();
    let before = tree(root);
    // The state of the daemon is no edit.
    migrated(root, &[]);
    fs::write(root.join("var/lib/chrony/chrony.drift"), "1 2\n").unwrap();
    let plain = migrate(root, &["--rollback", "--dry-run"]).json();
    assert!(!plain.to_string().contains("was changed after"), "{plain}");
    assert!(
        !rolled_back(root)
            .to_string()
            .contains("was changed after the")
    );
    assert_eq!(tree(root), before);

    migrated(root, &[]);
    for (name, line) in [("conf", "log tracking\n"), ("keys", "9 MD5 HEX:00\n")] {
        let path = root.join(format!("etc/chrony/chrony.{name}"));
        fs::write(&path, fs::read_to_string(&path).unwrap() + line).unwrap();
    }
    let plan = migrate(root, &["--rollback", "--dry-run"]).json();
    let json = rolled_back(root);
    assert_eq!(tree(root), before);
    for (name, line) in [("conf", "log tracking\n"), ("keys", "9 MD5 HEX:00\n")] {
        let path = format!("/etc/chrony/chrony.{name} was changed after the migration");
        let said = |json: &Value| {
            let findings = json["findings"].as_array().unwrap().iter();
            let texts = findings.map(|finding| finding["text"].as_str().unwrap().to_owned());
            let mut texts = texts.filter(|text| text.starts_with(&path));
            texts.next()
        };
        assert!(said(&plan).is_some(), "{plan}");
        let text = said(&json).unwrap();
        let kept = text.split(" kept as /").nth(1).unwrap();
        let kept = fs::read_to_string(root.join(kept)).unwrap();
        assert!(kept.ends_with(line), "{kept}");
    }
}

#[test]
fn a_run_that_is_under_way_was_not_interrupted() {
    let image = image();
    let root = image.path();
    migrated(root, &[]);
    let dir = root.join("var/lib/clockbox/migrate-ntpd");
    let journal = dir.join("journal.json");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replace("\"done\"", "\"started\"")).unwrap();
    let lock = fs::File::open(dir.join("lock")).unwrap();
    lock.lock().unwrap();
    for more in [&["--dry-run"][..], &["--rollback", "--dry-run"]] {
        let findings = migrate(root, more).json()["findings"].to_string();
        assert!(findings.contains("is under way"), "{findings}");
        assert!(!findings.contains("interrupted"), "{findings}");
    }
    lock.unlock().unwrap();
    let findings = migrate(root, &["--dry-run"]).json()["findings"].to_string();
    assert!(findings.contains("was interrupted"), "{findings}");
    assert!(!findings.contains("under way"), "{findings}");
}

#[test]
fn an_ordinary_user_is_told_that_a_run_under_way_cannot_be_seen() {
    let image = image();
    let root = image.path();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(root, 0o755);
    migrated(root, &[]);
    let dir = root.join("var/lib/clockbox/migrate-ntpd");
    let journal = dir.join("journal.json");
    let words = |more: &'static str| {
        let root = root.to_str().unwrap();
        ["migrate-ntpd", "--root", root, "--dry-run", "--json", more]
    };
    let said = |more: &'static str| {
        let ran = run_as_nobody(&words(more))?;
        Some((ran.status, ran.json()["findings"].to_string()))
    };
    // It is done, and another may be at work.
    let as_root = format!("sudo clockbox {}", words("--diff").join(" "));
    let Some((status, findings)) = said("--diff") else {
        return;
    };
    assert_eq!(status, 0);
    assert!(
        findings.contains("Only root can see whether another run is at work"),
        "{findings}"
    );
    assert!(findings.contains(&as_root), "{findings}");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replace("\"done\"", "\"started\"")).unwrap();
    for more in ["--diff", "--rollback"] {
        let (_, findings) = said(more).unwrap();
        assert!(
            findings.contains("is under way or was interrupted; only root can see which"),
            "{findings}"
        );
    }
    // Nor the journal, where the directory is closed.
    mode(&dir, 0o700);
    let (status, findings) = said("--diff").unwrap();
    assert_eq!(status, 0, "{findings}");
    assert!(
        findings.contains("could not be seen: only root may read its journal")
            && findings.contains(&as_root),
        "{findings}"
    );
    let ran = run_as_nobody(&words("--rollback")).unwrap();
    let hint = ran.json()["error"]["hint"].to_string();
    let as_root = format!("sudo clockbox {}", words("--rollback").join(" "));
    assert!(ran.status == 77 && hint.contains(&as_root), "{ran:?}");
}

#[test]
fn an_ordinary_user_is_told_what_needs_root_and_what_does_not() {
    let image = image();
    let root = image.path().to_str().unwrap();
    fs::set_permissions(image.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let before = tree(image.path());
    let words = ["migrate-ntpd", "--root", root, "--json"];
    let Some(ran) = run_as_nobody(&words) else {
        return;
    };
    let as_root = format!("sudo clockbox migrate-ntpd --root {root}");
    assert_eq!(
        (ran.status, &ran.json()["error"]["hint"]),
        (77, &as_root.clone().into())
    );
    let dry = run_as_nobody(&[&words[..], &["--dry-run"]].concat()).unwrap();
    let findings = dry.json()["findings"].to_string();
    assert_eq!(dry.status, 0, "{dry:?}");
    assert!(
        findings.contains("Without --dry-run this needs root") && findings.contains(&as_root),
        "{findings}"
    );
    let dry = migrate(image.path(), &["--dry-run"]).json()["findings"].to_string();
    assert!(!dry.contains("needs root"), "{dry}");
    // His own image, but for the group that the keys are to have.
    let owned = std::process::Command::new("chown")
        .args(["-R", "65534:65534", root])
        .status();
    assert!(owned.unwrap().success());
    let ran = run_as_nobody(&words).unwrap();
    let json = ran.json();
    assert_eq!(
        (ran.status, &json["result"]),
        (69, &"undone".into()),
        "{json}"
    );
    assert_eq!(json["findings"][0]["next"], as_root, "{json}");
    assert_eq!(tree(image.path()), before);
}

#[test]
fn what_comes_next_is_right_behind_a_link_too() {
    let image = image();
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("migrate-ntpd");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_clockbox"), &link).unwrap();
    let conf = image.path().join("etc/ntpsec/ntp.conf");
    let text = fs::read_to_string(&conf).unwrap() + "server 127.127.20.0\n";
    fs::write(&conf, text).unwrap();
    let root = image.path().to_str().unwrap();
    let output = std::process::Command::new(link)
        .args(["--root", root])
        .output();
    let said = String::from_utf8(output.unwrap().stdout).unwrap();
    let next = format!("\n    clockbox migrate-ntpd --root {root} --accept-losses\n");
    assert!(said.contains(&next), "{said}");
}
