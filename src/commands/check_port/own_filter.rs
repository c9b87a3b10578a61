//! Silence that this machine makes itself: its own packet filter drops what servers answer. The
//! server is not to blame, and the rule can be told.

use super::filters;
use super::filters::Filters;
use super::opening;
use super::remote::Found;
use crate::report::check_port::Filter;
use crate::report::check_port::Outcome;
use crate::report::check_port::Passage;
use crate::report::check_port::Path as Way;
use crate::report::check_port::Target;
use crate::report::check_port::Verdict;
use crate::report::finding::Finding;
use crate::sys::interfaces;

/// Looks at this machine's packet filter where an address is silent; where it drops the answers, the
/// verdict is put right. What there is to say besides.
pub(super) fn correct(targets: &mut [Target], found: &Found) -> Vec<Finding> {
    let is_silent = |t: &Target| t.addresses.iter().any(|a| a.verdict == Verdict::Silent);
    if !targets.iter().any(is_silent) {
        return Vec::new();
    }
    let filters = filters::read();
    let mut findings = Vec::new();
    if filters.filters.iter().any(Filter::needs_root) {
        findings.push(
            Finding::info(
                "whether this machine's own packet filter drops the answers is for root alone to see",
            )
            .next("sudo clockbox check-port"),
        );
    }
    if filters.rulesets.is_empty() {
        return findings;
    }
    let mut told: Vec<String> = Vec::new();
    for (target, host) in targets.iter_mut().zip(&found.hosts) {
        for (address, (_, index)) in target.addresses.iter_mut().zip(&host.addresses) {
            let exchange = found.exchanges.get(*index);
            let Some(exchange) = exchange.filter(|_| address.verdict == Verdict::Silent) else {
                continue;
            };
            let Some(passage) = answers(&filters, exchange.address) else {
                continue;
            };
            let rule = format!(
                "{}: {}",
                passage.place.as_deref().unwrap_or_default(),
                passage.rule.as_deref().unwrap_or_default()
            );
            let text = match passage.outcome {
                Outcome::Blocked => {
                    address.verdict = Verdict::BlockedHere;
                    address.detail = format!(
                        "no answer to {} requests, and none can come in: this machine's own packet \
                         filter drops them ({rule})",
                        address.packets_sent
                    );
                    format!("to let servers' answers in, against {rule}")
                }
                Outcome::Conditional => format!(
                    "this machine's own packet filter may drop the answers, by what it asks of them ({rule})"
                ),
                _ => continue,
            };
            if !told.contains(&rule) {
                told.push(rule);
                let command = opening::opening(&passage, None).0;
                findings.push(Finding::info(text).next(command));
            }
        }
        target.verdict = target
            .addresses
            .iter()
            .map(|a| a.verdict)
            .min()
            .unwrap_or(target.verdict);
    }
    findings
}

fn answers(filters: &Filters, server: std::net::SocketAddr) -> Option<Passage> {
    let here = interfaces::toward(server)?;
    Some(filters::passage(
        filters,
        Way::AnswersIn,
        &here,
        Some(server.ip()),
        server.port(),
    ))
}
