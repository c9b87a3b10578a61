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

/// The options of a line that nothing was said about.
const USUAL: &str = "iburst";

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
    let missing: Vec<&String> = wanted.hosts.iter().filter(|h| !present(h)).collect();
    let kept = kept(wanted, form, &network, kind, place);
    match wanted.mode {
        Mode::Add if missing.is_empty() => return Ok(changes),
        Mode::Replace
            if form == Form::Timesyncd
                && missing.is_empty()
                && network.len() == wanted.hosts.len()
                && network.iter().all(|s| named(s)) =>
        {
            return Ok(changes);
        }
        Mode::Remove if !may_remove(wanted, &network, place)? => return Ok(changes),
        Mode::Remove => {}
        Mode::Add | Mode::Replace | Mode::Cloud => {}
    }
    for source in &network {
        let goes = match wanted.mode {
            Mode::Replace => !kept.iter().any(|line| line.origin == source.origin),
            Mode::Cloud => true,
            Mode::Add => form == Form::Timesyncd,
            Mode::Remove => named(source),
        };
        if goes {
            let change = changes.entry(source.origin.file.clone()).or_default();
            change.comment_out.insert(source.origin.line);
        }
    }
    let new: Vec<&String> = match wanted.mode {
        Mode::Remove => Vec::new(),
        Mode::Add => missing,
        Mode::Replace | Mode::Cloud => {
            let stays = |host: &&String| kept.iter().any(|line| line.name == **host);
            wanted.hosts.iter().filter(|host| !stays(host)).collect()
        }
    };
    let lines = match form {
        Form::Lines => {
            let line = |host: &&String| line(host, wanted, &network, kind, place);
            new.iter().map(line).collect()
        }
        Form::Timesyncd => vec![timesyncd_line(wanted, &network, &new)],
    };
    if !lines.is_empty() {
        let main = changes.entry(place.conf.path.clone()).or_default();
        main.insert = lines;
        if main.comment_out.is_empty() && form == Form::Lines {
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

/// The lines of wanted hosts that say what is wanted already, one a host: they stay as they are.
fn kept<'a>(
    wanted: &Wanted<'_>,
    form: Form,
    network: &[&'a TimeSource],
    kind: SourceKind,
    place: &Place,
) -> Vec<&'a TimeSource> {
    let mut kept: Vec<&TimeSource> = Vec::new();
    if form != Form::Lines || wanted.mode != Mode::Replace {
        return kept;
    }
    for source in network {
        // The same words in the same order are the same wish.
        let says = match wanted.options {
            Some(options) => as_wanted(source, options, kind, place),
            None => source.kind == kind,
        };
        let again = kept.iter().any(|line| line.name == source.name);
        if says && !again && wanted.hosts.contains(&source.name) {
            kept.push(source);
        }
    }
    kept
}

/// A line that is put in: with the options that were typed, else those that the host's line has
/// (its key must not get lost), else iburst.
fn line(
    host: &str,
    wanted: &Wanted<'_>,
    network: &[&TimeSource],
    kind: SourceKind,
    place: &Place,
) -> String {
    let known = network.iter().find(|source| source.name == host);
    let mut rest: Vec<String> = match (wanted.options, known) {
        (None, Some(source)) => words(source, place).into_iter().skip(1).collect(),
        (options, _) => vec![host.to_owned(), options.unwrap_or(USUAL).to_owned()],
    };
    // An option that only a pool's line has.
    let pools = rest.iter().position(|word| word == "maxsources");
    if let Some(at) = pools.filter(|_| kind != SourceKind::Pool) {
        rest.drain(at..rest.len().min(at + 2));
    }
    let line = format!("{} {}", kind.word(), rest.join(" "));
    line.trim_end().to_owned()
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
        .hint("clockbox sources set HOST..."));
    }
    Ok(true)
}

/// The one line of a timesyncd.conf.
fn timesyncd_line(wanted: &Wanted<'_>, network: &[&TimeSource], new: &[&String]) -> String {
    let there = network.iter().map(|source| &source.name);
    let stays = |name: &&String| match wanted.mode {
        Mode::Replace | Mode::Cloud => false,
        Mode::Add => true,
        Mode::Remove => !wanted.hosts.contains(name),
    };
    let names: Vec<&str> = there
        .filter(stays)
        .chain(new.iter().copied())
        .map(String::as_str)
        .collect();
    format!("NTP={}", names.join(" "))
}

/// True when the line of a source has these options, word for word.
fn as_wanted(source: &TimeSource, options: &str, kind: SourceKind, place: &Place) -> bool {
    let mut wish = vec![kind.word(), source.name.as_str()];
    wish.extend(options.split_whitespace());
    words(source, place) == wish
}

/// The words of a source's line.
fn words(source: &TimeSource, place: &Place) -> Vec<String> {
    let real = sys::files::under(&place.root, Path::new(&source.origin.file));
    let text = sys::files::read_text(&real, sys::files::CONFIG_LIMIT).unwrap_or_default();
    let line = text.lines().nth(source.origin.line.saturating_sub(1));
    let words = line.unwrap_or_default().split_whitespace();
    words.map(str::to_owned).collect()
}
