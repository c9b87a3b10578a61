//! What concerns no single line: what must be known before the first one is written, and what
//! follows from all of them together.

use crate::conf::address;
use crate::conf::chrony::Version;
use crate::conf::chrony::load;
use crate::conf::convert::Conversion;
use crate::conf::convert::Converter;
use crate::conf::convert::associations;
use crate::conf::convert::drift;
use crate::conf::convert::family::option_of;
use crate::conf::convert::names_to_resolve;
use crate::conf::convert::record::Outcome;
use crate::conf::convert::record::Record;
use crate::conf::convert::text::expressible;
use crate::conf::convert::text::is_include;
use crate::conf::convert::text::newer;
use crate::conf::diagnostic::render_all;
use crate::conf::ntp::Body;
use crate::conf::ntp::Opt;
use crate::conf::span::Origin;

impl Converter<'_> {
    /// What must be known before the first line is written.
    pub(super) fn prepare(&mut self) {
        self.read_command_lines();
        let conf = &self.input.conf;
        self.smearing = conf
            .statements()
            .find_map(|statement| match &statement.body {
                Body::Association { address, .. } => {
                    associations::smears(address.host()).then(|| address.host().to_owned())
                }
                _ => None,
            });
        let last = |name: &str, option: &str| -> Option<Opt> {
            conf.named(name)
                .filter_map(|statement| match &statement.body {
                    Body::Options(options) => options
                        .iter()
                        .rev()
                        .find(|known| known.name == option)
                        .cloned(),
                    _ => None,
                })
                .last()
        };
        self.max_clock = last("tos", "maxclock")
            .and_then(|option| option.number())
            .map(whole);
        let freq = last("tinker", "freq").and_then(|option| option.number());
        self.drift = drift::convert(self.input.drift.as_ref(), freq);
        self.drift_notes = core::mem::take(&mut self.drift.notes);
        self.serving = self.find_serving();
        self.daemon_family = self.find_daemon_family();
        self.pools = self.find_pools();
        let disabled = conf
            .statements()
            .filter(|statement| {
                matches!(statement.name, "enable" | "disable")
                    && matches!(&statement.body, Body::Words(words) if words.iter().any(|word| word.text == "ntp"))
            })
            .last()
            .filter(|statement| statement.name == "disable");
        if let Some(statement) = disabled {
            let at = self.origin(statement.span);
            self.refusal = Some(format!(
                "{at}: disable ntp: ntpd does not discipline the clock here, chronyd would"
            ));
        }
    }

    /// Sources of the whole configuration, a pool counting four.
    pub(super) fn source_count(&self) -> u32 {
        let count = self
            .input
            .conf
            .statements()
            .map(|statement| match statement.name {
                "server" | "peer" | "refclock" => 1,
                "pool" => 4,
                _ => 0,
            });
        count.sum()
    }

    pub(super) fn finish(mut self) -> Conversion {
        let mut tail = self.command_lines();
        tail.extend(self.ignored_dhcp());
        tail.extend(self.variables());
        tail.extend(self.step_tickers());
        let added = self.added();
        let added = self.known(added);
        let access = self.access_lines();
        let access = self.known(access);
        let (keys, key_records) = self.convert_keys();
        self.records.append(&mut tail);
        self.records.extend(key_records);
        let usable = self.sources > 0 || self.fallback || !self.input.dhcp.is_empty();
        if self.refusal.is_none() && !usable {
            self.refusal = Some("no source of time is left: neither a server nor a reference clock could be converted".to_owned());
        }
        let conf = self.text(&access, &added);
        // Our own parser must accept what was written.
        let check = load::parse_alone(&self.target.layout.conf, conf.as_bytes());
        let own: Vec<_> = check
            .diagnostics
            .iter()
            .filter(|d| d.is_error() && !is_include(&check, d))
            .cloned()
            .collect();
        if !own.is_empty() && self.refusal.is_none() {
            self.refusal = Some(format!(
                "a bug: the result does not parse\n{}",
                render_all(&own, &check.map)
            ));
        }
        if let Some(why) = &self.serving.withheld {
            self.warnings
                .push(format!("this machine does not serve any more: {why}"));
        } else if !self.serving.serve {
            self.warnings.push("this machine answers no clients after the migration; --serve keeps serving whoever ntpd answered".to_owned());
        }
        Conversion {
            conf,
            keys,
            drift: self.drift.content,
            daemon_options: self
                .daemon_family
                .map(|family| option_of(family).to_owned())
                .into_iter()
                .collect(),
            records: self.records,
            serving: self.serving,
            warnings: self.warnings,
            refusal: self.refusal,
            unresolved: names_to_resolve(self.input),
            refused: self.restrictions.refused(),
        }
    }

    /// Lines that no line of the input became, without those that the target does not know.
    fn known(&mut self, lines: Vec<String>) -> Vec<String> {
        let version = self.target.version;
        let mut known = Vec::new();
        for line in lines {
            match newer(&line, version).first() {
                Some(newer) => {
                    let (word, since) = (newer.word, newer.since);
                    self.warn(&format!(
                        "{word} needs chrony {since}, this is {version}: {line} is left out"
                    ));
                }
                // A file that a line of the distribution includes is not looked for.
                None if self.target.layout.kept.contains(&line) => known.push(line),
                None if expressible(&line) => known.push(line),
                None => {
                    let shown = address::shown(&line);
                    self.warn(&format!("chrony.conf has no way to write {shown}"));
                }
            }
        }
        known
    }

    /// What ntpd does by itself and chronyd must be told.
    fn added(&mut self) -> Vec<String> {
        let mut added = core::mem::take(&mut self.extra);
        if !self.drift_written {
            added.push(format!("driftfile {}", self.target.layout.drift));
        }
        if !self.step_written && !self.tinker_step_zero() {
            let step = if self.policy.ntpd_like {
                "makestep 0.128 -1"
            } else {
                "makestep 1 3"
            };
            added.push(step.to_owned());
        }
        if self.policy.ntpd_like {
            for line in [
                "minsamples 32",
                "maxslewrate 500",
                "corrtimeratio 100",
                "maxdrift 500",
                "maxclockerror 15",
            ] {
                let name = line.split(' ').next().unwrap_or("");
                if !self
                    .lines
                    .iter()
                    .chain(&added)
                    .any(|known| known.split(' ').next() == Some(name))
                {
                    added.push(line.to_owned());
                }
            }
            let dscp = self.target.version >= Version::new(4, 0);
            if dscp && !self.lines.iter().any(|line| line.starts_with("dscp ")) {
                added.push("dscp 46".to_owned());
            }
            if !self.lines.iter().any(|line| line.starts_with("maxchange ")) {
                added.push("maxchange 1000 1 1".to_owned());
            }
        }
        if self.target.no_rtc {
            self.warn("this machine has no RTC to keep: rtcsync is left out");
        } else {
            added.push("rtcsync".to_owned());
        }
        if !self.log_dir_written {
            added.push(format!("logdir {}", self.target.layout.logs));
        }
        if self.limits() && self.serving.serve {
            let daemon = self.target.layout.daemon;
            self.warn(&format!("the rate limit of ntpd's restrict lines was for their networks: ratelimit of {daemon} holds for every client"));
        }
        let is_dhcp = |line: &str| line.starts_with("sourcedir ") && line.contains("dhcp");
        let mut kept = self.target.layout.kept.clone();
        kept.retain(|line| self.input.ignore_dhcp.is_none() || !is_dhcp(line));
        added.extend(self.dhcp_lines(kept.iter().any(|line| is_dhcp(line))));
        added.extend(kept);
        added
    }

    /// Servers that DHCP gave: the new daemon gets them from DHCP itself where the distribution's
    /// configuration says so, else they are written down.
    fn dhcp_lines(&mut self, known: bool) -> Vec<String> {
        if self.input.dhcp.is_empty() {
            return Vec::new();
        }
        let hosts = self.input.dhcp.join(", ");
        let daemon = self.target.layout.daemon;
        let used = match self.source_count() {
            0 => "",
            _ => " (ntpd used them instead of its own servers; now both are used)",
        };
        let given = format!("DHCP gave {hosts}, which the old configuration does not name{used}");
        if known {
            self.warn(&format!(
                "{given}: {daemon} takes servers of DHCP from its sourcedir"
            ));
            return Vec::new();
        }
        self.warn(&format!(
            "{given}: they are written as server lines, for {daemon} does not ask DHCP here"
        ));
        let usable = self
            .input
            .dhcp
            .iter()
            .filter(|host| address::check_host(host).is_ok());
        usable.map(|host| format!("server {host} iburst")).collect()
    }

    /// The account of `IGNORE_DHCP=yes`.
    fn ignored_dhcp(&self) -> Option<Record> {
        let line = self.input.ignore_dhcp.as_ref()?;
        let origin = Origin {
            file: line.path.clone(),
            line: line.line,
            column: 1,
        };
        let outcome = Outcome::implied("no sourcedir for servers of DHCP is written");
        Some(Record::new(origin, line.text.clone(), outcome))
    }

    /// `tinker step 0` was seen: no makestep.
    fn tinker_step_zero(&self) -> bool {
        self.step_written
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped"
)]
fn whole(number: f64) -> u32 {
    number.clamp(0.0, 1e6) as u32
}
