//! `clockbox sync --daemon`: its configuration checked and printed, its start beside another
//! daemon, its words with the service manager, the user it becomes. No clock is touched: it runs
//! with `-x`, or without the capability.

use crate::run::clockbox;
use crate::run::finish;
use crate::run::run;
use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

/// Killed at the end of the test, whatever its end.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn file(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn every_error_of_a_configuration_is_shown_at_once_with_a_caret_under_the_octet() {
    let dir = tempfile::tempdir().unwrap();
    let text = "server 53.45.6.700\nallow 12.34.5.800/32\nserver\n";
    let conf = file(dir.path(), "c", text);
    for action in ["--check-config", "--print-config"] {
        let ran = run(&["sync", "--daemon", action, "--config", &conf]);
        assert_eq!((ran.status, ran.stdout.as_str()), (65, ""));
        // In the name of what was typed.
        assert!(ran.stderr.starts_with("clockbox sync: "), "{ran:?}");
        for part in [
            "/c:1:16: error",
            "    server 53.45.6.700\n                   ^^^\n",
            "/c:2:15: error",
            "    allow 12.34.5.800/32\n                  ^^^\n",
            "/c:3:1: error",
        ] {
            assert!(ran.stderr.contains(part), "{part} in {}", ran.stderr);
        }
    }
}

#[test]
fn a_configuration_is_json_too_with_findings_and_lines_in_their_places() {
    let dir = tempfile::tempdir().unwrap();
    let keys = file(dir.path(), "keys", "1 MD5 ASCII:x\n2 TIGER ASCII:y\n");
    let more = file(dir.path(), "more", "makestep 0.5 -1\n");
    let text = format!(
        "makestep 1 3\ninclude {more}\nserver a.test iburst\n  allow 10.0.0.0/8\nkeyfile {keys}\n"
    );
    let conf = file(dir.path(), "c", &text);
    for action in ["--check-config", "--print-config"] {
        let json = run(&["sync", "--daemon", action, "--json", "-f", &conf]).json();
        assert_eq!(json["command"], "sync config");
        assert_eq!((&json["errors"], &json["warnings"]), (&0.into(), &2.into()));
        assert_eq!(json["sources"], 1);
        let lines = json["lines"].as_array().unwrap();
        let words: Vec<&str> = lines.iter().map(|l| l["text"].as_str().unwrap()).collect();
        assert_eq!(words[0], "makestep 1 3");
        assert_eq!(words[1], "makestep 0.5 -1");
        assert_eq!(lines[0]["effective"], false);
        assert_eq!(lines[0]["remark"], format!("replaced by {more}:1"));
        assert_eq!(
            (&lines[1]["file"], &lines[1]["line"]),
            (&more[..].into(), &1.into())
        );
        assert_eq!(lines[1]["effective"], true);
        let allow = lines.iter().find(|l| l["directive"] == "allow").unwrap();
        assert_eq!(
            (&allow["effective"], &allow["line"]),
            (&false.into(), &4.into())
        );
        let found = json["findings"].as_array().unwrap();
        assert_eq!(found[0]["severity"], "warning");
        assert_eq!(
            (&found[0]["file"], &found[0]["line"]),
            (&conf[..].into(), &4.into())
        );
        assert_eq!(
            (&found[0]["column"], &found[0]["words"]),
            (&3.into(), &"allow".into())
        );
        assert_eq!(
            (&found[1]["file"], &found[1]["line"]),
            (&keys[..].into(), &2.into())
        );
    }
    // Secrets stay where they are.
    let shown = run(&["sync", "--daemon", "--check-config", "--json", "-f", &conf]).stdout;
    assert!(!shown.contains("ASCII:y"), "{shown}");
    let people = run(&["sync", "--daemon", "--check-config", "-f", &conf]);
    assert!(
        people.stdout.contains("no errors, 2 warnings, 1 source\n"),
        "{people:?}"
    );
}

#[test]
fn a_configuration_that_is_refused_is_json_with_all_its_errors() {
    let dir = tempfile::tempdir().unwrap();
    let conf = file(
        dir.path(),
        "c",
        "server 53.45.6.700\nallow 12.34.5.800/32\n",
    );
    let ran = run(&["sync", "--daemon", "--check-config", "--json", "-f", &conf]);
    assert_eq!(ran.status, 65, "{ran:?}");
    let json = ran.json();
    assert_eq!(json["errors"], 2);
    let at = |i: usize| {
        let finding = &json["findings"][i];
        (
            finding["line"].clone(),
            finding["column"].clone(),
            finding["words"].clone(),
        )
    };
    assert_eq!(at(0), (1.into(), 16.into(), "700".into()));
    assert_eq!(at(1), (2.into(), 15.into(), "800".into()));
    let nobody = file(dir.path(), "empty", "");
    let ran = run(&[
        "sync",
        "--daemon",
        "--check-config",
        "--json",
        "-f",
        &nobody,
    ]);
    assert_eq!(ran.status, 78, "{ran:?}");
    assert_eq!(ran.json()["findings"][0]["text"], "no server to follow");
    let gone = run(&[
        "sync",
        "--daemon",
        "--check-config",
        "--json",
        "-f",
        "/nowhere/c",
    ]);
    assert_eq!(
        (gone.status, gone.json()["error"]["kind"].clone()),
        (66, "no_input".into())
    );
}

#[test]
fn what_is_not_followed_is_named_and_the_effective_configuration_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let more = file(dir.path(), "more", "makestep 0.5 -1\n");
    let text = format!("makestep 1 3\ninclude {more}\nserver a.test nts\nport 0\nallow\n");
    let conf = file(dir.path(), "c", &text);
    let checked = run(&["sync", "--daemon", "--check-config", "-f", &conf]);
    // Nobody is left to follow: the daemon would not start.
    assert_eq!(checked.status, 78, "{checked:?}");
    for line in [
        "c:3:15: warning: nts: there is no NTS yet",
        "c:5:1: warning: allow: this daemon answers nobody",
        "c: no errors, 2 warnings, but no server to follow\n",
    ] {
        assert!(checked.stderr.contains(line), "{line} in {checked:?}");
    }
    let printed = run(&["sync", "--daemon", "-p", "-f", &conf]).stdout;
    assert!(printed.contains("/c:1: replaced by "), "{printed}");
    assert!(printed.contains("/more:1\nmakestep 0.5 -1\n"), "{printed}");
    assert!(
        printed.contains("/c:3: not used: there is no NTS yet"),
        "{printed}"
    );
    let again = file(dir.path(), "again", &printed);
    let lines = |text: &str| -> Vec<String> {
        let kept = text.lines().filter(|line| !line.starts_with('#'));
        kept.map(str::to_owned).collect()
    };
    let second = run(&["sync", "--daemon", "-p", "-f", &again]).stdout;
    assert_eq!(lines(&second), lines(&printed));
}

#[test]
fn servers_on_the_command_line_are_a_configuration_too() {
    let printed = run(&["sync", "--daemon", "-p", "192.0.2.1:1123", "a.test"]);
    assert_eq!(printed.status, 0, "{printed:?}");
    for line in [
        "# the command line:5: no minpoll: 4 while the round trip is under 5 ms, else 6\n",
        "server 192.0.2.1 port 1123 iburst\n",
        "server a.test iburst\n",
        "makestep 0.128 3\n",
    ] {
        assert!(
            printed.stdout.contains(line),
            "{line} in {}",
            printed.stdout
        );
    }
}

#[test]
fn it_does_not_start_beside_a_daemon_that_steers_the_clock() {
    let dir = tempfile::tempdir().unwrap();
    // Only its name is chronyd's; whether it could set the clock is the kernel's word.
    let fake = dir.path().join("chronyd");
    fs::copy("/bin/sleep", &fake).unwrap();
    let rival = Guard(Command::new(&fake).arg("60").spawn().unwrap());
    let pid = rival.0.id();
    let status = || fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    while !status().starts_with("Name:\tchronyd") {
        std::thread::yield_now();
    }
    let status = status();
    let caps = status
        .lines()
        .find_map(|l| l.strip_prefix("CapEff:\t"))
        .unwrap();
    if u64::from_str_radix(caps, 16).unwrap() & 1 << 25 == 0 {
        return eprintln!("SKIPPED: the test has no CAP_SYS_TIME to give to a rival");
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-sys_time", env!("CARGO_BIN_EXE_clockbox")]);
    let ran = finish(
        command
            .args(["sync", "--daemon", "192.0.2.1"])
            .output()
            .unwrap(),
    );
    assert_eq!(ran.status, 69, "{ran:?}");
    assert!(
        ran.stderr
            .contains("steers this clock, and two daemons would fight"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("--no-clock-control"), "{ran:?}");
}

#[test]
fn the_service_manager_hears_when_it_is_ready_and_when_it_stops_and_root_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let root = is_root();
    let mut command = clockbox();
    command
        .args(["sync", "--daemon", "-x", "127.0.0.1:9"])
        .env("NOTIFY_SOCKET", &path);
    if root {
        // What it tells at its end, it tells as somebody else.
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        fs::set_permissions(
            dir.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        command.args(["-u", "nobody"]);
    } else {
        eprintln!("SKIPPED in part: only root can give up root");
    }
    let daemon = Guard(command.spawn().unwrap());
    let heard = || {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert!(heard().starts_with("READY=1\n"));
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.0.id())).unwrap();
    if root {
        let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).unwrap();
        assert!(
            !field("Uid:").split_whitespace().any(|id| id == "0"),
            "{status}"
        );
        assert_eq!(field("CapEff:\t"), "0000000000000000");
        assert_eq!(field("CapPrm:\t"), "0000000000000000");
        assert_eq!(field("NoNewPrivs:\t"), "1");
    }
    let pid = daemon.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    while !heard().starts_with("STOPPING=1") {}
}

#[test]
fn initstepslew_is_named_when_the_clock_is_not_to_be_touched() {
    let dir = tempfile::tempdir().unwrap();
    let text = "server 127.0.0.1 port 9\ninitstepslew 10 127.0.0.1\ncmdport 0\n";
    let conf = file(dir.path(), "c", &format!("{text}bindcmdaddress /\n"));
    let mut command = clockbox();
    command.args(["sync", "--daemon", "-x", "--config", &conf]);
    let mut daemon = Guard(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut said = BufReader::new(daemon.0.stderr.take().unwrap()).lines();
    let line = said.find(|line| line.as_ref().is_ok_and(|l| l.contains("initstepslew")));
    let line = line.unwrap().unwrap();
    let passed = "initstepslew: passed over, as the clock is not touched";
    assert!(line.ends_with(passed), "{line}");
}

#[test]
fn the_pid_file_of_a_daemon_that_runs_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let text = format!(
        "server 127.0.0.1 port 9\ncmdport 0\npidfile {}\n",
        pid.display()
    );
    let conf = file(dir.path(), "c", &format!("{text}bindcmdaddress /\n"));
    let start = || {
        let mut command = clockbox();
        command.args([
            "sync", "--daemon", "-x", "--user", "root", "--config", &conf,
        ]);
        command.stderr(Stdio::piped());
        command
    };
    let mut first = Guard(start().spawn().unwrap());
    let mut said = BufReader::new(first.0.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("following 127.0.0.1")));
    let number = format!("{}\n", first.0.id());
    assert_eq!(fs::read_to_string(&pid).unwrap(), number);
    let second = finish(start().output().unwrap());
    assert_eq!(second.status, 69, "{second:?}");
    assert!(
        second.stderr.contains("runs already, by its pid file"),
        "{second:?}"
    );
    assert_eq!(fs::read_to_string(&pid).unwrap(), number);
    drop(first);
    // One that was killed leaves its file behind: the next takes it.
    let mut third = Guard(start().spawn().unwrap());
    let mut said = BufReader::new(third.0.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("following 127.0.0.1")));
    assert_eq!(
        fs::read_to_string(&pid).unwrap(),
        format!("{}\n", third.0.id())
    );
}

#[test]
fn a_configuration_that_follows_nobody_is_refused_by_the_check_too() {
    let dir = tempfile::tempdir().unwrap();
    let conf = file(dir.path(), "empty", "");
    for more in [&["--check-config"][..], &[]] {
        let ran = run(&[&["sync", "--daemon", "-x", "--config", &conf], more].concat());
        assert_eq!(ran.status, 78, "{ran:?}");
        assert!(ran.stderr.contains("no server to follow"), "{ran:?}");
    }
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}
