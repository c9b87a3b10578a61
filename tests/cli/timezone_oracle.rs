//! The zones' reader against Python's zoneinfo over this machine's own database: every zone, at
//! instants from 1900 to 2500, its next change, and what `timezone list` prints.

use crate::net::skip;
use crate::run::run;
use clockbox::conf::tzif::Zone;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

const ZONES: &str = "/usr/share/zoneinfo";

/// For every zone: `name<TAB>unix<TAB>offset<TAB>letters`, and `name<TAB>next<TAB>unix`.
const SCRIPT: &str = r#"
import datetime, sys, zoneinfo
zoneinfo.reset_tzpath([sys.argv[1]])
instants = [int(text) for text in sys.argv[3:]]
begin = int(sys.argv[2])
day = 86400
for name in sorted(zoneinfo.available_timezones()):
    zone = zoneinfo.ZoneInfo(name)
    def at(unix):
        time = datetime.datetime.fromtimestamp(unix, zone)
        return int(time.utcoffset().total_seconds()), time.tzname()
    for unix in instants:
        offset, letters = at(unix)
        print(name, unix, offset, letters, sep="\t")
    for unix in range(begin, begin + 400 * day, day):
        if at(unix) != at(unix + day):
            low, high = unix, unix + day
            while high - low > 1:
                middle = (low + high) // 2
                if at(middle) == at(low):
                    low = middle
                else:
                    high = middle
            print(name, "next", high, sep="\t")
            break
"#;

const COMPARE_LIST: &str = r#"
import datetime, json, sys, zoneinfo
zoneinfo.reset_tzpath([sys.argv[1]])
zones = json.load(sys.stdin)["zones"]
for zone in zones:
    time = datetime.datetime.fromisoformat(zone["local_time"])
    there = time.astimezone(zoneinfo.ZoneInfo(zone["zone"]))
    mine = (zone["offset_s"], zone["abbreviation"], time.isoformat())
    theirs = (int(there.utcoffset().total_seconds()), there.tzname(), there.isoformat())
    if mine != theirs:
        print(zone["zone"], mine, theirs)
print(len(zones))
"#;

fn python_has_zones() -> bool {
    let mut python = Command::new("python3");
    python.args(["-c", "import zoneinfo"]).stderr(Stdio::null());
    let works = python.status().is_ok_and(|status| status.success());
    let zones = Path::new(ZONES).join("Asia/Tokyo").exists();
    if !works || !zones {
        skip("needs python3 with zoneinfo, and a zone database in /usr/share/zoneinfo");
    }
    works && zones
}

#[test]
fn every_zone_is_read_as_python_reads_it() {
    if !python_has_zones() {
        return;
    }
    // 1900 to 2500 in uneven steps, so that every season is met; and the days around 2026's end.
    let mut instants: Vec<i64> = (0..160).map(|n| -2_208_988_800 + n * 118_342_567).collect();
    instants.extend((0..40).map(|n| 1_795_000_000 + n * 900_001));
    let begin = 1_795_000_000_i64;
    let mut python = Command::new("python3");
    python.args(["-c", SCRIPT, ZONES, &begin.to_string()]);
    python.args(instants.iter().map(i64::to_string));
    let output = python.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();

    let mut zones: BTreeMap<&str, Zone> = BTreeMap::new();
    let mut compared = 0;
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let zone = zones.entry(fields[0]).or_insert_with(|| {
            let bytes = std::fs::read(Path::new(ZONES).join(fields[0])).unwrap();
            Zone::parse(&bytes).unwrap_or_else(|e| panic!("{}: {e}", fields[0]))
        });
        compared += 1;
        if fields[1] == "next" {
            let next = zone.next_transition(begin).map(|change| change.at);
            assert_eq!(next, fields[2].parse().ok(), "{line}");
            continue;
        }
        let local = zone.at(fields[1].parse().unwrap());
        let found = (local.offset_s.to_string(), local.abbreviation.as_str());
        assert_eq!(found, (fields[2].to_owned(), fields[3]), "{line}");
    }
    assert!(zones.len() > 400, "{} zones", zones.len());
    assert!(compared > 80_000, "{compared} comparisons");
}

#[test]
fn list_prints_the_time_that_python_has() {
    if !python_has_zones() {
        return;
    }
    let list = run(&["timezone", "list", "--json"]);
    list.json();
    let mut python = Command::new("python3")
        .args(["-c", COMPARE_LIST, ZONES])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python
        .stdin
        .take()
        .unwrap()
        .write_all(list.stdout.as_bytes())
        .unwrap();
    let output = python.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let count: usize = said.trim().parse().unwrap_or_else(|_| panic!("{said}"));
    assert!(count > 400, "{said}");
}
