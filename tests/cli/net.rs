//! A network namespace of the test's own, with real daemons in it: Debian's chronyd, ntpsec and
//! openntpd, unpacked by scripts/peers. None of them can set the clock: CAP_SYS_TIME is dropped
//! from all that runs here. Everything is stopped and removed at the end.

use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

/// A namespace.
pub(crate) struct Net {
    name: String,
    dir: tempfile::TempDir,
    children: Vec<Child>,
}

/// Says that a test was skipped, and why: past the harness, which keeps what passing tests print.
pub(crate) fn skip(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// A program of a Debian package that scripts/peers has unpacked.
pub(crate) fn peer(package: &str, path: &str) -> Option<PathBuf> {
    let tree = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let peers = std::env::var_os("CLOCKBOX_PEERS").map_or(tree.join("target/peers"), PathBuf::from);
    let program = peers.join(package).join(path);
    if !program.exists() {
        skip(&format!("no {}: run scripts/peers", program.display()));
        return None;
    }
    Some(program)
}

impl Net {
    /// A namespace with loopback up; `None`, said aloud, where that cannot be made.
    pub(crate) fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("clockbox-{}-{number}", std::process::id());
        let made = Command::new("ip")
            .args(["netns", "add", &name])
            .stderr(Stdio::null())
            .status();
        if !made.is_ok_and(|status| status.success()) {
            skip("no network namespace can be made: needs root and iproute2");
            return None;
        }
        let net = Self {
            name,
            dir: tempfile::tempdir().unwrap(),
            children: Vec::new(),
        };
        assert!(net.run(&["ip", "link", "set", "lo", "up"]).status.success());
        // NTPsec takes no loopback address for a server: these are as good.
        for host in 10..20 {
            net.run(&[
                "ip",
                "addr",
                "add",
                &format!("10.77.0.{host}/32"),
                "dev",
                "lo",
            ]);
        }
        Some(net)
    }

    /// A path in the namespace's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file there.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// A command that runs in the namespace, without the capability to set the clock.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args([
            "netns",
            "exec",
            &self.name,
            "setpriv",
            "--bounding-set=-sys_time",
        ]);
        command
            .arg("--inh-caps=-sys_time")
            .args(words)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, words: &[&str]) -> std::process::Output {
        self.command(words).output().unwrap()
    }

    /// Starts something that runs until the end of the test; its output goes to `NAME.log`.
    pub(crate) fn start(&mut self, name: &str, words: &[&str]) {
        let log = std::fs::File::create(self.path(&format!("{name}.log"))).unwrap();
        let errors = log.try_clone().unwrap();
        let child = self
            .command(words)
            .stdout(log)
            .stderr(errors)
            .spawn()
            .unwrap();
        self.children.push(child);
    }

    /// chronyd serving this machine's clock on that address, port 123.
    pub(crate) fn chronyd(&mut self, address: &str, more: &str) -> Option<()> {
        let program = peer("chrony", "usr/sbin/chronyd")?;
        let name = format!("chronyd-{}", self.children.len());
        let bind = format!("bindaddress {address}\n");
        let port = "cmdport 0\nbindcmdaddress /\n";
        let pid = self.path(&format!("{name}.pid"));
        let text = format!(
            "local stratum 1\nallow\n{bind}{port}pidfile {}\n{more}\n",
            pid.display()
        );
        let conf = self.write(&format!("{name}.conf"), &text);
        self.chronyd_by(&name, &program, &conf);
        Some(())
    }

    /// This chronyd with that configuration; it leaves the clock alone.
    pub(crate) fn chronyd_by(&mut self, name: &str, program: &Path, conf: &Path) {
        let (program, conf) = (program.to_str().unwrap(), conf.to_str().unwrap());
        self.start(name, &[program, "-x", "-d", "-U", "-u", "root", "-f", conf]);
    }

    /// NTPsec's ntpd on that address, following `server`.
    pub(crate) fn ntpsec(&mut self, address: &str, server: &str) -> Option<()> {
        let program = peer("ntpsec", "usr/sbin/ntpd")?;
        let text = format!(
            "interface ignore wildcard\ninterface listen {address}\nserver {server} iburst minpoll 3 maxpoll 3\n\
             restrict default\ntos minsane 1\n"
        );
        let (conf, pid) = (self.write("ntpsec.conf", &text), self.path("ntpsec.pid"));
        let words = [
            program.to_str().unwrap(),
            "-n",
            "-g",
            "-c",
            conf.to_str().unwrap(),
            "-p",
        ];
        self.start("ntpsec", &[&words[..], &[pid.to_str().unwrap()]].concat());
        Some(())
    }

    /// openntpd on that address, following `server`; it wants a user and a home of its own.
    pub(crate) fn openntpd(&mut self, address: &str, server: &str) -> Option<()> {
        let program = peer("openntpd", "usr/sbin/openntpd")?;
        let home = self.path("empty");
        std::fs::create_dir(&home).unwrap();
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
        let user = format!(
            "{passwd}ntpd:x:65533:65533::{}:/usr/sbin/nologin\n",
            home.display()
        );
        let group = std::fs::read_to_string("/etc/group").unwrap();
        let (passwd, group) = (
            self.write("passwd", &user),
            self.write("group", &format!("{group}ntpd:x:65533:\n")),
        );
        // Its chroot must be reachable and root's own.
        Command::new("chmod")
            .args(["755", self.dir.path().to_str().unwrap()])
            .status()
            .unwrap();
        let conf = self.write(
            "openntpd.conf",
            &format!("listen on {address}\nserver {server}\n"),
        );
        let script = format!(
            "mount --bind {} /etc/passwd && mount --bind {} /etc/group && mount -t tmpfs t /var/lib && \
             mkdir -p /var/lib/openntpd/db /var/lib/openntpd/run && exec {} -d -f {} -p {}",
            passwd.display(),
            group.display(),
            program.display(),
            conf.display(),
            self.path("openntpd.pid").display()
        );
        self.start("openntpd", &["unshare", "-m", "sh", "-c", &script]);
        Some(())
    }

    /// Names for the resolver in this namespace (`ip netns exec` mounts them over /etc/hosts).
    pub(crate) fn hosts(&self, text: &str) {
        let dir = PathBuf::from("/etc/netns").join(&self.name);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("hosts"), text).unwrap();
    }

    /// What the daemons wrote, for a failed test.
    pub(crate) fn logs(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(self.dir.path()).unwrap().flatten() {
            if entry.path().extension().is_some_and(|e| e == "log") {
                let content = std::fs::read_to_string(entry.path()).unwrap_or_default();
                text.push_str(&format!("== {}\n{content}", entry.path().display()));
            }
        }
        text
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // All that runs in the namespace, the daemons' own children too.
        if let Ok(pids) = Command::new("ip")
            .args(["netns", "pids", &self.name])
            .output()
        {
            for pid in String::from_utf8_lossy(&pids.stdout).split_whitespace() {
                let _ = Command::new("kill").args(["-KILL", pid]).status();
            }
        }
        for child in &mut self.children {
            let _ = child.wait();
        }
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
        let _ = std::fs::remove_dir_all(PathBuf::from("/etc/netns").join(&self.name));
    }
}
