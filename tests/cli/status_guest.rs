//! `status` beside a hypervisor's tools that set the clock too. Programs of their names stand in for
//! them, which only sleep: what counts is that a process of that name has the capability.

use crate::net::skip;
use crate::run::check_schema;
use crate::sources::text_of;
use serde_json::Value;
use std::process::Command;

/// What `status` says, by root and by an ordinary user, beside processes of these names.
fn beside(names: &str) -> Option<[Value; 2]> {
    let script = "
set -eu; mount -t tmpfs tmpfs /run
for name in $NAMES; do cp \"$(command -v sleep)\" /run/$name; /run/$name 60 & done
for i in $(seq 50); do ls /proc/[0-9]*/comm | xargs cat | grep -qx ${NAMES##* } && break; sleep 0.1; done
$CB status --json --timeout 0.2 | tr '\\n' ' '; echo
setpriv --reuid 65534 --clear-groups $CB status --json --timeout 0.2 | tr '\\n' ' '
";
    let output = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--mount-proc"])
        .args(["--kill-child", "sh", "-c", script])
        .env("NAMES", names)
        .env("CB", env!("CARGO_BIN_EXE_clockbox"))
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    let reports: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    reports.iter().for_each(check_schema);
    reports.try_into().ok()
}

/// The findings of a report that name one of these.
fn about<'a>(report: &'a Value, name: &str) -> Vec<&'a Value> {
    let findings = report["findings"].as_array().unwrap();
    findings
        .iter()
        .filter(|f| text_of(f).contains(name))
        .collect()
}

#[test]
fn a_second_writer_is_named_beside_a_daemon_that_steers_the_clock() {
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let effective = own.lines().find_map(|line| line.strip_prefix("CapEff:\t"));
    let capabilities = u64::from_str_radix(effective.unwrap(), 16).unwrap();
    if capabilities & (1 << 25) == 0 {
        return skip("no capability to set the clock: second writers");
    }
    let Some(reports) = beside("vmtoolsd VBoxService qemu-ga prltoolsd chronyd") else {
        return skip("no namespace can be made: second writers");
    };
    for report in &reports {
        for (name, severity, next) in [
            ("vmtoolsd", "info", "vmware-toolbox-cmd timesync status"),
            ("VBoxService", "warning", "VBoxService --help"),
            ("qemu-ga", "info", "qemu-ga --help"),
            ("prltoolsd", "warning", "prlctl set VM --time-sync off"),
        ] {
            let found = about(report, name);
            assert_eq!(found.len(), 1, "{name}: {report}");
            assert!(text_of(found[0]).contains("chronyd"), "{report}");
            assert!(text_of(found[0]).contains("(process "), "{report}");
            assert_eq!(found[0]["severity"], severity, "{report}");
            assert_eq!(found[0]["next"], next, "{report}");
        }
    }
    // Alone they are no second writers.
    let reports = beside("vmtoolsd VBoxService").unwrap();
    for report in &reports {
        for name in ["vmtoolsd", "VBoxService"] {
            assert!(about(report, name).is_empty(), "{report}");
        }
    }
}
