//! `clockbox generate DIR` (hidden): man pages, completions and schemas from the definitions. The
//! tree keeps what it writes; tests/generated.rs compares.

use super::Command;
use super::page::ManPage;
use crate::cli::Cli;
use crate::cli::leaves;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report;
use crate::report::Report as _;
use crate::sys;
use clap::CommandFactory;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Write man pages, completions and schemas into a directory.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory that gets man/, completions/ and schemas/
    dir: PathBuf,
}

/// A command that prints a report: its words, its page, its schema.
pub struct Leaf {
    /// `["timezone", "set"]`.
    pub path: &'static [&'static str],
    /// The further sections of its man page.
    pub page: ManPage,
    /// Makes its JSON Schema.
    pub schema: fn() -> serde_json::Value,
}

impl Leaf {
    /// The leaf of a command.
    #[must_use]
    pub fn of<C: Command>(path: &'static [&'static str]) -> Self {
        debug_assert_eq!(path.join(" "), C::Report::COMMAND);
        Self {
            path,
            page: C::PAGE,
            schema: report::schema::<C::Report>,
        }
    }
}

/// Writes all generated files under the directory.
///
/// # Errors
/// When a file cannot be written.
pub fn run(args: &Args) -> Result<(), Failure> {
    for (name, content) in files()? {
        let path = args.dir.join(name);
        sys::files::make_parents(&path)?;
        sys::files::replace(&path, content.as_bytes(), 0o644)?;
    }
    Ok(())
}

/// All generated files: name relative to the tree, content.
///
/// # Errors
/// When one cannot be rendered, which is a bug.
pub fn files() -> Result<Vec<(String, String)>, Failure> {
    let mut all = Vec::new();
    let mut root = Cli::command();
    root.build();
    pages(&root, &mut Vec::new(), &mut all)?;
    for (shell, name) in [
        (clap_complete::Shell::Bash, "clockbox.bash"),
        (clap_complete::Shell::Zsh, "_clockbox"),
        (clap_complete::Shell::Fish, "clockbox.fish"),
    ] {
        let mut out = Vec::new();
        clap_complete::generate(shell, &mut visible(), "clockbox", &mut out);
        all.push((format!("completions/{name}"), utf8(out)?));
    }
    for leaf in leaves() {
        let mut text = serde_json::to_string_pretty(&(leaf.schema)()).map_err(|e| bug(&e))?;
        text.push('\n');
        all.push((format!("schemas/{}.json", leaf.path.join("-")), text));
    }
    Ok(all)
}

/// The command line without what is hidden: completions would offer it.
fn visible() -> clap::Command {
    let whole = Cli::command();
    let about = whole.get_about().cloned().unwrap_or_default();
    let mut shown = clap::Command::new("clockbox")
        .about(about)
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true);
    for argument in whole.get_arguments() {
        shown = shown.arg(argument.clone());
    }
    for command in whole.get_subcommands().filter(|c| !c.is_hide_set()) {
        shown = shown.subcommand(command.clone());
    }
    shown
}

fn pages(
    command: &clap::Command,
    path: &mut Vec<String>,
    all: &mut Vec<(String, String)>,
) -> Result<(), Failure> {
    let name = std::iter::once("clockbox").chain(path.iter().map(String::as_str));
    let name = name.collect::<Vec<_>>().join("-");
    all.push((format!("man/{name}.1"), page(command, &name, path)?));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        path.push(sub.get_name().to_owned());
        pages(sub, path, all)?;
        path.pop();
    }
    Ok(())
}

fn page(command: &clap::Command, name: &str, path: &[String]) -> Result<String, Failure> {
    let words = format!("clockbox {}", path.join(" "));
    let command = command
        .clone()
        .name(name.to_owned())
        .bin_name(words.trim_end());
    let man = clap_mangen::Man::new(command.clone())
        .section("1")
        .source("clockbox")
        .manual("clockbox");
    let mut out = Vec::new();
    let leaf = leaves().into_iter().find(|leaf| leaf.path == path);
    man.render_title(&mut out)
        .and_then(|()| man.render_name_section(&mut out))
        .and_then(|()| man.render_synopsis_section(&mut out))
        .and_then(|()| man.render_description_section(&mut out))
        .and_then(|()| man.render_options_section(&mut out))
        .map_err(|e| bug(&e))?;
    if command.get_subcommands().any(|sub| !sub.is_hide_set()) {
        man.render_subcommands_section(&mut out)
            .map_err(|e| bug(&e))?;
    }
    let mut text = utf8(out)?;
    if let Some(leaf) = leaf {
        further(&mut text, &leaf.page);
    } else {
        statuses(&mut text, &[]);
    }
    Ok(text)
}

fn further(text: &mut String, page: &ManPage) {
    for (title, body) in page.sections {
        let _ = write!(text, ".SH {title}\n{}", paragraphs(body));
    }
    if !page.examples.is_empty() {
        text.push_str(".SH EXAMPLES\n");
        for (what, command) in page.examples {
            let _ = write!(
                text,
                ".PP\n{}:\n.PP\n.nf\n.RS\n{}\n.RE\n.fi\n",
                roff(what),
                roff(command)
            );
        }
    }
    if !page.files.is_empty() {
        text.push_str(".SH FILES\n");
        for (file, what) in page.files {
            let _ = write!(text, ".TP\n.I {}\n{}\n", roff(file), roff(what));
        }
    }
    statuses(text, page.statuses);
    if !page.see_also.is_empty() {
        let _ = write!(text, ".SH SEE ALSO\n{}\n", roff(&page.see_also.join(", ")));
    }
}

fn statuses(text: &mut String, own: &[(ExitStatus, &str)]) {
    text.push_str(".SH EXIT STATUS\n");
    for (status, common) in ExitStatus::ALL {
        let here = own
            .iter()
            .find(|(s, _)| s == status)
            .map(|(_, words)| *words);
        let words = roff(here.unwrap_or(common));
        let _ = write!(text, ".TP\n.B {}\n{words}\n", status.code());
    }
}

fn paragraphs(body: &str) -> String {
    let mut out = String::new();
    for block in body.split("\n\n") {
        if block.starts_with("    ") {
            let lines: Vec<&str> = block
                .lines()
                .map(|l| l.strip_prefix("    ").unwrap_or(l))
                .collect();
            let _ = write!(
                out,
                ".PP\n.nf\n.RS\n{}\n.RE\n.fi\n",
                roff(&lines.join("\n"))
            );
        } else {
            let _ = write!(out, ".PP\n{}\n", roff(block));
        }
    }
    out
}

/// Text that roff shows as it stands.
fn roff(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq");
    let dotted = |line: &str| {
        if line.starts_with('.') {
            format!("\\&{line}")
        } else {
            line.to_owned()
        }
    };
    escaped.lines().map(dotted).collect::<Vec<_>>().join("\n")
}

fn utf8(bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|e| bug(&e))
}

fn bug(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(ExitStatus::Software, format!("generated file: {error}"))
}
