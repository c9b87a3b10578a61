//! The line for monitoring systems: state, sentence, performance data in seconds.

use super::CheckPortReport;
use super::here::ServerState;
use super::there::Address;
use super::there::Target;
use super::there::TestName;
use super::there::TestOutcome;
use super::there::Verdict;
use crate::report::Nagios;
use crate::report::finding::Severity;
use crate::report::format;
use std::fmt::Write as _;

/// Offsets, in seconds, from which a server's time is a warning or critical.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// From here on a warning.
    pub warning_s: f64,
    /// From here on critical.
    pub critical_s: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            warning_s: 60.0,
            critical_s: 120.0,
        }
    }
}

pub(super) fn line(report: &CheckPortReport) -> Nagios {
    match &report.here {
        Some(here) => {
            let worst = report.findings.iter().map(|f| f.severity).min();
            let state = match (here.server, worst) {
                (ServerState::Unknown, _) => 3,
                (_, Some(Severity::Error)) => 2,
                (_, Some(Severity::Warning)) => 1,
                _ => 0,
            };
            // The summary says who holds the port; what is wrong may be something else.
            let trouble = report
                .findings
                .iter()
                .filter(|f| worst == Some(f.severity) && f.severity != Severity::Info)
                .map(|f| f.text.as_str());
            let unseen = (state == 0 && here.hides_something())
                .then_some("Not all could be seen: that needs root.");
            let words: Vec<&str> = std::iter::once(here.summary.as_str())
                .chain(trouble)
                .chain(unseen)
                .collect();
            Nagios {
                state,
                line: words.join(" ").replace('|', "/").replace('\n', " "),
            }
        }
        None => there(report),
    }
}

fn there(report: &CheckPortReport) -> Nagios {
    let mut state = 0;
    let mut words = Vec::new();
    let mut data = String::new();
    for target in &report.targets {
        let (one, sentence) = judge(target, report);
        state = worse(state, one);
        if one != 0 || report.targets.len() == 1 {
            words.push(sentence);
        }
        for address in &target.addresses {
            if let Some(offset) = address.offset_s {
                // One host: the labels that check_ntp_time has; several: each its own.
                let label = match report.targets.iter().map(|t| t.addresses.len()).sum() {
                    1 => String::new(),
                    _ => format!("{}_", target.with_port(&address.address)),
                };
                let Limits {
                    warning_s,
                    critical_s,
                } = report.limits;
                let _ = write!(
                    data,
                    " '{label}offset'={offset:.6}s;{warning_s};{critical_s}"
                );
                let _ = write!(
                    data,
                    " '{label}delay'={:.6}s",
                    address.delay_s.unwrap_or(0.0)
                );
                let _ = write!(data, " '{label}stratum'={}", address.stratum.unwrap_or(0));
            }
        }
    }
    if words.is_empty() {
        words.push(format!("{} hosts answer", report.targets.len()));
    }
    let mut line = words.join("; ").replace('|', "/").replace('\n', " ");
    if !data.is_empty() {
        let _ = write!(line, " |{data}");
    }
    Nagios { state, line }
}

fn judge(target: &Target, report: &CheckPortReport) -> (u8, String) {
    let best = target
        .addresses
        .iter()
        .find(|a| a.verdict == target.verdict);
    let name = target.with_port(&target.name);
    let told = target
        .addresses
        .iter()
        .filter(|a| a.verdict != Verdict::NoRoute);
    let bad: Vec<_> = told.filter(|a| a.verdict != Verdict::Open).collect();
    let mut state = match target.verdict {
        Verdict::Open if bad.is_empty() || report.any => 0,
        Verdict::Open | Verdict::Unsynchronised => 1,
        Verdict::Unresolved | Verdict::NoRoute => 3,
        _ => 2,
    };
    let mut sentence = match (target.verdict, best) {
        (Verdict::Open, Some(first)) => {
            // The one that is furthest off speaks for the host.
            let open = target
                .addresses
                .iter()
                .filter(|a| a.verdict == Verdict::Open);
            let offset_of = |a: &&Address| a.offset_s.unwrap_or(0.0).abs();
            let address = open
                .max_by(|a, b| offset_of(a).total_cmp(&offset_of(b)))
                .unwrap_or(first);
            let offset = address.offset_s.unwrap_or(0.0);
            if offset.abs() >= report.limits.critical_s {
                state = 2;
            } else if offset.abs() >= report.limits.warning_s {
                state = worse(state, 1);
            }
            format!(
                "{name}: open, offset {}, stratum {}",
                format::signed_seconds(offset),
                address.stratum.unwrap_or(0)
            )
        }
        (verdict, Some(address)) => format!("{name}: {}{}", verdict.word(), why(address)),
        (verdict, None) => {
            let error = target
                .error
                .as_ref()
                .map(|e| format!(" ({e})"))
                .unwrap_or_default();
            format!("{name}: {}{error}", verdict.word())
        }
    };
    if target.verdict == Verdict::Open && !bad.is_empty() {
        let list: Vec<String> = bad
            .iter()
            .map(|a| format!("{} {}", a.address, a.verdict.word()))
            .collect();
        let _ = write!(sentence, ", but {}", list.join(", "));
    }
    (state, sentence)
}

/// What made the verdict, short.
fn why(address: &Address) -> String {
    let only_123 = address
        .tests
        .iter()
        .any(|t| t.test == TestName::SourcePort123 && t.outcome == TestOutcome::Answered);
    match (&address.icmp, &address.kiss, &address.refid) {
        (Some(icmp), ..) => match &icmp.from {
            Some(from) => format!(" (ICMP {} from {from})", icmp.words),
            None => format!(" (ICMP {})", icmp.words),
        },
        (_, Some(kiss), _) => format!(" ({kiss})"),
        _ if address.verdict == Verdict::Silent && only_123 => {
            " (answers source port 123 only)".to_owned()
        }
        _ if address.verdict == Verdict::Silent => {
            format!(" (no answer to {} requests)", address.packets_sent)
        }
        (_, _, Some(refid)) if address.verdict == Verdict::Unsynchronised => {
            format!(" (stratum {}, {refid})", address.stratum.unwrap_or(0))
        }
        _ => String::new(),
    }
}

/// Critical before unknown before warning, as the plug-in guidelines order them.
fn worse(a: u8, b: u8) -> u8 {
    let rank = |state: u8| match state {
        2 => 3,
        3 => 2,
        other => other,
    };
    if rank(b) > rank(a) { b } else { a }
}
