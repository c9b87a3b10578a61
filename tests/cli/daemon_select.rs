//! Which sources may decide: `authselectmode` and a clock on its own, held against chronyd.

use crate::net::Net;
use crate::side_by_side::Pair;
use std::time::Duration;
use std::time::Instant;

/// A server that proves who it is, and two that do not.
const KEYED: &str = "10.77.0.10";
const PLAIN: [&str; 2] = ["10.77.0.11", "10.77.0.12"];

/// Three servers, and both daemons that follow them in this mode; with `wrong` the daemons have
/// another key than the server.
fn pair(mode: &str, wrong: bool) -> Option<Pair> {
    let mut net = Net::new()?;
    let keys = |net: &Net, name: &str, text: &str| net.write(name, text).display().to_string();
    let theirs = keys(&net, "server.keys", "1 SHA1 ASCII:tick-tick-tick\n");
    let ours = keys(
        &net,
        "own.keys",
        if wrong {
            "1 SHA1 ASCII:tock-tock-tock\n"
        } else {
            "1 SHA1 ASCII:tick-tick-tick\n"
        },
    );
    net.chronyd(KEYED, &format!("keyfile {theirs}"))?;
    let mut servers = format!("server {KEYED} iburst minpoll 0 maxpoll 0 key 1\n");
    for server in PLAIN {
        net.chronyd(server, "")?;
        servers.push_str(&format!("server {server} iburst minpoll 0 maxpoll 0\n"));
    }
    Pair::start(net, &servers, &format!("keyfile {ours}\n{mode}\n"))
}

/// Of each source: its letter, its options as configured and as they count.
fn rows(pair: &Pair, socket: &str) -> Vec<[String; 3]> {
    let (_, text) = pair.ask(socket, "-n -c", "selectdata");
    let row = |line: &str| {
        let words: Vec<&str> = line.split(',').collect();
        let letters = |from: usize, to: usize| words.get(from..to).unwrap_or_default().concat();
        [letters(0, 1), letters(3, 8), letters(8, 13)]
    };
    text.lines().map(row).collect()
}

/// Waits until both show what is wanted: a letter in `letters` for each source, and the same options
/// in both.
fn both_show(pair: &Pair, letters: [&str; 3], effective: [&str; 3]) {
    let end = Instant::now() + Duration::from_secs(60);
    for socket in [&pair.chronyd_socket, &pair.clockbox_socket] {
        loop {
            let rows = rows(pair, socket);
            let as_wanted = rows.len() == 3
                && rows.iter().zip(letters).zip(effective).all(
                    |(([letter, _, options], letters), want)| {
                        letters.contains(letter.as_str()) && options == want
                    },
                );
            if as_wanted {
                break;
            }
            assert!(
                Instant::now() < end,
                "{socket}: {rows:?}\n{}",
                pair.net.logs()
            );
            std::thread::sleep(Duration::from_millis(250));
        }
    }
    let configured = |socket: &str| -> Vec<String> {
        rows(pair, socket)
            .into_iter()
            .map(|[_, options, _]| options)
            .collect()
    };
    assert_eq!(
        configured(&pair.clockbox_socket),
        configured(&pair.chronyd_socket)
    );
}

#[test]
fn authselectmode_gives_the_sources_the_options_that_chronyd_gives_them() {
    const NONE: &str = "-----";
    for (mode, letters, effective) in [
        (
            "authselectmode require",
            ["*", "N", "N"],
            [NONE, "N----", "N----"],
        ),
        (
            "authselectmode prefer",
            ["*", "N", "N"],
            [NONE, "N----", "N----"],
        ),
        (
            "authselectmode mix",
            ["*+", "*+DUTPx", "*+DUTPx"],
            ["--TR-", NONE, NONE],
        ),
        ("", ["*+", "*+DUTPx", "*+DUTPx"], ["--TR-", NONE, NONE]),
        (
            "authselectmode ignore",
            ["*+DUx", "*+DUx", "*+DUx"],
            [NONE, NONE, NONE],
        ),
    ] {
        let Some(pair) = pair(mode, false) else {
            return;
        };
        both_show(&pair, letters, effective);
    }
}

#[test]
fn under_mix_nobody_is_followed_while_no_server_proves_itself() {
    let Some(pair) = pair("authselectmode mix", true) else {
        return;
    };
    both_show(&pair, ["Ms", "W", "W"], ["--TR-", "-----", "-----"]);
    for socket in [&pair.chronyd_socket, &pair.clockbox_socket] {
        let (_, tracking) = pair.ask(socket, "-n -c", "tracking");
        assert!(
            tracking.contains("Not synchronised"),
            "{socket}: {tracking}"
        );
    }
}

#[test]
fn a_directory_that_is_still_empty_is_enough_to_start_with() {
    let Some(mut net) = Net::new() else { return };
    let directory = net.path("sources.d");
    std::fs::create_dir(&directory).unwrap();
    if net.chronyd(KEYED, "").is_none() {
        return;
    }
    let line = format!("sourcedir {}\nport 0\n", directory.display());
    let Some(pair) = Pair::start(net, "", &line) else {
        return;
    };
    let end = Instant::now() + Duration::from_secs(30);
    for socket in [&pair.chronyd_socket, &pair.clockbox_socket] {
        while !pair
            .ask(socket, "-n", "activity")
            .1
            .contains("0 sources online")
        {
            assert!(Instant::now() < end, "{socket}: {}", pair.net.logs());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    let text = format!("server {KEYED} iburst minpoll 0 maxpoll 0\n");
    std::fs::write(directory.join("more.sources"), text).unwrap();
    for socket in [&pair.chronyd_socket, &pair.clockbox_socket] {
        let (status, text) = pair.ask(socket, "-n", "reload sources");
        assert_eq!(status, 0, "{text}");
        while !pair
            .ask(socket, "-n", "sources")
            .1
            .contains(&format!("^* {KEYED}"))
        {
            assert!(Instant::now() < end, "{socket}: {}", pair.net.logs());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

#[test]
fn a_clock_on_its_own_serves_itself_without_a_server_line() {
    let Some(net) = Net::new() else { return };
    let Some(pair) = Pair::start(net, "", "local stratum 10\nport 0\n") else {
        return;
    };
    let end = Instant::now() + Duration::from_secs(30);
    for socket in [&pair.chronyd_socket, &pair.clockbox_socket] {
        loop {
            let (_, tracking) = pair.ask(socket, "-n -c", "tracking");
            let words: Vec<&str> = tracking.trim().split(',').collect();
            if words.len() == 14 && words[..3] == ["7F7F0101", "", "10"] && words[13] == "Normal" {
                break;
            }
            assert!(
                Instant::now() < end,
                "{socket}: {tracking}\n{}",
                pair.net.logs()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
