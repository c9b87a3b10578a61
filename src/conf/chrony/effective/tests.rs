//! The effective configuration says where each line comes from, and means what the files mean.

use super::text;
use crate::conf::chrony::Loaded;
use crate::conf::chrony::Statement;
use crate::conf::chrony::Value;
use crate::conf::chrony::directives;
use crate::conf::chrony::directives::Argument;
use crate::conf::chrony::directives::OptionInfo;
use crate::conf::chrony::directives::Shape;
use crate::conf::chrony::load;
use crate::conf::chrony::load::parse_alone;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn meaning(loaded: &Loaded) -> Vec<(&'static str, Value)> {
    let of = |s: &Statement| (s.name, s.value.clone());
    loaded.statements.iter().map(of).collect()
}

#[test]
fn each_line_stands_under_its_origin() {
    let main = "makestep 1 3\n\ninclude /etc/more.conf\nport 0\nserver a\n";
    let files: BTreeMap<String, Vec<u8>> = [
        ("/etc/chrony.conf", main),
        ("/etc/more.conf", "MakeStep  0.5\t-1\n"),
    ]
    .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
    .into();
    let loaded = load("/etc/chrony.conf", &files);
    let shown = text(&loaded, |s| (s.name == "server").then(|| "why".to_owned()));
    assert_eq!(
        shown,
        "# /etc/chrony.conf:1: replaced by /etc/more.conf:1\n# makestep 1 3\n\
         # /etc/more.conf:1\nmakestep 0.5 -1\n\
         # /etc/chrony.conf:3: read above\n# include /etc/more.conf\n\
         # /etc/chrony.conf:4\nport 0\n\
         # /etc/chrony.conf:5: why\nserver a\n"
    );
}

/// A decimal number as a file has it.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        (-9_999_i32..10_000).prop_map(|n| n.to_string()),
        (-9_999_i32..10_000, 0_u32..1_000_000).prop_map(|(n, d)| format!("{n}.{d:06}")),
        (1_i32..100, -9_i32..3).prop_map(|(n, e)| format!("{n}e{e}")),
    ]
}

fn integer(low: i64, high: i64) -> BoxedStrategy<String> {
    (low..=high).prop_map(|n| n.to_string()).boxed()
}

fn word() -> impl Strategy<Value = String> {
    "/[a-z]{1,8}(/[a-z0-9.]{1,8}){0,2}"
}

fn address() -> BoxedStrategy<String> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|b| std::net::Ipv4Addr::from(b).to_string()),
        any::<[u8; 16]>().prop_map(|b| std::net::Ipv6Addr::from(b).to_string()),
    ]
    .boxed()
}

fn option(info: &'static OptionInfo) -> BoxedStrategy<String> {
    let argument = match info.argument {
        Argument::None => return Just(info.name.to_owned()).boxed(),
        Argument::Int(low, high) => integer(low, high),
        Argument::Float => number().boxed(),
        Argument::Hex => prop_oneof![Just("F323".to_owned()), Just("F324".to_owned())].boxed(),
        Argument::Refid => "[A-Z0-9]{1,4}".boxed(),
        Argument::One(list) => prop::sample::select(list).prop_map(str::to_owned).boxed(),
    };
    argument
        .prop_map(|argument| format!("{} {argument}", info.name))
        .boxed()
}

/// Some options of a table after a first word.
fn options(first: BoxedStrategy<String>, table: &'static [OptionInfo]) -> BoxedStrategy<String> {
    let some = prop::sample::subsequence(table.iter().collect::<Vec<_>>(), 0..=table.len());
    (first, some)
        .prop_flat_map(|(first, some)| {
            let words: Vec<BoxedStrategy<String>> = some.into_iter().map(option).collect();
            words.prop_map(move |words| format!("{first} {}", words.join(" ")).trim().to_owned())
        })
        .boxed()
}

fn many(of: &'static [&'static str]) -> BoxedStrategy<String> {
    prop::sample::subsequence(of.to_vec(), 1..=of.len())
        .prop_map(|words| words.join(" "))
        .boxed()
}

fn join(parts: Vec<BoxedStrategy<String>>) -> BoxedStrategy<String> {
    parts.prop_map(|words| words.join(" ")).boxed()
}

fn modes(words: &'static [&'static str]) -> BoxedStrategy<String> {
    prop::sample::select(words).prop_map(str::to_owned).boxed()
}

/// Arguments of a directive that has a form of its own.
fn own(name: &'static str) -> BoxedStrategy<String> {
    let empty = || Just(String::new()).boxed();
    let small = || integer(-32, 32);
    match name {
        "server" | "pool" | "peer" => options(
            "[a-z]{1,10}(\\.[a-z]{2,5})?".boxed(),
            directives::SOURCE_OPTIONS,
        ),
        "refclock" => {
            let driver = modes(directives::DRIVERS);
            let first = join(vec![driver, integer(0, 9)]);
            options(first, directives::REFCLOCK_OPTIONS)
        }
        "hwtimestamp" => options(
            "[a-z]{1,4}[0-9]|\\*".boxed(),
            directives::HWTIMESTAMP_OPTIONS,
        ),
        "local" => options(empty(), directives::LOCAL_OPTIONS),
        "allow" | "deny" | "cmdallow" | "cmddeny" => {
            let subject = prop_oneof![
                empty(),
                address(),
                (any::<[u8; 4]>(), 0_u8..=32)
                    .prop_map(|(b, n)| format!("{}/{n}", std::net::Ipv4Addr::from(b))),
                (any::<[u8; 16]>(), 0_u8..=128)
                    .prop_map(|(b, n)| format!("{}/{n}", std::net::Ipv6Addr::from(b))),
            ];
            (any::<bool>(), subject)
                .prop_map(|(all, s)| format!("{}{s}", if all { "all " } else { "" }))
                .boxed()
        }
        "authselectmode" => modes(&["require", "prefer", "mix", "ignore"]),
        "leapsecmode" => modes(&["system", "step", "slew", "ignore"]),
        "bindaddress" | "bindacqaddress" => address(),
        "bindcmdaddress" => prop_oneof![address(), word()].boxed(),
        "broadcast" => join(vec![integer(1, 9999), address(), integer(1, 65535)]),
        "confdir" | "include" | "sourcedir" => word().boxed(),
        "driftfile" => {
            let interval = prop_oneof![
                empty(),
                integer(0, 99_999).prop_map(|n| format!("interval {n}"))
            ];
            join(vec![word().boxed(), interval.boxed()])
        }
        "fallbackdrift" => join(vec![small(), small()]),
        "initstepslew" => join(vec![number().boxed(), "[a-z]{1,8}".boxed()]),
        "log" => many(directives::LOGS),
        "opencommands" => many(directives::OPEN_COMMANDS),
        "mailonchange" => join(vec!["[a-z]{1,8}@[a-z]{1,8}".boxed(), number().boxed()]),
        "makestep" => join(vec![number().boxed(), small()]),
        "maxchange" => join(vec![number().boxed(), small(), small()]),
        "ntstrustedcerts" => {
            prop_oneof![word().boxed(), join(vec![integer(0, 9), word().boxed()])].boxed()
        }
        "ratelimit" => options(empty(), directives::RATELIMIT_OPTIONS),
        "cmdratelimit" | "ntsratelimit" => {
            // The last row is kod, which these do not have.
            let (_, three) = directives::RATELIMIT_OPTIONS.split_last().unwrap();
            options(empty(), three)
        }
        "smoothtime" => join(vec![
            number().boxed(),
            number().boxed(),
            modes(&["", "leaponly"]),
        ]),
        "tempcomp" => {
            let curve = prop_oneof![
                word().boxed(),
                join(vec![
                    number().boxed(),
                    number().boxed(),
                    number().boxed(),
                    number().boxed()
                ])
            ];
            join(vec![word().boxed(), integer(1, 99), curve.boxed()])
        }
        other => panic!("no generator for {other}"),
    }
}

/// A line of any directive in the table.
fn line() -> impl Strategy<Value = String> {
    prop::sample::select(directives::DIRECTIVES).prop_flat_map(|directive| {
        let arguments = match directive.shape {
            Shape::Flag => Just(String::new()).boxed(),
            Shape::Int(low, high) => integer(low, high),
            Shape::Float => number().boxed(),
            Shape::Text => word().boxed(),
            Shape::Ints => join(vec![integer(0, 99), integer(0, 99)]),
            Shape::Ignored => "[a-z0-9]{0,5}".boxed(),
            Shape::Own => own(directive.name),
        };
        arguments.prop_map(move |a| format!("{} {a}", directive.name).trim().to_owned())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_generated_from_the_table_parses_prints_and_parses_to_the_same(
        lines in prop::collection::vec(line(), 1..30)
    ) {
        // What includes is tried above; here its files do not exist.
        let lines: Vec<String> = lines
            .into_iter()
            .filter(|l| !l.starts_with("include") && !l.starts_with("confdir"))
            .collect();
        let first = parse_alone("f", format!("{}\n", lines.join("\n")).as_bytes());
        let wrong: Vec<&str> = first
            .diagnostics
            .iter()
            .filter(|d| d.is_error())
            .map(|d| d.message.as_str())
            .collect();
        prop_assert!(wrong.is_empty(), "{wrong:?} in {lines:#?}");
        prop_assert_eq!(first.statements.len(), lines.len());
        let printed = text(&first, |_| None);
        let second = parse_alone("f", printed.as_bytes());
        // What a later line replaces is gone, and nothing else.
        let kept: Vec<(&str, Value)> = meaning(&first)
            .into_iter()
            .zip(printed.lines().skip(1).step_by(2))
            .filter(|(_, line)| !line.starts_with('#'))
            .map(|(meaning, _)| meaning)
            .collect();
        prop_assert_eq!(meaning(&second), kept);
        prop_assert_eq!(plain(&first), plain(&second));
    }
}

/// The settings without the places of their lines.
fn plain(loaded: &Loaded) -> crate::conf::chrony::Settings {
    let mut settings = crate::conf::chrony::Settings::new(loaded);
    let nowhere = crate::conf::span::Span::default();
    settings.sources.iter_mut().for_each(|s| s.span = nowhere);
    settings.refclocks.iter_mut().for_each(|s| s.span = nowhere);
    settings.access.iter_mut().for_each(|s| s.span = nowhere);
    settings
        .command_access
        .iter_mut()
        .for_each(|s| s.span = nowhere);
    settings
        .broadcasts
        .iter_mut()
        .for_each(|s| s.span = nowhere);
    settings
        .hwtimestamp
        .iter_mut()
        .for_each(|s| s.span = nowhere);
    settings.source_dirs.clear();
    settings
}
