//! `clockbox sync --daemon`: how it asks real servers.

use crate::daemon_keys::says;
use crate::net::Net;
use crate::net::skip;

#[test]
fn interleaved_and_symmetric_requests_leave_from_the_address_and_port_that_were_asked_for() {
    let Some(mut net) = Net::new() else { return };
    // chronyd answers only who comes from there.
    let only = "deny all\nallow 10.77.0.15";
    for server in ["10.77.0.10", "10.77.0.11"] {
        if net.chronyd(server, only).is_none() {
            return skip("no chronyd");
        }
    }
    let config = "server 10.77.0.10 iburst xleave minpoll 0 maxpoll 0\n\
        peer 10.77.0.11 iburst minpoll 0 maxpoll 0\n\
        server 10.77.0.12 iburst auto_offline\n\
        bindacqaddress 10.77.0.15\nacquisitionport 1123\ndscp 46\n";
    let log = says(
        &mut net,
        config,
        &["10.77.0.10: offset", "10.77.0.11: offset", "10.77.0.12: "],
    );
    assert!(!log.contains("warning"), "{log}");
    let sockets = net.run(&["cat", "/proc/net/udp"]);
    let sockets = String::from_utf8_lossy(&sockets.stdout).into_owned();
    // 10.77.0.15:1123 in the kernel's own notation.
    assert!(sockets.contains("0F004D0A:0463"), "{sockets}");
}

#[test]
fn a_name_is_looked_up_without_delaying_the_others() {
    let Some(mut net) = Net::new() else { return };
    for server in ["10.77.0.10", "10.77.0.11"] {
        if net.chronyd(server, "").is_none() {
            return skip("no chronyd");
        }
    }
    net.hosts("127.0.0.1 localhost\n10.77.0.11 clock.test\n");
    let config = "server 10.77.0.10 iburst\npool clock.test iburst maxsources 2\nserver nowhere.invalid iburst\n";
    let log = says(
        &mut net,
        config,
        &["10.77.0.10: offset", "clock.test: offset"],
    );
    let first = log.find("10.77.0.10: offset").unwrap();
    let before = &log[..first];
    assert!(!before.contains("looked up"), "{log}");
}

#[test]
fn chronyd_says_what_it_does_to_its_clock_where_extfield_asks_for_it() {
    let Some(mut net) = Net::new() else { return };
    let keys = net.write(
        "chrony.keys",
        "5 AES128 HEX:000102030405060708090A0B0C0D0E0F\n",
    );
    let more = format!("keyfile {}", keys.display());
    for server in ["10.77.0.10", "10.77.0.11", "10.77.0.12", "10.77.0.13"] {
        if net.chronyd(server, &more).is_none() {
            return skip("no chronyd");
        }
    }
    let config = format!(
        "keyfile {}\n\
        server 10.77.0.10 iburst extfield F323 minpoll 0 maxpoll 0\n\
        server 10.77.0.11 iburst extfield F323 key 5\n\
        server 10.77.0.12 iburst extfield F323 xleave minpoll 0 maxpoll 0\n\
        server 10.77.0.13 iburst extfield F323 version 3 extfield F324\n",
        keys.display()
    );
    let says_it = |n: u8| format!("10.77.0.{n}: it says what it does to its own clock");
    let measured = |n: u8| format!("10.77.0.{n}: offset");
    let mut wanted: Vec<String> = (10..14).map(measured).collect();
    wanted.extend((10..13).map(says_it));
    wanted.push("extfield: only F323 is sent; this one is ignored".to_owned());
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let log = says(&mut net, &config, &wanted);
    // A header of version 3 has no fields.
    assert!(!log.contains(&says_it(13)), "{log}");
    assert!(!log.contains("its time jumped"), "{log}");
}
