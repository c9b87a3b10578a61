//! Who is answered, and where.

use super::*;

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
fn a_rule_about_an_own_source_that_cannot_be_looked_up_is_no_loss() {
    let with = |name: &str| {
        let text = format!(
            "restrict default ignore\nrestrict 10.0.0.0 mask 255.0.0.0\nrestrict {name} nomodify\nserver own.example\n"
        );
        verdicts(&classic(&text))
    };
    assert_eq!(with("own.example"), "ccck");
    assert_eq!(with("client.example"), "ccc!k");
}

#[test]
fn a_rule_that_is_taken_back_stays() {
    let text =
        "restrict 10.0.0.0 mask 255.0.0.0 ignore\ndelrestrict 10.0.0.0 mask 255.0.0.0\nserver a\n";
    assert_eq!(verdicts(&classic(text)), "cdk");
    let text = format!("restrict 192.168.0.0 mask 255.255.0.0\n{text}");
    let done = classic(&text);
    assert_eq!(verdicts(&done), "ccd!k");
    assert!(lines(&done).contains(&"deny 10.0.0.0/8".to_owned()));
}

#[test]
fn what_a_rule_loses_is_said_beside_it() {
    let done = classic(
        "# with keys\nrestrict 10.0.0.0 mask 255.0.0.0 notrust\nrestrict 172.16.0.0 mask 255.240.0.0\nserver a\n",
    );
    let section = "\n# with keys\n# was: restrict 10.0.0.0 mask 255.0.0.0 notrust\n# lost: chrony cannot ask clients for a key: they are refused\n# was: restrict 172.16.0.0";
    assert!(done.conf.contains(section), "{}", done.conf);
    assert!(!done.conf.contains("not converted"));
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
