//! `server`, `pool`, `peer`, `broadcast` and their options.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::conf::address::check_host;
use crate::conf::chrony::Version;
use crate::conf::chrony::gate::newer_than;
use crate::conf::chrony::value::Broadcast;
use crate::conf::chrony::value::Family;
use crate::conf::chrony::value::Source;
use crate::conf::chrony::value::SourceKind;
use crate::conf::chrony::value::Value;
use crate::conf::chrony::write;
use crate::conf::convert::Converter;
use crate::conf::convert::record::Outcome;
use crate::conf::ntp::Address;
use crate::conf::ntp::Body;
use crate::conf::ntp::Dialect;
use crate::conf::ntp::Opt;
use crate::conf::ntp::Statement;

/// A source ready to be written, and what was changed on the way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ready {
    pub(super) source: Source,
    pub(super) before: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) losses: Vec<String>,
}

/// Four lines `0.ZONE` to `3.ZONE` with the same options become one pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Pools {
    /// Statement index to the index of the first of its group.
    member_of: BTreeMap<usize, usize>,
}

impl Converter<'_> {
    /// Finds complete groups of numbered pool names.
    pub(super) fn find_pools(&self) -> Pools {
        let mut groups: BTreeMap<String, Vec<(usize, u8)>> = BTreeMap::new();
        for (index, statement) in self.input.conf.statements().enumerate() {
            let Body::Association { address, options } = &statement.body else {
                continue;
            };
            if !matches!(statement.name, "server" | "pool") || !statement.faults.is_empty() {
                continue;
            }
            let Some((number, zone)) = pool_name(address.host()) else {
                continue;
            };
            let mut words: Vec<String> = options
                .iter()
                .map(|o| format!("{}={:?}", o.name, o.value))
                .collect();
            words.sort();
            let key = format!(
                "{} {zone} {:?} {}",
                statement.name,
                address.family,
                words.join(" ")
            );
            groups.entry(key).or_default().push((index, number));
        }
        let mut pools = Pools::default();
        for group in groups.values() {
            let numbers: BTreeSet<u8> = group.iter().map(|(_, number)| *number).collect();
            let Some((first, _)) = group.first() else {
                continue;
            };
            if numbers.len() == 4 {
                pools
                    .member_of
                    .extend(group.iter().map(|(index, _)| (*index, *first)));
            }
        }
        pools
    }

    pub(super) fn association(
        &mut self,
        index: usize,
        statement: &Statement,
        address: &Address,
        options: &[Opt],
    ) -> Outcome {
        match statement.name {
            "broadcast" => return self.broadcast(address, options),
            "manycastclient" => {
                return Outcome::lost(
                    "chrony does not find servers by multicast: name them in server lines",
                );
            }
            _ => {}
        }
        if let Some((driver, unit)) = address.refclock() {
            return self.refclock(index, driver, unit, options);
        }
        if let Err(flaw) = check_host(address.host()) {
            return Outcome::lost(&format!("{}: no host has such a name", flaw.message));
        }
        let ready = self.source(statement.name, address, options);
        if let Some(&first) = self.pools.member_of.get(&index) {
            return self.pool(index, first, address, ready);
        }
        let mut source = ready.source.clone();
        if source.kind == SourceKind::Pool {
            source.maxsources = self.pool_size(1);
        }
        self.finish_source(source, ready)
    }

    fn pool(&mut self, index: usize, first: usize, address: &Address, ready: Ready) -> Outcome {
        let zone = pool_name(address.host()).map_or_else(String::new, |(_, zone)| zone.to_owned());
        if index != first {
            let origin = self.origin_of(first);
            let reason =
                format!("part of pool 2.{zone} that stands for the four lines from {origin} on");
            return Outcome::changed(Vec::new(), &reason);
        }
        let mut source = ready.source.clone();
        if source.kind == SourceKind::Pool {
            source.maxsources = self.pool_size(4);
        }
        source.kind = SourceKind::Pool;
        source.name = format!("2.{zone}");
        self.finish_source(source, ready)
            .note("the four numbered names became one pool (2 has IPv6 addresses too)")
    }

    /// `tos maxclock` counts the pool lines too.
    fn pool_size(&self, lines: u32) -> Option<u32> {
        let pools = u32::try_from(self.input.conf.named("pool").count()).unwrap_or(1);
        let wanted = self.max_clock?.saturating_sub(pools);
        (pools == lines)
            .then(|| wanted.clamp(4, 16))
            .filter(|&size| size != 4)
    }

    fn finish_source(&mut self, source: Source, ready: Ready) -> Outcome {
        let name = source.kind.word();
        self.sources += if source.kind == SourceKind::Pool {
            4
        } else {
            1
        };
        let mut output = ready.before;
        output.push(write::line(name, &Value::Source(Box::new(source))));
        let mut outcome = Outcome::kept(String::new());
        outcome.output = output;
        outcome = outcome.notes(ready.notes);
        for loss in ready.losses {
            outcome = outcome.losing(loss);
        }
        outcome
    }

    /// The source of an association with all options that chrony has.
    pub(super) fn source(&mut self, name: &str, address: &Address, options: &[Opt]) -> Ready {
        let host = address.host();
        let literal = address.ip().is_some();
        let mut notes = Vec::new();
        let kind = match name {
            "pool" if literal => {
                notes.push("a pool with one address is a server".to_owned());
                SourceKind::Server
            }
            "pool" => SourceKind::Pool,
            "peer" if self.input.conf.dialect == Dialect::Ntpsec => {
                notes.push("NTPsec treats a peer as a server".to_owned());
                SourceKind::Server
            }
            "peer" => SourceKind::Peer,
            _ => SourceKind::Server,
        };
        let mut ready = Ready {
            source: Source::new(kind, host),
            before: Vec::new(),
            notes,
            losses: Vec::new(),
        };
        // An address has a family already; where sources have none, the daemon is told.
        let service = self.family.filter(|_| self.sources_have_families());
        let family = address.family.or(service);
        ready.source.family = family.filter(|_| !literal);
        for option in options {
            self.source_option(&mut ready, option);
        }
        if !ready.source.iburst && self.ticks(host) {
            ready.source.iburst = true;
            ready
                .notes
                .push("iburst, because step-tickers sets the clock by it at boot".to_owned());
        }
        polls(&mut ready);
        if let Some(id) = ready.source.key {
            self.check_key(&mut ready, id);
        } else if kind == SourceKind::Peer {
            ready
                .notes
                .push("a peer without a key can be impersonated".to_owned());
        }
        self.strip_newer(&mut ready);
        ready
    }

    fn source_option(&mut self, ready: &mut Ready, option: &Opt) {
        let source = &mut ready.source;
        match option.name {
            "iburst" => source.iburst = true,
            "burst" => source.burst = true,
            "prefer" => source.select.prefer = true,
            "noselect" => source.select.noselect = true,
            "true" => {
                source.select.trust = true;
                ready.notes.push("true is trust in chrony".to_owned());
            }
            "xleave" => source.xleave = true,
            "nts" => source.nts = true,
            "minpoll" => source.minpoll = poll(option, &mut ready.notes),
            "maxpoll" => source.maxpoll = poll(option, &mut ready.notes),
            "key" => match option
                .int()
                .and_then(|id| u32::try_from(id).ok())
                .filter(|&id| id > 0)
            {
                Some(id) => source.key = Some(id),
                None => ready.losses.push(
                    "the key's number is out of range: the source is not authenticated".to_owned(),
                ),
            },
            "version" => match option.int().and_then(|version| u8::try_from(version).ok()) {
                Some(version @ 1..=4) => source.version = Some(version),
                _ => ready
                    .notes
                    .push("no such NTP version: version is left out".to_owned()),
            },
            "bias" => {
                source.offset = option.number();
                ready.notes.push("bias is offset in chrony".to_owned());
            }
            "ca" => self.trusted_certs(ready, option),
            "autokey" => ready.losses.push(
                "chrony has no Autokey: the source is not authenticated any more; use nts or key"
                    .to_owned(),
            ),
            "noval" => ready
                .losses
                .push("chrony always validates the certificate: noval is left out".to_owned()),
            "ask" | "require" | "aead" | "cert" | "expire" => {
                ready
                    .notes
                    .push(format!("chrony has no option like {}", option.name));
            }
            "ident" => ready.notes.push("ident belongs to Autokey".to_owned()),
            "preempt" | "dynamic" | "ttl" | "mode" | "xmtnonce" => {
                ready.notes.push(format!(
                    "{} has no counterpart and no effect on a server",
                    option.name
                ));
            }
            other => ready
                .notes
                .push(format!("{other} is an option of reference clocks")),
        }
    }

    /// NTPsec's `ca FILE` of one source.
    fn trusted_certs(&mut self, ready: &mut Ready, option: &Opt) {
        let Some(path) = option.text() else { return };
        self.cert_sets += 1;
        let set = self.cert_sets;
        let value = Value::TrustedCerts(Some(set), path.to_owned());
        if self.target.version < Version::new(4, 1) {
            ready.losses.push(format!(
                "chrony {} has no certificates of one source: ca is left out",
                self.target.version
            ));
            return;
        }
        ready.before.push(write::line("ntstrustedcerts", &value));
        ready.source.certset = Some(set);
        ready.notes.push(
            "the certificates are read by the new daemon's user: check the file's mode".to_owned(),
        );
    }

    fn check_key(&self, ready: &mut Ready, id: u32) {
        let Some(keys) = &self.keys else {
            ready.losses.push(format!(
                "there is no key {id}: the source cannot be used until the key file has it"
            ));
            return;
        };
        match keys.find(id) {
            None => ready.losses.push(format!(
                "{} has no usable key {id}: the source cannot be used until it has",
                keys.path
            )),
            Some(_) if !self.trusted(id) => {
                ready.notes.push(format!(
                    "key {id} is not in trustedkey: ntpd did not use the source either"
                ));
            }
            Some(key) => {
                // ntpd cuts long MACs to 20 bytes, which chrony does in version 4 only.
                if key.algorithm.long_mac() && ready.source.version.is_none() {
                    ready.source.version = Some(4);
                    ready
                        .notes
                        .push("version 4 keeps the MAC as short as ntpd's".to_owned());
                }
            }
        }
    }

    /// Takes away what the target's version does not know.
    fn strip_newer(&self, ready: &mut Ready) {
        let version = self.target.version;
        let value = Value::Source(Box::new(ready.source.clone()));
        for newer in newer_than(version, ready.source.kind.word(), &value) {
            let note = format!(
                "{} needs chrony {}, this is {version}",
                newer.word, newer.since
            );
            match newer.word {
                "ipv4" | "ipv6" => {
                    ready.source.family = None;
                    let instead = self
                        .daemon_family_place()
                        .unwrap_or_else(|| "addresses of both families are used".to_owned());
                    ready.notes.push(format!("{note}: {instead}"));
                }
                "burst" => {
                    ready.source.burst = false;
                    ready.notes.push(note);
                }
                "xleave" => {
                    ready.source.xleave = false;
                    ready.notes.push(note);
                }
                "offset" => {
                    ready.source.offset = None;
                    ready.losses.push(note);
                }
                "trust" => {
                    ready.source.select.trust = false;
                    ready.losses.push(note);
                }
                "nts" => {
                    ready.source.nts = false;
                    ready
                        .losses
                        .push(format!("{note}: the source is not authenticated"));
                }
                _ => ready.notes.push(note),
            }
        }
    }

    fn broadcast(&mut self, address: &Address, options: &[Opt]) -> Outcome {
        let Some(ip) = address.ip() else {
            return Outcome::lost("chrony sends broadcasts to an address only, not to a name");
        };
        let poll = options
            .iter()
            .find(|option| option.name == "minpoll")
            .and_then(Opt::int)
            .unwrap_or(6);
        let broadcast = Broadcast {
            interval_s: 1 << poll.clamp(0, 17),
            address: ip,
            port: None,
        };
        let line = write::line("broadcast", &Value::Broadcast(broadcast));
        let mut outcome = Outcome::changed(vec![line], "the interval is in seconds");
        for option in options {
            match option.name {
                "minpoll" => {}
                "key" => outcome = outcome.losing("chrony does not authenticate broadcasts: clients that want the key refuse them"),
                name => outcome = outcome.note(format!("{name} has no counterpart for broadcasts")),
            }
        }
        if !self.serving.serve {
            outcome = outcome.note("nobody is allowed: chronyd does not send until an allow line");
        }
        outcome
    }
}

/// Number and zone of `2.debian.pool.ntp.org`.
fn pool_name(host: &str) -> Option<(u8, &str)> {
    let (number, zone) = host.split_once('.')?;
    let number: u8 = number.parse().ok().filter(|number| *number < 4)?;
    let lower = zone.to_ascii_lowercase();
    (lower == "pool.ntp.org" || lower.ends_with(".pool.ntp.org")).then_some((number, zone))
}

fn poll(option: &Opt, notes: &mut Vec<String>) -> Option<i8> {
    let value = option.int()?;
    let clamped = value.clamp(3, 17);
    if clamped != value {
        notes.push(format!(
            "{} {value} is {clamped}, as ntpd takes it",
            option.name
        ));
    }
    i8::try_from(clamped).ok()
}

/// ntpd moves a shortest interval above the longest down to it; chrony has other defaults.
fn polls(ready: &mut Ready) {
    let source = &mut ready.source;
    match (source.minpoll, source.maxpoll) {
        (None, Some(high)) if high < 6 => {
            source.minpoll = Some(high);
            ready.notes.push(format!(
                "minpoll {high} goes with maxpoll {high}, as in ntpd"
            ));
        }
        (Some(low), None) if low > 10 => {
            source.minpoll = Some(10);
            ready.notes.push("minpoll is 10, ntpd's maxpoll".to_owned());
        }
        (Some(low), Some(high)) if low > high => {
            source.minpoll = Some(high);
            ready
                .notes
                .push(format!("minpoll is {high}, as ntpd takes it"));
        }
        _ => {}
    }
}

/// Whether a host is known to spread leap seconds over hours.
pub(super) fn smears(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let numbered = |prefix: &str, suffix: &str| {
        host.strip_prefix(prefix)
            .and_then(|rest| rest.strip_suffix(suffix))
            .is_some_and(|middle| middle.bytes().all(|b| b.is_ascii_digit()))
    };
    matches!(
        host.as_str(),
        "169.254.169.123"
            | "fd00:ec2::123"
            | "metadata.google.internal"
            | "metadata"
            | "time.aws.com"
    ) || host.ends_with(".time.aws.com")
        || numbered("time", ".google.com")
        || numbered("time", ".facebook.com")
}

/// The family of `-4` and `-6` on ntpd's command line.
pub(super) fn family_of(word: &str) -> Option<Family> {
    match word {
        "-4" | "--ipv4" => Some(Family::V4),
        "-6" | "--ipv6" => Some(Family::V6),
        _ => None,
    }
}
