//! chrony.conf: the configuration of chronyd, and of this program's own daemon.
//!
//! [`directives`] is the syntax as data; [`parse`] turns one line into a [`Value`]; [`mod@load`]
//! reads a file with all it includes; [`mod@write`] prints values; [`settings`] folds the lines into
//! one typed configuration with chrony's defaults.

pub mod access;
pub mod directives;
pub mod effective;
pub mod gate;
pub mod load;
pub mod parse;
pub mod settings;
pub mod value;
pub mod write;

use core::fmt;

pub use load::Loaded;
pub use load::Statement;
pub use load::load;
pub use load::load_text;
pub use settings::Settings;
pub use value::Value;

/// A version of chrony.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// 4 of 4.6.1.
    pub major: u16,
    /// 6 of 4.6.1.
    pub minor: u16,
}

impl Version {
    /// A version by its numbers.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// The version in text such as `chronyd (chrony) version 4.3 (+CMDMON ...)` or `4.6.1-1ubuntu1`:
    /// the first number with a dot.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
            .find_map(|word| {
                let (major, rest) = word.split_once('.')?;
                let minor = rest.split('.').next()?;
                Some(Self::new(major.parse().ok()?, minor.parse().ok()?))
            })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_what_programs_print() {
        let text = "chronyd (chrony) version 4.3 (+CMDMON +NTP -DEBUG)";
        assert_eq!(Version::find(text), Some(Version::new(4, 3)));
        assert_eq!(Version::find("4.6.1-1ubuntu1"), Some(Version::new(4, 6)));
        assert_eq!(Version::find("none"), None);
        assert!(Version::new(4, 10) > Version::new(4, 6));
    }
}
