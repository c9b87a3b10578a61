//! timesyncd.conf of systemd-timesyncd, with its drop-in directories.
//!
//! The main file is the first of /etc, /run, /usr/local/lib and /usr/lib; drop-ins of all four
//! `timesyncd.conf.d` are read in the order of their names, a name in an earlier directory hiding
//! the later ones. Lists add up; an empty value empties them (systemd's timesyncd.conf(5)).

use std::collections::BTreeMap;

use crate::conf::address::check_host;
use crate::conf::address::shown;
use crate::conf::diagnostic::Diagnostic;
use crate::conf::files::Files;
use crate::conf::files::ReadError;
use crate::conf::files::join;
use crate::conf::near::nearest;
use crate::conf::span::FileId;
use crate::conf::span::SourceMap;
use crate::conf::span::Span;
use crate::conf::words::Line;
use crate::conf::words::lines;
use crate::conf::words::words;

/// Where the main file and the drop-ins are looked for, the first winning.
pub const DIRECTORIES: [&str; 4] = [
    "/etc/systemd",
    "/run/systemd",
    "/usr/local/lib/systemd",
    "/usr/lib/systemd",
];

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Name or address.
    pub name: String,
    /// It comes from `FallbackNTP=`.
    pub fallback: bool,
    /// Where it stands.
    pub span: Span,
    /// Its whole line.
    pub line: Span,
}

/// The configuration of timesyncd.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The files read.
    pub map: SourceMap,
    /// `NTP=`, in order.
    pub servers: Vec<Server>,
    /// `FallbackNTP=`, in order; `None` if no file sets it, so that the built-in list holds.
    pub fallback: Option<Vec<Server>>,
    /// `RootDistanceMaxSec=`, seconds, default 5.
    pub root_distance_max_s: f64,
    /// `PollIntervalMinSec=`, seconds, default 32.
    pub poll_interval_min_s: f64,
    /// `PollIntervalMaxSec=`, seconds, default 2048.
    pub poll_interval_max_s: f64,
    /// `ConnectionRetrySec=`, seconds, default 30.
    pub connection_retry_s: f64,
    /// `SaveIntervalSec=`, seconds, default 60.
    pub save_interval_s: f64,
    /// Everything found wrong.
    pub diagnostics: Vec<Diagnostic>,
}

impl Default for Loaded {
    fn default() -> Self {
        Self {
            map: SourceMap::new(),
            servers: Vec::new(),
            fallback: None,
            root_distance_max_s: 5.0,
            poll_interval_min_s: 32.0,
            poll_interval_max_s: 2048.0,
            connection_retry_s: 30.0,
            save_interval_s: 60.0,
            diagnostics: Vec::new(),
        }
    }
}

/// Reads the configuration of the machine or image behind `files`. Without any file the result
/// has the defaults and an empty map.
#[must_use]
pub fn load(files: &dyn Files) -> Loaded {
    let mut out = Loaded::default();
    for dir in DIRECTORIES {
        match files.read(&join(dir, "timesyncd.conf")) {
            Ok(bytes) => {
                out.text(&join(dir, "timesyncd.conf"), &bytes);
                break;
            }
            Err(ReadError::Missing) => {}
            Err(error) => {
                out.unreadable(&join(dir, "timesyncd.conf"), &error);
                break;
            }
        }
    }
    let mut chosen = BTreeMap::new();
    for dir in DIRECTORIES {
        let dir = join(dir, "timesyncd.conf.d");
        for name in files.list(&dir).unwrap_or_default() {
            if name.ends_with(".conf") && !name.starts_with('.') {
                chosen
                    .entry(name.clone())
                    .or_insert_with(|| join(&dir, &name));
            }
        }
    }
    for path in chosen.into_values().take(500) {
        match files.read(&path) {
            Ok(bytes) => out.text(&path, &bytes),
            Err(error) => out.unreadable(&path, &error),
        }
    }
    out
}

const KEYS: [&str; 7] = [
    "NTP",
    "FallbackNTP",
    "RootDistanceMaxSec",
    "PollIntervalMinSec",
    "PollIntervalMaxSec",
    "ConnectionRetrySec",
    "SaveIntervalSec",
];

impl Loaded {
    fn unreadable(&mut self, path: &str, error: &ReadError) {
        let id = self.map.add(path, b"");
        self.diagnostics.push(Diagnostic::warning(
            Span::new(id, 0, 0),
            format!("cannot read {path}: {error}"),
        ));
    }

    /// Adds one file's text to the configuration.
    pub fn text(&mut self, path: &str, bytes: &[u8]) {
        if bytes.contains(&0) || bytes.len() > 1 << 20 {
            self.unreadable(path, &ReadError::Other("not a configuration".to_owned()));
            return;
        }
        let id = self.map.add(path, bytes);
        let Some(file) = self.map.file(id).cloned() else {
            return;
        };
        let mut section = String::new();
        for line in lines(id, &file) {
            let text = line.text.trim();
            if text.is_empty() || text.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = text
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                name.clone_into(&mut section);
                continue;
            }
            if section == "Time" {
                self.setting(id, &line);
            } else if section.is_empty() {
                self.diagnostics.push(
                    Diagnostic::warning(line.span, "a setting outside of a section is ignored")
                        .with_help("put [Time] above it"),
                );
            }
        }
    }

    fn setting(&mut self, id: FileId, line: &Line<'_>) {
        let Some((key, _)) = line.text.split_once('=') else {
            self.diagnostics.push(
                Diagnostic::warning(line.span, "not a setting: the line is ignored")
                    .with_help("a setting is NAME=VALUE"),
            );
            return;
        };
        let at = key.len() + 1;
        let value = Line {
            text: line.text.get(at..).unwrap_or(""),
            span: Span::new(id, line.span.start + at, line.span.end),
            ..*line
        };
        let number = value.text.trim();
        match key.trim() {
            "NTP" => {
                let found = self.hosts(&value, line.span, false);
                merge(&mut self.servers, found);
            }
            "FallbackNTP" => {
                let found = self.hosts(&value, line.span, true);
                merge(self.fallback.get_or_insert_default(), found);
            }
            name => {
                let slot = match name {
                    "RootDistanceMaxSec" => &mut self.root_distance_max_s,
                    "PollIntervalMinSec" => &mut self.poll_interval_min_s,
                    "PollIntervalMaxSec" => &mut self.poll_interval_max_s,
                    "ConnectionRetrySec" => &mut self.connection_retry_s,
                    "SaveIntervalSec" => &mut self.save_interval_s,
                    _ => {
                        let message = format!("unknown setting {}", shown(name));
                        let help = nearest(name, KEYS).map(|near| format!("did you mean {near}=?"));
                        self.diagnostics
                            .push(Diagnostic::warning(line.span, message).with_maybe_help(help));
                        return;
                    }
                };
                match seconds(number) {
                    Some(value) => *slot = value,
                    None => self.diagnostics.push(
                        Diagnostic::warning(
                            value.span,
                            format!("{} is not a time span", shown(number)),
                        )
                        .with_help("write seconds, or 34min 8s; timesyncd ignores the line"),
                    ),
                }
            }
        }
    }

    fn hosts(&mut self, value: &Line<'_>, line: Span, fallback: bool) -> Vec<Server> {
        let mut list = Vec::new();
        for word in words(value) {
            if let Err(flaw) = check_host(word.text) {
                let span = word.span.part(flaw.start, flaw.end);
                self.diagnostics
                    .push(Diagnostic::error(span, flaw.message).with_maybe_help(flaw.help));
            }
            list.push(Server {
                name: word.text.to_owned(),
                fallback,
                span: word.span,
                line,
            });
        }
        list
    }

    /// The servers timesyncd would ask, those of `FallbackNTP=` after the others.
    pub fn all_servers(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter().chain(self.fallback.iter().flatten())
    }
}

/// An empty value empties the list; names are kept once.
fn merge(list: &mut Vec<Server>, found: Vec<Server>) {
    if found.is_empty() {
        list.clear();
    }
    for server in found {
        if !list.iter().any(|known| known.name == server.name) {
            list.push(server);
        }
    }
}

/// Seconds of a time span of systemd: `5`, `34min 8s`, `100ms`. `infinity` is not accepted.
#[must_use]
pub fn seconds(text: &str) -> Option<f64> {
    let mut rest = text.trim();
    let mut sum = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .unwrap_or(rest.len());
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?.trim_start();
        let letters = rest
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(rest.len());
        let factor = match rest.get(..letters)? {
            "" | "s" | "sec" | "second" | "seconds" => 1.0,
            "ms" | "msec" => 1e-3,
            "us" | "usec" | "µs" => 1e-6,
            "m" | "min" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86400.0,
            "w" | "week" | "weeks" => 604_800.0,
            _ => return None,
        };
        sum += number * factor;
        rest = rest.get(letters..)?.trim_start();
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[Server]) -> Vec<&str> {
        list.iter().map(|server| server.name.as_str()).collect()
    }

    #[test]
    fn drop_ins_are_merged_as_systemd_does() {
        let files: BTreeMap<String, Vec<u8>> = [
            ("/etc/systemd/timesyncd.conf", "NTP=outside\n[Time]\n#NTP=x\nNTP=a b\nFallbackNTP=f1\nRootDistanceMaxSec=34min 8s\n"),
            ("/usr/lib/systemd/timesyncd.conf", "[Time]\nNTP=hidden\n"),
            ("/usr/lib/systemd/timesyncd.conf.d/10-x.conf", "[Time]\nNTP=hidden-too\n"),
            ("/etc/systemd/timesyncd.conf.d/10-x.conf", "[Time]\nNTP=c a\n"),
            ("/run/systemd/timesyncd.conf.d/20-y.conf", "[Time]\nFallbackNTP=\nFallbackNTP=f2 1.2.3.400\nPollIntervallMinSec=3\n"),
        ]
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
        .collect();
        let loaded = load(&files);
        assert_eq!(names(&loaded.servers), ["a", "b", "c"]);
        assert_eq!(
            names(loaded.fallback.as_ref().unwrap()),
            ["f2", "1.2.3.400"]
        );
        assert!((loaded.root_distance_max_s - 2048.0).abs() < 1e-9);
        let spans: Vec<&str> = loaded
            .diagnostics
            .iter()
            .map(|d| loaded.map.text(d.span))
            .collect();
        assert_eq!(spans, ["NTP=outside", "400", "PollIntervallMinSec=3"]);
    }

    #[test]
    fn without_files_the_built_in_servers_hold() {
        let loaded = load(&crate::conf::files::NoFiles);
        assert_eq!(loaded.fallback, None);
        assert!(loaded.map.files().is_empty());
    }

    #[test]
    fn time_spans() {
        assert_eq!(seconds("5"), Some(5.0));
        assert_eq!(seconds("1h 5min 2s"), Some(3902.0));
        assert_eq!(seconds("100ms"), Some(0.1));
        assert_eq!(seconds("x"), None);
        assert_eq!(seconds(""), None);
        assert_eq!(seconds("infinity"), None);
    }
}
