//! What firewalld and ufw say of UDP 123 in their own files, beside the rules that they made.

use super::filters::Filters;
use crate::conf::firewall::Owner;
use crate::conf::firewall::firewalld;
use crate::conf::firewall::ufw;
use crate::report::check_port::Manager;
use crate::sys::files;
use std::path::Path;

/// What firewalld and ufw say in their own files.
pub(super) fn managers(found: &Filters, running: &dyn Fn(&str) -> bool) -> Vec<Manager> {
    let mut out = Vec::new();
    out.extend(firewalld_manager(found, running));
    out.extend(ufw_manager(found));
    out
}

fn text(path: &str) -> Option<String> {
    files::read_text(Path::new(path), files::CONFIG_LIMIT).ok()
}

fn firewalld_manager(found: &Filters, running: &dyn Fn(&str) -> bool) -> Option<Manager> {
    let conf = text("/etc/firewalld/firewalld.conf");
    if conf.is_none() && !files::exists(Path::new("/usr/lib/firewalld/zones")) {
        return None;
    }
    let in_rules = found.rulesets.iter().any(|set| {
        matches!(set.owner, Owner::Firewalld(_)) || set.chains.contains_key("INPUT_ZONES")
    });
    let active = in_rules || running("firewalld");
    let default = conf
        .as_deref()
        .and_then(firewalld::default_zone)
        .unwrap_or_else(|| "public".to_owned());
    let mut zones = vec![default.clone()];
    let own = files::list(Path::new("/etc/firewalld/zones")).unwrap_or_default();
    zones.extend(
        own.iter()
            .filter_map(|file| Some(file.strip_suffix(".xml")?.to_owned())),
    );
    zones.dedup();
    let mut says = Vec::new();
    if !active {
        says.push("installed, but it does not run".to_owned());
    }
    for zone in zones {
        let paths = [
            format!("/etc/firewalld/zones/{zone}.xml"),
            format!("/usr/lib/firewalld/zones/{zone}.xml"),
        ];
        let Some(xml) = paths.iter().find_map(|path| text(path)) else {
            if zone == default {
                says.push(format!(
                    "the default zone is {zone}; its file cannot be read"
                ));
            }
            continue;
        };
        let facts = firewalld::zone(&xml, 123, "ntp");
        if zone != default && facts.interfaces.is_empty() && facts.sources.is_empty() {
            continue;
        }
        says.push(zone_sentence(&zone, zone == default, &facts));
    }
    Some(Manager {
        name: "firewalld".to_owned(),
        active: Some(active),
        says,
    })
}

fn zone_sentence(zone: &str, default: bool, facts: &firewalld::Zone) -> String {
    let which = if default {
        "the default zone"
    } else {
        "the zone"
    };
    let mut sentence = match (facts.target.as_str(), facts.opens.is_empty()) {
        ("ACCEPT", _) => format!("{which} {zone} lets everything in (target ACCEPT)"),
        (_, false) => format!("{which} {zone} lets NTP in ({})", facts.opens.join(", ")),
        ("DROP", true) => format!("{which} {zone} drops what it does not name, NTP among it"),
        (_, true) => format!("{which} {zone} rejects what it does not name, NTP among it"),
    };
    if facts.rich_rules > 0 {
        sentence.push_str(&format!(
            "; {} rich rules name it for some",
            facts.rich_rules
        ));
    }
    sentence.push_str(" (in its permanent files)");
    sentence
}

fn ufw_manager(found: &Filters) -> Option<Manager> {
    let conf = text("/etc/ufw/ufw.conf")?;
    let enabled = ufw::enabled(&conf);
    let in_rules = found
        .rulesets
        .iter()
        .any(|set| set.chains.contains_key("ufw-user-input"));
    let known = found.filters.iter().any(|f| f.read);
    let mut says = Vec::new();
    if !enabled {
        says.push("installed, but off (ENABLED=no in /etc/ufw/ufw.conf)".to_owned());
    } else if known && !in_rules {
        says.push("on in /etc/ufw/ufw.conf, but its rules are not in the kernel".to_owned());
    }
    if enabled {
        let (input, output) = text("/etc/default/ufw")
            .as_deref()
            .map(ufw::policies)
            .unwrap_or_default();
        if let (Some(input), Some(output)) = (input, output) {
            says.push(format!(
                "by default incoming: {}, outgoing: {}",
                input.to_lowercase(),
                output.to_lowercase()
            ));
        }
        let files = ["/etc/ufw/user.rules", "/etc/ufw/user6.rules"];
        let rules: Vec<String> = files.iter().filter_map(|path| text(path)).collect();
        let mut tuples: Vec<String> = rules
            .iter()
            .flat_map(|r| ufw::tuples(r, 123))
            .map(|t| t.words())
            .collect();
        tuples.dedup();
        says.push(match (rules.is_empty(), tuples.is_empty()) {
            (true, _) => "its rules are for root alone to read".to_owned(),
            (false, true) => "no rule of its own names UDP 123".to_owned(),
            (false, false) => format!("rules that name UDP 123: {}", tuples.join("; ")),
        });
    }
    Some(Manager {
        name: "ufw".to_owned(),
        active: Some(enabled && (in_rules || !known)),
        says,
    })
}
