//! `dumpdir`: what the engine has learnt, written when the daemon ends or is asked to (`chronyc
//! dump`), and read again by `--reload`.

use crate::engine::Engine;
use crate::engine::clock::Reading;
use crate::engine::saved::Saved;
use crate::sys;
use crate::sys::error::Error;
use crate::sys::log::Level;
use std::path::Path;
use std::path::PathBuf;

/// The file in the directory. chronyd has one a source, `ADDRESS.dat`, and leaves this one alone.
const NAME: &str = "clockbox.samples";
/// Octets that are read: some hundred sources' worth.
const LARGEST: u64 = 16 << 20;

/// The file of a directory.
#[must_use]
pub fn path(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

/// Writes what is known. A reader sees the old file or the new one, whole.
///
/// # Errors
/// Why it cannot be written.
pub fn write(path: &Path, now: Reading, engine: &Engine) -> Result<(), Error> {
    let boot = boot(engine)?;
    let saved = engine.saved(now, &boot);
    sys::files::make_parents(path)?;
    sys::files::replace(path, saved.to_string().as_bytes(), 0o600)
}

/// Which boot of the machine this is, and on which host it runs.
fn boot(engine: &Engine) -> Result<String, Error> {
    let boot = sys::host::boot_id()?;
    Ok(match engine.host {
        Some(mark) => format!("{boot}/{mark:x}"),
        None => boot,
    })
}

/// Has the engine start with what the file says, and removes it: a second start must not. What
/// cannot be used is said, and the engine starts afresh.
pub fn resume(path: &Path, engine: &mut Engine) {
    if !sys::files::exists(path) {
        return;
    }
    let unused = |why: &dyn std::fmt::Display| {
        let text = format!(
            "measurements of the last run are not used: {}: {why}",
            path.display()
        );
        sys::log::say(Level::Warning, &text);
    };
    match (sys::files::read_text(path, LARGEST), boot(engine)) {
        (Ok(text), Ok(boot)) => match text.parse::<Saved>() {
            Ok(saved) => engine.begin_with(saved, &boot),
            Err(broken) => unused(&broken),
        },
        (Err(error), _) | (_, Err(error)) => unused(&error),
    }
    if let Err(error) = sys::files::remove(path) {
        sys::log::say(Level::Warning, &error.to_string());
    }
}
