//! `clockbox sources set` and `unset`: edit the configuration of the daemon in use, make it follow,
//! wait until the new sources answer, and put everything back if they do not.

mod changes;
mod check;
mod cloud;
mod files;
mod follow;
mod key;
mod place;

use super::edit::Change;
use super::hang;
use super::lookup;
use super::page;
use crate::commands::Command;
use crate::commands::Context;
use crate::commands::page::ManPage;
use crate::conf::address::check_host;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::diff;
use crate::report::finding::Finding;
use crate::report::sources::set::ChangedFile;
use crate::report::sources::set::CheckedSource;
use crate::report::sources::set::SetReport;
use crate::report::sources::set::UnsetReport;
use files::texts;
use files::write;
use follow::follow;
use place::Place;
pub use place::form;
use place::place;
use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

/// Make the daemon in use follow these servers: its file is edited, it is told, its answer awaited
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names or addresses of servers
    #[arg(value_name = "HOST", required_unless_present = "cloud")]
    hosts: Vec<String>,
    /// The time of the cloud or host that this machine stands on; =NAME where it cannot be told
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "auto", conflicts_with_all = ["hosts", "pool", "add"])]
    cloud: Option<String>,
    /// The names stand for several servers each
    #[arg(long)]
    pool: bool,
    /// Options for their lines; without it those that a line of the same host has, else iburst
    #[arg(long, value_name = "WORDS")]
    options: Option<String>,
    /// Keep the sources that are there and add these
    #[arg(long, conflicts_with = "replace")]
    add: bool,
    /// Comment out the sources that are there (what is done without --add)
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// Take servers out of the configuration of the daemon in use
#[derive(Debug, clap::Args)]
pub struct UnsetArgs {
    /// Names or addresses as they stand in the configuration
    #[arg(value_name = "HOST", required = true)]
    hosts: Vec<String>,
    #[command(flatten)]
    common: CommonArgs,
}

/// Options of both.
#[derive(Debug, clap::Args)]
pub struct CommonArgs {
    /// Seconds to wait until the new sources answer
    #[arg(long, value_name = "S", default_value = "30", value_parser = super::duration)]
    wait: f64,
    /// Write nothing, and say what would be done
    #[arg(long, alias = "check")]
    dry_run: bool,
    /// Show what changes as unified diffs
    #[arg(long)]
    diff: bool,
    /// Edit the image mounted in this directory; no daemon is told
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

impl Command for Args {
    type Report = SetReport;

    const PAGE: ManPage = page::SET;

    fn run(&self, context: &mut Context) -> Result<SetReport, Failure> {
        for host in &self.hosts {
            checked(host)?;
        }
        let wanted = Wanted {
            hosts: &self.hosts,
            pool: self.pool,
            options: self.options.as_deref().map(str::trim),
            mode: if self.add { Mode::Add } else { Mode::Replace },
        };
        match &self.cloud {
            Some(name) => run_cloud(name, &self.common, context),
            None => run(&wanted, &self.common, context),
        }
        .map_err(as_root)
    }
}

/// What needs a privilege wants the same words from root.
fn as_root(failure: Failure) -> Failure {
    if failure.status != ExitStatus::NoPermission || crate::sys::host::is_root() {
        return failure;
    }
    let typed = crate::sys::host::arguments();
    let words = typed.iter().skip(1).map(|word| word.to_string_lossy());
    let words: Vec<_> = words.filter(|word| word != "--json").collect();
    failure.hint(format!("sudo clockbox {}", words.join(" ")))
}

impl Command for UnsetArgs {
    type Report = UnsetReport;

    const PAGE: ManPage = page::UNSET;

    fn run(&self, context: &mut Context) -> Result<UnsetReport, Failure> {
        let wanted = Wanted {
            hosts: &self.hosts,
            pool: false,
            options: None,
            mode: Mode::Remove,
        };
        run(&wanted, &self.common, context)
            .map(UnsetReport)
            .map_err(as_root)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Replace,
    Add,
    Remove,
    /// Lines of their own: what is there of sources makes way.
    Cloud,
}

struct Wanted<'a> {
    hosts: &'a [String],
    pool: bool,
    /// As typed; `None`: what the host's line has, else iburst.
    options: Option<&'a str>,
    mode: Mode,
}

/// `NAME:PORT`, which is no address of IPv6.
fn with_port(host: &str) -> Option<(&str, u16)> {
    let (name, port) = host.rsplit_once(':')?;
    let name = match name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
        Some(bare) => bare,
        None if name.contains(':') || name.is_empty() => return None,
        None => name,
    };
    Some((name, port.parse().ok()?))
}

/// A host that is one: the octet that is not is pointed at.
fn checked(host: &str) -> Result<(), Failure> {
    if let Some((name, port)) = with_port(host) {
        let text = format!("{host}: a port does not stand behind the host here");
        return Err(Failure::usage(text)
            .hint(format!(
                "clockbox sources set --options \"iburst port {port}\" {name}"
            ))
            .target(host));
    }
    let Err(flaw) = check_host(host) else {
        return Ok(());
    };
    let mut message = format!("{}\n  {host}\n  ", flaw.message);
    message.push_str(&" ".repeat(host.get(..flaw.start).map_or(0, |s| s.chars().count())));
    let width = host
        .get(flaw.start..flaw.end)
        .map_or(1, |s| s.chars().count());
    message.push_str(&"^".repeat(width.max(1)));
    let failure = Failure::usage(message).target(host);
    Err(match flaw.help {
        Some(help) => failure.hint(help),
        None => failure,
    })
}

fn run(wanted: &Wanted<'_>, common: &CommonArgs, context: &Context) -> Result<SetReport, Failure> {
    let root = common.root.clone().unwrap_or_else(|| PathBuf::from("/"));
    let image = root != Path::new("/");
    let place = place(&root, image)?;
    hang::refuse_stopped(place.running.as_ref().filter(|_| !common.dry_run))?;
    let sources = if image || wanted.mode == Mode::Remove {
        names_only(wanted.hosts)
    } else {
        context.progress("looking the names up");
        let checked = resolve(wanted.hosts);
        context.progress_done();
        checked?
    };
    let changes = changes::changes(wanted, &place)?;
    carry_out(
        wanted,
        &changes,
        sources,
        Vec::new(),
        common,
        &place,
        context,
    )
}

/// The lines of the cloud's or the host's own time.
fn run_cloud(name: &str, common: &CommonArgs, context: &Context) -> Result<SetReport, Failure> {
    let root = common.root.clone().unwrap_or_else(|| PathBuf::from("/"));
    let image = root != Path::new("/");
    let place = place(&root, image)?;
    hang::refuse_stopped(place.running.as_ref().filter(|_| !common.dry_run))?;
    let time = cloud::time(name, &place)?;
    let changes = cloud::changes(&time, &place);
    let wanted = Wanted {
        hosts: &time.hosts,
        pool: false,
        options: None,
        mode: Mode::Cloud,
    };
    let sources = names_only(&time.hosts);
    let mut report = carry_out(
        &wanted,
        &changes,
        sources,
        time.findings.clone(),
        common,
        &place,
        context,
    )?;
    if !report.changed && !report.put_back {
        report.text = format!(
            "{} has the time of {} already: unchanged",
            place.conf.path, time.name
        );
    }
    Ok(report)
}

fn carry_out(
    wanted: &Wanted<'_>,
    changes: &BTreeMap<String, Change>,
    sources: Vec<CheckedSource>,
    findings: Vec<Finding>,
    common: &CommonArgs,
    place: &Place,
    context: &Context,
) -> Result<SetReport, Failure> {
    let image = place.root != Path::new("/");
    let mut report = SetReport {
        daemon: place.kind.word().to_owned(),
        sources,
        files: Vec::new(),
        applied: None,
        put_back: false,
        text: String::new(),
        findings,
        dry_run: common.dry_run,
        show_diff: common.diff,
        changed: false,
        status: ExitStatus::Done,
    };
    let edits = texts(changes, place)?;
    key::check(changes, place)?;
    for (path, old, new) in &edits {
        report.files.push(ChangedFile {
            path: path.clone(),
            backup: None,
            diff: diff::unified(path, old.as_deref(), Some(new)),
        });
    }
    report.changed = !edits.is_empty();
    if edits.is_empty() {
        report.text = match wanted.mode {
            Mode::Remove => format!(
                "{} has no {} any more: unchanged",
                place.conf.path,
                wanted.hosts.join(", ")
            ),
            _ => format!("{} has these sources already: unchanged", place.conf.path),
        };
        return Ok(report);
    }
    if common.dry_run {
        report.text = "nothing was written".to_owned();
        return Ok(report);
    }
    let backups = write(&edits, place, &mut report)?;
    if image {
        report.text = format!("{} is set for the next boot of the image", place.conf.path);
        return Ok(report);
    }
    follow(wanted, common, place, &edits, &backups, report, context)
}

fn names_only(hosts: &[String]) -> Vec<CheckedSource> {
    hosts
        .iter()
        .map(|name| CheckedSource {
            name: name.clone(),
            addresses: Vec::new(),
            answers: None,
        })
        .collect()
}

fn resolve(hosts: &[String]) -> Result<Vec<CheckedSource>, Failure> {
    let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let answers = lookup::all(&names, 10.0)?;
    let mut found = Vec::new();
    for (name, answer) in hosts.iter().zip(answers) {
        let addresses = answer.map_err(|why| {
            Failure::new(
                ExitStatus::Data,
                format!("{name}: {why}; nothing was changed. Check the spelling"),
            )
            .hint(format!("getent ahosts {name}"))
            .target(name.clone())
        })?;
        found.push(CheckedSource {
            name: name.clone(),
            addresses: addresses.iter().map(ToString::to_string).collect(),
            answers: None,
        });
    }
    Ok(found)
}
