//! The options that the service gives to ntpd: in its unit with drop-ins, and in the files of
//! variables that distributions have for them.

use super::tree::Tree;
use crate::conf::convert::input::CommandLine;
use crate::conf::convert::input::Variable;
use crate::conf::files::Files as _;
use crate::sys::service::UNIT_DIRS;
use std::collections::BTreeSet;

/// Files that set the options of the service, and the variables.
const VARIABLES: &[(&str, &[&str])] = &[
    ("/etc/default/ntpsec", &["NTPD_OPTS"]),
    ("/etc/default/ntp", &["NTPD_OPTS"]),
    ("/etc/sysconfig/ntpd", &["OPTIONS"]),
    ("/etc/sysconfig/ntp", &["NTPD_OPTIONS", "NTPD_OPTS"]),
    ("/etc/conf.d/ntpd", &["NTPD_OPTS"]),
    ("/etc/conf.d/ntp", &["NTPD_OPTS"]),
];

/// The same for OpenNTPD.
const OPENNTPD: &[(&str, &[&str])] = &[
    ("/etc/default/openntpd", &["DAEMON_OPTS"]),
    ("/etc/sysconfig/openntpd", &["OPTIONS", "DAEMON_OPTS"]),
];

/// Files with variables of services that go together with ntpd's.
const BESIDE: &[&str] = &["/etc/sysconfig/ntpdate", "/etc/default/ntpdate"];

/// Names of ntpd's units.
const UNITS: &[&str] = &["ntpsec", "ntpd", "ntp"];

/// The options of the service, file by file; in each the last assignment counts.
pub(super) fn command_lines(tree: &Tree) -> Vec<CommandLine> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for name in UNITS {
        let Some(path) = unit(tree, name) else {
            continue;
        };
        // One unit has several names.
        if seen.insert(tree.leads_to(&path).unwrap_or(path.clone())) {
            found.extend(started(tree, name, path));
        }
    }
    let given = VARIABLES.iter();
    found.extend(given.filter_map(|(path, variables)| assigned(tree, path, variables)));
    found
}

/// The options of OpenNTPD's service.
pub(super) fn openntpd(tree: &Tree) -> Vec<CommandLine> {
    let given = OPENNTPD.iter();
    given
        .filter_map(|(path, variables)| assigned(tree, path, variables))
        .collect()
}

/// The last assignment of one of these variables in a file.
fn assigned(tree: &Tree, path: &str, variables: &[&str]) -> Option<CommandLine> {
    let text = tree.text(path)?;
    let mut assignment = assignments(&text).filter(|(_, _, name, _)| variables.contains(name));
    let (line, text, _, value) = assignment.next_back()?;
    let words = shell_words(value);
    Some(CommandLine {
        path: path.to_owned(),
        line,
        text: text.to_owned(),
        words: words.iter().flat_map(|word| shell_words(word)).collect(),
    })
}

/// The assignments of a file of variables: number of the line, the line, name, value as it stands.
fn assignments(text: &str) -> impl DoubleEndedIterator<Item = (usize, &str, &str, &str)> {
    let lines: Vec<(usize, &str)> = (1..).zip(text.lines().map(str::trim)).collect();
    lines.into_iter().filter_map(|(number, line)| {
        let (name, value) = line.split_once('=')?;
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_name = !name.is_empty() && name.chars().all(word);
        is_name.then_some((number, line, name, value))
    })
}

/// Every assignment of these files that `known` does not account for already.
pub(super) fn variables(tree: &Tree, known: &[CommandLine]) -> Vec<Variable> {
    let mut found = Vec::new();
    let paths = VARIABLES.iter().map(|(path, _)| *path);
    for path in paths.chain(BESIDE.iter().copied()) {
        let text = tree.text(path).unwrap_or_default();
        let mut later = BTreeSet::new();
        let mut here = Vec::new();
        for (line, text, name, value) in assignments(&text).rev() {
            let overridden = !later.insert(name);
            let told = |known: &CommandLine| known.path == path && known.line == line;
            if known.iter().any(told) {
                continue;
            }
            here.push(Variable {
                path: path.to_owned(),
                line,
                text: text.to_owned(),
                name: name.to_owned(),
                value: shell_words(value).join(" "),
                overridden,
            });
        }
        here.reverse();
        found.extend(here);
    }
    found
}

/// The line that has Debian's service not use the configuration that DHCP made.
pub(super) fn ignore_dhcp(tree: &Tree) -> Option<CommandLine> {
    ["/etc/default/ntpsec", "/etc/default/ntp"]
        .iter()
        .find_map(|path| {
            let text = tree.text(path)?;
            let line = (1..).zip(text.lines()).filter_map(|(number, line)| {
                let value = line.trim().strip_prefix("IGNORE_DHCP=")?;
                Some((number, line.trim(), shell_words(value)))
            });
            let (line, text, words) = line.last()?;
            (words.first().map(String::as_str) == Some("yes")).then(|| CommandLine {
                path: (*path).to_owned(),
                line,
                text: text.to_owned(),
                words: Vec::new(),
            })
        })
}

/// The file of a unit; one that is masked is none.
fn unit(tree: &Tree, name: &str) -> Option<String> {
    UNIT_DIRS
        .iter()
        .map(|dir| format!("{dir}/{name}.service"))
        .find(|path| tree.has(path))
        .filter(|path| tree.text(path).is_some_and(|text| !text.is_empty()))
}

/// The `ExecStart=` of a unit that counts, its drop-ins read, if it starts ntpd with options.
fn started(tree: &Tree, name: &str, path: String) -> Option<CommandLine> {
    let mut files = vec![path];
    let mut drop_ins = Vec::new();
    for dir in UNIT_DIRS {
        let dir = format!("{dir}/{name}.service.d");
        for file in tree.list(&dir).unwrap_or_default() {
            // A file in a directory that counts more hides one of the same name.
            let known = drop_ins.iter().any(|(name, _)| *name == file);
            if file.ends_with(".conf") && !known {
                drop_ins.push((file.clone(), format!("{dir}/{file}")));
            }
        }
    }
    drop_ins.sort();
    files.extend(drop_ins.into_iter().map(|(_, path)| path));
    let mut last = None;
    for path in files {
        for (number, line) in logical_lines(&tree.text(&path).unwrap_or_default()) {
            if let Some(value) = line.strip_prefix("ExecStart=") {
                let words = shell_words(value.trim_start_matches(['-', '@', ':', '+', '!']));
                last = Some(CommandLine {
                    path: path.clone(),
                    line: number,
                    text: line.clone(),
                    words,
                });
            }
        }
    }
    let mut line = last?;
    let program = line.words.first()?;
    if program.rsplit('/').next() != Some("ntpd") {
        return None;
    }
    line.words.remove(0);
    line.words.retain(|word| !word.starts_with('$'));
    (!line.words.is_empty()).then_some(line)
}

/// The lines of a unit with the number of their first one; a backslash at the end goes on.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in (1..).zip(text.lines()) {
        let (part, more) = match line.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        match lines.last_mut().filter(|_| open) {
            Some((_, known)) => {
                known.push(' ');
                known.push_str(part.trim());
            }
            None => lines.push((number, part.trim().to_owned())),
        }
        open = more;
    }
    lines
}

/// Words of a shell assignment; quotes group, nothing is expanded.
fn shell_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (c, quote) {
            ('#', None) if word.is_none() => break,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_with(String::new);
            }
            (c, Some(open)) if c == open => quote = None,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_with(String::new).push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys;
    use std::path::Path;

    #[test]
    fn shell_words_are_grouped_by_quotes() {
        assert_eq!(shell_words("\"-g -N\" # x"), ["-g -N"]);
        assert_eq!(
            shell_words("-u 'ntp:ntp' a\"b c\"d"),
            ["-u", "ntp:ntp", "ab cd"]
        );
        assert!(shell_words("").is_empty());
    }

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        sys::files::make_parents(&path).unwrap();
        sys::files::replace(&path, text.as_bytes(), 0o644).unwrap();
    }

    #[test]
    fn drop_ins_count_more_than_the_unit_and_an_alias_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        put(
            root,
            "usr/lib/systemd/system/ntpd.service",
            "[Service]\nExecStart=/usr/sbin/ntpd -u ntp:ntp $OPTIONS\n",
        );
        std::os::unix::fs::symlink(
            "/usr/lib/systemd/system/ntpd.service",
            root.join("usr/lib/systemd/system/ntp.service"),
        )
        .unwrap();
        let tree = Tree::new(root);
        let found = command_lines(&tree);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].words, ["-u", "ntp:ntp"]);
        put(
            root,
            "etc/systemd/system/ntpd.service.d/slew.conf",
            "[Service]\nExecStart=\nExecStart=-/usr/sbin/ntpd -x \\\n  -4 $OPTIONS\n",
        );
        let found = command_lines(&tree);
        assert_eq!(found[0].words, ["-x", "-4"], "{found:?}");
        assert_eq!(
            (found[0].path.as_str(), found[0].line),
            ("/etc/systemd/system/ntpd.service.d/slew.conf", 3)
        );
    }

    #[test]
    fn variables_of_every_distribution_are_read() {
        let dir = tempfile::tempdir().unwrap();
        put(
            dir.path(),
            "etc/sysconfig/ntp",
            "NTPD_OPTIONS=\"-g -u ntp:ntp\"\n",
        );
        put(
            dir.path(),
            "etc/default/ntpsec",
            "IGNORE_DHCP=no\nIGNORE_DHCP=\"yes\"\n",
        );
        let tree = Tree::new(dir.path());
        assert_eq!(command_lines(&tree)[0].words, ["-g", "-u", "ntp:ntp"]);
        assert_eq!(ignore_dhcp(&tree).unwrap().line, 2);
    }

    #[test]
    fn what_else_a_file_sets_is_found_and_what_counts_no_more_is_marked() {
        let dir = tempfile::tempdir().unwrap();
        let text = "# for ntpd\nOPTIONS=\"-g\"\nSYNC_HWCLOCK=yes\nexport OPTIONS='-x'\nif [ a = b ]; then\nSYNC_HWCLOCK=\"no\" # never\n";
        put(dir.path(), "etc/sysconfig/ntpd", text);
        put(dir.path(), "etc/sysconfig/ntpdate", "RETRIES=2\n");
        let tree = Tree::new(dir.path());
        let known = command_lines(&tree);
        assert_eq!(
            (known[0].line, known[0].words.join(" ")),
            (4, "-x".to_owned())
        );
        let found = variables(&tree, &known);
        let said: Vec<_> = found
            .iter()
            .map(|v| (v.line, v.name.as_str(), v.value.as_str(), v.overridden))
            .collect();
        assert_eq!(
            said,
            [
                (2, "OPTIONS", "-g", true),
                (3, "SYNC_HWCLOCK", "yes", true),
                (6, "SYNC_HWCLOCK", "no", false),
                (1, "RETRIES", "2", false),
            ]
        );
    }
}
