//! firewalld's own words: the default zone of firewalld.conf, what the XML of a zone
//! (firewalld.zone(5)) or service says of UDP 123, and what `firewall-cmd --list-all-zones` says of
//! the zones as they are now. Files and run time may differ; what is in force in the end stands in
//! the rules that firewalld made of it.

/// What a zone says of a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// `default`, `ACCEPT`, `DROP`, `%%REJECT%%`.
    pub target: String,
    /// The elements that open the port: `service "ntp"`, `port 123/udp`.
    pub opens: Vec<String>,
    /// Rich rules that name it; they open or close it for some.
    pub rich_rules: usize,
    /// Interfaces that the zone is for.
    pub interfaces: Vec<String>,
    /// Sources that the zone is for.
    pub sources: Vec<String>,
}

/// The zone of interfaces that no zone names.
#[must_use]
pub fn default_zone(conf: &str) -> Option<String> {
    let value = |line: &str| {
        Some(
            line.trim()
                .strip_prefix("DefaultZone")?
                .trim()
                .strip_prefix('=')?
                .trim()
                .to_owned(),
        )
    };
    conf.lines()
        .rev()
        .find_map(value)
        .filter(|zone| !zone.is_empty())
}

/// What the zone's XML says of this UDP port; `opens` tells whether firewalld's service of a name is
/// for it.
#[must_use]
pub fn zone(xml: &str, port: u16, opens: &dyn Fn(&str) -> bool) -> Zone {
    let mut zone = Zone {
        target: "default".to_owned(),
        ..Zone::default()
    };
    let (mut in_rule, mut rule_names_it) = (false, false);
    for tag in tags(xml) {
        let attribute = |name: &str| attribute(&tag, name);
        let opened = match name(&tag) {
            "zone" => {
                if let Some(target) = attribute("target") {
                    zone.target = target;
                }
                None
            }
            "interface" => {
                zone.interfaces.extend(attribute("name"));
                None
            }
            "source" if !in_rule => {
                zone.sources.extend(attribute("address"));
                None
            }
            "rule" => {
                in_rule = true;
                rule_names_it = false;
                None
            }
            "/rule" => {
                zone.rich_rules += usize::from(rule_names_it);
                in_rule = false;
                None
            }
            "service" => attribute("name")
                .filter(|name| opens(name))
                .map(|name| service_word(&name)),
            "port" => attribute("port")
                .filter(|ports| {
                    attribute("protocol").as_deref() == Some("udp") && holds(ports, port)
                })
                .map(|ports| port_word(&ports)),
            "protocol" if attribute("value").as_deref() == Some("udp") => Some(UDP.to_owned()),
            _ => None,
        };
        match opened {
            Some(_) if in_rule => rule_names_it = true,
            Some(what) => zone.opens.push(what),
            None => {}
        }
    }
    zone
}

/// Whether the XML of a service (firewalld.service(5)) has this UDP port.
#[must_use]
pub fn service_opens(xml: &str, port: u16) -> bool {
    tags(xml).iter().any(|tag| {
        name(tag) == "port"
            && attribute(tag, "protocol").as_deref() == Some("udp")
            && attribute(tag, "port").is_some_and(|ports| holds(&ports, port))
    })
}

/// The zones of `firewall-cmd --list-all-zones`, with what each says of this UDP port.
#[must_use]
pub fn listing(text: &str, port: u16, opens: &dyn Fn(&str) -> bool) -> Vec<(String, Zone)> {
    let mut zones: Vec<(String, Zone)> = Vec::new();
    let mut in_rules = false;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if !line.starts_with([' ', '\t']) {
            // `public (active)`, in newer releases `public (default, active)`.
            let name = line.split_whitespace().next().unwrap_or_default();
            zones.push((name.to_owned(), Zone::default()));
            in_rules = false;
            continue;
        }
        let Some((_, zone)) = zones.last_mut() else {
            continue;
        };
        let line = line.trim();
        if in_rules && line.starts_with("rule ") {
            zone.rich_rules += usize::from(rule_names(line, port, opens));
            continue;
        }
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        in_rules = key == "rich rules";
        let words = value.split_whitespace();
        match key {
            "target" => value.trim().clone_into(&mut zone.target),
            "interfaces" => zone.interfaces = words.map(str::to_owned).collect(),
            "sources" => zone.sources = words.map(str::to_owned).collect(),
            "services" => zone
                .opens
                .extend(words.filter(|s| opens(s)).map(service_word)),
            "ports" => zone.opens.extend(
                words
                    .filter_map(|word| word.strip_suffix("/udp"))
                    .filter(|ports| holds(ports, port))
                    .map(port_word),
            ),
            "protocols" => zone
                .opens
                .extend(words.filter(|p| *p == "udp").map(|_| UDP.to_owned())),
            _ => {}
        }
    }
    zones
}

/// Whether a rich rule, as firewall-cmd shows it, names the port.
fn rule_names(rule: &str, port: u16, opens: &dyn Fn(&str) -> bool) -> bool {
    let mut elements = rule.split(' ').filter(|word| !word.contains('='));
    let of = |name: &str| attribute(rule, name);
    elements.any(|element| match element {
        "service" => after(rule, "service").is_some_and(|name| opens(&name)),
        "port" => {
            of("protocol").as_deref() == Some("udp")
                && of("port").is_some_and(|ports| holds(&ports, port))
        }
        "protocol" => of("value").as_deref() == Some("udp"),
        _ => false,
    })
}

/// The name of an element of a rich rule: `service name="ntp"`.
fn after(rule: &str, element: &str) -> Option<String> {
    attribute(rule.split_once(&format!(" {element} "))?.1, "name")
}

fn service_word(name: &str) -> String {
    format!("service {name}")
}

fn port_word(ports: &str) -> String {
    format!("port {ports}/udp")
}

const UDP: &str = "protocol udp";

fn holds(ports: &str, port: u16) -> bool {
    let (low, high) = ports.split_once('-').unwrap_or((ports, ports));
    match (low.trim().parse::<u16>(), high.trim().parse::<u16>()) {
        (Ok(low), Ok(high)) => (low..=high).contains(&port),
        _ => false,
    }
}

/// What stands between `<` and `>`, comments and declarations left out.
fn tags(xml: &str) -> Vec<String> {
    let mut rest = xml;
    let mut found = Vec::new();
    while let Some((_, after)) = rest.split_once('<') {
        if let Some(comment) = after.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let Some((tag, after)) = after.split_once('>') else {
            break;
        };
        if !tag.starts_with(['?', '!']) {
            found.push(tag.trim_end_matches('/').trim().to_owned());
        }
        rest = after;
    }
    found
}

fn name(tag: &str) -> &str {
    tag.split_whitespace().next().unwrap_or_default()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| *c == '"' || *c == '\'')?;
        let (value, next) = after.get(1..)?.split_once(quote)?;
        if before.split_whitespace().last() == Some(name) {
            return Some(value.to_owned());
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ntp(service: &str) -> bool {
        service == "ntp" || service == "clocks"
    }

    const PUBLIC: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<zone>
  <short>Public</short>
  <!-- <service name="ntp"/> -->
  <service name="ssh"/>
  <interface name="eth0"/>
  <port protocol="udp" port="120-130"/>
  <rule family="ipv4">
    <source address="10.0.0.0/8"/>
    <service name="ntp"/>
    <accept/>
  </rule>
</zone>"#;

    #[test]
    fn a_port_range_and_a_rich_rule_are_seen_and_a_comment_is_not() {
        let zone = zone(PUBLIC, 123, &ntp);
        assert_eq!(zone.opens, ["port 120-130/udp"]);
        assert_eq!(
            (zone.rich_rules, zone.interfaces.as_slice()),
            (1, &["eth0".to_owned()][..])
        );
        assert!(zone.sources.is_empty());
        assert_eq!(zone.target, "default");
    }

    #[test]
    fn the_trusted_zone_lets_all_in_by_its_target() {
        let zone = zone(
            "<zone target=\"ACCEPT\"><service name='ntp' /></zone>",
            123,
            &ntp,
        );
        assert_eq!(zone.target, "ACCEPT");
        assert_eq!(zone.opens, ["service ntp"]);
    }

    #[test]
    fn the_default_zone_is_the_last_that_is_set() {
        assert_eq!(
            default_zone("# x\nDefaultZone=public\nCleanupOnExit=yes\n").as_deref(),
            Some("public")
        );
        assert_eq!(default_zone("#DefaultZone=home\n"), None);
    }

    #[test]
    fn broken_xml_says_nothing_and_never_panics() {
        for text in [
            "<",
            "<a",
            "<port port=",
            "<!--",
            "<port port='1",
            "é<é é='é'>",
        ] {
            assert!(zone(text, 123, &ntp).opens.is_empty(), "{text}");
        }
    }

    const LISTING: &str = "\
drop
  target: DROP
  icmp-block-inversion: no
  interfaces: eth9
  sources: 10.9.0.0/16 ipset:far
  services:
  ports:
  protocols:
  rich rules:

public (default, active)
  target: default
  interfaces: eth0 eth1
  sources:
  services: dhcpv6-client ntp ssh
  ports: 80/tcp 100-130/udp 123/tcp
  protocols: udp
  forward-ports:
\tport=80:proto=tcp:toport=8080:toaddr=
  rich rules:
\trule family=\"ipv4\" source address=\"10.0.0.0/8\" service name=\"clocks\" accept
\trule family=\"ipv4\" source address=\"10.0.0.0/8\" port port=\"123\" protocol=\"udp\" drop
\trule family=\"ipv4\" port port=\"123\" protocol=\"tcp\" accept
\trule service name=\"ssh\" accept
";

    #[test]
    fn the_zones_as_they_are_now_are_read_as_firewall_cmd_lists_them() {
        let zones = listing(LISTING, 123, &ntp);
        let names: Vec<&str> = zones.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["drop", "public"]);
        let (drop, public) = (&zones[0].1, &zones[1].1);
        assert_eq!((drop.target.as_str(), drop.opens.len()), ("DROP", 0));
        assert_eq!(drop.sources, ["10.9.0.0/16", "ipset:far"]);
        assert_eq!(drop.interfaces, ["eth9"]);
        assert_eq!(
            public.opens,
            ["service ntp", "port 100-130/udp", "protocol udp"]
        );
        assert_eq!((public.rich_rules, public.interfaces.len()), (2, 2));
        for broken in [
            "",
            "  target: x",
            "a\n b",
            "a\n rich rules:\n rule =",
            "é (\n é: é",
        ] {
            assert!(
                listing(broken, 123, &ntp)
                    .iter()
                    .all(|(_, z)| z.opens.is_empty())
            );
        }
    }

    #[test]
    fn a_service_is_told_by_its_ports() {
        let xml = "<service><port protocol=\"tcp\" port=\"123\"/><port port='120-125' protocol='udp'/></service>";
        assert!(service_opens(xml, 123));
        assert!(!service_opens(xml, 126));
        assert!(!service_opens(
            "<service><port protocol=\"tcp\" port=\"123\"/></service>",
            123
        ));
    }
}
