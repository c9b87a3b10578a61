//! A cloud's own time server that this machine's packet filter keeps away: Oracle's images reject what
//! goes to 169.254.0.0/16 but for what their rules let out.

use crate::net::Net;
use crate::net::skip;
use crate::sources::file;
use crate::sources::inside;
use crate::sources::json;
use serde_json::Value;

/// A machine of Oracle's, whose rules are those of its images, without or with the one for NTP.
const ORACLE: &str = r#"
mount -t tmpfs tmpfs /sys/class; mkdir -p /sys/class/dmi/id
echo OracleCloud.com >/sys/class/dmi/id/chassis_asset_tag
ip addr add 169.254.0.9/16 dev lo
rules() { # TOOL
    $1 -F; $1 -X
    $1 -N InstanceServices
    $1 -A OUTPUT -d 169.254.0.0/16 -j InstanceServices
    $1 -A InstanceServices -d 169.254.169.254/32 -p udp -m udp --dport 53 -j ACCEPT
    $1 -A InstanceServices -d 169.254.0.0/16 -p tcp -j REJECT --reject-with tcp-reset
    $1 -A InstanceServices -d 169.254.0.0/16 -p udp -j REJECT --reject-with icmp-port-unreachable
}
printf 'server 169.254.169.254 iburst\nserver 10.77.0.10 iburst\n' >/etc/chrony/chrony.conf
"#;

fn told(report: &Value) -> Option<(String, String)> {
    let mut all = report["findings"].as_array().unwrap().iter();
    let found = all.find(|finding| {
        let text = finding["text"].as_str().unwrap();
        text.contains("the time server of Oracle Cloud")
    })?;
    let word = |key: &str| found[key].as_str().unwrap().to_owned();
    Some((word("text"), word("next")))
}

#[test]
fn oracles_server_behind_oracles_own_rules_is_told_with_the_rule_that_it_needs() {
    let Some(mut net) = Net::new() else { return };
    if net.chronyd("10.77.0.10", "").is_none() {
        return;
    }
    for tool in ["iptables-nft", "iptables-legacy"] {
        if !net.run(&[tool, "-S"]).status.success() {
            skip(&format!("no {tool}"));
            continue;
        }
        let script = format!(
            r#"rules {tool} || exit 1
$CB check-port --json >$DIR/idle
daemon; sleep 3
$CB check-port --json >$DIR/port; $CB status --json >$DIR/status; COLUMNS=80 $CB status >$DIR/page
sh -c "$($CB status --json | python3 -c 'import json, sys
print([f["next"] for f in json.load(sys.stdin)["findings"] if "Oracle Cloud" in f["text"]][0])')" || exit 1
$CB check-port --json >$DIR/opened; $CB status --json >$DIR/status.opened
rules {tool}; printf 'server 10.77.0.10\n' >/etc/chrony/chrony.conf
$CB check-port --json >$DIR/other
{tool} -F; {tool} -X
"#
        );
        if inside(&net, &format!("{ORACLE}{script}")).is_none() {
            return;
        }
        for report in ["idle", "port", "status"] {
            let report = json(&net, report);
            let (text, next) = told(&report).unwrap_or_else(|| panic!("{tool}: {report}"));
            assert!(
                text.starts_with("/etc/chrony/chrony.conf names 169.254.169.254, the time server of Oracle Cloud, and this machine's packet filter lets no request to it out: ")
                    && text.contains("filter InstanceServices: ")
                    && text.contains("-j REJECT"),
                "{text}"
            );
            let legacy = tool
                .strip_prefix("iptables")
                .filter(|end| *end == "-legacy");
            let tool = format!("iptables{}", legacy.unwrap_or_default());
            assert_eq!(
                next,
                format!(
                    "{tool} -I InstanceServices -d 169.254.169.254 -p udp --dport 123 -j ACCEPT"
                )
            );
        }
        for report in ["opened", "status.opened", "other"] {
            let report = json(&net, report);
            assert_eq!(told(&report), None, "{tool}: {report}");
        }
        let page = file(&net, "page");
        assert!(page.contains("the time server of Oracle"), "{page}");
    }
}
