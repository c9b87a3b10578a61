use core::net::IpAddr;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::conf::address::Network;
use crate::conf::chrony::load::Loaded;
use crate::conf::chrony::load::parse_alone;
use crate::conf::chrony::write;
use crate::conf::diagnostic::Severity;
use crate::conf::diagnostic::render_all;

fn parse(text: &str) -> Loaded {
    parse_alone("f", text.as_bytes())
}

fn one(text: &str) -> Value {
    let loaded = parse(text);
    assert!(
        !loaded.has_errors(),
        "{}",
        render_all(&loaded.diagnostics, &loaded.map)
    );
    assert_eq!(loaded.statements.len(), 1, "{text}");
    loaded.statements[0].value.clone()
}

/// The words under the carets of all errors, and the message of the first.
fn errors(text: &str) -> Vec<String> {
    let loaded = parse(text);
    loaded
        .diagnostics
        .iter()
        .filter(|d| d.is_error())
        .map(|d| loaded.map.text(d.span).to_owned())
        .collect()
}

fn warnings(text: &str) -> usize {
    let loaded = parse(text);
    assert!(
        !loaded.has_errors(),
        "{}",
        render_all(&loaded.diagnostics, &loaded.map)
    );
    loaded
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Warning)
        .count()
}

#[test]
fn shapes_found_in_the_wild_are_read() {
    for text in [
        "allow",
        "allow all",
        "allow 10.1/16",
        "allow 10.11.97/24",
        "deny all",
        "makestep 9999 1",
        "makestep 1 -1",
        "maxdistance 94608000.0",
        "smoothtime 400 0.01",
        "driftfile chrony.drift",
        "leapsectz UTC",
        "SERVER a IBURST",
        "refclock PHC /dev/ptp_hyperv poll 3 dpoll -2 offset 0 stratum 2",
        "server 169.254.169.123 prefer iburst minpoll 4 maxpoll 4",
        "server fd00:ec2::123 iburst",
        "bindcmdaddress /",
        "bindcmdaddress ::1",
        "hwtimestamp * rxfilter all",
        "log tracking rtc",
        "ntstrustedcerts 1 /etc/c.pem",
        "tempcomp /sys/t 30 26.0 0.0 0.000183 0.0",
        "tempcomp /sys/t 30 /etc/p",
        "refclock PPS /dev/pps0:clear lock GPS refid PPS trust",
        "local stratum 10 orphan",
        "local",
        "broadcast 30 192.168.1.255",
        "broadcast 60 192.168.2.255 12123",
        "keyfile /etc/chrony.keys",
        "driftfile /d interval 60",
        "initstepslew 30 a b c",
        "maxchange 1000 1 2",
        "ntsaeads 15 30",
        "server a extfield F323 key 0012",
        "clientloglimit 100000000",
        "cmdallow all 1.2.3",
    ] {
        assert_eq!(warnings(text), 0, "{text}");
    }
    // chronyd takes these; their author should hear of it.
    for text in [
        "ratelimit interval -10 burst 9999 leak 9999",
        "commandkey 1",
        "generatecommandkey",
        "dumponexit",
        "linux_hz 100",
        "linux_freq_scale 0.99902439",
        "maxupdateskew 100.0,",
        "makestep 1.0 3;",
        "makestep 1 0",
    ] {
        assert!(warnings(text) > 0, "{text}");
    }
}

#[test]
fn placeholders_are_answered_with_a_caret_under_the_octet() {
    assert_eq!(errors("server 53.45.6.700 iburst"), ["700"]);
    assert_eq!(errors("allow 12.34.5.800/32"), ["800"]);
    assert_eq!(errors("deny 10.0.0.0/99"), ["99"]);
    assert_eq!(errors("bindaddress 256.0.0.1"), ["256"]);
    let loaded = parse("# relay\nallow 12.34.5.800/32\n");
    assert_eq!(
        loaded.diagnostics[0].render(&loaded.map),
        "f:2:15: error: \"800\" is not an octet of an IPv4 address\n    allow 12.34.5.800/32\n\
         \x20                 ^^^\n    help: an octet goes from 0 to 255; is this a placeholder for the real address?\n"
    );
}

#[test]
fn all_faults_of_a_file_are_reported_at_once() {
    let text = "sever a\nserver a ibrust maxpoll4 minpoll x\nmakestep 1\nrtcsync yes\nport 70000\nlog all\nserver\npeer a key 0\n";
    assert_eq!(
        errors(text),
        [
            "sever", "ibrust", "maxpoll4", "x", "1", "yes", "70000", "all", "server", "0"
        ]
    );
}

#[test]
fn a_comment_after_a_directive_is_explained() {
    let loaded = parse("server a iburst # fast\nrtcsync # yes\ndriftfile /d # where\n");
    assert_eq!(loaded.diagnostics.len(), 3);
    for diagnostic in &loaded.diagnostics {
        assert!(
            diagnostic
                .help
                .as_ref()
                .unwrap()
                .contains("line of its own"),
            "{diagnostic:?}"
        );
    }
}

#[test]
fn comments_start_with_any_of_four_characters() {
    let loaded = parse("! a\n  ; b\n#c\n\t% d\n\n \n");
    assert_eq!((loaded.statements.len(), loaded.diagnostics.len()), (0, 0));
}

#[test]
fn options_become_types() {
    let Value::Source(source) =
        one("pool p iburst maxsources 3 key 7 offset -0.5 ipv6 trust minpoll -2")
    else {
        panic!()
    };
    assert_eq!(
        (source.kind, source.maxsources, source.key),
        (SourceKind::Pool, Some(3), Some(7))
    );
    assert_eq!(
        (source.offset, source.family, source.minpoll),
        (Some(-0.5), Some(Family::V6), Some(-2))
    );
    assert!(source.iburst && source.select.trust && !source.select.prefer);
    let Value::Refclock(clock) =
        one("refclock SHM 0 refid GPS precision 1e-1 offset 0.9999 delay 0.2")
    else {
        panic!()
    };
    assert_eq!(
        (clock.refid.as_deref(), clock.precision),
        (Some("GPS"), Some(0.1))
    );
    assert_eq!(
        one("allow 10.1.2.3/16"),
        Value::Access(Access {
            all: false,
            subject: Subject::Network(Network::new("10.1.0.0".parse().unwrap(), 16)),
        })
    );
}

fn word() -> impl Strategy<Value = String> {
    "[a-z/][a-zA-Z0-9/_.-]{0,12}"
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9]{0,8}(\\.[a-z]{1,5}){0,2}",
        any::<IpAddr>().prop_map(|ip| ip.to_string())
    ]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-1e6..1e6f64),
        any::<f64>().prop_filter("finite", |x| x.is_finite()),
        Just(1e-9)
    ]
}

fn refid() -> impl Strategy<Value = String> {
    "[A-Z]{1,4}"
}

fn selection() -> impl Strategy<Value = Selection> {
    any::<[bool; 4]>().prop_map(|[noselect, prefer, require, trust]| Selection {
        noselect,
        prefer,
        require,
        trust,
    })
}

prop_compose! {
    fn source()(
        kind in prop_oneof![Just(SourceKind::Server), Just(SourceKind::Pool), Just(SourceKind::Peer)],
        name in host(),
        (port, ntsport, minpoll, maxpoll, presend) in (option::of(any::<u16>()), option::of(any::<u16>()), option::of(-32..=32i8), option::of(-32..=32i8), option::of(-32..=32i8)),
        flags in any::<[bool; 7]>(),
        (key, certset, extfields) in (option::of(1..=u32::MAX), option::of(any::<u32>()), vec(prop_oneof![Just(0xF323u32), Just(0xF324)], 0..2)),
        select in selection(),
        (family, version, minstratum) in (option::of(prop_oneof![Just(Family::V4), Just(Family::V6)]), option::of(1..=4u8), option::of(0..=16u8)),
        counts in any::<[Option<u16>; 5]>(),
        (maxsources, polltarget) in (option::of(1..1000u32), option::of(1..1000u32)),
        floats in vec(option::of(number()), 7),
    ) -> Source {
        let count = |index: usize| counts[index].map(u32::from);
        Source {
            port, ntsport, minpoll, maxpoll, presend, key, certset, extfields, select, family, version, minstratum,
            maxsources, polltarget,
            iburst: flags[0], burst: flags[1], nts: flags[2], xleave: flags[3], copy: flags[4], offline: flags[5], auto_offline: flags[6],
            minsamples: count(0), maxsamples: count(1), maxunreach: count(2), filter: count(3),
            maxdelay: floats[0], maxdelayratio: floats[1], maxdelaydevratio: floats[2], maxdelayquant: floats[3],
            mindelay: floats[4], asymmetry: floats[5], offset: floats[6],
            ..Source::new(kind, &name)
        }
    }
}

prop_compose! {
    fn refclock()(
        driver in prop_oneof![Just("PHC"), Just("PPS"), Just("SHM"), Just("SOCK"), Just("RTC")],
        parameter in word(),
        (refid, lock) in (option::of(refid()), option::of(refid())),
        (poll, dpoll) in (option::of(-32..=32i8), option::of(-32..=32i8)),
        counts in any::<[Option<u16>; 5]>(),
        rate in option::of(1..100u32),
        floats in vec(option::of(number()), 5),
        stratum in option::of(0..=15u8),
        [pps, tai, local] in any::<[bool; 3]>(),
        select in selection(),
    ) -> Refclock {
        let count = |index: usize| counts[index].map(u32::from);
        Refclock {
            driver: driver.to_owned(), parameter, refid, lock, poll, dpoll, rate, stratum, pps, tai, local, select,
            filter: count(0), minsamples: count(1), maxsamples: count(2), maxunreach: count(3), maxlockage: count(4),
            offset: floats[0], delay: floats[1], precision: floats[2], maxdispersion: floats[3], width: floats[4],
        }
    }
}

fn access() -> impl Strategy<Value = Value> {
    let subject = prop_oneof![
        Just(Subject::Everybody),
        (any::<IpAddr>(), 0..=128u8)
            .prop_map(|(ip, bits)| Subject::Network(Network::new(ip, bits))),
        "[a-z][a-z0-9]{3,8}\\.org".prop_map(Subject::Name),
    ];
    (any::<bool>(), subject).prop_map(|(all, subject)| Value::Access(Access { all, subject }))
}

#[allow(clippy::too_many_lines, reason = "a table: one strategy a directive")]
fn own(name: &'static str) -> BoxedStrategy<Value> {
    let int = || any::<i32>().prop_map(i64::from);
    match name {
        "server" | "pool" | "peer" => source()
            .prop_map(move |mut source| {
                source.kind = match name {
                    "server" => SourceKind::Server,
                    "pool" => SourceKind::Pool,
                    _ => SourceKind::Peer,
                };
                Value::Source(Box::new(source))
            })
            .boxed(),
        "refclock" => refclock()
            .prop_map(|clock| Value::Refclock(Box::new(clock)))
            .boxed(),
        "allow" | "deny" | "cmdallow" | "cmddeny" => access().boxed(),
        "authselectmode" => Just(Value::Mode("prefer".to_owned())).boxed(),
        "leapsecmode" => Just(Value::Mode("slew".to_owned())).boxed(),
        "bindaddress" | "bindacqaddress" => any::<IpAddr>().prop_map(Value::Address).boxed(),
        "bindcmdaddress" => prop_oneof![
            any::<IpAddr>().prop_map(|ip| Value::CommandAddress(CommandAddress::Ip(ip))),
            "/[a-z]{0,5}".prop_map(|path| Value::CommandAddress(CommandAddress::Path(path))),
        ]
        .boxed(),
        "broadcast" => (int(), any::<IpAddr>(), any::<Option<u16>>())
            .prop_map(|(interval_s, address, port)| {
                Value::Broadcast(Broadcast {
                    interval_s,
                    address,
                    port,
                })
            })
            .boxed(),
        "confdir" | "sourcedir" => vec(word(), 1..4).prop_map(Value::Words).boxed(),
        "log" => Just(Value::Words(
            directives::LOGS.iter().map(|&s| s.to_owned()).collect(),
        ))
        .boxed(),
        "opencommands" => Just(Value::Words(vec![
            "tracking".to_owned(),
            "sources".to_owned(),
        ]))
        .boxed(),
        "include" => Just(Value::Text("/nowhere/none*".to_owned())).boxed(),
        "driftfile" => (word(), option::of(int()))
            .prop_map(|(path, interval_s)| Value::DriftFile(DriftFile { path, interval_s }))
            .boxed(),
        "fallbackdrift" => (int(), int())
            .prop_map(|(a, b)| Value::FallbackDrift(a, b))
            .boxed(),
        "hwtimestamp" => (
            word(),
            option::of(-32..=32i8),
            option::of(0..99u32),
            option::of(number()),
            any::<bool>(),
            any::<bool>(),
        )
            .prop_map(
                |(interface, minpoll, maxsamples, txcomp, filter, nocrossts)| {
                    Value::HwTimestamp(Box::new(HwTimestamp {
                        interface,
                        minpoll,
                        maxsamples,
                        txcomp,
                        nocrossts,
                        rxfilter: filter.then(|| "ptp".to_owned()),
                        ..HwTimestamp::default()
                    }))
                },
            )
            .boxed(),
        "initstepslew" => (number(), vec(host(), 0..3))
            .prop_map(|(t, hosts)| Value::InitStepSlew(t, hosts))
            .boxed(),
        "local" => (
            option::of(1..=15u8),
            any::<bool>(),
            option::of(number()),
            option::of(number()),
        )
            .prop_map(|(stratum, orphan, distance, waitsynced)| {
                Value::Local(Local {
                    stratum,
                    orphan,
                    distance,
                    waitsynced,
                    ..Local::default()
                })
            })
            .boxed(),
        "mailonchange" => number()
            .prop_map(|s| Value::MailOnChange("root@localhost".to_owned(), s))
            .boxed(),
        "makestep" => (number(), int())
            .prop_map(|(threshold_s, limit)| Value::MakeStep(MakeStep { threshold_s, limit }))
            .boxed(),
        "maxchange" => (number(), int(), int())
            .prop_map(|(offset_s, start, ignore)| {
                Value::MaxChange(MaxChange {
                    offset_s,
                    start,
                    ignore,
                })
            })
            .boxed(),
        "ntstrustedcerts" => (any::<Option<u32>>(), word())
            .prop_map(|(set, path)| Value::TrustedCerts(set, path))
            .boxed(),
        "ratelimit" | "cmdratelimit" | "ntsratelimit" => any::<[Option<i8>; 4]>()
            .prop_map(move |n| {
                let int = |index: usize| n[index].map(i64::from);
                let kod = int(3).filter(|_| name == "ratelimit");
                Value::RateLimit(RateLimit {
                    interval: int(0),
                    burst: int(1),
                    leak: int(2),
                    kod,
                })
            })
            .boxed(),
        "smoothtime" => (number(), number(), any::<bool>())
            .prop_map(|(max_frequency_ppm, max_wander_ppm_per_s, leap_only)| {
                Value::SmoothTime(SmoothTime {
                    max_frequency_ppm,
                    max_wander_ppm_per_s,
                    leap_only,
                })
            })
            .boxed(),
        "tempcomp" => (
            word(),
            number(),
            option::of(word()),
            [number(), number(), number(), number()],
        )
            .prop_map(|(sensor, interval_s, points, factors)| {
                let curve = points.map_or(TempCurve::Polynomial(factors), TempCurve::Points);
                Value::TempComp(Box::new(TempComp {
                    sensor,
                    interval_s,
                    curve,
                }))
            })
            .boxed(),
        _ => panic!("no strategy for {name}"),
    }
}

fn statement() -> impl Strategy<Value = (&'static str, Value)> {
    proptest::sample::select(directives::DIRECTIVES).prop_flat_map(|directive| {
        let value = match directive.shape {
            Shape::Flag => Just(Value::Flag).boxed(),
            Shape::Int(low, high) => (low..=high).prop_map(Value::Int).boxed(),
            Shape::Float => number().prop_map(Value::Float).boxed(),
            Shape::Text => word().prop_map(Value::Text).boxed(),
            Shape::Ints => vec(0..100i64, 0..4).prop_map(Value::Ints).boxed(),
            Shape::Ignored => Just(Value::Ignored("7".to_owned())).boxed(),
            Shape::Own => own(directive.name),
        };
        (Just(directive.name), value)
    })
}

proptest! {
    #[test]
    fn a_generated_configuration_parses_prints_and_parses_to_the_same(list in vec(statement(), 1..20)) {
        // An include of a directory that is not there is an error of its own.
        let list: Vec<_> = list.into_iter().filter(|(name, _)| *name != "include").collect();
        let text: String = list.iter().map(|(name, value)| write::line(name, value) + "\n").collect();
        let loaded = parse_alone("f", text.as_bytes());
        prop_assert!(!loaded.has_errors(), "{}", render_all(&loaded.diagnostics, &loaded.map));
        let got: Vec<_> = loaded.statements.iter().map(|s| (s.name, s.value.clone())).collect();
        prop_assert_eq!(&got, &list);
        // The settings take every one of them.
        let _ = crate::conf::chrony::Settings::new(&loaded);
    }

    #[test]
    fn any_text_is_parsed_with_spans_in_bounds(text in "(\\PC|[\\n\\t #!]|server |allow |pool |refclock SHM |10\\.){0,60}") {
        let loaded = parse_alone("f", text.as_bytes());
        for diagnostic in &loaded.diagnostics {
            let file = loaded.map.file(diagnostic.span.file).unwrap();
            prop_assert!(file.text.get(diagnostic.span.start..diagnostic.span.end).is_some());
            let _ = diagnostic.render(&loaded.map);
        }
    }
}
