//! The rows of the mapping that the other tables do not have: the lexer, every flag of `restrict`,
//! every directive without a counterpart, every option of the command line.

use super::*;
use crate::conf::convert::input::CommandLine;
use crate::conf::convert::input::Companion;
use crate::conf::convert::input::OptionsPlace;

#[test]
fn lexing() {
    check(
        classic,
        &[
            ("server a#b", "k", &["server a"]),
            ("\tserver\ta\tiburst\r", "k", &["server a iburst"]),
            ("\"server\" \"a\"", "k", &["server a"]),
            ("SERVER a", "d", &[]),
            ("server a iburts prefer", "c", &["server a"]),
        ],
    );
    let marked = classic("\u{feff}server a\n");
    assert_eq!(lines(&marked), ["server a"]);
}

#[test]
fn sources_with_odd_options() {
    check(
        classic,
        &[
            (
                "broadcast 192.168.1.255 minpoll 5 ttl 4",
                "c",
                &[
                    "broadcast 32 192.168.1.255",
                    "allow 0.0.0.0/0",
                    "allow ::/0",
                ],
            ),
            (
                "broadcast 192.168.1.255 key 3",
                "c!",
                &[
                    "broadcast 64 192.168.1.255",
                    "allow 0.0.0.0/0",
                    "allow ::/0",
                ],
            ),
            (
                "broadcast net.example",
                "d!",
                &["allow 0.0.0.0/0", "allow ::/0"],
            ),
            (
                "manycastserver 239.1.1.1",
                "d!",
                &["allow 0.0.0.0/0", "allow ::/0"],
            ),
            ("unconfig a", "d!", &[]),
            ("ttl 1 2", "d", &[]),
            ("broadcastdelay 0.1", "d", &[]),
            ("broadcastclient novolley", "d!", &[]),
            (
                "server 127.127.28.1\nfudge 127.127.28.1 refid PTP0",
                "cc",
                &["refclock SHM 1 refid PTP0"],
            ),
        ],
    );
    let done =
        classic("server a\nserver 127.127.20.1 mode 17\nfudge 127.127.20.1 flag1 1 time2 0.4\n");
    for line in [
        "\n# For the receiver of 127.127.20.1, let gpsd read /dev/gps1 and use:\n",
        "\n#refclock SHM 2 refid GPS offset 0.4\n",
        "\n#refclock PPS /dev/gpspps1 lock GPS\n",
    ] {
        assert!(done.conf.contains(line), "{line}\n{}", done.conf);
    }
    let done = classic("server 127.127.28.1\nfudge 127.127.28.1 refid PTP0\n");
    assert!(done.records[0].reason.contains("refclock PHC"));
    let done = classic(
        "server 127.127.28.0\nserver 127.127.28.1\nfudge 127.127.28.0 refid GPS\nfudge 127.127.28.1 refid GPS\n",
    );
    assert!(done.records[0].reason.contains("cannot tell them apart"));
}

/// Every flag on a network under `restrict default ignore`: whether the network is answered then,
/// and whether the line loses something.
#[test]
fn flags_of_restrict() {
    for (flag, answered, lost) in [
        ("", true, false),
        ("nomodify", true, false),
        ("notrap", true, false),
        ("nopeer", true, false),
        ("noepeer", true, false),
        ("kod limited", true, false),
        ("nomrulist", true, false),
        ("lowpriotrap", true, false),
        ("noquery", true, false),
        ("ippeerlimit 3", true, false),
        ("flake", true, false),
        ("mssntp", true, false),
        ("serverresponse fuzz", true, false),
        ("ignore", false, false),
        ("noserve", false, false),
        ("notrust", false, true),
        ("version", false, true),
        ("ntpport", false, false),
    ] {
        let text = format!(
            "server base\nrestrict default ignore\nrestrict 10.0.0.0 mask 255.0.0.0 {flag}\nrestrict 172.16.0.0 mask 255.240.0.0 nomodify\n"
        );
        let done = classic(&text);
        let allowed = lines(&done).contains(&"allow 10.0.0.0/8".to_owned());
        assert_eq!(allowed, answered, "{flag}: {}", done.conf);
        assert_eq!(
            done.records[2].matters, lost,
            "{flag}: {:?}",
            done.records[2]
        );
        assert!(!done.conf.contains("cmd"), "{flag}");
    }
}

#[test]
fn masks_and_names_of_restrict() {
    let with = |line: &str| {
        let done = classic(&format!("restrict default ignore\n{line}\nserver a\n"));
        let mut got = lines(&done);
        got.retain(|line| line != "server a");
        got
    };
    for (line, want) in [
        ("restrict 10.1.2.3 mask 255.255.0.0", "allow 10.1.0.0/16"),
        (
            "restrict 2001:db8::1 mask ffff:ffff::",
            "allow 2001:db8::/32",
        ),
        ("restrict 192.0.2.7", "allow 192.0.2.7"),
        ("restrict -6 ::/0 nomodify", "allow ::/0"),
    ] {
        let serve = Policy {
            serve: Some(true),
            ..Policy::default()
        };
        let family = if line.contains("-6") { "-4 " } else { "" };
        let text = format!("restrict {family}default ignore\n{line}\nserver a\n");
        let done = convert(&input(&text, Dialect::Classic), &target((4, 3)), serve);
        assert!(
            lines(&done).contains(&want.to_owned()),
            "{line}\n{}",
            done.conf
        );
    }
    // Its own upstream, a source of any kind, and this machine show nothing.
    for line in [
        "restrict a",
        "restrict source nomodify",
        "restrict ::1",
        "restrict localhost",
    ] {
        assert!(with(line).is_empty(), "{line}");
    }
    // A mask with holes lets in nobody; one that refuses closes all that it may touch.
    assert!(with("restrict 10.0.5.0 mask 255.0.255.0 nomodify").is_empty());
    let text = "restrict 10.0.5.0 mask 255.0.255.0 ignore\nrestrict 172.16.0.0 mask 255.240.0.0\nserver a\n";
    assert!(lines(&classic(text)).contains(&"deny 10.0.0.0/8".to_owned()));
    // NTPsec reads ADDRESS/BITS and takes an address whose mask is none of its family alone; ntp 4.2
    // reads neither.
    let text = "restrict default ignore\nrestrict 10.7.0.0/16 nomodify\nrestrict 2001:db8:: mask FFFF:FFFF:FFFF:FFFF nomodify\nserver a\n";
    let done = ntpsec(text);
    assert_eq!(
        lines(&done),
        ["server a", "allow 10.7.0.0/16", "allow 2001:db8::"]
    );
    assert!(done.records[2].reason.contains("the mask is not one"));
    let done = classic(text);
    assert_eq!((lines(&done).len(), verdicts(&done).as_str()), (1, "cdck"));
    // IPv4 addresses in IPv6 notation: nobody comes from there.
    assert!(with("restrict ::ffff:10.0.0.0 mask ffff:ffff:ffff:ffff:ffff:ffff:ff00::").is_empty());
}

#[test]
fn directives_without_a_counterpart() {
    check(
        classic,
        &[
            ("tinker step 0", "k", &[]),
            ("tinker freq 10", "c", &[]),
            ("tinker stepfwd 1 stepback 2", "d", &[]),
            ("tos mindist 0.01", "d", &[]),
            ("tos floor 2", "d!", &[]),
            ("restrict source noquery", "k", &[]),
            ("tos floor 1 ceiling 16", "k", &[]),
            ("tos maxclock 20", "d", &[]),
            ("tos beacon 60 cohort 1", "d", &[]),
            ("requestkey 3", "d", &[]),
            ("controlkey 3", "d", &[]),
            ("trustedkey 1 2", "d", &[]),
            ("keysdir /etc/ntp", "d", &[]),
            ("revoke 10", "d", &[]),
            ("ident x", "d", &[]),
            ("logconfig =syncall", "d", &[]),
            ("statsdir /var/log/ntpstats/", "c", &[]),
            ("pidfile /run/ntpd.pid", "d", &[]),
            ("nonvolatile 1", "d", &[]),
            ("saveconfigdir /tmp", "d", &[]),
            ("phone atdt5551212", "d!", &[]),
            ("trap 192.0.2.1", "d", &[]),
            ("reset io", "d", &[]),
            ("discard minimum 2", "d", &[]),
            ("rlimit filenum 100", "d", &[]),
            ("mdnstries 5", "d", &[]),
            ("leapsmearinterval 0", "d", &[]),
            ("enable kernel monitor ntp stats mode7", "k", &[]),
            ("disable kernel stats bclient", "c", &[]),
            ("interface ignore all", "c", &[]),
            ("dscp 99", "d", &[]),
            ("driftfile", "d", &[]),
        ],
    );
    let newest = convert(
        &input("tos ceiling 10 floor 2\nserver base\n", Dialect::Classic),
        &target((4, 9)),
        Policy::default(),
    );
    assert_eq!(
        lines(&newest),
        ["maxstratum 9", "minstratum 2", "server base"]
    );
}

#[test]
fn options_of_the_command_line() {
    for (word, verdict, want) in [
        ("-g", "k", &[][..]),
        ("-N", "c", &["sched_priority 1"]),
        ("-P 10", "c", &["sched_priority 1"]),
        ("-c /etc/other.conf", "k", &[]),
        ("-f /x/drift", "k", &[]),
        ("-k /x/keys", "k", &[]),
        ("-s /x", "d", &[]),
        ("-l /x", "d", &[]),
        ("-u ntp:ntp", "d", &[]),
        ("-i /chroot", "d", &[]),
        ("-p /run/x", "d", &[]),
        ("-q", "d!", &[]),
        ("-t 3", "c", &[]),
        ("-I eth0", "d", &[]),
        ("-L", "d", &[]),
        ("-U 10", "d", &[]),
        ("-w 5", "d", &[]),
        ("-n", "d", &[]),
        ("-G", "k", &[]),
        ("-4", "c", &[]),
        (
            "--slew",
            "c",
            &["makestep 600 3", "leapsecmode slew", "maxslewrate 500"],
        ),
    ] {
        let mut full = input("server 192.0.2.1\n", Dialect::Classic);
        full.command_lines.push(CommandLine {
            path: "o".to_owned(),
            line: 1,
            text: word.to_owned(),
            words: word.split(' ').map(str::to_owned).collect(),
        });
        let done = convert(&full, &target((4, 8)), Policy::default());
        let mut got = lines(&done);
        got.retain(|line| line != "server 192.0.2.1");
        assert_eq!(got, want, "{word}");
        assert_eq!(
            verdicts(&done),
            format!("k{verdict}"),
            "{word}: {:?}",
            done.records[1]
        );
    }
}

fn with_options(text: &str, words: &[&str], target: &Target) -> Conversion {
    let mut full = input(text, Dialect::Classic);
    full.command_lines.push(CommandLine {
        path: "o".to_owned(),
        line: 1,
        text: words.join(" "),
        words: words.iter().map(|word| (*word).to_owned()).collect(),
    });
    convert(&full, target, Policy::default())
}

#[test]
fn options_of_the_command_line_that_need_more_than_a_word() {
    let mut old = target((4, 3));
    let done = with_options("server a\n", &["-6"], &old);
    assert_eq!(
        (lines(&done), verdicts(&done)),
        (vec!["server a".to_owned()], "kd!".to_owned())
    );
    assert!(done.daemon_options.is_empty());
    old.options = Some(OptionsPlace {
        path: "/etc/default/chrony".to_owned(),
        variable: "DAEMON_OPTS".to_owned(),
    });
    let done = with_options("server a\n", &["-6"], &old);
    assert_eq!(
        (verdicts(&done).as_str(), done.daemon_options),
        ("kc", vec!["-6".to_owned()])
    );
    assert!(
        done.records[1]
            .reason
            .contains("DAEMON_OPTS in /etc/default/chrony")
    );

    // So it is where all sources say it, but not where only some do, or clients are answered.
    for (text, want) in [
        (
            "server -4 a\npool -4 b\nserver 10.0.0.1\n",
            vec!["-4".to_owned()],
        ),
        ("server -4 a\nserver b\n", Vec::new()),
        (
            "server -4 a\nrestrict 10.0.0.0 mask 255.0.0.0\n",
            Vec::new(),
        ),
    ] {
        let done = convert(&input(text, Dialect::Classic), &old, Policy::default());
        assert_eq!(done.daemon_options, want, "{text}");
    }
    let serve = "server a\nrestrict default ignore\nrestrict 10.0.0.0 mask 255.0.0.0 nomodify\n";
    assert_eq!(verdicts(&with_options(serve, &["-4"], &old)), "kccd!");
    let done = with_options(serve, &["-I", "10.0.0.1", "-I", "eth1"], &old);
    let got = lines(&done);
    for line in ["bindaddress 10.0.0.1", "binddevice eth1"] {
        assert!(got.contains(&line.to_owned()), "{line} in {got:?}");
    }
    assert_eq!(verdicts(&with_options(serve, &["-L"], &old)), "kccd!");

    let mut full = input("server a key 9\nkeys /k\n", Dialect::Classic);
    full.keys = Some(Companion {
        path: "/k".to_owned(),
        content: Ok(b"9 M tock\n".to_vec()),
    });
    full.command_lines = vec![CommandLine {
        path: "o".to_owned(),
        line: 1,
        text: "-t 9".to_owned(),
        words: vec!["-t9".to_owned()],
    }];
    let done = convert(&full, &old, Policy::default());
    assert!(done.keys.unwrap().contains("\n9 MD5 ASCII:tock\n"));
}

/// RHEL 6 has chrony 2.1.
#[test]
fn an_old_chrony_gets_nothing_that_it_does_not_know() {
    let done = convert(
        &input(
            "server a true xleave burst\ntos orphan 5 maxdist 2\nrestrict default limited\nntpsigndsocket /s\n",
            Dialect::Classic,
        ),
        &target((2, 1)),
        Policy::default(),
    );
    assert_eq!(
        lines(&done),
        [
            "server a",
            "local stratum 5",
            "allow 0.0.0.0/0",
            "allow ::/0"
        ]
    );
    assert_eq!(verdicts(&done), "c!c!cd!");
    assert!(
        done.warnings
            .iter()
            .any(|warning| warning.starts_with("ratelimit needs chrony 2.3")),
        "{:?}",
        done.warnings
    );
}

#[test]
fn leap_seconds_by_version_and_zone_data() {
    let with = |version, right_utc, list: Option<&str>| {
        let target = Target {
            right_utc,
            leap_list: list.map(str::to_owned),
            ..target(version)
        };
        let text = "leapfile /var/lib/ntp/leap-seconds.list\nserver a\n";
        convert(&input(text, Dialect::Classic), &target, Policy::default())
    };
    assert!(
        with((4, 3), Some(true), None)
            .conf
            .contains("leapsectz right/UTC")
    );
    let missing = with((4, 3), Some(false), None);
    assert!(!missing.conf.contains("\nleapsec") && missing.records[0].matters);
    assert!(
        with((4, 6), Some(false), None)
            .conf
            .contains("leapseclist /var/lib/ntp/leap-seconds.list")
    );
    let system = with((4, 6), None, Some("/usr/share/zoneinfo/leap-seconds.list"));
    assert!(
        system
            .conf
            .contains("leapseclist /usr/share/zoneinfo/leap-seconds.list")
    );
}

#[test]
fn like_ntpd_is_said_in_full() {
    let policy = Policy {
        ntpd_like: true,
        ..Policy::default()
    };
    let done = convert(
        &input("server a\n", Dialect::Classic),
        &target((4, 3)),
        policy,
    );
    for line in [
        "makestep 0.128 -1",
        "minsamples 32",
        "maxslewrate 500",
        "corrtimeratio 100",
        "maxdrift 500",
        "maxclockerror 15",
        "maxchange 1000 1 1",
        "dscp 46",
    ] {
        assert!(
            done.conf.lines().any(|known| known == line),
            "{line}\n{}",
            done.conf
        );
    }
}

#[test]
fn lines_of_the_distribution_stay() {
    let mut target = target((4, 3));
    let lines = [
        "include /etc/chrony/extra.conf",
        "confdir /etc/chrony/conf.d",
    ];
    target.layout.kept = lines.map(str::to_owned).to_vec();
    let done = convert(
        &input("server a\n", Dialect::Classic),
        &target,
        Policy::default(),
    );
    assert_eq!(done.refusal, None);
    for line in lines {
        assert!(
            done.conf.lines().any(|known| known == line),
            "{}",
            done.conf
        );
    }
}

#[test]
fn servers_of_dhcp_are_not_lost() {
    let mut full = input("server a\n", Dialect::Classic);
    full.dhcp = vec!["192.0.2.9".to_owned()];
    let done = convert(&full, &target((4, 3)), Policy::default());
    assert!(
        lines(&done).contains(&"server 192.0.2.9 iburst".to_owned()),
        "{}",
        done.conf
    );
    let done = classic("server a # added by /sbin/dhclient-script\nserver b # mine\n");
    assert_eq!(verdicts(&done), "ck");
    assert!(done.records[0].reason.contains("DHCP gave it"));
    // Where the distribution's configuration takes them from DHCP itself, they come from there.
    let mut known = target((4, 3));
    known.layout.kept = vec!["sourcedir /run/chrony-dhcp".to_owned()];
    let done = convert(&full, &known, Policy::default());
    assert!(!done.conf.contains("192.0.2.9") && done.warnings[0].contains("sourcedir"));
    // And where the user keeps them out, they stay out.
    full.dhcp.clear();
    full.ignore_dhcp = Some(CommandLine {
        path: "/etc/default/ntp".to_owned(),
        line: 3,
        text: "IGNORE_DHCP=yes".to_owned(),
        words: Vec::new(),
    });
    let done = convert(&full, &known, Policy::default());
    assert!(!done.conf.contains("sourcedir"), "{}", done.conf);
    assert_eq!(done.records[1].text, "IGNORE_DHCP=yes");
}
