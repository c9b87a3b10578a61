//! What `sources set` says of what it did, where it is not plainly done: sources that answer and are
//! not followed, a file with which the daemon will not start, a configuration that is not there.

use crate::net::Net;
use crate::sources::file;
use crate::sources::inside;
use crate::sources::json;
use crate::sources::text_of;
use crate::sources::two_right_and_one_liar;
use std::path::PathBuf;

/// A network with a server, and NTPsec's ntpd.
fn beside_a_server() -> Option<(Net, PathBuf)> {
    let mut net = Net::new()?;
    let ntpd = crate::net::peer("ntpsec", "usr/sbin/ntpd")?;
    net.chronyd("10.77.0.10", "")?;
    Some((net, ntpd))
}

/// chronyc shows `^?` or `^x`: the sources answer, that is all that is known.
#[test]
fn sources_that_only_answer_are_not_said_to_be_followed() {
    let Some(mut net) = Net::new() else { return };
    let Some(liar) = two_right_and_one_liar(&mut net) else {
        return;
    };
    let script = "
printf 'server 10.77.0.12 iburst\\n' >/etc/chrony/chrony.conf; daemon; sleep 6
$CB sources set --json --wait 9 10.77.0.11 10.77.0.10 >$DIR/two; echo $? >$DIR/two.code; $CHRONYC -n sources >$DIR/chronyc
$CB sources set --json --wait 20 10.77.0.12 >$DIR/one
";
    if inside(&net, script).is_none() {
        return;
    }
    drop(liar);
    let screen = file(&net, "chronyc");
    assert!(!screen.contains("^*"), "{screen}");
    let two = json(&net, "two");
    assert_eq!(file(&net, "two.code"), "0\n", "{two}");
    assert!(
        text_of(&two).starts_with("the new sources answer (")
            && text_of(&two).ends_with("chronyd follows none of them yet"),
        "{two}"
    );
    assert_eq!(two["findings"][0]["next"], "clockbox sources", "{two}");
    let one = json(&net, "one");
    assert!(
        text_of(&one).contains("chronyd follows the new sources"),
        "{one}"
    );
}

/// A directive that chronyd does not know, or an include that is not there: the next start fails.
#[test]
fn a_file_with_which_chronyd_will_not_start_is_told() {
    let Some(net) = Net::new() else { return };
    let script = "
mkdir /run/bin; ln -s $CHRONYD /run/bin/chronyd; export PATH=/run/bin:$PATH
set_() { printf 'server 10.77.0.10 iburst\\n%b' \"$2\" >/etc/chrony/chrony.conf; $CB sources set --json 10.77.0.11 >$DIR/$1; echo $? >$DIR/$1.code; }
set_ good ''; set_ word 'makstep 1 3\\n'; set_ include 'include /etc/chrony/nowhere.conf\\n'
";
    if inside(&net, script).is_none() {
        return;
    }
    let good = json(&net, "good");
    assert_eq!(file(&net, "good.code"), "0\n", "{good}");
    assert!(text_of(&good).ends_with("set for its next start"), "{good}");
    for (name, words) in [("word", "makstep"), ("include", "nowhere.conf")] {
        let report = json(&net, name);
        assert_eq!(file(&net, &format!("{name}.code")), "1\n", "{report}");
        assert!(text_of(&report).contains("will not start"), "{report}");
        let finding = &report["findings"][0];
        let why = text_of(finding);
        assert!(
            why.contains("will not start") && (why.contains(words) || why.contains("line 3")),
            "{report}"
        );
        assert_eq!(finding["next"], "chronyd -p -f /etc/chrony/chrony.conf");
    }
}

/// The word that is wrong is named; a port has a place of its own.
#[test]
fn options_and_ports_that_are_wrong_are_named() {
    let Some(net) = Net::new() else { return };
    let script = "
printf 'server 10.77.0.10 iburst\\n' >/etc/chrony/chrony.conf; cp /etc/chrony/chrony.conf $DIR/before; daemon; sleep 1
$CB sources set --options bogus 10.77.0.11 2>$DIR/bogus; echo $? >$DIR/code; cmp /etc/chrony/chrony.conf $DIR/before
$CB sources set 10.1.1.1:1123 2>$DIR/port; true
";
    if inside(&net, script).is_none() {
        return;
    }
    let bogus = file(&net, "bogus");
    assert_eq!(file(&net, "code"), "65\n", "{bogus}");
    assert!(bogus.contains("(") && bogus.contains("bogus"), "{bogus}");
    let port = file(&net, "port");
    assert!(
        port.contains("--options \"iburst port 1123\" 10.1.1.1") && !port.contains("IPv6"),
        "{port}"
    );
}

/// Root is not told to become root.
#[test]
fn a_configuration_that_is_not_there_is_named() {
    let Some(net) = Net::new() else { return };
    let script = "
printf 'server 10.77.0.10 iburst\\n' >/etc/chrony/chrony.conf; daemon; sleep 1; rm /etc/chrony/chrony.conf
$CB sources set 10.77.0.11 >$DIR/out 2>$DIR/said; echo $? >$DIR/code
";
    if inside(&net, script).is_none() {
        return;
    }
    let said = file(&net, "said");
    assert_eq!(file(&net, "code"), "66\n", "{said}");
    assert!(
        said.contains("/etc/chrony/chrony.conf") && !said.contains("sudo"),
        "{said}"
    );
}

/// ntpd counts what it lacks of measurements as an error of the server: that is no fault of it.
#[test]
fn ntpd_that_has_just_started_is_not_told_to_take_other_servers() {
    let Some(mut net) = Net::new() else { return };
    if net.chronyd("10.77.0.10", "").is_none() {
        return;
    }
    let Some(ntpd) = crate::net::peer("ntpsec", "usr/sbin/ntpd") else {
        return;
    };
    let script = format!(
        "
printf 'server 10.77.0.10 iburst minpoll 3 maxpoll 3\\nrestrict default kod nomodify nopeer noquery limited\\nrestrict 127.0.0.1\\ninterface ignore wildcard\\ninterface listen 127.0.0.1\\ninterface listen 10.77.0.12\\n' >$DIR/ntp.conf
{} -n -c $DIR/ntp.conf >$DIR/ntpd.log 2>&1 &
for i in $(seq 12); do sleep 0.7; $CB sources --json >$DIR/look.$i; done
",
        ntpd.display()
    );
    if inside(&net, &script).is_none() {
        return;
    }
    let mut told = 0;
    for look in 1..=12 {
        let report = json(&net, &format!("look.{look}"));
        let Some(row) = report["sources"].as_array().and_then(|rows| rows.first()) else {
            continue;
        };
        let text = text_of(row);
        assert!(!text.contains("too far from a true clock"), "{report}");
        told += usize::from(text.contains("just started: ntpsec"));
    }
    assert!(told > 0, "{}", file(&net, "look.4"));
}

/// Debian's ntp.conf of NTPsec: with fewer than three servers that answer it follows none, and ntpq
/// shows `+` before the good ones all the same.
#[test]
fn an_ntpsec_that_wants_more_good_sources_says_how_many() {
    let Some((net, ntpd)) = beside_a_server() else {
        return;
    };
    let script = format!(
        "
printf 'tos minclock 4 minsane 3\\npool pool.nowhere.invalid iburst\\nserver 10.77.0.10 iburst\\nserver 10.77.0.19 iburst\\nrestrict 127.0.0.1\\ninterface ignore wildcard\\ninterface listen 127.0.0.1\\ninterface listen 10.77.0.15\\n' >/etc/ntp.conf
{} -n -c /etc/ntp.conf >$DIR/ntpd.log 2>&1 &
for i in $(seq 60); do $CB sources --json >$DIR/sources; grep -q minsane $DIR/sources && break; sleep 1; done
$CB sources stats --json >$DIR/stats; COLUMNS=80 $CB status >$DIR/page; true
",
        ntpd.display()
    );
    if inside(&net, &script).is_none() {
        return;
    }
    let report = json(&net, "sources");
    let rows = report["sources"].as_array().unwrap();
    let row = rows.iter().find(|row| row["address"] == "10.77.0.10");
    let row = row.unwrap();
    assert_eq!(row["state"], "candidate", "{row}");
    assert_eq!(row["native_state"], "+", "{row}");
    let text = text_of(row);
    assert!(
        text.contains("ntpsec follows none before 3 agree") && text.contains("the only one"),
        "{text}"
    );
    assert_eq!(row["next"], "clockbox sources set --add HOST...", "{row}");
    assert!(
        text_of(&report).contains("none of its 2 sources"),
        "{report}"
    );
    // The pool's line is no source, and has learnt nothing.
    let stats = json(&net, "stats");
    assert_eq!(stats["sources"].as_array().unwrap().len(), 2, "{stats}");
    let page = file(&net, "page");
    assert!(page.contains("Sources: 1 of 2 good"), "{page}");
}

/// A name without an address is no server that does not answer.
#[test]
fn names_without_an_address_are_said_to_be_that() {
    let Some(net) = Net::new() else { return };
    let script = "
printf 'server ntp.nowhere.invalid iburst\\n' >/etc/chrony/chrony.conf
$CB sources --json >$DIR/direct; $CB status --json >$DIR/direct.status
daemon; sleep 2; $CB sources --json >$DIR/one; kill $D; wait $D
printf 'server ntp2.nowhere.invalid iburst\\n' >>/etc/chrony/chrony.conf; rm -f /run/chrony/*
daemon; sleep 2; $CB sources --json >$DIR/two
";
    if inside(&net, script).is_none() {
        return;
    }
    for (name, words) in [
        ("direct", "were asked directly, and none of them answered"),
        ("direct.status", "asked directly, and none of them answered"),
        ("one", "the name of its one source has no address"),
        ("two", "the names of its 2 sources have no address"),
    ] {
        let report = json(&net, name);
        assert!(text_of(&report).contains(words), "{report}");
    }
    // The page of status says why, with the command.
    let status = json(&net, "direct.status");
    let findings = status["findings"].as_array().unwrap();
    let next = "getent ahosts ntp.nowhere.invalid";
    assert!(findings.iter().any(|f| f["next"] == next), "{status}");
}

/// `noquery`, as many ntp.conf have it: the daemon works, and tells nothing.
#[test]
fn an_ntpd_that_answers_no_questions_is_told_how_to_permit_them() {
    let Some((net, ntpd)) = beside_a_server() else {
        return;
    };
    let script = format!(
        "
printf 'server 10.77.0.10 iburst\\nrestrict default ignore\\nrestrict 127.0.0.1 noquery\\ninterface ignore wildcard\\ninterface listen 127.0.0.1\\ninterface listen 10.77.0.15\\n' >/etc/ntp.conf
{} -n -c /etc/ntp.conf >$DIR/ntpd.log 2>&1 & D=$!
sleep 2; $CB sources --timeout 0.6 --json >$DIR/sources; COLUMNS=80 $CB sources --timeout 0.6 >$DIR/page
sed -i 's/ noquery//' /etc/ntp.conf; kill $D; wait $D
{} -n -c /etc/ntp.conf >>$DIR/ntpd.log 2>&1 & sleep 2; $CB sources --json >$DIR/told
",
        ntpd.display(),
        ntpd.display()
    );
    if inside(&net, &script).is_none() {
        return;
    }
    let report = json(&net, "sources");
    assert_eq!(report["daemons"][0]["hangs"], false, "{report}");
    let findings = report["findings"].as_array().unwrap();
    let found = findings
        .iter()
        .find(|f| f["next"] == "sudoedit /etc/ntp.conf");
    let text = text_of(found.unwrap_or_else(|| panic!("{report}")));
    assert!(text.contains("without noquery"), "{text}");
    let page = file(&net, "page").replace("\n  ", " ");
    assert_eq!(page.matches("tells nothing").count(), 1, "{page}");
    // What the sentence says is what helps.
    let told = json(&net, "told");
    assert_eq!(told["daemons"][0]["via"], "mode6", "{told}");
}
