//! Which zone was probably meant: another case, the city alone, a country, or a slip of the finger.

use super::table::Row;
use crate::conf::near;
use std::collections::BTreeMap;

/// At most this many names are suggested.
const MOST: usize = 5;

/// The names that `word` may have meant, the likeliest first. `known` are all names; `rows` and
/// `countries` may be empty.
#[must_use]
pub fn suggest(
    word: &str,
    known: &[String],
    rows: &[Row],
    countries: &BTreeMap<String, String>,
) -> Vec<String> {
    let wanted = plain(word);
    let mut ranked: Vec<(usize, &str)> = Vec::new();
    if wanted.is_empty() || wanted.len() > 64 {
        return Vec::new();
    }
    let country = |code: &str| {
        countries
            .get(code)
            .is_some_and(|name| plain(name) == wanted)
    };
    for name in known {
        let simple = plain(name);
        let city = simple.rsplit('/').next().unwrap_or(&simple);
        let wanted_city = wanted.rsplit('/').next().unwrap_or(&wanted);
        let whole = near::distance(&wanted, &simple);
        let part = near::distance(wanted_city, city);
        let room = |a: &str, b: &str| (a.len().max(b.len()) / 3).max(1);
        if simple == wanted {
            ranked.push((0, name));
        } else if city == wanted {
            ranked.push((1, name));
        } else if city == wanted_city && city.len() > 2 {
            ranked.push((3, name));
        } else if whole <= 3 && whole <= room(&wanted, &simple) {
            ranked.push((3 + whole, name));
        } else if part <= 2 && part <= room(wanted_city, city) && city.len() > 3 {
            ranked.push((4 + part, name));
        } else if wanted.len() > 3
            && simple
                .split('/')
                .any(|part| part.starts_with(wanted.as_str()))
        {
            ranked.push((7, name));
        }
    }
    for row in rows
        .iter()
        .filter(|row| row.countries.iter().any(|code| country(code)))
    {
        ranked.push((2, &row.name));
    }
    for row in rows
        .iter()
        .filter(|row| row.countries.iter().any(|code| *code == word))
    {
        ranked.push((2, &row.name));
    }
    // A good answer makes the poor ones noise.
    ranked.sort_by_key(|(rank, name)| (*rank, known_index(known, name)));
    let best = ranked.first().map_or(0, |(rank, _)| *rank);
    let mut names: Vec<String> = Vec::new();
    for (rank, name) in ranked {
        let near = rank <= best + 2 || best >= 2;
        if near && names.len() < MOST && !names.iter().any(|n| n == name) {
            names.push(name.to_owned());
        }
    }
    names
}

fn known_index(known: &[String], name: &str) -> usize {
    known.iter().position(|k| k == name).unwrap_or(usize::MAX)
}

/// Lower case, with one form of what separates words.
fn plain(name: &str) -> String {
    let lower = name.trim().to_lowercase();
    lower
        .chars()
        .map(|c| if c == ' ' || c == '-' { '_' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(word: &str) -> Vec<String> {
        let known: Vec<String> = crate::conf::zone::built_in::all()
            .map(|zone| zone.name.to_owned())
            .collect();
        let rows = [
            Row {
                countries: vec!["DE".into()],
                name: "Europe/Berlin".into(),
            },
            Row {
                countries: vec!["JP".into()],
                name: "Asia/Tokyo".into(),
            },
        ];
        let countries = BTreeMap::from([
            ("DE".to_owned(), "Germany".to_owned()),
            ("JP".to_owned(), "Japan".to_owned()),
        ]);
        suggest(word, &known, &rows, &countries)
    }

    #[test]
    fn the_likeliest_name_comes_first() {
        for (word, want) in [
            ("japan", "Japan"),
            ("Asia/Tokio", "Asia/Tokyo"),
            ("tokyo", "Asia/Tokyo"),
            ("Tokio", "Asia/Tokyo"),
            ("asia/tokyo", "Asia/Tokyo"),
            ("Europe/Tokyo", "Asia/Tokyo"),
            ("new york", "America/New_York"),
            ("Germany", "Europe/Berlin"),
            ("DE", "Europe/Berlin"),
            ("utc", "UTC"),
            ("Europe/Kyvi", "Europe/Kyiv"),
            ("Asia/Calcuta", "Asia/Calcutta"),
            ("buenos aires", "America/Argentina/Buenos_Aires"),
            ("US/Pacfic", "US/Pacific"),
        ] {
            assert_eq!(
                near(word).first().map(String::as_str),
                Some(want),
                "{word}: {:?}",
                near(word)
            );
            assert!(near(word).len() <= MOST);
        }
    }

    #[test]
    fn nonsense_suggests_nothing() {
        for word in ["", "xyzzyplugh", "JST-9JDT", &"a".repeat(100), "日本"] {
            assert_eq!(near(word), Vec::<String>::new(), "{word}");
        }
    }
}
