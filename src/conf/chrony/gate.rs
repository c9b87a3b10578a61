//! Which words of a configuration a version of chrony does not know.

use crate::conf::chrony::Version;
use crate::conf::chrony::directives;
use crate::conf::chrony::directives::Argument;
use crate::conf::chrony::directives::OptionInfo;
use crate::conf::chrony::value::Value;
use crate::conf::chrony::write;

/// A word and the version that introduced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newer {
    /// The directive or the option.
    pub word: &'static str,
    /// The first version that has it.
    pub since: Version,
}

/// The words of a directive that `version` does not know: the directive itself, or options of it.
#[must_use]
pub fn newer_than(version: Version, name: &str, value: &Value) -> Vec<Newer> {
    let Some(directive) = directives::find(name) else {
        return Vec::new();
    };
    if directive.since > version {
        return vec![Newer {
            word: directive.name,
            since: directive.since,
        }];
    }
    let (table, skip) = match value {
        Value::Source(_) => (directives::SOURCE_OPTIONS, 1),
        Value::Refclock(_) => (directives::REFCLOCK_OPTIONS, 2),
        Value::HwTimestamp(_) => (directives::HWTIMESTAMP_OPTIONS, 1),
        Value::Local(_) => (directives::LOCAL_OPTIONS, 0),
        Value::RateLimit(_) => (directives::RATELIMIT_OPTIONS, 0),
        _ => return Vec::new(),
    };
    let text = write::arguments(value);
    let mut words = text.split(' ').skip(skip);
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let Some(info) = table.iter().find(|info: &&OptionInfo| info.name == word) else {
            continue;
        };
        if info.argument != Argument::None {
            words.next();
        }
        if info.since > version {
            found.push(Newer {
                word: info.name,
                since: info.since,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::chrony::load::parse_alone;

    fn newer(text: &str, version: Version) -> Vec<&'static str> {
        let loaded = parse_alone("f", text.as_bytes());
        let statement = &loaded.statements[0];
        let found = newer_than(version, statement.name, &statement.value);
        found.iter().map(|newer| newer.word).collect()
    }

    #[test]
    fn words_of_later_versions_are_named() {
        let old = Version::new(4, 3);
        assert_eq!(
            newer("server ipv4 ipv4 iburst maxunreach 4", old),
            ["ipv4", "maxunreach"]
        );
        assert_eq!(
            newer("server a ipv4", Version::new(4, 6)),
            Vec::<&str>::new()
        );
        assert_eq!(newer("leapseclist /x", old), ["leapseclist"]);
        assert_eq!(
            newer("local stratum 5 orphan waitunsynced 300", old),
            ["waitunsynced"]
        );
        assert_eq!(newer("ratelimit interval 3 kod 2", old), ["kod"]);
        assert_eq!(
            newer("refclock SHM 0 refid tai stratum 3", Version::new(3, 2)),
            ["stratum"]
        );
    }
}
