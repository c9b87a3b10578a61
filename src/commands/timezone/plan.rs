//! From a machine and a zone to the changes that are needed, and the reasons why they cannot be
//! made. Nothing is written here.

use super::machine::Is;
use super::machine::Machine;
use super::text::Form;
use super::text::Text;
use crate::conf::tzif::Zone;
use crate::conf::zone;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::diff;
use crate::report::timezone::set::SetPlace;
use crate::sys::commit::Change;
use crate::sys::commit::New;
use crate::sys::files;
use crate::sys::files::Kind;
use crate::sys::mounts;
use crate::sys::rooted;
use crate::sys::zoneinfo::Found;
use std::path::Path;
use std::path::PathBuf;

/// The zone that is wanted.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    /// Its name as typed.
    pub name: &'a str,
    /// Its file and what is in it; `None` for UTC where there is no database.
    pub found: Option<(Found, Zone)>,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The changes, /etc/localtime last: what a kill leaves undone is done by the next run.
    pub changes: Vec<Change>,
    /// Every place, changed or not, /etc/localtime first.
    pub places: Vec<SetPlace>,
    /// The unified diff.
    pub diff: String,
}

impl Wanted<'_> {
    /// The zone's rule in POSIX's form.
    fn rule(&self) -> &str {
        self.found
            .as_ref()
            .map_or("UTC0", |(_, zone)| zone.footer())
    }
}

/// What must be changed for the zone.
///
/// # Errors
/// When a place cannot be changed: it is declared elsewhere, a directory, mounted on, read-only.
pub(super) fn plan(machine: &Machine, wanted: &Wanted<'_>) -> Result<Plan, Failure> {
    let mut plan = Plan::default();
    texts(machine, wanted, &mut plan)?;
    localtime(machine, wanted, &mut plan);
    for change in &plan.changes {
        possible(machine, &change.path)?;
    }
    if let Some(how) = machine.declared().filter(|_| !plan.changes.is_empty()) {
        return Err(declared(how, wanted.name));
    }
    Ok(plan)
}

fn texts(machine: &Machine, wanted: &Wanted<'_>, plan: &mut Plan) -> Result<(), Failure> {
    let mut edited: Vec<(&Text, String)> = Vec::new();
    for text in &machine.texts {
        if text.directory {
            return Err(directory(text));
        }
        let before = edited.iter().position(|(known, _)| known.real == text.real);
        let current = before
            .and_then(|at| edited.get(at))
            .map(|(_, new)| new.clone());
        let start = Text {
            content: current.unwrap_or_else(|| text.content.clone()),
            real: text.real.clone(),
            ..*text
        };
        // A zone without a rule for the future (few have none) leaves rules as they are.
        let rule = wanted.rule();
        let unruly = rule.is_empty() && matches!(text.form, Form::Rule | Form::Uci);
        let new = if unruly {
            start.content
        } else {
            start.with(wanted.name, rule)
        };
        match before.and_then(|at| edited.get_mut(at)) {
            Some(known) => known.1 = new,
            None => edited.push((text, new)),
        }
    }
    for (text, new) in edited {
        let changed = new != text.content;
        let now = match text.form {
            Form::Plain => wanted.name.to_owned(),
            Form::Rule => zone::plain_name(&new).unwrap_or_default().to_owned(),
            _ => format!("{} {}", text.form_words(), wanted.name).replace("= ", "="),
        };
        plan.places.push(SetPlace {
            path: text.path.to_owned(),
            now,
            changed,
        });
        if changed {
            let (old, new_shown) = (readable(&text.content), readable(&new));
            plan.diff += &diff::unified(text.path, Some(&old), Some(&new_shown));
            plan.changes.push(Change {
                path: text.real.clone(),
                new: New::Content(zone::to_bytes(&new), 0o644),
                like: None,
            });
        }
    }
    Ok(())
}

/// The octets as people read them.
fn readable(text: &str) -> String {
    String::from_utf8_lossy(&zone::to_bytes(text)).into_owned()
}

fn localtime(machine: &Machine, wanted: &Wanted<'_>, plan: &mut Plan) {
    let local = &machine.localtime;
    let path = local.path.display().to_string();
    let old = match &local.is {
        Is::Missing => "not there".to_owned(),
        Is::Circle => "link that leads back to itself".to_owned(),
        Is::Link { directory, zone } => format!("link to {directory}{zone}"),
        Is::Copy => "file".to_owned(),
        Is::Else => "neither file nor link".to_owned(),
    };
    let Some((found, _)) = &wanted.found else {
        return utc_without_database(machine, wanted.name, &old, plan);
    };
    let (new, now) = if local.is == Is::Copy && !machine.systemd {
        let same = local.bytes.as_ref() == Some(&found.bytes);
        let new = (!same).then(|| New::Content(found.bytes.clone(), 0o644));
        (new, format!("copy of {}/{}", found.directory, wanted.name))
    } else {
        let target = link(machine, wanted.name, found, plan);
        let now = format!("link to {target}");
        let same = old == now;
        ((!same).then(|| New::Link(PathBuf::from(target))), now)
    };
    if let Some(new) = &new {
        plan.diff += &format!("--- {path}: {old}\n+++ {path}: {now}\n");
        plan.changes.push(Change {
            path: local.real.clone(),
            new: new.clone(),
            like: Some(found.real.clone()),
        });
    }
    let place = SetPlace {
        path,
        now,
        changed: new.is_some(),
    };
    plan.places.insert(0, place);
}

/// The target of the link, in the style that is there. Alpine keeps the one zone that it uses in
/// /etc/zoneinfo: a file that is missing there is put there first.
fn link(machine: &Machine, zone: &str, found: &Found, plan: &mut Plan) -> String {
    let local = &machine.localtime;
    if let Is::Link { directory, .. } = &local.is {
        let database = local.database_of(directory);
        if machine.database.has(&database.to_string_lossy(), zone) {
            return format!("{directory}{zone}");
        }
        if database == Path::new("/etc/zoneinfo")
            && let Ok(real) = rooted::resolve(&machine.root, &database.join(zone))
        {
            plan.diff += &format!("--- /dev/null\n+++ /etc/zoneinfo/{zone}: new file\n");
            plan.places.push(SetPlace {
                path: format!("/etc/zoneinfo/{zone}"),
                now: format!("copy of {}/{zone}", found.directory),
                changed: true,
            });
            plan.changes.insert(
                0,
                Change {
                    path: real,
                    new: New::Content(found.bytes.clone(), 0o644),
                    like: Some(found.real.clone()),
                },
            );
            return format!("{directory}{zone}");
        }
    }
    let relative = match &local.is {
        Is::Link { directory, .. } => !directory.starts_with('/'),
        _ => machine.systemd,
    };
    if relative {
        // From /etc, or from wherever the chain of links has led.
        let depth = local.path.components().count().saturating_sub(2);
        let up = "../".repeat(depth);
        format!("{up}{}/{zone}", found.directory.trim_start_matches('/'))
    } else {
        format!("{}/{zone}", found.directory)
    }
}

/// Without a database programs use UTC, whatever the link's name: a link tells it to the tools
/// that read the name.
fn utc_without_database(machine: &Machine, zone: &str, old: &str, plan: &mut Plan) {
    let local = &machine.localtime;
    let path = local.path.display().to_string();
    let (target, now) = match &local.is {
        Is::Missing => (None, "not there: programs use UTC".to_owned()),
        Is::Link { directory, .. } => {
            let target = format!("{directory}{zone}");
            let now = format!("link to {target}");
            ((old != now).then_some(target), now)
        }
        _ => {
            let up = if machine.systemd { ".." } else { "" };
            let target = format!("{up}/usr/share/zoneinfo/{zone}");
            (Some(target.clone()), format!("link to {target}"))
        }
    };
    if let Some(target) = &target {
        plan.diff += &format!("--- {path}: {old}\n+++ {path}: {now}\n");
        plan.changes.push(Change {
            path: local.real.clone(),
            new: New::Link(PathBuf::from(target)),
            like: None,
        });
    }
    let changed = target.is_some();
    plan.places.insert(0, SetPlace { path, now, changed });
}

fn possible(machine: &Machine, real: &Path) -> Result<(), Failure> {
    let path = rooted::inside(&machine.root, real).display().to_string();
    let refuse = |text: String| {
        let failure = Failure::new(ExitStatus::CantCreate, format!("{path}: {text}"));
        failure.target(path.clone())
    };
    if matches!(files::kind(real), Kind::Directory | Kind::Other) {
        return Err(
            refuse("it is neither a file nor a link; nothing was changed".to_owned()).hint(
                format!(
                    "ls -ld {0}; then move it away: mv {0} {0}.old",
                    real.display()
                ),
            ),
        );
    }
    if mounts::is_mount_point(real) {
        return Err(refuse(
            "something is mounted on it (a bind mount of a container?), so it cannot be replaced, \
             and writing into it would change the file of the host; nothing was changed"
                .to_owned(),
        )
        .hint(
            "set the zone on the host, start the container without that mount, or set TZ in it",
        ));
    }
    let existing = real.ancestors().skip(1).find(|parent| parent.is_dir());
    let Some(parent) = existing else {
        return Ok(());
    };
    if mounts::is_read_only(parent) {
        return Err(
            refuse("its file system is mounted read-only; nothing was changed".to_owned()).hint(
                format!(
                    "mount it writable first (findmnt --target {})",
                    parent.display()
                ),
            ),
        );
    }
    Ok(())
}

/// The privilege that the changes need is there.
pub(super) fn may(machine: &Machine, plan: &Plan, zone: &str) -> Result<(), Failure> {
    for change in &plan.changes {
        let existing = change
            .path
            .ancestors()
            .skip(1)
            .find(|parent| parent.is_dir());
        if let Some(parent) = existing.filter(|parent| !files::may_write(parent)) {
            let path = rooted::inside(&machine.root, &change.path)
                .display()
                .to_string();
            let directory = rooted::inside(&machine.root, parent);
            let text = format!("{path}: writing into {} needs root", directory.display());
            return Err(Failure::new(ExitStatus::NoPermission, text)
                .hint(format!(
                    "sudo clockbox timezone set {zone}{}",
                    machine.root_option()
                ))
                .target(path));
        }
    }
    Ok(())
}

fn directory(text: &Text) -> Failure {
    let text_path = text.path;
    let real = text.real.display();
    let mut hint = format!("rmdir {real}; then again");
    if mounts::is_mount_point(&text.real) {
        hint = "start the container without that mount (docker -v makes a directory where the \
                host has no such file)"
            .to_owned();
    }
    let message =
        format!("{text_path}: it is a directory, so it can name no zone; nothing was changed");
    Failure::new(ExitStatus::Config, message)
        .hint(hint)
        .target(text_path)
}

fn declared(how: &str, zone: &str) -> Failure {
    let (text, hint) = if how == "nix" {
        (
            "NixOS makes it from the configuration, and would undo the change; nothing was changed",
            format!(
                "in /etc/nixos/configuration.nix: time.timeZone = \"{zone}\"; then: nixos-rebuild switch"
            ),
        )
    } else {
        (
            "Guix System makes it from the configuration, and would undo the change; nothing was changed",
            format!(
                "in /etc/config.scm: (timezone \"{zone}\"), then: guix system reconfigure /etc/config.scm"
            ),
        )
    };
    Failure::new(ExitStatus::Config, format!("/etc/localtime: {text}"))
        .hint(hint)
        .target("/etc/localtime")
}
