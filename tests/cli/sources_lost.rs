//! `sources`, `status` and `sync --wait` where a daemon has lost what it followed: the clock runs on
//! alone, and what keeps the sources from being followed is said on each page.

use crate::net::Net;
use crate::net::peer;
use crate::sources::file;
use crate::sources::inside;
use crate::sources::json;
use crate::sources::text_of;
use crate::sources::two_right_and_one_liar;

/// chronyc shows `^x` twice: chronyd goes on telling of the source that it followed before.
#[test]
fn two_sources_that_contradict_each_other_are_not_right() {
    let Some(mut net) = Net::new() else { return };
    let Some(liar) = two_right_and_one_liar(&mut net) else {
        return;
    };
    let script = "
printf 'server 10.77.0.12 iburst minpoll 0 maxpoll 0\\n' >/etc/chrony/chrony.conf; daemon; sleep 7
$CB sources --json >$DIR/before
$CHRONYC -n add server 10.77.0.10 iburst minpoll 0 maxpoll 0; $CHRONYC -n add server 10.77.0.11 iburst minpoll 0 maxpoll 0
$CHRONYC -n delete 10.77.0.12
for i in $(seq 40); do $CHRONYC -n sources >$DIR/chronyc; [ $(grep -c '\\^x' $DIR/chronyc) = 2 ] && break; sleep 0.5; done
$CB status --json >$DIR/status; echo $? >$DIR/status.code
$CB sources --json --max-error 1 >$DIR/sources; echo $? >$DIR/sources.code
COLUMNS=80 $CB sources --max-error 1 >$DIR/page
$CB sync --wait --timeout 2 --json >$DIR/wait; echo $? >$DIR/wait.code
";
    if inside(&net, script).is_none() {
        return;
    }
    drop(liar);
    let screen = file(&net, "chronyc");
    assert_eq!(screen.matches("^x").count(), 2, "{screen}");
    assert!(text_of(&json(&net, "before")).contains("follows 10.77.0.12"));
    let (status, sources, wait) = (
        json(&net, "status"),
        json(&net, "sources"),
        json(&net, "wait"),
    );
    for (name, report) in [("status", &status), ("sources", &sources), ("wait", &wait)] {
        assert_eq!(file(&net, &format!("{name}.code")), "1\n", "{report}");
        let text = text_of(report);
        for words in [
            "follows none of its 2 sources",
            "they contradict each other",
            "run on alone",
        ] {
            assert!(text.contains(words), "{name}: {text}");
        }
    }
    assert_eq!(status["verdict"], "not_kept", "{status}");
    assert_eq!(sources["synchronised"], false);
    assert!(sources["daemons"][0]["follows"].is_null(), "{sources}");
    for row in sources["sources"].as_array().unwrap() {
        let text = text_of(row);
        assert!(
            text.contains("contradict each other") && text.contains("two cannot tell which"),
            "{text}"
        );
        assert!(!text.contains("majority"), "{text}");
        assert_eq!(row["next"], "clockbox sources set --add HOST...");
        // The page of status has it too.
        let told = format!("{}: {text}", row["address"].as_str().unwrap());
        let findings = status["findings"].as_array().unwrap();
        assert!(findings.iter().any(|f| f["text"] == told), "{status}");
    }
    let of_liar = sources["sources"].as_array().unwrap().iter();
    let mut of_liar = of_liar.filter(|row| row["address"] == "10.77.0.11");
    assert!(text_of(of_liar.next().unwrap()).contains("500 ms behind"));
    let page = file(&net, "page").replace('\n', " ");
    assert!(
        page.contains("The limit of 1.00 s (--max-error) is missed"),
        "{page}"
    );
}

/// Where nothing is followed, status says of each source what `sources` says: cause and command.
#[test]
fn status_tells_what_keeps_the_sources_from_being_followed() {
    let Some(net) = Net::new() else { return };
    let script = "
printf 'server 10.77.0.10 iburst\\nserver ntp.nowhere.invalid iburst\\n' >/etc/chrony/chrony.conf; daemon; sleep 12
$CB status --json >$DIR/status; $CB sources --json >$DIR/sources; true
";
    if inside(&net, script).is_none() {
        return;
    }
    let (status, sources) = (json(&net, "status"), json(&net, "sources"));
    let rows = sources["sources"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{sources}");
    let findings = status["findings"].as_array().unwrap();
    for row in rows {
        let title = row["name"].as_str().unwrap();
        let finding = findings
            .iter()
            .find(|f| text_of(f).starts_with(&format!("{title}: ")));
        let finding = finding.unwrap_or_else(|| panic!("{title}: {status}"));
        assert_eq!(finding["next"], row["next"], "{title}");
        assert!(text_of(finding).ends_with(text_of(row)), "{finding}");
    }
}

/// ntpd keeps its leap indicator, its reference and its stratum when the last peer is gone: `peer=0`
/// and no mark before any line are all that ntpq shows of it.
#[test]
fn an_ntpsec_that_has_lost_its_last_peer_is_not_right() {
    let Some(mut net) = Net::new() else { return };
    let Some(ntpd) = peer("ntpsec", "usr/sbin/ntpd") else {
        return;
    };
    for address in ["10.77.0.10", "10.77.0.11"] {
        if net.chronyd(address, "").is_none() {
            return;
        }
    }
    let script = format!(
        "
printf 'server 10.77.0.10 iburst minpoll 0 maxpoll 0\\nserver 10.77.0.11 iburst minpoll 0 maxpoll 0\\nrestrict default noquery\\nrestrict 127.0.0.1\\ninterface ignore wildcard\\ninterface listen 127.0.0.1\\ninterface listen 10.77.0.15\\n' >/etc/ntp.conf
{} -n -c /etc/ntp.conf >$DIR/ntpd.log 2>&1 &
for i in $(seq 60); do $CB sources --json >$DIR/before; grep -q '\"synchronised\":true,\"follows' $DIR/before && break; sleep 1; done
for a in 10 11; do ip addr del 10.77.0.$a/32 dev lo; done
for i in $(seq 60); do [ $($CB sources --json | grep -o '\"unreachable\"' | wc -l) = 2 ] && break; sleep 1; done
$CB status --json >$DIR/status; echo $? >$DIR/status.code
$CB sources --json --max-error 1 >$DIR/sources; echo $? >$DIR/sources.code
$CB sync --wait --timeout 2 --json >$DIR/wait; echo $? >$DIR/wait.code
COLUMNS=80 $CB sources >$DIR/page
",
        ntpd.display()
    );
    if inside(&net, &script).is_none() {
        return;
    }
    let before = json(&net, "before");
    assert!(text_of(&before).contains("follows 10.77.0.1"), "{before}");
    // Its own interval, which NTPsec may have under 8 s.
    assert_eq!(before["sources"][0]["poll_interval_s"], 1.0, "{before}");
    let reports = ["status", "sources", "wait"].map(|name| (name, json(&net, name)));
    for (name, report) in &reports {
        assert_eq!(file(&net, &format!("{name}.code")), "1\n", "{report}");
        let text = text_of(report);
        for words in [
            "follows none of its 2 sources",
            "none of them answers",
            "run on alone",
        ] {
            assert!(text.contains(words), "{name}: {text}");
        }
    }
    let [(_, status), (_, sources), _] = &reports;
    assert_eq!(status["verdict"], "not_kept", "{status}");
    let daemon = &sources["daemons"][0];
    assert!(daemon["follows"].is_null(), "{sources}");
    // What it says of itself goes on as if nothing had happened.
    assert_eq!(
        (&daemon["leap"], &daemon["stratum"]),
        (&"none".into(), &2.into())
    );
    for row in sources["sources"].as_array().unwrap() {
        assert_eq!(row["state"], "unreachable", "{row}");
        assert!(
            row["offset_s"].is_null() && row["delay_s"].is_null(),
            "{row}"
        );
        let told = format!("{}: {}", row["address"].as_str().unwrap(), text_of(row));
        let findings = status["findings"].as_array().unwrap();
        let finding = findings.iter().find(|f| f["text"] == told);
        assert_eq!(finding.unwrap()["next"], row["next"], "{status}");
    }
}
