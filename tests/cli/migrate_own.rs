//! `clockbox migrate-ntpd --to clockbox` on images: the program, its unit, and what it does not
//! follow.

use crate::migrate_image::image;
use crate::migrate_image::tree;
use crate::run::run;
use crate::run::run_as_nobody;
use std::fs;

/// The words of a run on an image for clockbox's own daemon.
pub(crate) fn own<'a>(root: &'a str, more: &[&'a str]) -> Vec<&'a str> {
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
            "clockbox migrate-ntpd --to clockbox --root {root} --install  # or: install -m 755 "
        )),
        "{error}"
    );
    assert_eq!(tree(image.path()), before);
    // An ordinary user is given one command, and it is the one that does it.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(image.path(), open).unwrap();
    if let Some(ran) = run_as_nobody(&own(root, &["--dry-run"])) {
        let json = ran.json();
        let told = json["findings"].as_array().unwrap().iter();
        let next: Vec<&str> = told.filter_map(|f| f["next"].as_str()).collect();
        let typed = format!(
            "sudo clockbox migrate-ntpd --to clockbox --root {root} --install  # or: sudo "
        );
        assert!(next.iter().any(|next| next.starts_with(&typed)), "{json}");
        assert!(!next.iter().any(|next| next.ends_with(root)), "{json}");
    }
    let ran = run(&own(root, &["--install"]));
    assert_eq!(
        (ran.status, &ran.json()["result"]),
        (0, &"migrated".into()),
        "{ran:?}"
    );
    let useradd = format!("\"next\":\"chroot {root} useradd --system ");
    assert!(ran.stdout.contains(&useradd), "{ran:?}");
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
