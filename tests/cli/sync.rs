//! `clockbox sync` against mock servers on loopback. Nothing here may set the clock: every run is
//! a dry run, or runs without CAP_SYS_TIME.

use crate::mock::Mock;
use crate::run::Ran;
use crate::run::clockbox;
use crate::run::finish;
use crate::run::run;
use serde_json::Value;
use std::process::Command;

fn dry(mock: &Mock, more: &[&str]) -> Ran {
    let mut words = vec!["sync", "--dry-run", "--json"];
    words.extend(more);
    run(&mock.args(&words))
}

fn verdicts(json: &Value) -> Vec<&str> {
    json["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["verdict"].as_str().unwrap())
        .collect()
}

fn offset(json: &Value) -> f64 {
    json["result"]["offset_s"].as_f64().unwrap()
}

#[test]
fn four_servers_are_measured_voted_and_not_obeyed_in_a_dry_run() {
    let mock = Mock::start(&["offset=0.5,delay=0.02"; 4]);
    let ran = dry(&mock, &[]);
    let json = ran.json();
    assert_eq!(
        (ran.status, &json["packets"], &json["action"]),
        (0, &4.into(), &"step".into())
    );
    assert!((offset(&json) - 0.5).abs() < 0.005, "{json}");
    let bound = json["result"]["error_bound_s"].as_f64().unwrap();
    assert!(
        (offset(&json) - 0.5).abs() < bound && bound < 0.05,
        "{json}"
    );
    assert_eq!(json["after"], Value::Null);
    assert_eq!(ran.stderr, "");
}

#[test]
fn one_falseticker_in_four_is_named_and_not_used() {
    let mock = Mock::start(&[
        "delay=0.02",
        "delay=0.02",
        "delay=0.02,offset=0.1",
        "delay=0.02",
    ]);
    let json = dry(&mock, &[]).json();
    assert_eq!(verdicts(&json)[2], "falseticker");
    assert!(offset(&json).abs() < 0.01, "{json}");
    assert_eq!(json["result"]["truechimers"], 3);
}

#[test]
fn without_a_majority_nothing_is_done_and_it_says_who_disagrees() {
    let mock = Mock::start(&["", "offset=0.5", "offset=-0.5", "offset=7"]);
    let ran = dry(&mock, &[]);
    let json = ran.json();
    assert_eq!((ran.status, &json["action"]), (1, &"no_majority".into()));
    assert_eq!(verdicts(&json), ["disputed"; 4]);
    assert!(
        json["sources"][0]["text"]
            .as_str()
            .unwrap()
            .contains("contradicts"),
        "{json}"
    );
}

#[test]
fn every_kind_of_bad_answer_has_its_verdict() {
    let mock = Mock::start(&[
        "",
        "kiss=DENY",
        "kiss=RATE",
        "leap=3",
        "stratum=16",
        "dispersion=17",
        "dispersion=4",
        "short",
        "forged",
        "zero",
        "mode=3",
        "silent",
    ]);
    let json = dry(&mock, &[]).json();
    assert_eq!(
        verdicts(&json),
        [
            "selected",
            "kiss",
            "kiss",
            "unsynchronised",
            "unsynchronised",
            "invalid",
            "too_distant",
            "invalid",
            "invalid",
            "invalid",
            "invalid",
            "silent",
        ]
    );
    for source in json["sources"].as_array().unwrap().iter().skip(1) {
        assert!(
            source["text"].as_str().is_some_and(|t| t.len() > 10),
            "{source}"
        );
    }
    assert_eq!(json["sources"][8]["rejected"][0]["count"], 3);
    // Who refuses is not asked again.
    assert_eq!(json["sources"][1]["packets_sent"], 1);
}

#[test]
fn a_duplicate_reply_changes_nothing() {
    let mock = Mock::start(&["twice", "twice", "twice"]);
    let json = dry(&mock, &["--samples", "2"]).json();
    assert_eq!(json["sources"][0]["samples"], 2);
    assert!(offset(&json).abs() < 0.01, "{json}");
}

#[test]
fn samples_are_taken_back_to_back_from_loopback() {
    let mock = Mock::start(&["delay=0.02"; 4]);
    let json = dry(&mock, &["--samples", "4"]).json();
    assert_eq!(json["packets"], 16);
    assert!(json["sources"][0]["jitter_s"].is_number());
}

#[test]
fn a_dead_server_is_not_waited_for_once_the_others_agree() {
    let mock = Mock::start(&["delay=0.02", "delay=0.02", "delay=0.02", "silent"]);
    let json = dry(&mock, &[]).json();
    assert_eq!(verdicts(&json)[3], "not_awaited");
    let text = json["findings"][0]["text"].as_str().unwrap();
    assert!(text.contains("not waited for"), "{json}");
}

#[test]
fn loss_costs_packets_not_the_answer() {
    let mock = Mock::start(&["loss=0.3,delay=0.01"; 5]);
    let ran = dry(&mock, &[]);
    // Five sources each lost three times over is a chance of one in four hundred a source.
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(offset(&ran.json()).abs() < 0.01);
}

#[test]
fn nobody_there_is_status_2_and_everybody_refusing_is_69() {
    let silent = Mock::start(&["silent"]);
    assert_eq!(dry(&silent, &[]).status, 2);
    let refusing = Mock::start(&["kiss=DENY", "kiss=RSTR"]);
    let ran = dry(&refusing, &[]);
    assert_eq!(ran.status, 69);
    ran.json();
    let closed = run(&["sync", "--dry-run", "--json", "127.0.0.1:1"]);
    assert_eq!((closed.status, verdicts(&closed.json())[0]), (2, "refused"));
}

#[test]
fn the_time_limit_ends_name_look_ups_too() {
    let silent = Mock::start(&["silent"]);
    let ran = dry(&silent, &["--timeout", "0.3"]);
    let json = ran.json();
    assert_eq!(ran.status, 2);
    let took = json["took_s"].as_f64().unwrap();
    assert!((0.25..3.0).contains(&took), "{json}");
}

#[test]
fn an_absurd_offset_is_refused_unless_forced() {
    let mock = Mock::start(&["offset=2000", "offset=2000", "offset=2000"]);
    let json = dry(&mock, &[]).json();
    assert_eq!(
        (&json["action"], &json["changed"]),
        (&"too_large".into(), &false.into())
    );
    // First compare; what forces it keeps the servers.
    let compare = json["findings"][0]["next"].as_str().unwrap();
    assert!(compare.starts_with("clockbox sync --dry-run "), "{compare}");
    let next = json["findings"][1]["next"].as_str().unwrap();
    assert!(
        next.contains(&mock.addresses[0]) && next.ends_with("--force"),
        "{next}"
    );
    let real = powerless(&mock.args(&["sync", "--json"]));
    assert_eq!(
        (real.status, &real.json()["action"]),
        (1, &"too_large".into())
    );
    assert_eq!(dry(&mock, &["--force"]).json()["action"], "step");
    assert_eq!(
        dry(&mock, &["--max-offset", "3000"]).json()["action"],
        "step"
    );
}

#[test]
fn a_server_has_one_vote_however_often_it_is_named() {
    let mock = Mock::start(&["offset=9", ""]);
    let (liar, honest) = (mock.addresses[0].as_str(), mock.addresses[1].as_str());
    let again = liar.replace("127.0.0.1", "localhost");
    let ran = run(&[
        "sync",
        "--dry-run",
        "--json",
        "-4",
        liar,
        liar,
        &again,
        honest,
    ]);
    let json = ran.json();
    assert_eq!(
        (ran.status, &json["action"]),
        (1, &"no_majority".into()),
        "{json}"
    );
    assert_eq!(json["packets"], 2);
    assert!(
        json["findings"][0]["text"]
            .as_str()
            .unwrap()
            .contains("one vote"),
        "{json}"
    );
}

#[test]
fn a_path_longer_than_the_time_between_packets_is_no_fault() {
    let mock = Mock::start(&["delay=0.8,offset=0.5"]);
    let json = dry(&mock, &[]).json();
    assert_eq!(verdicts(&json), ["selected"], "{json}");
    assert!((offset(&json) - 0.5).abs() < 0.05, "{json}");
}

#[test]
fn the_threshold_decides_between_step_and_slew() {
    let mock = Mock::start(&["offset=0.1"; 3]);
    assert_eq!(dry(&mock, &[]).json()["action"], "slew");
    assert_eq!(dry(&mock, &["--step"]).json()["action"], "step");
    assert_eq!(
        dry(&mock, &["--step-threshold", "0.05"]).json()["action"],
        "step"
    );
    // A wide bound: what a busy machine adds to the delay stays within the noise.
    let right = Mock::start(&["delay=0.02,dispersion=0.2"; 3]);
    let json = dry(&right, &[]).json();
    assert_eq!(
        (&json["action"], &json["changed"]),
        (&"none".into(), &false.into())
    );
}

#[test]
fn malformed_arguments_give_one_clear_error_and_64() {
    for words in [
        &["53.45.6.700"][..],
        &["12.34.5.800/32"],
        &["host:0"],
        &["[::1"],
        &["fe80::1%"],
        &["a..b"],
        &[""],
        &["--pool", "1.2.3.400"],
        &["--timeout", "0", "x"],
        &["--timeout", "-1", "x"],
        &["--timeout", "nan", "x"],
        &["--samples", "0", "x"],
        &["--max-offset", "inf", "x"],
        &["--source-port", "0", "x"],
        &["--source-port", "65536", "x"],
        &["--step", "--slew", "x"],
        &["--config", "/x", "server"],
        &["--max-error", "1", "x"],
        &["-6", "127.0.0.1"],
        &["-4", "::1"],
        &["0.0.0.0"],
    ] {
        let ran = run(&[&["sync", "--dry-run"], words].concat());
        assert_eq!(
            (ran.status, ran.stdout.as_str()),
            (64, ""),
            "{words:?}: {ran:?}"
        );
        let json = run(&[&["sync", "--dry-run", "--json"], words].concat());
        assert_eq!(json.json()["error"]["kind"], "usage", "{words:?}");
    }
    let ran = run(&["sync", "53.45.6.700"]);
    assert!(
        ran.stderr.contains("53.45.6.700\n            ^^^"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_name_that_has_no_address_is_said_so() {
    let ran = run(&[
        "sync",
        "--dry-run",
        "--json",
        "--timeout",
        "5",
        "nosuch.invalid",
    ]);
    let json = ran.json();
    assert_eq!((ran.status, verdicts(&json)[0]), (2, "unresolved"));
    assert!(
        json["sources"][0]["text"]
            .as_str()
            .unwrap()
            .contains("looked up"),
        "{json}"
    );
}

#[test]
fn servers_come_from_a_configuration() {
    let mock = Mock::start(&["offset=0.5"; 2]);
    let port = |i: usize| mock.addresses[i].rsplit(':').next().unwrap().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chrony.conf");
    let text = format!(
        "server 127.0.0.1 port {} iburst\nserver 127.0.0.1 port {} nts\nmakestep 1 3\n",
        port(0),
        port(1)
    );
    std::fs::write(&path, text).unwrap();
    let ran = run(&[
        "sync",
        "--dry-run",
        "--json",
        "--config",
        path.to_str().unwrap(),
    ]);
    let json = ran.json();
    assert_eq!((ran.status, &json["packets"]), (0, &1.into()));
    assert_eq!(json["origin"]["kind"], "config");
    assert!(
        json["findings"][0]["text"]
            .as_str()
            .unwrap()
            .contains("NTS"),
        "{json}"
    );
}

#[test]
fn broken_and_missing_configurations_have_their_statuses() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("broken.conf"), "server 53.45.6.700\nmakstep 1 3\n").unwrap();
    std::fs::write(path("binary.conf"), [0, 159, 146, 150]).unwrap();
    std::fs::write(path("empty.conf"), "# nothing\n").unwrap();
    std::fs::write(path("huge.conf"), vec![b'#'; 5 << 20]).unwrap();
    std::fs::write(
        path("loop.conf"),
        format!("include {}\n", path("loop.conf")),
    )
    .unwrap();
    for (name, status) in [
        ("broken.conf", 65),
        ("binary.conf", 65),
        ("empty.conf", 65),
        ("huge.conf", 65),
        ("loop.conf", 65),
        ("missing.conf", 66),
    ] {
        let ran = run(&["sync", "--dry-run", "--json", "--config", &path(name)]);
        assert_eq!(ran.status, status, "{name}: {ran:?}");
        ran.json();
    }
    let ran = run(&["sync", "--dry-run", "--config", &path("broken.conf")]);
    assert!(ran.stderr.contains("broken.conf:1:") && ran.stderr.contains("broken.conf:2:"));
    assert!(ran.stderr.contains("^^^"), "{}", ran.stderr);
}

/// Runs it without the capability that sets clocks, whoever runs the tests.
fn powerless(args: &[&str]) -> Ran {
    let plain = clockbox();
    let mut command = Command::new("setpriv");
    command
        .args(["--bounding-set=-sys_time", "--inh-caps=-sys_time"])
        .arg(plain.get_program());
    finish(command.args(args).env("LC_ALL", "C").output().unwrap())
}

#[test]
fn without_the_capability_it_measures_reports_and_exits_77() {
    let mock = Mock::start(&["offset=0.5"; 3]);
    let ran = if nix::unistd::geteuid().is_root() {
        powerless(&mock.args(&["sync", "--json"]))
    } else {
        run(&mock.args(&["sync", "--json"]))
    };
    let json = ran.json();
    assert_eq!(
        (ran.status, &json["action"]),
        (77, &"not_permitted".into()),
        "{json}"
    );
    assert!((offset(&json) - 0.5).abs() < 0.01);
    assert_eq!(json["changed"], false);
    assert!(
        json["text"].as_str().unwrap().contains("CAP_SYS_TIME"),
        "{json}"
    );
}

#[test]
fn quiet_prints_nothing_and_the_table_fits_eighty_columns() {
    let mock = Mock::start(&["", "", "offset=9"]);
    let ran = run(&mock.args(&["sync", "--dry-run", "--quiet"]));
    assert_eq!((ran.status, ran.stdout.as_str()), (0, ""));
    let mut command = clockbox();
    command
        .env("COLUMNS", "80")
        .args(mock.args(&["sync", "--dry-run", "-v"]));
    let ran = finish(command.output().unwrap());
    assert!(
        ran.stdout.lines().all(|line| line.chars().count() <= 110),
        "{}",
        ran.stdout
    );
    let table: Vec<&str> = ran.stdout.lines().skip(2).take(4).collect();
    assert!(
        table.iter().all(|line| line.chars().count() <= 80),
        "{}",
        ran.stdout
    );
    assert!(!ran.stdout.contains('\x1b'), "no colour in a pipe");
    let coloured = run(&mock.args(&["sync", "--dry-run", "--color", "always"]));
    assert!(coloured.stdout.contains('\x1b'));
}
