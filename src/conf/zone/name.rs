//! Names of zones: what may be one, where one is in a path, and UTC offsets as people type them.

/// Why a word cannot be the name of a zone.
///
/// # Errors
/// A sentence with the reason: it is empty, leads out of the database, or has a character that no
/// zone's name has.
pub fn check(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > 255 {
        return Err("it is longer than 255 characters");
    }
    if name.starts_with('/') {
        return Err("it is a path: give the name below zoneinfo/, such as Asia/Tokyo");
    }
    if name
        .split('/')
        .any(|part| part.is_empty() || part == "." || part == "..")
    {
        return Err("it has an empty part, or . or .. as one");
    }
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/' | '.');
    if !name.chars().all(good) {
        return Err("it has a character that no zone's name has");
    }
    Ok(())
}

/// Why a file of the database is no zone to set, where it is none: names that stand for the zone
/// in force, or for a table.
#[must_use]
pub fn never_set(name: &str) -> Option<&'static str> {
    match name.rsplit('/').next() {
        Some("localtime") => Some("it stands for the zone in force, so it would point at itself"),
        Some("posixrules") => Some("it is the rules of POSIX zone strings, not a place's zone"),
        Some("Factory") => Some("it means that nobody has set a zone yet"),
        _ if name.starts_with("right/") => {
            Some("its clock counts leap seconds, which no system clock that follows UTC does")
        }
        _ => None,
    }
}

/// The zone's name in the target of a link: what follows `zoneinfo/`, and where that begins.
#[must_use]
pub fn in_path(path: &str) -> Option<(&str, &str)> {
    let at = path.rfind("zoneinfo/")?;
    let (directory, name) = path.split_at_checked(at + "zoneinfo/".len())?;
    let whole = directory == "zoneinfo/" || directory.ends_with("/zoneinfo/");
    (whole && check(name).is_ok()).then_some((directory, name))
}

/// Seconds east of UTC of `+09:00`, `+9`, `-0330`, `UTC+9`, `GMT-3`, `Z`.
#[must_use]
pub fn offset(text: &str) -> Option<i32> {
    let upper = text.to_ascii_uppercase();
    if upper == "Z" || upper == "+0" {
        return Some(0);
    }
    let rest = upper
        .strip_prefix("UTC")
        .or(upper.strip_prefix("GMT"))
        .unwrap_or(&upper);
    let rest = rest.trim_start();
    let (sign, digits) = match rest.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() > 2 => digits.split_at_checked(digits.len() - 2)?,
        None => (digits, "0"),
    };
    let part = |text: &str, max: i32| {
        let plain = !text.is_empty() && text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<i32>().ok().filter(|n| plain && *n <= max)
    };
    Some(sign * (part(hours, 15)? * 3600 + part(minutes, 59)? * 60))
}

/// The offset that a name such as `Etc/GMT+5` means: five hours *behind* UTC, since POSIX counts
/// west as positive.
#[must_use]
pub fn reversed_sign(name: &str) -> Option<i32> {
    let name = name.strip_prefix("Etc/").unwrap_or(name);
    let rest = name.strip_prefix("GMT")?;
    (rest.len() > 1)
        .then(|| offset(rest))
        .flatten()
        .map(|seconds| -seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_stand_for_something_else_are_never_set() {
        for name in [
            "localtime",
            "posix/localtime",
            "posixrules",
            "Factory",
            "right/UTC",
        ] {
            assert!(never_set(name).is_some(), "{name}");
        }
        for name in ["Japan", "Asia/Tokyo", "UTC", "posix/Asia/Tokyo"] {
            assert_eq!(never_set(name), None, "{name}");
        }
    }

    #[test]
    fn what_leads_out_of_the_database_is_refused() {
        for name in [
            "Japan",
            "Asia/Tokyo",
            "Etc/GMT+5",
            "America/Port-au-Prince",
            "posix/EST5EDT",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        for name in [
            "",
            "/etc/passwd",
            "../passwd",
            "Asia//Tokyo",
            "Asia/",
            "Asia/To kyo",
            "日本",
            "a\nb",
            "./UTC",
        ] {
            assert!(check(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_name_is_what_follows_zoneinfo() {
        assert_eq!(
            in_path("/usr/share/zoneinfo/Asia/Tokyo"),
            Some(("/usr/share/zoneinfo/", "Asia/Tokyo"))
        );
        assert_eq!(
            in_path("../usr/share/zoneinfo/UTC"),
            Some(("../usr/share/zoneinfo/", "UTC"))
        );
        assert_eq!(
            in_path("/nix/store/x-tzdata/share/zoneinfo/UTC").unwrap().1,
            "UTC"
        );
        assert_eq!(in_path("/tmp/localtime"), None);
        assert_eq!(in_path("/usr/share/myzoneinfo/UTC"), None);
    }

    #[test]
    fn offsets_are_read_as_people_type_them() {
        for (text, want) in [
            ("+09:00", Some(32_400)),
            ("+9", Some(32_400)),
            ("-0330", Some(-12_600)),
            ("UTC+9", Some(32_400)),
            ("gmt-3", Some(-10_800)),
            ("Z", Some(0)),
            ("+05:45", Some(20_700)),
            ("9", None),
            ("+", None),
            ("+9:99", None),
            ("+123456", None),
            ("Asia", None),
            ("", None),
            ("é", None),
        ] {
            assert_eq!(offset(text), want, "{text}");
        }
    }

    #[test]
    fn etc_gmt_plus_five_is_behind_utc() {
        assert_eq!(reversed_sign("Etc/GMT+5"), Some(-18_000));
        assert_eq!(reversed_sign("Etc/GMT-9"), Some(32_400));
        assert_eq!(reversed_sign("GMT"), None);
        assert_eq!(reversed_sign("Etc/GMT0"), None);
        assert_eq!(reversed_sign("Asia/Tokyo"), None);
    }
}
