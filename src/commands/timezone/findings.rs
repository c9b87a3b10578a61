//! What does not agree about a machine's zone, and the command that mends it.

use super::facts;
use super::machine;
use super::machine::Is;
use super::machine::Machine;
use super::show::Current;
use super::show::dangling;
use super::show::rtc;
use super::text::Form;
use super::text::Text;
use super::text::Unread;
use crate::conf::tzif;
use crate::conf::tzif::Zone;
use crate::conf::zone::assignment;
use crate::conf::zone::built_in;
use crate::conf::zone::name;
use crate::conf::zone::os::Family;
use crate::report::finding::Finding;
use crate::report::timezone::KnownBy;
use crate::report::timezone::offset;
use crate::sys::mounts;
use crate::sys::rooted;
use std::path::Path;

/// What does not agree.
pub(super) struct Findings<'a> {
    machine: &'a Machine,
    root: String,
    all: Vec<Finding>,
}

impl<'a> Findings<'a> {
    /// All of them for a machine.
    pub(super) fn of(
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
        let unread = machine.unread.iter().map(Unread::finding);
        findings.all.extend(unread);
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
        self.mounted(current);
        match &self.machine.localtime.is {
            Is::Link { zone: linked, .. } if dangling(self.machine) => {
                let known = self.machine.database.read(linked, tzif::LIMIT).is_ok();
                let (why, next) = if known {
                    ("a place that is not there", self.set(linked))
                } else if built_in::is_known(linked) {
                    (
                        "a zone that the database here does not have",
                        install.to_owned(),
                    )
                } else {
                    // Another place may say what was meant.
                    let says = self.machine.texts.iter().filter_map(Text::says);
                    let other = says.into_iter().find(|zone| built_in::is_known(zone));
                    let next = match other {
                        Some(zone) => self.set(&zone),
                        None => facts::hint(&self.machine.database, linked, &self.root, now).1,
                    };
                    ("no zone", next)
                };
                let text = format!("{path} points at {why} ({linked}): programs use UTC");
                self.all.push(Finding::error(text).next(next));
            }
            Is::Else => {
                let text = format!("{path} is neither a file nor a link: programs use UTC");
                let real = self.machine.localtime.real.display();
                self.all
                    .push(Finding::error(text).next(format!("ls -ld {real}")));
            }
            Is::Circle => {
                let text = format!("{path} is a link that leads back to itself: programs use UTC");
                let says = self.machine.texts.iter().filter_map(Text::says);
                let other = says.into_iter().find(|zone| built_in::is_known(zone));
                let next = self.set(other.as_deref().unwrap_or("UTC"));
                self.all.push(Finding::error(text).next(next));
            }
            Is::Copy if self.machine.localtime.forbidden => {
                let text = format!("{path} is for root alone to read, and so is the time by it");
                let next = format!("sudo clockbox timezone show{}", self.root);
                self.all.push(Finding::error(text).next(next));
            }
            Is::Copy if zone.is_none() => {
                let why = match &self.machine.localtime.problem {
                    Some(why) => format!(" ({why})"),
                    None => String::new(),
                };
                let text = format!("{path} is no zone's file{why}: programs use UTC");
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

    /// A container's mount on /etc/localtime lands on what the link points at.
    fn mounted(&mut self, current: &Current) {
        let root = &self.machine.root;
        let Ok(real) = rooted::resolve(root, Path::new("/etc/localtime")) else {
            return;
        };
        let zone = current.zone.as_deref().unwrap_or("unknown");
        if current.known_by == KnownBy::Link && mounts::is_mount_point(&real) {
            let file = rooted::inside(root, &real);
            let text = format!(
                "something is mounted on {}, to which /etc/localtime points (a container's mount \
                 on /etc/localtime lands there): the zone is called {zone}, but the time is the \
                 mounted file's",
                file.display()
            );
            let next = "start the container without that mount, then: clockbox timezone set ZONE";
            self.all.push(Finding::warning(text).next(next));
        }
    }

    fn text(&mut self, text: &Text, current: &Current, zone: Option<&Zone>) {
        if text.directory {
            let place = format!("{}: it is a directory, so it names no zone", text.path);
            let next = format!("rmdir {}", text.real.display());
            self.all.push(Finding::warning(place).next(next));
            return;
        }
        let broken =
            dangling(self.machine) || matches!(self.machine.localtime.is, Is::Circle | Is::Else);
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
        let strange = if other.is_none() && !built_in::is_known(&said) && text.form != Form::Rule {
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
            let next = format!("a place's own zone: clockbox timezone list{}", self.root);
            self.all.push(Finding::info(text).next(next));
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
