//! One condition of a rule, and whether a flow fulfils it: yes, no, or it depends.

use super::Direction;
use super::Flow;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;

/// A condition in the words of its rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What is tested.
    pub test: Test,
    /// The opposite is meant.
    pub negated: bool,
    /// The condition as it is written.
    pub text: String,
}

/// What is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// The packet is IPv6 (`true`) or IPv4.
    V6(bool),
    /// The packet's protocol is one of these; UDP is 17.
    Protocol(Vec<u8>),
    /// Source port.
    SourcePort(Vec<RangeInclusive<u16>>),
    /// Destination port.
    DestinationPort(Vec<RangeInclusive<u16>>),
    /// Source address: networks as address and prefix length.
    Source(Vec<(IpAddr, u8)>),
    /// Destination address.
    Destination(Vec<(IpAddr, u8)>),
    /// The interface that it came by; a name may end in `*` or `+`.
    InInterface(Vec<String>),
    /// The interface that it leaves by.
    OutInterface(Vec<String>),
    /// Connection tracking's states: `new`, `established`, `related`, `invalid`, `untracked`.
    State(Vec<String>),
    /// Octets of the IP packet.
    Length(Vec<RangeInclusive<u16>>),
    /// The destination is of a type: `local`, `broadcast`, `multicast`, `unicast`.
    DestinationType(Vec<String>),
    /// One of these lists, each of which must hold whole: a set of concatenated values.
    AnyOf(Vec<Vec<Condition>>),
    /// Always true: matches that say nothing of the packet.
    Always,
    /// Never true of these packets (a flag of TCP, an ICMP type).
    Never,
    /// Cannot be told from what is known.
    Depends,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    Yes,
    No,
    Depends,
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::Yes } else { Self::No }
    }
}

/// The protocol number of UDP.
pub(super) const UDP: u8 = 17;

impl Condition {
    /// A condition that is not negated.
    pub(super) fn new(test: Test, text: impl Into<String>) -> Self {
        Self {
            test,
            negated: false,
            text: text.into(),
        }
    }

    /// Whether the flow fulfils it.
    pub(super) fn holds(&self, flow: &Flow) -> Truth {
        let truth = self.test.holds(flow);
        match truth {
            Truth::Yes if self.negated => Truth::No,
            Truth::No if self.negated => Truth::Yes,
            other => other,
        }
    }
}

impl Test {
    fn holds(&self, flow: &Flow) -> Truth {
        let inbound = flow.direction == Direction::In;
        match self {
            Self::V6(v6) => (*v6 == flow.v6).into(),
            Self::Protocol(numbers) => numbers.contains(&UDP).into(),
            Self::SourcePort(ranges) => port(ranges, flow.source_port),
            Self::DestinationPort(ranges) => port(ranges, flow.destination_port),
            Self::Source(nets) => address(nets, flow, !inbound),
            Self::Destination(nets) => address(nets, flow, inbound),
            Self::InInterface(names) if inbound => interface(names, flow),
            Self::OutInterface(names) if !inbound => interface(names, flow),
            // An outgoing packet came by no interface, and the other way round.
            Self::InInterface(_) | Self::OutInterface(_) => Truth::No,
            Self::State(states) => {
                let state = if flow.reply { "established" } else { "new" };
                states.iter().any(|s| s == state).into()
            }
            Self::Length(ranges) => ranges.iter().any(|r| r.contains(&flow.length)).into(),
            Self::DestinationType(kinds) if inbound => {
                let known = ["local", "broadcast", "multicast", "unicast", "anycast"];
                if kinds.iter().any(|k| k == "local") {
                    Truth::Yes
                } else if kinds.iter().all(|k| known.contains(&k.as_str())) {
                    Truth::No
                } else {
                    Truth::Depends
                }
            }
            Self::DestinationType(kinds) => {
                if kinds.iter().any(|k| k == "unicast") {
                    Truth::Yes
                } else {
                    Truth::Depends
                }
            }
            Self::AnyOf(lists) => {
                let mut some = Truth::No;
                for list in lists {
                    match all(list, flow) {
                        Truth::Yes => return Truth::Yes,
                        Truth::Depends => some = Truth::Depends,
                        Truth::No => {}
                    }
                }
                some
            }
            Self::Always => Truth::Yes,
            Self::Never => Truth::No,
            Self::Depends => Truth::Depends,
        }
    }
}

fn all(conditions: &[Condition], flow: &Flow) -> Truth {
    let mut all = Truth::Yes;
    for condition in conditions {
        match condition.holds(flow) {
            Truth::No => return Truth::No,
            Truth::Depends => all = Truth::Depends,
            Truth::Yes => {}
        }
    }
    all
}

fn port(ranges: &[RangeInclusive<u16>], port: Option<u16>) -> Truth {
    let any = 1024..=u16::MAX;
    match port {
        Some(port) => ranges.iter().any(|r| r.contains(&port)).into(),
        // Any unprivileged port: sure only where the ranges hold all of them, or none.
        None if ranges
            .iter()
            .any(|r| r.contains(any.start()) && r.contains(any.end())) =>
        {
            Truth::Yes
        }
        None if ranges.iter().all(|r| r.end() < any.start()) => Truth::No,
        None => Truth::Depends,
    }
}

fn address(nets: &[(IpAddr, u8)], flow: &Flow, own: bool) -> Truth {
    // A network of the other family never matches.
    let mut mine = nets
        .iter()
        .filter(|(net, _)| net.is_ipv6() == flow.v6)
        .peekable();
    if mine.peek().is_none() {
        return Truth::No;
    }
    if mine.clone().any(|(_, length)| *length == 0) {
        return Truth::Yes;
    }
    let known = if own { flow.local } else { flow.remote };
    // An unknown other side has an ordinary address; rules against the others are not about it.
    let ordinary = |(net, length): &&(IpAddr, u8)| {
        !EXTRAORDINARY
            .iter()
            .any(|(outer, bits)| length >= bits && contains(*outer, *bits, *net))
    };
    match known {
        None if !mine.clone().any(|net| ordinary(&net)) => Truth::No,
        Some(known) => mine
            .any(|(net, length)| contains(*net, *length, known))
            .into(),
        None => Truth::Depends,
    }
}

/// Networks that no NTP server or client is asked at: this host, multicast, reserved; IPv6 forms of
/// IPv4 addresses, 6to4.
const EXTRAORDINARY: &[(IpAddr, u8)] = &[
    (IpAddr::V4(Ipv4Addr::new(0, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 3),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 96),
    (IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0)), 96),
    (IpAddr::V6(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0)), 16),
    (IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8),
];

/// Whether the network holds the address.
pub(super) fn contains(net: IpAddr, length: u8, address: IpAddr) -> bool {
    match (net, address) {
        (IpAddr::V4(net), IpAddr::V4(address)) => {
            let shift = 32u32.saturating_sub(u32::from(length));
            let cut = |a: u32| a.checked_shr(shift).unwrap_or(0);
            cut(net.to_bits()) == cut(address.to_bits())
        }
        (IpAddr::V6(net), IpAddr::V6(address)) => {
            let shift = 128u32.saturating_sub(u32::from(length));
            let cut = |a: u128| a.checked_shr(shift).unwrap_or(0);
            cut(net.to_bits()) == cut(address.to_bits())
        }
        _ => false,
    }
}

fn interface(names: &[String], flow: &Flow) -> Truth {
    let Some(mine) = &flow.interface else {
        return Truth::Depends;
    };
    let matches = |name: &String| match name.strip_suffix(['*', '+']) {
        Some(prefix) => mine.starts_with(prefix),
        None => name == mine,
    };
    names.iter().any(matches).into()
}
