//! `clockbox sources` and `status` beside other daemons than chronyd: OpenNTPD's rows against
//! ntpctl's, PTP's programs by name, two daemons on one control port, and daemons that lie.

use crate::net::Net;
use crate::net::peer;
use crate::net::skip;
use crate::sources::file;
use crate::sources::inside;
use crate::sources::json;
use crate::sources::text_of;
use serde_json::Value;

fn sources(report: &Value) -> &[Value] {
    report["sources"].as_array().unwrap()
}

#[test]
fn rows_are_those_of_ntpctl_where_openntpd_runs() {
    let Some(mut net) = Net::new() else { return };
    let Some(daemon) = peer("openntpd", "usr/sbin/openntpd") else {
        return;
    };
    for address in ["10.77.0.10", "10.77.0.11"] {
        if net.chronyd(address, "").is_none() {
            return;
        }
    }
    let programs = daemon.parent().unwrap().display();
    let script = format!(
        "
echo 'ntpd:x:65533:65533::/run/empty:/usr/sbin/nologin' >>/etc/passwd; echo 'ntpd:x:65533:' >>/etc/group
mkdir -p /run/empty /run/openntpd; mount -t tmpfs t /var/lib; mkdir -p /var/lib/openntpd/db /var/lib/openntpd/run
printf 'listen on 10.77.0.12\\nserver 10.77.0.10\\nserver 10.77.0.11\\nserver 10.77.0.19\\n' >/run/openntpd.conf
{programs}/openntpd -d -f /run/openntpd.conf -p /run/openntpd.pid >$DIR/openntpd.log 2>&1 &
export PATH=$PATH:{programs}
sleep 9; ntpctl -s all >$DIR/early.txt; $CB sources --json >$DIR/early
for i in $(seq 60); do ntpctl -s all >$DIR/now; [ $(grep -c 'not valid' $DIR/now) = 1 ] && break; sleep 1; done
for i in 1 2 3 4 5 6 7 8; do
  ntpctl -s all >$DIR/before; $CB sources --json >$DIR/json; ntpctl -s all >$DIR/after
  cmp -s $DIR/before $DIR/after && break; sleep 0.4
done
COLUMNS=80 $CB sources >$DIR/page; $CB status --json >$DIR/status || true
setpriv --reuid 65534 --clear-groups $CB sources --json >$DIR/nobody || true
"
    );
    if inside(&net, &script).is_none() {
        return;
    }
    let report = json(&net, "json");
    let daemon = &report["daemons"][0];
    assert_eq!(
        (&daemon["name"], &daemon["via"]),
        (&"openntpd".into(), &"ntpctl".into()),
        "{report}"
    );
    compare_with_ntpctl(&report, &file(&net, "before"));
    // Before it trusts its peers, they answer all the same, and that is said.
    let early = json(&net, "early");
    if file(&net, "early.txt").matches("not valid").count() == 3 {
        let text = early["text"].as_str().unwrap();
        assert!(!text.contains("none of its 3 sources answers"), "{text}");
        let first = sources(&early)[0]["text"].as_str().unwrap();
        assert!(first.contains("trust is"), "{first}");
    }
    // It steers, or says that it cannot; never is it taken for another daemon.
    let status = json(&net, "status");
    let named = status["daemons"].as_array().unwrap().iter();
    let running: Vec<&Value> = named
        .filter(|d| d["running"] == true)
        .map(|d| &d["name"])
        .collect();
    assert_eq!(running, [&Value::from("openntpd")], "{status}");
    for line in file(&net, "page")
        .lines()
        .filter(|line| !line.starts_with("    "))
    {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

fn compare_with_ntpctl(report: &Value, theirs: &str) {
    let lines: Vec<&str> = theirs.lines().collect();
    assert_eq!(sources(report).len(), 3, "{theirs}");
    for row in sources(report) {
        let title = row["address"].as_str().unwrap();
        let at = lines.iter().position(|line| line.trim() == title).unwrap();
        let words: Vec<&str> = lines[at + 1]
            .trim_start_matches([' ', '*'])
            .split_whitespace()
            .collect();
        if lines[at + 1].contains("not valid") {
            assert!(row["offset_s"].is_null(), "{row}");
            assert_eq!(row["state"], "unreachable", "{row}");
            assert!(
                row["next"]
                    .as_str()
                    .unwrap()
                    .contains("check-port 10.77.0.19"),
                "{row}"
            );
            continue;
        }
        assert_eq!(row["stratum"].to_string(), words[2], "{theirs}");
        for (key, word) in [
            ("offset_s", words[5]),
            ("delay_s", words[6]),
            ("jitter_s", words[7]),
        ] {
            let ours = format!("{:.3}ms", row[key].as_f64().unwrap() * 1e3);
            assert_eq!(
                ours.trim_start_matches('-'),
                word.trim_start_matches('-'),
                "{key} {theirs}"
            );
        }
    }
}

#[test]
fn rows_are_those_of_ntpq_where_ntpsec_runs() {
    let Some(mut net) = Net::new() else { return };
    let needed = [
        peer("ntpsec", "usr/sbin/ntpd"),
        peer("python3-ntp", "usr/lib/python3/dist-packages/ntp/ntpc.py"),
    ];
    let [Some(ntpd), Some(library)] = needed else {
        return;
    };
    let packages = library.ancestors().nth(2).unwrap().display().to_string();
    let ntpq = ntpd.ancestors().nth(3).unwrap().join("usr/bin/ntpq");
    let Some(ntpq) = [ntpq, "/usr/bin/ntpq".into()]
        .into_iter()
        .find(|p| p.exists())
    else {
        return skip("no ntpq");
    };
    for (address, stratum) in [
        ("10.77.0.10", "local stratum 1"),
        ("10.77.0.11", "local stratum 2"),
    ] {
        if net.chronyd(address, stratum).is_none() {
            return;
        }
    }
    let script = format!(
        "
printf 'server 10.77.0.10 iburst minpoll 3 maxpoll 3\\nserver 10.77.0.11 iburst minpoll 3 maxpoll 3\\nserver 10.77.0.19 iburst\\nrestrict default kod nomodify nopeer noquery limited\\nrestrict 127.0.0.1\\ninterface ignore wildcard\\ninterface listen 127.0.0.1\\ninterface listen 10.77.0.12\\n' >$DIR/ntp.conf
{} -n -c $DIR/ntp.conf >$DIR/ntpd.log 2>&1 &
sleep 14; cd {packages}
for i in 1 2 3 4 5 6 7 8; do
  PYTHONPATH={packages} python3 {} -pn 127.0.0.1 >$DIR/before; $CB sources --json >$DIR/json; PYTHONPATH={packages} python3 {} -pn 127.0.0.1 >$DIR/after
  cmp -s $DIR/before $DIR/after && break; sleep 0.3
done
true
",
        ntpd.display(),
        ntpq.display(),
        ntpq.display()
    );
    if inside(&net, &script).is_none() {
        return;
    }
    let report = json(&net, "json");
    assert_eq!(report["daemons"][0]["name"], "ntpsec", "{report}");
    assert_eq!(report["daemons"][0]["via"], "mode6", "{report}");
    let rows = report["sources"].as_array().unwrap();
    let billboard = file(&net, "before");
    let lines: Vec<&str> = billboard.lines().skip(2).collect();
    assert_eq!(rows.len(), lines.len(), "{billboard}\n{report}");
    for (row, line) in rows.iter().zip(lines) {
        let (mark, rest) = line.split_at(1);
        let words: Vec<&str> = rest.split_whitespace().collect();
        assert_eq!(row["native_state"], mark, "{line}");
        assert_eq!(row["address"], words[0], "{line}");
        assert_eq!(row["stratum"].to_string(), words[2], "{line}");
        assert_eq!(
            format!("{:o}", row["reach"].as_u64().unwrap()),
            words[6],
            "{line}"
        );
        if words[6] != "0" {
            let offset = row["offset_s"].as_f64().unwrap() * 1e3;
            assert!(
                (offset - words[8].parse::<f64>().unwrap()).abs() < 6e-5,
                "{line} {row}"
            );
        }
    }
}

#[test]
fn programs_of_ptp_are_named_with_what_they_follow() {
    let Some(net) = Net::new() else { return };
    let script = "
mkdir /run/bin; for name in phc2sys ptp4l; do printf '#!/bin/sh\\nwhile :; do sleep 0.2; done\\n' >/run/bin/$name; chmod 755 /run/bin/$name; done
/run/bin/ptp4l -i eth7 -m & /run/bin/phc2sys -s /dev/ptp7 -O 0 &
printf 'refclock PHC /dev/ptp7 poll 0\\n' >/etc/chrony/chrony.conf; daemon; sleep 1
$CB sources --json >$DIR/json; COLUMNS=80 $CB sources >$DIR/page; $CB status --json >$DIR/status || true
";
    // A real chronyd does not start without the device: the other two are what is looked at.
    if inside(&net, script).is_none() {
        return;
    }
    let report = json(&net, "json");
    let follows = |name: &str| {
        let all = report["daemons"].as_array().unwrap();
        let row = all.iter().find(|row| row["name"] == name);
        row.unwrap_or_else(|| panic!("{name}: {report}"))["follows"].clone()
    };
    assert_eq!(follows("phc2sys"), "/dev/ptp7");
    assert_eq!(follows("ptp4l"), "PTP on eth7");
    let page = file(&net, "page");
    assert!(
        page.contains("phc2sys (process") && page.contains("ptp4l (process"),
        "{page}"
    );
    let status = json(&net, "status");
    let names = status["daemons"].to_string();
    assert!(
        names.contains("phc2sys") && names.contains("ptp4l"),
        "{status}"
    );
}

/// chronyd and clockbox's daemon answer the same questions on the same port: an ordinary user, who
/// only has the port, must not be shown one's rows under the other's name.
#[test]
fn of_two_daemons_on_one_port_none_is_shown_with_the_others_rows() {
    let Some(mut net) = Net::new() else { return };
    for address in ["10.77.0.10", "10.77.0.11"] {
        if net.chronyd(address, "").is_none() {
            return;
        }
    }
    let script = "
mkdir -p /etc/clockbox; printf 'server 10.77.0.10 iburst\\nserver ntp.nowhere.invalid\\n' >/etc/clockbox/clockbox.conf
$CB sync --daemon -x --config /etc/clockbox/clockbox.conf >$DIR/own.log 2>&1 &
sleep 3; printf 'server 10.77.0.11 iburst\\n' >/etc/chrony/chrony.conf; daemon; sleep 7
$CB sources --json >$DIR/root; $CB sources -n --json >$DIR/numeric; $CB sources stats >$DIR/stats
setpriv --reuid 65534 --clear-groups $CB sources --json >$DIR/nobody || true
";
    if inside(&net, script).is_none() {
        return;
    }
    let root = json(&net, "root");
    let mut pairs: Vec<String> = sources(&root)
        .iter()
        .filter(|row| row["state"] != "unresolved")
        .map(|row| format!("{} {}", row["daemon"], row["address"]))
        .collect();
    pairs.sort();
    assert_eq!(
        pairs,
        ["\"chronyd\" \"10.77.0.11\"", "\"clockbox\" \"10.77.0.10\""],
        "{root}"
    );
    // A name without an address keeps its name, with -n too.
    for name in ["root", "numeric"] {
        let report = json(&net, name);
        let row = sources(&report)
            .iter()
            .find(|row| row["state"] == "unresolved");
        let row = row.unwrap_or_else(|| panic!("{report}"));
        assert_eq!(
            (&row["daemon"], &row["name"]),
            (&"clockbox".into(), &"ntp.nowhere.invalid".into())
        );
    }
    let stats = file(&net, "stats");
    assert!(
        stats.contains("Daemon") && stats.contains("clockbox"),
        "{stats}"
    );
    let nobody = json(&net, "nobody");
    for row in sources(&nobody)
        .iter()
        .filter(|row| row["state"] != "unresolved")
    {
        let pair = format!("{} {}", row["daemon"], row["address"]);
        assert!(
            pairs.contains(&pair) || row["daemon"] == "probe",
            "{pair} {nobody}"
        );
    }
    assert!(nobody.to_string().contains("only root can see"), "{nobody}");
}

/// Two chronyds, each with a port and a socket of its own: each is asked there, found through its
/// own configuration; and `--host` takes the port or the socket.
#[test]
fn a_second_chronyd_is_asked_on_its_own_port_and_socket() {
    let Some(mut net) = Net::new() else { return };
    for address in ["10.77.0.10", "10.77.0.11"] {
        if net.chronyd(address, "").is_none() {
            return;
        }
    }
    let script = "
for n in 1 2; do
    mkdir -p /run/two$n; chmod 770 /run/two$n
    printf \"server 10.77.0.1$((n-1)) iburst\\ncmdport 132$n\\npidfile /run/two$n/pid\\nbindcmdaddress 127.0.0.1\\nbindcmdaddress /run/two$n/sock\\n\" >/etc/chrony/two$n.conf
    $CHRONYD -x -d -U -u root -f /etc/chrony/two$n.conf >>$DIR/two$n.log 2>&1 &
done
sleep 7
$CB sources --json >$DIR/root
setpriv --reuid 65534 --clear-groups $CB sources --json >$DIR/nobody || true
$CB sources --host 127.0.0.1:1322 --json >$DIR/port
$CB sources --host /run/two1/sock --json >$DIR/socket
$CB sources --host /run/nothing --json >$DIR/nothing; echo $? >$DIR/status
$CB sources --prometheus >$DIR/prometheus; COLUMNS=100 $CB sources >$DIR/page; $CB sources stats --json >$DIR/stats; COLUMNS=80 $CB sources stats >$DIR/stats.page
$CB sources --watch=0.2 --count 1 >$DIR/watch; $CB status --json >$DIR/judged; true
";
    if inside(&net, script).is_none() {
        return;
    }
    let addresses = |name: &str| {
        let report = json(&net, name);
        let rows = sources(&report).iter();
        let mut found: Vec<String> = rows.map(|row| row["address"].to_string()).collect();
        found.sort();
        found
    };
    let both = ["\"10.77.0.10\"", "\"10.77.0.11\""];
    assert_eq!(addresses("root"), both);
    // An ordinary user asks the ports.
    assert_eq!(addresses("nobody"), both);
    assert_eq!(addresses("port"), both[1..]);
    assert_eq!(addresses("socket"), both[..1]);
    assert_eq!(file(&net, "status"), "2\n");
    assert!(file(&net, "nothing").contains("/run/nothing tells nothing of its sources"));
    namesakes_are_told_apart(&net);
}

/// Two daemons of one name, each with rows, series and sentences of its own.
fn namesakes_are_told_apart(net: &Net) {
    let report = json(net, "root");
    let pids: Vec<u64> = report["daemons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|daemon| daemon["pid"].as_u64().unwrap())
        .collect();
    assert_eq!(pids.len(), 2, "{report}");
    let text = file(net, "prometheus");
    crate::sources_machine::check_prometheus(&text);
    let page = file(net, "page");
    for pid in &pids {
        let pid = *pid;
        for name in ["root", "watch", "stats"] {
            let report = json(net, name);
            let own = sources(&report).iter().filter(|s| s["daemon_pid"] == pid);
            assert_eq!(own.count(), 1, "{name} {pid}: {report}");
        }
        for family in ["daemon_synchronised", "source_offset_seconds"] {
            let series = format!("clockbox_{family}{{daemon=\"chronyd\",pid=\"{pid}\"");
            assert_eq!(text.matches(&series).count(), 1, "{series}\n{text}");
        }
        assert!(page.contains(&format!("  chronyd {pid}\n")), "{page}");
    }
    // At 80 columns every source has one line.
    let stats = file(net, "stats.page");
    assert_eq!(stats.lines().count(), 3, "{stats}");
    assert!(
        stats.lines().all(|line| line.chars().count() <= 80),
        "{stats}"
    );
    let follows = text_of(&report);
    assert!(follows.starts_with("chronyd (process "), "{follows}");
    let judged = json(net, "judged");
    let listed = judged["daemons"].as_array().unwrap();
    let listed = listed.iter().filter(|d| d["name"] == "chronyd");
    let of = |d: &Value| (d["pid"].as_u64(), d["synchronised"].clone());
    let listed: Vec<_> = listed.map(of).collect();
    let true_of = |pid: &u64| (Some(*pid), Value::Bool(true));
    assert_eq!(
        listed,
        pids.iter().map(true_of).collect::<Vec<_>>(),
        "{judged}"
    );
    assert!(text_of(&judged).contains("chronyd (process "), "{judged}");
}

/// Daemons that lie, one an address: asked by `--host`, each costs a sentence and no more than the
/// time limit.
#[test]
fn hostile_replies_are_refused_in_a_sentence_and_in_time() {
    let Some(mut net) = Net::new() else { return };
    if std::process::Command::new("python3")
        .arg("--version")
        .output()
        .is_err()
    {
        return skip("no python3 to lie with");
    }
    let liar = net.write("liar.py", LIAR);
    let ready = net.path("ready");
    net.start(
        "liar",
        &["python3", liar.to_str().unwrap(), ready.to_str().unwrap()],
    );
    for _ in 0..600 {
        if ready.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(ready.exists(), "{}", net.logs());
    for (host, words) in [
        (10, "malformed"),
        (11, "malformed"),
        (12, "no reply"),
        (13, ""),
        (14, "malformed"),
        (15, "no reply"),
        (16, "malformed"),
        (17, "malformed"),
    ] {
        let address = format!("10.77.0.{host}");
        let start = std::time::Instant::now();
        let clockbox = env!("CARGO_BIN_EXE_clockbox");
        let output = net.run(&[
            clockbox,
            "sources",
            "--host",
            &address,
            "--timeout",
            "1",
            "--json",
        ]);
        let took = start.elapsed().as_secs_f64();
        assert!(took < 20.0, "{address} took {took} s");
        let stdout = String::from_utf8(output.stdout).unwrap();
        let report: Value =
            serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{address} {e}: {stdout}"));
        if host == 13 {
            // Four billion sources: some are asked for, none is there.
            assert!(
                report["sources"].as_array().is_none_or(Vec::is_empty),
                "{report}"
            );
            continue;
        }
        assert_eq!(output.status.code(), Some(2), "{address}: {stdout}");
        let message = report["error"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{address}: {message}");
    }
    names_do_not_steer_a_terminal(&net);
}

fn names_do_not_steer_a_terminal(net: &Net) {
    let clockbox = env!("CARGO_BIN_EXE_clockbox");
    for options in [&["--json"][..], &["-v"], &["--prometheus"], &["--nagios"]] {
        let words = [
            &[
                clockbox,
                "sources",
                "--host",
                "10.77.0.18",
                "--timeout",
                "2",
            ],
            options,
        ]
        .concat();
        let output = net.run(&words);
        let text = String::from_utf8(output.stdout).unwrap();
        let steers = |c: char| c.is_control() && c != '\n';
        assert!(
            !text.contains(steers) && !text.contains("\\u001b"),
            "{options:?}: {text:?}"
        );
        assert!(text.contains("evil"), "{options:?}: {text}");
    }
}

const LIAR: &str = r#"
import select, socket, struct, sys
def udp(host, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("10.77.0.%d" % host, port)); return s
cmd = {udp(h, 323): h for h in (10, 11, 12, 13)}
ntp = {udp(h, 123): h for h in (14, 15, 16, 17, 18)}
# The other door of each is shut by silence, not by a refusal.
for h in (10, 11, 12, 13): cmd[udp(h, 123)] = 0
for h in (14, 15, 16, 17, 18): ntp[udp(h, 323)] = 0
def reply(q, kind, status, body, sequence=0):
    number = struct.unpack("!I", q[8:12])[0] + sequence & 0xffffffff
    command = struct.unpack("!H", q[4:6])[0]
    return struct.pack("!BBBBHHHHHHIII", 6, 2, 0, 0, command, kind, status, 0, 0, 0, number, 0, 0) + body
def control(s, q, a, h):
    command = struct.unpack("!H", q[4:6])[0]
    if h == 10: s.sendto(reply(q, 2, 0, b"")[:24], a)
    if h == 11: s.sendto(reply(q, 2, 0, b"\0" * 1400), a)
    if h == 12:
        for n in range(40): s.sendto(reply(q, 2, 0, b"\0\0\0\3", n + 1), a)
        s.sendto(b"\xff" * 300, a); s.sendto(b"", a)
    if h == 13:
        if command == 14: s.sendto(reply(q, 2, 0, b"\xff\xff\xff\xff"), a)
        else: s.sendto(reply(q, 1, 3, b""), a)
def part(q, offset, data, more, sequence=0, association=None):
    op = (q[1] & 0x1f) | 0x80 | (0x20 if more else 0)
    number = struct.unpack("!H", q[2:4])[0] + sequence & 0xffff
    if association is None: association = struct.unpack("!H", q[6:8])[0]
    pad = b"\0" * (-len(data) % 4)
    return struct.pack("!BBHHHHH", 0x16, op, number, 0x0615, association, offset, len(data)) + data + pad
def mode6(s, q, a, h):
    if len(q) < 12 or q[0] & 7 != 6: return
    if h == 14:
        for n in range(200): s.sendto(part(q, 0, b"a=1,", True), a)
    if h == 15:
        for n in range(40): s.sendto(part(q, 0, b"leap=0", False, n + 1), a)
        s.sendto(b"\xff" * 480, a)
    if h == 16:
        for n in range(150):
            s.sendto(part(q, n * 468 & 0xffff, b"x" * 468, True), a)
    if h == 17:
        s.sendto(part(q, 0, b"abcdefgh", True), a); s.sendto(part(q, 4, b"XXXXXXXX", True), a)
    if h == 18:
        op, association = q[1] & 0x1f, struct.unpack("!H", q[6:8])[0]
        if op == 1: data = struct.pack("!HH", 7, 0x961a)
        elif association == 0: data = b'version="ntpd 4.2.8\x1b[2Jevil", leap=0, stratum=2, refid=\x1b[31m, rootdelay=1, rootdisp=1, offset=0'
        else: data = b'srcadr=192.0.2.7, srchost="evil\x1b]0;owned\x07\xe2\x80\xae.example", stratum=1, refid=GP\x1bS, reach=377, hpoll=6, ppoll=6, offset=0.1, delay=1, dispersion=1, jitter=0.1, rootdelay=1, rootdisp=1, rec=0xe0000000.00000000, hmode=3'
        s.sendto(part(q, 0, data, False), a)
open(sys.argv[1], "w").close()
while True:
    for s in select.select(list(cmd) + list(ntp), [], [])[0]:
        q, a = s.recvfrom(2000)
        if s in cmd and cmd[s] and len(q) >= 12: control(s, q, a, cmd[s])
        if s in ntp and ntp[s]: mode6(s, q, a, ntp[s])
"#;
