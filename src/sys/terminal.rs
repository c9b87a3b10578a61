//! Standard input, output and error: reading, writing, width, whether someone is looking.

use super::closed_output;
use super::error::Error;
use super::host;
use std::io;
use std::io::IsTerminal;
use std::io::Read;
use std::io::Write;

/// Writes all of it to standard output. `Ok(false)` when the reader has gone away (a closed pipe),
/// which is no fault.
///
/// # Errors
/// When standard output cannot be written (a full disk), or was closed from the start (`>&-`).
pub fn print(text: &str) -> Result<bool, Error> {
    if closed_output::was_closed() {
        let why = io::Error::from_raw_os_error(nix::libc::EBADF);
        return Err(Error::new("write", "standard output", why));
    }
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Error::new("write", "standard output", e)),
    }
}

/// Writes to standard error; there is nowhere to complain when that fails.
pub fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// All of standard input, as text.
///
/// # Errors
/// When it cannot be read, is larger than `limit` octets, or is no UTF-8.
pub fn input(limit: u64) -> Result<String, Error> {
    let failed = |e| Error::new("read", "standard input", e);
    let mut text = String::new();
    let mut input = io::stdin().lock().take(limit + 1);
    input.read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > limit {
        let why = format!("larger than {limit} octets");
        return Err(failed(io::Error::other(why)));
    }
    Ok(text)
}

/// True when standard output is a terminal.
#[must_use]
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// True when standard error is a terminal: progress is welcome there.
#[must_use]
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Columns for a page: `COLUMNS` where set, else the terminal's, else `None` (piped: no limit).
#[must_use]
pub fn width() -> Option<u16> {
    if let Some(columns) = host::variable("COLUMNS").and_then(|c| c.parse().ok()) {
        return Some(columns);
    }
    if !stdout_is_terminal() {
        return None;
    }
    Some(
        window_columns()
            .filter(|&columns| columns > 0)
            .unwrap_or(80),
    )
}

fn window_columns() -> Option<u16> {
    super::winsize::columns(&io::stdout())
}
