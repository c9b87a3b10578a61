//! Puts everything back as the journal has it. Doing it twice is the same as once, so that an
//! interrupted undo can be repeated.

use super::journal;
use super::journal::DIR;
use super::journal::Journal;
use super::journal::Saved;
use super::journal::State;
use super::journal::Was;
use super::services::Services;
use super::tree::Tree;
use crate::exit::Failure;
use crate::report::migrate_ntpd::FileAction;
use crate::report::migrate_ntpd::FileChange;
use crate::report::migrate_ntpd::ServiceChange;
use crate::sys;
use crate::sys::package::Manager;
use std::path::Path;

/// What an undo did, and what it could not do.
#[derive(Clone, Debug, Default)]
pub(super) struct Undone {
    /// Files put back or removed.
    pub(super) files: Vec<FileChange>,
    /// Services as they are again.
    pub(super) services: Vec<ServiceChange>,
    /// What failed, in words.
    pub(super) failed: Vec<Failure>,
}

/// Undoes what the journal describes, as far as possible; a failure does not end it.
pub(super) fn undo(tree: &Tree, journal: &Journal) -> Result<Undone, Failure> {
    let mut done = Undone::default();
    let services = Services::new(tree);
    let live = tree.is_live();
    let (new, old): (Vec<_>, Vec<_>) = journal.services.iter().partition(|service| service.new);
    if live {
        for service in &new {
            if !service.masked
                && sys::service::find(tree.root(), &service.name).is_some_and(|now| now.masked)
            {
                done.note(services.unmask(&service.name));
            }
            if !service.active && services.active(&service.name) {
                done.note(services.stop(&service.name));
            }
            if !service.enabled
                && sys::service::find(tree.root(), &service.name).is_some_and(|now| now.enabled)
            {
                done.note(services.disable(&service.name));
            }
        }
    }
    for saved in journal.files.iter().rev() {
        let result = put_back(tree, saved);
        if let Ok(Some(change)) = &result {
            done.files.push(change.clone());
        }
        done.note(result.map(|_| ()));
    }
    if live {
        reinstall(journal, &mut done);
        done.note(services.reload());
        for service in &old {
            let action = revive(&services, service, &mut done);
            done.services.push(ServiceChange {
                name: service.name.clone(),
                action,
                was_enabled: service.enabled,
                was_active: Some(service.active),
            });
        }
        for service in new.iter().filter(|service| service.masked) {
            done.note(services.mask(&service.name));
        }
    }
    let state = if done.failed.is_empty() {
        State::RolledBack
    } else {
        State::Started
    };
    let journal = Journal {
        state,
        ..journal.clone()
    };
    journal::save(tree, &journal)?;
    Ok(done)
}

impl Undone {
    fn note(&mut self, result: Result<(), Failure>) {
        if let Err(failure) = result {
            self.failed.push(failure);
        }
    }
}

/// Installing the new daemon may have removed the old one's package.
fn reinstall(journal: &Journal, done: &mut Undone) {
    let Some(manager) = Manager::find() else {
        return;
    };
    for (package, version) in &journal.packages {
        if manager.version(package).is_some() {
            continue;
        }
        let exact = match manager {
            Manager::Apt => manager.install(&format!("{package}={version}")),
            _ => manager.install(package),
        };
        let result = exact.or_else(|_| manager.install(package));
        done.note(result.map_err(Failure::from));
    }
}

fn revive(services: &Services<'_>, service: &journal::Service, done: &mut Undone) -> String {
    if service.masked {
        done.note(services.mask(&service.name));
        return "leave masked".to_owned();
    }
    done.note(services.unmask(&service.name));
    let mut words = Vec::new();
    if service.enabled {
        done.note(services.enable(&service.name));
        words.push("enable");
    }
    if service.active {
        done.note(services.start(&service.name));
        words.push("start");
    }
    if words.is_empty() {
        "leave off".to_owned()
    } else {
        words.join(" and ")
    }
}

/// One place as it was; `None` if it is so already.
fn put_back(tree: &Tree, saved: &Saved) -> Result<Option<FileChange>, Failure> {
    let place = sys::rooted::place(tree.root(), Path::new(&saved.path))?;
    let change = |action| {
        Some(FileChange {
            path: saved.path.clone(),
            action,
            backup: None,
            diff: None,
        })
    };
    match &saved.was {
        Was::Absent => {
            if !sys::files::exists(&place) {
                return Ok(None);
            }
            sys::owner::remove(&place)?;
            Ok(change(FileAction::Remove))
        }
        Was::Link(target) => {
            if sys::files::link_target(&place).is_some_and(|now| now == Path::new(target)) {
                return Ok(None);
            }
            sys::files::make_parents(&place)?;
            sys::files::replace_link(&place, Path::new(target))?;
            Ok(change(FileAction::Restore))
        }
        Was::File(name) => {
            let copy = tree.real(&format!("{DIR}/{name}"))?;
            let content = sys::files::read(&copy, 64 << 20)?;
            let same = sys::files::read(&place, 64 << 20).is_ok_and(|now| now == content);
            if !same {
                sys::files::make_parents(&place)?;
                sys::files::replace(&place, &content, 0o644)?;
            }
            sys::owner::copy_attributes(&copy, &place)?;
            Ok(if same {
                None
            } else {
                change(FileAction::Restore)
            })
        }
    }
}
