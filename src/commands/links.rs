//! `clockbox links DIR`: the names by which the program also answers, as links in a directory.

use super::Command;
use super::Context;
use super::page::ManPage;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::links::Link;
use crate::report::links::LinksReport;
use crate::sys;
use std::ffi::OsString;
use std::path::Path;
use std::path::PathBuf;

/// The names, and the command that each stands for.
pub const NAMES: &[(&str, &str)] = &[
    ("clockbox-sync", "sync"),
    ("check-port", "check-port"),
    ("migrate-ntpd", "migrate-ntpd"),
];

/// The arguments as if no link had been used: `clockbox-sync X` is `clockbox sync X`, exact names
/// only.
#[must_use]
pub fn arguments() -> Vec<OsString> {
    let mut arguments = sys::host::arguments();
    let name = arguments
        .first()
        .and_then(|first| Path::new(first).file_name()?.to_str());
    let known = NAMES.iter().find(|(link, _)| Some(*link) == name);
    if let Some((_, command)) = known {
        arguments.splice(..1, [OsString::from("clockbox"), OsString::from(command)]);
    }
    arguments
}

/// Make the links by which clockbox also answers (clockbox-sync, check-port and others)
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory to put the links in
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Say what would be done, and do nothing
    #[arg(long, alias = "check")]
    dry_run: bool,
}

impl Command for Args {
    type Report = LinksReport;

    const PAGE: ManPage = ManPage {
        examples: &[(
            "Make the links beside the program",
            "clockbox links /usr/local/bin",
        )],
        files: &[],
        sections: &[(
            "NOTES",
            "A link that has one of these names runs the command of that name: clockbox-sync is \
             clockbox sync. Links that are there already and right stay as they are; a file of \
             that name that is not such a link is never replaced.",
        )],
        statuses: &[(ExitStatus::CantCreate, "a link could not be made")],
        see_also: &["clockbox(1)"],
    };

    fn run(&self, _: &mut Context) -> Result<LinksReport, Failure> {
        let program = sys::host::program()?;
        let mut links = Vec::new();
        for (name, command) in NAMES {
            let path = self.dir.join(name);
            let target = sys::files::link_target(&path);
            let changed = target.as_ref() != Some(&program);
            // A link to another clockbox is replaced (an upgrade); anything else is a stranger's.
            let ours = target
                .as_ref()
                .is_some_and(|t| t.file_name() == program.file_name());
            if changed && sys::files::exists(&path) && !ours {
                return Err(Failure::new(
                    ExitStatus::CantCreate,
                    format!("{}: there is something else of that name", path.display()),
                )
                .hint("move it away, or choose another directory")
                .target(path.display().to_string()));
            }
            if changed && !self.dry_run {
                sys::files::replace_link(&path, &program).map_err(|e| Failure {
                    hint: e
                        .is_missing()
                        .then(|| format!("mkdir -p {}", self.dir.display())),
                    status: if e.is_permission() {
                        ExitStatus::NoPermission
                    } else {
                        ExitStatus::CantCreate
                    },
                    ..Failure::from(e)
                })?;
            }
            links.push(Link {
                path: path.display().to_string(),
                command: (*command).to_owned(),
                changed,
            });
        }
        Ok(LinksReport {
            program: program.display().to_string(),
            links,
            dry_run: self.dry_run,
        })
    }
}
