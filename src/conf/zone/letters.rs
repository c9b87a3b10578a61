//! The letters that people know a zone's clocks by, and the places they most often mean: the same
//! letters are shown in many zones, and the database has no order among them.

/// Letters and places, the likeliest first.
const PLACES: &[(&str, &[&str])] = &[
    ("ACDT", &["Australia/Adelaide"]),
    ("ACST", &["Australia/Adelaide", "Australia/Darwin"]),
    ("ADT", &["America/Halifax"]),
    ("AEDT", &["Australia/Sydney", "Australia/Melbourne"]),
    ("AEST", &["Australia/Sydney", "Australia/Brisbane"]),
    ("AKDT", &["America/Anchorage"]),
    ("AKST", &["America/Anchorage"]),
    ("ART", &["America/Argentina/Buenos_Aires"]),
    ("AST", &["America/Halifax", "America/Puerto_Rico"]),
    ("AWST", &["Australia/Perth"]),
    ("BRT", &["America/Sao_Paulo"]),
    ("BST", &["Europe/London"]),
    ("CAT", &["Africa/Maputo"]),
    ("CDT", &["America/Chicago"]),
    ("CEST", &["Europe/Berlin", "Europe/Paris", "Europe/Madrid"]),
    ("CET", &["Europe/Berlin", "Europe/Paris", "Europe/Madrid"]),
    (
        "CST",
        &["America/Chicago", "Asia/Shanghai", "America/Mexico_City"],
    ),
    ("EAT", &["Africa/Nairobi"]),
    ("EDT", &["America/New_York", "America/Toronto"]),
    ("EEST", &["Europe/Athens", "Europe/Helsinki", "Europe/Kyiv"]),
    ("EET", &["Europe/Athens", "Europe/Helsinki", "Europe/Kyiv"]),
    ("EST", &["America/New_York", "America/Toronto"]),
    ("GST", &["Asia/Dubai"]),
    ("HKT", &["Asia/Hong_Kong"]),
    ("HST", &["Pacific/Honolulu"]),
    ("ICT", &["Asia/Bangkok"]),
    ("IST", &["Asia/Kolkata", "Europe/Dublin", "Asia/Jerusalem"]),
    ("JST", &["Asia/Tokyo"]),
    ("KST", &["Asia/Seoul"]),
    ("MDT", &["America/Denver"]),
    ("MSK", &["Europe/Moscow"]),
    ("MST", &["America/Denver", "America/Phoenix"]),
    ("NDT", &["America/St_Johns"]),
    ("NST", &["America/St_Johns"]),
    ("NZDT", &["Pacific/Auckland"]),
    ("NZST", &["Pacific/Auckland"]),
    ("PDT", &["America/Los_Angeles", "America/Vancouver"]),
    ("PHT", &["Asia/Manila"]),
    ("PKT", &["Asia/Karachi"]),
    (
        "PST",
        &["America/Los_Angeles", "America/Vancouver", "Asia/Manila"],
    ),
    ("SAST", &["Africa/Johannesburg"]),
    ("SGT", &["Asia/Singapore"]),
    ("WAT", &["Africa/Lagos"]),
    ("WEST", &["Europe/Lisbon"]),
    ("WET", &["Europe/Lisbon"]),
    ("WIB", &["Asia/Jakarta"]),
];

/// The places that are most often meant by these letters, in any case; none for others.
#[must_use]
pub fn places(letters: &str) -> &'static [&'static str] {
    let known = PLACES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(letters));
    known.map_or(&[], |(_, places)| places)
}

/// A zone of letters that never has daylight saving, and the place whose clocks show these letters
/// in winter only: who sets `EST` mostly means New York.
#[must_use]
pub fn without_summer(zone: &str) -> Option<&'static str> {
    match zone {
        "EST" => Some("America/New_York"),
        "MST" => Some("America/Denver"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::zone::built_in;

    #[test]
    fn every_place_is_a_zone_and_stands_once() {
        for (letters, places) in PLACES {
            for place in *places {
                assert!(built_in::is_known(place), "{letters}: {place}");
            }
        }
        assert!(PLACES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn letters_mean_the_place_that_most_people_mean() {
        assert_eq!(places("pst")[0], "America/Los_Angeles");
        assert_eq!(places("IST")[0], "Asia/Kolkata");
        assert_eq!(places("XYZ"), [""; 0]);
        assert_eq!(without_summer("EST"), Some("America/New_York"));
        assert_eq!(without_summer("HST"), None);
    }
}
