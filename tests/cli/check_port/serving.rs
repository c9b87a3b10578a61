//! Whether clients are served by this machine: who holds the port and does not serve them, and why;
//! the line for Nagios.

use super::here::findings;
use super::here::here;
use super::here::looked;
use super::lab::Lab;

/// A holder of the port: what is said of it, to whom, with which status.
fn said(lab: &Lab, client: Option<&str>) -> (i32, String, String) {
    let mut args = vec!["check-port", "--json"];
    args.extend(client.iter().flat_map(|client| ["--client", client]));
    let ran = lab.here(&args);
    let json = ran.json();
    let state = json["here"]["server"].as_str().unwrap().to_owned();
    (ran.status, state, findings(&json))
}

#[test]
fn a_chronyd_that_listens_at_loopback_only_reaches_nobody() {
    let lines = "local stratum 3\nallow\nbindaddress 127.0.0.1\nbindaddress ::1";
    let Some(lab) = Lab::with_chronyd(lines) else {
        return;
    };
    let (status, json) = looked(&lab);
    let text = findings(&json);
    assert_eq!(
        (status, &json["here"]["server"]),
        (1, &"held".into()),
        "{json}"
    );
    let wanted = "chronyd listens at 127.0.0.1, ::1 only: no other machine can reach it";
    assert!(
        text.contains(wanted) && text.contains("grep -n bindaddress"),
        "{text}"
    );
    // Of one family alone it is a warning.
    let lines = "local stratum 3\nallow\nbindaddress 127.0.0.1";
    let Some(lab) = Lab::with_chronyd(lines) else {
        return;
    };
    let (status, json) = looked(&lab);
    let text = findings(&json);
    assert_eq!(status, 0, "{json}");
    assert!(
        text.contains("no other machine reaches it over IPv4"),
        "{text}"
    );
    let nagios = lab.here(&["check-port", "--nagios"]);
    assert_eq!(nagios.status, 1, "{nagios:?}");
}

#[test]
fn what_chronyd_s_rules_say_of_the_client_that_is_named_is_said() {
    let lines = "local stratum 3\nallow 192.0.2.0/24\ndeny 192.0.2.128/25";
    let Some(lab) = Lab::with_chronyd(lines) else {
        return;
    };
    // It does not answer itself: that says nothing of others.
    let (status, _, text) = said(&lab, None);
    assert_eq!(status, 0, "{text}");
    assert!(
        text.contains("leave this machine out, which says nothing of other clients"),
        "{text}"
    );
    assert!(text.contains("check-port --client"), "{text}");
    let (status, _, text) = said(&lab, Some("192.0.2.9"));
    assert_eq!(status, 0, "{text}");
    assert!(
        text.contains("lets 192.0.2.9 in: allow 192.0.2.0/24 ("),
        "{text}"
    );
    for (client, why) in [
        ("192.0.2.129", "deny 192.0.2.128/25 ("),
        ("203.0.113.9", "no `allow` in "),
    ] {
        let (status, state, text) = said(&lab, Some(client));
        assert_eq!((status, &state[..]), (1, "held"), "{text}");
        assert!(text.contains(&format!("refuses {client}")), "{text}");
        assert!(text.contains(why), "{text}");
        assert!(
            text.contains(&format!("echo 'allow {client}' >>")),
            "{text}"
        );
    }
}

#[test]
fn an_ntpd_that_ignores_everybody_is_a_warning_with_its_file() {
    let Some(lab) = Lab::with_ntpd("restrict default ignore\n") else {
        return;
    };
    let (status, json) = looked(&lab);
    let text = findings(&json);
    assert_eq!(
        (status, &json["here"]["server"]),
        (0, &"held".into()),
        "{json}"
    );
    assert!(
        text.contains("its `restrict` lines leave this machine out"),
        "{text}"
    );
    let conf = lab.dir.path().join("ntp.conf").display().to_string();
    assert!(text.contains(&format!("grep -n restrict {conf}")), "{text}");
    assert!(!text.contains("says nothing of other clients"), "{text}");
    let nagios = lab.here(&["check-port", "--nagios"]);
    assert_eq!(nagios.status, 1, "{nagios:?}");
}

#[test]
fn with_nobody_there_a_client_that_should_get_in_gets_no_answer() {
    let Some(lab) = Lab::alone() else { return };
    let (status, state, text) = said(&lab, Some("203.0.113.9"));
    assert_eq!((status, &state[..]), (1, "nobody_wrong"), "{text}");
    assert!(
        text.contains("clockbox serve --allow 203.0.113.9"),
        "{text}"
    );
}

#[test]
fn nagios_gets_one_line_about_this_machine_too() {
    let Some(mut lab) = Lab::new() else { return };
    lab.talker("0.0.0.0:123", |_| None, None);
    let ran = lab.here(&["check-port", "--nagios"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(
        ran.stdout
            .starts_with("CHECK-PORT CRITICAL - UDP 123 is held by"),
        "{ran:?}"
    );
    assert_eq!(ran.stdout.lines().count(), 1);
}

#[test]
fn nagios_without_a_host_has_all_four_states() {
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow") else {
        return;
    };
    let ok = lab.here(&["check-port", "--nagios"]);
    assert_eq!(ok.status, 0, "{ok:?}");
    assert_eq!(
        ok.stdout.lines().collect::<Vec<_>>(),
        ["CHECK-PORT OK - UDP 123 is held by chronyd."]
    );
    // Whoever may not see all is told so, and the server answers.
    let user = lab.here_as_nobody(&["check-port", "--nagios"]);
    assert_eq!(user.status, 0, "{user:?}");
    assert!(user.stdout.starts_with("CHECK-PORT OK - "), "{user:?}");
    assert!(
        user.stdout
            .ends_with("Not all could be seen: that needs root.\n"),
        "{user:?}"
    );
    // One family alone is shut.
    lab.filter("iifname != lo meta nfproto ipv6 udp dport 123 drop");
    let warning = lab.here(&["check-port", "--nagios"]);
    assert_eq!(warning.status, 1, "{warning:?}");
    assert!(
        warning.stdout.starts_with("CHECK-PORT WARNING - ")
            && warning.stdout.contains("lets no IPv6 client reach UDP 123"),
        "{warning:?}"
    );
    lab.filter("iifname != lo udp dport 123 drop");
    let critical = lab.here(&["check-port", "--nagios"]);
    assert_eq!(critical.status, 2, "{critical:?}");
    assert!(
        critical.stdout.contains("lets no client reach UDP 123"),
        "{critical:?}"
    );
    // Somebody whom an ordinary user cannot see, and who does not answer.
    let Some(mut lab) = Lab::new() else { return };
    lab.talker("0.0.0.0:123", |_| None, None);
    let unknown = lab.here_as_nobody(&["check-port", "--nagios"]);
    assert_eq!(unknown.status, 3, "{unknown:?}");
    assert!(
        unknown.stdout.starts_with("CHECK-PORT UNKNOWN - "),
        "{unknown:?}"
    );
    for ran in [ok, user, warning, critical, unknown] {
        assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    }
}

#[test]
fn with_two_holders_the_filter_s_error_is_told_too() {
    let Some(mut lab) = Lab::with_chronyd("local stratum 3\nallow\nbindaddress 10.77.1.2") else {
        return;
    };
    lab.talker("127.0.0.1:123", |_| None, None);
    lab.filter("iifname != lo udp dport 123 drop");
    let json = here(&lab, &[]);
    assert_eq!(json["here"]["server"], "conflict");
    let text = findings(&json);
    assert!(text.contains("no client reach UDP 123"), "{text}");
    let nagios = lab.here(&["check-port", "--nagios"]);
    assert!(
        nagios.stdout.contains("held by more than one program")
            && nagios.stdout.contains("no client reach UDP 123"),
        "{nagios:?}"
    );
    assert_eq!((nagios.status, nagios.stdout.lines().count()), (2, 1));
}
