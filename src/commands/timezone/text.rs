//! The text files that name a machine's zone: which there are, what each says, and what it says
//! after a change.

use crate::conf::zone;
use crate::conf::zone::assignment;
use crate::conf::zone::os::Family;
use crate::conf::zone::os::Os;
use crate::conf::zone::uci;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::sys::error::Error;
use crate::sys::files;
use crate::sys::rooted;
use std::path::Path;
use std::path::PathBuf;

/// How a file names the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The name alone: /etc/timezone.
    Plain,
    /// `KEY=name`.
    Assignment(&'static str),
    /// OpenWrt's `option zonename` and `option timezone`.
    Uci,
    /// A rule in POSIX's form, or a name: /etc/TZ.
    Rule,
}

/// A file that names the zone.
#[derive(Debug)]
pub(super) struct Text {
    /// Its path as it is called inside the root.
    pub path: &'static str,
    /// Where it is, all links followed.
    pub real: PathBuf,
    /// How it names the zone.
    pub form: Form,
    /// What is in it, one character an octet.
    pub content: String,
    /// There is a directory in its place.
    pub directory: bool,
}

/// A place that may name the zone and cannot be read.
#[derive(Debug)]
pub(super) struct Unread {
    /// Its path as it is called inside the root.
    pub path: &'static str,
    /// Why, in words.
    pub why: String,
    /// What to type about it.
    next: String,
}

impl Unread {
    fn new(path: &'static str, own: PathBuf, error: &Error) -> Self {
        let shown = own.display();
        let (why, next) = match files::link_target(&own) {
            Some(target) if error.is_missing() => (
                format!("a link to {}, which is not there", target.display()),
                format!("rm {shown}"),
            ),
            Some(_) if error.is_circle() => (
                "a link that leads back to itself".to_owned(),
                format!("rm {shown}"),
            ),
            _ if error.is_permission() => (
                "for root alone to read".to_owned(),
                format!("sudo cat {shown}"),
            ),
            _ => (error.reason_words(), format!("ls -ld {shown}")),
        };
        Self { path, why, next }
    }

    /// What is said of it.
    pub(super) fn finding(&self) -> Finding {
        let text = format!("{} was passed over: {}", self.path, self.why);
        Finding::warning(text).next(self.next.clone())
    }
}

/// The files that are looked for. Those with an assignment count only when they have it.
const PLACES: &[(&str, Form)] = &[
    ("/etc/timezone", Form::Plain),
    ("/etc/sysconfig/clock", Form::Assignment("ZONE")),
    ("/etc/sysconfig/clock", Form::Assignment("TIMEZONE")),
    ("/etc/rc.conf", Form::Assignment("TIMEZONE")),
    ("/etc/profile.d/timezone.sh", Form::Assignment("TZ")),
    ("/etc/config/system", Form::Uci),
    ("/etc/TZ", Form::Rule),
];

impl Text {
    /// The files that there are.
    ///
    /// # Errors
    /// When links above them go round in a circle.
    pub(super) fn all(
        root: &Path,
        os: &Os,
        systemd: bool,
    ) -> Result<(Vec<Self>, Vec<Unread>), Failure> {
        let (mut found, mut unread): (Vec<Self>, Vec<Unread>) = (Vec::new(), Vec::new());
        for (path, form) in PLACES {
            let own = rooted::place(root, Path::new(path))?;
            if !files::exists(&own) {
                continue;
            }
            let read = rooted::resolve(root, Path::new(path)).and_then(|real| {
                let directory = *form == Form::Plain && real.is_dir();
                let content = match directory {
                    true => String::new(),
                    false => zone::to_text(&files::read(&real, files::CONFIG_LIMIT)?),
                };
                Ok((real, directory, content))
            });
            match read {
                Ok((real, directory, content)) => {
                    let text = Self {
                        path,
                        real,
                        form: *form,
                        content,
                        directory,
                    };
                    if directory || text.counts(os, systemd) {
                        found.push(text);
                    }
                }
                Err(_) if unread.iter().any(|known| known.path == *path) => {}
                Err(error) => unread.push(Unread::new(path, own, &error)),
            }
        }
        Ok((found, unread))
    }

    /// Whether this file is one that names the zone. Before systemd, Red Hat's and SUSE's package
    /// scripts set the zone from /etc/sysconfig/clock: there the assignment must not be missing.
    fn counts(&self, os: &Os, systemd: bool) -> bool {
        let Form::Assignment(key) = self.form else {
            return self.form != Form::Uci
                || uci::value(&self.content, "system", "timezone").is_some()
                || os.family == Family::OpenWrt;
        };
        let needed = match (os.family, key) {
            (Family::RedHat, "ZONE") => true,
            (Family::Suse, "TIMEZONE") => self.path == "/etc/sysconfig/clock",
            _ => false,
        };
        assignment::value(&self.content, key).is_some() || (needed && !systemd)
    }

    /// The zone (or, in /etc/TZ, the rule) that it names.
    pub(super) fn says(&self) -> Option<String> {
        let value = match self.form {
            Form::Plain => zone::plain_name(&self.content),
            Form::Assignment(key) => assignment::value(&self.content, key),
            Form::Uci => uci::value(&self.content, "system", "zonename"),
            Form::Rule => self.content.lines().next().map(str::trim),
        };
        let value = value?.trim_start_matches(':');
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// How it names the zone, in words.
    pub(super) fn form_words(&self) -> String {
        match self.form {
            Form::Plain if self.directory => "a directory".to_owned(),
            Form::Plain => "name".to_owned(),
            Form::Assignment(key) => format!("{key}="),
            Form::Uci => "option zonename".to_owned(),
            Form::Rule => "rule".to_owned(),
        }
    }

    /// What it says when it names this zone; `rule` is the zone's in POSIX's form.
    pub(super) fn with(&self, zone: &str, rule: &str) -> String {
        let text = &self.content;
        match self.form {
            Form::Plain => zone::with_plain_name(text, zone),
            Form::Assignment(key) => assignment::with_value(text, key, zone)
                .unwrap_or_else(|| assignment::with_added(text, key, zone)),
            Form::Uci => {
                // OpenWrt's own form has spaces in names.
                let spaced = zone.replace('_', " ");
                let old = uci::value(text, "system", "zonename");
                let zone = if old.is_some_and(|old| old.contains(' ')) {
                    &spaced
                } else {
                    zone
                };
                let named = uci::with_value(text, "system", "zonename", zone);
                named
                    .and_then(|named| uci::with_value(&named, "system", "timezone", rule))
                    .unwrap_or_else(|| text.clone())
            }
            Form::Rule => {
                let value = if crate::conf::posix_tz::PosixTz::parse(text.trim()).is_some() {
                    rule
                } else {
                    zone
                };
                zone::with_plain_name(text, value)
            }
        }
    }
}
