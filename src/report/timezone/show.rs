//! The report of `clockbox timezone show`.

use super::Change;
use super::KnownBy;
use super::Local;
use super::rows;
use crate::exit::ExitStatus;
use crate::report::Page;
use crate::report::Report;
use crate::report::finding;
use crate::report::finding::Finding;
use crate::report::finding::Severity;
use schemars::JsonSchema;
use serde::Serialize;

/// A machine's zone, and every place that names it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ShowReport {
    /// The zone that programs use; null when only its rules are known.
    pub zone: Option<String>,
    /// The zone that this name is another name for.
    pub alias_of: Option<String>,
    /// How it is known.
    pub known_by: KnownBy,
    /// Other zones that have the same rules (where /etc/localtime is a copy).
    pub equal_zones: Vec<String>,
    /// The time now; null when the zone's rules cannot be read.
    pub now: Option<Local>,
    /// The next change of local time; null when there is none.
    pub next_change: Option<Change>,
    /// The zone's rule for the years to come in POSIX's form, as TZ takes it.
    pub posix_tz: Option<String>,
    /// Every place that names a zone.
    pub places: Vec<Place>,
    /// The variable TZ of this process; null when it is not set or an image is looked at.
    pub tz_environment: Option<String>,
    /// What the battery-backed clock keeps.
    pub rtc: Rtc,
    /// The kernel's own zone, minutes west of UTC; null when an image is looked at.
    pub kernel_minutes_west: Option<i32>,
    /// The zone database.
    pub database: Option<String>,
    /// Its version, `2025b`; null when it does not tell.
    pub database_version: Option<String>,
    /// The distribution.
    pub os: String,
    /// The image that was looked at; null for this machine.
    pub root: Option<String>,
    /// /etc/localtime points at a file that is not there.
    #[serde(skip)]
    pub dangling: bool,
    /// Something is in the place of /etc/localtime that no program can read.
    #[serde(skip)]
    pub unusable: bool,
    /// What does not agree, and what mends it.
    pub findings: Vec<Finding>,
}

/// A place that names the zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Place {
    /// Its path.
    pub path: String,
    /// The zone that it names; null when it names none.
    pub zone: Option<String>,
    /// What it is, in words: `link to …`, `copy`, `ZONE=`.
    pub form: String,
}

/// What the battery-backed clock keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Rtc {
    /// True for local time, false for UTC.
    pub local: bool,
    /// The file that says so; null when it is the default.
    pub said_by: Option<String>,
}

impl Report for ShowReport {
    const COMMAND: &'static str = "timezone show";

    fn status(&self) -> ExitStatus {
        let bad = self.findings.iter().any(|f| f.severity < Severity::Info);
        if bad {
            ExitStatus::NotHeld
        } else {
            ExitStatus::Done
        }
    }

    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        let mut lines = vec![("zone", self.zone_words())];
        if let Some(now) = &self.now {
            lines.push(("local time", now.words()));
            let next = self.next_change.as_ref();
            let words = next.map_or_else(|| "none".to_owned(), |c| c.words(now.unix));
            lines.push(("next change", words));
        }
        for (index, place) in self.places.iter().enumerate() {
            let name = if index == 0 { "said by" } else { "" };
            let zone = place.zone.as_deref().unwrap_or("no zone");
            lines.push((name, format!("{}: {zone} ({})", place.path, place.form)));
        }
        let rtc = if self.rtc.local { "local time" } else { "UTC" };
        let why = self.rtc.said_by.as_deref().unwrap_or("the default");
        lines.push(("RTC keeps", format!("{rtc} ({why})")));
        if let Some(minutes) = self.kernel_minutes_west {
            lines.push(("kernel zone", super::offset(-minutes * 60)));
        }
        let version = self.database_version.as_deref();
        let database = match (&self.database, version) {
            (None, _) => "none".to_owned(),
            (Some(path), None) => path.clone(),
            (Some(path), Some(version)) => format!("{path}, version {version}"),
        };
        lines.push(("database", database));
        if page.verbose > 0 {
            lines.push(("system", self.os.clone()));
            if let Some(rule) = &self.posix_tz {
                lines.push(("rule", rule.clone()));
            }
        }
        rows(&mut out, &lines, page.width);
        if !self.findings.is_empty() {
            out.push('\n');
            out.push_str(&finding::render(&self.findings, page));
        }
        out
    }
}

impl ShowReport {
    fn zone_words(&self) -> String {
        let mut words = match (&self.zone, self.known_by) {
            (Some(zone), KnownBy::Default) if self.unusable => {
                format!("{zone} (/etc/localtime cannot be read)")
            }
            (Some(zone), KnownBy::File) if self.unusable => {
                format!("{zone} by name; /etc/localtime cannot be read: programs use UTC")
            }
            (Some(zone), KnownBy::Default) => format!("{zone} (there is no /etc/localtime)"),
            (Some(zone), KnownBy::Link) if self.dangling => {
                format!("{zone}, which cannot be read: programs use UTC")
            }
            (Some(zone), _) => zone.clone(),
            (None, _) => "unknown".to_owned(),
        };
        if let Some(target) = &self.alias_of {
            words.push_str(&format!(", another name for {target}"));
        }
        let target = self.alias_of.as_ref();
        let others: Vec<&str> = self
            .equal_zones
            .iter()
            .filter(|zone| Some(*zone) != target)
            .map(String::as_str)
            .collect();
        if !others.is_empty() {
            let most = 4;
            let shown: Vec<&str> = others.iter().take(most).copied().collect();
            let mut equal = shown.join(", ");
            if others.len() > most {
                equal.push_str(&format!(" and {} more", others.len() - most));
            }
            let have = if others.len() == 1 { "has" } else { "have" };
            words.push_str(&format!(" ({equal} {have} the same rules)"));
        }
        words
    }
}
