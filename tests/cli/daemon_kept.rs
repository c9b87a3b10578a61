//! What `clockbox sync --daemon` keeps from one run to the next: measurements (`dumpdir`,
//! `--reload`), and what it says of the battery-backed clock. It runs with `-x`: no clock is touched.

use crate::mock::Mock;
use crate::net::peer;
use crate::run::clockbox;
use crate::run::run;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

/// A daemon that follows mock servers and keeps its files in a directory.
struct Kept {
    dir: tempfile::TempDir,
    _mock: Mock,
    conf: String,
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Kept {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // The control socket wants a directory that is not everybody's.
        let mode = fs::Permissions::from_mode(0o700);
        fs::set_permissions(dir.path(), mode).unwrap();
        let mock = Mock::start(&["offset=0.1", "offset=0.1", "offset=0.1"]);
        let at = dir.path().to_str().unwrap();
        let mut text = format!("dumpdir {at}/dump\nbindcmdaddress {at}/sock\ncmdport 0\n");
        for address in &mock.addresses {
            let (ip, port) = address.split_once(':').unwrap();
            text.push_str(&format!("server {ip} port {port} iburst\n"));
        }
        let conf = format!("{at}/conf");
        fs::write(&conf, text).unwrap();
        Self {
            dir,
            _mock: mock,
            conf,
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn start(&self, more: &[&str], log: &str) -> Running {
        let file = fs::File::create(self.path(log)).unwrap();
        let words = [
            "sync", "--daemon", "-x", "-v", "--user", "root", "-f", &self.conf,
        ];
        let child = clockbox()
            .args(words)
            .args(more)
            .stdin(Stdio::null())
            .stderr(file)
            .spawn();
        Running(child.unwrap())
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn wait_for(&self, log: &str, words: &str) {
        let begun = Instant::now();
        while !self.log(log).contains(words) {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "no `{words}` in {}",
                self.log(log)
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn stop(&self, mut daemon: Running) {
        let pid = daemon.0.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        assert_eq!(daemon.0.wait().unwrap().code(), Some(0));
    }
}

const FILE: &str = "dump/clockbox.samples";

#[test]
fn measurements_are_kept_at_the_end_and_taken_over_with_reload_only_once() {
    let kept = Kept::new();
    let first = kept.start(&[], "first");
    kept.wait_for("first", "following");
    kept.wait_for("first", "round trip");
    kept.stop(first);
    let text = fs::read_to_string(kept.path(FILE)).unwrap();
    assert!(text.starts_with("clockbox-samples 1\nboot "), "{text}");
    assert!(text.ends_with("\nend\n") && text.contains("\nsample "));
    let mode = fs::metadata(kept.path(FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let second = kept.start(&["--reload"], "second");
    kept.wait_for("second", "measurements of");
    let log = kept.log("second");
    assert!(log.contains("going on with"), "{log}");
    assert!(!kept.path(FILE).exists());
    kept.stop(second);
    assert!(kept.path(FILE).exists());
}

#[test]
fn what_cannot_be_used_is_named_with_its_line_removed_and_harms_nobody() {
    let kept = Kept::new();
    fs::create_dir(kept.path("dump")).unwrap();
    let other = "clockbox-samples 1\nboot another\nat 1 1 0\norigin 0\nstart 0 1e-5\n\
                 wander 1e-17 -39\nend\n";
    for (text, wanted) in [
        ("junk\n", "line 1: clockbox-samples 1 is missing or wrong"),
        ("clockbox-samples 1\nboot x\nat 1 1 0\n", "line 4: origin"),
        (other, "the machine was started anew since"),
        ("", "line 1"),
    ] {
        fs::write(kept.path(FILE), text).unwrap();
        let daemon = kept.start(&["-r"], "log");
        kept.wait_for("log", "are not used");
        assert!(kept.log("log").contains(wanted), "{}", kept.log("log"));
        kept.wait_for("log", "round trip");
        assert!(!kept.path(FILE).exists());
        kept.stop(daemon);
    }
    // Nor does it read what never ends, or write through it.
    let _ = fs::remove_file(kept.path(FILE));
    std::os::unix::fs::symlink("/dev/zero", kept.path(FILE)).unwrap();
    let daemon = kept.start(&["-r"], "log");
    kept.wait_for("log", "not a regular file");
    kept.wait_for("log", "round trip");
    kept.stop(daemon);
    assert!(fs::symlink_metadata(kept.path(FILE)).unwrap().is_file());
}

#[test]
fn chronyc_dump_writes_the_file_now() {
    let Some(chronyc) = peer("chrony", "usr/bin/chronyc") else {
        return;
    };
    let kept = Kept::new();
    let daemon = kept.start(&[], "log");
    kept.wait_for("log", "round trip");
    let socket = kept.path("sock");
    let asked = |words: &str| {
        let mut command = Command::new(&chronyc);
        command.args(["-h", socket.to_str().unwrap()]).arg(words);
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr)
    };
    assert_eq!(asked("dump"), "200 OK\n", "{}", kept.log("log"));
    assert!(kept.path(FILE).exists());
    // A place where nothing can be written is no success.
    fs::remove_dir_all(kept.path("dump")).unwrap();
    fs::write(kept.path("dump"), "").unwrap();
    assert!(asked("dump").starts_with("500"), "{}", asked("dump"));
    assert!(kept.log("log").contains("/dump"), "{}", kept.log("log"));
    fs::remove_file(kept.path("dump")).unwrap();
    kept.stop(daemon);
}

#[test]
fn lines_about_the_battery_backed_clock_are_followed_and_contradictions_named() {
    let dir = tempfile::tempdir().unwrap();
    let check = |text: &str| {
        let conf = dir.path().join("conf");
        fs::write(&conf, format!("server 192.0.2.1\n{text}")).unwrap();
        let conf = conf.to_str().unwrap().to_owned();
        let ran = run(&["sync", "--daemon", "--check-config", "-f", &conf]);
        assert_eq!(ran.status, 0, "{ran:?}");
        ran.stdout + &ran.stderr
    };
    let all = "rtcfile /tmp/rtc\nrtcautotrim 30\nrtconutc\nhwclockfile /x\nrtcdevice /dev/rtc7\n";
    assert!(
        check(all).contains("no errors, 0 warnings"),
        "{}",
        check(all)
    );
    let both = check("rtcsync\nrtcfile /tmp/rtc\n");
    assert!(both.contains("rtcsync: rtcfile keeps that clock"), "{both}");
    let alone = check("rtcautotrim 30\n");
    assert!(alone.contains("rtcautotrim: nothing is set without rtcfile"));
}

#[test]
fn a_machine_without_that_clock_says_so_and_goes_on() {
    let kept = Kept::new();
    let more =
        fs::read_to_string(&kept.conf).unwrap() + "rtcfile /nowhere/rtc\nrtcdevice /nowhere/rtc0\n";
    fs::write(&kept.conf, more).unwrap();
    let daemon = kept.start(&[], "log");
    kept.wait_for(
        "log",
        "the battery-backed clock is not followed (rtcfile): ",
    );
    kept.wait_for("log", "round trip");
    kept.stop(daemon);
    assert!(!Path::new("/nowhere").exists());
}
