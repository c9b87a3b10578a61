//! `clockbox sync` against real daemons in a network namespace, behind delay, jitter and loss.

use crate::mock::Mock;
use crate::mock::program;
use crate::net::Net;
use crate::net::skip;
use crate::run::Ran;
use crate::run::finish;
use serde_json::Value;
use std::time::Duration;
use std::time::Instant;

fn sync(net: &Net, words: &[&str]) -> Ran {
    let base = [
        env!("CARGO_BIN_EXE_clockbox"),
        "sync",
        "--dry-run",
        "--json",
    ];
    finish(
        net.command(&[&base[..], words].concat())
            .env("LC_ALL", "C")
            .output()
            .unwrap(),
    )
}

fn verdict(json: &Value, index: usize) -> &str {
    json["sources"][index]["verdict"].as_str().unwrap()
}

fn good(json: &Value, index: usize) -> bool {
    matches!(verdict(json, index), "selected" | "combined" | "outlier")
}

/// Asks again until the answer is as wanted: daemons take a while to be synchronised.
fn until(net: &Net, seconds: u64, words: &[&str], wanted: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        let json = sync(net, words).json();
        if wanted(&json) {
            return json;
        }
        assert!(Instant::now() < end, "{json}\n{}", net.logs());
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Servers in the namespace: mocks, and relays that put a path before a real server.
fn path_before(net: &Net, words: &[&str]) -> Mock {
    let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    let program = program();
    Mock::spawn(net.command(&[program.to_str().unwrap()]), &words)
}

#[test]
fn chronyd_and_ntpsec_agree_and_openntpd_says_that_it_is_not_synchronised() {
    let Some(mut net) = Net::new() else { return };
    let started = [
        net.chronyd("10.77.0.10", ""),
        net.ntpsec("10.77.0.11", "10.77.0.10"),
        net.openntpd("10.77.0.12", "10.77.0.10"),
    ];
    if started.iter().any(Option::is_none) {
        return skip("a daemon is missing");
    }
    let servers = ["10.77.0.10", "10.77.0.11", "10.77.0.12"];
    // openntpd never calls itself synchronised while it may not set the clock; it says so.
    let all = |json: &Value| (0..2).all(|i| good(json, i)) && verdict(json, 2) == "unsynchronised";
    let json = until(&net, 120, &servers, all);
    let offset = json["result"]["offset_s"].as_f64().unwrap();
    // One clock serves and asks: the truth is zero.
    assert!(
        offset.abs() <= json["result"]["error_bound_s"].as_f64().unwrap(),
        "{json}"
    );
    assert!(offset.abs() < 0.01, "{json}");
}

#[test]
fn delay_jitter_and_loss_before_real_servers_change_nothing_but_the_bound() {
    let Some(mut net) = Net::new() else { return };
    for address in ["10.77.0.10", "10.77.0.11", "10.77.0.12"] {
        if net.chronyd(address, "").is_none() {
            return;
        }
    }
    let relays = path_before(
        &net,
        &[
            "127.0.1.1:123,relay=10.77.0.10:123,delay=0.02",
            "127.0.1.2:123,relay=10.77.0.11:123,delay=0.02,jitter=0.005",
            "127.0.1.3:123,relay=10.77.0.12:123,delay=0.02,loss=0.15",
            "127.0.1.4:123,offset=0.1,delay=0.02",
            "127.0.1.5:123,kiss=RATE",
            "127.0.1.6:123,garbage",
            "127.0.1.7:123,silent",
        ],
    );
    let servers: Vec<&str> = relays
        .addresses
        .iter()
        .map(|a| a.trim_end_matches(":123"))
        .collect();
    let json = until(&net, 30, &servers, |json| (0..3).all(|i| good(json, i)));
    assert_eq!(verdict(&json, 3), "falseticker", "{json}");
    assert_eq!(verdict(&json, 4), "kiss");
    assert!(matches!(
        verdict(&json, 5),
        "invalid" | "silent" | "not_awaited" | "unsynchronised"
    ));
    assert!(matches!(verdict(&json, 6), "silent" | "not_awaited"));
    let result = &json["result"];
    assert!(
        result["offset_s"].as_f64().unwrap().abs() <= result["error_bound_s"].as_f64().unwrap()
    );
}

#[test]
fn ipv6_alone_works_and_a_dead_family_costs_a_quarter_of_a_second() {
    let Some(mut net) = Net::new() else { return };
    if net.chronyd("::1", "bindaddress 10.77.0.19").is_none() {
        return;
    }
    let json = until(&net, 20, &["::1"], |json| good(json, 0));
    assert_eq!(json["sources"][0]["address"], "::1");
    // A name with a dead IPv6 address beside one that answers.
    net.run(&["ip", "-6", "addr", "add", "fd77::1/64", "dev", "lo"]);
    let mute = path_before(&net, &["[fd77::1]:123,silent"]);
    assert_eq!(mute.addresses.len(), 1);
    net.hosts("127.0.0.1 localhost\nfd77::1 dual.test\n10.77.0.10 dual.test\n");
    let _v4 = path_before(&net, &["10.77.0.10:123,delay=0.01"]);
    let json = until(&net, 20, &["dual.test"], |json| good(json, 0));
    assert_eq!(json["sources"][0]["address"], "10.77.0.10", "{json}");
    let took = json["took_s"].as_f64().unwrap();
    assert!(took < 2.0, "the dead family was waited for: {json}");
    let only = sync(&net, &["-6", "--timeout", "1", "dual.test"]).json();
    assert_eq!(verdict(&only, 0), "silent");
}

#[test]
fn a_daemon_that_cannot_set_the_clock_does_not_hold_it() {
    let Some(mut net) = Net::new() else { return };
    if net.chronyd("10.77.0.10", "").is_none() {
        return;
    }
    let json = until(&net, 20, &["10.77.0.10"], |json| good(json, 0));
    assert_eq!(json["daemon"], Value::Null, "{json}");
}
