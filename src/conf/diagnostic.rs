//! What is wrong with a configuration, and where: severity, message, span, help.
//!
//! Parsers collect diagnostics and go on; nothing stops at the first one. Rendering shows
//! `file:line:column`, the line itself and carets under the words meant.

use crate::conf::span::SourceMap;
use crate::conf::span::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing, nothing to do.
    Note,
    /// It works, but perhaps not as its author thinks.
    Warning,
    /// The line cannot be used.
    Error,
}

impl Severity {
    /// The word printed before the message.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One finding about a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in lower case and without a period.
    pub message: String,
    /// The words meant.
    pub span: Span,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at `span`.
    #[must_use]
    pub fn error(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, span, message)
    }

    /// A warning at `span`.
    #[must_use]
    pub fn warning(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, span, message)
    }

    /// A note at `span`.
    #[must_use]
    pub fn note(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, span, message)
    }

    fn new(severity: Severity, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity,
            message: message.into(),
            span,
            help: None,
        }
    }

    /// The same with a sentence of help.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with help when there is some.
    #[must_use]
    pub fn with_maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// Whether this is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// `file:line:column: error: message (help)`, for a log: no newline.
    #[must_use]
    pub fn line(&self, map: &SourceMap) -> String {
        let origin = map.origin(self.span);
        let help = self.help.as_ref();
        let help = help.map_or_else(String::new, |help| format!(" ({help})"));
        format!(
            "{}:{}:{}: {}: {}{help}",
            origin.file,
            origin.line,
            origin.column,
            self.severity.word(),
            self.message
        )
    }

    /// `file:line:column: error: message`, the line, the carets, the help; ends with a newline.
    #[must_use]
    pub fn render(&self, map: &SourceMap) -> String {
        let origin = map.origin(self.span);
        let mut out = format!(
            "{}:{}:{}: {}: {}\n",
            origin.file,
            origin.line,
            origin.column,
            self.severity.word(),
            self.message
        );
        if let Some(file) = map.file(self.span.file) {
            let line = file.line(origin.line);
            if !line.is_empty() {
                let length = map
                    .text(self.span)
                    .lines()
                    .next()
                    .unwrap_or("")
                    .chars()
                    .count();
                let (text, carets) = excerpt(line, origin.column - 1, length);
                out.push_str(&format!("    {text}\n    {carets}\n"));
            }
        }
        if let Some(help) = &self.help {
            out.push_str(&format!("    help: {help}\n"));
        }
        out
    }
}

/// Renders many, in the order given, with an empty line between them.
#[must_use]
pub fn render_all(diagnostics: &[Diagnostic], map: &SourceMap) -> String {
    let parts: Vec<String> = diagnostics.iter().map(|d| d.render(map)).collect();
    parts.join("\n")
}

/// Columns of a source line shown at most.
const EXCERPT: usize = 72;

/// A line without control characters, cut to a window that has the carets, and the carets.
fn excerpt(line: &str, column: usize, length: usize) -> (String, String) {
    let clean: Vec<char> = line
        .chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect();
    let first = if clean.len() <= EXCERPT || column < EXCERPT - 12 {
        0
    } else {
        (column + 12).min(clean.len()).saturating_sub(EXCERPT)
    };
    let shown: String = clean.iter().skip(first).take(EXCERPT).collect();
    let at = column.saturating_sub(first);
    let width = length.clamp(1, EXCERPT.saturating_sub(at).max(1));
    (
        shown.trim_end().to_owned(),
        format!("{}{}", " ".repeat(at), "^".repeat(width)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_word() {
        let mut map = SourceMap::new();
        let id = map.add("/etc/chrony.conf", b"# x\n\tserver 53.45.6.700 iburst\n");
        let shown = Diagnostic::error(Span::new(id, 20, 23), "700 is too large")
            .with_help("octets go to 255")
            .render(&map);
        assert_eq!(
            shown,
            "/etc/chrony.conf:2:17: error: 700 is too large\n\
             \x20    server 53.45.6.700 iburst\n\
             \x20                   ^^^\n\
             \x20   help: octets go to 255\n"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let mut map = SourceMap::new();
        let text = format!("{} bad", "x".repeat(1000));
        let id = map.add("f", text.as_bytes());
        let shown = Diagnostic::error(Span::new(id, 1001, 1004), "no").render(&map);
        assert!(
            shown.lines().all(|line| line.chars().count() <= 80),
            "{shown}"
        );
        assert!(shown.contains("bad\n"));
        let carets = shown.lines().nth(2).unwrap();
        let source = shown.lines().nth(1).unwrap();
        assert_eq!(carets.find("^^^"), source.find("bad"));
    }

    #[test]
    fn escape_codes_of_a_file_do_not_reach_the_terminal() {
        let mut map = SourceMap::new();
        let id = map.add("f", b"\x1b[31mserver\n");
        assert!(
            !Diagnostic::error(Span::new(id, 0, 3), "x")
                .render(&map)
                .contains('\x1b')
        );
    }
}
