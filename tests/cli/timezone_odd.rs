//! `clockbox timezone` where things are not as they should be: places that cannot be read, links
//! that lead back to themselves, letters instead of names; and the root before the verb.

use crate::run::run;
use crate::run::run_as_nobody;
use crate::timezone_images::LAYOUTS;
use crate::timezone_images::contents;
use nix::sys::stat::Mode;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;

fn debian() -> TempDir {
    let layout = LAYOUTS.iter().find(|layout| layout.name == "Debian 11");
    let tree = layout.unwrap().build();
    fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o755)).unwrap();
    tree
}

fn timezone(tree: &TempDir, args: &[&str]) -> (i32, Value) {
    let root = tree.path().to_str().unwrap();
    let ran = run(&[&["timezone"], args, &["--json", "--root", root]].concat());
    (ran.status, ran.json())
}

/// The finding that begins with this, and what to type.
fn found(report: &Value, begin: &str) -> Option<(String, String)> {
    let all = report["findings"].as_array().unwrap().iter();
    let mut pairs = all.map(|finding| {
        let word = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        (word("text"), word("next"))
    });
    pairs.find(|(text, _)| text.starts_with(begin))
}

#[test]
fn a_place_that_cannot_be_read_is_said_to_be_passed_over() {
    type Spoil = fn(&Path);
    let cases: [(Spoil, &str, &str); 4] = [
        (
            |path| nix::unistd::mkfifo(path, Mode::from_bits_truncate(0o644)).unwrap(),
            "not a regular file",
            "ls -ld ",
        ),
        (
            |path| symlink("/nowhere/timezone", path).unwrap(),
            "a link to /nowhere/timezone, which is not there",
            "rm ",
        ),
        (
            |path| symlink("timezone", path).unwrap(),
            "a link that leads back to itself",
            "rm ",
        ),
        (
            |path| fs::File::create(path).unwrap().set_len(5 << 30).unwrap(),
            "larger than 4194304 bytes",
            "ls -ld ",
        ),
    ];
    for (spoil, why, next) in cases {
        let tree = debian();
        let path = tree.path().join("etc/timezone");
        fs::remove_file(&path).unwrap();
        spoil(&path);
        let (status, shown) = timezone(&tree, &["show"]);
        let told = Some((
            format!("/etc/timezone was passed over: {why}"),
            format!("{next}{}", path.display()),
        ));
        assert_eq!(found(&shown, "/etc/timezone"), told, "{shown}");
        assert_eq!(status, 1, "{shown}");
        let places = shown["places"].as_array().unwrap();
        let place = places.iter().find(|place| place["path"] == "/etc/timezone");
        assert_eq!(place.unwrap()["zone"], Value::Null, "{shown}");
        // The zone is set all the same, and that place is named.
        let (status, set) = timezone(&tree, &["set", "Japan"]);
        assert_eq!((status, &set["changed"]), (0, &true.into()), "{set}");
        assert_eq!(found(&set, "/etc/timezone"), told, "{set}");
    }
}

#[test]
fn what_only_root_may_read_is_said_to_be_so() {
    let tree = debian();
    let root = tree.path().to_str().unwrap();
    let closed = |path: &str| {
        let path = tree.path().join(path);
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    closed("etc/timezone");
    let Some(ran) = run_as_nobody(&["timezone", "show", "--json", "--root", root]) else {
        return;
    };
    let told = found(&ran.json(), "/etc/timezone").unwrap().0;
    assert_eq!(
        told,
        "/etc/timezone was passed over: for root alone to read"
    );
    let localtime = tree.path().join("etc/localtime");
    let zone = fs::read(&localtime).unwrap();
    fs::remove_file(&localtime).unwrap();
    fs::write(&localtime, zone).unwrap();
    closed("etc/localtime");
    let ran = run_as_nobody(&["timezone", "show", "--json", "--root", root]).unwrap();
    let (text, next) = found(&ran.json(), "/etc/localtime is").unwrap();
    assert!(
        text.starts_with("/etc/localtime is for root alone to read"),
        "{text}"
    );
    assert_eq!(next, format!("sudo clockbox timezone show --root {root}"));
}

#[test]
fn a_circle_of_links_at_etc_localtime_is_called_one() {
    for other in ["localtime", "localtime2"] {
        let tree = debian();
        let etc = tree.path().join("etc");
        fs::remove_file(etc.join("localtime")).unwrap();
        symlink(other, etc.join("localtime")).unwrap();
        if other != "localtime" {
            symlink("localtime", etc.join(other)).unwrap();
        }
        fs::write(etc.join("timezone"), "Asia/Tokyo\n").unwrap();
        let (status, shown) = timezone(&tree, &["show"]);
        assert_eq!(status, 1, "{shown}");
        assert_eq!(
            shown["places"][0]["form"], "a link that leads back to itself",
            "{shown}"
        );
        let set = format!(
            "clockbox timezone set Asia/Tokyo --root {}",
            tree.path().display()
        );
        let told = "/etc/localtime is a link that leads back to itself: programs use UTC";
        assert_eq!(
            found(&shown, "/etc/localtime"),
            Some((told.to_owned(), set.clone())),
            "{shown}"
        );
        assert_eq!(found(&shown, "/etc/timezone").unwrap().1, set, "{shown}");
        let root = tree.path().to_str().unwrap();
        let page = run(&["timezone", "--root", root]).stdout;
        assert!(
            page.starts_with("zone         UTC (/etc/localtime cannot be read)"),
            "{page}"
        );
        assert_eq!(timezone(&tree, &["set", "Asia/Tokyo"]).0, 0);
        let (status, shown) = timezone(&tree, &["show"]);
        assert_eq!(
            (status, &shown["zone"]),
            (0, &"Asia/Tokyo".into()),
            "{shown}"
        );
    }
}

#[test]
fn the_root_may_stand_before_the_verb() {
    let tree = debian();
    let root = tree.path().to_str().unwrap();
    let ran = run(&["timezone", "--root", root, "set", "Japan", "--json"]);
    assert_eq!(
        (ran.status, &ran.json()["root"]),
        (0, &root.into()),
        "{ran:?}"
    );
    assert_eq!(
        fs::read_to_string(tree.path().join("etc/timezone")).unwrap(),
        "Japan\n"
    );
    for verb in [&["show"][..], &[], &["list", "Japan"]] {
        let ran = run(&[&["timezone", "--json", "--root", root], verb].concat());
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(ran.stdout.contains("\"Japan\""), "{ran:?}");
    }
    // A zone without its verb is answered with the verb.
    let ran = run(&["timezone", "--root", root, "Japan"]);
    assert!(
        ran.status == 64
            && ran
                .stderr
                .ends_with("\n  to set a zone: clockbox timezone set Japan\n"),
        "{ran:?}"
    );
    // The one behind the verb counts, and what it forbids is forbidden by both.
    let ran = run(&["timezone", "--root", "/nowhere", "show", "--root", root]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let before = contents(tree.path());
    let words = ["set", "UTC", "--restart", "cron"];
    let ran = run(&[&["timezone", "--root", root], &words[..]].concat());
    assert_eq!(ran.status, 64, "{ran:?}");
    assert_eq!(contents(tree.path()), before);
}

#[test]
fn letters_lead_to_the_place_that_most_people_mean() {
    // Without a database of its own: by the built-in names.
    let empty = tempfile::tempdir().unwrap();
    let root = empty.path().to_str().unwrap();
    for (letters, place) in [
        ("PST", "America/Los_Angeles"),
        ("CST", "America/Chicago"),
        ("JST", "Asia/Tokyo"),
        ("IST", "Asia/Kolkata"),
        ("BST", "Europe/London"),
        ("EDT", "America/New_York"),
        ("cest", "Europe/Berlin"),
        ("SGT", "Asia/Singapore"),
        ("Berlin", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("Calcutta", "Asia/Calcutta"),
    ] {
        let ran = run(&["timezone", "set", letters, "--json", "--root", root]);
        assert_eq!(ran.status, 64, "{ran:?}");
        let error = &ran.json()["error"];
        let set = format!("clockbox timezone set {place} --root {root}");
        assert_eq!(error["hint"], set, "{letters}: {error}");
    }
    let ran = run(&["timezone", "set", "PST", "--root", root]);
    assert!(
        ran.stderr.contains(
            "PST: there is no such zone; is it America/Los_Angeles, America/Vancouver or Asia/Manila?"
        ),
        "{ran:?}"
    );
}

#[test]
fn a_dry_run_of_an_ordinary_user_says_that_the_real_one_is_roots() {
    let tree = debian();
    let root = tree.path().to_str().unwrap();
    let words = [
        "timezone",
        "set",
        "Japan",
        "--dry-run",
        "--json",
        "--root",
        root,
    ];
    let Some(ran) = run_as_nobody(&words) else {
        return;
    };
    let json = ran.json();
    assert_eq!((ran.status, &json["changed"]), (0, &true.into()), "{json}");
    let (_, next) = found(&json, "Without --dry-run this needs root").unwrap();
    assert_eq!(
        next,
        format!("sudo clockbox timezone set Japan --root {root}")
    );
    // Root is not told so, nor whoever finds nothing to do.
    assert_eq!(found(&run(&words).json(), "Without --dry-run"), None);
    assert_eq!(run(&["timezone", "set", "Japan", "--root", root]).status, 0);
    let ran = run_as_nobody(&words).unwrap();
    assert_eq!(found(&ran.json(), "Without --dry-run"), None, "{ran:?}");
}
