//! `clockbox timezone show`: the zone, how it is known, and every place that says otherwise.

use super::facts;
use super::findings::Findings;
use super::machine;
use super::machine::Is;
use super::machine::Machine;
use super::text::Form;
use super::text::Text;
use crate::commands::Command;
use crate::commands::Context;
use crate::commands::page::ManPage;
use crate::conf::zone::adjtime;
use crate::conf::zone::assignment;
use crate::conf::zone::name;
use crate::exit::Failure;
use crate::report::timezone::KnownBy;
use crate::report::timezone::Local;
use crate::report::timezone::show::Place;
use crate::report::timezone::show::Rtc;
use crate::report::timezone::show::ShowReport;
use crate::sys;
use std::path::PathBuf;

/// Show the time zone, how it is known, and what disagrees with it
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Look at the image that is mounted here
    #[arg(long, value_name = "DIR")]
    pub(super) root: Option<PathBuf>,
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
        let unusable = match machine.localtime.is {
            Is::Circle | Is::Else => true,
            Is::Copy => zone.is_none(),
            _ => false,
        };
        Ok(ShowReport {
            findings: Findings::of(&machine, &current, zone.as_ref(), tz.as_deref(), now),
            places: places(&machine, &current),
            dangling: dangling(&machine),
            unusable,
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
        Is::Missing | Is::Circle | Is::Else => {
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
pub(super) fn dangling(machine: &Machine) -> bool {
    let linked = match &machine.localtime.is {
        Is::Link { zone, .. } => !matches!(zone.as_str(), "UTC" | "Etc/UTC"),
        _ => false,
    };
    linked && machine.localtime.bytes.is_none()
}

pub(super) fn places(machine: &Machine, current: &Current) -> Vec<Place> {
    let local = &machine.localtime;
    let (zone, form) = match &local.is {
        Is::Missing => (None, "not there".to_owned()),
        Is::Circle => (None, "a link that leads back to itself".to_owned()),
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
    let unread = machine.unread.iter().map(|unread| Place {
        path: unread.path.to_owned(),
        zone: None,
        form: unread.why.clone(),
    });
    std::iter::once(first).chain(others).chain(unread).collect()
}

/// What the battery-backed clock keeps: /etc/adjtime, else where older distributions say it.
pub(super) fn rtc(machine: &Machine) -> Rtc {
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
