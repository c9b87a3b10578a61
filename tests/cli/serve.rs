//! `clockbox serve` on loopback: what is answered, what is not, and what the user is told.

use crate::run::clockbox;
use crate::run::finish;
use crate::run::run;
use crate::run::run_as_nobody;
use std::io::BufRead;
use std::io::BufReader;
use std::net::UdpSocket;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

/// A server that runs until this is dropped.
struct Serving {
    child: Child,
    /// Where it answers, the first address.
    address: String,
    /// What it said until then.
    said: String,
}

impl Serving {
    fn start(args: &[&str]) -> Self {
        let mut command = clockbox();
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(args);
        Self::of(command)
    }

    #[allow(
        clippy::zombie_processes,
        reason = "drop ends and awaits it; where this panics the whole test run ends"
    )]
    fn of(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        loop {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).unwrap() > 0, "ended: {said}");
            said.push_str(&line);
            if let Some((_, list)) = line.split_once("answering on ") {
                let address = list.split(',').next().unwrap().trim().to_owned();
                // Whatever else it says is read, so that it never waits for a reader.
                std::thread::spawn(move || lines.lines().count());
                return Self {
                    child,
                    address,
                    said,
                };
            }
        }
    }

    /// Asks from this address; the reply, or none within the time.
    fn ask_from(&self, from: &str, request: &[u8], ms: u64) -> Option<Vec<u8>> {
        let socket = UdpSocket::bind(from).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(ms)))
            .unwrap();
        socket.send_to(request, &self.address).unwrap();
        let mut reply = [0; 2048];
        let (length, _) = socket.recv_from(&mut reply).ok()?;
        Some(reply[..length].to_vec())
    }

    fn ask(&self, request: &[u8]) -> Option<Vec<u8>> {
        self.ask_from("127.0.0.1:0", request, 2000)
    }

    /// True when nothing comes back: a good request behind it does, so it was not lost.
    fn ignores(&self, request: &[u8]) -> bool {
        let nothing = self.ask_from("127.0.0.1:0", request, 60).is_none();
        nothing && self.ask(&header(4, 3)).is_some()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn header(version: u8, mode: u8) -> Vec<u8> {
    let mut request = vec![0; 48];
    request[0] = version << 3 | mode;
    request[2] = 6;
    request[40..48].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
    request
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn what_asks_is_answered_never_longer_and_the_rest_is_not() {
    let server = Serving::start(&["--local", "7", "--allow", "127.0.0.1"]);
    for version in 1..=4 {
        let reply = server.ask(&header(version, 3)).unwrap();
        assert_eq!((reply.len(), reply[0]), (48, version << 3 | 4));
        assert_eq!((reply[1], reply[2]), (7, 6));
        assert_eq!(&reply[24..32], &[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(&reply[12..16], &[127, 127, 1, 1]);
    }
    // Symmetric active is answered as passive, and version 1 without a mode as a client.
    assert_eq!(server.ask(&header(4, 1)).unwrap()[0], 0x22);
    assert_eq!(server.ask(&header(1, 0)).unwrap()[0], 0x0c);
    // Unknown extension fields are passed over (RFC 7822).
    let field = [0x77, 0x77, 0, 32, 0, 0, 0, 0];
    let with_field = joined(&[&header(4, 3), &field, &[0; 24]]);
    assert_eq!(server.ask(&with_field).unwrap().len(), 48);
    for silent in [
        header(4, 2),
        header(4, 4),
        header(4, 5),
        header(0, 3),
        header(5, 3),
        header(4, 3)[..47].to_vec(),
        vec![],
        // An unknown key, a field past the end, far too long.
        joined(&[&header(4, 3), &[0, 0, 0, 9], &[1; 16]]),
        joined(&[&header(4, 3), &[0x77, 0x77, 1, 0], &[0; 28]]),
        vec![0x23; 1600],
    ] {
        assert!(server.ignores(&silent), "{silent:?}");
    }
    // Control and private messages: readvar, and monlist of ntpd.
    let readvar = [0x16, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let monlist = joined(&[&[0x17, 0, 3, 0x2a, 0, 0, 0, 0], &[0; 40]]);
    assert!(server.ignores(&readvar) && server.ignores(&monlist));
}

#[test]
fn the_field_f323_is_answered_with_as_much_as_was_asked() {
    let server = Serving::start(&["--local", "7", "--allow", "127.0.0.1"]);
    let field = |magic: u8| {
        let mut field = vec![0xf3, 0x23, 0, 28, 0xf5, 0xbe, 0xdd, magic];
        field.resize(28, 0);
        field
    };
    let reply = server.ask(&joined(&[&header(4, 3), &field(0x9a)])).unwrap();
    assert_eq!(reply.len(), 76);
    assert_eq!(reply[48..56], field(0x9a)[..8]);
    // Nobody steers this clock through it, so it has no clock without corrections.
    assert_eq!(reply[64..76], [0; 12]);
    // Another experiment of the same number, and version 3, which has no fields.
    let other = joined(&[&header(4, 3), &field(0x9b)]);
    assert_eq!(server.ask(&other).unwrap().len(), 48);
    assert!(server.ignores(&joined(&[&header(3, 3), &field(0x9a)[..8]])));
}

#[test]
fn nobody_is_answered_who_is_not_allowed() {
    let server = Serving::start(&["--local"]);
    assert!(server.said.contains("nobody is allowed"), "{}", server.said);
    assert_eq!(server.ask_from("127.0.0.1:0", &header(4, 3), 200), None);
    let rules = ["--local", "--allow", "127.0.0.0/8", "--deny", "127.0.0.2"];
    let server = Serving::start(&rules);
    assert!(server.ask(&header(4, 3)).is_some());
    assert_eq!(server.ask_from("127.0.0.2:0", &header(4, 3), 200), None);
    let server = Serving::start(&[&rules[..], &["--kiss-denied"]].concat());
    let kiss = server.ask_from("127.0.0.2:0", &header(4, 3), 2000).unwrap();
    assert_eq!((kiss[0], kiss[1], &kiss[12..16]), (0xe4, 0, &b"DENY"[..]));
}

#[test]
fn a_client_that_asks_too_often_is_limited_on_every_thread_alike() {
    let limit = "interval=12,burst=5,leak=0";
    let server = Serving::start(&[
        "--local",
        "--allow",
        "127.0.0.0/8",
        "--rate-limit",
        limit,
        "--threads",
        "4",
    ]);
    for host in 1..=8 {
        // A new port each time: the address decides.
        let from = format!("127.0.0.{host}:0");
        let answers: Vec<bool> = (0..8)
            .map(|n| {
                let patience = if n < 5 { 2000 } else { 60 };
                server.ask_from(&from, &header(4, 3), patience).is_some()
            })
            .collect();
        let want = [true, true, true, true, true, false, false, false];
        assert_eq!(answers, want, "{from}");
    }
}

#[test]
fn the_rule_that_decides_is_named_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("chrony.conf");
    std::fs::write(
        &conf,
        "server 192.0.2.1\nallow 1.2.3.4\ndeny 1.2.3.0/24\nallow 1.2.0.0/16\n",
    )
    .unwrap();
    let path = conf.to_str().unwrap();
    let explain = |address: &str| {
        run(&[
            "serve",
            "--json",
            "--config",
            path,
            "--explain-access",
            address,
        ])
    };
    for (address, status, line) in [("1.2.3.4", 0, 2), ("1.2.3.9", 1, 3), ("1.2.9.9", 0, 4)] {
        let ran = explain(address);
        let json = ran.json();
        assert_eq!(ran.status, status, "{json}");
        assert_eq!(json["allowed"], status == 0);
        assert_eq!(json["rule"]["place"], format!("{path}:{line}"));
    }
    let nobody = explain("9.9.9.9");
    let json = nobody.json();
    assert_eq!((nobody.status, &json["rule"]), (1, &().into()));
    assert_eq!(json["configuration"], path);
    assert_eq!(json["next"], format!("echo 'allow 9.9.9.9' >>{path}"));
    let words = ["serve", "--config", path, "--explain-access", "9.9.9.9"];
    let narrow = clockbox()
        .args(words)
        .env("COLUMNS", "60")
        .output()
        .unwrap();
    let said = finish(narrow).stdout;
    let told = said.lines().filter(|line| !line.starts_with("  echo"));
    assert!(told.into_iter().all(|line| line.len() <= 60), "{said}");
    // The file is another's: what is to be typed works all the same.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).unwrap();
    if let Some(theirs) = run_as_nobody(&words) {
        let next = format!("  echo 'allow 9.9.9.9' | sudo tee -a {path}\n");
        assert!(theirs.stdout.contains(&next), "{theirs:?}");
    }
    let typed = ["serve", "--local", "--explain-access", "9.9.9.9"];
    let said = run(&typed).stdout;
    assert!(
        said.contains("  clockbox serve --allow 9.9.9.9\n"),
        "{said}"
    );
    let slip = run(&["serve", "--explain-access", "12.34.5.800"]);
    assert_eq!(slip.status, 64);
    let pointed = "\"800\" is not an octet of an IPv4 address\n    12.34.5.800\n            ^^^\n";
    assert!(slip.stderr.contains(pointed), "{slip:?}");
    let text = run(&["serve", "--config", path, "--explain-access", "1.2.3.9"]);
    assert!(text.stdout.contains("deny 1.2.3.0/24"), "{}", text.stdout);
}

#[test]
fn wrong_words_and_taken_ports_are_named_with_what_to_type() {
    let placeholder = run(&["serve", "--local", "--allow", "12.34.5.800/32"]);
    assert_eq!(placeholder.status, 64);
    assert!(placeholder.stderr.contains("            ^^^"));
    let server = Serving::start(&["--local", "--allow", "127.0.0.1"]);
    for threads in ["1", "2"] {
        let args = ["--listen", &server.address, "--threads", threads];
        let taken = run(&[&["serve", "--local"], &args[..]].concat());
        assert_eq!(taken.status, 74, "{taken:?}");
        assert!(taken.stderr.contains("clockbox check-port"), "{taken:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.conf");
    std::fs::write(&empty, "allow\n").unwrap();
    let empty = empty.to_str().unwrap();
    let nothing = run(&["serve", "--config", empty, "--listen", "127.0.0.1:0"]);
    assert_eq!(nothing.status, 78, "{nothing:?}");
    assert!(nothing.stderr.contains("--upstream"), "{nothing:?}");
}

#[test]
fn sockets_of_the_service_manager_are_taken() {
    use std::os::fd::AsFd;
    use std::os::fd::AsRawFd;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // A copy that children inherit; the shell puts it where sd_listen_fds(3) says.
    let copy = nix::unistd::dup(socket.as_fd()).unwrap();
    let script = format!(
        "exec 3<&{}; LISTEN_PID=$$ LISTEN_FDS=1 exec {} serve --local --allow 127.0.0.1",
        copy.as_raw_fd(),
        env!("CARGO_BIN_EXE_clockbox")
    );
    let mut command = Command::new("bash");
    command.args(["-c", &script]);
    let server = Serving::of(command);
    drop((socket, copy));
    assert_eq!(server.address, address.to_string());
    assert!(server.ask(&header(4, 3)).is_some());
}
