//! The only place where pure meets real: typed arguments become a plan, the plan a report.

pub mod check_port;
mod conf_page;
pub mod daemon;
pub mod generate;
pub mod host_files;
pub mod links;
pub mod migrate_ntpd;
pub mod own_service;
pub mod page;
pub mod refclock_line;
pub mod serve;
pub mod shared_page;
pub mod sources;
pub mod status;
pub mod sync;
pub mod tai;
pub mod timezone;

use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report;
use crate::report::Page;
use crate::report::Report;
use crate::sys;
use page::ManPage;

/// A command: its arguments are the type itself.
pub trait Command: clap::Args {
    /// What it finds.
    type Report: Report;

    /// What its man page says beyond its options.
    const PAGE: ManPage;

    /// Does the work. Nothing is printed here but progress; the report is.
    ///
    /// # Errors
    /// When there is no result.
    fn run(&self, context: &mut Context) -> Result<Self::Report, Failure>;
}

/// How the caller wants the answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Output {
    /// One JSON object instead of a page.
    pub json: bool,
    /// A line for Nagios and its statuses instead of either.
    pub nagios: bool,
    /// Nothing on standard output: the exit status is the answer.
    pub quiet: bool,
    /// How often `-v` was given.
    pub verbose: u8,
    /// No names are looked up for addresses.
    pub numeric: bool,
    /// Progress on standard error is welcome (a terminal).
    pub progress: bool,
    /// How the page is to look.
    pub page: Page,
}

/// What a command gets besides its arguments.
#[derive(Debug, Default)]
pub struct Context {
    /// How the caller wants the answer.
    pub output: Output,
    /// Set when the reader of standard output has gone away.
    pub closed: bool,
}

impl Context {
    /// Prints a report in the form that was asked for, and gives its exit status. Commands call it
    /// for each report of a watch; the last report of a run is printed by the caller.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn emit<R: Report>(&mut self, found: &R) -> Result<ExitStatus, Failure> {
        let mut status = found.status();
        let text = if let Some(nagios) = found.nagios().filter(|_| self.output.nagios) {
            status = nagios_status(nagios.state);
            nagios.render(R::COMMAND)
        } else if self.output.json {
            report::json(found, now(), sys::host::name())?
        } else {
            report::format::harmless(&found.render(&self.output.page))
        };
        self.print(&text)?;
        Ok(status)
    }

    /// Prints a failure: a sentence on standard error, and JSON on standard output if wanted.
    /// Gives the exit status.
    pub fn fail(&mut self, failure: &Failure, command: &str) -> ExitStatus {
        let mut status = failure.status;
        if self.output.nagios {
            status = ExitStatus::NagiosUnknown;
            let line = report::Nagios {
                state: 3,
                // One line: below a fault's first stands its place in the text.
                line: failure
                    .message
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .replace('|', "/"),
            };
            let _ = self.print(&line.render(command));
        } else if self.output.json
            && let Ok(text) = report::error_json(failure, command, now(), sys::host::name())
        {
            let _ = self.print(&text);
        }
        let hint = failure
            .hint
            .as_ref()
            .map(|h| format!("  {h}\n"))
            .unwrap_or_default();
        let who = format!("clockbox {command}");
        let text = format!("{}: {}", who.trim_end(), failure.message);
        // A fault's place in a text has lines of its own; what to type is never broken.
        let width = self.output.page.width;
        let width = width.filter(|_| sys::terminal::stderr_is_terminal() && !text.contains('\n'));
        let text = format!("{}\n{hint}", report::format::wrap(&text, width, 4));
        sys::terminal::complain(&report::format::plain(&text));
        status
    }

    /// Shows what is going on, on a terminal only; each call replaces the last.
    pub fn progress(&self, text: &str) {
        if self.output.progress && !self.output.quiet {
            sys::terminal::complain(&format!("\r\x1b[K{text}"));
        }
    }

    /// Removes the progress line.
    pub fn progress_done(&self) {
        if self.output.progress && !self.output.quiet {
            sys::terminal::complain("\r\x1b[K");
        }
    }

    /// Clears the terminal before a page that is drawn again.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn clear_screen(&mut self) -> Result<(), Failure> {
        self.print("\x1b[H\x1b[2J")
    }

    /// Prints a text that is the answer itself: a file's content.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn show(&mut self, text: &str) -> Result<(), Failure> {
        self.print(&report::format::harmless(text))
    }

    fn print(&mut self, text: &str) -> Result<(), Failure> {
        let wanted = !self.output.quiet && !text.is_empty();
        if wanted && !sys::terminal::print(text)? {
            self.closed = true;
        }
        Ok(())
    }
}

const fn nagios_status(state: u8) -> ExitStatus {
    match state {
        0 => ExitStatus::Done,
        1 => ExitStatus::NotHeld,
        2 => ExitStatus::Unknown,
        _ => ExitStatus::NagiosUnknown,
    }
}

fn now() -> String {
    let (seconds, nanos) = sys::clock::unix();
    report::format::rfc3339(seconds, nanos)
}
