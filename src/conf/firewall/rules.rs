//! Rules in chains, whatever program printed them, and the way of a flow through them.

use super::Condition;
use super::Direction;
use super::Fate;
use super::Flow;
use super::Owner;
use super::Ruling;
use super::Verdict;
use super::condition::Truth;
use std::collections::BTreeMap;

/// Jumps deeper than the kernel allows are not followed.
const DEPTH: usize = 16;
/// A walk of more steps (chains that jump to each other over and over) is given up.
const STEPS: usize = 1_000_000;
/// More rulings than anybody reads are not kept.
const RULINGS: usize = 64;

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The packet's fate in this base chain.
    Fate(Fate),
    /// On to another chain, and back after it.
    Jump(String),
    /// On to another chain, and back to where this one was called from.
    Goto(String),
    /// Back to where this chain was called from.
    Return,
    /// Nothing: a log, a counter, a mark.
    Continue,
}

/// One action of a rule, under its conditions. A map of verdicts is several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// What then happens.
    pub action: Action,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its steps in order.
    pub steps: Vec<Step>,
    /// Itself in its own language.
    pub text: String,
}

/// A chain's rules, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// The rules.
    pub rules: Vec<Rule>,
}

/// A chain at which packets enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The chain's name.
    pub chain: String,
    /// Which packets.
    pub direction: Direction,
    /// The second hook of its direction (input after prerouting, postrouting after output).
    pub late: bool,
    /// Its place among the chains of its hook, the lower the earlier.
    pub priority: i64,
    /// The fate of packets that reach its end.
    pub policy: Fate,
}

/// A table with its chains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruleset {
    /// What its chains are called by: `inet filter`, `iptables filter`.
    pub name: String,
    /// IPv6 packets cross it (`Some(true)`), IPv4 (`Some(false)`), or both.
    pub v6: Option<bool>,
    /// Who writes it where a chain's name does not tell better.
    pub owner: Owner,
    /// By name.
    pub chains: BTreeMap<String, Chain>,
    /// Where packets enter.
    pub bases: Vec<Base>,
}

enum End {
    /// The packet's fate is sealed.
    Sealed,
    /// Back to the caller.
    Fell,
}

struct Walk<'a> {
    set: &'a Ruleset,
    flow: &'a Flow,
    verdict: Verdict,
    steps: usize,
}

impl Ruleset {
    /// Whether packets of this flow cross the table.
    #[must_use]
    pub fn sees(&self, flow: &Flow) -> bool {
        self.v6.is_none_or(|v6| v6 == flow.v6)
    }

    /// The flow's way from a base chain.
    #[must_use]
    pub fn walk(&self, base: &Base, flow: &Flow) -> Verdict {
        let mut walk = Walk {
            set: self,
            flow,
            verdict: Verdict::default(),
            steps: 0,
        };
        if let End::Fell = walk.chain(&base.chain, &[], DEPTH) {
            let rule = format!("policy {}", fate_word(&base.policy));
            walk.rule(&base.chain, base.policy.clone(), &[], &rule);
        }
        walk.verdict
    }

    fn owner_of(&self, chain: &str) -> Owner {
        let zone = |prefix: &str| {
            let rest = chain.strip_prefix(prefix)?;
            let zone = ["_allow", "_deny", "_log", "_pre", "_post"]
                .iter()
                .find_map(|end| rest.strip_suffix(end))
                .unwrap_or(rest);
            (!zone.is_empty() && !zone.starts_with("policy_")).then(|| zone.to_owned())
        };
        let firewalld = matches!(self.owner, Owner::Firewalld(_))
            || self.chains.contains_key("INPUT_ZONES")
            || self.chains.contains_key("INPUT_ZONES_SOURCE");
        if firewalld {
            let zone = zone("filter_IN_").or_else(|| zone("IN_"));
            return Owner::Firewalld(zone.unwrap_or_default());
        }
        if chain.starts_with("ufw-") || chain.starts_with("ufw6-") {
            return Owner::Ufw;
        }
        // ufw sets the policy of the chain that it hangs its own on.
        let ufw = self.chains.contains_key("ufw-user-input")
            || self.chains.contains_key("ufw6-user-input");
        if ufw && ["INPUT", "OUTPUT"].contains(&chain) {
            return Owner::Ufw;
        }
        self.owner.clone()
    }
}

impl Walk<'_> {
    /// Walks a chain whose packets fulfil `under`; how it ends for packets that fulfil no more.
    fn chain(&mut self, name: &str, under: &[String], depth: usize) -> End {
        let set = self.set;
        let Some(chain) = set.chains.get(name) else {
            return End::Fell;
        };
        if depth == 0 {
            return End::Fell;
        }
        // Conditions under which packets have left this chain: the rest of it is not for them.
        let mut left: Vec<String> = Vec::new();
        for rule in &chain.rules {
            for step in &rule.steps {
                self.steps += 1;
                if self.steps > STEPS {
                    self.give_up(name);
                    return End::Sealed;
                }
                let Some(open) = self.open_conditions(step) else {
                    continue;
                };
                let sure = open.is_empty();
                let all = [under, &left, &open].concat();
                let end = match &step.action {
                    Action::Continue => continue,
                    Action::Return => End::Fell,
                    Action::Fate(fate) => {
                        self.rule(name, fate.clone(), &all, &rule.text);
                        End::Sealed
                    }
                    Action::Jump(to) => match self.chain(to, &all, depth - 1) {
                        End::Sealed => End::Sealed,
                        End::Fell => continue,
                    },
                    Action::Goto(to) => self.chain(to, &all, depth - 1),
                };
                match (end, sure) {
                    (End::Sealed, true) if left.is_empty() => return End::Sealed,
                    (_, true) => return End::Fell,
                    (End::Sealed, false) => {}
                    (End::Fell, false) => left.push(format!("not ({})", open.join(" "))),
                }
            }
        }
        End::Fell
    }

    /// Says once that the rules are too many to be followed: the verdict is open then.
    fn give_up(&mut self, chain: &str) {
        let fate = Fate::Unknown("too many rules to follow".to_owned());
        let known = self.verdict.rulings.iter().any(|r| r.fate == fate);
        if !known {
            self.verdict.rulings.truncate(RULINGS - 1);
            self.rule(chain, fate, &[], "too many rules to follow");
        }
    }

    /// The conditions that remain open, or `None` when one does not hold.
    fn open_conditions(&self, step: &Step) -> Option<Vec<String>> {
        let mut open = Vec::new();
        for condition in &step.conditions {
            match condition.holds(self.flow) {
                Truth::Yes => {}
                Truth::No => return None,
                Truth::Depends => open.push(condition.text.clone()),
            }
        }
        Some(open)
    }

    fn rule(&mut self, chain: &str, fate: Fate, conditions: &[String], rule: &str) {
        if self.verdict.rulings.len() >= RULINGS {
            return;
        }
        self.verdict.rulings.push(Ruling {
            fate,
            conditions: conditions.to_vec(),
            rule: rule.to_owned(),
            place: format!("{} {chain}", self.set.name),
            owner: self.set.owner_of(chain),
        });
    }
}

/// The word of a policy.
pub(super) const fn fate_word(fate: &Fate) -> &'static str {
    match fate {
        Fate::Accepted => "accept",
        Fate::Dropped => "drop",
        Fate::Rejected(_) => "reject",
        Fate::Redirected(_) => "redirect",
        Fate::Unknown(_) => "unknown",
    }
}
