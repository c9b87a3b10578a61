//! SIGHUP and `reload sources`: the configuration is read again. Sources whose lines did not change
//! keep all that was learnt of them; a broken file changes nothing.

use super::Options;
use super::settings;
use super::settings::Loading;
use crate::commands::serve::Plan;
use crate::commands::serve::host::ServerHost;
use crate::conf::chrony::Settings;
use crate::engine::Engine;
use crate::engine::clock::Reading;
use crate::engine::config::SourceConfig;
use crate::engine::source_id::SourceId;
use crate::exit::Failure;

/// What the configuration last said, to be held against what it says now.
#[derive(Debug, Default)]
pub struct Applied {
    options: Options,
    /// None before the engine has started.
    sources: Option<Vec<Line>>,
    /// For each source at the start, whether it came from a directory of sources.
    from_directories: Vec<bool>,
    /// The lines that are not read again.
    fixed: Vec<(String, String)>,
    /// Who answers, by which plan; and how many of its rules came from the file, the others from
    /// the command line.
    plan: Option<(Plan, usize)>,
}

/// A source of the configuration.
#[derive(Clone, Debug)]
struct Line {
    config: SourceConfig,
    id: SourceId,
    /// It came from a directory of sources.
    from_directory: bool,
}

/// What a reload changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// New sources.
    pub added: usize,
    /// Sources that are gone.
    pub removed: usize,
    /// Sources that stay as they were.
    pub kept: usize,
}

impl Changed {
    /// In words.
    #[must_use]
    pub fn words(self) -> String {
        let (added, removed, kept) = (self.added, self.removed, self.kept);
        let plural = if added == 1 { "" } else { "s" };
        format!("{added} source{plural} added, {removed} removed, {kept} as they were")
    }
}

/// What came of reading the configuration again.
#[derive(Debug)]
pub struct Again {
    /// What became of the sources.
    pub changed: Changed,
    /// All that it says now.
    pub settings: Settings,
    /// Directives that changed and wait for a restart.
    pub waiting: Vec<String>,
}

impl Applied {
    /// What the daemon was started with: for each source whether it came from a directory, and the
    /// lines that are not read again.
    #[must_use]
    pub fn new(
        options: &Options,
        plan: Option<(Plan, usize)>,
        from_directories: Vec<bool>,
        fixed: Vec<(String, String)>,
    ) -> Self {
        Self {
            options: options.clone(),
            sources: None,
            from_directories,
            fixed,
            plan,
        }
    }

    /// The engine has started, with the sources of its configuration: once.
    pub fn begin(&mut self, engine: &Engine) {
        let from = &self.from_directories;
        self.sources.get_or_insert_with(|| {
            let line = |(place, (config, id)): (usize, (SourceConfig, SourceId))| Line {
                config,
                id,
                from_directory: from.get(place).copied().unwrap_or(false),
            };
            engine
                .configured()
                .into_iter()
                .enumerate()
                .map(line)
                .collect()
        });
    }

    /// Reads the configuration again and applies what changed.
    ///
    /// # Errors
    /// What is wrong with it; then nothing was changed.
    pub fn again(
        &mut self,
        now: Reading,
        engine: &mut Engine,
        server: Option<&mut ServerHost>,
    ) -> Result<Again, Failure> {
        let mut loading = settings::load(&self.options)?;
        let wanted = wanted(&loading);
        let changed = self.apply_sources(&wanted, now, engine);
        engine.set_keys(loading.engine.keys.clone());
        let waiting = differing(&self.fixed, &loading.fixed);
        let settings = std::mem::take(&mut loading.settings);
        self.serve(loading, &settings, server);
        Ok(Again {
            changed,
            settings,
            waiting,
        })
    }

    /// Reads the directories of sources again; the other lines stay as they were applied.
    ///
    /// # Errors
    /// What is wrong with the configuration; then nothing was changed.
    pub fn sources_again(&mut self, now: Reading, engine: &mut Engine) -> Result<Changed, Failure> {
        let loading = settings::load(&self.options)?;
        let mut kept: Vec<(SourceConfig, bool)> = self
            .sources
            .iter()
            .flatten()
            .filter(|line| !line.from_directory && engine.index(line.id).is_some())
            .map(|line| (line.config.clone(), false))
            .collect();
        kept.extend(wanted(&loading).into_iter().filter(|(_, from)| *from));
        Ok(self.apply_sources(&kept, now, engine))
    }

    /// Adds and removes sources until they are those of the new configuration. Lines that stand
    /// several times, and the members of a pool, count as often as they stand.
    fn apply_sources(
        &mut self,
        wanted: &[(SourceConfig, bool)],
        now: Reading,
        engine: &mut Engine,
    ) -> Changed {
        // What a command deleted is gone, and comes back by the file.
        let mut old = self.sources.take().unwrap_or_default();
        old.retain(|line| engine.index(line.id).is_some());
        let mut sources = Vec::new();
        let mut changed = Changed::default();
        let mut new = Vec::new();
        for (config, from_directory) in wanted {
            match old.iter().position(|known| known.config == *config) {
                Some(at) => sources.push(Line {
                    from_directory: *from_directory,
                    ..old.remove(at)
                }),
                None => new.push((config, *from_directory)),
            }
        }
        changed.kept = sources.len();
        for line in old {
            changed.removed += usize::from(engine.remove_source(now, line.id));
        }
        for (config, from_directory) in new {
            let id = engine.add_source(config.clone(), now.raw);
            sources.push(Line {
                config: config.clone(),
                id,
                from_directory,
            });
            changed.added += 1;
        }
        self.sources = Some(sources);
        changed
    }

    fn serve(&mut self, loading: Loading, settings: &Settings, server: Option<&mut ServerHost>) {
        let (Some((plan, of_file)), Some(server)) = (&mut self.plan, server) else {
            return;
        };
        let typed = plan.rules.split_off((*of_file).min(plan.rules.len()));
        plan.rules = loading.access;
        *of_file = plan.rules.len();
        plan.rules.extend(typed);
        plan.follow(settings);
        server.replace(plan, loading.engine.keys);
    }
}

/// The sources of a configuration, and whether each came from a directory.
fn wanted(loading: &Loading) -> Vec<(SourceConfig, bool)> {
    let sources = loading.engine.sources.iter().cloned();
    sources
        .zip(loading.from_directories.iter().copied())
        .collect()
}

/// The directives whose lines are not the same in both, each once.
fn differing(old: &[(String, String)], new: &[(String, String)]) -> Vec<String> {
    let only = |these: &[(String, String)], those: &[(String, String)]| -> Vec<String> {
        let missing = these.iter().filter(|line| !those.contains(line));
        missing.map(|line| line.0.clone()).collect()
    };
    let mut names = only(old, new);
    names.extend(only(new, old));
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::Config;
    use crate::engine::random::Random;
    use crate::time::Monotonic;

    fn source(name: &str) -> SourceConfig {
        SourceConfig::new(name, Some("192.0.2.1:123".parse().unwrap()))
    }

    fn now() -> Reading {
        Reading {
            raw: Monotonic::default(),
            unix_ns: 1_700_000_000_000_000_000,
            slept_ns: None,
        }
    }

    #[test]
    fn unchanged_lines_keep_their_sources_and_members_of_a_pool_are_counted() {
        let config = Config {
            sources: ["a", "pool", "pool", "b"].map(source).to_vec(),
            ..Config::default()
        };
        let mut engine = Engine::new(config, Random::new([1; 4]));
        engine.start(now(), 0.0);
        let mut applied = Applied::new(&Options::default(), None, Vec::new(), Vec::new());
        applied.begin(&engine);
        let before: Vec<SourceId> = engine.configured().iter().map(|s| s.1).collect();
        let wanted = ["pool", "c", "a", "pool", "pool"].map(|n| (source(n), false));
        let changed = applied.apply_sources(&wanted, now(), &mut engine);
        assert_eq!((changed.added, changed.removed, changed.kept), (2, 1, 3));
        let after: Vec<SourceId> = engine.configured().iter().map(|s| s.1).collect();
        assert!(before.iter().take(3).all(|id| after.contains(id)));
        assert!(!after.contains(before.last().unwrap()));
    }

    #[test]
    fn a_thousand_changes_leave_as_many_sources_as_the_file_has() {
        let mut engine = Engine::new(Config::default(), Random::new([1; 4]));
        engine.start(now(), 0.0);
        let mut applied = Applied::new(&Options::default(), None, Vec::new(), Vec::new());
        applied.begin(&engine);
        for round in 0..1000 {
            let wanted = ["a", if round % 2 == 0 { "b" } else { "c" }].map(|n| (source(n), false));
            applied.apply_sources(&wanted, now(), &mut engine);
            let known = applied.sources.as_ref().map(Vec::len);
            assert_eq!((known, engine.configured().len()), (Some(2), 2));
            while engine.action().is_some() {}
        }
    }

    #[test]
    fn what_a_command_deleted_comes_back_by_the_file() {
        let config = Config {
            sources: ["a", "b"].map(source).to_vec(),
            ..Config::default()
        };
        let mut engine = Engine::new(config, Random::new([1; 4]));
        engine.start(now(), 0.0);
        let mut applied = Applied::new(&Options::default(), None, vec![false, true], Vec::new());
        applied.begin(&engine);
        let deleted = engine.configured()[1].1;
        engine.remove_source(now(), deleted);
        let wanted = ["a", "b"].map(|n| (source(n), false));
        let changed = applied.apply_sources(&wanted, now(), &mut engine);
        assert_eq!((changed.added, changed.removed, changed.kept), (1, 0, 1));
        assert_eq!(engine.sources.len(), 2);
    }

    #[test]
    fn lines_that_wait_for_a_restart_are_named_once() {
        let lines = |all: &[(&str, &str)]| -> Vec<(String, String)> {
            let line = |(n, t): &(&str, &str)| ((*n).to_owned(), (*t).to_owned());
            all.iter().map(line).collect()
        };
        let old = lines(&[("makestep", "makestep 1 3"), ("rtcsync", "rtcsync")]);
        let new = lines(&[("rtcsync", "rtcsync"), ("makestep", "makestep 1 -1")]);
        assert_eq!(differing(&old, &new), ["makestep"]);
        assert!(differing(&old, &old).is_empty());
    }
}
