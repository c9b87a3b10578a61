//! Every report of chronyc asked of the daemon and of a chronyd beside it: the same columns of the
//! same kinds, values within sense. Then the requests of exporters as they send them, and floods.

use crate::side_by_side::Kind;
use crate::side_by_side::Pair;
use crate::side_by_side::kind;
use std::time::Duration;

/// Rows and columns of `chronyc -c`.
fn table(text: &str) -> Vec<Vec<String>> {
    text.lines()
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

/// The same kind: numbers with as many digits after the point, or words. One letter may be another.
fn alike(theirs: &str, ours: &str) -> bool {
    match (kind(theirs), kind(ours)) {
        (Kind::Word(_), Kind::Word(_)) => true,
        (a, b) => a == b,
    }
}

#[test]
fn every_report_has_the_rows_and_columns_of_chronyd_and_values_within_sense() {
    let keys = tempfile::NamedTempFile::new().unwrap();
    let Some(pair) = Pair::new(&format!("keyfile {}\n", keys.path().display())) else {
        return;
    };
    std::thread::sleep(Duration::from_secs(6));
    for (report, rows) in [
        ("tracking", 1),
        ("sources", 3),
        ("sourcestats", 3),
        ("selectdata", 3),
        ("authdata", 3),
        ("activity", 1),
        ("ntpdata", 3),
        ("serverstats", 1),
        ("sourcename 10.77.0.11", 1),
    ] {
        let [(status, theirs), (our_status, ours)] = pair.both("-n -c", report);
        assert_eq!((status, our_status), (0, 0), "{report}: {theirs}{ours}");
        let (theirs, ours) = (table(&theirs), table(&ours));
        assert_eq!(
            (theirs.len(), ours.len()),
            (rows, rows),
            "{report}: {ours:?}"
        );
        for (their_row, our_row) in theirs.iter().zip(&ours) {
            assert_eq!(
                their_row.len(),
                our_row.len(),
                "{report}: {their_row:?} {our_row:?}"
            );
            for (theirs, ours) in their_row.iter().zip(our_row) {
                assert!(alike(theirs, ours), "{report}: {their_row:?} {our_row:?}");
            }
        }
    }
    for refused in [
        "smoothing",
        "rtcdata",
        "manual delete 0",
        "smoothtime reset",
        "online 192.0.2.9",
    ] {
        let [(status, theirs), (our_status, ours)] = pair.both("-n", refused);
        assert_eq!((our_status, &ours), (status, &theirs), "{refused}");
    }
    for same in [
        "manual list",
        "accheck 192.0.2.1",
        "cmdaccheck 127.0.0.1",
        "cmdaccheck ::1",
        "rekey",
        "activity",
    ] {
        let [(status, theirs), (our_status, ours)] = pair.both("-n", same);
        assert_eq!((our_status, &ours), (status, &theirs), "{same}");
    }
    let [(_, theirs), (_, ours)] = pair.both("-n", "sources -v");
    assert_eq!(
        ours.lines().take(10).collect::<Vec<_>>(),
        theirs.lines().take(10).collect::<Vec<_>>()
    );
    values(&pair);
}

/// Values of our own that must be right whatever the noise is.
fn values(pair: &Pair) {
    let one = |report: &str| table(&pair.ask(&pair.clockbox_socket, "-n -c", report).1);
    let number = |word: &str| -> f64 { word.parse().unwrap() };
    let tracking = &one("tracking")[0];
    assert!(tracking[1].starts_with("10.77.0.1"), "{tracking:?}");
    assert_eq!(
        (tracking[2].as_str(), tracking[13].as_str()),
        ("2", "Normal")
    );
    for place in [4, 5, 6, 10, 11] {
        assert!(
            number(&tracking[place]).abs() < 0.1,
            "{place}: {tracking:?}"
        );
    }
    assert!(number(&tracking[12]) <= 4.0, "{tracking:?}");
    let sources = one("sources");
    assert_eq!(
        sources.iter().filter(|row| row[1] == "*").count(),
        1,
        "{sources:?}"
    );
    for row in &sources {
        assert_eq!((row[0].as_str(), row[3].as_str()), ("^", "1"));
        assert!(number(&row[5]) >= 7.0, "reach: {row:?}");
        // Last sample: on loopback, microseconds; what was measured and what is left of it.
        assert!(
            number(&row[7]).abs() < 0.01 && number(&row[8]).abs() < 0.01,
            "{row:?}"
        );
        assert!((0.0..0.01).contains(&number(&row[9])), "{row:?}");
    }
    let addresses = |rows: &[Vec<String>], place: usize| -> Vec<String> {
        rows.iter().map(|row| row[place].clone()).collect()
    };
    let all = ["10.77.0.10", "10.77.0.11", "10.77.0.12"];
    assert_eq!(addresses(&sources, 2), all);
    let stats = one("sourcestats");
    assert_eq!(addresses(&stats, 0), all);
    for row in &stats {
        let (samples, runs) = (number(&row[1]), number(&row[2]));
        assert!(samples >= 3.0 && runs >= 1.0 && runs <= samples, "{row:?}");
    }
    let data = one("ntpdata");
    assert_eq!(addresses(&data, 0), all);
    for row in &data {
        // Local address is known; the tests are passed; counters are in order.
        assert!(
            row[3].starts_with("10.77.0.") || row[2].starts_with("10.77.0."),
            "{row:?}"
        );
        assert!(row.iter().any(|word| word == "111"), "{row:?}");
        // Sent, received, valid, good; chrony's current release has more after them.
        let counts: Vec<f64> = row[30..34].iter().map(|w| number(w)).collect();
        assert!(counts[0] >= counts[1] && counts[1] >= counts[2] && counts[2] >= counts[3]);
        assert!(counts[3] >= 3.0, "{row:?}");
    }
    let select = one("selectdata");
    for row in &select {
        // On a busy machine one of them can be an outlier (T).
        assert!("*+DT".contains(&row[0]), "{row:?}");
    }
    assert!(select.iter().any(|row| row[0] == "*"), "{select:?}");
}

/// Lengths of the requests of facebook/time's library, which telegraf uses: always room for the
/// longest reply that it knows. chrony_exporter's library pads to each reply.
/// Code, length, code of the reply; what is not open over the network is refused there.
const EXPORTERS: [(u16, usize, u16); 9] = [
    (14, 416, 2),
    (15, 420, 3),
    (33, 416, 5),
    (34, 420, 6),
    (44, 416, 12),
    (54, 416, 25),
    (57, 436, 26),
    (65, 436, 19),
    (69, 420, 23),
];
/// Those that chronyd keeps to its Unix socket.
const NOT_OPEN: [u16; 3] = [54, 57, 69];

fn request(code: u16, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    bytes[..2].copy_from_slice(&[6, 1]);
    bytes[4..6].copy_from_slice(&code.to_be_bytes());
    bytes[8..12].copy_from_slice(&0x1234_5678_u32.to_be_bytes());
    if [57, 65].contains(&code) {
        // An IPv4 address of family 1.
        bytes[20..24].copy_from_slice(&[10, 77, 0, 11]);
        bytes[37] = 1;
    }
    bytes
}

/// A script for the namespace's own sockets: sends each datagram, prints the reply in hexadecimal
/// or a dash.
const ASK: &str = "import os,socket,sys\n\
path=sys.argv[1]\n\
if path:\n\
\x20s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\n\
\x20own=path+'.exporter'\n\
\x20s.bind(own)\n\
\x20os.chmod(own,0o666)\n\
\x20s.connect(path)\n\
else:\n\
\x20s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n\
\x20s.connect(('127.0.0.1',323))\n\
s.settimeout(3)\n\
for line in sys.stdin.read().split():\n\
\x20s.send(bytes.fromhex(line))\n\
\x20try: print(s.recv(2048).hex())\n\
\x20except OSError: print('-')\n";

/// Sends as fast as it can for some seconds: valid requests, too short ones, other versions, noise;
/// from several ports. Prints what it sent and got in octets, and the longest excess of a reply.
const FLOOD: &str = "import socket,os,struct,time,random\n\
random.seed(7)\n\
ss=[socket.socket(socket.AF_INET,socket.SOCK_DGRAM) for _ in range(16)]\n\
for s in ss: s.setblocking(False); s.connect(('127.0.0.1',323))\n\
def ask(code,n): return bytes([6,1,0,0])+struct.pack('>HHI',code,0,7)+bytes(n-12)\n\
sent=got=worst=n=0\n\
end=time.monotonic()+4\n\
while time.monotonic()<end:\n\
\x20for s in ss:\n\
\x20\x20kind=random.randrange(6)\n\
\x20\x20if kind==0: p=ask(33,104)\n\
\x20\x20elif kind==1: p=ask(random.randrange(80),random.randrange(20,600))\n\
\x20\x20elif kind==2: p=os.urandom(random.randrange(1,1400))\n\
\x20\x20elif kind==3: p=bytes([5])+ask(33,104)[1:]\n\
\x20\x20elif kind==4: p=ask(41,416)\n\
\x20\x20else: p=ask(33,random.randrange(20,104))\n\
\x20\x20try: s.send(p); sent+=len(p); n+=1\n\
\x20\x20except OSError: pass\n\
\x20\x20while True:\n\
\x20\x20\x20try: r=s.recv(4096)\n\
\x20\x20\x20except OSError: break\n\
\x20\x20\x20got+=len(r); worst=max(worst,len(r))\n\
print(n,sent,got,worst)\n";

#[test]
fn exporters_are_answered_and_floods_are_survived_without_amplifying() {
    let Some(pair) = Pair::new("") else { return };
    let send: Vec<String> = EXPORTERS
        .iter()
        .flat_map(|&(code, length, _)| [request(code, length)])
        .map(|bytes| bytes.iter().map(|b| format!("{b:02x}")).collect())
        .collect();
    let script = pair.net.write("ask.py", ASK);
    let input = pair.net.write("requests", &send.join("\n"));
    let half =
        |reply: &str, at: usize| u16::from_str_radix(&reply[2 * at..2 * at + 4], 16).unwrap();
    for path in ["", &pair.clockbox_socket] {
        let (script, input) = (script.display(), input.display());
        let shell = format!("python3 {script} '{path}' < {input}");
        let output = pair.net.run(&["sh", "-c", &shell]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let replies: Vec<&str> = text.lines().collect();
        if replies.is_empty() {
            return crate::net::skip("no python3");
        }
        assert_eq!(replies.len(), EXPORTERS.len(), "{path}: {text}");
        for (reply, (code, length, kind)) in replies.iter().zip(EXPORTERS) {
            assert_ne!(*reply, "-", "{path} {code}");
            assert!(reply.len() / 2 <= length, "{path} {code}");
            assert_eq!((&reply[..4], half(reply, 4)), ("0602", code));
            let refused = path.is_empty() && NOT_OPEN.contains(&code);
            let want = if refused { (1, 2) } else { (kind, 0) };
            assert_eq!(
                (half(reply, 6), half(reply, 8)),
                want,
                "{path} {code}: {reply}"
            );
            assert_eq!(&reply[32..40], "12345678");
        }
    }
    let pid = std::fs::read_to_string(pair.net.path("clockbox.pid")).unwrap();
    let resident = || -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let before = resident();
    let flood = pair.net.write("flood.py", FLOOD);
    let output = pair.net.run(&["python3", flood.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<u64> = text
        .split_whitespace()
        .map(|w| w.parse().unwrap())
        .collect();
    let [count, sent, got, worst] = numbers[..] else {
        panic!("{text}")
    };
    assert!(count > 1000 && got > 0, "{text}");
    assert!(got <= sent && worst <= 416, "{text}");
    let (status, sources) = pair.ask(&pair.clockbox_socket, "-n", "sources");
    assert_eq!(status, 0, "{sources}");
    assert!(sources.contains("^*"), "{sources}");
    let after = resident();
    assert!(after < before + 4096, "{before} kB, then {after} kB");
}
