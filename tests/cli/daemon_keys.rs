//! `clockbox sync --daemon` with symmetric keys, against chronyd.

use crate::net::Net;
use crate::net::skip;
use std::time::Duration;
use std::time::Instant;

const KEYS: &str = "1 MD5 ASCII:tick\n2 SHA1 HEX:6D1FE7F5ADC4C39E3B8FA1E1C8D4F5E2A1B3C4D5\n3 SHA256 ASCII:three\n\
    4 SHA512 ASCII:four\n5 AES128 HEX:000102030405060708090A0B0C0D0E0F\n\
    6 AES256 HEX:000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F\n7 SHA384 ASCII:seven\n";

/// Starts the daemon with this configuration and waits until its log says all of `wanted`.
pub(crate) fn says(net: &mut Net, config: &str, wanted: &[&str]) -> String {
    let config = net.write("clockbox.conf", config);
    let words = ["sync", "--daemon", "--no-clock-control", "-v", "--config"];
    let program = env!("CARGO_BIN_EXE_clockbox");
    net.start(
        "clockbox",
        &[&[program], &words[..], &[config.to_str().unwrap()]].concat(),
    );
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let log = std::fs::read_to_string(net.path("clockbox.log")).unwrap();
        if wanted.iter().all(|w| log.contains(w)) {
            return log;
        }
        assert!(Instant::now() < end, "{wanted:?}\n{}", net.logs());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn every_algorithm_is_understood_by_chronyd_and_a_wrong_key_is_not_believed() {
    let Some(mut net) = Net::new() else { return };
    let keys = net.write("chrony.keys", &format!("{KEYS}8 MD5 ASCII:tick\n"));
    let more = format!("keyfile {}", keys.display());
    let servers: Vec<String> = (10..19).map(|last| format!("10.77.0.{last}")).collect();
    for server in &servers {
        if net.chronyd(server, &more).is_none() {
            return skip("no chronyd");
        }
    }
    let own = net.write(
        "own.keys",
        &format!("{KEYS}8 MD5 ASCII:tock\n9 TIGER ASCII:x\n"),
    );
    let mut config = format!("keyfile {}\n", own.display());
    for (server, key) in servers.iter().zip(1..=9) {
        let version = if key == 3 { " version 3" } else { "" };
        config.push_str(&format!("server {server} iburst key {key}{version}\n"));
    }
    let good: Vec<String> = (0..7).map(|i| format!("{}: offset", servers[i])).collect();
    let mut wanted: Vec<&str> = good.iter().map(String::as_str).collect();
    wanted.push("key 9 is not used: TIGER is not supported");
    wanted.push("there is no usable key 9 in");
    let log = says(&mut net, &config, &wanted);
    assert!(!log.contains("10.77.0.17: offset"), "{log}");
    assert!(!log.contains("10.77.0.18: offset"), "{log}");
}
