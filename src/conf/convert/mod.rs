//! ntp.conf and what belongs to it to chrony.conf, with an account of every line.
//!
//! Pure: the caller reads the files and says for what the result is. [`convert`] walks over the
//! lines in their order; each gets one [`Record`] and keeps its place, so that the comments
//! people wrote stay beside what they are about. Access rules go together at the end.

pub mod access;
mod associations;
pub mod command_line;
mod constants;
mod directives;
mod drift;
mod family;
pub mod input;
mod keyfile;
pub mod openntpd;
mod rate;
pub mod record;
mod refclocks;
pub mod restrict;
#[cfg(test)]
pub(crate) mod rule_lists;
mod step_tickers;
mod text;
mod variables;
mod whole;

use core::net::IpAddr;
use std::collections::BTreeSet;

use crate::conf::address;
use crate::conf::chrony::gate::Newer;
use crate::conf::chrony::value::Family;
use crate::conf::convert::associations::Pools;
use crate::conf::convert::input::Input;
use crate::conf::convert::input::Policy;
use crate::conf::convert::input::Target;
use crate::conf::convert::keyfile::KeyFile;
use crate::conf::convert::rate::Rate;
use crate::conf::convert::record::Outcome;
use crate::conf::convert::record::Place;
use crate::conf::convert::record::Record;
use crate::conf::convert::record::Verdict;
use crate::conf::convert::restrict::Restrictions;
use crate::conf::convert::restrict::Serving;
use crate::conf::convert::text::expressible;
use crate::conf::convert::text::newer;
use crate::conf::convert::text::push_comment;
use crate::conf::diagnostic::Diagnostic;
use crate::conf::ntp::Body;
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
    /// Options that the new daemon is to be started with, beside those it has.
    pub daemon_options: Vec<String>,
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
    /// Addresses at the boundaries of the old rules that the old daemon refuses: whoever writes
    /// rules for another model of access holds them against these.
    pub refused: Vec<IpAddr>,
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
    daemon_family: Option<Family>,
    smearing: Option<String>,
    max_clock: Option<u32>,
    rate: Rate,
    slew_only: bool,
    trusted_by_option: Vec<u32>,
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
            daemon_family: None,
            smearing: None,
            max_clock: None,
            rate: Rate::new(&input.conf),
            slew_only: false,
            trusted_by_option: Vec::new(),
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
                    let commented = !comments.is_empty();
                    self.lines.append(&mut comments);
                    let why = match faults.first() {
                        Some(fault) => said(fault),
                        None => "ntpd does not understand it".to_owned(),
                    };
                    let outcome = Outcome::dropped(&format!("ntpd ignores the line too: {why}"));
                    self.settle(*span, outcome, None, commented);
                }
                Item::Statement(statement) => {
                    let outcome = self.statement(index, statement);
                    index += 1;
                    if let Some(span) = statement.comment {
                        let text = input.conf.map.text(span).trim_end().to_owned();
                        push_comment(&mut comments, &text);
                    }
                    let commented = !comments.is_empty();
                    match outcome.place {
                        Place::Here => self.lines.append(&mut comments),
                        Place::Access => self.access.append(&mut comments),
                    }
                    self.settle(statement.span, outcome, Some(statement), commented);
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
            Body::Interface { action, target } => self.interface(&action.text, &target.text),
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
        if matches!(statement.body, Body::Association { .. }) && self.dhcp_wrote(statement) {
            outcome = outcome.note("DHCP gave it: from now on it is asked whatever DHCP says");
        }
        if !matches!(statement.body, Body::Include(_)) {
            for fault in &statement.faults {
                let column = self.origin(fault.span).column;
                outcome = outcome.note(format!(
                    "ntpd stumbles over column {column}: {}",
                    said(fault)
                ));
            }
        }
        outcome
    }

    /// Red Hat's hook of dhclient marks the lines that it adds to ntp.conf.
    fn dhcp_wrote(&self, statement: &Statement) -> bool {
        let comment = statement.comment.map(|span| self.input.conf.map.text(span));
        comment.is_some_and(|comment| comment.contains("added by /sbin/dhclient"))
    }

    /// Writes an outcome's lines and its record. A comment of somebody's stands above the line: where
    /// no line is written, it says what the comment was about.
    fn settle(
        &mut self,
        span: Span,
        mut outcome: Outcome,
        statement: Option<&Statement>,
        commented: bool,
    ) {
        // A path with a space, for one, has no form in chrony.conf.
        if let Some(line) = outcome.output.iter().find(|line| !expressible(line)) {
            let shown = address::shown(line);
            outcome = Outcome::lost(&format!("chrony.conf has no way to write {shown}"));
        }
        let version = self.target.version;
        let mut newer_words: Vec<Newer> = Vec::new();
        outcome.output.retain(|line| {
            let found = newer(line, version);
            newer_words.extend(found.first().copied());
            found.is_empty()
        });
        for newer in newer_words {
            let (word, since) = (newer.word, newer.since);
            outcome = outcome.losing(format!("{word} needs chrony {since}, this is {version}"));
            if outcome.output.is_empty() {
                outcome.verdict = Verdict::Dropped;
            }
        }
        let text = self.masked(span, statement);
        if outcome.place == Place::Access {
            push_comment(&mut self.access, &format!("# was: {text}"));
            if let Some(why) = outcome.reasons.last().filter(|_| outcome.matters) {
                push_comment(&mut self.access, &format!("# lost: {why}"));
            }
        } else if outcome.matters && outcome.output.is_empty() {
            let line = format!("# {}: not converted: {text}", self.origin(span));
            push_comment(&mut self.lines, &line);
        } else if outcome.output.is_empty() && commented {
            push_comment(&mut self.lines, &format!("# was: {text}"));
        }
        self.lines.extend(outcome.output.iter().cloned());
        let record = Record::new(self.origin(span), text, outcome);
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

    fn warn(&mut self, text: &str) {
        self.warnings.push(text.to_owned());
    }

    fn origin(&self, span: Span) -> Origin {
        self.input.conf.map.origin(span)
    }

    fn origin_of(&self, index: usize) -> Origin {
        self.origin(self.statements.get(index).copied().unwrap_or_default())
    }
}

/// A fault, and what may have been meant.
fn said(fault: &Diagnostic) -> String {
    match fault
        .help
        .as_ref()
        .filter(|help| help.contains("mean") || help.contains("lower case"))
    {
        Some(help) => format!("{}; {help}", fault.message),
        None => fault.message.clone(),
    }
}

#[cfg(test)]
mod tests;
