//! The report of `clockbox timezone list`.

use super::Local;
use crate::exit::ExitStatus;
use crate::report::Page;
use crate::report::Report;
use crate::report::finding;
use crate::report::finding::Finding;
use crate::report::table::Align;
use crate::report::table::table;
use schemars::JsonSchema;
use serde::Serialize;

/// Zones and the time there.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ListReport {
    /// What was asked for; null for all.
    pub pattern: Option<String>,
    /// The zones, by name.
    pub zones: Vec<Listed>,
    /// The database; null when the built-in one was used.
    pub database: Option<String>,
    /// Its version; null when it does not tell.
    pub database_version: Option<String>,
    /// What else to know.
    pub findings: Vec<Finding>,
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Listed {
    /// Its name.
    pub zone: String,
    /// The zone that this name is another name for.
    pub alias_of: Option<String>,
    /// ISO 3166 codes of the countries that it is in.
    pub countries: Vec<String>,
    /// The time there; null when its file cannot be read.
    #[serde(flatten)]
    pub now: Local,
}

impl Report for ListReport {
    const COMMAND: &'static str = "timezone list";

    /// As grep does: 1 when nothing matches.
    fn status(&self) -> ExitStatus {
        if self.zones.is_empty() {
            ExitStatus::NotHeld
        } else {
            ExitStatus::Done
        }
    }

    fn render(&self, page: &Page) -> String {
        let mut out = if page.width.is_none() {
            self.plain()
        } else {
            self.columns(page)
        };
        if page.width.is_some() || self.zones.is_empty() {
            if !out.is_empty() && !self.findings.is_empty() {
                out.push('\n');
            }
            out.push_str(&finding::render(&self.findings, page));
        }
        out
    }
}

impl ListReport {
    fn columns(&self, page: &Page) -> String {
        if self.zones.is_empty() {
            return String::new();
        }
        let columns = [
            ("ZONE", Align::Left),
            ("LOCAL TIME", Align::Left),
            ("OFFSET", Align::Left),
            ("", Align::Left),
            ("IN", Align::Left),
        ];
        let row = |zone: &Listed| {
            vec![
                zone.zone.clone(),
                minute(&zone.now),
                super::offset(zone.now.offset_s),
                zone.letters().to_owned(),
                zone.place(),
            ]
        };
        let rows: Vec<Vec<String>> = self.zones.iter().map(row).collect();
        table(&columns, &rows, page)
    }

    /// For pipes: no heading, the name first, one zone a line.
    fn plain(&self) -> String {
        let longest = self.zones.iter().map(|z| z.zone.len()).max().unwrap_or(0);
        let mut out = String::new();
        for zone in &self.zones {
            let line = format!(
                "{:longest$}  {}  {}  {:5}  {}",
                zone.zone,
                minute(&zone.now),
                super::offset(zone.now.offset_s),
                zone.letters(),
                zone.place()
            );
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

impl Listed {
    /// The abbreviation, where it is more than the offset again.
    fn letters(&self) -> &str {
        let letters = &self.now.abbreviation;
        if letters.starts_with(['+', '-']) {
            ""
        } else {
            letters
        }
    }

    fn place(&self) -> String {
        match &self.alias_of {
            Some(target) => format!("= {target}"),
            None => self.countries.join(","),
        }
    }
}

/// `Sun 2021-06-20 14:31`.
fn minute(now: &Local) -> String {
    let mut text = super::clock(now.unix, now.offset_s);
    text.truncate(text.rfind(':').unwrap_or(text.len()));
    text
}
