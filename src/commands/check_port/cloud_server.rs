//! The provider's own time server where this machine's packet filter keeps it away: Oracle's images
//! reject all that goes to 169.254.0.0/16 but what their rules name one by one.

use super::filters;
use super::filters::Filters;
use super::opening;
use crate::commands::sources::configured;
use crate::conf::cloud::Cloud;
use crate::report::check_port::Outcome;
use crate::report::check_port::Path as Way;
use crate::report::finding::Finding;
use crate::sys;
use crate::sys::daemons::Kind;
use crate::sys::daemons::Running;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::Path;

/// What there is to say, if this cloud has a server of its own, this machine is to follow it, and
/// the rules are known or can be read.
#[must_use]
pub fn finding(
    cloud: Option<Cloud>,
    running: &[Running],
    known: Option<&Filters>,
) -> Option<Finding> {
    let cloud = cloud?;
    let servers = cloud.time_servers().iter();
    let servers: Vec<IpAddr> = servers.filter_map(|name| name.parse().ok()).collect();
    if servers.is_empty() || known.is_none() && !sys::host::is_root() {
        return None;
    }
    let named = named(running);
    let (server, path) = servers.iter().find_map(|server| {
        let by = named.iter().find(|(name, _)| name.parse() == Ok(*server))?;
        Some((*server, &by.1))
    })?;
    let read;
    let filters = match known {
        Some(known) => known,
        None => {
            read = filters::read();
            &read
        }
    };
    let here = sys::interfaces::toward(SocketAddr::new(server, 123))?;
    [Way::RequestsOut, Way::AnswersIn].into_iter().find_map(|way| {
        let passage = filters::passage(filters, way, &here, Some(server), 123);
        if passage.outcome != Outcome::Blocked {
            return None;
        }
        let what = match way {
            Way::RequestsOut => "lets no request to it out",
            _ => "lets no answer of it in",
        };
        let (command, stay) = opening::toward(&passage, server);
        let text = format!(
            "{path} names {server}, the time server of {}, and this machine's packet filter {what}: {}: {}{stay}",
            cloud.name(),
            passage.place.as_deref().unwrap_or_default(),
            passage.rule.as_deref().unwrap_or_default()
        );
        Some(Finding::error(text).next(command))
    })
}

/// The sources that the configurations of the running daemons name, or where none runs those that
/// are there; and the file of each.
fn named(running: &[Running]) -> Vec<(String, String)> {
    let root = Path::new("/");
    let mut read: Vec<_> = running
        .iter()
        .filter(|daemon| daemon.kind.disciplines() && !daemon.container)
        .filter_map(|daemon| configured::read(daemon.kind, &daemon.arguments, root))
        .collect();
    if read.is_empty() {
        let kinds = [
            Kind::Clockbox,
            Kind::Chronyd,
            Kind::Ntpsec,
            Kind::Ntpd,
            Kind::Timesyncd,
        ];
        read.extend(
            kinds
                .into_iter()
                .filter_map(|kind| configured::read(kind, &[], root)),
        );
    }
    let names = |conf: configured::Configured| {
        let sources = conf.sources.into_iter();
        let path = conf.path;
        sources.map(move |source| (source.name, path.clone()))
    };
    read.into_iter().flat_map(names).collect()
}
