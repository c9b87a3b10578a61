use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::conf::files::NoFiles;
use crate::conf::ntp::statement::OptValue;
use crate::conf::ntp::statement::Target;

fn parse(text: &str) -> Loaded {
    load_text("f", text.as_bytes(), Dialect::Classic, &NoFiles)
}

fn ntpsec(text: &str) -> Loaded {
    load_text("f", text.as_bytes(), Dialect::Ntpsec, &NoFiles)
}

fn faulty(loaded: &Loaded) -> Vec<String> {
    loaded
        .diagnostics
        .iter()
        .map(|d| loaded.map.text(d.span).to_owned())
        .collect()
}

fn options(loaded: &Loaded) -> Vec<String> {
    loaded
        .statements()
        .flat_map(|statement| match &statement.body {
            Body::Association { options, .. }
            | Body::Options(options)
            | Body::Fudge { options, .. } => options.clone(),
            Body::Restrict { flags, .. } => flags.clone(),
            _ => Vec::new(),
        })
        .map(|option| match option.value {
            OptValue::Flag => option.name.to_owned(),
            OptValue::Int(n) => format!("{}={n}", option.name),
            OptValue::Number(n) => format!("{}={n}", option.name),
            OptValue::Text(n) => format!("{}={n}", option.name),
            OptValue::Bool(n) => format!("{}={n}", option.name),
        })
        .collect()
}

#[test]
fn the_last_line_needs_no_newline() {
    let loaded = parse("server ntp1.example.com");
    let Body::Association { address, .. } = &loaded.statements().next().unwrap().body else {
        panic!()
    };
    assert_eq!(address.host(), "ntp1.example.com");
}

#[test]
fn an_unknown_word_loses_what_follows_it_only() {
    let loaded = parse(
        "server a iburst maxpoll4 prefer\nrestrict default kod nomodfy noquery\ntos minclock 4 foo minsane 3\n",
    );
    assert_eq!(options(&loaded), ["iburst", "kod", "minclock=4"]);
    assert_eq!(faulty(&loaded), ["maxpoll4", "nomodfy", "foo"]);
}

#[test]
fn a_missing_value_loses_the_line_but_never_the_source() {
    let loaded =
        parse("tinker step x\nrestrict 10.0.0.0 mask\nserver a iburst minpoll\nkeys\nunknown x\n");
    let names: Vec<&str> = loaded
        .statements()
        .map(|statement| statement.name)
        .collect();
    assert_eq!(names, ["server"]);
    assert_eq!(loaded.items.len(), 5);
    assert_eq!(loaded.diagnostics.len(), 5);
}

#[test]
fn dialects_differ_in_what_they_know() {
    let text = "disable auth\nserver a preempt iburst\nrestrict default noepeer noquery\n";
    assert_eq!(
        options(&parse(text)),
        ["preempt", "iburst", "noepeer", "noquery"]
    );
    let sec = ntpsec(text);
    assert!(options(&sec).is_empty());
    assert_eq!(faulty(&sec), ["auth", "preempt", "noepeer"]);
    let text = "server a nts bias 0.5 ca /x\nrefclock shm unit 2 refid GPS time1 0.1 flag1 1\nrestrict 10.0.0.0/8 nopeer\nnts enable\n";
    assert!(
        ntpsec(text).diagnostics.is_empty(),
        "{:?}",
        ntpsec(text).diagnostics
    );
    assert_eq!(parse(text).diagnostics.len(), 4);
}

#[test]
fn restrict_in_all_its_forms() {
    let loaded = parse(
        "restrict -4 default kod\nrestrict -6 default kod\nrestrict default ignore\nrestrict source nomodify\n\
         restrict 10.0.0.0 mask 255.0.0.0 nomodify\nrestrict ::1\nrestrict -6 ::1\nrestrict pool.example ntpport\n\
         restrict default ippeerlimit 5 noquery\nrestrict 127.0.0.1 172.16.0.2\n",
    );
    assert_eq!(faulty(&loaded), ["172.16.0.2"]);
    let targets: Vec<&Target> = loaded
        .statements()
        .filter_map(|statement| match &statement.body {
            Body::Restrict { target, .. } => Some(target),
            _ => None,
        })
        .collect();
    assert_eq!(targets.len(), 10);
    assert!(matches!(targets[3], Target::Source));
    assert!(
        matches!(targets[4], Target::Host { mask: Some(mask), .. } if mask.text == "255.0.0.0")
    );
}

#[test]
fn keys_drift_include_and_the_rest() {
    let loaded = parse(
        "trustedkey 1 2 (5 ... 9)\ntrustedkey 11\ndriftfile \"\"\nsetvar Owner = \"The Boss\" default\nbroadcastdelay 0.008\nend\nserver never\n",
    );
    let ranges: Vec<_> = loaded
        .named("trustedkey")
        .flat_map(|statement| match &statement.body {
            Body::KeyRanges(list) => list.clone(),
            _ => Vec::new(),
        })
        .collect();
    assert_eq!(ranges, [(1, 1), (2, 2), (5, 9), (11, 11)]);
    assert_eq!(
        loaded.named("driftfile").next().unwrap().body,
        Body::DriftFile(None)
    );
    assert_eq!(loaded.named("server").count(), 0);
}

#[test]
fn includes_are_relative_to_the_file_and_end() {
    let files: BTreeMap<String, Vec<u8>> = [
        (
            "/etc/ntp/ntp.conf",
            "includefile more.conf\nincludefile /none\nserver last\n",
        ),
        (
            "/etc/ntp/more.conf",
            "server more # from more\nincludefile more.conf\n",
        ),
        ("/etc/d/b.conf", "server b"),
        ("/etc/d/a.conf", "server a"),
        ("/dir", "includefile /etc/d\n"),
    ]
    .iter()
    .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
    .collect();
    let loaded = load("/etc/ntp/ntp.conf", Dialect::Classic, &files);
    assert_eq!(loaded.named("server").count(), 6);
    assert_eq!(loaded.diagnostics.len(), 2);
    assert!(loaded.diagnostics[0].message.contains("nested"));
    let last = loaded.named("server").last().unwrap();
    assert_eq!(
        loaded.map.origin(last.span).to_string(),
        "/etc/ntp/ntp.conf:3"
    );
    assert_eq!(
        load("/dir", Dialect::Ntpsec, &files)
            .named("server")
            .count(),
        2
    );
    assert_eq!(
        load("/none", Dialect::Classic, &files).unreadable,
        Some(ReadError::Missing)
    );
}

#[test]
fn binary_and_huge_files_are_unusable() {
    assert!(
        load_text("f", b"a\0b", Dialect::Classic, &NoFiles)
            .unusable
            .is_some()
    );
    assert!(
        load_text("f", &vec![b'#'; MAX_SIZE + 1], Dialect::Classic, &NoFiles)
            .unusable
            .is_some()
    );
}

proptest! {
    #[test]
    fn any_text_gives_one_item_a_line_with_spans_in_bounds(
        text in "(\\PC|[\\n\\t #\"()=]|server |restrict |default |mask |127\\.127\\.|fudge |trustedkey |\\.\\.\\. ){0,60}"
    ) {
        for dialect in [Dialect::Classic, Dialect::Ntpsec] {
            let loaded = load_text("f", text.as_bytes(), dialect, &NoFiles);
            let file = loaded.map.files().first().unwrap();
            prop_assert_eq!(loaded.items.len(), file.line_count());
            for item in &loaded.items {
                let span = item.span();
                prop_assert!(file.text.get(span.start..span.end).is_some());
            }
            for diagnostic in &loaded.diagnostics {
                let _ = diagnostic.render(&loaded.map);
            }
        }
    }
}

#[test]
fn ntpsec_reads_the_fragments_beside_its_file() {
    let files: BTreeMap<String, Vec<u8>> = [
        ("/etc/ntpsec/ntp.conf", "server main\n"),
        ("/etc/ntpsec/ntp.d/b.conf", "server b\n"),
        ("/etc/ntpsec/ntp.d/a.conf", "server a"),
        ("/etc/ntpsec/ntp.d/c.txt", "server c"),
    ]
    .iter()
    .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
    .collect();
    let of = |dialect| {
        load("/etc/ntpsec/ntp.conf", dialect, &files)
            .named("server")
            .count()
    };
    assert_eq!((of(Dialect::Ntpsec), of(Dialect::Classic)), (3, 1));
}
