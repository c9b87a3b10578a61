//! Asking hosts through packet filters: theirs, ones on the way, and this machine's own.

use super::lab::Lab;
use super::lab::SERVER;
use super::lab::SERVER6;
use super::there::findings;
use super::there::test;
use super::there::verdict;
use std::time::Instant;

#[test]
#[allow(clippy::too_many_lines, reason = "a table of the rejections")]
fn each_icmp_rejection_is_told_apart_with_its_sender() {
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow") else {
        return;
    };
    for (address, rule, expected, words) in [
        (
            SERVER,
            "icmp type port-unreachable",
            "closed",
            "port unreachable",
        ),
        (
            SERVER,
            "icmp type net-unreachable",
            "unreachable",
            "network unreachable",
        ),
        (
            SERVER,
            "icmp type host-unreachable",
            "unreachable",
            "host unreachable",
        ),
        (
            SERVER,
            "icmp type prot-unreachable",
            "unreachable",
            "protocol unreachable",
        ),
        (
            SERVER,
            "icmp type net-prohibited",
            "prohibited",
            "network administratively prohibited",
        ),
        (
            SERVER,
            "icmp type host-prohibited",
            "prohibited",
            "host administratively prohibited",
        ),
        (
            SERVER,
            "icmp type admin-prohibited",
            "prohibited",
            "communication administratively prohibited",
        ),
        (
            SERVER6,
            "icmpv6 type port-unreachable",
            "closed",
            "port unreachable",
        ),
        (
            SERVER6,
            "icmpv6 type no-route",
            "unreachable",
            "no route to the destination",
        ),
        (
            SERVER6,
            "icmpv6 type addr-unreachable",
            "unreachable",
            "address unreachable",
        ),
        (
            SERVER6,
            "icmpv6 type admin-prohibited",
            "prohibited",
            "administratively prohibited",
        ),
        (
            SERVER6,
            "icmpv6 type policy-fail",
            "prohibited",
            "source address failed the policy",
        ),
        (
            SERVER6,
            "icmpv6 type reject-route",
            "prohibited",
            "route to the destination rejected",
        ),
    ] {
        lab.filter(&format!("udp dport 123 reject with {rule}"));
        let ran = lab.ask(&["check-port", "--json", address]);
        let json = ran.json();
        assert_eq!(
            (ran.status, verdict(&json)),
            (1, expected),
            "{rule}: {json}"
        );
        let icmp = &json["targets"][0]["addresses"][0]["icmp"];
        assert_eq!(
            (&icmp["words"], &icmp["from"]),
            (&words.into(), &address.into()),
            "{rule}"
        );
    }
}

#[test]
fn dropped_and_denied_are_silent_and_never_closed() {
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow 127.0.0.1") else {
        return;
    };
    let denied = lab.ask(&["check-port", "--json", SERVER]);
    assert_eq!((denied.status, verdict(&denied.json())), (2, "silent"));
    lab.filter("udp dport 123 drop");
    let began = Instant::now();
    let dropped = lab.ask(&["check-port", "--json", SERVER]);
    let json = dropped.json();
    assert_eq!((dropped.status, verdict(&json)), (2, "silent"));
    assert_eq!(json["targets"][0]["addresses"][0]["packets_sent"], 3);
    assert!((3.9..9.0).contains(&began.elapsed().as_secs_f64()));
    let words = json["targets"][0]["addresses"][0]["detail"]
        .as_str()
        .unwrap();
    assert!(
        words.contains("dropped on the way") && !words.contains("closed"),
        "{words}"
    );
}

#[test]
fn a_filter_for_the_source_port_is_found() {
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow") else {
        return;
    };
    lab.filter("udp dport 123 udp sport != 123 drop");
    let json = lab.json(&[SERVER]);
    assert_eq!(verdict(&json), "silent");
    assert_eq!(test(&json, "source_port123"), "answered");
    assert_eq!(test(&json, "ntpv3"), "silent");
    assert!(
        findings(&json).contains("from source port 123, and no others"),
        "{json}"
    );
}

#[test]
fn the_own_firewall_and_missing_routes_are_not_blamed_on_the_host() {
    let Some(lab) = Lab::new() else { return };
    let rules =
        "table inet t { chain o { type filter hook output priority 0; udp dport 123 drop; } ; }";
    lab.at_client(&["nft", rules]);
    assert_eq!(verdict(&lab.json(&[SERVER])), "blocked_here");
    lab.at_client(&["nft", "flush", "ruleset"]);
    let ran = lab.ask(&["check-port", "--json", "203.0.113.9"]);
    assert_eq!((ran.status, verdict(&ran.json())), (2, "no_route"));
    // Nobody has that address on the wire: this machine itself says so.
    let json = lab.json(&["10.77.1.77"]);
    assert_eq!(verdict(&json), "unreachable");
    assert_eq!(
        json["targets"][0]["addresses"][0]["icmp"]["from"],
        "10.77.1.1"
    );
}

#[test]
fn both_back_ends_of_iptables_give_the_same_verdicts() {
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow") else {
        return;
    };
    for tool in ["iptables-nft", "iptables-legacy"] {
        lab.at_server(&[
            tool,
            "-A",
            "INPUT",
            "-p",
            "udp",
            "--dport",
            "123",
            "-j",
            "REJECT",
            "--reject-with",
            "icmp-admin-prohibited",
        ]);
        assert_eq!(verdict(&lab.json(&[SERVER])), "prohibited", "{tool}");
        lab.at_server(&[tool, "-F"]);
        lab.at_server(&[
            tool, "-A", "INPUT", "-p", "udp", "--dport", "123", "-m", "length", "--length", "200:",
            "-j", "DROP",
        ]);
        assert_eq!(verdict(&lab.json(&[SERVER])), "open", "{tool}");
        lab.at_server(&[tool, "-F"]);
        lab.at_server(&[
            tool, "-A", "INPUT", "-p", "udp", "--dport", "123", "-j", "DROP",
        ]);
        assert_eq!(verdict(&lab.json(&[SERVER])), "silent", "{tool}");
        lab.at_server(&[tool, "-F"]);
    }
}

#[test]
fn answers_that_the_own_filter_drops_are_not_blamed_on_the_server() {
    let Some(lab) = Lab::with_chronyd("local stratum 3\nallow") else {
        return;
    };
    let rules =
        "table inet t { chain i { type filter hook input priority 0; udp sport 123 drop; } ; }";
    lab.at_client(&["nft", rules]);
    let ran = lab.ask(&["check-port", "--json", SERVER]);
    let json = ran.json();
    assert_eq!((ran.status, verdict(&json)), (1, "blocked_here"), "{json}");
    let address = &json["targets"][0]["addresses"][0];
    let detail = address["detail"].as_str().unwrap();
    assert!(
        detail.contains("(inet t i: udp sport 123 drop)"),
        "{detail}"
    );
    let next = json["findings"].as_array().unwrap().iter();
    let command = next
        .filter_map(|f| f["next"].as_str())
        .find(|n| n.starts_with("nft insert"))
        .unwrap();
    lab.at_client(&command.split(' ').collect::<Vec<_>>());
    assert_eq!(verdict(&lab.json(&[SERVER])), "open");
}
