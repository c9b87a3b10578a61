//! nftables rules, hand-made and as firewalld makes them.

use super::*;
use crate::conf::firewall::Flow;
use crate::conf::firewall::Outcome;
use crate::conf::firewall::Verdict;
use crate::conf::firewall::evaluate;

const DEFAULT: &str = include_str!("../../../../tests/data/firewall/firewalld-default.nft.json");
const NTP: &str = include_str!("../../../../tests/data/firewall/firewalld-ntp.nft.json");
const RICH: &str = include_str!("../../../../tests/data/firewall/firewalld-rich.nft.json");
const UFW: &str = include_str!("../../../../tests/data/firewall/ufw-default.nft.json");

fn request(interface: &str) -> Flow {
    Flow {
        direction: Direction::In,
        v6: false,
        source_port: None,
        destination_port: Some(123),
        reply: false,
        interface: Some(interface.to_owned()),
        local: Some("10.9.0.2".parse().unwrap()),
        remote: None,
        length: 76,
    }
}

fn input(policy: &str, rules: &[&str]) -> Verdict {
    let rules: Vec<String> = rules
        .iter()
        .map(|e| format!(r#",{{"rule":{{"family":"inet","table":"t","chain":"i","expr":[{e}]}}}}"#))
        .collect();
    let text = format!(
        r#"{{"nftables":[{{"metainfo":{{}}}},{{"chain":{{"family":"inet","table":"t","name":"i","type":"filter","hook":"input","prio":0,"policy":"{policy}"}}}},
        {{"set":{{"family":"inet","name":"peers","table":"t","type":"ipv4_addr","elem":["192.0.2.1",{{"elem":{{"val":"10.9.0.2"}}}}]}}}}{}]}}"#,
        rules.concat()
    );
    evaluate(&parse(&text).unwrap().rulesets, &request("eth0"))
}

const DPORT: &str =
    r#"{"match":{"op":"==","left":{"payload":{"protocol":"udp","field":"dport"}},"right":123}}"#;

#[test]
fn a_rule_is_quoted_in_the_words_of_nft() {
    let verdict = input(
        "accept",
        &[&format!(
            "{DPORT},{{\"counter\":{{\"packets\":0,\"bytes\":0}}}},{{\"drop\":null}}"
        )],
    );
    assert_eq!(verdict.outcome(), Outcome::Blocked);
    let ruling = verdict.deciding().unwrap();
    assert_eq!(
        (&ruling.rule[..], &ruling.place[..]),
        ("udp dport 123 drop", "inet t i")
    );
}

#[test]
fn sets_ranges_and_prefixes_match() {
    let blocked = [
        r#"{"match":{"op":"==","left":{"payload":{"protocol":"th","field":"dport"}},"right":{"set":[53,{"range":[120,130]}]}}},{"drop":null}"#,
        r#"{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"daddr"}},"right":{"prefix":{"addr":"10.9.0.0","len":24}}}},{"drop":null}"#,
        r#"{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"daddr"}},"right":"@peers"}},{"drop":null}"#,
        r#"{"match":{"op":"<","left":{"meta":{"key":"length"}},"right":100}},{"drop":null}"#,
        r#"{"match":{"op":"!=","left":{"meta":{"key":"iifname"}},"right":"lo"}},{"drop":null}"#,
        r#"{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"eth*"}},{"drop":null}"#,
        r#"{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["new","related"]}},{"drop":null}"#,
    ];
    for rule in blocked {
        assert_eq!(
            input("accept", &[rule]).outcome(),
            Outcome::Blocked,
            "{rule}"
        );
    }
    let allowed = [
        r#"{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":123}},{"drop":null}"#,
        r#"{"match":{"op":"==","left":{"payload":{"protocol":"ip6","field":"daddr"}},"right":"::1"}},{"drop":null}"#,
        r#"{"match":{"op":">","left":{"meta":{"key":"length"}},"right":100}},{"drop":null}"#,
        r#"{"match":{"op":"==","left":{"meta":{"key":"oifname"}},"right":"eth0"}},{"drop":null}"#,
        r#"{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":"invalid"}},{"drop":null}"#,
    ];
    for rule in allowed {
        assert_eq!(
            input("accept", &[rule]).outcome(),
            Outcome::Allowed,
            "{rule}"
        );
    }
}

#[test]
fn a_verdict_map_is_a_row_of_rules() {
    let map = r#"{"vmap":{"key":{"ct":{"key":"state"}},"data":{"set":[["invalid",{"drop":null}],["new",{"accept":null}]]}}}"#;
    assert_eq!(input("drop", &[map]).outcome(), Outcome::Allowed);
    let map =
        r#"{"vmap":{"key":{"meta":{"key":"iifname"}},"data":{"set":[["lo",{"accept":null}]]}}}"#;
    let verdict = input("drop", &[map]);
    assert_eq!(verdict.outcome(), Outcome::Blocked);
    assert_eq!(verdict.deciding().unwrap().rule, "policy drop");
}

#[test]
fn a_rate_makes_it_conditional() {
    let rule =
        format!(r#"{DPORT},{{"limit":{{"rate":1,"per":"second","inv":true}}}},{{"drop":null}}"#);
    let verdict = input("accept", &[&rule]);
    assert_eq!(verdict.outcome(), Outcome::Conditional);
    assert_eq!(verdict.rulings[0].conditions, ["limit rate over 1/second"]);
}

#[test]
fn firewalld_rejects_until_the_service_is_added_and_its_zone_is_named() {
    let before = parse(DEFAULT).unwrap().rulesets;
    let verdict = evaluate(&before, &request("eth0"));
    assert_eq!(verdict.outcome(), Outcome::Blocked, "{verdict:?}");
    let ruling = verdict.deciding().unwrap();
    assert_eq!(ruling.owner, Owner::Firewalld("public".to_owned()));
    assert_eq!(ruling.rule, "reject with icmpx admin-prohibited");
    let after = evaluate(&parse(NTP).unwrap().rulesets, &request("eth0"));
    assert_eq!(after.outcome(), Outcome::Allowed, "{after:?}");
    let ruling = after.deciding().unwrap();
    assert_eq!(ruling.place, "inet firewalld filter_IN_public_allow");
}

#[test]
fn firewalld_lets_requests_out_and_their_answers_in() {
    let rules = parse(DEFAULT).unwrap().rulesets;
    let out = Flow {
        direction: Direction::Out,
        ..request("eth0")
    };
    assert_eq!(evaluate(&rules, &out).outcome(), Outcome::Allowed);
    assert_eq!(evaluate(&rules, &out).rulings, []);
    let six = Flow {
        v6: true,
        local: Some("2001:db8::2".parse().unwrap()),
        ..out.clone()
    };
    assert_eq!(evaluate(&rules, &six).outcome(), Outcome::Allowed);
    let answer = Flow {
        source_port: Some(123),
        destination_port: None,
        reply: true,
        ..request("eth0")
    };
    assert_eq!(evaluate(&rules, &answer).outcome(), Outcome::Allowed);
}

#[test]
fn a_rich_rule_is_for_some_and_the_trusted_zone_for_all() {
    let rules = parse(RICH).unwrap().rulesets;
    let public = evaluate(&rules, &request("eth7"));
    assert_eq!(public.outcome(), Outcome::Conditional, "{public:?}");
    assert_eq!(public.rulings[0].conditions, ["ip saddr 10.0.0.0/8"]);
    let trusted = evaluate(&rules, &request("eth0"));
    assert_eq!(trusted.outcome(), Outcome::Allowed, "{trusted:?}");
}

#[test]
fn tables_that_only_iptables_can_read_are_named() {
    let listing = parse(UFW).unwrap();
    assert_eq!(listing.of_iptables, ["ip filter", "ip6 filter"]);
    assert!(parse(DEFAULT).unwrap().of_iptables.is_empty());
}

#[test]
fn other_text_is_refused_and_broken_rules_never_panic() {
    assert!(parse("").is_err());
    assert!(parse("{}").is_err());
    for expression in [
        "null",
        r#"{"match":{}}"#,
        r#"{"vmap":{"data":[]}}"#,
        r#"{"match":{"left":{"payload":{"protocol":"udp","field":"dport"}},"right":{"range":[1]}}},{"drop":null}"#,
        r#"{"jump":{"target":"nowhere"}}"#,
    ] {
        let _ = input("accept", &[expression]);
    }
}

#[test]
fn a_range_of_addresses_is_its_networks_and_nothing_more() {
    let ends = |a: &str, b: &str| networks(a.parse().unwrap(), b.parse().unwrap()).unwrap();
    let shown = |list: Vec<(IpAddr, u8)>| -> Vec<String> {
        list.iter().map(|(a, n)| format!("{a}/{n}")).collect()
    };
    assert_eq!(
        shown(ends("192.0.2.5", "192.0.2.9")),
        ["192.0.2.5/32", "192.0.2.6/31", "192.0.2.8/31"]
    );
    assert_eq!(shown(ends("0.0.0.0", "255.255.255.255")), ["0.0.0.0/0"]);
    assert_eq!(
        shown(ends("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")),
        ["::/0"]
    );
    assert_eq!(shown(ends("2001:db8::", "2001:db8::1")), ["2001:db8::/127"]);
    assert!(ends("10.0.0.2", "10.0.0.1").is_empty());
    assert!(networks("10.0.0.2".parse().unwrap(), "::1".parse().unwrap()).is_none());
}
