//! The account of a conversion: what became of every line.

use crate::conf::span::Origin;

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Its effect is the same.
    Kept,
    /// Its effect is kept in another form, or in part.
    Changed,
    /// It has no effect any more.
    Dropped,
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Changed => "changed",
            Self::Dropped => "dropped",
        }
    }
}

/// One line of the input and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub origin: Origin,
    /// The line, secrets masked.
    pub text: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Something is lost that somebody may miss.
    pub matters: bool,
    /// The lines it became (secrets masked).
    pub output: Vec<String>,
    /// How or why; empty for what is simply kept.
    pub reason: String,
}

impl Record {
    /// The account of a line by what became of it.
    pub(super) fn new(origin: Origin, text: String, outcome: Outcome) -> Self {
        let reasons: Vec<String> = outcome
            .reasons
            .into_iter()
            .filter(|reason| !reason.is_empty())
            .collect();
        Self {
            origin,
            text,
            verdict: outcome.verdict,
            matters: outcome.matters,
            output: outcome.output,
            reason: reasons.join("; "),
        }
    }
}

/// Where the output of a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Where the line stood.
    Here,
    /// The section of access rules.
    Access,
}

/// What became of a line, before it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) verdict: Verdict,
    pub(super) matters: bool,
    pub(super) output: Vec<String>,
    pub(super) reasons: Vec<String>,
    pub(super) place: Place,
}

impl Outcome {
    fn new(verdict: Verdict, output: Vec<String>, reason: &str) -> Self {
        let reasons = if reason.is_empty() {
            Vec::new()
        } else {
            vec![reason.to_owned()]
        };
        Self {
            verdict,
            matters: false,
            output,
            reasons,
            place: Place::Here,
        }
    }

    /// The same effect.
    pub(super) fn kept(line: impl Into<String>) -> Self {
        Self::new(Verdict::Kept, vec![line.into()], "")
    }

    /// The same effect without a line.
    pub(super) fn implied(reason: &str) -> Self {
        Self::new(Verdict::Kept, Vec::new(), reason)
    }

    /// The effect in another form.
    pub(super) fn changed(output: Vec<String>, reason: &str) -> Self {
        Self::new(Verdict::Changed, output, reason)
    }

    /// No effect any more, and nobody will miss it.
    pub(super) fn dropped(reason: &str) -> Self {
        Self::new(Verdict::Dropped, Vec::new(), reason)
    }

    /// No effect any more, and somebody may miss it.
    pub(super) fn lost(reason: &str) -> Self {
        Self {
            matters: true,
            ..Self::dropped(reason)
        }
    }

    /// Adds something that was changed.
    pub(super) fn note(mut self, reason: impl Into<String>) -> Self {
        if self.verdict == Verdict::Kept {
            self.verdict = Verdict::Changed;
        }
        self.reasons.push(reason.into());
        self
    }

    /// Adds something that was lost and may be missed.
    pub(super) fn losing(mut self, reason: impl Into<String>) -> Self {
        self.matters = true;
        self.note(reason)
    }

    pub(super) fn notes(mut self, reasons: Vec<String>) -> Self {
        for reason in reasons {
            self = self.note(reason);
        }
        self
    }

    pub(super) fn access(mut self) -> Self {
        self.place = Place::Access;
        self
    }
}
