//! What `clockbox migrate-ntpd` reads of a machine beside ntp.conf itself, each in an image: included
//! files, keys, drift, step-tickers, what DHCP gave, the service's options, the target's version.

use crate::net::peer;
use crate::run::Ran;
use crate::run::run;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::symlink;
use std::path::Path;

/// An image with these files, ntpd and chronyd installed and ntpd started at boot by systemd.
fn image(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let always = [
        ("usr/lib/systemd/systemd", ""),
        ("usr/sbin/chronyd", ""),
        (
            "usr/lib/systemd/system/chronyd.service",
            "[Service]\nExecStart=/usr/sbin/chronyd $OPTIONS\n[Install]\nWantedBy=multi-user.target\n",
        ),
        (
            "usr/lib/systemd/system/ntpd.service",
            "[Service]\nExecStart=/usr/sbin/ntpd -u ntp:ntp $OPTIONS\n[Install]\nWantedBy=multi-user.target\n",
        ),
        ("etc/group", "root:x:0:\nchrony:x:123:\n"),
    ];
    for (path, text) in always.iter().chain(files) {
        put(root, path, text);
    }
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).unwrap();
    let unit = "/usr/lib/systemd/system/ntpd.service";
    symlink(unit, wants.join("ntpd.service")).unwrap();
    dir
}

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn migrate(root: &Path, more: &[&str]) -> Ran {
    let root = root.to_str().unwrap();
    run(&[&["migrate-ntpd", "--root", root, "--json"], more].concat())
}

fn read(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).unwrap_or_default()
}

/// `FILE:LINE VERDICT` of every line.
fn account(json: &Value) -> Vec<String> {
    let lines = json["lines"].as_array().unwrap().iter();
    lines
        .map(|line| {
            let (file, verdict) = (&line["file"], &line["verdict"]);
            let (file, verdict) = (file.as_str().unwrap(), verdict.as_str().unwrap());
            format!("{file}:{} {verdict}", line["line"])
        })
        .collect()
}

fn finding(json: &Value, words: &str) -> bool {
    let findings = json["findings"].as_array().unwrap();
    findings
        .iter()
        .any(|finding| finding["text"].as_str().unwrap().contains(words))
}

#[test]
fn everything_of_a_red_hat_is_read_and_every_line_accounted_for() {
    let image = image(&[
        (
            "etc/redhat-release",
            "Rocky Linux release 9.3 (Blue Onyx)\n",
        ),
        (
            "etc/ntp.conf",
            "includefile ntp/more.conf\nkeys /etc/ntp/keys\ndriftfile /var/lib/ntp/drift\ntrustedkey 7\n",
        ),
        ("etc/ntp/more.conf", "server b.example key 7\n"),
        ("etc/ntp/keys", "7 M tick\n9 M tock\n"),
        ("etc/ntp/step-tickers", "# at boot\nb.example\n"),
        ("var/lib/ntp/drift", "7.5\n"),
        (
            "etc/sysconfig/ntpd",
            "OPTIONS=\"-4 -g -t 9\"\nSYNC_HWCLOCK=no\n",
        ),
        ("etc/sysconfig/ntpdate", "OPTIONS=\"-p 2\"\n"),
        (
            "etc/systemd/system/ntpd.service.d/slew.conf",
            "[Service]\nExecStart=\nExecStart=/usr/sbin/ntpd -x $OPTIONS\n",
        ),
        ("etc/sysconfig/chronyd", "OPTIONS=\"-F 2\"\n"),
    ]);
    let root = image.path();
    let ran = migrate(root, &["--chrony-version", "4.3"]);
    let json = ran.json();
    assert_eq!(
        (ran.status, &json["result"]),
        (0, &"migrated".into()),
        "{ran:?}"
    );
    assert_eq!(
        account(&json),
        [
            "/etc/ntp.conf:1 changed",
            "/etc/ntp/more.conf:1 changed",
            "/etc/ntp.conf:2 changed",
            "/etc/ntp.conf:3 changed",
            "/etc/ntp.conf:4 changed",
            "/etc/systemd/system/ntpd.service.d/slew.conf:3 changed",
            "/etc/sysconfig/ntpd:1 changed",
            "/etc/sysconfig/ntpd:2 changed",
            "/etc/sysconfig/ntpdate:1 dropped",
            "/etc/ntp/step-tickers:1 kept",
            "/etc/ntp/step-tickers:2 changed",
            "/etc/ntp/keys:1 changed",
            "/etc/ntp/keys:2 changed",
        ]
    );
    let conf = read(root, "etc/chrony.conf");
    for line in [
        "server b.example key 7 iburst",
        "keyfile /etc/chrony.keys",
        "makestep 600 3",
        "leapsecmode slew",
    ] {
        assert!(conf.lines().any(|known| known == line), "{line} in\n{conf}");
    }
    // -t makes a key trusted, -4 is an option of the service where sources have none.
    let keys = read(root, "etc/chrony.keys");
    assert!(
        keys.contains("\n7 MD5 ASCII:tick\n9 MD5 ASCII:tock\n"),
        "{keys}"
    );
    let place = fs::metadata(root.join("etc/chrony.keys")).unwrap();
    assert_eq!(place.mode() & 0o777, 0o640);
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        assert_eq!(place.gid(), 123, "the group of the image's chrony");
    }
    assert_eq!(read(root, "etc/sysconfig/chronyd"), "OPTIONS=\"-F 2 -4\"\n");
    assert!(
        read(root, "var/lib/chrony/drift")
            .trim_start()
            .starts_with("-7.5")
    );
    assert_eq!(migrate(root, &["--rollback"]).status, 0);
    assert_eq!(read(root, "etc/sysconfig/chronyd"), "OPTIONS=\"-F 2\"\n");
    assert!(!root.join("etc/chrony.keys").exists());
}

#[test]
fn what_dhcp_gave_is_not_lost() {
    for (own, dhcp) in [
        ("etc/ntp.conf", "run/ntp.conf.dhcp"),
        ("etc/ntp.conf", "var/lib/ntp/ntp.conf.dhcp"),
        ("etc/ntpsec/ntp.conf", "run/ntpsec/ntp.conf.dhcp"),
    ] {
        let image = image(&[
            ("etc/debian_version", "11.9\n"),
            (own, "server a.example\n"),
            (dhcp, "server 192.0.2.9 iburst\n"),
            ("etc/default/ntp", "NTPD_OPTS='-g'\n"),
        ]);
        let json = migrate(image.path(), &[]).json();
        let conf = read(image.path(), "etc/chrony/chrony.conf");
        assert!(
            conf.contains("\nserver 192.0.2.9 iburst\n"),
            "{dhcp}\n{conf}"
        );
        assert!(finding(&json, "DHCP gave 192.0.2.9"), "{dhcp}: {json}");
        assert!(account(&json).contains(&"/etc/default/ntp:1 kept".to_owned()));
    }
    // Whoever keeps them out has them out.
    let image = image(&[
        ("etc/debian_version", "11.9\n"),
        ("etc/ntp.conf", "server a.example\n"),
        ("run/ntp.conf.dhcp", "server 192.0.2.9 iburst\n"),
        ("etc/default/ntp", "IGNORE_DHCP=yes\n"),
    ]);
    let json = migrate(image.path(), &[]).json();
    assert!(!finding(&json, "DHCP"), "{json}");
    assert!(!read(image.path(), "etc/chrony/chrony.conf").contains("192.0.2.9"));
}

#[test]
fn an_unusable_configuration_of_an_image_is_refused_and_nothing_is_touched() {
    let huge = "#".repeat(5 << 20);
    for (text, included) in [
        ("server a\0", ""),
        (huge.as_str(), ""),
        ("includefile ntp.conf\nserver a\n", ""),
        ("includefile more\nserver a\n", "\0\u{1}"),
        ("broadcastclient\n", ""),
        ("multicastclient 224.0.1.1\ndisable auth\n", ""),
        ("disable ntp\nserver a\n", ""),
    ] {
        let image = image(&[("etc/ntp.conf", text), ("etc/more", included)]);
        let ran = migrate(image.path(), &["--accept-losses"]);
        let start = &text[..text.len().min(30)];
        assert_eq!(ran.status, 65, "{start}: {ran:?}");
        assert!(!image.path().join("etc/chrony.conf").exists(), "{start}");
        assert!(!image.path().join("var/lib/clockbox").exists(), "{start}");
    }
}

#[test]
fn a_file_in_the_words_of_ntpsec_is_read_as_ntpsec_reads_it() {
    for (text, name, line) in [
        (
            "refclock shm unit 1 refid GPS\n",
            "ntpsec",
            "refclock SHM 1 refid GPS",
        ),
        (
            "server a.example nts # x\n",
            "ntpsec",
            "server a.example nts",
        ),
        (
            "driftfile /var/lib/ntpsec/drift\npeer a.example\n",
            "ntpsec",
            "server a.example",
        ),
        ("# refclock shm\npeer a.example\n", "ntpd", "peer a.example"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "ntp.conf", text);
        let (from, out) = (dir.path().join("ntp.conf"), dir.path().join("out"));
        let words = ["migrate-ntpd", "--json", "--chrony-version", "4.3"];
        let files = [
            "--from",
            from.to_str().unwrap(),
            "--output",
            out.to_str().unwrap(),
        ];
        let json = run(&[&words[..], &files[..]].concat()).json();
        assert_eq!(json["from"], name, "{text}");
        let conf = read(&out, "chrony.conf");
        assert!(conf.lines().any(|known| known == line), "{text}\n{conf}");
    }
}

#[test]
fn the_options_of_openntpds_service_count() {
    let image = image(&[
        ("etc/debian_version", "12.5\n"),
        ("etc/openntpd/ntpd.conf", "servers unused.example\n"),
        ("etc/mine.conf", "servers pool.example\n"),
        (
            "etc/default/openntpd",
            "# options\nDAEMON_OPTS=\"-s -f /etc/mine.conf\"\n",
        ),
        ("var/lib/openntpd/db/ntpd.drift", "4.25\n"),
    ]);
    let ran = migrate(image.path(), &[]);
    let json = ran.json();
    assert_eq!(
        (ran.status, &json["from"]),
        (0, &"openntpd".into()),
        "{ran:?}"
    );
    assert_eq!(
        account(&json),
        [
            "/etc/mine.conf:1 changed",
            "/etc/default/openntpd:2 changed"
        ]
    );
    let conf = read(image.path(), "etc/chrony/chrony.conf");
    assert!(conf.contains("\npool pool.example iburst\n"), "{conf}");
    assert!(!conf.contains("unused"), "{conf}");
    let drift = read(image.path(), "var/lib/chrony/chrony.drift");
    assert!(drift.trim_start().starts_with("-4.25"), "{drift}");
}

#[test]
fn what_a_removed_package_left_is_named() {
    let image = image(&[("etc/ntp.conf.rpmsave", "server a\n")]);
    let ran = migrate(image.path(), &[]);
    assert_eq!(ran.status, 66);
    let json = ran.json();
    let hint = json["error"]["hint"].as_str().unwrap();
    let path = image.path().join("etc/ntp.conf.rpmsave");
    assert!(
        hint.contains(&format!("--from {} --output", path.display())),
        "{hint}"
    );
}

#[test]
fn the_version_in_an_image_is_read_from_the_program_or_said_to_be_assumed() {
    let files = [
        (
            "etc/redhat-release",
            "Rocky Linux release 9.3 (Blue Onyx)\n",
        ),
        ("etc/ntp.conf", "server a.example\n"),
    ];
    let image_without = image(&files);
    let json = migrate(image_without.path(), &["--dry-run"]).json();
    assert_eq!(json["target_version"], "4.0");
    assert!(finding(&json, "Nothing here tells the version"), "{json}");
    let json = migrate(
        image_without.path(),
        &["--dry-run", "--chrony-version", "3.5"],
    )
    .json();
    assert_eq!(json["target_version"], "3.5");
    assert!(!finding(&json, "Nothing here tells the version"), "{json}");
    // The real program, without a package database that could be read.
    let Some(chronyd) = peer("chrony", "usr/sbin/chronyd") else {
        return;
    };
    let said = std::process::Command::new(&chronyd)
        .arg("-v")
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let image = image(&files);
    fs::copy(&chronyd, image.path().join("usr/sbin/chronyd")).unwrap();
    let json = migrate(image.path(), &["--dry-run"]).json();
    let version = json["target_version"].as_str().unwrap();
    assert!(
        said.contains(&format!("version {version} ")),
        "{version} in {said}"
    );
    assert!(!finding(&json, "Nothing here tells the version"), "{json}");
}
