//! nftables expressions in the words of nft(8), from their JSON: so that a rule can be quoted.

use serde_json::Value;

/// An expression or statement; empty for what only counts.
pub(super) fn expression(value: &Value) -> String {
    let Some((kind, body)) = value.as_object().and_then(|o| o.iter().next()) else {
        return atom(value);
    };
    let text = |key: &str| body.get(key).map(atom).unwrap_or_default();
    match kind.as_str() {
        "match" => {
            let null = Value::Null;
            let get = |key: &str| body.get(key).unwrap_or(&null);
            let op = get("op").as_str().unwrap_or("==");
            matching(get("left"), op, get("right"))
        }
        "counter" => String::new(),
        "accept" | "drop" | "return" | "continue" | "masquerade" | "notrack" => kind.clone(),
        "jump" | "goto" => format!("{kind} {}", text("target")),
        "reject" => reject(body),
        "log" => match body.get("prefix").and_then(Value::as_str) {
            Some(prefix) => format!("log prefix \"{}\"", prefix.trim_end()),
            None => "log".to_owned(),
        },
        "limit" => {
            let over = body.get("inv").and_then(Value::as_bool).unwrap_or(false);
            let over = if over { "over " } else { "" };
            let unit = body
                .get("rate_unit")
                .map(|u| format!("{} ", atom(u)))
                .unwrap_or_default();
            format!(
                "limit rate {over}{}{}/{}",
                text("rate"),
                if unit.is_empty() {
                    String::new()
                } else {
                    format!(" {}", unit.trim())
                },
                text("per")
            )
        }
        "vmap" => format!("{} vmap {}", text("key"), text("data")),
        "xt" => format!("(iptables: {})", text("name")),
        "dnat" | "snat" | "redirect" => {
            let port = body
                .get("port")
                .map(|p| format!(":{}", atom(p)))
                .unwrap_or_default();
            format!("{kind} to {}{port}", text("addr"))
        }
        "ct count" => format!("ct count {}", text("val")),
        _ => atom(value),
    }
}

/// `left op right`; equality is not written, as nft does not.
pub(super) fn matching(left: &Value, op: &str, right: &Value) -> String {
    match op {
        "==" | "in" => format!("{} {}", atom(left), atom(right)),
        _ => format!("{} {op} {}", atom(left), atom(right)),
    }
}

/// `reject with icmpx admin-prohibited`.
pub(super) fn reject(body: &Value) -> String {
    let kind = body.get("type").map(atom).unwrap_or_default();
    let code = body.get("expr").map(atom).unwrap_or_default();
    match (kind.is_empty(), code.is_empty()) {
        (true, _) => "reject".to_owned(),
        (false, true) => format!("reject with {kind}"),
        (false, false) => format!("reject with {kind} {code}"),
    }
}

fn atom(value: &Value) -> String {
    let joined = |list: &[Value], by: &str| list.iter().map(atom).collect::<Vec<_>>().join(by);
    match value {
        Value::Null => String::new(),
        Value::Bool(value) => if *value { "exists" } else { "missing" }.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(list) => match list.as_slice() {
            // A pair of a verdict map.
            [key, verdict] if verdict.is_object() => {
                format!("{} : {}", atom(key), expression(verdict))
            }
            list => joined(list, ","),
        },
        Value::Object(object) => {
            let Some((kind, body)) = object.iter().next() else {
                return String::new();
            };
            let text = |key: &str| body.get(key).map(atom).unwrap_or_default();
            match kind.as_str() {
                "payload" => format!("{} {}", text("protocol"), text("field")),
                "meta" => match text("key").as_str() {
                    bare @ ("iifname" | "oifname" | "iif" | "oif") => bare.to_owned(),
                    key => format!("meta {key}"),
                },
                "ct" => format!("ct {}", text("key")),
                "prefix" => format!("{}/{}", text("addr"), text("len")),
                "range" => body
                    .as_array()
                    .map(|ends| joined(ends, "-"))
                    .unwrap_or_default(),
                "set" => match body.as_array() {
                    Some(list) => format!("{{ {} }}", joined(list, ", ")),
                    None => atom(body),
                },
                "elem" => text("val"),
                "concat" => body
                    .as_array()
                    .map(|parts| joined(parts, " . "))
                    .unwrap_or_default(),
                "fib" => format!(
                    "fib {} {}",
                    text("flags").replace(',', " . "),
                    text("result")
                ),
                _ => value.to_string(),
            }
        }
    }
}
