//! The configuration that a file and all it includes amount to, as one chrony.conf: each line
//! under a comment that says where it comes from. Read again it means the same, for chronyd too.

use crate::conf::chrony::directives;
use crate::conf::chrony::directives::Shape;
use crate::conf::chrony::load::Loaded;
use crate::conf::chrony::load::Statement;
use crate::conf::chrony::value::Value;
use crate::conf::chrony::write;
use crate::conf::span::Origin;

/// What the user is told of a poll interval that no line states (DESIGN.md, "Core engine").
pub const MINPOLL_RULE: &str = "no minpoll: 4 while the round trip is under 5 ms, else 6";

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The directive.
    pub directive: &'static str,
    /// The whole line, as it is understood.
    pub text: String,
    /// Where it stands.
    pub origin: Origin,
    /// False where another line says what counts.
    pub counts: bool,
    /// What else is to be said of it.
    pub remark: Option<String>,
}

/// Its lines, in the order of reading. `remark` gives what is to be said of one besides its origin.
pub fn lines(
    loaded: &Loaded,
    remark: impl Fn(&Statement) -> Option<String>,
) -> impl Iterator<Item = Line> {
    let statements = loaded.statements.iter().enumerate();
    statements.map(move |(at, statement)| {
        let later = loaded.statements.get(at + 1..).unwrap_or_default();
        let elsewhere = match statement.name {
            "include" | "confdir" => Some("read above".to_owned()),
            "sourcedir" => Some("read at the end".to_owned()),
            _ => later
                .iter()
                .rev()
                .find(|s| replaces(s, statement))
                .map(|last| format!("replaced by {}", loaded.map.origin(last.span))),
        };
        Line {
            directive: statement.name,
            text: write::line(statement.name, &statement.value),
            origin: loaded.map.origin(statement.span),
            counts: elsewhere.is_none(),
            remark: elsewhere.or_else(|| remark(statement)),
        }
    })
}

/// The text: each line under its origin.
#[must_use]
pub fn text(loaded: &Loaded, remark: impl Fn(&Statement) -> Option<String>) -> String {
    let mut out = String::new();
    for line in lines(loaded, remark) {
        let remark = line.remark.map_or_else(String::new, |r| format!(": {r}"));
        let mark = if line.counts { "" } else { "# " };
        out.push_str(&format!("# {}{remark}\n{mark}{}\n", line.origin, line.text));
    }
    out
}

/// Whether a later line makes an earlier one void: of these directives the last line counts.
fn replaces(later: &Statement, earlier: &Statement) -> bool {
    later.name == earlier.name && single(earlier)
}

fn single(statement: &Statement) -> bool {
    match (&statement.value, statement.name) {
        (_, "ntsservercert" | "ntsserverkey") => false,
        (Value::MakeStep(_) | Value::MaxChange(_) | Value::Mode(_), _) => true,
        (_, name) => directives::find(name).is_some_and(|directive| {
            matches!(
                directive.shape,
                Shape::Flag | Shape::Int(..) | Shape::Float | Shape::Text
            )
        }),
    }
}

#[cfg(test)]
mod tests;
