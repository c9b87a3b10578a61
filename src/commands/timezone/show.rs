//! `clockbox timezone show`: the zone, how it is known, and every place that says otherwise.

use super::facts;
use super::machine;
use super::machine::Is;
use super::machine::Machine;
use super::text::Form;
use super::text::Text;
use crate::commands::Command;
use crate::commands::Context;
use crate::commands::page::ManPage;
use crate::conf::tzif;
use crate::conf::tzif::Zone;
use crate::conf::zone::adjtime;
use crate::conf::zone::assignment;
use crate::conf::zone::name;
use crate::conf::zone::os::Family;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::report::timezone::KnownBy;
use crate::report::timezone::Local;
use crate::report::timezone::offset;
use crate::report::timezone::show::Place;
use crate::report::timezone::show::Rtc;
use crate::report::timezone::show::ShowReport;
use crate::sys;
use std::path::PathBuf;

/// Show the time zone, how it is known, and what disagrees with it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Look at the image that is mounted here
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// The zone that programs use.
#[derive(Debug)]
pub(super) struct Current {
    /// Its name, where it can be told.
    pub zone: Option<String>,
    /// How.
    pub known_by: KnownBy,
    /// Other names of the same octets.
    pub equal: Vec<String>,
}

impl Command for Args {
    type Report = ShowReport;

    const PAGE: ManPage = super::page::SHOW;

    fn run(&self, _: &mut Context) -> Result<ShowReport, Failure> {
        let machine = Machine::read(self.root.as_deref())?;
        let (now, _) = sys::clock::unix();
        let current = current(&machine);
        let zone = machine.zone();
        let utc = || Local::new(now, 0, "UTC", false);
        let local = zone.as_ref().map(|zone| facts::local(zone, now));
        let no_file = machine.localtime.bytes.is_none();
        let tz = sys::host::variable("TZ").filter(|_| machine.live);
        let alias_of = current
            .zone
            .as_deref()
            .and_then(|zone| facts::alias(&machine.database, zone));
        Ok(ShowReport {
            findings: Findings::of(&machine, &current, zone.as_ref(), tz.as_deref(), now),
            places: places(&machine, &current),
            dangling: dangling(&machine),
            zone: current.zone,
            alias_of,
            known_by: current.known_by,
            equal_zones: current.equal,
            now: local.or_else(|| no_file.then(utc)),
            next_change: zone.as_ref().and_then(|zone| facts::change(zone, now)),
            posix_tz: zone
                .map(|zone| zone.footer().to_owned())
                .filter(|rule| !rule.is_empty()),
            tz_environment: tz,
            rtc: rtc(&machine),
            kernel_minutes_west: machine.live.then(sys::kernel_zone::minutes_west).flatten(),
            database: machine.database.directory().map(str::to_owned),
            database_version: facts::version(&machine.database),
            os: machine.os.name.clone(),
            root: machine.root_name(),
        })
    }
}

/// The zone that programs use on that machine, and how its name is known.
pub(super) fn current(machine: &Machine) -> Current {
    let named = |zone: Option<String>, known_by| Current {
        zone,
        known_by,
        equal: Vec::new(),
    };
    match &machine.localtime.is {
        Is::Link { zone, .. } => named(Some(zone.clone()), KnownBy::Link),
        Is::Copy => by_content(machine),
        Is::Missing | Is::Else => {
            let uci = machine.texts.iter().find(|text| text.form == Form::Uci);
            match uci.and_then(Text::says) {
                Some(zone) => named(Some(zone.replace(' ', "_")), KnownBy::Uci),
                None => named(Some("UTC".to_owned()), KnownBy::Default),
            }
        }
    }
}

/// The name of a copy: of the zones with the same octets the one that a file names, else the one
/// that is a place's and no alias, else the first.
fn by_content(machine: &Machine) -> Current {
    let bytes = machine.localtime.bytes.as_deref().unwrap_or_default();
    let says = || machine.texts.iter().filter_map(Text::says);
    let mut equal = machine.database.names_of(bytes);
    let rows = facts::rows(&machine.database);
    let is_place = |name: &&String| rows.iter().any(|row| row.name == **name);
    let chosen = says()
        .find(|said| equal.contains(said))
        .or_else(|| equal.iter().find(is_place).cloned())
        .or_else(|| equal.iter().find(|name| *name == "UTC").cloned())
        .or_else(|| equal.first().cloned());
    equal.retain(|name| Some(name) != chosen.as_ref());
    if chosen.is_some() {
        return Current {
            zone: chosen,
            known_by: KnownBy::Content,
            equal,
        };
    }
    let zone = says().find(|said| name::check(said).is_ok());
    let known_by = if zone.is_some() {
        KnownBy::File
    } else {
        KnownBy::Unknown
    };
    Current {
        zone,
        known_by,
        equal,
    }
}

/// /etc/localtime is a link to a file that is not there, and not to UTC, which needs none.
fn dangling(machine: &Machine) -> bool {
    let linked = match &machine.localtime.is {
        Is::Link { zone, .. } => !matches!(zone.as_str(), "UTC" | "Etc/UTC"),
        _ => false,
    };
    linked && machine.localtime.bytes.is_none()
}

fn places(machine: &Machine, current: &Current) -> Vec<Place> {
    let local = &machine.localtime;
    let (zone, form) = match &local.is {
        Is::Missing => (None, "not there".to_owned()),
        Is::Link { directory, zone } => (Some(zone.clone()), format!("link to {directory}{zone}")),
        Is::Copy => {
            let known = current.known_by == KnownBy::Content;
            (current.zone.clone().filter(|_| known), "copy".to_owned())
        }
        Is::Else => (None, "neither a file nor a link".to_owned()),
    };
    let first = Place {
        path: local.path.display().to_string(),
        zone,
        form,
    };
    let others = machine.texts.iter().map(|text| Place {
        path: text.path.to_owned(),
        zone: text.says(),
        form: text.form_words(),
    });
    std::iter::once(first).chain(others).collect()
}

/// What the battery-backed clock keeps: /etc/adjtime, else where older distributions say it.
fn rtc(machine: &Machine) -> Rtc {
    let root = &machine.root;
    let text = |path| machine::text(root, path);
    let said = |local, path: &str| Rtc {
        local,
        said_by: Some(path.to_owned()),
    };
    if let Some(mode) = text("/etc/adjtime").as_deref().and_then(adjtime::mode) {
        return said(mode == adjtime::Rtc::Local, "/etc/adjtime");
    }
    let older = [
        ("/etc/sysconfig/clock", "UTC", "false"),
        ("/etc/sysconfig/clock", "HWCLOCK", "--localtime"),
        ("/etc/conf.d/hwclock", "clock", "local"),
        ("/etc/rc.conf", "HARDWARECLOCK", "localtime"),
        ("/etc/default/rcS", "UTC", "no"),
    ];
    for (path, key, local) in older {
        let content = text(path);
        if let Some(value) = content.as_deref().and_then(|c| assignment::value(c, key)) {
            return said(value.eq_ignore_ascii_case(local), path);
        }
    }
    Rtc {
        local: false,
        said_by: None,
    }
}

/// What does not agree.
struct Findings<'a> {
    machine: &'a Machine,
    root: String,
    all: Vec<Finding>,
}

impl<'a> Findings<'a> {
    fn of(
        machine: &'a Machine,
        current: &Current,
        zone: Option<&Zone>,
        tz: Option<&str>,
        now: i64,
    ) -> Vec<Finding> {
        let mut findings = Self {
            machine,
            root: machine.root_option(),
            all: Vec::new(),
        };
        findings.localtime(current, zone, now);
        for text in &machine.texts {
            findings.text(text, current, zone);
        }
        findings.environment(current, tz);
        findings.clock(current, zone, now);
        findings.all
    }

    fn set(&self, zone: &str) -> String {
        format!("clockbox timezone set {zone}{}", self.root)
    }

    fn localtime(&mut self, current: &Current, zone: Option<&Zone>, now: i64) {
        let path = self.machine.localtime.path.display().to_string();
        let install = self.machine.os.install_tzdata();
        let name = current.zone.clone();
        match &self.machine.localtime.is {
            Is::Link { zone: linked, .. } if dangling(self.machine) => {
                let known = self.machine.database.read(linked, tzif::LIMIT).is_ok();
                let (why, next) = if known {
                    ("a place that is not there", self.set(linked))
                } else if facts::is_built_in(linked) {
                    (
                        "a zone that the database here does not have",
                        install.to_owned(),
                    )
                } else {
                    // Another place may say what was meant.
                    let says = self.machine.texts.iter().filter_map(Text::says);
                    let other = says.into_iter().find(|zone| facts::is_built_in(zone));
                    let next = match other {
                        Some(zone) => self.set(&zone),
                        None => facts::hint(&self.machine.database, linked, &self.root, now),
                    };
                    ("no zone", next)
                };
                let text = format!("{path} points at {why} ({linked}): programs use UTC");
                self.all.push(Finding::error(text).next(next));
            }
            Is::Else => {
                let text = format!("{path} is neither a file nor a link: programs use UTC");
                self.all
                    .push(Finding::error(text).next(format!("ls -ld {path}")));
            }
            Is::Copy if zone.is_none() => {
                let text = format!("{path} is no zone's file: programs use UTC");
                let next = self.set(name.as_deref().unwrap_or("UTC"));
                self.all.push(Finding::error(text).next(next));
            }
            Is::Copy if matches!(current.known_by, KnownBy::File | KnownBy::Unknown) => {
                let text = format!(
                    "{path} is a copy that equals no zone of the database here: of another zone, \
                     or of an older version with other rules"
                );
                let next =
                    name.map_or_else(|| "clockbox timezone list".to_owned(), |n| self.set(&n));
                self.all.push(Finding::warning(text).next(next));
            }
            Is::Copy if self.machine.systemd => {
                let text = format!(
                    "{path} is a copy: it does not follow updates of the zone database, and \
                     timedatectl cannot tell its name"
                );
                let next = self.set(name.as_deref().unwrap_or("UTC"));
                self.all.push(Finding::info(text).next(next));
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &Text, current: &Current, zone: Option<&Zone>) {
        if text.directory {
            let place = format!("{}: it is a directory, so it names no zone", text.path);
            let next = format!("rmdir {}", text.real.display());
            self.all.push(Finding::warning(place).next(next));
            return;
        }
        let broken = dangling(self.machine);
        let used = match current.zone.as_deref() {
            _ if broken => "UTC",
            Some(zone) => zone,
            None => "another zone",
        };
        let Some(said) = text.says() else {
            let place = format!("{} names no zone, where programs use {used}", text.path);
            self.all.push(Finding::warning(place).next(self.set(used)));
            return;
        };
        let said = if text.form == Form::Uci {
            said.replace(' ', "_")
        } else {
            said
        };
        let rule = zone.map_or("UTC0", Zone::footer);
        let agrees = Some(said.as_str()) == current.zone.as_deref()
            || (text.form == Form::Rule && (said == rule || said == "UTC" && rule == "UTC0"));
        if agrees {
            return;
        }
        let other = self.machine.database.read(&said, tzif::LIMIT).ok();
        let equal = match (&other, &self.machine.localtime.bytes) {
            (Some(other), Some(bytes)) => other.bytes == *bytes,
            // Programs use UTC then.
            (_, None) => matches!(said.as_str(), "UTC" | "Etc/UTC"),
            _ => false,
        };
        if equal {
            let same = format!(
                "{} says {said}, /etc/localtime {used}: two names of the same zone",
                text.path
            );
            self.all.push(Finding::info(same).next(self.set(used)));
            return;
        }
        let strange = if other.is_none() && !facts::is_built_in(&said) && text.form != Form::Rule {
            " (which is no zone)"
        } else {
            ""
        };
        let mut place = format!(
            "{} says {said}{strange}, but programs use {used}",
            text.path
        );
        let valid = strange.is_empty() && text.form != Form::Rule;
        if valid && !broken {
            place.push_str(&format!(" (if {said} is right, set that)"));
        }
        let next = self.set(if valid && broken { &said } else { used });
        self.all.push(Finding::warning(place).next(next));
    }

    fn environment(&mut self, current: &Current, tz: Option<&str>) {
        let used = current.zone.as_deref().unwrap_or("unknown");
        let differs =
            |tz: &str| tz.trim_start_matches(':') != used && !tz.ends_with("/etc/localtime");
        if let Some(tz) = tz.filter(|tz| differs(tz)) {
            let text =
                format!("TZ={tz} is set in this shell: what it starts uses that, not {used}");
            self.all.push(Finding::info(text).next("unset TZ"));
        }
        let content = machine::text(&self.machine.root, "/etc/environment");
        let file = content
            .as_deref()
            .and_then(|text| assignment::value(text, "TZ"));
        if let Some(tz) = file.filter(|tz| differs(tz)) {
            let text = format!("/etc/environment sets TZ={tz}: sessions use that, not {used}");
            let next = "take the line TZ= out of /etc/environment";
            self.all.push(Finding::warning(text).next(next));
        }
    }

    fn clock(&mut self, current: &Current, zone: Option<&Zone>, now: i64) {
        let name = current.zone.as_deref().unwrap_or_default();
        if let Some(seconds) = name::reversed_sign(name) {
            let text = format!(
                "{name} is {}: names of this kind have the sign reversed, as POSIX has it",
                offset(seconds)
            );
            self.all.push(Finding::info(text));
        }
        let leap = zone.map_or(0, |zone| zone.leap_correction_s(now));
        if leap != 0 {
            let text = format!(
                "{name} counts leap seconds: on a clock that keeps UTC all local times are {leap} s wrong"
            );
            let plain = name.strip_prefix("right/").unwrap_or("UTC");
            self.all.push(Finding::warning(text).next(self.set(plain)));
        }
        if rtc(self.machine).local {
            let text = "the battery-backed clock keeps local time: it is wrong by an hour after \
                        each change of daylight saving that happens while the machine is off";
            let next = if self.machine.systemd && self.machine.os.family != Family::Other {
                "timedatectl set-local-rtc 0"
            } else {
                "hwclock --systohc --utc"
            };
            self.all.push(Finding::info(text).next(next));
        }
    }
}
