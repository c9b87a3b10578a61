//! The command line: root options, the table of commands, and the way from arguments to an exit
//! status. What a command does stands in `commands`.
#![forbid(unsafe_code)]

mod deferred;

use crate::commands::Command;
use crate::commands::Context;
use crate::commands::Output;
use crate::commands::check_port;
use crate::commands::daemon;
use crate::commands::generate::Leaf;
use crate::commands::links;
use crate::commands::migrate_ntpd;
use crate::commands::serve;
use crate::commands::sources;
use crate::commands::status;
use crate::commands::sync;
use crate::commands::timezone;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report;
use crate::report::Page;
use crate::report::Report;
use crate::report::sync_config::ConfigReport;
use crate::sys;
use clap::CommandFactory;
use clap::FromArgMatches;
use deferred::Deferred;
use std::ffi::OsString;
use std::process::ExitCode;

/// Puts a Linux machine's time right and keeps it right, whatever else is installed
#[derive(Debug, clap::Parser)]
#[command(
    name = "clockbox",
    version,
    arg_required_else_help = true,
    propagate_version = true,
    infer_subcommands = false,
    disable_help_flag = true,
    max_term_width = 100
)]
pub struct Cli {
    /// Print help; --help: all options, the man page: more
    #[arg(short, long, global = true, action = clap::ArgAction::HelpShort, display_order = 100_000)]
    help: Option<bool>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    applet: Applet,
}

/// Options that every command has.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// One JSON object instead of a table
    #[arg(long, global = true)]
    json: bool,
    /// Print nothing: the exit status is the answer
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Look up no names for addresses
    #[arg(short = 'n', long, global = true, hide_short_help = true)]
    numeric: bool,
    /// Colour: always, never or auto
    #[arg(
        long_help = "Colour: always, never, or auto: on a terminal unless NO_COLOR is set",
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_short_help = true,
        hide_default_value = true,
        hide_possible_values = true
    )]
    color: When,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

/// The table of commands. A new one gets an arm here, an arm in `run` and a line in `leaves`.
#[derive(Debug, clap::Subcommand)]
enum Applet {
    /// Measure several servers at once, vote, set the clock, and say how sure it is
    Sync(Deferred<sync::Args>),
    /// Answer clients with this machine's time, and keep that right meanwhile
    Serve(Deferred<serve::Args>),
    /// Set, show or list time zones (alone: show)
    Timezone(Deferred<timezone::Args>),
    // As an attribute: a comment here would take its longer description away.
    #[command(
        about = "Say who holds UDP 123 here and whether packets may pass, or ask hosts and say why no answer comes"
    )]
    CheckPort(Deferred<check_port::Args>),
    /// Show the time sources of this machine, whatever daemon runs, and say what is wrong with them
    Sources(Deferred<sources::Args>),
    /// Say whether this machine's time is right, and if not, why and what to type
    Status(Deferred<status::Args>),
    /// Make the links by which clockbox also answers (clockbox-sync, check-port and others)
    Links(Deferred<links::Args>),
    /// Move from ntpd to chrony or to clockbox's own daemon, without losing a line
    MigrateNtpd(Deferred<migrate_ntpd::Args>),
}

/// Every command that prints a report, for man pages and schemas.
#[must_use]
pub fn leaves() -> Vec<Leaf> {
    vec![
        Leaf::of::<sync::Args>(&["sync"]),
        Leaf::of::<serve::Args>(&["serve"]),
        Leaf::of::<timezone::set::Args>(&["timezone", "set"]),
        Leaf::of::<timezone::show::Args>(&["timezone", "show"]),
        Leaf::of::<timezone::list::Args>(&["timezone", "list"]),
        Leaf::of::<check_port::Args>(&["check-port"]),
        Leaf::of::<sources::ListArgs>(&["sources"]),
        Leaf::of::<sources::stats::Args>(&["sources", "stats"]),
        Leaf::of::<sources::set::Args>(&["sources", "set"]),
        Leaf::of::<sources::set::UnsetArgs>(&["sources", "unset"]),
        Leaf::of::<status::Args>(&["status"]),
        Leaf::of::<links::Args>(&["links"]),
        Leaf::of::<migrate_ntpd::Args>(&["migrate-ntpd"]),
    ]
}

/// Reports that a command prints besides its own: the name of their schema, and the schema.
#[must_use]
pub fn further_schemas() -> Vec<(&'static str, serde_json::Value)> {
    vec![(ConfigReport::COMMAND, report::schema::<ConfigReport>())]
}

fn run(cli: &Cli, context: &mut Context) -> ExitStatus {
    match &cli.applet {
        Applet::Sync(Deferred(args)) if args.daemon => {
            let options = args.daemon_options(context.output.verbose);
            let json = context.output.json;
            match args.about_config() {
                None => match sync::daemon::refuse_rival(options.no_clock_control)
                    .and_then(|()| daemon::run_daemon(&options))
                {
                    Ok(()) => ExitStatus::Done,
                    Err(failure) => context.fail(&failure, "sync"),
                },
                Some(sync::AboutConfig::Check) => {
                    answer(daemon::check::check(&options, json), "sync", context)
                }
                Some(sync::AboutConfig::Print) => {
                    answer(daemon::check::print(&options, json), "sync", context)
                }
            }
        }
        Applet::Sync(Deferred(args)) => execute(args, context),
        Applet::Serve(Deferred(args)) if !args.explains() => {
            match args.serve(context.output.verbose) {
                Ok(()) => ExitStatus::Done,
                Err(failure) => context.fail(&failure, "serve"),
            }
        }
        Applet::Serve(Deferred(args)) => execute(args, context),
        Applet::Timezone(Deferred(args)) => match args.leaf() {
            timezone::Leaf::Set(args) => execute(&args, context),
            timezone::Leaf::Show(args) => execute(&args, context),
            timezone::Leaf::List(args) => execute(&args, context),
        },
        Applet::CheckPort(Deferred(args)) => execute(args, context),
        Applet::Sources(Deferred(args)) => match args.verb() {
            Ok(Some(sources::Verb::Stats(stats))) => execute(stats, context),
            Ok(Some(sources::Verb::Set(set))) => execute(set, context),
            Ok(Some(sources::Verb::Unset(unset))) => execute(unset, context),
            Ok(Some(sources::Verb::List(_)) | None) => execute(args.list(), context),
            Err(failure) => context.fail(&failure, "sources"),
        },
        Applet::Status(Deferred(args)) => execute(args, context),
        Applet::Links(Deferred(args)) => execute(args, context),
        Applet::MigrateNtpd(Deferred(args)) => execute(args, context),
    }
}

fn execute<C: Command>(command: &C, context: &mut Context) -> ExitStatus {
    let found = command.run(context);
    answer(found, C::Report::COMMAND, context)
}

/// Prints what was found, or why nothing was, in the name of the command that was typed.
fn answer<R: Report>(
    found: Result<R, Failure>,
    command: &str,
    context: &mut Context,
) -> ExitStatus {
    match found.and_then(|report| context.emit(&report)) {
        // A closed pipe on output is no fault (DESIGN.md).
        Ok(_) if context.closed => ExitStatus::Done,
        Ok(status) => status,
        Err(failure) => context.fail(&failure, command),
    }
}

/// The program: reads its arguments, does the work, gives the exit status.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = asks_for_help(links::arguments());
    deferred::typed(&arguments);
    let mut command = Cli::command();
    if arguments.iter().any(|word| word == "--help") {
        command = with_all_options(command);
    }
    if let Some(width) = sys::terminal::width() {
        command = command.term_width(usize::from(width.clamp(40, 100)));
    }
    let parsed = command
        .try_get_matches_from(&arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let status = match parsed {
        Ok(cli) => run(
            &cli,
            &mut Context {
                output: output(&cli.output),
                closed: false,
            },
        ),
        Err(error) => refuse(&error, &arguments),
    };
    ExitCode::from(status.code())
}

/// The same command whose `-h` shows the options that are rarely wanted too: that is `--help`.
pub(crate) fn with_all_options(command: clap::Command) -> clap::Command {
    command
        .mut_args(|argument| argument.hide_short_help(false))
        .mut_subcommands(with_all_options)
}

/// `clockbox help X` is `clockbox X --help`.
fn asks_for_help(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.len() > 2 && arguments.get(1).is_some_and(|word| word == "help") {
        arguments.remove(1);
        arguments.push(OsString::from("--help"));
    }
    arguments
}

fn output(args: &OutputArgs) -> Output {
    let terminal = sys::terminal::stdout_is_terminal();
    let color = match args.color {
        When::Always => true,
        When::Never => false,
        When::Auto => terminal && sys::host::variable("NO_COLOR").is_none(),
    };
    Output {
        json: args.json,
        nagios: false,
        quiet: args.quiet,
        verbose: args.verbose,
        numeric: args.numeric,
        progress: sys::terminal::stderr_is_terminal(),
        page: Page {
            width: sys::terminal::width(),
            color,
            verbose: args.verbose,
        },
    }
}

/// The command of these words: `sources set`.
fn named<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut found = Vec::new();
    let mut within = Cli::command();
    for word in words.filter(|word| !word.starts_with('-')) {
        let Some(command) = within.find_subcommand(word).cloned() else {
            // A word that is no command is an argument, or a slip that is told as it was typed.
            if found.is_empty() {
                found.push(word);
            }
            break;
        };
        found.push(word);
        within = command;
    }
    found.join(" ")
}

/// Help and version go to standard output with status 0; anything else is a usage error, 64.
fn refuse(error: &clap::Error, arguments: &[OsString]) -> ExitStatus {
    use clap::error::ContextKind;
    use clap::error::ContextValue;
    use clap::error::ErrorKind;
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        return match sys::terminal::print(&error.render().to_string()) {
            Ok(_) => ExitStatus::Done,
            Err(error) => {
                sys::terminal::complain(&format!("clockbox: {error}\n"));
                ExitStatus::Io
            }
        };
    }
    let text = error.render().to_string();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        sys::terminal::complain(&text);
        return ExitStatus::Usage;
    }
    let words = arguments.iter().skip(1).filter_map(|a| a.to_str());
    let json = words.clone().any(|word| word == "--json");
    if !json {
        sys::terminal::complain(&text);
        let mut words = arguments.iter().skip(1).filter_map(|a| a.to_str());
        if error.kind() == ErrorKind::InvalidSubcommand
            && words.next() == Some("timezone")
            && let Some(ContextValue::String(zone)) = error.get(ContextKind::InvalidSubcommand)
        {
            sys::terminal::complain(&format!(
                "\n  to set a zone: clockbox timezone set {zone}\n"
            ));
        }
        return ExitStatus::Usage;
    }
    let output = Output {
        json,
        ..Output::default()
    };
    let command = named(words);
    // What is missing or possible stands on lines of its own, up to the first empty one.
    let reason = text.lines().take_while(|line| !line.trim().is_empty());
    // A caret keeps its place.
    let message = match text.contains("\n    ") && text.contains('^') {
        true => reason.collect::<Vec<_>>().join("\n"),
        false => reason.map(str::trim).collect::<Vec<_>>().join(" "),
    };
    let message = message.trim_start_matches("error: ");
    let help = if command.is_empty() {
        "--help".to_owned()
    } else {
        format!("{command} --help")
    };
    let failure = Failure::usage(message).hint(format!("clockbox {help}"));
    Context {
        output,
        closed: false,
    }
    .fail(&failure, &command)
}
