//! Reads an ntp.conf with everything it includes.
//!
//! Faithful to ntpd in what a faulty line still does: after an unknown word the part before it
//! counts and the rest is lost; where a value is missing or is no number the whole line is lost.
//! For associations the parser keeps the host in that case too, so that no source vanishes
//! without a word; the fault says so.

use crate::conf::address::shown;
use crate::conf::diagnostic::Diagnostic;
use crate::conf::files::Files;
use crate::conf::files::ReadError;
use crate::conf::files::join;
use crate::conf::ntp::directives::Dialect;
use crate::conf::ntp::scan;
use crate::conf::ntp::statement::Body;
use crate::conf::ntp::statement::Item;
use crate::conf::ntp::statement::Statement;
use crate::conf::span::SourceMap;
use crate::conf::span::Span;
use crate::conf::words;

mod line;

/// Files nested in each other at most, as in ntpd.
const MAX_DEPTH: usize = 5;
/// Files read at most.
const MAX_FILES: usize = 200;
/// Bytes of a file at most.
const MAX_SIZE: usize = 1 << 20;
/// Lines with diagnostics kept.
const MAX_DIAGNOSTICS: usize = 1000;

/// A configuration as read.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The files read, the main one first.
    pub map: SourceMap,
    /// Every line, in the order in which ntpd sees them.
    pub items: Vec<Item>,
    /// Everything found wrong, in the order of reading.
    pub diagnostics: Vec<Diagnostic>,
    /// Which ntpd it was read as.
    pub dialect: Dialect,
    /// The main file could not be read.
    pub unreadable: Option<ReadError>,
    /// The main file is binary or too large.
    pub unusable: Option<String>,
}

impl Loaded {
    fn new(dialect: Dialect) -> Self {
        Self {
            map: SourceMap::new(),
            items: Vec::new(),
            diagnostics: Vec::new(),
            dialect,
            unreadable: None,
            unusable: None,
        }
    }

    /// The lines that say something.
    pub fn statements(&self) -> impl Iterator<Item = &Statement> {
        self.items.iter().filter_map(|item| match item {
            Item::Statement(statement) => Some(&**statement),
            _ => None,
        })
    }

    /// The statements of one directive.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Statement> {
        self.statements()
            .filter(move |statement| statement.name == name)
    }
}

/// Reads `path` and all it includes.
#[must_use]
pub fn load(path: &str, dialect: Dialect, files: &dyn Files) -> Loaded {
    match files.read(path) {
        Err(error) => Loaded {
            unreadable: Some(error),
            ..Loaded::new(dialect)
        },
        Ok(bytes) => {
            let mut loaded = load_text(path, &bytes, dialect, files);
            if dialect == Dialect::Ntpsec && loaded.unusable.is_none() {
                loaded = fragments(path, loaded, files);
            }
            loaded
        }
    }
}

/// NTPsec reads the *.conf files of `ntp.d` beside its configuration after it.
fn fragments(path: &str, loaded: Loaded, files: &dyn Files) -> Loaded {
    let dir = join(path.rsplit_once('/').map_or("", |(dir, _)| dir), "ntp.d");
    let mut names = files.list(&dir).unwrap_or_default();
    names.retain(|name| name.ends_with(".conf") && !name.starts_with('.'));
    names.sort();
    let mut loader = Loader { files, out: loaded };
    for name in names.iter().take(MAX_FILES) {
        let path = join(&dir, name);
        match files.read(&path) {
            Ok(bytes) if unusable(&bytes).is_none() => loader.text(&path, &bytes, 1),
            _ => {
                let id = loader.out.map.add(&path, b"");
                let span = Span::new(id, 0, 0);
                loader.report(Diagnostic::warning(span, format!("{path} cannot be read")));
            }
        }
    }
    loader.out
}

/// Reads text that stands for the file `path`; further files come from `files`.
#[must_use]
pub fn load_text(path: &str, bytes: &[u8], dialect: Dialect, files: &dyn Files) -> Loaded {
    let mut loader = Loader {
        files,
        out: Loaded::new(dialect),
    };
    if let Some(why) = unusable(bytes) {
        loader.out.map.add(path, b"");
        loader.out.unusable = Some(why.to_owned());
        return loader.out;
    }
    loader.text(path, bytes, 0);
    loader.out
}

fn unusable(bytes: &[u8]) -> Option<&'static str> {
    if bytes.len() > MAX_SIZE {
        Some("the file is larger than 1 MiB: not a configuration")
    } else if bytes.contains(&0) {
        Some("the file is binary, not a configuration")
    } else {
        None
    }
}

struct Loader<'a> {
    files: &'a dyn Files,
    out: Loaded,
}

impl Loader<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        if self.out.diagnostics.len() < MAX_DIAGNOSTICS {
            self.out.diagnostics.push(diagnostic);
        }
    }

    fn text(&mut self, path: &str, bytes: &[u8], depth: usize) {
        let id = self.out.map.add(path, bytes);
        let Some(file) = self.out.map.file(id).cloned() else {
            return;
        };
        let mut braces = 0_i64;
        let mut ended = false;
        for line in words::lines(id, &file) {
            if line.text.trim().is_empty() {
                self.out.items.push(Item::Blank(line.span));
                continue;
            }
            let scanned = scan::line(&line);
            let (Some(first), Some(last)) = (scanned.terms.first(), scanned.terms.last()) else {
                let item = match scanned.comment {
                    Some(span) => Item::Comment(span),
                    None => Item::Blank(line.span),
                };
                self.out.items.push(item);
                continue;
            };
            let span = first.span.to(last.span);
            if ended {
                let fault = Diagnostic::warning(span, "stands after end: ntpd does not read it");
                self.refused(span, vec![fault]);
                continue;
            }
            if braces > 0 {
                braces += balance(line.text);
                let fault = Diagnostic::warning(span, "belongs to the simulator");
                self.refused(span, vec![fault]);
                continue;
            }
            let mut item = line::parse(&scanned, span, self.out.dialect);
            match &mut item {
                Item::Statement(statement) => {
                    match statement.body {
                        Body::Simulate => braces = balance(line.text),
                        Body::Nothing => ended = statement.name == "end",
                        _ => {}
                    }
                    for fault in &statement.faults {
                        self.report(fault.clone());
                    }
                }
                Item::Refused { faults, .. } => {
                    for fault in faults {
                        self.report(fault.clone());
                    }
                }
                _ => {}
            }
            self.push(item, path, depth);
        }
    }

    fn refused(&mut self, span: Span, faults: Vec<Diagnostic>) {
        for fault in &faults {
            self.report(fault.clone());
        }
        self.out.items.push(Item::Refused { span, faults });
    }

    /// Adds a line, and after an `includefile` the lines of that file.
    fn push(&mut self, item: Item, path: &str, depth: usize) {
        let Item::Statement(mut statement) = item else {
            self.out.items.push(item);
            return;
        };
        let Body::Include(term) = &statement.body else {
            self.out.items.push(Item::Statement(statement));
            return;
        };
        let term = term.clone();
        let target = if term.text.starts_with('/') {
            term.text.clone()
        } else {
            let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
            join(dir, &term.text)
        };
        let content = self.included(&target, &term, depth);
        match content {
            Ok(list) => {
                self.out.items.push(Item::Statement(statement));
                for (path, bytes) in list {
                    self.text(&path, &bytes, depth + 1);
                }
            }
            Err(fault) => {
                self.report(fault.clone());
                statement.faults.push(fault);
                self.out.items.push(Item::Statement(statement));
            }
        }
    }

    /// The file, or in NTPsec the *.conf files of the directory.
    fn included(
        &self,
        target: &str,
        term: &crate::conf::ntp::Term,
        depth: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, Diagnostic> {
        if depth >= MAX_DEPTH {
            let message = format!("{}: files nested more than {MAX_DEPTH} deep", shown(target));
            return Err(
                Diagnostic::error(term.span, message).with_help("does a file include itself?")
            );
        }
        if self.out.map.files().len() >= MAX_FILES {
            return Err(Diagnostic::error(
                term.span,
                "more than 200 files are included",
            ));
        }
        let mut paths = vec![target.to_owned()];
        if self.out.dialect == Dialect::Ntpsec
            && let Ok(mut names) = self.files.list(target)
        {
            names.sort();
            paths = names
                .iter()
                .filter(|name| name.ends_with(".conf") && !name.starts_with('.'))
                .map(|name| join(target, name))
                .collect();
        }
        let mut list = Vec::new();
        for path in paths {
            let bytes = self.files.read(&path).map_err(|error| {
                Diagnostic::warning(term.span, format!("cannot read {path}: {error}"))
                    .with_help("ntpd goes on without it")
            })?;
            if let Some(why) = unusable(&bytes) {
                return Err(Diagnostic::error(term.span, format!("{path}: {why}")));
            }
            list.push((path, bytes));
        }
        Ok(list)
    }
}

fn balance(text: &str) -> i64 {
    text.bytes().fold(0, |sum, byte| match byte {
        b'{' => sum + 1,
        b'}' => sum - 1,
        _ => sum,
    })
}

#[cfg(test)]
mod tests;
