//! Reads a chrony.conf with everything it includes, in the order in which chronyd applies it.
//!
//! `include` takes a pattern, `confdir` reads `*.conf` of several directories, each name once,
//! the first directory winning; `sourcedir` does the same with `*.sources`, which hold sources
//! only. chronyd reads source directories after everything else; so do we.

use std::collections::BTreeMap;

use crate::conf::address::shown;
use crate::conf::chrony::parse;
use crate::conf::chrony::parse::Parsed;
use crate::conf::chrony::value::Value;
use crate::conf::diagnostic::Diagnostic;
use crate::conf::diagnostic::Severity;
use crate::conf::files::Files;
use crate::conf::files::NoFiles;
use crate::conf::files::ReadError;
use crate::conf::files::glob;
use crate::conf::files::join;
use crate::conf::span::FileId;
use crate::conf::span::SourceMap;
use crate::conf::span::Span;
use crate::conf::words;
use crate::conf::words::Line;

/// Files nested in each other at most, as in chronyd.
const MAX_DEPTH: usize = 10;
/// Files read at most.
const MAX_FILES: usize = 1000;
/// Bytes of a file at most.
const MAX_SIZE: usize = 4 << 20;
/// Bytes of all files at most.
const MAX_TOTAL: usize = 8 << 20;
/// Bytes of a line chronyd reads.
const MAX_LINE: usize = 2047;
/// Diagnostics kept.
const MAX_DIAGNOSTICS: usize = 1000;

/// One directive of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Name of the directive in lower case, as in the table.
    pub name: &'static str,
    /// What it says.
    pub value: Value,
    /// The whole line without the space around it.
    pub span: Span,
    /// The first argument: the host of a source, the path of a file.
    pub argument: Option<Span>,
}

/// A configuration as read: what was understood and what was wrong.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Loaded {
    /// The files read, the main one first.
    pub map: SourceMap,
    /// The directives, in the order chronyd applies them.
    pub statements: Vec<Statement>,
    /// Everything found wrong, in the order of reading.
    pub diagnostics: Vec<Diagnostic>,
    /// The main file could not be read.
    pub unreadable: Option<ReadError>,
}

impl Loaded {
    /// Whether anything is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.unreadable.is_some() || self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The statements of one directive.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Statement> {
        self.statements
            .iter()
            .filter(move |statement| statement.name == name)
    }

    /// The last statement of a directive: the one that counts where only one does.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<&Statement> {
        self.statements
            .iter()
            .rev()
            .find(|statement| statement.name == name)
    }
}

/// Reads `path` and all it includes.
#[must_use]
pub fn load(path: &str, files: &dyn Files) -> Loaded {
    match files.read(path) {
        Err(error) => Loaded {
            unreadable: Some(error),
            ..Loaded::default()
        },
        Ok(bytes) => load_text(path, &bytes, files),
    }
}

/// Reads text that stands for the file `path`; further files come from `files`.
#[must_use]
pub fn load_text(path: &str, bytes: &[u8], files: &dyn Files) -> Loaded {
    let mut loader = Loader {
        files,
        out: Loaded::default(),
        source_dirs: Vec::new(),
        total: 0,
        gave_up: false,
    };
    loader.text(path, bytes, 0, None);
    for (dirs, span) in core::mem::take(&mut loader.source_dirs) {
        loader.directory(&dirs, ".sources", span, MAX_DEPTH);
    }
    loader.out
}

/// Reads text that includes nothing: an `include` is an error if the file is named plainly.
#[must_use]
pub fn parse_alone(path: &str, bytes: &[u8]) -> Loaded {
    load_text(path, bytes, &NoFiles)
}

struct Loader<'a> {
    files: &'a dyn Files,
    out: Loaded,
    source_dirs: Vec<(Vec<String>, Span)>,
    total: usize,
    gave_up: bool,
}

impl Loader<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        if self.out.diagnostics.len() < MAX_DIAGNOSTICS {
            self.out.diagnostics.push(diagnostic);
        }
    }

    /// Parses one file's text. `from` is the line that asked for it.
    fn text(&mut self, path: &str, bytes: &[u8], depth: usize, from: Option<Span>) {
        self.total += bytes.len();
        let count = self.out.map.files().len();
        let sources = path.ends_with(".sources") && depth >= MAX_DEPTH;
        let id = if bytes.len() > MAX_SIZE || self.total > MAX_TOTAL || count >= MAX_FILES {
            self.gave_up = true;
            let id = self.out.map.add(path, b"");
            let span = from.unwrap_or(Span::new(id, 0, 0));
            self.report(
                Diagnostic::error(span, format!("{path}: too large, or too many files"))
                    .with_help("a configuration has at most 1000 files of 4 MiB, 8 MiB in all"),
            );
            return;
        } else if bytes.contains(&0) {
            let id = self.out.map.add(path, b"");
            let span = from.unwrap_or(Span::new(id, 0, 0));
            self.report(Diagnostic::error(
                span,
                format!("{path} is a binary file, not a configuration"),
            ));
            return;
        } else {
            self.out.map.add(path, bytes)
        };
        let Some(file) = self.out.map.file(id).cloned() else {
            return;
        };
        for line in words::lines(id, &file) {
            if sources {
                self.source_line(&line);
            } else {
                self.line(&line, depth);
            }
        }
    }

    fn parse(&mut self, line: &Line<'_>) -> Option<(Parsed, Span, Option<Span>)> {
        let found = words::words(line);
        let (first, last) = (found.first()?, found.last()?);
        if first.text.starts_with(['!', ';', '#', '%']) {
            return None;
        }
        let span = first.span.to(last.span);
        if line.text.len() > MAX_LINE {
            self.report(
                Diagnostic::error(first.span, "a line of more than 2047 bytes")
                    .with_help("chronyd refuses it; split the line"),
            );
            return None;
        }
        let mut diagnostics = Vec::new();
        let parsed = parse::line(&found, &mut diagnostics);
        for diagnostic in diagnostics {
            self.report(diagnostic);
        }
        Some((parsed?, span, found.get(1).map(|word| word.span)))
    }

    fn line(&mut self, line: &Line<'_>, depth: usize) {
        let Some((parsed, span, argument)) = self.parse(line) else {
            return;
        };
        let at = argument.unwrap_or(span);
        match (&parsed.value, parsed.directive.name) {
            (Value::Text(pattern), "include") => self.include(&pattern.clone(), at, depth + 1),
            (Value::Words(dirs), "confdir") => {
                self.directory(&dirs.clone(), ".conf", at, depth + 1)
            }
            (Value::Words(dirs), "sourcedir") => self.source_dirs.push((dirs.clone(), at)),
            _ => {}
        }
        self.push(parsed, span, argument);
    }

    fn push(&mut self, parsed: Parsed, span: Span, argument: Option<Span>) {
        self.out.statements.push(Statement {
            name: parsed.directive.name,
            value: parsed.value,
            span,
            argument,
        });
    }

    /// A line of a *.sources file: chronyd ignores what is not a good source, without a word.
    fn source_line(&mut self, line: &Line<'_>) {
        let before = self.out.diagnostics.len();
        let parsed = self.parse(line);
        for diagnostic in self
            .out
            .diagnostics
            .iter_mut()
            .skip(before)
            .filter(|d| d.is_error())
        {
            diagnostic.severity = Severity::Warning;
            diagnostic.message.push_str("; chronyd ignores the line");
        }
        let Some((parsed, span, argument)) = parsed else {
            return;
        };
        if !matches!(parsed.value, Value::Source(_)) {
            self.report(
                Diagnostic::warning(
                    span,
                    format!("{} in a .sources file is ignored", parsed.directive.name),
                )
                .with_help("such a file has server, pool and peer lines only"),
            );
        } else if !line.terminated {
            self.report(
                Diagnostic::warning(span, "the last line has no newline: chronyd ignores it")
                    .with_help("end the file with a newline"),
            );
        } else {
            self.push(parsed, span, argument);
        }
    }

    fn include(&mut self, pattern: &str, at: Span, depth: usize) {
        match glob(pattern, self.files) {
            Ok(paths) => {
                for path in paths {
                    self.file(&path, at, depth);
                }
            }
            // Amazon Linux's own file asks for a directory that may have gone with chrony's package.
            Err((dir, ReadError::Missing)) => self.report(
                Diagnostic::warning(at, format!("{dir} is not there: nothing is included"))
                    .with_help("chronyd itself does not start then"),
            ),
            Err((dir, error)) => self.report(
                Diagnostic::error(at, format!("cannot list {dir}: {error}")).with_help(
                    "chronyd does not start when the directory of an include is missing",
                ),
            ),
        }
    }

    fn file(&mut self, path: &str, at: Span, depth: usize) {
        if depth > MAX_DEPTH {
            self.report(
                Diagnostic::error(
                    at,
                    format!("{}: files nested more than {MAX_DEPTH} deep", shown(path)),
                )
                .with_help("does a file include itself?"),
            );
            return;
        }
        if self.gave_up {
            return;
        }
        match self.files.read(path) {
            Ok(bytes) => self.text(path, &bytes, depth, Some(at)),
            Err(error) => self.report(Diagnostic::error(
                at,
                format!("cannot read {path}: {error}"),
            )),
        }
    }

    fn directory(&mut self, dirs: &[String], suffix: &str, at: Span, depth: usize) {
        let mut chosen: BTreeMap<String, String> = BTreeMap::new();
        for dir in dirs {
            // A directory that is not there is nothing to chronyd.
            let names = match self.files.list(dir) {
                Ok(names) => names,
                Err(ReadError::Missing) => continue,
                Err(error) => {
                    self.report(Diagnostic::warning(
                        at,
                        format!("cannot list {dir}: {error}"),
                    ));
                    continue;
                }
            };
            for name in names {
                if name.ends_with(suffix) && !name.starts_with('.') {
                    chosen
                        .entry(name.clone())
                        .or_insert_with(|| join(dir, &name));
                }
            }
        }
        let source_files = suffix == ".sources";
        for path in chosen.into_values() {
            if source_files && self.out.map.files().iter().any(|file| file.path == path) {
                continue;
            }
            self.file(&path, at, depth);
        }
    }
}

/// Only for tests of callers: the id of the main file.
impl Loaded {
    /// The main file's id.
    #[must_use]
    pub fn main_file(&self) -> FileId {
        FileId(0)
    }
}

#[cfg(test)]
mod tests;
