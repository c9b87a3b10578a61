//! The command that lets NTP through where a packet filter blocks it, in the words of whoever writes
//! the rules.

use crate::report::check_port::Family;
use crate::report::check_port::Passage;
use crate::report::check_port::Path as Way;
use std::net::IpAddr;

/// The command, and what to add to the sentence about it: whether it stays.
pub(super) fn opening(passage: &Passage, client: Option<IpAddr>) -> (String, &'static str) {
    let stay = match passage.owner.as_deref() {
        Some("firewalld" | "ufw") => "",
        Some("nftables") => {
            ". The rule below lasts until the next boot: /etc/nftables.conf keeps it"
        }
        _ => {
            ". The rule below lasts until the next boot: netfilter-persistent or iptables-services keeps it"
        }
    };
    (command(passage, client), stay)
}

/// The same for what goes to one server, or comes from it.
pub(super) fn toward(passage: &Passage, server: IpAddr) -> (String, &'static str) {
    let out = passage.path == Way::RequestsOut;
    let (_, stay) = opening(passage, None);
    let command = match passage.owner.as_deref() {
        Some("firewalld") if out => {
            let family = if server.is_ipv6() { "ipv6" } else { "ipv4" };
            format!(
                "firewall-cmd --permanent --direct --add-rule {family} filter OUTPUT 0 -p udp -d {server} --dport 123 -j ACCEPT && firewall-cmd --reload"
            )
        }
        Some("ufw") if out => {
            format!("ufw insert 1 allow out proto udp to {server} port 123")
        }
        _ if out => command_for(passage, Some(server)),
        _ => command(passage, None),
    };
    (command, stay)
}

fn command(passage: &Passage, client: Option<IpAddr>) -> String {
    let serving = matches!(passage.path, Way::RequestsIn | Way::AnswersOut);
    command_for(passage, client.filter(|_| serving))
}

/// The command for one other side, or for all.
fn command_for(passage: &Passage, client: Option<IpAddr>) -> String {
    let place = passage.place.as_deref().unwrap_or_default();
    let words: Vec<&str> = place.split(' ').collect();
    let chain = words.last().copied().unwrap_or("INPUT");
    match passage.owner.as_deref() {
        Some("firewalld") => firewalld(passage.path, chain),
        Some("ufw") => ufw(passage, client),
        Some("nftables") => nftables(passage, place, client),
        _ => iptables(passage, &words, chain, client),
    }
}

fn firewalld(way: Way, chain: &str) -> String {
    if way != Way::RequestsIn {
        return "firewall-cmd --list-all-policies".to_owned();
    }
    let zone = ["filter_IN_", "IN_"]
        .iter()
        .find_map(|prefix| chain.strip_prefix(prefix))
        .map(|zone| zone.trim_end_matches("_allow").trim_end_matches("_deny"));
    let zone = zone.map(|z| format!(" --zone={z}")).unwrap_or_default();
    format!("firewall-cmd --permanent{zone} --add-service=ntp && firewall-cmd --reload")
}

fn ufw(passage: &Passage, client: Option<IpAddr>) -> String {
    // Against a policy any rule does; against another rule it must come before.
    let policy = passage
        .rule
        .as_deref()
        .is_some_and(|rule| rule.starts_with("policy "));
    let insert = if policy { "" } else { "insert 1 " };
    match (passage.path, client) {
        (Way::RequestsIn, Some(client)) => {
            format!("ufw {insert}allow proto udp from {client} to any port 123")
        }
        (Way::RequestsIn, None) => format!("ufw {insert}allow 123/udp"),
        (Way::RequestsOut, _) => format!("ufw {insert}allow out 123/udp"),
        // Replies pass by the first rules of /etc/ufw/before.rules, unless somebody changed those.
        _ => "ufw show raw".to_owned(),
    }
}

fn nftables(passage: &Passage, place: &str, client: Option<IpAddr>) -> String {
    let side = if passage.path == Way::RequestsIn {
        "saddr"
    } else {
        "daddr"
    };
    let family = if passage.family == Family::Ipv6 {
        "ip6"
    } else {
        "ip"
    };
    let of_client = client
        .map(|c| format!("{family} {side} {c} "))
        .unwrap_or_default();
    let rule = match passage.path {
        Way::RequestsIn | Way::RequestsOut => "udp dport 123",
        Way::AnswersOut => "udp sport 123",
        Way::AnswersIn => "ct state established",
    };
    format!("nft insert rule {place} {of_client}{rule} accept")
}

fn iptables(passage: &Passage, words: &[&str], chain: &str, client: Option<IpAddr>) -> String {
    let tool = if passage.family == Family::Ipv6 {
        "ip6tables"
    } else {
        "iptables"
    };
    let legacy = words.first().is_some_and(|name| name.ends_with("-legacy"));
    let end = if legacy { "-legacy" } else { "" };
    let table = match words.get(1) {
        None | Some(&"filter") => String::new(),
        Some(table) => format!("-t {table} "),
    };
    let side = if passage.path == Way::RequestsIn {
        "-s"
    } else {
        "-d"
    };
    let of_client = client.map(|c| format!("{side} {c} ")).unwrap_or_default();
    let rule = match passage.path {
        Way::RequestsIn | Way::RequestsOut => "-p udp --dport 123",
        Way::AnswersOut => "-p udp --sport 123",
        Way::AnswersIn => "-m conntrack --ctstate ESTABLISHED",
    };
    format!("{tool}{end} {table}-I {chain} {of_client}{rule} -j ACCEPT")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::check_port::Outcome;

    fn blocked(path: Way, owner: &str, place: &str, rule: &str) -> Passage {
        Passage {
            path,
            family: Family::Ipv4,
            interface: None,
            addresses: Vec::new(),
            outcome: Outcome::Blocked,
            rule: Some(rule.to_owned()),
            place: Some(place.to_owned()),
            owner: Some(owner.to_owned()),
            conditions: Vec::new(),
        }
    }

    #[test]
    fn the_way_to_one_server_is_opened_for_it_alone() {
        let server = "169.254.169.254".parse().unwrap();
        let reject = "-A InstanceServices -d 169.254.0.0/16 -p udp -j REJECT";
        for (owner, place, expected) in [
            (
                "iptables",
                "iptables-nft filter InstanceServices",
                "iptables -I InstanceServices -d 169.254.169.254 -p udp --dport 123 -j ACCEPT",
            ),
            (
                "nftables",
                "inet filter output",
                "nft insert rule inet filter output ip daddr 169.254.169.254 udp dport 123 accept",
            ),
            (
                "firewalld",
                "iptables filter OUTPUT",
                "firewall-cmd --permanent --direct --add-rule ipv4 filter OUTPUT 0 -p udp -d 169.254.169.254 --dport 123 -j ACCEPT && firewall-cmd --reload",
            ),
            (
                "ufw",
                "iptables filter ufw-user-output",
                "ufw insert 1 allow out proto udp to 169.254.169.254 port 123",
            ),
        ] {
            let passage = blocked(Way::RequestsOut, owner, place, reject);
            assert_eq!(toward(&passage, server).0, expected);
        }
    }

    #[test]
    fn each_manager_gets_its_own_command() {
        let client = Some("192.0.2.7".parse().unwrap());
        let drop = "policy drop";
        for (passage, client, expected) in [
            (
                blocked(
                    Way::RequestsIn,
                    "firewalld",
                    "inet firewalld filter_IN_public",
                    drop,
                ),
                None,
                "firewall-cmd --permanent --zone=public --add-service=ntp && firewall-cmd --reload",
            ),
            (
                blocked(Way::RequestsIn, "ufw", "iptables filter INPUT", drop),
                None,
                "ufw allow 123/udp",
            ),
            (
                blocked(
                    Way::RequestsOut,
                    "ufw",
                    "iptables filter ufw-user-output",
                    "-A x -j DROP",
                ),
                client,
                "ufw insert 1 allow out 123/udp",
            ),
            (
                blocked(Way::RequestsIn, "nftables", "inet filter input", drop),
                client,
                "nft insert rule inet filter input ip saddr 192.0.2.7 udp dport 123 accept",
            ),
            (
                blocked(Way::AnswersIn, "nftables", "inet filter input", drop),
                client,
                "nft insert rule inet filter input ct state established accept",
            ),
            (
                blocked(
                    Way::RequestsIn,
                    "iptables",
                    "iptables-legacy filter INPUT",
                    drop,
                ),
                client,
                "iptables-legacy -I INPUT -s 192.0.2.7 -p udp --dport 123 -j ACCEPT",
            ),
            (
                blocked(
                    Way::RequestsOut,
                    "iptables",
                    "iptables-nft mangle OUTPUT",
                    drop,
                ),
                None,
                "iptables -t mangle -I OUTPUT -p udp --dport 123 -j ACCEPT",
            ),
        ] {
            assert_eq!(opening(&passage, client).0, expected);
        }
    }
}
