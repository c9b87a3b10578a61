//! The new daemon on this machine or image: is it installed, which version, where are its files,
//! and which lines of its present configuration stay.

use super::tree::Tree;
use crate::conf::chrony::Value;
use crate::conf::chrony::Version;
use crate::conf::chrony::load;
use crate::conf::chrony::write;
use crate::conf::convert::input::Layout;
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

impl To {
    /// What has to be typed for it behind `migrate-ntpd`.
    pub(super) fn option(self) -> &'static str {
        match self {
            Self::Chrony => "",
            Self::Clockbox => " --to clockbox",
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
    tree.first(BINARIES).is_some()
}

/// What a conversion needs to know of the target.
pub(super) fn target(tree: &Tree, to: To, version: Option<Version>, alone: bool) -> Target {
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
        To::Clockbox => OWN,
        To::Chrony => version
            .or_else(|| find_version(tree))
            .or_else(|| shipped(tree))
            .unwrap_or(OLDEST),
    };
    let lists = [
        "/usr/share/zoneinfo/leap-seconds.list",
        "/usr/share/zoneinfo/leapseconds.list",
    ];
    Target {
        version: found,
        layout,
        leap_list: tree.first(&lists).filter(|_| !alone).map(str::to_owned),
        right_utc: (!alone).then(|| tree.has("/usr/share/zoneinfo/right/UTC")),
        no_rtc: !alone
            && tree.is_live()
            && !tree.has("/dev/rtc0")
            && !tree.has("/dev/rtc")
            && tree.has("/dev"),
    }
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
/// it would install; for an image the package database does.
fn find_version(tree: &Tree) -> Option<Version> {
    if tree.is_live() {
        let Some(program) = tree.first(BINARIES) else {
            let candidate = Manager::find()?.candidate("chrony")?;
            return Version::find(&candidate);
        };
        let said = sys::process::read(program, &["-v"], 5.0, 4096).ok()?;
        return Version::find(&said.stdout);
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
            let target = target(&Tree::new(dir.path()), To::Chrony, None, false);
            assert_eq!(target.version, Version::new(version.0, version.1), "{text}");
        }
    }
}
