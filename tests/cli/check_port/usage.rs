//! The command line of `check-port`.

use crate::run::clockbox;
use crate::run::finish;
use crate::run::run;
use std::io::Write;
use std::process::Stdio;

#[test]
fn a_placeholder_is_pointed_at() {
    let ran = run(&["check-port", "53.45.6.700"]);
    assert_eq!(ran.status, 64);
    assert!(
        ran.stderr.contains("    53.45.6.700\n            ^^^"),
        "{}",
        ran.stderr
    );
    let ran = run(&["check-port", "localhost", "123"]);
    assert_eq!(ran.status, 64);
    assert!(ran.stderr.contains("HOST:123"), "{}", ran.stderr);
    let ran = run(&["check-port", "--client", "12.34.5.800"]);
    assert_eq!(ran.status, 64);
    assert!(ran.stderr.contains("800"), "{}", ran.stderr);
}

#[test]
fn options_for_hosts_need_a_host_and_the_other_way_round() {
    for args in [
        &["check-port", "--full"][..],
        &["check-port", "-4"],
        &["check-port", "--any"],
        &["check-port", "--client", "192.0.2.1", "host"],
        &["check-port", "--timeout", "0", "host"],
        &["check-port", "--nagios", "--json", "host"],
    ] {
        assert_eq!(run(args).status, 64, "{args:?}");
    }
}

#[test]
fn files_of_hosts_are_read_with_their_lines_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hosts");
    let at = format!("@{}", file.display());
    let missing = run(&["check-port", &at, "--json"]);
    assert_eq!(missing.status, 66, "{missing:?}");
    missing.json();
    std::fs::write(&file, "# servers\n127.0.0.1\n10.0.0.300 # typo\n").unwrap();
    let wrong = run(&["check-port", &at]);
    assert_eq!(wrong.status, 65);
    assert!(
        wrong.stderr.contains("hosts:3: ") && wrong.stderr.contains("^^^"),
        "{}",
        wrong.stderr
    );
    std::fs::write(&file, "# nothing\n").unwrap();
    assert_eq!(run(&["check-port", &at]).status, 65);
    assert_eq!(run(&["check-port", "@"]).status, 64);
}

#[test]
fn the_same_host_twice_is_asked_once() {
    let ran = run(&["check-port", "--json", "127.0.0.1:9", "127.0.0.1:9"]);
    let json = ran.json();
    assert_eq!(json["targets"].as_array().unwrap().len(), 1);
    assert_eq!(
        (ran.status, &json["targets"][0]["verdict"]),
        (1, &"closed".into())
    );
}

#[test]
fn a_name_that_does_not_exist_is_unresolved() {
    let ran = run(&["check-port", "--json", "no-such-host.invalid"]);
    let json = ran.json();
    assert_eq!(
        (ran.status, &json["targets"][0]["verdict"]),
        (2, &"unresolved".into()),
        "{json}"
    );
    assert!(json["targets"][0]["error"].is_string());
}

#[test]
fn the_link_name_runs_the_command() {
    let dir = tempfile::tempdir().unwrap();
    run(&["links", dir.path().to_str().unwrap()]);
    let mut link = std::process::Command::new(dir.path().join("check-port"));
    let ran = finish(link.arg("127.0.0.1:9").output().unwrap());
    assert_eq!(ran.status, 1);
    assert!(ran.stdout.contains("closed"), "{ran:?}");
}

#[test]
fn a_list_comes_by_standard_input_too_and_has_one_host_on_a_line() {
    let ask = |text: &str| {
        let mut command = clockbox();
        command.args(["check-port", "--json", "@-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(text.as_bytes()).unwrap();
        drop(input);
        finish(child.wait_with_output().unwrap())
    };
    let ran = ask("# a port where nobody listens\n127.0.0.1:9\n\n");
    assert_eq!(ran.json()["targets"][0]["name"], "127.0.0.1", "{ran:?}");
    let ran = ask("127.0.0.1:9\nbad host here\n");
    assert_eq!(ran.status, 65, "{ran:?}");
    assert!(
        ran.stderr
            .contains("standard input:2: more than one host on a line"),
        "{ran:?}"
    );
}
