//! Reference clocks that other programs feed: shared memory as ntpd's driver 28 and gpsd have it, and
//! chrony's socket. The segments live in an IPC namespace of the test's own; no clock is touched.

use super::run::Ran;
use super::run::finish;
use crate::net::peer;
use crate::net::skip;
use clockbox::proto::sock_sample::SockSample;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

/// Fills a segment again and again while a command runs: mode, offset in seconds, with nanoseconds
/// or (as programs from before 2014 do) without, leap; then the command.
const FEEDER: &str = r#"
import ctypes, os, signal, subprocess, sys, time
mode, offset, fine, leap = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "fine", int(sys.argv[4])
class Segment(ctypes.Structure):
    _fields_ = [("mode", ctypes.c_int), ("count", ctypes.c_int),
        ("clock_sec", ctypes.c_long), ("clock_usec", ctypes.c_int),
        ("receive_sec", ctypes.c_long), ("receive_usec", ctypes.c_int),
        ("leap", ctypes.c_int), ("precision", ctypes.c_int), ("nsamples", ctypes.c_int),
        ("valid", ctypes.c_int), ("clock_nsec", ctypes.c_uint), ("receive_nsec", ctypes.c_uint),
        ("dummy", ctypes.c_int * 8)]
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
identity = libc.shmget(0x4e545030 + 2, ctypes.sizeof(Segment), 0o1600)
at = Segment.from_address(libc.shmat(identity, None, 0))
child = subprocess.Popen(sys.argv[5:])
signal.signal(signal.SIGTERM, lambda *_: child.terminate())
while child.poll() is None:
    now = time.time_ns()
    true = now + round(offset * 1e9)
    at.mode = mode
    at.valid = 0
    at.count += 1
    at.clock_sec, rest = divmod(true, 10**9)
    at.clock_usec, at.clock_nsec = rest // 1000, rest if fine else 0
    at.receive_sec, rest = divmod(now, 10**9)
    at.receive_usec, at.receive_nsec = rest // 1000, rest if fine else 0
    at.leap, at.precision, at.nsamples = leap, -20, 3
    at.count += 1
    at.valid = 1
    time.sleep(0.05)
sys.exit(child.returncode)
"#;

/// Runs the program beside a feeder of unit 2.
fn beside(mode: &str, offset: &str, fine: &str, leap: &str, args: &[&str]) -> Ran {
    let mut command = Command::new("unshare");
    command
        .args(["--ipc", "python3", "-c", FEEDER, mode, offset, fine, leap])
        .arg(env!("CARGO_BIN_EXE_clockbox"))
        .args(args);
    finish(command.output().unwrap())
}

const ASK: &[&str] = &["sync", "--dry-run", "--json", "--refclock", "SHM:2"];

fn offset(ran: &Ran) -> f64 {
    let value: Value = ran.json();
    value["result"]["offset_s"].as_f64().unwrap()
}

#[test]
fn shared_memory_is_read_as_gpsd_and_as_ntpd_write_it() {
    for (mode, fine) in [("1", "fine"), ("0", "fine"), ("1", "coarse")] {
        let ran = beside(mode, "-0.25", fine, "0", ASK);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!((offset(&ran) + 0.25).abs() < 1e-4, "{ran:?}");
    }
}

#[test]
fn shared_memory_of_a_receiver_without_a_fix_is_no_source() {
    let ran = beside("1", "0.25", "fine", "3", ASK);
    assert_eq!(ran.status, 2, "{ran:?}");
    let value = ran.json();
    let why = value["sources"][0]["text"].as_str().unwrap();
    assert!(why.contains("not synchronised"), "{why}");
}

#[test]
fn a_segment_that_is_not_there_is_not_made_by_looking() {
    let ran = finish(
        Command::new("unshare")
            .args(["--ipc", "sh", "-c", "\"$0\" \"$@\"; echo; ipcs -m; exit 0"])
            .arg(env!("CARGO_BIN_EXE_clockbox"))
            .args(["sync", "--dry-run", "--refclock", "SHM:3"])
            .output()
            .unwrap(),
    );
    assert!(ran.stdout.contains("No such file"), "{ran:?}");
    assert!(!ran.stdout.contains("0x4e545033 "), "{ran:?}");
}

/// A daemon that only measures, in an IPC namespace of its own; ended when it is dropped.
struct Daemon {
    dir: tempfile::TempDir,
    child: Child,
}

impl Daemon {
    /// On this configuration, with DIR for a directory of its own, behind these words (a feeder).
    fn start(conf: &str, before: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().to_str().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        // Nobody else's sockets are in the way.
        let text = format!("cmdport 0\nbindcmdaddress {here}/control.sock\n{conf}");
        let path = dir.path().join("clockbox.conf");
        fs::write(&path, text.replace("DIR", here)).unwrap();
        let child = Command::new("unshare")
            .args(["--ipc", "setpriv", "--bounding-set=-sys_time"])
            .args(before)
            .arg(env!("CARGO_BIN_EXE_clockbox"))
            .args(["sync", "--daemon", "--no-clock-control", "-v", "--config"])
            .arg(&path)
            .stderr(fs::File::create(dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        Self { dir, child }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// Waits until the log says a word, feeding it meanwhile; gives the log.
    fn says(&self, word: &str, feed: impl Fn(&Path)) -> String {
        self.until(|| self.log().contains(word), feed);
        self.log()
    }

    /// The quick start needs some seconds; the limit is for a machine that is busy.
    fn until(&self, done: impl Fn() -> bool, feed: impl Fn(&Path)) {
        for _ in 0..600 {
            if done() {
                return;
            }
            feed(self.dir.path());
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("not in a minute: {}", self.log());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A feeder ends its daemon.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").arg(pid).status();
        let _ = self.child.wait();
    }
}

fn daemon_says(conf: &str, word: &str, feed: impl Fn(&Path)) -> String {
    Daemon::start(conf, &[]).says(word, feed)
}

/// Sends a sample as gpsd does: `offset` is what the system clock lacks.
fn send(socket: &Path, offset: f64, pulse: bool) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let sample = SockSample {
        system_ns: i64::try_from(now.as_nanos()).unwrap(),
        offset,
        pulse,
        leap: 0,
    };
    if let Ok(sender) = UnixDatagram::unbound() {
        let _ = sender.send_to(&sample.encode(), socket);
    }
}

#[test]
fn the_daemon_follows_a_socket_that_is_fed_as_gpsd_feeds_it() {
    let conf = "refclock SOCK DIR/clk.sock refid GPS poll 2 trust\n";
    let log = daemon_says(conf, "following GPS,", |dir| {
        send(&dir.join("clk.sock"), 0.4, false);
    });
    assert!(log.contains("following GPS, combined: GPS"), "{log}");
    assert!(
        log.contains("off by +400") || log.contains("off by +399"),
        "{log}"
    );
}

#[test]
fn what_is_no_sample_makes_no_source() {
    let conf = "refclock SOCK DIR/clk.sock refid GPS poll 0\n";
    let log = daemon_says(conf, "GPS: offset", |dir| {
        let sender = UnixDatagram::unbound().unwrap();
        let _ = sender.send_to(b"SOCK", dir.join("clk.sock"));
        // After a while a true one, so that the test ends.
        if dir.join("clk.sock").exists() && started(dir) {
            send(&dir.join("clk.sock"), -1.5, false);
        }
    });
    let offset = log.lines().find(|l| l.contains("GPS: offset")).unwrap();
    assert!(offset.contains("offset -1.5"), "{log}");
}

fn started(dir: &Path) -> bool {
    let mark = dir.join("mark");
    let before = fs::read(&mark).map_or(0, |b| b.len());
    fs::write(&mark, vec![0; before + 1]).unwrap();
    before > 20
}

#[test]
fn the_daemon_follows_shared_memory_as_gpsd_and_as_ntpd_write_it() {
    for (mode, fine) in [("1", "fine"), ("0", "coarse")] {
        let feeder = ["python3", "-c", FEEDER, mode, "-0.25", fine, "0"];
        // A second segment that nobody fills is no hindrance.
        let conf =
            "refclock SHM 0 refid NMEA noselect\nrefclock SHM 2 refid GPS poll 1 dpoll -2 trust\n";
        let daemon = Daemon::start(conf, &feeder);
        let log = daemon.says("following GPS, combined: GPS", |_| {});
        let offset = log.lines().find(|l| l.contains("GPS: offset")).unwrap();
        let near = ["-250", "-249"].iter().any(|word| offset.contains(word));
        assert!(near, "{mode} {fine}: {log}");
        // A clock of this machine has no round trip.
        assert!(!log.contains("round trip"), "{log}");
        assert!(!log.contains("NMEA: offset"), "{log}");
    }
}

#[test]
fn a_segment_is_made_with_the_permissions_of_its_line_and_who_can_write_it_is_told() {
    for (line, mode, warned) in [("SHM 3", "600", false), ("SHM 3:perm=0660", "660", true)] {
        let dir = tempfile::tempdir().unwrap();
        let conf = dir.path().join("clockbox.conf");
        let socket = dir.path().join("control.sock");
        let text = format!(
            "cmdport 0\nbindcmdaddress {}\nrefclock {line}\n",
            socket.display()
        );
        fs::write(&conf, text).unwrap();
        let script = r#"setpriv --bounding-set=-sys_time "$0" sync --daemon --no-clock-control --config "$1" & daemon=$!
            for i in $(seq 300); do ipcs -m | grep -q 0x4e545033 && break; sleep 0.1; done
            ipcs -m; sleep 0.5; kill $daemon; wait $daemon"#;
        let ran = finish(
            Command::new("unshare")
                .args(["--ipc", "sh", "-c", script])
                .arg(env!("CARGO_BIN_EXE_clockbox"))
                .arg(&conf)
                .output()
                .unwrap(),
        );
        let row = ran.stdout.lines().find(|l| l.starts_with("0x4e545033"));
        let row = row.unwrap_or_else(|| panic!("{ran:?}"));
        assert_eq!(row.split_whitespace().nth(3), Some(mode), "{row}");
        assert_eq!(
            ran.stderr.contains("can write this segment"),
            warned,
            "{ran:?}"
        );
    }
}

/// The kernel holds ten datagrams for a reader that does not come: more only pass when each is
/// taken at once, and not at the next reading, here 16 s away.
/// The daemon gives root up, as `user` says, and keeps the clocks that only root may open. What
/// comes later cannot be opened, and a local standard waits for a restart: both are told.
#[test]
fn clocks_that_only_root_may_open_are_followed_after_root_was_given_up() {
    let conf = "user nobody\nrefclock SOCK DIR/clk.sock refid GPS poll 0 dpoll 0 trust\n\
                refclock SHM 6 refid SHM6 poll 0 noselect\nrefclock PHC /dev/nosuchptp refid GONE\n";
    let daemon = Daemon::start(conf, &[]);
    let feed = |dir: &Path| send(&dir.join("clk.sock"), 0.4, false);
    let log = daemon.says("following GPS,", feed);
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.child.id())).unwrap();
    let user = status.lines().find(|l| l.starts_with("Uid:")).unwrap();
    assert!(!user.contains("\t0"), "{user}");
    assert!(
        log.contains("GONE is not used: open /dev/nosuchptp: No such file"),
        "{log}"
    );
    assert!(!log.contains("SHM6 is not used"), "{log}");

    // The directory stays root's; the file may be read by the new user.
    fs::set_permissions(daemon.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = daemon.dir.path().join("clockbox.conf");
    let old = fs::read_to_string(&path).unwrap();
    let late = "refclock SOCK DIR/late.sock refid LATE poll 0\nrefclock SHM 7 refid LOC local\n";
    let late = late.replace("DIR", daemon.dir.path().to_str().unwrap());
    fs::write(&path, format!("{old}{late}")).unwrap();
    let pid = daemon.child.id().to_string();
    Command::new("kill").args(["-HUP", &pid]).status().unwrap();
    let log = daemon.says("LATE is not used", feed);
    assert!(
        log.contains("Permission denied: nobody may not, and root was given up; restart"),
        "{log}"
    );
    assert!(log.contains("2 sources added, 0 removed"), "{log}");
    assert!(
        log.contains("followed only after a restart: refclock\n"),
        "{log}"
    );
}

#[test]
fn samples_are_taken_as_they_come_and_not_at_the_next_reading() {
    let daemon = Daemon::start("refclock SOCK DIR/clk.sock refid GPS poll 4 dpoll 4\n", &[]);
    let socket = daemon.dir.path().join("clk.sock");
    // The first measurements come quickly, and with them readings.
    daemon.until(
        || daemon.log().matches("GPS: offset").count() >= 4,
        |_| send(&socket, 0.1, false),
    );
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    let mut refused = 0;
    for _ in 0..60 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let sample = SockSample {
            system_ns: i64::try_from(now.as_nanos()).unwrap(),
            offset: 0.1,
            pulse: false,
            leap: 0,
        };
        refused += u32::from(sender.send_to(&sample.encode(), &socket).is_err());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(refused <= 5, "{refused} of 60 were refused");
}

#[test]
fn chronyc_sees_a_clock_that_is_ahead_of_this_one_as_with_chronyd() {
    let Some(chronyc) = peer("chrony", "usr/bin/chronyc") else {
        return skip("no chronyc");
    };
    let conf = "refclock SOCK DIR/clk.sock refid GPS poll 1 trust\n";
    let daemon = Daemon::start(conf, &[]);
    daemon.says("following GPS,", |dir| {
        send(&dir.join("clk.sock"), 0.1, false);
    });
    let control = daemon.dir.path().join("control.sock");
    let ask = |words: &[&str]| {
        let asked = Command::new(&chronyc)
            .arg("-h")
            .arg(&control)
            .args(["-n", "-c"])
            .args(words)
            .output();
        String::from_utf8(asked.unwrap().stdout).unwrap()
    };
    // Mode, state, name, stratum, poll, reach, age; adjusted, measured, error: chronyc's sign is
    // positive when the local clock is ahead.
    let sources = ask(&["sources"]);
    let row: Vec<&str> = sources.trim().split(',').collect();
    assert_eq!(&row[..5], ["#", "*", "GPS", "0", "1"], "{sources}");
    for column in [7, 8] {
        let offset: f64 = row[column].parse().unwrap();
        assert!((offset + 0.1).abs() < 0.01, "{sources}");
    }
    let stats = ask(&["sourcestats"]);
    let offset: f64 = stats.trim().split(',').nth(6).unwrap().parse().unwrap();
    assert!((offset + 0.1).abs() < 0.01, "{stats}");
}
