//! `refclock` lines: this machine's own clocks as sources.

use crate::commands::refclock_line;
use crate::commands::tai;
use crate::conf::chrony::Settings;
use crate::conf::chrony::value::Refclock;
use crate::conf::cloud;
use crate::conf::diagnostic::Diagnostic;
use crate::engine::config::SourceConfig;
use crate::engine::refclock::Device;
use crate::engine::refclock::RefclockConfig;
use crate::proto::refid::RefId;
use crate::sys;
use std::path::Path;

/// An offset this large on a line says that the time scale is meant, in seconds.
const MEANT: f64 = 1.0;

/// The clocks of a file, in its order, and a warning for each that cannot be one.
#[must_use]
pub fn of_file(settings: &Settings, root: &Path) -> (Vec<SourceConfig>, Vec<Diagnostic>) {
    let (mut sources, mut warnings) = (Vec::new(), Vec::new());
    if settings.refclocks.is_empty() {
        return (sources, warnings);
    }
    let cloud = cloud::classify(&sys::cloud::read(root)).cloud;
    for (index, located) in settings.refclocks.iter().enumerate() {
        let line = &located.value;
        let mut refuse = |why: String| {
            let text = format!("refclock {} is not used: {why}", line.driver);
            warnings.push(Diagnostic::warning(located.span, text));
        };
        let found = match refclock_line::device(&line.driver, &line.parameter, root, cloud) {
            Ok(found) => found,
            Err(why) => {
                refuse(why);
                continue;
            }
        };
        let rtc = matches!(found.device, Device::Rtc { .. });
        if rtc && (settings.rtc_sync || settings.rtc_file.is_some()) {
            refuse("rtcsync and rtcfile set that very clock".to_owned());
            continue;
        }
        let standard = |source: &SourceConfig| source.refclock.as_ref().is_some_and(|c| c.local);
        if line.local && sources.iter().any(standard) {
            refuse("another line has the local standard already".to_owned());
            continue;
        }
        let refid = identifier(line, index);
        let known = found.kind().is_some_and(|kind| kind.is_hosts());
        let mut source = one(line, found.device, refid, known, settings);
        if let Some(clock) = source.refclock.as_mut().filter(|_| line.tai) {
            clock.tai = Some(tai::offset(root));
        }
        sources.push(source);
    }
    (sources, warnings)
}

/// The identifier: the line's, or three letters of the driver and a number.
fn identifier(line: &Refclock, index: usize) -> RefId {
    let text = line.refid.clone().unwrap_or_else(|| {
        let letters = if index >= 10 { 2 } else { 3 };
        let driver: String = line.driver.chars().take(letters).collect();
        format!("{driver}{}", index % 100)
    });
    letters(&text)
}

fn letters(text: &str) -> RefId {
    let mut octets = [0; 4];
    for (to, from) in octets.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    RefId(octets)
}

fn one(
    line: &Refclock,
    device: Device,
    refid: RefId,
    known: bool,
    settings: &Settings,
) -> SourceConfig {
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let default = RefclockConfig::new(device, refid);
    let offset = line.offset.unwrap_or(0.0);
    let poll = line.poll.unwrap_or(default.poll).clamp(-6, 24);
    let clock = RefclockConfig {
        poll,
        driver_poll: line.dpoll.unwrap_or(default.driver_poll).clamp(-6, poll),
        filter: line.filter.map_or(default.filter, size),
        rate: line.rate.unwrap_or(default.rate).max(1),
        lock: line.lock.as_deref().map(letters),
        max_lock_age: line.maxlockage.unwrap_or(default.max_lock_age),
        width: line.width.unwrap_or(default.width),
        pulse: line.pps,
        delay: line.delay.unwrap_or(default.delay).max(0.0),
        precision: line
            .precision
            .or(settings.clock_precision_s)
            .unwrap_or(default.precision)
            .max(0.0),
        max_dispersion: line.maxdispersion.filter(|most| *most > 0.0),
        stratum: line.stratum.unwrap_or(default.stratum),
        local: line.local,
        scale_known: known || line.tai || line.local || offset.abs() >= MEANT || line.select.trust,
        ..default
    };
    let name = clock.refid.text().unwrap_or_else(|| line.driver.clone());
    let plain = SourceConfig::refclock(name, clock);
    let most = match line.maxsamples.unwrap_or(settings.max_samples) {
        0 => plain.samples.1,
        most => size(most),
    };
    SourceConfig {
        prefer: line.select.prefer,
        trust: line.select.trust,
        require: line.select.require,
        // A standard's time is nobody's.
        no_select: line.select.noselect || line.local,
        offset,
        max_unreach: line.maxunreach.unwrap_or(plain.max_unreach),
        samples: (size(line.minsamples.unwrap_or(settings.min_samples)), most),
        ..plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::chrony::load::parse_alone;

    fn of(text: &str) -> (Vec<SourceConfig>, Vec<Diagnostic>) {
        let settings = Settings::new(&parse_alone("f", text.as_bytes()));
        of_file(&settings, Path::new("/nowhere"))
    }

    #[test]
    fn azures_line_is_understood_whole() {
        let (found, warnings) =
            of("refclock PHC /dev/ptp_hyperv poll 3 dpoll -2 offset 0 stratum 2\n");
        assert!(warnings.is_empty(), "{warnings:?}");
        let clock = found[0].refclock.as_ref().unwrap();
        assert_eq!((clock.poll, clock.driver_poll, clock.stratum), (3, -2, 2));
        assert_eq!(clock.refid, RefId(*b"PHC0"));
        assert_eq!(found[0].name, "PHC0");
        assert_eq!((found[0].min_poll, found[0].max_poll), (Some(3), 3));
    }

    #[test]
    fn a_receivers_lines_are_locked_together() {
        let (found, _) = of("refclock SHM 0 refid NMEA offset 0.2 delay 0.2 noselect\n\
             refclock PPS /dev/pps0 lock NMEA rate 5 width 0.1 maxlockage 4 prefer filter 8\n");
        assert!(found[0].no_select && found[1].prefer);
        let pps = found[1].refclock.as_ref().unwrap();
        assert_eq!(pps.lock, Some(RefId(*b"NMEA")));
        assert_eq!(pps.refid, RefId(*b"PPS1"));
        assert_eq!((pps.rate, pps.max_lock_age, pps.filter), (5, 4, 8));
    }

    #[test]
    fn every_number_of_a_line_reaches_the_engine() {
        let (found, warnings) = of("minsamples 5\nmaxsamples 50\n\
             refclock PHC /dev/ptp0 minsamples 12 maxsamples 20 require precision 1e-6 delay 0.01 \
             maxdispersion 0.002 maxunreach 7 stratum 3 offset 0.25\nrefclock PHC /dev/ptp1\n");
        assert!(warnings.is_empty(), "{warnings:?}");
        let clock = found[0].refclock.as_ref().unwrap();
        assert_eq!((clock.precision, clock.delay), (1e-6, 0.01));
        assert_eq!((clock.max_dispersion, clock.stratum), (Some(0.002), 3));
        assert_eq!((found[0].samples, found[0].require), ((12, 20), true));
        assert_eq!((found[0].max_unreach, found[0].offset), (7, 0.25));
        // What the line does not say is said for all sources.
        assert_eq!((found[1].samples, found[1].require), ((5, 50), false));
        assert_eq!(found[1].refclock.as_ref().unwrap().max_dispersion, None);
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_reason() {
        let (found, warnings) = of("rtcsync\nrefclock RTC /dev/rtc0:utc\nrefclock PHC nosuch\n");
        assert!(found.is_empty());
        assert!(warnings[0].message.contains("rtcsync"), "{warnings:?}");
        assert!(warnings[1].message.contains("nosuch"), "{warnings:?}");
    }

    #[test]
    fn the_readings_are_never_rarer_than_the_measurements() {
        let (found, _) = of("refclock PHC /dev/ptp0 poll -2 dpoll 3\n");
        let clock = found[0].refclock.as_ref().unwrap();
        assert_eq!((clock.poll, clock.driver_poll), (-2, -2));
    }
}
