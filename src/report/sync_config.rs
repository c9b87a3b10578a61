//! The report of `clockbox sync --daemon --check-config` and `--print-config`.

use super::Page;
use super::Report;
use super::finding::Finding;
use crate::exit::ExitStatus;
use schemars::JsonSchema;
use serde::Serialize;

/// What the daemon makes of its configuration.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ConfigReport {
    /// The file, or what stands for one.
    pub name: String,
    /// Sources that it would follow.
    pub sources: usize,
    /// Lines that the daemon would not start with.
    pub errors: usize,
    /// Lines that are not followed, or not as their author may think.
    pub warnings: usize,
    /// All that is wrong, in the order of reading.
    pub findings: Vec<Located>,
    /// What it amounts to, a line a directive, in the order of reading.
    pub lines: Vec<Line>,
    /// The page for people.
    #[serde(skip)]
    pub page: String,
    /// What the exit status says.
    #[serde(skip)]
    pub status: ExitStatus,
}

/// Something wrong, and where.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Located {
    /// What.
    #[serde(flatten)]
    pub finding: Finding,
    /// The file; `null` where it is about no line of one.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// The words meant.
    pub words: Option<String>,
}

/// A line of the effective configuration.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Line {
    /// The directive.
    pub directive: String,
    /// The whole line, as it is understood.
    pub text: String,
    /// False where another line says what counts, or the daemon does not follow it.
    pub effective: bool,
    /// Why not, or what else is to be said of it.
    pub remark: Option<String>,
    /// The file that it stands in.
    pub file: String,
    /// Its line there, from 1.
    pub line: usize,
}

impl Report for ConfigReport {
    const COMMAND: &'static str = "sync config";

    fn status(&self) -> ExitStatus {
        self.status
    }

    fn render(&self, _: &Page) -> String {
        self.page.clone()
    }
}
