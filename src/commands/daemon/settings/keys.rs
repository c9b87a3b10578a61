//! The key file that a configuration names, as packets are authenticated with it.

use crate::conf::chrony::Settings;
use crate::conf::diagnostic::Diagnostic;
use crate::conf::diagnostic::Severity;
use crate::conf::key_store;
use crate::conf::keys;
use crate::conf::span::SourceMap;
use crate::proto::mac::Keys;
use crate::sys;
use crate::sys::error::Error;
use std::path::Path;

/// The longest key file that is read, in octets.
const LONGEST: u64 = 1 << 20;

/// What is wrong with a key file: lines that are no keys, algorithms that are not supported.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// What is wrong in it.
    pub diagnostics: Vec<Diagnostic>,
    /// Its text, secrets masked.
    pub map: SourceMap,
}

impl About {
    /// A line of a log for each.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.diagnostics.iter().map(|d| d.line(&self.map))
    }
}

/// Reads a chrony.keys. Gives the keys, and what is wrong with it.
///
/// # Errors
/// When it cannot be read.
pub fn load(path: &Path) -> Result<(Keys, About), Error> {
    let bytes = sys::files::read(path, LONGEST)?;
    let mut file = keys::chrony(&path.display().to_string(), &bytes);
    let (known, unknown) = key_store::store(&file);
    for (id, algorithm) in unknown {
        let span = file.find(id).map(|key| key.span).unwrap_or_default();
        let text = format!(
            "key {id} is not used: {} is not supported",
            algorithm.word()
        );
        let help = "MD5, SHA1, SHA256, SHA384, SHA512, AES128 and AES256 are supported";
        let warning = Diagnostic::warning(span, text).with_help(help);
        file.diagnostics.push(warning);
    }
    // Whoever has the other keys starts all the same.
    for diagnostic in &mut file.diagnostics {
        diagnostic.severity = diagnostic.severity.min(Severity::Warning);
    }
    let about = About {
        diagnostics: file.diagnostics,
        map: file.map,
    };
    Ok((known, about))
}

/// The keys of the file that the configuration names; none when there is none, or it cannot be
/// read.
pub fn of_file(settings: &Settings) -> (Keys, Result<About, Error>) {
    let Some(file) = &settings.key_file else {
        return (Keys::new(), Ok(About::default()));
    };
    match load(Path::new(file)) {
        Ok((keys, about)) => (keys, Ok(about)),
        Err(error) => (Keys::new(), Err(error)),
    }
}

/// A warning for each source whose key is missing: it is not asked, for its time would be unproved.
#[must_use]
pub fn missing(settings: &Settings, known: &Keys) -> Vec<Diagnostic> {
    let file = settings.key_file.as_deref();
    let mut found = Vec::new();
    for located in &settings.sources {
        let key = located.value.key.filter(|&id| known.get(id).is_none());
        let Some(id) = key else { continue };
        let text = match file {
            Some(file) => format!("there is no usable key {id} in {file}; the source is not asked"),
            None => format!("there is no keyfile line, so no key {id}; the source is not asked"),
        };
        found.push(Diagnostic::warning(located.span, text));
    }
    found
}
