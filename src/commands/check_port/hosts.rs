//! The hosts of the command line: words, and files of words with `@FILE`.

use crate::commands::sync::target::Target;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys::files;
use crate::sys::terminal;
use std::path::Path;

/// More hosts than this are no list that somebody made.
const MAX: usize = 10_000;

/// The hosts that the words name, in order, each once.
///
/// # Errors
/// A word that is no host (64), a line of a file that is none (65), a file that is missing (66).
pub fn all(words: &[String]) -> Result<Vec<Target>, Failure> {
    let mut out = Vec::new();
    for word in words {
        match word.strip_prefix('@') {
            Some(file) => read(file, &mut out)?,
            // `nc HOST 123` is in everybody's fingers.
            None if word.parse::<u16>().is_ok() => {
                return Err(Failure::usage(format!("{word} is a number, not a host"))
                    .hint(format!(
                        "the port stands with its host: clockbox check-port HOST:{word}"
                    ))
                    .target(word));
            }
            None => push(&mut out, Target::parse(word)?),
        }
    }
    if out.len() > MAX {
        return Err(Failure::usage(format!(
            "{} hosts are too many: at most {MAX}",
            out.len()
        )));
    }
    Ok(out)
}

fn push(out: &mut Vec<Target>, target: Target) {
    if !out.contains(&target) {
        out.push(target);
    }
}

/// One host on a line; `#` begins a comment. `-` is standard input.
fn read(file: &str, out: &mut Vec<Target>) -> Result<(), Failure> {
    if file.is_empty() {
        return Err(
            Failure::usage("@ without the name of a file").hint("clockbox check-port @hosts.txt")
        );
    }
    let text = match file {
        "-" => terminal::input(files::CONFIG_LIMIT)?,
        file => files::read_text(Path::new(file), files::CONFIG_LIMIT)?,
    };
    let shown = if file == "-" { "standard input" } else { file };
    let before = out.len();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let place = format!("{shown}:{}", number + 1);
        if line.contains([' ', '\t', ',']) {
            let text = format!("{place}: more than one host on a line: {line}");
            return Err(Failure::new(ExitStatus::Data, text)
                .hint("write one host on each line; # begins a comment")
                .target(shown));
        }
        let target = Target::parse(line).map_err(|failure| Failure {
            status: ExitStatus::Data,
            message: format!("{place}: {}", failure.message),
            ..failure
        })?;
        push(out, target);
    }
    if out.len() == before {
        return Err(
            Failure::new(ExitStatus::Data, format!("{shown}: no host in it"))
                .hint("write one host on each line; # begins a comment")
                .target(shown),
        );
    }
    Ok(())
}
