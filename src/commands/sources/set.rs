//! `clockbox sources set` and `unset`: edit the configuration of the daemon in use, make it follow,
//! wait until the new sources answer, and put everything back if they do not.

use super::apply;
use super::configured;
use super::configured::Configured;
use super::edit;
use super::edit::Change;
use super::edit::Form;
use super::lookup;
use super::page;
use crate::commands::Command;
use crate::commands::Context;
use crate::commands::page::ManPage;
use crate::conf::address::check_host;
use crate::conf::sources::Kind as SourceKind;
use crate::conf::sources::TimeSource;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::diff;
use crate::report::finding::Finding;
use crate::report::sources::set::ChangedFile;
use crate::report::sources::set::CheckedSource;
use crate::report::sources::set::SetReport;
use crate::report::sources::set::UnsetReport;
use crate::sys;
use crate::sys::cmdmon;
use crate::sys::daemons;
use crate::sys::daemons::Kind;
use crate::sys::daemons::Running;
use crate::sys::service;
use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

/// Make the daemon in use follow these servers: its file is edited, it is told, its answer awaited
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names or addresses of servers
    #[arg(value_name = "HOST", required = true)]
    hosts: Vec<String>,
    /// The names stand for several servers each
    #[arg(long)]
    pool: bool,
    /// Options for their lines
    #[arg(long, value_name = "WORDS", default_value = "iburst")]
    options: String,
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
            options: self.options.trim(),
            mode: if self.add { Mode::Add } else { Mode::Replace },
        };
        run(&wanted, &self.common, context)
    }
}

impl Command for UnsetArgs {
    type Report = UnsetReport;

    const PAGE: ManPage = page::UNSET;

    fn run(&self, context: &mut Context) -> Result<UnsetReport, Failure> {
        let wanted = Wanted {
            hosts: &self.hosts,
            pool: false,
            options: "",
            mode: Mode::Remove,
        };
        run(&wanted, &self.common, context).map(UnsetReport)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Replace,
    Add,
    Remove,
}

struct Wanted<'a> {
    hosts: &'a [String],
    pool: bool,
    options: &'a str,
    mode: Mode,
}

/// The daemon, its configuration, and what it was before.
struct Place {
    kind: Kind,
    running: Option<Running>,
    conf: Configured,
    root: PathBuf,
}

/// The form of a daemon's file; `None` for daemons whose files are not edited.
#[must_use]
pub const fn form(kind: Kind) -> Option<Form> {
    match kind {
        Kind::Chronyd | Kind::Clockbox | Kind::Ntpd | Kind::Ntpsec => Some(Form::Lines),
        Kind::Timesyncd => Some(Form::Timesyncd),
        _ => None,
    }
}

/// A host that is one: the octet that is not is pointed at.
fn checked(host: &str) -> Result<(), Failure> {
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
    let sources = if image || wanted.mode == Mode::Remove {
        names_only(wanted.hosts)
    } else {
        context.progress("looking the names up");
        let checked = resolve(wanted.hosts);
        context.progress_done();
        checked?
    };
    let changes = changes(wanted, &place)?;
    let mut report = SetReport {
        daemon: place.kind.word().to_owned(),
        sources,
        files: Vec::new(),
        applied: None,
        put_back: false,
        text: String::new(),
        findings: Vec::new(),
        dry_run: common.dry_run,
        show_diff: common.diff,
        changed: false,
        status: ExitStatus::Done,
    };
    let edits = texts(&changes, &place)?;
    for (path, old, new) in &edits {
        report.files.push(ChangedFile {
            path: path.clone(),
            backup: None,
            diff: diff::unified(path, old.as_deref(), Some(new)),
        });
    }
    report.changed = !edits.is_empty();
    if edits.is_empty() {
        report.text = format!("{} has these sources already: unchanged", place.conf.path);
        return Ok(report);
    }
    if common.dry_run {
        report.text = "nothing was written".to_owned();
        return Ok(report);
    }
    let backups = write(&edits, &place, &mut report)?;
    if image {
        report.text = format!("{} is set for the next boot of the image", place.conf.path);
        return Ok(report);
    }
    follow(wanted, common, &place, &edits, &backups, report, context)
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
                format!("{name}: {why}; nothing was changed"),
            )
            .hint(format!("check the spelling: getent ahosts {name}"))
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

fn place(root: &Path, image: bool) -> Result<Place, Failure> {
    let running = if image {
        Vec::new()
    } else {
        daemons::running().unwrap_or_default()
    };
    let candidates: Vec<Kind> = match apply::running(&running) {
        Some(daemon) => vec![daemon.kind],
        None => by_files(root),
    };
    for kind in candidates {
        let daemon = running.iter().find(|d| d.kind == kind && !d.container);
        let arguments = daemon.map_or(&[][..], |d| &d.arguments);
        if let Some(conf) = configured::read(kind, arguments, root) {
            return Ok(Place {
                kind,
                running: daemon.cloned(),
                conf,
                root: root.to_path_buf(),
            });
        }
        if daemon.is_some() {
            return Err(Failure::new(
                ExitStatus::NoPermission,
                format!("the configuration of {} cannot be read", kind.word()),
            )
            .hint("run as root"));
        }
    }
    Err(Failure::new(
        ExitStatus::NoInput,
        "there is no time daemon here whose configuration could be edited",
    )
    .hint("install chrony first (apt install chrony, dnf install chrony)"))
}

/// Where none runs: those with an enabled service first, then those with a file.
fn by_files(root: &Path) -> Vec<Kind> {
    let mut kinds = vec![
        Kind::Chronyd,
        Kind::Ntpsec,
        Kind::Ntpd,
        Kind::Timesyncd,
        Kind::Clockbox,
    ];
    kinds.sort_by_key(|kind| {
        let services = service::find_all(root, kind.services());
        !services.iter().any(|s| s.enabled)
    });
    kinds
}

/// What happens to which file.
fn changes(wanted: &Wanted<'_>, place: &Place) -> Result<BTreeMap<String, Change>, Failure> {
    let form = form(place.kind).unwrap_or(Form::Lines);
    let network: Vec<&TimeSource> = place
        .conf
        .sources
        .iter()
        .filter(|s| s.kind != SourceKind::Refclock && !s.fallback)
        .collect();
    let named = |source: &TimeSource| wanted.hosts.contains(&source.name);
    let mut changes: BTreeMap<String, Change> = BTreeMap::new();
    let kind = if wanted.pool {
        SourceKind::Pool
    } else {
        SourceKind::Server
    };
    let present = |host: &&String| network.iter().any(|s| s.name == **host);
    // The same words in the same order are the same wish.
    let settled =
        |source: &TimeSource| form == Form::Timesyncd || as_wanted(source, wanted, kind, place);
    let missing: Vec<&String> = wanted.hosts.iter().filter(|h| !present(h)).collect();
    match wanted.mode {
        Mode::Add if missing.is_empty() => return Ok(changes),
        Mode::Replace
            if missing.is_empty()
                && network.len() == wanted.hosts.len()
                && network.iter().all(|s| named(s) && settled(s)) =>
        {
            return Ok(changes);
        }
        Mode::Remove if !may_remove(wanted, &network, place)? => return Ok(changes),
        Mode::Remove => {}
        Mode::Add | Mode::Replace => {}
    }
    for source in &network {
        let goes = match wanted.mode {
            Mode::Replace => true,
            Mode::Add => form == Form::Timesyncd,
            Mode::Remove => named(source),
        };
        if goes {
            let change = changes.entry(source.origin.file.clone()).or_default();
            change.comment_out.insert(source.origin.line);
        }
    }
    let lines = lines(wanted, form, &network, &missing, kind);
    if !lines.is_empty() {
        let main = changes.entry(place.conf.path.clone()).or_default();
        main.insert = lines;
        if wanted.mode == Mode::Add && form == Form::Lines {
            main.after = network
                .iter()
                .filter(|s| s.origin.file == place.conf.path)
                .map(|s| s.origin.line)
                .max();
        }
        if form == Form::Timesyncd && main.comment_out.is_empty() {
            let real = sys::files::under(&place.root, Path::new(&place.conf.path));
            let text = sys::files::read_text(&real, sys::files::CONFIG_LIMIT).unwrap_or_default();
            main.after = edit::time_section(&text);
        }
    }
    Ok(changes)
}

/// Whether the sources can be taken out; false when they are out already.
fn may_remove(
    wanted: &Wanted<'_>,
    network: &[&TimeSource],
    place: &Place,
) -> Result<bool, Failure> {
    let named = |source: &&&TimeSource| wanted.hosts.contains(&source.name);
    let unknown = wanted
        .hosts
        .iter()
        .find(|host| !network.iter().any(|s| s.name == **host));
    if let Some(host) = unknown {
        // A second run finds it gone.
        let was = place.conf.commented.iter().any(|c| c.name == **host);
        if was && !network.iter().any(|s| named(&s)) {
            return Ok(false);
        }
        return Err(Failure::new(
            ExitStatus::NoInput,
            format!("{host} is no source of {}", place.conf.path),
        )
        .hint("clockbox sources"));
    }
    let refclocks = place.conf.sources.len() > network.len();
    if network.iter().all(|s| named(&s)) && !refclocks {
        return Err(Failure::new(
            ExitStatus::Data,
            format!("that would leave {} without any source", place.conf.path),
        )
        .hint("put others in their place: clockbox sources set HOST..."));
    }
    Ok(true)
}

/// The lines that are put in.
fn lines(
    wanted: &Wanted<'_>,
    form: Form,
    network: &[&TimeSource],
    missing: &[&String],
    kind: SourceKind,
) -> Vec<String> {
    let line = |host: &String| {
        let words = [kind.word(), host, wanted.options];
        words.join(" ").trim_end().to_owned()
    };
    let there = || network.iter().map(|s| s.name.as_str());
    let hosts = || wanted.hosts.iter().map(String::as_str);
    match (form, wanted.mode) {
        (Form::Lines, Mode::Remove) => Vec::new(),
        (Form::Lines, Mode::Add) => missing.iter().map(|h| line(h)).collect(),
        (Form::Lines, Mode::Replace) => wanted.hosts.iter().map(line).collect(),
        (Form::Timesyncd, mode) => {
            let names: Vec<&str> = match mode {
                Mode::Replace => hosts().collect(),
                Mode::Add => there().chain(missing.iter().map(|h| h.as_str())).collect(),
                Mode::Remove => there()
                    .filter(|name| !hosts().any(|h| h == *name))
                    .collect(),
            };
            vec![format!("NTP={}", names.join(" "))]
        }
    }
}

/// True when the line of a source says what is wanted, word for word.
fn as_wanted(source: &TimeSource, wanted: &Wanted<'_>, kind: SourceKind, place: &Place) -> bool {
    let real = sys::files::under(&place.root, Path::new(&source.origin.file));
    let text = sys::files::read_text(&real, sys::files::CONFIG_LIMIT).unwrap_or_default();
    let line = text.lines().nth(source.origin.line.saturating_sub(1));
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    let mut wish = vec![kind.word(), source.name.as_str()];
    wish.extend(wanted.options.split_whitespace());
    words == wish
}

type Edit = (String, Option<String>, String);

/// Old and new text of every file that changes.
fn texts(changes: &BTreeMap<String, Change>, place: &Place) -> Result<Vec<Edit>, Failure> {
    let form = form(place.kind).unwrap_or(Form::Lines);
    let mut edits = Vec::new();
    for (path, change) in changes {
        let real = sys::files::under(&place.root, Path::new(path));
        let old = match sys::files::read_text(&real, sys::files::CONFIG_LIMIT) {
            Ok(text) => Some(text),
            Err(error) if error.is_missing() => None,
            Err(error) => return Err(error.into()),
        };
        let new = edit::apply(old.as_deref().unwrap_or_default(), change, form);
        if old.as_deref() != Some(&new) {
            edits.push((path.clone(), old, new));
        }
    }
    Ok(edits)
}

/// Writes the files; gives the copies that were kept. What was written before a failure is put
/// back.
fn write(
    edits: &[Edit],
    place: &Place,
    report: &mut SetReport,
) -> Result<Vec<Option<PathBuf>>, Failure> {
    let mut backups = Vec::new();
    for (index, (path, old, new)) in edits.iter().enumerate() {
        let real = sys::files::under(&place.root, Path::new(path));
        let written = (|| {
            let backup = match old {
                Some(_) => Some(sys::files::back_up(&real, "clockbox-old")?),
                None => None,
            };
            sys::files::make_parents(&real)?;
            sys::files::replace(&real, new.as_bytes(), 0o644)?;
            Ok::<_, sys::error::Error>(backup)
        })();
        match written {
            Ok(backup) => {
                report.files[index].backup = backup.as_ref().map(|b| b.display().to_string());
                backups.push(backup);
            }
            Err(error) => {
                restore(edits.get(..index).unwrap_or_default(), place, &backups);
                return Err(Failure::from(error));
            }
        }
    }
    Ok(backups)
}

fn restore(edits: &[Edit], place: &Place, backups: &[Option<PathBuf>]) {
    for ((path, old, _), backup) in edits.iter().zip(backups) {
        let real = sys::files::under(&place.root, Path::new(path));
        let put_back = match old {
            Some(old) => sys::files::replace(&real, old.as_bytes(), 0o644),
            None => sys::files::remove(&real),
        };
        if put_back.is_ok()
            && let Some(backup) = backup
        {
            let _ = sys::files::remove(backup);
        }
    }
}

/// Tells the daemon, waits for the answer, puts back what does not work.
fn follow(
    wanted: &Wanted<'_>,
    common: &CommonArgs,
    place: &Place,
    edits: &[Edit],
    backups: &[Option<PathBuf>],
    mut report: SetReport,
    context: &Context,
) -> Result<SetReport, Failure> {
    let Some(running) = &place.running else {
        report.text = format!(
            "{} does not run: the sources are set for its next start",
            place.kind.word()
        );
        return Ok(report);
    };
    let after = configured::read(place.kind, &running.arguments, &place.root);
    let Some(after) = after.filter(|after| after.errors <= place.conf.errors) else {
        restore(edits, place, backups);
        return Err(Failure::new(
            ExitStatus::Data,
            format!(
                "{} would not take the new lines; everything was put back",
                place.kind.word()
            ),
        )
        .hint("clockbox sources set --dry-run --diff shows them"));
    };
    context.progress(&format!("telling {}", place.kind.word()));
    match tell(place, &place.conf.sources, &after.sources) {
        Ok(how) => report.applied = Some(how),
        Err(failure) => {
            context.progress_done();
            restore(edits, place, backups);
            return Err(Failure {
                message: format!("{}; everything was put back", failure.message),
                ..failure
            }
            .hint(format!(
                "without the daemon: stop {}, then set the sources",
                place.kind.word()
            )));
        }
    }
    report.findings.extend(later_options(wanted, place.kind));
    if wanted.mode == Mode::Remove {
        context.progress_done();
        report.text = format!(
            "{} no longer uses {}",
            place.kind.word(),
            wanted.hosts.join(", ")
        );
        return Ok(report);
    }
    context.progress("waiting for the sources to answer");
    let answered = apply::wait(place.kind, wanted.hosts, common.wait);
    context.progress_done();
    for source in &mut report.sources {
        source.answers = Some(answered.contains(&source.name));
    }
    let silent: Vec<&str> = wanted
        .hosts
        .iter()
        .filter(|host| !answered.contains(*host))
        .map(String::as_str)
        .collect();
    if answered.is_empty() {
        restore(edits, place, backups);
        let back = tell(place, &after.sources, &place.conf.sources);
        nobody_answered(&mut report, &silent, common.wait, back);
        return Ok(report);
    }
    somebody_answered(&mut report, &silent, place.kind);
    Ok(report)
}

/// Options that the control protocol carries for us; the others wait for the daemon's next start.
const LIVE_OPTIONS: &[&str] = &[
    "iburst",
    "burst",
    "prefer",
    "noselect",
    "trust",
    "xleave",
    "nts",
    "minpoll",
    "maxpoll",
    "version",
    "maxsources",
    "key",
    "ntsport",
    "offset",
    "port",
    "ipv4",
    "ipv6",
];

fn later_options(wanted: &Wanted<'_>, kind: Kind) -> Option<Finding> {
    let named = wanted.options.split_whitespace();
    let later: Vec<&str> = named
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()))
        .filter(|word| !LIVE_OPTIONS.contains(word))
        .collect();
    let live = matches!(kind, Kind::Chronyd | Kind::Clockbox);
    (live && !later.is_empty()).then(|| {
        Finding::warning(format!(
            "{} takes effect at the next start of {}: the running one was told the rest",
            later.join(", "),
            kind.word()
        ))
        .next(super::findings::restart(kind.word()))
    })
}

/// What is said when it worked, for some of them at least.
fn somebody_answered(report: &mut SetReport, silent: &[&str], kind: Kind) {
    if !silent.is_empty() && kind != Kind::Timesyncd {
        report.findings.push(
            Finding::warning(format!("{} did not answer yet", silent.join(", ")))
                .next(format!("clockbox check-port {}", silent.join(" "))),
        );
    }
    let answering: Vec<&str> = report
        .sources
        .iter()
        .filter(|source| source.answers == Some(true))
        .map(|source| source.name.as_str())
        .collect();
    let verb = if answering.len() == 1 {
        "answers"
    } else {
        "answer"
    };
    report.text = format!(
        "{} follows the new sources: {} {verb}",
        report.daemon,
        answering.join(", ")
    );
}

/// What is said when everything was put back.
fn nobody_answered(
    report: &mut SetReport,
    silent: &[&str],
    waited_s: f64,
    back: Result<String, Failure>,
) {
    report.put_back = true;
    report.changed = false;
    report.status = ExitStatus::NotHeld;
    report.text = format!(
        "none of {} answered within {waited_s} s: everything was put back",
        silent.join(", ")
    );
    for file in &mut report.files {
        file.backup = None;
    }
    report.findings.push(
        Finding::error(format!("{} did not answer", silent.join(", ")))
            .next(format!("clockbox check-port {}", silent.join(" "))),
    );
    if let Err(failure) = back {
        report.findings.push(Finding::error(format!(
            "{} still has the new sources: {}",
            report.daemon, failure.message
        )));
    }
}

/// chronyd is told live where its socket is; else its service is restarted.
fn tell(place: &Place, old: &[TimeSource], new: &[TimeSource]) -> Result<String, Failure> {
    if !matches!(place.kind, Kind::Chronyd | Kind::Clockbox) {
        return apply::restart(place.kind);
    }
    let named = place.conf.control_socket.as_deref();
    let sockets: Vec<&str> = match (named, place.kind) {
        (Some(path), _) => vec![path],
        (None, Kind::Clockbox) => vec![cmdmon::CLOCKBOX_SOCKET],
        (None, _) => cmdmon::CHRONY_SOCKETS.to_vec(),
    };
    match apply::live(&sockets, old, new, 3.0) {
        Ok(()) => Ok("told through its control socket".to_owned()),
        Err(failure) => apply::restart(place.kind).map_err(|_| failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_the_running_daemon_was_not_told_are_named() {
        let wanted = |options| Wanted {
            hosts: &[],
            pool: false,
            options,
            mode: Mode::Replace,
        };
        let told = later_options(&wanted("iburst maxdelay 0.1 minpoll 4"), Kind::Chronyd).unwrap();
        assert!(told.text.starts_with("maxdelay takes effect"), "{told:?}");
        assert_eq!(later_options(&wanted("iburst key 5"), Kind::Chronyd), None);
        assert_eq!(later_options(&wanted("maxdelay 1"), Kind::Ntpd), None);
    }
}
