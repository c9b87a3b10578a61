//! Puts everything back as the journal has it. Doing it twice is the same as once, so that an
//! interrupted undo can be repeated.

use super::journal;
use super::journal::DIR;
use super::journal::Journal;
use super::journal::Saved;
use super::journal::State;
use super::journal::Turn;
use super::journal::Was;
use super::services::Services;
use super::target;
use super::tree::Tree;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::report::migrate_ntpd::FileAction;
use crate::report::migrate_ntpd::FileChange;
use crate::report::migrate_ntpd::PackageChange;
use crate::report::migrate_ntpd::ServiceChange;
use crate::sys;
use crate::sys::package;
use crate::sys::service::Manager;
use std::path::Path;

/// What an undo did, and what it could not do.
#[derive(Clone, Debug, Default)]
pub(super) struct Undone {
    /// Files put back or removed.
    pub(super) files: Vec<FileChange>,
    /// Services as they are again.
    pub(super) services: Vec<ServiceChange>,
    /// Packages put back, and those that had to give way.
    pub(super) packages: Vec<PackageChange>,
    /// What became of edits that were made after the migration.
    pub(super) findings: Vec<Finding>,
    /// What failed, in words.
    pub(super) failed: Vec<Failure>,
}

/// Whether the packages of the old daemon can be had again, where they are gone: asked before a
/// finished migration is undone, so that no machine is left without any daemon.
pub(super) fn ready(journal: &Journal, turn: &Turn) -> Result<(), Failure> {
    let Some(manager) = package::Manager::find() else {
        return Ok(());
    };
    for (package, version) in &journal.packages {
        let there = manager.version(package).is_some()
            || manager.kept(package, &turn.packages).is_some()
            || manager != package::Manager::Apt
            || manager.candidate(package).is_some();
        if !there {
            let text = format!(
                "the package {package} {version} is gone and cannot be had again; nothing was changed, {} goes on",
                journal.target
            );
            let hint = format!("apt-get update; apt-cache policy {package}");
            return Err(Failure::new(ExitStatus::Unavailable, text)
                .hint(hint)
                .target(package));
        }
    }
    Ok(())
}

/// Undoes what the journal describes, as far as possible; a failure does not end it.
pub(super) fn undo(tree: &Tree, journal: &Journal, turn: &Turn) -> Result<Undone, Failure> {
    let mut done = Undone::default();
    let services = Services::new(tree);
    let live = tree.is_live();
    let (new, old): (Vec<_>, Vec<_>) = journal.services.iter().partition(|service| service.new);
    if live {
        // The package manager of a run that was killed may have left work half done, and it is to
        // end that while the new service is still masked.
        if let Some(manager) = package::Manager::find().filter(|_| !journal.packages.is_empty()) {
            done.note(manager.repair(&turn.log, &turn.lock).map_err(Failure::from));
        }
        for service in &new {
            switch_off(&services, service, tree, journal, &mut done);
        }
    }
    let backups = journal::backups(tree, &crate::commands::now());
    for (number, saved) in journal.files.iter().enumerate().rev() {
        if is_edited(tree, journal, saved) {
            match journal::keep(tree, &saved.path, &backups, number) {
                Ok(copy) => done.findings.extend(edited(tree, saved, &copy)),
                // What cannot be kept is not written over.
                Err(failure) => {
                    done.note(Err(failure));
                    continue;
                }
            }
        }
        let result = put_back(tree, saved);
        if let Ok(Some(change)) = &result {
            done.files.push(change.clone());
        }
        done.note(result.map(|_| ()));
    }
    for path in journal.directories.iter().rev() {
        let removed = sys::rooted::place(tree.root(), Path::new(path))
            .and_then(|place| sys::owner::remove_empty(&place));
        done.note(removed.map_err(Failure::from));
    }
    if live {
        for service in &journal.services {
            done.note(unlink_runlevels(&services, service, journal));
        }
        let there = target::is_installed(tree);
        reinstall(journal, turn, &mut done);
        if there && !target::is_installed(tree) {
            done.packages.push(PackageChange::remove("chrony"));
        }
        done.note(services.reload());
        for service in &old {
            let action = revive(&services, service, &mut done);
            done.services.push(change(service, action));
        }
        // It ran before, with the files that it has again.
        for service in new
            .iter()
            .filter(|service| service.active && !service.masked)
        {
            if services.active(&service.name) {
                done.note(services.stop(&service.name));
            }
            done.note(services.start(&service.name));
        }
        for service in new.iter().filter(|service| service.masked) {
            done.note(services.mask(&service.name));
        }
    }
    if !live {
        // Their links are among the files.
        let services = journal.services.iter();
        done.services
            .extend(services.map(|service| as_before(service, live)));
    }
    journal::save(tree, &after(journal, turn, &done))?;
    Ok(done)
}

/// The journal once the undo is over: of a run that gives way to an earlier one, that one's.
fn after(journal: &Journal, turn: &Turn, done: &Undone) -> Journal {
    let state = if done.failed.is_empty() {
        discard(journal, turn);
        State::RolledBack
    } else {
        State::Started
    };
    let mut journal = Journal {
        state,
        ..journal.clone()
    };
    if state == State::RolledBack
        && let Some(before) = journal.before.take()
    {
        journal = *before;
    }
    journal
}

/// The packages that an undo would put back, and those that would give way to them.
pub(super) fn packages(tree: &Tree, journal: &Journal) -> Vec<PackageChange> {
    let Some(manager) = package::Manager::find() else {
        return Vec::new();
    };
    let directory = tree.real(&format!("{DIR}/{}", journal::PACKAGES));
    let directory = directory.unwrap_or_default();
    let names = journal.packages.iter().map(|(name, _)| name);
    let gone = names.filter(|name| manager.version(name).is_none());
    let mut changes = Vec::new();
    for name in gone {
        let file = manager.kept(name, &directory);
        let what = file.map_or_else(|| name.clone(), |file| file.display().to_string());
        changes.push(PackageChange::install(name));
        let removed = manager.displaced(&what).into_iter();
        changes.extend(removed.map(|name| PackageChange::remove(&name)));
    }
    changes
}

/// Whether a file is not any more what the migration wrote.
pub(super) fn is_edited(tree: &Tree, journal: &Journal, saved: &Saved) -> bool {
    let written = journal.written.iter().find(|(path, _)| *path == saved.path);
    let content = |path: &str| tree.content(path).ok().flatten();
    let (Some((_, digest)), Some(now)) = (written, content(&saved.path)) else {
        return false;
    };
    // An undo that is repeated finds what it put back.
    let old = journal::backup(saved).and_then(|path| content(&path));
    old.as_ref() != Some(&now) && journal::digest(&now) != *digest
}

/// Says where an edited file is kept.
fn edited(tree: &Tree, saved: &Saved, copy: &Saved) -> Option<Finding> {
    let kept = journal::backup(copy)?;
    let text = format!(
        "{} was changed after the migration: that version of it is kept as {kept}",
        saved.path
    );
    let place = |path: &str| {
        sys::files::under(tree.root(), Path::new(path))
            .display()
            .to_string()
    };
    Some(Finding::warning(text).next(match saved.was {
        Was::Absent => format!("cat {}", place(&kept)),
        _ => format!("diff -u {} {}", place(&saved.path), place(&kept)),
    }))
}

/// Removes the copies of packages that are installed again.
fn discard(journal: &Journal, turn: &Turn) {
    let Some(manager) = package::Manager::find() else {
        return;
    };
    for (package, _) in &journal.packages {
        while manager.version(package).is_some()
            && let Some(file) = manager.kept(package, &turn.packages)
            && sys::owner::remove(&file).is_ok()
        {}
    }
}

/// What an undo leaves of the packages that were installed for the new daemon.
pub(super) fn left(tree: &Tree, journal: &Journal) -> Vec<Finding> {
    let packages = journal.installed.iter();
    packages
        .filter_map(|package| left_of(tree, package))
        .collect()
}

fn left_of(tree: &Tree, package: &str) -> Option<Finding> {
    let manager = package::Manager::find();
    let (text, command) = if target::is_installed(tree) {
        let text = format!(
            "The package {package} stays installed, its service as it was: remove it if it is not wanted"
        );
        (text, manager.map(|manager| manager.removal(package)))
    } else if tree.has("/etc/chrony/chrony.conf") && manager == Some(package::Manager::Apt) {
        let text = format!(
            "The package {package} is gone again; its configuration stays in /etc/chrony: remove it if it is not wanted"
        );
        (text, Some(format!("apt-get purge -y {package}")))
    } else {
        return None;
    };
    let finding = Finding::info(text);
    Some(match command {
        Some(command) => finding.next(command),
        None => finding,
    })
}

/// Has the new service as it was, as far as that is less than it is now.
fn switch_off(
    services: &Services<'_>,
    service: &journal::Service,
    tree: &Tree,
    journal: &Journal,
    done: &mut Undone,
) {
    if !service.masked
        && sys::service::find(tree.root(), &service.name).is_some_and(|now| now.masked)
    {
        done.note(services.unmask(&service.name));
    }
    let mut words = Vec::new();
    if !service.active && services.active(&service.name) {
        done.note(services.stop(&service.name));
        words.push("stop");
    }
    if !service.enabled
        && sys::service::find(tree.root(), &service.name).is_some_and(|now| now.enabled)
    {
        done.note(services.disable(&service.name));
        words.push("disable");
    }
    if !words.is_empty() {
        done.services.push(change(service, words.join(" and ")));
    }
    if !service.active {
        services.settle(&service.name);
    }
    let script = format!("/etc/init.d/{}", service.name);
    let brought = |saved: &Saved| saved.path == script && saved.was == Was::Absent;
    if journal.files.iter().any(brought) && tree.has(&script) {
        done.note(services.forget(&service.name));
    }
}

impl Undone {
    fn note(&mut self, result: Result<(), Failure>) {
        if let Err(failure) = result {
            self.failed.push(failure);
        }
    }
}

/// Installing the new daemon may have removed the old one's package.
fn reinstall(journal: &Journal, turn: &Turn, done: &mut Undone) {
    let Some(manager) = package::Manager::find() else {
        return;
    };
    for (package, version) in &journal.packages {
        if manager.version(package).is_some() {
            continue;
        }
        let install = |name: &str| manager.install(name, &turn.log, &turn.lock);
        let exact = match (manager.kept(package, &turn.packages), manager) {
            (Some(file), _) => install(&file.display().to_string()),
            (None, package::Manager::Apt) => install(&format!("{package}={version}")),
            (None, _) => install(package),
        };
        let result = exact.or_else(|_| install(package));
        if result.is_ok() {
            done.packages.push(PackageChange::install(package));
        }
        done.note(result.map_err(|error| {
            let failure = Failure::from(error);
            let (message, log) = (&failure.message, turn.log.display());
            let message = format!("{message}; {log} has what it printed");
            Failure { message, ..failure }.hint("clockbox migrate-ntpd --rollback")
        }));
    }
}

/// Removes the links of runlevels that were not there before: what switches a service off on SysV
/// makes links of other names.
fn unlink_runlevels(
    services: &Services<'_>,
    service: &journal::Service,
    journal: &Journal,
) -> Result<(), Failure> {
    if services.manager() != Manager::SysV {
        return Ok(());
    }
    for path in services.runlevel_links(&service.name) {
        let known = |saved: &Saved| saved.path == path && saved.was != Was::Absent;
        // A package that came meanwhile has links of its own.
        if !journal.files.iter().any(known) && !service.new {
            sys::owner::remove(Path::new(&path))?;
        }
    }
    Ok(())
}

/// What an undo would do with a service; in an image nothing runs.
pub(super) fn as_before(service: &journal::Service, live: bool) -> ServiceChange {
    let words = [
        (service.enabled, "enable"),
        (service.active && live, "start"),
    ];
    let words: Vec<&str> = words.iter().filter(|w| w.0).map(|w| w.1).collect();
    let action = match (service.masked, service.new) {
        (true, _) => "leave masked".to_owned(),
        (_, true) if service.active && live => "restart".to_owned(),
        (_, true) if words.is_empty() && live => "stop and disable".to_owned(),
        (_, true) if words.is_empty() => "disable".to_owned(),
        _ if words.is_empty() => "leave off".to_owned(),
        _ => words.join(" and "),
    };
    change(service, action)
}

fn change(service: &journal::Service, action: String) -> ServiceChange {
    ServiceChange {
        name: service.name.clone(),
        action,
        was_enabled: service.enabled,
        was_active: Some(service.active),
    }
}

fn revive(services: &Services<'_>, service: &journal::Service, done: &mut Undone) -> String {
    if service.masked {
        done.note(services.mask(&service.name));
        return "leave masked".to_owned();
    }
    if sys::service::find(Path::new("/"), &service.name).is_some_and(|now| now.masked) {
        done.note(services.unmask(&service.name));
    }
    let mut words = Vec::new();
    if service.enabled {
        // Unmasked or installed again it may be enabled by now.
        if !sys::service::find(Path::new("/"), &service.name).is_some_and(|now| now.enabled) {
            done.note(services.enable(&service.name));
        }
        words.push("enable");
    }
    if service.active {
        if !services.active(&service.name) {
            done.note(services.start(&service.name));
        }
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
