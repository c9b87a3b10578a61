//! Running the program, and checking every JSON output against its schema.

use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::process::Output;

/// The program under test, in a plain environment: C locale, a zone that is not UTC, no colour.
pub(crate) fn clockbox() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clockbox"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap());
    command.env("LC_ALL", "C").env("TZ", "Asia/Tokyo");
    command
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Exit status.
    pub(crate) status: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

/// Runs it with these arguments.
pub(crate) fn run(args: &[&str]) -> Ran {
    finish(clockbox().args(args).output().unwrap())
}

/// Runs it as an ordinary user; `None` where that takes root, or the program's place is closed to
/// others.
pub(crate) fn run_as_nobody(args: &[&str]) -> Option<Ran> {
    let plain = clockbox();
    let as_nobody = |args: &[&str]| {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .arg(plain.get_program())
            .args(args)
            .env_clear();
        let set = plain.get_envs();
        command.envs(set.filter_map(|(name, value)| Some((name, value?))));
        command.output().ok()
    };
    let works = as_nobody(&["--version"]).is_some_and(|output| output.status.success());
    if !works {
        crate::net::skip("cannot become an ordinary user");
        return None;
    }
    as_nobody(args).map(finish)
}

/// What a finished process gave.
pub(crate) fn finish(output: Output) -> Ran {
    Ran {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// The JSON on standard output, after the checks that hold for every output: one line, the
    /// envelope, `ok` exactly when the status is 0, and the command's schema in the tree.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "one line of JSON: {self:?}");
        let value: Value = serde_json::from_str(&self.stdout).unwrap();
        assert_eq!(value["schema_version"], 1);
        assert_eq!(value["ok"], self.status == 0, "{self:?}");
        check_schema(&value);
        value
    }
}

/// What a next step begins with: words that explain it stand in the sentence before.
const COMMANDS: &[&str] = &[
    "apk",
    "apt-get",
    "chronyc",
    "chronyd",
    "chroot",
    "clockbox",
    "dnf",
    "echo",
    "firewall-cmd",
    "getent",
    "iptables",
    "iptables-legacy",
    "journalctl",
    "kill",
    "ls",
    "lsblk",
    "man",
    "mount",
    "nft",
    "pacman",
    "prlctl",
    "qemu-ga",
    "rc-service",
    "rm",
    "service",
    "sudo",
    "sudoedit",
    "systemctl",
    "ufw",
    "VBoxService",
    "vmware-toolbox-cmd",
    "yum",
    "zypper",
];

/// Panics with the reasons when the value does not fit its command's schema.
pub(crate) fn check_schema(value: &Value) {
    let command = value["command"].as_str().unwrap().replace(' ', "-");
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = tree.join("schemas").join(format!("{command}.json"));
    let Ok(text) = std::fs::read_to_string(&path) else {
        panic!("no schema for `{command}`");
    };
    let schema: Value = serde_json::from_str(&text).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    if ["status", "sources", "sources-stats"].contains(&command.as_str()) {
        for finding in value["findings"].as_array().into_iter().flatten() {
            let told = finding["text"].as_str().unwrap_or_default();
            // An image without a package manager is nobody's to install into.
            let by_hand = told.contains("Install chrony in it");
            assert!(
                finding["next"].is_string() || by_hand,
                "nothing to type: {finding}"
            );
        }
    }
    if command == "status" || command.starts_with("sources") {
        let rows = ["findings", "sources"].map(|list| value[list].as_array());
        let rows = rows.into_iter().flatten().flatten();
        let next = rows.map(|row| &row["next"]);
        for next in next.chain([&value["error"]["hint"]]) {
            let word = next.as_str().and_then(|text| text.split(' ').next());
            let typed = word.is_none_or(|word| COMMANDS.contains(&word));
            assert!(typed, "no command to type: {next} in {value}");
        }
    }
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|e| e.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?} in {value}");
}
