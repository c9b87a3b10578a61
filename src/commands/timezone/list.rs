//! `clockbox timezone list [PATTERN]`: zones by part of the name, country or offset, and the time
//! there.

use super::facts;
use crate::commands::Command;
use crate::commands::Context;
use crate::commands::page::ManPage;
use crate::conf::tzif;
use crate::conf::tzif::Zone;
use crate::conf::zone::built_in;
use crate::conf::zone::built_in::BuiltIn;
use crate::conf::zone::name;
use crate::conf::zone::table;
use crate::conf::zone::table::Row;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::report::timezone::Local;
use crate::report::timezone::list::ListReport;
use crate::report::timezone::list::Listed;
use crate::sys;
use crate::sys::zoneinfo::Database;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// List time zones and the time there
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Only zones with this in the name, in this country (JP, Japan), or at this offset (+09:00)
    #[arg(value_name = "PATTERN", allow_hyphen_values = true)]
    pattern: Option<String>,
    /// List the zones of the image that is mounted here
    #[arg(long, value_name = "DIR")]
    pub(super) root: Option<PathBuf>,
}

/// What is looked for.
enum Filter {
    All,
    Offset(i32),
    Countries(Vec<String>),
    /// Part of the name, in lower case with `_` for spaces, or a country whose name has it.
    Part(String, Vec<String>),
}

impl Command for Args {
    type Report = ListReport;

    const PAGE: ManPage = super::page::LIST;

    fn run(&self, _: &mut Context) -> Result<ListReport, Failure> {
        let root = self.root.clone().unwrap_or_else(|| PathBuf::from("/"));
        let machine_root = self
            .root
            .as_deref()
            .map_or(String::new(), |root| format!(" --root {}", root.display()));
        let database = Database::find(&root);
        let (now, _) = sys::clock::unix();
        let countries = table::countries(&database.table("iso3166.tab").unwrap_or_default());
        let rows = facts::rows(&database);
        let filter = filter(self.pattern.as_deref(), &countries);
        let mut findings = Vec::new();
        let zones = if database.directory().is_some() {
            from_database(&database, &filter, &rows, now)
        } else {
            let place = if self.root.is_some() {
                "the image"
            } else {
                "this machine"
            };
            findings.push(Finding::info(format!(
                "{place} has no zone database: these are the zones built into clockbox ({})",
                built_in::version()
            )));
            from_table(&filter, now)
        };
        if zones.is_empty() {
            let pattern = self.pattern.as_deref().unwrap_or_default();
            let near = facts::near(&database, pattern, now);
            let mut finding = Finding::info(format!(
                "no zone has `{pattern}` in its name, is in a country of that name or code, or is \
                 at that offset now"
            ));
            if !near.is_empty() {
                finding
                    .text
                    .push_str(&format!("; near names: {}", near.join(", ")));
            }
            finding.next = Some(match near.first() {
                Some(first) => format!("clockbox timezone list {first}{machine_root}"),
                None => format!("clockbox timezone list{machine_root}"),
            });
            findings.push(finding);
        }
        Ok(ListReport {
            pattern: self.pattern.clone(),
            zones,
            database: database.directory().map(str::to_owned),
            database_version: facts::version(&database).or_else(|| {
                database
                    .directory()
                    .is_none()
                    .then(|| built_in::version().to_owned())
            }),
            findings,
        })
    }
}

fn filter(pattern: Option<&str>, countries: &BTreeMap<String, String>) -> Filter {
    let Some(pattern) = pattern.map(str::trim).filter(|p| !p.is_empty()) else {
        return Filter::All;
    };
    if let Some(offset_s) = name::offset(pattern).filter(|_| !pattern.eq_ignore_ascii_case("z")) {
        return Filter::Offset(offset_s);
    }
    let code = pattern.to_ascii_uppercase();
    if countries.contains_key(&code) {
        return Filter::Countries(vec![code]);
    }
    let lower = pattern.to_lowercase();
    let named = |(code, name): (&String, &String)| {
        (lower.len() > 3 && name.to_lowercase().contains(&lower)).then(|| code.clone())
    };
    Filter::Part(
        lower.replace(' ', "_"),
        countries.iter().filter_map(named).collect(),
    )
}

impl Filter {
    /// By name and countries; the offset is not known yet.
    fn wants(&self, zone: &str, countries: &[String]) -> bool {
        let inside = |codes: &[String]| countries.iter().any(|code| codes.contains(code));
        match self {
            Self::All | Self::Offset(_) => true,
            Self::Countries(codes) => inside(codes),
            Self::Part(part, codes) => zone.to_ascii_lowercase().contains(part) || inside(codes),
        }
    }

    fn wants_offset(&self, now: &Local) -> bool {
        match self {
            Self::Offset(offset_s) => now.offset_s == *offset_s,
            _ => true,
        }
    }
}

fn from_database(database: &Database, filter: &Filter, rows: &[Row], now: i64) -> Vec<Listed> {
    let by_name: BTreeMap<&str, &[String]> = rows
        .iter()
        .map(|row| (row.name.as_str(), row.countries.as_slice()))
        .collect();
    let links = facts::source(database).links;
    let one = |zone: String| {
        let countries = by_name.get(zone.as_str()).copied().unwrap_or_default();
        if !filter.wants(&zone, countries) {
            return None;
        }
        let found = database.read(&zone, tzif::LIMIT).ok()?;
        let now = facts::local(&Zone::parse(&found.bytes).ok()?, now);
        let alias_of = match links.get(&zone) {
            Some(target) => Some(target.clone()),
            None => database.link_target(&zone),
        };
        filter.wants_offset(&now).then(|| Listed {
            countries: countries.to_vec(),
            alias_of,
            zone,
            now,
        })
    };
    database.names().into_iter().filter_map(one).collect()
}

fn from_table(filter: &Filter, now: i64) -> Vec<Listed> {
    let one = |zone: BuiltIn| {
        let local = facts::built_in_local(&zone, now)?;
        let wanted = filter.wants(zone.name, &[]) && filter.wants_offset(&local);
        wanted.then(|| Listed {
            zone: zone.name.to_owned(),
            alias_of: None,
            countries: Vec::new(),
            now: local,
        })
    };
    built_in::all().filter_map(one).collect()
}
