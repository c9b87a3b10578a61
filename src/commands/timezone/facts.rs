//! What is known of zones: from the machine's database, else from the built-in list.

use crate::conf::tzif;
use crate::conf::tzif::Zone;
use crate::conf::zone::built_in;
use crate::conf::zone::built_in::BuiltIn;
use crate::conf::zone::letters;
use crate::conf::zone::name;
use crate::conf::zone::suggest;
use crate::conf::zone::table;
use crate::conf::zone::table::Source;
use crate::report::timezone::Change;
use crate::report::timezone::Local;
use crate::sys::zoneinfo::Database;

/// The local time at that Unix second.
pub(super) fn local(zone: &Zone, unix: i64) -> Local {
    let kind = zone.at(unix);
    Local::new(unix, kind.offset_s, &kind.abbreviation, kind.dst)
}

/// The next change of local time.
pub(super) fn change(zone: &Zone, unix: i64) -> Option<Change> {
    let next = zone.next_transition(unix)?;
    let (before, after) = (&next.before, &next.after);
    Some(Change::new(
        next.at,
        (before.offset_s, &before.abbreviation, before.dst),
        (after.offset_s, &after.abbreviation, after.dst),
    ))
}

/// The zone that this name is another name for.
pub(super) fn alias(database: &Database, zone: &str) -> Option<String> {
    database
        .link_target(zone)
        .or_else(|| source(database).links.get(zone).cloned())
        .filter(|target| target != zone)
}

/// Links and version from the database's own source.
pub(super) fn source(database: &Database) -> Source {
    let text = database.table("tzdata.zi").unwrap_or_default();
    table::source(&text)
}

/// The database's version alone, without reading all of its source.
pub(super) fn version(database: &Database) -> Option<String> {
    if let Some(head) = database.table_head("tzdata.zi", 64) {
        return table::source(&head).version;
    }
    let version = database.table_head("+VERSION", 64)?;
    Some(version.trim().to_owned()).filter(|v| !v.is_empty())
}

/// Which countries zones are in: those of zone1970.tab, and the zones of single countries that
/// only the older zone.tab has (Europe/Zagreb).
pub(super) fn rows(database: &Database) -> Vec<table::Row> {
    let read = |name| table::rows(&database.table(name).unwrap_or_default());
    let mut rows = read("zone1970.tab");
    for older in read("zone.tab") {
        if !rows.iter().any(|row| row.name == older.name) {
            rows.push(older);
        }
    }
    rows
}

/// Every name that is known: the database's and the built-in ones.
pub(super) fn known(database: &Database) -> Vec<String> {
    let mut names = database.names();
    names.extend(built_in::all().map(|zone| zone.name.to_owned()));
    names.sort();
    names.dedup();
    names
}

/// What may have been meant by a word that is no zone's name; also by the letters of a zone (JST).
pub(super) fn near(database: &Database, word: &str, unix: i64) -> Vec<String> {
    let countries = table::countries(&database.table("iso3166.tab").unwrap_or_default());
    let rows = rows(database);
    let names = suggest::suggest(word, &known(database), &rows, &countries);
    let same = |name: &String| {
        let city = name.rsplit('/').next().unwrap_or(name);
        name.eq_ignore_ascii_case(word) || city.eq_ignore_ascii_case(word)
    };
    let short = word.len() <= 5 && word.bytes().all(|b| b.is_ascii_alphabetic());
    if !short || names.first().is_some_and(same) {
        return names;
    }
    let mut lettered: Vec<String> = letters::places(word)
        .iter()
        .filter(|place| database.directory().is_none() || database.read(place, tzif::LIMIT).is_ok())
        .map(|place| (*place).to_owned())
        .collect();
    for name in by_letters(database, &rows, &word.to_ascii_uppercase(), unix) {
        if !lettered.contains(&name) {
            lettered.push(name);
        }
    }
    lettered.truncate(MOST);
    if lettered.is_empty() { names } else { lettered }
}

/// At most this many zones are named by their letters.
const MOST: usize = 5;

/// The zones whose clocks show these letters now, or in the other half of the year.
fn by_letters(database: &Database, rows: &[table::Row], letters: &str, unix: i64) -> Vec<String> {
    let shows = |row: &&table::Row| {
        let found = database.read(&row.name, tzif::LIMIT).ok();
        let zone = found.and_then(|found| Zone::parse(&found.bytes).ok());
        let at = |zone: &Zone, unix| zone.at(unix).abbreviation == letters;
        zone.is_some_and(|zone| at(&zone, unix) || at(&zone, unix + 182 * 86_400))
    };
    rows.iter()
        .filter(shows)
        .take(MOST)
        .map(|row| row.name.clone())
        .collect()
}

/// What to type for a word that is no zone's name, and what there is to say before that.
pub(super) fn hint(database: &Database, word: &str, root: &str, unix: i64) -> (String, String) {
    let list = |pattern: &str| format!("clockbox timezone list{pattern}{root}");
    let said = |text: &str, next: String| (text.to_owned(), next);
    if name::offset(word).is_some() {
        return said("", list(&format!(" {word}")));
    }
    let inside = format!("{word}/");
    if known(database)
        .iter()
        .any(|known| known.starts_with(&inside))
    {
        return said("; many zones begin with it", list(&format!(" {inside}")));
    }
    let near = near(database, word, unix);
    let Some(first) = near.first() else {
        let countries = table::countries(&database.table("iso3166.tab").unwrap_or_default());
        let code = match word.to_ascii_uppercase().as_str() {
            "USA" => Some("US".to_owned()),
            "UK" => Some("GB".to_owned()),
            code => countries.contains_key(code).then(|| code.to_owned()),
        };
        return match code {
            Some(code) => said("; it is a country", list(&format!(" {code}"))),
            None => said("", list("")),
        };
    };
    let next = format!("clockbox timezone set {first}{root}");
    match near.len() {
        1 => said("", next),
        _ => (format!("; is it {}?", or(&near)), next),
    }
}

/// `a, b or c`.
fn or(names: &[String]) -> String {
    match names {
        [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.join(""),
    }
}

/// The built-in zone's local time, for a machine without a database.
pub(super) fn built_in_local(zone: &BuiltIn, unix: i64) -> Option<Local> {
    let local = zone.at(unix)?;
    Some(Local::new(
        unix,
        local.offset_s,
        &local.abbreviation,
        local.dst,
    ))
}
