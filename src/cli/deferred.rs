//! The arguments of a command, described to clap only when its name was typed: to describe those of
//! all commands takes longer than most of them do.

use clap::ArgMatches;
use clap::Command;
use clap::Error;
use clap::FromArgMatches;
use std::ffi::OsString;
use std::sync::OnceLock;

/// What was typed; unset where every command is to be described (man pages, completions).
static TYPED: OnceLock<Vec<OsString>> = OnceLock::new();

/// From now on only the commands among these words are described.
pub(super) fn typed(words: &[OsString]) {
    // To see the help of a command, its name may stand behind `help`.
    if words.iter().all(|word| word != "help") {
        let _ = TYPED.set(words.to_vec());
    }
}

/// The arguments; their line in the list of commands stands at the variant that has them.
#[derive(Debug)]
pub(super) struct Deferred<T>(pub(super) T);

fn described(command: Command, describe: fn(Command) -> Command) -> Command {
    let name = command.get_name();
    match TYPED.get() {
        Some(words) if words.iter().all(|word| word != name) => command,
        _ => describe(command),
    }
}

impl<T: clap::Args> clap::Args for Deferred<T> {
    fn augment_args(command: Command) -> Command {
        described(command, T::augment_args)
    }

    fn augment_args_for_update(command: Command) -> Command {
        described(command, T::augment_args_for_update)
    }
}

impl<T: FromArgMatches> FromArgMatches for Deferred<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches_mut(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }

    fn update_from_arg_matches_mut(&mut self, matches: &mut ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches_mut(matches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Applet;
    use crate::commands::check_port;
    use crate::commands::links;
    use crate::commands::migrate_ntpd;
    use crate::commands::serve;
    use crate::commands::sources;
    use crate::commands::status;
    use crate::commands::sync;
    use crate::commands::timezone;
    use clap::Args;
    use clap::Subcommand;

    #[test]
    fn a_commands_line_in_the_list_is_what_its_own_arguments_say() {
        let commands = Applet::augment_subcommands(Command::new("clockbox"));
        let mut compared = 0;
        let mut same = |name: &str, describe: fn(Command) -> Command| {
            let listed = commands.find_subcommand(name).unwrap();
            let own = describe(Command::new("x"));
            let words = |command: &Command| command.get_about().unwrap().to_string();
            assert_eq!(words(listed), words(&own));
            compared += 1;
        };
        same("sync", sync::Args::augment_args);
        same("serve", serve::Args::augment_args);
        same("timezone", timezone::Args::augment_args);
        same("check-port", check_port::Args::augment_args);
        same("sources", sources::Args::augment_args);
        same("status", status::Args::augment_args);
        same("links", links::Args::augment_args);
        same("migrate-ntpd", migrate_ntpd::Args::augment_args);
        assert_eq!(commands.get_subcommands().count(), compared);
    }
}
