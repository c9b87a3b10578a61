//! Looking at the machine itself.

use super::lab::Lab;
use super::lab::SERVER;
use serde_json::Value;

pub(super) fn here(lab: &Lab, args: &[&str]) -> Value {
    lab.here(&[&["check-port", "--json"], args].concat()).json()
}

/// The exit status too.
pub(super) fn looked(lab: &Lab) -> (i32, Value) {
    let ran = lab.here(&["check-port", "--json"]);
    (ran.status, ran.json())
}

pub(super) fn findings(value: &Value) -> String {
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
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow") else {
        return;
    };
    let (status, json) = looked(&lab);
    assert_eq!(
        (status, &json["here"]["server"]),
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
    if !lab.ntpd("restrict default\n") {
        return;
    }
    // Key establishment of NTS: one that waits at an address, one for all, and one that only talks.
    lab.waiter("10.77.1.2:4460");
    lab.waiter("[::1]:4460");
    let json = here(&lab, &[]);
    let mut ours: Vec<String> = json["here"]["listeners"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| {
            let zone = l["interface"]
                .as_str()
                .map(|i| format!("%{i}"))
                .unwrap_or_default();
            format!(
                "{} {}{zone} {} {} {}",
                l["protocol"].as_str().unwrap(),
                l["address"].as_str().unwrap(),
                l["port"],
                l["process"].as_str().unwrap(),
                l["pid"]
            )
        })
        .collect();
    let ss = lab.said(&["ss", "-nulptH"]);
    let mut theirs: Vec<String> = ss.lines().filter_map(ss_line).collect();
    ours.sort();
    theirs.sort();
    assert!(theirs.len() >= 10, "{ss}");
    let tcp = theirs
        .iter()
        .filter(|line| line.starts_with("tcp "))
        .count();
    assert_eq!(tcp, 2, "{ss}");
    assert_eq!(ours, theirs, "{ss}");
}

/// `udp UNCONN 0 0 10.0.0.1%eth0:123 0.0.0.0:* users:(("ntpd",pid=9,fd=16))` in our words.
fn ss_line(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (protocol, waits) = (*words.first()?, *words.get(1)?);
    let (address, port) = words.get(4)?.rsplit_once(':')?;
    let wanted = match protocol {
        "udp" => ["123", "319", "320", "323"].contains(&port),
        _ => port == "4460" && waits == "LISTEN",
    };
    if !wanted {
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
    Some(format!("{protocol} {address} {port} {name} {pid}"))
}

#[test]
fn two_holders_are_a_conflict() {
    let Some(mut lab) = Lab::with_chronyd("local stratum 3\nallow\nbindaddress 10.77.1.2") else {
        return;
    };
    lab.talker("127.0.0.1:123", |_| None, None);
    let (status, json) = looked(&lab);
    assert_eq!(
        (status, &json["here"]["server"]),
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
    let (status, json) = looked(&lab);
    assert_eq!(
        (status, &json["here"]["server"]),
        (0, &"nobody_fine".into()),
        "{json}"
    );
    assert!(
        findings(&json).contains("add `allow 192.0.2.0/24` to "),
        "{json}"
    );
    let wanted = lab.here(&["check-port", "--json", "--client", "203.0.113.9"]);
    let json = wanted.json();
    assert_eq!(
        (wanted.status, &json["here"]["server"]),
        (1, &"nobody_wrong".into()),
        "{json}"
    );
    let command = format!("echo 'allow 203.0.113.9' >>{path} && ");
    assert!(findings(&json).contains(&command), "{json}");
    // The file was edited, and the daemon not told.
    std::fs::write(&conf, format!("{base}allow 10.0.0.0/8\n")).unwrap();
    let (status, json) = looked(&lab);
    assert_eq!(
        (status, &json["here"]["server"]),
        (1, &"nobody_wrong".into()),
        "{json}"
    );
    assert!(findings(&json).contains("was started without"), "{json}");
}

#[test]
fn the_rule_that_decides_is_quoted_and_the_command_to_open_works() {
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow") else {
        return;
    };
    lab.filter("ct state established,related accept; iifname lo accept; udp dport 123 drop");
    let (status, json) = looked(&lab);
    assert_eq!(status, 1, "{json}");
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
    let (status, json) = looked(&lab);
    assert_eq!(status, 1, "{json}");
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
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow") else {
        return;
    };
    lab.filter("ip saddr 192.0.2.0/24 udp dport 123 accept; udp dport 123 reject");
    let row = |args: &[&str]| passage(&here(&lab, args), "requests_in", "ipv4").clone();
    let some = row(&[]);
    assert_eq!(some["outcome"], "conditional", "{some}");
    assert_eq!(some["conditions"][0]["when"], "ip saddr 192.0.2.0/24");
    assert_eq!(row(&["--client", "192.0.2.9"])["outcome"], "allowed");
    assert_eq!(row(&["--client", "10.77.1.1"])["outcome"], "blocked");
}

#[test]
fn a_rule_about_one_address_of_an_interface_is_told_for_that_one() {
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow") else {
        return;
    };
    lab.at_server(&["ip", "addr", "add", "10.77.1.3/24", "dev", "s0"]);
    lab.at_server(&["ip", "addr", "add", "10.77.1.4/24", "dev", "s0"]);
    lab.filter("ip daddr 10.77.1.4 udp dport 123 drop");
    let json = here(&lab, &[]);
    let all = json["here"]["passages"].as_array().unwrap();
    let rows: Vec<&Value> = all
        .iter()
        .filter(|p| p["path"] == "requests_in" && p["family"] == "ipv4")
        .collect();
    assert_eq!(rows.len(), 2, "{json}");
    assert_eq!(
        (&rows[0]["outcome"], &rows[0]["addresses"]),
        (
            &"allowed".into(),
            &serde_json::json!(["10.77.1.2", "10.77.1.3"])
        )
    );
    assert_eq!(
        (&rows[1]["outcome"], &rows[1]["addresses"]),
        (&"blocked".into(), &serde_json::json!(["10.77.1.4"]))
    );
    assert!(
        findings(&json).contains("UDP 123 at 10.77.1.4: inet t i: ip daddr 10.77.1.4"),
        "{json}"
    );
    let answers = all
        .iter()
        .filter(|p| p["path"] == "answers_out" && p["family"] == "ipv4");
    assert_eq!(answers.count(), 1, "{json}");
    let table = lab.here(&["check-port"]).stdout;
    assert!(table.contains("clients' requests in 10.77.1.4"), "{table}");
}

#[test]
fn both_back_ends_of_iptables_are_read_in_their_own_terms() {
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow") else {
        return;
    };
    for (tool, place) in [
        ("iptables-nft", "iptables-nft filter INPUT"),
        ("iptables-legacy", "iptables-legacy filter INPUT"),
    ] {
        lab.at_server(&[
            tool, "-A", "INPUT", "-p", "udp", "-m", "length", "--length", "70:80", "-m", "udp",
            "--dport", "123", "-j", "DROP",
        ]);
        let json = here(&lab, &[]);
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
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow") else {
        return;
    };
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
    // It answers: it is an NTP server, whoever holds it. Whether packets get there is not known.
    assert_eq!(
        (ran.status, &json["here"]["server"]),
        (2, &"held".into()),
        "{json}"
    );
}

#[test]
fn ranges_concatenations_and_verdict_maps_are_followed_for_a_client() {
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow") else {
        return;
    };
    let rules = "
        table inet t {
          set pairs { type ipv4_addr . inet_service; flags interval;
            elements = { 10.0.0.0/24 . 123, 10.1.0.5-10.1.0.9 . 120-130, 10.8.0.0/16 . 124 } }
          map verdicts { type ipv4_addr . inet_service : verdict; flags interval;
            elements = { 10.2.0.0/16 . 123 : drop, 10.3.0.1 . 123 : jump sub } }
          map ports { type inet_service : verdict; flags interval;
            elements = { 22 : accept, 123 : jump own, * : accept } }
          chain own {
            ip saddr 10.9.0.3-10.9.0.77 accept
            ip6 saddr 2001:db8::5-2001:db8::ff accept
          }
          chain sub {
            accept
          }
          chain i { type filter hook input priority 0; policy drop;
            iifname lo accept
            ip saddr . udp dport @pairs accept
            ip saddr . udp dport vmap @verdicts
            meta l4proto . th dport { udp . 53, tcp . 123 } drop
            udp dport vmap @ports
            ip saddr . iifname . udp dport != { 10.5.0.0/16 . \"s0\" . 123 } drop
            accept
          }
        }";
    lab.at_server(&["nft", rules]);
    for (client, expected) in [
        ("10.0.0.77", "allowed"),
        ("10.1.0.9", "allowed"),
        ("10.1.0.10", "blocked"),
        ("10.8.0.1", "blocked"),
        ("10.2.3.4", "blocked"),
        ("10.3.0.1", "allowed"),
        ("10.3.0.2", "blocked"),
        ("10.9.0.2", "blocked"),
        ("10.9.0.77", "allowed"),
        ("10.9.0.78", "blocked"),
        ("10.5.6.7", "allowed"),
        ("2001:db8::4", "allowed"),
        ("2001:db8::ff", "allowed"),
    ] {
        let json = here(&lab, &["--client", client]);
        let family = if client.contains(':') { "ipv6" } else { "ipv4" };
        let row = passage(&json, "requests_in", family);
        assert_eq!(row["outcome"], expected, "{client}: {row}");
    }
}

/// The same healthy chronyd behind filters that stop what it is asked here.
#[test]
fn a_filter_that_stops_the_question_to_itself_is_named_and_not_the_access_rules() {
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow") else {
        return;
    };
    for rule in [
        "udp dport 123 drop",
        "udp sport 123 drop",
        "udp dport 123 reject",
    ] {
        lab.filter(rule);
        let (status, json) = looked(&lab);
        let text = findings(&json);
        assert_eq!(status, 1, "{json}");
        assert_eq!(json["here"]["server"], "held");
        assert!(!text.contains("access rules"), "{text}");
        assert!(
            text.contains(&format!(
                "packet filter stops what it asks itself (inet t i: {rule}"
            )),
            "{text}"
        );
    }
}

#[test]
fn behind_a_filter_an_unknown_program_is_not_judged_and_the_filter_is_named() {
    let Some(mut lab) = Lab::new() else { return };
    lab.talker("0.0.0.0:123", |_| None, None);
    lab.filter("udp dport 123 drop");
    let (status, json) = looked(&lab);
    let text = findings(&json);
    assert_eq!(
        (status, &json["here"]["server"]),
        (1, &"unknown".into()),
        "{json}"
    );
    assert!(
        text.contains("no client reach UDP 123: inet t i: udp dport 123 drop"),
        "{text}"
    );
    assert!(
        text.contains("is not known") && !text.contains("no NTP answer"),
        "{text}"
    );
}

/// Daemons run in other namespaces (the tests beside this one start some), and an ordinary user
/// cannot tell which is whose.
#[test]
fn an_ordinary_user_is_not_told_of_another_namespace_s_daemon_as_this_one_s() {
    let (Some(mut other), Some(lab)) = (Lab::new(), Lab::new()) else {
        return;
    };
    if !other.chronyd("local stratum 3\nallow") {
        return;
    }
    let ran = lab.here_as_nobody(&["check-port", "--json"]);
    let json = ran.json();
    assert_eq!(
        (ran.status, &json["here"]["server"]),
        (2, &"unknown".into()),
        "{json}"
    );
    let text = findings(&json);
    assert!(
        text.contains("in this network namespace or in another: only root sees"),
        "{text}"
    );
    assert!(!text.contains("add `allow"), "{text}");
    // Root sees that it is elsewhere.
    assert_eq!(here(&lab, &[])["here"]["server"], "nobody_fine");
}

/// Two programs with the names and the rights of time daemons; neither touches a clock.
#[test]
fn two_daemons_that_may_steer_the_clock_are_a_fight() {
    let Some(mut lab) = Lab::alone() else { return };
    let holder = "socket(S,PF_INET,SOCK_DGRAM,17); bind(S,sockaddr_in(123,INADDR_ANY)) or die; \
                  $|=1; print 1; sleep 600";
    if !lab.pretender("chronyd", holder)
        || !lab.pretender("systemd-timesyncd", "$|=1; print 1; sleep 600")
    {
        return;
    }
    let (status, json) = looked(&lab);
    assert_eq!(
        (status, &json["here"]["server"]),
        (1, &"conflict".into()),
        "{json}"
    );
    let text = findings(&json);
    assert!(text.contains("two time daemons steer one clock"), "{text}");
    assert!(text.contains(" => kill "), "{text}");
}
