//! What a packet filter's rules say of one flow of packets: an evaluation of rule sets as
//! nftables (`nft -j`) and iptables (`iptables-save`) print them. What a rule depends on and the
//! flow does not say (an unknown client's address, a rate, a match that is not known here) makes
//! its ruling conditional; it is never guessed.
//!
//! - [`nft`]: rules of `nft -j list ruleset`.
//! - [`iptables`]: rules of `iptables-save` and `ip6tables-save`.
//! - [`firewalld`], [`ufw`]: what their own files say.

mod condition;
pub mod firewalld;
pub mod iptables;
pub mod nft;
mod render;
mod rules;
pub mod ufw;

pub use condition::Condition;
pub use condition::Test;
pub use rules::Action;
pub use rules::Base;
pub use rules::Chain;
pub use rules::Rule;
pub use rules::Ruleset;
pub use rules::Step;

use std::net::IpAddr;

/// The way of a packet through this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To a socket of this machine.
    In,
    /// From a socket of this machine.
    Out,
}

/// A flow of UDP packets whose fate is asked for. Their sender is genuine: this machine's routes lead
/// back to it over the same interface, so that reverse path filters pass it; an address that is
/// not known is an ordinary one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Its way.
    pub direction: Direction,
    /// IPv6, else IPv4.
    pub v6: bool,
    /// The source port; `None` is any unprivileged one.
    pub source_port: Option<u16>,
    /// The destination port; `None` is any unprivileged one.
    pub destination_port: Option<u16>,
    /// Whether connection tracking has seen the other direction.
    pub reply: bool,
    /// The interface that it crosses.
    pub interface: Option<String>,
    /// This machine's address in it.
    pub local: Option<IpAddr>,
    /// The other side's address, where it is known.
    pub remote: Option<IpAddr>,
    /// Octets of the IP packet.
    pub length: u16,
}

/// What a rule does to packets that it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Goes on.
    Accepted,
    /// Vanishes.
    Dropped,
    /// Answered with this: `icmp-port-unreachable`.
    Rejected(String),
    /// Sent to another destination: its description.
    Redirected(String),
    /// Handed to a program or a target that is not known here.
    Unknown(String),
}

impl Fate {
    /// True when the packet goes its way.
    #[must_use]
    pub const fn passes(&self) -> bool {
        matches!(self, Self::Accepted)
    }
}

/// Who writes the rules that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// firewalld, in this zone.
    Firewalld(String),
    /// ufw.
    Ufw,
    /// An nftables rule set.
    Nftables,
    /// Plain iptables.
    Iptables,
}

/// A rule, or a chain's policy, that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// What happens.
    pub fate: Fate,
    /// What the packet must fulfil besides what is known of it, in the rule's words: `ip saddr
    /// 10.0.0.0/8`. Empty: every packet of the flow.
    pub conditions: Vec<String>,
    /// The rule in its own language, or `policy drop`.
    pub rule: String,
    /// The table and chain: `inet filter input`.
    pub place: String,
    /// Who writes these rules.
    pub owner: Owner,
}

/// What the rules say of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The rulings that may apply, in the order of the rules; the last has no condition.
    pub rulings: Vec<Ruling>,
}

/// The verdict in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Every packet of the flow passes.
    Allowed,
    /// It depends on what is not known of the packet.
    Conditional,
    /// No packet of the flow passes.
    Blocked,
}

impl Verdict {
    /// In a word.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let passes = self.rulings.iter().filter(|r| r.fate.passes()).count();
        let unknown = self
            .rulings
            .iter()
            .any(|r| matches!(r.fate, Fate::Unknown(_)));
        match (passes, self.rulings.len()) {
            _ if unknown => Outcome::Conditional,
            (0, 0) => Outcome::Allowed,
            (0, _) => Outcome::Blocked,
            (some, all) if some == all => Outcome::Allowed,
            _ => Outcome::Conditional,
        }
    }

    /// Whether only a chain's policy decides.
    fn is_policy(&self) -> bool {
        self.rulings.iter().all(|r| r.rule.starts_with("policy "))
    }

    /// The ruling to quote: the one that applies to every packet, or the condition that allows.
    #[must_use]
    pub fn deciding(&self) -> Option<&Ruling> {
        match self.outcome() {
            Outcome::Conditional => self.rulings.first(),
            _ => self.rulings.last(),
        }
    }
}

/// What all these rule sets together say: a packet must pass each chain that it crosses.
#[must_use]
pub fn evaluate(rulesets: &[Ruleset], flow: &Flow) -> Verdict {
    let mut bases: Vec<(&Ruleset, &Base)> = rulesets
        .iter()
        .flat_map(|set| set.bases.iter().map(move |base| (set, base)))
        .filter(|(set, base)| base.direction == flow.direction && set.sees(flow))
        .collect();
    bases.sort_by_key(|(_, base)| (base.late, base.priority));
    let mut all = Verdict::default();
    for (set, base) in bases {
        let verdict = set.walk(base, flow);
        match verdict.outcome() {
            // A rule says more than a policy, the first of them most.
            Outcome::Allowed => {
                if all.rulings.is_empty() && !verdict.is_policy() {
                    all = verdict;
                }
            }
            Outcome::Blocked => return verdict,
            // A later chain that passes all does not lift an earlier one's condition.
            Outcome::Conditional => {
                if all.outcome() == Outcome::Conditional {
                    all.rulings.extend(verdict.rulings);
                } else {
                    all = verdict;
                }
            }
        }
    }
    all
}
