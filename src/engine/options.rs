//! How far each source may decide: what its line says, and what `authselectmode` makes of that.

use super::config::SourceConfig;

/// How sources that prove who they are and sources that do not are selected together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AuthSelect {
    /// Servers that prove nothing are measured only.
    Require,
    /// The same, where there is any server that does.
    Prefer,
    /// Where there are both, those that do, and the clocks of this machine, are trusted and
    /// required.
    #[default]
    Mix,
    /// It makes no difference.
    Ignore,
}

/// What a source may do in the vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent options of the syntax"
)]
pub struct SelectOptions {
    /// Measured, never used.
    pub no_select: bool,
    /// Preferred over the others that agree.
    pub prefer: bool,
    /// Believed against any number of others.
    pub trust: bool,
    /// The clock is only updated while a source marked so is among those that agree.
    pub require: bool,
}

impl SelectOptions {
    /// What a source's line says.
    #[must_use]
    pub const fn configured(config: &SourceConfig) -> Self {
        Self {
            no_select: config.no_select,
            prefer: config.prefer,
            trust: config.trust,
            require: config.require,
        }
    }
}

/// The options that count, a source each. One that is never selected anyway is neither counted
/// nor changed.
#[must_use]
pub fn effective(sources: &[&SourceConfig], mode: AuthSelect) -> Vec<SelectOptions> {
    let servers = || {
        sources
            .iter()
            .filter(|s| !s.no_select && s.refclock.is_none())
    };
    let proved = servers().any(|s| s.key.is_some());
    let unproved = servers().any(|s| s.key.is_none());
    sources
        .iter()
        .map(|source| {
            let mut options = SelectOptions::configured(source);
            if options.no_select {
                return options;
            }
            let claims = source.refclock.is_none() && source.key.is_none();
            match mode {
                AuthSelect::Require => options.no_select = claims,
                AuthSelect::Prefer => options.no_select = claims && proved,
                AuthSelect::Mix if proved && unproved && !claims => {
                    options.trust = true;
                    options.require = true;
                }
                AuthSelect::Mix | AuthSelect::Ignore => {}
            }
            options
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::refclock::Device;
    use crate::engine::refclock::RefclockConfig;
    use crate::proto::refid::RefId;

    /// Of each source: N noselect, P prefer, T trust, R require.
    fn letters(sources: &[&SourceConfig], mode: AuthSelect) -> Vec<String> {
        effective(sources, mode)
            .iter()
            .map(|o| {
                [
                    (o.no_select, 'N'),
                    (o.prefer, 'P'),
                    (o.trust, 'T'),
                    (o.require, 'R'),
                ]
                .iter()
                .map(|&(on, letter)| if on { letter } else { '-' })
                .collect()
            })
            .collect()
    }

    fn plain() -> SourceConfig {
        SourceConfig::new("plain", None)
    }

    fn keyed() -> SourceConfig {
        SourceConfig {
            key: Some(1),
            prefer: true,
            ..SourceConfig::new("keyed", None)
        }
    }

    #[test]
    fn each_mode_with_both_kinds_of_server_and_a_clock() {
        let clock = SourceConfig::refclock(
            "clock",
            RefclockConfig::new(Device::Shm { unit: 0, mode: 0 }, RefId(*b"SHM0")),
        );
        let (plain, keyed) = (plain(), keyed());
        let all = [&plain, &keyed, &clock];
        let want = |mode, want: [&str; 3]| assert_eq!(letters(&all, mode), want, "{mode:?}");
        want(AuthSelect::Require, ["N---", "-P--", "----"]);
        want(AuthSelect::Prefer, ["N---", "-P--", "----"]);
        want(AuthSelect::Mix, ["----", "-PTR", "--TR"]);
        want(AuthSelect::Ignore, ["----", "-P--", "----"]);
    }

    #[test]
    fn with_one_kind_only_nothing_changes_but_under_require() {
        let (plain, keyed) = (plain(), keyed());
        for mode in [AuthSelect::Prefer, AuthSelect::Mix, AuthSelect::Ignore] {
            assert_eq!(letters(&[&plain, &plain], mode), ["----", "----"]);
            assert_eq!(letters(&[&keyed], mode), ["-P--"]);
        }
        assert_eq!(letters(&[&plain], AuthSelect::Require), ["N---"]);
        assert_eq!(letters(&[&keyed], AuthSelect::Require), ["-P--"]);
    }

    #[test]
    fn a_source_that_is_never_selected_does_not_count() {
        let (plain, keyed) = (plain(), keyed());
        let never = SourceConfig {
            no_select: true,
            ..keyed.clone()
        };
        for mode in [AuthSelect::Prefer, AuthSelect::Mix] {
            assert_eq!(letters(&[&plain, &never], mode), ["----", "NP--"]);
        }
        let never = SourceConfig {
            no_select: true,
            ..plain
        };
        assert_eq!(
            letters(&[&never, &keyed], AuthSelect::Mix),
            ["N---", "-P--"]
        );
    }
}
