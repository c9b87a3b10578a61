//! `clockbox migrate-ntpd` on files and images; running machines are in tests/beds.

use crate::run::clockbox;
use crate::run::finish;
use crate::run::run;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

/// Everything under a directory: links, contents and modes.
pub(crate) fn tree(root: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, dir: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let kind = fs::symlink_metadata(&path).unwrap();
            if kind.is_symlink() {
                found.insert(name, fs::read_link(&path).unwrap().display().to_string());
            } else if kind.is_dir() {
                walk(root, &path, found);
            } else {
                let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                found.insert(name, format!("{:o} {text}", kind.mode()));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found.retain(|name, _| !name.starts_with("var/lib/clockbox/"));
    found
}

/// An image with NTPsec and chrony installed, as Debian has them.
pub(crate) fn image() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let put = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("etc/debian_version", "12.0\n");
    put("etc/group", "root:x:0:\n_chrony:x:123:\n");
    put("usr/lib/systemd/systemd", "");
    put("usr/sbin/chronyd", "");
    put(
        "var/lib/dpkg/status",
        "Package: chrony\nStatus: install ok installed\nVersion: 4.3-2+deb12u1\n\n",
    );
    put(
        "usr/lib/systemd/system/chrony.service",
        "[Unit]\nConflicts=ntpsec.service\n[Service]\nExecStart=/usr/sbin/chronyd\n[Install]\nAlias=chronyd.service\nWantedBy=multi-user.target\n",
    );
    put(
        "usr/lib/systemd/system/ntpsec.service",
        "[Service]\nExecStart=/x\n[Install]\nWantedBy=multi-user.target\n",
    );
    put(
        "etc/chrony/chrony.conf",
        "pool 2.debian.pool.ntp.org iburst\nsourcedir /run/chrony-dhcp\nkeyfile /etc/chrony/chrony.keys\n",
    );
    put("etc/default/ntpsec", "NTPD_OPTS=\"-g -N\"\n");
    put("var/lib/ntpsec/ntp.drift", "-5.125\n");
    put("etc/ntpsec/keys", "1 M tick\n2 M untrusted\n");
    put(
        "etc/ntpsec/ntp.conf",
        "# ours\ndriftfile /var/lib/ntpsec/ntp.drift\nkeys /etc/ntpsec/keys\ntrustedkey 1\nserver a.example iburst key 1\n\
         restrict default ignore\nrestrict 10.0.0.0 mask 255.0.0.0 nomodify\nrestrict 10.9.0.0 mask 255.255.0.0 ignore\n",
    );
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).unwrap();
    symlink(
        "/usr/lib/systemd/system/ntpsec.service",
        wants.join("ntpsec.service"),
    )
    .unwrap();
    symlink(
        "/usr/lib/systemd/system/ntpsec.service",
        root.join("etc/systemd/system/ntpd.service"),
    )
    .unwrap();
    dir
}

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
fn an_image_is_converted_switched_and_put_back() {
    let image = image();
    let root = image.path().to_str().unwrap();
    let before = tree(image.path());
    let dry = run(&["migrate-ntpd", "--root", root, "--dry-run", "--diff"]);
    assert_eq!(dry.status, 0, "{dry:?}");
    assert!(
        dry.stdout.contains("+server a.example key 1 iburst"),
        "{}",
        dry.stdout
    );
    assert!(!dry.stdout.contains("tick"), "{}", dry.stdout);
    assert_eq!(tree(image.path()), before);

    let done = run(&["migrate-ntpd", "--root", root, "--json"]);
    let json = done.json();
    assert_eq!(
        (done.status, &json["result"]),
        (0, &"migrated".into()),
        "{done:?}"
    );
    let after = tree(image.path());
    let conf = &after["etc/chrony/chrony.conf"];
    for line in [
        "server a.example key 1 iburst",
        "allow 10.0.0.0/8",
        "deny 10.9.0.0/16",
        "sourcedir /run/chrony-dhcp",
    ] {
        assert!(conf.contains(line), "{line} in {conf}");
    }
    assert!(!conf.contains("2.debian.pool"), "{conf}");
    assert!(after["etc/chrony/chrony.keys"].contains("\n1 MD5 ASCII:tick\n#2 "));
    assert!(after["var/lib/chrony/chrony.drift"].contains("5.125000"));
    assert!(!after.contains_key("etc/systemd/system/multi-user.target.wants/ntpsec.service"));
    assert!(after.contains_key("etc/systemd/system/multi-user.target.wants/chrony.service"));
    assert!(after.contains_key("etc/systemd/system/chronyd.service"));

    let again = run(&["migrate-ntpd", "--root", root, "--json"]).json();
    assert_eq!(
        (&again["changed"], &again["result"]),
        (&false.into(), &"unchanged".into())
    );
    assert_eq!(tree(image.path()), after);

    assert_eq!(
        run(&["migrate-ntpd", "--root", root, "--rollback", "--json"]).json()["changed"],
        true
    );
    assert_eq!(tree(image.path()), before);
    assert_eq!(
        run(&["migrate-ntpd", "--root", root, "--rollback", "--json"]).json()["changed"],
        false
    );
}

#[test]
fn links_of_an_image_never_lead_to_the_host() {
    let image = image();
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("chrony.conf");
    fs::write(&victim, "host").unwrap();
    fs::remove_file(image.path().join("etc/chrony/chrony.conf")).unwrap();
    symlink(&victim, image.path().join("etc/chrony/chrony.conf")).unwrap();
    let ran = run(&["migrate-ntpd", "--root", image.path().to_str().unwrap()]);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "host", "{ran:?}");
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

/// The words of a run on an image for clockbox's own daemon.
fn own<'a>(root: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [
        &["migrate-ntpd", "--to", "clockbox", "--root", root, "--json"],
        more,
    ]
    .concat()
}

#[test]
fn an_image_for_clockboxs_own_daemon_gets_program_unit_and_links_and_loses_them_again() {
    let image = image();
    let root = image.path().to_str().unwrap();
    let before = tree(image.path());
    let ran = run(&own(root, &[]));
    assert_eq!(ran.status, 69, "{ran:?}");
    let error = &ran.json()["error"];
    assert!(
        error["hint"].as_str().unwrap().starts_with(&format!(
            "clockbox migrate-ntpd --to clockbox --root {root} --install; or: install -m 755 "
        )),
        "{error}"
    );
    assert_eq!(tree(image.path()), before);
    let ran = run(&own(root, &["--install"]));
    assert_eq!(
        (ran.status, &ran.json()["result"]),
        (0, &"migrated".into()),
        "{ran:?}"
    );
    let after = tree(image.path());
    let conf = &after["etc/clockbox/clockbox.conf"];
    for line in [
        "server a.example key 1 iburst",
        "allow 10.0.0.0/8",
        "deny 10.9.0.0/16",
    ] {
        assert!(conf.contains(line), "{line} in {conf}");
    }
    // It served, so the serving unit is written, with the program that was installed.
    let unit = &after["etc/systemd/system/clockbox-serve.service"];
    for line in [
        "ExecStart=/usr/local/sbin/clockbox serve\n",
        "Type=notify\n",
        "RuntimeDirectoryMode=0750\n",
    ] {
        assert!(unit.contains(line), "{line} in {unit}");
    }
    assert!(after["usr/local/sbin/clockbox"].starts_with("100755 "));
    let wants = "etc/systemd/system/multi-user.target.wants";
    assert!(after.contains_key(&format!("{wants}/clockbox-serve.service")));
    assert!(!after.contains_key(&format!("{wants}/ntpsec.service")));
    assert_eq!(run(&own(root, &[])).json()["changed"], false);
    assert_eq!(tree(image.path()), after);
    assert_eq!(
        run(&["migrate-ntpd", "--root", root, "--rollback"]).status,
        0
    );
    assert_eq!(tree(image.path()), before);
    // Nor do directories stay that were made on the way.
    assert!(!image.path().join("etc/clockbox").exists());
    assert!(!image.path().join("usr/local").exists());
}

#[test]
fn an_image_that_does_not_serve_gets_the_following_unit_of_clockbox() {
    let image = image();
    let root = image.path().to_str().unwrap();
    // The program of a package, and a unit of the administrator's that is not ours to replace.
    fs::create_dir_all(image.path().join("usr/sbin")).unwrap();
    fs::write(image.path().join("usr/sbin/clockbox"), "").unwrap();
    let ran = run(&own(root, &["--no-serve"]));
    assert_eq!(ran.status, 0, "{ran:?}");
    let after = tree(image.path());
    let unit = "etc/systemd/system/clockbox.service";
    assert!(after[unit].contains("ExecStart=/usr/sbin/clockbox sync --daemon\n"));
    assert!(!after.contains_key("usr/local/sbin/clockbox"));
    assert!(!after["etc/clockbox/clockbox.conf"].contains("\nallow"));
    assert_eq!(
        run(&["migrate-ntpd", "--root", root, "--rollback"]).status,
        0
    );
    fs::write(
        image.path().join(unit),
        "[Service]\n# mine\n[Install]\nWantedBy=x.target\n",
    )
    .unwrap();
    assert_eq!(run(&own(root, &["--no-serve"])).status, 0);
    let after = tree(image.path());
    assert!(after[unit].contains("# mine"), "{}", after[unit]);
    assert!(after.contains_key("etc/systemd/system/x.target.wants/clockbox.service"));
}

#[test]
fn what_clockboxs_own_daemon_does_not_follow_is_a_loss() {
    let image = image();
    let root = image.path().to_str().unwrap();
    let conf = image.path().join("etc/ntpsec/ntp.conf");
    let text = fs::read_to_string(&conf).unwrap() + "ntpsigndsocket /var/lib/samba/ntp_signd\n";
    fs::write(&conf, text).unwrap();
    let before = tree(image.path());
    let ran = run(&own(root, &["--install"]));
    let json = ran.json();
    assert_eq!(
        (ran.status, &json["result"]),
        (1, &"held".into()),
        "{ran:?}"
    );
    let lines = json["lines"].as_array().unwrap();
    let lost: Vec<_> = lines
        .iter()
        .filter(|line| line["matters"] == true)
        .collect();
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert!(
        lost[0]["reason"].as_str().unwrap().contains("Samba"),
        "{lost:?}"
    );
    assert_eq!(tree(image.path()), before);
}

#[test]
fn a_file_behind_a_link_is_put_back_where_it_is() {
    let image = image();
    let root = image.path().to_str().unwrap();
    let conf = image.path().join("etc/chrony/chrony.conf");
    fs::create_dir_all(image.path().join("srv")).unwrap();
    fs::rename(&conf, image.path().join("srv/chrony.conf")).unwrap();
    symlink("/srv/chrony.conf", &conf).unwrap();
    let before = tree(image.path());
    assert_eq!(run(&["migrate-ntpd", "--root", root]).status, 0);
    let after = tree(image.path());
    assert_eq!(after["etc/chrony/chrony.conf"], "/srv/chrony.conf");
    assert!(after["srv/chrony.conf"].contains("a.example"));
    assert_eq!(
        run(&["migrate-ntpd", "--root", root, "--rollback"]).status,
        0
    );
    assert_eq!(tree(image.path()), before);
}

#[test]
fn every_run_has_backups_of_its_own() {
    let image = image();
    let root = image.path().to_str().unwrap();
    let backup = || {
        let json = run(&["migrate-ntpd", "--root", root, "--json"]).json();
        let files = json["files"].as_array().unwrap();
        files[0]["backup"].as_str().unwrap().to_owned()
    };
    let first = backup();
    assert_eq!(
        run(&["migrate-ntpd", "--root", root, "--rollback"]).status,
        0
    );
    fs::write(
        image.path().join("etc/chrony/chrony.conf"),
        "server other\n",
    )
    .unwrap();
    let second = backup();
    let read = |path: &str| fs::read_to_string(image.path().join(&path[1..])).unwrap();
    assert!(read(&first).contains("2.debian.pool"));
    assert_eq!(read(&second), "server other\n");
}

#[test]
fn an_image_is_read_instead_of_the_host() {
    // Defect 4 of the converter that people had: with an absolute path the host's file was read.
    // Here the image has none although the host may, and one of its own that names another server.
    let image = image();
    let root = image.path().to_str().unwrap();
    let json = run(&["migrate-ntpd", "--root", root, "--dry-run", "--json"]).json();
    let lines = json["lines"].as_array().unwrap();
    assert!(
        lines
            .iter()
            .any(|line| line["text"] == "server a.example iburst key 1")
    );
    // A link in the image to an absolute path is one inside the image.
    let conf = image.path().join("etc/ntpsec/ntp.conf");
    fs::create_dir_all(image.path().join("srv")).unwrap();
    fs::rename(&conf, image.path().join("srv/ntp.conf")).unwrap();
    symlink("/srv/ntp.conf", &conf).unwrap();
    let json = run(&["migrate-ntpd", "--root", root, "--dry-run", "--json"]).json();
    assert!(json["lines"].as_array().unwrap().len() > 5, "{json}");
    // includefile, keys and drift are the image's too: the host's /etc/passwd is there, the
    // image's is not.
    let text = "includefile /etc/passwd\nkeys /etc/passwd\nserver b.example\n";
    fs::write(image.path().join("srv/ntp.conf"), text).unwrap();
    let ran = run(&["migrate-ntpd", "--root", root, "--dry-run", "--json"]);
    let json = ran.json();
    let lines = json["lines"].as_array().unwrap();
    assert!(
        lines[0]["reason"]
            .as_str()
            .unwrap()
            .contains("no such file"),
        "{lines:?}"
    );
    assert!(!ran.stdout.contains("root:x"), "{}", ran.stdout);
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

#[test]
fn an_ntp_conf_that_lies_about_does_not_replace_what_is_in_use() {
    let image = image();
    let wants = image
        .path()
        .join("etc/systemd/system/multi-user.target.wants");
    fs::remove_file(wants.join("ntpsec.service")).unwrap();
    symlink(
        "/usr/lib/systemd/system/chrony.service",
        wants.join("chrony.service"),
    )
    .unwrap();
    let before = tree(image.path());
    let ran = run(&[
        "migrate-ntpd",
        "--root",
        image.path().to_str().unwrap(),
        "--json",
    ]);
    let json = ran.json();
    assert_eq!(
        (ran.status, &json["changed"]),
        (0, &false.into()),
        "{ran:?}"
    );
    assert!(
        json["findings"][0]["text"]
            .as_str()
            .unwrap()
            .contains("in use"),
        "{json}"
    );
    assert_eq!(tree(image.path()), before);
    // Nor does another target than the daemon in use change that.
    let ran = run(&own(image.path().to_str().unwrap(), &["--install"]));
    let json = ran.json();
    assert_eq!(
        (ran.status, &json["changed"]),
        (0, &false.into()),
        "{ran:?}"
    );
    let text = json["findings"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("chrony is in use"), "{text}");
    assert_eq!(tree(image.path()), before);
}
