//! iptables rules, hand-made and as ufw makes them.

use super::*;
use crate::conf::firewall::Flow;
use crate::conf::firewall::Outcome;
use crate::conf::firewall::Verdict;
use crate::conf::firewall::evaluate;

const UFW_DEFAULT: &str = include_str!("../../../../tests/data/firewall/ufw-default.save");
const UFW_DEFAULT6: &str = include_str!("../../../../tests/data/firewall/ufw-default.save6");
const UFW_NTP: &str = include_str!("../../../../tests/data/firewall/ufw-ntp.save");
const UFW_LIMIT: &str = include_str!("../../../../tests/data/firewall/ufw-limit.save");

fn request(direction: Direction) -> Flow {
    Flow {
        direction,
        v6: false,
        source_port: None,
        destination_port: Some(123),
        reply: false,
        interface: Some("eth0".to_owned()),
        local: Some("10.9.0.2".parse().unwrap()),
        remote: None,
        length: 76,
    }
}

fn input(rules: &str) -> Verdict {
    let text = format!("*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}\nCOMMIT\n");
    evaluate(&parse(&text, false, "iptables"), &request(Direction::In))
}

#[test]
fn the_first_rule_that_matches_decides_and_is_quoted() {
    let verdict = input(
        "-A INPUT -p tcp -m tcp --dport 123 -j ACCEPT\n-A INPUT -p udp -m udp --dport 123 -j DROP",
    );
    assert_eq!(verdict.outcome(), Outcome::Blocked);
    let ruling = verdict.deciding().unwrap();
    assert_eq!(ruling.rule, "-A INPUT -p udp -m udp --dport 123 -j DROP");
    assert_eq!(ruling.place, "iptables filter INPUT");
}

#[test]
fn what_depends_on_the_client_is_conditional_and_says_on_what() {
    let verdict = input(
        "-A INPUT -s 192.0.2.0/24 -p udp --dport 123 -j ACCEPT\n-A INPUT -j REJECT --reject-with icmp-host-prohibited",
    );
    assert_eq!(verdict.outcome(), Outcome::Conditional);
    assert_eq!(verdict.rulings[0].conditions, ["-s 192.0.2.0/24"]);
    assert_eq!(
        verdict.rulings[1].fate,
        Fate::Rejected("icmp-host-prohibited".to_owned())
    );
}

#[test]
fn other_interfaces_addresses_sizes_and_states_do_not_match() {
    for rule in [
        "-A INPUT -i eth1 -j DROP",
        "-A INPUT ! -i eth+ -j DROP",
        "-A INPUT -d 10.9.0.3/32 -j DROP",
        "-A INPUT -m length --length 100:65535 -j DROP",
        "-A INPUT -m conntrack --ctstate INVALID -j DROP",
        "-A INPUT -p icmp -j DROP",
        "-A INPUT -p udp --sport 0:1023 -j DROP",
        "-A INPUT -p udp -m multiport --dports 53,67:69 -j DROP",
    ] {
        assert_eq!(input(rule).outcome(), Outcome::Allowed, "{rule}");
    }
    for rule in [
        "-A INPUT -i eth+ -j DROP",
        "-A INPUT -d 10.9.0.0/255.255.0.0 -j DROP",
        "-A INPUT ! -d 10.9.0.3/32 -j DROP",
        "-A INPUT -p udp -m multiport --dports 53,120:130 -j DROP",
        "-A INPUT -p udp ! --sport 123 -m comment --comment \"no client\" -j DROP",
    ] {
        assert_eq!(input(rule).outcome(), Outcome::Blocked, "{rule}");
    }
}

#[test]
fn a_match_that_is_not_known_is_never_guessed() {
    let verdict = input("-A INPUT -m set --match-set friends src -j ACCEPT\n-A INPUT -j DROP");
    assert_eq!(verdict.outcome(), Outcome::Conditional);
    assert_eq!(verdict.rulings[0].conditions, ["--match-set friends src"]);
    let verdict = input("-A INPUT -p udp --dport 123 -m weird --thing -j NFQUEUE");
    assert_eq!(verdict.outcome(), Outcome::Conditional);
}

#[test]
fn packets_that_leave_a_chain_early_are_not_counted_with_the_rest() {
    let verdict = input("-A INPUT -j mine\n-A mine -s 10.0.0.0/8 -j RETURN\n-A mine -j DROP");
    assert_eq!(verdict.outcome(), Outcome::Conditional);
    assert_eq!(verdict.rulings[0].conditions, ["not (-s 10.0.0.0/8)"]);
    assert!(verdict.rulings[1].fate.passes());
}

#[test]
fn a_loop_of_jumps_ends() {
    assert_eq!(
        input("-A INPUT -j a\n-A a -j b\n-A b -j a").outcome(),
        Outcome::Allowed
    );
}

#[test]
fn chains_that_jump_to_each_other_without_end_are_given_up_and_said_to_be() {
    let mut rules = String::from("-A INPUT -j c0\n");
    for chain in 0..14 {
        for source in 0..12 {
            let next = chain + 1;
            rules.push_str(&format!("-A c{chain} -s 10.{source}.0.0/16 -j c{next}\n"));
        }
    }
    let verdict = input(&rules);
    assert_eq!(verdict.outcome(), Outcome::Conditional);
    assert!(
        verdict
            .rulings
            .iter()
            .any(|r| matches!(r.fate, Fate::Unknown(_))),
        "{verdict:?}"
    );
}

#[test]
fn a_published_port_is_redirected() {
    let text = "*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n\
                -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n\
                -A DOCKER ! -i docker0 -p udp -m udp --dport 123 -j DNAT --to-destination 172.17.0.2:123\nCOMMIT\n";
    let verdict = evaluate(&parse(text, false, "iptables"), &request(Direction::In));
    let fate = &verdict.deciding().unwrap().fate;
    assert_eq!(*fate, Fate::Redirected("DNAT to 172.17.0.2:123".to_owned()));
}

#[test]
fn ufw_as_it_comes_blocks_requests_in_and_lets_them_out() {
    let rules = parse(UFW_DEFAULT, false, "iptables");
    let verdict = evaluate(&rules, &request(Direction::In));
    assert_eq!(verdict.outcome(), Outcome::Blocked);
    let ruling = verdict.deciding().unwrap();
    assert_eq!(
        (&ruling.rule[..], &ruling.owner),
        ("policy drop", &Owner::Ufw)
    );
    assert_eq!(
        evaluate(&rules, &request(Direction::Out)).outcome(),
        Outcome::Allowed
    );
    let six = parse(UFW_DEFAULT6, true, "ip6tables");
    let flow = Flow {
        v6: true,
        local: Some("fd00::2".parse().unwrap()),
        ..request(Direction::In)
    };
    assert_eq!(evaluate(&six, &flow).outcome(), Outcome::Blocked);
    // IPv6 rules say nothing of IPv4.
    assert_eq!(evaluate(&six, &request(Direction::In)).rulings, []);
}

#[test]
fn answers_come_back_through_ufw() {
    let reply = Flow {
        source_port: Some(123),
        destination_port: None,
        reply: true,
        ..request(Direction::In)
    };
    let rules = parse(UFW_DEFAULT, false, "iptables");
    assert_eq!(evaluate(&rules, &reply).outcome(), Outcome::Allowed);
}

#[test]
fn ufw_allow_is_found_in_its_chain() {
    let verdict = evaluate(&parse(UFW_NTP, false, "iptables"), &request(Direction::In));
    assert_eq!(verdict.outcome(), Outcome::Allowed);
    assert_eq!(
        verdict.deciding().unwrap().rule,
        "-A ufw-user-input -p udp -m udp --dport 123 -j ACCEPT"
    );
}

#[test]
fn ufw_limit_is_conditional_and_deny_out_blocks() {
    let rules = parse(UFW_LIMIT, false, "iptables");
    let verdict = evaluate(&rules, &request(Direction::In));
    assert_eq!(verdict.outcome(), Outcome::Conditional);
    let rejected = &verdict.rulings[0];
    assert!(matches!(rejected.fate, Fate::Rejected(_)), "{rejected:?}");
    assert!(
        rejected.conditions.iter().any(|c| c.contains("hitcount")),
        "{rejected:?}"
    );
    assert_eq!(
        evaluate(&rules, &request(Direction::Out)).outcome(),
        Outcome::Blocked
    );
}

#[test]
fn any_text_is_read_without_a_panic() {
    for text in [
        "",
        "*",
        "*filter\n:INPUT",
        "-A",
        "*filter\n-A INPUT -s",
        "*filter\n-A INPUT \"",
        ":x",
    ] {
        let _ = evaluate(&parse(text, false, "iptables"), &request(Direction::In));
    }
}

proptest::proptest! {
    /// Lines made of the words that rules have, in any order: no panic, an end, and what is blocked
    /// has a rule that blocks.
    #[test]
    fn any_order_of_words_is_read(lines in proptest::collection::vec(
        proptest::collection::vec(proptest::sample::select(vec![
            "-A", "INPUT", "a", "b", "-j", "-g", "DROP", "ACCEPT", "RETURN", "REJECT", "!", "-s", "-p",
            "udp", "tcp", "--dport", "123", "1:", ":9", "-i", "eth+", "10.0.0.0/8", "::/0", "--state",
            "NEW", "--length", "\"x", "*nat", ":INPUT DROP", ":a -", "COMMIT", "-m", "--limit", "1/s",
        ]), 1..9), 0..24))
    {
        let lines: Vec<String> = lines.iter().map(|words| words.join(" ")).collect();
        let text = format!("*filter\n:INPUT ACCEPT\n:a -\n:b -\n{}", lines.join("\n"));
        let verdict = evaluate(&parse(&text, false, "iptables"), &request(Direction::In));
        if verdict.outcome() == Outcome::Blocked {
            proptest::prop_assert!(verdict.deciding().is_some_and(|ruling| !ruling.fate.passes()));
        }
    }
}
