//! Single lines and groups of them: what each becomes.

use super::*;

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
}

#[test]
fn associations_of_ntpsec() {
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
            ("limit average 3", "c", &["ratelimit interval -2 burst 20"]),
            (
                "limit burst 5 kod 1",
                "c",
                &["ratelimit interval 0 burst 5"],
            ),
            (
                "restrict default limited",
                "c",
                &["ratelimit interval 0 burst 20"],
            ),
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
                "server 127.127.22.1\ndevice 127.127.22.1 ppsdata /dev/gpspps3",
                "cc",
                &["refclock PPS /dev/gpspps3"],
            ),
            (
                "server 127.127.20.0\ndevice 127.127.20.0 timedata /dev/ttyS3",
                "d!d!",
                &[],
            ),
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
}

#[test]
fn reference_clocks_of_ntpsec_recipes_and_what_tells_no_time() {
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
    let done = classic("server a\nserver 127.127.20.0\ndevice 127.127.20.0 timedata /dev/ttyS3\n");
    assert!(
        done.conf.contains("let gpsd read /dev/ttyS3 and"),
        "{}",
        done.conf
    );
    // Nothing but a pulse, or broadcasts, or nothing at all, is no source of time.
    assert!(classic("broadcastclient\n").refusal.is_some());
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
            ("tos ceiling 10", "d!", &[]),
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
            ("mru maxmem 1024 maxdepth 10", "c", &["clientloglimit 1280"]),
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
            ("leapfile /l ignorehash", "c", &["leapsectz right/UTC"]),
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
