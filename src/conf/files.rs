//! How a parser reads further files without knowing where they are.
//!
//! Parsers are pure: `include`, `confdir` and the like go through [`Files`], which the caller
//! implements on a directory given with `--root`, on this machine's files, or on a map in a test.

use std::collections::BTreeMap;

/// Why a file or a directory could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// There is no such file or directory.
    Missing,
    /// It is larger than the caller reads.
    TooLarge,
    /// Anything else, in words: "Permission denied".
    Other(String),
}

impl core::fmt::Display for ReadError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Missing => f.write_str("no such file or directory"),
            Self::TooLarge => f.write_str("the file is too large for a configuration"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// A place to read files from.
pub trait Files {
    /// The whole content of a file.
    ///
    /// # Errors
    /// The reason why it cannot be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError>;

    /// The names (not paths) in a directory, in any order.
    ///
    /// # Errors
    /// The reason why it cannot be listed.
    fn list(&self, dir: &str) -> Result<Vec<String>, ReadError>;
}

/// Files held in memory, by path.
impl Files for BTreeMap<String, Vec<u8>> {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        self.get(path).cloned().ok_or(ReadError::Missing)
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, ReadError> {
        let prefix = format!("{}/", dir.trim_end_matches('/'));
        let mut names: Vec<String> = self
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix))
            .filter_map(|rest| rest.split('/').next())
            .map(str::to_owned)
            .collect();
        names.dedup();
        if names.is_empty() {
            return Err(ReadError::Missing);
        }
        Ok(names)
    }
}

/// No files at all: every read says that the file is missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _path: &str) -> Result<Vec<u8>, ReadError> {
        Err(ReadError::Missing)
    }

    fn list(&self, _dir: &str) -> Result<Vec<String>, ReadError> {
        Err(ReadError::Missing)
    }
}

/// The paths that match a shell pattern (`*`, `?`, `[a-z]`), sorted; a pattern without such
/// characters is returned as it is, whether the file exists or not.
///
/// # Errors
/// The directory that cannot be listed and the reason, when it is not a pattern's own.
pub fn glob(pattern: &str, files: &dyn Files) -> Result<Vec<String>, (String, ReadError)> {
    if !is_pattern(pattern) {
        return Ok(vec![pattern.to_owned()]);
    }
    let mut found = vec![if pattern.starts_with('/') {
        "/".to_owned()
    } else {
        String::new()
    }];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for base in &found {
            if !is_pattern(part) {
                next.push(join(base, part));
                continue;
            }
            let dir = if base.is_empty() { "." } else { base.as_str() };
            let names = match files.list(dir) {
                Ok(names) => names,
                Err(error) if found.len() == 1 => return Err((dir.to_owned(), error)),
                Err(_) => continue,
            };
            let hidden = part.starts_with('.');
            let mut names: Vec<String> = names
                .into_iter()
                .filter(|name| (hidden || !name.starts_with('.')) && matches(part, name))
                .collect();
            names.sort();
            next.extend(names.iter().map(|name| join(base, name)));
        }
        found = next;
    }
    Ok(found)
}

/// Whether a path has characters of a shell pattern.
#[must_use]
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// A directory and a name as one path.
#[must_use]
pub fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() || name.starts_with('/') {
        name.to_owned()
    } else if dir.ends_with('/') {
        format!("{dir}{name}")
    } else {
        format!("{dir}/{name}")
    }
}

/// Whether a name matches a shell pattern without slashes. Time is bounded by the product of the
/// lengths: only the last star is ever tried again.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&c) = name.get(n) {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if let Some(width) = one(pattern.get(p..).unwrap_or(&[]), c) {
            p += width;
            n += 1;
        } else if let Some((at, from)) = star {
            p = at + 1;
            n = from + 1;
            star = Some((at, from + 1));
        } else {
            return false;
        }
    }
    pattern.get(p..).unwrap_or(&[]).iter().all(|&c| c == '*')
}

/// How many characters of the pattern match one character, if they do.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => {
            let negated = matches!(pattern.get(1), Some('!' | '^'));
            let first = if negated { 2 } else { 1 };
            let close = pattern.iter().skip(first + 1).position(|&x| x == ']')? + first + 1;
            let set = pattern.get(first..close)?;
            let mut hit = false;
            let mut at = 0;
            while let Some(&low) = set.get(at) {
                if let (Some('-'), Some(&high)) = (set.get(at + 1), set.get(at + 2)) {
                    hit |= (low..=high).contains(&c);
                    at += 3;
                } else {
                    hit |= low == c;
                    at += 1;
                }
            }
            (hit != negated).then_some(close + 1)
        }
        &x => (x == c).then_some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> BTreeMap<String, Vec<u8>> {
        paths
            .iter()
            .map(|path| ((*path).to_owned(), Vec::new()))
            .collect()
    }

    #[test]
    fn patterns_match_as_in_the_shell() {
        assert!(matches("*.conf", "a.conf"));
        assert!(!matches("*.conf", "a.conf.bak"));
        assert!(matches("a*b*c", "a-bb-c"));
        assert!(matches("[0-9][!x]*", "1yz"));
        assert!(!matches("[0-9][!x]*", "1xz"));
        assert!(!matches("[", "["));
        assert!(!matches(&"*a".repeat(200), &"a".repeat(150)));
    }

    #[test]
    fn glob_lists_in_order_and_leaves_hidden_files() {
        let files = tree(&[
            "/etc/c.d/b.conf",
            "/etc/c.d/a.conf",
            "/etc/c.d/.x.conf",
            "/etc/c.d/n",
        ]);
        assert_eq!(
            glob("/etc/c.d/*.conf", &files).unwrap(),
            ["/etc/c.d/a.conf", "/etc/c.d/b.conf"]
        );
        assert_eq!(glob("/nowhere/x", &files).unwrap(), ["/nowhere/x"]);
        assert!(glob("/nowhere/*.conf", &files).is_err());
    }
}
