//! Which of many networks decides about an address, as chrony's rules of access nest: the address
//! is read four bits at a time; a network that ends deeper decides; of two that end within the same
//! four bits the one put in later does (chrony.conf(5), allow).
//!
//! Networks are collected in a [`Builder`] and become a [`Prefixes`] that is quick to ask: a node
//! is a cache line, what lies alone under a node is compared as a whole, so that an address costs a
//! few steps however many networks there are.

use core::net::IpAddr;

/// Networks and their values, as they are put in.
#[derive(Clone, Debug)]
pub struct Builder {
    v4: Half,
    v6: Half,
}

/// Networks of one family.
#[derive(Clone, Debug)]
struct Half {
    /// Value of the network of all addresses; 0 for none.
    whole: u32,
    nodes: Vec<[Entry; 16]>,
}

/// Value of the networks that end here, 0 for none, and the node of those that go on, 0 for none.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    value: u32,
    child: u32,
}

/// Networks and their values, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Prefixes {
    v4: Tree,
    v6: Tree,
}

/// Slots are values (the highest bit set), places in `lone` (the next one set), or nodes.
#[derive(Clone, Debug)]
struct Tree {
    top: u32,
    nodes: Vec<[u32; 16]>,
    lone: Vec<Lone>,
}

/// One network that lies alone under a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lone {
    key: u128,
    mask: u128,
    inside: u32,
    outside: u32,
}

const VALUE: u32 = 1 << 31;
const LONE: u32 = 1 << 30;
/// The largest value.
pub const LARGEST: u32 = VALUE - 1;
/// Levels of four bits.
const LEVELS: usize = 32;

impl Default for Builder {
    fn default() -> Self {
        Self {
            v4: Half::new(),
            v6: Half::new(),
        }
    }
}

impl Builder {
    /// No networks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a network in, behind those before; none is the network of all addresses, of both
    /// families. `all` takes out what was put in for networks inside. The value is 1 to
    /// [`LARGEST`].
    pub fn put(&mut self, network: Option<(IpAddr, u8)>, value: u32, all: bool) {
        let value = value.clamp(1, LARGEST);
        let Some((ip, bits)) = network else {
            self.v4.put(0, 0, value, all);
            self.v6.put(0, 0, value, all);
            return;
        };
        let (key, four) = key(ip);
        if four {
            self.v4.put(key, bits.min(32), value, all);
        } else {
            self.v6.put(key, bits.min(128), value, all);
        }
    }

    /// The value of the network that decides about an address; 0 for none. [`Builder::build`] makes
    /// this quicker.
    #[must_use]
    pub fn find(&self, ip: IpAddr) -> u32 {
        let (key, four) = key(ip);
        if four { &self.v4 } else { &self.v6 }.find(key)
    }

    /// Makes it quick to ask.
    #[must_use]
    pub fn build(&self) -> Prefixes {
        Prefixes {
            v4: self.v4.build(),
            v6: self.v6.build(),
        }
    }
}

impl Prefixes {
    /// The value of the network that decides about an address; 0 for none.
    #[must_use]
    pub fn find(&self, ip: IpAddr) -> u32 {
        let (key, four) = key(ip);
        if four { &self.v4 } else { &self.v6 }.find(key)
    }

    /// Octets of memory.
    #[must_use]
    pub const fn octets(&self) -> usize {
        self.v4.octets() + self.v6.octets()
    }
}

impl Half {
    fn new() -> Self {
        Self {
            whole: 0,
            nodes: vec![[Entry::default(); 16]],
        }
    }

    fn put(&mut self, key: u128, bits: u8, value: u32, all: bool) {
        let Some(last) = usize::from(bits.div_ceil(4)).checked_sub(1) else {
            self.whole = value;
            if all && let Some(first) = self.nodes.first_mut() {
                *first = [Entry::default(); 16];
            }
            return;
        };
        let mut node = 0;
        for level in 0..last {
            node = self.child(node, nibble(key, level));
        }
        // A prefix that ends inside the four bits stands for several places.
        let places = 1 << (4 * (last + 1) - usize::from(bits));
        let first = nibble(key, last) & !(places - 1);
        if let Some(entries) = self.nodes.get_mut(node) {
            for entry in entries.iter_mut().skip(first).take(places) {
                entry.value = value;
                if all {
                    entry.child = 0;
                }
            }
        }
    }

    fn child(&mut self, node: usize, slot: usize) -> usize {
        let fresh = self.nodes.len();
        let Some(entry) = self.nodes.get_mut(node).and_then(|n| n.get_mut(slot)) else {
            return 0;
        };
        if entry.child == 0 {
            entry.child = u32::try_from(fresh).unwrap_or(0);
            self.nodes.push([Entry::default(); 16]);
        }
        self.nodes
            .get(node)
            .and_then(|n| n.get(slot))
            .map_or(0, |e| e.child as usize)
    }

    fn find(&self, key: u128) -> u32 {
        let (mut value, mut node) = (self.whole, 0);
        for level in 0..LEVELS {
            let entries = self.nodes.get(node);
            let entry = entries.and_then(|n| n.get(nibble(key, level)).copied());
            let Entry { value: own, child } = entry.unwrap_or_default();
            if own != 0 {
                value = own;
            }
            if child == 0 {
                break;
            }
            node = child as usize;
        }
        value
    }

    fn build(&self) -> Tree {
        let mut tree = Tree {
            top: VALUE,
            nodes: Vec::new(),
            lone: Vec::new(),
        };
        tree.top = self.part(0, 0, 0, self.whole, &mut tree);
        tree
    }

    /// The slot for a node: what it is under, and the value that holds where nothing in it does.
    fn part(&self, node: usize, level: usize, key: u128, value: u32, tree: &mut Tree) -> u32 {
        let entries = self.nodes.get(node).copied().unwrap_or_default();
        let mut slots = [VALUE; 16];
        let (mut kinds, mut different) = (0_usize, 0_usize);
        for (at, (slot, entry)) in slots.iter_mut().zip(&entries).enumerate() {
            let own = if entry.value == 0 { value } else { entry.value };
            *slot = if entry.child == 0 || level + 1 >= LEVELS {
                VALUE | own
            } else {
                let deeper = key | (at as u128) << (124 - 4 * level);
                self.part(entry.child as usize, level + 1, deeper, own, tree)
            };
            if *slot != VALUE | value {
                kinds += 1;
                different = at;
            }
        }
        let other = slots.get(different).copied().unwrap_or(VALUE);
        if kinds == 0 {
            return VALUE | value;
        }
        if kinds == 1 && other & VALUE != 0 {
            let mask = mask(4 * (level + 1));
            return tree.alone(Lone {
                key: key | (different as u128) << (124 - 4 * level),
                mask,
                inside: other & LARGEST,
                outside: value,
            });
        }
        // What lies alone deeper down, with the same around it, lies alone here too.
        let lone = tree.lone.get((other & !LONE) as usize);
        if kinds == 1 && other & LONE != 0 && lone.is_some_and(|l| l.outside == value) {
            return other;
        }
        tree.nodes.push(slots);
        u32::try_from(tree.nodes.len() - 1).unwrap_or(0)
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            top: VALUE,
            nodes: Vec::new(),
            lone: Vec::new(),
        }
    }
}

impl Tree {
    fn alone(&mut self, lone: Lone) -> u32 {
        self.lone.push(lone);
        LONE | u32::try_from(self.lone.len() - 1).unwrap_or(0)
    }

    fn find(&self, key: u128) -> u32 {
        let mut slot = self.top;
        for level in 0..=LEVELS {
            if slot & VALUE != 0 {
                return slot & LARGEST;
            }
            if slot & LONE != 0 {
                return self.lone.get((slot & !LONE) as usize).map_or(0, |l| {
                    if key & l.mask == l.key {
                        l.inside
                    } else {
                        l.outside
                    }
                });
            }
            let node = self.nodes.get(slot as usize);
            slot = node.map_or(VALUE, |n| {
                n.get(nibble(key, level)).copied().unwrap_or(VALUE)
            });
        }
        0
    }

    const fn octets(&self) -> usize {
        self.nodes.len() * size_of::<[u32; 16]>() + self.lone.len() * size_of::<Lone>()
    }
}

/// The address in the highest bits of 128, and whether it is IPv4.
fn key(ip: IpAddr) -> (u128, bool) {
    match ip {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, true),
        IpAddr::V6(v6) => (v6.to_bits(), false),
    }
}

const fn mask(bits: usize) -> u128 {
    if bits == 0 {
        0
    } else {
        u128::MAX << (128 - bits)
    }
}

/// The four bits of a level, 0 the highest.
const fn nibble(key: u128, level: usize) -> usize {
    if level >= LEVELS {
        return 0;
    }
    ((key >> (124 - 4 * level)) & 15) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;
    use core::net::Ipv6Addr;
    use proptest::prelude::*;

    fn network(text: &str) -> Option<(IpAddr, u8)> {
        let (ip, bits) = text.split_once('/')?;
        Some((ip.parse().ok()?, bits.parse().ok()?))
    }

    fn found(networks: &[(&str, bool)], ip: &str) -> u32 {
        let mut builder = Builder::new();
        for (number, (text, all)) in (1..).zip(networks) {
            builder.put(network(text), number, *all);
        }
        builder.build().find(ip.parse().expect("an address"))
    }

    #[test]
    fn the_deeper_network_decides_and_within_four_bits_the_later() {
        let nested = [
            ("1.2.3.4/32", false),
            ("1.2.3.0/24", false),
            ("1.2.0.0/16", false),
        ];
        for (ip, want) in [
            ("1.2.3.4", 1),
            ("1.2.3.5", 2),
            ("1.2.9.9", 3),
            ("1.3.0.0", 0),
        ] {
            assert_eq!(found(&nested, ip), want, "{ip}");
        }
        // /9 and /12 end in the same four bits, /12 and /13 do not.
        let same = [("10.64.0.0/12", false), ("10.0.0.0/9", false)];
        assert_eq!(found(&same, "10.64.0.1"), 2);
        let other = [("10.64.0.0/13", false), ("10.0.0.0/9", false)];
        assert_eq!(found(&other, "10.64.0.1"), 1);
        let everybody = [("10.0.0.0/8", false), ("", false)];
        assert_eq!(found(&everybody, "10.0.0.1"), 1);
        assert_eq!(
            (found(&everybody, "11.0.0.1"), found(&everybody, "::1")),
            (2, 2)
        );
    }

    #[test]
    fn all_takes_out_what_is_inside() {
        let networks = [
            ("1.2.3.4/32", false),
            ("1.2.3.0/24", false),
            ("1.2.0.0/16", true),
        ];
        assert_eq!(found(&networks, "1.2.3.4"), 3);
        assert_eq!(found(&[("1.2.3.4/32", false), ("", true)], "1.2.3.4"), 2);
        assert_eq!(found(&[("", true), ("1.2.3.4/32", false)], "1.2.3.4"), 2);
    }

    #[test]
    fn a_hundred_thousand_single_addresses_take_a_few_megabytes() {
        let mut builder = Builder::new();
        let address = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(n.wrapping_mul(2_654_435_761)));
        for n in 0..100_000 {
            builder.put(Some((address(n), 32)), n + 1, false);
        }
        let built = builder.build();
        assert!(built.octets() < 16 << 20, "{}", built.octets());
        for n in (0..100_000).step_by(97) {
            assert_eq!(built.find(address(n)), n + 1);
        }
    }

    /// What decides, by looking at every network: the deepest four bits, the latest of them, after
    /// the last that takes out what is inside.
    fn slowly(networks: &[(IpAddr, u8, bool)], ip: IpAddr) -> u32 {
        let ((wanted, four), mut best) = (key(ip), (0, 0));
        for (number, (network, bits, all)) in (1..).zip(networks) {
            let (place, family) = key(*network);
            if family != four || (wanted ^ place) & mask(usize::from(*bits)) != 0 {
                continue;
            }
            let level = bits.div_ceil(4);
            if level >= best.0 || *all || best.1 == 0 {
                best = (level, number);
            }
        }
        best.1
    }

    proptest! {
        #[test]
        fn the_tree_says_what_a_search_through_all_networks_says(
            list in proptest::collection::vec((any::<bool>(), 0u8..=128, any::<u128>(), any::<bool>()), 0..40),
            probes in proptest::collection::vec(any::<u128>(), 1..20),
        ) {
            // Addresses are close together, so that networks nest.
            let six = |a: u128| IpAddr::V6(Ipv6Addr::from_bits(a & 0x0f0f_0000_00ff << 80 | 0x2001 << 112 | a & 3));
            let four = |a: u128| IpAddr::V4(Ipv4Addr::from_bits(a as u32 & 0x0f0f_00ff));
            let place = |v4: bool, a: u128| if v4 { four(a) } else { six(a) };
            let networks: Vec<(IpAddr, u8, bool)> = list.iter().map(|&(v4, bits, a, all)| {
                (place(v4, a), if v4 { bits % 33 } else { bits }, all && a % 5 == 0)
            }).collect();
            let mut builder = Builder::new();
            for (number, &(ip, bits, all)) in (1..).zip(&networks) {
                builder.put(Some((ip, bits)), number, all);
            }
            let built = builder.build();
            let places = networks.iter().map(|n| n.0);
            for ip in probes.iter().flat_map(|&a| [four(a), six(a)]).chain(places) {
                prop_assert_eq!(built.find(ip), slowly(&networks, ip), "{}", ip);
                prop_assert_eq!(builder.find(ip), built.find(ip), "{}", ip);
            }
        }
    }
}
