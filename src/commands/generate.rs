//! Man pages, completions and schemas from the definitions. The tree keeps what `scripts/generate`
//! writes, tests/generated.rs compares, and the program itself carries none of it.

use super::Command;
use super::page::ManPage;
use crate::cli::Cli;
use crate::cli::further_schemas;
use crate::cli::leaves;
use crate::cli::with_all_options;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report;
use crate::report::Report as _;
use crate::sys;
use clap::CommandFactory;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

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

/// Writes all generated files into man/, completions/ and schemas/ under a directory.
///
/// # Errors
/// When a file cannot be written.
pub fn run(dir: &Path) -> Result<(), Failure> {
    for (name, content) in files()? {
        let path = dir.join(name);
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
    let mut root = with_all_options(without_help(Cli::command()));
    root.build();
    pages(&root, &mut Vec::new(), &mut all)?;
    all.push(("man/clockbox.conf.5".to_owned(), super::conf_page::page()));
    for (shell, name) in [
        (clap_complete::Shell::Bash, "clockbox.bash"),
        (clap_complete::Shell::Zsh, "_clockbox"),
        (clap_complete::Shell::Fish, "clockbox.fish"),
    ] {
        let mut out = Vec::new();
        clap_complete::generate(shell, &mut visible(), "clockbox", &mut out);
        all.push((format!("completions/{name}"), utf8(out)?));
    }
    let own = leaves()
        .into_iter()
        .map(|leaf| (leaf.path.join("-"), (leaf.schema)()));
    let further = further_schemas()
        .into_iter()
        .map(|(command, schema)| (command.replace(' ', "-"), schema));
    for (name, schema) in own.chain(further) {
        let mut text = serde_json::to_string_pretty(&schema).map_err(|e| bug(&e))?;
        text.push('\n');
        all.push((format!("schemas/{name}.json"), text));
    }
    Ok(all)
}

/// The command line without what is hidden: completions would offer it.
fn visible() -> clap::Command {
    let whole = with_all_options(Cli::command());
    let about = whole.get_about().cloned().unwrap_or_default();
    let mut shown = clap::Command::new("clockbox")
        .about(about)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .propagate_version(true);
    for argument in whole.get_arguments() {
        shown = shown.arg(argument.clone());
    }
    for command in whole.get_subcommands().filter(|c| !c.is_hide_set()) {
        shown = shown.subcommand(command.clone());
    }
    shown
}

/// Without the command `help`, which has no page of its own.
fn without_help(command: clap::Command) -> clap::Command {
    command
        .disable_help_subcommand(true)
        .mut_subcommands(without_help)
}

fn pages(
    command: &clap::Command,
    path: &mut Vec<String>,
    all: &mut Vec<(String, String)>,
) -> Result<(), Failure> {
    let name = std::iter::once("clockbox").chain(path.iter().map(String::as_str));
    let name = name.collect::<Vec<_>>().join("-");
    all.push((format!("man/{name}.1"), page(command, &name, path)?));
    for sub in command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
    {
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
        .and_then(|()| out.write_all(synopsis(&command).as_bytes()))
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

/// The options with the names of their values, and what may stand several times: clap_mangen's own
/// synopsis has neither.
fn synopsis(command: &clap::Command) -> String {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut out = format!(".SH SYNOPSIS\n.PP\n\\fB{}\\fR", roff(name));
    let shown = command.get_arguments().filter(|a| !a.is_hide_set());
    let (positional, options): (Vec<_>, Vec<_>) = shown.partition(|a| a.is_positional());
    for option in options {
        let short = option.get_short().map(|c| format!("-{c}"));
        let long = option.get_long().map(|word| format!("--{word}"));
        let names: Vec<String> = short.into_iter().chain(long).collect();
        let names: Vec<String> = names
            .iter()
            .map(|name| format!("\\fB{}\\fR", roff(name)))
            .collect();
        let before = if option.is_require_equals_set() {
            "="
        } else {
            " "
        };
        let value = values(option)
            .map(|value| format!("{before}\\fI{value}\\fR"))
            .unwrap_or_default();
        // A value that may be left out.
        let optional = option.get_num_args().is_some_and(|n| n.min_values() == 0);
        let value = match value.is_empty() {
            false if optional => format!("[{value}]"),
            _ => value,
        };
        let again = match option.get_action() {
            clap::ArgAction::Count | clap::ArgAction::Append => "...",
            _ => "",
        };
        let _ = write!(out, " [{}{value}]{again}", names.join("|"));
    }
    for argument in positional {
        let value = values(argument).unwrap_or_default();
        let many = argument
            .get_num_args()
            .is_some_and(|range| range.max_values() > 1);
        let again = if many { "..." } else { "" };
        let _ = if argument.is_required_set() {
            write!(out, " \\fI{value}\\fR{again}")
        } else {
            write!(out, " [\\fI{value}\\fR{again}]")
        };
    }
    if command.get_subcommands().any(|sub| !sub.is_hide_set()) {
        out.push_str(if command.is_subcommand_required_set() {
            " \\fICOMMAND\\fR"
        } else {
            " [\\fICOMMAND\\fR]"
        });
    }
    out.push('\n');
    out
}

/// The names of an argument's values; `None` for a flag.
fn values(argument: &clap::Arg) -> Option<String> {
    if !argument.get_action().takes_values() {
        return None;
    }
    let names = argument.get_value_names()?;
    let names: Vec<String> = names.iter().map(|name| roff(name.as_str())).collect();
    Some(names.join(" "))
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

pub(super) fn paragraphs(body: &str) -> String {
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
pub(super) fn roff(text: &str) -> String {
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
