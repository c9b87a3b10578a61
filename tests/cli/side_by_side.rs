//! chronyd and clockbox's daemon in one namespace, following the same servers: what they say is held
//! against each other, column by column.

use crate::net::Net;
use crate::net::peer;
use crate::net::skip;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

/// What a word is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Digits.
    Whole,
    /// A number with so many digits after the point.
    Point(usize),
    /// A number with a power of ten, and so many digits after the point.
    Power(usize),
    /// An IPv4 address.
    Address,
    /// A day, or a time of day.
    When,
    /// Anything else: how many letters it has.
    Word(usize),
}

/// What a word is.
pub(crate) fn kind(word: &str) -> Kind {
    let number = word.trim_start_matches(['-', '+']);
    let after = |text: &str| text.split_once('.').map_or(0, |(_, rest)| rest.len());
    if number.parse::<u64>().is_ok() {
        return Kind::Whole;
    }
    if number.parse::<std::net::Ipv4Addr>().is_ok() {
        return Kind::Address;
    }
    if let Some((mantissa, _)) = number.split_once('e')
        && number.parse::<f64>().is_ok()
    {
        return Kind::Power(after(mantissa));
    }
    if number.parse::<f64>().is_ok() {
        return Kind::Point(after(number));
    }
    if word.len() >= 8
        && word
            .chars()
            .all(|c| c.is_ascii_digit() || "-:.".contains(c))
    {
        return Kind::When;
    }
    Kind::Word(word.chars().count())
}

/// The one of chrony's current release, where the environment names both of that release, else
/// Debian's.
fn program(variable: &str, path: &str) -> Option<PathBuf> {
    let both = ["CLOCKBOX_CHRONYC", "CLOCKBOX_CHRONYD"];
    if both.iter().all(|name| std::env::var_os(name).is_some()) {
        return std::env::var_os(variable).map(PathBuf::from);
    }
    peer("chrony", path)
}

/// Both daemons.
pub(crate) struct Pair {
    pub(crate) net: Net,
    /// chronyc, and the sockets of chronyd and clockbox.
    pub(crate) chronyc: PathBuf,
    pub(crate) chronyd_socket: String,
    pub(crate) clockbox_socket: String,
}

impl Pair {
    /// Three servers, and both daemons with these lines besides; `{who}` in them is the daemon's
    /// name. Waits until both follow somebody. None, said aloud, where that cannot be.
    pub(crate) fn new(more: &str) -> Option<Self> {
        program("CLOCKBOX_CHRONYC", "usr/bin/chronyc")?;
        let Some(mut net) = Net::new() else {
            skip("no network namespace");
            return None;
        };
        let mut servers = String::new();
        for last in 10..13 {
            let server = format!("10.77.0.{last}");
            net.chronyd(&server, "")?;
            servers.push_str(&format!("server {server} iburst minpoll 0 maxpoll 1\n"));
        }
        let pair = Self::start(net, &servers, more)?;
        pair.follow();
        Some(pair)
    }

    /// Both daemons in this namespace with these lines, and more in which `{who}` is the daemon's
    /// name. They may not follow anybody yet.
    pub(crate) fn start(mut net: Net, servers: &str, more: &str) -> Option<Self> {
        let chronyc = program("CLOCKBOX_CHRONYC", "usr/bin/chronyc")?;
        let chronyd = program("CLOCKBOX_CHRONYD", "usr/sbin/chronyd")?;
        let mut sockets = Vec::new();
        for (who, port) in [("chronyd", 3231), ("clockbox", 323)] {
            let directory = net.path(&format!("run-{who}"));
            std::fs::create_dir(&directory).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o770);
            std::fs::set_permissions(&directory, mode).unwrap();
            let socket = directory.join("control.sock").display().to_string();
            let pid = net.path(&format!("{who}.pid"));
            let more = more.replace("{who}", who);
            let text = format!(
                "{servers}bindcmdaddress {socket}\ncmdport {port}\npidfile {}\n{more}\n",
                pid.display()
            );
            let conf = net.write(&format!("{who}.conf"), &text);
            let conf = conf.to_str().unwrap();
            if who == "chronyd" {
                let program = chronyd.to_str().unwrap();
                net.start(who, &[program, "-x", "-d", "-U", "-u", "root", "-f", conf]);
            } else {
                let program = env!("CARGO_BIN_EXE_clockbox");
                let words = ["sync", "--daemon", "-x", "--user", "root", "-f", conf];
                net.start(who, &[&[program], &words[..]].concat());
            }
            sockets.push(socket);
        }
        let clockbox_socket = sockets.pop().unwrap();
        Some(Self {
            net,
            chronyc,
            chronyd_socket: sockets.pop().unwrap(),
            clockbox_socket,
        })
    }

    /// Waits until both follow somebody.
    fn follow(&self) {
        let end = Instant::now() + Duration::from_secs(60);
        for socket in [&self.chronyd_socket, &self.clockbox_socket] {
            while !self.ask(socket, "-n", "sources").1.contains("^*") {
                assert!(Instant::now() < end, "{socket}: {}", self.net.logs());
                std::thread::sleep(Duration::from_millis(200));
            }
        }
    }

    /// Exit status and output of one command of chronyc; `options` are separated by blanks.
    pub(crate) fn ask(&self, socket: &str, options: &str, command: &str) -> (i32, String) {
        let mut words = vec![self.chronyc.to_str().unwrap(), "-h", socket];
        words.extend(options.split(' '));
        words.extend(command.split(' '));
        let output = self.net.run(&words);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap_or(-1), text)
    }

    /// The same of both: chronyd's, then clockbox's.
    pub(crate) fn both(&self, options: &str, command: &str) -> [(i32, String); 2] {
        [&self.chronyd_socket, &self.clockbox_socket].map(|s| self.ask(s, options, command))
    }
}
