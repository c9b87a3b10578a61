//! A conversion as a whole: what all these tests share, and one file a concern.

mod access;
mod cases;
mod files;
mod lines;
mod properties;
mod table;

use super::*;
use crate::conf::chrony::Version;
use crate::conf::chrony::load;
use crate::conf::convert::input::Layout;
use crate::conf::files::NoFiles;
use crate::conf::ntp;
use crate::conf::ntp::Dialect;

pub(super) fn target(version: (u16, u16)) -> Target {
    Target {
        version: Version::new(version.0, version.1),
        layout: Layout::redhat(),
        leap_list: None,
        right_utc: None,
        no_rtc: false,
        options: None,
    }
}

pub(super) fn input(text: &str, dialect: Dialect) -> Input {
    Input::new(ntp::load_text(
        "ntp.conf",
        text.as_bytes(),
        dialect,
        &NoFiles,
    ))
}

pub(super) fn classic(text: &str) -> Conversion {
    convert(
        &input(text, Dialect::Classic),
        &target((4, 3)),
        Policy::default(),
    )
}

/// The directives of the result, without the comments and what is always added.
pub(super) fn lines(conversion: &Conversion) -> Vec<String> {
    let always = [
        "driftfile /var/lib/chrony/drift",
        "makestep 1 3",
        "rtcsync",
        "logdir /var/log/chrony",
    ];
    conversion
        .conf
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#') && !always.contains(line))
        .map(str::to_owned)
        .collect()
}

pub(super) fn ntpsec(text: &str) -> Conversion {
    convert(
        &input(text, Dialect::Ntpsec),
        &target((4, 3)),
        Policy::default(),
    )
}

pub(super) fn later(text: &str) -> Conversion {
    convert(
        &input(text, Dialect::Classic),
        &target((4, 8)),
        Policy::default(),
    )
}

/// One letter a line: k, c, d, and an exclamation mark where something may be missed.
pub(super) fn verdicts(conversion: &Conversion) -> String {
    conversion
        .records
        .iter()
        .map(|record| {
            let letter = record.verdict.word().chars().next().unwrap();
            if record.matters {
                format!("{letter}!")
            } else {
                letter.to_string()
            }
        })
        .collect()
}

/// Input, verdicts and result of single lines, each with a server of its own behind it.
pub(super) fn check(convert: fn(&str) -> Conversion, cases: &[(&str, &str, &[&str])]) {
    for (text, verdict, want) in cases {
        let done = convert(&format!("{text}\nserver base\n"));
        assert_eq!(done.refusal, None, "{text}");
        let mut got = lines(&done);
        got.retain(|line| line != "server base");
        assert_eq!(&got, want, "{text}\n{:#?}", done.records);
        assert_eq!(
            verdicts(&done),
            format!("{verdict}k"),
            "{text}\n{:#?}",
            done.records
        );
    }
}
