//! Reference clocks: `server 127.127.t.u` with `fudge`, and NTPsec's `refclock`.

use crate::conf::chrony::Version;
use crate::conf::chrony::value::Local;
use crate::conf::chrony::value::Refclock;
use crate::conf::chrony::value::Value;
use crate::conf::chrony::write;
use crate::conf::convert::Converter;
use crate::conf::convert::record::Outcome;
use crate::conf::ntp::Body;
use crate::conf::ntp::Opt;
use crate::conf::ntp::Statement;

/// The driver numbers that have a counterpart, or need a word of their own.
const LOCAL: u8 = 1;
const NMEA: u8 = 20;
const PPS: u8 = 22;
const SHM: u8 = 28;
const GPSD: u8 = 46;

/// NTPsec's names of drivers and their numbers.
const NAMES: &[(&str, u8)] = &[
    ("local", LOCAL),
    ("spectracom", 4),
    ("truetime", 5),
    ("generic", 8),
    ("parse", 8),
    ("modem", 18),
    ("nmea", NMEA),
    ("pps", PPS),
    ("hpgps", 26),
    ("arc", 27),
    ("shm", SHM),
    ("trimble", 29),
    ("oncore", 30),
    ("jjy", 40),
    ("zyfer", 42),
    ("gpsd", GPSD),
];

/// The options of a clock: its own and those of its `fudge` lines.
struct Clock {
    driver: u8,
    unit: u8,
    options: Vec<Opt>,
}

impl Clock {
    fn last(&self, name: &str) -> Option<&Opt> {
        self.options.iter().rev().find(|option| option.name == name)
    }

    fn has(&self, name: &str) -> bool {
        self.last(name).is_some()
    }

    fn flag(&self, name: &str) -> bool {
        self.last(name).and_then(Opt::on).unwrap_or(false)
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.last(name).and_then(Opt::number)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.last(name).and_then(Opt::text)
    }
}

/// Number of an NTPsec driver.
pub(super) fn driver_number(name: &str) -> Option<u8> {
    let found = NAMES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, number)| *number)
}

impl Converter<'_> {
    /// All clocks of the configuration, with their `fudge` options.
    fn clocks(&self) -> Vec<(usize, Clock)> {
        let mut clocks = Vec::new();
        for (index, statement) in self.input.conf.statements().enumerate() {
            let found = match &statement.body {
                Body::Association { address, options } if statement.name != "broadcast" => address
                    .refclock()
                    .map(|(driver, unit)| (driver, unit, options)),
                Body::Refclock {
                    driver,
                    unit,
                    options,
                } => driver_number(&driver.text).map(|driver| (driver, *unit, options)),
                _ => None,
            };
            if let Some((driver, unit, options)) = found {
                clocks.push((index, self.with_fudge(driver, unit, options)));
            }
        }
        clocks
    }

    fn with_fudge(&self, driver: u8, unit: u8, options: &[Opt]) -> Clock {
        let mut options = options.to_vec();
        // `fudge` and `device`.
        for statement in self.input.conf.statements() {
            if let Body::Fudge {
                address,
                options: more,
            } = &statement.body
                && address.refclock() == Some((driver, unit))
            {
                options.extend(more.iter().cloned());
            }
        }
        Clock {
            driver,
            unit,
            options,
        }
    }

    pub(super) fn refclock(
        &mut self,
        index: usize,
        driver: u8,
        unit: u8,
        options: &[Opt],
    ) -> Outcome {
        let clock = self.with_fudge(driver, unit, options);
        match driver {
            LOCAL => self.local_clock(&clock),
            SHM => self.shared_memory(index, &clock),
            PPS => self.pulse(&clock),
            GPSD => self.gpsd(index, &clock),
            NMEA => nmea(&clock),
            _ => Outcome::lost(&format!(
                "chrony has no driver for reference clock type {driver}; gpsd may read it and feed refclock SHM or SOCK"
            )),
        }
    }

    /// NTPsec's directive.
    pub(super) fn refclock_directive(
        &mut self,
        index: usize,
        name: &str,
        unit: u8,
        options: &[Opt],
    ) -> Outcome {
        match driver_number(name) {
            Some(driver) => self.refclock(index, driver, unit, options),
            None => Outcome::lost(&format!("chrony has no driver for reference clock {name}")),
        }
    }

    /// What became of a `fudge` or a `device` line.
    pub(super) fn fudge(&self, statement: &Statement) -> Outcome {
        let Body::Fudge { address, options } = &statement.body else {
            return Outcome::dropped("not a fudge line");
        };
        let Some((driver, unit)) = address.refclock() else {
            return Outcome::dropped("the address is not a reference clock: ntpd ignores the line");
        };
        let used = self
            .clocks()
            .into_iter()
            .any(|(_, clock)| (clock.driver, clock.unit) == (driver, unit));
        if !used {
            return Outcome::dropped(
                "there is no server line for this reference clock: ntpd ignores the line",
            );
        }
        if !matches!(driver, LOCAL | SHM | PPS | GPSD) {
            return Outcome::lost("its reference clock has no counterpart");
        }
        let mut outcome = Outcome::changed(Vec::new(), "part of the line of its reference clock");
        for option in options {
            let why = match (option.name, driver) {
                ("time2", SHM) => "time2 is a sanity limit of ntpd's driver",
                ("time2", PPS | LOCAL) => "time2 has no meaning for this driver",
                ("flag1", SHM) => "flag1 only lifts a limit of ntpd's driver",
                ("flag3", PPS) if option.on() == Some(true) => {
                    "the kernel's PPS discipline is not used by chrony"
                }
                ("flag4", _) => "flag4 asks for statistics: see the log directive",
                ("minjitter" | "abbrev", _) => "has no counterpart",
                ("timedata", _) => "its chrony driver opens no such device",
                ("ppsdata", LOCAL | SHM | GPSD) => "its chrony driver has no pulse",
                _ => continue,
            };
            outcome = outcome.note(why);
        }
        outcome
    }

    fn local_clock(&mut self, clock: &Clock) -> Outcome {
        let stratum = clock.last("stratum").and_then(Opt::int).unwrap_or(5);
        // ntpd answers with the clock's stratum plus one.
        let served = stratum + 1;
        let Some(served) = u8::try_from(served)
            .ok()
            .filter(|served| (1..=15).contains(served))
        else {
            return Outcome::dropped(
                "stratum 15 is served as 16, which means unsynchronised: it never served anybody",
            );
        };
        if clock.has("noselect") {
            return Outcome::dropped("noselect: the local clock was never used");
        }
        if self.orphan_stratum().is_some() {
            return Outcome::changed(
                Vec::new(),
                "chrony has one local mode: the one of tos orphan stands for both",
            );
        }
        if self.local_written {
            return Outcome::changed(
                Vec::new(),
                "chrony has one local mode: an earlier line has it already",
            );
        }
        self.local_written = true;
        let waits = self.target.version >= Version::new(4, 7) && !clock.has("prefer");
        let local = Local {
            stratum: Some(served),
            waitunsynced: waits.then_some(300.0),
            ..Local::default()
        };
        self.fallback = true;
        let line = write::line("local", &Value::Local(local));
        let note = format!("ntpd's local clock of stratum {stratum} serves stratum {served}");
        Outcome::changed(vec![line], &note)
    }

    /// What all converted clocks have in common.
    fn base(&self, clock: &Clock, driver: &str, parameter: String) -> (Refclock, Vec<String>) {
        let mut notes = Vec::new();
        let refid = clock.text("refid").map(|text| {
            text.chars()
                .filter(char::is_ascii_graphic)
                .take(4)
                .collect::<String>()
        });
        let small = |name: &str| {
            clock
                .last(name)
                .and_then(Opt::int)
                .and_then(|value| i8::try_from(value.clamp(-6, 17)).ok())
        };
        if let Some(refid) = &refid {
            let same = self.clocks().into_iter().filter(|(_, other)| {
                let other = other.text("refid").unwrap_or_default();
                other
                    .chars()
                    .filter(char::is_ascii_graphic)
                    .take(4)
                    .eq(refid.chars())
            });
            if same.count() > 1 {
                notes.push(format!(
                    "another reference clock is called {refid} too: chronyc cannot tell them apart"
                ));
            }
        }
        let mut out = Refclock {
            driver: driver.to_owned(),
            parameter,
            refid: refid.filter(|refid| !refid.is_empty()),
            poll: small("minpoll"),
            offset: clock.number("time1").filter(|offset| *offset != 0.0),
            stratum: clock
                .last("stratum")
                .and_then(Opt::int)
                .and_then(|s| u8::try_from(s).ok())
                .filter(|s| (1..=15).contains(s)),
            ..Refclock::default()
        };
        out.select.prefer = clock.has("prefer");
        out.select.noselect = clock.has("noselect");
        out.select.trust = clock.has("true");
        if clock.has("maxpoll") {
            notes.push("a refclock of chrony has one interval: maxpoll is left out".to_owned());
        }
        if self.target.version < Version::new(3, 3) && out.stratum.is_some() {
            out.stratum = None;
            notes.push("stratum of a refclock needs chrony 3.3".to_owned());
        }
        if self.target.version < Version::new(2, 3) && out.select.trust {
            out.select.trust = false;
            notes.push("trust of a refclock needs chrony 2.3".to_owned());
        }
        (out, notes)
    }

    fn write_clock(&mut self, clock: Refclock, notes: Vec<String>) -> Outcome {
        self.sources += 1;
        let line = write::line("refclock", &Value::Refclock(Box::new(clock)));
        Outcome::changed(vec![line], "a reference clock").notes(notes)
    }

    fn shared_memory(&mut self, index: usize, clock: &Clock) -> Outcome {
        let (mut out, mut notes) = self.base(clock, "SHM", clock.unit.to_string());
        self.name_for_lock(index, &mut out);
        if clock.has("mode") {
            notes.push("mode has no counterpart for shared memory".to_owned());
        }
        let ptp = clock.text("refid").is_some_and(|refid| {
            let refid = refid.to_ascii_uppercase();
            refid.starts_with("PTP") || refid.starts_with("PHC")
        });
        if ptp {
            notes.push(
                "if phc2sys feeds it, refclock PHC /dev/ptp0 reads the clock without it".to_owned(),
            );
        }
        if clock.unit >= 2 {
            notes.push("the segment is readable by its owner only: write SHM N:perm=0666 if another user feeds it".to_owned());
        }
        self.write_clock(out, notes)
    }

    fn gpsd(&mut self, index: usize, clock: &Clock) -> Outcome {
        let segment = u16::from(clock.unit) * 2;
        let (mut out, mut notes) = self.base(clock, "SHM", segment.to_string());
        out.offset = clock.number("time2").filter(|offset| *offset != 0.0);
        self.name_for_lock(index, &mut out);
        notes.push(format!(
            "gpsd feeds shared memory {segment} by itself; its pulse is in {}: add refclock SHM {} or SOCK if there is one",
            segment + 1,
            segment + 1
        ));
        self.write_clock(out, notes)
    }

    fn pulse(&mut self, clock: &Clock) -> Outcome {
        let device = clock
            .text("ppspath")
            .or_else(|| clock.text("ppsdata"))
            .or_else(|| clock.text("path"))
            .map_or_else(|| format!("/dev/pps{}", clock.unit), str::to_owned);
        let edge = if clock.flag("flag2") { ":clear" } else { "" };
        let (mut out, mut notes) = self.base(clock, "PPS", format!("{device}{edge}"));
        if clock.flag("flag3") {
            notes.push("the kernel's PPS discipline (flag3) is not used by chrony".to_owned());
        }
        match self.lock_target() {
            Some(refid) => {
                notes.push(format!("the seconds come from {refid}"));
                out.lock = Some(refid);
            }
            None => notes
                .push("the seconds come from the other sources: one must be reachable".to_owned()),
        }
        let locked = out.lock.is_some();
        let outcome = self.write_clock(out, notes);
        if !locked {
            // A pulse alone does not tell which second it is.
            self.sources -= 1;
        }
        outcome
    }

    /// The clock that numbers the pulses: the preferred one that tells the time by itself.
    fn lock_clock(&self) -> Option<(usize, Clock)> {
        self.clocks()
            .into_iter()
            .find(|(_, clock)| matches!(clock.driver, SHM | GPSD) && clock.has("prefer"))
    }

    fn lock_target(&self) -> Option<String> {
        let (_, clock) = self.lock_clock()?;
        let refid: String = clock
            .text("refid")
            .unwrap_or("GPS")
            .chars()
            .filter(char::is_ascii_graphic)
            .take(4)
            .collect();
        Some(if refid.is_empty() {
            "GPS".to_owned()
        } else {
            refid
        })
    }

    /// A clock that a pulse is locked to needs a name.
    fn name_for_lock(&self, index: usize, out: &mut Refclock) {
        let pulses = self.clocks().iter().any(|(_, clock)| clock.driver == PPS);
        if pulses && self.lock_clock().is_some_and(|(locked, _)| locked == index) {
            out.refid = self.lock_target();
        }
    }
}

/// chrony reads no NMEA: gpsd does.
fn nmea(clock: &Clock) -> Outcome {
    let unit = clock.unit;
    let device = |names: [&str; 2], default: String| {
        let given = names.iter().find_map(|name| clock.text(name));
        given.map_or(default, str::to_owned)
    };
    let serial = device(["path", "timedata"], format!("/dev/gps{unit}"));
    let pulse = device(["ppspath", "ppsdata"], format!("/dev/gpspps{unit}"));
    let mut output = vec![
        format!("# For the receiver of 127.127.20.{unit}, let gpsd read {serial} and use:"),
        match clock.number("time2").filter(|offset| *offset != 0.0) {
            Some(offset) => format!(
                "#refclock SHM {} refid GPS offset {offset}",
                u16::from(unit) * 2
            ),
            None => format!("#refclock SHM {} refid GPS", u16::from(unit) * 2),
        },
    ];
    if clock.flag("flag1") {
        let edge = if clock.flag("flag2") { ":clear" } else { "" };
        let offset = clock
            .number("time1")
            .filter(|offset| *offset != 0.0)
            .map_or_else(String::new, |offset| format!(" offset {offset}"));
        output.push(format!("#refclock PPS {pulse}{edge} lock GPS{offset}"));
    }
    let mut outcome = Outcome::lost(
        "chrony does not read NMEA: gpsd does, and feeds it; the lines to try are in comments",
    );
    outcome.output = output;
    outcome
}
