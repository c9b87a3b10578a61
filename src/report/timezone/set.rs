//! The report of `clockbox timezone set`.

use super::Change;
use super::Local;
use super::rows;
use crate::exit::ExitStatus;
use crate::report::Page;
use crate::report::Report;
use crate::report::finding;
use crate::report::finding::Finding;
use crate::report::format::wrap;
use schemars::JsonSchema;
use serde::Serialize;

/// More processes than this are counted, unless `-v` is given.
const MOST_PROCESSES: usize = 12;

/// What was changed, and what keeps the old zone.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SetReport {
    /// The zone now.
    pub zone: String,
    /// The zone that this name is another name for.
    pub alias_of: Option<String>,
    /// The zone before; null when it could not be told.
    pub zone_before: Option<String>,
    /// Local time before; null when it could not be told.
    pub before: Option<Local>,
    /// Local time now; null where the machine has no zone database (UTC needs none).
    pub after: Option<Local>,
    /// The next change of local time; null when there is none.
    pub next_change: Option<Change>,
    /// Every place that the distribution reads.
    pub places: Vec<SetPlace>,
    /// Unified diff, with `--diff`.
    pub diff: Option<String>,
    /// Processes that began before the change and may still use the old zone.
    pub old_zone_processes: Vec<OldProcess>,
    /// How many processes were looked at: all that began before the change.
    pub older_processes: usize,
    /// Services that were restarted, with `--restart`.
    pub restarts: Vec<Restart>,
    /// The image that was changed; null for this machine.
    pub root: Option<String>,
    /// What else to know.
    pub findings: Vec<Finding>,
    /// Nothing was written.
    #[serde(skip)]
    pub dry_run: bool,
}

/// A place and what was done to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SetPlace {
    /// Its path.
    pub path: String,
    /// What it is now: `link to ../usr/share/zoneinfo/Japan`, `copy of …`, `ZONE=Japan`.
    pub now: String,
    /// Whether an octet or a link changed (in a dry run: would).
    pub changed: bool,
}

/// A process that may still use the old zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OldProcess {
    /// Its number.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// The service that it belongs to, as `--restart` takes it.
    pub service: Option<String>,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// True: the old zone's file is in its memory. False: programs of this kind read the zone
    /// once.
    pub mapped: bool,
    /// Why it matters.
    pub why: String,
}

/// A restart that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Restart {
    /// The service.
    pub service: String,
    /// What was done.
    pub state: RestartState,
    /// The reason, where it failed or was not needed.
    pub detail: Option<String>,
}

/// How a restart went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestartState {
    /// It was restarted.
    Restarted,
    /// It would be, in a dry run.
    WouldRestart,
    /// It began after the change: it uses the new zone already.
    NotNeeded,
    /// It could not be restarted.
    Failed,
}

impl Report for SetReport {
    const COMMAND: &'static str = "timezone set";

    fn status(&self) -> ExitStatus {
        if self
            .restarts
            .iter()
            .any(|r| r.state == RestartState::Failed)
        {
            ExitStatus::Unavailable
        } else {
            ExitStatus::Done
        }
    }

    /// True only if an octet or a link changed; a restart is no change.
    fn changed(&self) -> Option<bool> {
        Some(self.places.iter().any(|p| p.changed))
    }

    fn dry_run(&self) -> Option<bool> {
        Some(self.dry_run)
    }

    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        let mut lines = vec![("zone", self.zone_words())];
        let changed = self.before != self.after;
        if let Some(before) = self.before.as_ref().filter(|_| changed) {
            lines.push(("before", before.words()));
        }
        if let Some(after) = &self.after {
            lines.push((if changed { "after" } else { "local time" }, after.words()));
            let next = self.next_change.as_ref();
            let words = next.map_or_else(|| "none".to_owned(), |c| c.words(after.unix));
            lines.push(("next change", words));
        }
        for place in &self.places {
            let word = match (place.changed, self.dry_run) {
                (false, _) => "unchanged",
                (true, true) => "would change",
                (true, false) => "changed",
            };
            lines.push((word, format!("{}: {}", place.path, place.now)));
        }
        for restart in &self.restarts {
            let (word, end) = match restart.state {
                RestartState::Restarted => ("restarted", ""),
                RestartState::WouldRestart => ("would restart", ""),
                RestartState::NotNeeded => ("not restarted", ": "),
                RestartState::Failed => ("not restarted", ": "),
            };
            let detail = restart.detail.as_deref().unwrap_or_default();
            lines.push((word, format!("{}{end}{detail}", restart.service)));
        }
        rows(&mut out, &lines, page.width);
        if let Some(diff) = self.diff.as_ref().filter(|diff| !diff.is_empty()) {
            out.push_str(&format!("\n{diff}"));
        }
        self.render_processes(&mut out, page);
        if !self.findings.is_empty() {
            out.push('\n');
            out.push_str(&finding::render(&self.findings, page));
        }
        out
    }
}

impl SetReport {
    fn zone_words(&self) -> String {
        let mut words = match &self.zone_before {
            Some(old) if *old != self.zone => format!("{old} -> {}", self.zone),
            _ => self.zone.clone(),
        };
        if let Some(target) = &self.alias_of {
            words.push_str(&format!(", another name for {target}"));
        }
        words
    }

    fn render_processes(&self, out: &mut String, page: &Page) {
        if self.old_zone_processes.is_empty() {
            return;
        }
        out.push_str("\nrunning since before the change, perhaps with the old zone:\n");
        let mut services: Vec<&str> = Vec::new();
        for (index, process) in self.old_zone_processes.iter().enumerate() {
            if index < MOST_PROCESSES || page.verbose > 0 {
                let line = format!("{} (PID {}): {}", process.name, process.pid, process.why);
                out.push_str(&format!("  {}\n", wrap(&line, page.width, 2)));
            }
            if let Some(service) = process.service.as_deref()
                && !services.contains(&service)
            {
                services.push(service);
            }
        }
        let more = self.old_zone_processes.len().saturating_sub(MOST_PROCESSES);
        if more > 0 && page.verbose == 0 {
            out.push_str(&format!("  and {more} more: -v shows them\n"));
        }
        if !services.is_empty() {
            let names = services.join(",");
            out.push_str(&format!(
                "to restart them:\n    clockbox timezone set {} --restart {names}\n",
                self.zone
            ));
        }
    }
}
