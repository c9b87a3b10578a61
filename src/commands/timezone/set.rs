//! `clockbox timezone set ZONE`: every place that the distribution reads, all or none.

use super::facts;
use super::machine::Is;
use super::machine::Machine;
use super::old;
use super::plan;
use super::plan::Plan;
use super::plan::Wanted;
use super::restart;
use crate::commands::Command;
use crate::commands::Context;
use crate::commands::page::ManPage;
use crate::conf::tzif;
use crate::conf::tzif::Zone;
use crate::conf::zone::adjtime;
use crate::conf::zone::built_in;
use crate::conf::zone::letters;
use crate::conf::zone::name;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::report::timezone;
use crate::report::timezone::Local;
use crate::report::timezone::set::RestartState;
use crate::report::timezone::set::SetReport;
use crate::sys;
use std::path::PathBuf;

/// Set this machine's time zone in every place that its distribution reads
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The zone: Asia/Tokyo, Japan, UTC (`clockbox timezone list` shows all)
    #[arg(value_name = "ZONE", allow_hyphen_values = true)]
    zone: String,
    /// Say what would be done, and do nothing
    #[arg(long, alias = "check")]
    dry_run: bool,
    /// Show the changes as a unified diff too; with --dry-run only show them
    #[arg(long)]
    diff: bool,
    /// Set the zone of the image that is mounted here, by its own zone database
    #[arg(long, value_name = "DIR")]
    pub(super) root: Option<PathBuf>,
    /// Restart these services if they began before the change
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        conflicts_with = "root"
    )]
    restart: Vec<String>,
}

impl Command for Args {
    type Report = SetReport;

    const PAGE: ManPage = super::page::SET;

    fn run(&self, context: &mut Context) -> Result<SetReport, Failure> {
        // Said here too, for --root may stand before `set`.
        if self.root.is_some() && !self.restart.is_empty() {
            let text = "--restart: no service runs in an image (--root)";
            return Err(Failure::usage(text).hint("clockbox timezone set --help"));
        }
        let machine = Machine::read(self.root.as_deref())?;
        let (now, _) = sys::clock::unix();
        let wanted = wanted(&machine, &self.zone, now)?;
        let plan = plan::plan(&machine, &wanted)?;
        let may = plan::may(&machine, &plan, &self.zone);
        let services = restart::check(&self.restart)?;
        let mut report = self.report(&machine, &wanted, &plan, now);
        match may {
            Err(failure) if self.dry_run => {
                let text = "Without --dry-run this needs root";
                let next = failure.hint.unwrap_or_default();
                report.findings.push(Finding::info(text).next(next));
            }
            may => may?,
        }
        let changed = !plan.changes.is_empty();
        if changed && !self.dry_run {
            write(&plan)?;
        }
        if machine.live {
            let since_ms = if changed {
                let (seconds, nanos) = sys::clock::unix();
                seconds * 1000 + i64::from(nanos) / 1_000_000
            } else {
                sys::files::changed_at_ms(&machine.localtime.real).unwrap_or(0)
            };
            let processes = sys::proc_age::all();
            report.restarts = services
                .iter()
                .map(|service| restart::run(service, &processes, since_ms, self.dry_run, context))
                .collect();
            let restarted = |unit: Option<&str>| {
                report
                    .restarts
                    .iter()
                    .any(|r| Some(r.service.as_str()) == unit && r.state == RestartState::Restarted)
            };
            report.older_processes = processes.iter().filter(|p| p.started_ms < since_ms).count();
            report.old_zone_processes = old::processes(&processes, since_ms)
                .into_iter()
                .filter(|process| !restarted(process.service.as_deref()))
                .collect();
        }
        Ok(report)
    }
}

impl Args {
    fn report(&self, machine: &Machine, wanted: &Wanted<'_>, plan: &Plan, now: i64) -> SetReport {
        let before = machine.zone().map(|zone| facts::local(&zone, now));
        let zone_before = super::show::current(machine).zone;
        // Without data programs use UTC.
        let utc = || Local::new(now, 0, "UTC", false);
        let after = wanted
            .found
            .as_ref()
            .map_or_else(utc, |(_, zone)| facts::local(zone, now));
        let next = wanted
            .found
            .as_ref()
            .and_then(|(_, zone)| facts::change(zone, now));
        SetReport {
            zone: self.zone.clone(),
            alias_of: facts::alias(&machine.database, &self.zone),
            zone_before,
            before: before.or_else(|| (machine.localtime.bytes.is_none()).then(utc)),
            after: Some(after),
            next_change: next,
            places: plan.places.clone(),
            diff: self.diff.then(|| plan.diff.clone()),
            old_zone_processes: Vec::new(),
            older_processes: 0,
            restarts: Vec::new(),
            root: machine.root_name(),
            findings: findings(machine, wanted, plan, now),
            dry_run: self.dry_run,
        }
    }
}

/// Finds the zone in the machine's database.
fn wanted<'a>(machine: &Machine, zone: &'a str, now: i64) -> Result<Wanted<'a>, Failure> {
    let root = machine.root_option();
    let database = &machine.database;
    let unknown = |why: &str| {
        let (more, next) = facts::hint(database, zone, &root, now);
        Failure::usage(format!("{zone}: {why}{more}"))
            .hint(next)
            .target(zone)
    };
    if zone.is_empty() {
        let hint = format!("clockbox timezone list{root}");
        return Err(Failure::usage("ZONE: it is empty").hint(hint).target(zone));
    }
    if name::offset(zone).is_some() && database.read(zone, tzif::LIMIT).is_err() {
        return Err(unknown("it is an offset from UTC, which many zones have"));
    }
    name::check(zone).map_err(unknown)?;
    name::never_set(zone).map_or(Ok(()), |why| Err(unknown(why)))?;
    let found = match database.read(zone, tzif::LIMIT) {
        Ok(found) => found,
        Err(e) if built_in::is_known(zone) || !(e.is_missing() || is_directory(&e)) => {
            let utc = matches!(zone, "UTC" | "Etc/UTC");
            if utc && e.is_missing() {
                return Ok(Wanted {
                    name: zone,
                    found: None,
                });
            }
            return Err(no_data(machine, zone, &e));
        }
        Err(_) => return Err(unknown("there is no such zone")),
    };
    match Zone::parse(&found.bytes) {
        Ok(parsed) => Ok(Wanted {
            name: zone,
            found: Some((found, parsed)),
        }),
        // A table beside the zones, such as zone.tab.
        Err(tzif::TzifError::Magic) if !built_in::is_known(zone) => {
            Err(unknown("there is no such zone"))
        }
        Err(why) => {
            let file = format!("{}/{zone}", found.directory);
            let text = format!("{file}: {why}: the zone database is damaged");
            Err(Failure::new(ExitStatus::Config, text)
                .hint(format!("install it again: {}", machine.os.install_tzdata()))
                .target(file))
        }
    }
}

fn is_directory(e: &sys::error::Error) -> bool {
    e.reason.kind() == std::io::ErrorKind::IsADirectory
}

/// The name is a zone's, but its rules are not here.
fn no_data(machine: &Machine, zone: &str, e: &sys::error::Error) -> Failure {
    let whose = if machine.live {
        "this machine"
    } else {
        "the image"
    };
    let missing = match machine.database.directory() {
        _ if !e.is_missing() => {
            return Failure::from(sys::error::Error::new(
                e.operation,
                &e.object,
                std::io::Error::other(e.reason_words()),
            ));
        }
        Some(directory) => format!("the zone database of {whose} ({directory}) does not have it"),
        None => format!("{whose} has no zone database"),
    };
    let text = format!(
        "{zone}: it is a zone's name, but {missing}, so its rules cannot be written and clocks would show UTC"
    );
    let install = machine.os.install_tzdata();
    let hint = if machine.live {
        install.to_owned()
    } else if machine.os.family == crate::conf::zone::os::Family::Other {
        format!("{install} in the image first")
    } else {
        format!("chroot {} {install}", machine.root.display())
    };
    Failure::new(ExitStatus::NoInput, text)
        .hint(hint)
        .target(zone)
}

fn write(plan: &Plan) -> Result<(), Failure> {
    for change in &plan.changes {
        sys::files::make_parents(&change.path)?;
    }
    sys::commit::all(&plan.changes).map_err(|e| {
        let immutable = e.reason.raw_os_error() == Some(1);
        let failure = Failure::from(e);
        if immutable {
            let target = failure.target.clone().unwrap_or_default();
            Failure {
                status: ExitStatus::NoPermission,
                ..failure
            }
            .hint(format!(
                "an immutable file? lsattr {target}; chattr -i {target}"
            ))
        } else {
            Failure {
                message: format!("{}; everything stands as it was", failure.message),
                ..failure
            }
        }
    })
}

fn findings(machine: &Machine, wanted: &Wanted<'_>, plan: &Plan, now: i64) -> Vec<Finding> {
    let mut all = Vec::new();
    if let Some(seconds) = name::reversed_sign(wanted.name) {
        let opposite = if wanted.name.contains('+') {
            wanted.name.replace('+', "-")
        } else {
            wanted.name.replace('-', "+")
        };
        let side = if seconds < 0 { "behind" } else { "ahead of" };
        all.push(Finding::info(format!(
            "{} is {} ({side} UTC): names of this kind have the sign reversed, as POSIX has it; \
             the other is {opposite}",
            wanted.name,
            timezone::offset(seconds),
        )));
    }
    if let Some(place) = letters::without_summer(wanted.name) {
        all.push(
            Finding::info(format!(
                "{} has no daylight saving: it is {} in summer too, unlike {place}",
                wanted.name,
                wanted.found.as_ref().map_or_else(String::new, |(_, zone)| {
                    timezone::offset(zone.at(now).offset_s)
                }),
            ))
            .next(format!(
                "clockbox timezone set {place}{}",
                machine.root_option()
            )),
        );
    }
    for unread in &machine.unread {
        all.push(unread.finding());
    }
    if let Some((_, zone)) = &wanted.found {
        let leap = zone.leap_correction_s(now);
        if leap != 0 {
            all.push(Finding::warning(format!(
                "{} counts leap seconds: on a clock that keeps UTC all local times will be {leap} s \
                 wrong",
                wanted.name
            )));
        }
    } else {
        all.push(Finding::info(
            "there is no zone database here: programs use UTC whatever the name",
        ));
    }
    if machine.localtime.is == Is::Copy && machine.systemd && wanted.found.is_some() {
        all.push(Finding::info(
            "/etc/localtime was a copy; as a link it follows updates of the zone database, and \
             timedatectl can tell its name",
        ));
    }
    let environment = super::machine::text(&machine.root, "/etc/environment");
    let tz = environment
        .as_deref()
        .and_then(|text| crate::conf::zone::assignment::value(text, "TZ"));
    if let Some(tz) = tz.filter(|tz| tz.trim_start_matches(':') != wanted.name) {
        all.push(
            Finding::warning(format!(
                "/etc/environment sets TZ={tz}: sessions keep that zone, whatever /etc/localtime is"
            ))
            .next("take the line TZ= out of /etc/environment"),
        );
    }
    let adjtime = super::machine::text(&machine.root, "/etc/adjtime");
    let local = adjtime.as_deref().and_then(adjtime::mode) == Some(adjtime::Rtc::Local);
    let offset = |zone: &Zone| zone.at(now).offset_s;
    let before = machine.zone().as_ref().map_or(0, offset);
    let after = wanted.found.as_ref().map_or(0, |(_, zone)| offset(zone));
    if local && before != after && !plan.changes.is_empty() {
        all.push(
            Finding::warning(
                "the battery-backed clock keeps local time (/etc/adjtime): it still shows that of \
                 the old zone, and the next boot would be wrong by the difference",
            )
            .next("hwclock --systohc --localtime"),
        );
    }
    all
}
