//! What firewalld and ufw say of UDP 123 in their own words, beside the rules that they made.

use super::filters::Filters;
use crate::conf::firewall::Owner;
use crate::conf::firewall::firewalld;
use crate::conf::firewall::ufw;
use crate::report::check_port::Manager;
use crate::report::check_port::Zone;
use crate::report::check_port::ZoneTerms;
use crate::report::finding::Finding;
use crate::sys::files;
use crate::sys::host;
use crate::sys::process;
use std::path::Path;

/// Seconds that firewall-cmd may take: it is a large script.
const SECONDS: f64 = 15.0;
/// Octets that it may print.
const LIMIT: usize = 4 << 20;

/// What firewalld and ufw say.
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
    let now = if active {
        run_time()
    } else {
        Err(String::new())
    };
    let own = files::list(Path::new("/etc/firewalld/zones")).unwrap_or_default();
    let mut names = vec![default.clone()];
    let of_files = own.iter().filter_map(|file| file.strip_suffix(".xml"));
    let of_now = now.iter().flatten().map(|(name, _)| name.as_str());
    for name in of_files.chain(of_now) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let zones: Vec<Zone> = names
        .iter()
        .filter_map(|name| zone(name, *name == default, now.as_ref().ok()))
        .collect();
    let mut says = Vec::new();
    if !active {
        says.push("installed, but it does not run".to_owned());
    }
    if let Err(why) = now.as_ref()
        && active
    {
        says.push(format!(
            "its zones as they are now could not be read ({why}): what follows is from its permanent files"
        ));
    }
    if !zones.iter().any(|z| z.default) {
        says.push(format!(
            "the default zone is {default}; its file cannot be read"
        ));
    }
    says.extend(zones.iter().map(zone_sentence));
    Some(Manager {
        name: "firewalld".to_owned(),
        active: Some(active),
        says,
        zones,
    })
}

/// The zones as they are now. Only root asks: anybody else might be asked for a password on the
/// screen.
fn run_time() -> Result<Vec<(String, firewalld::Zone)>, String> {
    if !host::is_root() {
        return Err("that is for root".to_owned());
    }
    let said = process::read("firewall-cmd", &["--list-all-zones"], SECONDS, LIMIT)
        .map_err(|e| e.to_string())?;
    if said.status == Some(0) {
        Ok(firewalld::listing(&said.stdout, 123, &opens))
    } else {
        Err(format!("firewall-cmd: {}", said.reason()))
    }
}

/// Whether firewalld's service of this name has UDP 123.
fn opens(service: &str) -> bool {
    ["/etc/firewalld/services", "/usr/lib/firewalld/services"]
        .iter()
        .find_map(|directory| text(&format!("{directory}/{service}.xml")))
        .map_or(service == "ntp", |xml| firewalld::service_opens(&xml, 123))
}

/// What a zone says now and in its files; nothing of a zone that no packet comes to.
fn zone(name: &str, default: bool, now: Option<&Vec<(String, firewalld::Zone)>>) -> Option<Zone> {
    let paths = ["/etc/firewalld/zones", "/usr/lib/firewalld/zones"];
    let xml = paths
        .iter()
        .find_map(|directory| text(&format!("{directory}/{name}.xml")));
    let permanent = xml.map(|xml| firewalld::zone(&xml, 123, &opens));
    let now = now
        .and_then(|zones| zones.iter().find(|(other, _)| other == name))
        .map(|(_, zone)| zone);
    let counts = now.or(permanent.as_ref())?;
    if !default && counts.interfaces.is_empty() && counts.sources.is_empty() {
        return None;
    }
    Some(Zone {
        name: name.to_owned(),
        default,
        interfaces: counts.interfaces.clone(),
        sources: counts.sources.clone(),
        now: now.map(terms),
        permanent: permanent.as_ref().map(terms),
    })
}

fn terms(zone: &firewalld::Zone) -> ZoneTerms {
    ZoneTerms {
        lets_ntp_in: zone.target == "ACCEPT" || !zone.opens.is_empty(),
        by: if zone.target == "ACCEPT" {
            vec!["target ACCEPT".to_owned()]
        } else {
            zone.opens.clone()
        },
        drops_the_rest: zone.target == "DROP",
        rich_rules: u32::try_from(zone.rich_rules).unwrap_or(u32::MAX),
    }
}

fn zone_sentence(zone: &Zone) -> String {
    let which = if zone.default {
        format!("the default zone {}", zone.name)
    } else {
        let of: Vec<&str> = zone
            .interfaces
            .iter()
            .chain(&zone.sources)
            .map(String::as_str)
            .collect();
        format!("the zone {} ({})", zone.name, of.join(" "))
    };
    match (&zone.now, &zone.permanent) {
        (Some(now), Some(then)) if now == then => {
            format!("{which} {}, now and in its permanent files", words(now))
        }
        (Some(now), Some(then)) => format!(
            "{which} {} now; its permanent files differ: by them it {}",
            words(now),
            words(then)
        ),
        (Some(now), None) => format!("{which} {} now, and has no permanent file", words(now)),
        (None, Some(then)) => format!("{which} {} (in its permanent files)", words(then)),
        (None, None) => which,
    }
}

fn words(terms: &ZoneTerms) -> String {
    let mut words = if terms.lets_ntp_in {
        format!("lets NTP in ({})", terms.by.join(", "))
    } else if terms.drops_the_rest {
        "drops what it does not name, NTP among it".to_owned()
    } else {
        "rejects what it does not name, NTP among it".to_owned()
    };
    match terms.rich_rules {
        0 => {}
        1 => words.push_str("; a rich rule names it for some"),
        some => words.push_str(&format!("; {some} rich rules name it for some")),
    }
    words
}

/// Where firewalld will do something else after a reload or a boot than it does now.
pub(super) fn findings(managers: &[Manager], findings: &mut Vec<Finding>) {
    for zone in managers.iter().flat_map(|m| &m.zones) {
        let (Some(now), Some(then)) = (&zone.now, &zone.permanent) else {
            continue;
        };
        let name = &zone.name;
        match (now.lets_ntp_in, then.lets_ntp_in) {
            (true, false) => findings.push(
                Finding::warning(format!(
                    "firewalld's zone {name} lets NTP in now, but not by its permanent files: the next \
                     `firewall-cmd --reload` or boot shuts it"
                ))
                .next(format!(
                    "firewall-cmd --permanent --zone={name} --add-service=ntp"
                )),
            ),
            (false, true) => findings.push(
                Finding::warning(format!(
                    "firewalld's zone {name} lets NTP in by its permanent files, but not now: they were \
                     not loaded since, or it was shut for the time being"
                ))
                .next("firewall-cmd --reload"),
            ),
            _ => {}
        }
    }
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
        zones: Vec::new(),
    })
}
