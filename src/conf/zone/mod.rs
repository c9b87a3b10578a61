//! The places where a distribution keeps a machine's zone, as text: names, the database's tables,
//! and editors that change one value and leave every other octet as it is.

pub mod adjtime;
pub mod assignment;
pub mod built_in;
pub mod letters;
pub mod name;
pub mod os;
pub mod suggest;
pub mod table;
pub mod uci;

/// Bytes as characters of the same numbers, so that a file in any encoding can be edited as text
/// and comes back octet for octet from [`to_bytes`].
#[must_use]
pub fn to_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The way back from [`to_text`]. A character that no byte stands for becomes `?`.
#[must_use]
pub fn to_bytes(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect()
}

/// The zone's name in /etc/timezone: the first line that is neither empty nor a comment.
#[must_use]
pub fn plain_name(text: &str) -> Option<&str> {
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))
}

/// /etc/timezone with another name in it; comments stay.
#[must_use]
pub fn with_plain_name(text: &str, name: &str) -> String {
    let Some(old) = plain_name(text) else {
        let gap = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        return format!("{text}{gap}{name}\n");
    };
    let begin = old.as_ptr().addr() - text.as_ptr().addr();
    let (head, tail) = text.split_at_checked(begin).unwrap_or((text, ""));
    let rest = tail.strip_prefix(old).unwrap_or_default();
    format!("{head}{name}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_file_keeps_comments_and_its_missing_newline() {
        assert_eq!(with_plain_name("Etc/UTC\n", "Japan"), "Japan\n");
        assert_eq!(with_plain_name("Etc/UTC", "Japan"), "Japan");
        assert_eq!(with_plain_name("", "Japan"), "Japan\n");
        assert_eq!(
            with_plain_name("# zone\n UTC \n#x\n", "Japan"),
            "# zone\n Japan \n#x\n"
        );
        assert_eq!(plain_name("\n# a\nAsia/Tokyo\n"), Some("Asia/Tokyo"));
    }

    #[test]
    fn any_bytes_come_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(to_bytes(&to_text(&all)), all);
    }
}
