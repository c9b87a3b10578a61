//! The program: everything is in the library, so that tests, benches and fuzzers can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    clockbox::cli::main()
}
