//! Two network namespaces on a wire, real daemons and packet filters in them. What needs root or a
//! program that is not there is skipped aloud. Everything is removed at the end.

use crate::net::peer;
use crate::net::skip;
use crate::run::Ran;
use crate::run::finish;
use std::net::UdpSocket;
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::RwLockReadGuard;
use std::sync::RwLockWriteGuard;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

/// The server's addresses on the wire.
pub(super) const SERVER: &str = "10.77.1.2";
pub(super) const SERVER6: &str = "fd77::2";

static NEXT: AtomicU32 = AtomicU32::new(0);
/// A network namespace hides no process: whoever pretends to be a daemon does so alone.
static PROCESSES: RwLock<()> = RwLock::new(());

/// The right to see the processes of the machine, with others or alone.
enum Sight {
    Shared(#[expect(dead_code, reason = "held until the end")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held until the end")] RwLockWriteGuard<'static, ()>),
}

/// A client's and a server's namespace on a wire.
pub(super) struct Lab {
    client: String,
    server: String,
    children: Vec<Child>,
    talkers: Vec<(Arc<AtomicBool>, JoinHandle<()>)>,
    /// A directory of its own.
    pub(super) dir: tempfile::TempDir,
    sight: Sight,
}

fn quiet(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Lab {
    /// The namespaces, or nothing (said aloud) where they cannot be made.
    pub(super) fn new() -> Option<Self> {
        let guard = PROCESSES.read().unwrap_or_else(PoisonError::into_inner);
        Self::with(Sight::Shared(guard))
    }

    /// The namespaces with a chronyd in the server's that has these lines; nothing (said aloud) where
    /// either is not to be had.
    pub(super) fn with_chronyd(lines: &str) -> Option<Self> {
        let mut lab = Self::new()?;
        lab.chronyd(lines).then_some(lab)
    }

    /// The same with NTPsec's ntpd.
    pub(super) fn with_ntpd(lines: &str) -> Option<Self> {
        let mut lab = Self::new()?;
        lab.ntpd(lines).then_some(lab)
    }

    /// The same while no other lab is there: for [`Self::pretender`].
    pub(super) fn alone() -> Option<Self> {
        let guard = PROCESSES.write().unwrap_or_else(PoisonError::into_inner);
        Self::with(Sight::Alone(guard))
    }

    fn with(sight: Sight) -> Option<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = |end: &str| format!("cbcp{}-{number}{end}", std::process::id());
        let lab = Self {
            client: name("c"),
            server: name("s"),
            children: Vec::new(),
            talkers: Vec::new(),
            dir: tempfile::tempdir().unwrap(),
            sight,
        };
        let made = quiet("ip", &["netns", "add", &lab.client])
            && quiet("ip", &["netns", "add", &lab.server]);
        if !made {
            skip("network namespaces need root and iproute2");
            return None;
        }
        let (c, s) = (lab.client.as_str(), lab.server.as_str());
        let wire = [
            vec![
                "-n", c, "link", "add", "c0", "type", "veth", "peer", "name", "s0", "netns", s,
            ],
            vec!["-n", c, "addr", "add", "10.77.1.1/24", "dev", "c0"],
            vec!["-n", c, "addr", "add", "fd77::1/64", "dev", "c0", "nodad"],
            vec!["-n", s, "addr", "add", "10.77.1.2/24", "dev", "s0"],
            vec!["-n", s, "addr", "add", "fd77::2/64", "dev", "s0", "nodad"],
            vec!["-n", c, "link", "set", "lo", "up"],
            vec!["-n", s, "link", "set", "lo", "up"],
            vec!["-n", c, "link", "set", "c0", "up"],
            vec!["-n", s, "link", "set", "s0", "up"],
        ];
        for args in wire {
            assert!(quiet("ip", &args), "ip {args:?}");
        }
        Some(lab)
    }

    /// Runs a program in the server's namespace; it must succeed.
    pub(super) fn at_server(&self, words: &[&str]) {
        let all = [&["netns", "exec", &self.server], words].concat();
        assert!(quiet("ip", &all), "{words:?}");
    }

    pub(super) fn at_client(&self, words: &[&str]) {
        let all = [&["netns", "exec", &self.client], words].concat();
        assert!(quiet("ip", &all), "{words:?}");
    }

    /// Replaces the server's nftables rules; the text is the inside of an input chain of `inet`.
    pub(super) fn filter(&self, rules: &str) {
        self.at_server(&["nft", "flush", "ruleset"]);
        let text = format!(
            "table inet t {{ chain i {{ type filter hook input priority 0; policy accept; {rules} ; }} ; }}"
        );
        self.at_server(&["nft", &text]);
    }

    /// Names for the client: `ip netns exec` lays this file over /etc/hosts.
    pub(super) fn hosts(&self, text: &str) {
        let directory = format!("/etc/netns/{}", self.client);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(format!("{directory}/hosts"), text).unwrap();
    }

    /// clockbox in the client's namespace.
    pub(super) fn ask(&self, args: &[&str]) -> Ran {
        self.clockbox(&self.client, args, &[])
    }

    /// The same, with this many open files at most.
    pub(super) fn ask_with_files(&self, files: u32, args: &[&str]) -> Ran {
        let limit = format!("--nofile={files}:{files}");
        self.clockbox(&self.client, args, &["prlimit", &limit])
    }

    /// `clockbox check-port --json` there, as a value that fits its schema.
    pub(super) fn json(&self, args: &[&str]) -> serde_json::Value {
        self.ask(&[&["check-port", "--json"], args].concat()).json()
    }

    /// clockbox in the server's namespace: the machine that is looked at.
    pub(super) fn here(&self, args: &[&str]) -> Ran {
        self.clockbox(&self.server, args, &[])
    }

    /// The same as an ordinary user.
    pub(super) fn here_as_nobody(&self, args: &[&str]) -> Ran {
        let user = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ];
        // The program may lie where nobody else can reach.
        let copy = self.dir.path().join("clockbox");
        std::fs::copy(env!("CARGO_BIN_EXE_clockbox"), &copy).unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(self.dir.path(), open).unwrap();
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.server])
            .args(user)
            .arg(copy)
            .args(args);
        finish(plain(command).output().unwrap())
    }

    fn clockbox(&self, namespace: &str, args: &[&str], before: &[&str]) -> Ran {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).args(before);
        command.arg(env!("CARGO_BIN_EXE_clockbox")).args(args);
        finish(plain(command).output().unwrap())
    }

    /// Many requests at once from the client's namespace; what comes back is not looked at.
    pub(super) fn burst(&self, count: u8) {
        let namespace = format!("/run/netns/{}", self.client);
        let thread = std::thread::spawn(move || {
            enter(&namespace);
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            for number in 0..count {
                let mut request = [0; 48];
                (request[0], request[40], request[47]) = (0x23, 1, number);
                socket.send_to(&request, (SERVER, 123)).unwrap();
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        thread.join().unwrap();
    }

    /// What a program prints in the server's namespace.
    pub(super) fn said(&self, words: &[&str]) -> String {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.server]).args(words);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    /// Starts a real daemon of the peers in the server's namespace, without the right to set a
    /// clock, and waits until it holds the port. `false` (said aloud) when it is not to be had.
    pub(super) fn daemon(&mut self, program: &str, args: &[&str], port: &str) -> bool {
        let package = if program == "chronyd" {
            "chrony"
        } else {
            "ntpsec"
        };
        let Some(path) = peer(package, &format!("usr/sbin/{program}")) else {
            return false;
        };
        let mut command = Command::new("ip");
        command.args([
            "netns",
            "exec",
            &self.server,
            "setpriv",
            "--bounding-set=-sys_time",
        ]);
        command.arg(path).args(args);
        let log = std::fs::File::create(self.dir.path().join(format!("{program}.log"))).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0);
        self.children.push(command.spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(15);
        while !self.said(&["ss", "-nulH"]).contains(port) {
            if Instant::now() > deadline {
                let log = std::fs::read_to_string(self.dir.path().join(format!("{program}.log")));
                panic!(
                    "{program} does not open {port}: {}",
                    log.unwrap_or_default()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        true
    }

    /// A program with the name of a time daemon and all rights of root: perl, which runs this text and
    /// sets no clock. `false` (said aloud) when there is no perl.
    pub(super) fn pretender(&mut self, name: &str, text: &str) -> bool {
        assert!(matches!(self.sight, Sight::Alone(_)), "Lab::alone, please");
        let program = self.dir.path().join(name);
        if std::fs::copy("/usr/bin/perl", &program).is_err() {
            skip("no /usr/bin/perl to pretend with");
            return false;
        }
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{}", self.server))
            .arg(program)
            .args(["-MSocket", "-e", text]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut said = child.stdout.take().unwrap();
        self.children.push(child);
        // It says one octet when it is ready.
        std::io::Read::read_exact(&mut said, &mut [0]).unwrap();
        true
    }

    /// A chronyd that takes the time of the machine and says so with stratum 3.
    pub(super) fn chronyd(&mut self, extra: &str) -> bool {
        let conf = self.dir.path().join("chrony.conf");
        std::fs::write(
            &conf,
            format!(
                "cmdport 0\nbindcmdaddress /\npidfile {}/pid\n{extra}\n",
                self.dir.path().display()
            ),
        )
        .unwrap();
        let conf = conf.display().to_string();
        self.daemon("chronyd", &["-x", "-d", "-u", "root", "-f", &conf], ":123 ")
    }

    /// NTPsec's ntpd with these lines.
    pub(super) fn ntpd(&mut self, lines: &str) -> bool {
        let conf = self.dir.path().join("ntp.conf");
        std::fs::write(&conf, lines).unwrap();
        let conf = conf.display().to_string();
        self.daemon("ntpd", &["-n", "-c", &conf], &format!("{SERVER}:123"))
    }

    /// Somebody who waits for connections in the server's namespace, and takes none.
    pub(super) fn waiter(&mut self, at: &str) {
        let namespace = format!("/run/netns/{}", self.server);
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, at) = (Arc::clone(&stop), at.to_owned());
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            enter(&namespace);
            let _socket = std::net::TcpListener::bind(&at).unwrap();
            ready.send(()).unwrap();
            while !seen.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        is_ready.recv_timeout(Duration::from_secs(10)).unwrap();
        self.talkers.push((stop, thread));
    }

    /// A hand-made server in the server's namespace: what it sends back to a datagram, and from
    /// which address.
    pub(super) fn talker(
        &mut self,
        at: &str,
        answer: fn(&[u8]) -> Option<Vec<u8>>,
        from: Option<&'static str>,
    ) {
        let namespace = format!("/run/netns/{}", self.server);
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, at) = (Arc::clone(&stop), at.to_owned());
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            enter(&namespace);
            let socket = UdpSocket::bind(&at).unwrap();
            socket
                .set_read_timeout(Some(Duration::from_millis(50)))
                .unwrap();
            let other = from.map(|from| UdpSocket::bind(from).unwrap());
            ready.send(()).unwrap();
            let mut buffer = [0; 2048];
            while !seen.load(Ordering::Relaxed) {
                let Ok((length, client)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                if let Some(reply) = answer(&buffer[..length]) {
                    let _ = other.as_ref().unwrap_or(&socket).send_to(&reply, client);
                }
            }
        });
        is_ready.recv_timeout(Duration::from_secs(10)).unwrap();
        self.talkers.push((stop, thread));
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for (stop, _) in &self.talkers {
            stop.store(true, Ordering::Relaxed);
        }
        for (_, thread) in self.talkers.drain(..) {
            let _ = thread.join();
        }
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(format!("/etc/netns/{}", self.client));
        // Empty unless somebody else's are there.
        let _ = std::fs::remove_dir("/etc/netns");
        quiet("ip", &["netns", "del", &self.client]);
        quiet("ip", &["netns", "del", &self.server]);
    }
}

fn plain(mut command: Command) -> Command {
    let path = std::env::var_os("PATH").unwrap();
    command
        .env_clear()
        .env("PATH", path)
        .env("LC_ALL", "C")
        .env("TZ", "Asia/Tokyo");
    command
}

/// Moves this thread into a network namespace.
fn enter(namespace: &str) {
    let file = std::fs::File::open(namespace).unwrap();
    nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
}

/// A reply to a request: a server's header with this first octet, stratum and reference
/// identifier, and the right origin.
pub(super) fn reply(request: &[u8], first: u8, stratum: u8, refid: [u8; 4]) -> Option<Vec<u8>> {
    let transmit = request.get(40..48)?;
    let mut out = vec![0; 48];
    (out[0], out[1]) = (first, stratum);
    out[12..16].copy_from_slice(&refid);
    out[24..32].copy_from_slice(transmit);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let seconds = (now.as_secs() + 2_208_988_800) as u32;
    for at in [16, 32, 40] {
        out[at..at + 4].copy_from_slice(&seconds.to_be_bytes());
    }
    Some(out)
}
