//! ntp.conf and what belongs to it to chrony.conf, with an account of every line.
//!
//! Pure: the caller reads the files and says for what the result is. [`convert`] walks over the
//! lines in their order; each gets one [`Record`] and keeps its place, so that the comments
//! people wrote stay beside what they are about. Access rules go together at the end.

pub mod access;
mod associations;
pub mod command_line;
mod directives;
mod drift;
pub mod input;
mod keyfile;
pub mod openntpd;
pub mod record;
mod refclocks;
pub mod restrict;
mod step_tickers;

use std::collections::BTreeSet;

use crate::conf::address;
use crate::conf::chrony::load;
use crate::conf::chrony::value::Family;
use crate::conf::convert::associations::Pools;
use crate::conf::convert::input::Input;
use crate::conf::convert::input::Policy;
use crate::conf::convert::input::Target;
use crate::conf::convert::keyfile::KeyFile;
use crate::conf::convert::record::Outcome;
use crate::conf::convert::record::Place;
use crate::conf::convert::record::Record;
use crate::conf::convert::record::Verdict;
use crate::conf::convert::restrict::Restrictions;
use crate::conf::convert::restrict::Serving;
use crate::conf::diagnostic::render_all;
use crate::conf::ntp::Body;
use crate::conf::ntp::Opt;
use crate::conf::ntp::Statement;
use crate::conf::ntp::statement::Item;
use crate::conf::span::Origin;
use crate::conf::span::Span;

/// The result of a conversion.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    /// The new configuration.
    pub conf: String,
    /// The new key file, if the old configuration named one.
    pub keys: Option<String>,
    /// The new drift file, if the frequency is known.
    pub drift: Option<String>,
    /// What became of every line that is not empty, in order.
    pub records: Vec<Record>,
    /// Whether the new daemon serves.
    pub serving: Serving,
    /// What concerns no single line.
    pub warnings: Vec<String>,
    /// Why the result must not be used.
    pub refusal: Option<String>,
    /// The keys of names in `restrict` lines that a caller may look up.
    pub unresolved: Vec<String>,
}

impl Conversion {
    /// Lines that lost something somebody may miss.
    pub fn losses(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| record.matters)
    }
}

/// The names in `restrict` lines, which a caller may look up before the conversion.
#[must_use]
pub fn names_to_resolve(input: &Input) -> Vec<String> {
    let mut names: Vec<String> = input
        .conf
        .statements()
        .filter_map(|statement| match &statement.body {
            Body::Restrict {
                target: crate::conf::ntp::statement::Target::Host { address, .. },
                ..
            } => (address.ip().is_none() && !address.host().eq_ignore_ascii_case("localhost"))
                .then(|| address.host().to_owned()),
            _ => None,
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Converts a configuration.
#[must_use]
pub fn convert(input: &Input, target: &Target, policy: Policy) -> Conversion {
    let mut converter = Converter::new(input, target, policy);
    converter.prepare();
    converter.run();
    converter.finish()
}

struct Converter<'a> {
    input: &'a Input,
    target: &'a Target,
    policy: Policy,
    restrictions: Restrictions,
    serving: Serving,
    pools: Pools,
    keys: Option<KeyFile>,
    drift: drift::Drift,
    drift_notes: Vec<String>,
    family: Option<Family>,
    smearing: Option<String>,
    max_clock: Option<u32>,
    discard_average: Option<i64>,
    slew_only: bool,
    statements: Vec<Span>,

    // What was written on the way.
    sources: u32,
    fallback: bool,
    cert_sets: u32,
    local_written: bool,
    drift_written: bool,
    leap_written: bool,
    step_written: bool,
    log_dir_written: bool,
    device_bound: bool,
    bound: BTreeSet<bool>,
    logged: BTreeSet<&'static str>,
    lines: Vec<String>,
    access: Vec<String>,
    extra: Vec<String>,
    records: Vec<Record>,
    warnings: Vec<String>,
    refusal: Option<String>,
}

impl<'a> Converter<'a> {
    fn new(input: &'a Input, target: &'a Target, policy: Policy) -> Self {
        Self {
            input,
            target,
            policy,
            restrictions: Restrictions::new(&input.conf, &input.resolved),
            serving: Serving::default(),
            pools: Pools::default(),
            keys: keyfile::read(input.keys.as_ref()),
            drift: drift::Drift {
                content: None,
                notes: Vec::new(),
            },
            drift_notes: Vec::new(),
            family: None,
            smearing: None,
            max_clock: None,
            discard_average: None,
            slew_only: false,
            statements: input
                .conf
                .statements()
                .map(|statement| statement.span)
                .collect(),
            sources: 0,
            fallback: false,
            cert_sets: 0,
            local_written: false,
            drift_written: false,
            leap_written: false,
            step_written: false,
            log_dir_written: false,
            device_bound: false,
            bound: BTreeSet::new(),
            logged: BTreeSet::new(),
            lines: Vec::new(),
            access: Vec::new(),
            extra: Vec::new(),
            records: Vec::new(),
            warnings: Vec::new(),
            refusal: None,
        }
    }

    /// What must be known before the first line is written.
    fn prepare(&mut self) {
        self.read_command_lines();
        let conf = &self.input.conf;
        self.smearing = conf
            .statements()
            .find_map(|statement| match &statement.body {
                Body::Association { address, .. } => {
                    associations::smears(address.host()).then(|| address.host().to_owned())
                }
                _ => None,
            });
        let last = |name: &str, option: &str| -> Option<Opt> {
            conf.named(name)
                .filter_map(|statement| match &statement.body {
                    Body::Options(options) => options
                        .iter()
                        .rev()
                        .find(|known| known.name == option)
                        .cloned(),
                    _ => None,
                })
                .last()
        };
        self.max_clock = last("tos", "maxclock")
            .and_then(|option| option.number())
            .map(whole);
        self.discard_average = last("discard", "average").and_then(|option| option.int());
        let freq = last("tinker", "freq").and_then(|option| option.number());
        self.drift = drift::convert(self.input.drift.as_ref(), freq);
        self.drift_notes = core::mem::take(&mut self.drift.notes);
        self.serving = self.find_serving();
        self.pools = self.find_pools();
        let disabled = conf
            .statements()
            .filter(|statement| {
                matches!(statement.name, "enable" | "disable")
                    && matches!(&statement.body, Body::Words(words) if words.iter().any(|word| word.text == "ntp"))
            })
            .last()
            .filter(|statement| statement.name == "disable");
        if let Some(statement) = disabled {
            let at = self.origin(statement.span);
            self.refusal = Some(format!(
                "{at}: disable ntp: ntpd does not discipline the clock here, chronyd would"
            ));
        }
    }

    fn run(&mut self) {
        let input = self.input;
        let mut index = 0;
        let mut comments: Vec<String> = Vec::new();
        for item in &input.conf.items {
            match item {
                Item::Blank(_) => {
                    self.lines.append(&mut comments);
                    self.blank();
                }
                Item::Comment(span) => {
                    let text = input.conf.map.text(*span).trim_end().to_owned();
                    push_comment(&mut comments, &text);
                    self.records.push(Record {
                        origin: self.origin(*span),
                        text,
                        verdict: Verdict::Kept,
                        matters: false,
                        output: Vec::new(),
                        reason: "a comment".to_owned(),
                    });
                }
                Item::Refused { span, faults } => {
                    self.lines.append(&mut comments);
                    let why = faults
                        .first()
                        .map_or("ntpd does not understand it", |fault| {
                            fault.message.as_str()
                        });
                    let mut outcome =
                        Outcome::dropped(&format!("ntpd ignores the line too: {why}"));
                    outcome.output = Vec::new();
                    self.settle(*span, outcome, None);
                }
                Item::Statement(statement) => {
                    let outcome = self.statement(index, statement);
                    index += 1;
                    if let Some(span) = statement.comment {
                        let text = input.conf.map.text(span).trim_end().to_owned();
                        push_comment(&mut comments, &text);
                    }
                    match outcome.place {
                        Place::Here => self.lines.append(&mut comments),
                        Place::Access => self.access.append(&mut comments),
                    }
                    self.settle(statement.span, outcome, Some(statement));
                }
            }
        }
        self.lines.append(&mut comments);
    }

    fn statement(&mut self, index: usize, statement: &Statement) -> Outcome {
        let mut outcome = match &statement.body {
            Body::Association { address, options } => {
                self.association(index, statement, address, options)
            }
            Body::Refclock {
                driver,
                unit,
                options,
            } => self.refclock_directive(index, &driver.text, *unit, options),
            Body::Restrict { .. } => self.restrict(index, statement),
            Body::Fudge { .. } => self.fudge(statement),
            Body::Options(options) => self.options(statement, options),
            Body::Filegen { stat, options } => self.filegen(stat, options),
            Body::Interface { action, target } => self.interface(&action.text, target),
            Body::Include(term) => match statement.faults.first() {
                Some(fault) => {
                    Outcome::dropped(&format!("{}; ntpd goes on without it", fault.message))
                }
                None => Outcome::changed(
                    Vec::new(),
                    &format!("the lines of {} stand here", term.text),
                ),
            },
            _ => self.plain(statement),
        };
        if !matches!(statement.body, Body::Include(_)) {
            for fault in &statement.faults {
                let column = self.origin(fault.span).column;
                outcome = outcome.note(format!(
                    "ntpd stumbles over column {column}: {}",
                    fault.message
                ));
            }
        }
        outcome
    }

    /// Writes an outcome's lines and its record.
    fn settle(&mut self, span: Span, mut outcome: Outcome, statement: Option<&Statement>) {
        // A path with a space, for one, has no form in chrony.conf.
        if let Some(line) = outcome.output.iter().find(|line| !expressible(line)) {
            let shown = address::shown(line);
            outcome = Outcome::lost(&format!("chrony.conf has no way to write {shown}"));
        }
        let text = self.masked(span, statement);
        if outcome.matters && outcome.output.is_empty() {
            let line = format!("# {}: not converted: {text}", self.origin(span));
            push_comment(&mut self.lines, &line);
        }
        self.lines.extend(outcome.output.iter().cloned());
        let record = record(self.origin(span), text, outcome);
        self.records.push(record);
    }

    /// The line without passwords.
    fn masked(&self, span: Span, statement: Option<&Statement>) -> String {
        let text = self.input.conf.map.text(span);
        let secret = statement.is_some_and(|statement| statement.name == "crypto")
            || text.starts_with("crypto");
        if !secret {
            return text.to_owned();
        }
        let mut words = Vec::new();
        let mut hide = false;
        for word in text.split_whitespace() {
            words.push(if hide { "***" } else { word });
            hide = word == "pw";
        }
        words.join(" ")
    }

    fn blank(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines.push(String::new());
        }
    }

    fn warn(&mut self, text: &str) {
        self.warnings.push(text.to_owned());
    }

    fn origin(&self, span: Span) -> Origin {
        self.input.conf.map.origin(span)
    }

    fn origin_of(&self, index: usize) -> Origin {
        self.origin(self.statements.get(index).copied().unwrap_or_default())
    }

    /// Sources of the whole configuration, a pool counting four.
    fn source_count(&self) -> u32 {
        let count = self
            .input
            .conf
            .statements()
            .map(|statement| match statement.name {
                "server" | "peer" | "refclock" => 1,
                "pool" => 4,
                _ => 0,
            });
        count.sum()
    }

    fn finish(mut self) -> Conversion {
        let mut tail = self.command_lines();
        tail.extend(self.step_tickers());
        let added = self.added();
        let access = self.access_lines();
        let (keys, key_records) = self.convert_keys();
        self.records.append(&mut tail);
        self.records.extend(key_records);
        let usable = self.sources > 0 || self.fallback || !self.input.dhcp.is_empty();
        if self.refusal.is_none() && !usable {
            self.refusal = Some("no source of time is left: neither a server nor a reference clock could be converted".to_owned());
        }
        let conf = self.text(&access, &added);
        // Our own parser must accept what was written.
        let check = load::parse_alone(&self.target.layout.conf, conf.as_bytes());
        let own: Vec<_> = check
            .diagnostics
            .iter()
            .filter(|d| d.is_error() && !is_include(&check, d))
            .cloned()
            .collect();
        if !own.is_empty() && self.refusal.is_none() {
            self.refusal = Some(format!(
                "a bug: the result does not parse\n{}",
                render_all(&own, &check.map)
            ));
        }
        if let Some(why) = &self.serving.withheld {
            self.warnings
                .push(format!("this machine does not serve any more: {why}"));
        } else if !self.serving.serve {
            self.warnings.push("this machine answers no clients after the migration; --serve keeps serving whoever ntpd answered".to_owned());
        }
        Conversion {
            conf,
            keys,
            drift: self.drift.content,
            records: self.records,
            serving: self.serving,
            warnings: self.warnings,
            refusal: self.refusal,
            unresolved: names_to_resolve(self.input),
        }
    }

    /// What ntpd does by itself and chronyd must be told.
    fn added(&mut self) -> Vec<String> {
        let mut added = core::mem::take(&mut self.extra);
        if !self.drift_written {
            added.push(format!("driftfile {}", self.target.layout.drift));
        }
        if !self.step_written && !self.tinker_step_zero() {
            let step = if self.policy.ntpd_like {
                "makestep 0.128 -1"
            } else {
                "makestep 1 3"
            };
            added.push(step.to_owned());
        }
        if self.policy.ntpd_like {
            for line in [
                "minsamples 32",
                "maxslewrate 500",
                "corrtimeratio 100",
                "maxdrift 500",
                "maxclockerror 15",
            ] {
                let name = line.split(' ').next().unwrap_or("");
                if !self
                    .lines
                    .iter()
                    .chain(&added)
                    .any(|known| known.split(' ').next() == Some(name))
                {
                    added.push(line.to_owned());
                }
            }
            if !self.lines.iter().any(|line| line.starts_with("maxchange ")) {
                added.push("maxchange 1000 1 1".to_owned());
            }
        }
        if self.target.no_rtc {
            self.warn("rtcsync is left out: this machine has no RTC to keep");
        } else {
            added.push("rtcsync".to_owned());
        }
        if !self.log_dir_written {
            added.push(format!("logdir {}", self.target.layout.logs));
        }
        if self.limits() {
            self.warn("the rate limit of ntpd's restrict lines is global in chrony: ratelimit holds for every client");
        }
        added.extend(self.target.layout.kept.iter().cloned());
        added
    }

    /// `tinker step 0` was seen: no makestep.
    fn tinker_step_zero(&self) -> bool {
        self.step_written
    }

    fn text(&self, access: &[String], added: &[String]) -> String {
        let from = self
            .input
            .conf
            .map
            .files()
            .first()
            .map_or("ntp.conf", |file| file.path.as_str());
        let mut out = format!("# Converted from {from} by clockbox migrate-ntpd.\n\n");
        let mut push = |lines: &[String]| {
            for line in lines {
                out.push_str(line);
                out.push('\n');
            }
        };
        let mut lines = self.lines.clone();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        push(&lines);
        push(&[
            "".to_owned(),
            "# Needed by chronyd, a matter of course in ntpd.".to_owned(),
        ]);
        push(added);
        if !access.is_empty() || !self.access.is_empty() {
            push(&["".to_owned(), "# Access: who is answered.".to_owned()]);
            push(&self.access);
            push(access);
        }
        out
    }
}

/// Whether a line means to chrony what it says.
fn expressible(line: &str) -> bool {
    let one = !line.contains(['\n', '\r']);
    one && (line.starts_with('#') || !load::parse_alone("line", line.as_bytes()).has_errors())
}

/// A missing include of the distribution's kept lines is not our fault.
fn is_include(check: &load::Loaded, diagnostic: &crate::conf::diagnostic::Diagnostic) -> bool {
    let line = check.map.origin(diagnostic.span).line;
    check.map.file(diagnostic.span.file).is_some_and(|file| {
        let text = file.line(line).trim_start().to_ascii_lowercase();
        text.starts_with("include ")
            || text.starts_with("confdir ")
            || text.starts_with("sourcedir ")
    })
}

fn record(origin: Origin, text: String, outcome: Outcome) -> Record {
    let reasons: Vec<String> = outcome
        .reasons
        .into_iter()
        .filter(|reason| !reason.is_empty())
        .collect();
    Record {
        origin,
        text,
        verdict: outcome.verdict,
        matters: outcome.matters,
        output: outcome.output,
        reason: reasons.join("; "),
    }
}

/// chronyd reads lines of 2047 bytes at most, comments included.
fn push_comment(lines: &mut Vec<String>, text: &str) {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() && c != '\t' { ' ' } else { c })
        .collect();
    if clean.len() <= 500 {
        lines.push(clean);
        return;
    }
    let body: Vec<char> = clean.trim_start_matches('#').chars().collect();
    for part in body.chunks(400) {
        let part: String = part.iter().collect();
        lines.push(format!("#{part}"));
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped"
)]
fn whole(number: f64) -> u32 {
    number.clamp(0.0, 1e6) as u32
}

#[cfg(test)]
mod tests;
