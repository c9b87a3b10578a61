//! Every result is taken by a running chronyd (-x: it leaves the clock alone, and may not touch it),
//! which then says of every address at a boundary of the old rules what it would answer.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use clockbox::conf::chrony;
use clockbox::conf::chrony::Settings;
use clockbox::conf::convert::Conversion;
use clockbox::conf::files::NoFiles;

use crate::convert::conversion;
use crate::machine::chronyd;
use crate::machine::corpus;
use crate::machine::version;

/// A chronyd in namespaces of its own.
struct Running {
    child: Child,
    dir: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The result with places of the test's own, and without devices that this machine has not.
fn here(done: &Conversion, dir: &Path) -> String {
    let mut text = String::new();
    for line in done.conf.lines() {
        let own = match line.split(' ').next().unwrap_or("") {
            "driftfile" => format!("driftfile {}/drift", dir.display()),
            "logdir" => format!("logdir {}", dir.display()),
            "keyfile" => format!("keyfile {}/keys", dir.display()),
            "refclock" if line.starts_with("refclock PPS") => continue,
            "bindaddress" | "binddevice" | "leapseclist" | "ntpsigndsocket" => continue,
            _ => line.to_owned(),
        };
        text.push_str(&own);
        text.push('\n');
    }
    for line in ["port 0", "cmdport 0"] {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(&format!(
        "bindcmdaddress {0}/s\npidfile {0}/pid\n",
        dir.display()
    ));
    text
}

fn start(chronyd: &Path, done: &Conversion) -> Result<Running, String> {
    let dir = tempfile::tempdir().unwrap();
    // A command socket is made only where nobody else may look.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let conf = dir.path().join("chrony.conf");
    fs::write(&conf, here(done, dir.path())).unwrap();
    fs::write(
        dir.path().join("keys"),
        done.keys.clone().unwrap_or_default(),
    )
    .unwrap();
    let log = fs::File::create(dir.path().join("said")).unwrap();
    let child = Command::new("unshare")
        .args(["-n", "-i", "--fork", "--kill-child"])
        .args(["setpriv", "--bounding-set=-sys_time"])
        .arg(chronyd)
        .args(["-x", "-d", "-U", "-u", "root", "-f"])
        .arg(&conf)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn();
    let mut running = Running {
        child: child.map_err(|error| error.to_string())?,
        dir,
    };
    let begun = Instant::now();
    let socket = running.dir.path().join("s");
    while !socket.exists() {
        let ended = running.child.try_wait().unwrap().is_some();
        if ended || begun.elapsed() > Duration::from_secs(20) {
            let said = fs::read_to_string(running.dir.path().join("said")).unwrap_or_default();
            return Err(said);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(running)
}

impl Running {
    /// What chronyc is told to these commands.
    fn ask(&self, chronyc: &Path, commands: &[String]) -> String {
        let output = Command::new(chronyc)
            .arg("-c")
            .arg("-h")
            .arg(self.dir.path().join("s"))
            .arg("-m")
            .args(commands)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

/// chronyc beside a chronyd: `usr/sbin/chronyd` and `usr/bin/chronyc`.
fn chronyc(chronyd: &Path) -> Option<PathBuf> {
    let near = chronyd.with_file_name("chronyc");
    let packaged = chronyd.parent()?.parent()?.join("bin/chronyc");
    [near, packaged].into_iter().find(|path| path.is_file())
}

#[test]
fn a_running_chronyd_takes_every_result_and_refuses_whom_ntpd_refused() {
    let (Some(files), Some(chronyd)) = (corpus("ntp.conf"), chronyd()) else {
        return;
    };
    let Some(chronyc) = chronyc(&chronyd) else {
        eprintln!("SKIPPED: no chronyc beside {}", chronyd.display());
        return;
    };
    let namespaces = Command::new("unshare")
        .args(["-n", "-i", "setpriv", "--bounding-set=-sys_time", "true"])
        .status();
    if !namespaces.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no namespaces can be made: needs root, unshare and setpriv");
        return;
    }
    let mut wrong = Vec::new();
    let (mut asked, mut served) = (0, 0);
    for path in files {
        let (_, done) = conversion(&path, version(&chronyd), Some(true));
        let name = path.display();
        let running = match start(&chronyd, &done) {
            Ok(running) => running,
            Err(said) => {
                wrong.push(format!("{name}: chronyd did not start: {said}"));
                continue;
            }
        };
        let commands: Vec<String> = done
            .refused
            .iter()
            .map(|address| format!("accheck {address}"))
            .collect();
        let said = running.ask(&chronyc, &commands);
        if said.lines().count() != commands.len() {
            wrong.push(format!("{name}: {} answers: {said}", commands.len()));
        }
        for (command, answer) in commands.iter().zip(said.lines()) {
            asked += 1;
            if !answer.starts_with("209 ") {
                wrong.push(format!("{name}: {command}: {answer}"));
            }
        }
        let loaded = chrony::load_text("chrony.conf", done.conf.as_bytes(), &NoFiles);
        if let Some(local) = Settings::new(&loaded).local.filter(|local| !local.orphan) {
            served += 1;
            let said = running.ask(&chronyc, &["tracking".to_owned()]);
            let stratum = said.split(',').nth(2).unwrap_or_default().to_owned();
            if stratum != local.stratum.unwrap_or(10).to_string() {
                wrong.push(format!("{name}: local, but tracking says {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        asked > 0 && served > 0,
        "{asked} addresses, {served} local clocks"
    );
}
