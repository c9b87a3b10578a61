//! States of a machine, made up: what is said of each.

use super::*;
use crate::commands::check_port::local::ChronyFile;
use crate::report::check_port::Family;
use crate::report::check_port::Place;
use crate::sys::service::Manager;
use std::collections::BTreeMap;

fn listener(pid: u32, process: &str, unit: Option<&str>) -> Listener {
    Listener {
        protocol: "udp".to_owned(),
        port: 123,
        address: "0.0.0.0".to_owned(),
        family: Family::Ipv4,
        takes_ipv4: None,
        interface: None,
        process: Some(process.to_owned()),
        pid: Some(pid),
        unit: unit.map(str::to_owned),
        container: None,
        forwards_to: None,
        user: Some("root".to_owned()),
        uid: 0,
        holder_via: Some("open_files".to_owned()),
    }
}

fn daemon(name: &str, pid: u32, steers: bool) -> Daemon {
    Daemon {
        name: name.to_owned(),
        pid,
        unit: Some(format!("{name}.service")),
        steers_clock: Some(steers),
        in_this_namespace: Some(true),
        container: None,
    }
}

fn facts(listeners: Vec<Listener>, daemons: Vec<Daemon>) -> Facts {
    Facts {
        listeners,
        daemons,
        kinds: BTreeMap::from([(1, Kind::Chronyd), (2, Kind::Ntpsec)]),
        own_answers: Vec::new(),
        filters_hidden: false,
        place: Place::default(),
        client: None,
        manager: Manager::Systemd,
        chrony: None,
        ntp_conf: None,
    }
}

/// The state, the summary, and the findings as lines.
fn said(facts: &Facts) -> (ServerState, String, String) {
    let mut findings = Vec::new();
    let (state, summary) = judge(facts, &mut findings);
    let line = |f: &Finding| {
        format!(
            "{}: {} => {}",
            f.severity.word(),
            f.text,
            f.next.as_deref().unwrap_or("")
        )
    };
    (
        state,
        summary,
        findings.iter().map(line).collect::<Vec<_>>().join("\n"),
    )
}

#[test]
fn one_daemon_that_holds_the_port_is_as_it_should_be() {
    let (state, summary, findings) = said(&facts(
        vec![listener(1, "chronyd", Some("chrony.service"))],
        vec![daemon("chronyd", 1, true)],
    ));
    assert_eq!((state, findings.as_str()), (ServerState::Held, ""));
    assert_eq!(summary, "UDP 123 is held by chronyd (chrony.service).");
}

#[test]
fn a_second_daemon_that_steers_the_clock_is_a_fight_and_one_that_does_not_is_none() {
    let both = |steers| {
        let daemons = vec![
            daemon("ntpsec", 2, true),
            daemon("systemd-timesyncd", 9, steers),
        ];
        said(&facts(vec![listener(2, "ntpd", None)], daemons))
    };
    let (state, summary, findings) = both(true);
    assert_eq!(state, ServerState::Conflict);
    assert!(
        summary.contains("but systemd-timesyncd runs beside it"),
        "{summary}"
    );
    assert!(
        findings.contains("=> systemctl disable --now systemd-timesyncd.service"),
        "{findings}"
    );
    assert_eq!(both(false).0, ServerState::Held);
}

#[test]
fn docker_s_proxy_is_no_stranger_and_says_where_it_hands_packets_to() {
    let mut proxy = listener(7, "docker-proxy", Some("docker.service"));
    proxy.forwards_to = Some("172.17.0.2:123".to_owned());
    let (state, summary, _) = said(&facts(vec![proxy], Vec::new()));
    assert_eq!(state, ServerState::Held);
    assert!(
        summary.contains("hands packets to 172.17.0.2:123"),
        "{summary}"
    );
    let (state, ..) = said(&facts(vec![listener(8, "dnsmasq", None)], Vec::new()));
    assert_eq!(state, ServerState::Foreign);
}

#[test]
fn nobody_is_fine_with_daemons_that_need_no_port() {
    for (name, what) in [
        ("systemd-timesyncd", "install chrony"),
        ("ntpd-rs", "[[server]]"),
        ("openntpd", "listen on"),
        ("chronyd", "add `allow 192.0.2.0/24`"),
    ] {
        let (state, summary, findings) = said(&facts(Vec::new(), vec![daemon(name, 5, true)]));
        assert_eq!(state, ServerState::NobodyFine, "{name}");
        assert!(summary.contains("that is fine"), "{summary}");
        assert!(findings.contains(what), "{findings}");
    }
}

#[test]
fn nobody_is_wrong_with_ntpd_and_with_a_chronyd_that_should_serve() {
    let (state, _, findings) = said(&facts(Vec::new(), vec![daemon("ntpd", 5, true)]));
    assert_eq!(state, ServerState::NobodyWrong);
    assert!(
        findings.contains("which ntpd always does => journalctl -u ntpd.service"),
        "{findings}"
    );
    for (port, state, word) in [
        (123, ServerState::NobodyWrong, "was started without"),
        (0, ServerState::NobodyWrong, "`port 0`"),
        (11123, ServerState::NobodyFine, "`port 11123`"),
    ] {
        let mut with = facts(Vec::new(), vec![daemon("chronyd", 5, true)]);
        with.chrony = Some(ChronyFile {
            path: "/etc/chrony.conf".to_owned(),
            readable: true,
            allows: true,
            port,
            decision: None,
        });
        let (found, _, findings) = said(&with);
        assert_eq!(found, state, "{port}");
        assert!(findings.contains(word), "{findings}");
    }
}

#[test]
fn no_daemon_at_all_is_a_warning_outside_of_containers_only() {
    let (state, _, findings) = said(&facts(Vec::new(), Vec::new()));
    assert_eq!(state, ServerState::NobodyRuns);
    assert!(findings.starts_with("warning: "), "{findings}");
    let mut inside = facts(Vec::new(), Vec::new());
    inside.place.container = Some("docker".to_owned());
    assert_eq!(said(&inside).0, ServerState::NobodyFine);
}

#[test]
fn a_holder_that_cannot_be_seen_is_not_guessed() {
    let mut hidden = listener(1, "", None);
    (hidden.process, hidden.pid) = (None, None);
    let (state, summary, findings) = said(&facts(vec![hidden], vec![daemon("chronyd", 5, true)]));
    assert_eq!(state, ServerState::Unknown);
    assert!(
        summary.contains("only root sees which") && summary.contains("chronyd[5] runs"),
        "{summary}"
    );
    assert!(findings.contains("sudo clockbox check-port"), "{findings}");
}

#[test]
fn a_client_that_should_get_in_makes_nobody_wrong_and_is_named_with_the_command() {
    for (name, what) in [
        ("systemd-timesyncd", "install chrony"),
        ("clockbox", "clockbox serve"),
        (
            "chronyd",
            "echo 'allow 203.0.113.9' >>/etc/chrony/chrony.conf && systemctl restart chronyd.service",
        ),
    ] {
        let mut with = facts(Vec::new(), vec![daemon(name, 5, true)]);
        with.client = Some("203.0.113.9".parse().unwrap());
        let (state, summary, findings) = said(&with);
        assert_eq!(state, ServerState::NobodyWrong, "{name}");
        assert!(
            summary.contains("so 203.0.113.9 gets no answer"),
            "{summary}"
        );
        assert!(findings.starts_with("error: 203.0.113.9"), "{findings}");
        assert!(findings.contains(what), "{findings}");
    }
    let mut nobody = facts(Vec::new(), Vec::new());
    nobody.client = Some("203.0.113.9".parse().unwrap());
    assert_eq!(said(&nobody).0, ServerState::NobodyWrong);
}

#[test]
fn whoever_listens_at_loopback_only_reaches_nobody_or_one_family_less() {
    let at = |address: &str, family| Listener {
        address: address.to_owned(),
        family,
        ..listener(1, "chronyd", Some("chrony.service"))
    };
    let both = |v4: &str, v6: &str| {
        let listeners = vec![at(v4, Family::Ipv4), at(v6, Family::Ipv6)];
        said(&facts(listeners, vec![daemon("chronyd", 1, true)])).2
    };
    assert!(both("127.0.0.1", "::1").starts_with(
        "error: chronyd (chrony.service) listens at 127.0.0.1, ::1 only: no other machine can reach it"
    ));
    let one = both("127.0.0.1", "::");
    assert!(
        one.starts_with("warning: ") && one.contains("over IPv4"),
        "{one}"
    );
    assert_eq!(both("0.0.0.0", "::"), "");
    assert_eq!(both("10.0.0.1", "fd00::1"), "");
}
