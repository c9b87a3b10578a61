//! Whether the keys that new lines name are there: a daemon that misses one only says so in its log,
//! and never asks the source.

use super::place::Place;
use crate::commands::host_files::HostFiles;
use crate::commands::sources::edit::Change;
use crate::conf::chrony;
use crate::conf::keys;
use crate::conf::keys::Keys;
use crate::conf::ntp;
use crate::conf::ntp::directives::Dialect;
use crate::conf::ntp::statement::Body;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys;
use crate::sys::daemons::Kind;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;

/// The longest key file that is read, in octets.
const LONGEST: u64 = 1 << 20;

/// What the daemon's configuration says of keys.
#[derive(Debug, Default)]
struct Ring {
    /// The file of keys.
    file: Option<String>,
    /// The keys that may be used, where the configuration has to name them (`trustedkey`).
    trusted: Option<Vec<(u32, u32)>>,
}

/// Looks for the keys of the lines that are put in; one that a line of the file names already is no
/// news.
///
/// # Errors
/// The key that is missing, where, and what makes one.
pub(super) fn check(changes: &BTreeMap<String, Change>, place: &Place) -> Result<(), Failure> {
    let wanted: BTreeSet<u32> = changes
        .values()
        .flat_map(|change| &change.insert)
        .filter_map(|line| named(line))
        .filter(|id| !place.conf.sources.iter().any(|s| s.key == Some(*id)))
        .collect();
    let (Some(first), Some(ring)) = (wanted.first(), ring(place)) else {
        return Ok(());
    };
    let Some(file) = &ring.file else {
        return Err(no_file(*first, place));
    };
    let real = sys::files::under(&place.root, Path::new(file));
    let text = match sys::files::read(&real, LONGEST) {
        Ok(text) => text,
        Err(error) if error.is_missing() => Vec::new(),
        Err(error) => return Err(Failure::from(error).target(file.clone())),
    };
    let known = match place.kind {
        Kind::Ntpd | Kind::Ntpsec => keys::ntp(file, &text),
        _ => keys::chrony(file, &text),
    };
    for id in wanted {
        there(id, file, &known, place)?;
        if let Some(trusted) = &ring.trusted
            && !trusted
                .iter()
                .any(|(low, high)| (*low..=*high).contains(&id))
        {
            return Err(wrong(
                format!(
                    "key {id} is not in trustedkey: {} would not use it; nothing was changed",
                    place.kind.word()
                ),
                id,
            )
            .hint(format!("echo \"trustedkey {id}\" >>{}", place.conf.path)));
        }
    }
    Ok(())
}

/// The number behind the option `key` of a source's line.
fn named(line: &str) -> Option<u32> {
    let mut words = line.split_whitespace().skip(2);
    words.find(|word| word.eq_ignore_ascii_case("key"))?;
    words.next()?.parse().ok()
}

/// `None` for daemons without keys.
fn ring(place: &Place) -> Option<Ring> {
    let files = HostFiles::new(&place.root);
    match place.kind {
        Kind::Chronyd | Kind::Clockbox => {
            let loaded = chrony::load(&place.conf.path, &files);
            Some(Ring {
                file: chrony::Settings::new(&loaded).key_file,
                trusted: None,
            })
        }
        Kind::Ntpd | Kind::Ntpsec => {
            let dialect = match place.kind {
                Kind::Ntpsec => Dialect::Ntpsec,
                _ => Dialect::Classic,
            };
            let loaded = ntp::load(&place.conf.path, dialect, &files);
            let file = loaded.named("keys").filter_map(|line| match &line.body {
                Body::Text(term) => Some(term.text.clone()),
                _ => None,
            });
            let trusted = loaded
                .named("trustedkey")
                .filter_map(|line| match &line.body {
                    Body::KeyRanges(ranges) => Some(ranges.clone()),
                    _ => None,
                });
            Some(Ring {
                file: by_option(place).or_else(|| file.last()),
                trusted: Some(trusted.flatten().collect()),
            })
        }
        _ => None,
    }
}

/// ntpd's `-k FILE`.
fn by_option(place: &Place) -> Option<String> {
    let arguments = &place.running.as_ref()?.arguments;
    let at = arguments.iter().position(|word| word == "-k")?;
    arguments.get(at + 1).cloned()
}

fn no_file(id: u32, place: &Place) -> Failure {
    let path = &place.conf.path;
    let directory = Path::new(path).parent().unwrap_or(Path::new("/etc"));
    let (directive, name) = match place.kind {
        Kind::Ntpd | Kind::Ntpsec => ("keys", "ntp.keys"),
        Kind::Clockbox => ("keyfile", "clockbox.keys"),
        _ => ("keyfile", "chrony.keys"),
    };
    wrong(
        format!("key {id}: {path} names no file of keys ({directive}); nothing was changed"),
        id,
    )
    .hint(format!(
        "echo \"{directive} {}\" >>{path}",
        directory.join(name).display()
    ))
}

/// That the file has the key, and that it is one.
fn there(id: u32, file: &str, known: &Keys, place: &Place) -> Result<(), Failure> {
    if known.find(id).is_some() {
        return Ok(());
    }
    let bad = known.bad.iter().find(|line| line.id == Some(id));
    if let Some(bad) = bad {
        let text = format!(
            "{file}: {}; {} does not use it; nothing was changed",
            bad.reason,
            place.kind.word()
        );
        return Err(wrong(text, id).hint(format!("sudoedit {file}")));
    }
    let text = format!(
        "there is no key {id} in {file}: {} would never ask the source; nothing was changed. The command makes one, which the server has to have too",
        place.kind.word()
    );
    Err(wrong(text, id).hint(make(id, file, place.kind)))
}

/// What puts a new key into the file.
fn make(id: u32, file: &str, kind: Kind) -> String {
    match kind {
        Kind::Chronyd => format!("chronyc keygen {id} SHA256 256 >>{file}"),
        Kind::Clockbox => {
            format!("echo \"{id} SHA256 HEX:$(openssl rand -hex 32)\" >>{file}")
        }
        _ => format!("echo \"{id} SHA1 $(openssl rand -hex 20)\" >>{file}"),
    }
}

fn wrong(text: String, id: u32) -> Failure {
    Failure::new(ExitStatus::Data, text).target(id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_the_word_behind_key() {
        for (line, key) in [
            ("server ntp.example iburst key 99", Some(99)),
            ("server ntp.example KEY 7 prefer", Some(7)),
            ("server key iburst", None),
            ("pool key 5", None),
            ("server ntp.example key", None),
            ("NTP=ntp.example", None),
        ] {
            assert_eq!(named(line), key, "{line}");
        }
    }
}
