//! What OpenNTPD says through its own tool, turned into rows.

use super::observed::Observed;
use crate::proto::ntpctl;
use crate::proto::ntpctl::Listing;
use crate::proto::ntpctl::Peer;
use crate::report::sources::Authentication;
use crate::report::sources::DaemonRow;
use crate::report::sources::SourceKind;
use crate::report::sources::SourceRow;
use crate::report::sources::State;
use crate::report::sources::explain::Limits;
use crate::report::sources::stats::StatsRow;
use crate::sys;

const NAME: &str = "openntpd";
/// Below this trust a peer does not count.
const TRUST_GOOD: u8 = 6;
/// Where the trust of a peer begins, before its first reply.
const TRUST_FIRST: u8 = 2;

/// Asks ntpctl.
#[must_use]
pub fn observe(limit_s: f64) -> Observed {
    match sys::process::read("ntpctl", &["-s", "all"], limit_s, 256 << 10) {
        Ok(said) if said.status == Some(0) => match ntpctl::parse(&said.stdout) {
            Some(listing) => view(&listing),
            None => Observed::silent(NAME, "ntpctl printed no listing"),
        },
        Ok(said) => Observed::silent(NAME, format!("ntpctl: {}", said.reason())),
        Err(error) => Observed::silent(NAME, error.to_string()),
    }
}

/// The view of a listing.
#[must_use]
pub fn view(listing: &Listing) -> Observed {
    let mut daemon = DaemonRow::new(NAME);
    daemon.via = Some("ntpctl".to_owned());
    daemon.synchronised = Some(listing.synchronised);
    daemon.stratum = listing.stratum;
    daemon.leap = Some(
        if listing.synchronised {
            "none"
        } else {
            "unsynchronised"
        }
        .to_owned(),
    );
    let sources: Vec<SourceRow> = listing.peers.iter().map(row).collect();
    if let Some(best) = sources.iter().find(|row| row.state == State::Selected) {
        daemon.follows = Some(best.title().to_owned());
        daemon.offset_s = listing.clock_offset_s.or(best.offset_s);
        daemon.last_offset_s = best.offset_s;
        daemon.refid.clone_from(&best.address);
    }
    if let Some(offset) = listing.constraint_offset_s.filter(|o| o.abs() > 1.0) {
        daemon.problem = Some(format!(
            "its constraints (TLS servers) contradict its peers by {offset} s"
        ));
    }
    let stats = sources
        .iter()
        .map(|row| StatsRow {
            daemon: NAME.to_owned(),
            name: row.name.clone(),
            address: row.address.clone(),
            offset_s: row.offset_s,
            std_dev_s: row.jitter_s,
            delay_s: row.delay_s,
            ..StatsRow::default()
        })
        .collect();
    Observed {
        daemon,
        sources,
        stats,
        limits: Limits::CHRONY,
    }
}

fn row(peer: &Peer) -> SourceRow {
    let kind = if peer.sensor {
        SourceKind::Sensor
    } else {
        SourceKind::Server
    };
    let state = if peer.selected {
        State::Selected
    } else if peer.offset_s.is_none() && peer.trust.is_none_or(|trust| trust <= TRUST_FIRST) {
        State::Unreachable
    } else if peer.sensor || peer.trust.is_some_and(|trust| trust >= TRUST_GOOD) {
        State::Candidate
    } else {
        State::Unusable
    };
    let mut row = SourceRow::new(NAME, kind, state);
    row.native_state = Some(if peer.selected { "*" } else { " " }.to_owned());
    row.address = Some(peer.address.clone());
    row.name = peer.name.clone().or_else(|| row.address.clone());
    row.stratum = peer.stratum;
    row.poll_interval_s = peer.poll_s;
    row.offset_s = peer.offset_s;
    row.measured_offset_s = peer.offset_s;
    row.delay_s = peer.delay_s;
    row.jitter_s = peer.jitter_s;
    row.error_s = peer
        .delay_s
        .map(|delay| delay / 2.0 + peer.jitter_s.unwrap_or(0.0));
    if let (Some(poll), Some(next), Some(_)) = (peer.poll_s, peer.next_s, peer.offset_s) {
        row.last_sample_age_s = Some((poll - next).max(0.0));
    }
    row.authentication = Some(Authentication::None);
    if state == State::Candidate {
        row.text = Some("good: OpenNTPD follows the middle of its good peers".to_owned());
    }
    if state == State::Unusable {
        let trust = peer.trust.unwrap_or_default();
        row.text = Some(format!(
            "it answers, and its trust is {trust} of 10: OpenNTPD uses a peer from {TRUST_GOOD} on, which takes a reply or two more"
        ));
        row.next = Some("clockbox sources --watch".to_owned());
    }
    row
}
