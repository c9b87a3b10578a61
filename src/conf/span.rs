//! Where a piece of configuration stands: a byte range in a named file, and its line and column.
//!
//! Offsets count bytes of the decoded text ([`SourceFile::text`]), lines and columns count from
//! one, and a column counts characters.

use core::fmt;

/// Index of a file in a [`SourceMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileId(pub u32);

/// A byte range in one file; `start <= end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The range `start..end` of `file`.
    #[must_use]
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        Self {
            file,
            start,
            end: end.max(start),
        }
    }

    /// From the start of `self` to the end of `other`, in the file of `self`.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self::new(
            self.file,
            self.start.min(other.start),
            self.end.max(other.end),
        )
    }

    /// The part of this span from `start` to `end`, counted from its beginning and clamped to it.
    #[must_use]
    pub fn part(self, start: usize, end: usize) -> Self {
        let start = (self.start + start).min(self.end);
        Self::new(self.file, start, (self.start + end).clamp(start, self.end))
    }
}

/// Line and column, both from one; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line number from one.
    pub line: usize,
    /// Column in characters from one.
    pub column: usize,
}

/// A file's name and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The name it was asked for by.
    pub path: String,
    /// Its text: bytes that are not UTF-8 became U+FFFD, a byte order mark was removed.
    pub text: String,
    line_starts: Vec<usize>,
}

impl SourceFile {
    fn new(path: String, text: String) -> Self {
        let mut line_starts = vec![0];
        line_starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        Self {
            path,
            text,
            line_starts,
        }
    }

    /// Line and column of a byte offset; an offset past the end is the end.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.line_starts.partition_point(|&start| start <= offset);
        let start = self
            .line_starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or("");
        Position {
            line,
            column: before.chars().count() + 1,
        }
    }

    /// The text of a line (from one) without its end; empty when there is no such line.
    #[must_use]
    pub fn line(&self, line: usize) -> &str {
        let Some(&start) = self.line_starts.get(line.wrapping_sub(1)) else {
            return "";
        };
        let end = self
            .line_starts
            .get(line)
            .copied()
            .unwrap_or(self.text.len());
        self.text
            .get(start..end)
            .unwrap_or("")
            .trim_end_matches(['\n', '\r'])
    }

    /// Byte offset where a line (from one) starts.
    #[must_use]
    pub fn line_start(&self, line: usize) -> usize {
        self.line_starts
            .get(line.wrapping_sub(1))
            .copied()
            .unwrap_or(self.text.len())
    }

    /// Number of lines; text that ends with a newline has no further empty line.
    #[must_use]
    pub fn line_count(&self) -> usize {
        match self.line_starts.last() {
            Some(&last) if last == self.text.len() => self.line_starts.len() - 1,
            _ => self.line_starts.len(),
        }
    }
}

/// The files of one configuration, in the order of reading.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// No files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file's bytes. What is not UTF-8 becomes U+FFFD: comments in old encodings are
    /// common and must not make a file unreadable.
    pub fn add(&mut self, path: &str, bytes: &[u8]) -> FileId {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = String::from_utf8_lossy(bytes).into_owned();
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(SourceFile::new(path.to_owned(), text));
        id
    }

    /// A file, if the map has it.
    #[must_use]
    pub fn file(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(usize::try_from(id.0).ok()?)
    }

    /// All files, in the order of reading.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The text of a span; empty if it is out of bounds.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file)
            .and_then(|file| file.text.get(span.start..span.end))
            .unwrap_or("")
    }

    /// File, line and column of a span's start.
    #[must_use]
    pub fn origin(&self, span: Span) -> Origin {
        let (path, position) = self.file(span.file).map_or_else(
            || (String::new(), Position { line: 0, column: 0 }),
            |file| (file.path.clone(), file.position(span.start)),
        );
        Origin {
            file: path,
            line: position.line,
            column: position.column,
        }
    }
}

/// A place for people: file, line, column; printed as `file:line`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// File name as it was read.
    pub file: String,
    /// Line from one.
    pub line: usize,
    /// Column from one.
    pub column: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let mut map = SourceMap::new();
        let id = map.add("f", "ä b\nsecond\r\n".as_bytes());
        let file = map.file(id).unwrap();
        assert_eq!(file.position(3), Position { line: 1, column: 3 });
        assert_eq!(file.position(5), Position { line: 2, column: 1 });
        assert_eq!(file.line(2), "second");
        assert_eq!(file.line_count(), 2);
        assert_eq!(file.line(3), "");
        assert_eq!(file.line(0), "");
        assert_eq!(file.position(999).line, 3);
    }

    #[test]
    fn old_encodings_and_byte_order_marks_are_read() {
        let mut map = SourceMap::new();
        let id = map.add("f", b"\xef\xbb\xbfserver a # \xe9t\xe9\n");
        assert!(
            map.file(id)
                .unwrap()
                .text
                .starts_with("server a # \u{fffd}t")
        );
    }

    #[test]
    fn a_part_stays_inside_its_span() {
        let span = Span::new(FileId(0), 10, 14);
        assert_eq!(span.part(1, 3), Span::new(FileId(0), 11, 13));
        assert_eq!(span.part(2, 90), Span::new(FileId(0), 12, 14));
        assert_eq!(span.part(90, 91), Span::new(FileId(0), 14, 14));
    }
}
