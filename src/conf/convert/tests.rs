use super::*;
use crate::conf::chrony::Version;
use crate::conf::convert::input::CommandLine;
use crate::conf::convert::input::Companion;
use crate::conf::convert::input::Layout;
use crate::conf::files::NoFiles;
use crate::conf::ntp;
use crate::conf::ntp::Dialect;

fn target(version: (u16, u16)) -> Target {
    Target {
        version: Version::new(version.0, version.1),
        layout: Layout::redhat(),
        leap_list: None,
        no_rtc: false,
    }
}

fn input(text: &str, dialect: Dialect) -> Input {
    Input::new(ntp::load_text(
        "ntp.conf",
        text.as_bytes(),
        dialect,
        &NoFiles,
    ))
}

fn classic(text: &str) -> Conversion {
    convert(
        &input(text, Dialect::Classic),
        &target((4, 3)),
        Policy::default(),
    )
}

/// The directives of the result, without the comments and what is always added.
fn lines(conversion: &Conversion) -> Vec<String> {
    let always = [
        "driftfile /var/lib/chrony/drift",
        "makestep 1 3",
        "rtcsync",
        "logdir /var/log/chrony",
    ];
    conversion
        .conf
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#') && !always.contains(line))
        .map(str::to_owned)
        .collect()
}

fn ntpsec(text: &str) -> Conversion {
    convert(
        &input(text, Dialect::Ntpsec),
        &target((4, 3)),
        Policy::default(),
    )
}

fn later(text: &str) -> Conversion {
    convert(
        &input(text, Dialect::Classic),
        &target((4, 8)),
        Policy::default(),
    )
}

/// One letter a line: k, c, d, and an exclamation mark where something may be missed.
fn verdicts(conversion: &Conversion) -> String {
    conversion
        .records
        .iter()
        .map(|record| {
            let letter = record.verdict.word().chars().next().unwrap();
            if record.matters {
                format!("{letter}!")
            } else {
                letter.to_string()
            }
        })
        .collect()
}

/// Input, verdicts and result of single lines, each with a server of its own behind it.
fn check(convert: fn(&str) -> Conversion, cases: &[(&str, &str, &[&str])]) {
    for (text, verdict, want) in cases {
        let done = convert(&format!("{text}\nserver base\n"));
        assert_eq!(done.refusal, None, "{text}");
        let mut got = lines(&done);
        got.retain(|line| line != "server base");
        assert_eq!(&got, want, "{text}\n{:#?}", done.records);
        assert_eq!(
            verdicts(&done),
            format!("{verdict}k"),
            "{text}\n{:#?}",
            done.records
        );
    }
}

#[test]
fn associations() {
    check(
        classic,
        &[
            (
                "server a iburst minpoll 4 maxpoll 6 prefer",
                "k",
                &["server a prefer iburst minpoll 4 maxpoll 6"],
            ),
            (
                "server a burst noselect xleave version 3",
                "k",
                &["server a noselect burst version 3 xleave"],
            ),
            ("server a true", "c", &["server a trust"]),
            ("server [2001:db8::1]", "k", &["server 2001:db8::1"]),
            ("pool p iburst", "k", &["pool p iburst"]),
            ("pool 10.0.0.1", "c", &["server 10.0.0.1"]),
            ("peer a", "c", &["peer a", "allow 0.0.0.0/0", "allow ::/0"]),
            ("server -4 a", "c", &["server a"]),
            ("server -4 10.0.0.1", "k", &["server 10.0.0.1"]),
            ("server a maxpoll 4", "c", &["server a minpoll 4 maxpoll 4"]),
            ("server a minpoll 1", "c", &["server a minpoll 3"]),
            ("server a minpoll 12", "c", &["server a minpoll 10"]),
            (
                "server a preempt iburst ttl 3 mode 5 dynamic",
                "c",
                &["server a iburst"],
            ),
            ("server a autokey iburst", "c!", &["server a iburst"]),
            ("server a nosuch iburst", "c", &["server a"]),
            ("server a iburst minpoll", "c", &["server a iburst"]),
            ("server a key 7", "c!", &["server a key 7"]),
            ("server 53.45.6.700", "d!", &[]),
            ("manycastclient 239.255.254.254", "d!", &[]),
            ("broadcastclient", "d!", &[]),
            ("multicastclient 224.0.1.1", "d!", &[]),
        ],
    );
    check(
        later,
        &[
            ("server -4 a", "k", &["server a ipv4"]),
            ("pool -6 a", "k", &["pool a ipv6"]),
        ],
    );
    check(
        ntpsec,
        &[
            ("peer a", "c", &["server a"]),
            ("server a nts", "k", &["server a nts"]),
            ("server a bias 0.5", "c", &["server a offset 0.5"]),
            ("server a nts noval", "c!", &["server a nts"]),
            (
                "server a nts ca /etc/c.pem",
                "c",
                &["ntstrustedcerts 1 /etc/c.pem", "server a nts certset 1"],
            ),
            ("server a nts ask b aead x", "c", &["server a nts"]),
            (
                "nts enable cert /c key /k port 4461 mintls TLS1.3",
                "c",
                &[
                    "ntsservercert /c",
                    "ntsserverkey /k",
                    "ntsport 4461",
                    "allow 0.0.0.0/0",
                    "allow ::/0",
                ],
            ),
            ("extra port 1123", "d", &[]),
            ("limit average 3", "c", &[]),
        ],
    );
}

#[test]
fn four_numbered_pool_names_become_one_pool() {
    let names = |kind: &str, options: &str| -> String {
        (0..4)
            .map(|n| format!("{kind} {n}.north-america.pool.ntp.org{options}\n"))
            .collect()
    };
    assert_eq!(
        lines(&classic(&names("server", " iburst"))),
        ["pool 2.north-america.pool.ntp.org iburst"]
    );
    let with_clock = format!("tos maxclock 11\n{}", names("pool", ""));
    assert_eq!(
        lines(&classic(&with_clock)),
        ["pool 2.north-america.pool.ntp.org maxsources 7"]
    );
    // Not complete, or not alike: each line stays.
    assert_eq!(
        lines(&classic("server 0.pool.ntp.org\nserver 1.pool.ntp.org\n")).len(),
        2
    );
    let twice = format!(
        "{}server 2.north-america.pool.ntp.org prefer\n",
        names("server", "")
    );
    assert_eq!(
        lines(&classic(&twice)),
        [
            "pool 2.north-america.pool.ntp.org",
            "server 2.north-america.pool.ntp.org prefer"
        ]
    );
}

#[test]
fn reference_clocks() {
    check(
        classic,
        &[
            (
                "server 127.127.1.0\nfudge 127.127.1.0 stratum 10",
                "cc",
                &["local stratum 11", "allow 0.0.0.0/0", "allow ::/0"],
            ),
            (
                "server 127.127.1.0",
                "c",
                &["local stratum 6", "allow 0.0.0.0/0", "allow ::/0"],
            ),
            (
                "server 127.127.1.0\nfudge 127.127.1.0 stratum 0",
                "cc",
                &["local stratum 1", "allow 0.0.0.0/0", "allow ::/0"],
            ),
            (
                "server 127.127.1.0\nfudge 127.127.1.0 stratum 15",
                "dc",
                &["allow 0.0.0.0/0", "allow ::/0"],
            ),
            (
                "server 127.127.28.0 minpoll 4 prefer\nfudge 127.127.28.0 time1 0.420 refid GPS",
                "cc",
                &["refclock SHM 0 refid GPS poll 4 offset 0.42 prefer"],
            ),
            (
                "server 127.127.28.2 mode 1 noselect",
                "c",
                &["refclock SHM 2 noselect"],
            ),
            (
                "server 127.127.28.0 prefer\nserver 127.127.22.0\nfudge 127.127.22.0 flag2 1 flag3 1 refid PPS",
                "ccc",
                &[
                    "refclock SHM 0 refid GPS prefer",
                    "refclock PPS /dev/pps0:clear refid PPS lock GPS",
                ],
            ),
            ("server 127.127.22.1", "c", &["refclock PPS /dev/pps1"]),
            (
                "server 127.127.46.0\nfudge 127.127.46.0 time2 0.3",
                "cc",
                &["refclock SHM 0 offset 0.3"],
            ),
            (
                "server 127.127.20.0 mode 17\nfudge 127.127.20.0 flag1 1 time2 0.4",
                "d!d!",
                &[],
            ),
            ("server 127.127.8.1 mode 2", "d!", &[]),
            ("fudge 127.127.28.5 time1 1", "d", &[]),
        ],
    );
    check(
        ntpsec,
        &[
            (
                "refclock shm unit 1 refid NMEA time1 0.5 prefer",
                "c",
                &["refclock SHM 1 refid NMEA offset 0.5 prefer"],
            ),
            (
                "refclock pps ppspath /dev/pps3 flag2 1",
                "c",
                &["refclock PPS /dev/pps3:clear"],
            ),
            ("refclock trimble unit 0", "d!", &[]),
        ],
    );
    let done = later("server 127.127.1.0\nserver a\n");
    assert!(lines(&done).contains(&"local stratum 6 waitunsynced 300".to_owned()));
    assert!(done.conf.contains("local stratum 6"));
    // Nothing but a pulse, or nothing at all, is no source of time.
    assert!(classic("server 127.127.22.0\n").refusal.is_some());
    assert!(classic("restrict default\n").refusal.is_some());
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn everything_else() {
    check(
        classic,
        &[
            ("tos minsane 1", "k", &["minsources 1"]),
            ("tos minclock 4 minsane 3", "c", &["minsources 3"]),
            ("tos maxdist 3", "k", &["maxdistance 3"]),
            (
                "tos orphan 5 orphanwait 60",
                "c",
                &["local stratum 5 orphan", "allow 0.0.0.0/0", "allow ::/0"],
            ),
            ("tos orphan 16", "k", &[]),
            ("tos ceiling 10", "d", &[]),
            ("tinker panic 0", "k", &[]),
            ("tinker panic 500", "c", &["maxchange 500 1 1"]),
            ("tinker step 0.5", "c", &["makestep 0.5 3"]),
            ("tinker dispersion 0.000015", "c", &["maxclockerror 15"]),
            ("tinker allan 10 huffpuff 7200 stepout 300", "d", &[]),
            ("disable monitor", "k", &[]),
            ("disable auth", "d", &[]),
            ("enable calibrate", "d", &[]),
            ("enable bclient", "d!", &[]),
            ("dscp 46", "k", &["dscp 46"]),
            (
                "discard average 5 minimum 2",
                "c",
                &["ratelimit interval 5"],
            ),
            (
                "mru maxmem 1024 maxdepth 10",
                "c",
                &["clientloglimit 1048576", "clientloglimit 1280"],
            ),
            ("rlimit memlock 32 stacksize 50", "c", &["lock_all"]),
            ("rlimit memlock -1", "k", &[]),
            (
                "ntpsigndsocket /var/lib/samba/ntp_signd",
                "c",
                &["ntpsigndsocket /var/lib/samba/ntp_signd"],
            ),
            (
                "statistics loopstats peerstats sysstats",
                "c",
                &["log tracking statistics"],
            ),
            (
                "filegen rawstats file rawstats type day enable",
                "c",
                &["log measurements"],
            ),
            ("filegen rawstats file rawstats type day disable", "d", &[]),
            (
                "filegen protostats file protostats type day enable",
                "d",
                &[],
            ),
            ("leapfile \"/var/db/l\"", "c", &["leapsectz right/UTC"]),
            ("leapsmearinterval 86400", "d!", &[]),
            ("interface listen eth0", "d", &[]),
            ("interface ignore wildcard", "k", &[]),
            ("crypto pw secret", "d", &[]),
            ("logfile /var/log/ntp", "d", &[]),
            ("setvar a = b default", "d", &[]),
            ("unpeer x", "d!", &[]),
            ("ntpsigndsocket \"/a b\"", "d!", &[]),
            ("includefile /etc/ntp/crypto/pw", "d", &[]),
            ("prose without a mark", "d", &[]),
        ],
    );
    check(
        later,
        &[
            (
                "leapfile /usr/share/zoneinfo/leap-seconds.list",
                "c",
                &["leapseclist /usr/share/zoneinfo/leap-seconds.list"],
            ),
            ("restrict default limited kod", "c", &["ratelimit kod 2"]),
            (
                "tos orphan 5 orphanwait 60",
                "c",
                &[
                    "local stratum 5 orphan waitunsynced 60",
                    "allow 0.0.0.0/0",
                    "allow ::/0",
                ],
            ),
        ],
    );
}

#[test]
fn servers_that_smear_get_no_leap_seconds_list() {
    for host in [
        "169.254.169.123",
        "time2.google.com",
        "metadata.google.internal",
        "time.aws.com",
    ] {
        let done = later(&format!("leapfile /x\nserver {host}\n"));
        assert!(!done.conf.contains("leapsec"), "{}", done.conf);
        assert!(done.records[0].reason.contains("smears"));
    }
}

#[test]
fn access_lines_follow_the_policy() {
    // Nobody was served on purpose.
    let plain =
        "restrict default kod nomodify notrap nopeer noquery\nrestrict 127.0.0.1\nserver a\n";
    assert_eq!(lines(&classic(plain)), ["server a"]);
    // A network was.
    let text = format!("{plain}restrict 192.168.1.0 mask 255.255.255.0 nomodify notrap\n");
    let done = classic(&text);
    assert!(done.serving.serve && done.serving.evidence[0].contains("ntp.conf:4"));
    assert_eq!(lines(&done), ["server a", "allow 0.0.0.0/0", "allow ::/0"]);
    let text = "restrict default ignore\nrestrict 10.1.2.3 mask 255.255.0.0 nomodify\nrestrict 10.1.9.0 mask 255.255.255.0 noserve\nserver a\n";
    assert_eq!(
        lines(&classic(text)),
        ["server a", "allow 10.1.0.0/16", "deny 10.1.9.0/24"]
    );
    // The user's word counts more than the evidence.
    let no = Policy {
        serve: Some(false),
        ..Policy::default()
    };
    let done = convert(&input(text, Dialect::Classic), &target((4, 3)), no);
    assert_eq!(lines(&done), ["server a"]);
    assert!(
        done.warnings
            .iter()
            .any(|warning| warning.contains("--no-serve"))
    );
    let yes = Policy {
        serve: Some(true),
        ..Policy::default()
    };
    let done = convert(&input(plain, Dialect::Classic), &target((4, 3)), yes);
    assert_eq!(lines(&done), ["server a", "allow 0.0.0.0/0", "allow ::/0"]);
    // The command port is opened only when asked for.
    let done = classic("restrict 10.0.0.0 mask 255.0.0.0 nomodify\nserver a\n");
    assert!(!done.conf.contains("cmd"), "{}", done.conf);
    let open = Policy {
        remote_monitoring: true,
        ..Policy::default()
    };
    let text = "restrict default noquery\nrestrict 10.0.0.0 mask 255.0.0.0 nomodify\nserver a\n";
    let done = convert(&input(text, Dialect::Classic), &target((4, 3)), open);
    assert!(lines(&done).contains(&"cmdallow 10.0.0.0/8".to_owned()));
    assert!(!lines(&done).contains(&"cmdallow 0.0.0.0/0".to_owned()));
}

#[test]
fn a_refused_name_that_is_unknown_closes_the_door() {
    let text = "restrict 10.0.0.0 mask 255.0.0.0 nomodify\nrestrict bad.example ignore\nserver a\n";
    let done = classic(text);
    assert_eq!(lines(&done), ["server a"]);
    assert_eq!(verdicts(&done), "cc!k");
    let mut known = input(text, Dialect::Classic);
    known
        .resolved
        .insert("bad.example".to_owned(), vec!["10.9.9.9".parse().unwrap()]);
    let done = convert(&known, &target((4, 3)), Policy::default());
    assert!(
        lines(&done).contains(&"deny 10.9.9.9".to_owned()),
        "{}",
        done.conf
    );
}

#[test]
fn listening_addresses() {
    let serve = "restrict 10.0.0.0 mask 255.0.0.0 nomodify\nrestrict default ignore\nserver a\n";
    let done = classic(&format!(
        "{serve}interface ignore wildcard\ninterface listen 127.0.0.1\ninterface listen 10.0.0.1\ninterface listen 10.0.0.2\ninterface listen eth1\ninterface ignore eth2\n"
    ));
    let got = lines(&done);
    assert!(
        got.contains(&"bindaddress 10.0.0.1".to_owned())
            && got.contains(&"binddevice eth1".to_owned()),
        "{got:?}"
    );
    assert_eq!(verdicts(&done), "cckkdkd!cd!");
}

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
    assert!(at("# nobody") > at("# Access") && done.conf.contains("# tail"));
    let long = format!("# {}\nserver a\n", "x".repeat(5000));
    assert!(classic(&long).conf.lines().all(|line| line.len() < 2047));
}

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

/// What ntpd's manual says of a set of `restrict` lines, read here anew and independently of the
/// converter: flags of one address and mask add up, the longest prefix decides.
fn answered(rules: &[(u32, u8, &'static str)], address: u32) -> bool {
    let mask = |bits: u8| u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
    let longest = rules
        .iter()
        .filter(|(net, bits, _)| (net ^ address) & mask(*bits) == 0)
        .map(|(_, bits, _)| *bits)
        .max();
    // Without any rule the default entry has no flags.
    let Some(longest) = longest else { return true };
    rules
        .iter()
        .filter(|(net, bits, _)| *bits == longest && (net ^ address) & mask(*bits) == 0)
        .all(|(_, _, flags)| {
            !["ignore", "noserve", "notrust", "version"]
                .iter()
                .any(|bad| flags.contains(bad))
        })
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(500))]

    #[test]
    fn text_to_text_nobody_is_answered_who_was_refused_and_everybody_else_is(
        list in proptest::collection::vec(
            (0..4u32, 0..4u32, 0..4u32, proptest::sample::select(vec![0u8, 3, 8, 9, 16, 22, 24, 27, 31, 32]),
             proptest::sample::select(vec!["", "nomodify", "ignore", "noserve nopeer", "kod notrust", "noquery limited", "version"])),
            0..10,
        ),
        probes in proptest::collection::vec(proptest::prelude::any::<u32>(), 20),
    ) {
        let rules: Vec<(u32, u8, &'static str)> = list
            .into_iter()
            .map(|(a, b, c, bits, flags)| (a << 30 | b << 21 | c << 4, bits, flags))
            .collect();
        let mut text = String::from("server upstream.example\n");
        for (net, bits, flags) in &rules {
            let mask = u32::MAX.checked_shl(32 - u32::from(*bits)).unwrap_or(0);
            let (net, mask) = (core::net::Ipv4Addr::from_bits(*net), core::net::Ipv4Addr::from_bits(mask));
            text.push_str(&format!("restrict {net} mask {mask} {flags}\n"));
        }
        let serve = Policy { serve: Some(true), ..Policy::default() };
        let done = convert(&input(&text, Dialect::Classic), &target((4, 3)), serve);
        proptest::prop_assert_eq!(&done.refusal, &None);
        let mut model = crate::conf::chrony::access::Rules::new();
        for statement in &load::parse_alone("f", done.conf.as_bytes()).statements {
            if let crate::conf::chrony::Value::Access(access) = &statement.value {
                model.add(statement.name == "allow", access);
            }
        }
        let edges = rules.iter().flat_map(|(net, bits, _)| {
            let size = u32::MAX.checked_shr(u32::from(*bits)).unwrap_or(0);
            let first = net & !size;
            [first, first | size, first.wrapping_sub(1), (first | size).wrapping_add(1)]
        });
        for address in edges.chain(probes) {
            let ip = core::net::IpAddr::V4(core::net::Ipv4Addr::from_bits(address));
            proptest::prop_assert_eq!(answered(&rules, address), model.allows(ip), "{} of {}\n{}", ip, text, done.conf);
        }
    }
}

/// Words of ntp.conf, right and wrong ones, in any order.
fn scrap() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let known: Vec<String> = ntp::directives::DIRECTIVES
        .iter()
        .map(|directive| directive.name)
        .chain(
            [
                ntp::directives::ASSOCIATION,
                ntp::directives::RESTRICT,
                ntp::directives::TOS,
                ntp::directives::TINKER,
                ntp::directives::FUDGE,
            ]
            .into_iter()
            .flatten()
            .map(|keyword| keyword.name),
        )
        .chain([
            "127.127.1.0",
            "127.127.28.3",
            "127.127.22.0",
            "127.127.20.1",
            "10.0.0.1",
            "::1",
            "a.example",
            "default",
            "source",
            "mask",
            "255.255.0.0",
            "listen",
            "ignore",
            "all",
            "eth0",
            "0",
            "1",
            "-1",
            "16",
            "300",
            "0.5",
            "1e9",
            "/etc/x",
            "\"",
            "#",
            "\n",
            "\n",
            "\n",
            "0.pool.ntp.org",
            "loopstats",
            "-4",
            "shm",
            "unit",
            "ntp",
            "(",
            "...",
            ")",
        ])
        .map(str::to_owned)
        .collect();
    let word = prop_oneof![8 => proptest::sample::select(known), 1 => "\\PC{0,12}"];
    proptest::collection::vec(word, 0..40).prop_map(|words| words.join(" "))
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_converts_to_what_parses_with_every_line_accounted_for(text in scrap(), sec in proptest::prelude::any::<bool>(), serve in proptest::prelude::any::<Option<bool>>()) {
        let dialect = if sec { Dialect::Ntpsec } else { Dialect::Classic };
        let policy = Policy { serve, remote_monitoring: sec, ntpd_like: !sec };
        for version in [(3, 4), (4, 3), (4, 8)] {
            let full = input(&text, dialect);
            let done = convert(&full, &target(version), policy);
            let bug = done.refusal.as_ref().filter(|why| why.contains("bug"));
            proptest::prop_assert_eq!(bug, None, "{:?}\n{}", text, done.conf);
            let lines = full.conf.map.files()[0].text.lines().filter(|line| !line.trim().is_empty()).count();
            proptest::prop_assert!(done.records.len() >= lines.min(full.conf.items.iter().filter(|item| !matches!(item, Item::Blank(_))).count()));
            for record in &done.records {
                proptest::prop_assert!(record.verdict == Verdict::Kept || !record.reason.is_empty(), "{:?}", record);
            }
        }
    }
}
