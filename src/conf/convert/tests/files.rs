//! What belongs to ntp.conf: keys, the command line, comments.

use super::*;
use crate::conf::convert::input::CommandLine;
use crate::conf::convert::input::Companion;

#[test]
fn keys_are_converted_and_masked() {
    let mut full = input(
        "keys /etc/ntp/keys\ntrustedkey 1 (3 ... 4)\nserver a key 1\nserver b key 3\nserver c key 2\n",
        Dialect::Classic,
    );
    full.keys = Some(Companion {
        path: "/etc/ntp/keys".to_owned(),
        content: Ok(b"# mine\n1 M secretone\n2 MD5 secrettwo 10.0.0.1\n3 SHA256 secret3\n4 RMD160 secretfour\n".to_vec()),
    });
    let done = convert(&full, &target((4, 3)), Policy::default());
    assert_eq!(
        done.keys.as_deref().unwrap(),
        "# Converted from /etc/ntp/keys\n# mine\n1 MD5 ASCII:secretone\n#2 MD5 ASCII:secrettwo\n3 SHA256 ASCII:secret3\n\
         # line 5 of /etc/ntp/keys: key 4: RIPEMD keys are not supported by chrony since 4.0\n"
    );
    assert!(lines(&done).contains(&"keyfile /etc/chrony.keys".to_owned()));
    // ntpd cuts a long MAC, which chrony does in version 4.
    assert!(lines(&done).contains(&"server b key 3 version 4".to_owned()));
    assert_eq!(verdicts(&done), "cckcckcccd!");
    assert!(
        done.records
            .iter()
            .all(|record| !format!("{record:?}").contains("secret"))
    );
    full.keys = Some(Companion {
        path: "/etc/ntp/keys".to_owned(),
        content: Err("Permission denied".to_owned()),
    });
    let done = convert(&full, &target((4, 3)), Policy::default());
    assert!(done.records[0].matters && done.records[0].reason.contains("Permission denied"));
}

#[test]
fn passwords_of_autokey_are_masked() {
    let done = classic("crypto host x pw hunter2\nserver a\n");
    assert!(
        !format!("{done:?}").contains("hunter2"),
        "{:?}",
        done.records[0]
    );
}

#[test]
fn the_command_line_of_the_service_counts() {
    let mut full = input("server a\n", Dialect::Classic);
    full.command_lines.push(CommandLine {
        path: "/etc/sysconfig/ntpd".to_owned(),
        line: 2,
        text: "OPTIONS=\"-x -g -4\"".to_owned(),
        words: vec!["-x".to_owned(), "-g".to_owned(), "-4".to_owned()],
    });
    let done = convert(&full, &target((4, 8)), Policy::default());
    assert_eq!(
        lines(&done),
        [
            "server a ipv4",
            "makestep 600 3",
            "leapsecmode slew",
            "maxslewrate 500"
        ]
    );
    assert!(!done.conf.contains("makestep 1 3"));
    assert_eq!(done.records[1].origin.to_string(), "/etc/sysconfig/ntpd:2");
}

#[test]
fn an_undisciplined_clock_is_refused() {
    assert!(
        classic("disable ntp\nserver a\n")
            .refusal
            .unwrap()
            .contains("disable ntp")
    );
    assert_eq!(classic("disable ntp\nenable ntp\nserver a\n").refusal, None);
}

#[test]
fn comments_travel_along() {
    let done = classic("# head\n\n# about a\nserver a # mine\nrestrict default # nobody\n# tail\n");
    let at = |text: &str| {
        done.conf
            .find(text)
            .unwrap_or_else(|| panic!("{text} in\n{}", done.conf))
    };
    assert!(
        at("# head") < at("# about a")
            && at("# about a") < at("# mine")
            && at("# mine") < at("server a")
    );
    assert!(at("# nobody") > at("# Access: nobody is answered,") && done.conf.contains("# tail"));
    // What a comment was about is said where no line is left.
    assert!(done.conf.contains("\n# nobody\n# was: restrict default\n"));
    let done = classic(
        "# the log\nlogfile /x\nlogconfig =all\nserver a\nrestrict 10.0.0.0 mask 255.0.0.0\n",
    );
    assert!(
        done.conf
            .contains("\n# the log\n# was: logfile /x\nserver a\n"),
        "{}",
        done.conf
    );
    assert!(
        done.conf.contains(
            "\n# Access: who is answered.\n# was: restrict 10.0.0.0 mask 255.0.0.0\nallow "
        )
    );
    let long = format!("# {}\nserver a\n", "x".repeat(5000));
    assert!(classic(&long).conf.lines().all(|line| line.len() < 2047));
}

#[test]
fn hosts_of_step_tickers_are_asked_at_once() {
    let mut full = input("server a\nserver b\n", Dialect::Classic);
    full.step_tickers = Some(Companion {
        path: "/etc/ntp/step-tickers".to_owned(),
        content: Ok(b"# List of servers used for initial synchronization.\nb # best\nc\n".to_vec()),
    });
    let done = convert(&full, &target((4, 3)), Policy::default());
    assert_eq!(lines(&done), ["server a", "server b iburst"]);
    let last = done.records.last().unwrap();
    assert_eq!(last.origin.to_string(), "/etc/ntp/step-tickers:3");
    assert!(last.reason.contains("c is not among them"), "{last:?}");
}
