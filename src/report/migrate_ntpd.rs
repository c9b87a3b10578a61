//! The report of `clockbox migrate-ntpd`: what became of every line, of every file and service.

use super::Page;
use super::Report;
use super::finding;
use super::finding::Finding;
use super::format::paint;
use super::format::wrap;
use crate::exit::ExitStatus;
use schemars::JsonSchema;
use serde::Serialize;

/// What a migration found, and did or would do.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct MigrateReport {
    /// How far it went.
    pub result: Result,
    /// The daemon that is left: `ntpd`, `ntpsec`, `openntpd`; `none` when there is none.
    pub from: String,
    /// The daemon that takes over: `chrony` or `clockbox`.
    pub target: String,
    /// The version of chrony whose words were used.
    pub target_version: String,
    /// Whether the machine answers clients afterwards.
    pub serving: bool,
    /// Lines that are kept, changed and dropped, and how many of them lost what may be missed.
    pub summary: Summary,
    /// Every line of the old configuration that is not empty.
    pub lines: Vec<Line>,
    /// Files that are written or replaced.
    pub files: Vec<FileChange>,
    /// Services that are stopped or started.
    pub services: Vec<ServiceChange>,
    /// Packages that are installed or removed.
    pub packages: Vec<PackageChange>,
    /// What is worth knowing, with the next thing to type.
    pub findings: Vec<Finding>,
    /// The journal that `--rollback` reads.
    pub journal: Option<String>,
    /// Something would change or did.
    #[serde(skip)]
    pub changes: bool,
    /// Nothing was written.
    #[serde(skip)]
    pub dry: bool,
    /// The new daemon is not there, and nobody said that it is to be installed.
    #[serde(skip)]
    pub missing: bool,
    /// Diffs are shown.
    #[serde(skip)]
    pub diffs: bool,
    /// The way back (`--rollback`).
    #[serde(skip)]
    pub back: bool,
    /// `--accept-losses` was given.
    #[serde(skip)]
    pub accepted: bool,
}

/// How far a run went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Result {
    /// Only converted (`--from`).
    Converted,
    /// Only planned (`--dry-run`).
    Planned,
    /// Done.
    Migrated,
    /// It was done before.
    Unchanged,
    /// Not done: something that matters would be lost.
    Held,
    /// Not done: the result could not be used.
    Refused,
    /// Tried, failed, and undone.
    Undone,
    /// Undone on request (`--rollback`).
    RolledBack,
}

/// How many lines became what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// The same effect.
    pub kept: usize,
    /// The effect in another form, or a part of it.
    pub changed: usize,
    /// No effect any more.
    pub dropped: usize,
    /// Of these, lines that lost something somebody may miss.
    pub lost: usize,
}

/// A line of the old configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Line {
    /// The file.
    pub file: String,
    /// The line, from one.
    pub line: usize,
    /// The line, secrets masked.
    pub text: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Something is lost that somebody may miss.
    pub matters: bool,
    /// The lines it became, secrets masked.
    pub output: Vec<String>,
    /// How or why.
    pub reason: String,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The same effect.
    Kept,
    /// The effect in another form, or a part of it.
    Changed,
    /// No effect any more.
    Dropped,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FileChange {
    /// Where it is.
    pub path: String,
    /// What is done to it.
    pub action: FileAction,
    /// Where the old content is kept.
    pub backup: Option<String>,
    /// The change as a unified diff (not of key files).
    pub diff: Option<String>,
}

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileAction {
    /// It is new.
    Create,
    /// Its content is replaced.
    Replace,
    /// It is as it should be.
    Unchanged,
    /// The old content is put back.
    Restore,
    /// It is removed, because it was not there before.
    Remove,
}

/// A package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// What is done to it.
    pub action: PackageAction,
}

/// What is done to a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PackageAction {
    /// It is installed.
    Install,
    /// It is removed, because it cannot stand beside one that is installed.
    Remove,
}

impl PackageChange {
    /// A package that is installed.
    #[must_use]
    pub fn install(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            action: PackageAction::Install,
        }
    }

    /// A package that is removed.
    #[must_use]
    pub fn remove(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            action: PackageAction::Remove,
        }
    }
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ServiceChange {
    /// Its name.
    pub name: String,
    /// What is done: `stop and disable`, `enable and start`...
    pub action: String,
    /// Whether it was started at boot before.
    pub was_enabled: bool,
    /// Whether it ran before; unknown in an image.
    pub was_active: Option<bool>,
}

impl Report for MigrateReport {
    const COMMAND: &'static str = "migrate-ntpd";

    fn status(&self) -> ExitStatus {
        let lost = self.summary.lost > 0 && !self.accepted;
        match self.result {
            Result::Held => ExitStatus::NotHeld,
            Result::Undone => ExitStatus::Unavailable,
            Result::Refused => ExitStatus::Data,
            Result::Converted | Result::Planned if lost => ExitStatus::NotHeld,
            Result::Planned if self.missing => ExitStatus::Unavailable,
            _ => ExitStatus::Done,
        }
    }

    fn changed(&self) -> Option<bool> {
        Some(self.changes)
    }

    fn dry_run(&self) -> Option<bool> {
        Some(self.dry)
    }

    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        out.push_str(&self.heading());
        self.render_lines(page, &mut out);
        for file in &self.files {
            self.render_file(file, page, &mut out);
        }
        let planned = self.is_planned();
        for package in &self.packages {
            let word = match (package.action, planned) {
                (PackageAction::Install, true) => "would install",
                (PackageAction::Install, false) => "installed",
                (PackageAction::Remove, true) => "would remove",
                (PackageAction::Remove, false) => "removed",
            };
            out.push_str(&format!("{word} package {}\n", package.name));
        }
        for service in &self.services {
            let action = if planned {
                format!("would {}", service.action)
            } else {
                past(&service.action)
            };
            out.push_str(&format!("{action} {}\n", service.name));
        }
        if !self.findings.is_empty() {
            out.push('\n');
            out.push_str(&finding::render(&self.findings, page));
        }
        out
    }
}

impl MigrateReport {
    /// What is listed was not done.
    fn is_planned(&self) -> bool {
        self.dry || matches!(self.result, Result::Planned | Result::Held)
    }

    fn heading(&self) -> String {
        let Summary {
            kept,
            changed,
            dropped,
            lost,
        } = self.summary;
        let way = match self.back {
            true => format!("back from {} to {}", self.target, self.from),
            false => format!("{} to {}", self.from, self.target),
        };
        let head = match self.result {
            Result::Converted if self.dry => format!("{way}: the conversion, nothing was written"),
            Result::Converted => format!("{way}: converted"),
            Result::Planned => format!("{way}: the plan, nothing was changed"),
            Result::Migrated => format!("{way}: done"),
            Result::Unchanged => format!("{way}: nothing to change"),
            Result::Held => {
                format!("{way}: nothing was changed: something that matters would be lost")
            }
            Result::Refused => format!("{way}: refused, nothing was changed"),
            Result::Undone if self.changes => {
                format!("{way}: failed, and not everything could be put back")
            }
            Result::Undone => format!("{way}: failed, everything is as it was"),
            Result::RolledBack if !self.changes => {
                "nothing to undo: the migration was rolled back already".to_owned()
            }
            Result::RolledBack => {
                "rolled back: everything is as it was before the migration".to_owned()
            }
        };
        if self.lines.is_empty() {
            return format!("{head}\n");
        }
        let matter = if lost == 0 {
            String::new()
        } else {
            format!(", of which {lost} may be missed")
        };
        format!(
            "{head}\n{} lines: {kept} kept, {changed} changed, {dropped} dropped{matter}\n",
            self.lines.len()
        )
    }

    fn render_lines(&self, page: &Page, out: &mut String) {
        let wanted = |line: &&Line| {
            line.matters
                || page.verbose > 0
                || (line.verdict != Verdict::Kept && self.result != Result::Unchanged)
        };
        let mut heading = "";
        for line in self.lines.iter().filter(wanted) {
            if line.file != heading {
                heading = &line.file;
                out.push_str(&format!("\n{heading}\n"));
            }
            let (word, color) = match (line.verdict, line.matters) {
                (_, true) => ("lost", "31"),
                (Verdict::Kept, _) => ("kept", "32"),
                (Verdict::Changed, _) => ("changed", "33"),
                (Verdict::Dropped, _) => ("dropped", "36"),
            };
            let word = paint(&format!("{word:7}"), color, page.color);
            let text = shorten(&line.text, page);
            out.push_str(&format!("{:5}  {word}  {text}\n", line.line));
            for new in &line.output {
                out.push_str(&format!("{}-> {new}\n", " ".repeat(16)));
            }
            if !line.reason.is_empty() {
                let reason = wrap(&line.reason, page.width, 16);
                out.push_str(&format!("{}{reason}\n", " ".repeat(16)));
            }
        }
        if !heading.is_empty() {
            out.push('\n');
        }
    }

    fn render_file(&self, file: &FileChange, page: &Page, out: &mut String) {
        let planned = self.is_planned();
        let word = match (file.action, planned) {
            (FileAction::Create, false) => "wrote",
            (FileAction::Create, true) => "would write",
            (FileAction::Replace, false) => "replaced",
            (FileAction::Replace, true) => "would replace",
            (FileAction::Unchanged, _) => "unchanged",
            (FileAction::Restore, false) => "restored",
            (FileAction::Restore, true) => "would restore",
            (FileAction::Remove, false) => "removed",
            (FileAction::Remove, true) => "would remove",
        };
        out.push_str(&format!("{word} {}\n", file.path));
        if let Some(backup) = &file.backup {
            let what = match file.action {
                FileAction::Restore | FileAction::Remove => "from",
                _ => "before:",
            };
            out.push_str(&format!("    {what} {backup}\n"));
        }
        if let Some(diff) = file.diff.as_ref().filter(|_| self.diffs) {
            for line in diff.lines() {
                let color = match line.as_bytes().first() {
                    Some(b'+') => "32",
                    Some(b'-') => "31",
                    _ => "0",
                };
                let line = if color == "0" {
                    line.to_owned()
                } else {
                    paint(line, color, page.color)
                };
                out.push_str(&line);
                out.push('\n');
            }
        }
    }
}

/// `stop and disable` as what was done: `stopped and disabled`.
fn past(action: &str) -> String {
    let words = action.split(' ').map(|word| match word {
        "stop" => "stopped",
        "disable" => "disabled",
        "enable" => "enabled",
        "start" => "started",
        "restart" => "restarted",
        "leave" => "left",
        other => other,
    });
    words.collect::<Vec<_>>().join(" ")
}

fn shorten(text: &str, page: &Page) -> String {
    let Some(width) = page.width else {
        return text.to_owned();
    };
    let room = usize::from(width).saturating_sub(17).max(30);
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let cut: String = text.chars().take(room - 1).collect();
    format!("{cut}…")
}
