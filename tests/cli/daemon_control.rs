//! The control sockets of `clockbox sync --daemon`, asked by chronyc as it is: Debian's, and the one
//! that $CLOCKBOX_CHRONYC names (chrony's current release).

use crate::net::Net;
use crate::net::peer;
use crate::net::skip;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

/// Answered with `200 OK` or a table.
const DONE: i32 = 0;
/// Refused with a status, as chronyd does where the thing is off.
const REFUSED: i32 = 1;

/// Commands of chronyc's help, in an order in which each has something to do, the exit status, and
/// a word of the output.
const COMMANDS: &[(&str, i32, &str)] = &[
    ("sources", DONE, "^* 10.77.0.10"),
    ("sourcestats", DONE, "10.77.0.12"),
    ("tracking", DONE, "Leap status     : Normal"),
    ("activity", DONE, "3 sources online"),
    ("selectdata", DONE, "* 10.77.0.10"),
    ("ntpdata 10.77.0.11", DONE, "Remote port     : 123"),
    ("authdata", DONE, "10.77.0.10"),
    ("sourcename 10.77.0.10", DONE, "10.77.0.10"),
    ("serverstats", DONE, "Command packets received"),
    ("clients", REFUSED, "519 Client logging is not active"),
    ("rtcdata", REFUSED, "513 RTC driver not running"),
    ("writertc", REFUSED, "513"),
    ("trimrtc", REFUSED, "513"),
    ("smoothing", REFUSED, "505"),
    ("smoothtime reset", REFUSED, "505"),
    ("manual list", DONE, "n_samples = 0"),
    ("manual delete 0", REFUSED, "516"),
    ("accheck 192.0.2.1", DONE, "209 Access denied"),
    ("cmdaccheck 127.0.0.1", DONE, "209 Access denied"),
    ("cmdallow 192.0.2.1", DONE, "200 OK"),
    ("cmdaccheck 192.0.2.1", DONE, "208 Access allowed"),
    ("cmddeny all", DONE, "200 OK"),
    ("cmdaccheck 192.0.2.1", DONE, "209 Access denied"),
    ("allow 192.0.2.1", REFUSED, "505"),
    ("offline 10.77.0.12", DONE, "200 OK"),
    ("activity", DONE, "1 sources offline"),
    ("online 10.77.0.12", DONE, "200 OK"),
    ("online 10.77.0.77", REFUSED, "503 No such source"),
    ("onoffline", DONE, "200 OK"),
    ("burst 1/2", DONE, "200 OK"),
    ("makestep 1 3", DONE, "200 OK"),
    ("maxupdateskew 10", DONE, "200 OK"),
    ("minpoll 10.77.0.10 1", DONE, "200 OK"),
    ("maxpoll 10.77.0.10 3", DONE, "200 OK"),
    ("maxdelay 10.77.0.10 0.5", DONE, "200 OK"),
    ("maxdelayratio 10.77.0.10 20", DONE, "200 OK"),
    ("maxdelaydevratio 10.77.0.10 40", DONE, "200 OK"),
    ("minstratum 10.77.0.10 3", DONE, "200 OK"),
    ("polltarget 10.77.0.10 8", DONE, "200 OK"),
    ("reselect", DONE, "200 OK"),
    ("reselectdist 0.1", DONE, "200 OK"),
    ("dfreq 1", DONE, "200 OK"),
    ("doffset 0.1", DONE, "200 OK"),
    ("reload sources", DONE, "200 OK"),
    ("settime 12:00:00", REFUSED, "505"),
    ("manual on", DONE, "200 OK"),
    ("settime Jan 1 12:00:00 2030", DONE, "Clock was -"),
    ("manual list", DONE, "n_samples = 1"),
    ("manual delete 0", DONE, "200 OK"),
    ("manual reset", DONE, "200 OK"),
    ("manual off", DONE, "200 OK"),
    ("add peer 10.77.0.14", DONE, "200 OK"),
    ("sources", DONE, "=? 10.77.0.14"),
    ("delete 10.77.0.14", DONE, "200 OK"),
    ("add server 10.77.0.13", DONE, "200 OK"),
    ("add server 10.77.0.13", REFUSED, "511"),
    ("delete 10.77.0.13", DONE, "200 OK"),
    ("delete 10.77.0.13", REFUSED, "503"),
    ("refresh", DONE, "200 OK"),
    ("rekey", DONE, "200 OK"),
    ("cyclelogs", DONE, "200 OK"),
    ("local stratum 8", DONE, "200 OK"),
    ("local off", DONE, "200 OK"),
    ("reset sources", DONE, "200 OK"),
    ("makestep", REFUSED, "500 Failure"),
];

struct Daemon {
    net: Net,
    socket: String,
}

impl Daemon {
    /// Three servers and clockbox's daemon, which measures only; waits until it follows the preferred one.
    fn new(chronyc: &str) -> Option<Self> {
        let mut net = Net::new()?;
        let socket = net.path("run/control.sock").display().to_string();
        let mut config = format!("bindcmdaddress {socket}\n");
        for last in 10..13 {
            let server = format!("10.77.0.{last}");
            net.chronyd(&server, "")?;
            let options = if last == 10 { " prefer" } else { "" };
            config.push_str(&format!(
                "server {server} iburst minpoll 0 maxpoll 2{options}\n"
            ));
        }
        let config = net.write("clockbox.conf", &config);
        let words = ["sync", "--daemon", "--no-clock-control", "--config"];
        let program = env!("CARGO_BIN_EXE_clockbox");
        net.start(
            "clockbox",
            &[&[program], &words[..], &[config.to_str().unwrap()]].concat(),
        );
        let daemon = Self { net, socket };
        let end = Instant::now() + Duration::from_secs(40);
        while !daemon.ask(chronyc, "sources").1.contains("^* 10.77.0.10") {
            assert!(Instant::now() < end, "{}", daemon.net.logs());
            std::thread::sleep(Duration::from_millis(200));
        }
        Some(daemon)
    }

    fn ask_at(&self, host: &str, chronyc: &str, command: &str) -> (i32, String) {
        let mut words = vec![chronyc, "-n", "-h", host];
        words.extend(command.split(' '));
        let output = self.net.run(&words);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap_or(-1), text)
    }

    fn ask(&self, chronyc: &str, command: &str) -> (i32, String) {
        self.ask_at(&self.socket, chronyc, command)
    }
}

fn programs() -> Vec<PathBuf> {
    let mut programs = Vec::new();
    match peer("chrony", "usr/bin/chronyc") {
        Some(program) => programs.push(program),
        None => skip("no chronyc"),
    }
    match std::env::var_os("CLOCKBOX_CHRONYC") {
        Some(program) => programs.push(program.into()),
        None => skip("$CLOCKBOX_CHRONYC names no chronyc of chrony's current release"),
    }
    programs
}

#[test]
fn every_command_of_chronyc_is_answered_or_properly_refused() {
    for program in programs() {
        let chronyc = program.to_str().unwrap();
        let Some(daemon) = Daemon::new(chronyc) else {
            return skip("no network namespace or no chronyd");
        };
        for (command, status, word) in COMMANDS {
            let (got, text) = daemon.ask(chronyc, command);
            assert_eq!(got, *status, "{chronyc} {command}: {text}");
            assert!(text.contains(word), "{chronyc} {command}: {text}");
        }
        // Over UDP only what harms nobody.
        for (command, status, word) in [
            ("activity", DONE, "200 OK"),
            ("tracking", DONE, "Reference ID"),
            ("reselect", REFUSED, "501 Not authorised"),
            ("shutdown", REFUSED, "501 Not authorised"),
        ] {
            for host in ["127.0.0.1", "::1"] {
                let (got, text) = daemon.ask_at(host, chronyc, command);
                assert_eq!(got, status, "{chronyc} {host} {command}: {text}");
                assert!(text.contains(word), "{chronyc} {host} {command}: {text}");
            }
        }
        assert_eq!(daemon.ask(chronyc, "shutdown").0, DONE);
        let end = Instant::now() + Duration::from_secs(10);
        while daemon.net.path("run/control.sock").exists() {
            assert!(Instant::now() < end, "{}", daemon.net.logs());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
