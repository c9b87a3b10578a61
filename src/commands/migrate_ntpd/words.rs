//! The account of a conversion in words for clockbox's own daemon: the conversion itself speaks of
//! chronyd, which reads the same configuration.

use crate::conf::convert::Conversion;

/// What is otherwise with clockbox's daemon, before names are put in place.
const OTHERWISE: &[(&str, &str)] = &[
    ("; start it with -l FILE for a file", ""),
    ("use nts or key", "use key"),
    ("; sources with nts are authenticated", ""),
    (
        "chronyd -q does the same, or clockbox sync",
        "clockbox sync does the same",
    ),
    ("see chronyd -x", "see clockbox serve --no-clock-control"),
    (
        "signing needs a chronyd built with it and ntpsigndsocket",
        "clockbox does not sign for Samba",
    ),
    ("chrony.conf has", "clockbox.conf has"),
    ("chrony.conf cannot", "clockbox.conf cannot"),
    ("a chrony that is", "a clockbox that is"),
];

/// Has every reason, warning and comment speak of clockbox.
pub(super) fn own(conversion: &mut Conversion) {
    for record in &mut conversion.records {
        record.reason = of_clockbox(&record.reason);
    }
    for warning in &mut conversion.warnings {
        *warning = of_clockbox(warning);
    }
    let why = conversion.refusal.take();
    conversion.refusal = why.map(|why| of_clockbox(&why));
    let lines = conversion.conf.split_inclusive('\n');
    conversion.conf = lines
        .map(|line| match line.starts_with("# lost: ") {
            true => of_clockbox(line),
            false => line.to_owned(),
        })
        .collect();
    let keys = conversion.keys.take();
    conversion.keys = keys.map(|keys| {
        keys.replace(
            "# Keys for chronyd, as ID TYPE KEY; see chrony.keys(5).\n",
            "# Keys for clockbox, as ID TYPE KEY.\n",
        )
    });
}

fn of_clockbox(text: &str) -> String {
    let mut text = text.to_owned();
    for (chrony, own) in OTHERWISE {
        text = text.replace(chrony, own);
    }
    // A version that is named, a path and chronyc stay.
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("chrony") {
        let (before, from) = rest.split_at(at);
        let name = match from.strip_prefix("chronyd") {
            Some(_) => "chronyd",
            None => "chrony",
        };
        let after = from.get(name.len()..).unwrap_or_default();
        let inside = |c: char| c.is_alphanumeric() || "/-_".contains(c);
        let second = |is: fn(char) -> bool| after.chars().nth(1).is_some_and(is);
        let file = after.starts_with('.') && second(|c| c.is_alphanumeric());
        let version = after.starts_with(' ') && second(|c| c.is_ascii_digit());
        let within = after.starts_with(inside) || before.ends_with(inside);
        let ends = !(within || file || version);
        out.push_str(before);
        out.push_str(if ends { "clockbox" } else { name });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_put_in_place_and_what_only_looks_like_one_stays() {
        for (chrony, own) in [
            (
                "chronyd serves nobody until",
                "clockbox serves nobody until",
            ),
            ("with chrony's logs.", "with clockbox's logs."),
            ("chronyc waitsync waits", "chronyc waitsync waits"),
            ("dscp needs chrony 4.6, this", "dscp needs chrony 4.6, this"),
            (
                "/var/lib/chrony/drift, chrony.keys",
                "/var/lib/chrony/drift, chrony.keys",
            ),
            (
                "chrony has no Autokey: the source is not authenticated any more; use nts or key",
                "clockbox has no Autokey: the source is not authenticated any more; use key",
            ),
            ("", ""),
            ("in chrony", "in clockbox"),
        ] {
            assert_eq!(of_clockbox(chrony), own);
        }
    }
}
