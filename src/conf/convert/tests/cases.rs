//! The defects and the situations of the converter that people had before, each in a configuration
//! of our own. Defect 4 (the root directory) is in tests/cli/migrate_ntpd.rs.

use super::*;

/// The defects of the converter that people had before, each in a configuration of our own.
#[test]
fn the_seven_defects_of_ntp2chrony_are_not_ours() {
    // 1. The last line without a newline.
    assert_eq!(
        lines(&classic("server ntp1.example.com")),
        ["server ntp1.example.com"]
    );
    // 2. A refused network becomes allowed.
    let done = classic(
        "restrict default noquery\nrestrict 10.0.0.0 mask 255.0.0.0 ignore\nrestrict 192.168.0.0 mask 255.255.0.0 nomodify\nserver a\n",
    );
    assert!(
        lines(&done).contains(&"deny 10.0.0.0/8".to_owned()),
        "{}",
        done.conf
    );
    // 3. One unknown option drops the source.
    assert_eq!(
        lines(&classic(
            "server a preempt\nserver b mode 5\nserver c ident x\n"
        )),
        ["server a", "server b", "server c"]
    );
    // 5. No noquery opens the command port.
    assert!(
        !classic("restrict 10.0.0.0 mask 255.0.0.0 nomodify notrap\nserver a\n")
            .conf
            .contains("cmd")
    );
    // 6. No restrict line at all allows everybody.
    assert!(!classic("server a\n").conf.contains("allow"));
    // 7. leapsectz is written without being asked for.
    assert!(!classic("server a\n").conf.contains("leapsec"));
    // The crash: names of one number with different options.
    assert_eq!(
        lines(&classic(
            "server 0.pool.ntp.org\nserver 0.pool.ntp.org iburst\n"
        ))
        .len(),
        2
    );
}

/// Situations of ntp2chrony's own cases, in configurations of our own, with the right answers.
#[test]
fn the_situations_of_ntp2chrony_are_answered() {
    let done = classic(
        "restrict default kod nomodify notrap noserve noquery\nrestrict 192.168.8.5 noserve\n\
        restrict 0.0.0.0 mask 0.0.0.0 noquery\nrestrict 2001:db8:1::5 noquery\nrestrict 2001:db8:50:: mask ffff:ffff:fff0:: noquery\nserver a\n",
    );
    assert_eq!(
        lines(&done),
        ["server a", "allow 2001:db8:50::/44", "allow 2001:db8:1::5"]
    );
    let done = classic(
        "server 127.127.1.0 minpoll 4 maxpoll 4\nfudge 127.127.1.0 stratum 5\nserver 127.127.8.0 mode 5 noselect\n\
        fudge 127.127.8.0 time1 0.03\nserver 127.127.28.2 mode 1\n",
    );
    assert_eq!(&lines(&done)[..2], ["local stratum 6", "refclock SHM 2"]);
    let done = classic(
        "server 192.0.2.1 minpoll 3 maxpoll 12 iburst burst\nserver 192.0.2.2 noselect prefer true xleave\nserver 192.0.2.3 whatever\n",
    );
    assert_eq!(
        lines(&done),
        [
            "server 192.0.2.1 iburst burst minpoll 3 maxpoll 12",
            "server 192.0.2.2 noselect prefer trust xleave",
            "server 192.0.2.3"
        ]
    );
}
