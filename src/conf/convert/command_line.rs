//! The options that the service gave to ntpd: `-g`, `-x`, `-4`, `-N`...
//!
//! `-c`, `-f`, `-k` name files; [`file_option`] tells the caller before it reads them.

use crate::conf::convert::Converter;
use crate::conf::convert::associations::family_of;
use crate::conf::convert::input::CommandLine;
use crate::conf::convert::record::Outcome;
use crate::conf::convert::record::Record;
use crate::conf::span::Origin;

/// One option and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// A letter with its dash: `-g`.
    pub name: String,
    /// Its value.
    pub value: Option<String>,
}

/// Options of ntpd that take a value, by letter.
const VALUED: &str = "cDfiIklpPrsStuUvVw";

/// Long options and their letters.
const LONG: &[(&str, char)] = &[
    ("configfile", 'c'),
    ("driftfile", 'f'),
    ("dvar", 'V'),
    ("force_step_once", 'G'),
    ("interface", 'I'),
    ("ipv4", '4'),
    ("ipv6", '6'),
    ("jaildir", 'i'),
    ("keyfile", 'k'),
    ("logfile", 'l'),
    ("nice", 'N'),
    ("novirtualips", 'L'),
    ("panicgate", 'g'),
    ("pidfile", 'p'),
    ("priority", 'P'),
    ("propagationdelay", 'r'),
    ("quit", 'q'),
    ("saveconfigquit", 'S'),
    ("set-debug-level", 'D'),
    ("slew", 'x'),
    ("statsdir", 's'),
    ("trustedkey", 't'),
    ("updateinterval", 'U'),
    ("user", 'u'),
    ("var", 'v'),
    ("wait-sync", 'w'),
];

/// The options of a command line, in order.
#[must_use]
pub fn flags(words: &[String]) -> Vec<Flag> {
    let mut found = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let letter = LONG
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, letter)| *letter);
            let value = value.or_else(|| {
                letter.filter(|letter| VALUED.contains(*letter))?;
                words.next().cloned()
            });
            found.push(Flag {
                name: letter.map_or_else(|| word.clone(), |letter| format!("-{letter}")),
                value,
            });
            continue;
        }
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            continue;
        };
        for (at, letter) in letters.char_indices() {
            let rest = letters.get(at + letter.len_utf8()..).unwrap_or("");
            if VALUED.contains(letter) {
                let value = if rest.is_empty() {
                    words.next().cloned()
                } else {
                    Some(rest.to_owned())
                };
                found.push(Flag {
                    name: format!("-{letter}"),
                    value,
                });
                break;
            }
            found.push(Flag {
                name: format!("-{letter}"),
                value: None,
            });
        }
    }
    found
}

/// The value of a file option (`-c`, `-f`, `-k`), the last one counting.
#[must_use]
pub fn file_option(lines: &[CommandLine], name: &str) -> Option<String> {
    lines
        .iter()
        .flat_map(|line| flags(&line.words))
        .filter(|flag| flag.name == name)
        .filter_map(|flag| flag.value)
        .next_back()
}

impl Converter<'_> {
    /// Takes from the command lines what the rest of the conversion needs to know.
    pub(super) fn read_command_lines(&mut self) {
        for line in &self.input.command_lines {
            for flag in flags(&line.words) {
                self.slew_only |= flag.name == "-x";
                self.family = family_of(&flag.name).or(self.family);
                if flag.name == "-t" {
                    let id: Option<u32> = flag.value.and_then(|value| value.parse().ok());
                    self.trusted_by_option.extend(id);
                }
            }
        }
    }

    /// The account of the command lines.
    pub(super) fn command_lines(&mut self) -> Vec<Record> {
        let input = self.input;
        let mut records = Vec::new();
        for line in &input.command_lines {
            let mut sum: Option<Outcome> = None;
            for flag in flags(&line.words) {
                let mut next = self.flag(&flag);
                for reason in &mut next.reasons {
                    *reason = format!("{}: {reason}", flag.name);
                }
                sum = Some(match sum {
                    None => next,
                    Some(mut sum) => {
                        sum.verdict = if sum.verdict == next.verdict {
                            sum.verdict
                        } else {
                            super::Verdict::Changed
                        };
                        sum.matters |= next.matters;
                        sum.output.extend(next.output);
                        sum.reasons.extend(next.reasons);
                        sum
                    }
                });
            }
            let outcome = sum.unwrap_or_else(|| Outcome::dropped("no options"));
            self.extra.extend(outcome.output.iter().cloned());
            let origin = Origin {
                file: line.path.clone(),
                line: line.line,
                column: 1,
            };
            records.push(Record::new(origin, line.text.clone(), outcome));
        }
        records
    }

    fn flag(&mut self, flag: &Flag) -> Outcome {
        let value = flag.value.as_deref().unwrap_or("");
        match flag.name.as_str() {
            "-g" | "-G" => Outcome::implied("makestep corrects a large first offset"),
            "-x" => {
                let mut lines = vec!["leapsecmode slew".to_owned(), "maxslewrate 500".to_owned()];
                if !self.step_written {
                    self.step_written = true;
                    lines.insert(0, "makestep 600 3".to_owned());
                }
                Outcome::changed(lines, "the clock is slewed up to 600 s, as with ntpd -x")
            }
            "-4" | "-6" => self.family_option(&flag.name),
            "-N" | "-P" => {
                Outcome::changed(vec!["sched_priority 1".to_owned()], "real-time priority")
            }
            "-c" | "-f" | "-k" => Outcome::implied(&format!("{value} was read")),
            "-s" => Outcome::dropped(&format!("statistics go to {}", self.target.layout.logs)),
            "-l" => {
                Outcome::dropped("chronyd logs to the system log; start it with -l FILE for a file")
            }
            "-u" | "-i" => Outcome::dropped("the new daemon runs as a user of its own"),
            "-p" => Outcome::dropped("the new daemon has a pid file of its own"),
            "-q" | "-Q" => Outcome::lost(
                "ntpd set the clock once and ended: chronyd -q does the same, or clockbox sync",
            ),
            "-I" if !value.is_empty() => self.interface("listen", value),
            "-L" if self.serving.serve => {
                Outcome::lost("chronyd listens on virtual interfaces too: see bindaddress")
            }
            "-t" => Outcome::changed(Vec::new(), "a trusted key: it is in the key file"),
            "-n" | "-d" | "-D" => Outcome::dropped("the service decides how the daemon runs"),
            "-w" => Outcome::dropped("chronyc waitsync waits until the clock is right"),
            _ => Outcome::dropped("has no counterpart"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clustered_long_and_valued_options_are_read() {
        let words: Vec<String> =
            "-gN -u ntp:ntp -p /run/x.pid --configfile=/etc/o.conf -4 -L -U 9 -c/etc/p.conf"
                .split(' ')
                .map(str::to_owned)
                .collect();
        let found = flags(&words);
        let names: Vec<&str> = found.iter().map(|flag| flag.name.as_str()).collect();
        assert_eq!(
            names,
            ["-g", "-N", "-u", "-p", "-c", "-4", "-L", "-U", "-c"]
        );
        let line = CommandLine {
            path: "f".into(),
            line: 1,
            text: String::new(),
            words,
        };
        assert_eq!(file_option(&[line], "-c").as_deref(), Some("/etc/p.conf"));
    }
}
