//! `clockbox timezone set` killed, and refused, at every system call from the first that writes to
//! the last: what stands afterwards is all old or all new. strace does the killing.

use crate::net::skip;
use crate::run::run;
use crate::timezone_images::LAYOUTS;
use crate::timezone_images::Layout;
use crate::timezone_images::contents;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

/// False, aloud, where there is no strace that may trace.
fn strace_works() -> bool {
    let mut strace = Command::new("strace");
    strace
        .args(["-o", "/dev/null", "true"])
        .stderr(Stdio::null());
    let works = strace.status().is_ok_and(|status| status.success());
    if !works {
        skip("no strace here, or it may not trace (apt-get install strace)");
    }
    works
}

/// Runs `timezone set Japan` under strace. It returns when the last process of the run has closed
/// the pipe of its output; gives the exit status of the first, and strace's lines.
fn traced(root: &Path, options: &[&str]) -> (Option<i32>, String) {
    let log = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new("strace")
        .args(["-o", log.path().to_str().unwrap()])
        .args(options)
        .arg(env!("CARGO_BIN_EXE_clockbox"))
        .args(["timezone", "set", "Japan", "--root", root.to_str().unwrap()])
        .output()
        .unwrap();
    (
        output.status.code(),
        std::fs::read_to_string(log.path()).unwrap(),
    )
}

fn leftover(path: &str) -> bool {
    path.contains(".clockbox-")
}

fn without_leftovers(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = contents(root);
    all.retain(|path, _| !leftover(path));
    all
}

fn set(root: &Path) {
    let ran = run(&["timezone", "set", "Japan", "--root", root.to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{ran:?}");
}

/// Every system call that changes something and the one after it, each by its name and which of
/// that name it is: strace counts every name by itself.
fn writing_calls(layout: &Layout) -> Vec<(String, usize)> {
    let tree = layout.build();
    let (status, log) = traced(tree.path(), &[]);
    assert_eq!(status, Some(0), "{}: {log}", layout.name);
    // clone(2) makes the second process, wait4(2) waits for its renames.
    let writes = [
        "O_CREAT",
        "write(",
        "symlink(",
        "rename(",
        "renameat(",
        "fsync(",
        "mkdir(",
        "fchmod(",
        "fchown(",
        "unlink(",
        "setxattr(",
        "clone(",
        "clone3(",
        "vfork(",
        "wait4(",
    ];
    let (mut calls, mut after) = (Vec::new(), false);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in log.lines() {
        let name = line.split('(').next().unwrap();
        if !line.contains('(') || name.contains([' ', '-', '+']) {
            continue;
        }
        let count = counts.entry(name.to_owned()).or_default();
        *count += 1;
        let changes = writes.iter().any(|call| line.contains(call));
        if changes || after {
            calls.push((name.to_owned(), *count));
        }
        after = changes;
    }
    assert!(calls.len() > 4, "{log}");
    calls
}

/// The paths that are not as they are to be.
fn mixed(found: &BTreeMap<String, Vec<u8>>, new: &BTreeMap<String, Vec<u8>>) -> String {
    let differs = |(path, _): &(&String, &Vec<u8>)| found.get(*path) != new.get(*path);
    let paths = new.iter().filter(differs).map(|(path, _)| path.as_str());
    paths.collect::<Vec<_>>().join(", ")
}

/// Kills the run before each of its system calls in turn: before one is after the one before it.
fn killed_everywhere(layout: &Layout) {
    let name = layout.name;
    let (old, new) = (
        contents(layout.build().path()),
        contents(layout.built_after().path()),
    );
    let (mut olds, mut news) = (0, 0);
    for (call, number) in writing_calls(layout) {
        let tree = layout.build();
        let inject = format!("inject={call}:signal=KILL:when={number}");
        let (_, log) = traced(tree.path(), &["-e", &inject]);
        assert!(
            log.contains("killed by SIGKILL"),
            "{name}: {call} {number} was not reached"
        );
        let found = without_leftovers(tree.path());
        assert!(
            found == old || found == new,
            "{name}: killed at {call} {number}: neither old nor new: {}",
            mixed(&found, &new)
        );
        olds += usize::from(found == old);
        news += usize::from(found == new);
        set(tree.path());
        assert_eq!(
            contents(tree.path()),
            new,
            "{name}: the run after a kill at {call} {number}"
        );
    }
    // The loop has seen both sides of the change.
    assert!(olds > 0 && news > 0, "{name}: {olds} old, {news} new");
}

#[test]
fn a_kill_at_any_call_leaves_old_or_new_first_half_of_the_layouts() {
    if strace_works() {
        LAYOUTS.iter().step_by(2).for_each(killed_everywhere);
    }
}

#[test]
fn a_kill_at_any_call_leaves_old_or_new_second_half_of_the_layouts() {
    if strace_works() {
        LAYOUTS
            .iter()
            .skip(1)
            .step_by(2)
            .for_each(killed_everywhere);
    }
}

/// The places that `set Japan` changes.
fn changes(layout: &Layout) -> usize {
    layout.after.len()
}

#[test]
fn the_second_process_finishes_when_the_first_is_killed() {
    if !strace_works() {
        return;
    }
    for layout in LAYOUTS.iter().filter(|layout| changes(layout) > 1) {
        let new = contents(layout.built_after().path());
        for number in 1..=changes(layout) {
            let tree = layout.build();
            // Only the child renames by rename(2).
            let inject = format!("inject=rename:signal=KILL:when={number}");
            let (status, log) = traced(tree.path(), &["-f", "-e", &inject]);
            assert!(log.contains("killed by SIGKILL"), "{}: {log}", layout.name);
            assert_eq!(
                status,
                Some(0),
                "{}: child killed at rename {number}",
                layout.name
            );
            assert_eq!(
                contents(tree.path()),
                new,
                "{}: rename {number}",
                layout.name
            );
        }
    }
}

#[test]
fn when_both_are_killed_each_file_is_whole_and_the_next_run_finishes() {
    if !strace_works() {
        return;
    }
    for layout in LAYOUTS.iter().filter(|layout| changes(layout) > 1) {
        let name = layout.name;
        let (old, new) = (
            contents(layout.build().path()),
            contents(layout.built_after().path()),
        );
        let tree = layout.build();
        let inject = "inject=rename,renameat:signal=KILL:when=2";
        traced(tree.path(), &["-f", "-e", inject]);
        for (path, found) in without_leftovers(tree.path()) {
            let whole = old.get(&path) == Some(&found) || new.get(&path) == Some(&found);
            assert!(whole, "{name}: {path} is neither old nor new");
        }
        // /etc/localtime is the last: what programs use has not changed yet.
        let show = run(&[
            "timezone",
            "show",
            "--json",
            "--root",
            tree.path().to_str().unwrap(),
        ]);
        assert_ne!(
            show.json()["now"]["abbreviation"],
            "JST",
            "{name}: {show:?}"
        );
        set(tree.path());
        assert_eq!(contents(tree.path()), new, "{name}: the run after");
    }
}

#[test]
fn when_a_rename_is_refused_everything_is_put_back() {
    if !strace_works() {
        return;
    }
    for layout in LAYOUTS {
        let old = contents(layout.build().path());
        for number in 1..=changes(layout) {
            let tree = layout.build();
            let inject = format!("inject=rename:error=EIO:when={number}");
            let (status, _) = traced(tree.path(), &["-f", "-e", &inject]);
            assert_eq!(status, Some(74), "{}: rename {number}", layout.name);
            assert_eq!(
                contents(tree.path()),
                old,
                "{}: rename {number}",
                layout.name
            );
        }
    }
}

#[test]
fn when_the_disk_is_full_nothing_is_changed() {
    if !strace_works() {
        return;
    }
    let layout = &LAYOUTS[0];
    let old = contents(layout.build().path());
    for call in [
        "fsync:error=ENOSPC",
        "symlink:error=ENOSPC",
        "fchmod:error=EPERM",
    ] {
        let tree = layout.build();
        let (status, _) = traced(tree.path(), &["-f", "-e", &format!("inject={call}")]);
        assert!(matches!(status, Some(74 | 77)), "{call}: {status:?}");
        assert_eq!(contents(tree.path()), old, "{call}");
    }
}
