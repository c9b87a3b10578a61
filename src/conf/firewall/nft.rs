//! `nft -j list ruleset` (libnftables-json(5)) to rules.

use super::Action;
use super::Base;
use super::Chain;
use super::Condition;
use super::Direction;
use super::Fate;
use super::Owner;
use super::Rule;
use super::Ruleset;
use super::Step;
use super::Test;
use super::render;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// The tables of a rule set; those that hold iptables' rules in a form that only iptables reads
/// are in the second list, by family and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// What can be evaluated.
    pub rulesets: Vec<Ruleset>,
    /// `ip filter`: tables with matches of iptables inside.
    pub of_iptables: Vec<String>,
}

/// A set of more concatenated values than this is not evaluated.
const ELEMENTS: usize = 10_000;

/// Elements of a table's named sets and maps.
type Sets = BTreeMap<(String, String, String), Vec<Value>>;

/// Reads the output of `nft -j list ruleset`.
///
/// # Errors
/// When it is no such output.
pub fn parse(text: &str) -> Result<Listing, String> {
    let value: Value = serde_json::from_str(text).map_err(|e| format!("not JSON: {e}"))?;
    let Some(entries) = value.get("nftables").and_then(Value::as_array) else {
        return Err("not the JSON of nft".to_owned());
    };
    let mut sets = Sets::new();
    for entry in entries {
        for kind in ["set", "map"] {
            if let Some(set) = entry.get(kind) {
                let elements = set.get("elem").and_then(Value::as_array);
                let (family, table) = table_of(set);
                let key = (family, table, string(set, "name"));
                sets.insert(key, elements.cloned().unwrap_or_default());
            }
        }
    }
    let mut tables: BTreeMap<(String, String), Ruleset> = BTreeMap::new();
    let mut of_iptables = Vec::new();
    for entry in entries {
        if let Some(chain) = entry.get("chain") {
            let (family, table) = table_of(chain);
            let ruleset = tables
                .entry((family.clone(), table.clone()))
                .or_insert_with(|| ruleset(&family, &table));
            let name = string(chain, "name");
            ruleset.chains.entry(name.clone()).or_default();
            ruleset.bases.extend(base(chain, name));
        } else if let Some(rule) = entry.get("rule") {
            let (family, table) = table_of(rule);
            let reader = Reader {
                sets: &sets,
                family: &family,
                table: &table,
            };
            let (rule_here, foreign) = reader.rule(rule);
            let name = format!("{family} {table}");
            if foreign && !of_iptables.contains(&name) {
                of_iptables.push(name);
            }
            let ruleset = tables
                .entry((family.clone(), table.clone()))
                .or_insert_with(|| ruleset(&family, &table));
            let chain: &mut Chain = ruleset.chains.entry(string(rule, "chain")).or_default();
            chain.rules.push(rule_here);
        }
    }
    Ok(Listing {
        rulesets: tables.into_values().collect(),
        of_iptables,
    })
}

fn string(value: &Value, key: &str) -> String {
    value
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn table_of(value: &Value) -> (String, String) {
    (string(value, "family"), string(value, "table"))
}

fn ruleset(family: &str, table: &str) -> Ruleset {
    Ruleset {
        name: format!("{family} {table}"),
        v6: match family {
            "ip" => Some(false),
            "ip6" => Some(true),
            _ => None,
        },
        owner: if table == "firewalld" {
            Owner::Firewalld(String::new())
        } else {
            Owner::Nftables
        },
        chains: BTreeMap::new(),
        bases: Vec::new(),
    }
}

fn base(chain: &Value, name: String) -> Option<Base> {
    let (direction, late) = match chain.get("hook")?.as_str()? {
        "prerouting" | "ingress" => (Direction::In, false),
        "input" => (Direction::In, true),
        "output" => (Direction::Out, false),
        "postrouting" | "egress" => (Direction::Out, true),
        _ => return None,
    };
    Some(Base {
        chain: name,
        direction,
        late,
        priority: chain.get("prio").and_then(Value::as_i64).unwrap_or(0),
        policy: if string(chain, "policy") == "drop" {
            Fate::Dropped
        } else {
            Fate::Accepted
        },
    })
}

struct Reader<'a> {
    sets: &'a Sets,
    family: &'a str,
    table: &'a str,
}

impl Reader<'_> {
    /// The rule, and whether iptables' own matches are in it.
    fn rule(&self, rule: &Value) -> (Rule, bool) {
        let expressions = rule.get("expr").and_then(Value::as_array);
        let expressions: &[Value] = expressions.map_or(&[], Vec::as_slice);
        let mut conditions = Vec::new();
        let mut steps = Vec::new();
        let mut foreign = false;
        for expression in expressions {
            let Some((kind, body)) = expression.as_object().and_then(|o| o.iter().next()) else {
                continue;
            };
            match kind.as_str() {
                "match" => conditions.extend(self.matching(body)),
                "vmap" => steps.extend(self.verdict_map(body, &conditions)),
                "xt" => {
                    foreign = true;
                    conditions.push(Condition::new(
                        Test::Depends,
                        render::expression(expression),
                    ));
                }
                "limit" | "ct count" => {
                    conditions.push(Condition::new(
                        Test::Depends,
                        render::expression(expression),
                    ));
                }
                _ => {
                    if let Some(action) = action(kind, body, expression) {
                        let conditions = conditions.clone();
                        steps.push(Step { conditions, action });
                    }
                }
            }
        }
        let text = expressions
            .iter()
            .map(render::expression)
            .filter(|t| !t.is_empty());
        let text = text.collect::<Vec<_>>().join(" ");
        (Rule { steps, text }, foreign)
    }

    fn matching(&self, body: &Value) -> Vec<Condition> {
        let null = Value::Null;
        let left = body.get("left").unwrap_or(&null);
        let right = body.get("right").unwrap_or(&null);
        let op = body.get("op").and_then(Value::as_str).unwrap_or("==");
        let text = render::matching(left, op, right);
        self.test(left, op, right, &text)
    }

    /// The conditions of `left op right`: a payload's field implies its protocol.
    fn test(&self, left: &Value, op: &str, right: &Value, text: &str) -> Vec<Condition> {
        if let Some(parts) = left.get("concat").and_then(Value::as_array) {
            return self.concatenation(parts, op, right, text);
        }
        let mut out = Vec::new();
        let values = self.values(right);
        let test = if let Some(payload) = left.get("payload") {
            let protocol = string(payload, "protocol");
            let field = string(payload, "field");
            match protocol.as_str() {
                "ip" => out.push(Condition::new(Test::V6(false), text)),
                "ip6" => out.push(Condition::new(Test::V6(true), text)),
                "udp" | "th" => {}
                // Another protocol's header is never in a UDP packet.
                "tcp" | "icmp" | "icmpv6" | "sctp" | "dccp" | "udplite" | "ah" | "esp" | "igmp" => {
                    return vec![Condition::new(Test::Never, text)];
                }
                _ => return vec![Condition::new(Test::Depends, text)],
            }
            payload_test(&field, op, &values)
        } else if let Some(meta) = left.get("meta") {
            meta_test(&string(meta, "key"), op, &values)
        } else if let Some(ct) = left.get("ct") {
            match string(ct, "key").as_str() {
                "state" => words(&values).map(Test::State),
                // A packet to or from a local socket was not sent on by a rule of NAT.
                "status" if words(&values).is_some_and(|w| w.iter().all(|w| w == "dnat")) => {
                    Some(Test::Never)
                }
                _ => None,
            }
        } else if let Some(fib) = left.get("fib") {
            // The reverse path filter: no route back to the sender.
            let oif = string(fib, "result") == "oif";
            (oif && op == "==" && right == &Value::Bool(false)).then_some(Test::Never)
        } else {
            None
        };
        out.push(Condition {
            negated: op == "!=" && test.is_some(),
            test: test.unwrap_or(Test::Depends),
            text: text.to_owned(),
        });
        out
    }

    /// `ip saddr . udp dport { 10.0.0.1 . 123, … }`: each element is a list of conditions.
    fn concatenation(
        &self,
        parts: &[Value],
        op: &str,
        right: &Value,
        text: &str,
    ) -> Vec<Condition> {
        let values = self.values(right);
        // The packet must have these headers, whether the values are to be equal or not.
        let mut out: Vec<Condition> = parts
            .iter()
            .filter_map(|part| {
                let payload = part.get("payload")?;
                match string(payload, "protocol").as_str() {
                    "ip" => Some(Test::V6(false)),
                    "ip6" => Some(Test::V6(true)),
                    "udp" | "th" => None,
                    _ => Some(Test::Never),
                }
            })
            .map(|test| Condition::new(test, text))
            .collect();
        let element = |value: &Value| {
            let values = value.get("concat").and_then(Value::as_array)?;
            let pairs = parts.iter().zip(values);
            (values.len() == parts.len()).then(|| {
                pairs
                    .flat_map(|(part, value)| self.test(part, "==", value, ""))
                    .collect::<Vec<Condition>>()
            })
        };
        let known = values.len() <= ELEMENTS && ["==", "!=", "in"].contains(&op);
        let lists: Option<Vec<_>> = values.iter().map(element).collect();
        let lists = lists.filter(|_| known);
        out.push(Condition {
            negated: op == "!=" && lists.is_some(),
            test: lists.map_or(Test::Depends, Test::AnyOf),
            text: text.to_owned(),
        });
        out
    }

    fn verdict_map(&self, body: &Value, before: &[Condition]) -> Vec<Step> {
        let null = Value::Null;
        let key = body.get("key").unwrap_or(&null);
        let mut steps = Vec::new();
        let mut others: Vec<Vec<Condition>> = Vec::new();
        let mut pairs = self.values(body.get("data").unwrap_or(&null));
        // What stands for all other values comes last.
        let rest = |pair: &Value| pair.get(0).and_then(Value::as_str) == Some("*");
        pairs.sort_by_key(rest);
        for pair in pairs {
            let Some([value, verdict]) = pair.as_array().map(Vec::as_slice) else {
                continue;
            };
            let Some((kind, verdict_body)) = verdict.as_object().and_then(|o| o.iter().next())
            else {
                continue;
            };
            let mut conditions = before.to_vec();
            let text = render::matching(key, "==", value);
            if rest(&pair) {
                conditions.push(Condition {
                    negated: true,
                    test: Test::AnyOf(std::mem::take(&mut others)),
                    text,
                });
            } else {
                let here = self.test(key, "==", &element_value(value), &text);
                if others.len() < ELEMENTS {
                    others.push(here.clone());
                }
                conditions.extend(here);
            }
            if let Some(action) = action(kind, verdict_body, verdict) {
                steps.push(Step { conditions, action });
            }
        }
        steps
    }

    /// A value, the elements of a set, or those of a named set.
    fn values(&self, right: &Value) -> Vec<Value> {
        if let Some(set) = right.get("set").and_then(Value::as_array) {
            return set.iter().flat_map(|value| self.values(value)).collect();
        }
        if let Some(element) = right.get("elem").and_then(|e| e.get("val")) {
            return self.values(element);
        }
        if let Some(name) = right.as_str().and_then(|text| text.strip_prefix('@')) {
            let key = (
                self.family.to_owned(),
                self.table.to_owned(),
                name.to_owned(),
            );
            let elements = self.sets.get(&key);
            return elements.into_iter().flatten().map(element_value).collect();
        }
        vec![right.clone()]
    }
}

fn element_value(value: &Value) -> Value {
    let inner = value.get("elem").and_then(|e| e.get("val"));
    inner.unwrap_or(value).clone()
}

/// A verdict statement; `None` for statements that change nothing of the packet's fate.
fn action(kind: &str, body: &Value, whole: &Value) -> Option<Action> {
    let target = || {
        body.get("target")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    Some(match kind {
        "accept" | "masquerade" | "snat" => Action::Fate(Fate::Accepted),
        "drop" => Action::Fate(Fate::Dropped),
        "reject" => Action::Fate(Fate::Rejected(render::reject(body))),
        "jump" => Action::Jump(target()),
        "goto" => Action::Goto(target()),
        "return" => Action::Return,
        "dnat" | "redirect" | "tproxy" => Action::Fate(Fate::Redirected(render::expression(whole))),
        "queue" | "fwd" | "synproxy" => Action::Fate(Fate::Unknown(render::expression(whole))),
        _ => return None,
    })
}

fn payload_test(field: &str, op: &str, values: &[Value]) -> Option<Test> {
    match field {
        "sport" => ranges(op, values).map(Test::SourcePort),
        "dport" => ranges(op, values).map(Test::DestinationPort),
        "saddr" => nets(values).map(Test::Source),
        "daddr" => nets(values).map(Test::Destination),
        "protocol" | "nexthdr" => protocols(values),
        _ => None,
    }
}

fn meta_test(key: &str, op: &str, values: &[Value]) -> Option<Test> {
    match key {
        "l4proto" => protocols(values),
        "iifname" | "iif" => words(values).map(Test::InInterface),
        "oifname" | "oif" => words(values).map(Test::OutInterface),
        "length" => ranges(op, values).map(Test::Length),
        "nfproto" | "protocol" => {
            let words = words(values)?;
            let v4 = words.iter().any(|w| w == "ipv4" || w == "ip");
            let v6 = words.iter().any(|w| w == "ipv6" || w == "ip6");
            match (v4, v6) {
                (true, true) => Some(Test::Always),
                (false, false) => Some(Test::Never),
                (_, v6) => Some(Test::V6(v6)),
            }
        }
        _ => None,
    }
}

fn words(values: &[Value]) -> Option<Vec<String>> {
    let word = |value: &Value| match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(list) => list.iter().map(|v| v.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    let lists: Option<Vec<Vec<String>>> = values.iter().map(word).collect();
    Some(lists?.into_iter().flatten().collect())
}

fn protocols(values: &[Value]) -> Option<Test> {
    let number = |value: &Value| match value {
        Value::Number(n) => u8::try_from(n.as_u64()?).ok(),
        Value::String(name) => super::iptables::protocol(name),
        _ => None,
    };
    let numbers: Option<Vec<u8>> = values.iter().map(number).collect();
    numbers.map(Test::Protocol)
}

/// Service names that stand for ports in a rule set printed with names.
fn number(value: &Value) -> Option<u16> {
    match value {
        Value::Number(n) => Some(n.as_u64()?.try_into().unwrap_or(u16::MAX)),
        Value::String(name) => super::iptables::service(name),
        _ => None,
    }
}

fn ranges(op: &str, values: &[Value]) -> Option<Vec<RangeInclusive<u16>>> {
    let mut out = Vec::new();
    for value in values {
        if let Some(ends) = value.get("range").and_then(Value::as_array) {
            out.push(number(ends.first()?)?..=number(ends.get(1)?)?);
            continue;
        }
        let one = number(value)?;
        out.push(match op {
            "<" => 0..=one.checked_sub(1)?,
            "<=" => 0..=one,
            ">" => one.checked_add(1)?..=u16::MAX,
            ">=" => one..=u16::MAX,
            "==" | "!=" | "in" => one..=one,
            _ => return None,
        });
    }
    Some(out)
}

fn nets(values: &[Value]) -> Option<Vec<(IpAddr, u8)>> {
    let mut out = Vec::new();
    for value in values {
        if let Some(prefix) = value.get("prefix") {
            let length = prefix.get("len")?.as_u64()?.try_into().ok()?;
            // nft writes some IPv6 networks as `::ffff:0.0.0.0`.
            out.push((prefix.get("addr")?.as_str()?.parse().ok()?, length));
        } else if let Some(ends) = value.get("range").and_then(Value::as_array) {
            let end = |at: usize| ends.get(at)?.as_str()?.parse::<IpAddr>().ok();
            out.extend(networks(end(0)?, end(1)?)?);
        } else {
            let address: IpAddr = value.as_str()?.parse().ok()?;
            out.push((address, if address.is_ipv6() { 128 } else { 32 }));
        }
    }
    Some(out)
}

/// The networks that are the addresses from `first` to `last`, both included.
fn networks(first: IpAddr, last: IpAddr) -> Option<Vec<(IpAddr, u8)>> {
    let (mut low, high, width) = match (first, last) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return None,
    };
    let address = |bits: u128| match first {
        IpAddr::V4(_) => Some(IpAddr::V4(u32::try_from(bits).ok()?.into())),
        IpAddr::V6(_) => Some(IpAddr::V6(bits.into())),
    };
    let mut out = Vec::new();
    while low <= high {
        // The largest network that begins here and does not end behind the last address.
        let mut host = low.trailing_zeros().min(width);
        let end = |host: u32| low | (1u128.checked_shl(host).unwrap_or(0).wrapping_sub(1));
        while end(host) > high {
            host -= 1;
        }
        out.push((address(low)?, u8::try_from(width - host).ok()?));
        match end(host).checked_add(1) {
            Some(next) => low = next,
            None => break,
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests;
