//! The direction of dependencies: reads `src/` and refuses a `crate::` path that points against
//! it, `nix` or `libc` outside `sys`, and printing macros. Needs one parent a `use` line.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads the tree"
)]

use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// What each layer may name. `exit` is a word that all the real ones share.
const ALLOWED: &[(&str, &[&str])] = &[
    ("time", &["time"]),
    ("proto", &["proto", "time"]),
    ("engine", &["engine", "proto", "time"]),
    ("server", &["server", "proto", "time"]),
    ("conf", &["conf", "proto", "time"]),
    ("report", &["report", "time", "exit"]),
    ("sys", &["sys", "engine", "server", "proto", "time", "exit"]),
    ("exit", &["exit"]),
    (
        "commands",
        &[
            "commands", "engine", "server", "conf", "sys", "report", "proto", "time", "exit", "cli",
        ],
    ),
    ("cli", &["cli", "commands", "report", "sys", "exit"]),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn violations(layer: &str, allowed: &[&str], text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with("//") {
            continue;
        }
        let mut complain = |what: String| found.push(format!("{}: {what}: {line}", number + 1));
        if line.contains("use crate::{") {
            complain("one parent a line, please".to_owned());
        }
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let name: String = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if !allowed.contains(&name.as_str()) {
                complain(format!("{layer} must not know {name}"));
            }
        }
        let foreign = |name: &str| {
            line.match_indices(name).any(|(at, _)| {
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.')
            })
        };
        if layer != "sys" && (foreign("nix::") || foreign("libc::")) {
            complain("system calls are for sys".to_owned());
        }
    }
    found
}

#[test]
fn dependencies_point_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(
        files.len() > 20,
        "the tree was not read: {} files",
        files.len()
    );
    let mut found = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&src).unwrap();
        let first = relative
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        let layer = first.trim_end_matches(".rs");
        if layer == "lib" || layer == "main" {
            continue;
        }
        let allowed = ALLOWED.iter().find(|(name, _)| *name == layer);
        let (_, allowed) =
            allowed.unwrap_or_else(|| panic!("{layer} is no layer of the map in lib.rs"));
        for line in violations(layer, allowed, &fs::read_to_string(&file).unwrap()) {
            found.push(format!("src/{}:{line}", relative.display()));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_path_against_the_direction_is_seen() {
    let bad = "use crate::sys::clock;\nlet a = nix::libc::getpid();\nuse crate::{time, sys};";
    let found = violations("engine", &["engine", "proto", "time"], bad);
    assert!(found.len() >= 3, "{found:?}");
    assert!(violations("engine", &["engine", "time"], "use crate::time::PHI;").is_empty());
}
