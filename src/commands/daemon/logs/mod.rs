//! The files that `logdir` and `log` ask for: which there are, their banners, closing them for
//! whoever rotates them; and what is said when the clock was far off (`logchange`,
//! `mailonchange`).

mod lines;

use crate::conf::chrony::Settings;
use crate::engine::Record;
use crate::engine::record::Wanted;
use crate::engine::rtc::RtcReading;
use crate::report::format;
use crate::sys;
use crate::sys::append::Appended;
use crate::sys::log::Level;
use crate::sys::mail::Mail;
use std::path::Path;
use std::path::PathBuf;

/// A file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Measurements,
    Statistics,
    Selection,
    Tracking,
    Rtc,
    Refclocks,
    Tempcomp,
}

/// Each file's name and columns.
const FILES: [(Name, &str, &str); 7] = [
    (Name::Measurements, "measurements.log", lines::MEASUREMENTS),
    (Name::Statistics, "statistics.log", lines::STATISTICS),
    (Name::Selection, "selection.log", lines::SELECTION),
    (Name::Tracking, "tracking.log", lines::TRACKING),
    (Name::Rtc, "rtc.log", lines::RTC),
    (Name::Refclocks, "refclocks.log", lines::REFCLOCKS),
    (Name::Tempcomp, "tempcomp.log", lines::TEMPCOMP),
];

/// Whether `log` has the word, and there is a directory to write to.
fn has(settings: &Settings, word: &str) -> bool {
    settings.log_dir.is_some() && settings.logs.iter().any(|l| l == word)
}

/// What the engine is to record for the words of `log`.
#[must_use]
pub fn wanted(settings: &Settings) -> Wanted {
    let has = |word: &str| has(settings, word);
    Wanted {
        measurements: has("measurements"),
        raw_measurements: has("rawmeasurements"),
        statistics: has("statistics"),
        selection: has("selection"),
        tracking: has("tracking"),
        refclocks: has("refclocks"),
    }
}

/// The directory that log files go to, if any are wanted.
#[must_use]
pub fn directory(settings: &Settings) -> Option<PathBuf> {
    if settings.logs.is_empty() {
        return None;
    }
    settings.log_dir.as_ref().map(PathBuf::from)
}

/// One file.
#[derive(Debug)]
struct LogFile {
    name: Name,
    columns: &'static str,
    file: Appended,
    /// Lines since it was opened.
    lines: u64,
    /// Writing failed: said once, and not tried again before the files are cycled.
    broken: bool,
}

/// The files.
#[derive(Debug)]
pub struct Logs {
    files: Vec<LogFile>,
    /// Lines between two banners; 0 for none.
    banner: u64,
    rtc: bool,
    temperature: bool,
}

impl Logs {
    /// Those that a configuration asks for; none is opened before it has a line.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let directory = directory(settings).unwrap_or_default();
        let file = |&(name, path, columns): &(Name, &str, &'static str)| LogFile {
            name,
            columns,
            file: Appended::new(directory.join(path)),
            lines: 0,
            broken: false,
        };
        Self {
            files: FILES.iter().map(file).collect(),
            banner: u64::from(settings.log_banner),
            rtc: has(settings, "rtc"),
            temperature: has(settings, "tempcomp"),
        }
    }

    /// Writes it to its file.
    pub fn write(&mut self, record: &Record) {
        match record {
            Record::Measurement(m) => self.line(Name::Measurements, &lines::measurement(m)),
            Record::Statistics(s) => self.line(Name::Statistics, &lines::statistics(s)),
            Record::Selection { unix_ns, rows } => {
                for row in rows {
                    self.line(Name::Selection, &lines::selection(*unix_ns, row));
                }
            }
            Record::Tracking(t) => self.line(Name::Tracking, &lines::tracking(t)),
            Record::Refclock(r) => self.line(Name::Refclocks, &lines::refclock(r)),
        }
    }

    /// A temperature was read and gave this correction, in ppm.
    pub fn temperature(&mut self, unix_ns: i64, temperature: f64, ppm: f64) {
        if self.temperature {
            self.line(Name::Tempcomp, &lines::tempcomp(unix_ns, temperature, ppm));
        }
    }

    /// The battery-backed clock was read.
    pub fn rtc(&mut self, reading: &RtcReading) {
        if self.rtc {
            self.line(Name::Rtc, &lines::rtc(reading));
        }
    }

    /// Closes all files: whatever has their names when the next line comes is written to.
    pub fn cycle(&mut self) {
        for file in &mut self.files {
            file.file.close();
            file.lines = 0;
            file.broken = false;
        }
    }

    fn line(&mut self, name: Name, line: &str) {
        let mut files = self.files.iter_mut();
        let Some(to) = files.find(|f| f.name == name && !f.broken) else {
            return;
        };
        let columns = to.columns;
        let mut text = String::new();
        if self.banner > 0 && to.lines.is_multiple_of(self.banner) {
            let rule = "=".repeat(columns.len());
            text = format!("{rule}\n{columns}\n{rule}\n");
        }
        text.push_str(line);
        text.push('\n');
        to.lines += 1;
        if let Err(error) = to.file.add(&text) {
            to.broken = true;
            to.file.close();
            let text =
                format!("{error}; nothing more is written there until chronyc cyclelogs or SIGHUP");
            sys::log::say(Level::Warning, &text);
        }
    }
}

/// When somebody wants to hear that the clock was far off.
#[derive(Debug)]
pub struct Alarm {
    /// Offsets beyond this go to the log, in seconds.
    threshold: f64,
    /// An address, and the offset from which on it is written to, in seconds.
    mail_to: Option<(String, f64)>,
    mail: Mail,
}

impl Alarm {
    /// As a configuration has it.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            threshold: settings.log_change_s,
            mail_to: settings.mail_on_change.clone(),
            mail: Mail::default(),
        }
    }

    /// The clock was found off by this, in seconds, positive when it was behind.
    pub fn found(&mut self, offset: f64) {
        self.mail.reap();
        let off = format::signed_seconds(offset);
        if offset.abs() > self.threshold {
            let text = format!("the clock was off by {off} (positive: behind)");
            sys::log::say(Level::Warning, &text);
        }
        let Some((to, threshold)) = self.mail_to.as_ref().filter(|m| offset.abs() > m.1) else {
            return;
        };
        let host = sys::host::name();
        let (seconds, _) = sys::clock::unix();
        let subject = format!("clockbox on {host}: the clock was off by {off}");
        let text = format!(
            "At {} the clock of {host} was found {:.6} seconds {}.\nThis is more than the {threshold} s of \
             mailonchange in its configuration.\n",
            format::rfc3339(seconds, 0),
            offset.abs(),
            if offset > 0.0 { "behind" } else { "ahead" },
        );
        if let Err(error) = self.mail.send(to, &subject, &text) {
            sys::log::say(Level::Warning, &error.to_string());
        }
    }

    /// Forgets messages that have gone.
    pub fn tidy(&mut self) {
        if self.mail.busy() {
            self.mail.reap();
        }
    }
}

/// Makes the directory of the log files; a failure is said, and the clock is kept all the same.
pub fn make_directory(path: &Path) {
    if let Err(error) = sys::append::make_directory(path) {
        sys::log::say(Level::Warning, &format!("{error}; there are no log files"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::chrony::load::parse_alone;

    #[test]
    fn the_banner_comes_first_and_after_as_many_lines_as_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "logdir {}\nlog tempcomp\nlogbanner 2\n",
            dir.path().display()
        );
        let settings = Settings::new(&parse_alone("f", text.as_bytes()));
        let mut logs = Logs::new(&settings);
        for _ in 0..3 {
            logs.temperature(0, 20.0, 1.0);
        }
        let path = dir.path().join("tempcomp.log");
        let kinds = |text: &str| -> String {
            let first = |l: &str| l.chars().next().unwrap();
            text.lines().map(first).collect()
        };
        assert_eq!(
            kinds(&sys::files::read_text(&path, 1 << 20).unwrap()),
            "= =11= =1"
        );
        sys::files::remove(&path).unwrap();
        logs.cycle();
        logs.temperature(0, 20.0, 1.0);
        assert_eq!(
            kinds(&sys::files::read_text(&path, 1 << 20).unwrap()),
            "= =1"
        );
    }

    #[test]
    fn nothing_is_recorded_without_a_directory_to_put_it() {
        let of = |text: &[u8]| wanted(&Settings::new(&parse_alone("f", text)));
        assert_eq!(of(b"log tracking measurements\n"), Wanted::default());
        let with = of(b"log tracking\nlogdir /x\n");
        assert!(with.tracking && !with.measurements);
    }
}
