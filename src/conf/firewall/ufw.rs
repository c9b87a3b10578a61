//! ufw's own files: whether it is on (ufw.conf), its default policies (/etc/default/ufw) and its
//! rules (user.rules, user6.rules), of which the tuples in comments are what `ufw status` shows.

/// A rule as `ufw status` knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuple {
    /// `allow`, `deny`, `reject`, `limit`.
    pub action: String,
    /// `udp`, `tcp`, `any`.
    pub protocol: String,
    /// Destination port or ports, `any` for all.
    pub port: String,
    /// Source: an address, a network, or `any`.
    pub source: String,
    /// `in` or `out`.
    pub direction: String,
}

/// Whether ufw is on, from ufw.conf.
#[must_use]
pub fn enabled(conf: &str) -> bool {
    value(conf, "ENABLED").is_some_and(|v| v.eq_ignore_ascii_case("yes"))
}

/// The default policies for incoming and outgoing packets, from /etc/default/ufw: `DROP`,
/// `ACCEPT`, `REJECT`.
#[must_use]
pub fn policies(defaults: &str) -> (Option<String>, Option<String>) {
    (
        value(defaults, "DEFAULT_INPUT_POLICY"),
        value(defaults, "DEFAULT_OUTPUT_POLICY"),
    )
}

/// The rules of a user.rules file that are about this UDP port, in order.
#[must_use]
pub fn tuples(rules: &str, port: u16) -> Vec<Tuple> {
    rules
        .lines()
        .filter_map(|line| tuple(line.trim().strip_prefix("### tuple ###")?))
        .filter(|t| t.protocol != "tcp" && names(&t.port, port))
        .collect()
}

/// The port range and the action may be followed by `_log`, the direction by `_IFACE`, and the
/// last word is a comment.
fn tuple(text: &str) -> Option<Tuple> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let direction = words.iter().skip(6).find_map(|word| {
        let (way, interface) = word.split_once('_').unwrap_or((word, ""));
        ["in", "out"].contains(&way).then(|| {
            if interface.is_empty() {
                way.to_owned()
            } else {
                format!("{way} on {interface}")
            }
        })
    })?;
    let source = *words.get(5)?;
    Some(Tuple {
        action: words.first()?.split('_').next()?.to_owned(),
        protocol: (*words.get(1)?).to_owned(),
        port: (*words.get(2)?).to_owned(),
        source: if source == "0.0.0.0/0" || source == "::/0" {
            "any"
        } else {
            source
        }
        .to_owned(),
        direction,
    })
}

fn names(ports: &str, port: u16) -> bool {
    ports.split(',').any(|part| {
        let (low, high) = part.split_once(':').unwrap_or((part, part));
        match (low.parse::<u16>(), high.parse::<u16>()) {
            (Ok(low), Ok(high)) => (low..=high).contains(&port),
            _ => part == "any",
        }
    })
}

fn value(text: &str, name: &str) -> Option<String> {
    text.lines().rev().find_map(|line| {
        let value = line
            .trim()
            .strip_prefix(name)?
            .trim_start()
            .strip_prefix('=')?;
        Some(value.trim().trim_matches(['"', '\'']).to_owned())
    })
}

impl Tuple {
    /// In the words of the command that made it.
    #[must_use]
    pub fn words(&self) -> String {
        let way = if self.direction == "in" {
            String::new()
        } else {
            format!(" {}", self.direction)
        };
        match (self.source.as_str(), self.port.as_str()) {
            ("any", port) => format!("ufw {}{way} {port}/{}", self.action, self.protocol),
            (source, port) => format!(
                "ufw {}{way} proto {} from {source} to any port {port}",
                self.action, self.protocol
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuples_about_the_port_are_found_in_the_words_of_their_command() {
        let rules = "### tuple ### allow udp 123 0.0.0.0/0 any 0.0.0.0/0 in\n\
                     ### tuple ### allow udp 319 0.0.0.0/0 any 10.0.0.0/8 in\n\
                     ### tuple ### deny udp 120:130 0.0.0.0/0 any 10.1.0.0/16 in\n\
                     ### tuple ### limit_log any 22,123 0.0.0.0/0 any 0.0.0.0/0 in_eth0\n\
                     ### tuple ### allow tcp 123 0.0.0.0/0 any 0.0.0.0/0 in\n";
        let found: Vec<String> = tuples(rules, 123).iter().map(Tuple::words).collect();
        assert_eq!(
            found,
            [
                "ufw allow 123/udp",
                "ufw deny proto udp from 10.1.0.0/16 to any port 120:130",
                "ufw limit in on eth0 22,123/any",
            ]
        );
    }

    #[test]
    fn whether_it_is_on_and_its_policies() {
        assert!(enabled("# ENABLED=no\nENABLED=yes\n"));
        assert!(!enabled("ENABLED=no\n"));
        let (input, output) =
            policies("DEFAULT_INPUT_POLICY=\"DROP\"\nDEFAULT_OUTPUT_POLICY=\"ACCEPT\"\n");
        assert_eq!(
            (input.as_deref(), output.as_deref()),
            (Some("DROP"), Some("ACCEPT"))
        );
    }
}
