//! The report of `clockbox serve --explain-access`.

use super::Page;
use super::Report;
use super::format::wrap;
use crate::exit::ExitStatus;
use schemars::JsonSchema;
use serde::Serialize;

/// Whether an address would be answered, and why.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ServeReport {
    /// The address.
    pub address: String,
    /// Whose rules these are: a file, or the command line.
    pub configuration: String,
    /// True when it would be answered.
    pub allowed: bool,
    /// The rule that decides; `null` when none is about it, and so it is refused.
    pub rule: Option<Deciding>,
    /// What would let it in, when no rule is about it.
    pub next: Option<String>,
    /// Names in rules that stand for no address now.
    pub unknown_names: Vec<String>,
    /// Rules in all.
    pub rules: usize,
}

/// A rule.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Deciding {
    /// As it is written.
    pub text: String,
    /// Where: `file:line`, or the command line.
    pub place: String,
    /// The network that it is about; `null` for everybody.
    pub network: Option<String>,
}

impl Report for ServeReport {
    const COMMAND: &'static str = "serve";

    fn status(&self) -> ExitStatus {
        if self.allowed {
            ExitStatus::Done
        } else {
            ExitStatus::NotHeld
        }
    }

    fn render(&self, page: &Page) -> String {
        let verdict = if self.allowed { "allowed" } else { "refused" };
        let mut out = match &self.rule {
            Some(rule) => format!(
                "{} is {verdict}\n  by: {}\n  at: {}\n",
                self.address, rule.text, rule.place
            ),
            None => {
                let text = format!(
                    "{} is refused: no rule is about it ({}), and nobody is answered without one",
                    self.address, self.configuration
                );
                wrap(&text, page.width, 0) + "\n"
            }
        };
        if let Some(next) = &self.next {
            out.push_str(&format!("  {next}\n"));
        }
        for name in &self.unknown_names {
            out.push_str(&format!(
                "  the rule for {name} holds for nobody now: it has no address\n"
            ));
        }
        out
    }
}
