//! `sources`, `status` and `sync --dry-run` on a machine with daemons here and elsewhere: which one
//! is meant, what it costs to look.

use crate::net::Net;
use crate::net::skip;
use crate::run::run;
use crate::sources::file;
use crate::sources::inside;
use crate::sources::json;

/// A daemon of another network namespace is not this machine's to ask. An ordinary user cannot see
/// its namespace, but can see that its network is another one.
#[test]
fn a_daemon_in_another_network_is_named_as_such_to_anybody() {
    let Some(mut net) = Net::new() else { return };
    if net.chronyd("10.77.0.10", "").is_none() {
        return;
    }
    let script = "
mkdir -p /etc/clockbox; printf 'server 10.77.0.12\\nbindcmdaddress /run/elsewhere.sock\\n' >/etc/clockbox/clockbox.conf
unshare --net sh -c 'ip link set lo up; exec $CB sync --daemon -x --config /etc/clockbox/clockbox.conf' >$DIR/elsewhere.log 2>&1 &
printf 'server 10.77.0.10 iburst\\n' >/etc/chrony/chrony.conf; daemon; sleep 7
$CB sources --json >$DIR/root
setpriv --reuid 65534 --clear-groups $CB sources --json >$DIR/nobody
setpriv --reuid 65534 --clear-groups $CB sources >$DIR/page
";
    if inside(&net, script).is_none() {
        return;
    }
    for who in ["root", "nobody"] {
        let report = json(&net, who);
        let daemons = report["daemons"].as_array().unwrap();
        let elsewhere = |name: &str| {
            let row = daemons.iter().find(|row| row["name"] == name);
            row.unwrap_or_else(|| panic!("{name}: {report}"))["container"].clone()
        };
        assert_eq!(elsewhere("clockbox"), true, "{who}: {report}");
        assert_eq!(elsewhere("chronyd"), false, "{who}: {report}");
        let rows = report["sources"].as_array().unwrap();
        assert_eq!(rows.len(), 1, "{who}: {report}");
        assert_eq!(rows[0]["daemon"], "chronyd", "{who}: {report}");
    }
    assert!(
        file(&net, "page").contains("another network"),
        "{}",
        file(&net, "page")
    );
}

/// The servers of the configuration that the running daemon was started with, not those of one that
/// lies about.
#[test]
fn sync_asks_the_servers_of_the_daemon_that_runs() {
    let Some(mut net) = Net::new() else { return };
    for address in ["10.77.0.10", "10.77.0.11"] {
        if net.chronyd(address, "").is_none() {
            return;
        }
    }
    let script = "
printf 'server 10.77.0.11 iburst\\n' >/etc/chrony/chrony.conf
printf 'server 10.77.0.10 iburst\\n' >/etc/chrony/its-own.conf
$CB sync --dry-run --json >$DIR/before
$CHRONYD -x -d -U -u root -f /etc/chrony/its-own.conf >>$DIR/daemon.log 2>&1 & sleep 2
$CB sync --dry-run --json >$DIR/beside
";
    if inside(&net, script).is_none() {
        return;
    }
    for (name, path, server) in [
        ("before", "/etc/chrony/chrony.conf", "10.77.0.11"),
        ("beside", "/etc/chrony/its-own.conf", "10.77.0.10"),
    ] {
        let report = json(&net, name);
        assert_eq!(report["origin"]["path"], path, "{report}");
        assert_eq!(report["sources"][0]["name"], server, "{report}");
    }
}

/// A placeholder in the file: one sentence of one finding, with the place and what to type, whether
/// chronyd runs (and looks it up as a name) or not.
#[test]
fn a_placeholder_in_the_configuration_is_one_finding_with_its_place() {
    let Some(mut net) = Net::new() else { return };
    if net.chronyd("10.77.0.10", "").is_none() {
        return;
    }
    let script = "
printf 'server 10.77.0.10 iburst\nserver 53.45.6.700 iburst\n' >/etc/chrony/chrony.conf
$CB status --json >$DIR/before
daemon; sleep 2
$CB status --json >$DIR/runs
true
";
    if inside(&net, script).is_none() {
        return;
    }
    let flaw = "\"700\" is not an octet of an IPv4 address; an octet goes from 0 to 255";
    for (when, place) in [("before", "2:16"), ("runs", "2")] {
        let report = json(&net, when);
        let findings = report["findings"].as_array().unwrap();
        let begins = format!("/etc/chrony/chrony.conf:{place}: {flaw}");
        let about = |words: &str| {
            let found = findings
                .iter()
                .filter(|f| f["text"].as_str().unwrap().contains(words));
            found.collect::<Vec<_>>()
        };
        let told = about("700\"");
        assert_eq!(told.len(), 1, "{when}: {report}");
        assert!(
            told[0]["text"].as_str().unwrap().starts_with(&begins),
            "{when}: {report}"
        );
        assert_eq!(told[0]["next"], "sudoedit /etc/chrony/chrony.conf");
        assert!(about("does not name").is_empty(), "{when}: {report}");
        assert!(about("^").is_empty(), "{when}: {report}");
    }
}

/// Three system calls a process, and a constant number beside: the look must stay cheap on a machine
/// with thousands of processes.
#[test]
fn looking_costs_three_system_calls_a_process() {
    let Some(mut net) = Net::new() else { return };
    if net.chronyd("10.77.0.10", "").is_none() {
        return;
    }
    let script = "
command -v strace >/dev/null || exit 0; unset LD_LIBRARY_PATH
printf 'server 10.77.0.10 iburst\\n' >/etc/chrony/chrony.conf; daemon; sleep 7
strace -f -qq -o $DIR/few $CB sources >/dev/null
for i in $(seq 200); do sleep 60 & done
strace -f -qq -o $DIR/many $CB sources >/dev/null
";
    if inside(&net, script).is_none() {
        return;
    }
    if !net.path("many").exists() {
        return skip("no strace: system calls were not counted");
    }
    let calls = |name: &str| file(&net, name).lines().count();
    let (few, many) = (calls("few"), calls("many"));
    // A build with debug assertions looks at every descriptor before it closes it.
    let each = if cfg!(debug_assertions) { 4 } else { 3 };
    // Waiting for a busy daemon costs some more, in either run; a call a process more would be 200.
    let more = many.saturating_sub(few);
    assert!(more.abs_diff(200 * each) < 60, "{few} {many}");
    assert!(few < each * 100 + 60, "{few}");
}

#[test]
fn usage_is_checked_before_anything_is_done() {
    for (args, words) in [
        (&["sources", "--max-error", "abc"][..], "100ms"),
        (&["sources", "--watch=0.01"], "0.2"),
        (
            &["sources", "--prometheus", "--json"],
            "cannot be used with",
        ),
        (&["sources", "set"], "required"),
        (&["sources", "set", "53.45.6.700"], "700"),
        (
            &["sources", "set", "a", "--add", "--replace"],
            "cannot be used with",
        ),
        (&["sources", "sets"], "tip:"),
        // An option of the table before another verb; what holds for all may stand anywhere.
        (&["sources", "--host", "a", "set", "b"], "--host before set"),
        (&["sources", "--json", "set"], "required"),
        (&["sources", "--host", "a:b"], "is no port"),
    ] {
        let ran = run(args);
        assert_eq!(ran.status, 64, "{args:?} {ran:?}");
        assert!(ran.stderr.contains(words), "{args:?} {ran:?}");
    }
    let ran = run(&["status", "--root", "/no/such/directory", "--json"]);
    assert_eq!(ran.status, 66);
    ran.json();
}

#[test]
fn status_of_an_image_names_what_is_enabled_and_what_conflicts() {
    let image = tempfile::tempdir().unwrap();
    let root = image.path();
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    let units = root.join("usr/lib/systemd/system");
    std::fs::create_dir_all(&wants).unwrap();
    std::fs::create_dir_all(&units).unwrap();
    let path = root.to_str().unwrap();
    let none = run(&["status", "--root", path, "--json"]);
    assert_eq!(none.json()["verdict"], "not_kept");
    // It follows a PTP clock that another program keeps, and its unit has no instance yet.
    std::fs::write(units.join("phc2sys@.service"), "[Unit]\n").unwrap();
    let ptp = run(&["status", "--root", path, "--json"]).json();
    assert!(
        !ptp["findings"].to_string().contains("enable phc2sys"),
        "{ptp}"
    );
    for name in ["chronyd", "ntpd"] {
        let unit = format!("{name}.service");
        std::fs::write(units.join(&unit), "[Unit]\nConflicts=ntpd.service\n").unwrap();
        let target = format!("/usr/lib/systemd/system/{unit}");
        std::os::unix::fs::symlink(target, wants.join(&unit)).unwrap();
        let ran = run(&["status", "--root", path, "--json"]);
        let report = ran.json();
        if name == "chronyd" {
            assert_eq!((ran.status, &report["verdict"]), (0, &"right".into()));
        } else {
            assert_eq!((ran.status, &report["verdict"]), (1, &"not_right".into()));
            assert!(
                report["findings"][0]["text"]
                    .as_str()
                    .unwrap()
                    .contains("chronyd and ntpd"),
                "{report}"
            );
        }
    }
}

/// The text format of Prometheus, by its rules: HELP and TYPE once before the samples of a family,
/// which stand together; every series once; names and labels well formed; a number at the end.
pub(crate) fn check_prometheus(text: &str) {
    let (mut family, mut families, mut series) = (String::new(), Vec::new(), Vec::new());
    assert!(text.ends_with('\n'), "{text}");
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(!words.is_empty() && name.starts_with("clockbox_"), "{line}");
            let of = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(name.chars().all(of), "{line}");
            assert_eq!(lines.next(), Some(format!("# TYPE {name} gauge").as_str()));
            assert!(!families.contains(&name), "{name} twice");
            families.push(name);
            name.clone_into(&mut family);
            continue;
        }
        let (named, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
        let (name, labels) = named.split_once('{').unwrap();
        assert_eq!(name, family, "{line}");
        assert!(!series.contains(&named), "{named} twice");
        series.push(named);
        let mut rest = labels.strip_suffix('}').unwrap();
        while !rest.is_empty() {
            let (label, after) = rest.split_once("=\"").unwrap();
            assert!(label.chars().all(|c| c.is_ascii_lowercase()), "{line}");
            let mut escaped = false;
            let end = after.find(|c: char| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            rest = &after[end.unwrap() + 1..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
    }
    assert!(
        families.len() > 5 && series.len() >= families.len(),
        "{text}"
    );
}
