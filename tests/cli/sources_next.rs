//! What `sources` and `status` say to type next: commands that can be typed as they stand; what they
//! are for stands in the sentence.

use crate::net::Net;
use crate::run::run;
use crate::sources::file;
use crate::sources::inside;
use crate::sources::text_of;
use serde_json::Value;
use std::path::Path;

/// An image with services of these names, enabled or not.
fn image(services: &[(&str, bool)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let units = root.path().join("usr/lib/systemd/system");
    let wants = root
        .path()
        .join("etc/systemd/system/multi-user.target.wants");
    for dir in [&units, &wants] {
        std::fs::create_dir_all(dir).unwrap();
    }
    for (name, enabled) in services {
        let unit = format!("{name}.service");
        std::fs::write(units.join(&unit), "[Unit]\n").unwrap();
        if *enabled {
            let target = Path::new("/usr/lib/systemd/system").join(&unit);
            std::os::unix::fs::symlink(target, wants.join(unit)).unwrap();
        }
    }
    root
}

/// The finding of `status --root` with these words.
fn of_image(root: &Path, words: &str) -> Value {
    let report = run(&["status", "--json", "--root", root.to_str().unwrap()]).json();
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|f| text_of(f).contains(words));
    found.unwrap_or_else(|| panic!("{words}: {report}")).clone()
}

#[test]
fn daemons_of_an_image_are_enabled_and_disabled_in_the_image() {
    let two = image(&[("chrony", true), ("ntpsec", true)]);
    let found = of_image(two.path(), "chrony and ntpsec are both enabled");
    assert!(text_of(&found).ends_with("One has to go"), "{found}");
    let dir = two.path().display();
    assert_eq!(
        found["next"],
        format!("systemctl --root {dir} disable ntpsec")
    );
    let three = image(&[("chrony", true), ("ntpsec", true), ("openntpd", true)]);
    let found = of_image(three.path(), "chrony, ntpsec and openntpd are all enabled");
    assert!(
        text_of(&found).ends_with("All but one have to go"),
        "{found}"
    );
    let none = image(&[("chrony", false)]);
    let found = of_image(none.path(), "no time daemon is enabled");
    let dir = none.path().display();
    assert_eq!(
        found["next"],
        format!("systemctl --root {dir} enable chrony")
    );
    let empty = image(&[]);
    std::fs::create_dir_all(empty.path().join("usr/bin")).unwrap();
    std::fs::write(empty.path().join("usr/bin/apt-get"), "").unwrap();
    let found = of_image(empty.path(), "no time daemon is enabled");
    let dir = empty.path().display();
    assert_eq!(
        found["next"],
        format!("chroot {dir} apt-get install -y chrony")
    );
}

#[test]
fn what_is_in_the_way_is_answered_with_a_command() {
    let Some(net) = Net::new() else { return };
    let script = "
rm -rf /etc/chrony /etc/chrony.conf /etc/ntp.conf /etc/ntpsec /etc/systemd/system/*.wants
nobody() { setpriv --reuid 65534 --clear-groups \"$@\"; }
mkdir /run/none; PATH=/run/none $CB status --json >$DIR/bare
mkdir /run/has; printf '#!/bin/sh\\n' >/run/has/apt-get; chmod 755 /run/has/apt-get; PATH=/run/has $CB status --json >$DIR/apt
mkdir -p /etc/chrony; printf 'server 10.77.0.19 iburst\\n' >/etc/chrony/chrony.conf; touch /etc/chrony/.chrony.conf.swp; chmod 755 /run/chrony
daemon; sleep 1; $CB sources --json >$DIR/swap; chmod 700 /run/chrony
nobody $CB sources --host /run/chrony/chronyd.sock --json >$DIR/denied 2>/dev/null; echo $? >$DIR/denied.code
$CB sources --host /run/chrony/none.sock --json >$DIR/absent 2>/dev/null
$CB sources --host 10.77.0.15 --timeout 0.5 --json >$DIR/remote 2>/dev/null; true
";
    if inside(&net, script).is_none() {
        return;
    }
    let report = |name: &str| -> Value { serde_json::from_str(&file(&net, name)).unwrap() };
    let finding = |name: &str, words: &str| {
        let report = report(name);
        crate::run::check_schema(&report);
        let findings = report["findings"].as_array().unwrap();
        let found = findings.iter().find(|f| text_of(f).contains(words));
        found.unwrap_or_else(|| panic!("{words}: {report}")).clone()
    };
    let bare = finding("bare", "no time daemon runs and none is enabled");
    let apt = finding("apt", "no time daemon runs and none is enabled");
    // Where an idle daemon is installed, it is the one to start.
    if !text_of(&bare).contains("is installed") {
        assert_eq!(bare["next"], "clockbox sync --daemon");
        assert_eq!(apt["next"], "apt-get install -y chrony");
        assert!(text_of(&apt).contains("clockbox sync --daemon"), "{apt}");
    }
    let swap = finding("swap", "an editor has /etc/chrony/chrony.conf open");
    assert_eq!(swap["next"], "systemctl restart chronyd");
    assert!(text_of(&swap).contains("Save it there"), "{swap}");
    for (name, words, hint) in [
        (
            "denied",
            "for root and the daemon's own user",
            "sudo clockbox sources --host /run/chrony/chronyd.sock",
        ),
        ("absent", "bindcmdaddress", "clockbox sources"),
        ("remote", "cmdallow", "clockbox check-port 10.77.0.15"),
    ] {
        let error = &report(name)["error"];
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
        assert_eq!(error["hint"], hint, "{error}");
    }
    assert_eq!(file(&net, "denied.code"), "77\n");
}
