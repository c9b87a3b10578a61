//! `clockbox sync --daemon` when there is nothing to do: its memory, and how often it wakes.

use crate::daemon_keys::says;
use crate::net::Net;
use crate::net::skip;
use std::time::Duration;
use std::time::Instant;

/// A number in a file of /proc about the daemon.
fn of_process(net: &Net, field: &str) -> u64 {
    let pid = std::fs::read_to_string(net.path("clockbox.pid")).unwrap();
    let path = format!("/proc/{}/status", pid.trim());
    let status = std::fs::read_to_string(path).unwrap();
    let line = status.lines().find(|l| l.starts_with(field)).unwrap();
    let word = line.split_whitespace().nth(1).unwrap();
    word.parse().unwrap()
}

#[test]
fn eight_servers_take_less_than_six_mebibytes() {
    let Some(mut net) = Net::new() else { return };
    let mut config = format!("pidfile {}\n", net.path("clockbox.pid").display());
    let servers: Vec<String> = (10..18).map(|last| format!("10.77.0.{last}")).collect();
    for server in &servers {
        if net.chronyd(server, "").is_none() {
            return skip("no chronyd");
        }
        config.push_str(&format!("server {server} iburst minpoll 0 maxpoll 1\n"));
    }
    let wanted: Vec<String> = servers.iter().map(|s| format!("{s}: offset")).collect();
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    says(&mut net, &config, &wanted);
    // Until the buffers of the start are full and what they held was put away.
    let end = Instant::now() + Duration::from_secs(180);
    let measured = || {
        let log = std::fs::read_to_string(net.path("clockbox.log")).unwrap();
        let count = |server: &String| log.matches(&format!("{server}: offset")).count();
        servers.iter().map(count).min().unwrap()
    };
    while measured() < 24 {
        assert!(Instant::now() < end, "{}", net.logs());
        std::thread::sleep(Duration::from_millis(500));
    }
    // Its own; what is mapped from the program's file depends on how that was built, and is in the
    // bed tests/beds/engine.
    let own = of_process(&net, "RssAnon:");
    assert!(own < 6144, "{own} kB");
}

#[test]
fn it_sleeps_until_a_packet_or_a_poll_is_due() {
    let Some(mut net) = Net::new() else { return };
    if net.chronyd("10.77.0.10", "").is_none() {
        return skip("no chronyd");
    }
    let config = format!(
        "server 10.77.0.10 iburst minpoll 6\npidfile {}\n",
        net.path("clockbox.pid").display()
    );
    says(&mut net, &config, &["10.77.0.10: offset"]);
    // The quick start is over when nothing was measured for ten seconds.
    let (mut seen, mut still) = (0, Instant::now());
    let end = Instant::now() + Duration::from_secs(120);
    while still.elapsed() < Duration::from_secs(10) {
        assert!(Instant::now() < end, "{}", net.logs());
        std::thread::sleep(Duration::from_millis(250));
        let log = std::fs::read_to_string(net.path("clockbox.log")).unwrap();
        let now = log.matches("10.77.0.10: offset").count();
        if now != seen {
            (seen, still) = (now, Instant::now());
        }
    }
    let before = of_process(&net, "voluntary_ctxt_switches:");
    std::thread::sleep(Duration::from_secs(20));
    let woke = of_process(&net, "voluntary_ctxt_switches:") - before;
    // One poll at most: a request, its timestamp, the reply; and the end of a correction.
    assert!(woke <= 12, "woke {woke} times in 20 s");
}
