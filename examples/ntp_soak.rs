//! A soak of `clockbox serve` on loopback, bounded in time: a flood of invented sources, rubbish,
//! replies, control messages, whoever is refused and whoever asks too often, at the full speed of the
//! server; in the middle of it clients that behave. Says what does not hold of:
//!
//! - whoever behaves, known or new, is answered every time, and so with a time that is right;
//! - no reply is longer than its request, and nothing but requests is replied to;
//! - the memory of the server does not grow;
//! - its counters add up to the packet, and to what was sent and received here.
//!
//! `ntp_soak PROGRAM SECONDS [THREADS]`: starts the server itself, ends it with SIGTERM.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a tool of the tests, beside the program"
)]

use nix::libc::in_addr;
use nix::libc::in_pktinfo;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::sys::socket::ControlMessage;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::SockaddrIn;
use nix::sys::socket::sendmsg;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt;
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::io::BufReader;
use std::io::IoSlice;
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::SocketAddrV4;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::process::Child;
use std::process::ChildStderr;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

/// Packets of the flood between two newcomers who must be answered.
const BATCH: u64 = 200;
/// How long somebody who behaves waits for an answer: nothing is lost on the way.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two series of three requests of a client that behaves: the limit is one a second.
const REGULAR: Duration = Duration::from_millis(3500);
/// Octets that the server's memory may grow by after the first quarter.
const GROWTH: u64 = 1 << 20;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (program, seconds, threads) = match words.as_slice() {
        [program, seconds] => (program, seconds, "1"),
        [program, seconds, threads] => (program, seconds, threads.as_str()),
        _ => {
            println!("ntp_soak PROGRAM SECONDS [THREADS]");
            std::process::exit(64);
        }
    };
    let seconds: f64 = seconds.parse().unwrap();
    let mut server = Server::start(program, threads);
    let mut soak = Soak::new(server.address);
    soak.run(&server, Duration::from_secs_f64(seconds.clamp(1.0, 3600.0)));
    let lost = dropped(server.address.port());
    soak.judge(&server.end(), lost);
    std::process::exit(i32::from(!soak.wrong.is_empty()));
}

/// The server under test, and what it says.
struct Server {
    child: Child,
    lines: BufReader<ChildStderr>,
    address: SocketAddrV4,
}

impl Server {
    fn start(program: &str, threads: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("ntp-soak-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let conf = dir.join("soak.conf");
        // A small table: the flood has many more addresses than it has records.
        std::fs::write(
            &conf,
            "local stratum 5\nallow 127.0.0.0/8\ndeny 127.4.0.0/16\ncmdport 0\nbindcmdaddress /\n\
             ratelimit interval 0 burst 4 leak 2 kod 2\nclientloglimit 262144\n",
        )
        .unwrap();
        let mut child = Command::new(program)
            .args(["serve", "--no-clock-control", "--listen", "127.0.0.1:0"])
            .args(["--threads", threads, "--config"])
            .arg(&conf)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let start = said.len();
            assert!(lines.read_line(&mut said).unwrap() > 0, "ended: {said}");
            if let Some((_, at)) = said.split_at(start).1.split_once("answering on ") {
                break at.trim().parse().unwrap();
            }
        };
        let _ = std::fs::remove_dir_all(&dir);
        Self {
            child,
            lines,
            address,
        }
    }

    /// Resident memory in octets.
    fn resident(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        let number = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
        number.unwrap_or(0) * 1024
    }

    /// Ends it; gives what it counted, by name.
    fn end(&mut self) -> BTreeMap<String, u64> {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        let mut counted = BTreeMap::new();
        for line in self.lines.by_ref().lines().map_while(Result::ok) {
            let Some((received, rest)) = line.split_once(" requests received") else {
                continue;
            };
            let number = received.rsplit(' ').next().unwrap();
            counted.insert("received".to_owned(), number.parse().unwrap());
            for part in rest.split(", ").filter(|part| !part.is_empty()) {
                let (number, name) = part.split_once(' ').unwrap();
                counted.insert(name.trim().to_owned(), number.parse().unwrap());
            }
        }
        let _ = self.child.wait();
        counted
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Datagrams that the kernel dropped before the server could read them (proc_net_udp(5)).
fn dropped(port: u16) -> u64 {
    let text = std::fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let ours = format!("0100007F:{port:04X}");
    let lines = text.lines().filter(|line| line.contains(&ours));
    lines
        .filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok())
        .sum()
}

/// A client that asks now and then and is to be answered every time.
struct Regular {
    socket: UdpSocket,
    next: Instant,
    /// When it asked, while it waits.
    asked: Option<Instant>,
    answered: u64,
    /// Receive timestamp of the last reply, for interleaved mode.
    last: [u8; 8],
}

struct Soak {
    to: SocketAddrV4,
    flood: UdpSocket,
    regulars: Vec<Regular>,
    random: u64,
    sent: u64,
    received: u64,
    /// Newcomers that wait for an answer: their numbers, and since when.
    newcomers: BTreeMap<u64, Instant>,
    newcomers_answered: u64,
    wrong: Vec<String>,
}

impl Soak {
    fn new(to: SocketAddrV4) -> Self {
        let flood = UdpSocket::bind("0.0.0.0:0").unwrap();
        flood.set_nonblocking(true).unwrap();
        // Room for all that may be on its way: what the test loses looks like the server's loss.
        let _ = setsockopt(&flood, sockopt::RcvBufForce, &(16 << 20))
            .or_else(|_| setsockopt(&flood, sockopt::RcvBuf, &(16 << 20)));
        let now = Instant::now();
        let regular = |n: u8| {
            let socket = UdpSocket::bind((Ipv4Addr::new(127, 3, 0, n), 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            Regular {
                socket,
                next: now + Duration::from_millis(u64::from(n) * 70),
                asked: None,
                answered: 0,
                last: [0; 8],
            }
        };
        Self {
            to,
            flood,
            regulars: (1..=16).map(regular).collect(),
            random: 0x9e37_79b9_7f4a_7c15,
            sent: 0,
            received: 0,
            newcomers: BTreeMap::new(),
            newcomers_answered: 0,
            wrong: Vec::new(),
        }
    }

    fn run(&mut self, server: &Server, length: Duration) {
        let start = Instant::now();
        let mut before = None;
        // How far the flood may run ahead: what a receive buffer holds.
        let ahead = if nix::unistd::geteuid().is_root() {
            8
        } else {
            1
        };
        while start.elapsed() < length && self.wrong.is_empty() {
            for _ in 0..BATCH {
                self.rubbish();
            }
            self.newcomer();
            self.read();
            while self.newcomers.len() >= ahead && self.wrong.is_empty() {
                self.read();
            }
            self.ask();
            if before.is_none() && start.elapsed() > length / 4 {
                before = Some(server.resident());
            }
        }
        let end = Instant::now() + PATIENCE;
        while self.waiting() && Instant::now() < end && self.wrong.is_empty() {
            self.read();
        }
        // What is still on its way comes.
        std::thread::sleep(Duration::from_millis(300));
        self.read();
        let (before, after) = (before.unwrap_or(0), server.resident());
        println!(
            "{} packets in {:.1} s, {:.0} a second; resident {} kB after a quarter, {} kB at the end",
            self.sent,
            start.elapsed().as_secs_f64(),
            self.sent as f64 / start.elapsed().as_secs_f64(),
            before / 1024,
            after / 1024
        );
        if before == 0 || after > before + GROWTH {
            self.wrong(format!("the memory grew from {before} to {after} octets"));
        }
    }

    fn waiting(&self) -> bool {
        !self.newcomers.is_empty() || self.regulars.iter().any(|r| r.asked.is_some())
    }

    fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Sends as if from this address.
    fn send(&mut self, from: Ipv4Addr, packet: &[u8]) {
        let info = in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: in_addr {
                s_addr: u32::from(from).to_be(),
            },
            ipi_addr: in_addr { s_addr: 0 },
        };
        let to = SockaddrIn::from(self.to);
        let parts = [IoSlice::new(packet)];
        let control = [ControlMessage::Ipv4PacketInfo(&info)];
        let flags = MsgFlags::empty();
        let done = sendmsg(self.flood.as_raw_fd(), &parts, &control, flags, Some(&to));
        match done {
            Ok(_) => self.sent += 1,
            Err(error) => self.wrong(format!("the flood cannot be sent: {error}")),
        }
    }

    /// A request whose transmit timestamp has its length, so that a reply can be held against it.
    fn request(&mut self, length: usize) -> Vec<u8> {
        let mut packet = vec![0; length.max(48)];
        packet[0] = 0x23;
        let number = self.random() << 16 | length as u64;
        packet[40..48].copy_from_slice(&number.to_be_bytes());
        packet
    }

    /// One packet of the flood.
    fn rubbish(&mut self) {
        let random = self.random();
        let [kind, a, b, c, d, ..] = random.to_be_bytes();
        let invented = Ipv4Addr::new(127, 16 | a & 0x7f, b, c);
        match kind % 16 {
            // Somebody who asks once, from anywhere.
            0..=6 => {
                let packet = self.request(48);
                self.send(invented, &packet);
            }
            // Some few who ask all the time.
            7..=9 => {
                let packet = self.request(48);
                self.send(Ipv4Addr::new(127, 2, 0, a & 7), &packet);
            }
            // Whoever is refused.
            10 => {
                let packet = self.request(48);
                self.send(Ipv4Addr::new(127, 4, b, c), &packet);
            }
            // Extension fields, right or not, and MACs of no key.
            11 | 12 => {
                let mut packet = self.request(48 + usize::from(a & 0x7c));
                for octet in packet.iter_mut().skip(48) {
                    *octet = self.random() as u8;
                }
                if d & 1 == 0 && packet.len() > 64 {
                    let length = packet.len() - 48;
                    packet[48..52].copy_from_slice(&[0x77, 0x77, 0, length as u8]);
                }
                self.send(invented, &packet);
            }
            // Replies, broadcasts, symmetric, control and private messages, versions of nobody.
            13 => {
                let mut packet = self.request(48);
                packet[0] = d;
                self.send(invented, &packet);
            }
            // Octets without sense, of any length.
            14 => {
                let length = usize::from(u16::from_be_bytes([a, b]) % 600);
                let mut packet = self.request(length.max(48));
                for octet in packet.iter_mut().take(40) {
                    *octet = self.random() as u8;
                }
                packet.truncate(length);
                self.send(invented, &packet);
            }
            _ => {
                let packet = self.request(1473 + usize::from(d));
                self.send(invented, &packet);
            }
        }
    }

    /// Somebody new who must be answered.
    fn newcomer(&mut self) {
        let number = self.sent;
        let [.., a, b, c] = number.to_be_bytes();
        let packet = self.request(48);
        let key = u64::from_be_bytes(*packet.last_chunk().unwrap());
        self.newcomers.insert(key, Instant::now());
        self.send(Ipv4Addr::new(127, 160 | a & 31, b, c), &packet);
    }

    /// Whoever behaves asks when it is time, and twice more, in interleaved mode, when the answer is
    /// there: later its exchange may be forgotten.
    fn ask(&mut self) {
        let now = Instant::now();
        for client in &mut self.regulars {
            let again = !client.answered.is_multiple_of(3);
            if client.asked.is_some() || !again && now < client.next {
                continue;
            }
            let mut packet = [0_u8; 48];
            packet[0] = 0x23;
            if again {
                packet[24..32].copy_from_slice(&client.last);
                packet[32..40].copy_from_slice(&client.answered.to_be_bytes());
            }
            packet[40..48].copy_from_slice(&(client.answered << 16 | 48).to_be_bytes());
            client.socket.send_to(&packet, self.to).unwrap();
            self.sent += 1;
            client.asked = Some(now);
            if !again {
                client.next = now + REGULAR;
            }
        }
    }

    /// Reads whatever has come.
    fn read(&mut self) {
        let mut buffer = [0_u8; 2048];
        while let Ok((length, from)) = self.flood.recv_from(&mut buffer) {
            self.received += 1;
            let reply = buffer[..length].to_vec();
            self.reply(&reply, from);
        }
        let mut wrong = Vec::new();
        for client in &mut self.regulars {
            if let Ok((length, _)) = client.socket.recv_from(&mut buffer) {
                self.received += 1;
                let told = buffer[32..36].first_chunk().copied().unwrap_or_default();
                let unix = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap()
                    .as_secs();
                let off = u64::from(u32::from_be_bytes(told)).abs_diff(unix + 2_208_988_800);
                if length != 48 || buffer[1] != 5 || off > 20 {
                    wrong.push(format!("a client that behaves got {:?}", &buffer[..length]));
                }
                client.last.copy_from_slice(&buffer[32..40]);
                client.answered += 1;
                client.asked = None;
            } else if client.asked.is_some_and(|at| at.elapsed() > PATIENCE) {
                wrong.push("a client that behaves was not answered".to_owned());
            }
        }
        if self.newcomers.values().any(|at| at.elapsed() > PATIENCE) {
            wrong.push("a new client was not answered".to_owned());
        }
        self.wrong.extend(wrong);
    }

    /// One reply to the flood.
    fn reply(&mut self, reply: &[u8], from: SocketAddr) {
        let origin = reply.get(24..32).and_then(|o| o.first_chunk().copied());
        let number = u64::from_be_bytes(origin.unwrap_or_default());
        let asked = (number & 0xffff) as usize;
        if from != SocketAddr::V4(self.to) || reply.len() > asked {
            self.wrong(format!("{} octets from {from} for {asked}", reply.len()));
        }
        if self.newcomers.remove(&number).is_some() {
            self.newcomers_answered += 1;
            if reply.get(1) != Some(&5) {
                self.wrong(format!("a new client got {reply:?}"));
            }
        }
    }

    /// Holds the server's own account against what was seen here.
    fn judge(&mut self, counted: &BTreeMap<String, u64>, lost: u64) {
        let of = |name: &str| counted.get(name).copied().unwrap_or(0);
        let told: Vec<String> = counted
            .iter()
            .map(|(name, n)| format!("{n} {name}"))
            .collect();
        println!("the server: {}; the kernel dropped {lost}", told.join(", "));
        let regulars: Vec<u64> = self.regulars.iter().map(|r| r.answered).collect();
        println!(
            "answered: {} new clients, {} times the {} that behave",
            self.newcomers_answered,
            regulars.iter().sum::<u64>(),
            regulars.len()
        );
        let parts = [
            "answered",
            "kissed",
            "denied",
            "limited",
            "malformed",
            "version",
            "no request",
            "control",
            "unauthentic",
            "withheld",
            "unsent",
        ];
        let sum: u64 = parts.iter().map(|name| of(name)).sum();
        let checks = [
            (of("received") == sum, "its counters do not add up"),
            (
                of("received") + lost == self.sent,
                "it did not count what was sent",
            ),
            (
                of("answered") + of("kissed") == self.received,
                "it did not count what it sent",
            ),
            (
                regulars.iter().all(|n| *n > 0),
                "somebody who behaves never asked",
            ),
            (of("interleaved") > 0, "nobody was answered interleaved"),
            (
                of("unsent") == 0 && of("withheld") == 0,
                "it could not answer",
            ),
        ];
        for (holds, what) in checks {
            if !holds {
                let (sent, received) = (self.sent, self.received);
                self.wrong(format!("{what}: {sum} of {sent} sent, {received} received"));
            }
        }
        // All kinds of rubbish were there.
        for name in [
            "kissed",
            "denied",
            "limited",
            "malformed",
            "version",
            "control",
            "unauthentic",
        ] {
            if of(name) == 0 {
                self.wrong(format!("nothing was counted as {name}"));
            }
        }
        for wrong in &self.wrong {
            println!("WRONG: {wrong}");
        }
        if self.wrong.is_empty() {
            println!("all of it holds");
        }
    }
}
