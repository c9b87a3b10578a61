//! What a hypervisor (/dev/vmclock0) and ClockBound write in memory about the clock: `status` and
//! `sources` say it, and the daemon measures anew when the machine was moved to another host.

use crate::net::Net;
use crate::sources::file;
use crate::sources::inside;
use crate::sources::json;

/// A /dev of the script's own, and `page MARKER STATUS FLAGS`, which writes the hypervisor's page
/// into it.
const PAGE: &str = r#"
mkdir /run/dev
for n in null zero random urandom; do : >/run/dev/$n; mount --bind /dev/$n /run/dev/$n; done
mount --rbind /run/dev /dev
page() { python3 - "$@" <<'END'
import struct, sys
marker, status, flags = map(int, sys.argv[1:])
page = bytearray(4096)
struct.pack_into("<4sIHBBI", page, 0, b"VCLK", 4096, 1, 1, 1, 2)
struct.pack_into("<QQ", page, 0x10, marker, flags)
page[0x22] = status
struct.pack_into("<Q", page, 0x60, 12000)
with open("/dev/vmclock0", "a+b") as out:
    out.truncate(0)
    out.write(page)
END
}
until_said() { for i in $(seq 150); do grep -q "$2" "$1" && return; sleep 0.1; done; cat "$1"; false; }
"#;

#[test]
fn the_daemon_measures_anew_when_the_machine_was_moved() {
    let Some(mut net) = Net::new() else { return };
    if net.chronyd("10.77.0.10", "").is_none() {
        return;
    }
    let script = r#"set -e; page 5 2 0
printf 'server 10.77.0.10 iburst minpoll 0 maxpoll 2\nbindcmdaddress /run/own.sock\ncmdport 0\npidfile /run/own.pid\ndumpdir /run/dump\n' >/run/own.conf
$CB sync --daemon -x -v --config /run/own.conf >$DIR/own.log 2>&1 &
until_said $DIR/own.log 'following 10.77.0.10, combined'
sleep 2; page 6 2 0
until_said $DIR/own.log 'moved to another host'
grep -n . $DIR/own.log | sed -n '/moved to another/,$p' >$DIR/first
sleep 3
sed -n '/moved to another/,$p' $DIR/own.log >$DIR/after
# A page that goes bad is said once, and is no move.
: >/dev/vmclock0; sleep 3; page 6 2 0; sleep 2
kill $(cat /run/own.pid); wait $!
head -2 /run/dump/clockbox.samples >$DIR/dump
page 7 2 0
timeout 8 $CB sync --daemon --reload -x -v --config /run/own.conf >$DIR/again.log 2>&1 || true
"#;
    if inside(&net, &format!("{PAGE}{script}")).is_none() {
        return;
    }
    let after = file(&net, "after");
    assert!(after.contains("10.77.0.10: offset"), "{after}");
    // What is kept for a restart is of this host alone.
    let dump = file(&net, "dump");
    assert!(dump.trim_end().ends_with("/6"), "{dump}");
    let again = file(&net, "again.log");
    assert!(
        again.contains("are not used: the machine was moved to another host since"),
        "{again}"
    );
    let log = file(&net, "own.log");
    let count = |text: &str| log.matches(text).count();
    assert_eq!(count("moved to another host"), 1, "{log}");
    assert_eq!(
        count("moves to another host are not noticed now: read /dev/vmclock0"),
        1,
        "{log}"
    );
}

#[test]
fn a_server_beside_another_daemon_doubts_it_after_a_move() {
    let Some(mut net) = Net::new() else { return };
    if net.chronyd("10.77.0.10", "").is_none() {
        return;
    }
    let script = r#"set -e; page 5 2 0
printf 'server 10.77.0.10 iburst minpoll 6\n' >/etc/chrony/chrony.conf; daemon
printf 'allow 10.77.0.0/24\nbindcmdaddress /run/own.sock\ncmdport 0\npidfile /run/own.pid\n' >/run/own.conf
$CB serve --no-clock-control --listen 10.77.0.12 --config /run/own.conf >$DIR/own.log 2>&1 &
until_said $DIR/own.log 'and follows 10.77.0.10'
sleep 6; page 6 2 0
until_said $DIR/own.log 'moved to another host'
sleep 1; sed -n '/moved to another/,$p' $DIR/own.log >$DIR/after
"#;
    if inside(&net, &format!("{PAGE}{script}")).is_none() {
        return;
    }
    // Until chronyd has measured since.
    let after = file(&net, "after");
    assert!(
        after.contains("clients are told that it is not synchronised"),
        "{after}\n{}",
        file(&net, "own.log")
    );
}

/// `bound STATUS AGE`: ClockBound's segment with a bound of 150 us of so many seconds ago.
const BOUND: &str = r#"
bound() { mkdir -p /run/clockbound; python3 - "$@" <<'END'
import struct, sys, time
status, age = int(sys.argv[1]), float(sys.argv[2])
then = time.clock_gettime_ns(time.CLOCK_MONOTONIC) - int(age * 1e9)
after = then + 1000 * 10**9
head = struct.pack("=II", 0x414d5a4e, 0x43420200) + struct.pack("=IHH", 80, 2, 4)
times = struct.pack("=qqqq", *divmod(then, 10**9), *divmod(after, 10**9))
rest = struct.pack("=qQIi8B", 150000, 6, 1000, status, 1, *[0] * 7)
open("/run/clockbound/shm0", "wb").write(head + times + rest)
END
}
"#;

#[test]
fn status_and_sources_say_what_the_host_and_clockbound_say() {
    let Some(mut net) = Net::new() else { return };
    if net.chronyd("10.77.0.10", "").is_none() {
        return;
    }
    let script = r#"
printf 'server 10.77.0.10 iburst\n' >/etc/chrony/chrony.conf; daemon; sleep 3
$CB status --json >$DIR/none
page 5 2 68; bound 1 1
$CB status --json >$DIR/good; $CB status >$DIR/good.page
$CB sources --json >$DIR/good.sources; $CB sources >$DIR/good.sources.page
page 5 1 2; bound 3 1; $CB status --json >$DIR/moved
chmod 600 /dev/vmclock0 /run/clockbound/shm0
setpriv --reuid 65534 --clear-groups $CB status --json >$DIR/nobody
: >/dev/vmclock0; printf x >/run/clockbound/shm0; $CB status --json >$DIR/broken
rm /dev/vmclock0; bound 1 600; $CB sources --json >$DIR/old
"#;
    if inside(&net, &format!("{PAGE}{BOUND}{script}")).is_none() {
        return;
    }
    let none = json(&net, "none");
    assert!(none["vm_clock"].is_null() && none["clock_bound"].is_null());
    let good = json(&net, "good");
    let (page, bound) = (&good["vm_clock"], &good["clock_bound"]);
    assert_eq!(page["status"], "synchronised", "{page}");
    assert_eq!(page["max_error_s"], 12e-6, "{page}");
    assert_eq!(page["disruption"], "imminent", "{page}");
    assert_eq!(bound["status"], "synchronised", "{bound}");
    let error = bound["error_bound_s"].as_f64().unwrap();
    assert!((151e-6..160e-6).contains(&error), "{bound}");
    let text = file(&net, "good.page");
    assert!(
        text.contains(" Host's clock: /dev/vmclock0: the host says that its clock is synchronised"),
        "{text}"
    );
    assert!(
        text.contains("   ClockBound: this clock is within 15"),
        "{text}"
    );
    assert_eq!(
        json(&net, "good.sources")["clock_bound"]["status"],
        "synchronised"
    );
    let text = file(&net, "good.sources.page");
    assert!(
        text.contains("\nClockBound: this clock is within 15"),
        "{text}"
    );
    let moved = json(&net, "moved");
    assert_eq!(moved["vm_clock"]["status"], "initializing");
    assert_eq!(moved["vm_clock"]["disruption"], "soon");
    assert_eq!(moved["clock_bound"]["status"], "disrupted");
    assert!(moved["clock_bound"]["error_bound_s"].is_null());
    let nobody = json(&net, "nobody");
    for key in ["vm_clock", "clock_bound"] {
        assert_eq!(nobody[key]["text"], "only root may read it", "{nobody}");
    }
    let broken = json(&net, "broken");
    for key in ["vm_clock", "clock_bound"] {
        let text = broken[key]["text"].as_str().unwrap();
        assert!(
            text.starts_with("cannot be read: magic at octet 0"),
            "{broken}"
        );
    }
    let old = json(&net, "old")["clock_bound"].clone();
    assert_eq!(old["status"], "free_running", "{old}");
    assert!(
        old["text"].as_str().unwrap().contains("does it still run?"),
        "{old}"
    );
}
