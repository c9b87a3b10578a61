//! One line of chrony.conf to a [`Value`], with diagnostics that point at the word.
//!
//! As in chronyd, names and options are matched in any case, and there are no comments after a
//! directive.

use crate::conf::address;
use crate::conf::address::Flaw;
use crate::conf::address::shown;
use crate::conf::chrony::directives;
use crate::conf::chrony::directives::Argument;
use crate::conf::chrony::directives::Directive;
use crate::conf::chrony::directives::OptionInfo;
use crate::conf::chrony::directives::Shape;
use crate::conf::chrony::value::Access;
use crate::conf::chrony::value::Broadcast;
use crate::conf::chrony::value::CommandAddress;
use crate::conf::chrony::value::DriftFile;
use crate::conf::chrony::value::Family;
use crate::conf::chrony::value::HwTimestamp;
use crate::conf::chrony::value::Local;
use crate::conf::chrony::value::MakeStep;
use crate::conf::chrony::value::MaxChange;
use crate::conf::chrony::value::RateLimit;
use crate::conf::chrony::value::Refclock;
use crate::conf::chrony::value::Selection;
use crate::conf::chrony::value::SmoothTime;
use crate::conf::chrony::value::Source;
use crate::conf::chrony::value::SourceKind;
use crate::conf::chrony::value::Subject;
use crate::conf::chrony::value::TempComp;
use crate::conf::chrony::value::TempCurve;
use crate::conf::chrony::value::Value;
use crate::conf::diagnostic::Diagnostic;
use crate::conf::near::nearest;
use crate::conf::span::Span;
use crate::conf::words::Word;

/// A line understood: which directive, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The directive.
    pub directive: &'static Directive,
    /// What it says.
    pub value: Value,
}

/// Parses the words of a line that is neither empty nor a comment. `None` if the line cannot be
/// used; then `diagnostics` has an error. All faults of the line are reported, not the first only.
pub fn line(words: &[Word<'_>], diagnostics: &mut Vec<Diagnostic>) -> Option<Parsed> {
    let (name, arguments) = words.split_first()?;
    let Some(directive) = directives::find(name.text) else {
        diagnostics.push(unknown_directive(name));
        return None;
    };
    if let Some(why) = directive.obsolete {
        diagnostics.push(
            Diagnostic::warning(
                name.span,
                format!("{} is obsolete and ignored", directive.name),
            )
            .with_help(format!("{why}; the line can be removed")),
        );
    }
    let mut cursor = Cursor {
        directive,
        name,
        rest: arguments,
        last: name.span,
        diagnostics,
        failed: false,
    };
    let value = cursor.value()?;
    cursor.no_more();
    if cursor.failed {
        return None;
    }
    Some(Parsed { directive, value })
}

fn unknown_directive(name: &Word<'_>) -> Diagnostic {
    let known = directives::DIRECTIVES
        .iter()
        .map(|directive| directive.name);
    let help = match nearest(name.text, known) {
        Some(near) => format!("did you mean {near}?"),
        None if name.text.starts_with("//") => "a comment starts with #".to_owned(),
        None => "chrony.conf has no such directive; a comment starts with #".to_owned(),
    };
    Diagnostic::error(name.span, format!("unknown directive {}", shown(name.text))).with_help(help)
}

/// Walks over the arguments of one line.
struct Cursor<'a, 'w> {
    directive: &'static Directive,
    name: &'a Word<'w>,
    rest: &'a [Word<'w>],
    last: Span,
    diagnostics: &'a mut Vec<Diagnostic>,
    failed: bool,
}

impl<'a, 'w> Cursor<'a, 'w> {
    fn value(&mut self) -> Option<Value> {
        match self.directive.shape {
            Shape::Flag => Some(Value::Flag),
            Shape::Int(low, high) => self.strict_int("a value", low, high).map(Value::Int),
            Shape::Float => self.float("a number").map(Value::Float),
            Shape::Text => self.text(self.directive.arguments).map(Value::Text),
            Shape::Ints => {
                let mut list = Vec::new();
                while !self.rest.is_empty() {
                    list.extend(self.strict_int("a number", 0, i64::from(i32::MAX)));
                }
                Some(Value::Ints(list))
            }
            Shape::Ignored => {
                let words: Vec<&str> = self.rest.iter().map(|word| word.text).collect();
                self.rest = &[];
                Some(Value::Ignored(words.join(" ")))
            }
            Shape::Own => self.own(),
        }
    }

    fn own(&mut self) -> Option<Value> {
        match self.directive.name {
            "server" => self.source(SourceKind::Server),
            "pool" => self.source(SourceKind::Pool),
            "peer" => self.source(SourceKind::Peer),
            "refclock" => self.refclock(),
            "allow" | "deny" | "cmdallow" | "cmddeny" => self.access(),
            "authselectmode" => self.mode(&["require", "prefer", "mix", "ignore"]),
            "leapsecmode" => self.mode(&["system", "step", "slew", "ignore"]),
            "bindaddress" | "bindacqaddress" => self.ip().map(Value::Address),
            "bindcmdaddress" => self.command_address(),
            "broadcast" => self.broadcast(),
            "confdir" | "sourcedir" => self.directories(),
            "include" => self.text("a file or a pattern").map(Value::Text),
            "driftfile" => self.drift_file(),
            "fallbackdrift" => {
                let low = self.loose_int("the shortest interval");
                let high = self.loose_int("the longest interval");
                Some(Value::FallbackDrift(low?, high?))
            }
            "hwtimestamp" => self.hwtimestamp(),
            "initstepslew" => self.init_step_slew(),
            "local" => self.local(),
            "log" => self.words(directives::LOGS, "log", false),
            "opencommands" => self.words(directives::OPEN_COMMANDS, "command", true),
            "mailonchange" => {
                let address = self.text("a mail address");
                let threshold = self.float("a number of seconds");
                Some(Value::MailOnChange(address?, threshold?))
            }
            "makestep" => self.make_step(),
            "maxchange" => {
                let offset_s = self.float("an offset in seconds");
                let start = self.loose_int("the first update that is checked");
                let ignore = self.loose_int("a number of updates");
                Some(Value::MaxChange(MaxChange {
                    offset_s: offset_s?,
                    start: start?,
                    ignore: ignore?,
                }))
            }
            "ntstrustedcerts" => self.trusted_certs(),
            "ratelimit" => self.rate_limit(true),
            "cmdratelimit" | "ntsratelimit" => self.rate_limit(false),
            "smoothtime" => self.smooth_time(),
            "tempcomp" => self.temp_comp(),
            _ => None,
        }
    }

    // Words.

    fn next(&mut self) -> Option<&'a Word<'w>> {
        let (word, rest) = self.rest.split_first()?;
        self.rest = rest;
        self.last = word.span;
        Some(word)
    }

    fn want(&mut self, what: &str) -> Option<&'a Word<'w>> {
        let word = self.next();
        if word.is_none() {
            let usage = format!("{} {}", self.directive.name, self.directive.arguments);
            self.error(
                self.last,
                format!("{} needs {what}", self.directive.name),
                Some(format!("usage: {}", usage.trim_end())),
            );
        }
        word
    }

    fn text(&mut self, what: &str) -> Option<String> {
        self.want(what).map(|word| word.text.to_owned())
    }

    fn no_more(&mut self) {
        let (Some(first), Some(last)) = (self.rest.first(), self.rest.last()) else {
            return;
        };
        let help = if first.text.starts_with(['#', '!', ';', '%']) {
            "chrony.conf has no comments after a directive: put it on a line of its own".to_owned()
        } else {
            format!(
                "usage: {} {}",
                self.directive.name, self.directive.arguments
            )
        };
        let message = if self.directive.arguments.is_empty() {
            format!("{} takes no argument", self.directive.name)
        } else {
            format!("too many arguments of {}", self.directive.name)
        };
        let span = first.span.to(last.span);
        self.error(span, message, Some(help.trim_end().to_owned()));
    }

    fn error(&mut self, span: Span, message: String, help: Option<String>) {
        self.failed = true;
        self.diagnostics
            .push(Diagnostic::error(span, message).with_maybe_help(help));
    }

    fn warn(&mut self, span: Span, message: String, help: Option<String>) {
        self.diagnostics
            .push(Diagnostic::warning(span, message).with_maybe_help(help));
    }

    fn flaw(&mut self, span: Span, flaw: Flaw) {
        self.error(span.part(flaw.start, flaw.end), flaw.message, flaw.help);
    }

    // Numbers.

    fn strict_int(&mut self, what: &str, low: i64, high: i64) -> Option<i64> {
        let word = self.want(what)?;
        self.int_of(word, low, high)
    }

    fn int_of(&mut self, word: &Word<'_>, low: i64, high: i64) -> Option<i64> {
        match word
            .text
            .strip_prefix('+')
            .unwrap_or(word.text)
            .parse::<i64>()
        {
            Ok(value) if (low..=high).contains(&value) => Some(value),
            Ok(value) => {
                let range = if high >= i64::from(i32::MAX) {
                    format!("it must be {low} or more")
                } else {
                    format!("it goes from {low} to {high}")
                };
                self.error(word.span, format!("{value} is out of range"), Some(range));
                None
            }
            Err(_) => {
                self.error(
                    word.span,
                    format!("{} is not an integer", shown(word.text)),
                    None,
                );
                None
            }
        }
    }

    /// An integer of which chronyd ignores what follows the digits.
    fn loose_int(&mut self, what: &str) -> Option<i64> {
        let word = self.want(what)?;
        let sign = usize::from(word.text.starts_with(['-', '+']));
        let digits = word
            .text
            .bytes()
            .skip(sign)
            .take_while(u8::is_ascii_digit)
            .count();
        let text = word.text.get(..sign + digits).unwrap_or("");
        match text.strip_prefix('+').unwrap_or(text).parse::<i64>() {
            Ok(value) if i32::try_from(value).is_ok() => {
                self.tail(word, sign + digits);
                Some(value)
            }
            _ => {
                self.error(
                    word.span,
                    format!("{} is not an integer", shown(word.text)),
                    None,
                );
                None
            }
        }
    }

    fn float(&mut self, what: &str) -> Option<f64> {
        let word = self.want(what)?;
        self.float_of(word)
    }

    fn float_of(&mut self, word: &Word<'_>) -> Option<f64> {
        let length = number_length(word.text);
        let value: Option<f64> = word.text.get(..length).and_then(|text| text.parse().ok());
        match value.filter(|value| value.is_finite()) {
            Some(value) => {
                self.tail(word, length);
                Some(value)
            }
            None => {
                self.error(
                    word.span,
                    format!("{} is not a number", shown(word.text)),
                    None,
                );
                None
            }
        }
    }

    /// chronyd ignores letters after the last number of a line; so do we, but not in silence.
    fn tail(&mut self, word: &Word<'_>, used: usize) {
        if used < word.text.len() {
            let rest = word.text.get(used..).unwrap_or("");
            self.warn(
                word.span.part(used, word.text.len()),
                format!("{} after the number is ignored", shown(rest)),
                None,
            );
        }
    }

    // Options.

    /// Reads options to the end of the line; `set` stores each.
    fn options(&mut self, table: &'static [OptionInfo], mut set: impl FnMut(&'static str, Given)) {
        while let Some(word) = self.next() {
            let Some(info) = table
                .iter()
                .find(|info| info.name.eq_ignore_ascii_case(word.text))
            else {
                self.unknown_option(word, table);
                continue;
            };
            if info.argument == Argument::None {
                set(info.name, Given::Nothing);
                continue;
            }
            let Some(argument) = self.rest.first() else {
                self.error(
                    word.span,
                    format!("option {} needs a value", info.name),
                    Some(info.help.to_owned()),
                );
                return;
            };
            // A known option here means that the value was forgotten.
            self.next();
            if let Some(given) = self.argument(info, argument) {
                set(info.name, given);
            }
        }
    }

    fn argument(&mut self, info: &'static OptionInfo, word: &Word<'_>) -> Option<Given> {
        match info.argument {
            Argument::None => Some(Given::Nothing),
            Argument::Int(low, high) => self.int_of(word, low, high).map(Given::Int),
            Argument::Float => self.strict_float(word).map(Given::Float),
            Argument::Hex => {
                let digits = word
                    .text
                    .strip_prefix("0x")
                    .or_else(|| word.text.strip_prefix("0X"));
                let value = u32::from_str_radix(digits.unwrap_or(word.text), 16);
                match value {
                    Ok(0xF323 | 0xF324 | 0xF505) => {
                        value.ok().map(|value| Given::Int(i64::from(value)))
                    }
                    _ => {
                        self.error(
                            word.span,
                            format!("{} is not a known extension field", shown(word.text)),
                            Some("known are F323 and F324".to_owned()),
                        );
                        None
                    }
                }
            }
            Argument::Refid => {
                if (1..=4).contains(&word.text.len()) {
                    Some(Given::Text(word.text.to_owned()))
                } else {
                    self.error(
                        word.span,
                        format!("{} is not a reference identifier", shown(word.text)),
                        Some("it has one to four characters".to_owned()),
                    );
                    None
                }
            }
            Argument::One(list) => match list
                .iter()
                .find(|name| name.eq_ignore_ascii_case(word.text))
            {
                Some(name) => Some(Given::Text((*name).to_owned())),
                None => {
                    self.error(
                        word.span,
                        format!("{} is not a value of {}", shown(word.text), info.name),
                        Some(format!("it is one of {}", list.join(", "))),
                    );
                    None
                }
            },
        }
    }

    /// Inside a line chronyd takes what follows a number for the next option.
    fn strict_float(&mut self, word: &Word<'_>) -> Option<f64> {
        if number_length(word.text) == word.text.len() {
            return self.float_of(word);
        }
        self.error(
            word.span,
            format!("{} is not a number", shown(word.text)),
            None,
        );
        None
    }

    fn unknown_option(&mut self, word: &Word<'_>, table: &[OptionInfo]) {
        let help = if word.text.starts_with(['#', '!', ';', '%']) {
            self.rest = &[];
            Some(
                "chrony.conf has no comments after a directive: put it on a line of its own"
                    .to_owned(),
            )
        } else {
            match nearest(word.text, table.iter().map(|info| info.name)) {
                Some(near) => Some(format!("did you mean {near}?")),
                None if matches!(
                    word.text,
                    "autokey" | "preempt" | "dynamic" | "true" | "ttl" | "mode"
                ) =>
                {
                    Some("this is an option of ntp.conf; chrony has none of the kind".to_owned())
                }
                None => None,
            }
        };
        self.error(
            word.span,
            format!(
                "unknown option {} of {}",
                shown(word.text),
                self.directive.name
            ),
            help,
        );
    }
}

/// The value of an option as read.
enum Given {
    Nothing,
    Int(i64),
    Float(f64),
    Text(String),
}

impl Given {
    fn int<T: TryFrom<i64>>(&self) -> Option<T> {
        match self {
            Self::Int(value) => T::try_from(*value).ok(),
            _ => None,
        }
    }

    fn float(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Length of the decimal number a word starts with, as C's `strtod` reads it, without
/// hexadecimal, infinities and NaN.
fn number_length(word: &str) -> usize {
    let bytes = word.as_bytes();
    let digits = |from: usize| {
        bytes
            .iter()
            .skip(from)
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let mut at = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    let whole = digits(at);
    at += whole;
    let mut fraction = 0;
    if bytes.get(at) == Some(&b'.') {
        fraction = digits(at + 1);
        if whole + fraction > 0 {
            at += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return 0;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'-' | b'+')));
        let exponent = digits(at + 1 + sign);
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    at
}

mod forms;
mod sources;

#[cfg(test)]
mod tests;
