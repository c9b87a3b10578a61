//! A machine for tests of `clockbox migrate-ntpd`: a small root directory of its own in namespaces,
//! with programs of the managers' names that do what those do and write down what they were asked,
//! and a real chronyd.

use crate::net::peer;
use crate::net::skip;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

/// A root directory.
pub(crate) struct Machine {
    dir: tempfile::TempDir,
}

/// What starts services.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Init {
    /// rc-service, rc-update.
    OpenRc,
    /// service, chkconfig.
    Chkconfig,
    /// service, update-rc.d.
    UpdateRcD,
}

/// A SysV script that starts `$RUN` and knows its process.
fn script(name: &str, run: &str) -> String {
    format!(
        "#!/bin/sh\n# Default-Start: 2 3 4 5\ncase $1 in\n\
         start) {run} </dev/null >/dev/null 2>&1 & echo $! >/run/{name}.pid; sleep 0.2; kill -0 $(cat /run/{name}.pid) ;;\n\
         stop) kill $(cat /run/{name}.pid); rm /run/{name}.pid; sleep 0.3 ;;\n\
         status) kill -0 $(cat /run/{name}.pid) 2>/dev/null || exit 3 ;;\nesac\n"
    )
}

const RC_SERVICE: &str = r#"#!/bin/sh
echo "${0##*/} $*" >>/log
exec "/etc/init.d/$1" "$2"
"#;

const RC_UPDATE: &str = r#"#!/bin/sh
echo "rc-update $*" >>/log
case "$1 $2" in
    "add "*) ln -sf "/etc/init.d/$2" "/etc/runlevels/$3/$2" ;;
    "--all del") rm -f /etc/runlevels/*/"$3" ;;
    *) exit 1 ;;
esac
"#;

/// As Debian's: `enable` wants links that are there, `defaults` makes them once.
const UPDATE_RC_D: &str = r#"#!/bin/sh
echo "update-rc.d $*" >>/log
[ "$1" = -f ] && shift
name=$1
have=$(ls /etc/rc?.d | grep -c "^[SK]..$name$")
turn() { # FROM TO
    for old in /etc/rc[2345].d/$1??"$name"; do
        [ -L "$old" ] || continue
        ln -sf "../init.d/$name" "${old%/*}/${2}01$name"
        case $old in */${2}01$name) ;; *) rm "$old" ;; esac
    done
}
case $2 in
    defaults)
        [ -e "/etc/init.d/$name" ] || exit 1
        [ "$have" != 0 ] || for level in 2 3 4 5; do ln -s "../init.d/$name" "/etc/rc$level.d/S01$name"; done
        [ "$have" != 0 ] || for level in 0 1 6; do ln -s "../init.d/$name" "/etc/rc$level.d/K01$name"; done ;;
    enable) [ "$have" != 0 ] || { echo "no runlevel symlinks to modify, aborting!"; exit 1; }; turn K S ;;
    disable) [ "$have" != 0 ] || { echo "no runlevel symlinks to modify, aborting!"; exit 1; }; turn S K ;;
    remove) rm -f /etc/rc?.d/[SK]??"$name" ;;
    *) exit 1 ;;
esac
"#;

const CHKCONFIG: &str = r#"#!/bin/sh
echo "chkconfig $*" >>/log
case "$1 $2" in
    "--add "*) [ -e "/etc/init.d/$2" ]; exit ;;
    "--del "*) [ -e "/etc/init.d/$2" ] || exit 1; rm -f /etc/rc?.d/[SK]??"$2"; exit ;;
esac
[ -e "/etc/init.d/$1" ] || exit 1
rm -f /etc/rc?.d/[SK]??"$1"
for level in 0 1 2 3 4 5 6; do
    case "$2 $level" in
        on\ [2345]) ln -s "../init.d/$1" "/etc/rc$level.d/S58$1" ;;
        *) ln -s "../init.d/$1" "/etc/rc$level.d/K74$1" ;;
    esac
done
"#;

/// Any package manager: what it was asked, and chrony put in its place.
const PACKAGES: &str = r#"#!/bin/sh
echo "${0##*/} $*" >>/log
case " $* " in
    *" -s "*)
        [ -e /conflict ] || exit 0
        case "$*" in
            *" chrony") [ -x /usr/sbin/ntpd ] && echo "Remv ntp [4.2.8]" ;;
            *ntp_all.deb) [ -x /usr/sbin/chronyd ] && echo "Remv chrony [4.3]" ;;
        esac
        exit 0 ;;
    *"/ntp_all.deb "*)
        /etc/init.d/chronyd stop
        rm /usr/sbin/chronyd /etc/init.d/chronyd
        cp /stash/ntpd /usr/sbin/ntpd
        cp /stash/ntpd.init /etc/init.d/ntpd ;;
    *" -Q ntp "*) [ -x /usr/sbin/ntpd ] && echo ntp 4.2.8 && exit ;;
    *" -e -v ntp "*) [ -x /usr/sbin/ntpd ] && echo ntp-4.2.8 && exit ;;
    *" -e -v "* | *" -Q "*) exit 1 ;;
    *" download "*) for last; do :; done; echo package >"${last%%=*}_all.deb"; exit 0 ;;
    *" chrony "*)
        echo "from the mirror"
        [ ! -e /broken ] || { echo "no such mirror" >&2; exit 3; }
        cp /stash/chronyd /usr/sbin/chronyd
        cp /stash/init /etc/init.d/chronyd
        echo "pool of.the.package" >/etc/chrony.conf
        [ -e /conflict ] || exit 0
        # The migration is killed once this is done.
        [ ! -e /kill ] || { rm /kill; kill=$PPID; }
        /etc/init.d/ntpd stop
        cp /usr/sbin/ntpd /stash/ntpd
        cp /etc/init.d/ntpd /stash/ntpd.init
        rm /usr/sbin/ntpd /etc/init.d/ntpd
        [ -z "$kill" ] || kill -9 "$kill" ;;
    *) exit 1 ;;
esac
"#;

/// `rpm -q --qf FORMAT NAME` and `dpkg-query -W -f=FORMAT NAME`.
const QUERY: &str = r#"#!/bin/sh
for last; do :; done
[ "$last" = ntp ] && [ -x /usr/sbin/ntpd ] && echo "installed 4.2.8-1"
"#;

impl Machine {
    /// A machine on which ntpd runs and chrony is not installed; `None`, said aloud, where that
    /// cannot be.
    pub(crate) fn new(init: Init, manager: &str) -> Option<Self> {
        let busybox = peer("busybox-static", "bin/busybox")?;
        let chronyd = peer("chrony", "usr/sbin/chronyd")?;
        let machine = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let root = machine.root();
        for dir in [
            "bin",
            "sbin",
            "usr/sbin",
            "usr/bin",
            "run",
            "proc",
            "dev",
            "tmp",
            "var/lib/chrony",
            "var/log/chrony",
            "etc/init.d",
            "etc/runlevels/default",
            "stash",
            "etc/sysconfig",
        ] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        let clockbox = PathBuf::from(env!("CARGO_BIN_EXE_clockbox"));
        if !with_libraries(&clockbox, root) || !with_libraries(&chronyd, root) {
            skip("ldd does not tell the libraries of the programs");
            return None;
        }
        copy(&busybox, &root.join("bin/busybox"));
        for applet in [
            "sh", "cat", "cp", "ln", "ls", "rm", "grep", "sleep", "kill", "env", "md5sum", "find",
            "sort", "mkdir", "chmod", "readlink", "setsid",
        ] {
            symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        copy(&clockbox, &root.join("bin/clockbox"));
        copy(&chronyd, &root.join("stash/chronyd"));
        machine.put("etc/passwd", "root:x:0:0::/:/bin/sh\n");
        machine.put("etc/group", "root:x:0:\nchrony:x:77:\n");
        machine.put(
            "etc/ntp.conf",
            "driftfile /var/lib/ntp/drift\nserver 127.0.0.5 iburst minpoll 3\n",
        );
        machine.put("var/lib/ntp/drift", "2.5\n");
        // Whom the new daemon follows: a chronyd that serves its own clock.
        machine.put(
            "stash/server.conf",
            "local stratum 8\nallow\nbindaddress 127.0.0.5\ncmdport 0\nbindcmdaddress /\npidfile /stash/pid\n",
        );
        machine.program("usr/sbin/ntpd", "#!/bin/sh\nexec sleep 1000\n");
        machine.program("etc/init.d/ntpd", &script("ntpd", "/usr/sbin/ntpd"));
        machine.program(
            "stash/init",
            &script(
                "chronyd",
                "/usr/sbin/chronyd -x -d -U -u root -f /etc/chrony.conf",
            ),
        );
        // The first process has a name by which a running SysV is known.
        machine.program(
            "sbin/init",
            "#!/bin/sh\nrm -rf /run/*.pid /run/chrony\neval \"$1\"\nexit 0\n",
        );
        machine.program(&format!("usr/bin/{manager}"), PACKAGES);
        machine.program("usr/bin/rpm", QUERY);
        machine.program("usr/bin/dpkg-query", QUERY);
        machine.program("usr/bin/dpkg", "#!/bin/sh\n");
        match init {
            Init::OpenRc => {
                fs::create_dir(root.join("run/openrc")).unwrap();
                machine.program("usr/sbin/rc-service", RC_SERVICE);
                machine.program("usr/sbin/rc-update", RC_UPDATE);
                symlink("/etc/init.d/ntpd", root.join("etc/runlevels/default/ntpd")).unwrap();
            }
            Init::Chkconfig | Init::UpdateRcD => {
                fs::remove_dir_all(root.join("etc/runlevels")).unwrap();
                for level in 0..=6 {
                    let dir = root.join(format!("etc/rc{level}.d"));
                    fs::create_dir(&dir).unwrap();
                    let on = (2..=5).contains(&level);
                    let link = if on { "S58ntpd" } else { "K74ntpd" };
                    symlink("../init.d/ntpd", dir.join(link)).unwrap();
                }
                machine.program("usr/sbin/service", RC_SERVICE);
                match init {
                    Init::Chkconfig => machine.program("usr/sbin/chkconfig", CHKCONFIG),
                    _ => machine.program("usr/sbin/update-rc.d", UPDATE_RC_D),
                }
            }
        }
        if machine.run("true").is_none() {
            skip("no namespaces can be made: needs root and unshare");
            return None;
        }
        Some(machine)
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn put(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn program(&self, path: &str, text: &str) {
        self.put(path, text);
        let path = self.root().join(path);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap_or_default()
    }

    /// Runs a script as the first process of the machine, without the right to set the clock. Gives
    /// what it printed; `None` if there is no such process.
    pub(crate) fn run(&self, script: &str) -> Option<String> {
        let outer = r#"
            mount -t proc proc "$ROOT/proc" && mount --bind /dev "$ROOT/dev" && ip link set lo up
            rm -f "$ROOT/stash/pid"
            setpriv --bounding-set=-sys_time chroot "$ROOT" /stash/chronyd -x -d -U -u root -f /stash/server.conf </dev/null >/dev/null 2>&1 &
            exec setpriv --bounding-set=-sys_time chroot "$ROOT" /sbin/init "$SCRIPT"
        "#;
        let output = Command::new("unshare")
            .args([
                "-m",
                "-n",
                "-p",
                "--fork",
                "--kill-child",
                "--propagation",
                "private",
            ])
            .args(["bash", "-ec", outer])
            .env_clear()
            .env("PATH", "/bin:/sbin:/usr/bin:/usr/sbin:/usr/local/sbin")
            .env("ROOT", self.root())
            .env("SCRIPT", script)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then_some(said + &errors)
    }

    /// What there is: services by their links, configuration, the programs.
    pub(crate) fn state(&self) -> String {
        let links = self.run(
            "find /etc /usr /var/lib/chrony /var/log | grep -v clockbox/migrate-ntpd | sort | while read -r f; do \
             if [ -L \"$f\" ]; then echo \"$f -> $(readlink \"$f\")\"; elif [ -f \"$f\" ]; then md5sum \"$f\"; fi; done",
        );
        links.unwrap()
    }

    /// The lines that the managers were asked, since the last look.
    pub(crate) fn asked(&self) -> Vec<String> {
        let lines = self.read("log").lines().map(str::to_owned).collect();
        let _ = fs::remove_file(self.root().join("log"));
        lines
    }
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Copies the libraries of a program to the places where it looks for them.
pub(crate) fn with_libraries(program: &Path, root: &Path) -> bool {
    let output = Command::new("ldd").arg(program).output();
    let Ok(text) = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()) else {
        return false;
    };
    for line in text.lines() {
        let path = line.split_whitespace().find(|word| word.starts_with('/'));
        let Some(path) = path else {
            if line.contains("not found") {
                return false;
            }
            continue;
        };
        let to = root.join(&path[1..]);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        copy(Path::new(path), &to);
    }
    true
}
