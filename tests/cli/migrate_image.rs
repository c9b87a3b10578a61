//! `clockbox migrate-ntpd --root`: an image is converted, switched and put back, and nothing of the
//! host is read or written.

use crate::migrate_machine::with_libraries;
use crate::migrate_own::own;
use crate::net::peer;
use crate::run::run;
use crate::run::run_as_nobody;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::symlink;
use std::path::Path;

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

    let typed = ["migrate-ntpd", "--root", root, "--rollback", "--dry-run"];
    let plan = run(&typed).stdout;
    assert!(
        plan.starts_with("back from chrony to ntpsec: the plan, nothing was changed\n"),
        "{plan}"
    );
    // The way back names what is switched, in the plan and when it is done; nothing runs here.
    for (more, files) in [(&["--dry-run"][..], &after), (&[], &before)] {
        let words = ["migrate-ntpd", "--root", root, "--rollback", "--json"];
        let json = run(&[&words, more].concat()).json();
        assert_eq!(json["changed"], true);
        let services = json["services"].as_array().unwrap().iter();
        let mut services: Vec<String> = services
            .map(|service| format!("{} {}", service["action"], service["name"]))
            .collect();
        services.sort();
        let wanted = [r#""disable" "chrony""#, r#""enable" "ntpsec""#];
        assert_eq!(services, wanted, "{json}");
        assert_eq!(tree(image.path()), *files);
    }
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

/// What is said of who checked the configuration, if not the image's own chronyd did.
fn own_parser_only(json: &serde_json::Value) -> Option<String> {
    let findings = json["findings"].as_array().unwrap().iter();
    let mut texts = findings.map(|finding| finding["text"].as_str().unwrap());
    let text = texts.find(|text| text.contains("own parser only: "))?;
    Some(text.split("only: ").nth(1).unwrap().to_owned())
}

#[test]
fn the_images_own_chronyd_reads_the_configuration_first() {
    let Some(chronyd) = peer("chrony", "usr/sbin/chronyd") else {
        return;
    };
    let image = image();
    let place = image.path().join("usr/sbin/chronyd");
    if fs::metadata("/proc/self").unwrap().uid() != 0 || !with_libraries(&chronyd, image.path()) {
        crate::net::skip("needs root, and the libraries of chronyd");
        return;
    }
    fs::remove_file(&place).unwrap();
    fs::copy(&chronyd, &place).unwrap();
    let conf = image.path().join("etc/chrony/chrony.conf");
    let text = fs::read_to_string(&conf).unwrap() + "confdir /etc/chrony/conf.d\n";
    fs::write(&conf, text).unwrap();
    let added = image.path().join("etc/chrony/conf.d/bad.conf");
    fs::create_dir_all(added.parent().unwrap()).unwrap();
    let root = image.path().to_str().unwrap();
    // Only chronyd reads what is kept beside the new file.
    fs::write(&added, "allowance 7\n").unwrap();
    let before = tree(image.path());
    let ran = run(&["migrate-ntpd", "--root", root, "--json"]);
    let message = ran.json()["error"]["message"].to_string();
    assert_eq!(ran.status, 65, "{ran:?}");
    assert!(
        message.contains("chronyd refuses the new configuration: ")
            && message.contains("at line 1 in file /etc/chrony/conf.d/bad.conf"),
        "{message}"
    );
    assert_eq!(tree(image.path()), before);
    fs::write(&added, "# nothing\n").unwrap();
    let json = run(&["migrate-ntpd", "--root", root, "--json"]).json();
    assert_eq!(json["result"], "migrated");
    assert_eq!(own_parser_only(&json), None);
    let out = image.path().join("var/lib/clockbox/migrate-ntpd");
    assert!(!out.join("check.conf").exists());
}

#[test]
fn a_chronyd_that_cannot_run_here_is_said_not_to_have_been_asked() {
    let own = fs::read(env!("CARGO_BIN_EXE_clockbox")).unwrap();
    let mut foreign = own[..64].to_vec();
    foreign[18] ^= 0x55;
    for (content, why) in [
        (&b""[..], "the image's /usr/sbin/chronyd is no program"),
        (
            &foreign,
            "the image's chronyd is for another kind of processor",
        ),
        // The right processor, but cut off.
        (&own[..64], "does not run here: "),
    ] {
        let image = image();
        fs::write(image.path().join("usr/sbin/chronyd"), content).unwrap();
        let root = image.path().to_str().unwrap();
        let json = run(&["migrate-ntpd", "--root", root, "--json"]).json();
        assert_eq!(json["result"], "migrated");
        let said = own_parser_only(&json).unwrap();
        let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
        assert!(said.contains(why) || !is_root, "{said}");
    }
}

#[test]
fn an_ordinary_user_is_told_how_to_ask_the_images_chronyd() {
    let image = image();
    let place = image.path().join("usr/sbin/chronyd");
    fs::copy(env!("CARGO_BIN_EXE_clockbox"), place).unwrap();
    // Only root may give the keys to chrony's group.
    fs::write(image.path().join("etc/group"), "root:x:0:\n").unwrap();
    let owned = std::process::Command::new("chown")
        .args(["-R", "65534:65534"])
        .arg(image.path())
        .status();
    assert!(owned.is_ok());
    let root = image.path().to_str().unwrap();
    let Some(ran) = run_as_nobody(&["migrate-ntpd", "--root", root, "--json"]) else {
        return;
    };
    let json = ran.json();
    assert_eq!((ran.status, &json["result"]), (0, &"migrated".into()));
    assert_eq!(
        own_parser_only(&json).unwrap(),
        "only root can run the image's chronyd"
    );
    let next = format!("sudo chroot {root} /usr/sbin/chronyd -p -f /etc/chrony/chrony.conf");
    assert!(json["findings"].to_string().contains(&next), "{json}");
}
