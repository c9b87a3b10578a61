//! Lines and words with their spans.
//!
//! A word here is what stands between white space; ntp.conf's quotes and in-line comments are in
//! `conf::ntp::scan`.

use crate::conf::span::FileId;
use crate::conf::span::SourceFile;
use crate::conf::span::Span;

/// A word and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// The word.
    pub text: &'a str,
    /// Where it stands.
    pub span: Span,
}

/// A line without its end and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Number from one.
    pub number: usize,
    /// The text without the line's end.
    pub text: &'a str,
    /// Where it stands.
    pub span: Span,
    /// Whether the line is ended by a newline (the last one of a file may not be).
    pub terminated: bool,
}

/// The lines of a file.
pub fn lines(id: FileId, file: &SourceFile) -> impl Iterator<Item = Line<'_>> {
    (1..=file.line_count()).map(move |number| {
        let text = file.line(number);
        let start = file.line_start(number);
        Line {
            number,
            text,
            span: Span::new(id, start, start + text.len()),
            terminated: file.line_start(number + 1) > start + text.len(),
        }
    })
}

/// The words of a line, split at ASCII white space as C's `isspace` has it.
#[must_use]
pub fn words<'a>(line: &Line<'a>) -> Vec<Word<'a>> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, c) in line.text.char_indices() {
        let space = c.is_ascii_whitespace() || c == '\u{b}';
        match (space, start) {
            (false, None) => start = Some(at),
            (true, Some(from)) => {
                push(&mut found, line, from, at);
                start = None;
            }
            _ => {}
        }
    }
    if let Some(from) = start {
        push(&mut found, line, from, line.text.len());
    }
    found
}

fn push<'a>(found: &mut Vec<Word<'a>>, line: &Line<'a>, start: usize, end: usize) {
    if let Some(text) = line.text.get(start..end) {
        found.push(Word {
            text,
            span: line.span.part(start, end),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::span::SourceMap;

    #[test]
    fn words_know_where_they_stand() {
        let mut map = SourceMap::new();
        let id = map.add("f", b"a\n  server\tntp1 \x0b x\r\nlast");
        let file = map.file(id).unwrap().clone();
        let all: Vec<Line<'_>> = lines(id, &file).collect();
        let found = words(&all[1]);
        assert_eq!(
            found.iter().map(|w| w.text).collect::<Vec<_>>(),
            ["server", "ntp1", "x"]
        );
        assert_eq!(map.text(found[1].span), "ntp1");
        assert!(all[1].terminated);
        assert!(!all[2].terminated);
        assert_eq!(all[2].text, "last");
    }
}
