//! Writes man pages, completions and schemas into a directory: `generate DIR`, by scripts/generate.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a program of its own, for the tree"
)]

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(1) else {
        eprintln!("usage: generate DIR");
        return ExitCode::from(64);
    };
    match clockbox::commands::generate::run(Path::new(&dir)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("generate: {failure}");
            ExitCode::FAILURE
        }
    }
}
