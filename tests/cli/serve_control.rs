//! A server under real traffic as chronyc sees it: counters, clients, rules asked and changed, keys
//! read again; and the same rules held against chronyd's own judgement.

use crate::net::Net;
use crate::net::peer;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

const SERVER: &str = "10.77.0.10";

/// A server of this machine's clock in the namespace, and the socket on which it is asked.
pub(crate) struct Served {
    pub(crate) net: Net,
    socket: String,
    chronyc: String,
}

/// Starts `serve` with this configuration; it leaves the clock alone.
pub(crate) fn start(net: &mut Net, conf: &std::path::Path) {
    let program = env!("CARGO_BIN_EXE_clockbox");
    let conf = conf.to_str().unwrap();
    net.start(
        "server",
        &[program, "serve", "--no-clock-control", "--config", conf],
    );
}

impl Served {
    pub(crate) fn new(lines: &str) -> Option<Self> {
        let chronyc = peer("chrony", "usr/bin/chronyc")?.display().to_string();
        let mut net = Net::new()?;
        let socket = net.path("run/control.sock").display().to_string();
        let text = format!("bindcmdaddress {socket}\nbindaddress {SERVER}\n{lines}");
        let conf = net.write("server.conf", &text);
        start(&mut net, &conf);
        let served = Self {
            net,
            socket,
            chronyc,
        };
        served.waits_for("answering on");
        Some(served)
    }

    pub(crate) fn waits_for(&self, words: &str) {
        let end = Instant::now() + Duration::from_secs(20);
        let log = self.net.path("server.log");
        while !std::fs::read_to_string(&log)
            .unwrap_or_default()
            .contains(words)
        {
            assert!(Instant::now() < end, "{}", self.net.logs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What chronyc prints for these commands, one a line, asked on this socket.
    fn asks_at(&self, socket: &str, commands: &str) -> String {
        let words = [self.chronyc.as_str(), "-n", "-h", socket];
        let mut command = self.net.command(&words);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(commands.as_bytes()).unwrap();
        drop(input);
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    pub(crate) fn asks(&self, commands: &str) -> String {
        self.asks_at(&self.socket, commands)
    }

    /// Sends so many requests from an address; gives how many were answered.
    pub(crate) fn requests(&self, from: &str, count: usize) -> usize {
        let script = format!(
            "import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.bind(('{from}',0))\n\
             s.settimeout(0.4)\nn=0\nfor i in range({count}):\n s.sendto(b'\\x23'+b'\\0'*39+b'12345678',('{SERVER}',123))\n \
             try:\n  n+=len(s.recv(99))==48\n except TimeoutError: pass\nprint(n)"
        );
        let ran = self.net.run(&["python3", "-c", &script]);
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        said.trim().parse().unwrap_or_else(|_| panic!("{ran:?}"))
    }

    /// Whether a request with a MAC of MD5 over this key is answered with one.
    pub(crate) fn signed(&self, id: u32, key: &str) -> bool {
        let script = format!(
            "import socket,hashlib\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.bind(('10.77.0.11',0))\n\
             s.settimeout(0.5)\nh=b'\\x23'+b'\\0'*39+b'12345678'\nk=b'{key}'\ni={id}\n\
             mac=lambda d: i.to_bytes(4,'big')+hashlib.md5(k+d).digest()\n\
             s.sendto(h+mac(h),('{SERVER}',123))\n\
             try:\n r=s.recv(99)\n print(r[48:]==mac(r[:48]))\nexcept TimeoutError: print('silence')"
        );
        let ran = self.net.run(&["python3", "-c", &script]);
        match String::from_utf8_lossy(&ran.stdout).trim() {
            "True" => true,
            "silence" => false,
            other => panic!("{other}: {ran:?}"),
        }
    }
}

/// The number behind a label of `serverstats`.
pub(crate) fn counter(text: &str, label: &str) -> u64 {
    let line = text.lines().find(|l| l.starts_with(label));
    let number = line.and_then(|l| l.split(':').nth(1));
    number
        .and_then(|n| n.trim().parse().ok())
        .unwrap_or_else(|| panic!("{label}: {text}"))
}

/// The columns of a client in `clients`.
pub(crate) fn client(text: &str, address: &str) -> Option<Vec<String>> {
    let line = text.lines().find(|l| l.starts_with(address))?;
    Some(line.split_whitespace().map(str::to_owned).collect())
}

#[test]
fn chronyc_sees_the_clients_the_counters_and_the_rules_of_real_traffic() {
    let lines = "local stratum 5\nallow 10.77.0.0/28\ndeny 10.77.0.13\nratelimit interval 8 burst 6 leak 4\n";
    let Some(served) = Served::new(lines) else {
        return;
    };
    assert_eq!(served.requests("10.77.0.11", 5), 5);
    assert_eq!(served.requests("10.77.0.12", 2), 2);
    assert_eq!(served.requests("10.77.0.13", 3), 0);
    let stats = served.asks("serverstats\n");
    assert_eq!(counter(&stats, "NTP packets received"), 10, "{stats}");
    assert_eq!(counter(&stats, "NTP packets dropped"), 3, "{stats}");
    assert_eq!(counter(&stats, "Authenticated NTP packets"), 0, "{stats}");
    let clients = served.asks("clients\n");
    assert_eq!(
        client(&clients, "10.77.0.11").unwrap()[1..3],
        ["5", "0"],
        "{clients}"
    );
    assert_eq!(
        client(&clients, "10.77.0.12").unwrap()[1..3],
        ["2", "0"],
        "{clients}"
    );
    assert_eq!(
        client(&clients, "10.77.0.13"),
        None,
        "who is refused leaves no record"
    );
    // Over the limit: the burst of six is used up, now and then one leaks.
    let answered = served.requests("10.77.0.12", 8);
    let clients = served.asks("clients\n");
    let dropped: usize = client(&clients, "10.77.0.12").unwrap()[2].parse().unwrap();
    assert_eq!(answered + dropped, 8, "{clients}");
    assert!((4..=6).contains(&answered), "{answered}");
    let ask = |address: &str| served.asks(&format!("accheck {address}\n"));
    assert!(ask("10.77.0.11").contains("208 Access allowed"));
    for refused in ["10.77.0.13", "10.77.0.17", "2001:db8::1"] {
        assert!(ask(refused).contains("209 Access denied"), "{refused}");
    }
    // Rules change while it runs, for the threads that answer too.
    let done = served.asks("allow 10.77.0.13\ndeny 10.77.0.11\n");
    assert_eq!(done.matches("200 OK").count(), 2, "{done}");
    assert!(ask("10.77.0.13").contains("208") && ask("10.77.0.11").contains("209"));
    assert_eq!(served.requests("10.77.0.13", 2), 2);
    assert_eq!(served.requests("10.77.0.11", 1), 0);
    served.asks("allow all 10.77.0.0/24\n");
    assert_eq!(served.requests("10.77.0.11", 1), 1);
    assert_eq!(served.requests("10.77.0.17", 1), 1);
    served.asks("clients -r\n");
    let clients = served.asks("clients\n");
    assert_eq!(client(&clients, "10.77.0.11"), None, "{clients}");
}

#[test]
fn keys_that_are_read_again_hold_for_the_next_request() {
    let Some(net) = Net::new() else { return };
    let keys = net.path("keys");
    std::fs::write(&keys, "1 MD5 ASCII:before\n").unwrap();
    let lines = format!("local\nallow\nkeyfile {}\n", keys.display());
    let Some(served) = Served::new(&lines) else {
        return;
    };
    assert!(served.signed(1, "before"));
    assert!(!served.signed(1, "after"));
    std::fs::write(&keys, "1 MD5 ASCII:after\n2 MD5 ASCII:second\n").unwrap();
    assert!(served.asks("rekey\n").contains("200 OK"));
    assert!(served.signed(1, "after") && served.signed(2, "second"));
    assert!(!served.signed(1, "before"));
    assert_eq!(
        counter(&served.asks("serverstats\n"), "Authenticated NTP packets"),
        3
    );
}

/// Rules of networks that nest in 10.0.0.0/12 and 2001:db8::/32, from a seed.
fn rules(seed: u64) -> (String, Vec<String>) {
    let mut state = seed;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    };
    let (mut lines, mut probes) = (String::new(), Vec::new());
    for _ in 0..60 {
        let verb = if next() % 2 == 0 { "allow" } else { "deny" };
        let all = if next() % 7 == 0 { " all" } else { "" };
        let network = if next() % 4 == 0 {
            let bits = [32, 33, 34, 36, 40, 47, 48, 64, 128][next() as usize % 9];
            let low = if bits == 128 { "1" } else { "" };
            let high = (next() % 4) << 14 & (0xffff_u32 << (48 - bits.min(48)));
            probes.push(format!("2001:db8:{high:x}::1"));
            format!("2001:db8:{high:x}::{low}/{bits}")
        } else {
            let bits = 9 + next() % 24;
            let address = 0x0a00_0000 | (next() & 0x000f_0f0f);
            probes.push(std::net::Ipv4Addr::from(address).to_string());
            let masked = address & (u32::MAX << (32 - bits));
            format!("{}/{bits}", std::net::Ipv4Addr::from(masked))
        };
        lines.push_str(&format!("{verb}{all} {network}\n"));
    }
    for _ in 0..60 {
        let address = 0x0a00_0000 | (next() & 0x000f_0f0f);
        probes.push(std::net::Ipv4Addr::from(address).to_string());
    }
    (lines, probes)
}

#[test]
fn every_address_is_judged_as_chronyd_judges_it() {
    for seed in 1..=3 {
        let (lines, probes) = rules(seed);
        let Some(mut served) = Served::new(&format!("local\n{lines}")) else {
            return;
        };
        let socket = served.net.path("chrony/chronyd.sock").display().to_string();
        let bind = format!("bindcmdaddress {socket}\ncmdport 0\nbindaddress 10.77.0.11\n{lines}");
        let pid = served.net.path("chronyd.pid");
        let text = format!("local\npidfile {}\n{bind}", pid.display());
        let conf = served.net.write("chronyd.conf", &text);
        let program = peer("chrony", "usr/sbin/chronyd").unwrap();
        served.net.chronyd_by("chronyd", &program, &conf);
        let end = Instant::now() + Duration::from_secs(20);
        while !std::path::Path::new(&socket).exists() {
            assert!(Instant::now() < end, "{}", served.net.logs());
            std::thread::sleep(Duration::from_millis(50));
        }
        let questions: String = probes.iter().map(|p| format!("accheck {p}\n")).collect();
        let theirs = served.asks_at(&socket, &questions);
        let ours = served.asks(&questions);
        assert_eq!(theirs.lines().count(), probes.len(), "{theirs}");
        for ((probe, theirs), ours) in probes.iter().zip(theirs.lines()).zip(ours.lines()) {
            assert_eq!(ours, theirs, "{probe} by\n{lines}");
        }
        assert!(theirs.contains("208") && theirs.contains("209"));
    }
}

#[test]
fn beside_a_daemon_its_state_is_told_and_no_longer_once_it_is_gone() {
    let Some(mut net) = Net::new() else { return };
    let Some(program) = peer("chrony", "usr/sbin/chronyd") else {
        return;
    };
    if net.chronyd(SERVER, "local stratum 3").is_none() {
        return;
    }
    // It only measures: this machine's clock is nobody's here.
    let pid = net.path("beside.pid");
    let text = format!(
        "server {SERVER} iburst minpoll 0 maxpoll 0\npidfile {}\nbindcmdaddress 127.0.0.1\nport 0\n",
        pid.display()
    );
    let conf = net.write("beside.conf", &text);
    net.chronyd_by("beside", &program, &conf);
    let program = env!("CARGO_BIN_EXE_clockbox");
    let listen = [
        "serve",
        "--no-clock-control",
        "--listen",
        "10.77.0.11",
        "--allow",
        "10.77.0.0/24",
    ];
    net.start("server", &[&[program], &listen[..]].concat());
    let told = || {
        let script = "import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.bind(('10.77.0.12',0))\n\
             s.settimeout(0.5)\ns.sendto(b'\\x23'+b'\\0'*47,('10.77.0.11',123))\nd=s.recv(99)\n\
             print(d[0]>>6,d[1],d[12:16].hex())";
        let ran = net.run(&["python3", "-c", script]);
        String::from_utf8_lossy(&ran.stdout).trim().to_owned()
    };
    let until = |wanted: &str| {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let said = told();
            if said == wanted {
                return;
            }
            assert!(
                Instant::now() < end,
                "{said} is not {wanted}\n{}",
                net.logs()
            );
            std::thread::sleep(Duration::from_millis(300));
        }
    };
    // One below its server of stratum 3, with that server's address.
    until("0 4 0a4d000a");
    // It has no sources of its own, which is no fault.
    let ran = net.run(&[program, "sources", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let mut rows = json["daemons"].as_array().unwrap().iter();
    let own = rows.any(|r| r["name"] == "clockbox" && r["follows"] == "whoever keeps this clock");
    assert!(own, "{json}");
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(!text.contains("clockbox has no source"), "{text}");
    let log = std::fs::read_to_string(net.path("server.log")).unwrap();
    assert!(
        log.contains("measures this clock, which it does not steer"),
        "{log}"
    );
    let number = std::fs::read_to_string(&pid).unwrap();
    net.run(&["kill", "-KILL", number.trim()]);
    until("3 0 00000000");
}
