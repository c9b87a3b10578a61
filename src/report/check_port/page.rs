//! The page for people.

use super::CheckPortReport;
use super::here::Here;
use super::here::Listener;
use super::here::Outcome;
use super::here::Passage;
use super::here::ServerState;
use super::there::Address;
use super::there::Family;
use super::there::NtsKe;
use super::there::NtsKeState;
use super::there::Target;
use super::there::Test;
use super::there::TestName;
use super::there::TestOutcome;
use super::there::Verdict;
use crate::report::Page;
use crate::report::finding;
use crate::report::format::or_dash;
use crate::report::format::paint;
use crate::report::format::seconds;
use crate::report::format::signed_seconds;
use crate::report::format::wrap;
use crate::report::table::Align;
use crate::report::table::table;
use std::fmt::Write as _;

const GREEN: &str = "32";
const YELLOW: &str = "33";
const RED: &str = "31";

pub(super) fn render(report: &CheckPortReport, page: &Page) -> String {
    let mut out = String::new();
    if let Some(here) = &report.here {
        local(&mut out, here, page);
    }
    if !report.targets.is_empty() {
        remote(&mut out, &report.targets, page);
    }
    if !report.findings.is_empty() {
        out.push('\n');
        out.push_str(&finding::render(&report.findings, page));
    }
    out
}

fn remote(out: &mut String, targets: &[Target], page: &Page) {
    let named = targets
        .iter()
        .any(|t| t.addresses.is_empty() || t.addresses.iter().any(|a| a.address != t.name));
    let mut rows = Vec::new();
    for target in targets {
        if target.addresses.is_empty() {
            let dashes = std::iter::repeat_n("-".to_owned(), 4);
            let mut row = vec![
                shown_name(target),
                "-".to_owned(),
                target.verdict.word().to_owned(),
            ];
            row.extend(dashes);
            rows.push(row);
        }
        let mut name = shown_name(target);
        for address in &target.addresses {
            let mut row = if named {
                vec![std::mem::take(&mut name)]
            } else {
                Vec::new()
            };
            row.extend(cells(target, address));
            rows.push(row);
        }
    }
    let mut columns = vec![
        ("Address", Align::Left),
        ("Verdict", Align::Left),
        ("Stratum", Align::Right),
        ("Offset", Align::Right),
        ("Delay", Align::Right),
        ("Refid", Align::Left),
    ];
    if named {
        columns.insert(0, ("Host", Align::Left));
    }
    let text = table(&columns, &rows, page);
    out.push_str(&colored(&text, page));
    for target in targets {
        for address in &target.addresses {
            further(out, target, address, page);
        }
    }
}

fn shown_name(target: &Target) -> String {
    let bare = target.addresses.iter().any(|a| a.address == target.name);
    if bare {
        // The address alone is enough.
        "-".to_owned()
    } else {
        target.with_port(&target.name)
    }
}

fn cells(target: &Target, address: &Address) -> Vec<String> {
    vec![
        target.with_port(&address.address),
        address.verdict.word().to_owned(),
        or_dash(address.stratum, |s| s.to_string()),
        or_dash(address.offset_s, signed_seconds),
        or_dash(address.delay_s, seconds),
        address.refid.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

/// The verdicts' words in colour: they are unlike anything else in the table.
fn colored(text: &str, page: &Page) -> String {
    if !page.color {
        return text.to_owned();
    }
    let mut out = String::new();
    for line in text.lines() {
        let found = VERDICTS
            .iter()
            .find(|(v, _)| line.contains(&format!("  {}", v.word())));
        match found {
            Some((verdict, sgr)) => {
                let word = verdict.word();
                out.push_str(&line.replacen(word, &paint(word, sgr, true), 1));
            }
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

const VERDICTS: &[(Verdict, &str)] = &[
    (Verdict::Open, GREEN),
    (Verdict::Unsynchronised, YELLOW),
    (Verdict::Silent, YELLOW),
    (Verdict::NoRoute, YELLOW),
    (Verdict::Kiss, RED),
    (Verdict::Garbage, RED),
    (Verdict::Closed, RED),
    (Verdict::Prohibited, RED),
    (Verdict::Unreachable, RED),
    (Verdict::BlockedHere, RED),
    (Verdict::Unresolved, RED),
];

fn further(out: &mut String, target: &Target, address: &Address, page: &Page) {
    let all = page.verbose > 0 || address.nts_ke.is_some();
    // Of a silent address only what helped is news.
    let answered = address
        .tests
        .iter()
        .any(|t| t.outcome == TestOutcome::Answered);
    let shown = |t: &&Test| t.outcome != TestOutcome::NotTried || page.verbose > 0;
    let tests: Vec<_> = address.tests.iter().filter(shown).collect();
    let nothing = tests.is_empty() && address.nts_ke.is_none();
    if nothing || !(all || answered) || address.verdict == Verdict::NoRoute {
        return;
    }
    let who = target.with_port(&address.address);
    let _ = writeln!(out, "\n{who}, further tests:");
    for test in tests {
        let mut text = format!("{}: {}", test.test.words(), test.outcome.words());
        if let (Some(sent), Some(received)) = (test.sent_octets, test.received_octets)
            && test.outcome == TestOutcome::Answered
            && matches!(test.test, TestName::Mode6 | TestName::Mode7)
        {
            let factor = f64::from(received) / f64::from(sent.max(1));
            let _ = write!(
                text,
                ", {sent} octets asked, {received} came back ({factor:.1} times)"
            );
        }
        if let Some(detail) = &test.detail {
            let _ = write!(text, " ({detail})");
        }
        let _ = writeln!(
            out,
            "  {}",
            wrap(&text, page.width, 2).replace('\n', "\n  ")
        );
    }
    if let Some(nts) = &address.nts_ke {
        let text = nts_line(nts);
        let _ = writeln!(
            out,
            "  {}",
            wrap(&text, page.width, 2).replace('\n', "\n  ")
        );
    }
}

fn nts_line(nts: &NtsKe) -> String {
    let mut text = format!("NTS-KE on TCP {}: {}", nts.port, nts.state.words());
    let _ = write!(text, ", {}", nts.detail);
    if let Some(certificate) = &nts.certificate {
        let trust = match certificate.trusted {
            Some(true) => "trusted",
            Some(false) => "not trusted",
            None => "trust unknown",
        };
        let day = |time: &str| time.get(..10).unwrap_or(time).to_owned();
        let _ = write!(
            text,
            "; certificate for {}, {} to {} ({} days left), {trust}",
            certificate.names.join(", "),
            day(&certificate.not_before),
            day(&certificate.not_after),
            certificate.days_left
        );
    }
    if nts.state == NtsKeState::Open
        && let Some(server) = &nts.server
    {
        let _ = write!(text, "; NTP at {server}");
    }
    text
}

fn local(out: &mut String, here: &Here, page: &Page) {
    let sgr = match here.server {
        ServerState::Held | ServerState::NobodyFine => GREEN,
        ServerState::NobodyRuns | ServerState::Unknown => YELLOW,
        _ => RED,
    };
    let _ = writeln!(
        out,
        "{}",
        paint(&wrap(&here.summary, page.width, 0), sgr, page.color)
    );
    if !here.listeners.is_empty() {
        out.push('\n');
        out.push_str(&listeners(&here.listeners, page));
    }
    own_answers(out, here, page);
    firewall(out, here, page);
    let outside = format!("Outside of this machine: {}", here.platform.outside);
    let _ = writeln!(out, "\n{}", wrap(&outside, page.width, 0));
}

fn listeners(list: &[Listener], page: &Page) -> String {
    let within = match list.iter().any(|l| l.container.is_some()) {
        true => "Unit, container",
        false => "Unit",
    };
    let columns = [
        ("Port", Align::Left),
        ("Address", Align::Left),
        ("Process", Align::Left),
        (within, Align::Left),
        ("User", Align::Left),
    ];
    let rows: Vec<Vec<String>> = list
        .iter()
        .map(|l| {
            let at = l
                .interface
                .as_ref()
                .map(|i| format!("%{i}"))
                .unwrap_or_default();
            let process = match (&l.process, l.pid) {
                (Some(name), Some(pid)) => format!("{name}[{pid}]"),
                (Some(name), None) => name.clone(),
                _ => "?".to_owned(),
            };
            let unit = l.container.as_ref().or(l.unit.as_ref());
            vec![
                format!("{} {}", l.protocol, l.port),
                format!("{}{at}", l.address),
                process,
                unit.cloned().unwrap_or_else(|| "-".to_owned()),
                l.user.clone().unwrap_or_else(|| l.uid.to_string()),
            ]
        })
        .collect();
    table(&columns, &rows, page)
}

fn own_answers(out: &mut String, here: &Here, page: &Page) {
    if here.own_answers.is_empty() {
        return;
    }
    out.push_str("\nAsked at its own addresses (such packets never leave the machine):\n");
    let columns = [
        ("Address", Align::Left),
        ("Interface", Align::Left),
        ("Verdict", Align::Left),
        ("Stratum", Align::Right),
        ("Refid", Align::Left),
    ];
    let rows: Vec<Vec<String>> = here
        .own_answers
        .iter()
        .map(|a| {
            vec![
                a.address.clone(),
                a.interface.clone(),
                a.verdict.word().to_owned(),
                or_dash(a.stratum, |s| s.to_string()),
                a.refid.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        })
        .collect();
    out.push_str(&colored(&table(&columns, &rows, page), page));
}

fn firewall(out: &mut String, here: &Here, page: &Page) {
    let read: Vec<&str> = here
        .filters
        .iter()
        .filter(|f| f.read)
        .map(|f| f.name.as_str())
        .collect();
    let unread: Vec<String> = here
        .filters
        .iter()
        .filter(|f| !f.read)
        .map(|f| format!("{}: {}", f.name, f.detail))
        .collect();
    let text = match (read.is_empty(), unread.is_empty()) {
        (true, true) => {
            "Firewall: no packet filter's tool (nft, iptables-save) is installed; whether \
                         the kernel has rules could not be seen"
                .to_owned()
        }
        (true, false) => format!("Firewall: not read ({})", unread.join("; ")),
        (false, true) => format!("Firewall ({} read):", read.join(", ")),
        (false, false) => format!(
            "Firewall ({} read; not read: {}):",
            read.join(", "),
            unread.join("; ")
        ),
    };
    let bare = text.trim_end_matches(':');
    let untouched = here.passages.iter().all(|p| p.rule.is_none());
    let text = match (read.is_empty(), here.passages.is_empty(), untouched) {
        (true, ..) => text,
        (_, true, _) => format!("{bare}: no interface but loopback is up"),
        (_, _, true) => format!("{bare}: no rule touches NTP, in either direction"),
        _ => text,
    };
    let _ = writeln!(out, "\n{}", wrap(&text, page.width, 0));
    if !untouched {
        out.push_str(&passages(&here.passages, page));
    }
    for manager in &here.managers {
        for sentence in &manager.says {
            let line = format!("{}: {sentence}", manager.name);
            let _ = writeln!(out, "{}", wrap(&line, page.width, 0).replace('\n', "\n  "));
        }
    }
}

fn passages(list: &[Passage], page: &Page) -> String {
    let columns = [
        ("NTP packets", Align::Left),
        ("IP", Align::Left),
        ("Fate", Align::Left),
        ("Rule that decides", Align::Left),
    ];
    let rows: Vec<Vec<String>> = list
        .iter()
        .map(|p| {
            let family = match p.family {
                Family::Ipv4 => "v4",
                Family::Ipv6 => "v6",
            };
            let at = p.at().map(|at| format!(" {at}")).unwrap_or_default();
            vec![
                format!("{}{at}", p.path.words()),
                family.to_owned(),
                p.outcome.words().to_owned(),
                rule_text(p),
            ]
        })
        .collect();
    table(&columns, &merge_families(rows), page)
}

fn rule_text(passage: &Passage) -> String {
    let Some(rule) = &passage.rule else {
        return "no rule touches it".to_owned();
    };
    let place = passage.place.as_deref().unwrap_or_default();
    match passage.outcome {
        Outcome::Conditional => {
            let parts: Vec<String> = passage
                .conditions
                .iter()
                .map(|c| match &c.when {
                    Some(when) => format!("{} if {when}", c.then),
                    None => format!("else {}", c.then),
                })
                .collect();
            format!("{place}: {}", parts.join("; "))
        }
        _ => format!("{place}: {rule}"),
    }
}

/// Two rows that differ in the family alone become one.
fn merge_families(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let mut out: Vec<Vec<String>> = Vec::new();
    for row in rows {
        let twin = out.iter_mut().find(|other| {
            let differs = |at: usize| other.get(at) != row.get(at);
            !differs(0) && differs(1) && !differs(2) && !differs(3)
        });
        match twin.and_then(|row| row.get_mut(1)) {
            Some(family) => "v4 v6".clone_into(family),
            None => out.push(row),
        }
    }
    out
}
