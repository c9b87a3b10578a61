//! The tables that come with the zone database: zone1970.tab and zone.tab (countries of a zone),
//! iso3166.tab (countries' names), tzdata.zi (its version, and which names are links to others).

use std::collections::BTreeMap;

/// Which countries a zone is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// ISO 3166 codes, the most populous city's first.
    pub countries: Vec<String>,
    /// The zone's name.
    pub name: String,
}

/// The rows of zone1970.tab or zone.tab; lines that are none are passed over.
#[must_use]
pub fn rows(text: &str) -> Vec<Row> {
    let row = |line: &str| {
        let mut columns = line.split('\t');
        let countries = columns.next()?.split(',').map(str::to_owned).collect();
        let name = columns.nth(1)?.trim().to_owned();
        (!line.starts_with('#')).then_some(Row { countries, name })
    };
    text.lines().filter_map(row).collect()
}

/// Countries' names by code, from iso3166.tab.
#[must_use]
pub fn countries(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
        .map(|(code, name)| (code.to_owned(), name.trim().to_owned()))
        .collect()
}

/// What tzdata.zi tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// `2025b`.
    pub version: Option<String>,
    /// Name of a link, and the zone that it stands for.
    pub links: BTreeMap<String, String>,
}

/// Reads the links and the version of tzdata.zi.
#[must_use]
pub fn source(text: &str) -> Source {
    let mut found = Source::default();
    if let Some(first) = text.lines().next() {
        let version = first
            .strip_prefix("# version ")
            .map(|v| v.trim().to_owned());
        found.version = version.filter(|v| v != "unknown");
    }
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("L ") else {
            continue;
        };
        if let Some((target, link)) = rest.trim().split_once(' ') {
            found.links.insert(link.to_owned(), target.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read() {
        let text = "# comment\nJP,AU\t+353916+1394441\tAsia/Tokyo\tEyre\nnonsense\n";
        let rows = rows(text);
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].name.as_str(), rows[0].countries.len()),
            ("Asia/Tokyo", 2)
        );
        assert_eq!(countries("#x\nJP\tJapan\n")["JP"], "Japan");
        let source = source("# version 2025b\nZ Asia/Tokyo 9 - JST\nL Asia/Tokyo Japan\n");
        assert_eq!(source.version.as_deref(), Some("2025b"));
        assert_eq!(source.links["Japan"], "Asia/Tokyo");
    }
}
