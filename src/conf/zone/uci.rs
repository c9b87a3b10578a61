//! OpenWrt's /etc/config/system: `option NAME 'VALUE'` lines of the first `config system` section.

/// The option's value in the first section of that type.
#[must_use]
pub fn value<'a>(text: &'a str, section: &str, name: &str) -> Option<&'a str> {
    let mut inside = false;
    for line in text.lines() {
        if let Some(kind) = config(line) {
            if inside {
                return None;
            }
            inside = kind == section;
        } else if inside && let Some((_, value, _)) = option(line, name) {
            return Some(value);
        }
    }
    None
}

/// The text with the option set in the first section of that type, as a further line where it is
/// missing; `None` when there is no such section.
#[must_use]
pub fn with_value(text: &str, section: &str, name: &str, new: &str) -> Option<String> {
    let missing = value(text, section, name).is_none();
    let mut out = String::with_capacity(text.len() + new.len());
    let (mut inside, mut done) = (false, false);
    for line in text.split_inclusive('\n') {
        let kind = config(line);
        if let Some(kind) = kind {
            inside = !done && kind == section;
        }
        let body = line.trim_end_matches(['\n', '\r']);
        let ending = line.strip_prefix(body).unwrap_or_default();
        match option(body, name).filter(|_| inside && !done) {
            Some((head, _, tail)) => {
                out.push_str(&format!("{head}'{new}'{tail}{ending}"));
                done = true;
            }
            None => out.push_str(line),
        }
        if inside && missing && kind.is_some() {
            if !line.ends_with('\n') {
                out.push('\n');
            }
            out.push_str(&format!("\toption {name} '{new}'\n"));
            done = true;
        }
    }
    done.then_some(out)
}

/// The type of the section that this line begins.
fn config(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("config")?;
    let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
    let kind = rest.split_whitespace().next()?;
    Some(kind.trim_matches(['\'', '"']))
}

/// What stands before the value, the value without quotes, and what stands after.
fn option<'a>(line: &'a str, name: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let rest = line.trim_start().strip_prefix("option")?;
    let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
    let bare = rest.trim_start_matches(['\'', '"']).strip_prefix(name)?;
    let bare = bare.trim_start_matches(['\'', '"']);
    let value = bare.strip_prefix([' ', '\t'])?.trim_start();
    let head = line.get(..line.len() - value.len())?;
    let inner = match value.chars().next() {
        Some(quote @ ('\'' | '"')) => value.get(1..)?.split_once(quote),
        _ => None,
    };
    if let Some((inner, tail)) = inner {
        return Some((head, inner, tail));
    }
    let end = value.find(char::is_whitespace).unwrap_or(value.len());
    let (inner, tail) = value.split_at_checked(end)?;
    Some((head, inner, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEM: &str = "\nconfig system\n\toption hostname 'OpenWrt'\n\toption timezone 'UTC'\n\n\
        config timeserver 'ntp'\n\toption timezone 'not this'\n";

    #[test]
    fn only_the_system_section_is_read_and_changed() {
        assert_eq!(value(SYSTEM, "system", "timezone"), Some("UTC"));
        assert_eq!(value(SYSTEM, "system", "zonename"), None);
        let new = with_value(SYSTEM, "system", "timezone", "JST-9").unwrap();
        assert_eq!(new, SYSTEM.replace("'UTC'", "'JST-9'"));
        let new = with_value(&new, "system", "zonename", "Asia/Tokyo").unwrap();
        assert_eq!(value(&new, "system", "zonename"), Some("Asia/Tokyo"));
        assert_eq!(value(&new, "system", "hostname"), Some("OpenWrt"));
        assert!(new.ends_with("'not this'\n"));
        assert_eq!(
            with_value("config led\n", "system", "timezone", "UTC"),
            None
        );
    }

    #[test]
    fn an_option_without_a_value_gets_it_in_its_own_line() {
        let new = with_value(
            "config system\n\toption zonename \n",
            "system",
            "zonename",
            "UTC",
        );
        assert_eq!(new.unwrap(), "config system\n\toption zonename 'UTC'\n");
    }

    #[test]
    fn unquoted_values_and_names_are_read() {
        assert_eq!(
            value(
                "config 'system'\n option \"timezone\" JST-9 # x\n",
                "system",
                "timezone"
            ),
            Some("JST-9")
        );
    }
}
