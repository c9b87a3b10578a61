//! Numbers and words for people: seconds scaled to ns, µs, ms, s; wrapping; colour.

/// Seconds with a unit that suits their size and three significant digits: `12.3 ms`, `-350 s`.
#[must_use]
pub fn seconds(value: f64) -> String {
    let size = value.abs();
    let (scaled, unit) = if !value.is_finite() {
        return "unknown".to_owned();
    } else if size == 0.0 {
        return "0 s".to_owned();
    } else if size < 999.5e-9 {
        (value * 1e9, "ns")
    } else if size < 999.5e-6 {
        (value * 1e6, "µs")
    } else if size < 999.5e-3 {
        (value * 1e3, "ms")
    } else {
        (value, "s")
    };
    let digits = if scaled.abs() < 9.995 {
        2
    } else if scaled.abs() < 99.95 {
        1
    } else {
        0
    };
    format!("{scaled:.digits$} {unit}")
}

/// The same with a sign always: `+12.3 ms`. Positive: the local clock is behind.
#[must_use]
pub fn signed_seconds(value: f64) -> String {
    let text = seconds(value);
    if value > 0.0 {
        format!("+{text}")
    } else {
        text
    }
}

/// An optional value, `-` when unknown.
#[must_use]
pub fn or_dash<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), show)
}

/// An age or a span in whole seconds as people say it: `45 s`, `12 min`, `3 h`, `2 days`.
#[must_use]
pub fn age(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".to_owned();
    }
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} days", s / 86400.0),
    }
}

/// RFC 3339 in UTC with nanoseconds: `2026-11-21T06:48:45.000000000Z`.
#[must_use]
pub fn rfc3339(unix_seconds: i64, nanos: u32) -> String {
    chrono::DateTime::from_timestamp(unix_seconds, nanos).map_or_else(
        || format!("@{unix_seconds}.{nanos:09}"),
        |time| time.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true),
    )
}

/// The text in a colour (an SGR number), when colour is wanted.
#[must_use]
pub fn paint(text: &str, sgr: &str, color: bool) -> String {
    if color {
        format!("\x1b[{sgr}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// The text without what would steer a terminal: control characters but line breaks, and those that
/// turn the direction of writing, become `?`. For words that came from elsewhere.
#[must_use]
pub fn plain(text: &str) -> String {
    let steers = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| if steers(c) { '?' } else { c })
        .collect()
}

/// A page without what would steer a terminal further than to a colour: of escape sequences only
/// those that paint (`ESC [ … m`) stay. Files and servers say what they like.
#[must_use]
pub fn harmless(page: &str) -> String {
    let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\r');
    if !page.contains(steers) {
        return page.to_owned();
    }
    let mut out = String::with_capacity(page.len());
    let mut rest = page;
    while let Some(c) = rest.chars().next() {
        let sequence = rest.strip_prefix("\u{1b}[").and_then(|after| {
            let end = after.find(|c: char| !c.is_ascii_digit() && c != ';')?;
            after.get(end..)?.starts_with('m').then_some(end + 3)
        });
        let length = sequence.unwrap_or(c.len_utf8());
        match sequence {
            Some(_) => out.push_str(rest.get(..length).unwrap_or_default()),
            None => out.push(if steers(c) { '?' } else { c }),
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    out
}

/// The text broken at spaces to fit the width, continuation lines indented; the first line is
/// taken to begin at column `indent`. Without a width it stays as it is.
#[must_use]
pub fn wrap(text: &str, width: Option<u16>, indent: usize) -> String {
    let Some(width) = width else {
        return text.to_owned();
    };
    let room = usize::from(width).max(indent + 20);
    let mut out = String::new();
    let mut column = indent;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > indent && column + 1 + length > room {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else if column > indent {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_take_the_unit_that_suits() {
        let shown: Vec<String> = [0.0, 1.2e-8, 9.996e-6, 0.0123, -350.1, 0.9999]
            .into_iter()
            .map(seconds)
            .collect();
        assert_eq!(
            shown,
            ["0 s", "12.0 ns", "10.0 µs", "12.3 ms", "-350 s", "1.00 s"]
        );
        assert_eq!(signed_seconds(0.001), "+1.00 ms");
    }

    #[test]
    fn words_from_elsewhere_do_not_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\u{202e}\nc"), "a?[31mb?\nc");
    }

    #[test]
    fn of_escape_sequences_only_colours_stay_on_a_page() {
        let page = "\u{1b}[31mred\u{1b}[0m \u{1b}[2J\u{7}é\u{1b}]0;t\n";
        assert_eq!(harmless(page), "\u{1b}[31mred\u{1b}[0m ?[2J?é?]0;t\n");
    }

    #[test]
    fn long_text_breaks_at_spaces_under_its_beginning() {
        assert_eq!(
            wrap("one two three four five", Some(25), 4),
            "one two three four\n    five"
        );
        assert_eq!(wrap("one two", None, 4), "one two");
    }

    #[test]
    fn points_in_time_are_rfc_3339() {
        assert_eq!(rfc3339(1_795_243_725, 5), "2026-11-21T06:48:45.000000005Z");
    }
}
