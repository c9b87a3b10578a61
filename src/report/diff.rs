//! Unified diffs of configuration files, as diff -u prints them.

use std::fmt::Write as _;

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// More lines than this on either side of what changed are shown as one block, not matched line by
/// line.
const MATCH_LIMIT: usize = 4000;

/// A line of the edit from old to new.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edit<'a> {
    Keep(&'a str),
    Remove(&'a str),
    Add(&'a str),
}

/// The unified diff from `old` to `new`, empty when they are equal. `None` stands for a file that
/// is not there.
#[must_use]
pub fn unified(path: &str, old: Option<&str>, new: Option<&str>) -> String {
    if old == new {
        return String::new();
    }
    let name = |text: Option<&str>| text.map_or("/dev/null", |_| path).to_owned();
    let mut out = format!("--- {}\n+++ {}\n", name(old), name(new));
    let edits = edits(old.unwrap_or_default(), new.unwrap_or_default());
    let changed = |edit: &Edit<'_>| !matches!(edit, Edit::Keep(_));
    let mut index = 0;
    let (mut old_line, mut new_line) = (1, 1);
    while let Some(next) = edits.iter().skip(index).position(changed) {
        let begin = (index + next).saturating_sub(CONTEXT).max(index);
        let mut end = index + next;
        while let Some(more) = edits
            .iter()
            .skip(end)
            .take(2 * CONTEXT + 1)
            .position(changed)
        {
            end += more + 1;
        }
        let end = (end + CONTEXT).min(edits.len());
        let skipped = begin - index;
        old_line += skipped;
        new_line += skipped;
        hunk(&mut out, &edits[begin..end], &mut old_line, &mut new_line);
        index = end;
    }
    out
}

fn hunk(out: &mut String, edits: &[Edit<'_>], old_line: &mut usize, new_line: &mut usize) {
    let old = edits.iter().filter(|e| !matches!(e, Edit::Add(_))).count();
    let new = edits
        .iter()
        .filter(|e| !matches!(e, Edit::Remove(_)))
        .count();
    // An empty side is numbered by the line before it.
    let number = |line: usize, count: usize| if count == 0 { line - 1 } else { line };
    let (at_old, at_new) = (number(*old_line, old), number(*new_line, new));
    let _ = writeln!(out, "@@ -{at_old},{old} +{at_new},{new} @@");
    for edit in edits {
        let (mark, line) = match edit {
            Edit::Keep(line) => (' ', line),
            Edit::Remove(line) => ('-', line),
            Edit::Add(line) => ('+', line),
        };
        out.push(mark);
        out.push_str(line);
        if !line.ends_with('\n') {
            out.push_str("\n\\ No newline at end of file\n");
        }
    }
    *old_line += old;
    *new_line += new;
}

/// Equal lines at both ends are kept; between them the longest common subsequence is.
fn edits<'a>(old: &'a str, new: &'a str) -> Vec<Edit<'a>> {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let pairs = old_rest.iter().rev().zip(new_rest.iter().rev());
    let tail = pairs.take_while(|(a, b)| a == b).count();
    let old_middle = &old_rest[..old_rest.len() - tail];
    let new_middle = &new_rest[..new_rest.len() - tail];
    let mut all: Vec<Edit<'a>> = old[..head].iter().map(|l| Edit::Keep(l)).collect();
    if old_middle.len().max(new_middle.len()) > MATCH_LIMIT {
        all.extend(old_middle.iter().map(|l| Edit::Remove(l)));
        all.extend(new_middle.iter().map(|l| Edit::Add(l)));
    } else {
        middle(&mut all, old_middle, new_middle);
    }
    all.extend(
        old_rest[old_rest.len() - tail..]
            .iter()
            .map(|l| Edit::Keep(l)),
    );
    all
}

fn middle<'a>(all: &mut Vec<Edit<'a>>, old: &[&'a str], new: &[&'a str]) {
    let width = new.len() + 1;
    let mut common = vec![0_u16; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        let down = (i < old.len()).then(|| common[(i + 1) * width + j]);
        let right = (j < new.len()).then(|| common[i * width + j + 1]);
        if i < old.len() && j < new.len() && old[i] == new[j] {
            all.push(Edit::Keep(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if down >= right {
            all.push(Edit::Remove(old[i]));
            i += 1;
        } else {
            all.push(Edit::Add(new[j]));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_line_is_shown_in_its_context() {
        let old = "1\n2\n3\n4\nZONE=\"UTC\"\n6\n7\n8\n9\n";
        let new = old.replace("UTC", "Japan");
        let want = "--- a\n+++ a\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-ZONE=\"UTC\"\n+ZONE=\"Japan\"\n 6\n 7\n 8\n";
        assert_eq!(unified("a", Some(old), Some(&new)), want);
        assert_eq!(unified("a", Some(old), Some(old)), "");
    }

    #[test]
    fn new_files_missing_newlines_and_far_changes_are_shown() {
        let want = "--- /dev/null\n+++ a\n@@ -0,0 +1,1 @@\n+Japan\n";
        assert_eq!(unified("a", None, Some("Japan\n")), want);
        let text = unified("a", Some("UTC"), Some("Japan"));
        assert_eq!(text.matches("No newline").count(), 2, "{text}");
        let old: String = (0..30).map(|n| format!("{n}\n")).collect();
        let new = old.replace("\n3\n", "\nx\n").replace("\n25\n", "\ny\n");
        let text = unified("a", Some(&old), Some(&new));
        assert_eq!(text.matches("@@ -").count(), 2, "{text}");
        assert!(text.contains("@@ -23,7 +23,7 @@"), "{text}");
    }
}
