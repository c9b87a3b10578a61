//! OpenNTPD's ntpd.conf to chrony.conf: `server`, `servers`, `listen on`, `query from`, `sensor`,
//! `constraint` (ntpd.conf(5)).
//!
//! OpenNTPD serves only where it is told to listen, and then everybody.

use crate::conf::address::check_host;
use crate::conf::chrony::value::Source;
use crate::conf::chrony::value::SourceKind;
use crate::conf::chrony::value::Value;
use crate::conf::chrony::write;
use crate::conf::convert::Conversion;
use crate::conf::convert::associations;
use crate::conf::convert::drift;
use crate::conf::convert::input::CommandLine;
use crate::conf::convert::input::Companion;
use crate::conf::convert::input::Policy;
use crate::conf::convert::input::Target;
use crate::conf::convert::record::Outcome;
use crate::conf::convert::record::Record;
use crate::conf::convert::restrict::Serving;
use crate::conf::convert::text::push_comment;
use crate::conf::ntp::Term;
use crate::conf::ntp::scan;
use crate::conf::span::Origin;
use crate::conf::span::SourceMap;
use crate::conf::words;
use core::net::IpAddr;
use std::collections::BTreeSet;

/// Converts a configuration of OpenNTPD.
#[must_use]
pub fn convert(
    path: &str,
    bytes: &[u8],
    drift_file: Option<&Companion>,
    options: &[CommandLine],
    target: &Target,
    policy: Policy,
) -> Conversion {
    let mut map = SourceMap::new();
    let id = map.add(path, bytes);
    let mut out = Writer {
        target,
        policy,
        lines: Vec::new(),
        access: Vec::new(),
        records: Vec::new(),
        serving: Serving::default(),
        bound: BTreeSet::new(),
        sources: 0,
        zones: BTreeSet::new(),
    };
    let listens = |line: &str| line.trim_start().starts_with("listen");
    if let Some(file) = map.file(id) {
        let evidence = (1..)
            .zip(file.text.lines())
            .filter(|(_, line)| listens(line));
        out.serving.evidence = evidence
            .map(|(number, line)| format!("{path}:{number}: {}", line.trim()))
            .collect();
        for line in words::lines(id, file) {
            out.line(path, &line);
        }
    }
    out.records.extend(options.iter().map(account));
    out.finish(path, drift_file)
}

/// The value of `-f`, the last one counting.
#[must_use]
pub fn file_option(lines: &[CommandLine]) -> Option<String> {
    let all = lines.iter().flat_map(|line| flags(&line.words));
    let files = all.filter(|(letter, _)| *letter == 'f');
    files.filter_map(|(_, value)| value).next_back()
}

/// The options of a command line: `-f FILE` and `-p FILE` have a value (ntpd(8)).
fn flags(words: &[String]) -> Vec<(char, Option<String>)> {
    let mut found = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let letters = word.strip_prefix('-').unwrap_or("");
        for (at, letter) in letters.char_indices() {
            if !matches!(letter, 'f' | 'p') {
                found.push((letter, None));
                continue;
            }
            let rest = letters.get(at + 1..).filter(|rest| !rest.is_empty());
            let value = rest.map(str::to_owned).or_else(|| words.next().cloned());
            found.push((letter, value));
            break;
        }
    }
    found
}

/// What became of the options of the service.
fn account(line: &CommandLine) -> Record {
    let mut reasons = Vec::new();
    for (letter, value) in flags(&line.words) {
        let value = value.unwrap_or_default();
        reasons.push(match letter {
            'f' => format!("{value} was read"),
            's' | 'S' => format!("-{letter}: makestep corrects a large first offset"),
            _ => format!("-{letter}: for the old service"),
        });
    }
    let outcome = match reasons.is_empty() {
        true => Outcome::implied("no options"),
        false => Outcome::changed(Vec::new(), &reasons.join("; ")),
    };
    let origin = Origin {
        file: line.path.clone(),
        line: line.line,
        column: 1,
    };
    Record::new(origin, line.text.clone(), outcome)
}

struct Writer<'a> {
    target: &'a Target,
    policy: Policy,
    lines: Vec<String>,
    access: Vec<String>,
    records: Vec<Record>,
    serving: Serving,
    bound: BTreeSet<bool>,
    sources: u32,
    zones: BTreeSet<String>,
}

impl Writer<'_> {
    fn line(&mut self, path: &str, line: &words::Line<'_>) {
        let text = line.text.trim();
        if text.is_empty() {
            if self.lines.last().is_some_and(|last| !last.is_empty()) {
                self.lines.push(String::new());
            }
            return;
        }
        let scanned = scan::line(line);
        let comment = scanned.comment.map(|span| {
            let start = span.start.saturating_sub(line.span.start);
            line.text.get(start..).unwrap_or("").trim_end().to_owned()
        });
        if let Some(comment) = &comment {
            push_comment(&mut self.lines, comment);
        }
        let outcome = if scanned.terms.is_empty() {
            Outcome::implied("a comment")
        } else {
            self.directive(&scanned.terms)
        };
        if outcome.matters && outcome.output.is_empty() {
            push_comment(
                &mut self.lines,
                &format!("# {path}:{}: not converted: {text}", line.number),
            );
        }
        self.lines.extend(outcome.output.iter().cloned());
        let origin = Origin {
            file: path.to_owned(),
            line: line.number,
            column: 1,
        };
        self.records
            .push(Record::new(origin, text.to_owned(), outcome));
    }

    fn directive(&mut self, terms: &[Term]) -> Outcome {
        let words: Vec<&str> = terms.iter().map(|term| term.text.as_str()).collect();
        match words.as_slice() {
            ["server", host, rest @ ..] => self.source(SourceKind::Server, host, rest),
            ["servers", host, rest @ ..] => self.source(SourceKind::Pool, host, rest),
            ["listen", "on", address, rest @ ..] => self.listen(address, rest),
            ["query", "from", address, ..] => match address.parse::<IpAddr>() {
                Ok(ip) => Outcome::kept(format!("bindacqaddress {ip}")),
                Err(_) => Outcome::lost("not an address to ask from"),
            },
            ["sensor", ..] => {
                Outcome::lost("chrony reads no sensors: see refclock for the clocks it reads")
            }
            ["constraint" | "constraints", ..] => Outcome::dropped(
                "chrony takes no time from HTTPS servers; sources with nts are authenticated",
            ),
            _ => Outcome::dropped("ntpd does not know the directive either"),
        }
    }

    fn source(&mut self, kind: SourceKind, host: &str, rest: &[&str]) -> Outcome {
        if let Err(flaw) = check_host(host) {
            return Outcome::lost(&format!("{}: no host has such a name", flaw.message));
        }
        // Four numbered names of one zone are one pool.
        let zone = host.split_once('.').filter(|(number, zone)| {
            matches!(*number, "0" | "1" | "2" | "3") && zone.ends_with("pool.ntp.org")
        });
        if let Some((_, zone)) = zone.filter(|_| kind == SourceKind::Pool) {
            if !self.zones.insert(zone.to_owned()) {
                return Outcome::changed(Vec::new(), &format!("part of pool 2.{zone}"));
            }
            self.sources += 1;
            let mut source = Source::new(kind, &format!("2.{zone}"));
            source.iburst = true;
            let line = write::line(kind.word(), &Value::Source(Box::new(source)));
            return Outcome::changed(
                vec![line],
                "numbered names of one zone are one pool (2 has IPv6 addresses too)",
            );
        }
        self.sources += 1;
        let kind = if host.parse::<IpAddr>().is_ok() {
            SourceKind::Server
        } else {
            kind
        };
        let mut source = Source::new(kind, host);
        // OpenNTPD asks at once at its start, too.
        source.iburst = true;
        let line = write::line(kind.word(), &Value::Source(Box::new(source)));
        let mut outcome = Outcome::changed(vec![line], "iburst, as OpenNTPD asks at its start");
        if rest.first() == Some(&"weight") && rest.get(1) != Some(&"1") {
            outcome = outcome
                .note("chrony weighs sources by their accuracy, not by a weight; see prefer");
        }
        outcome
    }

    fn listen(&mut self, address: &str, rest: &[&str]) -> Outcome {
        if self.policy.serve == Some(false) {
            return Outcome::changed(Vec::new(), "--no-serve: nobody is answered");
        }
        if rest.first() == Some(&"rtable") {
            return Outcome::lost("routing tables are not known here");
        }
        if address == "*" {
            self.serving.serve = true;
            self.access = vec!["allow 0.0.0.0/0".to_owned(), "allow ::/0".to_owned()];
            return Outcome::changed(Vec::new(), "everybody is answered, as before");
        }
        let Ok(ip) = address.parse::<IpAddr>() else {
            return Outcome::lost("chronyd binds to an address, not to a name");
        };
        if ip.is_loopback() {
            return Outcome::dropped("this machine itself needs no server");
        }
        if !self.bound.insert(ip.is_ipv4()) {
            return Outcome::lost("chronyd binds one address a family: an earlier line has it");
        }
        self.serving.serve = true;
        let everybody = if ip.is_ipv4() {
            "allow 0.0.0.0/0"
        } else {
            "allow ::/0"
        };
        if !self.access.iter().any(|line| line == everybody) {
            self.access.push(everybody.to_owned());
        }
        Outcome::kept(format!("bindaddress {ip}"))
    }

    fn finish(mut self, path: &str, drift_file: Option<&Companion>) -> Conversion {
        let drift = drift::convert(drift_file, None);
        let layout = &self.target.layout;
        let mut conf = format!("# Converted from {path} by clockbox migrate-ntpd.\n\n");
        let mut tail = vec![
            String::new(),
            format!("# Needed by {}, a matter of course in ntpd.", layout.daemon),
            format!("driftfile {}", layout.drift),
            "makestep 1 3".to_owned(),
        ];
        if !self.target.no_rtc {
            tail.push("rtcsync".to_owned());
        }
        tail.push(format!("logdir {}", layout.logs));
        tail.extend(layout.kept.iter().cloned());
        if !self.access.is_empty() {
            tail.push(String::new());
            tail.push("# Access: who is answered.".to_owned());
            tail.append(&mut self.access);
        }
        for line in self.lines.iter().chain(&tail) {
            conf.push_str(line);
            conf.push('\n');
        }
        let refusal = (self.sources == 0)
            .then(|| "no source of time is left: there is neither server nor servers".to_owned());
        // That it was carried over needs no warning.
        let mut warnings = match drift.content {
            Some(_) => Vec::new(),
            None => drift.notes,
        };
        if self.serving.serve {
            warnings.push("everybody may ask this machine for the time, as before: name the networks in allow lines if that is not wanted".to_owned());
        }
        if conf.lines().any(|line| {
            line.split_whitespace()
                .nth(1)
                .is_some_and(associations::smears)
        }) {
            warnings
                .push("a source smears leap seconds: use only such sources together".to_owned());
        }
        Conversion {
            conf,
            keys: None,
            drift: drift.content,
            daemon_options: Vec::new(),
            records: self.records,
            serving: self.serving,
            warnings,
            refusal,
            unresolved: Vec::new(),
            refused: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::chrony::Version;
    use crate::conf::chrony::load::parse_alone;
    use crate::conf::convert::input::Layout;

    fn run(text: &str) -> Conversion {
        let target = Target {
            version: Version::new(4, 3),
            layout: Layout::debian(),
            leap_list: None,
            right_utc: None,
            no_rtc: false,
            options: None,
        };
        let drift = Companion {
            path: "ntpd.drift".to_owned(),
            content: Ok(b"3.5\n".to_vec()),
        };
        let done = convert(
            "ntpd.conf",
            text.as_bytes(),
            Some(&drift),
            &[],
            &target,
            Policy::default(),
        );
        assert!(
            !parse_alone("f", done.conf.as_bytes()).has_errors(),
            "{}",
            done.conf
        );
        done
    }

    #[test]
    fn sources_listeners_and_the_rest() {
        let done = run(
            "# mine\nservers 0.debian.pool.ntp.org\nservers 1.debian.pool.ntp.org\nserver a.example weight 5 # best\n\
            query from 192.0.2.1\nsensor *\nconstraint from \"https://www.example.com/\"\nlisten on 10.0.0.1\nlisten on 127.0.0.1\n",
        );
        for line in [
            "pool 2.debian.pool.ntp.org iburst",
            "server a.example iburst",
            "bindacqaddress 192.0.2.1",
            "bindaddress 10.0.0.1",
            "allow 0.0.0.0/0",
            "# mine",
            "# best",
        ] {
            assert!(
                done.conf.lines().any(|known| known == line),
                "{line} in\n{}",
                done.conf
            );
        }
        assert!(!done.conf.contains("allow ::/0"));
        assert_eq!(done.records.len(), 9);
        assert_eq!(done.losses().count(), 1);
        assert!(done.drift.unwrap().trim_start().starts_with("-3.5"));
        assert_eq!(done.refusal, None);
    }

    #[test]
    fn without_listeners_nobody_is_served_and_without_servers_it_is_refused() {
        let done = run("servers pool.ntp.org\n");
        assert!(!done.conf.contains("allow") && !done.serving.serve);
        assert!(run("listen on *\n").refusal.is_some());
    }
}
