//! The report of `clockbox links`.

use super::Page;
use super::Report;
use crate::exit::ExitStatus;
use schemars::JsonSchema;
use serde::Serialize;

/// The links that were made or found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LinksReport {
    /// What the links point at.
    pub program: String,
    /// One a name.
    pub links: Vec<Link>,
    /// Nothing was written.
    #[serde(skip)]
    pub dry_run: bool,
}

/// One link.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Link {
    /// Where it is.
    pub path: String,
    /// The command that it runs.
    pub command: String,
    /// Whether it was made now (in a dry run: would be).
    pub changed: bool,
}

impl Report for LinksReport {
    const COMMAND: &'static str = "links";

    fn status(&self) -> ExitStatus {
        ExitStatus::Done
    }

    fn changed(&self) -> Option<bool> {
        Some(self.links.iter().any(|link| link.changed))
    }

    fn dry_run(&self) -> Option<bool> {
        Some(self.dry_run)
    }

    fn render(&self, _: &Page) -> String {
        let mut out = String::new();
        for link in &self.links {
            let word = match (link.changed, self.dry_run) {
                (false, _) => "unchanged",
                (true, true) => "would make",
                (true, false) => "made",
            };
            out.push_str(&format!("{word} {} -> {}\n", link.path, self.program));
        }
        out
    }
}
