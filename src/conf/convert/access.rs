//! `restrict` of ntpd to `allow` and `deny` of chrony, never wider.
//!
//! ntpd's table is documented in its access control manual: an entry is an address and a mask
//! with flags; entries of one address and mask add up their flags; the entry that matches most
//! specifically decides. chrony refuses everybody until an `allow`.
//!
//! [`Table`] is the model of ntpd, [`Table::rules`] the conversion. Where chrony cannot say the
//! same (a source port, a protocol version, a mask with holes), the conversion refuses.

use core::net::IpAddr;
use core::net::Ipv4Addr;
use core::net::Ipv6Addr;

use crate::conf::address::Network;
use crate::conf::ntp::Dialect;

/// Flags of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub struct Flags(u32);

impl Flags {
    /// No flags: everything is allowed.
    pub const NONE: Self = Self(0);
    /// Every packet is dropped.
    pub const IGNORE: Self = Self(1);
    /// Time is not served.
    pub const NOSERVE: Self = Self(1 << 1);
    /// Only authenticated packets.
    pub const NOTRUST: Self = Self(1 << 2);
    /// Only packets of the current version.
    pub const VERSION: Self = Self(1 << 3);
    /// No queries (mode 6 and 7).
    pub const NOQUERY: Self = Self(1 << 4);
    /// Rate limit.
    pub const LIMITED: Self = Self(1 << 5);
    /// A kiss of death for what the limit drops.
    pub const KOD: Self = Self(1 << 6);
    /// Signing through Samba.
    pub const MSSNTP: Self = Self(1 << 7);
    /// Anything else, without influence on who is served.
    pub const OTHER: Self = Self(1 << 8);

    /// The flag of a word of `restrict`.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word {
            "ignore" => Self::IGNORE,
            "noserve" => Self::NOSERVE,
            "notrust" => Self::NOTRUST,
            "version" => Self::VERSION,
            "noquery" => Self::NOQUERY,
            "limited" => Self::LIMITED,
            "kod" => Self::KOD,
            "mssntp" => Self::MSSNTP,
            _ => Self::OTHER,
        }
    }

    /// Both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without these.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether any of these is set.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether a plain request for the time, unauthenticated and of any version, is answered.
    #[must_use]
    pub fn serve(self) -> bool {
        !self.has(Self(
            Self::IGNORE.0 | Self::NOSERVE.0 | Self::NOTRUST.0 | Self::VERSION.0,
        ))
    }

    /// Whether a query (what chrony's commands are) is answered.
    #[must_use]
    pub fn query(self) -> bool {
        !self.has(Self(Self::IGNORE.0 | Self::NOQUERY.0))
    }
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// IPv4 rather than IPv6.
    pub v4: bool,
    /// The address, in the lowest bits, host bits cleared.
    pub address: u128,
    /// The mask, in the lowest bits.
    pub mask: u128,
    /// Only packets from port 123.
    pub ntpport: bool,
    /// Its flags.
    pub flags: Flags,
}

impl Entry {
    /// An entry for a network.
    #[must_use]
    pub fn network(network: Network, ntpport: bool, flags: Flags) -> Self {
        let (address, v4) = number(network.address);
        Self {
            v4,
            address,
            mask: mask_of(v4, network.bits),
            ntpport,
            flags,
        }
    }

    /// An entry for an address and any mask of its family.
    #[must_use]
    pub fn masked(address: IpAddr, mask: IpAddr, ntpport: bool, flags: Flags) -> Option<Self> {
        let (address, v4) = number(address);
        let (mask, mask_v4) = number(mask);
        (v4 == mask_v4).then_some(Self {
            v4,
            address: address & mask,
            mask,
            ntpport,
            flags,
        })
    }

    /// The network, if the mask has no holes.
    #[must_use]
    pub fn contiguous(&self) -> Option<Network> {
        let bits = u8::try_from(self.mask.count_ones()).ok()?;
        (mask_of(self.v4, bits) == self.mask)
            .then(|| Network::new(address_of(self.v4, self.address), bits))
    }

    /// The smallest network that has all addresses of the entry.
    #[must_use]
    pub fn cover(&self) -> Network {
        let width: u32 = if self.v4 { 32 } else { 128 };
        let ones = (self.mask << (128 - width)).leading_ones().min(width);
        Network::new(
            address_of(self.v4, self.address),
            u8::try_from(ones).unwrap_or(128),
        )
    }

    fn matches(&self, v4: bool, address: u128, port_123: bool) -> bool {
        self.v4 == v4 && address & self.mask == self.address && (!self.ntpport || port_123)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.v4 == other.v4 && (self.address ^ other.address) & self.mask & other.mask == 0
    }
}

/// ntpd's access table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    entries: Vec<Entry>,
}

impl Table {
    /// The table before any `restrict`: a default entry for each family, in NTPsec with
    /// `noquery` and `limited`.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        let flags = match dialect {
            Dialect::Classic => Flags::NONE,
            Dialect::Ntpsec => Flags::NOQUERY.and(Flags::LIMITED),
        };
        let default = |v4| Entry {
            v4,
            address: 0,
            mask: 0,
            ntpport: false,
            flags,
        };
        Self {
            entries: vec![default(true), default(false)],
        }
    }

    /// Adds an entry; flags of the same address and mask add up.
    pub fn add(&mut self, entry: Entry) {
        match self.find(&entry) {
            Some(known) => known.flags = known.flags.and(entry.flags),
            None => self.entries.push(entry),
        }
    }

    /// NTPsec's `unrestrict`: takes flags away, or without flags the whole entry (never a
    /// default).
    pub fn remove(&mut self, entry: &Entry) {
        if entry.flags == Flags::NONE && entry.mask != 0 {
            let same = |known: &Entry| Self::same(known, entry);
            self.entries.retain(|known| !same(known));
        } else if let Some(known) = self.find(entry) {
            known.flags = known.flags.without(entry.flags);
        }
    }

    fn find(&mut self, entry: &Entry) -> Option<&mut Entry> {
        self.entries
            .iter_mut()
            .find(|known| Self::same(known, entry))
    }

    fn same(a: &Entry, b: &Entry) -> bool {
        (a.v4, a.address, a.mask, a.ntpport) == (b.v4, b.address, b.mask, b.ntpport)
    }

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The flags for a packet, as ntpd matches: entries sorted by address, then mask, both
    /// falling, those for port 123 first; the first match decides.
    #[must_use]
    pub fn flags(&self, address: IpAddr, port_123: bool) -> Flags {
        let (number, v4) = number(address);
        self.entries
            .iter()
            .filter(|entry| entry.matches(v4, number, port_123))
            .max_by_key(|entry| (entry.address, entry.mask, entry.ntpport))
            .map_or(Flags::IGNORE, |entry| entry.flags)
    }

    /// Whether an address is served from whatever port.
    #[must_use]
    pub fn serves(&self, address: IpAddr) -> bool {
        self.flags(address, true).serve() && self.flags(address, false).serve()
    }

    /// `allow` (true) and `deny` (false) with the networks, shortest prefixes first. `wanted`
    /// tells what the flags of an entry let through.
    #[must_use]
    pub fn rules(&self, wanted: impl Fn(Flags) -> bool) -> Vec<(bool, Network)> {
        let mut rules = Vec::new();
        for v4 in [true, false] {
            let mut networks: Vec<Network> = self
                .entries
                .iter()
                .filter(|entry| entry.v4 == v4)
                .map(|entry| entry.contiguous().unwrap_or_else(|| entry.cover()))
                // Nobody comes from there: such packets arrive as IPv4, and are judged as IPv4.
                .filter(|network| !is_mapped(network))
                .collect();
            networks.sort_by_key(|network| (network.bits, network.address));
            networks.dedup();
            let mut decided: Vec<(bool, Network)> = Vec::new();
            for network in networks {
                let decision = self.decide(network, &wanted);
                let above = decided
                    .iter()
                    .rev()
                    .find(|(_, outer)| outer.contains(network.address))
                    .is_some_and(|(allow, _)| *allow);
                decided.push((decision, network));
                if decision != above {
                    rules.push((decision, network));
                }
            }
        }
        rules
    }

    /// What holds for the addresses of a network that no longer prefix has.
    fn decide(&self, network: Network, wanted: &impl Fn(Flags) -> bool) -> bool {
        let own = Entry::network(network, false, Flags::NONE);
        let covering = |port_123: bool| {
            self.entries
                .iter()
                .filter(|entry| entry.contiguous().is_some() && entry.mask & own.mask == entry.mask)
                .filter(|entry| entry.matches(own.v4, own.address, port_123))
                .max_by_key(|entry| (entry.mask, entry.ntpport))
                .is_some_and(|entry| wanted(entry.flags))
        };
        // A mask with holes may catch some of these addresses: then none is allowed.
        let holes = self.entries.iter().any(|entry| {
            let cover = entry.cover();
            entry.contiguous().is_none()
                && !wanted(entry.flags)
                && network.bits >= cover.bits
                && cover.contains(network.address)
                && entry.overlaps(&own)
        });
        covering(true) && covering(false) && !holes
    }

    /// Addresses at and around every boundary of every entry, for comparing two models.
    #[must_use]
    pub fn probes(&self) -> Vec<IpAddr> {
        let mut probes = Vec::new();
        for entry in &self.entries {
            let full = if entry.v4 {
                u128::from(u32::MAX)
            } else {
                u128::MAX
            };
            let first = entry.address;
            let last = entry.address | (full & !entry.mask);
            let lowest_hole = entry.mask & entry.mask.wrapping_neg();
            for value in [
                first,
                last,
                first.wrapping_sub(1) & full,
                last.wrapping_add(1) & full,
                first.wrapping_add(1) & full,
                first ^ lowest_hole,
                first | (full & !entry.mask & 0x5555_5555_5555_5555_5555_5555_5555_5555),
            ] {
                probes.push(address_of(entry.v4, value));
            }
        }
        probes.sort();
        probes.dedup();
        probes
    }
}

/// IPv4 addresses written as IPv6 ones: `::ffff:0:0/96` and what is inside.
fn is_mapped(network: &Network) -> bool {
    network.bits >= 96 && network.address.is_ipv6() && network.address.to_canonical().is_ipv4()
}

fn number(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), true),
        IpAddr::V6(v6) => (v6.to_bits(), false),
    }
}

fn address_of(v4: bool, value: u128) -> IpAddr {
    if v4 {
        IpAddr::V4(Ipv4Addr::from_bits(
            u32::try_from(value).unwrap_or(u32::MAX),
        ))
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(value))
    }
}

fn mask_of(v4: bool, bits: u8) -> u128 {
    if v4 {
        u128::from(
            u32::MAX
                .checked_shl(32 - u32::from(bits.min(32)))
                .unwrap_or(0),
        )
    } else {
        u128::MAX
            .checked_shl(128 - u32::from(bits.min(128)))
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::chrony::access::Rules;
    use crate::conf::chrony::value::Access;
    use crate::conf::chrony::value::Subject;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn net(text: &str, flags: Flags) -> Entry {
        let network = crate::conf::address::parse_network(text).unwrap().unwrap();
        Entry::network(network, false, flags)
    }

    fn chrony(rules: &[(bool, Network)]) -> Rules {
        let mut out = Rules::new();
        for (allow, network) in rules {
            let access = Access {
                all: false,
                subject: Subject::Network(*network),
            };
            out.add(*allow, &access);
        }
        out
    }

    fn shown(rules: &[(bool, Network)]) -> Vec<String> {
        rules
            .iter()
            .map(|(allow, network)| format!("{} {network}", if *allow { "allow" } else { "deny" }))
            .collect()
    }

    #[test]
    fn a_refused_subnet_stays_refused() {
        let mut table = Table::new(Dialect::Classic);
        table.add(net("0/0", Flags::NOQUERY));
        table.add(net("192.168.8.0/24", Flags::IGNORE));
        let rules = table.rules(Flags::serve);
        assert_eq!(
            shown(&rules),
            ["allow 0.0.0.0/0", "deny 192.168.8.0/24", "allow ::/0"]
        );
    }

    #[test]
    fn flags_of_one_address_add_up() {
        let mut table = Table::new(Dialect::Classic);
        table.add(net("0/0", Flags::NOSERVE));
        table.add(net("0/0", Flags::OTHER));
        table.add(net("::/0", Flags::IGNORE));
        table.add(net("10.0.0.0/8", Flags::NONE));
        assert_eq!(shown(&table.rules(Flags::serve)), ["allow 10.0.0.0/8"]);
    }

    #[test]
    fn masks_with_holes_and_ports_are_taken_on_the_safe_side() {
        let mut table = Table::new(Dialect::Classic);
        let masked = Entry::masked(
            "10.0.5.0".parse().unwrap(),
            "255.0.255.0".parse().unwrap(),
            false,
            Flags::IGNORE,
        );
        table.add(masked.unwrap());
        table.add(net("10.7.0.0/16", Flags::NONE));
        table.add(net("10.7.6.0/24", Flags::NONE));
        let rules = chrony(&table.rules(Flags::serve));
        assert!(!rules.allows("10.7.5.1".parse().unwrap()));
        assert!(!rules.allows("10.9.5.1".parse().unwrap()));
        assert!(rules.allows("10.7.6.1".parse().unwrap()));
        assert!(rules.allows("11.0.5.1".parse().unwrap()));
        let mut table = Table::new(Dialect::Classic);
        table.add(Entry {
            ntpport: true,
            ..net("10.0.0.0/8", Flags::IGNORE)
        });
        assert!(!chrony(&table.rules(Flags::serve)).allows("10.0.0.1".parse().unwrap()));
    }

    fn entry() -> impl Strategy<Value = Entry> {
        // Few address bits, so that entries nest and collide.
        let bits = prop_oneof![Just(0u8), 1..=32u8, Just(24), Just(32)];
        let v4 = (0..4u32, 0..4u32, 0..4u32, bits).prop_map(|(a, b, c, bits)| {
            let address = Ipv4Addr::from_bits(a << 30 | b << 22 | c << 6 | a);
            Network::new(IpAddr::V4(address), bits)
        });
        let v6 = (0..4u128, 0..4u128, 0..=128u8).prop_map(|(a, b, bits)| {
            Network::new(
                IpAddr::V6(Ipv6Addr::from_bits(a << 120 | b << 60 | a)),
                bits,
            )
        });
        let flags = vec(0..9u32, 0..3).prop_map(|list| {
            list.into_iter()
                .fold(Flags::NONE, |sum, bit| sum.and(Flags(1 << bit)))
        });
        let holes = any::<Option<u32>>();
        (prop_oneof![v4, v6], any::<bool>(), flags, holes).prop_map(
            |(network, ntpport, flags, holes)| {
                let mut entry = Entry::network(network, ntpport && network.bits % 3 == 0, flags);
                if let Some(mask) = holes.filter(|mask| entry.v4 && mask % 5 == 0) {
                    entry.mask = u128::from(mask);
                    entry.address &= entry.mask;
                }
                entry
            },
        )
    }

    /// Addresses that entries like the above can tell apart, beside those at their boundaries.
    fn address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            any::<IpAddr>(),
            (0..4u32, 0..4u32, 0..4u32, any::<u8>()).prop_map(|(a, b, c, d)| IpAddr::V4(
                Ipv4Addr::from_bits(a << 30 | b << 22 | c << 6 | u32::from(d))
            )),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn nobody_refused_by_ntpd_is_answered_by_chrony(
            list in vec(entry(), 0..8),
            more in vec(address(), 30),
            ntpsec in any::<bool>(),
        ) {
            let mut table = Table::new(if ntpsec { Dialect::Ntpsec } else { Dialect::Classic });
            for entry in &list {
                table.add(*entry);
            }
            let rules = chrony(&table.rules(Flags::serve));
            let commands = chrony(&table.rules(Flags::query));
            let exact = table.entries().iter().all(|entry| entry.contiguous().is_some());
            for address in table.probes().into_iter().chain(more) {
                let (a, b) = (table.flags(address, true), table.flags(address, false));
                let served = a.serve() && b.serve();
                prop_assert!(served || !rules.allows(address), "{address} of {list:?}");
                prop_assert!(a.query() && b.query() || !commands.allows(address), "{address}");
                if exact {
                    // Without holes the answer is the same, not only on the safe side.
                    prop_assert_eq!(served, rules.allows(address), "{} of {:?}", address, &list);
                }
            }
        }
    }
}
