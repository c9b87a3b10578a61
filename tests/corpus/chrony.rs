//! chrony.conf: what chronyd accepts we accept, and the other way round.

use std::fs;

use clockbox::conf::chrony;
use clockbox::conf::chrony::Settings;
use clockbox::conf::chrony::gate;
use clockbox::conf::chrony::write;
use clockbox::conf::diagnostic::render_all;
use clockbox::conf::files::NoFiles;

use crate::machine::Machine;
use crate::machine::chronyd;
use crate::machine::complaint;
use crate::machine::corpus;
use crate::machine::version;

#[test]
fn acceptance_is_chronyds() {
    let (Some(files), Some(chronyd)) = (corpus("chrony.conf"), chronyd()) else {
        return;
    };
    let version = version(&chronyd);
    let mut different = Vec::new();
    for path in files {
        let loaded = chrony::load(path.to_str().unwrap(), &Machine);
        let ours = loaded
            .has_errors()
            .then(|| render_all(&loaded.diagnostics, &loaded.map));
        let theirs = complaint(&chronyd, &path);
        // An older chronyd refuses what came after it.
        let newer = loaded.statements.iter().any(|statement| {
            !gate::newer_than(version, statement.name, &statement.value).is_empty()
        });
        if newer && theirs.is_some() {
            continue;
        }
        if ours.is_some() != theirs.is_some() {
            different.push(format!(
                "{}\n ours: {ours:?}\n theirs: {theirs:?}",
                path.display()
            ));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn every_file_prints_and_parses_to_the_same() {
    let Some(files) = corpus("chrony.conf") else {
        return;
    };
    for path in files {
        let bytes = fs::read(&path).unwrap();
        let first = chrony::load_text("f", &bytes, &NoFiles);
        let text: String = first
            .statements
            .iter()
            .map(|statement| write::line(statement.name, &statement.value) + "\n")
            .collect();
        let second = chrony::load_text("f", text.as_bytes(), &NoFiles);
        let values = |loaded: &chrony::Loaded| -> Vec<_> {
            loaded
                .statements
                .iter()
                .map(|s| (s.name, s.value.clone()))
                .collect()
        };
        assert_eq!(values(&first), values(&second), "{}", path.display());
        let _ = Settings::new(&first);
    }
}
