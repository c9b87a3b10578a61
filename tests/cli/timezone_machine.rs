//! `clockbox timezone set` where the machine is in the way: bind mounts, read-only file systems,
//! no privilege, SELinux labels.

use crate::net::skip;
use crate::run::Ran;
use crate::run::clockbox;
use crate::run::finish;
use crate::timezone_images::LAYOUTS;
use crate::timezone_images::contents;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use tempfile::TempDir;

fn tree(name: &str) -> TempDir {
    let layout = LAYOUTS.iter().find(|layout| layout.name == name).unwrap();
    let tree = layout.build();
    fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o755)).unwrap();
    tree
}

/// True when a command works here; said aloud when not.
fn works(program: &str, args: &[&str], why: &str) -> bool {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let works = command.status().is_ok_and(|status| status.success());
    if !works {
        skip(why);
    }
    works
}

/// Runs the program in a mount namespace of its own, after these mounts.
fn with_mounts(mounts: &str, root: &Path, args: &[&str]) -> Ran {
    let script = format!("set -e; {mounts}; shift; exec \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script, "sh"]).arg(root);
    command
        .arg(env!("CARGO_BIN_EXE_clockbox"))
        .args(["timezone"])
        .args(args);
    command.args(["--root", root.to_str().unwrap()]);
    finish(command.output().unwrap())
}

fn may_mount() -> bool {
    let why = "no mount namespace can be made: needs root and unshare";
    works("unshare", &["-m", "true"], why)
}

#[test]
fn a_bind_mounted_etc_localtime_is_refused_and_the_hosts_file_kept() {
    if !may_mount() {
        return;
    }
    let tree = tree("Amazon Linux 1");
    let before = contents(tree.path());
    let host = tree.path().join("hosts-localtime");
    fs::write(&host, "the host's").unwrap();
    let mounts = "mount --bind \"$1/hosts-localtime\" \"$1/etc/localtime\"";
    let ran = with_mounts(mounts, tree.path(), &["set", "Japan", "--json"]);
    assert_eq!(ran.status, 73, "{ran:?}");
    assert_eq!(ran.json()["error"]["target"], "/etc/localtime");
    assert!(ran.stderr.contains("mounted on it"), "{ran:?}");
    assert_eq!(fs::read(&host).unwrap(), b"the host's");
    fs::remove_file(host).unwrap();
    assert_eq!(contents(tree.path()), before);
}

#[test]
fn a_bind_mounted_etc_timezone_is_refused_before_anything_is_changed() {
    if !may_mount() {
        return;
    }
    let tree = tree("Debian 11");
    let before = contents(tree.path());
    let mounts = "mount --bind \"$1/etc/timezone\" \"$1/etc/timezone\"";
    let ran = with_mounts(mounts, tree.path(), &["set", "Japan", "--json"]);
    assert_eq!(ran.status, 73, "{ran:?}");
    assert_eq!(ran.json()["error"]["target"], "/etc/timezone");
    assert_eq!(contents(tree.path()), before);
}

#[test]
fn a_mount_on_the_zone_that_the_link_points_at_is_found() {
    if !may_mount() {
        return;
    }
    let tree = tree("Debian 11");
    let zones = "$1/usr/share/zoneinfo";
    let mounts = format!("mount --bind \"{zones}/Asia/Tokyo\" \"{zones}/Etc/UTC\"");
    let ran = with_mounts(&mounts, tree.path(), &["show", "--json"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    let json = ran.json();
    assert_eq!(json["now"]["abbreviation"], "JST");
    let findings = json["findings"].to_string();
    assert!(
        findings.contains("mounted on /usr/share/zoneinfo/Etc/UTC"),
        "{findings}"
    );
}

#[test]
fn a_read_only_file_system_is_named() {
    if !may_mount() {
        return;
    }
    let tree = tree("RHEL 9");
    let mounts = "mount --bind \"$1/etc\" \"$1/etc\"; mount -o remount,ro,bind \"$1/etc\"";
    let ran = with_mounts(mounts, tree.path(), &["set", "Japan", "--json"]);
    assert_eq!(ran.status, 73, "{ran:?}");
    ran.json();
    assert!(
        ran.stderr.contains("read-only") && ran.stderr.contains("findmnt"),
        "{ran:?}"
    );
    // Nothing to change is no fault there.
    let ran = with_mounts(mounts, tree.path(), &["set", "America/New_York", "--json"]);
    assert_eq!((ran.status, &ran.json()["changed"]), (0, &false.into()));
}

#[test]
fn without_privilege_the_command_with_sudo_is_given() {
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let why = "no other user can be taken on: needs root and setpriv";
    if !works("setpriv", &[&nobody[..], &["true"]].concat(), why) {
        return;
    }
    let tree = tree("Debian 11");
    // The program where nobody may go.
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = place.path().join("clockbox");
    fs::copy(env!("CARGO_BIN_EXE_clockbox"), &program).unwrap();
    let before = contents(tree.path());
    let as_nobody = |more: &[&str]| {
        let mut command = Command::new("setpriv");
        command
            .args(nobody)
            .arg(&program)
            .args(["timezone", "set", "Japan", "--json", "--root"]);
        finish(command.arg(tree.path()).args(more).output().unwrap())
    };
    let ran = as_nobody(&[]);
    assert_eq!(ran.status, 77, "{ran:?}");
    assert!(
        ran.json()["error"]["hint"]
            .as_str()
            .unwrap()
            .starts_with("sudo clockbox"),
        "{ran:?}"
    );
    assert_eq!(as_nobody(&["--dry-run"]).json()["changed"], true);
    assert_eq!(contents(tree.path()), before);
}

#[test]
fn selinux_labels_mode_and_owner_are_kept() {
    const NAME: &str = "security.selinux";
    let label = b"system_u:object_r:locale_t:s0\0";
    for (layout, paths) in [
        ("Debian 11", &["etc/localtime", "etc/timezone"][..]),
        ("Amazon Linux 1", &["etc/localtime", "etc/sysconfig/clock"]),
    ] {
        let tree = tree(layout);
        for path in paths {
            if let Err(e) = xattr::set(tree.path().join(path), NAME, label) {
                return skip(&format!("no label can be set here: {e}"));
            }
        }
        let file = tree.path().join(paths[1]);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::chown(&file, Some(1234), Some(2345)).unwrap();
        let root = tree.path().to_str().unwrap();
        let set = clockbox()
            .args(["timezone", "set", "Japan", "--root", root])
            .output()
            .unwrap();
        assert_eq!(finish(set).status, 0);
        for path in paths {
            let found = xattr::get(tree.path().join(path), NAME).unwrap();
            assert_eq!(found.as_deref(), Some(&label[..]), "{layout}: {path}");
        }
        let found = fs::metadata(&file).unwrap();
        assert_eq!(found.permissions().mode() & 0o7777, 0o640);
        let owner = (
            std::os::unix::fs::MetadataExt::uid(&found),
            std::os::unix::fs::MetadataExt::gid(&found),
        );
        assert_eq!(owner, (1234, 2345));
    }
}

#[test]
fn a_new_link_takes_the_label_of_the_zone() {
    const NAME: &str = "security.selinux";
    let label = b"system_u:object_r:locale_t:s0\0";
    let tree = tree("Alpine without a zone");
    let zone = tree.path().join("usr/share/zoneinfo/Asia/Tokyo");
    if let Err(e) = xattr::set(&zone, NAME, label) {
        return skip(&format!("no label can be set here: {e}"));
    }
    let root = tree.path().to_str().unwrap();
    let set = clockbox()
        .args(["timezone", "set", "Japan", "--root", root])
        .output()
        .unwrap();
    assert_eq!(finish(set).status, 0);
    let found = xattr::get(tree.path().join("etc/localtime"), NAME).unwrap();
    assert_eq!(found.as_deref(), Some(&label[..]));
}
