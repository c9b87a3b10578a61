//! firewalld's own files: the default zone of firewalld.conf, and what a zone's XML
//! (firewalld.zone(5)) says of UDP 123. This is what is configured; what is in force stands in the
//! rules that firewalld made of it.

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

/// What the zone's XML says of this UDP port; `service` is the name of firewalld's service for it.
#[must_use]
pub fn zone(xml: &str, port: u16, service: &str) -> Zone {
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
            "service" if attribute("name").as_deref() == Some(service) => {
                Some(format!("service \"{service}\""))
            }
            "port" => attribute("port")
                .filter(|ports| {
                    attribute("protocol").as_deref() == Some("udp") && holds(ports, port)
                })
                .map(|ports| format!("port {ports}/udp")),
            "protocol" if attribute("value").as_deref() == Some("udp") => {
                Some("protocol udp".to_owned())
            }
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
        let zone = zone(PUBLIC, 123, "ntp");
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
            "ntp",
        );
        assert_eq!(zone.target, "ACCEPT");
        assert_eq!(zone.opens, ["service \"ntp\""]);
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
            assert!(zone(text, 123, "ntp").opens.is_empty(), "{text}");
        }
    }
}
