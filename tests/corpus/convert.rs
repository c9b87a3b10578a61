//! ntp.conf to chrony.conf over real files: chronyd accepts every result, and no source,
//! reference clock, offset, rate limit, leap file or line is lost in silence.

use std::fs;
use std::path::PathBuf;

use clockbox::conf::chrony;
use clockbox::conf::chrony::Settings;
use clockbox::conf::chrony::Version;
use clockbox::conf::chrony::settings::Located;
use clockbox::conf::chrony::value::Refclock;
use clockbox::conf::convert::Conversion;
use clockbox::conf::convert::convert;
use clockbox::conf::convert::input::Companion;
use clockbox::conf::convert::input::Input;
use clockbox::conf::convert::input::Layout;
use clockbox::conf::convert::input::Policy;
use clockbox::conf::convert::input::Target;
use clockbox::conf::convert::record::Verdict;
use clockbox::conf::files::NoFiles;
use clockbox::conf::ntp;
use clockbox::conf::ntp::Dialect;

use crate::machine::chronyd;
use crate::machine::complaint;
use crate::machine::corpus;
use crate::machine::version;

fn target(version: Version) -> Target {
    Target {
        version,
        layout: Layout::redhat(),
        leap_list: None,
        right_utc: None,
        no_rtc: false,
        options: None,
    }
}

pub(crate) fn conversion(
    path: &PathBuf,
    version: Version,
    serve: Option<bool>,
) -> (Input, Conversion) {
    let bytes = fs::read(path).unwrap();
    let mut input = Input::new(ntp::load_text(
        "ntp.conf",
        &bytes,
        Dialect::Classic,
        &NoFiles,
    ));
    input.drift = Some(Companion {
        path: "ntp.drift".to_owned(),
        content: Ok(b"-7.25\n".to_vec()),
    });
    let policy = Policy {
        serve,
        ..Policy::default()
    };
    let done = convert(&input, &target(version), policy);
    (input, done)
}

#[test]
fn every_line_is_accounted_for_and_every_result_parses() {
    let Some(files) = corpus("ntp.conf") else {
        return;
    };
    for path in files {
        for version in [Version::new(3, 4), Version::new(4, 3), Version::new(4, 8)] {
            let (input, done) = conversion(&path, version, None);
            let name = path.display();
            let text = &input.conf.map.files().first().unwrap().text;
            let lines: Vec<usize> = (1..)
                .zip(text.lines())
                .filter(|(_, line)| !line.trim().is_empty())
                .map(|(number, _)| number)
                .collect();
            let accounted: Vec<usize> = done
                .records
                .iter()
                .map(|record| record.origin.line)
                .collect();
            assert_eq!(accounted, lines, "{name}");
            for record in &done.records {
                let silent = record.verdict != Verdict::Kept && record.reason.is_empty();
                assert!(!silent, "{name}: {record:?}");
            }
            let bug = done.refusal.as_ref().filter(|why| why.contains("bug"));
            assert_eq!(bug, None, "{name}:\n{}", done.conf);
            assert!(done.drift.unwrap().trim_start().starts_with("7.25"));
            let loaded = chrony::load_text("chrony.conf", done.conf.as_bytes(), &NoFiles);
            for statement in &loaded.statements {
                let newer = chrony::gate::newer_than(version, statement.name, &statement.value);
                assert!(newer.is_empty(), "{name}: {newer:?} for chrony {version}");
            }
        }
    }
}

#[test]
fn chronyd_accepts_every_result() {
    let (Some(files), Some(chronyd)) = (corpus("ntp.conf"), chronyd()) else {
        return;
    };
    let version = version(&chronyd);
    let dir = tempfile::tempdir().unwrap();
    let mut refused = Vec::new();
    for path in files {
        let (_, done) = conversion(&path, version, None);
        let result = dir.path().join("chrony.conf");
        fs::write(&result, &done.conf).unwrap();
        if let Some(why) = complaint(&chronyd, &result) {
            refused.push(format!("{}: {why}", path.display()));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// The words of a line before its comment, by a reading of its own.
fn words(line: &str) -> Vec<&str> {
    line.split('#').next().unwrap().split_whitespace().collect()
}

#[test]
#[allow(clippy::too_many_lines, reason = "one arm a kind of line")]
fn nothing_that_matters_is_lost() {
    let Some(files) = corpus("ntp.conf") else {
        return;
    };
    let mut lost = Vec::new();
    for path in files {
        let (_, done) = conversion(&path, Version::new(4, 8), None);
        let loaded = chrony::load_text("chrony.conf", done.conf.as_bytes(), &NoFiles);
        let settings = Settings::new(&loaded);
        let bytes = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut complain = |what: &str| lost.push(format!("{}: {what}", path.display()));
        let has = |host: &str| {
            settings
                .sources
                .iter()
                .any(|source| source.value.name == host)
        };
        let shm = |unit: &str| {
            settings
                .refclocks
                .iter()
                .any(|clock| clock.value.driver == "SHM" && clock.value.parameter == unit)
        };
        let mut offsets = 0;
        for line in text.lines() {
            let words = words(line);
            let [directive, rest @ ..] = words.as_slice() else {
                continue;
            };
            let host = rest
                .iter()
                .find(|word| !word.starts_with('-'))
                .copied()
                .unwrap_or("");
            match *directive {
                "server" | "pool" | "peer" if host.starts_with("127.127.") => {
                    let fudge = text.lines().map(crate::convert::words).find(|words| {
                        words.first() == Some(&"fudge") && words.get(1) == Some(&host)
                    });
                    let stratum = fudge
                        .and_then(|words| {
                            let at = words.iter().position(|word| *word == "stratum")?;
                            words.get(at + 1)?.parse::<u8>().ok()
                        })
                        .unwrap_or(5);
                    let local = settings.local.as_ref().and_then(|local| local.stratum);
                    let driver = host.split('.').nth(2).unwrap_or("");
                    let named = done
                        .records
                        .iter()
                        .any(|record| record.matters && record.text.contains(host));
                    let pps = |clock: &Located<Refclock>| clock.value.driver == "PPS";
                    let kept = match driver {
                        "1" => {
                            local == Some(stratum + 1) || stratum >= 15 || text.contains("orphan")
                        }
                        "22" => settings.refclocks.iter().any(pps),
                        "28" => shm(&host["127.127.28.".len()..]),
                        _ => named,
                    };
                    if !kept {
                        complain(line);
                    }
                }
                "server" | "pool" | "peer" if !host.is_empty() => {
                    let pooled = host.split_once('.').is_some_and(|(_, zone)| {
                        zone.ends_with("pool.ntp.org") && has(&format!("2.{zone}"))
                    });
                    // What is no name at all (a template's place) is named in the report.
                    let named = done
                        .records
                        .iter()
                        .any(|record| record.matters && record.text.contains(host));
                    if !has(host) && !pooled && !named {
                        complain(line);
                    }
                }
                "restrict" if rest.contains(&"limited") && settings.rate_limit.is_none() => {
                    complain(line)
                }
                "leapfile" => {
                    let smears = text.contains("google.com") || text.contains("169.254.169.123");
                    if settings.leap_sec_list.is_none() && !smears {
                        complain(line);
                    }
                }
                "fudge" if host.starts_with("127.127.28.") || host.starts_with("127.127.22.") => {
                    let time1 = rest
                        .iter()
                        .position(|word| *word == "time1")
                        .and_then(|at| rest.get(at + 1)?.parse::<f64>().ok());
                    let used = text.lines().any(|line| words_start(line, "server", host));
                    offsets += usize::from(used && time1.is_some_and(|time1| time1 != 0.0));
                }
                _ => {}
            }
        }
        let kept = settings
            .refclocks
            .iter()
            .filter(|clock| clock.value.offset.is_some())
            .count();
        if kept < offsets {
            complain("an offset of a reference clock");
        }
        if settings.drift_file.is_none() {
            complain("the drift file");
        }
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

fn words_start(line: &str, directive: &str, host: &str) -> bool {
    let words = words(line);
    words.first() == Some(&directive) && words.get(1) == Some(&host)
}
