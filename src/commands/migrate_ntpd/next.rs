//! What to type next: commands that work as they stand.

use super::tree::Tree;
use crate::commands::links;
use crate::commands::sync::quoted;

/// This very command again, for real and with more words.
pub(super) fn again(more: &str) -> String {
    let looks = ["--json", "--dry-run", "--check", "--diff", "-q", "--quiet"];
    let mut words = typed(|word| !looks.contains(&word) && word != more);
    words.extend(more.split_whitespace().map(str::to_owned));
    words.join(" ")
}

/// This very command again as it was typed.
pub(super) fn same() -> String {
    typed(|_| true).join(" ")
}

/// The words of this command that are wanted.
fn typed(wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let typed = links::arguments();
    let words = typed.iter().skip(1).map(|word| word.to_string_lossy());
    let kept = words.filter(|word| wanted(word)).map(|word| quoted(&word));
    core::iter::once("clockbox".to_owned())
        .chain(kept)
        .collect()
}

/// `clockbox COMMAND` for this machine or image, with more words.
pub(super) fn here(tree: &Tree, command: &str, more: &str) -> String {
    let root = match tree.is_live() {
        true => String::new(),
        false => format!(" --root {}", quoted(&tree.root().display().to_string())),
    };
    let more = match more.is_empty() {
        true => String::new(),
        false => format!(" {more}"),
    };
    format!("clockbox {command}{root}{more}")
}
