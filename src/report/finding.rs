//! A finding: something noticed, with the next thing to type. The same in every command.

use super::Page;
use super::format::paint;
use super::format::wrap;
use schemars::JsonSchema;
use serde::Serialize;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The time is wrong, or will be.
    Error,
    /// Something does not do what its author thinks.
    Warning,
    /// Worth knowing.
    Info,
}

impl Severity {
    /// The word at the head of its line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "note",
        }
    }

    const fn color(self) -> &'static str {
        match self {
            Self::Error => "31",
            Self::Warning => "33",
            Self::Info => "36",
        }
    }
}

/// Something noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// One sentence or two, in plain words.
    pub text: String,
    /// The next command to type, or what to do.
    pub next: Option<String>,
}

impl Finding {
    /// The time is wrong, or will be.
    #[must_use]
    pub fn error(text: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            text: text.into(),
            next: None,
        }
    }

    /// Something does not do what its author thinks.
    #[must_use]
    pub fn warning(text: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            text: text.into(),
            next: None,
        }
    }

    /// Worth knowing.
    #[must_use]
    pub fn info(text: impl Into<String>) -> Self {
        Self {
            severity: Severity::Info,
            text: text.into(),
            next: None,
        }
    }

    /// With the next thing to type.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// With the next thing to type, where it is known.
    #[must_use]
    pub fn maybe_next(mut self, next: Option<String>) -> Self {
        self.next = next;
        self
    }
}

/// The findings for people, gravest first, the text wrapped and the next command on its own line.
#[must_use]
pub fn render(findings: &[Finding], page: &Page) -> String {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|f| f.severity);
    let mut out = String::new();
    for finding in sorted {
        let word = finding.severity.word();
        let text = wrap(&finding.text, page.width, word.len() + 2);
        let word = paint(word, finding.severity.color(), page.color);
        out.push_str(&format!("{word}: {text}\n"));
        if let Some(next) = &finding.next {
            out.push_str(&format!("    {next}\n"));
        }
    }
    out
}
