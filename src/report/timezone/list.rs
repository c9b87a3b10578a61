//! The report of `clockbox timezone list`.

use super::Local;
use crate::exit::ExitStatus;
use crate::report::Page;
use crate::report::Report;
use crate::report::finding;
use crate::report::finding::Finding;
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
    /// The time there.
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
        let mut out = self.lines(page.width);
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
    /// One zone a line, its name first. For people with a heading, and never wider than the page;
    /// for pipes without either.
    fn lines(&self, width: Option<u16>) -> String {
        let longest = self.zones.iter().map(|z| z.zone.len()).max().unwrap_or(0);
        let mut out = String::new();
        let mut line = |name: &str, time: &str, offset: &str, letters: &str, place: &str| {
            let line = format!("{name:longest$}  {time:9}  {offset:6}  {letters:5}  {place}");
            let line = line.trim_end();
            let room = width.map_or(usize::MAX, usize::from);
            if line.chars().count() > room {
                out.extend(line.chars().take(room.saturating_sub(1)).chain(['…']));
            } else {
                out.push_str(line);
            }
            out.push('\n');
        };
        if width.is_some() && !self.zones.is_empty() {
            line("ZONE", "TIME", "OFFSET", "", "IN");
        }
        for zone in &self.zones {
            let time = minute(&zone.now);
            let offset = super::offset(zone.now.offset_s);
            line(&zone.zone, &time, &offset, zone.letters(), &zone.place());
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

/// `Sun 14:31`.
fn minute(now: &Local) -> String {
    let text = super::clock(now.unix, now.offset_s);
    let day = text.split(' ').next().unwrap_or_default();
    let time = text.rsplit(' ').next().unwrap_or_default();
    format!("{day} {}", time.get(..5).unwrap_or_default())
}
