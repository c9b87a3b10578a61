//! What happens to which line of which file.

use super::Mode;
use super::Wanted;
use super::place::Place;
use super::place::form;
use crate::commands::sources::edit;
use crate::commands::sources::edit::Change;
use crate::commands::sources::edit::Form;
use crate::conf::sources::Kind as SourceKind;
use crate::conf::sources::TimeSource;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys;
use std::collections::BTreeMap;
use std::path::Path;

/// What happens to which file.
pub(super) fn changes(
    wanted: &Wanted<'_>,
    place: &Place,
) -> Result<BTreeMap<String, Change>, Failure> {
    let form = form(place.kind).unwrap_or(Form::Lines);
    let network: Vec<&TimeSource> = place
        .conf
        .sources
        .iter()
        .filter(|s| s.kind != SourceKind::Refclock && !s.fallback)
        .collect();
    let named = |source: &TimeSource| wanted.hosts.contains(&source.name);
    let mut changes: BTreeMap<String, Change> = BTreeMap::new();
    let kind = if wanted.pool {
        SourceKind::Pool
    } else {
        SourceKind::Server
    };
    let present = |host: &&String| network.iter().any(|s| s.name == **host);
    // The same words in the same order are the same wish.
    let settled =
        |source: &TimeSource| form == Form::Timesyncd || as_wanted(source, wanted, kind, place);
    let missing: Vec<&String> = wanted.hosts.iter().filter(|h| !present(h)).collect();
    match wanted.mode {
        Mode::Add if missing.is_empty() => return Ok(changes),
        Mode::Replace
            if missing.is_empty()
                && network.len() == wanted.hosts.len()
                && network.iter().all(|s| named(s) && settled(s)) =>
        {
            return Ok(changes);
        }
        Mode::Remove if !may_remove(wanted, &network, place)? => return Ok(changes),
        Mode::Remove => {}
        Mode::Add | Mode::Replace | Mode::Cloud => {}
    }
    for source in &network {
        let goes = match wanted.mode {
            Mode::Replace | Mode::Cloud => true,
            Mode::Add => form == Form::Timesyncd,
            Mode::Remove => named(source),
        };
        if goes {
            let change = changes.entry(source.origin.file.clone()).or_default();
            change.comment_out.insert(source.origin.line);
        }
    }
    let lines = lines(wanted, form, &network, &missing, kind);
    if !lines.is_empty() {
        let main = changes.entry(place.conf.path.clone()).or_default();
        main.insert = lines;
        if wanted.mode == Mode::Add && form == Form::Lines {
            main.after = network
                .iter()
                .filter(|s| s.origin.file == place.conf.path)
                .map(|s| s.origin.line)
                .max();
        }
        if form == Form::Timesyncd && main.comment_out.is_empty() {
            let real = sys::files::under(&place.root, Path::new(&place.conf.path));
            let text = sys::files::read_text(&real, sys::files::CONFIG_LIMIT).unwrap_or_default();
            main.after = edit::time_section(&text);
        }
    }
    Ok(changes)
}

/// Whether the sources can be taken out; false when they are out already.
fn may_remove(
    wanted: &Wanted<'_>,
    network: &[&TimeSource],
    place: &Place,
) -> Result<bool, Failure> {
    let named = |source: &&&TimeSource| wanted.hosts.contains(&source.name);
    let unknown = wanted
        .hosts
        .iter()
        .find(|host| !network.iter().any(|s| s.name == **host));
    if let Some(host) = unknown {
        // A second run finds it gone.
        let was = place.conf.commented.iter().any(|c| c.name == **host);
        if was && !network.iter().any(|s| named(&s)) {
            return Ok(false);
        }
        return Err(Failure::new(
            ExitStatus::NoInput,
            format!("{host} is no source of {}", place.conf.path),
        )
        .hint("clockbox sources"));
    }
    let refclocks = place.conf.sources.len() > network.len();
    if network.iter().all(|s| named(&s)) && !refclocks {
        return Err(Failure::new(
            ExitStatus::Data,
            format!("that would leave {} without any source", place.conf.path),
        )
        .hint("put others in their place: clockbox sources set HOST..."));
    }
    Ok(true)
}

/// The lines that are put in.
fn lines(
    wanted: &Wanted<'_>,
    form: Form,
    network: &[&TimeSource],
    missing: &[&String],
    kind: SourceKind,
) -> Vec<String> {
    let line = |host: &String| {
        let words = [kind.word(), host, wanted.options];
        words.join(" ").trim_end().to_owned()
    };
    let there = || network.iter().map(|s| s.name.as_str());
    let hosts = || wanted.hosts.iter().map(String::as_str);
    match (form, wanted.mode) {
        (Form::Lines, Mode::Remove) => Vec::new(),
        (Form::Lines, Mode::Add) => missing.iter().map(|h| line(h)).collect(),
        (Form::Lines, Mode::Replace | Mode::Cloud) => wanted.hosts.iter().map(line).collect(),
        (Form::Timesyncd, mode) => {
            let names: Vec<&str> = match mode {
                Mode::Replace | Mode::Cloud => hosts().collect(),
                Mode::Add => there().chain(missing.iter().map(|h| h.as_str())).collect(),
                Mode::Remove => there()
                    .filter(|name| !hosts().any(|h| h == *name))
                    .collect(),
            };
            vec![format!("NTP={}", names.join(" "))]
        }
    }
}

/// True when the line of a source says what is wanted, word for word.
fn as_wanted(source: &TimeSource, wanted: &Wanted<'_>, kind: SourceKind, place: &Place) -> bool {
    let real = sys::files::under(&place.root, Path::new(&source.origin.file));
    let text = sys::files::read_text(&real, sys::files::CONFIG_LIMIT).unwrap_or_default();
    let line = text.lines().nth(source.origin.line.saturating_sub(1));
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    let mut wish = vec![kind.word(), source.name.as_str()];
    wish.extend(wanted.options.split_whitespace());
    words == wish
}
