//! The log files of the daemon beside chronyd's own: the same columns at the same places; and the
//! files of those who rotate them.

use crate::net::skip;
use crate::side_by_side::Kind;
use crate::side_by_side::Pair;
use crate::side_by_side::kind;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

const FILES: [&str; 6] = [
    "measurements",
    "statistics",
    "selection",
    "tracking",
    "refclocks",
    "tempcomp",
];

/// Lines with numbers.
fn entries(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with('2')).collect()
}

/// The words of a line, what they are, and where they end.
fn columns(line: &str) -> Vec<(Kind, usize)> {
    let mut columns = Vec::new();
    let mut at = 0;
    for word in line.split(' ') {
        at += word.len();
        if !word.is_empty() {
            // An address stands at the left of its column.
            let end = if kind(word) == Kind::Address { 0 } else { at };
            columns.push((kind(word), end));
        }
        at += 1;
    }
    columns
}

/// A sample of a SOCK reference clock: 0.1 ms ahead of this machine's clock.
fn sock_sample() -> Vec<u8> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let mut sample = Vec::new();
    sample.extend((now.as_secs() as i64).to_ne_bytes());
    sample.extend(i64::from(now.subsec_micros()).to_ne_bytes());
    sample.extend(1e-4_f64.to_ne_bytes());
    for word in [0_i32, 0, 0, 0x534f_434b] {
        sample.extend(word.to_ne_bytes());
    }
    sample
}

/// A server that follows nobody and says so.
const UNSYNCHRONISED: &str = "10.77.0.14";

fn unsynchronised(pair: &mut Pair) {
    let program = crate::net::peer("chrony", "usr/sbin/chronyd").unwrap();
    let pid = pair.net.path("unsynchronised.pid").display().to_string();
    let text = format!(
        "allow\nbindaddress {UNSYNCHRONISED}\ncmdport 0\nbindcmdaddress /\npidfile {pid}\n"
    );
    let conf = pair.net.write("unsynchronised.conf", &text);
    let (program, conf) = (program.to_str().unwrap(), conf.to_str().unwrap());
    let words = [program, "-x", "-d", "-U", "-u", "root", "-f", conf];
    pair.net.start("unsynchronised", &words);
}

#[test]
fn every_log_file_has_the_columns_of_chronyd_and_is_reopened_when_asked() {
    let base = tempfile::tempdir().unwrap();
    let base_path = base.path().display();
    std::fs::write(base.path().join("sensor"), "25.5\n").unwrap();
    let more = format!(
        "logdir {base_path}/{{who}}\nlog rawmeasurements measurements statistics selection tracking \
         refclocks tempcomp\nlogbanner 4\nrefclock SOCK {base_path}/{{who}}.sock refid SOK0 poll 1 \
         dpoll -1 noselect\ntempcomp {base_path}/sensor 1 25 0 0.1 0\n"
    );
    // One that has no time: both write the same tests down for it.
    let more = format!("{more}server {UNSYNCHRONISED} iburst minpoll 0 maxpoll 0\n");
    let Some(mut pair) = Pair::new(&more) else {
        return;
    };
    unsynchronised(&mut pair);
    let file = |who: &str, name: &str| base.path().join(who).join(format!("{name}.log"));
    let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let socket = UnixDatagram::unbound().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    // Long enough that every file has some lines, filtered samples of the clock among them.
    loop {
        for who in ["chronyd", "clockbox"] {
            let _ = socket.send_to(&sock_sample(), base.path().join(format!("{who}.sock")));
        }
        let full = |who: &str| {
            FILES.iter().all(|name| {
                let text = read(&file(who, name));
                entries(&text).len() >= 12
                    && (*name != "refclocks" || text.contains(" SOK0    - N - "))
                    && (*name != "measurements" || text.contains(UNSYNCHRONISED))
            })
        };
        if full("chronyd") && full("clockbox") {
            break;
        }
        assert!(Instant::now() < end, "{}", pair.net.logs());
        std::thread::sleep(Duration::from_millis(250));
    }
    for name in FILES {
        let (theirs, ours) = (read(&file("chronyd", name)), read(&file("clockbox", name)));
        let banner =
            |text: &str| -> Vec<String> { text.lines().take(3).map(str::to_owned).collect() };
        assert_eq!(banner(&ours), banner(&theirs), "{name}");
        assert_eq!(
            ours.lines()
                .skip(3)
                .take_while(|l| l.starts_with('2'))
                .count(),
            4,
            "{name}"
        );
        // The shapes that chronyd's lines have: filtered samples have another than raw ones.
        let shapes: Vec<_> = entries(&theirs).into_iter().map(columns).collect();
        for line in entries(&ours) {
            assert!(shapes.contains(&columns(line)), "{name}:\n{line}\n{theirs}");
        }
    }
    tests_and_scores(
        &read(&file("clockbox", "measurements")),
        &read(&file("chronyd", "measurements")),
    );
    values(&read(&file("clockbox", "tracking")), 6, "10.77.0.1");
    values(&read(&file("clockbox", "measurements")), 11, "10.77.0.1");
    values(&read(&file("clockbox", "statistics")), 4, "10.77.0.1");
    corrections(
        &read(&file("clockbox", "tempcomp")),
        &read(&file("clockbox", "refclocks")),
    );
    // A rotation: moved away, then cyclelogs.
    let (live, old) = (file("clockbox", "selection"), base.path().join("old"));
    std::fs::rename(&live, &old).unwrap();
    let (status, text) = pair.ask(&pair.clockbox_socket, "-n", "cyclelogs");
    assert_eq!(status, 0, "{text}");
    let end = Instant::now() + Duration::from_secs(20);
    while read(&live).lines().count() < 4 {
        assert!(Instant::now() < end, "{}", pair.net.logs());
        std::thread::sleep(Duration::from_millis(100));
    }
    let length = std::fs::metadata(&old).unwrap().len();
    assert!(read(&live).starts_with("=="));
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(std::fs::metadata(&old).unwrap().len(), length);
}

/// The tests of a source without time are the same in both; scores are between 0 and 1, not all 0.
fn tests_and_scores(ours: &str, theirs: &str) {
    let tests = |text: &str| -> Vec<String> {
        let line = text.lines().find(|l| l.contains(UNSYNCHRONISED)).unwrap();
        let words = line.split_whitespace().skip(3).take(5);
        words.map(str::to_owned).collect()
    };
    assert_eq!(tests(ours), tests(theirs));
    for line in entries(ours) {
        let score: f64 = line.split_whitespace().nth(10).unwrap().parse().unwrap();
        assert!((0.0..=1.0).contains(&score), "{line}");
    }
    assert!(!ours.lines().all(|l| l.contains(" 0.00 ")), "{ours}");
}

/// What the thermometer's 25.5 degrees are worth, and the sample that the test's clock gave.
fn corrections(tempcomp: &str, refclocks: &str) {
    assert!(
        entries(tempcomp)
            .iter()
            .all(|l| l.ends_with("2.5500e+01  5.0000e-02")),
        "{tempcomp}"
    );
    assert!(
        entries(refclocks)
            .iter()
            .any(|l| l.contains(" 1.000000e-04 ")),
        "{refclocks}"
    );
}

/// Every line's number at this place is a small offset, and the source begins so, once there is one.
fn values(text: &str, place: usize, source: &str) {
    let lines = entries(text);
    let with: Vec<_> = lines.iter().filter(|l| l.contains(source)).collect();
    assert!(with.len() > 3, "{text}");
    for line in with {
        let word = line.split_whitespace().nth(place).unwrap();
        let offset: f64 = word.parse().unwrap();
        assert!(offset.abs() < 0.01, "{line}");
    }
}

#[test]
fn a_large_correction_is_said_and_mailed() {
    let base = tempfile::tempdir().unwrap();
    let Some(mut net) = crate::net::Net::new() else {
        return;
    };
    // A sendmail of the test's own, where the daemon looks for it.
    let mail = net.path("mail");
    let sendmail = net.write(
        "sendmail",
        &format!("#!/bin/sh\ncat > {}\n", mail.display()),
    );
    let socket = net.path("run/control.sock").display().to_string();
    let conf = net.write(
        "clockbox.conf",
        &format!(
            "server 10.77.0.19\nmanual\nlogchange 0.5\nmailonchange root@localhost 0.5\n\
             bindcmdaddress {socket}\ncmdport 0\n"
        ),
    );
    let script = format!(
        "chmod 755 {0} && mount -t tmpfs t /usr/lib/ssl 2>/dev/null; : > {1}/x; \
         mkdir -p {1}/sbin {1}/work && mount -t overlay o -o lowerdir=/usr/sbin,upperdir={1}/sbin,workdir={1}/work /usr/sbin \
         && cp {0} /usr/sbin/sendmail && exec {2} sync --daemon -x --user root -f {3}",
        sendmail.display(),
        base.path().display(),
        env!("CARGO_BIN_EXE_clockbox"),
        conf.display()
    );
    let Some(chronyc) = crate::net::peer("chrony", "usr/bin/chronyc") else {
        return;
    };
    net.start("clockbox", &["unshare", "-m", "sh", "-c", &script]);
    let end = Instant::now() + Duration::from_secs(20);
    while !net.path("run/control.sock").exists() {
        if net.logs().contains("overlay") || Instant::now() > end {
            return skip(&format!("no overlay can be mounted: {}", net.logs()));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let words = [chronyc.to_str().unwrap(), "-h", &socket, "settime"];
    let set = net.run(&[&words[..], &["Jan", "1", "12:00:00", "2030"]].concat());
    let said = String::from_utf8_lossy(&set.stdout).into_owned();
    assert!(
        said.contains("200 OK") && said.contains("Clock was -"),
        "{said}"
    );
    let end = Instant::now() + Duration::from_secs(20);
    while !mail.exists()
        || !std::fs::read_to_string(&mail)
            .unwrap()
            .contains("mailonchange")
    {
        assert!(Instant::now() < end, "{}", net.logs());
        std::thread::sleep(Duration::from_millis(100));
    }
    let text = std::fs::read_to_string(&mail).unwrap();
    assert!(
        text.starts_with("To: root@localhost\nSubject: clockbox on "),
        "{text}"
    );
    assert!(text.contains(" seconds behind."), "{text}");
    assert!(
        net.logs().contains("the clock was off by +"),
        "{}",
        net.logs()
    );
}
