//! Mock servers on loopback: `examples/mock_servers.rs`, stopped when dropped.

use std::io::BufRead;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::OnceLock;

/// Servers that run until this is dropped.
pub(crate) struct Mock {
    child: Child,
    /// `127.0.0.1:PORT` of each, in order.
    pub(crate) addresses: Vec<String>,
}

/// The program of the mock servers.
pub(crate) fn program() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| example("mock_servers")).clone()
}

/// An example, beside the program under test. `cargo test --test cli` does not build examples: it is
/// brought up to date here.
pub(crate) fn example(name: &str) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    let built = cargo.args(["build", "--quiet", "--example", name]).status();
    assert!(built.unwrap().success(), "{name} does not build");
    let clockbox = PathBuf::from(env!("CARGO_BIN_EXE_clockbox"));
    clockbox.parent().unwrap().join("examples").join(name)
}

impl Mock {
    /// A server for each specification, on a port that is free: `offset=0.5,delay=0.02`.
    pub(crate) fn start(specs: &[&str]) -> Self {
        let words: Vec<String> = specs.iter().map(|s| format!("127.0.0.1:0,{s}")).collect();
        Self::spawn(Command::new(program()), &words)
    }

    /// The same with addresses given, by a command that may run it elsewhere.
    pub(crate) fn spawn(mut command: Command, words: &[String]) -> Self {
        command.args(["--seconds", "120"]).args(words);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let addresses: Vec<String> = line.split_whitespace().skip(1).map(str::to_owned).collect();
        assert_eq!(
            addresses.len(),
            words.len(),
            "mock servers did not start: {line}"
        );
        Self { child, addresses }
    }

    /// The arguments for `clockbox sync WORDS… SERVERS…`.
    pub(crate) fn args<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        words
            .iter()
            .copied()
            .chain(self.addresses.iter().map(String::as_str))
            .collect()
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
