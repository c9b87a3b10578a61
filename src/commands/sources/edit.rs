//! Editing the sources of a configuration: what is replaced is commented out, new lines stand where
//! the old ones stood, the rest stays byte for byte. Pure: text in, text out.

use std::collections::BTreeSet;

/// How the lines of a configuration look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// chrony.conf, ntp.conf: a line a source.
    Lines,
    /// timesyncd.conf: one `NTP=` in the section `[Time]`.
    Timesyncd,
}

/// What is to happen to one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Numbers of the lines, from one, that are commented out.
    pub comment_out: BTreeSet<usize>,
    /// Lines that are put in, without line ends.
    pub insert: Vec<String>,
    /// After which line (0: at the beginning); `None`: after the last that is commented out, else
    /// at the end.
    pub after: Option<usize>,
}

/// The new text of a file.
#[must_use]
pub fn apply(text: &str, change: &Change, form: Form) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let last = change.comment_out.iter().max().copied();
    let after = change.after.or(last).unwrap_or(lines.len());
    let mut out = String::with_capacity(text.len() + 256);
    let put = |out: &mut String| {
        if change.insert.is_empty() {
            return;
        }
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        let has_section = lines.iter().any(|line| line.trim() == "[Time]");
        if form == Form::Timesyncd && !has_section {
            out.push_str("[Time]\n");
        }
        for line in &change.insert {
            out.push_str(line);
            out.push('\n');
        }
    };
    if after == 0 {
        put(&mut out);
    }
    for (index, line) in lines.iter().enumerate() {
        if change.comment_out.contains(&(index + 1)) {
            out.push('#');
        }
        out.push_str(line);
        if index + 1 == after {
            put(&mut out);
        }
    }
    if lines.is_empty() && after != 0 {
        put(&mut out);
    }
    out
}

/// The line after which the first `NTP=` of a timesyncd.conf goes: the section's head; `None`
/// where there is no section yet.
#[must_use]
pub fn time_section(text: &str) -> Option<usize> {
    text.lines()
        .position(|line| line.trim() == "[Time]")
        .map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHRONY: &str = "# Debian\npool 2.debian.pool.ntp.org iburst\n\nkeyfile /etc/chrony/chrony.keys\nmakestep 1 3";

    #[test]
    fn new_lines_stand_where_the_old_ones_stood_and_the_rest_is_untouched() {
        let change = Change {
            comment_out: [2].into(),
            insert: vec!["server a iburst".to_owned(), "server b iburst".to_owned()],
            after: None,
        };
        assert_eq!(
            apply(CHRONY, &change, Form::Lines),
            "# Debian\n#pool 2.debian.pool.ntp.org iburst\nserver a iburst\nserver b iburst\n\n\
             keyfile /etc/chrony/chrony.keys\nmakestep 1 3"
        );
    }

    #[test]
    fn a_file_without_a_line_end_or_without_lines_gets_whole_lines() {
        let change = Change {
            insert: vec!["server a".to_owned()],
            ..Change::default()
        };
        assert_eq!(apply("x", &change, Form::Lines), "x\nserver a\n");
        assert_eq!(apply("", &change, Form::Lines), "server a\n");
        let ntp = Change {
            insert: vec!["NTP=a".to_owned()],
            ..Change::default()
        };
        assert_eq!(apply("", &ntp, Form::Timesyncd), "[Time]\nNTP=a\n");
    }

    #[test]
    fn timesyncd_gets_its_line_in_its_section() {
        let text = "[Time]\n#NTP=\nFallbackNTP=x\n";
        let change = Change {
            insert: vec!["NTP=a b".to_owned()],
            after: time_section(text),
            ..Change::default()
        };
        assert_eq!(
            apply(text, &change, Form::Timesyncd),
            "[Time]\nNTP=a b\n#NTP=\nFallbackNTP=x\n"
        );
    }

    #[test]
    fn nothing_to_do_changes_nothing() {
        assert_eq!(apply(CHRONY, &Change::default(), Form::Lines), CHRONY);
    }
}
