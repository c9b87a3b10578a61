//! One family for the names of all sources: `-4` and `-6` of ntpd and of its sources, for versions of
//! chrony whose sources have no such option.
//!
//! ntpd's `-4` is about looking names up. chronyd's has it open no sockets of the other family
//! either, so where clients are answered it is no substitute.

use crate::conf::chrony::Version;
use crate::conf::chrony::value::Family;
use crate::conf::convert::Converter;
use crate::conf::convert::record::Outcome;
use crate::conf::ntp::Body;

/// The first version whose sources have a family.
const OF_SOURCES: Version = Version::new(4, 6);

/// The option of a family.
pub(super) fn option_of(family: Family) -> &'static str {
    match family {
        Family::V4 => "-4",
        Family::V6 => "-6",
    }
}

impl Converter<'_> {
    /// Whether sources may have a family.
    pub(super) fn sources_have_families(&self) -> bool {
        self.target.version >= OF_SOURCES
    }

    /// The family that the new daemon is to be started with.
    pub(super) fn find_daemon_family(&self) -> Option<Family> {
        let possible = self.target.options.is_some() && !self.serving.serve;
        let wanted = self.family.or_else(|| self.common_family());
        wanted.filter(|_| possible && !self.sources_have_families())
    }

    /// The family that every named source has.
    fn common_family(&self) -> Option<Family> {
        let statements = self.input.conf.statements();
        let mut families = statements.filter_map(|statement| match &statement.body {
            Body::Association { address, .. } if address.ip().is_none() => Some(address.family),
            _ => None,
        });
        let first = families.next()??;
        families
            .all(|family| family == Some(first))
            .then_some(first)
    }

    /// Where the option of the daemon is written, for a person.
    pub(super) fn daemon_family_place(&self) -> Option<String> {
        let option = option_of(self.daemon_family?);
        let place = self.target.options.as_ref()?;
        let (path, variable) = (&place.path, &place.variable);
        Some(format!(
            "chronyd is started with {option} ({variable} in {path})"
        ))
    }

    /// What became of `-4` or `-6` of the command line.
    pub(super) fn family_option(&self, name: &str) -> Outcome {
        if self.sources_have_families() {
            return Outcome::changed(Vec::new(), "every source has the option of its family");
        }
        match self.daemon_family_place() {
            Some(place) => Outcome::changed(Vec::new(), &place),
            None if self.serving.serve => Outcome::lost(&format!(
                "with {name} chronyd would answer nobody of the other family, so it uses both for its sources too: that needs chrony {OF_SOURCES}"
            )),
            None => Outcome::lost(&format!(
                "nothing tells where the options of its service are: start chronyd with {name}, or it uses both families"
            )),
        }
    }
}
