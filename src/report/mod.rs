//! What a command found: one serde type with a table for people and a JSON form for programs, in
//! one envelope. Pure: the time and the host's name are arguments.
#![forbid(unsafe_code)]

pub mod check_port;
pub mod diff;
pub mod finding;
pub mod format;
pub mod links;
pub mod migrate_ntpd;
pub mod serve;
pub mod shared_page;
pub mod sources;
pub mod status;
pub mod sync;
pub mod sync_config;
pub mod table;
pub mod timezone;

use crate::exit::ExitStatus;
use crate::exit::Failure;
use schemars::JsonSchema;
use serde::Serialize;

/// The version of the JSON output; adding a key does not raise it.
pub const SCHEMA_VERSION: u32 = 1;

/// How a page for people is to look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Page {
    /// Columns of the terminal; `None` when piped: no limit.
    pub width: Option<u16>,
    /// Whether escape codes for colour may be used.
    pub color: bool,
    /// How often `-v` was given.
    pub verbose: u8,
}

/// A command's result.
pub trait Report: Serialize + JsonSchema {
    /// The command's words, `timezone set`; the key `command` of the JSON.
    const COMMAND: &'static str;

    /// What the exit status says.
    fn status(&self) -> ExitStatus;

    /// Whether something changed (in a dry run: would change); `None` on commands that only look.
    fn changed(&self) -> Option<bool> {
        None
    }

    /// `Some(true)` in a dry run; `None` on commands that only look.
    fn dry_run(&self) -> Option<bool> {
        None
    }

    /// The page for people. Ends with a newline unless empty.
    fn render(&self, page: &Page) -> String;

    /// The line for Nagios and the state it stands for, on commands that have one.
    fn nagios(&self) -> Option<Nagios> {
        None
    }
}

/// What monitoring systems of the Nagios kind read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nagios {
    /// 0 ok, 1 warning, 2 critical, 3 unknown.
    pub state: u8,
    /// The line with its performance data, without the state's word.
    pub line: String,
}

impl Nagios {
    /// The whole line.
    #[must_use]
    pub fn render(&self, command: &str) -> String {
        let word = match self.state {
            0 => "OK",
            1 => "WARNING",
            2 => "CRITICAL",
            _ => "UNKNOWN",
        };
        format!("{} {word} - {}\n", command.to_uppercase(), self.line)
    }
}

/// The envelope that every JSON output has.
#[derive(Serialize, JsonSchema)]
pub struct Envelope<'a, R> {
    /// Version of this form.
    pub schema_version: u32,
    /// The command's words.
    pub command: &'a str,
    /// True exactly when the exit status is 0.
    pub ok: bool,
    /// Whether something changed; in a dry run, whether something would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<bool>,
    /// True in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// When the report was made, RFC 3339, UTC.
    pub time: String,
    /// This machine's name.
    pub host: String,
    /// The command's own keys.
    #[serde(flatten)]
    pub report: &'a R,
}

/// The envelope of a command that has no result.
#[derive(Serialize, JsonSchema)]
pub struct ErrorEnvelope<'a> {
    /// Version of this form.
    pub schema_version: u32,
    /// The command's words.
    pub command: &'a str,
    /// Always false.
    pub ok: bool,
    /// When it failed, RFC 3339, UTC.
    pub time: String,
    /// This machine's name.
    pub host: String,
    /// Why there is no result.
    pub error: ErrorBody<'a>,
}

/// Why there is no result.
#[derive(Serialize, JsonSchema)]
pub struct ErrorBody<'a> {
    /// A word for the exit status: `usage`, `data`, `no_input`, `no_permission`…
    pub kind: &'a str,
    /// Object and reason.
    pub message: &'a str,
    /// What to type next.
    pub hint: Option<&'a str>,
    /// The thing it is about.
    pub target: Option<&'a str>,
}

/// One line of JSON for a report.
///
/// # Errors
/// When the report cannot be serialised, which is a bug.
pub fn json<R: Report>(report: &R, time: String, host: String) -> Result<String, Failure> {
    let envelope = Envelope {
        schema_version: SCHEMA_VERSION,
        command: R::COMMAND,
        ok: report.status() == ExitStatus::Done,
        changed: report.changed(),
        dry_run: report.dry_run(),
        time,
        host,
        report,
    };
    line(&envelope)
}

/// One line of JSON for a failure.
///
/// # Errors
/// When it cannot be serialised, which is a bug.
pub fn error_json(
    failure: &Failure,
    command: &str,
    time: String,
    host: String,
) -> Result<String, Failure> {
    line(&ErrorEnvelope {
        schema_version: SCHEMA_VERSION,
        command,
        ok: false,
        time,
        host,
        error: ErrorBody {
            kind: failure.status.kind(),
            message: &failure.message,
            hint: failure.hint.as_deref(),
            target: failure.target.as_deref(),
        },
    })
}

fn line<T: Serialize>(value: &T) -> Result<String, Failure> {
    let mut text = serde_json::to_string(value)
        .map_err(|e| Failure::new(ExitStatus::Software, format!("JSON output: {e}")))?;
    text.push('\n');
    Ok(text)
}

/// The JSON Schema of a command's output: its report in the envelope, or an error.
#[must_use]
pub fn schema<R: Report>() -> serde_json::Value {
    let mut generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let result = generator.subschema_for::<Envelope<'_, R>>();
    let error = generator.subschema_for::<ErrorEnvelope<'_>>();
    let definitions = generator.take_definitions(true);
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("clockbox {}", R::COMMAND),
        "anyOf": [result, error],
        "$defs": definitions,
    })
}
