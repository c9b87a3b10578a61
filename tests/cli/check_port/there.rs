//! Asking hosts: a test a verdict.

use super::lab::Lab;
use super::lab::SERVER;
use super::lab::SERVER6;
use super::lab::reply;
use crate::net::skip;
use serde_json::Value;
use std::time::Instant;

pub(super) fn verdict(value: &Value) -> &str {
    value["targets"][0]["addresses"][0]["verdict"]
        .as_str()
        .unwrap()
}

pub(super) fn test<'a>(value: &'a Value, name: &str) -> &'a str {
    let tests = value["targets"][0]["addresses"][0]["tests"]
        .as_array()
        .unwrap();
    let found = tests.iter().find(|t| t["test"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {value}"))["outcome"]
        .as_str()
        .unwrap()
}

pub(super) fn findings(value: &Value) -> String {
    let list = value["findings"].as_array().unwrap();
    list.iter()
        .map(|f| f["text"].as_str().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_real_chronyd_is_open_at_both_families() {
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow") else {
        return;
    };
    // The first packet on a new wire waits for the neighbour's address.
    lab.json(&[SERVER6]);
    let ran = lab.ask(&["check-port", "--json", SERVER, SERVER6]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let json = ran.json();
    for target in json["targets"].as_array().unwrap() {
        let address = &target["addresses"][0];
        assert_eq!(address["verdict"], "open", "{json}");
        assert_eq!(address["stratum"], 3);
        assert!(address["offset_s"].as_f64().unwrap().abs() < 0.05, "{json}");
        assert!(address["delay_s"].as_f64().unwrap() < 0.5);
        assert_eq!(address["packets_sent"], 1);
    }
    let nagios = lab.ask(&["check-port", "--nagios", SERVER]);
    assert_eq!(nagios.status, 0);
    assert!(
        nagios
            .stdout
            .starts_with("CHECK-PORT OK - 10.77.1.2: open, offset "),
        "{nagios:?}"
    );
    assert!(nagios.stdout.contains("| 'offset'="), "{nagios:?}");
    let strict = lab.ask(&["check-port", "--nagios", "-w", "1e-9", "-c", "1e-9", SERVER]);
    assert_eq!(strict.status, 2, "{strict:?}");
}

/// A server whose clock is this many seconds ahead.
fn ahead(request: &[u8], seconds: u8) -> Option<Vec<u8>> {
    let mut out = reply(request, 0x24, 2, [10, 0, 0, 1])?;
    for at in [16, 32, 40] {
        let field: [u8; 4] = out.get(at..at + 4)?.try_into().ok()?;
        let later = u32::from_be_bytes(field) + u32::from(seconds);
        out[at..at + 4].copy_from_slice(&later.to_be_bytes());
    }
    Some(out)
}

#[test]
fn nagios_judges_the_offset_and_several_hosts_by_the_worst() {
    let Some(mut lab) = Lab::new() else { return };
    lab.talker("10.77.1.2:123", |request| ahead(request, 10), None);
    lab.talker("[fd77::2]:123", |request| ahead(request, 100), None);
    lab.hosts(&format!("{SERVER} both.lab\n{SERVER6} both.lab\n"));
    let nagios = |args: &[&str]| lab.ask(&[&["check-port", "--nagios"], args].concat());
    for (limits, status, word) in [
        (&["-w", "60", "-c", "120"][..], 0, "OK"),
        (&["-w", "5", "-c", "120"], 1, "WARNING"),
        (&["-w", "5", "-c", "8"], 2, "CRITICAL"),
    ] {
        let ran = nagios(&[limits, &[SERVER]].concat());
        let begin = format!("CHECK-PORT {word} - 10.77.1.2: open, offset +");
        assert_eq!(ran.status, status, "{ran:?}");
        assert!(ran.stdout.starts_with(&begin), "{ran:?}");
        let limits = format!("s;{};{} 'delay'=", limits[1], limits[3]);
        assert!(ran.stdout.contains(&limits), "{ran:?}");
    }
    // Both addresses are open: the one that is furthest off counts.
    let ran = nagios(&["both.lab"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(
        ran.stdout.contains("'10.77.1.2_offset'=") && ran.stdout.contains("'fd77::2_offset'="),
        "{ran:?}"
    );
    let fine = nagios(&["-w", "200", "-c", "300", SERVER, SERVER6]);
    assert_eq!(fine.status, 0, "{fine:?}");
    assert!(
        fine.stdout.starts_with("CHECK-PORT OK - 2 hosts answer |"),
        "{fine:?}"
    );
    // Unknown is worse than a warning, critical worse than unknown; each trouble is told.
    let nobody = "no-such-host.invalid";
    let unknown = nagios(&["-w", "5", "-c", "200", SERVER, nobody]);
    assert_eq!(unknown.status, 3, "{unknown:?}");
    assert!(
        unknown.stdout.starts_with("CHECK-PORT UNKNOWN - ")
            && unknown.stdout.contains("10.77.1.2: open")
            && unknown.stdout.contains("no-such-host.invalid: unresolved"),
        "{unknown:?}"
    );
    let critical = nagios(&[nobody, "10.77.1.2:124"]);
    assert_eq!(critical.status, 2, "{critical:?}");
    // What cannot be asked at all is unknown too.
    let wrong = nagios(&["10.77.1.200", "300.1.1.1"]);
    assert_eq!(wrong.status, 3, "{wrong:?}");
    for ran in [ran, fine, unknown, critical, wrong] {
        assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    }
}

#[test]
fn a_chronyd_without_a_source_is_unsynchronised() {
    let Some(lab) = Lab::with_chronyd("allow") else {
        return;
    };
    let ran = lab.ask(&["check-port", "--json", SERVER]);
    assert_eq!((ran.status, verdict(&ran.json())), (1, "unsynchronised"));
    assert_eq!(lab.ask(&["check-port", "--nagios", SERVER]).status, 1);
}

#[test]
fn a_real_ntpd_without_a_source_says_init_and_answers_mode_6() {
    let Some(lab) = Lab::with_ntpd("restrict 10.77.1.0 mask 255.255.255.0\n") else {
        return;
    };
    let json = lab.json(&["--full", SERVER]);
    assert_eq!(verdict(&json), "unsynchronised");
    assert!(findings(&json).contains("INIT"), "{json}");
    assert_eq!(test(&json, "mode6"), "answered");
    assert_eq!(test(&json, "mode7"), "silent");
    let tests = json["targets"][0]["addresses"][0]["tests"]
        .as_array()
        .unwrap();
    let six = tests.iter().find(|t| t["test"] == "mode6").unwrap();
    assert_eq!(six["sent_octets"], 12);
    assert!(six["received_octets"].as_u64().unwrap() > 100, "{six}");
}

#[test]
fn nobody_there_is_closed() {
    let Some(lab) = Lab::new() else { return };
    for address in [SERVER, SERVER6] {
        let ran = lab.ask(&["check-port", "--json", address]);
        let json = ran.json();
        assert_eq!((ran.status, verdict(&json)), (1, "closed"));
        let icmp = &json["targets"][0]["addresses"][0]["icmp"];
        assert_eq!(icmp["from"], address);
        assert_eq!(icmp["words"], "port unreachable");
    }
}

#[test]
fn every_address_of_a_name_is_tried_apart() {
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow") else {
        return;
    };
    lab.hosts(&format!("{SERVER} both.lab\n{SERVER6} both.lab\n"));
    lab.filter("meta nfproto ipv6 udp dport 123 drop");
    let ran = lab.ask(&["check-port", "--json", "both.lab"]);
    let json = ran.json();
    let target = &json["targets"][0];
    assert_eq!(
        (ran.status, &target["verdict"]),
        (2, &"open".into()),
        "{json}"
    );
    let mut verdicts: Vec<(String, String)> = target["addresses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| {
            (
                a["family"].as_str().unwrap().to_owned(),
                a["verdict"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    verdicts.sort();
    let expected =
        [("ipv4", "open"), ("ipv6", "silent")].map(|(f, v)| (f.to_owned(), v.to_owned()));
    assert_eq!(verdicts, expected);
    assert!(
        findings(&json).contains("both.lab (fd77::2): no answer"),
        "{json}"
    );
    assert_eq!(lab.ask(&["check-port", "--any", "both.lab"]).status, 0);
    assert_eq!(lab.ask(&["check-port", "-4", "both.lab"]).status, 0);
    assert_eq!(lab.ask(&["check-port", "-6", "both.lab"]).status, 2);
    assert_eq!(lab.ask(&["check-port", "--nagios", "both.lab"]).status, 1);
}

#[test]
fn one_lost_packet_is_not_silence() {
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow") else {
        return;
    };
    // Drops the first packet of the day.
    lab.filter("udp dport 123 ct state new limit rate 1/day burst 1 packets drop");
    let json = lab.json(&[SERVER]);
    assert_eq!(verdict(&json), "open");
    assert_eq!(json["targets"][0]["addresses"][0]["packets_sent"], 2);
}

#[test]
fn all_tests_of_a_good_server_and_what_filters_do_to_them() {
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow") else {
        return;
    };
    let json = lab.json(&["--full", SERVER]);
    for name in ["source_port123", "ntpv3", "nts_size"] {
        assert_eq!(test(&json, name), "answered", "{json}");
    }
    for name in ["mode6", "mode7"] {
        assert_eq!(test(&json, name), "silent");
    }
    lab.filter("udp dport 123 meta length > 200 drop; udp dport 123 udp sport 123 drop");
    let json = lab.json(&["--full", SERVER]);
    assert_eq!(verdict(&json), "open");
    assert_eq!(test(&json, "source_port123"), "silent");
    assert_eq!(test(&json, "ntpv3"), "answered");
    assert_eq!(test(&json, "nts_size"), "silent");
    let text = findings(&json);
    assert!(
        text.contains("none of 228") && text.contains("none from source port 123"),
        "{text}"
    );
}

#[test]
fn a_rate_limit_is_not_taken_for_a_filter() {
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow") else {
        return;
    };
    lab.filter("udp dport 123 limit rate over 1/minute burst 1 packets drop");
    let json = lab.json(&["--full", SERVER]);
    assert_eq!(verdict(&json), "open");
    assert_eq!(test(&json, "source_port123"), "inconclusive");
    let text = findings(&json);
    assert!(
        text.contains("rate limit") && !text.contains("none from source port"),
        "{text}"
    );
}

#[test]
fn kisses_are_told_in_words_and_obeyed() {
    for (refid, status, word) in [
        (*b"DENY", 1, "denies this client"),
        (*b"RSTR", 1, "policy restricts"),
        (*b"RATE", 1, "too often"),
    ] {
        let Some(mut lab) = Lab::new() else { return };
        let answer: fn(&[u8]) -> Option<Vec<u8>> = match &refid {
            b"DENY" => |request| reply(request, 0xe4, 0, *b"DENY"),
            b"RSTR" => |request| reply(request, 0xe4, 0, *b"RSTR"),
            _ => |request| reply(request, 0xe4, 0, *b"RATE"),
        };
        lab.talker("0.0.0.0:123", answer, None);
        let ran = lab.ask(&["check-port", "--json", "--full", SERVER]);
        let json = ran.json();
        assert_eq!((ran.status, verdict(&json)), (status, "kiss"), "{json}");
        assert!(findings(&json).contains(word), "{json}");
        assert_eq!(json["targets"][0]["addresses"][0]["packets_sent"], 1);
    }
}

#[test]
fn a_real_ntpd_that_limits_sends_a_rate_kiss() {
    let Some(lab) = Lab::with_ntpd(
        "restrict default limited kod nomodify noquery\ndiscard average 13 minimum 16\n",
    ) else {
        return;
    };
    // It bears some before it objects.
    lab.burst(22);
    let json = lab.json(&[SERVER]);
    assert_eq!(verdict(&json), "kiss", "{json}");
    assert_eq!(json["targets"][0]["addresses"][0]["kiss"], "RATE");
}

#[test]
fn what_is_no_ntp_is_garbage() {
    let Some(mut lab) = Lab::new() else { return };
    lab.talker("0.0.0.0:123", |request| Some(request.to_vec()), None);
    let ran = lab.ask(&["check-port", "--json", SERVER]);
    assert_eq!((ran.status, verdict(&ran.json())), (1, "garbage"));
}

#[test]
fn an_answer_from_another_address_is_seen_as_such() {
    let Some(mut lab) = Lab::new() else { return };
    lab.at_server(&["ip", "addr", "add", "10.77.1.9/24", "dev", "s0"]);
    lab.talker(
        "10.77.1.2:123",
        |request| reply(request, 0x24, 2, [10, 0, 0, 1]),
        Some("10.77.1.9:123"),
    );
    let json = lab.json(&[SERVER]);
    assert_eq!(verdict(&json), "open");
    assert_eq!(
        json["targets"][0]["addresses"][0]["answered_from"],
        "10.77.1.9:123"
    );
    assert!(findings(&json).contains("clients drop it"), "{json}");
}

#[test]
fn mode_7_exposure_is_measured() {
    let Some(mut lab) = Lab::new() else { return };
    lab.talker(
        "0.0.0.0:123",
        |request| match request[0] & 7 {
            3 => reply(request, 0x24, 2, [10, 0, 0, 1]),
            7 => Some([vec![0x97, 0, 3, 0], vec![0; 436]].concat()),
            _ => None,
        },
        None,
    );
    let json = lab.json(&["--full", SERVER]);
    assert_eq!(test(&json, "mode7"), "answered");
    assert!(
        findings(&json).contains("8 octets brought 440: 55.0 times"),
        "{json}"
    );
}

#[test]
fn two_hundred_and_fifty_six_hosts_half_of_them_silent_take_under_ten_seconds() {
    let Some(mut lab) = Lab::new() else { return };
    lab.at_client(&["ip", "route", "add", "10.78.0.0/24", "via", SERVER]);
    lab.at_server(&["ip", "route", "add", "local", "10.78.0.0/24", "dev", "lo"]);
    if !lab.chronyd("local stratum 3\nallow") {
        return;
    }
    lab.filter("ip daddr 10.78.0.128/25 udp dport 123 drop");
    let list = lab.dir.path().join("hosts");
    let lines: String = (0..256)
        .map(|n| format!("10.78.0.{n}   # host {n}\n"))
        .collect();
    std::fs::write(&list, lines).unwrap();
    let began = Instant::now();
    let ran = lab.ask(&["check-port", "--json", &format!("@{}", list.display())]);
    let took = began.elapsed().as_secs_f64();
    let json = ran.json();
    let count = |verdict: &str| {
        let targets = json["targets"].as_array().unwrap();
        targets.iter().filter(|t| t["verdict"] == verdict).count()
    };
    assert_eq!((count("open"), count("silent")), (128, 128));
    assert_eq!(ran.status, 2);
    assert!(took < 10.0, "{took} s");
}

#[test]
fn nts_key_establishment_is_checked_with_its_certificate() {
    let Some(mut lab) = Lab::new() else { return };
    let dir = lab.dir.path().display().to_string();
    let (key, certificate) = (format!("{dir}/key.pem"), format!("{dir}/cert.pem"));
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "30",
        ])
        .args([
            "-subj",
            "/CN=lab",
            "-addext",
            "subjectAltName=IP:10.77.1.2,DNS:ntp.lab",
        ])
        .args(["-keyout", &key, "-out", &certificate])
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        skip("no openssl to make a certificate");
        return;
    }
    if !lab.chronyd(&format!(
        "local stratum 3\nallow\nntsserverkey {key}\nntsservercert {certificate}\nntsdumpdir {dir}"
    )) {
        return;
    }
    let json = lab.json(&["--full", SERVER]);
    let nts = &json["targets"][0]["addresses"][0]["nts_ke"];
    assert_eq!(
        (&nts["state"], &nts["alpn"]),
        (&"open".into(), &"ntske/1".into()),
        "{nts}"
    );
    assert_eq!(nts["cookies"], 8);
    let certificate = &nts["certificate"];
    assert_eq!(
        certificate["names"],
        serde_json::json!(["10.77.1.2", "ntp.lab"])
    );
    assert!(
        (28..=30).contains(&certificate["days_left"].as_i64().unwrap()),
        "{certificate}"
    );
    assert_ne!(certificate["trusted"], true);
    // Without a server there, the port is closed and the verdict of UDP stands.
    let json = lab.json(&["--full", SERVER6, "-6"]);
    assert_eq!(
        json["targets"][0]["addresses"][0]["nts_ke"]["state"],
        "open"
    );
}

#[test]
fn few_open_files_make_many_hosts_no_slower() {
    let Some(mut lab) = Lab::new() else { return };
    lab.at_client(&["ip", "route", "add", "10.78.0.0/24", "via", SERVER]);
    lab.at_server(&["ip", "route", "add", "local", "10.78.0.0/24", "dev", "lo"]);
    if !lab.chronyd("local stratum 3\nallow") {
        return;
    }
    lab.filter(
        "ip daddr 10.78.0.32/27 udp dport 123 drop; ip daddr 10.78.0.9 udp dport 123 reject",
    );
    let list = lab.dir.path().join("hosts");
    let lines: String = (0..64).map(|n| format!("10.78.0.{n}\n")).collect();
    std::fs::write(&list, lines).unwrap();
    let at = format!("@{}", list.display());
    let ran = lab.ask_with_files(24, &["check-port", "--json", "--timeout", "1", &at]);
    let json = ran.json();
    let count = |verdict: &str| {
        let targets = json["targets"].as_array().unwrap();
        targets.iter().filter(|t| t["verdict"] == verdict).count()
    };
    assert_eq!(
        (count("open"), count("silent"), count("closed")),
        (31, 32, 1),
        "{json}"
    );
}

#[test]
fn the_port_is_shown_where_it_is_not_123() {
    let Some(mut lab) = Lab::new() else { return };
    lab.talker("0.0.0.0:1123", |_| None, None);
    let ran = lab.ask(&["check-port", "10.77.1.2:1124", "[fd77::2]:1123"]);
    for word in [
        "10.77.1.2:1124  ",
        "[fd77::2]:1123  ",
        "error: 10.77.1.2:1124, [fd77::2]:1123: ICMP",
    ] {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    let nagios = lab.ask(&["check-port", "--nagios", "10.77.1.2:1124"]);
    assert!(
        nagios.stdout.contains(" - 10.77.1.2:1124: closed"),
        "{nagios:?}"
    );
    let ran = lab.ask(&["check-port", "--json", "-4", SERVER6]);
    let json = ran.json();
    assert_eq!(
        (ran.status, &json["targets"][0]["verdict"]),
        (2, &"unresolved".into())
    );
    assert_eq!(json["targets"][0]["addresses"], serde_json::json!([]));
}
