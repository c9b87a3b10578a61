//! The report of `clockbox sources set` and `sources unset`: which file was changed and how, and
//! whether the new sources answered.

use crate::exit::ExitStatus;
use crate::report::Page;
use crate::report::Report;
use crate::report::finding;
use crate::report::finding::Finding;
use crate::report::format::wrap;
use schemars::JsonSchema;
use serde::Serialize;

/// A source that was checked before it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CheckedSource {
    /// Name or address as given.
    pub name: String,
    /// Its addresses; empty when the name has none.
    pub addresses: Vec<String>,
    /// True once the daemon has a measurement of it.
    pub answers: Option<bool>,
}

/// A file that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChangedFile {
    /// Its path.
    pub path: String,
    /// The copy of what it was, where one was kept.
    pub backup: Option<String>,
    /// Unified diff.
    pub diff: String,
}

/// The whole report.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SetReport {
    /// The daemon whose configuration it is.
    pub daemon: String,
    /// The sources.
    pub sources: Vec<CheckedSource>,
    /// The files that were changed (in a dry run: would be).
    pub files: Vec<ChangedFile>,
    /// How the daemon was told: `reload sources`, a restart, or nothing.
    pub applied: Option<String>,
    /// True when everything was put back because the sources did not answer.
    pub put_back: bool,
    /// What happened in a sentence.
    pub text: String,
    /// Things noticed.
    pub findings: Vec<Finding>,
    /// Nothing was to be changed.
    #[serde(skip)]
    pub dry_run: bool,
    /// Whether diffs are wanted on the page.
    #[serde(skip)]
    pub show_diff: bool,
    /// Whether something changed.
    #[serde(skip)]
    pub changed: bool,
    /// What the exit status says.
    #[serde(skip)]
    pub status: ExitStatus,
}

impl Report for SetReport {
    const COMMAND: &'static str = "sources set";

    fn status(&self) -> ExitStatus {
        self.status
    }

    fn changed(&self) -> Option<bool> {
        Some(self.changed)
    }

    fn dry_run(&self) -> Option<bool> {
        Some(self.dry_run)
    }

    fn render(&self, page: &Page) -> String {
        render(self, page)
    }
}

fn render(report: &SetReport, page: &Page) -> String {
    let mut out = String::new();
    let kept = report.files.iter().filter(|_| !report.put_back);
    for file in kept {
        let word = if report.dry_run {
            "would change"
        } else {
            "changed"
        };
        out.push_str(&format!("{word} {}\n", file.path));
        if let Some(backup) = &file.backup {
            out.push_str(&format!("  the old one is {backup}\n"));
        }
        if report.show_diff {
            out.push_str(&file.diff);
        }
    }
    out.push_str(&format!("{}\n", wrap(&report.text, page.width, 0)));
    if !report.findings.is_empty() {
        out.push('\n');
        out.push_str(&finding::render(&report.findings, page));
    }
    out
}

/// The same for `sources unset`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct UnsetReport(pub SetReport);

impl Report for UnsetReport {
    const COMMAND: &'static str = "sources unset";

    fn status(&self) -> ExitStatus {
        self.0.status
    }

    fn changed(&self) -> Option<bool> {
        Some(self.0.changed)
    }

    fn dry_run(&self) -> Option<bool> {
        Some(self.0.dry_run)
    }

    fn render(&self, page: &Page) -> String {
        render(&self.0, page)
    }
}
