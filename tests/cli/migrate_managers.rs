//! `clockbox migrate-ntpd` on running machines with other service and package managers than those
//! of Debian.

use crate::migrate_machine::Init;
use crate::migrate_machine::Machine;
use serde_json::Value;
use std::fs;

/// Lines that only one of two states has.
fn differences(before: &str, now: &str) -> Vec<String> {
    let only = |mark: &str, a: &str, b: &str| -> Vec<String> {
        let other: Vec<&str> = b.lines().collect();
        a.lines()
            .filter(|line| !other.contains(line))
            .map(|line| format!("{mark} {line}"))
            .collect()
    };
    [only("-", before, now), only("+", now, before)].concat()
}

/// A run's exit status and JSON, from a line `STATUS JSON`.
fn result(said: &str, number: usize) -> (i32, Value) {
    let line = said.lines().filter(|line| line.contains("{\"")).nth(number);
    let line = line.unwrap_or_else(|| panic!("{number}: {said}"));
    let (status, json) = line.split_once(' ').unwrap();
    (status.parse().unwrap(), serde_json::from_str(json).unwrap())
}

/// Prints the exit status and the JSON of a run.
const MIGRATE: &str = "m() { out=$(/bin/clockbox migrate-ntpd --json \"$@\" 2>/dev/null); echo \"$? $out\"; }; /etc/init.d/ntpd start; ";

/// The whole story: refused, looked at, done, done again, put back.
fn whole(init: Init, manager: &str, install: &str, by_hand: &str, switched: &[&str]) {
    let Some(machine) = Machine::new(init, manager) else {
        return;
    };
    let before = machine.state();
    machine.asked();
    let said = machine
        .run(&format!("{MIGRATE} m; m --dry-run"))
        .expect("the first runs");
    let (status, json) = result(&said, 0);
    assert_eq!(status, 69, "{said}");
    let hint = json["error"]["hint"].as_str().unwrap();
    assert!(hint.ends_with(by_hand), "{hint}");
    let (status, json) = result(&said, 1);
    // The plan, and that the run would end where the first one did.
    assert_eq!((status, &json["result"]), (69, &"planned".into()), "{said}");
    assert!(
        json["findings"].to_string().contains(" --install"),
        "{json}"
    );
    assert_eq!(json["packages"], serde_json::json!([]));
    assert_eq!(machine.state(), before, "{said}");
    let mut asked = machine.asked();
    asked.retain(|line| !line.contains(" -s "));
    assert!(!asked.join("\n").contains("chrony"), "{asked:#?}");

    let script = format!(
        "{MIGRATE} m --install --wait 20; ls /var/lib/clockbox/migrate-ntpd/packages; for s in ntpd chronyd; do /etc/init.d/$s status && echo $s runs; done; \
         m; cp -r /etc /tmp/after; m --rollback; for s in ntpd chronyd; do /etc/init.d/$s status && echo $s runs; done; m --rollback"
    );
    let said = machine.run(&script).unwrap_or_default();
    let asked = machine.asked();
    let (status, json) = result(&said, 0);
    assert_eq!(
        (status, &json["result"]),
        (0, &"migrated".into()),
        "{said}\n{asked:#?}"
    );
    assert!(
        asked.iter().any(|line| line.ends_with(install)),
        "{asked:#?}"
    );
    for line in switched {
        assert!(
            asked.iter().any(|asked| asked == line),
            "{line} in {asked:#?}"
        );
    }
    let (status, json) = result(&said, 1);
    assert_eq!((status, &json["changed"]), (0, &false.into()), "{said}");
    let (status, json) = result(&said, 2);
    assert_eq!((status, &json["changed"]), (0, &true.into()), "{said}");
    let (status, json) = result(&said, 3);
    assert_eq!((status, &json["changed"]), (0, &false.into()), "{said}");
    let runs: Vec<&str> = said
        .lines()
        .filter(|line| line.ends_with(" runs"))
        .collect();
    assert_eq!(runs, ["chronyd runs", "ntpd runs"], "{said}");
    let after = machine.read("tmp/after/chrony.conf");
    assert!(
        after.contains("server 127.0.0.5 iburst minpoll 3\n") && after.contains("driftfile"),
        "{after}"
    );
    what_stays(&machine, &before, &said, manager);
}

/// After the way back: no copies, what the package brought, and a word about it.
fn what_stays(machine: &Machine, before: &str, said: &str, manager: &str) {
    // A copy of what installing may remove is kept until it is not needed any more.
    let kept = manager == "apt-get";
    assert_eq!(said.contains("ntp_all.deb"), kept, "{said}");
    let packages = machine
        .root()
        .join("var/lib/clockbox/migrate-ntpd/packages");
    assert_eq!(fs::read_dir(packages).unwrap().count(), 0);
    // What the package brought stays, switched off, and that is said; all else is as it was.
    let (_, json) = result(said, 2);
    let left = &json["findings"][0];
    assert!(
        left["text"]
            .as_str()
            .unwrap()
            .contains("chrony stays installed"),
        "{json}"
    );
    assert!(left["next"].as_str().unwrap().contains(" chrony"), "{json}");
    let new = differences(before, &machine.state());
    for line in &new {
        let brought = [
            "/usr/sbin/chronyd",
            "/etc/init.d/chronyd",
            "/etc/chrony.conf",
        ];
        let off = line.contains("/K") && line.ends_with("-> ../init.d/chronyd");
        let brought = brought.iter().any(|file| line.ends_with(file));
        assert!(line.starts_with('+') && (off || brought), "{new:#?}");
    }
    assert!(machine.read("etc/chrony.conf").contains("of.the.package"));
    let log = machine.read("var/lib/clockbox/migrate-ntpd/install.log");
    assert!(log.contains("from the mirror"), "{log}");
}

#[test]
fn openrc_and_apk() {
    whole(
        Init::OpenRc,
        "apk",
        "apk add chrony",
        "  # or: apk add chrony",
        &[
            "rc-service ntpd stop",
            "rc-update --all del ntpd",
            "rc-update add chronyd default",
            "rc-service chronyd start",
        ],
    );
}

#[test]
fn sysv_with_chkconfig_and_yum() {
    whole(
        Init::Chkconfig,
        "yum",
        "yum -y -q install chrony",
        "  # or: yum install -y chrony",
        &[
            "service ntpd stop",
            "chkconfig ntpd off",
            "chkconfig chronyd on",
            "service chronyd start",
        ],
    );
}

#[test]
fn sysv_with_update_rc_d_and_apt() {
    whole(
        Init::UpdateRcD,
        "apt-get",
        " install chrony",
        "  # or: apt-get install -y chrony",
        &[
            "service ntpd stop",
            "update-rc.d ntpd disable",
            "update-rc.d chronyd enable",
        ],
    );
}

#[test]
fn dnf_zypper_and_pacman_are_asked_without_questions() {
    for (manager, install, by_hand) in [
        (
            "dnf",
            "dnf -y -q install chrony",
            "  # or: dnf install -y chrony",
        ),
        (
            "zypper",
            "zypper --non-interactive install chrony",
            "  # or: zypper install -y chrony",
        ),
        (
            "pacman",
            "pacman -S --noconfirm --needed chrony",
            "  # or: pacman -S --noconfirm chrony",
        ),
    ] {
        whole(
            Init::Chkconfig,
            manager,
            install,
            by_hand,
            &["chkconfig chronyd on"],
        );
    }
}

#[test]
fn packages_that_give_way_are_named_and_put_back() {
    let Some(machine) = Machine::new(Init::UpdateRcD, "apt-get") else {
        return;
    };
    machine.put("conflict", "");
    let said = machine
        .run(&format!(
            "{MIGRATE} m; m --dry-run --install; m --install --wait 20; m; m --rollback --dry-run; m --rollback; \
             /etc/init.d/ntpd status && echo ntpd runs"
        ))
        .unwrap_or_default();
    let packages = |number: usize| result(&said, number).1["packages"].clone();
    let pair = |action: &str, name: &str| serde_json::json!({"name": name, "action": action});
    let (status, json) = result(&said, 0);
    let message = json["error"]["message"].as_str().unwrap();
    assert!(
        status == 69 && message.contains("removes ntp,"),
        "{message}"
    );
    let there = serde_json::json!([pair("install", "chrony"), pair("remove", "ntp")]);
    assert_eq!(packages(1), there, "{said}");
    let (status, json) = result(&said, 2);
    assert_eq!((status, &json["result"]), (0, &"migrated".into()), "{said}");
    assert_eq!(packages(2), there, "{said}");
    assert_eq!(packages(3), serde_json::json!([]), "{said}");
    let back = serde_json::json!([pair("install", "ntp"), pair("remove", "chrony")]);
    assert_eq!(packages(4), back, "{said}");
    let gone = packages(5);
    for change in back.as_array().unwrap() {
        assert!(gone.as_array().unwrap().contains(change), "{said}");
    }
    assert!(said.contains("ntpd runs"), "{said}");
}

#[test]
fn packages_that_the_undo_of_a_killed_run_put_back_are_named_by_the_next() {
    let Some(machine) = Machine::new(Init::UpdateRcD, "apt-get") else {
        return;
    };
    machine.put("conflict", "");
    machine.put("kill", "");
    let said = machine
        .run(&format!(
            "{MIGRATE} m --install --wait 20; m --install --wait 20"
        ))
        .unwrap_or_default();
    assert!(
        said.lines().any(|line| line.trim() == "137"),
        "the first run was killed: {said}"
    );
    let (status, json) = result(&said, 0);
    assert_eq!((status, &json["result"]), (0, &"migrated".into()), "{said}");
    let text = json["findings"][0]["text"].as_str().unwrap();
    assert!(
        text.ends_with(
            "was interrupted: it was undone first; installed again: ntp; removed for that: chrony"
        ),
        "{text}"
    );
}

/// The daemon that a migration started was stopped: the next run starts it again, and the way back
/// leads to ntpd all the same.
#[test]
fn a_second_run_keeps_the_way_back_to_ntpd() {
    let Some(machine) = Machine::new(Init::UpdateRcD, "apt-get") else {
        return;
    };
    machine.put("conflict", "");
    let said = machine
        .run(&format!(
            "{MIGRATE} m --install --wait 20; /etc/init.d/chronyd stop; m --wait 20; m --rollback; \
             for s in ntpd chronyd; do /etc/init.d/$s status && echo $s runs; done; \
             [ -x /usr/sbin/ntpd ] && echo ntpd is installed"
        ))
        .unwrap_or_default();
    for number in [0, 1] {
        let (status, json) = result(&said, number);
        assert_eq!((status, &json["result"]), (0, &"migrated".into()), "{said}");
    }
    let (status, json) = result(&said, 2);
    assert_eq!(
        (status, &json["result"]),
        (0, &"rolled_back".into()),
        "{said}"
    );
    assert!(
        said.contains("ntpd is installed") && said.contains("ntpd runs"),
        "{said}"
    );
    assert!(!said.contains("chronyd runs"), "{said}");
}

#[test]
fn a_package_manager_that_fails_leaves_everything_as_it_was() {
    let Some(machine) = Machine::new(Init::OpenRc, "apk") else {
        return;
    };
    machine.put("broken", "");
    let before = machine.state();
    let said = machine
        .run(&format!(
            "{MIGRATE} m --install; /etc/init.d/ntpd status && echo ntpd runs"
        ))
        .unwrap_or_default();
    let (status, json) = result(&said, 0);
    assert_eq!((status, &json["result"]), (69, &"undone".into()), "{said}");
    assert!(
        said.contains("no such mirror") && said.contains("ntpd runs"),
        "{said}"
    );
    assert_eq!(machine.state(), before);
}

#[test]
fn a_stranger_on_the_ntp_port_is_named_and_everything_put_back() {
    let Some(machine) = Machine::new(Init::OpenRc, "apk") else {
        return;
    };
    // The chronyd that this one follows has the port for IPv6.
    let old = machine.read("etc/ntp.conf") + "restrict 192.0.2.0 mask 255.255.255.0 nomodify\n";
    machine.put("etc/ntp.conf", &old);
    let said = machine
        .run(&format!(
            "{MIGRATE} m --install --wait 20; m --rollback; \
             m --install --no-serve --wait 20; /etc/init.d/chronyd status && echo chronyd runs"
        ))
        .unwrap_or_default();
    let (status, json) = result(&said, 0);
    assert_eq!((status, &json["result"]), (69, &"undone".into()), "{said}");
    let findings = json["findings"].to_string();
    assert!(findings.contains("chronyd (process "), "{findings}");
    assert!(findings.contains("UDP port 123 on ::,"), "{findings}");
    let (status, _) = result(&said, 2);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("chronyd runs"), "{said}");
}

#[test]
fn clockboxs_own_daemon_that_does_not_start_leaves_no_trace() {
    for init in [Init::OpenRc, Init::Chkconfig, Init::UpdateRcD] {
        let Some(machine) = Machine::new(init, "apk") else {
            return;
        };
        let before = machine.state();
        // It may not set the clock here, so it does not start.
        let said = machine
            .run(&format!(
                "{MIGRATE} m --to clockbox --install --wait 3; /etc/init.d/ntpd status && echo ntpd runs; \
                 [ -z \"$(ls /proc/[0-9]*/cmdline | while read -r f; do grep -l ^/usr/local/sbin/clockbox $f; done 2>/dev/null)\" ] && echo nothing else"
            ))
            .unwrap_or_default();
        let asked = machine.asked();
        let (status, json) = result(&said, 0);
        assert_eq!(
            (status, &json["result"]),
            (69, &"undone".into()),
            "{said}\n{asked:#?}"
        );
        assert!(
            said.contains("ntpd runs") && said.contains("nothing else"),
            "{said}"
        );
        let started = match init {
            Init::OpenRc => "rc-service clockbox start",
            _ => "service clockbox start",
        };
        assert!(
            asked.iter().any(|line| line == started),
            "{said}\n{asked:#?}"
        );
        let mut left = differences(&before, &machine.state());
        // Why it did not start.
        left.retain(|line| !line.ends_with("/var/log/clockbox.log"));
        assert!(left.is_empty(), "{left:#?}\n{asked:#?}\n{said}");
    }
}
