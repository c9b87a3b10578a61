//! Looking at the machine itself.

use super::lab::Lab;
use super::lab::SERVER;
use serde_json::Value;

fn here(lab: &Lab, args: &[&str]) -> Value {
    lab.here(&[&["check-port", "--json"], args].concat()).json()
}

fn findings(value: &Value) -> String {
    let list = value["findings"].as_array().unwrap();
    list.iter()
        .map(|f| {
            format!(
                "{} => {}",
                f["text"].as_str().unwrap(),
                f["next"].as_str().unwrap_or("")
            )
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn passage<'a>(value: &'a Value, path: &str, family: &str) -> &'a Value {
    let all = value["here"]["passages"].as_array().unwrap();
    let found = all
        .iter()
        .find(|p| p["path"] == path && p["family"] == family);
    found.unwrap_or_else(|| panic!("no {path} {family} in {value}"))
}

#[test]
fn nobody_in_an_empty_namespace_is_fine_and_the_namespace_is_named() {
    let Some(lab) = Lab::new() else { return };
    let json = here(&lab, &[]);
    assert_eq!(json["here"]["server"], "nobody_fine", "{json}");
    assert_eq!(json["here"]["listeners"], serde_json::json!([]));
    assert_eq!(json["here"]["place"]["own_network_namespace"], true);
    let name = json["here"]["place"]["namespace_name"].as_str().unwrap();
    assert!(name.starts_with("cbcp"), "{name}");
}

#[test]
fn a_serving_chronyd_is_named_and_proved_at_each_address() {
    let Some(mut lab) = Lab::new() else { return };
    if !lab.chronyd("local stratum 3\nallow") {
        return;
    }
    let ran = lab.here(&["check-port", "--json"]);
    let json = ran.json();
    assert_eq!(
        (ran.status, &json["here"]["server"]),
        (0, &"held".into()),
        "{json}"
    );
    let listeners = json["here"]["listeners"].as_array().unwrap();
    assert!(
        listeners
            .iter()
            .all(|l| l["process"] == "chronyd" && l["user"] == "root"),
        "{json}"
    );
    let answers = json["here"]["own_answers"].as_array().unwrap();
    let asked: Vec<&str> = answers
        .iter()
        .map(|a| a["address"].as_str().unwrap())
        .collect();
    assert!(
        asked.contains(&"127.0.0.1") && asked.contains(&SERVER) && asked.contains(&"fd77::2"),
        "{asked:?}"
    );
    assert!(answers.iter().all(|a| a["verdict"] == "open"), "{json}");
}

#[test]
fn every_listener_is_the_same_as_ss_shows() {
    let Some(mut lab) = Lab::new() else { return };
    lab.talker("10.77.1.2:319", |_| None, None);
    lab.talker("[fd77::2]:320", |_| None, None);
    lab.talker("[::]:323", |_| None, None);
    let conf = lab.dir.path().join("ntp.conf");
    std::fs::write(&conf, "restrict default\n").unwrap();
    let conf = conf.display().to_string();
    if !lab.daemon("ntpd", &["-n", "-c", &conf], &format!("{SERVER}:123")) {
        return;
    }
    let json = here(&lab, &[]);
    let mut ours: Vec<String> = json["here"]["listeners"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|l| l["protocol"] == "udp")
        .map(|l| {
            let zone = l["interface"]
                .as_str()
                .map(|i| format!("%{i}"))
                .unwrap_or_default();
            format!(
                "{}{zone} {} {} {}",
                l["address"].as_str().unwrap(),
                l["port"],
                l["process"].as_str().unwrap(),
                l["pid"]
            )
        })
        .collect();
    let ss = lab.said(&["ss", "-nulpH"]);
    let mut theirs: Vec<String> = ss.lines().filter_map(ss_line).collect();
    ours.sort();
    theirs.sort();
    assert!(theirs.len() >= 8, "{ss}");
    assert_eq!(ours, theirs, "{ss}");
}

/// `UNCONN 0 0 10.0.0.1%eth0:123 0.0.0.0:* users:(("ntpd",pid=9,fd=16))` in our words.
fn ss_line(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (address, port) = words.get(3)?.rsplit_once(':')?;
    if !["123", "319", "320", "323"].contains(&port) {
        return None;
    }
    // ss shows the zone of a link-local address as an interface: it is bound to the address alone.
    let address = address
        .trim_matches(['[', ']'])
        .replace(']', "")
        .replace('*', "::");
    let users = words.last()?;
    let name = users.split('"').nth(1)?;
    let pid = users.split("pid=").nth(1)?.split(',').next()?;
    Some(format!("{address} {port} {name} {pid}"))
}

#[test]
fn two_holders_are_a_conflict() {
    let Some(mut lab) = Lab::new() else { return };
    if !lab.chronyd("local stratum 3\nallow\nbindaddress 10.77.1.2") {
        return;
    }
    lab.talker("127.0.0.1:123", |_| None, None);
    let ran = lab.here(&["check-port", "--json"]);
    let json = ran.json();
    assert_eq!(
        (ran.status, &json["here"]["server"]),
        (1, &"conflict".into()),
        "{json}"
    );
    assert!(
        findings(&json).contains("held by more than one program"),
        "{json}"
    );
}

#[test]
fn a_holder_that_is_no_time_daemon_is_foreign() {
    let Some(mut lab) = Lab::new() else { return };
    lab.talker("0.0.0.0:123", |_| None, None);
    let ran = lab.here(&["check-port", "--json"]);
    assert_eq!(
        (ran.status, &ran.json()["here"]["server"]),
        (1, &"foreign".into())
    );
}

#[test]
fn a_chronyd_that_serves_nobody_is_fine_and_one_with_port_0_is_not() {
    let Some(mut lab) = Lab::new() else { return };
    let conf = lab.dir.path().join("chrony.conf");
    let dir = lab.dir.path().display().to_string();
    let base = format!("bindcmdaddress /\nbindcmdaddress 127.0.0.1\npidfile {dir}/pid\n");
    std::fs::write(&conf, &base).unwrap();
    let path = conf.display().to_string();
    if !lab.daemon(
        "chronyd",
        &["-x", "-d", "-u", "root", "-f", &path],
        "127.0.0.1:323",
    ) {
        return;
    }
    let ran = lab.here(&["check-port", "--json"]);
    let json = ran.json();
    assert_eq!(
        (ran.status, &json["here"]["server"]),
        (0, &"nobody_fine".into()),
        "{json}"
    );
    assert!(
        findings(&json).contains("add `allow 192.0.2.0/24` to "),
        "{json}"
    );
    // The file was edited, and the daemon not told.
    std::fs::write(&conf, format!("{base}allow 10.0.0.0/8\n")).unwrap();
    let ran = lab.here(&["check-port", "--json"]);
    let json = ran.json();
    assert_eq!(
        (ran.status, &json["here"]["server"]),
        (1, &"nobody_wrong".into()),
        "{json}"
    );
    assert!(findings(&json).contains("was started without"), "{json}");
}

#[test]
fn the_rule_that_decides_is_quoted_and_the_command_to_open_works() {
    let Some(mut lab) = Lab::new() else { return };
    if !lab.chronyd("local stratum 3\nallow") {
        return;
    }
    lab.filter("ct state established,related accept; iifname lo accept; udp dport 123 drop");
    let ran = lab.here(&["check-port", "--json"]);
    let json = ran.json();
    assert_eq!(ran.status, 1, "{json}");
    let row = passage(&json, "requests_in", "ipv4");
    assert_eq!(
        (&row["outcome"], &row["rule"]),
        (&"blocked".into(), &"udp dport 123 drop".into())
    );
    assert_eq!(
        (&row["place"], &row["owner"]),
        (&"inet t i".into(), &"nftables".into())
    );
    assert_eq!(passage(&json, "answers_in", "ipv4")["outcome"], "allowed");
    let next = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|f| f["next"].as_str().filter(|n| n.starts_with("nft insert")));
    let command = next.unwrap();
    lab.at_server(&command.split(' ').collect::<Vec<_>>());
    let after = lab.here(&["check-port", "--json"]);
    assert_eq!(after.status, 0, "{}", after.json());
    assert_eq!(lab.ask(&["check-port", SERVER]).status, 0);
}

#[test]
fn a_filter_that_stops_the_machine_s_own_requests_is_an_error_and_the_command_helps() {
    let Some(lab) = Lab::new() else { return };
    let rules = "table inet t { chain o { type filter hook output priority 0; policy drop; } ; }";
    lab.at_server(&["nft", rules]);
    let ran = lab.here(&["check-port", "--json"]);
    let json = ran.json();
    assert_eq!(ran.status, 1, "{json}");
    assert_eq!(passage(&json, "requests_out", "ipv6")["outcome"], "blocked");
    let next = json["findings"].as_array().unwrap().iter();
    let command = next
        .filter_map(|f| f["next"].as_str())
        .find(|n| n.starts_with("nft insert"));
    lab.at_server(&command.unwrap().split(' ').collect::<Vec<_>>());
    assert_eq!(
        passage(&here(&lab, &[]), "requests_out", "ipv4")["outcome"],
        "allowed"
    );
}

#[test]
fn rules_for_some_clients_depend_until_the_client_is_named() {
    let Some(mut lab) = Lab::new() else { return };
    if !lab.chronyd("local stratum 3\nallow") {
        return;
    }
    lab.filter("ip saddr 192.0.2.0/24 udp dport 123 accept; udp dport 123 reject");
    let row = |args: &[&str]| passage(&here(&lab, args), "requests_in", "ipv4").clone();
    let some = row(&[]);
    assert_eq!(some["outcome"], "conditional", "{some}");
    assert_eq!(some["conditions"][0]["when"], "ip saddr 192.0.2.0/24");
    assert_eq!(row(&["--client", "192.0.2.9"])["outcome"], "allowed");
    assert_eq!(row(&["--client", "10.77.1.1"])["outcome"], "blocked");
}

#[test]
fn both_back_ends_of_iptables_are_read_in_their_own_terms() {
    let Some(mut lab) = Lab::new() else { return };
    if !lab.chronyd("local stratum 3\nallow") {
        return;
    }
    for (tool, place) in [
        ("iptables-nft", "iptables-nft filter INPUT"),
        ("iptables-legacy", "iptables-legacy filter INPUT"),
    ] {
        lab.at_server(&[
            tool, "-A", "INPUT", "-p", "udp", "-m", "length", "--length", "70:80", "-m", "udp",
            "--dport", "123", "-j", "DROP",
        ]);
        let ran = lab.here(&["check-port", "--json"]);
        let json = ran.json();
        let row = passage(&json, "requests_in", "ipv4");
        assert_eq!(
            (&row["outcome"], &row["place"]),
            (&"blocked".into(), &place.into()),
            "{json}"
        );
        assert!(
            row["rule"]
                .as_str()
                .unwrap()
                .contains("--dport 123 -m length --length 70:80 -j DROP")
                || row["rule"].as_str().unwrap().contains("--length 70:80"),
            "{row}"
        );
        assert_eq!(passage(&json, "requests_in", "ipv6")["outcome"], "allowed");
        assert!(
            findings(&json).contains("-I INPUT -p udp --dport 123 -j ACCEPT"),
            "{json}"
        );
        lab.at_server(&[tool, "-F"]);
    }
}

#[test]
fn without_root_what_cannot_be_seen_is_said() {
    let Some(mut lab) = Lab::new() else { return };
    if !lab.chronyd("local stratum 3\nallow") {
        return;
    }
    let ran = lab.here_as_nobody(&["check-port", "--json"]);
    let json = ran.json();
    assert_eq!(
        json["here"]["listeners"].as_array().unwrap().len(),
        2,
        "{json}"
    );
    let filters = json["here"]["filters"].as_array().unwrap();
    assert!(
        filters
            .iter()
            .all(|f| f["read"] == false && f["detail"] == "needs root"),
        "{json}"
    );
    assert!(findings(&json).contains("for root alone to read"), "{json}");
    // It answers: it is an NTP server, whoever holds it.
    assert_eq!(
        (ran.status, &json["here"]["server"]),
        (0, &"held".into()),
        "{json}"
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
