//! Properties over generated configurations.

use super::*;
use crate::conf::chrony::gate;

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(500))]

    #[test]
    fn text_to_text_nobody_is_answered_who_was_refused_and_everybody_else_is(
        rules in rule_lists::rules(),
        probes in proptest::collection::vec(proptest::prelude::any::<u32>(), 20),
    ) {
        let text = rule_lists::text(&rules);
        let serve = Policy { serve: Some(true), ..Policy::default() };
        let done = convert(&input(&text, Dialect::Classic), &target((4, 3)), serve);
        proptest::prop_assert_eq!(&done.refusal, &None);
        let mut model = crate::conf::chrony::access::Rules::new();
        for statement in &load::parse_alone("f", done.conf.as_bytes()).statements {
            if let crate::conf::chrony::Value::Access(access) = &statement.value {
                model.add(statement.name == "allow", access);
            }
        }
        let probes = probes.into_iter().map(rule_lists::v4);
        for ip in rule_lists::boundaries(&rules).into_iter().chain(probes) {
            proptest::prop_assert_eq!(rule_lists::answered(&rules, ip), model.allows(ip), "{} of {}\n{}", ip, text, done.conf);
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

/// Nothing stands there: ntpd passes over quotes with nothing between them.
fn blank(line: &str) -> bool {
    let rest = line.replace("\"\"", "");
    rest.trim().is_empty() || rest.trim_start() == "\""
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_converts_to_what_parses_with_every_line_accounted_for(text in scrap(), sec in proptest::prelude::any::<bool>(), serve in proptest::prelude::any::<Option<bool>>()) {
        let dialect = if sec { Dialect::Ntpsec } else { Dialect::Classic };
        let policy = Policy { serve, remote_monitoring: sec, ntpd_like: !sec };
        for version in [(2, 1), (3, 4), (4, 3), (4, 8)] {
            let full = input(&text, dialect);
            let done = convert(&full, &target(version), policy);
            let bug = done.refusal.as_ref().filter(|why| why.contains("bug"));
            proptest::prop_assert_eq!(bug, None, "{:?}\n{}", text, done.conf);
            // Nothing is written that this version does not know.
            let (major, minor) = version;
            for statement in &load::parse_alone("f", done.conf.as_bytes()).statements {
                let newer = gate::newer_than(Version::new(major, minor), statement.name, &statement.value);
                proptest::prop_assert!(newer.is_empty(), "{:?} for {:?}\n{}", newer, version, done.conf);
            }
            // Every line that is not blank has one record, and there are no others.
            let lines = (1..).zip(full.conf.map.files()[0].text.lines());
            let lines: Vec<usize> = lines.filter(|(_, line)| !blank(line)).map(|(number, _)| number).collect();
            let accounted: Vec<usize> = done.records.iter().map(|record| record.origin.line).collect();
            proptest::prop_assert_eq!(lines, accounted, "{:?}", text);
            for record in &done.records {
                proptest::prop_assert!(record.verdict == Verdict::Kept || !record.reason.is_empty(), "{:?}", record);
            }
        }
    }
}
