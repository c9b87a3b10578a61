//! `sources`, `status` and their kin beside a daemon that hangs: a signal has stopped it, or it does
//! not read its socket. Said once, soon, and with a command that helps.

use crate::net::Net;
use crate::net::peer;
use crate::net::skip;
use crate::sources::file;
use crate::sources::inside;
use crate::sources::json;
use crate::sources::text_of;
use serde_json::Value;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

/// `timed NAME COMMAND…`: what it prints, its exit status and its milliseconds, each in a file.
const TIMED: &str = "
timed() { name=$1; shift; start=$(date +%s%N); \"$@\" >$DIR/$name; echo $? >$DIR/$name.code; echo $(( ($(date +%s%N) - start) / 1000000 )) >$DIR/$name.ms; }
";

fn milliseconds(net: &Net, name: &str) -> u64 {
    file(net, &format!("{name}.ms")).trim().parse().unwrap()
}

/// The finding about the daemon that hangs: one, an error.
fn hang<'a>(report: &'a Value, words: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    let mut about = findings.iter().filter(|f| text_of(f).contains(words));
    let found = about.next().unwrap_or_else(|| panic!("{words}: {report}"));
    assert!(about.next().is_none(), "{report}");
    assert_eq!(found["severity"], "error", "{found}");
    found
}

#[test]
fn a_stopped_daemon_is_seen_at_once_and_the_next_command_lets_it_go_on() {
    let Some(mut net) = Net::new() else { return };
    let Some(ntpd) = peer("ntpsec", "usr/sbin/ntpd") else {
        return;
    };
    if net.chronyd("10.77.0.10", "").is_none() {
        return;
    }
    let script = format!(
        "{TIMED}
printf 'server 10.77.0.10 iburst\\n' >/etc/chrony/chrony.conf; cp /etc/chrony/chrony.conf $DIR/before
printf 'server 10.77.0.10 iburst\\nrestrict default noquery\\nrestrict 127.0.0.1\\ninterface ignore wildcard\\ninterface listen 127.0.0.1\\n' >/etc/ntp.conf
own() {{ mkdir -p /etc/clockbox; cp /etc/chrony/chrony.conf /etc/clockbox/clockbox.conf; $CB sync --daemon -x 2>>$DIR/own.log & D=$!; }}
ntpsec() {{ {} -n -c /etc/ntp.conf >>$DIR/ntpd.log 2>&1 & D=$!; }}
for kind in daemon ntpsec own; do
  $kind; sleep 3; kill -STOP $D
  for i in $(seq 20); do grep -q '^State:.T' /proc/$D/status && break; sleep 0.1; done
  echo $D >$DIR/$kind.pid
  timed $kind.sources $CB sources --json; timed $kind.status $CB status --json
  timed $kind.nobody setpriv --reuid 65534 --clear-groups $CB sources --json
  COLUMNS=80 $CB sources >$DIR/$kind.page
  timed $kind.wait $CB sync --wait --timeout 0.5 --json
  timed $kind.set $CB sources set 10.77.0.11 --json 2>/dev/null
  $(sed -n 's/^    \\(kill .*\\)/\\1/p' $DIR/$kind.page)
  for i in $(seq 20); do timed $kind.after $CB sources --json; grep -q '\"hangs\":false' $DIR/$kind.after && break; sleep 0.2; done
  kill $D; wait $D
done
cmp /etc/chrony/chrony.conf $DIR/before
",
        ntpd.display()
    );
    if inside(&net, &script).is_none() {
        return;
    }
    for (kind, name) in [
        ("daemon", "chronyd"),
        ("ntpsec", "ntpsec"),
        ("own", "clockbox"),
    ] {
        let pid = file(&net, &format!("{kind}.pid")).trim().to_owned();
        for what in ["sources", "status", "nobody"] {
            let report = json(&net, &format!("{kind}.{what}"));
            let found = hang(&report, "a signal has stopped it");
            assert!(
                text_of(found).starts_with(&format!("{name} (process {pid}) does nothing")),
                "{found}"
            );
            assert_eq!(found["next"], format!("kill -CONT {pid}"), "{found}");
            // What cannot answer is not waited for.
            let took = milliseconds(&net, &format!("{kind}.{what}"));
            assert!(took < 2000, "{kind} {what}: {took} ms");
            assert!(!text_of(&report).contains("noquery"), "{report}");
        }
        let sources = json(&net, &format!("{kind}.sources"));
        assert_eq!(sources["daemons"][0]["hangs"], true, "{sources}");
        // A daemon that does nothing keeps no clock, whatever its servers say now.
        let status = json(&net, &format!("{kind}.status"));
        assert_eq!(status["verdict"], "not_kept", "{status}");
        let listed = status["daemons"].as_array().unwrap();
        let listed = listed.iter().find(|d| d["name"] == name).unwrap();
        assert_eq!(listed["hangs"], true, "{status}");
        assert_eq!(file(&net, &format!("{kind}.status.code")), "1\n");
        let page = file(&net, &format!("{kind}.page")).replace("\n  ", " ");
        assert_eq!(page.matches("stopped").count(), 1, "{page}");
        assert_eq!(page.matches("asked directly:").count(), 1, "{page}");
        let wait = json(&net, &format!("{kind}.wait"));
        assert_eq!(
            hang(&wait, "does nothing")["next"],
            format!("kill -CONT {pid}")
        );
        // Nothing is written for a daemon that takes no orders.
        let set: Value = serde_json::from_str(&file(&net, &format!("{kind}.set"))).unwrap();
        assert_eq!(set["error"]["hint"], format!("kill -CONT {pid}"), "{set}");
        assert_eq!(file(&net, &format!("{kind}.set.code")), "69\n");
        // The command was typed as it stands.
        let after = json(&net, &format!("{kind}.after"));
        assert_eq!(after["daemons"][0]["hangs"], false, "{after}");
        assert!(!after["daemons"][0]["via"].is_null(), "{after}");
    }
}

/// Something holds the socket and reads nothing: all ways in together are waited for once.
#[test]
fn a_daemon_that_does_not_read_its_socket_hangs_and_costs_the_limit_once() {
    let Some(net) = Net::new() else { return };
    let path = net.path("hung.sock");
    let _held = UnixDatagram::bind(&path).unwrap();
    let script = format!(
        "{TIMED}
printf 'server 10.77.0.19\\nbindcmdaddress {}\\n' >/etc/chrony/chrony.conf
cp $(command -v sleep) /run/chronyd; /run/chronyd 60 & D=$!; echo $D >$DIR/pid
for i in $(seq 20); do [ \"$(cat /proc/$D/comm)\" = chronyd ] && break; sleep 0.1; done
timed sources $CB sources --json; timed short $CB sources --timeout 0.4 --json; timed status $CB status --json
COLUMNS=80 $CB sources --timeout 0.4 >$DIR/page; true
",
        path.display()
    );
    if inside(&net, &script).is_none() {
        return;
    }
    let pid = file(&net, "pid").trim().to_owned();
    for (name, wait, longest) in [
        ("sources", "3 s", 4500),
        ("status", "3 s", 4500),
        ("short", "400 ms", 1500),
    ] {
        let report = json(&net, name);
        let found = hang(&report, "holds its socket");
        let text = text_of(found);
        assert!(
            text.contains(&format!("chronyd (process {pid}) hangs"))
                && text.contains(&format!("did not answer for {wait}")),
            "{text}"
        );
        assert_eq!(found["next"], format!("kill {pid}"), "{found}");
        let took = milliseconds(&net, name);
        assert!(took < longest, "{name}: {took} ms");
    }
    let page = file(&net, "page").replace("\n  ", " ");
    assert_eq!(page.matches("did not answer").count(), 1, "{page}");
    assert_eq!(json(&net, "status")["verdict"], "unknown");
}

/// `sync` would do its job through the daemon that holds the clock. A program that only sleeps stands
/// in for it; clockbox itself has no capability to set the clock here.
#[test]
fn sync_says_that_the_daemon_that_holds_the_clock_is_stopped() {
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let effective = own.lines().find_map(|line| line.strip_prefix("CapEff:\t"));
    let capabilities = u64::from_str_radix(effective.unwrap(), 16).unwrap();
    if capabilities & (1 << 25) == 0 {
        return skip("no capability to set the clock: a stopped holder of it");
    }
    let script = "
set -u; mount -t tmpfs tmpfs /run
cp \"$(command -v sleep)\" /run/chronyd; /run/chronyd 60 & D=$!
for i in $(seq 50); do grep -qx chronyd /proc/$D/comm && break; sleep 0.1; done
kill -STOP $D
for i in $(seq 50); do grep -q '^State:.T' /proc/$D/status && break; sleep 0.1; done
echo $D; setpriv --bounding-set=-sys_time --inh-caps=-sys_time $CB sync --timeout 5 --json 2>/dev/null | tr '\\n' ' '; echo
";
    let output = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--mount-proc"])
        .args(["--kill-child", "sh", "-c", script])
        .env("CB", env!("CARGO_BIN_EXE_clockbox"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let Some((pid, report)) = text.split_once('\n').filter(|(pid, _)| !pid.is_empty()) else {
        return skip("no namespace can be made: a stopped holder of the clock");
    };
    let report: Value = serde_json::from_str(report).unwrap();
    let message = report["error"]["message"].as_str().unwrap();
    assert!(
        message.contains(&format!("chronyd (process {pid}) takes no orders")),
        "{report}"
    );
    assert_eq!(report["error"]["hint"], format!("kill -CONT {pid}"));
}
