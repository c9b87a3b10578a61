//! The configuration that a file and all it includes amount to, as one chrony.conf: each line
//! under a comment that says where it comes from. Read again it means the same, for chronyd too.

use crate::conf::chrony::directives;
use crate::conf::chrony::directives::Shape;
use crate::conf::chrony::load::Loaded;
use crate::conf::chrony::load::Statement;
use crate::conf::chrony::value::Value;
use crate::conf::chrony::write;

/// What the user is told of a poll interval that no line states (DESIGN.md, "Core engine").
pub const MINPOLL_RULE: &str = "no minpoll: 4 while the round trip is under 5 ms, else 6";

/// The text. `remark` gives what is to be said of a line besides its origin.
#[must_use]
pub fn text(loaded: &Loaded, remark: impl Fn(&Statement) -> Option<String>) -> String {
    let mut out = String::new();
    for (at, statement) in loaded.statements.iter().enumerate() {
        let origin = loaded.map.origin(statement.span);
        let line = write::line(statement.name, &statement.value);
        let later = loaded.statements.get(at + 1..).unwrap_or_default();
        let (line, remark) = match statement.name {
            "include" | "confdir" => (format!("# {line}"), Some("read above".to_owned())),
            "sourcedir" => (format!("# {line}"), Some("read at the end".to_owned())),
            _ => match later.iter().rev().find(|s| replaces(s, statement)) {
                Some(last) => {
                    let by = loaded.map.origin(last.span);
                    (format!("# {line}"), Some(format!("replaced by {by}")))
                }
                None => (line, remark(statement)),
            },
        };
        let remark = remark.map_or_else(String::new, |r| format!(": {r}"));
        out.push_str(&format!("# {origin}{remark}\n{line}\n"));
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
