//! `clockbox sources` and `status` against real daemons that see nothing but themselves: a network
//! namespace with servers, in it a process and mount namespace with the daemon and clockbox.

use crate::mock::Mock;
use crate::mock::program;
use crate::net::Net;
use crate::net::peer;
use crate::net::skip;
use crate::run::check_schema;
use crate::sources_machine::check_prometheus;
use serde_json::Value;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::SystemTime;

/// Runs a script where only it and what it starts can be seen. /run and /etc are its own; `$CB`,
/// `$CHRONYD`, `$CHRONYC` are the programs, `$DIR` is shared with the test.
pub(crate) fn inside(net: &Net, script: &str) -> Option<String> {
    let debian = (
        peer("chrony", "usr/sbin/chronyd")?,
        peer("chrony", "usr/bin/chronyc")?,
    );
    inside_with(net, script, &debian)
}

/// The same with another chronyd and chronyc than Debian's.
fn inside_with(net: &Net, script: &str, (chronyd, chronyc): &(PathBuf, PathBuf)) -> Option<String> {
    let dir = net.path("");
    let head = "set -u; mount -t tmpfs tmpfs /run; mkdir -p /run/chrony /run/up /run/work; chmod 770 /run/chrony\n\
        mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/up,workdir=/run/work /etc 2>/dev/null || \
        { mkdir /run/etc; cp -a /etc/. /run/etc; mount --bind /run/etc /etc; }\n\
        mkdir -p /etc/chrony; rm -f /etc/systemd/timesyncd.conf\n\
        daemon() { $CHRONYD -x -d -U -u root -f /etc/chrony/chrony.conf >>$DIR/daemon.log 2>&1 & D=$!; }\n";
    let script = net.write("inside.sh", &format!("{head}{script}\n"));
    let output = net
        .command(&[
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
            "sh",
            script.to_str().unwrap(),
        ])
        .env("CB", env!("CARGO_BIN_EXE_clockbox"))
        .env("CHRONYD", chronyd)
        .env("CHRONYC", chronyc)
        .env("DIR", dir)
        .env("LC_ALL", "C")
        .env("TZ", "Asia/Tokyo")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{text}\n{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        net.logs()
    );
    Some(text)
}

/// What the script wrote into a file of the shared directory.
pub(crate) fn file(net: &Net, name: &str) -> String {
    std::fs::read_to_string(net.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

pub(crate) fn json(net: &Net, name: &str) -> Value {
    let value: Value = serde_json::from_str(&file(net, name)).unwrap();
    check_schema(&value);
    value
}

pub(crate) fn mocks(net: &Net, words: &[&str]) -> Mock {
    let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    let program = program();
    Mock::spawn(net.command(&[program.to_str().unwrap()]), &words)
}

pub(crate) fn text_of(value: &Value) -> &str {
    value["text"].as_str().unwrap_or_default()
}

/// Two servers that are right, 10.77.0.10 and .12, and one that is half a second off, .11: that one
/// lives as long as what is given.
pub(crate) fn two_right_and_one_liar(net: &mut Net) -> Option<Mock> {
    for address in ["10.77.0.10", "10.77.0.12"] {
        net.chronyd(address, "")?;
    }
    Some(mocks(net, &["10.77.0.11:123,offset=0.5"]))
}

#[test]
fn rows_are_those_of_chronyc_at_the_same_moment() {
    let programs = ["usr/sbin/chronyd", "usr/bin/chronyc"].map(|path| peer("chrony", path));
    let [Some(chronyd), Some(chronyc)] = programs else {
        return;
    };
    rows_are_those_of(&(chronyd, chronyc));
}

/// A chrony of today, built anywhere: CLOCKBOX_CHRONY_NOW names the directory with both programs.
#[test]
fn rows_are_those_of_the_current_chronyc_too() {
    let Some(directory) = std::env::var_os("CLOCKBOX_CHRONY_NOW").map(PathBuf::from) else {
        return skip("no CLOCKBOX_CHRONY_NOW: rows of a current chronyd");
    };
    rows_are_those_of(&(directory.join("chronyd"), directory.join("chronyc")));
}

/// What `chronyc tracking` and `sourcestats` said at about the same time.
fn summary_and_statistics(net: &Net, report: &Value) {
    let tracking = file(net, "tracking");
    let tracking: Vec<&str> = tracking.trim().split(',').collect();
    let daemon = &report["daemons"][0];
    assert_eq!(daemon["follows"], tracking[1], "{daemon}");
    assert_eq!(daemon["stratum"].to_string(), tracking[2]);
    // Their sign of a correction is ours; of what was measured, the opposite.
    for (key, index, sign, near) in [
        ("offset_s", 4, 1.0, 1e-6),
        ("last_offset_s", 5, -1.0, 1e-9),
        ("rms_offset_s", 6, 1.0, 1e-9),
        ("frequency_ppm", 7, -1.0, 1e-3),
        ("residual_frequency_ppm", 8, -1.0, 1e-3),
        ("skew_ppm", 9, 1.0, 1e-3),
        ("root_delay_s", 10, 1.0, 1e-9),
        ("root_dispersion_s", 11, 1.0, 1e-4),
        ("update_interval_s", 12, 1.0, 0.1),
    ] {
        close(daemon, key, sign * number(&tracking, index), near);
    }
    let leap = [("Normal", "none"), ("Not synchronised", "unsynchronised")];
    assert!(leap.iter().any(|(theirs, ours)| {
        (tracking[13], daemon["leap"].as_str().unwrap()) == (*theirs, *ours)
    }));
    let stats = json(net, "stats");
    for line in file(net, "sourcestats").lines() {
        let words: Vec<&str> = line.split(',').collect();
        let all = stats["sources"].as_array().unwrap();
        let row = all.iter().find(|row| row["address"] == words[0]).unwrap();
        assert_eq!(row["samples"].to_string(), words[1], "{line}");
        assert_eq!(row["runs"].to_string(), words[2], "{line}");
        close(row, "span_s", number(&words, 3), 0.5);
        if words[1] != "0" {
            close(row, "residual_frequency_ppm", -number(&words, 4), 1e-3);
            close(row, "skew_ppm", number(&words, 5), 1e-3);
            close(row, "offset_s", -number(&words, 6), 1e-6);
            close(row, "std_dev_s", number(&words, 7), 1e-9);
        }
    }
}

fn number(words: &[&str], index: usize) -> f64 {
    words[index].parse().unwrap()
}

fn close(row: &Value, key: &str, theirs: f64, near: f64) {
    let ours = row[key].as_f64().unwrap_or_else(|| panic!("{key}: {row}"));
    assert!(
        (ours - theirs).abs() <= near,
        "{key}: {ours}, theirs {theirs}"
    );
}

fn rows_are_those_of(programs: &(PathBuf, PathBuf)) {
    let Some(mut net) = Net::new() else { return };
    for address in ["10.77.0.10", "10.77.0.11", "10.77.0.12"] {
        if net.chronyd(address, "").is_none() {
            return;
        }
    }
    let script = "
printf 'server 10.77.0.10 iburst\\nserver 10.77.0.11 iburst prefer\\nserver 10.77.0.12 iburst noselect\\nserver 10.77.0.19\\n' >/etc/chrony/chrony.conf
daemon; sleep 9
for i in 1 2 3 4 5 6 7 8; do
  $CHRONYC -n -c sources >$DIR/before; $CB sources -n --json >$DIR/json; $CHRONYC -n -c sources >$DIR/after
  cmp -s $DIR/before $DIR/after && break; sleep 0.3
done
cmp $DIR/before $DIR/after && $CHRONYC -n -c selectdata >$DIR/selectdata
$CHRONYC -n -c tracking >$DIR/tracking; $CB sources stats -n --json >$DIR/stats; $CHRONYC -n -c sourcestats >$DIR/sourcestats
setpriv --reuid 65534 --clear-groups $CB sources -n --json >$DIR/nobody
ls /run/chrony >$DIR/left
";
    if inside_with(&net, script, programs).is_none() {
        return;
    }
    let report = json(&net, "json");
    let rows = report["sources"].as_array().unwrap();
    let before = file(&net, "before");
    assert_eq!(rows.len(), before.lines().count(), "{report}");
    for (row, line) in rows.iter().zip(before.lines()) {
        let words: Vec<&str> = line.split(',').collect();
        let native = format!("{}{}", words[0], words[1]);
        assert_eq!(row["native_state"], native, "{line}");
        assert_eq!(row["address"], words[2]);
        assert_eq!(format!("{:o}", row["reach"].as_u64().unwrap()), words[5]);
        let poll: i32 = words[4].parse().unwrap();
        assert_eq!(row["poll_interval_s"], 2f64.powi(poll));
        if words[6] == "4294967295" {
            assert!(row["last_sample_age_s"].is_null() && row["offset_s"].is_null());
            continue;
        }
        assert_eq!(row["stratum"].to_string(), words[3]);
        let number = |i: usize| words[i].parse::<f64>().unwrap();
        assert_eq!(row["last_sample_age_s"], number(6));
        for (key, theirs) in [
            ("offset_s", -number(7)),
            ("measured_offset_s", -number(8)),
            ("error_s", number(9)),
        ] {
            let ours = row[key].as_f64().unwrap();
            assert!((ours - theirs).abs() < 1e-9, "{key} {ours} {line}");
        }
    }
    for line in file(&net, "selectdata").lines() {
        let words: Vec<&str> = line.split(',').collect();
        let row = rows.iter().find(|row| row["address"] == words[1]).unwrap();
        assert_eq!(row["selection"], words[0]);
        close(row, "selection_score", number(&words, 14), 0.05);
        if number(&words, 15) != 0.0 {
            // The ends go apart as time goes by.
            close(row, "interval_high_s", -number(&words, 15), 1e-4);
            close(row, "interval_low_s", -number(&words, 16), 1e-4);
        }
    }
    summary_and_statistics(&net, &report);
    // An ordinary user gets the same rows over UDP, without the reasons; nothing is left behind.
    let nobody = json(&net, "nobody");
    assert_eq!(nobody["daemons"][0]["via"], "udp");
    assert_eq!(nobody["sources"].as_array().unwrap().len(), rows.len());
    assert_eq!(report["daemons"][0]["via"], "unix");
    assert!(
        !file(&net, "left").contains("clockbox"),
        "{}",
        file(&net, "left")
    );
}

/// A program that gives chronyd a clock through its SOCK driver, standing in for a PTP clock.
struct Refclock {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Refclock {
    fn start(path: &Path, offset: f64) -> Self {
        let (path, stop) = (path.to_path_buf(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let socket = UnixDatagram::unbound().unwrap();
            while !stopped.load(Ordering::Relaxed) {
                let now = SystemTime::now()
                    .duration_since(SystemTime::UNIX_EPOCH)
                    .unwrap();
                // struct sock_sample of chrony's manual: time, offset, pulse, leap, pad, magic.
                let mut sample = Vec::new();
                sample.extend((now.as_secs() as i64).to_ne_bytes());
                sample.extend(i64::from(now.subsec_micros()).to_ne_bytes());
                sample.extend(offset.to_ne_bytes());
                for word in [0_i32, 0, 0, 0x534f_434b] {
                    sample.extend(word.to_ne_bytes());
                }
                let _ = socket.send_to(&sample, &path);
                thread::sleep(Duration::from_millis(200));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Refclock {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

/// The evening of somebody who set up chrony on Azure: PHC0, then `^?`, then `^~` at 350 s, then
/// `^*`, each screen made by a real chronyd, and what we say to it.
#[test]
fn an_evening_with_a_ptp_clock_and_three_servers_gets_a_sentence_at_every_screen() {
    let Some(net) = Net::new() else { return };
    let Some(_) = peer("chrony", "usr/sbin/chronyd") else {
        return;
    };
    let right = mocks(
        &net,
        &[
            "10.77.0.10:123,stratum=2,delay=0.002",
            "10.77.0.11:123,stratum=2,delay=0.003",
            "10.77.0.12:123,stratum=2,delay=0.012",
        ],
    );
    let far = mocks(
        &net,
        &[
            "10.77.0.13:123,stratum=2,offset=350.1,delay=0.002,jitter=0.004",
            "10.77.0.14:123,stratum=2,offset=350.1,delay=0.002,jitter=0.004",
            "10.77.0.15:123,stratum=2,offset=350.2,delay=0.002,jitter=0.004",
        ],
    );
    let _phc = Refclock::start(&net.path("phc.sock"), 1e-6);
    let _late = Refclock::start(&net.path("late.sock"), 362.1);
    let script = "
screen() { $CHRONYC -n sources >$DIR/$1.chronyc; $CB sources --json >$DIR/$1.json; $CB status --json >$DIR/$1.status || true
  COLUMNS=80 $CB sources >$DIR/$1.page; kill $D; wait $D 2>/dev/null; rm -f /run/chrony/*; }
PHC='refclock SOCK /run/x.sock refid PHC0 poll 0'
conf() { printf '%s\\n' \"$@\" >/etc/chrony/chrony.conf; }
conf \"refclock SOCK $DIR/phc.sock refid PHC0 poll 0\"; daemon; sleep 6; screen phc
conf \"refclock SOCK $DIR/phc.sock refid PHC0 poll 0\" 'server ntp1.nowhere.invalid' 'server ntp2.nowhere.invalid'; daemon; sleep 6; screen alone
for n in 1 2 3; do echo 10.77.0.1$((n-1)) ntp$n.jst.mfeed.example; done >>/etc/hosts
conf 'pool ntp1.jst.mfeed.example' 'pool ntp2.jst.mfeed.example' 'pool ntp3.jst.mfeed.example'; daemon; sleep 3; screen new
conf \"refclock SOCK $DIR/late.sock refid PHC0 poll 0\"; daemon; sleep 6; screen late
conf \"refclock SOCK $DIR/phc.sock refid PHC0 poll 0\" 'maxjitter 0.0001' 'server 10.77.0.13 iburst minpoll 1' 'server 10.77.0.14 iburst minpoll 1' 'server 10.77.0.15 iburst minpoll 1'
daemon; sleep 14; screen wild
conf 'server 10.77.0.10 iburst minpoll 1' 'server 10.77.0.11 iburst minpoll 1' 'server 10.77.0.12 iburst minpoll 1'; daemon; sleep 12; screen good
conf 'server 10.77.0.11 iburst' '#server 10.77.0.10 iburst'; daemon; sleep 5
conf '#server 10.77.0.11 iburst' 'server 10.77.0.10 iburst'; touch /etc/chrony/.chrony.conf.swp; screen unread
";
    if inside(&net, script).is_none() {
        return skip("no chronyd");
    }
    drop((right, far));

    // #* PHC0: success, and which clock that is.
    assert!(
        file(&net, "phc.chronyc").contains("#* PHC0"),
        "{}",
        file(&net, "phc.chronyc")
    );
    let phc = json(&net, "phc.json");
    assert_eq!(phc["sources"][0]["native_state"], "#*");
    assert!(text_of(&phc["sources"][0]).contains("success"), "{phc}");
    assert!(
        phc["sources"][0]["reference"]
            .as_str()
            .unwrap()
            .contains("PHC0 is")
    );

    // Only PHC0 is listed, where servers stand in the file: chronyc says nothing of them.
    let screen = file(&net, "alone.chronyc");
    assert!(
        screen.contains("#* PHC0") && !screen.contains("^"),
        "{screen}"
    );
    let alone = json(&net, "alone.json");
    let rows = alone["sources"].as_array().unwrap();
    let unresolved: Vec<&Value> = rows.iter().filter(|r| r["state"] == "unresolved").collect();
    assert_eq!(unresolved.len(), 2, "{alone}");
    assert_eq!(
        unresolved[0]["configured_at"], "/etc/chrony/chrony.conf:2",
        "{alone}"
    );
    assert_eq!(unresolved[0]["next"], "getent ahosts ntp1.nowhere.invalid");

    // ^?: too new, how long to wait; and the lines are not what their author thinks.
    assert!(
        file(&net, "new.chronyc").contains("^? 10.77.0.10"),
        "{}",
        file(&net, "new.chronyc")
    );
    let new = json(&net, "new.json");
    let text = text_of(&new["sources"][0]);
    assert!(
        text.contains("too new") && text.contains("2 min") && text.contains("iburst"),
        "{text}"
    );

    let findings = new["findings"].to_string();
    for words in [
        "ntp1.jst.mfeed.example has one address: pool does nothing there",
        "without iburst it takes minutes instead of seconds",
        "all sources are mfeed.example's",
        "three sources outvote one",
    ] {
        assert!(findings.contains(words), "{words}: {findings}");
    }

    // #* PHC0 362 s off: the page says how far, and status says no, whatever the kernel's flag.
    let late = json(&net, "late.json");
    assert!(text_of(&late).contains("362 s behind"), "{late}");
    let status = json(&net, "late.status");
    assert_eq!(
        (&status["verdict"], &status["ok"]),
        (&"not_right".into(), &false.into())
    );

    // ^~ at 350 s: the limit, the value, the side, and what to type; status hears the majority.
    assert!(
        file(&net, "wild.chronyc").contains("^~"),
        "{}",
        file(&net, "wild.chronyc")
    );
    let wild = json(&net, "wild.json");
    let row = wild["sources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["state"] == "jittery")
        .unwrap();
    let text = text_of(row);
    assert!(
        text.contains("too variable") && text.contains("100 µs") && text.contains("350 s behind"),
        "{text}"
    );
    assert!(row["next"].as_str().unwrap().contains("chronyc burst"));
    let status = json(&net, "wild.status");
    assert_eq!(status["verdict"], "not_right", "{status}");
    assert!(text_of(&status).contains("3 of 4 sources"), "{status}");

    // ^*: nothing to explain on that row.
    assert!(
        file(&net, "good.chronyc").contains("^*"),
        "{}",
        file(&net, "good.chronyc")
    );
    let good = json(&net, "good.json");
    let best = good["sources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["state"] == "selected")
        .unwrap();
    assert!(best["text"].is_null(), "{best}");

    // The file was edited, and the daemon has not read it.
    let unread = json(&net, "unread.json");
    let findings = unread["findings"].to_string();
    for words in [
        "does not use 10.77.0.10 (/etc/chrony/chrony.conf:2)",
        "still uses 10.77.0.11, which is commented out in /etc/chrony/chrony.conf:1",
        "may not be saved",
    ] {
        assert!(findings.contains(words), "{words}: {findings}");
    }
    // No line is wider than the terminal.
    for name in ["phc", "alone", "new", "late", "wild", "good", "unread"] {
        let page = file(&net, &format!("{name}.page"));
        for line in page.lines().filter(|line| !line.starts_with("    ")) {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
    }
}

#[test]
fn set_edits_the_file_tells_chronyd_and_puts_back_what_does_not_answer() {
    let Some(mut net) = Net::new() else { return };
    for address in ["10.77.0.10", "10.77.0.11"] {
        if net.chronyd(address, "").is_none() {
            return;
        }
    }
    let script = "
printf '# mine\\nserver 10.77.0.10 iburst\\n\\nmakestep 1 3' >/etc/chrony/chrony.conf; cp /etc/chrony/chrony.conf $DIR/first
daemon; sleep 3
$CB sources set --dry-run --diff --json 10.77.0.11 >$DIR/dry; cmp /etc/chrony/chrony.conf $DIR/first
$CB sources set --json 10.77.0.11 >$DIR/set; cp /etc/chrony/chrony.conf $DIR/second; $CHRONYC -n -c sources >$DIR/after
$CB sources set --json 10.77.0.11 >$DIR/again; cmp /etc/chrony/chrony.conf $DIR/second
$CB sources set --json --wait 2 10.77.0.19 >$DIR/silent; echo $? >$DIR/silent.status
cmp /etc/chrony/chrony.conf $DIR/second; $CHRONYC -n -c sources >$DIR/back
$CB sources set --add --json 10.77.0.10 --options 'iburst prefer' >$DIR/add
$CB sources unset --json 10.77.0.11 >$DIR/unset; cp /etc/chrony/chrony.conf $DIR/third; $CHRONYC -n -c sources >$DIR/last
$CB sources unset --json 10.77.0.10 >$DIR/none; echo $? >$DIR/none.status
true
";
    if inside(&net, script).is_none() {
        return;
    }
    let dry = json(&net, "dry");
    assert_eq!(
        (&dry["changed"], &dry["dry_run"]),
        (&true.into(), &true.into())
    );
    assert!(
        dry["files"][0]["diff"]
            .as_str()
            .unwrap()
            .contains("+server 10.77.0.11 iburst")
    );
    assert_eq!(json(&net, "set")["changed"], true);
    assert_eq!(
        file(&net, "second"),
        "# mine\n#server 10.77.0.10 iburst\nserver 10.77.0.11 iburst\n\nmakestep 1 3"
    );
    let after = file(&net, "after");
    assert!(
        after.contains("10.77.0.11") && !after.contains("10.77.0.10"),
        "{after}"
    );
    assert_eq!(json(&net, "again")["changed"], false);
    let silent = json(&net, "silent");
    assert_eq!(
        (&silent["put_back"], &silent["changed"]),
        (&true.into(), &false.into())
    );
    assert_eq!(file(&net, "silent.status"), "1\n");
    let back = file(&net, "back");
    assert!(
        back.contains("10.77.0.11") && !back.contains("10.77.0.19"),
        "{back}"
    );
    assert_eq!(json(&net, "add")["changed"], true);
    json(&net, "unset");
    assert!(
        file(&net, "third")
            .contains("\n#server 10.77.0.11 iburst\nserver 10.77.0.10 iburst prefer\n"),
        "{}",
        file(&net, "third")
    );
    assert!(!file(&net, "last").contains("10.77.0.11"));
    assert_eq!(file(&net, "none.status"), "65\n");
}

#[test]
fn looking_starts_no_program_and_without_a_daemon_the_servers_are_asked() {
    let Some(mut net) = Net::new() else { return };
    if net.chronyd("10.77.0.10", "").is_none() {
        return;
    }
    let script = "
printf 'server 10.77.0.10 iburst\\n' >/etc/chrony/chrony.conf
$CB sources --json >$DIR/probed; $CB status --json >$DIR/status || true
rm /etc/chrony/chrony.conf; rm -f /etc/ntp.conf /etc/chrony.conf; $CB sources --json >$DIR/nothing; echo $? >$DIR/nothing.status
printf 'server 10.77.0.10 iburst\\n' >/etc/chrony/chrony.conf; daemon; sleep 9
$CB sources --nagios >$DIR/nagios; $CB sources --prometheus >$DIR/prometheus
$CB sources --watch=0.3 --count 2 >$DIR/watch
$CB sources --quiet --max-error 1; echo $? >$DIR/within; $CB sources --quiet --max-error 1ns; echo $? >$DIR/over
if command -v strace >/dev/null; then strace -f -qq -e trace=execve,kill,connect,sendto -o $DIR/strace $CB sources >/dev/null; fi
true
";
    if inside(&net, script).is_none() {
        return;
    }
    let probed = json(&net, "probed");
    assert_eq!(probed["sources"][0]["daemon"], "probe");
    assert!(text_of(&probed).contains("asked directly"), "{probed}");
    assert_eq!(json(&net, "status")["verdict"], "not_kept");
    assert_eq!(file(&net, "nothing.status"), "2\n");
    assert!(
        file(&net, "nagios").starts_with("SOURCES OK - chronyd follows 10.77.0.10"),
        "{}",
        file(&net, "nagios")
    );
    check_prometheus(&file(&net, "prometheus"));
    assert!(file(&net, "prometheus").contains("clockbox_source_selected{daemon=\"chronyd\",source=\"10.77.0.10\",address=\"10.77.0.10\"} 1"));
    assert_eq!(file(&net, "watch").lines().count(), 2);
    for line in file(&net, "watch").lines() {
        check_schema(&serde_json::from_str(line).unwrap());
    }
    assert_eq!(
        (file(&net, "within").trim(), file(&net, "over").trim()),
        ("0", "1")
    );
    if net.path("strace").exists() {
        let trace = file(&net, "strace");
        // One execve: clockbox itself. It talks to chronyd's socket and to nobody else.
        assert_eq!(trace.matches("execve(").count(), 1, "{trace}");
        assert_eq!(trace.matches("kill(").count(), 0, "{trace}");
        for line in trace.lines().filter(|line| line.contains("connect(")) {
            assert!(line.contains("/run/chrony/chronyd.sock"), "{line}");
        }
    } else {
        skip("no strace: that looking starts nothing was not traced");
    }
}
