//! Lines of ntp.conf to words, as ntpd's scanner splits them.
//!
//! `#` starts a comment anywhere outside quotes, even inside a word. Quotes may stand around a
//! word or in its middle; a missing closing quote is supplied at the end of the line.

use crate::conf::ntp::statement::Term;
use crate::conf::span::Span;
use crate::conf::words::Line;

/// A line split into words and a comment.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Scanned {
    /// The words, quotes removed.
    pub terms: Vec<Term>,
    /// The comment from `#` to the end of the line.
    pub comment: Option<Span>,
    /// A quote that is not closed.
    pub open_quote: Option<Span>,
}

/// Splits a line.
#[must_use]
pub fn line(line: &Line<'_>) -> Scanned {
    let mut out = Scanned::default();
    let mut word: Option<(usize, String, bool)> = None;
    let mut chars = line.text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '#' => {
                out.comment = Some(line.span.part(at, line.text.len()));
                finish(&mut out, &mut word, line, at);
                return out;
            }
            '"' => {
                let (_, text, quoted) = word.get_or_insert_with(|| (at, String::new(), false));
                *quoted = true;
                let mut closed = false;
                for (_, inner) in chars.by_ref() {
                    if inner == '"' {
                        closed = true;
                        break;
                    }
                    text.push(inner);
                }
                if !closed {
                    out.open_quote = Some(line.span.part(at, at + 1));
                }
                // A closing quote ends the word.
                let end = chars
                    .clone()
                    .next()
                    .map_or(line.text.len(), |(next, _)| next);
                finish(&mut out, &mut word, line, end);
            }
            c if c.is_ascii_whitespace() || c == '\u{b}' => finish(&mut out, &mut word, line, at),
            c => word
                .get_or_insert_with(|| (at, String::new(), false))
                .1
                .push(c),
        }
    }
    finish(&mut out, &mut word, line, line.text.len());
    out
}

fn finish(
    out: &mut Scanned,
    word: &mut Option<(usize, String, bool)>,
    line: &Line<'_>,
    end: usize,
) {
    let Some((start, text, quoted)) = word.take() else {
        return;
    };
    // ntpd skips an empty lexeme, quoted or not.
    if text.is_empty() {
        return;
    }
    out.terms.push(Term {
        text,
        quoted,
        span: line.span.part(start, end),
    });
}

/// Splits the parentheses, commas and dots of `trustedkey 1 (5 ... 9)` into words of their own.
#[must_use]
pub fn split_ranges(terms: &[Term]) -> Vec<Term> {
    let mut out: Vec<Term> = Vec::new();
    for term in terms {
        let mut start = 0;
        let mut push = |from: usize, to: usize| {
            if let Some(text) = term.text.get(from..to).filter(|text| !text.is_empty()) {
                out.push(Term {
                    text: text.to_owned(),
                    quoted: term.quoted,
                    span: term.span.part(from, to),
                });
            }
        };
        let mut at = 0;
        while let Some(rest) = term.text.get(at..).filter(|rest| !rest.is_empty()) {
            let width = if rest.starts_with("...") {
                3
            } else if rest.starts_with(['(', ')', ',']) {
                1
            } else {
                at += rest.chars().next().map_or(1, char::len_utf8);
                continue;
            };
            push(start, at);
            push(at, at + width);
            at += width;
            start = at;
        }
        push(start, term.text.len());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::span::SourceMap;
    use crate::conf::words::lines;

    fn scan(text: &str) -> (Vec<String>, Option<String>) {
        let mut map = SourceMap::new();
        let id = map.add("f", text.as_bytes());
        let file = map.file(id).unwrap();
        let first = lines(id, file).next().unwrap();
        let scanned = line(&first);
        let words = scanned.terms.iter().map(|term| term.text.clone()).collect();
        (words, scanned.comment.map(|span| map.text(span).to_owned()))
    }

    #[test]
    fn comments_quotes_and_words() {
        assert_eq!(
            scan("server a#my clock"),
            (vec!["server".into(), "a".into()], Some("#my clock".into()))
        );
        assert_eq!(
            scan("leapfile \"/var/db/a b#c\" # x"),
            (
                vec!["leapfile".into(), "/var/db/a b#c".into()],
                Some("# x".into())
            )
        );
        assert_eq!(
            scan("keys \"/etc/k"),
            (vec!["keys".into(), "/etc/k".into()], None)
        );
        assert_eq!(scan("driftfile \"\""), (vec!["driftfile".into()], None));
        assert_eq!(
            scan("\tserver\u{b}x \t "),
            (vec!["server".into(), "x".into()], None)
        );
    }

    #[test]
    fn ranges_of_keys_are_split() {
        let mut map = SourceMap::new();
        let id = map.add("f", b"trustedkey 1 (4...9) ( 11 ... 12 )");
        let file = map.file(id).unwrap();
        let scanned = line(&lines(id, file).next().unwrap());
        let split = split_ranges(&scanned.terms[1..]);
        let words: Vec<&str> = split.iter().map(|term| term.text.as_str()).collect();
        assert_eq!(
            words,
            ["1", "(", "4", "...", "9", ")", "(", "11", "...", "12", ")"]
        );
        assert_eq!(map.text(split[4].span), "9");
    }
}
