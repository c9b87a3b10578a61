//! `clockbox timezone set | show | list` over image trees, one for each distribution's way.

use crate::run::Ran;
use crate::run::clockbox;
use crate::run::finish;
use crate::run::run;
use crate::timezone_images::LAYOUTS;
use crate::timezone_images::Layout;
use crate::timezone_images::contents;
use crate::timezone_images::database;
use crate::timezone_images::place;
use crate::timezone_images::traces;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn layout(name: &str) -> &'static Layout {
    LAYOUTS.iter().find(|layout| layout.name == name).unwrap()
}

fn timezone(root: &TempDir, args: &[&str]) -> Ran {
    let root = root.path().to_str().unwrap();
    let mut all = vec!["timezone"];
    all.extend(args);
    all.extend(["--root", root]);
    run(&all)
}

fn texts(findings: &Value) -> String {
    findings.to_string()
}

#[test]
fn every_layout_gets_the_zone_in_every_place_and_nothing_else() {
    for layout in LAYOUTS {
        let name = layout.name;
        let tree = layout.build();
        let ran = timezone(&tree, &["set", "Japan", "--json"]);
        assert_eq!(ran.status, 0, "{name}: {ran:?}");
        let json = ran.json();
        assert_eq!(json["changed"], true, "{name}");
        assert_eq!(json["alias_of"], "Asia/Tokyo", "{name}");
        assert_eq!(json["zone_before"], layout.before, "{name}");
        assert_eq!(json["after"]["abbreviation"], "JST", "{name}");
        assert_eq!(json["after"]["offset_s"], 32_400, "{name}");
        assert_eq!(
            contents(tree.path()),
            contents(layout.built_after().path()),
            "{name}"
        );

        let json = timezone(&tree, &["show", "--json"]).json();
        assert_eq!(json["zone"], "Japan", "{name}: {json}");
        assert_eq!(json["now"]["abbreviation"], "JST", "{name}");
        assert_eq!(json["ok"], true, "{name}: {json}");
        for place in json["places"].as_array().unwrap() {
            let said = place["zone"].as_str().unwrap();
            assert!(said == "Japan" || said == "JST-9", "{name}: {place}");
        }
    }
}

#[test]
fn the_second_run_touches_nothing() {
    for layout in LAYOUTS {
        let tree = layout.build();
        timezone(&tree, &["set", "Japan"]);
        let before = traces(tree.path());
        let json = timezone(&tree, &["set", "Japan", "--json"]).json();
        assert_eq!(
            (&json["changed"], &json["ok"]),
            (&false.into(), &true.into()),
            "{}",
            layout.name
        );
        assert_eq!(traces(tree.path()), before, "{}", layout.name);
    }
}

#[test]
fn a_dry_run_says_all_and_writes_nothing() {
    for layout in LAYOUTS {
        let tree = layout.build();
        let before = traces(tree.path());
        let json = timezone(&tree, &["set", "Japan", "--dry-run", "--diff", "--json"]).json();
        assert_eq!(
            (&json["changed"], &json["dry_run"]),
            (&true.into(), &true.into())
        );
        let diff = json["diff"].as_str().unwrap();
        for (path, _) in layout.after {
            // /tmp/TZ goes by the name of the link before it.
            let path = path.replace("/tmp/TZ", "/etc/TZ");
            assert!(
                diff.contains(&format!("+++ {path}")),
                "{}: {path} in {diff}",
                layout.name
            );
        }
        assert_eq!(traces(tree.path()), before, "{}", layout.name);
    }
}

#[test]
fn utc_and_etc_utc_are_different_names() {
    let tree = layout("RHEL 9").build();
    assert_eq!(
        timezone(&tree, &["set", "UTC", "--json"]).json()["changed"],
        true
    );
    assert_eq!(
        timezone(&tree, &["set", "UTC", "--json"]).json()["changed"],
        false
    );
    let json = timezone(&tree, &["set", "Etc/UTC", "--json"]).json();
    assert_eq!(json["changed"], true);
    let link = fs::read_link(tree.path().join("etc/localtime")).unwrap();
    assert_eq!(link, Path::new("../usr/share/zoneinfo/Etc/UTC"));
}

#[test]
fn wrong_names_exit_64_with_the_name_that_was_meant() {
    let tree = layout("Debian 11").build();
    let before = traces(tree.path());
    for (typed, meant) in [
        ("Asia/Tokio", "set Asia/Tokyo "),
        ("japan", "set Japan "),
        ("tokyo", "set Asia/Tokyo "),
        ("Germany", "set Europe/Berlin "),
        ("new york", "set America/New_York "),
        ("JST", "set Asia/Tokyo "),
        ("+09:00", "list +09:00 "),
        ("America", "list America/ "),
        ("xyzzyplugh", "list "),
        ("zone1970.tab", "list "),
        ("../../etc/passwd", "list "),
        ("/usr/share/zoneinfo/Japan", "set Japan "),
        ("", "list "),
    ] {
        let ran = timezone(&tree, &["set", typed, "--json"]);
        assert_eq!(ran.status, 64, "{typed}: {ran:?}");
        let json = ran.json();
        assert_eq!(json["error"]["kind"], "usage");
        let hint = json["error"]["hint"].as_str().unwrap();
        assert!(
            hint.contains(&format!("clockbox timezone {meant}")),
            "{typed}: {hint}"
        );
        assert!(
            hint.contains(tree.path().to_str().unwrap()),
            "{typed}: {hint}"
        );
    }
    assert_eq!(traces(tree.path()), before);
}

#[test]
fn a_link_is_replaced_and_never_written_through() {
    let tree = layout("Debian 11").build();
    // A hard link to the database's own file, as old installers made it.
    fs::remove_file(tree.path().join("etc/localtime")).unwrap();
    let zone = tree.path().join("usr/share/zoneinfo/Etc/UTC");
    fs::hard_link(&zone, tree.path().join("etc/localtime")).unwrap();
    fs::remove_file(tree.path().join("usr/lib/systemd/systemd")).unwrap();
    let before = fs::read(&zone).unwrap();
    assert_eq!(timezone(&tree, &["set", "Japan"]).status, 0);
    assert_eq!(fs::read(&zone).unwrap(), before);
    assert_ne!(fs::read(tree.path().join("etc/localtime")).unwrap(), before);
}

#[test]
fn an_etc_timezone_that_is_a_directory_is_refused() {
    let tree = layout("RHEL 9").build();
    fs::create_dir(tree.path().join("etc/timezone")).unwrap();
    let before = traces(tree.path());
    let ran = timezone(&tree, &["set", "Japan", "--json"]);
    assert_eq!(ran.status, 78, "{ran:?}");
    assert!(
        ran.stderr.contains("directory") && ran.stderr.contains("rmdir"),
        "{ran:?}"
    );
    assert_eq!(ran.json()["error"]["target"], "/etc/timezone");
    assert_eq!(traces(tree.path()), before);
    let show = timezone(&tree, &["show", "--json"]);
    assert_eq!(show.status, 1);
    assert!(texts(&show.json()["findings"]).contains("rmdir"));
}

#[test]
fn an_etc_localtime_that_is_a_directory_is_refused() {
    let tree = layout("Void").build();
    fs::remove_file(tree.path().join("etc/localtime")).unwrap();
    fs::create_dir(tree.path().join("etc/localtime")).unwrap();
    let before = traces(tree.path());
    let ran = timezone(&tree, &["set", "Japan", "--json"]);
    assert_eq!(ran.status, 73, "{ran:?}");
    ran.json();
    assert_eq!(traces(tree.path()), before);
}

#[test]
fn nixos_and_guix_are_told_where_the_zone_is_declared() {
    for (release, link, want) in [
        (
            "ID=nixos\n",
            "-> /etc/zoneinfo/UTC",
            "time.timeZone = \"Japan\"",
        ),
        (
            "ID=guix\n",
            "-> /gnu/store/x-tzdata/share/zoneinfo/UTC",
            "(timezone \"Japan\")",
        ),
        (
            "ID=other\n",
            "-> /nix/store/x-tzdata/share/zoneinfo/UTC",
            "time.timeZone = \"Japan\"",
        ),
    ] {
        let tree = tempfile::tempdir().unwrap();
        database(tree.path());
        place(tree.path(), "/etc/os-release", release);
        place(tree.path(), "/etc/localtime", link);
        let before = traces(tree.path());
        let ran = timezone(&tree, &["set", "Japan", "--json"]);
        assert_eq!(ran.status, 78, "{ran:?}");
        assert!(
            ran.json()["error"]["hint"].as_str().unwrap().contains(want),
            "{ran:?}"
        );
        assert_eq!(traces(tree.path()), before);
    }
}

#[test]
fn without_a_database_only_utc_can_be_set_and_the_package_is_named() {
    for (release, package) in [
        ("ID=debian\n", "apt-get install tzdata"),
        ("ID=alpine\n", "apk add tzdata"),
    ] {
        let tree = tempfile::tempdir().unwrap();
        place(tree.path(), "/etc/os-release", release);
        place(tree.path(), "/etc/timezone", "Etc/UTC\n");
        let ran = timezone(&tree, &["set", "Asia/Tokyo", "--json"]);
        assert_eq!(ran.status, 66, "{ran:?}");
        let json = ran.json();
        assert!(
            json["error"]["message"]
                .as_str()
                .unwrap()
                .contains("no zone database"),
            "{json}"
        );
        assert!(
            json["error"]["hint"].as_str().unwrap().contains(package),
            "{json}"
        );
        // A wrong name is one all the same.
        let ran = timezone(&tree, &["set", "Asia/Tokio", "--json"]);
        assert_eq!(ran.status, 64);
        assert!(
            ran.json()["error"]["hint"]
                .as_str()
                .unwrap()
                .contains("set Asia/Tokyo ")
        );

        let json = timezone(&tree, &["set", "UTC", "--json"]).json();
        assert_eq!(
            (&json["ok"], &json["changed"]),
            (&true.into(), &true.into())
        );
        assert_eq!(
            fs::read(tree.path().join("etc/timezone")).unwrap(),
            b"UTC\n"
        );
        assert_eq!(
            timezone(&tree, &["set", "UTC", "--json"]).json()["changed"],
            false
        );

        let show = timezone(&tree, &["show", "--json"]).json();
        assert_eq!(
            (&show["zone"], &show["known_by"]),
            (&"UTC".into(), &"default".into())
        );
        let list = timezone(&tree, &["list", "Tokyo", "--json"]).json();
        assert_eq!(list["zones"][0]["zone"], "Asia/Tokyo");
        assert_eq!(list["zones"][0]["offset_s"], 32_400);
        assert!(texts(&list["findings"]).contains("built into clockbox"));
    }
}

#[test]
fn a_database_that_lacks_the_zone_or_is_damaged_says_so() {
    let tree = layout("RHEL 9").build();
    let before = traces(tree.path());
    let ran = timezone(&tree, &["set", "Asia/Kolkata", "--json"]);
    assert_eq!(ran.status, 66);
    assert!(
        ran.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("does not have it")
    );
    assert_eq!(traces(tree.path()), before);
    fs::write(
        tree.path().join("usr/share/zoneinfo/Asia/Tokyo"),
        "TZif2 cut",
    )
    .unwrap();
    let ran = timezone(&tree, &["set", "Japan", "--json"]);
    assert_eq!(ran.status, 78);
    assert!(
        ran.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("damaged")
    );
}

#[test]
fn show_finds_every_disagreement_and_the_command_that_mends_it() {
    let tree = layout("Debian 11").build();
    place(tree.path(), "/etc/timezone", "Europe/Berlin\n");
    place(
        tree.path(),
        "/etc/environment",
        "PATH=/bin\nTZ=\"America/New_York\"\n",
    );
    place(tree.path(), "/etc/adjtime", "0.0 0 0.0\n0\nLOCAL\n");
    let ran = timezone(&tree, &["show", "--json"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    let json = ran.json();
    assert_eq!(
        (&json["zone"], &json["known_by"]),
        (&"Etc/UTC".into(), &"link".into())
    );
    assert_eq!(json["rtc"]["local"], true);
    assert_eq!(json["rtc"]["said_by"], "/etc/adjtime");
    let findings = texts(&json["findings"]);
    for words in [
        "/etc/timezone says Europe/Berlin, but programs use Etc/UTC (if Europe/Berlin is right",
        "clockbox timezone set Etc/UTC --root",
        "/etc/environment sets TZ=America/New_York",
        "battery-backed clock keeps local time",
    ] {
        assert!(findings.contains(words), "{words} in {findings}");
    }
    // The command that it gives mends it.
    timezone(&tree, &["set", "Etc/UTC"]);
    let json = timezone(&tree, &["show", "--json"]).json();
    assert!(
        !texts(&json["findings"]).contains("/etc/timezone"),
        "{json}"
    );
}

#[test]
fn show_names_a_copy_by_its_content() {
    let tree = layout("Amazon Linux 1").build();
    let json = timezone(&tree, &["show", "--json"]).json();
    assert_eq!(
        (&json["zone"], &json["known_by"]),
        (&"UTC".into(), &"content".into())
    );
    assert!(json["equal_zones"].to_string().contains("Etc/UTC"));
    // Another zone's file under a name that says otherwise.
    place(tree.path(), "/etc/localtime", "@Europe/Berlin");
    let ran = timezone(&tree, &["show", "--json"]);
    assert_eq!(
        (ran.status, &ran.json()["zone"]),
        (1, &"Europe/Berlin".into())
    );
    // A file that no zone equals.
    let old = crate::timezone_images::tzif(32_400, "JDT", "JDT-9");
    fs::write(tree.path().join("etc/localtime"), old).unwrap();
    let json = timezone(&tree, &["show", "--json"]).json();
    assert_eq!(
        (&json["zone"], &json["known_by"]),
        (&"UTC".into(), &"file".into())
    );
    assert_eq!(json["now"]["abbreviation"], "JDT");
}

#[test]
fn show_says_what_a_dangling_link_does() {
    let tree = layout("RHEL 9").build();
    for (target, words) in [
        (
            "-> ../usr/share/zoneinfo/Asia/Tokio",
            "no zone (Asia/Tokio)",
        ),
        (
            "-> ../usr/share/zoneinfo/Asia/Kolkata",
            "does not have (Asia/Kolkata)",
        ),
        ("-> /nowhere/zoneinfo/Asia/Tokyo", "not there (Asia/Tokyo)"),
    ] {
        place(tree.path(), "/etc/localtime", target);
        let ran = timezone(&tree, &["show", "--json"]);
        assert_eq!(ran.status, 1);
        let json = ran.json();
        assert!(
            texts(&json["findings"]).contains(words),
            "{words} in {json}"
        );
        assert_eq!(json["now"]["abbreviation"], "UTC");
    }
    assert_eq!(timezone(&tree, &["set", "Asia/Tokyo"]).status, 0);
    assert_eq!(timezone(&tree, &["show"]).status, 0);
}

#[test]
fn show_and_set_look_at_nothing_outside_the_image() {
    let outside = tempfile::tempdir().unwrap();
    let tree = layout("Debian 11").build();
    place(outside.path(), "secret", "Europe/Berlin\n");
    let escape = format!("-> {}/secret", outside.path().display());
    place(tree.path(), "/etc/timezone", &escape);
    let json = timezone(&tree, &["show", "--json"]).json();
    assert!(!json.to_string().contains("Berlin"), "{json}");
    timezone(&tree, &["set", "Japan"]);
    assert_eq!(
        fs::read(outside.path().join("secret")).unwrap(),
        b"Europe/Berlin\n"
    );
}

#[test]
fn a_circle_of_links_never_leads_into_the_database() {
    for layout_name in ["Debian 11", "RHEL 9"] {
        let tree = layout(layout_name).build();
        place(
            tree.path(),
            "/etc/localtime",
            "-> /usr/share/zoneinfo/localtime",
        );
        place(
            tree.path(),
            "/usr/share/zoneinfo/localtime",
            "-> /etc/localtime",
        );
        let show = timezone(&tree, &["show", "--json"]);
        assert_eq!(show.json()["now"]["abbreviation"], "UTC");
        assert_eq!(timezone(&tree, &["set", "Japan"]).status, 0);
        let link = fs::read_link(tree.path().join("usr/share/zoneinfo/localtime")).unwrap();
        assert_eq!(link, Path::new("/etc/localtime"));
        let json = timezone(&tree, &["show", "--json"]).json();
        assert_eq!(
            (&json["zone"], &json["ok"]),
            (&"Japan".into(), &true.into())
        );
    }
}

#[test]
fn the_environment_of_this_shell_is_a_note_and_no_fault() {
    let ran = finish(
        clockbox()
            .args(["timezone", "show", "--json"])
            .env("TZ", "Pacific/Kiritimati")
            .output()
            .unwrap(),
    );
    let json = ran.json();
    assert_eq!(json["tz_environment"], "Pacific/Kiritimati");
    assert!(texts(&json["findings"]).contains("unset TZ"), "{json}");
    let alone = finish(clockbox().args(["timezone", "--json"]).output().unwrap());
    assert_eq!(alone.json()["command"], "timezone show");
}

#[test]
fn list_filters_by_name_country_and_offset() {
    let tree = layout("RHEL 9").build();
    let names = |pattern: &str| {
        let json = timezone(&tree, &["list", pattern, "--json"]).json();
        let zones = json["zones"].as_array().unwrap().clone();
        zones
            .iter()
            .map(|z| z["zone"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("york"), ["America/New_York"]);
    assert_eq!(names("new york"), ["America/New_York"]);
    assert_eq!(names("DE"), ["Europe/Berlin"]);
    assert_eq!(names("au"), ["Asia/Tokyo"]);
    assert_eq!(names("germany"), ["Europe/Berlin"]);
    assert_eq!(names("+09:00"), ["Asia/Tokyo", "Japan"]);
    assert_eq!(names("+9"), ["Asia/Tokyo", "Japan"]);
    assert_eq!(names("-5").last().unwrap(), "Etc/GMT+5");
    assert_eq!(names("").len(), 9);
    let ran = timezone(&tree, &["list", "xyzzy", "--json"]);
    assert_eq!(
        (ran.status, &ran.json()["zones"]),
        (1, &Value::Array(Vec::new()))
    );
    assert_eq!(timezone(&tree, &["list", "+13:37"]).status, 1);
}

#[test]
fn list_in_a_pipe_is_one_zone_a_line_with_the_name_first() {
    let tree = layout("RHEL 9").build();
    let ran = timezone(&tree, &["list"]);
    let first: Vec<&str> = ran
        .stdout
        .lines()
        .map(|l| l.split(' ').next().unwrap())
        .collect();
    assert_eq!(first.len(), 9);
    assert_eq!(first[0], "America/New_York");
    assert!(
        ran.stdout
            .lines()
            .any(|l| l.starts_with("Japan") && l.ends_with("= Asia/Tokyo")),
        "{ran:?}"
    );
    let plain = |line: &str| !line.contains('\x1b') && line.trim_end() == line;
    assert!(ran.stdout.lines().all(plain));
}

#[test]
fn an_image_that_is_not_there_is_named() {
    for leaf in [&["set", "Japan"][..], &["show"]] {
        let mut all = vec!["timezone"];
        all.extend(leaf);
        all.extend(["--json", "--root", "/nonexistent/image"]);
        let ran = run(&all);
        assert_eq!(ran.status, 66, "{ran:?}");
        assert_eq!(ran.json()["error"]["target"], "/nonexistent/image");
    }
    assert_eq!(
        run(&[
            "timezone",
            "set",
            "Japan",
            "--root",
            "/",
            "--restart",
            "cron"
        ])
        .status,
        64
    );
}

#[test]
fn a_service_that_is_not_there_is_named_before_anything_is_changed() {
    let args = [
        "timezone",
        "set",
        "Japan",
        "--dry-run",
        "--restart",
        "no-such-service-here",
        "--json",
    ];
    let ran = run(&args);
    assert_eq!(ran.status, 66, "{ran:?}");
    assert_eq!(ran.json()["error"]["target"], "no-such-service-here");
}
