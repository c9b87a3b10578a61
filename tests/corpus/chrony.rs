//! chrony.conf: what chronyd accepts we accept, and the other way round.

use std::fs;
use std::path::Path;
use std::process::Command;

use clockbox::conf::chrony;
use clockbox::conf::chrony::Settings;
use clockbox::conf::chrony::effective;
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
        // A pattern of a directory that is not there includes nothing here.
        let gone = |why: &String| why.contains("Could not search for files");
        if theirs.is_some() && (newer || theirs.as_ref().is_some_and(gone)) {
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

/// The lines that count, as chronyd prints a configuration and all it includes.
fn printed(chronyd: &Path, file: &Path) -> Option<String> {
    let output = Command::new(chronyd)
        .arg("-p")
        .arg("-f")
        .arg(file)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    output.status.success().then_some(text)
}

/// What the lines amount to, without their places.
fn meaning(text: &str) -> String {
    let loaded = chrony::load_text("f", text.as_bytes(), &NoFiles);
    let plain = effective::text(&loaded, |_| None);
    let lines = plain.lines().filter(|line| !line.starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_effective_configuration_means_the_same_to_chronyd() {
    let (Some(files), Some(chronyd)) = (corpus("chrony.conf"), chronyd()) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for path in files {
        let Some(theirs) = printed(&chronyd, &path) else {
            continue;
        };
        let loaded = chrony::load(path.to_str().unwrap(), &Machine);
        let ours = dir.path().join("effective.conf");
        fs::write(
            &ours,
            effective::text(&loaded, |_| Some("a remark".to_owned())),
        )
        .unwrap();
        let again = printed(&chronyd, &ours);
        let again = again.unwrap_or_else(|| panic!("refused: {}", path.display()));
        assert_eq!(meaning(&again), meaning(&theirs), "{}", path.display());
        compared += 1;
    }
    assert!(compared > 0, "chronyd accepts no file of the corpus");
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
