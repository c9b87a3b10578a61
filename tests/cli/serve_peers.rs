//! Other people's clients against `clockbox serve`, in a network namespace, and the story of a relay
//! whose upstream is cut off. None of them may set the clock.

use crate::net::Net;
use crate::net::peer;
use crate::net::skip;
use std::process::Output;
use std::time::Duration;
use std::time::Instant;

const SERVER: &str = "10.77.0.10";

fn text(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    out + &String::from_utf8_lossy(&output.stderr)
}

/// A server of this machine's clock in the namespace, on port 123, IPv4 and IPv6.
pub(crate) fn serve(net: &mut Net, name: &str, conf: &str) {
    let conf = net.write(&format!("{name}.conf"), conf);
    let words = [
        env!("CARGO_BIN_EXE_clockbox"),
        "serve",
        "--no-clock-control",
        "--config",
        conf.to_str().unwrap(),
    ];
    net.start(name, &words);
    let log = net.path(&format!("{name}.log"));
    let end = Instant::now() + Duration::from_secs(20);
    while !std::fs::read_to_string(&log)
        .unwrap_or_default()
        .contains("answering on")
    {
        assert!(Instant::now() < end, "{}", net.logs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// chronyd as a client that only measures: what it says of the clock.
fn chronyd_q(net: &Net, name: &str, lines: &str) -> Option<String> {
    let program = peer("chrony", "usr/sbin/chronyd")?;
    let pid = net.path(&format!("{name}.pid"));
    let conf = net.write(
        &format!("{name}.conf"),
        &format!(
            "{lines}\ncmdport 0\nbindcmdaddress /\npidfile {}\n",
            pid.display()
        ),
    );
    let words = [
        program.to_str().unwrap(),
        "-Q",
        "-d",
        "-d",
        "-t",
        "15",
        "-U",
        "-u",
        "root",
        "-f",
        conf.to_str().unwrap(),
    ];
    Some(text(&net.run(&words)))
}

#[test]
fn chronyd_follows_plain_with_a_key_interleaved_and_over_ipv6() {
    let Some(mut net) = Net::new() else { return };
    net.write("keys", "1 SHA1 HEX:3132333435363738393031323334353637383930\n2 AES128 HEX:31323334353637383930313233343536\n");
    let keys = net.path("keys");
    let keyfile = format!("keyfile {}", keys.display());
    serve(
        &mut net,
        "server",
        &format!("local stratum 5\nallow\n{keyfile}\n"),
    );
    for (name, server) in [
        ("plain", format!("server {SERVER} iburst")),
        ("sha1", format!("server {SERVER} iburst key 1\n{keyfile}")),
        ("aes", format!("server {SERVER} iburst key 2\n{keyfile}")),
        ("v3", format!("server {SERVER} iburst version 3")),
        ("six", "server ::1 iburst".to_owned()),
        (
            "xleave",
            format!(
                "server {SERVER} iburst xleave minpoll -2 maxpoll -2 minsamples 6\nmaxupdateskew 1000"
            ),
        ),
    ] {
        let Some(said) = chronyd_q(&net, name, &server) else {
            return;
        };
        assert!(
            said.contains("System clock wrong by"),
            "{name}: {said}\n{}",
            net.logs()
        );
        let off = said
            .split("wrong by ")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|number| number.parse::<f64>().ok())
            .unwrap();
        assert!(off.abs() < 0.01, "{name}: {said}");
    }
    let wrong = net.write(
        "wrong",
        "1 SHA1 HEX:0000000000000000000000000000000000000000\n",
    );
    let lines = format!("server {SERVER} iburst key 1\nkeyfile {}", wrong.display());
    let said = chronyd_q(&net, "forged", &lines).unwrap();
    assert!(!said.contains("System clock wrong by"), "{said}");
}

#[test]
fn chronyd_reads_the_finer_root_of_the_field_f323() {
    let Some(mut net) = Net::new() else { return };
    let Some(program) = peer("chrony", "usr/sbin/chronyd") else {
        return;
    };
    net.write(
        "keys",
        "1 SHA1 HEX:3132333435363738393031323334353637383930\n",
    );
    let keyfile = format!("keyfile {}", net.path("keys").display());
    if net.chronyd("10.77.0.11", "").is_none() {
        return;
    }
    serve(
        &mut net,
        "server",
        &format!(
            "server 10.77.0.11 iburst minpoll 0 maxpoll 0\nbindaddress {SERVER}\nallow\n{keyfile}\n"
        ),
    );
    for (name, options) in [
        ("with", "extfield F323"),
        ("signed", "extfield F323 key 1"),
        ("interleaved", "extfield F323 xleave"),
        ("without", ""),
    ] {
        let directory = net.path(name);
        std::fs::create_dir(&directory).unwrap();
        let client = format!(
            "server {SERVER} iburst minpoll -2 maxpoll -2 {options}\n{keyfile}\n\
            logdir {0}\nlog measurements\ncmdport 0\nbindcmdaddress /\npidfile {0}/pid\n",
            directory.display()
        );
        let conf = net.write(&format!("{name}.conf"), &client);
        net.chronyd_by(name, &program, &conf);
        let log = directory.join("measurements.log");
        let dispersions = until(&net, 20, || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let read: Vec<f64> = text
                .lines()
                .filter_map(|line| line.split_whitespace().nth(15)?.parse().ok())
                .collect();
            (read.len() > 12).then_some(read)
        });
        // The header counts in 2^-16 s; the log shows four digits.
        let coarse = |seconds: &f64| {
            let units = seconds * 65536.0;
            (units - units.round()).abs() <= 1e-3 * units
        };
        let all = dispersions.iter().all(coarse);
        assert_eq!(
            all,
            options.is_empty(),
            "{name}: {dispersions:?}\n{}",
            net.logs()
        );
    }
}

#[test]
fn ntpdig_rdate_busybox_and_our_own_sync_agree_with_it() {
    let Some(mut net) = Net::new() else { return };
    serve(&mut net, "server", "local stratum 5\nallow\n");
    let sync = net.run(&[
        env!("CARGO_BIN_EXE_clockbox"),
        "sync",
        "--dry-run",
        SERVER,
        "::1",
    ]);
    assert!(sync.status.success(), "{}\n{}", text(&sync), net.logs());
    if let Some(rdate) = peer("rdate", "usr/sbin/rdate") {
        let ran = net.run(&[rdate.to_str().unwrap(), "-n", "-p", SERVER]);
        assert!(ran.status.success(), "{}", text(&ran));
    }
    if let (Some(ntpdig), Some(library)) = (
        peer("ntpsec-ntpdig", "usr/bin/ntpdig"),
        peer("python3-ntp", "usr/lib/python3/dist-packages"),
    ) {
        let mut command = net.command(&["python3", ntpdig.to_str().unwrap(), SERVER]);
        let ran = command.env("PYTHONPATH", library).output().unwrap();
        assert!(ran.status.success(), "{}", text(&ran));
        assert!(text(&ran).contains("s5"), "stratum: {}", text(&ran));
    }
    // Debian's has no ntpd: another one may be named.
    let busybox = std::env::var_os("CLOCKBOX_BUSYBOX").map(std::path::PathBuf::from);
    if let Some(busybox) = busybox.or_else(|| peer("busybox-static", "bin/busybox")) {
        let words = [
            "timeout",
            "20",
            busybox.to_str().unwrap(),
            "ntpd",
            "-n",
            "-d",
            "-w",
            "-q",
            "-p",
            SERVER,
        ];
        let said = text(&net.run(&words));
        if said.contains("applet not found") {
            return skip("this busybox has no ntpd");
        }
        assert!(said.contains("reply from 10.77.0.10"), "{said}");
    }
}

#[test]
fn ntpsec_and_openntpd_take_it_for_a_server() {
    let Some(mut net) = Net::new() else { return };
    serve(
        &mut net,
        "server",
        &format!("local stratum 5\nallow\nbindaddress {SERVER}\n"),
    );
    let started = [
        net.ntpsec("10.77.0.11", SERVER),
        net.openntpd("10.77.0.12", SERVER),
    ];
    if started.iter().any(Option::is_none) {
        return skip("a daemon is missing");
    }
    // NTPsec is a stratum below once it follows; openntpd says which peer it believes.
    let end = Instant::now() + Duration::from_secs(60);
    let mut last;
    loop {
        let words = [
            env!("CARGO_BIN_EXE_clockbox"),
            "sync",
            "--dry-run",
            "--json",
            "10.77.0.11",
        ];
        last = text(&net.run(&words));
        let believed = net.logs().contains("peer 10.77.0.10 now valid");
        if last.contains("\"stratum\":6") && believed {
            return;
        }
        assert!(Instant::now() < end, "{last}\n{}", net.logs());
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn nmap_learns_nothing_from_it() {
    if !std::path::Path::new("/usr/bin/nmap").exists() {
        return skip("no nmap");
    }
    let Some(mut net) = Net::new() else { return };
    serve(&mut net, "server", "local stratum 5\nallow\n");
    let ran = net.run(&[
        "nmap",
        "-n",
        "-Pn",
        "-sU",
        "-p",
        "123",
        "--script",
        "ntp-info,ntp-monlist",
        SERVER,
    ]);
    let said = text(&ran);
    assert!(said.contains("123/udp"), "{said}");
    for leak in [
        "version",
        "processor",
        "system",
        "refid",
        "stratum",
        "Public Servers",
        "monlist:",
    ] {
        assert!(!said.contains(leak), "{leak}: {said}");
    }
}

/// Stratum, leap and root dispersion that an address is told; none when it hears nothing.
pub(crate) fn told(net: &Net, from: &str) -> Option<(u8, u8, f64)> {
    let script = format!(
        "import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.bind(('{from}',0))\n\
         s.settimeout(0.5)\ns.sendto(b'\\x23'+b'\\0'*47,('10.77.0.11',123))\nd=s.recv(99)\n\
         print(d[1],d[0]>>6,int.from_bytes(d[8:12],'big')/65536)"
    );
    let ran = net.run(&["python3", "-c", &script]);
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let mut words = said.split_whitespace();
    Some((
        words.next()?.parse().unwrap(),
        words.next()?.parse().unwrap(),
        words.next()?.parse().unwrap(),
    ))
}

pub(crate) fn until<T>(net: &Net, seconds: u64, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{}", net.logs());
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_relay_tells_its_clients_the_truth_while_the_upstream_comes_goes_and_comes_back() {
    let Some(mut net) = Net::new() else { return };
    let upstream = "169.254.169.123";
    net.run(&["ip", "addr", "add", &format!("{upstream}/32"), "dev", "lo"]);
    // Before there is an upstream the relay says that it is not synchronised.
    let relay = format!(
        "server {upstream} iburst minpoll 0 maxpoll 0\nbindaddress 10.77.0.11\nallow 10.77.0.12/32\n"
    );
    serve(&mut net, "relay", &relay);
    let (allowed, refused) = ("10.77.0.12", "10.77.0.13");
    let first = told(&net, allowed).unwrap();
    assert_eq!((first.0, first.1), (0, 3), "not synchronised: {first:?}");
    assert_eq!(told(&net, refused), None);
    if net.chronyd(upstream, "local stratum 3").is_none() {
        return;
    }
    let good = |state: &(u8, u8, f64)| state.0 == 4 && state.1 == 0;
    until(&net, 30, || told(&net, allowed).filter(good));
    assert_eq!(told(&net, refused), None);
    // The upstream is cut off: what is told stays true, and gets worse.
    let cut = net.run(&["ip", "addr", "del", &format!("{upstream}/32"), "dev", "lo"]);
    assert!(cut.status.success());
    net.run(&["ip", "route", "add", "blackhole", upstream]);
    std::thread::sleep(Duration::from_secs(2));
    let soon = told(&net, allowed).unwrap();
    let worse = |state: &(u8, u8, f64)| state.2 > soon.2 + 3e-5 || state.1 == 3;
    let later = until(&net, 40, || told(&net, allowed).filter(worse));
    assert!(later.1 == 3 || later.2 > soon.2, "{soon:?} {later:?}");
    net.run(&["ip", "route", "del", "blackhole", upstream]);
    net.run(&["ip", "addr", "add", &format!("{upstream}/32"), "dev", "lo"]);
    let back = |state: &(u8, u8, f64)| good(state) && state.2 < later.2;
    until(&net, 40, || told(&net, allowed).filter(back));
    assert_eq!(told(&net, refused), None);
}

#[test]
fn timesyncd_contacts_it() {
    let program = "/lib/systemd/systemd-timesyncd";
    if !std::path::Path::new(program).exists() {
        return skip("no systemd-timesyncd");
    }
    let Some(mut net) = Net::new() else { return };
    serve(&mut net, "server", "local stratum 5\nallow\n");
    // In a user namespace, where it may become its user, and may never set the clock.
    let (pid, go) = (net.path("pid"), net.path("go"));
    let script = format!(
        "echo $$ >{}\nwhile [ ! -e {} ]; do sleep 0.1; done\n\
         mount -t tmpfs t /run && mkdir -p /run/systemd/timesync && mount -t tmpfs t /etc/systemd &&\n\
         printf '[Time]\\nNTP={SERVER}\\n' >/etc/systemd/timesyncd.conf && mount -t tmpfs t /var/lib/systemd &&\n\
         mkdir -p /var/lib/systemd/timesync && touch /var/lib/systemd/timesync/clock &&\n\
         SYSTEMD_LOG_LEVEL=debug SYSTEMD_LOG_TARGET=console exec {program}\n",
        pid.display(),
        go.display()
    );
    let script = net.write("timesyncd.sh", &script);
    net.start(
        "timesyncd",
        &["unshare", "-U", "-m", "sh", script.to_str().unwrap()],
    );
    let number = until(&net, 20, || {
        let text = std::fs::read_to_string(&pid).ok()?;
        text.trim().parse::<u32>().ok()
    });
    for map in ["uid_map", "gid_map"] {
        let written = std::fs::write(format!("/proc/{number}/{map}"), "0 0 65536\n");
        if written.is_err() {
            return skip("no user namespace can be filled");
        }
    }
    std::fs::write(&go, "").unwrap();
    let log = net.path("timesyncd.log");
    until(&net, 40, || {
        let said = std::fs::read_to_string(&log).ok()?;
        let reached = format!("Contacted time server {SERVER}:123");
        said.contains(&reached).then_some(())
    });
}
