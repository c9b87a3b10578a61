//! What holds for the program as a whole: usage errors, help, links, the JSON envelope.

use crate::run::clockbox;
use crate::run::finish;
use crate::run::run;
use std::process::Stdio;

#[test]
fn usage_errors_exit_64_with_the_reason_on_standard_error() {
    for args in [
        &["nonsense"][..],
        &["links"],
        &["links", "--nonsense", "."],
        &[],
    ] {
        let ran = run(args);
        assert_eq!(ran.status, 64, "{args:?}: {ran:?}");
        assert_eq!(ran.stdout, "");
        assert!(!ran.stderr.is_empty());
    }
}

#[test]
fn usage_errors_are_json_too_when_json_is_wanted() {
    let ran = run(&["links", "--json"]);
    assert_eq!(ran.status, 64);
    let json = ran.json();
    assert_eq!(json["error"]["kind"], "usage");
    assert!(
        json["error"]["message"]
            .as_str()
            .unwrap()
            .contains("required"),
        "{json}"
    );
}

#[test]
fn a_usage_error_in_json_names_what_is_missing_and_the_help_of_that_command() {
    let json = run(&["sources", "set", "--json"]).json();
    let error = &json["error"];
    assert_eq!(json["command"], "sources set");
    assert_eq!(
        error["message"],
        "the following required arguments were not provided: <HOST>..."
    );
    assert_eq!(error["hint"], "clockbox sources set --help");
    let json = run(&["sources", "--json", "--bogus"]).json();
    assert_eq!(json["error"]["hint"], "clockbox sources --help");
}

#[test]
fn help_fits_a_screen_and_goes_to_standard_output() {
    let ran = run(&["--help"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.lines().count() <= 40, "{}", ran.stdout);
    assert_eq!(
        run(&["--version"]).stdout,
        format!("clockbox {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn the_help_of_every_command_fits_a_screen_and_has_all_options_where_they_are_asked_for() {
    for command in [
        "",
        "sync",
        "serve",
        "sources",
        "sources stats",
        "sources set",
        "sources unset",
        "status",
        "timezone",
        "timezone set",
        "timezone show",
        "timezone list",
        "check-port",
        "migrate-ntpd",
        "links",
    ] {
        let help = |option: &str| {
            let words: Vec<&str> = command.split_whitespace().chain([option]).collect();
            let output = clockbox()
                .env("COLUMNS", "80")
                .args(words)
                .output()
                .unwrap();
            let ran = finish(output);
            assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{command}");
            ran.stdout
        };
        let (usual, all) = (help("-h"), help("--help"));
        assert!(usual.lines().count() <= 40, "{usual}");
        assert!(all.lines().count() < 50, "{all}");
        assert!(all.lines().all(|line| line.chars().count() <= 80), "{all}");
        assert!(
            all.contains("--color") && !usual.contains("--color"),
            "{usual}"
        );
        let options = |text: &str| text.matches("--").count();
        assert!(options(&usual) < options(&all), "{command}");
    }
    let words = |words: &[&str]| run(words).stdout;
    assert_eq!(words(&["help", "sync"]), words(&["sync", "--help"]));
    let nested = words(&["help", "sources", "set"]);
    assert_eq!(nested, words(&["sources", "set", "--help"]));
}

#[test]
fn a_closed_pipe_on_output_is_success() {
    let mut child = clockbox()
        .arg("--help")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_output_that_is_closed_or_full_is_an_error_of_input_and_output() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().to_str().unwrap();
    let shell = |words: &str| {
        let mut command = std::process::Command::new("sh");
        let ran = command
            .args([
                "-c",
                &format!("\"$0\" {words}"),
                env!("CARGO_BIN_EXE_clockbox"),
                image,
            ])
            .output()
            .unwrap();
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    };
    for command in [
        "--help",
        "--version",
        "sync --help",
        "timezone list",
        "timezone list --json",
        "links \"$1\" --dry-run",
        "serve --local --allow 192.0.2.0/24 --explain-access 192.0.2.1",
    ] {
        for to in [">&-", ">/dev/full"] {
            let (status, said) = shell(&format!("{command} {to}"));
            assert_eq!(status, Some(74), "{command} {to}: {said}");
            assert!(said.contains("standard output"), "{command} {to}: {said}");
        }
        // Where it is thrown away, that is as it should be.
        let (status, said) = shell(&format!("{command} >/dev/null"));
        assert!(matches!(status, Some(0 | 1)), "{command}: {said}");
    }
    // Nothing is printed: the status is the answer.
    assert_eq!(shell("timezone list -q >&-"), (Some(0), String::new()));
}

#[test]
fn links_are_made_once_and_run_the_command_of_their_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let dry = run(&["links", path, "--dry-run", "--json"]).json();
    assert_eq!(
        (&dry["changed"], &dry["dry_run"]),
        (&true.into(), &true.into())
    );
    assert_eq!(std::fs::read_dir(path).unwrap().count(), 0);

    assert_eq!(run(&["links", path, "--json"]).json()["changed"], true);
    assert_eq!(run(&["links", path, "--json"]).json()["changed"], false);

    let mut link = std::process::Command::new(dir.path().join("clockbox-sync"));
    let ran = finish(link.arg("--help").output().unwrap());
    assert!(ran.stdout.contains("clockbox sync"), "{ran:?}");
}

#[test]
fn links_never_replace_a_file_that_is_not_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("clockbox-sync");
    std::fs::write(&file, "mine").unwrap();
    let ran = run(&["links", dir.path().to_str().unwrap(), "--json"]);
    assert_eq!(ran.status, 73);
    ran.json();
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/bin/true", &file).unwrap();
    assert_eq!(run(&["links", dir.path().to_str().unwrap()]).status, 73);
    assert_eq!(
        std::fs::read_link(&file).unwrap().to_str(),
        Some("/bin/true")
    );
}
