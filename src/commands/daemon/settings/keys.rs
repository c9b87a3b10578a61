//! The key file that a configuration names, as packets are authenticated with it.

use crate::conf::chrony::Settings;
use crate::conf::diagnostic::Diagnostic;
use crate::conf::diagnostic::render_all;
use crate::conf::key_store;
use crate::conf::keys;
use crate::proto::mac::Keys;
use crate::sys;
use crate::sys::error::Error;
use std::path::Path;

/// The longest key file that is read, in octets.
const LONGEST: u64 = 1 << 20;

/// Reads a chrony.keys. Gives the keys, and warnings as text: lines that are none, algorithms that
/// are not supported.
///
/// # Errors
/// When it cannot be read.
pub fn load(path: &Path) -> Result<(Keys, String), Error> {
    let bytes = sys::files::read(path, LONGEST)?;
    let shown = path.display().to_string();
    let file = keys::chrony(&shown, &bytes);
    let (known, unknown) = key_store::store(&file);
    let mut warnings = render_all(&file.diagnostics, &file.map);
    for (id, algorithm) in unknown {
        warnings.push_str(&format!(
            "{shown}: warning: key {id} is not used: {} is not supported; \
             MD5, SHA1, SHA256, SHA384, SHA512, AES128 and AES256 are\n",
            algorithm.word()
        ));
    }
    Ok((known, warnings))
}

/// The keys of the file that the configuration names; none when there is none, or it cannot be
/// read: then the warning says why.
#[must_use]
pub fn of_file(settings: &Settings) -> (Keys, String) {
    let Some(file) = &settings.key_file else {
        return (Keys::new(), String::new());
    };
    load(Path::new(file)).unwrap_or_else(|error| {
        let warning = format!("warning: no keys: {error}\n");
        (Keys::new(), warning)
    })
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
