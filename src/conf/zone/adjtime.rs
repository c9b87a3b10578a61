//! /etc/adjtime, adjtime_config(5): the third line says whether the battery-backed clock keeps UTC
//! or local time.

/// What the battery-backed clock keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rtc {
    /// UTC.
    Utc,
    /// The zone's local time.
    Local,
}

/// What the file says; `None` when it does not.
#[must_use]
pub fn mode(text: &str) -> Option<Rtc> {
    match text.lines().nth(2)?.trim() {
        "UTC" => Some(Rtc::Utc),
        "LOCAL" => Some(Rtc::Local),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_line_decides() {
        assert_eq!(mode("0.0 0 0.0\n0\nLOCAL\n"), Some(Rtc::Local));
        assert_eq!(mode("0.0 0 0.0\n0\nUTC\n"), Some(Rtc::Utc));
        assert_eq!(mode("0.0 0 0.0\n0\n"), None);
        assert_eq!(mode(""), None);
    }
}
