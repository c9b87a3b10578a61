//! Files of shell assignments: /etc/sysconfig/clock, /etc/rc.conf, /etc/profile.d/timezone.sh,
//! /etc/environment. One value is read or changed; comments, quotes and all other lines stay.

/// An assignment's value in a line: where it stands, and the quote around it.
struct Found<'a> {
    /// Octets of the line before the value, its opening quote included.
    head: &'a str,
    value: &'a str,
    /// From the closing quote on.
    tail: &'a str,
}

/// The value that a shell would see: the last assignment outside comments; quotes removed.
#[must_use]
pub fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let found = text
        .lines()
        .filter_map(|line| assignment(line, key))
        .next_back();
    found.map(|found| found.value)
}

/// The text with every assignment of `key` changed to `new`, since some readers take the first and
/// some the last; `None` when there is none. Quotes stay as they are.
#[must_use]
pub fn with_value(text: &str, key: &str, new: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len() + new.len());
    let mut any = false;
    for line in text.split_inclusive('\n') {
        if let Some(found) = assignment(line, key) {
            any = true;
            out.push_str(found.head);
            out.push_str(new);
            out.push_str(found.tail);
        } else {
            out.push_str(line);
        }
    }
    any.then_some(out)
}

/// The text with `key="new"` as a further line: after a comment that shows the key, where there is
/// one, else at the end.
#[must_use]
pub fn with_added(text: &str, key: &str, new: &str) -> String {
    let line = format!("{key}=\"{new}\"\n");
    let shown = |l: &str| {
        let bare = l.trim_start();
        bare.starts_with('#') && assignment(bare.trim_start_matches('#'), key).is_some()
    };
    let mut out = String::with_capacity(text.len() + line.len());
    let mut added = false;
    for old in text.split_inclusive('\n') {
        out.push_str(old);
        if !added && shown(old) && old.ends_with('\n') {
            out.push_str(&line);
            added = true;
        }
    }
    if !added {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&line);
    }
    out
}

fn assignment<'a>(line: &'a str, key: &str) -> Option<Found<'a>> {
    let bare = line.trim_start();
    let bare = bare.strip_prefix("export ").map_or(bare, str::trim_start);
    let rest = bare.strip_prefix(key)?.strip_prefix('=')?;
    let (quote, inside) = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => (Some(quote), rest.get(1..)?),
        _ => (None, rest),
    };
    let end = match quote {
        Some(quote) => inside.find(quote)?,
        None => inside
            .find(|c: char| c.is_whitespace() || c == ';' || c == '#')
            .unwrap_or(inside.len()),
    };
    let (value, tail) = inside.split_at_checked(end)?;
    let head = line.get(..line.len() - inside.len())?;
    Some(Found { head, value, tail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_story_keeps_comment_and_utc() {
        let old = "#ZONE=\"UTC\"\nZONE=\"UTC\"\nUTC=true\n";
        let new = "#ZONE=\"UTC\"\nZONE=\"Japan\"\nUTC=true\n";
        assert_eq!(with_value(old, "ZONE", "Japan").unwrap(), new);
        assert_eq!(value(new, "ZONE"), Some("Japan"));
        assert_eq!(value(new, "UTC"), Some("true"));
    }

    #[test]
    fn quotes_indent_export_and_comments_behind_stay() {
        for (old, new) in [
            ("ZONE=UTC", "ZONE=Japan"),
            ("  ZONE='UTC' # ours\r\n", "  ZONE='Japan' # ours\r\n"),
            ("export ZONE=UTC;date\n", "export ZONE=Japan;date\n"),
            ("ZONE=\n", "ZONE=Japan\n"),
            ("ZONE=\"\"", "ZONE=\"Japan\""),
            ("ZONE=A\nZONE=B\n", "ZONE=Japan\nZONE=Japan\n"),
        ] {
            assert_eq!(
                with_value(old, "ZONE", "Japan").as_deref(),
                Some(new),
                "{old}"
            );
        }
        for text in [
            "TIMEZONE=UTC",
            "# ZONE=UTC",
            "ZONE =UTC",
            "ZONEX=UTC",
            "ZONE=\"open",
        ] {
            assert_eq!(with_value(text, "ZONE", "Japan"), None, "{text}");
        }
    }

    #[test]
    fn a_missing_key_goes_after_its_comment_or_to_the_end() {
        assert_eq!(
            with_added(
                "# TIMEZONE=\"Europe/Madrid\"\nKEYMAP=us\n",
                "TIMEZONE",
                "Japan"
            ),
            "# TIMEZONE=\"Europe/Madrid\"\nTIMEZONE=\"Japan\"\nKEYMAP=us\n"
        );
        assert_eq!(
            with_added("UTC=true", "ZONE", "Japan"),
            "UTC=true\nZONE=\"Japan\"\n"
        );
        assert_eq!(with_added("", "ZONE", "Japan"), "ZONE=\"Japan\"\n");
    }
}
