//! The new daemon on this machine or image: is it installed, which version, where are its files,
//! and which lines of its present configuration stay.

use super::tree::Tree;
use crate::conf::chrony::Value;
use crate::conf::chrony::Version;
use crate::conf::chrony::load;
use crate::conf::chrony::write;
use crate::conf::convert::input::Layout;
use crate::conf::convert::input::OptionsPlace;
use crate::conf::convert::input::Target;
use crate::conf::files;
use crate::conf::files::Files as _;
use crate::sys;
use crate::sys::package::Manager;

/// Which daemon takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum To {
    /// chronyd
    Chrony,
    /// clockbox's own daemon, which reads the same configuration
    Clockbox,
}

impl To {
    /// The word in reports.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Chrony => "chrony",
            Self::Clockbox => "clockbox",
        }
    }
}

/// The version that is assumed when nothing tells it: what every supported distribution has.
pub(super) const OLDEST: Version = Version::new(4, 0);
/// The version whose words clockbox's own daemon knows.
const OWN: Version = Version::new(4, 9);

const BINARIES: &[&str] = &[
    "/usr/sbin/chronyd",
    "/sbin/chronyd",
    "/usr/bin/chronyd",
    "/usr/local/sbin/chronyd",
];

/// Whether chronyd is installed there.
pub(super) fn is_installed(tree: &Tree) -> bool {
    program(tree).is_some()
}

/// Where chronyd is there.
pub(super) fn program(tree: &Tree) -> Option<&'static str> {
    tree.first(BINARIES)
}

/// What a conversion needs to know of the target.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// What is known, or assumed.
    pub(super) target: Target,
    /// Nothing told its version.
    pub(super) assumed: bool,
}

/// Looks at the target.
pub(super) fn known(tree: &Tree, to: To, version: Option<Version>, alone: bool) -> Known {
    let mut layout = match to {
        To::Clockbox => Layout::clockbox(),
        To::Chrony if like_debian(tree) => Layout::debian(),
        To::Chrony => Layout::redhat(),
    };
    // A single file is converted without regard to what this machine has.
    if to == To::Chrony && !alone {
        adopt(tree, &mut layout);
    }
    let found = match to {
        To::Clockbox => Some(OWN),
        To::Chrony => version.or_else(|| find_version(tree)),
    };
    let lists = [
        "/usr/share/zoneinfo/leap-seconds.list",
        "/usr/share/zoneinfo/leapseconds.list",
    ];
    let options = OPTIONS.iter().find(|(path, _)| tree.has(path));
    let target = Target {
        version: found.or_else(|| shipped(tree)).unwrap_or(OLDEST),
        layout,
        leap_list: tree.first(&lists).filter(|_| !alone).map(str::to_owned),
        right_utc: (!alone).then(|| tree.has("/usr/share/zoneinfo/right/UTC")),
        no_rtc: !alone
            && tree.is_live()
            && !tree.has("/dev/rtc0")
            && !tree.has("/dev/rtc")
            && tree.has("/dev"),
        options: options
            .filter(|_| to == To::Chrony && !alone)
            .map(|(path, variable)| OptionsPlace {
                path: (*path).to_owned(),
                variable: (*variable).to_owned(),
            }),
    };
    Known {
        target,
        assumed: found.is_none(),
    }
}

/// Where the options of chrony's service are.
const OPTIONS: &[(&str, &str)] = &[
    ("/etc/default/chrony", "DAEMON_OPTS"),
    ("/etc/sysconfig/chronyd", "OPTIONS"),
];

/// A file of shell assignments with these options in a variable's value, each once.
pub(super) fn with_options(text: &str, variable: &str, options: &[String]) -> String {
    let value_of = |line: &str| -> Option<usize> {
        let rest = line
            .trim_start()
            .strip_prefix(variable)?
            .strip_prefix('=')?;
        Some(line.len() - rest.len())
    };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let last = lines.iter_mut().rev().find(|line| value_of(line).is_some());
    match last {
        Some(line) => {
            let (name, value) = line.split_at(value_of(line).unwrap_or(line.len()));
            let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
            let (old, rest) = match quote {
                Some(quote) => {
                    let inner = value.get(1..).unwrap_or_default();
                    inner.split_once(quote).unwrap_or((inner, ""))
                }
                None => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
            };
            let known: Vec<&str> = old.split_whitespace().collect();
            let new = options.iter().map(String::as_str);
            let new = new.filter(|option| !known.contains(option));
            let words: Vec<&str> = known.iter().copied().chain(new).collect();
            let quote = quote.unwrap_or('"');
            *line = format!("{name}{quote}{}{quote}{rest}", words.join(" "));
        }
        None => lines.push(format!("{variable}=\"{}\"", options.join(" "))),
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Debian, Ubuntu, Alpine and Gentoo keep chrony's files in a directory.
fn like_debian(tree: &Tree) -> bool {
    let marks = [
        "/etc/chrony/chrony.conf",
        "/etc/debian_version",
        "/etc/alpine-release",
        "/etc/gentoo-release",
    ];
    !tree.has("/etc/chrony.conf") && tree.first(&marks).is_some()
}

/// The version of the chronyd there: it tells itself on this machine, or the package manager what
/// it would install. In an image the program has it as a text, or else the package database.
fn find_version(tree: &Tree) -> Option<Version> {
    if tree.is_live() {
        let Some(program) = tree.first(BINARIES) else {
            let candidate = Manager::find()?.candidate("chrony")?;
            return Version::find(&candidate);
        };
        let said = sys::process::read(program, &["-v"], 5.0, 4096).ok()?;
        return Version::find(&said.stdout);
    }
    let built = tree.first(BINARIES).and_then(|path| {
        let program = sys::files::read(&tree.real(path).ok()?, PROGRAM_LIMIT).ok()?;
        version_in(&program)
    });
    if built.is_some() {
        return built;
    }
    let dpkg = tree
        .text("/var/lib/dpkg/status")
        .and_then(|text| field(&text, "Package: chrony", "Version: "));
    let apk = || {
        tree.text("/lib/apk/db/installed")
            .and_then(|text| field(&text, "P:chrony", "V:"))
    };
    Version::find(&dpkg.or_else(apk)?)
}

/// Octets of chronyd that are read.
const PROGRAM_LIMIT: u64 = 16 << 20;

/// The version that stands in the program: the only text in it that is one as a whole.
fn version_in(program: &[u8]) -> Option<Version> {
    let is_version = |text: &&[u8]| {
        let number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
        let mut parts = text.splitn(2, |byte| *byte == b'.');
        let (Some(major), Some(rest)) = (parts.next(), parts.next()) else {
            return false;
        };
        let minor = rest.split(|byte| matches!(byte, b'.' | b'-')).next();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.".contains(byte);
        let short = text.len() < 32 && major.len() == 1;
        short && number(major) && minor.is_some_and(number) && rest.iter().all(plain)
    };
    if !program.windows(7).any(|window| window == b"chronyd") {
        return None;
    }
    let texts = program.split(|byte| *byte == 0).filter(is_version);
    let mut found: Vec<Version> = texts
        .filter_map(|text| Version::find(core::str::from_utf8(text).ok()?))
        .collect();
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [only] => Some(*only),
        _ => None,
    }
}

/// The version that an old Red Hat, CentOS or Oracle Linux ships, where nothing tells the installed
/// one: older than what is assumed elsewhere.
fn shipped(tree: &Tree) -> Option<Version> {
    let places = ["/etc/redhat-release", "/etc/system-release"];
    let text = places.iter().find_map(|path| tree.text(path))?;
    let (_, release) = text.split_once("release ")?;
    match release.split(['.', ' ', '\n']).next()? {
        "6" => Some(Version::new(2, 1)),
        "7" => Some(Version::new(3, 4)),
        _ => None,
    }
}

/// A field of the paragraph that has a line.
fn field(text: &str, line: &str, name: &str) -> Option<String> {
    let paragraph = text
        .split("\n\n")
        .find(|paragraph| paragraph.lines().any(|known| known == line))?;
    paragraph
        .lines()
        .find_map(|known| known.strip_prefix(name))
        .map(str::to_owned)
}

/// Takes over what the distribution's configuration says of places, and the lines that include
/// further files.
fn adopt(tree: &Tree, layout: &mut Layout) {
    let Ok(bytes) = tree.read(&layout.conf) else {
        return;
    };
    for statement in &load::parse_alone(&layout.conf, &bytes).statements {
        match (&statement.value, statement.name) {
            (Value::DriftFile(file), _) if file.path.starts_with('/') => {
                layout.drift.clone_from(&file.path)
            }
            (Value::Text(path), "keyfile") => layout.keys.clone_from(path),
            (Value::Text(path), "logdir") => layout.logs.clone_from(path),
            (Value::Text(path), "ntsdumpdir" | "ntscachedir") => {
                layout.nts.clone_from(path);
                layout
                    .kept
                    .push(write::line(statement.name, &statement.value));
            }
            (Value::Words(_), "confdir" | "sourcedir") => {
                layout
                    .kept
                    .push(write::line(statement.name, &statement.value));
            }
            // chronyd does not start when the directory is missing.
            (Value::Text(pattern), "include") if files::glob(pattern, tree).is_ok() => {
                layout
                    .kept
                    .push(write::line(statement.name, &statement.value));
            }
            _ => {}
        }
    }
    layout.kept.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn an_image_of_an_old_red_hat_has_an_old_chrony() {
        for (path, text, version) in [
            (
                "etc/redhat-release",
                "CentOS Linux release 7.9.2009 (Core)\n",
                (3, 4),
            ),
            (
                "etc/redhat-release",
                "CentOS release 6.10 (Final)\n",
                (2, 1),
            ),
            (
                "etc/redhat-release",
                "Rocky Linux release 9.3 (Blue Onyx)\n",
                (4, 0),
            ),
            (
                "etc/system-release",
                "Amazon Linux release 2 (Karoo)\n",
                (4, 0),
            ),
            ("etc/other", "", (4, 0)),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let place = dir.path().join(path);
            sys::files::make_parents(&place).unwrap();
            sys::files::replace(Path::new(&place), text.as_bytes(), 0o644).unwrap();
            let known = known(&Tree::new(dir.path()), To::Chrony, None, false);
            let version = Version::new(version.0, version.1);
            assert_eq!(known.target.version, version, "{text}");
            assert!(known.assumed);
        }
    }

    #[test]
    fn a_program_has_its_version_as_a_text() {
        let program = |texts: &[&str]| texts.join("\0").into_bytes();
        let found = |texts: &[&str]| version_in(&program(texts));
        let three = Some(Version::new(4, 3));
        assert_eq!(
            found(&["\u{7f}ELF", "4.3", "chronyd version %s", "1.2.3.x y"]),
            three
        );
        assert_eq!(
            found(&["chronyd", "4.3-pre1", "a4.1", "4.", ".4", "44.1"]),
            three
        );
        assert_eq!(found(&["chronyd", "4.3", "4.4"]), None);
        assert_eq!(found(&["ntpd", "4.3"]), None);
        assert_eq!(found(&["chronyd"]), None);
    }

    #[test]
    fn options_are_added_once_and_the_rest_of_the_file_stays() {
        let four = ["-4".to_owned()];
        for (old, new) in [
            (
                "# a\nDAEMON_OPTS=\"-F 1\"\n",
                "# a\nDAEMON_OPTS=\"-F 1 -4\"\n",
            ),
            (
                "DAEMON_OPTS='' # none\nX=1\n",
                "DAEMON_OPTS='-4' # none\nX=1\n",
            ),
            ("DAEMON_OPTS=-s\n", "DAEMON_OPTS=\"-s -4\"\n"),
            ("DAEMON_OPTS=\"-4\"\n", "DAEMON_OPTS=\"-4\"\n"),
            ("", "DAEMON_OPTS=\"-4\"\n"),
        ] {
            assert_eq!(with_options(old, "DAEMON_OPTS", &four), new, "{old}");
        }
    }
}
