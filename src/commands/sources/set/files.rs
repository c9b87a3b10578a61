//! The files that change: their new texts, writing them, putting them back.

use super::place::Place;
use super::place::form;
use crate::commands::sources::edit;
use crate::commands::sources::edit::Change;
use crate::commands::sources::edit::Form;
use crate::exit::Failure;
use crate::report::sources::set::SetReport;
use crate::sys;
use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

pub(super) type Edit = (String, Option<String>, String);

/// Old and new text of every file that changes.
pub(super) fn texts(
    changes: &BTreeMap<String, Change>,
    place: &Place,
) -> Result<Vec<Edit>, Failure> {
    let form = form(place.kind).unwrap_or(Form::Lines);
    let mut edits = Vec::new();
    for (path, change) in changes {
        let real = sys::files::under(&place.root, Path::new(path));
        let old = match sys::files::read_text(&real, sys::files::CONFIG_LIMIT) {
            Ok(text) => Some(text),
            Err(error) if error.is_missing() => None,
            Err(error) => return Err(error.into()),
        };
        let new = edit::apply(old.as_deref().unwrap_or_default(), change, form);
        if old.as_deref() != Some(&new) {
            edits.push((path.clone(), old, new));
        }
    }
    Ok(edits)
}

/// Writes the files; gives the copies that were kept. What was written before a failure is put
/// back.
pub(super) fn write(
    edits: &[Edit],
    place: &Place,
    report: &mut SetReport,
) -> Result<Vec<Option<PathBuf>>, Failure> {
    let mut backups = Vec::new();
    for (index, (path, old, new)) in edits.iter().enumerate() {
        let real = sys::files::under(&place.root, Path::new(path));
        let written = (|| {
            let backup = match old {
                Some(_) => Some(sys::files::back_up(&real, "clockbox-old")?),
                None => None,
            };
            sys::files::make_parents(&real)?;
            sys::files::replace(&real, new.as_bytes(), 0o644)?;
            Ok::<_, sys::error::Error>(backup)
        })();
        match written {
            Ok(backup) => {
                report.files[index].backup = backup.as_ref().map(|b| b.display().to_string());
                backups.push(backup);
            }
            Err(error) => {
                restore(edits.get(..index).unwrap_or_default(), place, &backups);
                return Err(Failure::from(error));
            }
        }
    }
    Ok(backups)
}

pub(super) fn restore(edits: &[Edit], place: &Place, backups: &[Option<PathBuf>]) {
    for ((path, old, _), backup) in edits.iter().zip(backups) {
        let real = sys::files::under(&place.root, Path::new(path));
        let put_back = match old {
            Some(old) => sys::files::replace(&real, old.as_bytes(), 0o644),
            None => sys::files::remove(&real),
        };
        if put_back.is_ok()
            && let Some(backup) = backup
        {
            let _ = sys::files::remove(backup);
        }
    }
}
